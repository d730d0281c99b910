// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What drivers of a Linux guest wrote into MSI-X registers, access by access (tests/data/msix),
 * once more: how many requests it costs, what the guest reads, and that each vector in use then
 * arrives with the message that the guest gave it. IRQ_COUNTS=FILE gets the counts as a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#define VM_FD 1000

/* The driver's whole life in a guest: what it cost, and how many vectors it used at most. */
struct counts {
	unsigned used, commits, irqfds, set_irqs, largest;
};

static const struct trace {
	const char *name;
	unsigned n;      /* vectors that the device has */
	uint64_t slower; /* all of the guest's time, so many times over */
	struct counts want;
} traces[] = {
	/* Its first life is over before its one vector has an irqfd; SET_IRQS: 2, off, 6, off. */
	{ "nvme", 8, 1, { 5, 1, 2 * 5, 10, 1 } },
	{ "nvme", 8, 10, { 5, 1, 2 * 5, 10, 1 } },
	{ "nvme", 8, 100, { 5, 6, 2 * (1 + 5), 10, 1 } },
	{ "virtio_console", 128, 1, { 128, 1, 128, 129, 1 } },
	{ "virtio_console", 128, 10, { 128, 3, 128, 129, 1 } },
	/* 15 ms from one request_irq() to the next: each settles by itself. */
	{ "virtio_console", 128, 100, { 128, 128, 128, 129, 1 } },
};

/* A line: when (us), what, where in the table, how wide, which value. */
struct access {
	uint64_t us;
	char what; /* r, w: the table; c: message control */
	unsigned at, len;
	uint64_t value;
};

static struct {
	struct fake_kvm kvm;
	struct fake_vfio vfio;
	struct gsi *gsi;
	struct loop *loop;
	struct msix *msix;
	unsigned arrived;
	uint64_t address; /* of what arrived last */
	uint32_t data;
} t;

static FILE *table; /* IRQ_COUNTS=, or NULL */

static void deliver(void *opaque, uint64_t address, uint32_t data, bool by_irqfd)
{
	t.arrived += by_irqfd;
	t.address = address;
	t.data = data;
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	return vfio_irqset_trigger(t.vfio.fd, VFIO_IRQ_MSIX, first, n, fds);
}

static void disable(void *opaque)
{
	assert_int_equal(vfio_irqset_disable(t.vfio.fd, VFIO_IRQ_MSIX), 0);
}

static const struct vector_ops ops = { .set_vectors = set_vectors, .disable = disable };

static void begin(unsigned n)
{
	struct vector_config config = {
		.name = "0000:01:00.0: MSI-X", .vm_fd = VM_FD, .ops = &ops, .count = n
	};
	struct err err = ERR_INIT;

	memset(&t, 0, sizeof(t));
	fake_clock_reset();
	fake_ioctl_reset();
	fake_kvm_new(&t.kvm, VM_FD);
	t.kvm.deliver = deliver;
	t.loop = loop_new();
	assert_int_equal(gsi_new(VM_FD, &t.gsi, &err), 0);
	t.kvm.commits = 0;
	assert_int_equal(fake_vfio_new(&t.vfio), 0);
	t.vfio.signal = fake_kvm_signal;
	t.vfio.signal_opaque = &t.kvm;
	t.vfio.irq[VFIO_IRQ_MSIX].count = n;
	t.vfio.irq[VFIO_IRQ_MSIX].flags = VFIO_IRQ_INFO_EVENTFD;
	config.gsi = t.gsi;
	config.loop = t.loop;
	assert_int_equal(msix_new(&config, &t.msix, &err), 0);
}

static void end(void)
{
	msix_free(t.msix);
	assert_int_equal(t.vfio.mode, -1);
	assert_int_equal(t.vfio.over_live, 0);
	assert_int_equal(t.kvm.nirqfds, 0);
	assert_int_equal(t.kvm.broken_order, 0);
	fake_vfio_free(&t.vfio);
	gsi_free(t.gsi);
	loop_free(t.loop);
	fake_kvm_free(&t.kvm);
	assert_true(fake_ioctl_done());
}

static bool next_access(FILE *f, struct access *ret)
{
	char line[128];

	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%lu %c %x %u %lx", &ret->us, &ret->what, &ret->at,
					&ret->len, &ret->value),
				 5);
		assert_in_range(ret->len, 1, 8);
		return true;
	}
	return false;
}

/* What the guest read then, it reads now. */
static void repeat(const struct access *a)
{
	uint8_t b[8], got[8] = { 0 };

	put_le64(b, a->value);
	if (a->what == 'c') {
		msix_set_control(t.msix, (uint16_t)a->value);
	} else if (a->what == 'w') {
		msix_table_write(t.msix, a->at, b, a->len);
	} else {
		msix_table_read(t.msix, a->at, got, a->len);
		assert_memory_equal(got, b, a->len);
	}
}

/* Vector v as the table has it: unmasked, and which message. */
static bool unmasked(unsigned v, uint64_t *ret_address, uint32_t *ret_data)
{
	uint8_t e[MSIX_ENTRY_SIZE];

	msix_table_read(t.msix, (uint64_t)v * sizeof(e), e, 8);
	msix_table_read(t.msix, (uint64_t)v * sizeof(e) + 8, e + 8, 8);
	*ret_address = get_le64(e);
	*ret_data = get_le32(e + PCI_MSIX_ENTRY_DATA);
	return !(e[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Each that the driver uses comes by its irqfd, as the message that is its own. */
static void all_arrive(unsigned n, unsigned used)
{
	unsigned fired = 0;

	t.arrived = 0;
	for (unsigned v = 0; v < n; v++) {
		uint64_t address;
		uint32_t data;

		if (!unmasked(v, &address, &data))
			continue;
		fake_vfio_fire(&t.vfio, v);
		assert_int_equal(t.arrived, ++fired);
		assert_int_equal(t.address, address);
		assert_int_equal(t.data, data);
	}
	assert_int_equal(fired, used);
}

static unsigned live(void)
{
	struct vector_stats s;

	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.failures, 0);
	return s.live;
}

/* A pause of the driver's, in which its device works. */
#define QUIET_US 50000

/* The end of the file is one, too. */
static void when_quiet(const struct trace *trace, struct counts *c)
{
	unsigned used = live();

	fake_clock_settle();
	all_arrive(trace->n, used);
	if (used > c->used)
		c->used = used;
}

static struct counts replay(const struct trace *trace)
{
	struct access a, before = { 0 };
	struct counts c = { 0 };
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/msix/%s", trace->name);
	f = fopen(path, "re");
	assert_non_null(f);
	begin(trace->n);
	while (next_access(f, &a)) {
		if (a.us - before.us >= QUIET_US)
			when_quiet(trace, &c);
		fake_clock_pass((a.us - before.us) * 1000 * trace->slower);
		repeat(&a);
		before = a;
	}
	fclose(f);
	when_quiet(trace, &c);
	c.commits = t.kvm.commits;
	c.irqfds = t.kvm.assigns + t.kvm.deassigns;
	c.set_irqs = t.vfio.set_irqs;
	c.largest = t.vfio.set_irqs_largest;
	end();
	return c;
}

static void say(const struct trace *trace, const struct counts *c)
{
	if (!table)
		return;
	fprintf(table, "%-15s %6lux %7u %8u %10u %9u %8u\n", trace->name, trace->slower, c->used,
		c->commits, c->irqfds, c->set_irqs, c->largest);
}

static void test_linux_drivers_cost_what_they_did(void **state)
{
	if (table)
		fprintf(table, "%-15s %7s %7s %8s %10s %9s %8s\n", "driver", "time", "in use",
			"commits", "KVM_IRQFD", "SET_IRQS", "largest");
	for (unsigned i = 0; i < ARRAY_SIZE(traces); i++) {
		const struct trace *trace = &traces[i];
		struct counts c = replay(trace);

		say(trace, &c);
		assert_int_equal(c.used, trace->want.used);
		assert_int_equal(c.commits, trace->want.commits);
		assert_int_equal(c.irqfds, trace->want.irqfds);
		assert_int_equal(c.set_irqs, trace->want.set_irqs);
		assert_int_equal(c.largest, trace->want.largest);
	}
}

static int open_table(void **state)
{
	const char *path = getenv("IRQ_COUNTS");
	uint64_t need;

	if (path && !(table = fopen(path, "w")))
		return -1;
	return irqfd_reserve(MSIX_MAX_VECTORS, &need);
}

static int close_table(void **state)
{
	return table && fclose(table) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux_drivers_cost_what_they_did),
	};

	return cmocka_run_group_tests_name("irq_trace", tests, open_table, close_table);
}
