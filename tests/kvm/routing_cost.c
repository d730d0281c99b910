// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What n vectors cost this machine's KVM: each with a commit of its own, which sends the table n
 * times, against one commit for all. Prints a line for each n; with and without the irqfds, each
 * of which KVM updates at every commit. No device and no guest: KVM's part alone. The ratio is of
 * CPU time, which other work on the machine changes less.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"

#define MAX  4000
#define RUNS 3

static int fds[MAX];

struct cost {
	double elapsed, cpu; /* ms */
};

static double ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static struct cost now(void)
{
	struct timespec t;
	struct rusage u;

	clock_gettime(CLOCK_MONOTONIC, &t);
	getrusage(RUSAGE_SELF, &u);
	return (struct cost){ (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6,
			      ms(u.ru_utime) + ms(u.ru_stime) };
}

static int route(struct gsi *gsi, unsigned i, uint32_t *ret_gsi)
{
	int r = gsi_alloc(gsi, ret_gsi);

	if (r == 0)
		gsi_set_msi(gsi, *ret_gsi, 0xfee00000, 0x30 + i % 200);
	return r;
}

static int each(int vm, struct gsi *gsi, unsigned n, bool irqfds)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		uint32_t number;

		r = route(gsi, i, &number);
		if (r == 0)
			r = gsi_commit(gsi);
		if (r == 0 && irqfds)
			r = irqfd_assign(vm, fds[i], number);
	}
	return r;
}

static int together(int vm, struct gsi *gsi, unsigned n, bool irqfds)
{
	static uint32_t number[MAX];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++)
		r = route(gsi, i, &number[i]);
	if (r == 0)
		r = gsi_commit(gsi);
	for (unsigned i = 0; irqfds && r == 0 && i < n; i++)
		r = irqfd_assign(vm, fds[i], number[i]);
	return r;
}

static int once(int kvm, bool batch, unsigned n, bool irqfds, struct cost *best)
{
	_cleanup_close_ int vm = VALUE_IOCTL(kvm, KVM_CREATE_VM, 0);
	struct err err = ERR_INIT;
	struct gsi *gsi = NULL;
	struct cost start, end;
	int r = vm < 0 ? vm : VALUE_IOCTL(vm, KVM_CREATE_IRQCHIP, 0);

	if (r == 0)
		r = gsi_new(vm, &gsi, &err);
	if (r < 0)
		return r;
	start = now();
	r = (batch ? together : each)(vm, gsi, n, irqfds);
	end = now();
	gsi_free(gsi);
	if (best->elapsed == 0 || end.elapsed - start.elapsed < best->elapsed)
		best->elapsed = end.elapsed - start.elapsed;
	if (best->cpu == 0 || end.cpu - start.cpu < best->cpu)
		best->cpu = end.cpu - start.cpu;
	return r;
}

/* The least of a few runs, each in a VM of its own. */
static int least(int kvm, bool batch, unsigned n, bool irqfds, struct cost *ret)
{
	int r = 0;

	*ret = (struct cost){ 0 };
	for (unsigned i = 0; r == 0 && i < RUNS; i++)
		r = once(kvm, batch, n, irqfds, ret);
	return r;
}

static int line(int kvm, unsigned n, bool irqfds)
{
	struct cost a, b;
	int r = least(kvm, false, n, irqfds, &a);

	if (r == 0)
		r = least(kvm, true, n, irqfds, &b);
	if (r < 0)
		return r;
	printf("%7u %7s %10.2f %8.2f %12.3f %8.3f %9.0f\n", n, irqfds ? "yes" : "no", a.elapsed,
	       a.cpu, b.elapsed, b.cpu, a.cpu / b.cpu);
	fflush(stdout);
	return 0;
}

static int table(int kvm)
{
	static const unsigned numbers[] = { 64, 512, 1024, 2048, MAX };
	int r = 0;

	printf("%7s %7s %10s %8s %12s %8s %9s\n", "vectors", "irqfds", "n commits", "CPU",
	       "one commit", "CPU", "ratio");
	for (unsigned with = 0; with < 2; with++)
		for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(numbers); i++)
			r = line(kvm, numbers[i], with);
	return r;
}

int main(void)
{
	_cleanup_close_ int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	uint64_t need;
	int r = kvm < 0 ? -errno : irqfd_reserve(MAX, &need);

	for (unsigned i = 0; r == 0 && i < MAX; i++) {
		fds[i] = irqfd_eventfd();
		r = fds[i] < 0 ? fds[i] : 0;
	}
	if (r == 0)
		r = table(kvm);
	if (r < 0)
		fprintf(stderr, "routing_cost: %s\n", strerror(-r));
	return r < 0;
}
