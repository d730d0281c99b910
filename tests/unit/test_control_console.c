// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket's method "console": what comes with it, and what must not. */
#include "vmm/control_console.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "vmm/ctl.h"
#include "vmm/hw/console.h"
#include "vmm/machine.h"

static size_t input(void *opaque, const uint8_t *data, size_t len)
{
	return len;
}

static void quit(void *opaque)
{
}

static const struct console_ops ops = { input, quit };
static const struct jsonrpc_method methods[] = {
	{ .name = "console", .params = control_console_params, .call = control_console },
	{ 0 },
};
static struct machine m;
static char path[64];

static int out = -1, client = -1;

static int setup(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ctl_config config = { .uid = getuid(), .methods = methods, .opaque = &m };

	m = (struct machine){ .vm.loop = loop_new() };
	snprintf(path, sizeof(path), "/tmp/thruway-console-%d", (int)getpid());
	strcpy(a.sun_path, path);
	unlink(path);
	out = memfd_create("out", MFD_CLOEXEC);
	config.loop = m.vm.loop;
	config.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(config.listen_fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(config.listen_fd, 1) < 0 || ctl_new(&config, &m.ctl) < 0 ||
	    console_new(m.vm.loop, -1, out, false, &ops, NULL, &m.console, NULL) < 0)
		return -1;
	return connect(client, (struct sockaddr *)&a, sizeof(a));
}

static int teardown(void **state)
{
	m.ctl = ctl_free(m.ctl);
	console_close(m.console);
	m.vm.loop = loop_free(m.vm.loop);
	close_fdp(&client);
	close_fdp(&out);
	return unlink(path);
}

static void over(void *opaque, int fd)
{
	loop_quit(opaque, 0);
}

static void turn(void)
{
	int timer;

	assert_int_equal(loop_timer_new(m.vm.loop, over, m.vm.loop, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 5000000), 0);
	assert_int_equal(loop_run(m.vm.loop), 0);
	loop_del(m.vm.loop, timer);
	close(timer);
}

/* The answer to the method with these parameters and, unless -1, that descriptor. */
static const char *ask(const char *params, int fd)
{
	static char answer[1024];
	char text[256];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { text, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	iov.iov_len = (size_t)snprintf(text, sizeof(text),
				       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"console\"%s}\n", params);
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS,
							 .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(client, &msg, 0), (ssize_t)iov.iov_len);
	for (unsigned i = 0; i < 3; i++)
		turn();
	n = recv(client, answer, sizeof(answer) - 1, 0);
	assert_true(n > 0);
	answer[n] = '\0';
	return answer;
}

static void says(const char *answer, const char *what)
{
	if (!strstr(answer, what))
		fail_msg("%s: not '%s'", answer, what);
}

static void test_it_wants_a_socket_or_a_size(void **state)
{
	says(ask("", -1), "comes with a socket, or with a size");
	says(ask(",\"params\":{\"cols\":80}", -1), "rows\\\" is a number from 0 to 65535");
	says(ask(",\"params\":{\"cols\":65536,\"rows\":1}", -1), "cols\\\" is a number");
	says(ask(",\"params\":{\"cols\":\"80\",\"rows\":1}", -1), "cols\\\" is a number");
	says(ask(",\"params\":{\"cols\":1,\"rows\":-1}", -1), "rows\\\" is a number");
	says(ask(",\"params\":{\"size\":1}", -1), "\"error\"");
	says(ask("", out), "is no socket");
	/* Of a guest without a virtio console it means nothing. */
	says(ask(",\"params\":{\"cols\":80,\"rows\":25}", -1), "\"result\":true");
}

static void test_one_sits_there(void **state)
{
	char got[8] = "";
	int a[2], b[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), 0);
	says(ask("", a[0]), "\"result\":true");
	says(ask("", b[0]), "somebody else is at the console already");
	console_write(m.console, (const uint8_t *)"hello", 5);
	assert_int_equal(recv(a[1], got, sizeof(got), 0), 5);
	assert_string_equal(got, "hello");
	close(a[0]);
	close(a[1]);
	turn();
	says(ask(",\"params\":{\"cols\":80,\"rows\":25}", b[0]), "\"result\":true");
	close(b[0]);
	close(b[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_wants_a_socket_or_a_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_sits_there, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN); /* blocked in the VMM */
	return cmocka_run_group_tests_name("control_console", tests, NULL, NULL);
}
