// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost_user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/le.h"
#include "vmm/mem.h"
#include "vmm/virtio/vhost_user_msg.h"

#define BIT(n) (1ull << (n))

/* That one message of SET_MEM_TABLE carries. */
#define TABLE_MAX 8u
#define REGION	  32u /* bytes: guest address, size, our address, offset in the descriptor */
#define RINGS_MAX 1024u

#define PROTOCOL_WANTED                                                      \
	(BIT(VHOST_USER_PROTOCOL_MQ) | BIT(VHOST_USER_PROTOCOL_RARP) |       \
	 BIT(VHOST_USER_PROTOCOL_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_BACKEND_REQ) | \
	 BIT(VHOST_USER_PROTOCOL_CONFIG) | BIT(VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS))

static bool agreed(const struct vhost_user *v, unsigned bit)
{
	return v->protocol >> bit & 1;
}

void vhost_user_close(struct vhost_user *v)
{
	close_fdp(&v->fd);
	close_fdp(&v->requests);
	v->knows_ram = false;
}

/* It is no use any more. */
static int drop(struct vhost_user *v, int r)
{
	if (r < 0)
		vhost_user_close(v);
	return r;
}

/* --- what a message carries --- */

static struct vhost_user_msg empty(enum vhost_user_request request)
{
	return (struct vhost_user_msg){ .request = request };
}

static struct vhost_user_msg number(enum vhost_user_request request, uint64_t value)
{
	struct vhost_user_msg m = { .request = request, .size = 8 };

	put_le64(m.data, value);
	return m;
}

static struct vhost_user_msg ring_state(enum vhost_user_request request, unsigned i, uint32_t value)
{
	struct vhost_user_msg m = { .request = request, .size = 8 };

	put_le32(m.data, i);
	put_le32(m.data + 4, value);
	return m;
}

static struct vhost_user_msg ring_fd(enum vhost_user_request request, unsigned i, int fd)
{
	struct vhost_user_msg m = number(request, i | (fd < 0 ? VHOST_USER_NO_FD : 0));

	m.fds[0] = fd;
	m.nfds = fd >= 0;
	return m;
}

static int tell(struct vhost_user *v, struct vhost_user_msg m)
{
	return vhost_user_send(v, &m, false);
}

/* And it says that it did, where it can. */
static int tell_surely(struct vhost_user *v, struct vhost_user_msg m)
{
	bool ack = agreed(v, VHOST_USER_PROTOCOL_REPLY_ACK);
	int r = vhost_user_send(v, &m, ack);

	if (r < 0 || !ack)
		return r;
	r = vhost_user_receive(v, &m, 8);
	return r < 0 ? r : get_le64(m.data) ? -EIO : 0;
}

static int ask(struct vhost_user *v, enum vhost_user_request request, uint64_t *ret)
{
	struct vhost_user_msg m = empty(request);
	int r = vhost_user_send(v, &m, false);

	if (r == 0)
		r = vhost_user_receive(v, &m, 8);
	if (r == 0)
		*ret = get_le64(m.data);
	return r;
}

/* --- getting to know each other --- */

static int agree(struct vhost_user *v)
{
	uint64_t protocol = 0, n = 0;
	int r = ask(v, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);

	protocol &= PROTOCOL_WANTED;
	if (r == 0)
		r = tell(v, number(VHOST_USER_SET_PROTOCOL_FEATURES, protocol));
	v->protocol = protocol;
	if (r == 0 && agreed(v, VHOST_USER_PROTOCOL_MQ)) {
		r = ask(v, VHOST_USER_GET_QUEUE_NUM, &n);
		v->rings = n > RINGS_MAX ? RINGS_MAX : (unsigned)n;
	}
	if (r == 0 && agreed(v, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS)) {
		r = ask(v, VHOST_USER_GET_MAX_MEM_SLOTS, &n);
		v->slots = n > RINGS_MAX ? RINGS_MAX : (unsigned)n;
	}
	return r;
}

int vhost_user_open(struct vhost_user *v, int fd)
{
	int r;

	*v = (struct vhost_user){ .fd = fd, .requests = -1, .slots = TABLE_MAX };
	vhost_user_patience(v);
	r = tell(v, empty(VHOST_USER_SET_OWNER));
	if (r == 0)
		r = ask(v, VHOST_USER_GET_FEATURES, &v->features);
	/* Without them rings cannot be switched off, and nothing of this is sure. */
	if (r == 0)
		r = v->features & BIT(VHOST_USER_F_PROTOCOL) ? agree(v) : -EPROTO;
	v->features &= ~BIT(VHOST_USER_F_PROTOCOL);
	return drop(v, r);
}

int vhost_user_config(struct vhost_user *v, void *ret, size_t len)
{
	struct vhost_user_msg m = { .request = VHOST_USER_GET_CONFIG, .size = (uint32_t)(12 + len) };
	int r;

	if (!agreed(v, VHOST_USER_PROTOCOL_CONFIG))
		return -EOPNOTSUPP;
	if (v->fd < 0)
		return -EPIPE;
	put_le32(m.data + 4, (uint32_t)len); /* from 0 on */
	r = vhost_user_send(v, &m, false);
	if (r == 0)
		r = vhost_user_receive(v, &m, (uint32_t)(12 + len));
	if (r == 0 && (get_le32(m.data) || get_le32(m.data + 4) != len))
		r = -EPROTO;
	if (r == 0)
		memcpy(ret, m.data + 12, len);
	return drop(v, r);
}

/* --- what it says by itself --- */

int vhost_user_hear(struct vhost_user *v)
{
	struct vhost_user_msg m = { .request = VHOST_USER_SET_BACKEND_REQ_FD, .nfds = 1 };
	_cleanup_close_ int theirs = -1;
	int pair[2];

	if (v->fd < 0)
		return -EPIPE;
	if (!agreed(v, VHOST_USER_PROTOCOL_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return drop(v, -errno);
	v->requests = pair[0];
	theirs = pair[1];
	m.fds[0] = theirs;
	return drop(v, tell_surely(v, m));
}

int vhost_user_heard(struct vhost_user *v)
{
	struct vhost_user_msg m;
	bool need_reply = false, known;
	int r;

	vhost_user_patience(v);
	r = vhost_user_receive_request(v, &m, &need_reply);
	if (r < 0)
		return r;
	known = m.request == VHOST_USER_BACKEND_CONFIG_CHANGE && m.size == 0;
	/* First: it may wait for this before it answers what it is asked then. */
	if (need_reply)
		r = vhost_user_answer_request(v, m.request, !known);
	return r < 0 ? r : known;
}

/* --- RAM --- */

static void put_region(uint8_t *to, uint64_t gpa, uint64_t size, const void *hva, uint64_t offset)
{
	put_le64(to, gpa);
	put_le64(to + 8, size);
	put_le64(to + 16, (uintptr_t)hva);
	put_le64(to + 24, offset);
}

/* The i-th of all, RAM first. -1: it has no descriptor. */
static int region(const struct mem *mem, const struct vhost_user_region *more, unsigned i, uint8_t *to)
{
	const struct mem_bank *bank = mem_bank(mem, i);

	if (bank) {
		put_region(to, bank->gpa, bank->size, bank->hva, bank->fd_offset);
		return bank->fd;
	}
	if (!more)
		return -1;
	put_region(to, more->gpa, more->size, more->hva, 0);
	return more->fd;
}

static int tell_in_one(struct vhost_user *v, const struct mem *mem,
		       const struct vhost_user_region *more, unsigned n)
{
	struct vhost_user_msg m = { .request = VHOST_USER_SET_MEM_TABLE, .size = 8 + n * REGION,
				    .nfds = n };

	put_le32(m.data, n);
	for (unsigned i = 0; i < n; i++) {
		m.fds[i] = region(mem, more, i, m.data + 8 + i * REGION);
		if (m.fds[i] < 0)
			return -EINVAL;
	}
	return tell_surely(v, m);
}

static int tell_one_by_one(struct vhost_user *v, const struct mem *mem,
			   const struct vhost_user_region *more, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		struct vhost_user_msg m = { .request = VHOST_USER_ADD_MEM_REG, .size = 8 + REGION,
					    .nfds = 1 };

		m.fds[0] = region(mem, more, i, m.data + 8);
		r = m.fds[0] < 0 ? -EINVAL : tell_surely(v, m);
	}
	return r;
}

static int tell_ram(struct vhost_user *v, const struct mem *mem, const struct vhost_user_region *more)
{
	unsigned n = mem_bank_count(mem) + (more ? 1 : 0);
	int r = -E2BIG;

	if (v->knows_ram)
		return 0;
	if (n <= TABLE_MAX)
		r = tell_in_one(v, mem, more, n);
	else if (n <= v->slots && agreed(v, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS))
		r = tell_one_by_one(v, mem, more, n);
	v->knows_ram = r == 0;
	return r;
}

int vhost_user_set_up(struct vhost_user *v, uint64_t features, const struct mem *mem,
		      const struct vhost_user_region *more)
{
	int r;

	if (v->fd < 0)
		return -EPIPE;
	r = tell(v, number(VHOST_USER_SET_FEATURES,
			   (features & v->features) | BIT(VHOST_USER_F_PROTOCOL)));
	if (r == 0)
		r = tell_ram(v, mem, more);
	return drop(v, r);
}

/* --- rings --- */

static struct vhost_user_msg ring_addr(unsigned i, const struct vhost_user_ring *ring)
{
	struct vhost_user_msg m = { .request = VHOST_USER_SET_VRING_ADDR, .size = 40 };

	put_le32(m.data, i);
	put_le64(m.data + 8, (uintptr_t)ring->desc);
	put_le64(m.data + 16, (uintptr_t)ring->used);
	put_le64(m.data + 24, (uintptr_t)ring->avail);
	return m;
}

int vhost_user_start_ring(struct vhost_user *v, unsigned i, const struct vhost_user_ring *ring)
{
	int r;

	if (v->fd < 0)
		return -EPIPE;
	r = tell(v, ring_state(VHOST_USER_SET_VRING_NUM, i, ring->size));
	if (r == 0)
		r = tell(v, ring_state(VHOST_USER_SET_VRING_BASE, i, ring->base));
	if (r == 0)
		r = tell(v, ring_addr(i, ring));
	/* Before the kick, with which it runs: it may have something at once. */
	if (r == 0)
		r = tell(v, ring_fd(VHOST_USER_SET_VRING_CALL, i, ring->call));
	if (r == 0)
		r = tell_surely(v, ring_fd(VHOST_USER_SET_VRING_KICK, i, ring->kick));
	return drop(v, r);
}

int vhost_user_enable(struct vhost_user *v, unsigned i, bool on)
{
	if (v->fd < 0)
		return -EPIPE;
	return drop(v, tell_surely(v, ring_state(VHOST_USER_SET_VRING_ENABLE, i, on)));
}

int vhost_user_stop_ring(struct vhost_user *v, unsigned i, uint32_t *ret)
{
	struct vhost_user_msg m = ring_state(VHOST_USER_GET_VRING_BASE, i, 0);
	int r;

	if (v->fd < 0)
		return -EPIPE;
	r = vhost_user_send(v, &m, false);
	if (r == 0)
		r = vhost_user_receive(v, &m, 8);
	if (r == 0 && get_le32(m.data) != i)
		r = -EPROTO;
	if (r == 0 && ret)
		*ret = get_le32(m.data + 4);
	return drop(v, r);
}

int vhost_user_set_call(struct vhost_user *v, unsigned i, int fd)
{
	if (v->fd < 0)
		return -EPIPE;
	vhost_user_patience(v);
	return drop(v, tell(v, ring_fd(VHOST_USER_SET_VRING_CALL, i, fd)));
}

int vhost_user_announce(struct vhost_user *v, const uint8_t mac[6])
{
	struct vhost_user_msg m = number(VHOST_USER_SEND_RARP, 0);

	if (v->fd < 0)
		return -EPIPE;
	if (!agreed(v, VHOST_USER_PROTOCOL_RARP))
		return -EOPNOTSUPP;
	memcpy(m.data, mac, 6);
	vhost_user_patience(v);
	return drop(v, tell(v, m));
}

int vhost_user_listen(const struct vhost_user *v)
{
	char byte;
	ssize_t n = recv(v->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	if (n > 0)
		return -EPROTO;
	if (n == 0)
		return -EPIPE;
	return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
}

int vhost_user_explain(const char *option, int r, unsigned rings, struct err *err)
{
	if (r == -EOPNOTSUPP) {
		err_plain(err, r, "%s: the backend cannot serve this device", option);
		return err_hint(err, "is it one of this kind? It needs virtio 1.0 and %u queues, for a disk "
				     "the protocol's CONFIG, and for packed=on packed rings", rings);
	}
	if (r == -ETIMEDOUT || r == -EPIPE) {
		err_plain(err, r, "%s: the backend %s", option,
			  r == -EPIPE ? "has closed the connection" : "does not answer");
		return err_hint(err, "many serve one client at a time: is another VM connected to it?");
	}
	if (r == -EPROTO)
		return err_plain(err, r, "%s: what listens there does not speak vhost-user", option);
	return err_set(err, r, "%s: the backend cannot be used", option);
}
