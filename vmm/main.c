// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * thruway-vmm: one virtual machine. Started by `thruway vm run`, which has
 * already dropped every privilege and hands over all it needs as descriptors.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "vmm/coalesced.h"
#include "vmm/control.h"
#include "vmm/control_backend.h"
#include "vmm/control_failover.h"
#include "vmm/handover.h"
#include "vmm/hw/pm.h"
#include "vmm/machine.h"
#include "vmm/mem.h"
#include "vmm/vcpu.h"
#include "vmm/vfio_pci/vfio_pci.h"

/*
 * The terminal's signals go to the whole process group; what they mean is the
 * supervisor's to say, by a command. A reader of stdout who goes is no reason to end.
 */
static void leave_signals_to_supervisor(void)
{
	static const int theirs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		sigaddset(&set, theirs[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_request(void *opaque, int fd)
{
	struct machine *m = opaque;

	(void)fd;
	loop_quit(m->vm.loop, 0);
}

static void on_command(void *opaque, int fd)
{
	struct machine *m = opaque;
	struct vmm_order order = { .fd = -1 };
	int r = handover_next_command(fd, &order);

	if (r == -EAGAIN)
		return;
	if (r < 0 || order.command == VMM_COMMAND_QUIT)
		vm_request(&m->vm, VM_QUIT);
	else if (order.command == VMM_COMMAND_POWER_BUTTON)
		pm_power_button(m->pm);
	else if (order.command == VMM_COMMAND_NIC)
		control_failover_told(m, &order.nic);
	else if (order.command == VMM_COMMAND_BACKEND)
		control_backend_arrived(m, &order.backend, order.fd);
	else if (order.command == VMM_COMMAND_CONTROL && control_start(m, order.fd) < 0)
		log_warn("this machine cannot be controlled: out of memory");
	if (r < 0)
		loop_del(m->vm.loop, fd);
}

static void lock_devices(void *opaque)
{
	vm_lock(opaque);
}

static void unlock_devices(void *opaque)
{
	vm_unlock(opaque);
}

static int watch(struct machine *m, struct err *err)
{
	int r = loop_add(m->vm.loop, m->vm.request_fd, on_request, m);

	if (r == 0)
		r = loop_add(m->vm.loop, HANDOVER_FD, on_command, m);
	loop_hooks(m->vm.loop, lock_devices, unlock_devices, &m->vm);
	return r < 0 ? err_set(err, r, "cannot watch the machine") : 0;
}

/* The CPUs go on, unless somebody paused them. */
static void resumed(struct machine *m)
{
	if (!m->paused)
		vcpus_resume(&m->vm);
}

/* Run until the guest ends; resets in place on the way. Returns why it ended. */
static enum vm_request serve(struct machine *m)
{
	for (;;) {
		enum vm_request why;
		struct err err = ERR_INIT;

		(void)loop_run(m->vm.loop);
		vcpus_pause(&m->vm);
		vm_lock(&m->vm);
		coalesced_drain(&m->vm);
		coalesced_settle(&m->vm);
		vm_unlock(&m->vm);
		why = vm_take_request(&m->vm);
		if (why == VM_REBOOT && m->config->reboot) {
			handover_event(HANDOVER_FD, &(struct vmm_event){ VMM_EVENT_REBOOT });
			m->reboots++;
			control_event(m, CONTROL_REBOOT, NULL);
			if (machine_reset(m, &err) == 0) {
				resumed(m);
				continue;
			}
			m->vm.crash = err;
			return VM_CRASH;
		}
		if (why == VM_PAUSE) {
			vm_lock(&m->vm);
			control_paused(m);
			vm_unlock(&m->vm);
		} else if (why != VM_RUN) {
			return why;
		}
		resumed(m);
	}
}

static const char *reason_word(enum vm_request why)
{
	switch (why) {
	case VM_POWEROFF: return "poweroff";
	case VM_REBOOT: return "reboot";
	case VM_CRASH: return "crash";
	case VM_QUIT:
	case VM_PAUSE:
	case VM_RUN: break;
	}
	return "quit";
}

/* Not sooner: on a busy host the supervisor would be at work while the guest waits for a CPU. */
static void say_running(void)
{
	handover_event(HANDOVER_FD, &(struct vmm_event){ VMM_EVENT_RUNNING });
}

/* A device that an error took out of the guest, which the end has to wait for; "": none. */
static void still_reset(const struct machine *m, char *ret, size_t size)
{
	const char *name = vfio_pci_closing(m->host_devices, 0);

	snprintf(ret, size, "%s", name ? name : "");
}

static int run(const struct vmm_config *config, struct err *err)
{
	struct machine m;
	struct vmm_event exit_event;
	int r = machine_new(&m, config, err);

	if (r < 0)
		return r;
	m.vm.on_running = say_running;
	r = watch(&m, err);
	if (r == 0) {
		handover_event(HANDOVER_FD, &(struct vmm_event){ VMM_EVENT_READY });
		clock_gettime(CLOCK_MONOTONIC, &m.started);
		r = vcpus_start(&m.vm, err);
	}
	if (r < 0) {
		machine_fini(&m);
		return r;
	}
	exit_event = (struct vmm_event){ .type = VMM_EVENT_EXIT, .reason = serve(&m) };
	vcpus_stats(&m.vm, &exit_event.stats);
	exit_event.gsi_commits = gsi_commits(m.vm.gsi);
	exit_event.ram_banks = mem_bank_count(m.vm.mem);
	exit_event.dma_maps = vfio_pci_maps(m.host_devices);
	control_event(&m, CONTROL_END, json_pack("{s:s}", "reason", reason_word(exit_event.reason)));
	if (exit_event.reason == VM_CRASH)
		exit_event.err = m.vm.crash;
	still_reset(&m, exit_event.device, sizeof(exit_event.device));
	/* Before the rest ends, which lasts as long as the host resets a device: nobody waits for the guest. */
	handover_event(HANDOVER_FD, &exit_event);
	machine_fini(&m);
	if (exit_event.reason == VM_CRASH)
		return -EIO;
	return m.console_error ? err_set(err, m.console_error, "the guest's console output was lost") :
				 0;
}

int main(void)
{
	struct vmm_config config;
	struct err err = ERR_INIT;
	int r;

	log_set_program("thruway-vmm");
	/* One heap for all threads: each other one would cost its own pages. */
	(void)mallopt(M_ARENA_MAX, 1);
	/* What a start allocates comes from the kernel at once; pages nobody touches cost nothing. */
	(void)mallopt(M_TOP_PAD, 512 << 10);
	leave_signals_to_supervisor();
	r = handover_receive(HANDOVER_FD, &config, &err);
	if (r < 0) {
		err_print(&err, "thruway-vmm");
		return 1;
	}
	log_set_level((enum log_level)config.log_level);
	r = run(&config, &err);
	if (err.code)
		handover_event(HANDOVER_FD, &(struct vmm_event){ VMM_EVENT_ERROR, .err = err });
	return r < 0 ? 1 : 0;
}
