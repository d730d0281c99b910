/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio 1.2 device on PCI: what a kind of device gives (struct virtio_ops), and what
 * the transport (pci.c, and what pci_internal.h names) and the rings (queue.c) give it.
 *
 * A device is a struct virtio_dev embedded in its own, a table of what it does, and
 * virtio_add(). Everything runs under vm_lock(); kicks come from the event loop. A device with a thread
 * of its own (iothread.h) has its kicks from there, under that thread's lock alone; whatever else is
 * called has both, and ops are called with both or with that one.
 *
 * References are to the Virtual I/O Device specification 1.2.
 */
#ifndef VMM_VIRTIO_VIRTIO_H
#define VMM_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/range.h"
#include "vmm/pci/pci.h"

#define VIRTIO_QUEUES_MAX     20 /* a console of 8 ports and its own; a network device of 8 pairs has 17 */
#define VIRTIO_QUEUE_SIZE_MAX 1024u /* a power of two */
#define VIRTIO_NO_VECTOR      0xffffu

struct iothread;
struct msix;
struct virtio_dev;
struct vm;

/* One ring. What the guest wrote of it; addresses are checked at each access. */
struct virtq {
	uint16_t size;	 /* at most size_max */
	uint16_t vector; /* VIRTIO_NO_VECTOR: none */
	bool ready;
	gpa_t desc, avail, used; /* by their names in split rings (2.7); 4.1.4.3: descriptor, driver, device */

	uint16_t size_max; /* the device's */
	int kick_fd;	   /* the guest has put something in; also KVM's ioeventfd */
	bool bound;	   /* is one */
	bool heard;	   /* the event loop waits for it */
	/* Of a device that serves the ring itself. */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap; /* of packed rings (2.8.1) */
	uint16_t first_flags;	    /* of those, what publishes the first that was put */
	uint16_t taken;	 /* entries of the ring that were popped and not published yet: at most size */
	uint16_t put;	 /* of these, those that virtq_put() has filled */
	uint32_t untold; /* published since the guest was last asked whether it wants to hear */
};

struct virtio_ops {
	uint16_t id;	    /* device type, 5 */
	uint32_t class_rev; /* PCI class code */
	unsigned nqueues;
	uint16_t queue_size;
	/* The guest put something into queue q, which is ready, of a device that runs. NULL: somebody else hears it. */
	void (*kick)(struct virtio_dev *dev, unsigned q);
	bool some; /* kicks are only those of queues that virtio_hear() was called for */
	/* DRIVER_OK. A failure makes the device need a reset. May be NULL, as all that follow. */
	int (*start)(struct virtio_dev *dev);
	/* Ran, and is to forget it: a reset, or its end. */
	void (*stop)(struct virtio_dev *dev);
	/* Device configuration (0..255), any width. NULL: reads zero and takes nothing. */
	void (*config_read)(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len);
	void (*config_write)(struct virtio_dev *dev, unsigned off, const uint8_t *data, unsigned len);
	/* Who interrupts for queue q of a device that runs, when it is not us, is another now: fd, or -1. */
	void (*call_changed)(struct virtio_dev *dev, unsigned q, int fd);
};

struct virtio_dev {
	struct pci_dev pci;
	struct vm *vm; /* borrowed */
	struct iothread *iothread; /* borrowed; NULL: it has none. Set before virtio_add() */
	const struct virtio_ops *ops;
	uint64_t features; /* offered beside VERSION_1, INDIRECT_DESC and EVENT_IDX; set before virtio_add() */
	uint64_t withheld; /* of these three, what whoever serves its rings lacks */
	char msix_name[64];
	struct msix *msix;
	int vector_fd[VIRTIO_QUEUES_MAX + 1];  /* -1: not wired */
	bool vector_pending[VIRTIO_QUEUES_MAX + 1]; /* raised while it was not */

	uint8_t status, isr, generation;
	uint16_t config_vector;
	uint32_t device_select, driver_select;
	uint64_t driver_features;
	uint16_t queue_select;
	bool running; /* start() was called */
	bool mapped;  /* the BAR is on, at bar_addr */
	uint64_t bar_addr;
	uint32_t window_bar, window_off, window_len; /* of VIRTIO_PCI_CAP_PCI_CFG */
	unsigned window_cap;
	struct virtq q[VIRTIO_QUEUES_MAX];
};

/*
 * Put a device on node's bus, called name. Before pci_assign(). On failure it is as before, and
 * virtio_remove() may be called all the same. -ENOMEM, -EMFILE, of pci_add().
 */
int virtio_add(struct vm *vm, struct virtio_dev *dev, const struct virtio_ops *ops, const char *name,
	       unsigned node, struct err *err);
/* Stops it. Harmless for one that was never added. */
void virtio_remove(struct virtio_dev *dev);

static inline bool virtio_has(const struct virtio_dev *dev, unsigned bit)
{
	return dev->driver_features >> bit & 1;
}

/* Of a device that serves its rings itself and of which nothing was said: features of rings to offer. */
uint64_t virtio_rings_offered(const struct vm *vm);

/* Interrupt: something is in queue q; the configuration changed. */
void virtio_signal(struct virtio_dev *dev, unsigned q);
void virtio_config_changed(struct virtio_dev *dev);

/* The event loop waits for kicks of queue q, or no more. 0 or -errno. */
int virtio_hear(struct virtio_dev *dev, unsigned q, bool on);

/* As if the guest had kicked it: there is more than one is to do at once. */
void virtio_kick_again(struct virtio_dev *dev, unsigned q);

/* Who interrupts for queue q: a descriptor to write to, or -1. */
int virtio_call_fd(const struct virtio_dev *dev, unsigned q);

/* Nothing more happens until the guest resets the device; the same because the guest broke a rule. */
void virtio_needs_reset(struct virtio_dev *dev);
void virtio_broken(struct virtio_dev *dev, const char *what);

/* --- rings (queue.c) --- */

#define VIRTQ_SEGS_MAX 64

struct virtq_seg {
	gpa_t addr;
	uint32_t len;
};

/* By what a chain is given back. */
struct virtq_head {
	uint16_t id;	  /* the guest's name for it */
	uint16_t entries; /* of the ring, that it takes */
};

/* A chain of buffers: what the device reads, then what it writes. */
struct virtq_chain {
	struct virtq_head head;
	bool ends; /* of virtq_ends() */
	unsigned nread, nwrite;
	struct virtq_seg seg[VIRTQ_SEGS_MAX]; /* nread of them, then nwrite */
};

/* Where its three parts are in this process. */
struct virtq_parts {
	const uint8_t *desc, *avail, *used;
};

/* A queue of this size can be. */
bool virtq_size_fits(const struct virtio_dev *dev, unsigned size);

/* 0; -EFAULT: they are not where rings may be, aligned and in RAM. */
int virtq_parts(const struct virtio_dev *dev, unsigned q, struct virtq_parts *ret);

/* Why nobody can serve it, in words; NULL: it is well. */
const char *virtq_fault(const struct virtio_dev *dev, unsigned q);

/* 1: *ret is the next; 0: there is none; -EPROTO: the ring is broken (virtio_broken() was called). */
int virtq_pop(struct virtio_dev *dev, unsigned q, struct virtq_chain *ret);

/* What was popped last comes again. */
void virtq_unpop(struct virtio_dev *dev, unsigned q, const struct virtq_head *head);

/* Give it back with written bytes; the guest hears of it by virtq_flush(). -EPROTO as above. */
int virtq_push(struct virtio_dev *dev, unsigned q, const struct virtq_chain *chain, uint32_t written);
int virtq_give(struct virtio_dev *dev, unsigned q, const struct virtq_head *head, uint32_t written);

/*
 * Several at once, which the guest must not see one by one: each is put, then all are published.
 * -EPROTO as above.
 */
int virtq_put(struct virtio_dev *dev, unsigned q, const struct virtq_head *head, uint32_t written);
int virtq_publish(struct virtio_dev *dev, unsigned q);

/* Interrupt if the guest wants to hear of what was pushed. */
void virtq_flush(struct virtio_dev *dev, unsigned q);

/*
 * For who gives requests on to another and whose device has split rings alone: of the next its head; of the
 * chain with this head the first buffer to read and the first to write, where there are any. As virtq_pop().
 */
int virtq_take(struct virtio_dev *dev, unsigned q, struct virtq_head *ret);
int virtq_ends(struct virtio_dev *dev, unsigned q, const struct virtq_head *head,
	       struct virtq_chain *ret);

/* Bytes of the parts, which may be anything. */
uint64_t virtq_readable(const struct virtq_chain *chain);
uint64_t virtq_writable(const struct virtq_chain *chain);

/* Copy from the device-readable part at off, or to the writable one: bytes copied, or -EFAULT. */
int64_t virtq_read(struct virtio_dev *dev, const struct virtq_chain *chain, uint64_t off, void *buf,
		   uint64_t len);
int64_t virtq_write(struct virtio_dev *dev, const struct virtq_chain *chain, uint64_t off,
		    const void *buf, uint64_t len);

#endif
