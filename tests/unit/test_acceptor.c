// SPDX-License-Identifier: GPL-2.0-or-later
/* Who connects while there is nothing left to take the connection with. */
#include "vmm/acceptor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

static struct fixture {
	struct loop *loop;
	struct acceptor *acceptor;
	struct sockaddr_un address;
	socklen_t len;
	int listen_fd, client, end;
	unsigned came, asked;
	int error; /* of accept4(); 0: none */
} f;

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	f.asked++;
	if (!f.error)
		return __real_accept4(fd, addr, len, flags);
	errno = f.error;
	return -1;
}

static void on_connection(void *opaque, int fd)
{
	f.came++;
	close(fd);
	loop_quit(f.loop, 0);
}

static void on_end(void *opaque, int fd)
{
	uint64_t times;

	assert_int_equal(read(fd, &times, sizeof(times)), sizeof(times));
	loop_quit(f.loop, 1);
}

/* 0: somebody came; 1: nobody did in that time. */
static int wait_ms(unsigned ms)
{
	assert_int_equal(loop_timer_arm(f.end, ms * 1000000ull), 0);
	return loop_run(f.loop);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void connect_one(void)
{
	close_fdp(&f.client);
	f.client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(f.client, (void *)&f.address, f.len), 0);
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.len = sizeof(f.address);
	log_set_level(LOG_QUIET);
	f.client = f.end = -1;
	f.loop = loop_new();
	f.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	f.address.sun_family = AF_UNIX;
	/* A name of the kernel's choice. */
	assert_int_equal(bind(f.listen_fd, (void *)&f.address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(f.listen_fd, (void *)&f.address, &f.len), 0);
	assert_int_equal(listen(f.listen_fd, 8), 0);
	assert_int_equal(loop_timer_new(f.loop, on_end, NULL, &f.end), 0);
	return acceptor_new(f.loop, f.listen_fd, "a test", on_connection, NULL, &f.acceptor);
}

static int teardown(void **state)
{
	acceptor_free(f.acceptor);
	close_fdp(&f.client);
	close_fdp(&f.listen_fd);
	loop_del(f.loop, f.end);
	close_fdp(&f.end);
	loop_free(f.loop);
	return 0;
}

static void test_who_connects_is_let_in(void **state)
{
	connect_one();
	assert_int_equal(wait_ms(2000), 0);
	connect_one();
	assert_int_equal(wait_ms(2000), 0);
	assert_int_equal(f.came, 2);
}

static void test_a_want_of_descriptors_does_not_spin(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
	uint64_t begin;
	unsigned most;

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		f.asked = 0;
		f.error = errors[i];
		connect_one();
		begin = now_ms();
		assert_int_equal(wait_ms(100), 1);
		/* Twice a second, however long this process was without a CPU meanwhile. */
		most = 1 + (unsigned)((now_ms() - begin) / 500);
		assert_in_range(f.asked, 1, most);
		/* It waits, and gets in when there is one again. */
		f.error = 0;
		assert_int_equal(wait_ms(3000), 0);
		assert_in_range(f.asked, 2, most + 1);
	}
	assert_int_equal(f.came, ARRAY_SIZE(errors));
}

static void test_one_that_went_away_stops_nobody(void **state)
{
	f.error = EAGAIN;
	connect_one();
	assert_int_equal(wait_ms(20), 1);
	assert_true(f.asked > 1);
	f.error = 0;
	assert_int_equal(wait_ms(100), 0);
}

static void test_those_who_are_to_wait_do(void **state)
{
	acceptor_listen(f.acceptor, false);
	connect_one();
	assert_int_equal(wait_ms(50), 1);
	assert_int_equal(f.asked, 0);
	acceptor_listen(f.acceptor, true);
	assert_int_equal(wait_ms(2000), 0);
}

/* The pause ends while nobody is to come in. */
static void test_a_pause_that_ends_lets_nobody_in_who_is_to_wait(void **state)
{
	f.error = EMFILE;
	connect_one();
	assert_int_equal(wait_ms(20), 1);
	acceptor_listen(f.acceptor, false);
	f.error = 0;
	assert_int_equal(wait_ms(700), 1);
	assert_int_equal(f.asked, 1);
	acceptor_listen(f.acceptor, true);
	assert_int_equal(wait_ms(2000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_who_connects_is_let_in),
		T(test_a_want_of_descriptors_does_not_spin),
		T(test_one_that_went_away_stops_nobody),
		T(test_those_who_are_to_wait_do),
		T(test_a_pause_that_ends_lets_nobody_in_who_is_to_wait),
#undef T
	};

	return cmocka_run_group_tests_name("acceptor", tests, NULL, NULL);
}
