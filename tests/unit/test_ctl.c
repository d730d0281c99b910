// SPDX-License-Identifier: GPL-2.0-or-later
/* A VM's control socket, both ends of it: a server in a child, clients of every kind. */
#include "vmm/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_client.h"
#include "tools/vm_socket.h"

static const struct fake_node nodes[] = { { "run" }, { 0 } };
static int root;
static pid_t server;

/* --- a server ---------------------------------------------------------------------------------- */

static struct ctl *ctl;
static struct loop *loop;

static int hello(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	*ret = json_string("hello");
	return 0;
}

/* Half a megabyte: more than a socket takes at once. */
static int much(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	_cleanup_free_ char *text = malloc(500001);

	memset(text, 'x', 500000);
	text[500000] = '\0';
	*ret = json_string(text);
	return 0;
}

static int refuse(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	err_plain(err, -EBUSY, "not now");
	return err_hint(err, "later");
}

static int subscribe(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	ctl_subscribe(ctl);
	return 0;
}

static int tell(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	ctl_notify(ctl, "told", json_pack("{s:i}", "n", 7));
	return 0;
}

/* A tenth of a megabyte to each who subscribed. */
static int shout(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	_cleanup_free_ char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	ctl_notify(ctl, "shouted", json_pack("{s:s}", "text", text));
	return 0;
}

/* Of a VMM that its guest has taken over: clear the screen, and the same as one character. */
static int armed(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	*ret = json_pack("{s:[s]}", "words", "caf\xc3\xa9\x1b[2J\x7f\xc2\x9b" "2J\n");
	return 0;
}

static unsigned naps;

/* As long as it takes to look at the counts of many CPUs. */
static int nap(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	usleep(300);
	naps++;
	return 0;
}

static int slow(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	usleep(400000);
	return 0;
}

static int count_naps(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	*ret = json_integer(naps);
	return 0;
}

static int quit(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	loop_quit(loop, 0);
	return 0;
}

static int hang(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	pause();
	return 0;
}

/* How many descriptors came, and what the first of them holds. */
static int take(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	char text[8] = "";
	int fd, n = 0;

	while ((fd = ctl_take_fd(ctl)) >= 0) {
		if (n++ == 0 && pread(fd, text, sizeof(text) - 1, 0) < 0)
			text[0] = '?';
		close(fd);
	}
	*ret = json_pack("{s:i, s:s}", "n", n, "text", text);
	return 0;
}

static int open_fds(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	*ret = json_integer(n);
	return 0;
}

static const struct jsonrpc_method methods[] = {
	{ "take", NULL, take },	  { "open_fds", NULL, open_fds },
	{ "nap", NULL, nap },	  { "slow", NULL, slow },	    { "naps", NULL, count_naps },     { "armed", NULL, armed },
	{ "hello", NULL, hello }, { "much", NULL, much },	    { "refuse", NULL, refuse },
	{ "hang", NULL, hang },	  { "subscribe", NULL, subscribe }, { "tell", NULL, tell },
	{ "shout", NULL, shout }, { "quit", NULL, quit },	    { 0 },
};

static _Noreturn void serve(int fd)
{
	struct ctl_config config = { .listen_fd = fd, .uid = geteuid(), .methods = methods };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	config.loop = loop = loop_new();
	if (ctl_new(&config, &ctl) < 0)
		_exit(1);
	(void)loop_run(loop);
	ctl_free(ctl);
	loop_free(loop);
	_exit(0);
}

static int setup(void **state)
{
	struct vm_socket s = { .name = "probe", .fd = -1 };

	root = fake_sysfs(nodes);
	assert_int_equal(vm_socket_open(root, &s, NULL), 0);
	server = fork();
	if (server == 0)
		serve(s.fd);
	close_fdp(&s.fd);
	return 0;
}

static int teardown(void **state)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	fake_sysfs_free(&root);
	return 0;
}

/* --- raw clients ------------------------------------------------------------------------------- */

static int connect_raw(void)
{
	struct timeval tv = { .tv_sec = 5 };
	int fd = vm_socket_connect(root, "probe");

	for (unsigned i = 0; fd == -EAGAIN && i < 500; i++) {
		usleep(10000);
		fd = vm_socket_connect(root, "probe");
	}
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line into buf; its length, 0 at the end. */
static size_t get(int fd, char *buf, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && recv(fd, buf + n, 1, 0) == 1 && buf[n] != '\n')
		n++;
	buf[n] = '\0';
	return n;
}

#define HELLO	 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n"
#define HELLO_IS "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"hello\"}"

static void assert_it_answers(int fd)
{
	char line[256];

	put(fd, HELLO);
	get(fd, line, sizeof(line));
	assert_string_equal(line, HELLO_IS);
}

static void assert_it_serves(void)
{
	_cleanup_close_ int fd = connect_raw();

	assert_it_answers(fd);
}

static void test_a_request_may_come_in_pieces_and_several_at_once(void **state)
{
	_cleanup_close_ int fd = connect_raw();
	char line[256];

	for (const char *p = HELLO; *p; p++)
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
	get(fd, line, sizeof(line));
	assert_string_equal(line, HELLO_IS);
	put(fd, HELLO "\n" HELLO);
	for (unsigned i = 0; i < 2; i++) {
		get(fd, line, sizeof(line));
		assert_string_equal(line, HELLO_IS);
	}
}

static void test_a_request_that_is_too_long_ends_its_client_alone(void **state)
{
	_cleanup_close_ int fd = connect_raw(), other = connect_raw();
	_cleanup_free_ char *junk = malloc(CTL_REQUEST_MAX + 1);
	char line[256];

	memset(junk, 'x', CTL_REQUEST_MAX);
	junk[CTL_REQUEST_MAX] = '\0';
	put(fd, junk);
	get(fd, line, sizeof(line));
	assert_non_null(strstr(line, "too long"));
	assert_int_equal(get(fd, line, sizeof(line)), 0);
	assert_it_answers(other);
}

static void test_who_does_not_read_is_neither_waited_for_nor_kept(void **state)
{
	_cleanup_close_ int fd = connect_raw();

	/* Far more than it may leave unread. */
	for (unsigned i = 0; i < 8; i++)
		(void)send(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"much\"}\n", 42,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_it_serves();
}

static json_int_t count_open(struct vm_client *c);

/* It gets what it is owed up to a limit, then it is cut off, and no other client waits for it. */
static void test_who_subscribes_and_does_not_read_is_cut_off(void **state)
{
	_cleanup_close_ int deaf = connect_raw();
	struct vm_client c = VM_CLIENT_INIT;
	json_int_t before;
	size_t got = 0;
	char buf[4096];
	ssize_t n;

	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	put(deaf, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
	get(deaf, buf, sizeof(buf));
	before = count_open(&c);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(vm_client_call(&c, "shout", NULL, NULL), 0);
	for (unsigned i = 0; i < 100 && count_open(&c) != before - 1; i++)
		usleep(10000);
	assert_int_equal(count_open(&c), before - 1);
	while ((n = recv(deaf, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	assert_true(got < 20 * 100000); /* what the kernel had of it */
	vm_client_close(&c);
}

/* A thousand requests in one piece are not one turn. */
static void test_who_asks_much_at_once_has_one_turn_like_the_others(void **state)
{
	static const char one[] = "{\"jsonrpc\":\"2.0\",\"method\":\"nap\"}\n";
	_cleanup_free_ char *all = malloc(sizeof(one) * 1000 + 1);
	_cleanup_close_ int fd = connect_raw();
	struct vm_client c = VM_CLIENT_INIT;
	json_int_t n = 0;
	char *p = all;

	for (unsigned i = 0; i < 1000; i++)
		p = stpcpy(p, one);
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	put(fd, all);
	for (unsigned i = 0; n == 0 && i < 5000; i++) {
		json_t *answer = NULL;

		assert_int_equal(vm_client_call(&c, "naps", &answer, NULL), 0);
		n = json_integer_value(answer);
		json_decref(answer);
	}
	assert_in_range(n, 1, 900);
	/* None of them is forgotten, with what came behind them. */
	assert_it_answers(fd);
	{
		json_t *answer = NULL;

		assert_int_equal(vm_client_call(&c, "naps", &answer, NULL), 0);
		assert_int_equal(json_integer_value(answer), 1000);
		json_decref(answer);
	}
	vm_client_close(&c);
}

static void test_who_vanishes_with_an_answer_under_way_harms_nothing(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_int_t before;

	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	before = count_open(&c);
	for (unsigned i = 0; i < 50; i++) {
		_cleanup_close_ int fd = connect_raw();

		put(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"much\"}\n");
		if (i % 2)
			usleep(1000);
	}
	for (unsigned i = 0; i < 100 && count_open(&c) != before; i++)
		usleep(10000);
	assert_int_equal(count_open(&c), before);
	vm_client_close(&c);
}

/* As of `printf … | nc -N`. */
static void test_who_has_said_all_still_gets_its_answer(void **state)
{
	_cleanup_close_ int fd = connect_raw();
	char line[256];

	put(fd, HELLO);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	get(fd, line, sizeof(line));
	assert_string_equal(line, HELLO_IS);
	assert_int_equal(get(fd, line, sizeof(line)), 0);
}

static void test_bytes_that_are_no_text_get_an_answer(void **state)
{
	static const char junk[] = "{\"jsonrpc\":\"2.0\",\0\"id\":1}\n\xff\xfe\n\0\n";
	_cleanup_close_ int fd = connect_raw();
	char line[256];

	assert_int_equal(send(fd, junk, sizeof(junk) - 1, MSG_NOSIGNAL), sizeof(junk) - 1);
	for (unsigned i = 0; i < 3; i++) {
		get(fd, line, sizeof(line));
		assert_non_null(strstr(line, "-32700"));
	}
	assert_it_answers(fd);
}

static void test_a_long_answer_comes_whole_to_a_slow_reader(void **state)
{
	_cleanup_close_ int fd = connect_raw();
	_cleanup_free_ char *line = malloc(600000);

	put(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"much\"}\n");
	usleep(50000);
	assert_int_equal(get(fd, line, 600000), 500000 + strlen(HELLO_IS) - strlen("hello"));
	assert_it_answers(fd);
}

static void test_who_leaves_in_the_middle_harms_nothing(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_close_ int fd = connect_raw();

		(void)send(fd, HELLO, i % strlen(HELLO), MSG_NOSIGNAL);
	}
	assert_it_serves();
}

static void say(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
}

/* All places, by a process that is not the one that made the socket; one of them is free when it is told so. */
static _Noreturn void take_all_places(int fd)
{
	int fds[CTL_CLIENTS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = connect_raw();
		assert_it_answers(fds[i]);
	}
	say(fd);
	hear(fd);
	close(fds[3]);
	say(fd);
	for (;;)
		pause();
}

/* What another process is told that connects. */
static bool another_is_served(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char line[256] = "";
		int fd = connect_raw();

		(void)send(fd, HELLO, strlen(HELLO), MSG_NOSIGNAL);
		get(fd, line, sizeof(line));
		_exit(strcmp(line, HELLO_IS) == 0 ? 0 : strstr(line, "too many clients") ? 1 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_in_range(WEXITSTATUS(status), 0, 1);
	return WEXITSTATUS(status) == 0;
}

static void test_more_clients_than_there_is_room_for_are_turned_away(void **state)
{
	int sv[2], own, late;
	char line[256];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	pid = fork();
	if (pid == 0)
		take_all_places(sv[1]);
	hear(sv[0]);
	assert_false(another_is_served());
	/* Who made the socket has a place of its own, but not two. */
	own = connect_raw();
	assert_it_answers(own);
	late = connect_raw();
	get(late, line, sizeof(line));
	assert_non_null(strstr(line, "too many clients"));
	close(late);
	assert_false(another_is_served());
	/* A place is free as soon as the server has seen its client go. */
	say(sv[0]);
	hear(sv[0]);
	for (unsigned i = 0; i < 100 && !another_is_served(); i++)
		usleep(10000);
	assert_true(another_is_served());
	assert_it_answers(own);
	close(own);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(sv[0]);
	close(sv[1]);
}

static void test_another_users_process_is_refused(void **state)
{
	char line[256] = "";
	int sv[2], status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	/* The mode of the socket alone would keep it out; who may ask is looked at too. */
	assert_int_equal(fchmodat(root, VM_SOCKETS "/probe.sock", 0666, 0), 0);
	{
		char path[256];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", root);
		assert_int_equal(chmod(path, 0755), 0);
	}
	pid = fork();
	if (pid == 0) {
		int fd = setresuid(65534, 65534, 65534) == 0 ? vm_socket_connect(root, "probe") : -1;

		if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0)
			_exit(1);
		get(fd, line, sizeof(line));
		_exit(strstr(line, "another user") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(sv[0]);
	close(sv[1]);
}

/* --- our client -------------------------------------------------------------------------------- */

static void test_the_client_asks_and_hears_the_refusal(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct err err = ERR_INIT;
	json_t *result;

	assert_int_equal(vm_client_open(root, "probe", &c, &err), 0);
	assert_int_equal(c.supervisor, getpid()); /* who listened */
	assert_int_equal(vm_client_call(&c, "hello", &result, &err), 0);
	assert_string_equal(json_string_value(result), "hello");
	json_decref(result);
	assert_int_equal(vm_client_call(&c, "refuse", NULL, &err), -EBUSY);
	assert_string_equal(err.text, "not now");
	assert_string_equal(err.hint, "later");
	vm_client_close(&c);
}

static void test_what_controls_a_terminal_does_not_come_through(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	json_t *answer = NULL;

	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(vm_client_call(&c, "armed", &answer, NULL), 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "words"), 0)),
			    "caf\xc3\xa9?[2J?\?\?" "2J\n");
	json_decref(answer);
	vm_client_close(&c);
}

static void test_notifications_come_to_who_subscribed(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	_cleanup_close_ int other = connect_raw();
	json_t *event;
	char line[256];

	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(vm_client_call(&c, "subscribe", NULL, NULL), 0);
	put(other, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tell\"}\n");
	get(other, line, sizeof(line));
	assert_string_equal(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}");
	assert_int_equal(vm_client_next(&c, &event, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(event, "method")), "told");
	json_decref(event);
	/* Its own request may be what makes one; that comes ahead of the answer. */
	assert_int_equal(vm_client_call(&c, "tell", NULL, NULL), 0);
	vm_client_close(&c);
}

static void test_a_vm_that_ends_says_so(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct err err = ERR_INIT;
	json_t *event;

	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(vm_client_call(&c, "quit", NULL, NULL), 0);
	assert_int_equal(vm_client_next(&c, &event, &err), -EPIPE);
	assert_string_equal(err.text, "the VM probe ended meanwhile");
	vm_client_close(&c);
}

static void test_an_answer_is_waited_for_as_long_as_it_takes(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct err err = ERR_INIT;

	vm_client_answer_ms = 100;
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(vm_client_call(&c, "slow", NULL, &err), -ETIMEDOUT);
	vm_client_close(&c);
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	c.answer_ms = VM_CLIENT_RAM_MS;
	assert_int_equal(vm_client_call(&c, "slow", NULL, NULL), 0);
	vm_client_close(&c);
	vm_client_answer_ms = 10000;
}

/* Each `vm ps` of a monitor leaves one more who waits, and is gone. */
static void test_who_can_end_a_vm_that_hangs_is_known_for_long(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	_cleanup_close_ int fd = connect_raw();

	put(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hang\"}\n");
	for (unsigned i = 0; i < 200; i++) {
		int gone = vm_socket_connect(root, "probe");

		assert_true(gone >= 0);
		close(gone);
	}
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(c.supervisor, getpid());
	vm_client_close(&c);
}

/* --- the socket's place ------------------------------------------------------------------------ */

static void test_a_name_is_one_vms_until_it_is_dead(void **state)
{
	struct vm_socket second = { .name = "probe", .fd = -1 };
	struct vm_client c = VM_CLIENT_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(vm_socket_open(root, &second, &err), -EADDRINUSE);
	assert_string_equal(err.text, "a VM called probe runs already");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(vm_client_open(root, "probe", &c, &err), -ESRCH);
	assert_string_equal(err.text, "no VM called probe runs");
	assert_int_equal(vm_socket_open(root, &second, NULL), 0);
	vm_socket_remove(root, &second);
	assert_int_equal(faccessat(root, VM_SOCKETS "/probe.sock", F_OK, 0), -1);
}

/* A VM that ends late must not take away the socket of the one that took its name. */
static void test_only_ones_own_socket_is_removed(void **state)
{
	struct vm_socket first = { .name = "a", .fd = -1 }, second = { .name = "a", .fd = -1 };

	assert_int_equal(vm_socket_open(root, &first, NULL), 0);
	close_fdp(&first.fd);
	assert_int_equal(vm_socket_open(root, &second, NULL), 0);
	vm_socket_remove(root, &first);
	assert_int_equal(faccessat(root, VM_SOCKETS "/a.sock", F_OK, 0), 0);
	vm_socket_remove(root, &second);
	assert_int_equal(faccessat(root, VM_SOCKETS "/a.sock", F_OK, 0), -1);
}

static void test_its_mode_lets_nobody_else_in(void **state)
{
	struct stat st;

	assert_int_equal(fstatat(root, VM_SOCKETS "/probe.sock", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_names(void **state)
{
	static const char *const good[] = { "a", "web-1", "a.b_c" };
	static const char *const bad[] = { "",	 "1",	 "-a", ".a", "a/b", "a b", "../x",
					   "a\n", "ä",
					   ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					    "aaaaa") };
	struct err err = ERR_INIT;
	struct vm_client c;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(vm_name_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(vm_name_valid(bad[i]));
	assert_int_equal(vm_client_open(root, "../probe", &c, &err), -EINVAL);
	assert_true(err.usage);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static json_int_t count_open(struct vm_client *c)
{
	json_t *n = NULL;
	json_int_t ret;

	assert_int_equal(vm_client_call(c, "open_fds", &n, NULL), 0);
	ret = json_integer_value(n);
	json_decref(n);
	return ret;
}

static void test_descriptors_come_along(void **state)
{
	struct vm_client c = VM_CLIENT_INIT;
	int fds[2] = { memfd_create("a", MFD_CLOEXEC), memfd_create("b", MFD_CLOEXEC) };
	json_int_t before;
	json_t *answer = NULL;

	assert_int_equal(write(fds[0], "first", 5), 5);
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	before = count_open(&c);
	assert_int_equal(vm_client_call_with(&c, "take", NULL, fds, 2, &answer, NULL), 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "n")), 2);
	assert_string_equal(json_string_value(json_object_get(answer, "text")), "first");
	json_decref(answer);
	/* A method that does not take them leaves none open, and none for the next request. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(vm_client_call_with(&c, "hello", NULL, fds, 2, NULL, NULL), 0);
	assert_int_equal(count_open(&c), before);
	answer = NULL;
	assert_int_equal(vm_client_call(&c, "take", &answer, NULL), 0);
	assert_int_equal(json_integer_value(json_object_get(answer, "n")), 0);
	json_decref(answer);
	vm_client_close(&c);
	close(fds[0]);
	close(fds[1]);
}

/* With a piece of a request each, and more than are kept. */
static void test_too_many_descriptors_are_closed(void **state)
{
	static const char *const pieces[] = { "{\"jsonrpc\":\"2.0\",", "\"id\":1,\"method\":", "\"ta" };
	struct vm_client c = VM_CLIENT_INIT, d = VM_CLIENT_INIT;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	json_int_t before;
	int fds[8];

	for (unsigned i = 0; i < 8; i++)
		fds[i] = dup(1);
	assert_int_equal(vm_client_open(root, "probe", &c, NULL), 0);
	assert_int_equal(vm_client_open(root, "probe", &d, NULL), 0);
	before = count_open(&d);
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct iovec iov = { (void *)pieces[i], strlen(pieces[i]) };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				      .msg_controllen = sizeof(control) };

		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS,
							 .cmsg_len = CMSG_LEN(sizeof(fds)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(fds));
		assert_true(sendmsg(c.fd, &msg, 0) > 0);
	}
	assert_true(count_open(&d) <= before + CTL_FDS_MAX);
	vm_client_close(&c);
	for (unsigned i = 0; i < 100 && count_open(&d) != before - 1; i++)
		usleep(10000);
	assert_int_equal(count_open(&d), before - 1);
	vm_client_close(&d);
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_descriptors_come_along),
		TEST(test_too_many_descriptors_are_closed),
		TEST(test_a_request_may_come_in_pieces_and_several_at_once),
		TEST(test_a_request_that_is_too_long_ends_its_client_alone),
		TEST(test_who_does_not_read_is_neither_waited_for_nor_kept),
		TEST(test_a_long_answer_comes_whole_to_a_slow_reader),
		TEST(test_who_subscribes_and_does_not_read_is_cut_off),
		TEST(test_who_asks_much_at_once_has_one_turn_like_the_others),
		TEST(test_who_vanishes_with_an_answer_under_way_harms_nothing),
		TEST(test_who_has_said_all_still_gets_its_answer),
		TEST(test_bytes_that_are_no_text_get_an_answer),
		TEST(test_who_leaves_in_the_middle_harms_nothing),
		TEST(test_more_clients_than_there_is_room_for_are_turned_away),
		TEST(test_another_users_process_is_refused),
		TEST(test_the_client_asks_and_hears_the_refusal),
		TEST(test_what_controls_a_terminal_does_not_come_through),
		TEST(test_notifications_come_to_who_subscribed),
		TEST(test_a_vm_that_ends_says_so),
		TEST(test_an_answer_is_waited_for_as_long_as_it_takes),
		TEST(test_who_can_end_a_vm_that_hangs_is_known_for_long),
		TEST(test_a_name_is_one_vms_until_it_is_dead),
		TEST(test_only_ones_own_socket_is_removed),
		TEST(test_its_mode_lets_nobody_else_in),
		TEST(test_names),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
