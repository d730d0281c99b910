// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest that panics, and one that does not feed its watchdog: ports, registers, and what is done. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"
#include "tests/fake/clock.h"
#include "tests/fake/guest_pci.h"
#include "tests/fake/ioctl.h"
#include "tools/vm_alarm.h"
#include "vmm/control.h"
#include "vmm/control_alarm.h"
#include "vmm/ctl.h"
#include "vmm/handover.h"
#include "vmm/hw/pvpanic.h"
#include "vmm/hw/watchdog.h"
#include "vmm/machine.h"

#define SLOT   1
#define CONFIG 0x60u
#define LOCK   0x68u

static struct guest_pci guest;
static struct vmm_config config;
static struct machine m;
static struct pvpanic *panic_port;
static struct watchdog *dog;
static unsigned bar;
static unsigned expired;
static char told[128]; /* names of events, each with its parameters */

void __wrap_ctl_notify(struct ctl *ctl, const char *event, json_t *params);
void __wrap_ctl_notify(struct ctl *ctl, const char *event, json_t *params)
{
	char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
	size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s%s", event, text ? text : "");
	free(text);
	json_decref(params);
}

/* What it reads as the time; the timers' is tests/fake/clock.h's. */
static uint64_t clock_ns;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	*ts = (struct timespec){ (time_t)(clock_ns / 1000000000), (long)(clock_ns % 1000000000) };
	return 0;
}

static void pass(double seconds)
{
	uint64_t ns = (uint64_t)(seconds * 1e9);

	clock_ns += ns;
	fake_clock_pass(ns);
}

/* --- a machine with both ---------------------------------------------------------------------------- */

static void on_expired(void *opaque)
{
	expired++;
	control_alarm_watchdog(opaque);
}

static int setup(void **state)
{
	static const struct pci_config pci = { .nodes = 1, .mmio64_start = 4 * GiB, .mmio64_end = 8 * GiB };
	const struct pvpanic_owner po = { control_alarm_panicked, &m };
	const struct watchdog_owner wo = { on_expired, &m };

	clock_ns = 1000000000;
	expired = 0;
	fake_clock_reset();
	told[0] = '\0';
	memset(&config, 0, sizeof(config));
	guest_pci_new(&guest, &pci);
	guest.vm.loop = loop_new();
	assert_int_equal(pvpanic_new(&guest.vm, &po, &panic_port, &guest.err), 0);
	assert_int_equal(watchdog_new(&guest.vm, &wo, &dog, &guest.err), 0);
	assert_int_equal(pci_assign(guest.vm.pci, &guest.err), 0);
	cfg_put(&guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	bar = cfg_get(&guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	m = (struct machine){ .config = &config, .pvpanic = panic_port, .watchdog = dog };
	m.vm.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return 0;
}

static int teardown(void **state)
{
	panic_port = pvpanic_free(panic_port);
	dog = watchdog_free(dog);
	guest_pci_free(&guest);
	guest.vm.loop = loop_free(guest.vm.loop);
	close(m.vm.request_fd);
	return 0;
}

static unsigned in(unsigned off, unsigned len)
{
	uint8_t v[8];

	bus_read(guest.vm.mmio, bar + off, v, len);
	return (unsigned)get_le(v, len);
}

static void out(unsigned off, unsigned len, uint32_t value)
{
	uint8_t v[8];

	put_le64(v, value);
	bus_write(guest.vm.mmio, bar + off, v, len);
}

static void out_unlocked(unsigned off, unsigned len, uint32_t value)
{
	out(0xc, 2, 0x80);
	out(0xc, 2, 0x86);
	out(off, len, value);
}

/* As Linux's i6300esb does. */
static void start(unsigned seconds)
{
	cfg_put(&guest, 0, SLOT, CONFIG, 2, 3);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0);
	out_unlocked(0xc, 2, 0x300);
	out_unlocked(0, 4, seconds << 9);
	out_unlocked(4, 4, seconds << 9);
	out_unlocked(0xc, 2, 0x100);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 2);
}

static void feed(void)
{
	out_unlocked(0xc, 2, 0x100);
}

static void write_panic(unsigned value)
{
	uint8_t v = (uint8_t)value;

	bus_write(guest.vm.pio, LAYOUT_PVPANIC, &v, 1);
}

/* --- the panic port ----------------------------------------------------------------------------------- */

static void test_a_panic_is_told_once(void **state)
{
	uint8_t can = 0;

	bus_read(guest.vm.pio, LAYOUT_PVPANIC, &can, 1);
	assert_int_equal(can, 3);
	assert_false(pvpanic_said(panic_port));
	write_panic(0xf0); /* nothing that we know */
	assert_string_equal(told, "");
	for (unsigned i = 0; i < 3; i++)
		write_panic(1);
	assert_string_equal(told, "guest-panicked{\"action\":\"event\",\"crash_kernel\":false}");
	assert_true(pvpanic_said(panic_port));
	assert_int_equal(vm_take_request(&m.vm), VM_RUN);
	pvpanic_reset(panic_port);
	assert_false(pvpanic_said(panic_port));
	told[0] = '\0';
	write_panic(1);
	assert_string_not_equal(told, "");
}

static void test_what_is_done_about_a_panic(void **state)
{
	static const enum vm_request want[] = { [VMM_ACTION_EVENT] = VM_RUN, [VMM_ACTION_PAUSE] = VM_PAUSE,
						[VMM_ACTION_RESET] = VM_REBOOT, [VMM_ACTION_KILL] = VM_CRASH };

	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		config.on_panic = i;
		pvpanic_reset(panic_port);
		write_panic(2); /* a crash kernel is let go on */
		assert_int_equal(vm_take_request(&m.vm), VM_RUN);
		write_panic(1);
		assert_int_equal(vm_take_request(&m.vm), want[i]);
		told[0] = '\0';
	}
	assert_string_equal(m.vm.crash.text, "the guest's kernel panicked");
}

static void test_a_pause_gives_way_to_what_else_is_asked(void **state)
{
	vm_request(&m.vm, VM_PAUSE);
	vm_request(&m.vm, VM_REBOOT);
	vm_request(&m.vm, VM_PAUSE);
	assert_int_equal(vm_take_request(&m.vm), VM_REBOOT);
}

/* --- the watchdog --------------------------------------------------------------------------------------- */

static void test_it_is_what_linux_looks_for(void **state)
{
	assert_int_equal(cfg_get(&guest, 0, SLOT, PCI_VENDOR_ID, 4), 0x25ab8086);
	assert_int_equal(cfg_get(&guest, 0, SLOT, PCI_CLASS_REVISION, 4) >> 8, 0x088000);
	assert_int_equal(cfg_get(&guest, 0, SLOT, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(in(0xc, 2), 0);
	assert_false(watchdog_runs(dog));
}

static void test_it_waits_as_long_as_it_is_told(void **state)
{
	start(30);
	assert_int_equal(cfg_get(&guest, 0, SLOT, LOCK, 1), 2);
	assert_int_equal(cfg_get(&guest, 0, SLOT, CONFIG, 2), 3);
	assert_true(watchdog_runs(dog));
	for (unsigned i = 0; i < 10; i++) {
		pass(29);
		feed();
	}
	assert_int_equal(expired, 0);
	pass(29.9);
	assert_int_equal(expired, 0);
	pass(1);
	assert_int_equal(expired, 1);
	assert_string_equal(told, "watchdog{\"action\":\"event\"}");
	assert_int_equal(in(0xc, 2) & 0x200, 0x200);
	/* It is told once, until the guest comes back. */
	pass(1000);
	assert_int_equal(expired, 1);
	assert_false(watchdog_runs(dog));
	feed();
	assert_true(watchdog_runs(dog));
	pass(31);
	assert_int_equal(expired, 2);
	/* Why the last reset was outlives it, until the guest has seen it. */
	pci_reset(guest.vm.pci);
	cfg_put(&guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(in(0xc, 2) & 0x200, 0x200);
	assert_int_equal(cfg_get(&guest, 0, SLOT, LOCK, 1), 0);
	out_unlocked(0xc, 2, 0x200);
	assert_int_equal(in(0xc, 2), 0);
}

static void test_it_is_stopped_unless_locked(void **state)
{
	start(30);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0);
	assert_int_equal(cfg_get(&guest, 0, SLOT, LOCK, 1), 0);
	pass(1000);
	assert_int_equal(expired, 0);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 3); /* nowayout */
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0);
	assert_int_equal(cfg_get(&guest, 0, SLOT, LOCK, 1), 3);
	pass(31);
	assert_int_equal(expired, 1);
	/* A reset frees it. */
	pci_reset(guest.vm.pci);
	pass(3000);
	assert_int_equal(expired, 1);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0xff);
	assert_int_equal(cfg_get(&guest, 0, SLOT, LOCK, 1), 7);
}

static void test_registers_want_their_words(void **state)
{
	start(30);
	out(0, 4, 1); /* no words */
	out(4, 4, 1);
	feed();
	pass(5);
	assert_int_equal(expired, 0);
	out(0xc, 2, 0x100); /* that does not feed */
	out(0xc, 2, 0x80);
	out(0xc, 2, 0x100);
	out(0xc, 2, 0x86);
	out(0xc, 2, 0x100);
	out_unlocked(8, 4, 0x100);
	out(0xc, 2, 0x100);
	out_unlocked(0, 2, 1); /* half a register */
	out_unlocked(1, 4, 1);
	pass(26);
	assert_int_equal(expired, 1);
}

static void test_other_modes(void **state)
{
	start(30);
	cfg_put(&guest, 0, SLOT, CONFIG, 2, 0x23); /* no consequence */
	pass(31);
	assert_int_equal(expired, 0);
	cfg_put(&guest, 0, SLOT, CONFIG, 2, 7); /* 1 MHz: a thirtieth of a second, of which we make one */
	feed();
	pass(0.9);
	assert_int_equal(expired, 0);
	pass(0.2);
	assert_int_equal(expired, 1);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 6); /* a timer of no use here */
	feed();
	pass(100000);
	assert_int_equal(expired, 1);
	/* The longest that there is. */
	cfg_put(&guest, 0, SLOT, LOCK, 1, 0);
	cfg_put(&guest, 0, SLOT, CONFIG, 2, 3);
	out_unlocked(0, 4, 0xffffffff);
	out_unlocked(4, 4, 0xffffffff);
	cfg_put(&guest, 0, SLOT, LOCK, 1, 2);
	pass(2080);
	assert_int_equal(expired, 1);
	pass(5);
	assert_int_equal(expired, 2);
}

static void test_time_stands_while_the_guest_does(void **state)
{
	start(30);
	pass(20);
	watchdog_pause(dog, true);
	watchdog_pause(dog, true);
	pass(1000);
	assert_int_equal(expired, 0);
	watchdog_pause(dog, false);
	pass(10);
	assert_int_equal(expired, 0);
	pass(1);
	assert_int_equal(expired, 1);
	/* One that does not run does not begin. */
	watchdog_pause(dog, true);
	watchdog_pause(dog, false);
	pass(1000);
	assert_int_equal(expired, 1);
}

/* It was fed in the moment in which it rang: its time is not over, whatever the bell says. */
static void test_a_bell_of_the_past_is_not_heard(void **state)
{
	start(30);
	clock_ns += 10000000000ull;
	fake_clock_pass(31000000000ull);
	assert_int_equal(expired, 0);
	assert_true(watchdog_runs(dog));
	feed();
	pass(31);
	assert_int_equal(expired, 1);
}

static void test_what_is_done_about_it(void **state)
{
	static const enum vm_request want[] = { [VMM_ACTION_EVENT] = VM_RUN, [VMM_ACTION_PAUSE] = VM_PAUSE,
						[VMM_ACTION_RESET] = VM_REBOOT, [VMM_ACTION_KILL] = VM_CRASH };

	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		config.watchdog_action = i;
		start(30);
		feed();
		pass(32);
		assert_int_equal(vm_take_request(&m.vm), want[i]);
		told[0] = '\0';
	}
	assert_string_equal(m.vm.crash.text, "the guest did not feed its watchdog in time");
}

/* Anything at all to its registers. */
static void test_noise(void **state)
{
	uint64_t x = 88172645463325252ull;

	for (unsigned i = 0; i < 50000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (x & 1)
			out((unsigned)(x >> 8) % 16, 1u << (x >> 16) % 4, x & 2 ? (uint32_t)(x >> 32) : 0x80 + (x >> 3) % 8);
		else if (x & 2)
			cfg_put(&guest, 0, SLOT, CONFIG + (unsigned)(x >> 8) % 12 / 4 * 4, 4, (uint32_t)(x >> 32));
		else
			(void)in((unsigned)(x >> 8) % 16, 1u << (x >> 16) % 4);
		if (i % 100 == 0)
			pass(0.5);
		told[0] = '\0';
	}
}

/* --- the command line --------------------------------------------------------------------------------- */

static void test_words_of_the_command_line(void **state)
{
	struct vm_alarm a = { 0 };
	struct err err = ERR_INIT;
	struct vmm_config c = { 0 };

	vm_alarm_fill(&a, false, &c);
	assert_true(c.panic_port && !c.watchdog && c.on_panic == VMM_ACTION_EVENT);
	vm_alarm_fill(&a, true, &c);
	assert_false(c.panic_port);
	assert_int_equal(vm_alarm_panic_parse("kill", &a, NULL), 0);
	assert_int_equal(vm_alarm_watchdog_parse("action=reset", &a, NULL), 0);
	vm_alarm_fill(&a, true, &c);
	assert_true(c.panic_port && c.watchdog);
	assert_int_equal(c.on_panic, VMM_ACTION_KILL);
	assert_int_equal(c.watchdog_action, VMM_ACTION_RESET);
	assert_int_equal(vm_alarm_panic_parse("explode", &a, &err), -EINVAL);
	assert_string_equal(err.text, "--on-panic: 'explode' is not possible");
	assert_string_equal(err.hint, "event, pause, reset or kill");
	assert_int_equal(vm_alarm_watchdog_parse("reset", &a, &err), -EINVAL);
	assert_int_equal(vm_alarm_watchdog_parse("action=", &a, &err), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_panic_is_told_once),
		T(test_what_is_done_about_a_panic),
		T(test_a_pause_gives_way_to_what_else_is_asked),
		T(test_it_is_what_linux_looks_for),
		T(test_it_waits_as_long_as_it_is_told),
		T(test_it_is_stopped_unless_locked),
		T(test_registers_want_their_words),
		T(test_other_modes),
		T(test_time_stands_while_the_guest_does),
		T(test_a_bell_of_the_past_is_not_heard),
		T(test_what_is_done_about_it),
		T(test_noise),
		cmocka_unit_test(test_words_of_the_command_line),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}
