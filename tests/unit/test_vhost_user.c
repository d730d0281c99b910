// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol of vhost-user: what is said in which order, and backends that say what they may not. */
#include "vmm/virtio/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"
#include "tests/fake/backend.h"
#include "vmm/mem.h"
#include "vmm/virtio/vhost_user_msg.h"

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);

static int longest;    /* that was asked for */
static bool impatient; /* what never comes is not waited for as long */

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	longest = ms > longest ? ms : longest;
	return __real_poll(p, n, impatient ? 50 : ms);
}

static struct fake_backend b;
static struct vhost_user v;
static struct mem *mem;

static void begin(void)
{
	fb_init(&b);
}

static void end(void)
{
	vhost_user_close(&v);
	fb_kill(&b);
	mem = mem_free(mem);
}

static int open_it(void)
{
	return vhost_user_open(&v, fb_start(&b));
}

static void make_ram(enum mem_kind kind, unsigned nodes)
{
	struct mem_node node[16];
	struct err err = ERR_INIT;

	for (unsigned i = 0; i < nodes; i++)
		node[i] = (struct mem_node){ .size = 2 * MiB, .kind = kind };
	assert_int_equal(mem_new(&(struct mem_config){ .nodes = nodes, .node = node }, &mem, &err), 0);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_they_get_to_know_each_other(void **state)
{
	begin();
	b.protocol = 1ull << VHOST_USER_PROTOCOL_MQ | 1ull << VHOST_USER_PROTOCOL_REPLY_ACK | 1ull << 12;
	b.queues = 4;
	assert_int_equal(open_it(), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPq");
	assert_int_equal(v.protocol, 1 << VHOST_USER_PROTOCOL_MQ | 1 << VHOST_USER_PROTOCOL_REPLY_ACK);
	assert_int_equal(b.got_protocol, v.protocol);
	assert_int_equal(v.features, 1ull << VIRTIO_F_VERSION_1);
	assert_int_equal(v.rings, 4);
	assert_int_equal(vhost_user_listen(&v), 0);
	end();
	assert_true(b.gone);
	/* One that has no features of the protocol is of no use. */
	begin();
	b.features = 1ull << VIRTIO_F_VERSION_1;
	assert_int_equal(open_it(), -EPROTO);
	assert_int_equal(v.fd, -1);
	end();
	/* Numbers out of this world. */
	begin();
	b.queues = b.slots = ~0ull;
	assert_int_equal(open_it(), 0);
	assert_in_range(v.rings, 1, 1024);
	assert_in_range(v.slots, 1, 1024);
	end();
}

static void test_ram_and_rings_are_told(void **state)
{
	struct vhost_user_region more = { .gpa = 1ull << 51, .size = 4096 };
	struct vhost_user_ring ring = { .size = 64, .base = 7 };
	uint32_t base = 0;
	uint8_t *ram;

	begin();
	make_ram(MEM_MEMFD, 2);
	more.fd = memfd_create("rings", MFD_CLOEXEC);
	assert_int_equal(ftruncate(more.fd, 4096), 0);
	more.hva = &more;
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 1ull << VIRTIO_F_VERSION_1 | 1ull << 5, mem, &more), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFM");
	/* Not what it does not have. */
	assert_int_equal(b.got_features, 1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_USER_F_PROTOCOL);
	assert_int_equal(b.nregions, 3);
	assert_int_equal(b.region[1].gpa, 2 * MiB);
	assert_int_equal(b.region[2].gpa, 1ull << 51);
	ram = gmem_ptr(mem, 2 * MiB + 12345, 1);
	*ram = 0xa5;
	assert_int_equal(*fb_at(&b, (uintptr_t)ram), 0xa5); /* the second node's, and shared */

	ring.desc = gmem_ptr(mem, 0x1000, 1024);
	ring.avail = gmem_ptr(mem, 0x2000, 1024);
	ring.used = gmem_ptr(mem, 0x3000, 1024);
	ring.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring.call = -1;
	assert_int_equal(vhost_user_start_ring(&v, 3, &ring), 0);
	assert_int_equal(vhost_user_enable(&v, 3, true), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFMnbaikE");
	assert_int_equal(b.ring[3].size, 64);
	assert_int_equal(b.ring[3].base, 7);
	assert_ptr_equal(b.ring[3].desc, ring.desc);
	assert_ptr_equal(b.ring[3].avail, ring.avail);
	assert_ptr_equal(b.ring[3].used, ring.used);
	assert_int_equal(b.ring[3].call, -1);
	assert_true(b.ring[3].runs && b.ring[3].enabled);
	(void)eventfd_write(ring.kick, 1);
	assert_true(fb_was_kicked(&b, 3));
	assert_int_equal(vhost_user_set_call(&v, 3, ring.kick), 0);
	fb_settle(&b);
	assert_true(b.ring[3].call >= 0);
	assert_int_equal(vhost_user_stop_ring(&v, 3, &base), 0);
	assert_int_equal(base, 7);
	/* Both ends of a packed one: 5 of a second round, 0x7ffe of the first. */
	ring.base = 0xfffe0005;
	assert_int_equal(vhost_user_start_ring(&v, 2, &ring), 0);
	fb_settle(&b);
	assert_int_equal(b.ring[2].base, 0xfffe0005);
	assert_int_equal(vhost_user_stop_ring(&v, 2, &base), 0);
	assert_int_equal(base, 0xfffe0005);
	/* RAM is told once, features each time. */
	assert_int_equal(vhost_user_set_up(&v, 0, mem, &more), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFMnbaikEignbaikgF");
	close(ring.kick);
	close(more.fd);
	end();
}

static void test_ram_in_many_pieces(void **state)
{
	begin();
	make_ram(MEM_MEMFD, 8);
	struct vhost_user_region more = { .gpa = 1ull << 51, .size = 4096, .hva = &more };

	more.fd = memfd_create("rings", MFD_CLOEXEC);
	assert_int_equal(ftruncate(more.fd, 4096), 0);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 0, mem, NULL), 0); /* eight go at once */
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFM");
	end();
	begin();
	make_ram(MEM_MEMFD, 8);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 0, mem, &more), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFRRRRRRRRR");
	assert_int_equal(b.nregions, 9);
	assert_int_equal(b.region[7].gpa, 14 * MiB);
	end();
	begin();
	make_ram(MEM_MEMFD, 8);
	b.slots = 8;
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 0, mem, &more), -E2BIG);
	close(more.fd);
	end();
	begin();
	make_ram(MEM_ANON, 1);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 0, mem, NULL), -EINVAL);
	end();
}

static void test_a_configuration_is_read(void **state)
{
	uint8_t config[60];

	begin();
	for (unsigned i = 0; i < 60; i++)
		b.config[i] = (uint8_t)(i + 1);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_config(&v, config, sizeof(config)), 0);
	assert_memory_equal(config, b.config, sizeof(config));
	end();
	begin();
	b.protocol = 0;
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_config(&v, config, sizeof(config)), -EOPNOTSUPP);
	assert_true(v.fd >= 0);
	end();
}

static int heard(uint32_t request, uint32_t flags, uint32_t size)
{
	fb_say(&b, request, flags, size);
	return vhost_user_heard(&v);
}

static void begin_heard(void)
{
	begin();
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_hear(&v), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsh");
	assert_true(v.requests >= 0 && b.requests >= 0);
}

static void test_one_that_says_what_has_changed(void **state)
{
	const uint32_t change = VHOST_USER_BACKEND_CONFIG_CHANGE;
	unsigned before = open_fds();

	begin_heard();
	assert_int_equal(heard(change, VHOST_USER_VERSION, 0), 1);
	assert_int_equal(fb_is_answered(&b, change), -1);
	assert_int_equal(heard(change, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0), 1);
	assert_int_equal(fb_is_answered(&b, change), 0);
	/* What is none of ours is refused, where he waits for an answer, and else nothing. */
	assert_int_equal(heard(7, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 300), 0);
	assert_int_equal(fb_is_answered(&b, 7), 1);
	assert_int_equal(heard(change, VHOST_USER_VERSION, 8), 0);
	assert_int_equal(heard(3, VHOST_USER_VERSION, 0), 0);
	assert_int_equal(heard(change, VHOST_USER_VERSION, 0), 1);
	end();
	begin_heard();
	assert_int_equal(heard(change, VHOST_USER_VERSION | VHOST_USER_REPLY, 0), -EPROTO);
	end();
	begin_heard();
	assert_int_equal(heard(change, 2, 0), -EPROTO);
	end();
	begin_heard();
	assert_int_equal(heard(change, VHOST_USER_VERSION, VHOST_USER_PAYLOAD_MAX + 1), -EPROTO);
	end();
	/* Half a header; and no more at all. */
	begin_heard();
	assert_int_equal(send(b.requests, "hello", 5, 0), 5);
	impatient = true;
	assert_int_equal(vhost_user_heard(&v), -ETIMEDOUT);
	impatient = false;
	close_fdp(&b.requests);
	assert_int_equal(vhost_user_heard(&v), -EPIPE);
	assert_true(v.fd >= 0 && v.requests >= 0);
	end();
	/* One that has nothing to say. */
	begin();
	b.protocol &= ~(1ull << VHOST_USER_PROTOCOL_BACKEND_REQ);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_hear(&v), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqs");
	assert_int_equal(v.requests, -1);
	end();
	assert_int_equal(open_fds(), before);
}

/* Without the other side's word that it did, nothing is waited for. */
static void test_one_that_never_acknowledges(void **state)
{
	begin();
	b.protocol = 0;
	make_ram(MEM_MEMFD, 1);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_set_up(&v, 0, mem, NULL), 0);
	assert_int_equal(vhost_user_enable(&v, 0, true), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPFME");
	end();
}

/* --- those who do not keep to it --- */

/* All that a device says to its backend in its life. */
static int live(void)
{
	struct vhost_user_ring ring = { .size = 16, .call = -1 };
	uint8_t config[60];
	int r = open_it();

	ring.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r == 0)
		r = vhost_user_config(&v, config, sizeof(config));
	if (r == 0)
		r = vhost_user_hear(&v);
	if (r == 0)
		r = vhost_user_set_up(&v, 0, mem, NULL);
	if (r == 0)
		r = vhost_user_start_ring(&v, 0, &ring);
	if (r == 0)
		r = vhost_user_enable(&v, 0, true);
	if (r == 0)
		r = vhost_user_stop_ring(&v, 0, NULL);
	close(ring.kick);
	return r;
}

static const struct {
	enum fb_fault fault;
	int want;
} faults[] = {
	{ FB_VANISHES, -EPIPE },	 { FB_BREAKS_OFF, -EPIPE },  { FB_MUTE, -ETIMEDOUT },
	{ FB_SHORT, -EPROTO },		 { FB_LONG, -EPROTO },	     { FB_HUGE, -EPROTO },
	{ FB_OTHER_REQUEST, -EPROTO },	 { FB_NO_REPLY_FLAG, -EPROTO },
	{ FB_OTHER_VERSION, -EPROTO },	 { FB_BRINGS_FD, 0 },	     { FB_IN_PIECES, 0 },
};

/* Each of them, at each message that is answered. */
static void test_faults_end_the_connection_and_nothing_else(void **state)
{
	static const uint32_t at[] = {
		VHOST_USER_GET_FEATURES, VHOST_USER_GET_PROTOCOL_FEATURES, VHOST_USER_GET_QUEUE_NUM,
		VHOST_USER_GET_CONFIG, VHOST_USER_SET_BACKEND_REQ_FD, VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_VRING_KICK,
		VHOST_USER_SET_VRING_ENABLE, VHOST_USER_GET_VRING_BASE,
	};
	unsigned before = open_fds();

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(at); k++) {
			begin();
			make_ram(MEM_MEMFD, 1);
			b.fault = faults[i].fault;
			impatient = b.fault == FB_MUTE;
			b.fault_at = at[k];
			assert_int_equal(live(), faults[i].want);
			assert_true((v.fd < 0) == (faults[i].want < 0));
			impatient = false;
			end();
			assert_int_equal(open_fds(), before);
		}
	}
	assert_in_range(longest, 1, VHOST_USER_PATIENCE_MS);
}

static void test_refusals(void **state)
{
	begin();
	make_ram(MEM_MEMFD, 1);
	b.fault = FB_REFUSES;
	b.fault_at = VHOST_USER_SET_MEM_TABLE;
	assert_int_equal(live(), -EIO);
	assert_int_equal(v.fd, -1);
	end();
	/* Of a configuration another part than was asked for; of a ring another one. */
	begin();
	make_ram(MEM_MEMFD, 1);
	b.fault = FB_REFUSES;
	b.fault_at = VHOST_USER_GET_CONFIG;
	assert_int_equal(live(), -EPROTO);
	end();
	begin();
	make_ram(MEM_MEMFD, 1);
	b.fault = FB_REFUSES;
	b.fault_at = VHOST_USER_GET_VRING_BASE;
	assert_int_equal(live(), -EPROTO);
	end();
}

/* Whenever one goes, it is seen, and no call waits for him. */
static void test_one_that_vanishes_at_any_message(void **state)
{
	unsigned n = 0;
	int r;

	do {
		begin();
		make_ram(MEM_MEMFD, 1);
		b.fault = FB_VANISHES;
		b.fault_after = n++;
		longest = 0;
		r = live();
		assert_true(r == 0 || (r == -EPIPE && v.fd < 0));
		if (r == 0)
			fb_settle(&b);
		end();
	} while (r < 0);
	assert_in_range(n, 14, 20);
}

static void test_one_that_speaks_unasked(void **state)
{
	begin();
	assert_int_equal(open_it(), 0);
	fb_settle(&b);
	assert_int_equal(vhost_user_listen(&v), 0);
	assert_int_equal(send(b.fd, "hello", 5, 0), 5);
	assert_int_equal(vhost_user_listen(&v), -EPROTO);
	fb_kill(&b);
	end();
	begin();
	assert_int_equal(open_it(), 0);
	fb_kill(&b);
	assert_int_equal(vhost_user_listen(&v), -EPIPE);
	assert_int_equal(vhost_user_set_call(&v, 0, -1), -EPIPE);
	assert_int_equal(v.fd, -1);
	assert_int_equal(vhost_user_enable(&v, 0, true), -EPIPE);
	end();
}

static void test_one_that_tells_the_network(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 3, 9 }, want[8] = { 2, 0, 0, 0, 3, 9, 0, 0 };

	begin();
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_announce(&v, mac), 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsr");
	assert_memory_equal(b.announced, want, 8);
	fb_kill(&b);
	assert_int_equal(vhost_user_announce(&v, mac), -EPIPE);
	assert_int_equal(vhost_user_announce(&v, mac), -EPIPE);
	end();
	/* One that cannot is not asked, and stays. */
	begin();
	b.protocol &= ~(1ull << VHOST_USER_PROTOCOL_RARP);
	assert_int_equal(open_it(), 0);
	assert_int_equal(vhost_user_announce(&v, mac), -EOPNOTSUPP);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqs");
	assert_true(v.fd >= 0);
	end();
}

/* One that reads nothing: a socket full of what was said is left in time, too. */
static void test_one_that_does_not_read(void **state)
{
	int sv[2], r = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	v = (struct vhost_user){ .fd = sv[0] };
	impatient = true;
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = vhost_user_set_call(&v, 0, -1);
	assert_int_equal(r, -ETIMEDOUT);
	assert_int_equal(v.fd, -1);
	impatient = false;
	close(sv[1]);
}

static void test_words_for_it(void **state)
{
	struct err err = ERR_INIT;

	vhost_user_explain("--disk", -ETIMEDOUT, 2, &err);
	assert_string_equal(err.text, "--disk: the backend does not answer");
	err = (struct err)ERR_INIT;
	vhost_user_explain("--fs", -EPROTO, 2, &err);
	assert_string_equal(err.text, "--fs: what listens there does not speak vhost-user");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_get_to_know_each_other),
		cmocka_unit_test(test_ram_and_rings_are_told),
		cmocka_unit_test(test_ram_in_many_pieces),
		cmocka_unit_test(test_a_configuration_is_read),
		cmocka_unit_test(test_one_that_says_what_has_changed),
		cmocka_unit_test(test_one_that_never_acknowledges),
		cmocka_unit_test(test_faults_end_the_connection_and_nothing_else),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_one_that_vanishes_at_any_message),
		cmocka_unit_test(test_one_that_speaks_unasked),
		cmocka_unit_test(test_one_that_tells_the_network),
		cmocka_unit_test(test_one_that_does_not_read),
		cmocka_unit_test(test_words_for_it),
	};

	return cmocka_run_group_tests_name("vhost_user", tests, NULL, NULL);
}
