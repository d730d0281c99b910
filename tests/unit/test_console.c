// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's console on descriptors that read slowly, never, or end. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "vmm/hw/console.h"

static struct fixture {
	struct loop *loop;
	struct console *console;
	int in[2], out[2]; /* as of socketpair: [0] is the console's */
	char got[1024];
	size_t len, capacity; /* capacity: what the receiver takes in all */
	unsigned quits;
} f;

static size_t input(void *opaque, const uint8_t *data, size_t len)
{
	size_t room = f.capacity - f.len;

	if (len > room)
		len = room;
	memcpy(f.got + f.len, data, len);
	f.len += len;
	return len;
}

static void quit(void *opaque)
{
	f.quits++;
}

static const struct console_ops ops = { input, quit };

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.capacity = sizeof(f.got);
	f.loop = loop_new();
	/* Packets: each write(2) of the console is one. */
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.in) < 0 ||
			       socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f.out) < 0 ||
			       !f.loop ?
		       -1 :
		       0;
}

static int end_console(void)
{
	struct console *c = f.console;

	f.console = NULL;
	return console_close(c);
}

static int teardown(void **state)
{
	end_console();
	loop_free(f.loop);
	for (unsigned i = 0; i < 2; i++) {
		close_fdp(&f.in[i]);
		close_fdp(&f.out[i]);
	}
	return 0;
}

static void open_console(bool escapes)
{
	assert_int_equal(
		console_new(f.loop, f.in[0], f.out[0], escapes, &ops, NULL, &f.console, NULL), 0);
}

static void stop(void *opaque, int fd)
{
	loop_quit(f.loop, 0);
}

/* Serve what has arrived: the loop runs until a timer set behind it fires. */
static void serve(void)
{
	int timer;

	assert_int_equal(loop_timer_new(f.loop, stop, NULL, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 20000000), 0);
	assert_int_equal(loop_run(f.loop), 0);
	loop_del(f.loop, timer);
	close(timer);
}

static void type(const char *text)
{
	assert_int_equal(fd_write_all(f.in[1], text, strlen(text)), 0);
	serve();
}

static void put(const char *text)
{
	while (*text)
		console_write(f.console, (const uint8_t *)text++, 1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_bytes_leave_in_order_and_in_few_writes(void **state)
{
	char text[2001] = "", got[4096];
	size_t have = 0;
	unsigned writes = 0;

	open_console(false);
	for (unsigned i = 0; i < 2000; i++)
		text[i] = (char)('a' + i % 26);
	put(text);
	end_console(); /* the rest is written out */
	close_fdp(&f.out[0]);
	for (;; writes++) {
		ssize_t n = read(f.out[1], got + have, sizeof(got) - have);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	assert_int_equal(have, 2000);
	assert_memory_equal(got, text, 2000);
	assert_in_range(writes, 1, 50);
}

/*
 * A terminal that is stopped, for ever: the guest loses output, not its life. A second for each
 * ring, or for each byte, would be hours; half a minute is what a busy machine may add.
 */
static void test_a_reader_that_never_reads_costs_a_second(void **state)
{
	double start = seconds(), stuck;

	open_console(false);
	for (unsigned i = 0; i < 1000000; i++)
		console_write(f.console, (const uint8_t *)"x", 1);
	assert_true(seconds() - start > 0.9);
	assert_true(seconds() - start < 30);
	stuck = seconds();
	end_console();
	assert_true(seconds() - stuck < 30);
	close_fdp(&f.out[1]); /* the abandoned writer wakes up, and leaves nothing behind */
	usleep(100000);
}

static void test_a_reader_that_has_gone_costs_nothing(void **state)
{
	double start = seconds();

	open_console(false);
	close_fdp(&f.out[1]);
	for (unsigned i = 0; i < 2000000; i++) /* 30 rings, of a second each if it waited */
		console_write(f.console, (const uint8_t *)"x", 1);
	assert_int_equal(end_console(), 0); /* and is no failure: who reads may go */
	assert_true(seconds() - start < 25);
}

static void test_a_full_disk_is_told_at_the_end(void **state)
{
	_cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(full >= 0);
	assert_int_equal(
		console_new(f.loop, f.in[0], full, false, &ops, NULL, &f.console, NULL), 0);
	put("lost");
	assert_int_equal(end_console(), -ENOSPC);
}

static void test_ctrl_a_x_quits_and_ctrl_a_twice_is_one(void **state)
{
	open_console(true);
	type("ab\001\001c");
	assert_int_equal(f.len, 4);
	assert_memory_equal(f.got, "ab\001c", 4);
	assert_int_equal(f.quits, 0);
	type("\001");
	type("x"); /* also when they come apart */
	assert_int_equal(f.quits, 1);
	assert_int_equal(f.len, 4);
	type("x");
	assert_int_equal(f.len, 5);
}

static void test_without_a_terminal_ctrl_a_is_input(void **state)
{
	open_console(false);
	type("\001x");
	assert_int_equal(f.quits, 0);
	assert_memory_equal(f.got, "\001x", 2);
}

static void test_input_waits_for_a_full_receiver(void **state)
{
	char long_text[601];

	memset(long_text, 'z', 600);
	long_text[600] = '\0';
	f.capacity = 10;
	open_console(true);
	type(long_text);
	assert_int_equal(f.len, 10);
	f.capacity = sizeof(f.got);
	console_more_input(f.console);
	serve();
	assert_int_equal(f.len, 600);
}

static void test_end_of_input_ends_the_reading_only(void **state)
{
	open_console(false);
	type("last");
	close_fdp(&f.in[1]);
	serve(); /* would spin, and never return, if the end were read again and again */
	assert_memory_equal(f.got, "last", 4);
	console_more_input(f.console);
	put("still here");
	end_console();
}

/* epoll refuses regular files and /dev/null. */
static void test_input_may_be_a_file(void **state)
{
	_cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);

	assert_int_equal(fd_write_all(fd, "from a file", 11), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(
		console_new(f.loop, fd, f.out[0], false, &ops, NULL, &f.console, NULL), 0);
	assert_int_equal(f.len, 0); /* not before the receiver asks */
	console_more_input(f.console);
	assert_memory_equal(f.got, "from a file", 11);
	console_more_input(f.console);
	console_more_input(f.console);
	assert_int_equal(f.len, 11);
}

/* --- a second place --- */

static int attach(void)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(console_attach(f.console, sv[0]), 0);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	return sv[1];
}

/* What comes within a second. */
static ssize_t hear(int fd, char *buf, size_t size)
{
	ssize_t n = -1;

	for (unsigned i = 0; i < 50 && n < 0; i++) {
		serve();
		n = read(fd, buf, size);
	}
	return n;
}

static void test_two_sit_at_one_console(void **state)
{
	char got[64];
	int other[2], fd, third[2];

	open_console(true);
	fd = attach();
	put("hello");
	assert_int_equal(hear(fd, got, sizeof(got)), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(read(f.out[1], got, sizeof(got)), 5);
	assert_int_equal(write(fd, "a\1x", 3), 3); /* its own escapes it has looked for itself */
	serve();
	assert_int_equal(f.len, 3);
	type("b");
	assert_memory_equal(f.got, "a\1xb", 4);
	assert_int_equal(f.quits, 0);
	/* A third is refused, and what is no socket. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, third), 0);
	assert_int_equal(console_attach(f.console, third[0]), -EBUSY);
	assert_int_equal(read(third[1], got, 1), 0);
	close(third[1]);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	assert_int_equal(console_attach(f.console, other[1]), -ENOTSOCK);
	assert_int_equal(read(other[0], got, 1), 0);
	close(other[0]);
	/* Until it goes. */
	close(fd);
	serve();
	fd = attach();
	put("again");
	assert_int_equal(hear(fd, got, sizeof(got)), 5);
	/* At the end it gets the rest. */
	put("bye");
	end_console();
	assert_int_equal(hear(fd, got, sizeof(got)), 3);
	assert_int_equal(read(fd, got, sizeof(got)), 0);
	close(fd);
}

static void test_one_that_says_no_more_still_sees(void **state)
{
	char got[64];
	int fd;

	open_console(false);
	fd = attach();
	assert_int_equal(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	serve();
	serve();
	assert_int_equal(f.len, 4);
	put("seen");
	assert_int_equal(hear(fd, got, sizeof(got)), 4);
	close(fd);
	serve();
	close(attach());
}

/* And one that is dead while the guest takes no input does not keep the place. */
static void test_the_place_of_a_dead_one_is_free(void **state)
{
	static char many[1000];
	int fd;

	open_console(false);
	f.capacity = 0;
	fd = attach();
	assert_int_equal(write(fd, many, sizeof(many)), sizeof(many));
	serve();
	serve();
	close(fd);
	serve();
	close(attach());
}

static void test_who_does_not_look_stops_nobody_for_long(void **state)
{
	static uint8_t block[65536];
	double start;
	int fd;

	open_console(false);
	/* The terminal itself reads all. */
	close_fdp(&f.out[1]);
	fd = attach();
	start = seconds();
	for (unsigned i = 0; i < 40; i++)
		console_write(f.console, block, sizeof(block));
	assert_true(seconds() - start < 4);
	close(fd);
}

/* A CPU that has one of the host's for itself says the first word. */
static void *say_pinned(void *opaque)
{
	cpu_set_t all, one;

	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		return NULL;
	for (unsigned i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		console_write(f.console, (const uint8_t *)"word", 4);
	return NULL;
}

/* The thread of this process that has this name; 0: there is none. */
static int thread_called(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	char path[300], comm[32];
	struct dirent *d;
	int tid = 0;

	while (tasks && !tid && (d = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", d->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strcmp(strtok(comm, "\n"), name) == 0)
			tid = atoi(d->d_name);
		fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return tid;
}

static void test_what_it_says_is_written_beside_the_cpus(void **state)
{
	cpu_set_t of_main, of_writer;
	pthread_t cpu;
	int tid;

	open_console(false);
	assert_int_equal(pthread_create(&cpu, NULL, say_pinned, NULL), 0);
	assert_int_equal(pthread_join(cpu, NULL), 0);
	assert_int_equal(read(f.out[1], f.got, sizeof(f.got)), 4); /* so it has its name */
	tid = thread_called("console");
	assert_int_not_equal(tid, 0);
	assert_int_equal(sched_getaffinity(0, sizeof(of_main), &of_main), 0);
	assert_int_equal(sched_getaffinity(tid, sizeof(of_writer), &of_writer), 0);
	assert_true(CPU_EQUAL(&of_main, &of_writer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_bytes_leave_in_order_and_in_few_writes),
		T(test_a_reader_that_never_reads_costs_a_second),
		T(test_a_reader_that_has_gone_costs_nothing),
		T(test_a_full_disk_is_told_at_the_end),
		T(test_ctrl_a_x_quits_and_ctrl_a_twice_is_one),
		T(test_without_a_terminal_ctrl_a_is_input),
		T(test_input_waits_for_a_full_receiver),
		T(test_end_of_input_ends_the_reading_only),
		T(test_input_may_be_a_file),
		T(test_two_sit_at_one_console),
		T(test_one_that_says_no_more_still_sees),
		T(test_the_place_of_a_dead_one_is_free),
		T(test_who_does_not_look_stops_nobody_for_long),
		T(test_what_it_says_is_written_beside_the_cpus),
#undef T
	};

	signal(SIGPIPE, SIG_IGN); /* blocked in the VMM */
	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
