/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One message of vhost-user, for vmm/virtio/vhost_user.c and its tests. */
#ifndef VMM_VIRTIO_VHOST_USER_MSG_H
#define VMM_VIRTIO_VHOST_USER_MSG_H

#include <stdbool.h>
#include <stdint.h>

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SEND_RARP = 19,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
};

/* What it says by itself, at a socket of its own. */
#define VHOST_USER_BACKEND_CONFIG_CHANGE 2

#define VHOST_USER_HEADER      12 /* request, flags, bytes that follow */
#define VHOST_USER_VERSION     1u
#define VHOST_USER_REPLY       4u
#define VHOST_USER_NEED_REPLY  8u
#define VHOST_USER_PAYLOAD_MAX 320
#define VHOST_USER_FDS_MAX     8
#define VHOST_USER_NO_FD       0x100u /* in a ring's number */

/* Of features: there are those of the protocol. */
#define VHOST_USER_F_PROTOCOL 30

struct vhost_user_msg {
	uint32_t request;
	uint32_t size;
	uint8_t data[VHOST_USER_PAYLOAD_MAX];
	int fds[VHOST_USER_FDS_MAX]; /* borrowed */
	unsigned nfds;
};

struct vhost_user;

/* 0, -EPIPE, -ETIMEDOUT, -EPROTO, -errno; the connection stays as it is. */
int vhost_user_send(struct vhost_user *v, const struct vhost_user_msg *msg, bool need_reply);
/* What comes is a reply to msg with `size` bytes, put into its data; descriptors with it are closed. */
int vhost_user_receive(struct vhost_user *v, struct vhost_user_msg *msg, uint32_t size);

/* What it says by itself, from v's other socket; descriptors with it are closed. 0 or as above. */
int vhost_user_receive_request(const struct vhost_user *v, struct vhost_user_msg *ret, bool *ret_need_reply);
int vhost_user_answer_request(const struct vhost_user *v, uint32_t request, uint64_t value);

#endif
