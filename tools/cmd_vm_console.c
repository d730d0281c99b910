// SPDX-License-Identifier: GPL-2.0-or-later
/* `thruway vm console`: a second place at a running guest's console. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/log.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/tty.h"
#include "tools/vm_ask.h"
#include "tools/vm_client.h"

#define CTRL_A 1

enum end { GOES_ON, LEFT, VM_ENDED, BROKE };

struct seat {
	struct vm_client *vm;
	int sock, signal_fd;
	bool tty, escaped;
	bool closed; /* stdin has no more */
	size_t len;  /* typed, and not taken yet: a guest may be slow */
	uint8_t typed[4096];
};

static json_t *window(void)
{
	struct winsize size;

	if (sys_ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return NULL;
	return json_pack("{s:i, s:i}", "cols", (int)size.ws_col, "rows", (int)size.ws_row);
}

static int watch_signals(void)
{
	static const int ours[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGWINCH };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Any but that the terminal has another size is the end, of this and not of the VM. */
static enum end take_signal(struct seat *s)
{
	struct signalfd_siginfo info;
	struct err err = ERR_INIT;
	json_t *size;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return GOES_ON;
	if (info.ssi_signo != SIGWINCH)
		return LEFT;
	size = window();
	if (size && vm_client_call_with(s->vm, "console", size, NULL, 0, NULL, &err) < 0)
		log_note("%s", err.text);
	return GOES_ON;
}

/* Ctrl-A x leaves, Ctrl-A Ctrl-A is one. What a guest does not take for so long is not kept. */
static enum end type(struct seat *s, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s->tty && !s->escaped && data[i] == CTRL_A) {
			s->escaped = true;
			continue;
		}
		if (s->escaped && (data[i] == 'x' || data[i] == 'X'))
			return LEFT;
		s->escaped = false;
		if (s->len < sizeof(s->typed))
			s->typed[s->len++] = data[i];
	}
	return GOES_ON;
}

static enum end take_input(struct seat *s)
{
	uint8_t buf[256];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOES_ON;
	s->closed = n <= 0;
	return n > 0 ? type(s, buf, (size_t)n) : GOES_ON;
}

static void send_typed(struct seat *s)
{
	ssize_t n = send(s->sock, s->typed, s->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0) {
		s->len -= (size_t)n;
		memmove(s->typed, s->typed + n, s->len);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->len = 0; /* the VM ends, which is about to be read */
	}
}

static enum end show(struct seat *s)
{
	uint8_t buf[4096];
	ssize_t n = recv(s->sock, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOES_ON;
	if (n <= 0)
		return VM_ENDED;
	return fd_write_all(STDOUT_FILENO, (const char *)buf, (size_t)n) < 0 ? BROKE : GOES_ON;
}

static enum end sit(struct seat *s)
{
	enum end end = GOES_ON;
	bool said_all = false;

	while (end == GOES_ON) {
		/* From a terminal always, or nobody could leave; of a file no more than is taken. */
		bool reads = !s->closed && (s->tty || s->len < sizeof(s->typed) / 2);
		struct pollfd p[] = {
			{ .fd = s->sock, .events = (short)(POLLIN | (s->len ? POLLOUT : 0)) },
			{ .fd = reads ? STDIN_FILENO : -1, .events = POLLIN },
			{ .fd = s->signal_fd, .events = POLLIN },
		};

		if (s->closed && !s->len && !said_all) {
			shutdown(s->sock, SHUT_WR);
			said_all = true;
		}
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return BROKE;
		if (p[2].revents)
			end = take_signal(s);
		if (end == GOES_ON && p[1].revents)
			end = take_input(s);
		if (s->len && p[0].revents & POLLOUT)
			send_typed(s);
		if (end == GOES_ON && p[0].revents & (POLLIN | POLLHUP | POLLERR))
			end = show(s);
	}
	return end;
}

static int enter(struct vm_client *vm, struct seat *s, struct err *err)
{
	_cleanup_close_ int theirs = -1;
	int sv[2];

	*s = (struct seat){ .vm = vm, .sock = -1, .signal_fd = -1, .tty = isatty(STDIN_FILENO) };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_set(err, -errno, "cannot connect to the console");
	s->sock = sv[0];
	theirs = sv[1];
	s->signal_fd = watch_signals();
	if (s->signal_fd < 0)
		return err_set(err, s->signal_fd, "cannot watch signals");
	return vm_client_call_with(vm, "console", s->tty ? window() : NULL, &theirs, 1, NULL, err);
}

/* The guest's cursor is anywhere in its line. */
static void say_end(const char *name, enum end end)
{
	if (log_get_level() == LOG_QUIET)
		return;
	fputc('\n', stderr);
	log_warn(end == LEFT ? "the console of %s was left, the VM goes on" : "%s has ended", name);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client vm = VM_CLIENT_INIT;
	struct tty terminal = { 0 };
	struct seat s = { .sock = -1, .signal_fd = -1 };
	enum end end = BROKE;
	int r = vm_ask_open(ctx, argc, argv, &vm, err);

	if (r == 0)
		r = enter(&vm, &s, err);
	if (r == 0) {
		if (s.tty)
			log_warn("the console of %s: Ctrl-A x leaves it", vm.name);
		tty_raw(&terminal);
		end = sit(&s);
		tty_restore(&terminal);
		if (end == BROKE)
			r = err_set(err, -errno, "cannot show the console");
		else if (s.tty)
			say_end(vm.name, end);
	}
	close_fdp(&s.sock);
	close_fdp(&s.signal_fd);
	vm_client_close(&vm);
	return r;
}

const struct command cmd_vm_console = {
	.name = "vm console",
	.synopsis = "VM",
	.summary = "sit down at a virtual machine's console",
	.help = "What the guest's console says from now on is shown, also where the VM was started, and what\n"
		"is typed is typed there. Ctrl-A x leaves it, Ctrl-A Ctrl-A sends one Ctrl-A; the VM goes on.\n"
		"One at a time. Input that is no terminal is sent to its end, and output shown until the VM\n"
		"ends.",
	.run = run,
};
