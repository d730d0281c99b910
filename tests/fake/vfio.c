// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "tests/fake/ioctl.h"

static int device_info(struct fake_vfio *dev, struct vfio_device_info *info)
{
	info->flags = dev->flags;
	info->num_regions = FAKE_VFIO_REGIONS;
	info->num_irqs = FAKE_VFIO_IRQS;
	return 0;
}

static int region_info(struct fake_vfio *dev, struct vfio_region_info *info)
{
	uint32_t i = info->index, argsz = info->argsz;
	size_t need;

	if (i >= FAKE_VFIO_REGIONS)
		return -EINVAL;
	need = sizeof(*info) + dev->region[i].caps_size;
	info->flags = dev->region[i].flags;
	info->size = dev->region[i].size;
	info->offset = FAKE_VFIO_OFFSET(i);
	info->cap_offset = 0;
	if (!dev->region[i].caps)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (argsz < need) {
		info->argsz = (uint32_t)need;
		return 0;
	}
	info->cap_offset = dev->region[i].first ? dev->region[i].first : sizeof(*info);
	memcpy(info + 1, dev->region[i].caps, dev->region[i].caps_size);
	return 0;
}

static int irq_info(struct fake_vfio *dev, struct vfio_irq_info *info)
{
	if (info->index >= FAKE_VFIO_IRQS)
		return -EINVAL;
	info->flags = dev->irq[info->index].flags;
	info->count = dev->irq[info->index].count;
	return 0;
}

static void raise_fd(struct fake_vfio *dev, int fd)
{
	if (dev->signal)
		dev->signal(dev->signal_opaque, fd);
	else
		eventfd_write(fd, 1);
}

static void set_one(struct fake_vfio *dev, unsigned v, int fd)
{
	if (dev->trigger[v] >= 0)
		dev->over_live++;
	if (fd >= 0 && dev->trigger[v] < 0)
		dev->host_vectors++;
	dev->trigger[v] = fd;
	if (fd >= 0 && dev->hw_pending[v]) {
		dev->hw_pending[v] = false;
		raise_fd(dev, fd);
	}
}

static void all_off(struct fake_vfio *dev)
{
	for (unsigned v = 0; v < FAKE_VFIO_VECTORS; v++)
		dev->trigger[v] = -1;
	dev->mode = -1;
	dev->granted = 0;
}

/* vfio_msi_alloc_irq(): a vector beyond those takes an interrupt of the host when first used. */
static bool host_has_enough(const struct fake_vfio *dev, const struct vfio_irq_set *set)
{
	unsigned need = dev->granted;

	for (unsigned v = dev->granted; v < FAKE_VFIO_VECTORS; v++)
		need += dev->trigger[v] >= 0 || (v >= set->start && v < set->start + set->count);
	return !dev->host_limit || need <= dev->host_limit;
}

/* The rules of vfio_pci_set_msi_trigger() and vfio_msi_set_block(). */
static int msi_trigger(struct fake_vfio *dev, struct vfio_irq_set *set)
{
	unsigned end = set->start + set->count;

	if (set->count == 0 && set->flags & VFIO_IRQ_SET_DATA_NONE) {
		all_off(dev);
		return 0;
	}
	if (dev->mode >= 0 && dev->mode != (int)set->index)
		return -EINVAL;
	if (end > dev->irq[set->index].count || !(set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -EINVAL;
	if (dev->mode < 0) {
		if (dev->host_limit && end > dev->host_limit)
			return dev->host_is_mute ? -ENOSPC : (int)dev->host_limit;
		dev->mode = (int)set->index;
		dev->granted = end;
	} else if (dev->irq[set->index].flags & VFIO_IRQ_INFO_NORESIZE && end > dev->granted) {
		return -EINVAL;
	}
	if (!host_has_enough(dev, set))
		return -ENOSPC;
	for (unsigned i = 0; i < set->count; i++) {
		int fd;

		memcpy(&fd, set->data + i * sizeof(fd), sizeof(fd));
		set_one(dev, set->start + i, fd);
	}
	return 0;
}

static int intx(struct fake_vfio *dev, struct vfio_irq_set *set)
{
	int fd = -1;

	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD && set->count == 1)
		memcpy(&fd, set->data, sizeof(fd));
	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
			dev->unmask_fd = fd;
		else
			dev->unmasks++;
		return dev->mode == VFIO_PCI_INTX_IRQ_INDEX ? 0 : -EINVAL;
	}
	if (set->count == 0) {
		all_off(dev);
		dev->unmask_fd = -1;
		return 0;
	}
	if (dev->mode > VFIO_PCI_INTX_IRQ_INDEX)
		return -EINVAL;
	dev->mode = VFIO_PCI_INTX_IRQ_INDEX;
	dev->trigger[0] = fd;
	return 0;
}

static int set_irqs(struct fake_vfio *dev, struct vfio_irq_set *set)
{
	int fail = dev->fail;

	dev->set_irqs++;
	if (set->count > dev->set_irqs_largest)
		dev->set_irqs_largest = set->count;
	dev->fail = 0;
	if (fail)
		return fail;
	if (set->index == VFIO_PCI_INTX_IRQ_INDEX)
		return intx(dev, set);
	if (set->index == VFIO_PCI_MSI_IRQ_INDEX || set->index == VFIO_PCI_MSIX_IRQ_INDEX)
		return msi_trigger(dev, set);
	memcpy(set->index == VFIO_PCI_ERR_IRQ_INDEX ? &dev->err_fd : &dev->req_fd, set->data,
	       sizeof(int));
	return 0;
}

static int hot_reset_info(struct fake_vfio *dev, struct vfio_pci_hot_reset_info *info)
{
	if (!dev->affected)
		return -ENODEV;
	info->count = dev->naffected;
	for (unsigned i = 0; i < dev->naffected; i++)
		info->devices[i] = (struct vfio_pci_dependent_device){
			.group_id = dev->affected[i].group,
			.bus = dev->affected[i].bus,
			.devfn = dev->affected[i].devfn,
		};
	return 0;
}

static int reset(struct fake_vfio *dev, unsigned *count, int fail)
{
	++*count;
	if (fail)
		return fail;
	if (dev->on_reset)
		dev->on_reset(dev);
	return 0;
}

/* The kernel wants a descriptor of each group, and none twice. */
static int hot_reset(struct fake_vfio *dev, const struct vfio_pci_hot_reset *req)
{
	for (unsigned i = 0; i < req->count; i++)
		for (unsigned k = 0; k < i; k++)
			if (req->group_fds[i] == req->group_fds[k])
				return -EINVAL;
	dev->hot_reset_fds = req->count;
	return reset(dev, &dev->hot_resets, dev->fail_hot_reset);
}

static int answer(void *opaque, int fd, unsigned long request, void *arg)
{
	struct fake_vfio *dev = opaque;

	switch (request) {
	case VFIO_DEVICE_GET_INFO: return device_info(dev, arg);
	case VFIO_DEVICE_GET_REGION_INFO: return region_info(dev, arg);
	case VFIO_DEVICE_GET_IRQ_INFO: return irq_info(dev, arg);
	case VFIO_DEVICE_SET_IRQS: return set_irqs(dev, arg);
	case VFIO_DEVICE_RESET: return reset(dev, &dev->resets, dev->fail_reset);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: return hot_reset_info(dev, arg);
	case VFIO_DEVICE_PCI_HOT_RESET: return hot_reset(dev, arg);
	default: return -ENOTTY;
	}
}

int fake_vfio_new(struct fake_vfio *dev)
{
	*dev = (struct fake_vfio){ .flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
				   .unmask_fd = -1,
				   .err_fd = -1,
				   .req_fd = -1 };
	all_off(dev);
	dev->fd = memfd_create("fake-vfio", MFD_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	fake_vfio_region(dev, VFIO_PCI_CONFIG_REGION_INDEX, 4096,
			 VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	fake_ioctl_handle(dev->fd, answer, dev);
	return 0;
}

int fake_vfio_open(struct fake_vfio *dev)
{
	int fd = fcntl(dev->fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		fake_ioctl_handle(fd, answer, dev);
	return fd;
}

void fake_vfio_free(struct fake_vfio *dev)
{
	fake_ioctl_handle(dev->fd, NULL, NULL);
	close(dev->fd);
}

void fake_vfio_region(struct fake_vfio *dev, unsigned i, uint64_t size, uint32_t flags)
{
	uint64_t end = FAKE_VFIO_OFFSET(FAKE_VFIO_REGIONS);

	dev->region[i].size = size;
	dev->region[i].flags = flags;
	if (ftruncate(dev->fd, (off_t)end) < 0)
		abort();
}

void fake_vfio_poke(struct fake_vfio *dev, unsigned region, uint64_t off, const void *buf,
		    size_t len)
{
	if (pwrite(dev->fd, buf, len, (off_t)(FAKE_VFIO_OFFSET(region) + off)) != (ssize_t)len)
		abort();
}

void fake_vfio_peek(struct fake_vfio *dev, unsigned region, uint64_t off, void *buf, size_t len)
{
	if (pread(dev->fd, buf, len, (off_t)(FAKE_VFIO_OFFSET(region) + off)) != (ssize_t)len)
		abort();
}

void fake_vfio_fire(struct fake_vfio *dev, unsigned v)
{
	if (dev->trigger[v] < 0)
		dev->hw_pending[v] = true;
	else
		raise_fd(dev, dev->trigger[v]);
}
