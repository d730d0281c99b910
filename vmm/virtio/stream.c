// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "vmm/acceptor.h"

struct stream {
	struct loop *loop;
	struct stream_owner owner;
	struct acceptor *acceptor; /* NULL: a terminal */
	int fd;	       /* of who is there; -1: nobody */
	bool watched, in, out; /* fd in the loop, and for what */
	bool ended;    /* nothing comes any more */
	bool deaf;     /* nor is anything taken */
};

static void unwatch(struct stream *s)
{
	if (s->watched)
		loop_del(s->loop, s->fd);
	s->watched = false;
}

static void on_client(void *opaque, int fd)
{
	struct stream *s = opaque;

	(void)fd;
	s->owner.turn(s->owner.opaque);
}

/* The next client waits with the kernel until this one has gone. */
static void on_connection(void *opaque, int fd)
{
	struct stream *s = opaque;

	s->fd = fd;
	s->ended = s->deaf = false;
	acceptor_listen(s->acceptor, false);
	s->owner.turn(s->owner.opaque);
}

int stream_new(struct loop *loop, int fd, bool terminal, const struct stream_owner *owner,
	     struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	if (r == 0) {
		*s = (struct stream){ .loop = loop, .owner = *owner, .fd = terminal ? fd : -1 };
		if (!terminal)
			r = acceptor_new(loop, fd, "a port", on_connection, s, &s->acceptor);
	}
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	unwatch(s);
	if (s->acceptor)
		close_fdp(&s->fd);
	acceptor_free(s->acceptor);
	free(s);
	return NULL;
}

bool stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}

static bool would_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

size_t stream_read(struct stream *s, void *buf, size_t len)
{
	ssize_t n;

	if (s->fd < 0 || s->ended)
		return 0;
	n = read(s->fd, buf, len);
	/* An error of a stream is its end, too: whoever sent has gone without reading all of ours. */
	if (n == 0 || (n < 0 && !would_wait()))
		s->ended = true;
	return n > 0 ? (size_t)n : 0;
}

size_t stream_write(struct stream *s, const void *buf, size_t len)
{
	ssize_t n;

	if (s->fd < 0 || s->deaf)
		return len;
	n = !s->acceptor ? write(s->fd, buf, len) : send(s->fd, buf, len, MSG_NOSIGNAL);
	if (n >= 0)
		return (size_t)n;
	s->deaf = !would_wait();
	return s->deaf ? len : 0;
}

static bool has_gone(const struct stream *s)
{
	struct pollfd poll_fd = { .fd = s->fd };

	return s->deaf || (poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & (POLLHUP | POLLERR));
}

/* All that it said was read, as far as can be told without reading. */
static bool left_nothing(const struct stream *s)
{
	char byte;

	return s->ended || (s->acceptor && recv(s->fd, &byte, 1, MSG_PEEK) <= 0);
}

static void drop(struct stream *s)
{
	unwatch(s);
	if (!s->acceptor) {
		s->fd = -1; /* the terminal's, which was borrowed */
		return;
	}
	close_fdp(&s->fd);
	acceptor_listen(s->acceptor, true);
}

static void watch(struct stream *s, bool in, bool out)
{
	if (!s->watched && loop_add(s->loop, s->fd, on_client, s) == 0) {
		s->watched = s->in = true;
		s->out = false;
	}
	if (s->watched && (s->in != in || s->out != out) && loop_want(s->loop, s->fd, in, out) == 0) {
		s->in = in;
		s->out = out;
	}
}

void stream_wait(struct stream *s, bool in, bool out, bool takes)
{
	if (s->fd < 0)
		return;
	in &= !s->ended;
	/* To hear of new input is to hear of the end as well. */
	if (in || !has_gone(s))
		watch(s, in, out);
	else if (!takes || left_nothing(s))
		drop(s);
	else
		unwatch(s); /* that it hung up would be told again and again */
}
