// SPDX-License-Identifier: GPL-2.0-or-later
/* Telling irqbalance which interrupts are not its own, against one that keeps a list as it does. */
#include "tools/irqbalance.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "tests/fake/sysfs.h"

#define SOCKET "run/irqbalance/irqbalance77.sock"

static int root;
static pid_t daemon_pid;

/* The bytes of one request, when root sent them. */
static bool receive(int sock, char *text, size_t size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { text, size - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sock, &msg, 0);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	struct ucred from = { .uid = 1 };

	if (!c || c->cmsg_type != SCM_CREDENTIALS)
		return false;
	text[n] = '\0';
	memcpy(&from, CMSG_DATA(c), sizeof(from));
	return from.uid == geteuid();
}

static void answer_setup(int sock, const char *list)
{
	char text[4096] = "SLEEP 10 ", words[512], *save;
	size_t len = strlen(text);

	snprintf(words, sizeof(words), "%s", list);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"IRQ %s LOAD 12 DIFF 3 CLASS 0 ", w);
	snprintf(text + len, sizeof(text) - len, "BANNED 00000000");
	(void)!send(sock, text, strlen(text), MSG_NOSIGNAL);
}

static _Noreturn void serve(int listener, const char *list)
{
	char text[500], have[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(have, sizeof(have), "%s", list);
	for (;;) {
		int sock = accept(listener, NULL, NULL);

		if (!receive(sock, text, sizeof(text)))
			_exit(3);
		if (strcmp(text, "setup") == 0 && strcmp(have, "?") == 0)
			(void)!send(sock, "what", 4, MSG_NOSIGNAL);
		else if (strcmp(text, "setup") == 0)
			answer_setup(sock, have);
		else if (strncmp(text, "settings ban irqs ", 18) == 0)
			snprintf(have, sizeof(have), "%s", strcmp(text + 18, "NONE") ? text + 18 : "");
		close(sock);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), on = 1;

	assert_int_equal(hostfs_path(root, address.sun_path, sizeof(address.sun_path), "%s", path), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* One that leaves these alone by its own options. */
static void start(const char *list)
{
	int fd = listen_at(SOCKET);

	daemon_pid = fork();
	if (daemon_pid == 0)
		serve(fd, list);
	close(fd);
}

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "run/irqbalance/here", "" }, { 0 } };

	root = fake_sysfs(nodes);
	daemon_pid = 0;
	return 0;
}

static int teardown(void **state)
{
	if (daemon_pid > 0) {
		kill(daemon_pid, SIGKILL);
		waitpid(daemon_pid, NULL, 0);
	}
	fake_sysfs_free(&root);
	return 0;
}

/* Its list, as "30 31 ". */
static const char *list_now(void)
{
	static char text[4096], irqs[512];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len = 0, n = 0;
	char *save;

	assert_int_equal(hostfs_path(root, address.sun_path, sizeof(address.sun_path), SOCKET), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, "setup", 5, 0), 5);
	for (ssize_t got; (got = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0;)
		len += (size_t)got;
	close(fd);
	text[len] = irqs[0] = '\0';
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (strcmp(w, "IRQ") == 0)
			n += (size_t)snprintf(irqs + n, sizeof(irqs) - n, "%s ",
					      strtok_r(NULL, " ", &save));
	}
	return irqs;
}

static const struct irq_list none = { .count = 0 };

static void test_interrupts_are_put_on_its_list_and_taken_off_it(void **state)
{
	static const struct irq_list two = { { 40, 41 }, 2 }, others = { { 41, 44 }, 2 };

	start("30 31 ");
	assert_int_equal(irqbalance_leave(root, &none, &two), 0);
	assert_string_equal(list_now(), "30 31 40 41 "); /* an operator's stay */
	assert_int_equal(irqbalance_leave(root, &two, &others), 0);
	assert_string_equal(list_now(), "30 31 41 44 ");
	assert_int_equal(irqbalance_leave(root, &others, &none), 0);
	assert_string_equal(list_now(), "30 31 ");
}

static void test_an_empty_list_is_said_by_a_word(void **state)
{
	static const struct irq_list one = { { 40 }, 1 };

	start("");
	assert_int_equal(irqbalance_leave(root, &none, &one), 0);
	assert_string_equal(list_now(), "40 ");
	assert_int_equal(irqbalance_leave(root, &one, &none), 0);
	assert_string_equal(list_now(), "");
}

static void test_more_than_it_reads_changes_nothing(void **state)
{
	struct irq_list many = { .count = 0 };

	start("30 ");
	for (unsigned i = 0; i < IRQ_LIST_MAX; i++)
		assert_true(irq_list_add(&many, 1000 + i));
	assert_false(irq_list_add(&many, 5));
	assert_true(irq_list_add(&many, 1000));
	assert_int_equal(irqbalance_leave(root, &none, &many), -E2BIG);
	assert_string_equal(list_now(), "30 ");
}

static void test_what_cannot_be_told_is_an_errno(void **state)
{
	static const struct irq_list one = { { 40 }, 1 };
	int fd;

	assert_int_equal(irqbalance_leave(root, &none, &one), -ENOENT); /* nothing in the folder */
	fd = listen_at("run/irqbalance/irqbalance5.sock");
	close(fd); /* it was killed, and its socket stayed */
	assert_int_equal(irqbalance_leave(root, &none, &one), -ENOENT);
	fd = listen_at("run/irqbalance/irqbalance6.sock"); /* it hangs */
	assert_int_equal(irqbalance_leave(root, &none, &one), -ETIMEDOUT);
	close(fd);
	start("?");
	assert_int_equal(irqbalance_leave(root, &none, &one), -EPROTO);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_interrupts_are_put_on_its_list_and_taken_off_it),
		TEST(test_an_empty_list_is_said_by_a_word),
		TEST(test_more_than_it_reads_changes_nothing),
		TEST(test_what_cannot_be_told_is_an_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
