// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/console.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "vmm/hw/outlet.h"

#define INPUT  256
#define CTRL_A 1

struct console {
	struct outlet *out;
	/* Who attached: -1 and NULL, nobody. */
	int client_fd;
	struct outlet *client;
	bool client_watched, client_silent;
	/* Input: main thread, with the loop's hooks held. */
	struct loop *loop;
	int in_fd;
	bool watched; /* in_fd is in the loop */
	bool is_file; /* epoll refuses it, and reading never waits */
	bool escapes, escaped;
	size_t pending;
	uint8_t input[INPUT];
	const struct console_ops *ops;
	void *opaque;
};

void console_write(struct console *c, const uint8_t *data, size_t len)
{
	outlet_write(c->out, data, len);
	if (c->client)
		outlet_write(c->client, data, len);
}

/* Take what Ctrl-A means out of the input: x quits, Ctrl-A is itself, others are both. */
static size_t unescape(struct console *c, uint8_t *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (!c->escaped && data[i] == CTRL_A) {
			c->escaped = true;
			continue;
		}
		if (c->escaped && (data[i] == 'x' || data[i] == 'X'))
			c->ops->quit(c->opaque);
		else
			data[kept++] = data[i];
		c->escaped = false;
	}
	return kept;
}

static void deliver(struct console *c)
{
	size_t taken = c->ops->input(c->opaque, c->input, c->pending);

	c->pending -= taken;
	memmove(c->input, c->input + taken, c->pending);
}

static void stop_reading(struct console *c)
{
	if (c->watched)
		loop_del(c->loop, c->in_fd);
	if (c->client_watched)
		loop_del(c->loop, c->client_fd);
	c->watched = c->client_watched = false;
}

/* One read(2): it may block when the descriptor is a terminal and nobody typed. */
static bool read_input(struct console *c)
{
	ssize_t n = read(c->in_fd, c->input + c->pending, INPUT - c->pending);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0) { /* end of input: the guest's line stays open, silent */
		if (c->watched)
			loop_del(c->loop, c->in_fd);
		c->watched = false;
		c->in_fd = -1;
		return false;
	}
	if (c->escapes)
		n = (ssize_t)unescape(c, c->input + c->pending, (size_t)n);
	c->pending += (size_t)n;
	deliver(c);
	return true;
}

static void input_ready(void *opaque, int fd)
{
	struct console *c = opaque;

	(void)fd;
	(void)read_input(c);
	if (c->pending == INPUT)
		stop_reading(c);
}

static bool has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

/* gone: nobody waits for what it was not sent yet. */
static void drop_client(struct console *c, bool gone)
{
	if (c->client_watched)
		loop_del(c->loop, c->client_fd);
	c->client_watched = false;
	if (gone && c->client)
		shutdown(c->client_fd, SHUT_RDWR); /* its thread may be waiting for room */
	(void)outlet_close(c->client);
	c->client = NULL;
	c->client_fd = -1;
}

static void client_ready(void *opaque, int fd)
{
	struct console *c = opaque;
	ssize_t n = recv(fd, c->input + c->pending, INPUT - c->pending, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 || (n == 0 && has_hung_up(fd))) {
		drop_client(c, true);
		return;
	}
	/* Who has no more to say may still want to see. */
	c->client_silent = n == 0;
	if (n == 0)
		(void)loop_want(c->loop, fd, false, false);
	c->pending += (size_t)n;
	deliver(c);
	if (c->pending == INPUT)
		stop_reading(c);
}

static int watch_client(struct console *c)
{
	int r;

	if (!c->client || c->client_watched)
		return 0;
	r = loop_add(c->loop, c->client_fd, client_ready, c);
	c->client_watched = r == 0;
	if (r == 0 && c->client_silent)
		r = loop_want(c->loop, c->client_fd, false, false);
	return r;
}

int console_attach(struct console *c, int fd)
{
	_cleanup_close_ int client = fd;
	struct stat st;
	int r;

	if (fstat(client, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	if (c->client && !has_hung_up(c->client_fd))
		return -EBUSY;
	drop_client(c, true);
	c->client = outlet_new(client, true, "console-2");
	if (!c->client)
		return -ENOMEM;
	c->client_fd = TAKE_FD(client);
	c->client_silent = false;
	r = watch_client(c);
	if (r < 0)
		drop_client(c, true);
	return r;
}

static int start_reading(struct console *c)
{
	int r = watch_client(c);

	if (r < 0 || c->in_fd < 0 || c->watched || c->is_file)
		return r;
	r = loop_add(c->loop, c->in_fd, input_ready, c);
	c->watched = r == 0;
	if (r != -EPERM)
		return r;
	c->is_file = true;
	return 0;
}

void console_more_input(struct console *c)
{
	deliver(c);
	if (c->is_file && c->in_fd >= 0 && c->pending == 0)
		(void)read_input(c);
	if (c->pending < INPUT)
		(void)start_reading(c);
}

int console_new(struct loop *loop, int in_fd, int out_fd, bool escapes,
		const struct console_ops *ops, void *opaque, struct console **ret,
		struct err *err)
{
	struct console *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return err_set(err, -ENOMEM, "cannot connect the guest's console");
	c->out = outlet_new(out_fd, false, "console");
	c->loop = loop;
	c->in_fd = in_fd;
	c->client_fd = -1;
	c->escapes = escapes;
	c->ops = ops;
	c->opaque = opaque;
	if (c->out)
		r = start_reading(c);
	if (r < 0) {
		console_close(c);
		return err_set(err, r, "cannot connect the guest's console");
	}
	*ret = c;
	return 0;
}

int console_close(struct console *c)
{
	int error;

	if (!c)
		return 0;
	stop_reading(c);
	error = outlet_close(c->out);
	drop_client(c, false);
	free(c);
	return error;
}
