// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/irqset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"

_Static_assert((int)VFIO_IRQ_INTX == VFIO_PCI_INTX_IRQ_INDEX, "VFIO's number");
_Static_assert((int)VFIO_IRQ_MSI == VFIO_PCI_MSI_IRQ_INDEX, "VFIO's number");
_Static_assert((int)VFIO_IRQ_MSIX == VFIO_PCI_MSIX_IRQ_INDEX, "VFIO's number");
_Static_assert((int)VFIO_IRQ_ERR == VFIO_PCI_ERR_IRQ_INDEX, "VFIO's number");
_Static_assert((int)VFIO_IRQ_REQ == VFIO_PCI_REQ_IRQ_INDEX, "VFIO's number");

int vfio_irqset_get(int dev_fd, enum vfio_irq irq, struct vfio_irqset *ret)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = (uint32_t)irq };
	int r = sys_ioctl(dev_fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (r < 0)
		return r;
	*ret = (struct vfio_irqset){ .noresize = info.flags & VFIO_IRQ_INFO_NORESIZE };
	/* One that cannot signal an eventfd is of no use to us. */
	if (info.flags & VFIO_IRQ_INFO_EVENTFD)
		ret->count = info.count;
	return 0;
}

/* A request with n descriptors behind it. */
static int set_irqs(int dev_fd, const struct vfio_irq_set *head, const int *fds, unsigned n)
{
	_cleanup_free_ struct vfio_irq_set *set = calloc(1, sizeof(*set) + n * sizeof(int32_t));

	if (!set)
		return -ENOMEM;
	*set = *head;
	set->argsz = (uint32_t)(sizeof(*set) + n * sizeof(int32_t));
	if (n)
		memcpy(set->data, fds, n * sizeof(int32_t));
	return sys_ioctl(dev_fd, VFIO_DEVICE_SET_IRQS, set);
}

int vfio_irqset_trigger(int dev_fd, enum vfio_irq irq, unsigned first, unsigned n, const int *fds)
{
	struct vfio_irq_set head = {
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = (uint32_t)irq,
		.start = first,
		.count = n,
	};

	return set_irqs(dev_fd, &head, fds, n);
}

int vfio_irqset_disable(int dev_fd, enum vfio_irq irq)
{
	struct vfio_irq_set head = {
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = (uint32_t)irq,
	};

	return set_irqs(dev_fd, &head, NULL, 0);
}

int vfio_irqset_unmask_by(int dev_fd, int fd)
{
	struct vfio_irq_set head = {
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_IRQ_INTX,
		.count = 1,
	};

	return set_irqs(dev_fd, &head, &fd, 1);
}

int vfio_irqset_unmask(int dev_fd)
{
	struct vfio_irq_set head = {
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_IRQ_INTX,
		.count = 1,
	};

	return set_irqs(dev_fd, &head, NULL, 0);
}
