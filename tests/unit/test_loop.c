// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/loop.h"

struct seen {
	struct loop *loop;
	int other; /* removed by the first callback that runs */
	int calls, before, after;
};

static void drain_and_quit(void *opaque, int fd)
{
	struct seen *s = opaque;
	eventfd_t v;

	eventfd_read(fd, &v);
	s->calls++;
	loop_quit(s->loop, 7);
}

static void test_a_readable_descriptor_is_served_and_the_value_comes_back(void **state)
{
	struct seen s = { .loop = loop_new() };
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(loop_add(s.loop, fd, drain_and_quit, &s), 0);
	assert_int_equal(loop_run(s.loop), 7);
	assert_int_equal(s.calls, 1);
	loop_free(s.loop);
	close(fd);
}

static void remove_other(void *opaque, int fd)
{
	struct seen *s = opaque;

	s->calls++;
	loop_del(s->loop, s->other);
	loop_del(s->loop, fd);
	loop_quit(s->loop, 0);
}

static void quit(void *opaque, int fd)
{
	struct seen *s = opaque;

	s->calls++;
	loop_quit(s->loop, 0);
}

/* What is wanted of a descriptor is what wakes; that it is hung up does so always. */
static void test_a_descriptor_is_served_for_what_is_wanted_of_it(void **state)
{
	struct seen s = { .loop = loop_new() }, late = { .loop = s.loop };
	int sv[2], timer;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(write(sv[1], "x", 1), 1);
	assert_int_equal(loop_want(s.loop, sv[0], true, false), -ENOENT);
	assert_int_equal(loop_add(s.loop, sv[0], quit, &s), 0);
	assert_int_equal(loop_timer_new(s.loop, quit, &late, &timer), 0);
	assert_int_equal(loop_want(s.loop, sv[0], false, false), 0);
	assert_int_equal(loop_timer_arm(timer, 5000000), 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.calls, 0);
	assert_int_equal(loop_timer_arm(timer, 0), 0);
	assert_int_equal(loop_want(s.loop, sv[0], true, false), 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(loop_want(s.loop, sv[0], false, true), 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(loop_want(s.loop, sv[0], false, false), 0);
	close(sv[1]);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.calls, 3);
	assert_int_equal(late.calls, 1);
	loop_free(s.loop);
	close(sv[0]);
	close(timer);
}

static void never(void *opaque, int fd)
{
	fail_msg("a removed descriptor was served");
}

static void test_a_callback_may_remove_itself_and_others_that_are_ready(void **state)
{
	struct seen s = { .loop = loop_new() };
	int a = eventfd(1, EFD_CLOEXEC), b = eventfd(1, EFD_CLOEXEC);
	int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	s.other = b;
	/* epoll hands out in the order of readiness: a first, b is ready behind it. */
	assert_int_equal(loop_add(s.loop, a, remove_other, &s), 0);
	assert_int_equal(loop_add(s.loop, b, never, &s), 0);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(loop_add(s.loop, stop, drain_and_quit, &s), 0);
	eventfd_write(stop, 1);
	assert_int_equal(loop_run(s.loop), 7);
	assert_int_equal(s.calls, 2);
	loop_free(s.loop);
	close(a);
	close(b);
	close(stop);
}

static void enter(void *opaque)
{
	((struct seen *)opaque)->before++;
}

static void leave(void *opaque)
{
	struct seen *s = opaque;

	s->after++;
	assert_int_equal(s->calls, s->after); /* the callback lay between */
}

static void test_hooks_stand_around_every_callback(void **state)
{
	struct seen s = { .loop = loop_new() };
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	loop_hooks(s.loop, enter, leave, &s);
	assert_int_equal(loop_add(s.loop, fd, drain_and_quit, &s), 0);
	assert_int_equal(loop_run(s.loop), 7);
	assert_int_equal(s.before, 1);
	assert_int_equal(s.after, 1);
	loop_free(s.loop);
	close(fd);
}

static void test_a_timer_fires_once_and_can_be_disarmed(void **state)
{
	struct seen s = { .loop = loop_new() };
	int slow, fast;

	assert_int_equal(loop_timer_new(s.loop, never, &s, &slow), 0);
	assert_int_equal(loop_timer_new(s.loop, drain_and_quit, &s, &fast), 0);
	assert_int_equal(loop_timer_arm(slow, 1000000), 0);
	assert_int_equal(loop_timer_arm(slow, 0), 0);
	assert_int_equal(loop_timer_arm(fast, 3000000), 0);
	assert_int_equal(loop_run(s.loop), 7);
	assert_int_equal(s.calls, 1);
	loop_free(s.loop);
	close(slow);
	close(fast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_readable_descriptor_is_served_and_the_value_comes_back),
		cmocka_unit_test(test_a_callback_may_remove_itself_and_others_that_are_ready),
		cmocka_unit_test(test_a_descriptor_is_served_for_what_is_wanted_of_it),
		cmocka_unit_test(test_hooks_stand_around_every_callback),
		cmocka_unit_test(test_a_timer_fires_once_and_can_be_disarmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
