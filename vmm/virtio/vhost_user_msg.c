// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost_user_msg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/le.h"
#include "vmm/virtio/vhost_user.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void vhost_user_patience(struct vhost_user *v)
{
	v->deadline_ms = now_ms() + VHOST_USER_PATIENCE_MS;
}

/* Until the socket can be read or written to, but not for ever. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = now_ms();
	int n;

	if (now >= deadline_ms)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)(deadline_ms - now));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

static int gone(int code)
{
	return code == ECONNRESET || code == EPIPE ? -EPIPE : -code;
}

static int send_all(int fd, struct msghdr *msg, size_t len, uint64_t deadline_ms)
{
	struct iovec *iov = msg->msg_iov;

	while (len) {
		ssize_t n = sendmsg(fd, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return gone(errno);
		if (n < 0) {
			r = wait_for(fd, POLLOUT, deadline_ms);
			if (r < 0)
				return r;
			continue;
		}
		/* The descriptors went with the first byte. */
		msg->msg_control = NULL;
		msg->msg_controllen = 0;
		iov->iov_base = (uint8_t *)iov->iov_base + n;
		iov->iov_len -= (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int vhost_user_send(struct vhost_user *v, const struct vhost_user_msg *m, bool need_reply)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
	} control = { 0 };
	uint8_t bytes[VHOST_USER_HEADER + VHOST_USER_PAYLOAD_MAX];
	struct iovec iov = { bytes, VHOST_USER_HEADER + m->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t fds = sizeof(int) * m->nfds;

	put_le32(bytes, m->request);
	put_le32(bytes + 4, VHOST_USER_VERSION | (need_reply ? VHOST_USER_NEED_REPLY : 0));
	put_le32(bytes + 8, m->size);
	memcpy(bytes + VHOST_USER_HEADER, m->data, m->size);
	if (m->nfds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fds);
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(fds) };
		memcpy(CMSG_DATA(&control.align), m->fds, fds);
	}
	return send_all(v->fd, &msg, iov.iov_len, v->deadline_ms);
}

/* Nothing that we ask for brings any. */
static void close_received(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			close(fd);
		}
	}
}

static int receive_all(int fd, uint8_t *to, size_t len, uint64_t deadline_ms)
{
	while (len) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
		} control;
		struct iovec iov = { to, len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int r;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return gone(errno);
		if (n == 0)
			return -EPIPE;
		if (n < 0) {
			r = wait_for(fd, POLLIN, deadline_ms);
			if (r < 0)
				return r;
			continue;
		}
		close_received(&msg);
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

int vhost_user_receive(struct vhost_user *v, struct vhost_user_msg *m, uint32_t size)
{
	uint8_t head[VHOST_USER_HEADER];
	int r = receive_all(v->fd, head, sizeof(head), v->deadline_ms);

	if (r < 0)
		return r;
	if (get_le32(head) != m->request ||
	    (get_le32(head + 4) & 7) != (VHOST_USER_VERSION | VHOST_USER_REPLY) ||
	    get_le32(head + 8) != size)
		return -EPROTO;
	r = receive_all(v->fd, m->data, size, v->deadline_ms);
	if (r == 0)
		m->size = size;
	return r;
}

int vhost_user_receive_request(const struct vhost_user *v, struct vhost_user_msg *ret, bool *ret_need_reply)
{
	uint8_t head[VHOST_USER_HEADER];
	int r = receive_all(v->requests, head, sizeof(head), v->deadline_ms);

	if (r < 0)
		return r;
	if ((get_le32(head + 4) & 7) != VHOST_USER_VERSION || get_le32(head + 8) > VHOST_USER_PAYLOAD_MAX)
		return -EPROTO;
	*ret = (struct vhost_user_msg){ .request = get_le32(head), .size = get_le32(head + 8) };
	*ret_need_reply = get_le32(head + 4) & VHOST_USER_NEED_REPLY;
	return receive_all(v->requests, ret->data, ret->size, v->deadline_ms);
}

int vhost_user_answer_request(const struct vhost_user *v, uint32_t request, uint64_t value)
{
	uint8_t bytes[VHOST_USER_HEADER + 8];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	put_le32(bytes, request);
	put_le32(bytes + 4, VHOST_USER_VERSION | VHOST_USER_REPLY);
	put_le32(bytes + 8, 8);
	put_le64(bytes + VHOST_USER_HEADER, value);
	return send_all(v->requests, &msg, sizeof(bytes), v->deadline_ms);
}
