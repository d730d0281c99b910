// SPDX-License-Identifier: GPL-2.0-or-later
/* ACPI's fixed registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>

#include "base/le.h"
#include "tests/fake/ioctl.h"
#include "vmm/bus.h"
#include "vmm/hw/pm.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

#define VM_FD	   1000
#define PWRBTN	   0x100
#define SLP_EN	   0x2000
#define SLP_TYP(t) ((unsigned)(t) << 10)

static struct fixture {
	struct vm vm;
	struct pm *pm;
	bool sci;
} f;

static int irq_line(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_irq_level *l = arg;

	assert_int_equal(request, KVM_IRQ_LINE);
	assert_int_equal(l->irq, LAYOUT_SCI_GSI);
	f.sci = l->level;
	return 0;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, irq_line, NULL);
	f.vm.fd = VM_FD;
	f.vm.pio = bus_new();
	f.vm.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pm_new(&f.vm, &f.pm, NULL);
}

static int teardown(void **state)
{
	pm_free(f.pm);
	bus_free(f.vm.pio);
	close(f.vm.request_fd);
	return fake_ioctl_done() ? 0 : -1;
}

static uint32_t in(unsigned port, unsigned len)
{
	uint8_t v[4];

	bus_read(f.vm.pio, port, v, len);
	return (uint32_t)get_le(v, len);
}

static void out(unsigned port, uint32_t value, unsigned len)
{
	uint8_t v[4];

	put_le(v, value, len);
	bus_write(f.vm.pio, port, v, len);
}

static void test_s5_powers_off_and_other_sleep_does_not(void **state)
{
	out(LAYOUT_PM1A_CNT, SLP_TYP(PM_SLP_TYP_S5), 2);
	assert_int_equal(vm_take_request(&f.vm), VM_RUN); /* SLP_EN is missing */
	out(LAYOUT_PM1A_CNT, SLP_TYP(1) | SLP_EN, 2);
	assert_int_equal(vm_take_request(&f.vm), VM_RUN);
	out(LAYOUT_PM1A_CNT, SLP_TYP(PM_SLP_TYP_S5) | SLP_EN, 2);
	assert_int_equal(vm_take_request(&f.vm), VM_POWEROFF);
	assert_false(in(LAYOUT_PM1A_CNT, 2) & SLP_EN); /* reads as 0 */
	assert_true(in(LAYOUT_PM1A_CNT, 2) & 1);       /* ACPI is on */
}

static void test_s5_also_byte_by_byte(void **state)
{
	out(LAYOUT_PM1A_CNT + 1, (SLP_TYP(PM_SLP_TYP_S5) | SLP_EN) >> 8, 1);
	assert_int_equal(vm_take_request(&f.vm), VM_POWEROFF);
}

static void test_reset_register_wants_its_bit(void **state)
{
	out(LAYOUT_RESET, 0x02, 1);
	assert_int_equal(vm_take_request(&f.vm), VM_RUN);
	out(LAYOUT_RESET, 0x06, 1);
	assert_int_equal(vm_take_request(&f.vm), VM_REBOOT);
}

static void test_the_first_request_stands(void **state)
{
	vm_request(&f.vm, VM_POWEROFF);
	vm_request(&f.vm, VM_REBOOT);
	assert_int_equal(vm_take_request(&f.vm), VM_POWEROFF);
	assert_int_equal(vm_take_request(&f.vm), VM_RUN);
	vm_request(&f.vm, VM_REBOOT);
	assert_int_equal(vm_take_request(&f.vm), VM_REBOOT);
}

static void test_quit_goes_before_a_reboot_that_waits(void **state)
{
	vm_request(&f.vm, VM_REBOOT);
	vm_request(&f.vm, VM_QUIT);
	assert_int_equal(vm_take_request(&f.vm), VM_QUIT);
	vm_request(&f.vm, VM_CRASH);
	vm_request(&f.vm, VM_QUIT); /* it ends anyway, and the cause is to be told */
	assert_int_equal(vm_take_request(&f.vm), VM_CRASH);
}

static void test_power_button_raises_sci_until_cleared(void **state)
{
	pm_power_button(f.pm);
	assert_false(f.sci); /* not enabled yet, but remembered */
	out(LAYOUT_PM1A_EVT + 2, PWRBTN, 2);
	assert_true(f.sci);
	assert_int_equal(in(LAYOUT_PM1A_EVT, 2), PWRBTN);
	assert_int_equal(in(LAYOUT_PM1A_EVT + 2, 2), PWRBTN);
	out(LAYOUT_PM1A_EVT, 0, 2); /* 0 clears nothing */
	assert_true(f.sci);
	out(LAYOUT_PM1A_EVT, PWRBTN, 2);
	assert_false(f.sci);
	assert_int_equal(in(LAYOUT_PM1A_EVT, 2), 0);
	assert_int_equal(in(LAYOUT_PM1A_EVT + 2, 2), PWRBTN); /* writing status left enable alone */
}

static void test_acpica_can_enable_every_fixed_event(void **state)
{
	static const unsigned events[] = { 1 << 0, 1 << 5, 1 << 8, 1 << 10 };

	for (unsigned i = 0; i < 4; i++) {
		out(LAYOUT_PM1A_EVT + 2, events[i], 2);
		assert_int_equal(in(LAYOUT_PM1A_EVT + 2, 2), events[i]);
	}
	out(LAYOUT_PM1A_EVT + 2, 0xffff, 2);
	assert_int_equal(in(LAYOUT_PM1A_EVT + 2, 2), 0x521);
	assert_false(f.sci);
}

static void test_reset_without_the_button_leaves_nothing(void **state)
{
	out(LAYOUT_PM1A_EVT + 2, PWRBTN, 2);
	pm_reset(f.pm);
	out(LAYOUT_PM1A_EVT + 2, PWRBTN, 2);
	assert_false(f.sci);
	assert_int_equal(in(LAYOUT_PM1A_EVT, 2), 0);
}

/* Linux clears the event before it enables it. */
static void boot(void)
{
	out(LAYOUT_PM1A_EVT, PWRBTN, 2);
	assert_false(f.sci);
	out(LAYOUT_PM1A_EVT + 2, PWRBTN, 2);
}

static void test_a_button_pressed_before_the_guest_listens_is_not_lost(void **state)
{
	pm_power_button(f.pm);
	boot();
	assert_true(f.sci);
	out(LAYOUT_PM1A_EVT, PWRBTN, 2);
	assert_false(f.sci);
	out(LAYOUT_PM1A_EVT + 2, 0, 2);
	out(LAYOUT_PM1A_EVT + 2, PWRBTN, 2);
	assert_false(f.sci); /* once */
}

static void test_a_guest_that_resets_instead_of_powering_off_is_asked_again(void **state)
{
	boot();
	pm_power_button(f.pm);
	out(LAYOUT_PM1A_EVT, PWRBTN, 2); /* seen, but by a kernel that is rebooting */
	pm_reset(f.pm);
	assert_false(f.sci);
	boot();
	assert_true(f.sci);
	assert_int_equal(in(LAYOUT_PM1A_EVT, 2), PWRBTN);
}

static void test_timer_counts_24_bits_at_3579545_hz(void **state)
{
	uint32_t before = in(LAYOUT_PM_TMR, 4), ticks;

	usleep(20000);
	ticks = (in(LAYOUT_PM_TMR, 4) - before) & 0xffffff;
	assert_int_equal(before >> 24, 0);
	assert_true(ticks >= 71590); /* 20 ms */
	assert_true(ticks < 71590 * 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_s5_powers_off_and_other_sleep_does_not),
		T(test_s5_also_byte_by_byte),
		T(test_reset_register_wants_its_bit),
		T(test_the_first_request_stands),
		T(test_quit_goes_before_a_reboot_that_waits),
		T(test_power_button_raises_sci_until_cleared),
		T(test_acpica_can_enable_every_fixed_event),
		T(test_reset_without_the_button_leaves_nothing),
		T(test_a_button_pressed_before_the_guest_listens_is_not_lost),
		T(test_a_guest_that_resets_instead_of_powering_off_is_asked_again),
		T(test_timer_counts_24_bits_at_3579545_hz),
#undef T
	};

	return cmocka_run_group_tests_name("pm", tests, NULL, NULL);
}
