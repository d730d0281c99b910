// SPDX-License-Identifier: GPL-2.0-or-later
/* The routing table and irqfds against the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"

struct machine {
	int kvm, vm;
	struct gsi *gsi;
};

static int setup(void **state)
{
	static struct machine m;
	struct err err = ERR_INIT;

	m = (struct machine){ .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), .vm = -1 };
	*state = &m;
	if (m.kvm < 0)
		return 0;
	m.vm = VALUE_IOCTL(m.kvm, KVM_CREATE_VM, 0);
	if (m.vm < 0 || VALUE_IOCTL(m.vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return -1;
	return gsi_new(m.vm, &m.gsi, &err);
}

static int teardown(void **state)
{
	struct machine *m = *state;

	gsi_free(m->gsi);
	close_fdp(&m->vm);
	close_fdp(&m->kvm);
	return 0;
}

static struct machine *machine(void **state)
{
	struct machine *m = *state;

	if (m->kvm < 0) {
		print_message("no usable /dev/kvm here\n");
		skip();
	}
	return m;
}

static void test_kernel_takes_the_full_table_and_not_one_more(void **state)
{
	struct machine *m = machine(state);
	uint32_t gsi;

	for (unsigned i = 0; i < GSI_MAX_MSI; i++) {
		assert_int_equal(gsi_alloc(m->gsi, &gsi), 0);
		gsi_set_msi(m->gsi, gsi, 0xfee00000, i & 0xff);
	}
	assert_int_equal(gsi_alloc(m->gsi, &gsi), -ENOSPC);
	assert_int_equal(gsi_commit(m->gsi), 0);
	assert_int_equal(gsi_commits(m->gsi), 2);
}

static void test_irqfd_can_be_assigned_once_routed(void **state)
{
	struct machine *m = machine(state);
	_cleanup_close_ int fd = irqfd_eventfd();
	uint32_t gsi;

	assert_true(fd >= 0);
	assert_int_equal(gsi_alloc(m->gsi, &gsi), 0);
	gsi_set_msi(m->gsi, gsi, 0xfee00000, 0x41);
	assert_int_equal(gsi_commit(m->gsi), 0);
	assert_int_equal(irqfd_assign(m->vm, fd, gsi), 0);
	assert_int_equal(irqfd_assign(m->vm, fd, gsi), -EBUSY);
	assert_int_equal(irqfd_deassign(m->vm, fd, gsi), 0);
	assert_int_equal(irqfd_assign(m->vm, fd, gsi), 0);
	assert_int_equal(irqfd_deassign(m->vm, fd, gsi), 0);
}

static void test_irqfd_consumes_signals_and_leaves_them_alone_afterwards(void **state)
{
	struct machine *m = machine(state);
	_cleanup_close_ int fd = irqfd_eventfd();
	uint32_t gsi;

	assert_int_equal(gsi_alloc(m->gsi, &gsi), 0);
	gsi_set_msi(m->gsi, gsi, 0xfee00000, 0x41);
	assert_int_equal(gsi_commit(m->gsi), 0);
	assert_int_equal(irqfd_assign(m->vm, fd, gsi), 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	irqfd_drain(fd); /* kernels before 5.11 leave the count */
	assert_int_equal(irqfd_deassign(m->vm, fd, gsi), 0);
	assert_false(irqfd_drain(fd));
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_true(irqfd_drain(fd));
}

static void test_resample_needs_a_pin_of_the_irqchip(void **state)
{
	struct machine *m = machine(state);
	_cleanup_close_ int fd = irqfd_eventfd();
	_cleanup_close_ int resample = irqfd_eventfd();

	assert_int_equal(irqfd_assign_resample(m->vm, fd, 16, resample), 0);
	assert_int_equal(irqfd_deassign(m->vm, fd, 16), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kernel_takes_the_full_table_and_not_one_more,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_irqfd_can_be_assigned_once_routed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			test_irqfd_consumes_signals_and_leaves_them_alone_afterwards, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_resample_needs_a_pin_of_the_irqchip, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("gsi_kvm", tests, NULL, NULL);
}
