// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * With the last close of a device the kernel resets its function. Where that does not come back
 * (its PF lost its VFs, its link is down) it is waited for, a minute and longer, and no signal
 * ends that. A guest whose device failed does not stand still for it: a thread closes the device,
 * and the loop does what comes after. Everything but the close happens on the loop's thread.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/size.h"
#include "vmm/vm.h"

#define STACK (64 * KiB)

struct vfio_closing {
	struct vfio_closing *next;
	struct vfio_pci_set *set; /* borrowed */
	struct vfio_departure left;
	int fd;	     /* the thread's */
	int done_fd; /* it says so here */
	pthread_t thread;
};

static void *close_it(void *opaque)
{
	struct vfio_closing *c = opaque;

	close(c->fd);
	(void)eventfd_write(c->done_fd, 1);
	return NULL;
}

/* Waits for the thread; off the list. */
static void finish(struct vfio_closing *c)
{
	struct vfio_closing **at = &c->set->closing;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_join(c->thread, NULL);
	loop_del(c->set->vm->loop, c->done_fd);
	close(c->done_fd);
}

static void on_closed(void *opaque, int fd)
{
	struct vfio_closing *c = opaque;

	(void)fd;
	finish(c);
	vfio_pci_is_out(c->set, &c->left);
	free(c);
}

static int start(struct vfio_closing *c)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	r = pthread_attr_setstacksize(&attr, STACK);
	if (r == 0)
		r = pthread_create(&c->thread, &attr, close_it, c);
	pthread_attr_destroy(&attr);
	return -r;
}

int vfio_pci_close_aside(struct vfio_pci_set *set, const struct vfio_departure *left, int fd)
{
	struct vfio_closing *c = malloc(sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct vfio_closing){ .next = set->closing, .set = set, .left = *left, .fd = fd };
	c->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = c->done_fd < 0 ? -errno : loop_add(set->vm->loop, c->done_fd, on_closed, c);
	if (r == 0) {
		r = start(c);
		if (r < 0)
			loop_del(set->vm->loop, c->done_fd);
	}
	if (r < 0) {
		close_fdp(&c->done_fd);
		free(c);
		return r;
	}
	set->closing = c;
	return 0;
}

bool vfio_pci_is_closing_of(const struct vfio_pci_set *set, unsigned group)
{
	for (const struct vfio_closing *c = set->closing; c; c = c->next)
		if (c->left.group == group)
			return true;
	return false;
}

const char *vfio_pci_closing(const struct vfio_pci_set *set, unsigned i)
{
	const struct vfio_closing *c = set ? set->closing : NULL;

	for (; c && i; i--)
		c = c->next;
	return c ? c->left.name : NULL;
}

void vfio_pci_closing_end(struct vfio_pci_set *set)
{
	while (set->closing) {
		struct vfio_closing *c = set->closing;

		finish(c);
		free(c);
	}
}
