// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thousands of vectors of up to two devices in one VM: how many requests they cost, and what
 * becomes of those that KVM has no route for. Time is the test's own (tests/fake/clock.h), so the
 * counts are exact. IRQ_COUNTS=FILE keeps them as a table. What Linux really wrote is in
 * test_irq_trace.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"
#include "irq/msix.h"
#include "tests/fake/clock.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/kvm.h"
#include "tests/fake/vfio.h"
#include "vfio/irqset.h"

#define VM_FD   1000
#define DEVICES 2

/* A message's address says which device, its data which vector. */
struct device {
	unsigned id, n;
	struct fake_vfio vfio;
	struct msix *msix;
	unsigned got[MSIX_MAX_VECTORS];
};

static struct {
	struct fake_kvm kvm;
	struct gsi *gsi;
	struct loop *loop;
	struct device dev[DEVICES];
	unsigned ndevices;
	unsigned by_irqfd, by_user, wrong;
} t;

static void stop(void *opaque, int fd)
{
	loop_quit(opaque, 0);
}

/* What waits in eventfds on the user path. The descriptor that is always ready ends each round. */
static void run_loop(void)
{
	_cleanup_close_ int end = eventfd(0, EFD_CLOEXEC);

	eventfd_write(end, 1);
	assert_int_equal(loop_add(t.loop, end, stop, t.loop), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(loop_run(t.loop), 0);
	loop_del(t.loop, end);
}

/* --- devices and guest --- */

static void deliver(void *opaque, uint64_t address, uint32_t data, bool by_irqfd)
{
	unsigned id = address >> 12 & 0xff;

	if (address >> 20 != 0xfee || id >= t.ndevices || data >= t.dev[id].n) {
		t.wrong++;
		return;
	}
	t.dev[id].got[data]++;
	*(by_irqfd ? &t.by_irqfd : &t.by_user) += 1;
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	struct device *d = opaque;

	return vfio_irqset_trigger(d->vfio.fd, VFIO_IRQ_MSIX, first, n, fds);
}

static void disable(void *opaque)
{
	struct device *d = opaque;

	assert_int_equal(vfio_irqset_disable(d->vfio.fd, VFIO_IRQ_MSIX), 0);
}

static const struct vector_ops ops = { .set_vectors = set_vectors, .disable = disable };

static void add_device(unsigned n)
{
	struct device *d = &t.dev[t.ndevices];
	struct vector_config config = { .name = "0000:01:10.0: MSI-X",
					.vm_fd = VM_FD,
					.gsi = t.gsi,
					.loop = t.loop,
					.ops = &ops,
					.opaque = d,
					.count = n };
	struct err err = ERR_INIT;

	d->id = t.ndevices++;
	d->n = n;
	assert_int_equal(fake_vfio_new(&d->vfio), 0);
	d->vfio.signal = fake_kvm_signal;
	d->vfio.signal_opaque = &t.kvm;
	d->vfio.irq[VFIO_IRQ_MSIX].count = n;
	d->vfio.irq[VFIO_IRQ_MSIX].flags = VFIO_IRQ_INFO_EVENTFD;
	assert_int_equal(msix_new(&config, &d->msix, &err), 0);
}

/* n vectors; more than a table holds are those of two devices. */
static void begin(unsigned n)
{
	struct err err = ERR_INIT;

	memset(&t, 0, sizeof(t));
	fake_clock_reset();
	fake_ioctl_reset();
	fake_kvm_new(&t.kvm, VM_FD);
	t.kvm.deliver = deliver;
	t.loop = loop_new();
	assert_int_equal(gsi_new(VM_FD, &t.gsi, &err), 0);
	t.kvm.commits = 0;
	t.kvm.entries_sent = 0;
	if (n > MSIX_MAX_VECTORS) {
		add_device(n / 2);
		n -= n / 2;
	}
	add_device(n);
}

static void end(void)
{
	for (unsigned i = 0; i < t.ndevices; i++) {
		msix_free(t.dev[i].msix);
		assert_int_equal(t.dev[i].vfio.mode, -1);
		assert_int_equal(t.dev[i].vfio.over_live, 0);
		fake_vfio_free(&t.dev[i].vfio);
	}
	assert_int_equal(t.kvm.nirqfds, 0);
	assert_int_equal(t.kvm.broken_order, 0);
	assert_int_equal(t.wrong, 0);
	gsi_free(t.gsi);
	loop_free(t.loop);
	fake_kvm_free(&t.kvm);
	assert_true(fake_ioctl_done());
}

static void write_u32(struct device *d, unsigned v, unsigned off, uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	msix_table_write(d->msix, (uint64_t)v * MSIX_ENTRY_SIZE + off, b, 4);
}

static void read_u32(struct device *d, unsigned v, unsigned off)
{
	uint8_t b[4];

	msix_table_read(d->msix, (uint64_t)v * MSIX_ENTRY_SIZE + off, b, 4);
}

/* __pci_write_msi_msg(): three words under the mask, and one read back. */
static void write_message(struct device *d, unsigned v, uint32_t data)
{
	write_u32(d, v, PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee00000 | d->id << 12);
	write_u32(d, v, PCI_MSIX_ENTRY_UPPER_ADDR, 0);
	write_u32(d, v, PCI_MSIX_ENTRY_DATA, data);
	read_u32(d, v, PCI_MSIX_ENTRY_DATA);
}

static void set_mask(struct device *d, unsigned v, bool masked)
{
	write_u32(d, v, PCI_MSIX_ENTRY_VECTOR_CTRL, masked);
}

/* The message of a vector that Linux has not given to anybody yet (MANAGED_IRQ_SHUTDOWN_VECTOR). */
#define NOBODYS 0xef

/*
 * pci_alloc_irq_vectors(): msix_capability_init() of Linux 5.17 to 6.x. Enabled under the
 * function mask, each entry's control read, a message in each entry, all masked, the function
 * mask released.
 */
static void linux_enable(struct device *d)
{
	msix_set_control(d->msix, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (unsigned v = 0; v < d->n; v++)
		read_u32(d, v, PCI_MSIX_ENTRY_VECTOR_CTRL);
	for (unsigned v = 0; v < d->n; v++)
		write_message(d, v, NOBODYS);
	for (unsigned v = 0; v < d->n; v++)
		set_mask(d, v, true);
	msix_set_control(d->msix, PCI_MSIX_FLAGS_ENABLE);
}

/* request_irq(): irq_startup() gives the vector its message, then unmasks it. */
static void linux_request(struct device *d, unsigned v)
{
	write_message(d, v, v);
	set_mask(d, v, false);
}

/* Everything written and unmasked before MSI-X is enabled. */
static void burst(struct device *d)
{
	for (unsigned v = 0; v < d->n; v++)
		linux_request(d, v);
	msix_set_control(d->msix, PCI_MSIX_FLAGS_ENABLE);
}

static void trace(struct device *d, uint64_t pace)
{
	linux_enable(d);
	for (unsigned v = 0; v < d->n; v++) {
		linux_request(d, v);
		fake_clock_pass(pace);
	}
}

static void fire_all(struct device *d)
{
	for (unsigned v = 0; v < d->n; v++)
		fake_vfio_fire(&d->vfio, v);
}

/* --- counts --- */

static const unsigned numbers[] = { 1,	2,   4,	  8,	16,   32,  64,
				    128, 256, 512, 1024, 2048, 4000 };

struct counts {
	unsigned commits, irqfds, set_irqs, largest;
	uint64_t entries;
};

static FILE *table; /* IRQ_COUNTS=, or NULL */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	if (!table)
		return;
	va_start(ap, fmt);
	vfprintf(table, fmt, ap);
	va_end(ap);
}

static void head(const char *title)
{
	say("\n%s\n\n%7s %8s %8s %11s %10s %9s %8s\n", title, "vectors", "commits", "entries",
	    "per vector", "KVM_IRQFD", "SET_IRQS", "largest");
}

static struct counts count(unsigned n)
{
	struct counts c = { .commits = t.kvm.commits,
			    .irqfds = t.kvm.assigns + t.kvm.deassigns,
			    .entries = t.kvm.entries_sent };

	for (unsigned i = 0; i < t.ndevices; i++) {
		c.set_irqs += t.dev[i].vfio.set_irqs;
		if (t.dev[i].vfio.set_irqs_largest > c.largest)
			c.largest = t.dev[i].vfio.set_irqs_largest;
	}
	say("%7u %8u %8llu %11.1f %10u %9u %8u\n", n, c.commits, (unsigned long long)c.entries,
	    (double)c.entries / n, c.irqfds, c.set_irqs, c.largest);
	return c;
}

/* All of them are in KVM's hands and work. */
static void all_by_irqfd(unsigned n)
{
	unsigned before = t.by_irqfd;

	assert_int_equal(t.kvm.nirqfds, n);
	for (unsigned i = 0; i < t.ndevices; i++)
		fire_all(&t.dev[i]);
	assert_int_equal(t.by_irqfd - before, n);
}

static void test_a_burst_is_one_commit_and_two_requests_for_each_device(void **state)
{
	head("Enabled with every vector unmasked");
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned n = numbers[i];
		struct counts c;

		begin(n);
		for (unsigned d = 0; d < t.ndevices; d++)
			burst(&t.dev[d]);
		c = count(n);
		assert_int_equal(c.commits, t.ndevices);
		assert_int_equal(c.irqfds, n);
		assert_int_equal(c.set_irqs, 2 * t.ndevices); /* the mode, then all */
		assert_int_equal(c.largest, t.dev[t.ndevices - 1].n);
		assert_true(c.entries <= t.ndevices * (GSI_LEGACY_ROUTES + (uint64_t)n));
		all_by_irqfd(n);
		end();
	}
}

static struct counts paced(unsigned n, uint64_t pace)
{
	struct counts c;

	begin(n);
	for (unsigned d = 0; d < t.ndevices; d++)
		trace(&t.dev[d], pace);
	fake_clock_settle();
	c = count(n);
	/* Nothing is done twice, and live vectors are left alone. */
	assert_int_equal(c.irqfds, n);
	assert_int_equal(c.set_irqs, t.ndevices + n);
	assert_int_equal(c.largest, 1);
	all_by_irqfd(n);
	end();
	return c;
}

/* Unmasks that follow each other in less than 5 ms: limits for every n, of each device. */
static void follows(uint64_t pace, unsigned most_commits, unsigned most_entries)
{
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned n = numbers[i], devices = n > MSIX_MAX_VECTORS ? 2 : 1;
		struct counts c = paced(n, pace);

		assert_in_range(c.commits, devices, most_commits * devices);
		assert_true(c.entries <= (uint64_t)most_entries * n +
						 (uint64_t)c.commits * GSI_LEGACY_ROUTES);
	}
}

static void test_linux_takes_a_handful_of_commits(void **state)
{
	head("Linux, one request_irq() each 20 us");
	follows(20000, 2, 2);
	head("Linux, one request_irq() each 100 us");
	follows(100000, 3, 4);
}

static void test_a_slow_driver_takes_a_handful_of_commits(void **state)
{
	head("A driver that takes 1 ms for each vector");
	follows(1000000, 10, 12);
}

/* Each settles by itself before the next one comes: 5 ms or more for each commit. */
static void test_very_slow_drivers_settle_each_vector(void **state)
{
	static const unsigned some[] = { 1, 8, 64, 512 };

	head("A driver that takes 10 ms for each vector");
	for (unsigned i = 0; i < ARRAY_SIZE(some); i++)
		assert_int_equal(paced(some[i], 10000000).commits, some[i]);
}

/* --- more vectors than routes --- */

static void stats(unsigned d, unsigned irqfds, unsigned user)
{
	struct vector_stats s;

	vectors_stats(msix_vectors(t.dev[d].msix), &s);
	assert_int_equal(s.irqfds, irqfds);
	assert_int_equal(s.user, user);
	assert_int_equal(s.failures, 0);
}

static void each_got(unsigned d, unsigned times)
{
	for (unsigned v = 0; v < t.dev[d].n; v++)
		assert_int_equal(t.dev[d].got[v], times);
}

/* Standard error into a file, until the returned descriptor is put back. */
static int hear(int *ret_file)
{
	int old = dup(STDERR_FILENO);

	*ret_file = memfd_create("said", MFD_CLOEXEC);
	assert_true(*ret_file >= 0 && dup2(*ret_file, STDERR_FILENO) >= 0);
	return old;
}

static void heard(int old, int file, const char *words, unsigned lines)
{
	char said[4096] = "";
	ssize_t n = pread(file, said, sizeof(said) - 1, 0);
	unsigned seen = 0;

	dup2(old, STDERR_FILENO);
	close(old);
	close(file);
	assert_true(n >= 0);
	for (const char *p = said; *p; p++)
		seen += *p == '\n';
	assert_int_equal(seen, lines);
	assert_non_null(strstr(said, words));
}

#define SHORT (2 * MSIX_MAX_VECTORS - GSI_MAX_MSI)

/* Two full tables are 40 vectors more than there are routes. */
static void test_routes_that_run_out_are_said_and_come_back_at_disable(void **state)
{
	int file, old;

	begin(2 * MSIX_MAX_VECTORS);
	old = hear(&file);
	burst(&t.dev[0]);
	burst(&t.dev[1]);
	heard(old, file,
	      "0000:01:10.0: MSI-X: all 4056 interrupt routes of the kernel are taken; vector "
	      "2008 and others are served from userspace, slower",
	      1);
	stats(0, MSIX_MAX_VECTORS, 0);
	stats(1, MSIX_MAX_VECTORS - SHORT, SHORT);
	fire_all(&t.dev[0]);
	fire_all(&t.dev[1]);
	run_loop();
	each_got(0, 1);
	each_got(1, 1);
	assert_int_equal(t.by_user, SHORT);

	/* Its routes are free; the other's rest gets them when its driver moves next. */
	msix_set_control(t.dev[0].msix, 0);
	set_mask(&t.dev[1], 2047, true);
	fake_vfio_fire(&t.dev[1].vfio, 2047);
	assert_true(vectors_pending(msix_vectors(t.dev[1].msix), 2047));
	set_mask(&t.dev[1], 2047, false);
	fake_clock_settle();
	stats(1, MSIX_MAX_VECTORS, 0);
	assert_int_equal(t.dev[1].got[2047], 2);

	/* Now it is the first one's turn to be short of them. */
	old = hear(&file);
	msix_set_control(t.dev[0].msix, PCI_MSIX_FLAGS_ENABLE);
	heard(old, file, "vector 2008 and others are served from userspace", 1);
	stats(0, MSIX_MAX_VECTORS - SHORT, SHORT);
	fire_all(&t.dev[0]);
	run_loop();
	each_got(0, 2);
	end();
}

static int open_table(void **state)
{
	const char *path = getenv("IRQ_COUNTS");
	uint64_t need;

	if (path && !(table = fopen(path, "w")))
		return -1;
	return irqfd_reserve(2 * MSIX_MAX_VECTORS, &need);
}

static int close_table(void **state)
{
	return table && fclose(table) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_is_one_commit_and_two_requests_for_each_device),
		cmocka_unit_test(test_linux_takes_a_handful_of_commits),
		cmocka_unit_test(test_a_slow_driver_takes_a_handful_of_commits),
		cmocka_unit_test(test_very_slow_drivers_settle_each_vector),
		cmocka_unit_test(test_routes_that_run_out_are_said_and_come_back_at_disable),
	};

	return cmocka_run_group_tests_name("irq_many", tests, open_table, close_table);
}
