// SPDX-License-Identifier: GPL-2.0-or-later
/* A network device without vhost-net: packets between a driver in a test and a tap that is a socket. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/fake/net_host.h"
#include "vmm/mem.h"
#include "vmm/virtio/net_internal.h"

#define F(n) (1ull << (n))
#define W    VRING_DESC_F_WRITE
#define N    VRING_DESC_F_NEXT

#define DATA   0x100000u
#define BUFFER 0x10000u /* between one and the next */
#define RX     0u
#define TX     1u

#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)
#define MQ    (F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_MQ))

static const struct vmm_nic one = { .pairs = 1 }, two = { .pairs = 2 };

static struct net_host h;
static uint8_t packet[70000];

static void begin(const struct vmm_nic *nic, uint64_t features)
{
	nh_begin(&h, nic, false);
	nh_drive(&h, features);
	for (unsigned i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i < NET_HEADER ? 0 : i * 11 + i / 256);
}

/* Buffer i of so many bytes, to receive into by queue q. */
static void buffer(unsigned q, unsigned i, unsigned len)
{
	vg_desc_at(nh_desc(q), i, DATA + i * BUFFER, len, W, 0);
	nh_offer(q, i);
}

static bool holds(unsigned i, unsigned len, unsigned from)
{
	const uint8_t *at = gmem_ptr(vg_machine.guest.vm.mem, DATA + i * BUFFER, len);

	return memcmp(at, packet + from, len) == 0;
}

static void come(unsigned pair, unsigned len)
{
	assert_int_equal(send(h.far[pair], packet, len, 0), len);
}

/* Bytes that the host got; -1: nothing. */
static ssize_t went(unsigned pair, uint8_t ret[70000])
{
	return recv(h.far[pair], ret, 70000, MSG_DONTWAIT);
}

/* --- to the guest --- */

static void test_a_packet_comes(void **state)
{
	begin(&one, MERGE);
	buffer(RX, 0, 2048);
	come(0, 100);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 1);
	assert_int_equal(nh_used_len(RX, 0), 100);
	packet[10] = 1; /* one buffer */
	assert_true(holds(0, 100, 0));
	/* Without room it waits, and those behind it. */
	come(0, 60);
	come(0, 61);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 1);
	buffer(RX, 1, 2048);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 2);
	assert_int_equal(nh_used_len(RX, 1), 60);
	buffer(RX, 2, 2048);
	nh_turn();
	assert_int_equal(nh_used_len(RX, 2), 61);
	/* What is no packet. */
	buffer(RX, 3, 2048);
	come(0, 20);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 3);
	nh_end(&h);
}

static void test_a_large_packet_takes_many_buffers(void **state)
{
	begin(&one, MERGE);
	for (unsigned i = 0; i < 3; i++)
		buffer(RX, i, 1000);
	come(0, 3500);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 0); /* not in parts */
	buffer(RX, 3, 1000);
	buffer(RX, 4, 1000);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 4);
	packet[10] = 4;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(nh_used_len(RX, i), i < 3 ? 1000 : 500);
		assert_true(holds(i, i < 3 ? 1000 : 500, 1000 * i));
	}
	come(0, 900);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 5);
	nh_end(&h);
}

static void test_a_driver_that_merges_none(void **state)
{
	begin(&one, 0);
	buffer(RX, 0, 1000);
	buffer(RX, 1, 4000);
	come(0, 1500); /* too large for the buffer whose turn it is */
	come(0, 1000);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 1);
	assert_int_equal(nh_used_len(RX, 0), 1000);
	packet[10] = 1;
	assert_true(holds(0, 1000, 0));
	come(0, 4000);
	nh_turn();
	assert_true(holds(1, 4000, 0));
	nh_end(&h);
}

static void test_buffers_too_small_for_a_header(void **state)
{
	begin(&one, MERGE);
	buffer(RX, 0, 64);
	buffer(RX, 1, 11);
	come(0, 200);
	nh_turn();
	assert_true(vg_is_broken());
	assert_int_equal(nh_used_count(RX), 0);
	/* And one that only reads. */
	nh_drive(&h, MERGE);
	vg_desc_at(nh_desc(RX), 0, DATA, 2048, 0, 0);
	nh_offer(RX, 0);
	come(0, 60);
	nh_turn();
	assert_true(vg_is_broken());
	nh_end(&h);
}

static void test_buffers_that_are_nowhere(void **state)
{
	begin(&one, MERGE);
	vg_desc_at(nh_desc(RX), 0, 0xfff00000, 2048, W, 0);
	nh_offer(RX, 0);
	buffer(RX, 1, 2048);
	come(0, 60);
	come(0, 70);
	nh_turn();
	assert_false(vg_is_broken());
	assert_int_equal(nh_used_count(RX), 2);
	packet[10] = 1;
	assert_true(holds(1, 70, 0));
	nh_end(&h);
}

/* --- from the guest --- */

static void test_a_packet_goes(void **state)
{
	static uint8_t got[70000];

	begin(&one, 0);
	vg_ram(DATA, packet, 66000);
	vg_desc_at(nh_desc(TX), 0, DATA, 100, 0, 0);
	nh_offer(TX, 0);
	nh_turn();
	assert_int_equal(went(0, got), 100);
	assert_memory_equal(got, packet, 100);
	assert_int_equal(nh_used_count(TX), 1);
	assert_int_equal(nh_used_len(TX, 0), 0);
	/* In pieces, some of them empty. */
	vg_desc_at(nh_desc(TX), 0, DATA, 5, N, 1);
	vg_desc_at(nh_desc(TX), 1, DATA + 5, 0, N, 2);
	vg_desc_at(nh_desc(TX), 2, DATA + 5, 65000, N, 3);
	vg_desc_at(nh_desc(TX), 3, DATA + 65005, 500, 0, 0);
	nh_offer(TX, 0);
	nh_turn();
	assert_int_equal(went(0, got), 65505);
	assert_memory_equal(got, packet, 65505);
	/* Many at once. */
	vg_desc_at(nh_desc(TX), 0, DATA, 60, 0, 0);
	for (unsigned i = 0; i < VG_SIZE; i++)
		nh_offer(TX, 0);
	nh_turn();
	for (unsigned i = 0; i < VG_SIZE; i++)
		assert_int_equal(went(0, got), 60);
	assert_int_equal(nh_used_count(TX), 2 + VG_SIZE);
	nh_end(&h);
}

static void test_what_is_no_packet_does_not_go(void **state)
{
	static const struct {
		gpa_t addr;
		uint32_t len;
	} rows[] = {
		{ DATA, 0 }, { DATA, 11 }, { DATA, 25 }, { DATA, 65536 + 22 + 13 }, { DATA, 0x7fffffff },
		{ DATA, ~0u }, { 0xfff00000, 60 }, { ~0ull - 10, 60 }, { 4 * MiB - 30, 60 },
	};
	static uint8_t got[70000];

	begin(&one, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		vg_desc_at(nh_desc(TX), 0, rows[i].addr, rows[i].len, 0, 0);
		nh_offer(TX, 0);
		nh_turn();
		assert_int_equal(nh_used_count(TX), i + 1);
	}
	vg_desc_at(nh_desc(TX), 1, DATA, 60, W, 0);
	nh_offer(TX, 1);
	nh_turn();
	assert_int_equal(nh_used_count(TX), ARRAY_SIZE(rows) + 1);
	assert_int_equal(went(0, got), -1);
	assert_false(vg_is_broken());
	nh_end(&h);
}

/* --- pairs, the cable --- */

static unsigned pairs(unsigned n)
{
	uint8_t b[4] = { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, (uint8_t)n, 0 };

	vg_ram(DATA, b, 4);
	vg_desc_at(nh_desc(4), 0, DATA, 4, N, 1);
	vg_desc_at(nh_desc(4), 1, DATA + 8, 1, W, 0);
	nh_offer(4, 0);
	nh_turn();
	return (unsigned)vg_ram_get(DATA + 8, 1);
}

static void test_two_pairs(void **state)
{
	static uint8_t got[70000];

	begin(&two, MQ | MERGE);
	buffer(2, 0, 2048);
	come(1, 60);
	vg_desc_at(nh_desc(3), 0, DATA + 0x1000, 60, 0, 0);
	nh_offer(3, 0);
	nh_turn();
	assert_int_equal(nh_used_count(2) + nh_used_count(3), 0);
	assert_int_equal(pairs(2), 0);
	nh_turn();
	/* What lay there before. */
	assert_int_equal(nh_used_count(2), 1);
	assert_int_equal(nh_used_count(3), 1);
	assert_int_equal(went(1, got), 60);
	come(1, 61);
	assert_int_equal(pairs(1), 0);
	buffer(2, 1, 2048);
	nh_turn();
	assert_int_equal(pairs(2), 0);
	nh_turn();
	assert_int_equal(nh_used_count(2), 2);
	assert_int_equal(nh_used_len(2, 1), 61);
	nh_end(&h);
}

static void test_nothing_passes_without_a_cable(void **state)
{
	static uint8_t got[70000];

	begin(&one, MERGE | F(VIRTIO_NET_F_STATUS));
	virtio_net_set_link(h.net, false);
	buffer(RX, 0, 2048);
	vg_desc_at(nh_desc(TX), 0, DATA + BUFFER, 60, 0, 0);
	nh_offer(TX, 0);
	come(0, 60);
	nh_turn();
	assert_int_equal(nh_used_count(RX) + nh_used_count(TX), 0);
	virtio_net_set_link(h.net, true);
	nh_turn();
	assert_int_equal(went(0, got), 60);
	assert_int_equal(nh_used_count(RX), 0); /* that is gone */
	come(0, 70);
	nh_turn();
	assert_int_equal(nh_used_len(RX, 0), 70);
	nh_end(&h);
}

/* The next kernel gets nothing into buffers of the one before. */
static void test_a_reset_with_a_packet_that_waits(void **state)
{
	begin(&one, MERGE);
	come(0, 60);
	nh_turn();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	come(0, 61);
	nh_turn();
	nh_drive(&h, MERGE);
	buffer(RX, 0, 2048);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 1);
	assert_int_equal(nh_used_len(RX, 0), 61);
	nh_end(&h);
}

static uint32_t noise;

/* The same at each run. */
static uint32_t any(uint32_t below)
{
	noise = noise * 1664525u + 1013904223u;
	return (noise >> 8) % below;
}

static void drain(void)
{
	static uint8_t got[70000];

	while (recv(h.nic.tap_fd[0], got, sizeof(got), MSG_DONTWAIT) >= 0)
		;
}

static void test_noise(void **state)
{
	static const uint64_t places[] = { DATA, DATA + 1, DATA + BUFFER, 0xfff00000, ~0ull, 0x40000 };
	static const uint32_t lengths[] = { 0, 1, 11, 12, 13, 26, 60, 1514, 4096, 65536, 70000, 0x7fffffff, ~0u };
	static uint8_t got[70000];
	unsigned broken = 0, came = 0, went_out = 0;

	noise = 3;
	begin(&one, MERGE);
	for (unsigned i = 0; i < 4000; i++) {
		unsigned q = any(2);

		for (unsigned k = 0; k < 4; k++)
			vg_desc_at(nh_desc(q), k, places[any(ARRAY_SIZE(places))], lengths[any(ARRAY_SIZE(lengths))],
				   (any(3) ? 0 : N) | ((q == RX) != (any(16) == 0) ? W : 0) |
					   (any(60) ? 0 : VRING_DESC_F_INDIRECT), any(5));
		nh_offer(q, any(20) ? any(4) : any(VG_SIZE + 2));
		if (any(2))
			come(0, 30 + any(4000));
		if (i % 8 == 0)
			nh_turn();
		while (went(0, got) >= 0)
			went_out++;
		if (!vg_is_broken())
			continue;
		broken++;
		came += nh_used_count(RX);
		nh_drive(&h, i % 2 ? MERGE : 0);
		drain();
	}
	assert_in_range(broken, 100, 3900);
	assert_in_range(came, 50, 100000);
	assert_in_range(went_out, 50, 100000);
	nh_drive(&h, MERGE);
	drain();
	buffer(RX, 0, 2048);
	come(0, 60);
	nh_turn();
	assert_int_equal(nh_used_count(RX), 1);
	nh_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_packet_comes),
		cmocka_unit_test(test_a_large_packet_takes_many_buffers),
		cmocka_unit_test(test_a_driver_that_merges_none),
		cmocka_unit_test(test_buffers_too_small_for_a_header),
		cmocka_unit_test(test_buffers_that_are_nowhere),
		cmocka_unit_test(test_a_packet_goes),
		cmocka_unit_test(test_what_is_no_packet_does_not_go),
		cmocka_unit_test(test_two_pairs),
		cmocka_unit_test(test_nothing_passes_without_a_cable),
		cmocka_unit_test(test_a_reset_with_a_packet_that_waits),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("virtio-net-user", tests, NULL, NULL);
}
