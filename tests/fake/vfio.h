/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VFIO device in a test: a memfd with the regions in it (pread, pwrite and mmap
 * are the kernel's own), and handlers for the device's ioctls. It keeps the
 * kernel's rules of SET_IRQS and counts who breaks ours.
 */
#ifndef TESTS_FAKE_VFIO_H
#define TESTS_FAKE_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_VFIO_REGIONS 9
#define FAKE_VFIO_IRQS    5
#define FAKE_VFIO_VECTORS 4096

/* A function that a hot reset hits. */
struct fake_vfio_hit {
	unsigned group;
	uint8_t bus, devfn;
};

struct fake_vfio {
	int fd;
	uint32_t flags; /* of VFIO_DEVICE_GET_INFO */
	struct {
		uint64_t size;
		uint32_t flags;
		const void
			*caps; /* appended to the answer; offsets count from the answer's start */
		size_t caps_size;
		uint32_t first; /* the chain's start; 0: right behind the fixed part */
	} region[FAKE_VFIO_REGIONS];
	struct {
		uint32_t count, flags;
	} irq[FAKE_VFIO_IRQS];

	/* MSI-X and MSI as the kernel holds them. */
	int mode;         /* index of the kind that is enabled, -1: none */
	unsigned granted; /* vectors the first enable took */
	int trigger[FAKE_VFIO_VECTORS];
	bool hw_pending[FAKE_VFIO_VECTORS]; /* raised while no host vector was there */
	unsigned host_limit;                /* vectors the host can give; 0: no limit */
	bool host_is_mute;                  /* short of them it says -ENOSPC, not how many */
	int unmask_fd, err_fd, req_fd;
	/* Who signals an eventfd: fake_kvm_signal() or NULL for a plain write. */
	void (*signal)(void *opaque, int fd);
	void *signal_opaque;

	unsigned set_irqs, set_irqs_largest; /* requests, and the vectors of the largest */
	unsigned host_vectors, over_live, resets, hot_resets, unmasks;
	const struct fake_vfio_hit *affected; /* by a hot reset; NULL: there is none */
	unsigned naffected;
	unsigned hot_reset_fds; /* groups that came with the last one */
	int fail_reset, fail_hot_reset;
	void (*on_reset)(struct fake_vfio *dev); /* what a reset, of either kind, makes of it */
	int fail; /* the next SET_IRQS answers this once */
};

/* Offset of region i in the descriptor, as the kernel has it. */
#define FAKE_VFIO_OFFSET(i) ((uint64_t)(i) << 40)

/* All regions empty and a config space of 4096 bytes; the caller fills in. -errno or 0. */
int fake_vfio_new(struct fake_vfio *dev);
void fake_vfio_free(struct fake_vfio *dev);

/* Another descriptor of it, as VFIO_GROUP_GET_DEVICE_FD gives; the caller closes it. */
int fake_vfio_open(struct fake_vfio *dev);

/* Give the device a region backed by memory. */
void fake_vfio_region(struct fake_vfio *dev, unsigned i, uint64_t size, uint32_t flags);

void fake_vfio_poke(struct fake_vfio *dev, unsigned region, uint64_t off, const void *buf,
		    size_t len);
void fake_vfio_peek(struct fake_vfio *dev, unsigned region, uint64_t off, void *buf, size_t len);

/* The device raises vector v: its eventfd is signalled, or it stays pending in the hardware. */
void fake_vfio_fire(struct fake_vfio *dev, unsigned v);

#endif
