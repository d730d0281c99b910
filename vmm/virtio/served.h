/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device that a process of the host serves (vhost-user), by way of rings of ours (relay.h). The
 * process may end and another may come: what the guest has asked for meanwhile waits, or is answered
 * here, as the kind of device wants it.
 */
#ifndef VMM_VIRTIO_SERVED_H
#define VMM_VIRTIO_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/virtio/relay.h"
#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

struct served;

struct served_kind {
	const char *option; /* that it came by, for messages */
	uint64_t features;  /* of such devices: what a guest may have of the backend's */
	/* One is there, or says that it has changed: what it says of itself. 0 or -errno; NULL: nothing, as in all that follow. */
	int (*met)(struct served *s);
	/* A driver begins. */
	void (*begun)(struct served *s);
	/* Of a request of the guest's: it was answered here. */
	bool (*answers)(struct served *s, unsigned q, const struct virtq_head *head);
	/* Who served is gone. */
	void (*lost)(struct served *s);
};

struct served {
	struct virtio_dev dev;
	struct virtio_ops ops; /* of so many queues */
	const struct served_kind *kind;
	enum vm_backend_device what;
	unsigned index;
	struct vhost_user vu;
	struct relay relay;
	int socket, requests; /* vu's, while the loop waits for them; else -1 */
	bool there;
	bool stopping;
};

/*
 * ops of the device, but for kick, start and stop, which are ours; fd is taken, also on failure. Before
 * pci_assign(). err is set.
 */
int served_add(struct served *s, struct vm *vm, const struct served_kind *kind,
	       const struct virtio_ops *ops, int fd, const char *name, struct err *err);
void served_remove(struct served *s); /* harmless for one that was never added */

/* Another one serves it from now on; fd is taken. */
void served_return(struct served *s, int fd);

/* What it says of itself now. 0, -EPIPE: nobody serves it; -errno. */
int served_ask_again(struct served *s);

#endif
