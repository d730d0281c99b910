/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message-signalled vectors between whoever raises them (VFIO, or a device of our
 * own) and the guest: one eventfd each, and the path its signals take. MSI-X and
 * MSI put their registers in front of it. docs/interrupts.md tells the life of a
 * vector.
 *
 * Everything runs under the VM's device lock.
 */
#ifndef IRQ_VECTORS_H
#define IRQ_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

struct gsi;
struct loop;
struct vectors;

/* The device's side. opaque is the device's. */
struct vector_ops {
	/*
	 * Vectors first..first+n-1 signal fds[i] from now on; -1: nobody. The first call
	 * after disable() puts the device into this mode. 0; -errno (-ENOSPC: the host has not
	 * as many vectors); or above 0, nothing done either: it has only so many.
	 */
	int (*set_vectors)(void *opaque, unsigned first, unsigned n, const int *fds);
	/* No vector signals any more, and the device leaves this mode. */
	void (*disable)(void *opaque);
	/*
	 * Whether vector i, which signals nobody yet, is pending in the device. May be NULL:
	 * then the guest sees it pending from its first unmask on only.
	 */
	bool (*pending)(void *opaque, unsigned i);
};

struct vector_config {
	const char *name; /* of the device and kind, for messages; borrowed, as everything here */
	int vm_fd;
	struct gsi *gsi;
	struct loop *loop;
	const struct vector_ops *ops;
	void *opaque;
	unsigned count; /* vectors the device has, at least 1 */
	bool noresize;  /* vectors cannot be added once enabled: all at once */
};

/* Disabled. -EINVAL, -ENOMEM, -EMFILE; silent. */
int vectors_new(const struct vector_config *config, struct vectors **ret);

/* Disables first. NULL is fine. */
struct vectors *vectors_free(struct vectors *vs);

unsigned vectors_count(const struct vectors *vs);
bool vectors_enabled(const struct vectors *vs);

/*
 * Put the device into this mode, with room for n vectors if it cannot be resized.
 * Vectors become live by vectors_update() or vectors_update_all().
 */
void vectors_enable(struct vectors *vs, unsigned n);

/* All vectors off; eventfds, routes and what was pending in them go. */
void vectors_disable(struct vectors *vs);

/*
 * What vector i says to the guest. One that is live on an old message goes over
 * to the new one by vectors_update().
 */
void vectors_set_message(struct vectors *vs, unsigned i, uint64_t address, uint32_t data);

/* Whether the guest wants to hear of vector i; acts by one of the updates. */
void vectors_want(struct vectors *vs, unsigned i, bool live);

/*
 * Make vector i what is wanted. Live at once: by irqfd when KVM has its route from
 * before, else from userspace, until a timer settles all such by one commit.
 */
void vectors_update(struct vectors *vs, unsigned i);

/* The same for all, by one commit. */
void vectors_update_all(struct vectors *vs);

/*
 * Signalled while the guest did not want to hear: its pending bit. Of one that the device does not
 * raise yet the device is asked, by a slow read.
 */
bool vectors_pending(const struct vectors *vs, unsigned i);

/* What the timer does: an irqfd for each vector still served from userspace. */
void vectors_settle(struct vectors *vs);

/*
 * Tie each irqfd anew, so that KVM tells its tracers what it makes of it. Nothing is lost, and no
 * route changes.
 */
void vectors_reattach(struct vectors *vs);

/* Who takes a vector's signals to the guest. */
enum vector_path {
	VECTOR_OFF,   /* nobody: masked, or the mode is off */
	VECTOR_USER,  /* the event loop */
	VECTOR_IRQFD, /* KVM, by the vector's route */
};

/* Without its pending bit, which may have to be read from the device: vectors_pending(). */
struct vector_info {
	uint64_t address; /* its message */
	uint32_t data;
	uint32_t gsi; /* of its route; 0: none */
	enum vector_path path;
	bool wanted;  /* the guest does not mask it */
	bool wired;   /* the device raises it */
	uint64_t relayed; /* delivered by the event loop, since it was last enabled */
};
void vectors_info(const struct vectors *vs, unsigned i, struct vector_info *ret);

struct vector_stats {
	unsigned live;     /* wanted by the guest now */
	unsigned irqfds;   /* of them in the kernel's hands */
	unsigned user;     /* of them served by our event loop */
	unsigned wired;    /* vectors the device raises: the high-water mark */
	uint64_t relayed;  /* interrupts delivered from userspace, ever */
	uint64_t failures; /* requests the kernel refused, ever */
};
void vectors_stats(const struct vectors *vs, struct vector_stats *ret);

#endif
