// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/backend.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/virtio_config.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/vhost_user_msg.h"

struct message {
	uint32_t request, flags, size;
	uint8_t data[512];
	int fds[16];
	unsigned nfds;
};

/* O owner, f F features, p P protocol, q queues, s slots, c config, M table, R a region; of a ring: n number, b
 * base, a address, k kick, i call (who is interrupted), e E enabled (no, yes), g where it has come to; r RARP,
 * h where he is heard. */
static char letter(const struct message *m)
{
	switch (m->request) {
	case VHOST_USER_SET_OWNER: return 'O';
	case VHOST_USER_GET_FEATURES: return 'f';
	case VHOST_USER_SET_FEATURES: return 'F';
	case VHOST_USER_GET_PROTOCOL_FEATURES: return 'p';
	case VHOST_USER_SET_PROTOCOL_FEATURES: return 'P';
	case VHOST_USER_GET_QUEUE_NUM: return 'q';
	case VHOST_USER_GET_MAX_MEM_SLOTS: return 's';
	case VHOST_USER_GET_CONFIG: return 'c';
	case VHOST_USER_SEND_RARP: return 'r';
	case VHOST_USER_SET_BACKEND_REQ_FD: return 'h';
	case VHOST_USER_SET_MEM_TABLE: return 'M';
	case VHOST_USER_ADD_MEM_REG: return 'R';
	case VHOST_USER_SET_VRING_NUM: return 'n';
	case VHOST_USER_SET_VRING_BASE: return 'b';
	case VHOST_USER_SET_VRING_ADDR: return 'a';
	case VHOST_USER_SET_VRING_KICK: return 'k';
	case VHOST_USER_SET_VRING_CALL: return 'i';
	case VHOST_USER_SET_VRING_ENABLE: return get_le32(m->data + 4) ? 'E' : 'e';
	case VHOST_USER_GET_VRING_BASE: return 'g';
	default: return '?';
	}
}

/* --- messages --- */

static bool read_all(int fd, void *to, size_t len, struct message *m)
{
	uint8_t *at = to;

	while (len) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int) * 16)];
		} control;
		struct iovec iov = { at, len };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		if (n <= 0)
			return false;
		if (c) {
			m->nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(m->fds, CMSG_DATA(c), m->nfds * sizeof(int));
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_message(int fd, struct message *m)
{
	uint8_t head[12];

	*m = (struct message){ 0 };
	if (!read_all(fd, head, sizeof(head), m))
		return false;
	m->request = get_le32(head);
	m->flags = get_le32(head + 4);
	m->size = get_le32(head + 8);
	return m->size <= sizeof(m->data) && read_all(fd, m->data, m->size, m);
}

static void put_bytes(const struct fake_backend *b, const uint8_t *bytes, size_t len, bool in_pieces)
{
	while (len) {
		ssize_t n = send(b->fd, bytes, in_pieces ? 1 : len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static void put_with_fd(const struct fake_backend *b, uint8_t *bytes, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
						 .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &b->fd, sizeof(int));
	(void)!sendmsg(b->fd, &msg, MSG_NOSIGNAL);
}

/* False: he is to go. */
static bool reply(const struct fake_backend *b, const struct message *m, const void *data, uint32_t len,
		  enum fb_fault fault)
{
	uint8_t bytes[1024] = { 0 };
	uint32_t said = fault == FB_SHORT ? len - 1 : fault == FB_LONG ? len + 1 :
			fault == FB_HUGE ? 1u << 31 : len;

	put_le32(bytes, m->request + (fault == FB_OTHER_REQUEST));
	put_le32(bytes + 4, (fault == FB_OTHER_VERSION ? 2u : 1u) |
			    (fault == FB_NO_REPLY_FLAG ? 0 : VHOST_USER_REPLY));
	put_le32(bytes + 8, said);
	memcpy(bytes + 12, data, len);
	if (fault == FB_REFUSES)
		bytes[12] = 1;
	switch (fault) {
	case FB_VANISHES: return false;
	case FB_MUTE: return true;
	case FB_BREAKS_OFF: put_bytes(b, bytes, 7, false); return false;
	case FB_BRINGS_FD: put_with_fd(b, bytes, 12 + len); return true;
	default: put_bytes(b, bytes, 12 + (said < 512 ? said : 512), fault == FB_IN_PIECES); return true;
	}
}

static bool reply_number(const struct fake_backend *b, const struct message *m, uint64_t n,
			 enum fb_fault fault)
{
	uint8_t data[8];

	put_le64(data, n);
	return reply(b, m, data, 8, fault);
}

/* --- what they say --- */

static void map_region(struct fake_backend *b, const uint8_t *from, int fd)
{
	unsigned i = b->nregions;
	uint64_t size = get_le64(from + 8);
	void *map;

	if (i == FB_REGIONS)
		return;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)get_le64(from + 24));
	close(fd);
	if (map == MAP_FAILED)
		return;
	b->region[i].gpa = get_le64(from);
	b->region[i].size = size;
	b->region[i].hva = get_le64(from + 16);
	b->region[i].map = map;
	b->nregions++;
}

static void take_table(struct fake_backend *b, const struct message *m)
{
	unsigned n = get_le32(m->data);

	for (unsigned i = 0; i < n && i < m->nfds; i++)
		map_region(b, m->data + 8 + i * 32, m->fds[i]);
}

static void take_fd(int *to, const struct message *m)
{
	close_fdp(to);
	*to = m->nfds == 1 ? m->fds[0] : -1;
}

static void about_ring(struct fake_backend *b, const struct message *m)
{
	struct fb_ring *r = &b->ring[get_le32(m->data) % FB_RINGS];

	switch (m->request) {
	case VHOST_USER_SET_VRING_NUM: r->size = get_le32(m->data + 4); break;
	case VHOST_USER_SET_VRING_BASE:
		r->base = get_le32(m->data + 4);
		r->next_avail = r->next_used = (uint16_t)r->base;
		break;
	case VHOST_USER_SET_VRING_ADDR:
		r->desc = get_le64(m->data + 8);
		r->used = get_le64(m->data + 16);
		r->avail = get_le64(m->data + 24);
		break;
	case VHOST_USER_SET_VRING_KICK:
		take_fd(&r->kick, m);
		r->told = r->runs = true;
		break;
	case VHOST_USER_SET_VRING_CALL: take_fd(&r->call, m); break;
	case VHOST_USER_SET_VRING_ENABLE: r->enabled = get_le32(m->data + 4); break;
	default: break;
	}
}

/* Packed rings he does not serve: he is where he was told to begin. */
static uint32_t where_is(const struct fb_ring *r)
{
	return r->base > UINT16_MAX ? r->base : r->next_avail;
}

static bool answer(struct fake_backend *b, const struct message *m, enum fb_fault fault)
{
	uint8_t data[12 + 256] = { 0 };
	uint32_t len;

	switch (m->request) {
	case VHOST_USER_GET_FEATURES: return reply_number(b, m, b->features, fault);
	case VHOST_USER_GET_PROTOCOL_FEATURES: return reply_number(b, m, b->protocol, fault);
	case VHOST_USER_GET_QUEUE_NUM: return reply_number(b, m, b->queues, fault);
	case VHOST_USER_GET_MAX_MEM_SLOTS: return reply_number(b, m, b->slots, fault);
	case VHOST_USER_GET_CONFIG:
		len = get_le32(m->data + 4) <= 256 ? get_le32(m->data + 4) : 256;
		memcpy(data, m->data, 12);
		memcpy(data + 12, b->config, len);
		return reply(b, m, data, 12 + len, fault);
	case VHOST_USER_GET_VRING_BASE:
		memcpy(data, m->data, 4);
		put_le32(data + 4, where_is(&b->ring[get_le32(m->data) % FB_RINGS]));
		b->ring[get_le32(m->data) % FB_RINGS].runs = false;
		return reply(b, m, data, 8, fault);
	case VHOST_USER_SET_FEATURES: b->got_features = get_le64(m->data); break;
	case VHOST_USER_SET_PROTOCOL_FEATURES: b->got_protocol = get_le64(m->data); break;
	case VHOST_USER_SET_MEM_TABLE: take_table(b, m); break;
	case VHOST_USER_SEND_RARP: memcpy(b->announced, m->data, sizeof(b->announced)); break;
	case VHOST_USER_SET_BACKEND_REQ_FD: take_fd(&b->requests, m); break;
	case VHOST_USER_ADD_MEM_REG: map_region(b, m->data + 8, m->fds[0]); break;
	default: about_ring(b, m); break;
	}
	if (m->flags & VHOST_USER_NEED_REPLY)
		return reply_number(b, m, 0, fault);
	return fault != FB_VANISHES && fault != FB_BREAKS_OFF;
}

static void *serve(void *opaque)
{
	struct fake_backend *b = opaque;
	bool on = true;

	while (on) {
		struct pollfd p = { .fd = b->fd, .events = POLLIN };
		enum fb_fault fault = FB_FINE;
		struct message m;

		(void)ppoll(&p, 1, NULL, NULL); /* poll() may be a test's own */
		pthread_mutex_lock(&b->lock);
		on = read_message(b->fd, &m);
		b->gone |= !on;
		if (on) {
			if (b->messages < sizeof(b->order) - 1)
				b->order[b->messages] = letter(&m);
			if (b->fault_at ? m.request == b->fault_at : b->messages >= b->fault_after)
				fault = b->fault;
			b->messages++;
			on = answer(b, &m, fault);
		}
		pthread_mutex_unlock(&b->lock);
	}
	shutdown(b->fd, SHUT_RDWR);
	return NULL;
}

/* --- for tests --- */

void fb_init(struct fake_backend *b)
{
	*b = (struct fake_backend){
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_USER_F_PROTOCOL,
		.protocol = ~0ull,
		.slots = 32,
		.queues = FB_RINGS,
		.config_len = 60,
		.fd = -1,
		.requests = -1,
	};
	for (unsigned i = 0; i < FB_RINGS; i++)
		b->ring[i].kick = b->ring[i].call = -1;
}

int fb_start(struct fake_backend *b)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	b->fd = sv[1];
	pthread_mutex_init(&b->lock, NULL);
	assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
	return sv[0];
}

void fb_settle(struct fake_backend *b)
{
	static const struct timespec pause = { .tv_nsec = 200000 };
	char byte;
	bool more = true;

	for (unsigned i = 0; i < 20000 && more; i++) {
		pthread_mutex_lock(&b->lock);
		more = recv(b->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
		pthread_mutex_unlock(&b->lock);
		if (more)
			nanosleep(&pause, NULL);
	}
	assert_false(more);
}

void fb_kill(struct fake_backend *b)
{
	if (b->fd < 0)
		return;
	shutdown(b->fd, SHUT_RDWR);
	pthread_join(b->thread, NULL);
	pthread_mutex_destroy(&b->lock);
	close_fdp(&b->fd);
	close_fdp(&b->requests);
	for (unsigned i = 0; i < b->nregions; i++)
		munmap(b->region[i].map, b->region[i].size);
	b->nregions = 0;
	for (unsigned i = 0; i < FB_RINGS; i++) {
		close_fdp(&b->ring[i].kick);
		close_fdp(&b->ring[i].call);
	}
}

uint8_t *fb_at(struct fake_backend *b, uint64_t hva)
{
	for (unsigned i = 0; i < b->nregions; i++)
		if (hva >= b->region[i].hva && hva - b->region[i].hva < b->region[i].size)
			return b->region[i].map + (hva - b->region[i].hva);
	fail_msg("no region has 0x%llx", (unsigned long long)hva);
	return NULL;
}

int fb_pop(struct fake_backend *b, unsigned i)
{
	struct fb_ring *r = &b->ring[i];
	const uint8_t *avail = fb_at(b, r->avail);

	if (get_le16(avail + 2) == r->next_avail)
		return -1;
	return get_le16(avail + 4 + 2 * (r->next_avail++ % r->size));
}

void fb_push(struct fake_backend *b, unsigned i, uint32_t head, uint32_t len)
{
	struct fb_ring *r = &b->ring[i];
	uint8_t *used = fb_at(b, r->used);

	put_le32(used + 4 + 8 * (r->next_used % r->size), head);
	put_le32(used + 4 + 8 * (r->next_used % r->size) + 4, len);
	put_le16(used + 2, ++r->next_used);
	if (r->call >= 0)
		(void)eventfd_write(r->call, 1);
}

bool fb_was_kicked(struct fake_backend *b, unsigned i)
{
	eventfd_t n;

	return eventfd_read(b->ring[i].kick, &n) == 0;
}

void fb_say(struct fake_backend *b, uint32_t request, uint32_t flags, uint32_t size)
{
	uint8_t bytes[12 + 1024] = { 0 };

	put_le32(bytes, request);
	put_le32(bytes + 4, flags);
	put_le32(bytes + 8, size);
	assert_true(size <= 1024);
	assert_int_equal(send(b->requests, bytes, 12 + size, MSG_NOSIGNAL), 12 + size);
}

int fb_is_answered(struct fake_backend *b, uint32_t request)
{
	uint8_t bytes[20];
	ssize_t n = recv(b->requests, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return -1;
	assert_int_equal(n, sizeof(bytes));
	assert_int_equal(get_le32(bytes), request);
	assert_int_equal(get_le32(bytes + 4), VHOST_USER_VERSION | VHOST_USER_REPLY);
	assert_int_equal(get_le32(bytes + 8), 8);
	return (int)get_le64(bytes + 12);
}
