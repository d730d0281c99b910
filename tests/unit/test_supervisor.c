// SPDX-License-Identifier: GPL-2.0-or-later
/* What signals mean while a guest runs: each ends it sooner, none gives it more time. */
#include "tools/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_return.h"

/* Sooner than the shortest time the supervisor gives, which is 10 s. */
#define SOON_S 9

/* A VMM in a few lines: answers each command with the next signal of `signals`, to its parent. */
struct script {
	int signals[4];
	bool quits; /* ends when it is told to; else it hangs */
	bool killed;
};

/* A signal before READY was read would be one before the guest ran. */
static void wait_until_read(int sock)
{
	int unread = 1;

	while (ioctl(sock, SIOCOUTQ, &unread) == 0 && unread)
		usleep(1000);
}

static void vmm(int sock, const void *opaque)
{
	const struct script *script = opaque;
	struct vmm_event exits = { .type = VMM_EVENT_EXIT, .reason = VM_QUIT };
	const int *next = script->signals;
	uint32_t command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_READY });
	wait_until_read(sock);
	if (script->killed)
		raise(SIGKILL);
	do {
		if (*next)
			kill(getppid(), *next++);
		/* What follows no command of ours is not waited for long. */
		while (*next == SIGHUP && recv(sock, &command, sizeof(command), MSG_PEEK) > 0)
			kill(getppid(), *next++);
	} while (recv(sock, &command, sizeof(command), 0) == sizeof(command) &&
		 !(script->quits && command == VMM_COMMAND_QUIT));
	if (script->quits)
		handover_event(sock, &exits);
	else
		pause();
	_exit(0);
}

static void start_vmm(struct vmm_process *p, void (*fn)(int sock, const void *opaque),
		      const void *opaque)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	p->pid = fork();
	if (p->pid == 0) {
		close(sv[0]);
		fn(sv[1], opaque);
	}
	close(sv[1]);
	p->sock = sv[0];
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
}

/* Serve such a VMM; seconds it took in *ret_seconds. */
static int serve(const struct script *script, unsigned *ret_seconds, struct err *err)
{
	struct vmm_process p = VMM_PROCESS_INIT;
	struct supervisor_result result;
	_cleanup_close_ int signals = supervisor_signals();
	struct timespec start, end;
	struct supervisor_config config = { .root = -1, .vmm = &p, .signal_fd = signals };

	assert_true(signals >= 0);
	start_vmm(&p, vmm, script);
	clock_gettime(CLOCK_MONOTONIC, &start);
	supervisor_run(&config, &result, err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	*ret_seconds = (unsigned)(end.tv_sec - start.tv_sec);
	return result.status;
}

static void test_a_second_sigterm_ends_the_guest_at_once(void **state)
{
	static const struct script script = { { SIGTERM, SIGTERM }, true };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&script, &seconds, &err), SUPERVISOR_TERMINATED);
	assert_true(seconds < SOON_S);
}

static void test_a_second_sighup_changes_nothing(void **state)
{
	/* The status is that of the signal that ended it. */
	static const struct script script = { { SIGHUP, SIGHUP, SIGINT }, true };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&script, &seconds, &err), SUPERVISOR_INTERRUPTED);
	assert_true(seconds < SOON_S);
}

static void test_sigint_does_not_wait_for_the_power_button(void **state)
{
	static const struct script script = { { SIGTERM, SIGINT }, true };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&script, &seconds, &err), SUPERVISOR_INTERRUPTED);
	assert_true(seconds < SOON_S);
}

/* Unblocked it would end the supervisor alone, and leave the devices bound. */
static void test_sigquit_ends_the_guest_at_once(void **state)
{
	static const struct script alone = { { SIGQUIT }, true };
	static const struct script after = { { SIGTERM, SIGQUIT }, true };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&alone, &seconds, &err), SUPERVISOR_QUIT);
	assert_true(seconds < SOON_S);
	assert_int_equal(serve(&after, &seconds, &err), SUPERVISOR_QUIT);
	assert_true(seconds < SOON_S);
}

static void test_one_more_does_not_wait_for_a_vmm_that_hangs(void **state)
{
	static const struct script script = { { SIGINT, SIGINT }, false };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&script, &seconds, &err), SUPERVISOR_INTERRUPTED);
	assert_true(seconds < SOON_S);
}

static void test_a_vmm_that_was_killed_is_told_with_where_to_look(void **state)
{
	static const struct script script = { .killed = true };
	struct err err = ERR_INIT;
	unsigned seconds;

	assert_int_equal(serve(&script, &seconds, &err), 1);
	assert_non_null(strstr(err.text, "signal 9"));
	assert_non_null(strstr(err.hint, "dmesg"));
}

/* --- after the guest's end ----------------------------------------------------------------------- */

static uint64_t hurry = 1; /* so much faster the timers run */

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	uint64_t ns = (uint64_t)new->it_value.tv_sec * 1000000000 + (uint64_t)new->it_value.tv_nsec;
	struct itimerspec sooner = *new;

	ns /= hurry;
	sooner.it_value = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	return __real_timerfd_settime(fd, flags, &sooner, old);
}

struct ending {
	const char *device; /* that the host still resets */
	unsigned ms;	    /* that the end lasts; 0: it does not come */
	bool unasked;	    /* the SIGTERM comes behind the guest's end */
};

/* The guest powers off when it is asked, and then its VMM waits for the host. */
static void vmm_ends_late(int sock, const void *opaque)
{
	const struct ending *e = opaque;
	struct vmm_event exits = { .type = VMM_EVENT_EXIT, .reason = VM_POWEROFF };
	uint32_t command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(exits.device, sizeof(exits.device), "%s", e->device);
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_READY });
	wait_until_read(sock);
	if (!e->unasked) {
		kill(getppid(), SIGTERM);
		if (recv(sock, &command, sizeof(command), 0) != sizeof(command) ||
		    command != VMM_COMMAND_POWER_BUTTON)
			_exit(2);
	}
	handover_event(sock, &exits);
	wait_until_read(sock);
	if (e->unasked)
		kill(getppid(), SIGTERM);
	if (e->ms)
		usleep(e->ms * 1000);
	else
		pause();
	_exit(0);
}

static int serve_late(const struct ending *e, struct err *err)
{
	struct vmm_process p = VMM_PROCESS_INIT;
	struct supervisor_result result;
	_cleanup_close_ int signals = supervisor_signals();
	struct supervisor_config config = { .root = -1, .vmm = &p, .signal_fd = signals };

	hurry = 200; /* 30 s are 0.15 s, 120 s are 0.6 s */
	start_vmm(&p, vmm_ends_late, e);
	supervisor_run(&config, &result, err);
	hurry = 1;
	assert_true(result.have_event);
	assert_int_equal(result.event.reason, VM_POWEROFF);
	return result.status;
}

/* What it had 30 s for was to power off. */
static void test_a_guest_that_powered_off_in_time_has_its_own_status(void **state)
{
	static const struct ending rows[] = {
		{ "0000:01:10.0", 350, false }, { "", 350, false },
		{ "0000:01:10.0", 350, true },	{ "", 350, true },
		{ "\033[2J", 350, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(serve_late(&rows[i], &err), 0);
		assert_string_equal(err.text, "");
	}
}

/* It cannot be hurried, and the guest's status is not the host's. */
static void test_a_device_that_is_reset_for_longer_is_no_error_of_the_guest(void **state)
{
	static const struct ending ending = { "0000:01:10.0", 0, false };
	struct err err = ERR_INIT;

	assert_int_equal(serve_late(&ending, &err), 0);
	assert_string_equal(err.text, "");
}

static void test_a_vmm_that_hangs_at_its_end_is_an_error(void **state)
{
	static const struct ending ending = { "", 0, false };
	struct err err = ERR_INIT;

	assert_int_equal(serve_late(&ending, &err), 1);
	assert_non_null(strstr(err.text, "hung at its end"));
}

/* --- what the VMM tells of a device -------------------------------------------------------------- */

static struct vmm_device added;

void __wrap_vm_return_added(struct vm_return *r, const struct vmm_device *device);

void __wrap_vm_return_added(struct vm_return *r, const struct vmm_device *device)
{
	added = *device;
}

static void vmm_with_a_device(int sock, const void *opaque)
{
	static const struct vmm_event e = { .type = VMM_EVENT_DEVICE, .reason = VM_DEVICE_ADDED,
					    .device = "0000:01:00.0", .node = 3, .token = "t",
					    .intx = VMM_INTX_SHARED };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	handover_event(sock, &e);
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_EXIT, .reason = VM_QUIT });
	wait_until_read(sock);
	_exit(0);
}

static void test_what_a_device_came_with_is_kept_for_its_return(void **state)
{
	struct vmm_process p = VMM_PROCESS_INIT;
	struct supervisor_result result;
	_cleanup_close_ int signals = supervisor_signals();
	struct supervisor_config config = { .root = -1, .vmm = &p, .signal_fd = signals };
	struct err err = ERR_INIT;

	start_vmm(&p, vmm_with_a_device, NULL);
	supervisor_run(&config, &result, &err);
	assert_string_equal(err.text, "");
	assert_string_equal(added.name, "0000:01:00.0");
	assert_string_equal(added.token, "t");
	assert_int_equal(added.node, 3);
	assert_int_equal(added.intx, VMM_INTX_SHARED);
}

/* --- beside the VMM ----------------------------------------------------------------------------- */

/* The supervisor's child that is not the VMM; 0: none. */
static pid_t other_child(pid_t supervisor)
{
	_cleanup_close_ int proc = open("/proc", O_DIRECTORY | O_CLOEXEC);
	char text[256] = "", *p = text;
	pid_t pid;

	if (hostfs_read(proc, text, sizeof(text), "%d/task/%d/children", supervisor, supervisor) < 0)
		return 0;
	while ((pid = (pid_t)strtol(p, &p, 10)) == getpid())
		;
	return pid;
}

/* A VMM whose interrupts' keeper is killed; exits with 0 when no zombie stays while the guest runs. */
static void vmm_without_keeper(int sock, const void *opaque)
{
	const pid_t supervisor = getppid();
	uint32_t wire;
	pid_t keeper;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_READY });
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_RUNNING });
	/* Left there, its socket is one that listens. */
	if (recv(sock, &wire, sizeof(wire), MSG_PEEK) != sizeof(wire) || wire != VMM_COMMAND_CONTROL)
		_exit(2);
	for (unsigned i = 0; !(keeper = other_child(supervisor)) && i < 500; i++)
		usleep(10000);
	if (!keeper || kill(keeper, SIGKILL) < 0)
		_exit(3);
	for (unsigned i = 0; kill(keeper, 0) == 0 && i < 500; i++)
		usleep(10000);
	if (kill(keeper, 0) == 0)
		_exit(4);
	handover_event(sock, &(struct vmm_event){ .type = VMM_EVENT_EXIT, .reason = VM_QUIT });
	_exit(0);
}

static void test_a_keeper_that_was_killed_is_reaped_while_the_guest_runs(void **state)
{
	static const struct fake_node nodes[] = { { "run" }, { 0 } };
	static const struct irq_place place = { IRQ_CPUS, "1" };
	int root = fake_sysfs(nodes);
	struct vm_socket control = { .name = "watched", .fd = -1 };
	struct vmm_process p = VMM_PROCESS_INIT;
	struct supervisor_result result;
	_cleanup_close_ int signals = supervisor_signals();
	struct supervisor_config config = { .root = root, .vmm = &p, .signal_fd = signals,
					    .control = &control, .irq = &place };
	struct err err = ERR_INIT;

	start_vmm(&p, vmm_without_keeper, NULL);
	supervisor_run(&config, &result, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(result.status, 0);
	assert_true(result.have_event);
	vm_socket_remove(root, &control);
	fake_sysfs_free(&root);
}

static void test_a_reader_who_goes_ends_nothing(void **state)
{
	_cleanup_close_ int signals = supervisor_signals(), to = -1;
	int fds[2];

	assert_true(signals >= 0);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	to = fds[1];
	assert_int_equal(fd_write_all(to, "x", 1), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_sigterm_ends_the_guest_at_once),
		cmocka_unit_test(test_a_second_sighup_changes_nothing),
		cmocka_unit_test(test_sigint_does_not_wait_for_the_power_button),
		cmocka_unit_test(test_sigquit_ends_the_guest_at_once),
		cmocka_unit_test(test_one_more_does_not_wait_for_a_vmm_that_hangs),
		cmocka_unit_test(test_a_guest_that_powered_off_in_time_has_its_own_status),
		cmocka_unit_test(test_a_device_that_is_reset_for_longer_is_no_error_of_the_guest),
		cmocka_unit_test(test_a_vmm_that_hangs_at_its_end_is_an_error),
		cmocka_unit_test(test_what_a_device_came_with_is_kept_for_its_return),
		cmocka_unit_test(test_a_reader_who_goes_ends_nothing),
		cmocka_unit_test(test_a_keeper_that_was_killed_is_reaped_while_the_guest_runs),
		cmocka_unit_test(test_a_vmm_that_was_killed_is_told_with_where_to_look),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
