// SPDX-License-Identifier: GPL-2.0-or-later
/* A host function that leaves a guest that runs and comes back: in which order, and who is told. */
#include "tests/fake/vfio_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/log.h"
#include "base/loop.h"
#include "tests/fake/ioctl.h"
#include "vmm/vfio_pci/internal.h"

#define PORT_SLTCTL (0x40 + PCI_EXP_SLTCTL)
#define PORT_SLTSTA (0x40 + PCI_EXP_SLTSTA)

static struct vfio_machine m;
static char told[64];

/*
 * E: error, R: the host wants it, -: out, +: in, u and n: used and not; 2: all that of the second. What
 * was waited for ends the loop.
 */
static void on_event(void *opaque, enum vm_device_event event, const char *device)
{
	static const char letter[] = { [VM_DEVICE_ERROR] = 'E', [VM_DEVICE_REQUEST] = 'R',
				       [VM_DEVICE_REMOVED] = '-', [VM_DEVICE_ADDED] = '+',
				       [VM_DEVICE_STARTED] = 'u', [VM_DEVICE_STOPPED] = 'n' };

	told[strlen(told)] = letter[event];
	if (strcmp(device, MACHINE_SECOND) == 0)
		told[strlen(told)] = '2';
	else
		assert_string_equal(device, "0000:01:10.0");
	if (event == VM_DEVICE_REMOVED)
		loop_quit(opaque, 0);
}

static void begin(void)
{
	memset(told, 0, sizeof(told));
	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	assert_int_equal(vfio_machine_start(&m), 0);
	m.guest.vm.on_event = on_event;
	m.guest.vm.on_event_opaque = m.guest.vm.loop;
	cfg_put(&m.guest, MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	memset(m.order, 0, sizeof(m.order));
}

/* Conventional PCI, with INTx: on the guest's root bus, from slot 1 on. */
static void make_conventional(struct fake_vfio *dev)
{
	static const uint8_t pin = 1, no_next = 0;

	fake_vfio_igbvf(dev);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0x71, &no_next, 1);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_INTERRUPT_PIN, &pin, 1);
	dev->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	dev->irq[VFIO_PCI_INTX_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
}

static void begin_conventional(unsigned n)
{
	memset(told, 0, sizeof(told));
	vfio_machine_new(&m);
	make_conventional(&m.dev);
	if (n > 1) {
		vfio_machine_add_second(&m);
		make_conventional(&m.second);
	}
	assert_int_equal(vfio_machine_start(&m), 0);
	m.guest.vm.on_event = on_event;
	m.guest.vm.on_event_opaque = m.guest.vm.loop;
	for (unsigned i = 0; i < n; i++)
		cfg_put(&m.guest, 0, 1 + i, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(m.kvm.nirqfds, n);
	memset(m.order, 0, sizeof(m.order));
}

/* Nothing of it is left: registers, memory, its line. */
static void is_silent(unsigned slot)
{
	assert_int_equal(cfg_get(&m.guest, 0, slot, PCI_VENDOR_ID, 4), 0xffffffff);
	cfg_put(&m.guest, 0, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(cfg_get(&m.guest, 0, slot, PCI_COMMAND, 2), 0xffff);
}

static uint16_t device_command(struct fake_vfio *dev)
{
	uint8_t b[2];

	fake_vfio_peek(dev, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, b, sizeof(b));
	return get_le16(b);
}

static struct vfio_pci_arrival arrival(void)
{
	return (struct vfio_pci_arrival){ .device = &m.config.devices[0], .group = 42,
					  .group_fd = MACHINE_GROUP, .container_fd = -1 };
}

static bool there(void)
{
	return cfg_get(&m.guest, MACHINE_BUS, 0, PCI_VENDOR_ID, 4) == 0x10ca8086;
}

static void kick(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void guest_lets_go(void)
{
	assert_true(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2) & PCI_EXP_SLTSTA_ABP);
	cfg_put(&m.guest, 0, 1, PORT_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_OFF);
}

static void on_timer(void *opaque, int fd)
{
	loop_quit(opaque, 0);
}

/* What there is to do in 20 ms. */
static void turn(void)
{
	int timer = -1;

	assert_int_equal(loop_timer_new(m.guest.vm.loop, on_timer, m.guest.vm.loop, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 20000000), 0);
	loop_run(m.guest.vm.loop);
	loop_del(m.guest.vm.loop, timer);
	close(timer);
}

static void test_in_order_and_back(void **state)
{
	struct rlimit limit;
	struct vfio_pci_arrival back;
	struct err err = ERR_INIT;

	begin();
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), 0);
	assert_true(there()); /* it works on until the guest lets go */
	assert_string_equal(told, "");
	/* Asked again: nothing more. */
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), 0);
	guest_lets_go();
	assert_true(there()); /* not in the middle of the guest's write */
	loop_run(m.guest.vm.loop);
	assert_false(there());
	assert_string_equal(told, "-");
	/* RAM goes before the group, and the group after its device. */
	assert_string_equal(m.order, "ukc");
	assert_int_equal(vfio_pci_count(m.set), 0);
	assert_int_equal(m.kvm.nslots, 0);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64; /* fewer than its vectors may take, beside all else */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	memset(m.order, 0, sizeof(m.order));
	back = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &back, &err), 0);
	assert_int_equal(back.group_fd, -1);
	assert_string_equal(m.order, "CIKmD"); /* as at the start */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(limit.rlim_cur > 64);
	assert_string_equal(told, "-+");
	assert_true(there());
	assert_true(m.dev.err_fd >= 0 && m.dev.req_fd >= 0);
	vfio_machine_free(&m);
}

static void test_now_does_not_ask(void **state)
{
	struct err err = ERR_INIT;

	begin();
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);
	assert_false(there());
	assert_string_equal(told, "-");
	assert_int_equal(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2),
			 PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), -ENODEV);
	assert_string_equal(err.text, "the guest does not have 0000:01:10.0");
	vfio_machine_free(&m);
}

static void test_an_error_takes_it_out_at_once(void **state)
{
	begin();
	kick(m.dev.err_fd);
	loop_run(m.guest.vm.loop);
	assert_string_equal(told, "E-");
	assert_false(there());
	vfio_machine_free(&m);
}

/*
 * The close of the device, which the kernel does not end before it has reset it. The test lets
 * go of it, so it is not to happen on the test's thread, which is the loop's.
 */
static int held_fd = -1;
static pthread_t loop_thread;
static sem_t held;

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (fd == held_fd) {
		assert_false(pthread_equal(pthread_self(), loop_thread));
		while (sem_wait(&held) < 0)
			;
	}
	return __real_close(fd);
}

/* Time: what the longest wait was, a thousandth of which will do here. */
static bool hasten;
static int64_t longest_ns;

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	int64_t ns = (int64_t)new->it_value.tv_sec * 1000000000 + new->it_value.tv_nsec;
	struct itimerspec soon = { .it_value.tv_nsec = ns / 1000 % 1000000000 };

	if (ns > longest_ns)
		longest_ns = ns;
	return __real_timerfd_settime(fd, flags, hasten && ns > 1000 ? &soon : new, old);
}

static void begin_with_a_close_that_lasts(void)
{
	begin();
	assert_int_equal(sem_init(&held, 0, 0), 0);
	loop_thread = pthread_self();
	held_fd = m.set->devices[0]->dev.fd;
	kick(m.dev.err_fd);
	turn();
	assert_false(there());
}

static void test_the_guest_does_not_wait_for_a_device_that_is_dead(void **state)
{
	struct vfio_pci_arrival a;
	struct err err = ERR_INIT;

	begin_with_a_close_that_lasts();
	assert_string_equal(told, "E");
	assert_string_equal(m.order, ""); /* its group waits for it, and RAM for the group */
	assert_true(vfio_pci_pins_ram(m.set));
	assert_string_equal(vfio_pci_closing(m.set, 0), "0000:01:10.0");
	assert_null(vfio_pci_closing(m.set, 1));
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), -ENODEV);
	err = (struct err)ERR_INIT;
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EBUSY);
	assert_string_equal(m.order, "");

	sem_post(&held);
	loop_run(m.guest.vm.loop);
	held_fd = -1;
	assert_null(vfio_pci_closing(m.set, 0));
	assert_string_equal(told, "E-");
	assert_string_equal(m.order, "ukc");
	assert_false(vfio_pci_pins_ram(m.set));
	err = (struct err)ERR_INIT;
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), 0);
	assert_true(there());
	vfio_machine_free(&m);
}

static void test_the_end_waits_for_it(void **state)
{
	begin_with_a_close_that_lasts();
	sem_post(&held);
	vfio_machine_free(&m);
	held_fd = -1;
	assert_string_equal(told, "E");
}

static void test_a_request_presses_the_button_once(void **state)
{
	begin();
	kick(m.dev.req_fd);
	turn();
	/* The kernel asks again while it waits. */
	kick(m.dev.req_fd);
	turn();
	assert_string_equal(told, "R");
	assert_true(there());
	guest_lets_go();
	loop_run(m.guest.vm.loop);
	assert_string_equal(told, "R-");
	vfio_machine_free(&m);
}

/* A guest that has no driver for its slots, or one that hangs. */
static void test_what_is_not_let_go_of_is_taken_away_after_15_seconds(void **state)
{
	struct err err = ERR_INIT;

	begin();
	hasten = true;
	longest_ns = 0;
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), 0);
	assert_int_equal(longest_ns, 15000000000);
	assert_true(there());
	loop_run(m.guest.vm.loop);
	hasten = false;
	assert_string_equal(told, "-");
	assert_false(there());
	vfio_machine_free(&m);
}

static void test_a_reset_of_the_machine_ends_the_wait(void **state)
{
	struct err err = ERR_INIT;

	begin();
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), 0);
	pci_reset(m.guest.vm.pci);
	assert_true(there());
	vfio_pci_finish_leaving(m.set);
	assert_false(there());
	assert_string_equal(told, "-");
	vfio_machine_free(&m);
}

/* For one that is closed on a thread. */
static void until_out(void)
{
	for (unsigned i = 0; i < 250 && !strchr(told, '-'); i++)
		turn();
}

/* --- one that is in no slot --------------------------------------------------------------------- */

static void test_an_error_takes_a_conventional_one_out_at_once(void **state)
{
	begin_conventional(1);
	kick(m.dev.err_fd);
	until_out();
	assert_string_equal(told, "E-");
	is_silent(1);
	assert_int_equal(m.kvm.nslots, 0);
	assert_int_equal(m.kvm.nirqfds, 0);
	assert_int_equal(m.dev.mode, -1);
	assert_int_equal(device_command(&m.dev), 0);
	assert_string_equal(m.order, "ukc");
	assert_false(vfio_pci_pins_ram(m.set));
	/* The guest reboots without it. */
	pci_reset(m.guest.vm.pci);
	is_silent(1);
	vfio_machine_free(&m);
}

/* The guest cannot be asked: it would have nothing from the deadline. */
static void test_a_request_takes_a_conventional_one_out_at_once(void **state)
{
	begin_conventional(1);
	kick(m.dev.req_fd);
	turn();
	assert_string_equal(told, "R-");
	is_silent(1);
	assert_int_equal(device_command(&m.dev), 0);
	assert_string_equal(m.order, "ukc");
	vfio_machine_free(&m);
}

static void test_a_conventional_one_goes_now_or_not_at_all(void **state)
{
	struct err err = ERR_INIT;

	begin_conventional(1);
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), -EOPNOTSUPP);
	assert_string_equal(err.text, "0000:01:10.0 cannot leave a guest that runs: it is a conventional "
				      "PCI device, which is in no slot");
	assert_non_null(strstr(err.hint, "thruway vm detach --now"));
	assert_string_equal(told, "");
	assert_int_equal(vfio_pci_count(m.set), 1);
	err = (struct err)ERR_INIT;
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);
	assert_string_equal(told, "-");
	is_silent(1);
	vfio_machine_free(&m);
}

/* As all that hangs on a conventional bus is one. */
static void test_a_group_goes_with_its_last_conventional_one(void **state)
{
	struct err err = ERR_INIT;

	begin_conventional(2);
	kick(m.dev.req_fd);
	turn();
	assert_string_equal(told, "R-");
	is_silent(1);
	assert_string_equal(m.order, "uuu"); /* nobody reaches its BARs; the group stays */
	assert_true(vfio_pci_pins_ram(m.set));
	/* The other one works on. */
	assert_int_equal(cfg_get(&m.guest, 0, 2, PCI_VENDOR_ID, 4), 0x10ca8086);
	assert_int_equal(device_command(&m.second), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(m.kvm.nirqfds, 1);
	assert_true(m.kvm.nslots > 0);
	assert_int_equal(vfio_pci_unplug(m.set, MACHINE_SECOND, true, &err), 0);
	assert_string_equal(told, "R--2");
	is_silent(2);
	assert_int_equal(m.kvm.nirqfds, 0);
	assert_int_equal(m.kvm.nslots, 0);
	assert_false(vfio_pci_pins_ram(m.set));
	assert_string_equal(m.order + strlen(m.order) - 3, "ukc");
	vfio_machine_free(&m);
}

static char said[1024];

static void detach_and_listen(void)
{
	struct err err = ERR_INIT;
	int fd = memfd_create("said", MFD_CLOEXEC), old = dup(STDERR_FILENO);
	ssize_t n;

	dup2(fd, STDERR_FILENO);
	log_set_level(LOG_NOTE);
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);
	log_set_level(LOG_QUIET);
	dup2(old, STDERR_FILENO);
	close(old);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void test_that_nobody_tells_the_guest_is_said(void **state)
{
	begin_conventional(1);
	detach_and_listen();
	assert_non_null(strstr(said, "0000:01:10.0 is out of the guest, which is not told and finds it "
				     "silent"));
	vfio_machine_free(&m);
	begin();
	detach_and_listen();
	assert_non_null(strstr(said, "0000:01:10.0 is out of the guest, which did not let go of it before"));
	vfio_machine_free(&m);
}

/* What a driver does when its interface comes up, and when it goes down: vector 0 of BAR 3's table. */
static void mask_vector(bool masked)
{
	uint64_t at = cfg_get_bar64(&m.guest, MACHINE_BUS, 0, 3);
	uint8_t b[4] = { masked };

	bus_write(m.guest.vm.mmio, at + PCI_MSIX_ENTRY_VECTOR_CTRL, b, sizeof(b));
}

static void begin_owned(void)
{
	begin();
	m.set->devices[0]->pci.owner = 1;
}

static void test_the_use_of_a_nics_vf_is_told(void **state)
{
	begin_owned();
	mask_vector(false);
	assert_string_equal(told, ""); /* nothing is sent yet */
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_string_equal(told, "u");
	mask_vector(true);
	mask_vector(true);
	assert_string_equal(told, "un");
	mask_vector(false);
	assert_string_equal(told, "unu");
	/* Without DMA no network device works. */
	cfg_put(&m.guest, MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_string_equal(told, "unun");
	vfio_machine_free(&m);
}

/* Its reset takes a tenth of a second and more, with the VF of a dead card a minute. */
static void test_a_nics_vf_that_is_pulled_keeps_nobody(void **state)
{
	struct err err = ERR_INIT;

	begin_owned();
	mask_vector(false);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(sem_init(&held, 0, 0), 0);
	loop_thread = pthread_self();
	held_fd = m.set->devices[0]->dev.fd;
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);
	assert_false(there());
	assert_string_equal(told, "un");
	assert_string_equal(vfio_pci_closing(m.set, 0), "0000:01:10.0");
	sem_post(&held);
	loop_run(m.guest.vm.loop);
	held_fd = -1;
	assert_string_equal(told, "un-");
	assert_null(vfio_pci_closing(m.set, 0));
	vfio_machine_free(&m);
}

static void test_an_error_of_a_nics_vf_stops_it(void **state)
{
	begin_owned();
	mask_vector(false);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	kick(m.dev.err_fd);
	loop_run(m.guest.vm.loop);
	assert_string_equal(told, "uEn-");
	vfio_machine_free(&m);
}

static void test_the_use_of_others_is_not(void **state)
{
	begin();
	mask_vector(false);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_string_equal(told, "");
	pci_reset(m.guest.vm.pci);
	vfio_pci_finish_leaving(m.set);
	assert_true(there());
	assert_string_equal(told, "");
	vfio_machine_free(&m);
}

static void test_a_reset_of_the_machine_hides_a_nics_vf(void **state)
{
	begin_owned();
	mask_vector(false);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	pci_reset(m.guest.vm.pci);
	assert_true(there());
	vfio_pci_finish_leaving(m.set);
	assert_false(there());
	assert_string_equal(told, "un-");
	vfio_machine_free(&m);
}

/* The capability that tells so is the device's own; the kernel makes up what a VF says else. */
static void test_what_was_pulled_out_is_not_waited_for(void **state)
{
	static const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff };

	begin();
	fake_vfio_poke(&m.dev, 7, 0xa0 + PCI_EXP_DEVCAP, ones, 4);
	kick(m.dev.req_fd);
	turn(); /* not 15 seconds */
	assert_string_equal(told, "R-");
	assert_false(there());
	vfio_machine_free(&m);
}

static void test_a_reset_of_the_bus_does_not(void **state)
{
	struct err err = ERR_INIT;

	begin();
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", false, &err), 0);
	cfg_put(&m.guest, 0, 1, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	cfg_put(&m.guest, 0, 1, PCI_BRIDGE_CONTROL, 2, 0);
	assert_true(there());
	assert_string_equal(told, "");
	vfio_machine_free(&m);
}

static void test_what_cannot_come_leaves_nothing(void **state)
{
	struct vfio_pci_arrival a;
	struct err err = ERR_INIT;
	uint8_t bridge = 1;

	begin();
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EEXIST);
	assert_string_equal(err.text, "the guest has 0000:01:10.0 already");
	err = (struct err)ERR_INIT;
	assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", true, &err), 0);

	/* No group came along. */
	a = arrival();
	a.group_fd = -1;
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EPROTO);
	assert_int_equal(m.set->ngroups, 0);

	/* A group that is not viable. */
	err = (struct err)ERR_INIT;
	m.not_viable = true;
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EPERM);
	assert_int_equal(m.set->ngroups, 0);
	m.not_viable = false;

	/* A device that is refused when it is open: RAM and group go again. */
	err = (struct err)ERR_INIT;
	memset(m.order, 0, sizeof(m.order));
	fake_vfio_poke(&m.dev, 7, PCI_HEADER_TYPE, &bridge, 1);
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EINVAL);
	assert_string_equal(m.order, "CIKmDukc");
	assert_int_equal(vfio_pci_count(m.set), 0);
	assert_false(there());
	assert_string_equal(told, "-");
	vfio_machine_free(&m);
}

/* --- a group that does not reach the guest's RAM ------------------------------------------------ */

#define OTHER_GROUP 1004
#define SPARE	    1005

static struct {
	char order[16]; /* as in vfio_machine.c, of this group and in the container that came along */
	struct vfio_iova_range ranges[2];
} other;

static void other_saw(char c)
{
	other.order[strlen(other.order)] = c;
}

/* As vfio_iommu_type1_attach_group() does. */
static int other_group(void *opaque, int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		other_saw('C');
		return *(int *)arg == MACHINE_CONTAINER ? -EINVAL : 0;
	case VFIO_GROUP_UNSET_CONTAINER: other_saw('c'); return 0;
	default: return -ENOTTY;
	}
}

static int spare_info(struct vfio_iommu_type1_info *arg)
{
	const struct vfio_iommu_type1_info_cap_iova_range cap = {
		.header = { VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0 },
		.nr_iovas = 2,
	};
	struct vfio_iommu_type1_info info = {
		.argsz = sizeof(info) + sizeof(cap) + sizeof(other.ranges),
		.flags = VFIO_IOMMU_INFO_CAPS,
		.cap_offset = sizeof(info),
	};
	char *to = (char *)arg;

	if (arg->argsz >= info.argsz) {
		memcpy(to + sizeof(info), &cap, sizeof(cap));
		memcpy(to + sizeof(info) + sizeof(cap), other.ranges, sizeof(other.ranges));
	}
	memcpy(to, &info, sizeof(info));
	return 0;
}

static int spare(void *opaque, int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_SET_IOMMU: other_saw('I'); return 0;
	case VFIO_IOMMU_GET_INFO: return spare_info(arg);
	default: return -ENOTTY;
	}
}

static int plug_other(int container_fd, struct err *err)
{
	static const struct vmm_device device = { .name = "0000:41:00.0", .rom_fd = -1 };
	struct vfio_pci_arrival a = { .device = &device, .group = 43, .group_fd = OTHER_GROUP,
				      .container_fd = container_fd };

	memset(other.order, 0, sizeof(other.order));
	*err = (struct err)ERR_INIT;
	return vfio_pci_plug(&m.guest.vm, &m.set, &a, err);
}

static void test_a_group_that_does_not_reach_ram_is_told_where(void **state)
{
	struct err err;

	begin();
	fake_ioctl_handle(OTHER_GROUP, other_group, NULL);
	fake_ioctl_handle(SPARE, spare, NULL);
	other.ranges[0] = (struct vfio_iova_range){ 0, 0x1fffff };
	other.ranges[1] = (struct vfio_iova_range){ 0x210000, 0x7fffffffff };
	assert_int_equal(plug_other(SPARE, &err), -EINVAL);
	assert_string_equal(err.text, "cannot attach 0000:41:00.0: guest RAM at 0x0-0x3fffff is out of "
				      "the IOMMU's reach");
	assert_string_equal(err.hint, "it reaches 0x0-0x1fffff: give the guest less memory");
	assert_string_equal(other.order, "CCIc"); /* and is left as it was */
	assert_int_equal(m.set->ngroups, 1);
	assert_true(there());
	/* That is not it, or cannot be asked. */
	other.ranges[0].end = 0x3fffff;
	other.ranges[1].start = 0x400000;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(plug_other(i ? SPARE : -1, &err), -EINVAL);
		assert_string_equal(err.text, "cannot attach 0000:41:00.0: IOMMU group 43 cannot share an "
					      "I/O address space with the others: Invalid argument");
	}
	vfio_machine_free(&m);
}

static void test_the_first_device_of_a_machine_brings_the_container(void **state)
{
	struct vfio_pci_arrival a;
	struct err err = ERR_INIT;

	vfio_machine_new(&m);
	vfio_machine_igbvf(&m);
	memset(told, 0, sizeof(told));
	m.config.device_count = m.config.group_count = 0;
	assert_int_equal(vfio_machine_start(&m), 0);
	m.guest.vm.on_event = on_event;
	m.guest.vm.on_event_opaque = m.guest.vm.loop;
	a = arrival();
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -EPROTO);
	assert_null(m.set);
	err = (struct err)ERR_INIT;
	a = arrival();
	a.container_fd = MACHINE_CONTAINER;
	/* This machine has no slot: the device is opened and closed again. */
	assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &a, &err), -ENOSPC);
	assert_string_equal(err.text, "0000:01:10.0: the guest has no empty slot");
	assert_string_equal(m.order, "CIKmDukc");
	vfio_machine_free(&m);
}

/* --- a slot's driver in the guest, a thousand times --------------------------------------------- */

#define CYCLES	1000
#define VECTORS 3

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The device works: decoding, and each vector has its message, as Linux sets them up. */
static void guest_uses_it(void)
{
	uint64_t table = m.set->devices[0]->pci.bar[3].assigned;

	cfg_put(&m.guest, MACHINE_BUS, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (unsigned i = 0; i < VECTORS; i++) {
		uint8_t entry[16] = { 0, 0, 0xe0, 0xfe, 0, 0, 0, 0, (uint8_t)(0x40 + i) };

		for (unsigned at = 0; at < sizeof(entry); at += 4)
			bus_write(m.guest.vm.mmio, table + 16 * i + at, entry + at, 4);
	}
	cfg_put(&m.guest, MACHINE_BUS, 0, 0x72, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(m.kvm.nirqfds, VECTORS);
}

/* What pciehp does when it hears of a change: it takes note of the causes. */
static void guest_clears_status(void)
{
	cfg_put(&m.guest, 0, 1, PORT_SLTSTA, 2, cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2));
	assert_false(cfg_get(&m.guest, 0, 1, PORT_SLTSTA, 2) &
		     (PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC));
}

/* By the button, by a click of fingers, or because it broke: it is out, and nothing of it is left. */
static void takes_leave(unsigned how)
{
	struct err err = ERR_INIT;

	if (how == 2) {
		kick(m.dev.err_fd);
	} else {
		assert_int_equal(vfio_pci_unplug(m.set, "0000:01:10.0", how, &err), 0);
	}
	if (how == 0) {
		assert_true(there());
		cfg_put(&m.guest, 0, 1, PORT_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_BLINK);
		guest_lets_go();
	}
	loop_run(m.guest.vm.loop); /* told, it ends; by the click it has been told already */
	assert_false(there());
	assert_int_equal(m.kvm.nirqfds, 0);
	assert_int_equal(m.kvm.nslots, 0);
	guest_clears_status();
}

static void test_a_thousand_times_nothing_grows(void **state)
{
	struct vfio_pci_arrival back;
	struct err err = ERR_INIT;
	unsigned fds = 0, routes = 0;
	size_t bytes = 0;

	begin();
	for (unsigned i = 0; i < CYCLES; i++) {
		guest_uses_it();
		takes_leave(i % 3);
		memset(m.order, 0, sizeof(m.order));
		memset(told, 0, sizeof(told));
		back = arrival();
		assert_int_equal(vfio_pci_plug(&m.guest.vm, &m.set, &back, &err), 0);
		assert_string_equal(told, "+");
		guest_clears_status();
		if (i == 9) {
			fds = open_fds();
			bytes = mallinfo2().uordblks;
			routes = m.kvm.nroutes;
		}
	}
	assert_int_equal(open_fds(), fds);
	assert_int_equal(m.kvm.nroutes, routes);
	assert_int_equal(mallinfo2().uordblks, bytes);
	assert_int_equal(m.kvm.broken_order, 0);
	vfio_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_and_back),
		cmocka_unit_test(test_now_does_not_ask),
		cmocka_unit_test(test_an_error_takes_it_out_at_once),
		cmocka_unit_test(test_the_guest_does_not_wait_for_a_device_that_is_dead),
		cmocka_unit_test(test_the_end_waits_for_it),
		cmocka_unit_test(test_a_request_presses_the_button_once),
		cmocka_unit_test(test_what_is_not_let_go_of_is_taken_away_after_15_seconds),
		cmocka_unit_test(test_a_reset_of_the_machine_ends_the_wait),
		cmocka_unit_test(test_a_reset_of_the_bus_does_not),
		cmocka_unit_test(test_an_error_takes_a_conventional_one_out_at_once),
		cmocka_unit_test(test_a_request_takes_a_conventional_one_out_at_once),
		cmocka_unit_test(test_a_conventional_one_goes_now_or_not_at_all),
		cmocka_unit_test(test_a_group_goes_with_its_last_conventional_one),
		cmocka_unit_test(test_that_nobody_tells_the_guest_is_said),
		cmocka_unit_test(test_the_use_of_a_nics_vf_is_told),
		cmocka_unit_test(test_a_nics_vf_that_is_pulled_keeps_nobody),
		cmocka_unit_test(test_an_error_of_a_nics_vf_stops_it),
		cmocka_unit_test(test_the_use_of_others_is_not),
		cmocka_unit_test(test_a_reset_of_the_machine_hides_a_nics_vf),
		cmocka_unit_test(test_what_was_pulled_out_is_not_waited_for),
		cmocka_unit_test(test_what_cannot_come_leaves_nothing),
		cmocka_unit_test(test_a_group_that_does_not_reach_ram_is_told_where),
		cmocka_unit_test(test_the_first_device_of_a_machine_brings_the_container),
		cmocka_unit_test(test_a_thousand_times_nothing_grows),
	};

	return cmocka_run_group_tests_name("vfio_plug", tests, NULL, NULL);
}
