// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/ctl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/acceptor.h"

/* One more than others have is kept for the supervisor. */
#define PLACES (CTL_CLIENTS_MAX + 1)

struct client {
	int fd;		 /* -1: free */
	char *in, *out;	 /* NULL: nothing kept */
	size_t in_len, out_len;
	int fds[CTL_FDS_MAX]; /* that came and were not taken */
	unsigned nfds;
	bool subscribed, doomed;
	bool more; /* whole requests wait in what came in */
};

struct ctl {
	struct ctl_config config;
	struct acceptor *acceptor;
	struct client clients[PLACES];
	struct client *current; /* whose request is served */
};

static void close_fds_of(struct client *c)
{
	while (c->nfds)
		close(c->fds[--c->nfds]);
}

static void drop(struct ctl *ctl, struct client *c)
{
	if (c->fd < 0)
		return;
	close_fds_of(c);
	loop_del(ctl->config.loop, c->fd);
	close(c->fd);
	free(c->in);
	free(c->out);
	*c = (struct client){ .fd = -1 };
}

/* --- output ------------------------------------------------------------------------------------ */

/* It is heard of when it reads, or at once where a request waits for its turn; else when it asks. */
static bool heed(struct ctl *ctl, struct client *c)
{
	return loop_writable(ctl->config.loop, c->fd, c->out_len || c->more) == 0;
}

/* What the socket takes now. False: the client is gone. */
static bool flush(struct ctl *ctl, struct client *c)
{
	while (c->out_len) {
		ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			return heed(ctl, c);
		c->out_len -= (size_t)n;
		memmove(c->out, c->out + n, c->out_len);
	}
	free(c->out);
	c->out = NULL;
	return heed(ctl, c);
}

/* A line, kept until the client reads it. text is consumed; NULL: there is none. */
static void say(struct ctl *ctl, struct client *c, char *text)
{
	_cleanup_free_ char *line = text;
	size_t len = text ? strlen(text) : 0;
	char *bigger;

	if (!text || c->doomed)
		return;
	bigger = c->out_len + len + 1 > CTL_OUTPUT_MAX ? NULL :
							 realloc(c->out, c->out_len + len + 1);
	if (!bigger) {
		c->doomed = true;
		return;
	}
	c->out = bigger;
	memcpy(c->out + c->out_len, line, len);
	c->out[c->out_len + len] = '\n';
	c->out_len += len + 1;
	c->doomed = !flush(ctl, c);
}

/* --- input ------------------------------------------------------------------------------------- */

static char *line_end(const struct client *c, size_t from)
{
	return c->in ? memchr(c->in + from, '\n', c->in_len - from) : NULL;
}

/* The lines up to here are done; what is left begins the buffer. */
static void drop_lines(struct client *c, size_t len)
{
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
	if (c->in_len)
		return;
	free(c->in);
	c->in = NULL;
	/* Of no use to a request that has not begun yet. */
	close_fds_of(c);
}

/*
 * One request, and not all that there are: with the next one it is the turn of the machine and of
 * the other clients, which wait for the devices' lock that is held here.
 */
static void serve_line(struct ctl *ctl, struct client *c)
{
	char *end = line_end(c, 0);
	size_t from = 0;

	for (; end && end == c->in + from; end = line_end(c, from))
		from++; /* an empty one */
	if (end) {
		ctl->current = c;
		say(ctl, c, jsonrpc_answer(ctl->config.methods, ctl->config.opaque, c->in + from,
					   (size_t)(end - c->in) - from));
		ctl->current = NULL;
		from = (size_t)(end + 1 - c->in);
	}
	drop_lines(c, from);
	c->more = line_end(c, 0) != NULL;
	if (c->in_len == CTL_REQUEST_MAX && !c->more) {
		say(ctl, c, jsonrpc_error(JSONRPC_INVALID_REQUEST, "the request is too long"));
		c->doomed = true;
	}
	c->doomed = c->doomed || !heed(ctl, c);
}

/* Keep what came along, up to the limit; the others are closed. */
static void keep_fds(struct client *c, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fd);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (c->nfds < CTL_FDS_MAX)
				c->fds[c->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* One read at a time, so that the others and the machine get their turn. */
static void take_input(struct ctl *ctl, struct client *c)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * CTL_FDS_MAX)];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (!c->in)
		c->in = malloc(CTL_REQUEST_MAX);
	if (!c->in) {
		c->doomed = true;
		return;
	}
	iov = (struct iovec){ c->in + c->in_len, CTL_REQUEST_MAX - c->in_len };
	/* Descriptors for which there is no room the kernel closes. */
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->doomed = true;
		return;
	}
	keep_fds(c, &msg);
	c->in_len += (size_t)n;
	serve_line(ctl, c);
}

static void on_client(void *opaque, int fd)
{
	struct ctl *ctl = opaque;
	struct client *c = ctl->clients;

	while (c < ctl->clients + PLACES && c->fd != fd)
		c++;
	if (c == ctl->clients + PLACES)
		return;
	/* Whoever does not read is not asked what else there is. */
	if (!c->doomed && c->out_len)
		c->doomed = !flush(ctl, c);
	else if (!c->doomed && c->more)
		serve_line(ctl, c);
	else if (!c->doomed)
		take_input(ctl, c);
	if (c->doomed)
		drop(ctl, c);
}

/* --- who comes --------------------------------------------------------------------------------- */

static pid_t peer_pid(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

/* Who made the socket is the supervisor, by which devices come and go: idle clients do not keep it out. */
static unsigned places_for(const struct ctl *ctl, int fd)
{
	pid_t owner = peer_pid(ctl->config.listen_fd);

	return owner && peer_pid(fd) == owner ? PLACES : CTL_CLIENTS_MAX;
}

static bool may_ask(const struct ctl *ctl, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == ctl->config.uid);
}

/* Best effort: it is closed in any case. */
static void turn_away(int fd, const char *why)
{
	_cleanup_free_ char *text = jsonrpc_error(JSONRPC_REFUSED, why);

	if (text && send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		(void)send(fd, "\n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_connection(void *opaque, int connection)
{
	struct ctl *ctl = opaque;
	_cleanup_close_ int fd = connection;
	struct client *c = ctl->clients, *end = c + places_for(ctl, fd);

	while (c < end && c->fd >= 0)
		c++;
	if (!may_ask(ctl, fd)) {
		turn_away(fd, "this machine belongs to another user");
	} else if (c == end) {
		turn_away(fd, "too many clients already");
	} else if (loop_add(ctl->config.loop, fd, on_client, ctl) == 0) {
		*c = (struct client){ .fd = TAKE_FD(fd) };
	}
}

/* --- the whole --------------------------------------------------------------------------------- */

int ctl_new(const struct ctl_config *config, struct ctl **ret)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	int r = -ENOMEM;

	if (ctl) {
		ctl->config = *config;
		for (unsigned i = 0; i < PLACES; i++)
			ctl->clients[i].fd = -1;
		r = acceptor_new(config->loop, config->listen_fd, "the control socket",
				 on_connection, ctl, &ctl->acceptor);
	}
	if (r < 0) {
		close(config->listen_fd);
		free(ctl);
		return r;
	}
	*ret = ctl;
	return 0;
}

struct ctl *ctl_free(struct ctl *ctl)
{
	if (!ctl)
		return NULL;
	for (unsigned i = 0; i < PLACES; i++)
		drop(ctl, &ctl->clients[i]);
	ctl->acceptor = acceptor_free(ctl->acceptor);
	close(ctl->config.listen_fd);
	free(ctl);
	return NULL;
}

void ctl_subscribe(struct ctl *ctl)
{
	if (ctl->current)
		ctl->current->subscribed = true;
}

int ctl_take_fd(struct ctl *ctl)
{
	struct client *c = ctl ? ctl->current : NULL;
	int fd;

	if (!c || !c->nfds)
		return -1;
	fd = c->fds[0];
	c->nfds--;
	memmove(c->fds, c->fds + 1, c->nfds * sizeof(c->fds[0]));
	return fd;
}

/*
 * A client that is to be dropped for it is dropped at its next event, of which
 * shutting it down makes one: its own request may be what brought us here.
 */
void ctl_notify(struct ctl *ctl, const char *event, json_t *params)
{
	_cleanup_free_ char *text = NULL;

	if (!ctl) {
		json_decref(params);
		return;
	}
	text = jsonrpc_notification(event, params);
	for (unsigned i = 0; text && i < PLACES; i++) {
		struct client *c = &ctl->clients[i];

		if (c->fd < 0 || !c->subscribed)
			continue;
		say(ctl, c, strdup(text));
		if (c->doomed)
			shutdown(c->fd, SHUT_RDWR);
	}
}
