// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PCI transport (4.1), not the transitional one: a BAR of four pages with the common
 * configuration, the device's own, the notification addresses, and the MSI-X table.
 * Interrupts are MSI-X alone: a device without INTx needs no status register that is
 * read at each interrupt, and every guest that knows virtio 1.0 has MSI-X.
 *
 * A notification is KVM's: each queue has an address of its own, which writes an eventfd
 * without an exit to us.
 */
#include "vmm/virtio/pci_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/log.h"
#include "base/loop.h"
#include "irq/irqfd.h"
#include "irq/msix.h"
#include "vmm/bus.h"
#include "vmm/virtio/iothread.h"
#include "vmm/vm.h"

#define VIRTIO_VENDOR	   0x1af4
#define VIRTIO_DEVICE_BASE 0x1040
#define MODERN_ONLY_REV	   1
/* 4.1.2.1 wants 0x40 or more. It is QEMU's, since Windows' drivers look for SUBSYS_11001AF4&REV_01. */
#define VIRTIO_SUBSYSTEM   0x1100

#define BAR	       0
#define BAR_SIZE       0x4000u
#define COMMON_OFF     0x0000u
#define ISR_OFF	       0x0400u
#define DEVICE_OFF     0x0800u
#define DEVICE_LEN     0x0100u
#define NOTIFY_OFF     0x1000u
#define NOTIFY_STEP    4u
#define TABLE_OFF      0x2000u
#define PBA_OFF	       0x3000u

static struct virtio_dev *to_virtio(struct pci_dev *pci)
{
	return container_of(pci, struct virtio_dev, pci);
}

/* --- the BAR --- */

static void read_bar(struct virtio_dev *dev, uint64_t off, uint8_t *data, unsigned len)
{
	memset(data, 0, len);
	if (off < ISR_OFF) {
		virtio_common_read(dev, (unsigned)off, data, len);
	} else if (off == ISR_OFF) {
		data[0] = dev->isr; /* reading acknowledges (4.1.4.5) */
		dev->isr = 0;
	} else if (off >= DEVICE_OFF && off + len <= DEVICE_OFF + DEVICE_LEN) {
		if (dev->ops->config_read)
			dev->ops->config_read(dev, (unsigned)(off - DEVICE_OFF), data, len);
	} else if (off >= PBA_OFF) {
		msix_pba_read(dev->msix, off - PBA_OFF, data, len);
	} else if (off >= TABLE_OFF) {
		msix_table_read(dev->msix, off - TABLE_OFF, data, len);
	}
}

static void write_bar(struct virtio_dev *dev, uint64_t off, const uint8_t *data, unsigned len)
{
	if (off < ISR_OFF) {
		virtio_common_write(dev, (unsigned)off, data, len);
	} else if (off >= DEVICE_OFF && off + len <= DEVICE_OFF + DEVICE_LEN) {
		if (dev->ops->config_write)
			dev->ops->config_write(dev, (unsigned)(off - DEVICE_OFF), data, len);
	} else if (off >= NOTIFY_OFF && off < TABLE_OFF) {
		/* One that KVM did not take. */
		unsigned q = (unsigned)(off - NOTIFY_OFF) / NOTIFY_STEP;

		if (q < dev->ops->nqueues)
			(void)eventfd_write(dev->q[q].kick_fd, 1);
	} else if (off >= TABLE_OFF && off < PBA_OFF) {
		msix_table_write(dev->msix, off - TABLE_OFF, data, len);
	}
}

static void bar_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	read_bar(dev, off, data, len);
	iothread_unlock(dev->iothread);
}

static void bar_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	write_bar(dev, off, data, len);
	iothread_unlock(dev->iothread);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

static int bind_kick(struct virtio_dev *dev, unsigned i, bool on)
{
	struct kvm_ioeventfd io = {
		.addr = dev->bar_addr + NOTIFY_OFF + i * NOTIFY_STEP,
		.len = 0, /* of any width: KVM's shortest way */
		.fd = dev->q[i].kick_fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return SIZED_IOCTL(dev->vm->fd, KVM_IOEVENTFD, &io);
}

static void bind_kicks(struct virtio_dev *dev, bool on)
{
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		if (dev->q[i].bound != on && bind_kick(dev, i, on) >= 0)
			dev->q[i].bound = on;
	}
}

static void bar_set(struct pci_dev *pci, unsigned i, bool on, uint64_t addr)
{
	struct virtio_dev *dev = to_virtio(pci);
	struct err err = ERR_INIT;

	(void)i;
	if (!on) {
		bind_kicks(dev, false);
		bus_remove(dev->vm->mmio, addr);
		return;
	}
	if (bus_add(dev->vm->mmio, addr, BAR_SIZE, pci->name, &bar_ops, dev, &err) < 0) {
		log_warn_limited("%s: %s", pci->name, err.text);
		return;
	}
	dev->bar_addr = addr;
	bind_kicks(dev, true);
}

/* --- configuration space --- */

static bool touches(unsigned off, unsigned len, unsigned at, unsigned size)
{
	return off < at + size && at < off + len;
}

/* 4.1.4.9: the BAR through configuration space. */
static bool window(const struct virtio_dev *dev, unsigned *ret_off, unsigned *ret_len)
{
	const uint8_t *cap = dev->pci.config + dev->window_cap;

	*ret_off = get_le32(cap + offsetof(struct virtio_pci_cap, offset));
	*ret_len = get_le32(cap + offsetof(struct virtio_pci_cap, length));
	return cap[offsetof(struct virtio_pci_cap, bar)] == BAR &&
	       (*ret_len == 1 || *ret_len == 2 || *ret_len == 4) && *ret_off % *ret_len == 0 &&
	       *ret_off <= BAR_SIZE - *ret_len;
}

static void cfg_read(struct pci_dev *pci, unsigned off, uint8_t *data, unsigned len)
{
	struct virtio_dev *dev = to_virtio(pci);
	unsigned at = dev->window_cap + sizeof(struct virtio_pci_cap), bar_off, n;
	unsigned flags = dev->pci.caps_end - PCI_CAP_MSIX_SIZEOF + PCI_MSIX_FLAGS;

	iothread_lock(dev->iothread);
	if (touches(off, len, at, 4) && window(dev, &bar_off, &n))
		read_bar(dev, bar_off, pci->config + at, n);
	put_le16(pci->config + flags, msix_control(dev->msix));
	pci_cfg_store_read(pci, off, data, len);
	iothread_unlock(dev->iothread);
}

/*
 * Without it a device may not touch RAM, and Linux relies on that: it switches it off before kexec, and
 * drivers before May 2025 do not reset their devices then. A console goes on all the same, since such a
 * kernel still says a last word there, and waits for ever until that is taken.
 */
static void heed_bus_mastering(struct virtio_dev *dev)
{
	if (get_le16(dev->pci.config + PCI_COMMAND) & PCI_COMMAND_MASTER || !dev->running ||
	    dev->ops->id == VIRTIO_ID_CONSOLE)
		return;
	virtio_stop(dev);
	dev->status &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK; /* it begins again with a driver's */
}

static void cfg_write(struct pci_dev *pci, unsigned off, const uint8_t *data, unsigned len)
{
	struct virtio_dev *dev = to_virtio(pci);
	unsigned at = dev->window_cap + sizeof(struct virtio_pci_cap), bar_off, n;
	unsigned flags = dev->pci.caps_end - PCI_CAP_MSIX_SIZEOF + PCI_MSIX_FLAGS;

	iothread_lock(dev->iothread);
	pci_cfg_store_write(pci, off, data, len);
	if (touches(off, len, PCI_COMMAND, 2))
		heed_bus_mastering(dev);
	if (touches(off, len, at, 4) && window(dev, &bar_off, &n))
		write_bar(dev, bar_off, pci->config + at, n);
	if (touches(off, len, flags, 2))
		msix_set_control(dev->msix, get_le16(pci->config + flags));
	iothread_unlock(dev->iothread);
}

static void power_on(struct pci_dev *pci)
{
	struct virtio_dev *dev = to_virtio(pci);

	iothread_lock(dev->iothread);
	virtio_reset(dev);
	msix_reset(dev->msix);
	virtio_forget_vectors(dev);
	iothread_unlock(dev->iothread);
}

static const struct pci_dev_ops pci_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.bar_set = bar_set,
	.reset = power_on,
};

/* --- setting up --- */

static int add_cap(struct virtio_dev *dev, uint8_t type, uint32_t off, uint32_t len, unsigned size,
		   bool writable)
{
	uint8_t body[32] = { 0 }, mask[32] = { 0 };

	body[offsetof(struct virtio_pci_cap, cap_len) - 2] = (uint8_t)size;
	body[offsetof(struct virtio_pci_cap, cfg_type) - 2] = type;
	body[offsetof(struct virtio_pci_cap, bar) - 2] = BAR;
	put_le32(body + offsetof(struct virtio_pci_cap, offset) - 2, off);
	put_le32(body + offsetof(struct virtio_pci_cap, length) - 2, len);
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		put_le32(body + sizeof(struct virtio_pci_cap) - 2, NOTIFY_STEP);
	if (writable)
		memset(mask + offsetof(struct virtio_pci_cap, bar) - 2, 0xff,
		       size - offsetof(struct virtio_pci_cap, bar));
	return pci_cap_add(&dev->pci, PCI_CAP_ID_VNDR, size, body, mask);
}

static int add_caps(struct virtio_dev *dev)
{
	static const uint8_t msix_mask[] = { 0, (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8 };
	uint8_t msix[PCI_CAP_MSIX_SIZEOF - 2] = { 0 }, mask[sizeof(msix)] = { 0 };
	unsigned size = sizeof(struct virtio_pci_cap);
	int r = add_cap(dev, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFF, VIRTIO_COMMON_LEN, size, false);

	if (r > 0)
		r = add_cap(dev, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFF,
			    dev->ops->nqueues * NOTIFY_STEP, size + 4, false);
	if (r > 0)
		r = add_cap(dev, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFF, 1, size, false);
	if (r > 0 && dev->ops->config_read)
		r = add_cap(dev, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFF, DEVICE_LEN, size, false);
	if (r > 0)
		r = add_cap(dev, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, size + 4, true);
	if (r < 0)
		return r;
	dev->window_cap = (unsigned)r;
	put_le16(msix, (uint16_t)dev->ops->nqueues); /* one more vector than queues, less one */
	put_le32(msix + PCI_MSIX_TABLE - 2, TABLE_OFF | BAR);
	put_le32(msix + PCI_MSIX_PBA - 2, PBA_OFF | BAR);
	memcpy(mask, msix_mask, sizeof(msix_mask));
	r = pci_cap_add(&dev->pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF, msix, mask);
	return r < 0 ? r : 0;
}

static void on_kick(void *opaque, int fd)
{
	struct virtio_dev *dev = opaque;

	if (!irqfd_drain(fd) || !dev->running)
		return;
	for (unsigned i = 0; i < dev->ops->nqueues; i++)
		if (dev->q[i].kick_fd == fd && dev->q[i].ready)
			dev->ops->kick(dev, i);
}

int virtio_hear(struct virtio_dev *dev, unsigned i, bool on)
{
	struct loop *loop = dev->iothread ? iothread_loop(dev->iothread) : dev->vm->loop;
	struct virtq *q = &dev->q[i];
	int r = 0;

	if (q->heard == on)
		return 0;
	if (on)
		r = loop_add(loop, q->kick_fd, on_kick, dev);
	else
		loop_del(loop, q->kick_fd);
	if (r == 0)
		q->heard = on;
	return r;
}

void virtio_kick_again(struct virtio_dev *dev, unsigned q)
{
	(void)eventfd_write(dev->q[q].kick_fd, 1);
}

static int make_queues(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		int fd = irqfd_eventfd(), r = 0;

		if (fd < 0)
			return fd;
		dev->q[i] = (struct virtq){ .size_max = dev->ops->queue_size, .kick_fd = fd };
		if (dev->ops->kick && !dev->ops->some)
			r = virtio_hear(dev, i, true);
		if (r < 0)
			return r;
	}
	return 0;
}

int virtio_add(struct vm *vm, struct virtio_dev *dev, const struct virtio_ops *ops, const char *name,
	       unsigned node, struct err *err)
{
	struct vector_config vectors = {
		.name = dev->msix_name,
		.vm_fd = vm->fd,
		.gsi = vm->gsi,
		.loop = vm->loop,
		.ops = &virtio_vector_ops,
		.opaque = dev,
		.count = ops->nqueues + 1,
	};
	int r;

	dev->vm = vm;
	dev->ops = ops;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		dev->q[i].kick_fd = -1;
	virtio_forget_vectors(dev);
	snprintf(dev->pci.name, sizeof(dev->pci.name), "%s", name);
	snprintf(dev->msix_name, sizeof(dev->msix_name), "%s: MSI-X", dev->pci.name);
	dev->pci.ops = &pci_ops;
	pci_set_ids(&dev->pci, VIRTIO_VENDOR, (uint16_t)(VIRTIO_DEVICE_BASE + ops->id),
		    ops->class_rev | MODERN_ONLY_REV, VIRTIO_VENDOR, VIRTIO_SUBSYSTEM);
	dev->pci.bar[BAR] = (struct pci_bar){ .type = PCI_BAR_MEM32, .size = BAR_SIZE };
	r = add_caps(dev);
	if (r == 0)
		r = make_queues(dev);
	if (r < 0)
		return err_set(err, r, "%s cannot be made", name);
	r = msix_new(&vectors, &dev->msix, err);
	if (r < 0)
		return r;
	virtio_reset(dev);
	return pci_add(vm->pci, &dev->pci, node, false, err);
}

void virtio_remove(struct virtio_dev *dev)
{
	if (!dev->ops)
		return;
	virtio_stop(dev);
	pci_remove(&dev->pci);
	dev->msix = msix_free(dev->msix);
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		(void)virtio_hear(dev, i, false);
		close_fdp(&dev->q[i].kick_fd);
	}
	dev->ops = NULL;
}
