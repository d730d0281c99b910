// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acceptor.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

#define PAUSE_NS 500000000ull

struct acceptor {
	struct loop *loop; /* borrowed, as what follows */
	int listen_fd;
	const char *what;
	void (*fn)(void *opaque, int fd);
	void *opaque;
	int timer; /* made at once: when it is needed there may be no descriptor for it */
	bool on, paused;
};

static void heed(struct acceptor *a)
{
	(void)loop_want(a->loop, a->listen_fd, a->on && !a->paused, false);
}

static void on_connection(void *opaque, int listen_fd)
{
	struct acceptor *a = opaque;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		a->fn(a->opaque, fd);
		return;
	}
	/* It went away, or was taken back to sleep. */
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	log_warn_limited("nobody can connect to %s at the moment: %s", a->what, strerror(errno));
	a->paused = true;
	heed(a);
	(void)loop_timer_arm(a->timer, PAUSE_NS);
}

static void on_timer(void *opaque, int fd)
{
	struct acceptor *a = opaque;
	uint64_t times;

	if (read(fd, &times, sizeof(times)) != sizeof(times))
		return;
	a->paused = false;
	heed(a);
}

int acceptor_new(struct loop *loop, int listen_fd, const char *what, void (*fn)(void *opaque, int fd),
		 void *opaque, struct acceptor **ret)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = (struct acceptor){ .loop = loop, .listen_fd = listen_fd, .what = what, .fn = fn,
				.opaque = opaque, .timer = -1, .on = true };
	r = loop_timer_new(loop, on_timer, a, &a->timer);
	if (r == 0)
		r = loop_add(loop, listen_fd, on_connection, a);
	if (r < 0) {
		acceptor_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

struct acceptor *acceptor_free(struct acceptor *a)
{
	if (!a)
		return NULL;
	loop_del(a->loop, a->listen_fd);
	if (a->timer >= 0)
		loop_del(a->loop, a->timer);
	close_fdp(&a->timer);
	free(a);
	return NULL;
}

void acceptor_listen(struct acceptor *a, bool on)
{
	a->on = on;
	heed(a);
}
