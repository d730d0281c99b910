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
#include "vmm/virtio/virtio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

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

#define ISR_QUEUE      1u /* 4.1.4.5 */

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
#define COMMON_LEN     sizeof(struct virtio_pci_common_cfg)
#define COMMON_FEATURES \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

static struct virtio_dev *to_virtio(struct pci_dev *pci)
{
	return container_of(pci, struct virtio_dev, pci);
}

static uint64_t offered(const struct virtio_dev *dev)
{
	return dev->features | (COMMON_FEATURES & ~dev->withheld);
}

uint64_t virtio_rings_offered(const struct vm *vm)
{
	return vm->packed_rings ? 1ull << VIRTIO_F_RING_PACKED : 0;
}

/* --- interrupts --- */

static void raise_vector(struct virtio_dev *dev, uint16_t vector)
{
	if (vector > dev->ops->nqueues || !vectors_enabled(msix_vectors(dev->msix)))
		return;
	if (dev->vector_fd[vector] >= 0)
		(void)eventfd_write(dev->vector_fd[vector], 1);
	else
		dev->vector_pending[vector] = true;
}

void virtio_signal(struct virtio_dev *dev, unsigned q)
{
	dev->isr |= ISR_QUEUE;
	raise_vector(dev, dev->q[q].vector);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	dev->isr |= VIRTIO_PCI_ISR_CONFIG;
	raise_vector(dev, dev->config_vector);
}

int virtio_call_fd(const struct virtio_dev *dev, unsigned q)
{
	uint16_t vector = dev->q[q].vector;

	return vector <= dev->ops->nqueues ? dev->vector_fd[vector] : -1;
}

/* Who interrupts for a queue has another descriptor, or none. */
static void tell_calls(struct virtio_dev *dev)
{
	for (unsigned i = 0; dev->ops->call_changed && dev->running && i < dev->ops->nqueues; i++)
		dev->ops->call_changed(dev, i, virtio_call_fd(dev, i));
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	for (unsigned i = first; i < first + n && i <= dev->ops->nqueues; i++) {
		dev->vector_fd[i] = fds[i - first];
		if (dev->vector_fd[i] >= 0 && dev->vector_pending[i]) {
			dev->vector_pending[i] = false;
			(void)eventfd_write(dev->vector_fd[i], 1);
		}
	}
	tell_calls(dev);
	/* What the kernel or another process signalled while a vector was not wired yet, nobody kept. */
	for (unsigned i = first; i < first + n && i <= dev->ops->nqueues; i++)
		if (dev->ops->call_changed && dev->running && dev->vector_fd[i] >= 0)
			(void)eventfd_write(dev->vector_fd[i], 1);
	iothread_unlock(dev->iothread);
	return 0;
}

static void forget_vectors(struct virtio_dev *dev)
{
	for (unsigned i = 0; i <= VIRTIO_QUEUES_MAX; i++) {
		dev->vector_fd[i] = -1;
		dev->vector_pending[i] = false;
	}
}

/* When this is over no thread writes to them: they are about to be closed. */
static void disable_vectors(void *opaque)
{
	struct virtio_dev *dev = opaque;

	iothread_lock(dev->iothread);
	forget_vectors(dev);
	tell_calls(dev);
	iothread_unlock(dev->iothread);
}

static bool vector_pending(void *opaque, unsigned i)
{
	const struct virtio_dev *dev = opaque;
	bool pending;

	iothread_lock(dev->iothread);
	pending = i <= VIRTIO_QUEUES_MAX && dev->vector_pending[i];
	iothread_unlock(dev->iothread);
	return pending;
}

static const struct vector_ops vector_ops = {
	.set_vectors = set_vectors,
	.disable = disable_vectors,
	.pending = vector_pending,
};

/* --- the life of the device (3.1) --- */

static void stop(struct virtio_dev *dev)
{
	if (dev->running && dev->ops->stop)
		dev->ops->stop(dev);
	dev->running = false;
}

static void reset(struct virtio_dev *dev)
{
	stop(dev);
	dev->status = dev->isr = 0;
	dev->driver_features = 0;
	dev->device_select = dev->driver_select = 0;
	dev->queue_select = 0;
	dev->config_vector = VIRTIO_NO_VECTOR;
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		struct virtq *q = &dev->q[i];

		q->size = q->size_max;
		q->vector = VIRTIO_NO_VECTOR;
		q->ready = false;
		q->desc = q->avail = q->used = 0;
		q->next_avail = q->next_used = 0;
		q->avail_wrap = q->used_wrap = true;
		q->taken = q->put = 0;
		q->untold = 0;
		(void)irqfd_drain(q->kick_fd);
	}
}

void virtio_needs_reset(struct virtio_dev *dev)
{
	stop(dev);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_config_changed(dev);
}

void virtio_broken(struct virtio_dev *dev, const char *what)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_warn_limited("%s: the guest broke its rules: %s", dev->pci.name, what);
	virtio_needs_reset(dev);
}

static bool features_ok(const struct virtio_dev *dev)
{
	return !(dev->driver_features & ~offered(dev)) && virtio_has(dev, VIRTIO_F_VERSION_1);
}

/* What was put in before nobody listened yet. */
static void kick_all(struct virtio_dev *dev)
{
	for (unsigned i = 0; dev->ops->kick && i < dev->ops->nqueues && dev->running; i++)
		if (dev->q[i].ready)
			dev->ops->kick(dev, i);
}

static void start(struct virtio_dev *dev)
{
	int r;

	if (dev->running || !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		const char *fault = dev->q[i].ready ? virtq_fault(dev, i) : NULL;

		if (fault) {
			virtio_broken(dev, fault);
			return;
		}
	}
	dev->running = true;
	r = dev->ops->start ? dev->ops->start(dev) : 0;
	if (r < 0) {
		/* A guest may try again and again. */
		log_warn_limited("%s cannot be started: %s", dev->pci.name, strerror(-r));
		dev->running = false; /* there is nothing to stop */
		virtio_needs_reset(dev);
		return;
	}
	kick_all(dev);
}

/* 2.1: bits are added; zero resets. */
static void write_status(struct virtio_dev *dev, uint8_t value)
{
	if (!value) {
		reset(dev);
		return;
	}
	if (value & VIRTIO_CONFIG_S_FEATURES_OK && !features_ok(dev))
		value &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status |= value & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(dev->status & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET)))
		start(dev);
}

/* --- the common configuration (4.1.4.3) --- */

static const struct virtq no_queue = { .vector = VIRTIO_NO_VECTOR };

static struct virtq *selected(struct virtio_dev *dev)
{
	return dev->queue_select < dev->ops->nqueues ? &dev->q[dev->queue_select] : NULL;
}

static uint32_t features_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void common_image(struct virtio_dev *dev, uint8_t *b)
{
	const struct virtq *q = selected(dev) ? selected(dev) : &no_queue;

	memset(b, 0, COMMON_LEN);
	put_le32(b + VIRTIO_PCI_COMMON_DFSELECT, dev->device_select);
	put_le32(b + VIRTIO_PCI_COMMON_DF, features_word(offered(dev), dev->device_select));
	put_le32(b + VIRTIO_PCI_COMMON_GFSELECT, dev->driver_select);
	put_le32(b + VIRTIO_PCI_COMMON_GF, features_word(dev->driver_features, dev->driver_select));
	put_le16(b + VIRTIO_PCI_COMMON_MSIX, dev->config_vector);
	put_le16(b + VIRTIO_PCI_COMMON_NUMQ, (uint16_t)dev->ops->nqueues);
	b[VIRTIO_PCI_COMMON_STATUS] = dev->status;
	b[VIRTIO_PCI_COMMON_CFGGENERATION] = dev->generation;
	put_le16(b + VIRTIO_PCI_COMMON_Q_SELECT, dev->queue_select);
	put_le16(b + VIRTIO_PCI_COMMON_Q_SIZE, q->size);
	put_le16(b + VIRTIO_PCI_COMMON_Q_MSIX, q->vector);
	put_le16(b + VIRTIO_PCI_COMMON_Q_ENABLE, q->ready);
	put_le16(b + VIRTIO_PCI_COMMON_Q_NOFF, dev->queue_select);
	put_le64(b + VIRTIO_PCI_COMMON_Q_DESCLO, q->desc);
	put_le64(b + VIRTIO_PCI_COMMON_Q_AVAILLO, q->avail);
	put_le64(b + VIRTIO_PCI_COMMON_Q_USEDLO, q->used);
}

static void common_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t image[COMMON_LEN];

	common_image(dev, image);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < COMMON_LEN ? image[off + i] : 0;
}

static void write_features(struct virtio_dev *dev, uint32_t value)
{
	unsigned shift = 32 * dev->driver_select;

	/* 3.1.1: no more of that once they were agreed on. */
	if (dev->driver_select > 1 || dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	dev->driver_features &= ~(0xffffffffull << shift);
	dev->driver_features |= (uint64_t)value << shift;
}

static uint16_t valid_vector(const struct virtio_dev *dev, uint16_t vector)
{
	return vector <= dev->ops->nqueues ? vector : VIRTIO_NO_VECTOR;
}

/* 4.1.5.1.3: what is no address of a ring is found out when it is used. */
static void set_half(gpa_t *addr, unsigned upper, uint32_t value)
{
	*addr &= upper ? 0xffffffffull : ~0xffffffffull;
	*addr |= (uint64_t)value << (upper ? 32 : 0);
}

/* start() looked at those that were there before. */
static void enable_queue(struct virtio_dev *dev, struct virtq *q)
{
	const char *fault;

	q->ready = true;
	fault = dev->running ? virtq_fault(dev, (unsigned)(q - dev->q)) : NULL;
	if (fault)
		virtio_broken(dev, fault);
}

static void write_queue(struct virtio_dev *dev, unsigned off, uint32_t value)
{
	struct virtq *q = selected(dev);

	if (!q)
		return;
	if (off == VIRTIO_PCI_COMMON_Q_MSIX) {
		q->vector = valid_vector(dev, (uint16_t)value);
		tell_calls(dev);
		return;
	}
	if (q->ready) /* nothing else of it changes before a reset */
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (value && value <= q->size_max && virtq_size_fits(dev, value))
			q->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			enable_queue(dev, q);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO: set_half(&q->desc, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_DESCHI: set_half(&q->desc, 1, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO: set_half(&q->avail, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI: set_half(&q->avail, 1, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDLO: set_half(&q->used, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDHI: set_half(&q->used, 1, value); break;
	default: break;
	}
}

static void write_field(struct virtio_dev *dev, unsigned off, uint32_t value)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT: dev->device_select = value; break;
	case VIRTIO_PCI_COMMON_GFSELECT: dev->driver_select = value; break;
	case VIRTIO_PCI_COMMON_GF: write_features(dev, value); break;
	case VIRTIO_PCI_COMMON_MSIX: dev->config_vector = valid_vector(dev, (uint16_t)value); break;
	case VIRTIO_PCI_COMMON_STATUS: write_status(dev, (uint8_t)value); break;
	case VIRTIO_PCI_COMMON_Q_SELECT: dev->queue_select = (uint16_t)value; break;
	default: write_queue(dev, off, value); break;
	}
}

static unsigned width_of(unsigned off)
{
	if (off == VIRTIO_PCI_COMMON_STATUS || off == VIRTIO_PCI_COMMON_CFGGENERATION)
		return 1;
	return (off >= VIRTIO_PCI_COMMON_MSIX && off < VIRTIO_PCI_COMMON_STATUS) ||
			       (off >= VIRTIO_PCI_COMMON_Q_SELECT &&
				off < VIRTIO_PCI_COMMON_Q_DESCLO) ?
		       2 :
		       4;
}

/* 4.1.3.1: each field by its own width, one of 64 bits by its halves or as a whole. */
static void common_write(struct virtio_dev *dev, unsigned off, const uint8_t *data, unsigned len)
{
	if (len == 8 && off >= VIRTIO_PCI_COMMON_Q_DESCLO && off % 8 == 0) {
		write_field(dev, off, get_le32(data));
		write_field(dev, off + 4, get_le32(data + 4));
	} else if (len == width_of(off) && off % len == 0 && off < COMMON_LEN) {
		write_field(dev, off, len == 1 ? data[0] : len == 2 ? get_le16(data) : get_le32(data));
	}
}

/* --- the BAR --- */

static void read_bar(struct virtio_dev *dev, uint64_t off, uint8_t *data, unsigned len)
{
	memset(data, 0, len);
	if (off < ISR_OFF) {
		common_read(dev, (unsigned)off, data, len);
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
		common_write(dev, (unsigned)off, data, len);
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
	stop(dev);
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
	reset(dev);
	msix_reset(dev->msix);
	forget_vectors(dev);
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
	int r = add_cap(dev, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFF, COMMON_LEN, size, false);

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
		.ops = &vector_ops,
		.opaque = dev,
		.count = ops->nqueues + 1,
	};
	int r;

	dev->vm = vm;
	dev->ops = ops;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		dev->q[i].kick_fd = -1;
	forget_vectors(dev);
	snprintf(dev->pci.name, sizeof(dev->pci.name), "%s", name);
	snprintf(dev->msix_name, sizeof(dev->msix_name), "%s: MSI-X", dev->pci.name);
	dev->pci.ops = &pci_ops;
	pci_set_ids(&dev->pci, VIRTIO_VENDOR, (uint16_t)(VIRTIO_DEVICE_BASE + ops->id),
		    ops->class_rev | MODERN_ONLY_REV, VIRTIO_VENDOR, ops->id);
	dev->pci.bar[BAR] = (struct pci_bar){ .type = PCI_BAR_MEM32, .size = BAR_SIZE };
	r = add_caps(dev);
	if (r == 0)
		r = make_queues(dev);
	if (r < 0)
		return err_set(err, r, "%s cannot be made", name);
	r = msix_new(&vectors, &dev->msix, err);
	if (r < 0)
		return r;
	reset(dev);
	return pci_add(vm->pci, &dev->pci, node, false, err);
}

void virtio_remove(struct virtio_dev *dev)
{
	if (!dev->ops)
		return;
	stop(dev);
	pci_remove(&dev->pci);
	dev->msix = msix_free(dev->msix);
	for (unsigned i = 0; i < dev->ops->nqueues; i++) {
		(void)virtio_hear(dev, i, false);
		close_fdp(&dev->q[i].kick_fd);
	}
	dev->ops = NULL;
}
