// SPDX-License-Identifier: GPL-2.0-or-later
/* MSI-X against the kernel's own irqfds and routes: what it takes, and what it swallows. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"
#include "irq/msix.h"

#define N 300

static struct {
	int kvm, vm, vcpu;
	struct gsi *gsi;
	struct loop *loop;
	struct msix *msix;
	int trigger[N]; /* what a device would signal */
} t;

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	for (unsigned i = 0; i < n; i++)
		t.trigger[first + i] = fds[i];
	return 0;
}

static void disable(void *opaque)
{
	for (unsigned i = 0; i < N; i++)
		t.trigger[i] = -1;
}

static const struct vector_ops ops = { .set_vectors = set_vectors, .disable = disable };

static int setup(void **state)
{
	struct vector_config config = { .name = "test", .ops = &ops, .count = N };
	struct err err = ERR_INIT;
	uint64_t need;

	t.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	t.vm = t.vcpu = -1;
	if (t.kvm < 0)
		return 0;
	t.vm = VALUE_IOCTL(t.kvm, KVM_CREATE_VM, 0);
	if (t.vm < 0 || VALUE_IOCTL(t.vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return -1;
	t.vcpu = VALUE_IOCTL(t.vm, KVM_CREATE_VCPU, 0); /* somebody to interrupt */
	t.loop = loop_new();
	if (t.vcpu < 0 || !t.loop || irqfd_reserve(N, &need) < 0 || gsi_new(t.vm, &t.gsi, &err) < 0)
		return -1;
	config.vm_fd = t.vm;
	config.gsi = t.gsi;
	config.loop = t.loop;
	return msix_new(&config, &t.msix, &err);
}

static int teardown(void **state)
{
	t.msix = msix_free(t.msix);
	t.gsi = gsi_free(t.gsi);
	t.loop = loop_free(t.loop);
	close_fdp(&t.vcpu);
	close_fdp(&t.vm);
	close_fdp(&t.kvm);
	return 0;
}

static void need_kvm(void)
{
	if (t.kvm >= 0)
		return;
	print_message("no usable /dev/kvm here\n");
	skip();
}

static void write_u32(unsigned v, unsigned off, uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	msix_table_write(t.msix, v * MSIX_ENTRY_SIZE + off, b, 4);
}

static void request(unsigned v)
{
	write_u32(v, PCI_MSIX_ENTRY_LOWER_ADDR, 0xfee00000);
	write_u32(v, PCI_MSIX_ENTRY_DATA, 0x30 + v % 200);
	write_u32(v, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
}

/* A signal that KVM took leaves nothing behind. */
static bool swallowed(unsigned v)
{
	assert_int_equal(eventfd_write(t.trigger[v], 1), 0);
	return !irqfd_pending(t.trigger[v]);
}

static void test_vectors_unmasked_one_by_one_end_in_the_kernel(void **state)
{
	struct vector_stats s;

	need_kvm();
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned v = 0; v < N; v++)
		request(v);
	vectors_settle(msix_vectors(t.msix));
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.irqfds, N);
	assert_int_equal(s.failures, 0);
	assert_int_equal(gsi_commits(t.gsi), 2);
	for (unsigned v = 0; v < N; v++)
		assert_true(swallowed(v));
}

static void test_masked_vector_pends_and_is_swallowed_at_unmask(void **state)
{
	uint8_t pba;

	need_kvm();
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE);
	request(3);
	vectors_settle(msix_vectors(t.msix));
	assert_true(swallowed(3));
	write_u32(3, PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
	msix_pba_read(t.msix, 0, &pba, 1);
	assert_int_equal(pba, 0);
	assert_false(swallowed(3));
	msix_pba_read(t.msix, 0, &pba, 1);
	assert_int_equal(pba, 1 << 3);
	write_u32(3, PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	assert_false(irqfd_pending(t.trigger[3]));
	assert_true(swallowed(3));
}

static void test_message_changes_under_load_keep_the_order(void **state)
{
	struct vector_stats s;

	need_kvm();
	msix_set_control(t.msix, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned v = 0; v < 32; v++)
		request(v);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned v = 0; v < 32; v++) {
			write_u32(v, PCI_MSIX_ENTRY_DATA, 0x30 + (round + v) % 200);
			assert_int_equal(eventfd_write(t.trigger[v], 1), 0);
		}
		vectors_settle(msix_vectors(t.msix));
	}
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.irqfds, 32);
	assert_int_equal(s.failures, 0);
	assert_true(swallowed(31));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_vectors_unmasked_one_by_one_end_in_the_kernel),
		T(test_masked_vector_pends_and_is_swallowed_at_unmask),
		T(test_message_changes_under_load_keep_the_order),
	};

	return cmocka_run_group_tests_name("vectors_kvm", tests, NULL, NULL);
}
