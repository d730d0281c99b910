/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process of the host serves a device's rings (vhost-user): it is told of guest RAM, of the rings and
 * of the two eventfds of each over a socket, and maps the RAM itself.
 *
 * It may say anything, late or never: each message is checked, and all that is asked after
 * vhost_user_patience() has VHOST_USER_PATIENCE_MS together. A call that failed has closed the
 * connection, but for what is said otherwise.
 *
 * After "Vhost-user Protocol" of QEMU's documentation.
 */
#ifndef VMM_VIRTIO_VHOST_USER_H
#define VMM_VIRTIO_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct mem;

#define VHOST_USER_PATIENCE_MS 5000

/* Bits of the protocol's features. */
#define VHOST_USER_PROTOCOL_MQ		        0
#define VHOST_USER_PROTOCOL_RARP	        2
#define VHOST_USER_PROTOCOL_REPLY_ACK	        3
#define VHOST_USER_PROTOCOL_BACKEND_REQ	        5
#define VHOST_USER_PROTOCOL_CONFIG	        9
#define VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS 15

struct vhost_user {
	int fd; /* owned; -1: nobody is there */
	int requests; /* owned: by which it speaks unasked, see vhost_user_hear(); -1: it does not */
	uint64_t features; /* that it has, as virtio has them */
	uint64_t protocol; /* agreed on, as bits */
	unsigned rings;	   /* that it serves, at most; 0: it does not say */
	unsigned slots;	   /* pieces of RAM that it takes */
	bool knows_ram;
	uint64_t deadline_ms; /* of the call under way */
};

#define VHOST_USER_INIT { .fd = -1, .requests = -1 }

/*
 * Of a packed ring that is new. There both sides' next entries make a base: 15 bits of the available one
 * and its wrap counter, then the same of the used one.
 */
#define VHOST_USER_PACKED_BASE 0x80008000u

/* Memory that is not guest RAM, where rings of ours lie. */
struct vhost_user_region {
	uint64_t gpa, size; /* where no guest has anything */
	void *hva;
	int fd;
};

struct vhost_user_ring {
	uint16_t size;
	uint32_t base; /* where it begins: in the available ring, or as VHOST_USER_PACKED_BASE has it */
	const void *desc, *avail, *used; /* in RAM, or the region */
	int kick, call; /* call -1: nobody is interrupted */
};

/* The time for all that follows begins; vhost_user_open() and vhost_user_set_call() do so, too. */
void vhost_user_patience(struct vhost_user *v);

/*
 * Take the socket (also on failure, then closed), and get to know each other. -EPIPE: it went;
 * -ETIMEDOUT; -EPROTO: what it says is not the protocol.
 */
int vhost_user_open(struct vhost_user *v, int fd);
void vhost_user_close(struct vhost_user *v); /* harmless for one that is closed */

/* len bytes, 256 at most, of the device's configuration. -EOPNOTSUPP: it has none, and stays. */
int vhost_user_config(struct vhost_user *v, void *ret, size_t len);

/*
 * It is to say by itself when its configuration has changed; one that cannot stays as it is, without
 * `requests`. Those that have it are to be listened to.
 */
int vhost_user_hear(struct vhost_user *v);
/*
 * Of `requests` that can be read, one: 1, the configuration has changed; 0, it was nothing that concerns
 * us. -EPIPE: no more will come; -EPROTO, -ETIMEDOUT. Closes nothing.
 */
int vhost_user_heard(struct vhost_user *v);

/*
 * What virtio driver and device agreed on, and guest RAM with `more` (NULL: none), once for each
 * connection. -E2BIG: it takes less pieces than there are; -EINVAL: RAM is private.
 */
int vhost_user_set_up(struct vhost_user *v, uint64_t features, const struct mem *mem,
		      const struct vhost_user_region *more);

/* All that is known of ring i, which then runs; enabled as vhost_user_enable() says. */
int vhost_user_start_ring(struct vhost_user *v, unsigned i, const struct vhost_user_ring *ring);
/* What is taken from it, and put into it. */
int vhost_user_enable(struct vhost_user *v, unsigned i, bool on);
/* It takes no more of it. *ret, where not NULL: where it has come to. */
int vhost_user_stop_ring(struct vhost_user *v, unsigned i, uint32_t *ret);
/* Who hears of ring i; -1: nobody. */
int vhost_user_set_call(struct vhost_user *v, unsigned i, int fd);

/*
 * The network behind it is to be told by a RARP frame that mac is here. -EOPNOTSUPP: it knows no such
 * message, and stays.
 */
int vhost_user_announce(struct vhost_user *v, const uint8_t mac[6]);

/*
 * Of a socket that can be read while nothing was asked: 0, nothing is to be read; -EPIPE: it went;
 * -EPROTO: it spoke. Closes nothing.
 */
int vhost_user_listen(const struct vhost_user *v);

/* Why one cannot be had, by the option that asked for it: r is of vhost_user_open(), or -EOPNOTSUPP. */
int vhost_user_explain(const char *option, int r, unsigned rings, struct err *err);

#endif
