// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/intx.h"

#include <stdlib.h>

#include "base/fd.h"
#include "irq/irqfd.h"

struct intx {
	int vm_fd; /* borrowed */
	const struct intx_ops *ops;
	void *opaque;
	int trigger_fd, unmask_fd; /* -1: off */
	uint32_t gsi;
};

struct intx *intx_new(int vm_fd, const struct intx_ops *ops, void *opaque)
{
	struct intx *x = calloc(1, sizeof(*x));

	if (x)
		*x = (struct intx){ vm_fd, ops, opaque, -1, -1, 0 };
	return x;
}

struct intx *intx_free(struct intx *x)
{
	if (!x)
		return NULL;
	(void)intx_set(x, false, 0);
	free(x);
	return NULL;
}

bool intx_is_on(const struct intx *x)
{
	return x->trigger_fd >= 0;
}

static void turn_off(struct intx *x)
{
	if (!intx_is_on(x))
		return;
	x->ops->disconnect(x->opaque);
	/* Lowers the pin, if it is up. */
	(void)irqfd_deassign(x->vm_fd, x->trigger_fd, x->gsi);
	close_fdp(&x->trigger_fd);
	close_fdp(&x->unmask_fd);
}

static int turn_on(struct intx *x, uint32_t gsi)
{
	_cleanup_close_ int trigger = irqfd_eventfd();
	_cleanup_close_ int unmask = irqfd_eventfd();
	int r;

	if (trigger < 0 || unmask < 0)
		return trigger < 0 ? trigger : unmask;
	/*
	 * Both ends of the device first: a rise meanwhile waits in the eventfd for the
	 * irqfd, and the EOI that follows finds somebody to unmask.
	 */
	r = x->ops->connect(x->opaque, trigger, unmask);
	if (r < 0)
		return r;
	r = irqfd_assign_resample(x->vm_fd, trigger, gsi, unmask);
	if (r < 0) {
		x->ops->disconnect(x->opaque);
		return r;
	}
	x->gsi = gsi;
	x->trigger_fd = TAKE_FD(trigger);
	x->unmask_fd = TAKE_FD(unmask);
	return 0;
}

int intx_set(struct intx *x, bool on, uint32_t gsi)
{
	if (on && intx_is_on(x) && x->gsi == gsi)
		return 0;
	turn_off(x);
	return on ? turn_on(x, gsi) : 0;
}
