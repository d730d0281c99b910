// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct source {
	struct source *next;
	loop_fn fn;
	void *opaque;
	uint64_t id; /* never reused: an event fetched for a removed source finds nobody */
	int fd;
};

struct loop {
	int epoll_fd;
	struct source *sources; /* under the lock that the hooks take, if any */
	uint64_t last_id;
	void (*before)(void *);
	void (*after)(void *);
	void *hook_opaque;
	bool quit;
	int value;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	while (loop->sources) {
		struct source *s = loop->sources;

		loop->sources = s->next;
		free(s);
	}
	close(loop->epoll_fd);
	free(loop);
	return NULL;
}

int loop_add(struct loop *loop, int fd, loop_fn fn, void *opaque)
{
	struct source *s = calloc(1, sizeof(*s));
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = loop->last_id + 1 };

	if (!s)
		return -ENOMEM;
	*s = (struct source){ loop->sources, fn, opaque, ++loop->last_id, fd };
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int r = -errno;

		free(s);
		return r;
	}
	loop->sources = s;
	return 0;
}

int loop_want(struct loop *loop, int fd, bool in, bool out)
{
	for (struct source *s = loop->sources; s; s = s->next) {
		struct epoll_event ev = { .events = (in ? EPOLLIN : 0) | (out ? EPOLLOUT : 0),
					  .data.u64 = s->id };

		if (s->fd == fd)
			return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &ev) < 0 ? -errno : 0;
	}
	return -ENOENT;
}

int loop_writable(struct loop *loop, int fd, bool on)
{
	return loop_want(loop, fd, !on, on);
}

void loop_del(struct loop *loop, int fd)
{
	for (struct source **p = &loop->sources; *p; p = &(*p)->next) {
		struct source *s = *p;

		if (s->fd != fd)
			continue;
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		*p = s->next;
		free(s);
		return;
	}
}

static struct source *find(struct loop *loop, uint64_t id)
{
	struct source *s = loop->sources;

	while (s && s->id != id)
		s = s->next;
	return s;
}

int loop_run(struct loop *loop)
{
	/* One event at a time, so that each callback sees what the one before it removed. */
	struct epoll_event ev;

	while (!loop->quit) {
		int n = epoll_wait(loop->epoll_fd, &ev, 1, -1);
		struct source *s;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (loop->before)
			loop->before(loop->hook_opaque);
		s = find(loop, ev.data.u64);
		if (s)
			s->fn(s->opaque, s->fd);
		if (loop->after)
			loop->after(loop->hook_opaque);
	}
	loop->quit = false;
	return loop->value;
}

void loop_quit(struct loop *loop, int value)
{
	loop->quit = true;
	loop->value = value;
}

void loop_hooks(struct loop *loop, void (*before)(void *), void (*after)(void *), void *opaque)
{
	loop->before = before;
	loop->after = after;
	loop->hook_opaque = opaque;
}

int loop_timer_new(struct loop *loop, loop_fn fn, void *opaque, int *ret_fd)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = loop_add(loop, fd, fn, opaque);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int loop_timer_arm(int timer_fd, uint64_t ns)
{
	struct itimerspec its = { .it_value = { .tv_sec = (time_t)(ns / 1000000000),
						.tv_nsec = (long)(ns % 1000000000) } };

	return timerfd_settime(timer_fd, 0, &its, NULL) < 0 ? -errno : 0;
}
