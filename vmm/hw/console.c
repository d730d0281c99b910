// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "vmm/hw/outlet.h"

#define INPUT  256
#define CTRL_A 1

struct console {
	struct outlet *out;
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
	c->watched = false;
}

/* One read(2): it may block when the descriptor is a terminal and nobody typed. */
static bool read_input(struct console *c)
{
	ssize_t n = read(c->in_fd, c->input + c->pending, INPUT - c->pending);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0) { /* end of input: the guest's line stays open, silent */
		stop_reading(c);
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

static int start_reading(struct console *c)
{
	int r;

	if (c->in_fd < 0 || c->watched || c->is_file)
		return 0;
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
	c->out = outlet_new(out_fd, "console");
	c->loop = loop;
	c->in_fd = in_fd;
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
	free(c);
	return error;
}
