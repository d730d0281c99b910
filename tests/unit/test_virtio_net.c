// SPDX-License-Identifier: GPL-2.0-or-later
/* A network device's control queue, its pairs of queues, its link: a driver in a test, honest and otherwise. */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_tun.h>
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

#define COMMAND 0x20000u
#define ANSWER	0x20800u
#define TABLE	0x21000u
#define CONFIG	0x800u

#define CTRL (F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_RX) | F(VIRTIO_NET_F_CTRL_RX_EXTRA) | \
	      F(VIRTIO_NET_F_CTRL_VLAN) | F(VIRTIO_NET_F_CTRL_MAC_ADDR) | F(VIRTIO_NET_F_MAC))
#define MQ   (CTRL | F(VIRTIO_NET_F_MQ))

static const struct vmm_nic one = { .pairs = 1 }, four = { .pairs = 4 };
static const struct vmm_nic macvtap = { .pairs = 2, .macvtap = true, .mtu = 1400 };

static struct net_host h;
static unsigned ctrl; /* its queue */

static void begin(const struct vmm_nic *nic, uint64_t features)
{
	nh_begin(&h, nic, true);
	nh_drive(&h, features);
	ctrl = features & F(VIRTIO_NET_F_MQ) ? 2 * nic->pairs : 2;
}

/* Data as it comes behind class and number. 0: OK, 1: ERR, 0xff: no answer. */
static unsigned command(unsigned class, unsigned number, const void *data, unsigned len)
{
	uint8_t head[2] = { (uint8_t)class, (uint8_t)number };

	vg_ram(COMMAND, head, 2);
	if (len)
		vg_ram(COMMAND + 0x10, data, len);
	vg_ram(ANSWER, "\xff", 1);
	vg_desc_at(nh_desc(ctrl), 0, COMMAND, 2, N, len ? 1 : 2);
	vg_desc_at(nh_desc(ctrl), 1, COMMAND + 0x10, len, N, 2);
	vg_desc_at(nh_desc(ctrl), 2, ANSWER, 1, W, 0);
	nh_offer(ctrl, 0);
	nh_turn();
	return (unsigned)vg_ram_get(ANSWER, 1);
}

static unsigned rx(unsigned number, uint8_t on)
{
	return command(VIRTIO_NET_CTRL_RX, number, &on, 1);
}

static unsigned pairs(unsigned n)
{
	uint8_t b[2];

	put_le16(b, (uint16_t)n);
	return command(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, b, 2);
}

static unsigned vlan(unsigned number, unsigned id)
{
	uint8_t b[2];

	put_le16(b, (uint16_t)id);
	return command(VIRTIO_NET_CTRL_VLAN, number, b, 2);
}

static unsigned mac_set(const char *mac)
{
	return command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6);
}

/* Tables of uni and multi addresses 02:aa:…:I and 33:33:…:I; what is said may be another number. */
static unsigned tables(unsigned uni, unsigned said_uni, unsigned multi, unsigned said_multi)
{
	uint8_t b[2048];
	unsigned n = 0;

	put_le32(b, said_uni);
	n += 4;
	for (unsigned i = 0; i < uni; i++, n += 6)
		memcpy(b + n, (uint8_t[]){ 2, 0xaa, 0, 0, 0, (uint8_t)i }, 6);
	put_le32(b + n, said_multi);
	n += 4;
	for (unsigned i = 0; i < multi; i++, n += 6)
		memcpy(b + n, (uint8_t[]){ 0x33, 0x33, 0, 0, 0, (uint8_t)i }, 6);
	return command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, b, n);
}

/* A frame to this address, in VLAN id (-1: none). */
static bool comes(const char *mac, int id)
{
	uint8_t frame[64] = { 0 };

	memcpy(frame, mac, 6);
	frame[12] = 0x08;
	if (id >= 0) {
		memcpy(frame + 12, "\x81\x00", 2);
		frame[14] = (uint8_t)(0x60 | id >> 8); /* with a priority */
		frame[15] = (uint8_t)id;
	}
	return nh_passes(&h, frame, sizeof(frame));
}

#define OWN   "\x02\x00\x00\x00\x00\x01"
#define OTHER "\x02\x00\x00\x00\x00\x02"
#define UNI5  "\x02\xaa\x00\x00\x00\x05"
#define MULTI "\x33\x33\x00\x00\x00\x00"
#define MULT9 "\x33\x33\x00\x00\x00\x09"
#define BCAST "\xff\xff\xff\xff\xff\xff"

/* --- features --- */

static uint64_t offered(void)
{
	uint64_t low;

	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	low = vg_get(VIRTIO_PCI_COMMON_DF, 4);
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return vg_get(VIRTIO_PCI_COMMON_DF, 4) << 32 | low;
}

static void test_what_is_offered(void **state)
{
	begin(&one, 0);
	assert_int_equal(offered() & CTRL, CTRL);
	assert_int_equal(offered() & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_MTU)), 0);
	assert_int_equal(offered() & F(NET_F_HOST_USO), F(NET_F_HOST_USO));
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	nh_end(&h);
	begin(&four, 0);
	assert_int_equal(offered() & F(VIRTIO_NET_F_MQ), F(VIRTIO_NET_F_MQ));
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 9);
	assert_int_equal(vg_get(CONFIG + 8, 2), 4);
	nh_end(&h);
	begin(&macvtap, 0); /* its MAC and what it receives are the host's */
	assert_int_equal(offered() & (F(VIRTIO_NET_F_CTRL_RX) | F(VIRTIO_NET_F_CTRL_VLAN)), 0);
	assert_int_equal(offered() & F(VIRTIO_NET_F_MTU), F(VIRTIO_NET_F_MTU));
	assert_int_equal(vg_get(CONFIG + 10, 2), 1400);
	assert_int_equal(h.header, 12);
	nh_end(&h);
}

static void test_offloads_are_the_guests_choice(void **state)
{
	uint64_t gso = F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(NET_F_GUEST_USO4);
	uint8_t b[8];

	begin(&one, CTRL | gso | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	assert_int_equal(h.offload, TUN_F_CSUM | TUN_F_TSO4 | 0x20);
	put_le64(b, F(VIRTIO_NET_F_GUEST_CSUM));
	assert_int_equal(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, b, 8), 0);
	assert_int_equal(h.offload, TUN_F_CSUM);
	put_le64(b, gso | F(VIRTIO_NET_F_GUEST_TSO6)); /* not agreed on */
	assert_int_equal(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, b, 8), 1);
	put_le64(b, F(VIRTIO_NET_F_GUEST_TSO4)); /* the kernel refuses that */
	assert_int_equal(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, b, 8), 1);
	put_le64(b, F(VIRTIO_NET_F_MRG_RXBUF));
	assert_int_equal(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, b, 8), 1);
	assert_int_equal(h.offload, TUN_F_CSUM);
	nh_end(&h);
}

/* --- filters --- */

static void test_all_comes_until_the_guest_says_what(void **state)
{
	begin(&one, CTRL);
	assert_true(comes(OTHER, -1) && comes(MULTI, 7));
	assert_int_equal(h.filters, 0);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_true(comes(OWN, -1) && comes(BCAST, -1));
	assert_false(comes(OTHER, -1) || comes(MULTI, -1) || comes(UNI5, -1));
	assert_int_equal(tables(9, 9, 3, 3), 0);
	assert_true(comes(UNI5, -1) && comes(MULTI, -1) && comes(OWN, -1) && comes(BCAST, -1));
	assert_false(comes(MULT9, -1) || comes(OTHER, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_ALLMULTI, 1), 0);
	assert_true(comes(MULT9, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_NOMULTI, 1), 0);
	assert_false(comes(MULTI, -1) || comes(MULT9, -1));
	assert_true(comes(BCAST, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_NOBCAST, 1), 0);
	assert_false(comes(BCAST, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_ALLUNI, 1), 0);
	assert_true(comes(OTHER, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_NOUNI, 1), 0);
	assert_false(comes(OTHER, -1) || comes(OWN, -1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 1), 0);
	assert_true(comes(OTHER, -1) && comes(MULT9, -1) && comes(BCAST, 5));
	assert_int_equal(h.filter_len, 0);
	/* The next driver begins with all of it. */
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_false(comes(OWN, -1));
	nh_drive(&h, CTRL);
	assert_true(comes(OTHER, -1) && comes(BCAST, 9));
	nh_end(&h);
}

static void test_tables_of_any_size(void **state)
{
	begin(&one, CTRL);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	/* As full as they get. */
	assert_int_equal(tables(6, 6, 58, 58), 0);
	for (unsigned id = 1; id <= 64; id++)
		assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4095 - id), 0);
	assert_true(comes(UNI5, 4094) && comes("\x33\x33\x00\x00\x00\x39", 4031) && comes(OWN, -1));
	assert_false(comes(OTHER, -1) || comes("\x33\x33\x00\x00\x00\x3a", -1) || comes(OWN, 4030));
	/* One more, and they are not told apart. */
	assert_int_equal(tables(6, 6, 59, 59), 0);
	assert_true(comes("\x33\x33\x00\x00\x00\x3b", -1) && comes(UNI5, -1));
	assert_false(comes(OTHER, -1));
	assert_int_equal(tables(65, 65, 2, 2), 0);
	assert_true(comes(OTHER, -1) && comes(MULTI, -1));
	assert_false(comes(MULT9, -1));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 1), 0);
	assert_true(comes(OWN, 4030) && comes(OWN, 2));
	/* What does not add up changes nothing. */
	assert_int_equal(tables(0, 0, 0, 0), 0);
	assert_false(comes(OTHER, -1) || comes(MULTI, -1));
	assert_int_equal(tables(2, 1, 2, 2), 1);
	assert_int_equal(tables(2, 2, 2, 1), 1);
	assert_int_equal(tables(2, 2, 2, 3), 1);
	assert_int_equal(tables(2, 0xffffffff, 2, 2), 1);
	assert_int_equal(tables(2, 0x2aaaaaab, 2, 2), 1); /* times 6 is 2 */
	assert_int_equal(tables(2, 2, 2, 0xffffffff), 1);
	assert_false(comes(UNI5, -1) || comes(MULTI, -1));
	assert_true(comes(OWN, -1));
	nh_end(&h);
}

static void test_vlans(void **state)
{
	begin(&one, CTRL);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_true(comes(OWN, 0)); /* a priority and nothing else */
	assert_false(comes(OWN, 7));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 7), 0);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4095), 0);
	assert_true(comes(OWN, 7) && comes(OWN, 4095) && comes(OWN, -1));
	assert_false(comes(OWN, 8) || comes(OTHER, 7));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4096), 1);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 0xffff), 1);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_DEL, 7), 0);
	assert_false(comes(OWN, 7));
	nh_end(&h);
	/* A driver that knows none of them gets all. */
	begin(&one, CTRL & ~F(VIRTIO_NET_F_CTRL_VLAN));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_true(comes(OWN, 7));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 7), 1);
	nh_end(&h);
}

static void test_a_mac_of_the_guests_choice(void **state)
{
	begin(&one, CTRL);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_int_equal(mac_set(OTHER), 0);
	assert_true(comes(OTHER, -1));
	assert_false(comes(OWN, -1));
	assert_int_equal(vg_get(CONFIG, 4), get_le32((const uint8_t *)OTHER));
	assert_int_equal(h.macs, 1);
	assert_memory_equal(h.mac, OTHER, 6);
	assert_int_equal(mac_set(OTHER), 0);
	assert_int_equal(mac_set("\x01\x00\x00\x00\x00\x01"), 1);
	assert_int_equal(mac_set("\0\0\0\0\0\0"), 1);
	assert_int_equal(h.macs, 1);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(vg_get(CONFIG + 4, 2), 0x0100); /* its own again */
	nh_end(&h);
	begin(&macvtap, CTRL & ~(F(VIRTIO_NET_F_CTRL_RX) | F(VIRTIO_NET_F_CTRL_RX_EXTRA) |
				 F(VIRTIO_NET_F_CTRL_VLAN)));
	assert_int_equal(mac_set(OTHER), 1);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 1);
	assert_int_equal(h.macs, 0);
	assert_int_equal(h.filters, 0);
	nh_end(&h);
}

/* --- pairs --- */

/* This many are attached and served, the others neither. */
static bool served(unsigned n)
{
	for (unsigned i = 0; i < h.nic.pairs; i++) {
		bool live = h.backend[i][0] >= 0 && h.backend[i][1] >= 0;

		if (h.attached[i] != (i < n || i == 0) || live != (i < n))
			return false;
	}
	return true;
}

static void test_pairs_come_and_go(void **state)
{
	nh_begin(&h, &four, true);
	/* Its thread may run where ours may, which is not so for a CPU's. */
	assert_int_equal(h.owned[0], 1);
	nh_end(&h);
	begin(&four, MQ);
	assert_int_equal(h.owned[0] + h.owned[1], 1);
	assert_true(served(1));
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_int_equal(pairs(3), 0);
	assert_true(served(3));
	assert_true(h.filter_len && h.call[2][1] == -1);
	assert_int_equal(pairs(3), 0);
	assert_int_equal(h.attaches, 2);
	assert_int_equal(pairs(2), 0);
	assert_true(served(2));
	assert_int_equal(pairs(4), 0);
	assert_true(served(4));
	/* The rings of one that was away go on where they were. */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(h.rings[i], 2);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(pairs((const unsigned[]){ 0, 5, 0x8000, 0xffff }[n]), 1);
	assert_true(served(4));
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_true(served(0));
	nh_drive(&h, MQ);
	assert_true(served(1));
	assert_int_equal(h.rings[0], 4);
	nh_end(&h);
}

static void test_pairs_that_are_not_to_be_had(void **state)
{
	begin(&four, MQ);
	assert_int_equal(pairs(2), 0);
	h.fail_attach = 1;
	assert_int_equal(pairs(4), 1);
	assert_true(served(2));
	h.fail_backend = true;
	assert_int_equal(pairs(4), 1);
	h.fail_backend = false;
	assert_true(served(2));
	assert_int_equal(pairs(4), 0);
	assert_true(served(4));
	/* Rings that nobody set up. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(MQ | F(VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < 9; q++) {
		vg_ram(nh_avail(q), "\0\0\0", 4);
		vg_ram(nh_used(q), "\0\0\0", 4);
		if (q != 5)
			vg_set_queue(q, nh_desc(q), nh_avail(q), nh_used(q));
	}
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(pairs(3), 1);
	assert_int_equal(pairs(2), 0);
	assert_true(served(2));
	nh_end(&h);
}

/* The host pays for each. */
static void test_pairs_that_change_all_the_time(void **state)
{
	struct timespec start, end;

	begin(&four, MQ);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < 100; i++)
		(void)pairs(1 + i % 2 * 3);
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* Three queues each; a slow machine has time for more. */
	assert_in_range((h.attaches + h.detaches - 3) / 3, 32, 33 + 10 * (end.tv_sec + 1 - start.tv_sec));
	usleep(120000);
	assert_int_equal(pairs(h.attached[3] ? 2 : 3), 0);
	nh_end(&h);
}

/* 5.1.2: its control queue is the third one. */
static void test_a_driver_that_knows_one_pair(void **state)
{
	begin(&four, CTRL);
	assert_int_equal(rx(VIRTIO_NET_CTRL_RX_PROMISC, 0), 0);
	assert_false(comes(OTHER, -1));
	assert_int_equal(pairs(2), 1);
	assert_true(served(1));
	nh_end(&h);
	/* And one without a control queue. */
	begin(&four, 0);
	assert_int_equal(pairs(1), 0xff);
	assert_true(served(1));
	nh_end(&h);
}

/* --- the link --- */

static void test_the_cable(void **state)
{
	struct virtio_net_state s;

	begin(&four, MQ | F(VIRTIO_NET_F_STATUS));
	assert_int_equal(pairs(2), 0);
	assert_int_equal(vg_get(CONFIG + 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(send(h.far[0], "old", 3, 0), 3);
	virtio_net_set_link(h.net, false);
	assert_int_equal(vg_get(CONFIG + 6, 2), 0);
	assert_int_equal(vg_get(0x400, 1) & 2, 2); /* the configuration has changed */
	assert_int_equal(h.carrier, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(h.backend[i][0] & h.backend[i][1], -1);
	assert_int_equal(pairs(3), 0); /* it may, all the same */
	virtio_net_get_state(h.net, &s);
	assert_false(s.link);
	assert_int_equal(s.pairs, 3);
	virtio_net_set_link(h.net, false);
	assert_int_equal(vg_get(0x400, 1) & 2, 0); /* nothing new */
	virtio_net_set_link(h.net, true);
	assert_int_equal(h.carrier, 1);
	assert_true(served(3));
	assert_int_equal(recv(h.nic.tap_fd[0], &(char){ 0 }, 1, MSG_DONTWAIT), -1); /* what was old */
	/* Of a guest that is not there yet. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	virtio_net_set_link(h.net, false);
	nh_drive(&h, MQ | F(VIRTIO_NET_F_STATUS));
	assert_true(served(0));
	assert_int_equal(vg_get(CONFIG + 6, 2), 0);
	virtio_net_set_link(h.net, true);
	assert_true(served(1));
	nh_end(&h);
}

/* --- what no driver should send --- */

static void test_commands_that_are_none(void **state)
{
	static const uint8_t data[16] = { 1 };
	static const struct {
		unsigned class, number, len;
	} rows[] = {
		{ VIRTIO_NET_CTRL_RX, 0, 0 }, { VIRTIO_NET_CTRL_RX, 0, 2 }, { VIRTIO_NET_CTRL_RX, 6, 1 },
		{ VIRTIO_NET_CTRL_MAC, 0, 0 }, { VIRTIO_NET_CTRL_MAC, 0, 3 }, { VIRTIO_NET_CTRL_MAC, 0, 7 },
		{ VIRTIO_NET_CTRL_MAC, 1, 5 }, { VIRTIO_NET_CTRL_MAC, 1, 7 }, { VIRTIO_NET_CTRL_MAC, 2, 6 },
		{ VIRTIO_NET_CTRL_VLAN, 0, 1 }, { VIRTIO_NET_CTRL_VLAN, 0, 3 }, { VIRTIO_NET_CTRL_VLAN, 2, 2 },
		{ VIRTIO_NET_CTRL_ANNOUNCE, 0, 0 }, { VIRTIO_NET_CTRL_MQ, 0, 1 }, { VIRTIO_NET_CTRL_MQ, 0, 4 },
		{ VIRTIO_NET_CTRL_MQ, 1, 2 }, { VIRTIO_NET_CTRL_MQ, 2, 2 },
		{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 8 }, /* not agreed on */
		{ 6, 0, 2 }, { 255, 255, 16 },
	};

	begin(&four, MQ);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (command(rows[i].class, rows[i].number, data, rows[i].len) != 1)
			fail_msg("row %u was not refused", i);
	assert_int_equal(h.filters + h.macs + h.attaches, 0);
	assert_int_equal(nh_used_count(ctrl), ARRAY_SIZE(rows));
	assert_false(vg_is_broken());
	nh_end(&h);
}

static void test_chains_that_lack_a_part(void **state)
{
	begin(&one, CTRL);
	vg_desc_at(nh_desc(ctrl), 0, COMMAND, 3, 0, 0); /* nowhere to answer */
	nh_offer(ctrl, 0);
	nh_turn();
	assert_true(vg_is_broken());
	assert_true(served(0));
	nh_drive(&h, CTRL);
	vg_desc_at(nh_desc(ctrl), 0, COMMAND, 1, N, 1);
	vg_desc_at(nh_desc(ctrl), 1, ANSWER, 1, W, 0);
	nh_offer(ctrl, 0);
	nh_turn();
	assert_true(vg_is_broken());
	nh_drive(&h, CTRL);
	vg_desc_at(nh_desc(ctrl), 0, ANSWER, 64, W, 0);
	nh_offer(ctrl, 0);
	nh_turn();
	assert_true(vg_is_broken());
	nh_end(&h);
}

/* In a table of its own and in pieces of a byte; and where there is no RAM. */
static void test_commands_in_pieces(void **state)
{
	begin(&one, CTRL | F(VIRTIO_RING_F_INDIRECT_DESC));
	vg_ram(COMMAND, "\1\1" OTHER, 8);
	for (unsigned i = 0; i < 8; i++)
		vg_desc_at(TABLE, i, COMMAND + i, 1, N, i + 1);
	vg_desc_at(TABLE, 8, ANSWER, 0, N | W, 9);
	vg_desc_at(TABLE, 9, ANSWER, 8, W, 0);
	vg_desc_at(nh_desc(ctrl), 0, TABLE, 160, VRING_DESC_F_INDIRECT, 0);
	vg_ram(ANSWER, "\xff\xff", 2);
	nh_offer(ctrl, 0);
	nh_turn();
	assert_int_equal(vg_ram_get(ANSWER, 2), 0xff00);
	assert_int_equal(nh_used_len(ctrl, 0), 1);
	assert_memory_equal(h.mac, OTHER, 6);
	vg_desc_at(TABLE, 5, 0xfff00000, 1, N, 6);
	vg_ram(ANSWER, "\xff", 1);
	nh_offer(ctrl, 0);
	nh_turn();
	assert_int_equal(vg_ram_get(ANSWER, 1), 1);
	assert_int_equal(h.macs, 1);
	nh_end(&h);
}

/* More than is served at once, and each once. */
static void test_many_commands(void **state)
{
	begin(&one, CTRL);
	vg_ram(COMMAND, "\0\0\0", 3);
	vg_desc_at(nh_desc(ctrl), 0, COMMAND, 3, N, 1);
	vg_desc_at(nh_desc(ctrl), 1, ANSWER, 1, W, 0);
	for (unsigned i = 0; i < VG_SIZE; i++)
		nh_offer(ctrl, 0);
	nh_turn();
	assert_int_equal(nh_used_count(ctrl), VG_SIZE);
	assert_int_equal(h.filters, 1);
	nh_end(&h);
}

static uint32_t noise;

/* The same at each run. */
static uint32_t any(uint32_t below)
{
	noise = noise * 1664525u + 1013904223u;
	return (noise >> 8) % below;
}

static void any_command(void)
{
	static const uint64_t places[] = { COMMAND, COMMAND + 2, COMMAND + 0x10, ANSWER, 0xfff00000, ~0ull };
	static const uint32_t lengths[] = { 0, 1, 2, 3, 4, 6, 8, 10, 14, 16, 4096, 0x7fffffff, ~0u };
	uint8_t b[16];

	b[0] = (uint8_t)any(8);
	b[1] = (uint8_t)any(4);
	for (unsigned i = 2; i < sizeof(b); i++)
		b[i] = (uint8_t)(any(4) ? any(6) : any(256));
	vg_ram(COMMAND, b, sizeof(b));
	for (unsigned i = 0; i < 6; i++)
		vg_desc_at(nh_desc(ctrl), i, places[any(ARRAY_SIZE(places))], lengths[any(ARRAY_SIZE(lengths))],
			   (any(3) ? N : 0) | (i > 1 && any(2) ? W : 0) | (any(30) ? 0 : VRING_DESC_F_INDIRECT),
			   any(8));
	vg_desc_at(nh_desc(ctrl), 0, COMMAND, 2 + any(8), N, 1 + any(4));
	vg_desc_at(nh_desc(ctrl), 4, ANSWER, 1, W, 0);
	nh_offer(ctrl, any(10) ? 0 : any(VG_SIZE + 2));
	if (any(40) == 0)
		virtio_net_set_link(h.net, any(2));
	h.fail_attach = any(20) == 0;
}

static void test_noise(void **state)
{
	unsigned broken = 0, served_commands = 0;

	noise = 11;
	begin(&four, MQ);
	for (unsigned i = 0; i < 3000; i++) {
		any_command();
		if (i % 4 == 0)
			nh_turn();
		if (!vg_is_broken())
			continue;
		broken++;
		served_commands += nh_used_count(ctrl);
		nh_drive(&h, MQ);
	}
	assert_in_range(broken, 50, 2900);
	assert_in_range(served_commands, 100, 20000);
	virtio_net_set_link(h.net, true);
	h.fail_attach = 0;
	nh_drive(&h, MQ);
	for (unsigned i = 0; i < 100 && pairs(2) != 0; i++) /* it may have asked too often */
		usleep(10000);
	assert_true(served(2));
	nh_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_offered),
		cmocka_unit_test(test_offloads_are_the_guests_choice),
		cmocka_unit_test(test_all_comes_until_the_guest_says_what),
		cmocka_unit_test(test_tables_of_any_size),
		cmocka_unit_test(test_vlans),
		cmocka_unit_test(test_a_mac_of_the_guests_choice),
		cmocka_unit_test(test_pairs_come_and_go),
		cmocka_unit_test(test_pairs_that_are_not_to_be_had),
		cmocka_unit_test(test_pairs_that_change_all_the_time),
		cmocka_unit_test(test_a_driver_that_knows_one_pair),
		cmocka_unit_test(test_the_cable),
		cmocka_unit_test(test_commands_that_are_none),
		cmocka_unit_test(test_chains_that_lack_a_part),
		cmocka_unit_test(test_commands_in_pieces),
		cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("virtio-net", tests, NULL, NULL);
}
