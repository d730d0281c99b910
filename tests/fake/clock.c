// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/clock.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/loop.h"

#define TIMERS 8

/* As it was armed; due at 0: not armed. */
struct timer {
	int fd;
	loop_fn fn;
	void *opaque;
	uint64_t due;
};

static struct {
	struct timer timer[TIMERS];
	unsigned ntimers;
	uint64_t now; /* ns */
} t;

int __wrap_loop_timer_new(struct loop *loop, loop_fn fn, void *opaque, int *ret_fd);
int __wrap_loop_timer_arm(int timer_fd, uint64_t ns);

int __wrap_loop_timer_new(struct loop *loop, loop_fn fn, void *opaque, int *ret_fd)
{
	int fd = t.ntimers < TIMERS ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;

	(void)loop;
	if (fd < 0)
		return -EMFILE;
	t.timer[t.ntimers++] = (struct timer){ fd, fn, opaque, 0 };
	*ret_fd = fd;
	return 0;
}

int __wrap_loop_timer_arm(int timer_fd, uint64_t ns)
{
	for (unsigned i = 0; i < t.ntimers; i++)
		if (t.timer[i].fd == timer_fd)
			t.timer[i].due = ns ? t.now + ns : 0;
	return 0;
}

void fake_clock_reset(void)
{
	t.ntimers = 0;
	t.now = 0;
}

void fake_clock_pass(uint64_t ns)
{
	t.now += ns;
	for (unsigned i = 0; i < t.ntimers; i++) {
		struct timer *timer = &t.timer[i];

		if (!timer->due || timer->due > t.now)
			continue;
		timer->due = 0;
		eventfd_write(timer->fd, 1);
		timer->fn(timer->opaque, timer->fd);
	}
}

void fake_clock_settle(void)
{
	for (unsigned i = 0; i < 100; i++)
		fake_clock_pass(5000000);
}
