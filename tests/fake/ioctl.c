// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/ioctl.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#define MAX_HANDLERS 64

static struct {
	int fd;
	fake_ioctl_fn fn;
	void *opaque;
} handlers[MAX_HANDLERS];
static const struct fake_ioctl_row *next_row;
static unsigned unexpected;

int __wrap_sys_ioctl(int fd, unsigned long request, void *arg);

void fake_ioctl_reset(void)
{
	for (unsigned i = 0; i < MAX_HANDLERS; i++)
		handlers[i].fn = NULL;
	next_row = NULL;
	unexpected = 0;
}

void fake_ioctl_handle(int fd, fake_ioctl_fn fn, void *opaque)
{
	unsigned slot = MAX_HANDLERS;

	for (unsigned i = 0; i < MAX_HANDLERS; i++) {
		if (handlers[i].fn && handlers[i].fd == fd) {
			slot = i;
			break;
		}
		if (!handlers[i].fn && slot == MAX_HANDLERS)
			slot = i;
	}
	if (slot == MAX_HANDLERS) {
		fprintf(stderr, "fake_ioctl_handle: more than %d descriptors\n", MAX_HANDLERS);
		unexpected++;
		return;
	}
	handlers[slot].fd = fd;
	handlers[slot].fn = fn;
	handlers[slot].opaque = opaque;
}

void fake_ioctl_expect(const struct fake_ioctl_row *rows)
{
	next_row = rows;
}

int fake_ioctl_done(void)
{
	unsigned left = 0;

	for (const struct fake_ioctl_row *r = next_row; r && r->request; r++)
		left++;
	if (left)
		fprintf(stderr, "%u expected ioctls never came, first of them %#lx\n", left,
			next_row->request);
	return unexpected == 0 && left == 0;
}

int __wrap_sys_ioctl(int fd, unsigned long request, void *arg)
{
	const struct fake_ioctl_row *row = next_row;

	for (unsigned i = 0; i < MAX_HANDLERS; i++)
		if (handlers[i].fn && handlers[i].fd == fd)
			return handlers[i].fn(handlers[i].opaque, fd, request, arg);
	for (unsigned i = 0; i < MAX_HANDLERS; i++)
		if (handlers[i].fn && handlers[i].fd < 0)
			return handlers[i].fn(handlers[i].opaque, fd, request, arg);
	if (row && row->request == request && (row->fd < 0 || row->fd == fd)) {
		next_row++;
		return row->check ? row->check(row->opaque, fd, request, arg) : row->result;
	}
	fprintf(stderr, "unexpected ioctl %#lx on descriptor %d (expected %#lx)\n", request, fd,
		row ? row->request : 0);
	unexpected++;
	return -ENOTTY;
}
