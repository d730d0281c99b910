// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bdf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "tools/tty.h"
#include "tools/vm_failover.h"
#include "tools/vm_return.h"

/* A guest that was asked to power off gets this long before it is ended. */
#define POWEROFF_DEADLINE_NS (30ull * 1000000000)
/* A VMM that was told to end, or said it does, gets this long: an FLR per device and more. */
#define QUIT_DEADLINE_NS     (10ull * 1000000000)

/*
 * And for its end, when the guest ended in time: the host may still reset a device that does not answer,
 * a minute and longer.
 */
#define END_DEADLINE_NS	     (120ull * 1000000000)

struct supervisor {
	const struct supervisor_config *config;
	struct loop *loop;
	struct tty terminal;
	struct supervisor_result *result;
	struct err *err;
	int kill_timer;
	pid_t irq_keeper; /* 0: none */
	int irq_keeper_pidfd;
	struct vm_return *devices; /* NULL: none to watch, or none yet */
	bool ready; /* the guest runs */
	enum { UNASKED, ASKED_TO_POWER_OFF, TOLD_TO_QUIT } ending;
	bool ended;	  /* the guest, while its VMM still lets go of what it had: */
	char resets[20];  /* the device that the host still resets; "": none */
	bool not_awaited; /* longer: what it says of its end does not come */
};

int supervisor_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	/* A reader of ours who goes must not take the guest along, and its devices stay bound. */
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	sigdelset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The next signal that waits, 0 when there is none. */
static int next_signal(int signal_fd)
{
	struct signalfd_siginfo info;

	return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static int status_of(int signal)
{
	switch (signal) {
	case SIGINT: return SUPERVISOR_INTERRUPTED;
	case SIGQUIT: return SUPERVISOR_QUIT;
	default: return SUPERVISOR_TERMINATED;
	}
}

int supervisor_interrupted(int signal_fd)
{
	int signal = next_signal(signal_fd);

	return signal ? status_of(signal) : 0;
}

static void on_deadline(void *opaque, int fd)
{
	struct supervisor *s = opaque;

	(void)fd;
	s->not_awaited = true;
	if (s->ended && s->resets[0])
		log_warn("the host still resets %s, %u s later; its VMM is ended when that is over",
			 s->resets, (unsigned)(END_DEADLINE_NS / 1000000000));
	else if (s->ended && !s->result->status)
		err_plain(s->err, -ETIMEDOUT, "the VMM hung at its end and was killed");
	else if (!s->result->status)
		err_plain(s->err, -ETIMEDOUT, "the guest did not power off within 30 s and was ended");
	loop_quit(s->loop, 0);
}

/* The timer is made when it is needed: most guests end by themselves. */
static void give_time(struct supervisor *s, uint64_t ns)
{
	int r = 0;

	if (s->kill_timer < 0)
		r = loop_timer_new(s->loop, on_deadline, s, &s->kill_timer);
	if (r == 0)
		r = loop_timer_arm(s->kill_timer, ns);
	if (r < 0)
		loop_quit(s->loop, r);
}

/*
 * Each step ends the guest sooner than the one before, and none is taken twice: a
 * service manager that repeats itself must not give the guest more time.
 */
static void end_guest(struct supervisor *s, int signal)
{
	if (s->ending == UNASKED && s->ended && signal != SIGINT && signal != SIGQUIT) {
		give_time(s, END_DEADLINE_NS);
		s->ending = ASKED_TO_POWER_OFF;
	} else if (s->ending == UNASKED && signal != SIGINT && signal != SIGQUIT) {
		log_note("asking the guest to power off; it has 30 s");
		handover_command(s->config->vmm->sock, VMM_COMMAND_POWER_BUTTON, -1);
		give_time(s, POWEROFF_DEADLINE_NS);
		s->ending = ASKED_TO_POWER_OFF;
	} else if (signal == SIGHUP) {
		return; /* a shell that loses its terminal sends a second one of its own */
	} else if (s->ending != TOLD_TO_QUIT) {
		handover_command(s->config->vmm->sock, VMM_COMMAND_QUIT, -1);
		s->result->status = status_of(signal);
		give_time(s, QUIT_DEADLINE_NS);
		s->ending = TOLD_TO_QUIT;
	} else {
		loop_quit(s->loop, 0);
	}
}

static void on_signal(void *opaque, int fd)
{
	struct supervisor *s = opaque;
	int signal = next_signal(fd);

	if (!signal)
		return;
	if (s->ready) {
		end_guest(s, signal);
		return;
	}
	s->result->status = status_of(signal);
	loop_quit(s->loop, 0);
}

static void forget_irq_keeper(struct supervisor *s)
{
	if (s->irq_keeper_pidfd >= 0)
		loop_del(s->loop, s->irq_keeper_pidfd);
	close_fdp(&s->irq_keeper_pidfd);
	s->irq_keeper = 0;
}

static void on_irq_keeper_end(void *opaque, int fd)
{
	struct supervisor *s = opaque;

	(void)fd;
	irq_keeper_reap(s->irq_keeper);
	forget_irq_keeper(s);
}

static void keep_interrupts(struct supervisor *s, const char *name)
{
	const struct irq_place *place = s->config->irq;
	pid_t pid;

	if (!place || place->where == IRQ_ANYWHERE || s->irq_keeper)
		return;
	pid = irq_keeper_start(s->config->root, name, s->config->vmm->pid, place);
	if (pid < 0) {
		log_warn("interrupts stay where the kernel puts them: %s", strerror(-pid));
		return;
	}
	s->irq_keeper = pid;
	s->irq_keeper_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Without it, how it ends is seen with the guest's end. */
	if (s->irq_keeper_pidfd >= 0 &&
	    loop_add(s->loop, s->irq_keeper_pidfd, on_irq_keeper_end, s) < 0)
		close_fdp(&s->irq_keeper_pidfd);
}

/* Without its control socket nobody could give the guest anything back. */
static void watch_devices(struct supervisor *s, const char *name)
{
	const struct vm_return_config config = {
		.root = s->config->root,
		.loop = s->loop,
		.vm = name,
		.vmm = s->config->vmm->pid,
		.devices = s->config->devices,
		.count = s->config->device_count,
	};
	struct err err = ERR_INIT;

	if (!s->devices && vm_return_new(&config, &s->devices, &err) < 0)
		log_warn("%s: one that an error takes out of the guest does not come back", err.text);
}

/*
 * Behind the start, which need not wait for it. A VM that was given a name has its
 * socket from before; for one without, not having any is no reason to end.
 */
static void offer_control(struct supervisor *s)
{
	struct vm_socket *control = s->config->control;
	struct err err = ERR_INIT;

	if (!control)
		return;
	if (control->fd < 0 && vm_socket_open(s->config->root, control, &err) < 0) {
		log_note("%s, continuing without", err.text);
		return;
	}
	if (handover_command(s->config->vmm->sock, VMM_COMMAND_CONTROL, control->fd) < 0)
		return; /* it ends: that will be told */
	close_fdp(&control->fd);
	log_note("it is called %s", control->name);
	keep_interrupts(s, control->name);
	if (s->config->device_count)
		watch_devices(s, control->name);
	if (vm_failover_start(s->config->failover, s->loop, control->name, s->config->vmm->sock,
			      &err) < 0)
		log_warn("%s: the guest goes by its virtio devices", err.text);
}

static void take_device_event(struct supervisor *s, const struct vmm_event *e)
{
	/* A VMM that lies of the line has the device, and can do to the line what it likes. */
	struct vmm_device device = { .node = e->node, .rom_fd = -1, .intx = e->intx };

	/* It brings its VFs back itself, and knows better when. */
	if (vm_failover_device(s->config->failover, (enum vm_device_event)e->reason, e->device))
		return;
	if (e->reason != VM_DEVICE_ADDED) {
		vm_return_event(s->devices, (enum vm_device_event)e->reason, e->device);
		return;
	}
	memcpy(device.name, e->device, sizeof(device.name));
	memcpy(device.token, e->token, sizeof(device.token));
	if (s->config->control) /* which it came by */
		watch_devices(s, s->config->control->name);
	vm_return_added(s->devices, &device);
}

/* What is left is the host's work, which no deadline for the guest makes shorter. */
static void guest_ended(struct supervisor *s, const struct vmm_event *e)
{
	struct bdf bdf;

	s->result->have_event = true;
	s->result->event = *e;
	if (e->reason == VM_CRASH && s->err && !s->err->code) {
		if (e->err.code)
			*s->err = e->err;
		else
			err_plain(s->err, -EIO, "the guest crashed");
	}
	if (!s->ended && bdf_parse(e->device, &bdf) == 0) {
		snprintf(s->resets, sizeof(s->resets), "%s", BDF_STR(bdf));
		log_warn("the guest has ended; the host still resets %s, which is waited for", s->resets);
	}
	if (!s->ended && (s->ending == ASKED_TO_POWER_OFF || (s->ending == TOLD_TO_QUIT && s->resets[0])))
		give_time(s, END_DEADLINE_NS);
	s->ended = true;
}

static void take_event(struct supervisor *s, const struct vmm_event *e)
{
	switch (e->type) {
	case VMM_EVENT_READY:
		s->ready = true;
		if (s->config->tty)
			tty_raw(&s->terminal);
		break;
	case VMM_EVENT_RUNNING: offer_control(s); break;
	case VMM_EVENT_REBOOT: log_note("the guest reboots"); break;
	case VMM_EVENT_DEVICE: take_device_event(s, e); break;
	case VMM_EVENT_NIC:
		vm_failover_nic(s->config->failover, e->nic, (enum vm_nic_event)e->reason);
		break;
	case VMM_EVENT_BACKEND:
		vm_backends_event(s->config->backends, s->loop, s->config->vmm->sock, e);
		break;
	case VMM_EVENT_ERROR:
		if (s->err && !s->err->code)
			*s->err = e->err;
		break;
	case VMM_EVENT_EXIT: guest_ended(s, e); break;
	default: break;
	}
}

static void on_event(void *opaque, int sock)
{
	struct supervisor *s = opaque;
	struct vmm_event e;
	int r = handover_next_event(sock, &e);

	if (r == 0)
		take_event(s, &e);
	else if (r == -EPROTO)
		log_warn_limited("the VMM sent what is no message, ignored");
	else
		loop_quit(s->loop, 0); /* it closed its end: it is ending */
}

static void killed_by(int signal, struct err *err)
{
	err_plain(err, -EIO, "the VMM was ended by signal %d (%s)", signal, strsignal(signal));
	if (signal == SIGKILL)
		err_hint(err, "if nobody killed it, the host or its cgroup ran out of memory: dmesg "
			      "says 'Out of memory: Killed process' then; give the guest less (--memory)");
}

/* The VMM is gone or goes: how, in words, unless it said so itself. */
static void judge(struct supervisor *s)
{
	struct pollfd gone = { .fd = s->config->vmm->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	poll(&gone, 1, QUIT_DEADLINE_NS / 1000000);
	if (s->result->status || s->err->code) /* a signal's or the guest's doing, and said */
		return;
	if (waitid(P_PID, (id_t)s->config->vmm->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
		err_set(s->err, -errno, "cannot tell how the VMM ended");
	else if (info.si_pid == 0)
		err_plain(s->err, -ETIMEDOUT, "the VMM hung at its end and was killed");
	else if (info.si_code != CLD_EXITED)
		killed_by(info.si_status, s->err);
	else if (!s->result->have_event)
		err_plain(s->err, -EIO, "the VMM ended with status %d before the guest did",
			  info.si_status);
}

static int prepare(struct supervisor *s)
{
	int r;

	s->loop = loop_new();
	if (!s->loop)
		return -ENOMEM;
	r = loop_add(s->loop, s->config->signal_fd, on_signal, s);
	if (r == 0)
		r = loop_add(s->loop, s->config->vmm->sock, on_event, s);
	return r;
}

void supervisor_run(const struct supervisor_config *config, struct supervisor_result *ret,
		    struct err *err)
{
	struct err own = ERR_INIT;
	struct supervisor s = { .config = config, .result = ret, .err = err ? err : &own,
				.kill_timer = -1, .irq_keeper_pidfd = -1 };
	int r = prepare(&s);

	*ret = (struct supervisor_result){ 0 };
	if (r == 0)
		r = loop_run(s.loop);
	if (r < 0)
		err_set(s.err, r, "cannot watch the VMM");
	else if (!ret->status && !s.not_awaited)
		judge(&s);
	s.devices = vm_return_free(s.devices);
	vm_failover_stop(config->failover);
	vm_backends_stop(config->backends);
	vmm_process_end(config->vmm);
	irq_keeper_end(s.irq_keeper); /* which may be asking the VMM */
	forget_irq_keeper(&s);
	tty_restore(&s.terminal);
	close_fdp(&s.kill_timer);
	loop_free(s.loop);
	if (!ret->status)
		ret->status = err_exit_status(s.err);
}
