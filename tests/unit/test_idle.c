// SPDX-License-Identifier: GPL-2.0-or-later
/* What KVM is asked for so that an idle CPU is back soon. */
#include "vmm/idle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <linux/kvm.h>

#include "tests/fake/ioctl.h"
#include "vmm/vm.h"

static struct vm vm = { .kvm_fd = 10, .fd = 11 };
static struct kvm_enable_cap got;
static struct err err;

static int take(void *opaque, int fd, unsigned long request, void *arg)
{
	got = *(struct kvm_enable_cap *)arg;
	return *(int *)opaque;
}

/* KVM counts them otherwise. */
static unsigned kvm_bits(uint32_t keep)
{
	return (keep & IDLE_KEEP_MWAIT ? 1u : 0u) | (keep & IDLE_KEEP_HLT ? 2u : 0u) |
	       (keep & IDLE_KEEP_PAUSE ? 4u : 0u);
}

static int set(struct vm_idle idle, int can, int result)
{
	struct fake_ioctl_row rows[4] = { { 0 } };
	unsigned n = 0;
	int r;

	err = (struct err)ERR_INIT;
	got = (struct kvm_enable_cap){ 0 };
	if (idle.keep)
		rows[n++] = (struct fake_ioctl_row){ 10, KVM_CHECK_EXTENSION, can, NULL, NULL };
	if (idle.poll || (idle.keep && (kvm_bits(idle.keep) & (unsigned)can) == kvm_bits(idle.keep)))
		rows[n++] = (struct fake_ioctl_row){ 11, KVM_ENABLE_CAP, 0, take, &result };
	fake_ioctl_reset();
	fake_ioctl_expect(rows);
	r = vm_set_idle(&vm, &idle, &err);
	assert_true(fake_ioctl_done());
	return r;
}

static void test_nothing_said_asks_for_nothing(void **state)
{
	assert_int_equal(set((struct vm_idle){ 0 }, 0, 0), 0);
}

static void test_exits_are_given_up_as_kvm_counts_them(void **state)
{
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT }, 0xf, 0), 0);
	assert_int_equal(got.cap, KVM_CAP_X86_DISABLE_EXITS);
	assert_int_equal(got.args[0], KVM_X86_DISABLE_EXITS_HLT);
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT | IDLE_KEEP_PAUSE }, 0xf, 0), 0);
	assert_int_equal(got.args[0], KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE);
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_MWAIT }, 0xf, 0), 0);
	assert_int_equal(got.args[0], KVM_X86_DISABLE_EXITS_MWAIT);
}

static void test_a_kvm_that_cannot_is_told_by_the_instruction(void **state)
{
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT }, 5, 0), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "leave HLT to the guest"));
	assert_non_null(strstr(err.hint, "mitigate_smt_rsb"));
	assert_int_equal(got.cap, 0);
	/* HLT and PAUSE it could: nothing is done by halves. */
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT | IDLE_KEEP_MWAIT }, 6, 0),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "leave MWAIT to the guest"));
	assert_non_null(strstr(err.hint, "leave mwait out"));
	assert_int_equal(got.cap, 0);
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT | IDLE_KEEP_MWAIT }, -EINVAL, 0),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "leave HLT, MWAIT to the guest"));
	assert_int_equal(set((struct vm_idle){ .keep = IDLE_KEEP_HLT }, 2, -EINVAL), -EINVAL);
	assert_int_equal(set((struct vm_idle){ .poll = true, .poll_ns = 7 }, 0, -EINVAL), -EINVAL);
	assert_non_null(strstr(err.text, "--halt-poll"));
}

static void test_zero_is_a_time_too(void **state)
{
	assert_int_equal(set((struct vm_idle){ .poll = true, .poll_ns = 0 }, 0, 0), 0);
	assert_int_equal(got.cap, KVM_CAP_HALT_POLL);
	assert_int_equal(got.args[0], 0);
	assert_int_equal(set((struct vm_idle){ .poll = true, .poll_ns = 7 }, 0, 0), 0);
	assert_int_equal(got.args[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_said_asks_for_nothing),
		cmocka_unit_test(test_exits_are_given_up_as_kvm_counts_them),
		cmocka_unit_test(test_a_kvm_that_cannot_is_told_by_the_instruction),
		cmocka_unit_test(test_zero_is_a_time_too),
	};

	return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
