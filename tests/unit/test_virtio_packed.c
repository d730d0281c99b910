// SPDX-License-Identifier: GPL-2.0-or-later
/* Packed rings (2.8), byte by byte: a driver in a test, honest and otherwise. */
#include "tests/fake/virtio_hand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/fake/ring_driver.h"
#include "vmm/mem.h"

#define TABLE 0x13000u
#define DATA  0x20000u

#define F(n)   (1ull << (n))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define EVENTS F(VIRTIO_RING_F_EVENT_IDX)
#define TABLES F(VIRTIO_RING_F_INDIRECT_DESC)

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
/* Available in the first round, and in the second; used in these. */
#define AVAIL1	 (1u << VRING_PACKED_DESC_F_AVAIL)
#define AVAIL2	 (1u << VRING_PACKED_DESC_F_USED)
#define USED1	 (AVAIL1 | AVAIL2)
#define USED2	 0u

#define SIZE 5u /* no power of two */

static void begin(uint64_t features)
{
	hand_begin();
	hand_drive(PACKED | features, SIZE, VG_DESC, VG_AVAIL, VG_USED);
	assert_true(hand.dev.running);
}

static void desc(unsigned i, uint64_t addr, uint32_t len, unsigned id, unsigned flags)
{
	vg_desc_at(VG_DESC, i, addr, len, id, flags);
}

static unsigned len_of(unsigned i)
{
	return (unsigned)vg_ram_get(VG_DESC + 16 * i + 8, 4);
}

static unsigned id_of(unsigned i)
{
	return (unsigned)vg_ram_get(VG_DESC + 16 * i + 12, 2);
}

static unsigned flags_of(unsigned i)
{
	return (unsigned)vg_ram_get(VG_DESC + 16 * i + 14, 2);
}

static int pop(struct virtq_chain *c)
{
	return virtq_pop(&hand.dev, 0, c);
}

static void push(const struct virtq_chain *c, uint32_t written)
{
	assert_int_equal(virtq_push(&hand.dev, 0, c, written), 0);
}

/* What the driver wants to hear: offset, wrap counter and flags. */
static void want(unsigned off, unsigned wrap, unsigned flags)
{
	uint8_t b[4];

	put_le16(b, (uint16_t)(off | wrap << 15));
	put_le16(b + 2, (uint16_t)flags);
	vg_ram(VG_AVAIL, b, 4);
}

/* --- what goes and comes --- */

static void test_it_is_offered_by_who_has_it(void **state)
{
	hand_begin();
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4), (PACKED | F(VIRTIO_F_VERSION_1)) >> 32);
	hand_end();
}

static void test_a_chain_goes_and_comes(void **state)
{
	struct virtq_chain c;

	begin(0);
	assert_int_equal(pop(&c), 0);
	desc(0, DATA, 4, 1, AVAIL1 | NEXT);
	desc(1, DATA + 4, 2, 2, AVAIL1 | NEXT);
	desc(2, DATA + 256, 64, 0xfffe, AVAIL1 | WRITE);
	assert_int_equal(pop(&c), 1);
	assert_int_equal(c.nread, 2);
	assert_int_equal(c.nwrite, 1);
	assert_int_equal(virtq_readable(&c), 6);
	assert_int_equal(virtq_writable(&c), 64);
	assert_int_equal(c.seg[2].addr, DATA + 256);
	assert_int_equal(c.head.id, 0xfffe); /* the last one's: any number */
	assert_int_equal(c.head.entries, 3);
	push(&c, 7);
	assert_int_equal(id_of(0), 0xfffe);
	assert_int_equal(len_of(0), 7);
	assert_int_equal(flags_of(0), USED1 | WRITE);
	assert_int_equal(flags_of(1), AVAIL1 | NEXT); /* skipped */
	assert_int_equal(flags_of(2), AVAIL1 | WRITE);
	assert_int_equal(pop(&c), 0);
	/* Over the end: the second half of it is in another round. */
	desc(3, DATA, 1, 0, AVAIL1 | NEXT);
	desc(4, DATA, 1, 0, AVAIL1 | NEXT);
	desc(0, DATA, 1, 9, AVAIL2);
	assert_int_equal(pop(&c), 1);
	assert_int_equal(c.head.id, 9);
	assert_int_equal(c.head.entries, 3);
	push(&c, 0);
	assert_int_equal(flags_of(3), USED1); /* nothing was written */
	assert_int_equal(id_of(3), 9);
	/* And the next is of the second round. */
	desc(1, DATA, 1, 5, AVAIL1);
	assert_int_equal(pop(&c), 0);
	desc(1, DATA, 1, 5, AVAIL2);
	assert_int_equal(pop(&c), 1);
	push(&c, 0);
	assert_int_equal(flags_of(1), USED2);
	assert_int_equal(hand.dev.q[0].taken, 0);
	hand_end();
}

static void test_others_are_ended_first(void **state)
{
	struct virtq_chain a, b, c;

	begin(0);
	desc(0, DATA, 1, 10, AVAIL1 | NEXT);
	desc(1, DATA, 1, 10, AVAIL1);
	desc(2, DATA, 1, 11, AVAIL1);
	desc(3, DATA, 8, 12, AVAIL1 | WRITE);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(pop(&c), 1);
	/* Where the first lies, which is under way. */
	push(&c, 8);
	assert_int_equal(id_of(0), 12);
	assert_int_equal(flags_of(0), USED1 | WRITE);
	push(&a, 0);
	assert_int_equal(id_of(1), 10);
	push(&b, 0); /* a has taken two */
	assert_int_equal(id_of(3), 11);
	assert_int_equal(flags_of(3), USED1);
	assert_int_equal(hand.dev.q[0].taken, 0);
	hand_end();
}

static void test_several_are_shown_at_once(void **state)
{
	struct virtq_chain a, b;

	begin(0);
	desc(0, DATA, 8, 20, AVAIL1 | WRITE);
	desc(1, DATA, 8, 21, AVAIL1 | WRITE);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(virtq_put(&hand.dev, 0, &a.head, 8), 0);
	assert_int_equal(virtq_put(&hand.dev, 0, &b.head, 3), 0);
	assert_int_equal(flags_of(0), AVAIL1 | WRITE); /* the guest looks there first */
	assert_int_equal(virtq_publish(&hand.dev, 0), 0);
	assert_int_equal(flags_of(0), USED1 | WRITE);
	assert_int_equal(flags_of(1), USED1 | WRITE);
	assert_int_equal(len_of(1), 3);
	/* None is nothing. */
	assert_int_equal(virtq_publish(&hand.dev, 0), 0);
	assert_int_equal(hand.dev.q[0].next_used, 2);
	/* Over the end: those behind it are of the other round. */
	desc(2, DATA, 8, 22, AVAIL1 | NEXT);
	desc(3, DATA, 8, 22, AVAIL1);
	desc(4, DATA, 8, 23, AVAIL1);
	desc(0, DATA, 8, 24, AVAIL2);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(virtq_put(&hand.dev, 0, &a.head, 0), 0);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(virtq_put(&hand.dev, 0, &a.head, 0), 0);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(virtq_put(&hand.dev, 0, &a.head, 0), 0);
	assert_int_equal(flags_of(2), AVAIL1 | NEXT);
	assert_int_equal(flags_of(4), USED1);
	assert_int_equal(flags_of(0), USED2);
	assert_int_equal(virtq_publish(&hand.dev, 0), 0);
	assert_int_equal(flags_of(2), USED1);
	assert_int_equal(hand.dev.q[0].next_used, 1);
	assert_int_equal(hand.dev.q[0].taken, 0);
	hand_end();
}

static void test_what_has_no_room_comes_again(void **state)
{
	struct virtq_chain a, b, again;

	begin(0);
	for (unsigned i = 0; i < 4; i++)
		desc(i, DATA, 1, i, AVAIL1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pop(&a), 1);
		push(&a, 0);
	}
	desc(4, DATA, 1, 30, AVAIL1);
	desc(0, DATA, 1, 31, AVAIL2 | NEXT);
	desc(1, DATA, 1, 31, AVAIL2);
	assert_int_equal(pop(&a), 1);
	assert_int_equal(pop(&b), 1);
	virtq_unpop(&hand.dev, 0, &b.head);
	assert_int_equal(pop(&b), 1);
	assert_int_equal(b.head.id, 31);
	virtq_unpop(&hand.dev, 0, &b.head);
	virtq_unpop(&hand.dev, 0, &a.head); /* over the end, back */
	assert_int_equal(hand.dev.q[0].taken, 0);
	assert_int_equal(pop(&again), 1);
	assert_int_equal(again.head.id, 30);
	assert_int_equal(pop(&again), 1);
	assert_int_equal(again.head.id, 31);
	assert_int_equal(again.head.entries, 2);
	assert_int_equal(pop(&again), 0);
	assert_false(vg_is_broken());
	hand_end();
}

static void test_a_table_of_its_own(void **state)
{
	struct virtq_chain c;

	begin(TABLES);
	vg_desc_at(TABLE, 0, DATA, 3, 77, 0);
	vg_desc_at(TABLE, 1, DATA + 16, 5, 78, 0);
	vg_desc_at(TABLE, 2, DATA + 256, 8, 79, WRITE);
	desc(0, TABLE, 48, 40, AVAIL1 | INDIRECT | WRITE); /* which means nothing here */
	assert_int_equal(pop(&c), 1);
	assert_int_equal(c.nread, 2);
	assert_int_equal(c.nwrite, 1);
	assert_int_equal(c.seg[1].addr, DATA + 16);
	assert_int_equal(c.head.id, 40);
	assert_int_equal(c.head.entries, 1);
	push(&c, 8);
	assert_int_equal(id_of(0), 40);
	/* There are no chains in a table and no tables: these flags are nothing to the device. */
	vg_desc_at(TABLE, 0, TABLE, 16, 0, INDIRECT | NEXT | AVAIL1);
	desc(1, TABLE, 16, 41, AVAIL1 | INDIRECT);
	assert_int_equal(pop(&c), 1);
	assert_int_equal(c.nread, 1);
	assert_int_equal(c.seg[0].addr, TABLE);
	assert_int_equal(c.seg[0].len, 16);
	hand_end();
}

static void test_queues_of_any_size(void **state)
{
	static const unsigned sizes[] = { 1, 3, 63, 64 };
	struct virtq_chain c;

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		hand_begin();
		hand_drive(PACKED, sizes[i], VG_DESC, VG_AVAIL, VG_USED);
		assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), sizes[i]);
		for (unsigned n = 0; n < 3 * sizes[i]; n++) {
			bool odd = n / sizes[i] % 2;

			desc(n % sizes[i], DATA, 1, n, odd ? AVAIL2 : AVAIL1);
			assert_int_equal(pop(&c), 1);
			assert_int_equal(c.head.id, n);
			push(&c, 0);
			assert_int_equal(flags_of(n % sizes[i]), odd ? USED2 : USED1);
		}
		hand_end();
	}
}

static void test_sizes_that_no_queue_has(void **state)
{
	hand_begin();
	hand_drive(PACKED, 0, VG_DESC, VG_AVAIL, VG_USED);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), HAND_SIZE_MAX);
	hand_drive(PACKED, 65, VG_DESC, VG_AVAIL, VG_USED);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), HAND_SIZE_MAX);
	assert_true(hand.dev.running);
	/* One of a packed ring, in a split one after all. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_put(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	vg_put(VIRTIO_PCI_COMMON_GF, 4, (PACKED | F(VIRTIO_F_VERSION_1)) >> 32);
	vg_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, 3);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 3);
	vg_put(VIRTIO_PCI_COMMON_GF, 4, F(VIRTIO_F_VERSION_1) >> 32);
	vg_put(VIRTIO_PCI_COMMON_Q_DESCLO, 8, VG_DESC);
	vg_put(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, VG_AVAIL);
	vg_put(VIRTIO_PCI_COMMON_Q_USEDLO, 8, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(vg_is_broken());
	hand_end();
}

/* --- who is told --- */

/* One more request of one entry, in round 1 or 2 of it, which is answered. */
static void serve_one(unsigned i, unsigned round)
{
	struct virtq_chain c;

	desc(i, DATA, 1, 50 + i, round == 2 ? AVAIL2 : AVAIL1);
	assert_int_equal(pop(&c), 1);
	push(&c, 0);
	virtq_flush(&hand.dev, 0);
}

static void test_interrupts_that_are_not_wanted(void **state)
{
	begin(0);
	serve_one(0, 1);
	assert_true(hand_interrupted());
	want(0, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	serve_one(1, 1);
	assert_false(hand_interrupted());
	/* Words that were not agreed on, or are none: rather one too many. */
	want(0, 0, VRING_PACKED_EVENT_FLAG_DESC);
	serve_one(2, 1);
	assert_true(hand_interrupted());
	want(0, 0, 3);
	serve_one(3, 1);
	assert_true(hand_interrupted());
	virtq_flush(&hand.dev, 0);
	assert_false(hand_interrupted()); /* there is nothing new */
	hand_end();
}

static void test_interrupts_from_an_entry_on(void **state)
{
	struct virtq_chain c;

	begin(EVENTS);
	want(2, 1, VRING_PACKED_EVENT_FLAG_DESC);
	serve_one(0, 1);
	serve_one(1, 1);
	assert_false(hand_interrupted());
	serve_one(2, 1);
	assert_true(hand_interrupted());
	serve_one(3, 1);
	assert_false(hand_interrupted());
	want(0, 0, VRING_PACKED_EVENT_FLAG_DESC); /* of the next round */
	serve_one(4, 1);
	assert_false(hand_interrupted());
	serve_one(0, 2);
	assert_true(hand_interrupted());
	/* One that a chain takes beside its first. */
	want(2, 0, VRING_PACKED_EVENT_FLAG_DESC);
	desc(1, DATA, 1, 60, AVAIL2 | NEXT);
	desc(2, DATA, 1, 60, AVAIL2 | NEXT);
	desc(3, DATA, 1, 60, AVAIL2);
	assert_int_equal(pop(&c), 1);
	push(&c, 0);
	virtq_flush(&hand.dev, 0);
	assert_true(hand_interrupted());
	/* One that the ring does not have. */
	want(SIZE, 0, VRING_PACKED_EVENT_FLAG_DESC);
	serve_one(4, 2);
	assert_true(hand_interrupted());
	hand_end();
}

static void test_it_says_from_where_on_to_kick(void **state)
{
	struct virtq_chain c;

	begin(EVENTS);
	assert_int_equal(pop(&c), 0);
	assert_int_equal(vg_ram_get(VG_USED, 4), 0x8000 | VRING_PACKED_EVENT_FLAG_DESC << 16);
	for (unsigned i = 0; i < SIZE; i++)
		serve_one(i, 1);
	serve_one(0, 2);
	assert_int_equal(pop(&c), 0);
	assert_int_equal(vg_ram_get(VG_USED, 4), 1 | VRING_PACKED_EVENT_FLAG_DESC << 16);
	hand_end();
	/* Without indexes always, whatever was there. */
	hand_begin();
	vg_ram(VG_USED, "\xff\xff\xff\xff", 4);
	hand_drive(PACKED, SIZE, VG_DESC, VG_AVAIL, VG_USED);
	assert_int_equal(pop(&c), 0);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), VRING_PACKED_EVENT_FLAG_ENABLE);
	hand_end();
}

/* --- what no driver should do --- */

static void breaks(void (*prepare)(void), const char *what)
{
	struct virtq_chain c;
	unsigned n = 0;
	int r;

	begin(TABLES);
	prepare();
	while ((r = pop(&c)) == 1 && n < 100)
		n++;
	if (r != -EPROTO || !vg_is_broken())
		fail_msg("it took: %s (%d after %u)", what, r, n);
	assert_int_equal(hand.stops, 1);
	assert_false(hand.dev.running);
	/* Until it is reset: then it is as new. */
	memset(gmem_ptr(vg_machine.guest.vm.mem, VG_DESC, 16 * SIZE), 0, 16 * SIZE);
	hand_drive(PACKED, SIZE, VG_DESC, VG_AVAIL, VG_USED);
	serve_one(0, 1);
	assert_int_equal(flags_of(0), USED1);
	hand_end();
}

static void circle(void)
{
	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA, 1, i, AVAIL1 | NEXT);
}

/* Four are under way, and the next is said to go on over them. */
static void over_others(void)
{
	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA, 1, i, AVAIL1 | (i == 4 ? NEXT : 0));
}

/* All are under way, and available once more. */
static void twice(void)
{
	struct virtq_chain c;

	for (unsigned i = 0; i < SIZE; i++)
		desc(i, DATA, 1, i, AVAIL1);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(pop(&c), 1);
	assert_int_equal(pop(&c), 0);
	desc(0, DATA, 1, 0, AVAIL2);
}

static void write_then_read(void)
{
	desc(1, DATA, 1, 0, AVAIL1);
	desc(0, DATA, 1, 0, AVAIL1 | NEXT | WRITE);
}

static void table_write_then_read(void)
{
	vg_desc_at(TABLE, 0, DATA, 1, 0, WRITE);
	vg_desc_at(TABLE, 1, DATA, 1, 0, 0);
	desc(0, TABLE, 32, 0, AVAIL1 | INDIRECT);
}

static void odd_table(void)
{
	desc(0, TABLE, 17, 0, AVAIL1 | INDIRECT);
}

static void large_table(void)
{
	desc(0, TABLE, 16 * (SIZE + 1), 0, AVAIL1 | INDIRECT);
}

static void huge_table(void)
{
	desc(0, TABLE, 0xfffffff0, 0, AVAIL1 | INDIRECT);
}

static void empty_table(void)
{
	desc(0, TABLE, 0, 0, AVAIL1 | INDIRECT);
}

static void table_and_more(void)
{
	desc(0, TABLE, 16, 0, AVAIL1 | INDIRECT | NEXT);
}

static void table_in_chain(void)
{
	desc(1, TABLE, 16, 0, AVAIL1 | INDIRECT);
	desc(0, DATA, 1, 0, AVAIL1 | NEXT);
}

static void table_nowhere(void)
{
	desc(0, 0xfffffffffffffff0, 32, 0, AVAIL1 | INDIRECT);
}

static void table_over_the_end(void)
{
	desc(0, 4 * MiB - 16, 32, 0, AVAIL1 | INDIRECT);
}

static void test_rings_that_break_the_rules(void **state)
{
	breaks(circle, "a chain all round");
	breaks(over_others, "a chain over what is under way");
	breaks(twice, "an entry that is under way");
	breaks(write_then_read, "reading behind writing");
	breaks(table_write_then_read, "reading behind writing in a table");
	breaks(odd_table, "an indirect table of 17 bytes");
	breaks(large_table, "an indirect table larger than the queue");
	breaks(huge_table, "an indirect table of 4 GiB");
	breaks(empty_table, "an empty indirect table");
	breaks(table_and_more, "indirect and next");
	breaks(table_in_chain, "a table in a chain");
	breaks(table_nowhere, "a table that is nowhere");
	breaks(table_over_the_end, "a table half in RAM");
}

static void test_tables_that_were_not_agreed_on(void **state)
{
	struct virtq_chain c;

	begin(0);
	vg_desc_at(TABLE, 0, DATA, 1, 0, 0);
	desc(0, TABLE, 16, 0, AVAIL1 | INDIRECT);
	assert_int_equal(pop(&c), -EPROTO);
	assert_true(vg_is_broken());
	hand_end();
}

static void test_more_buffers_than_there_is_room_for(void **state)
{
	struct virtq_chain c;

	hand_begin();
	hand_drive(PACKED, 64, VG_DESC, VG_AVAIL, VG_USED);
	for (unsigned i = 0; i < 64; i++)
		desc(i, DATA, 1, i, AVAIL1 | (i < 63 ? NEXT : 0));
	assert_int_equal(pop(&c), 1);
	assert_int_equal(c.nread, VIRTQ_SEGS_MAX);
	push(&c, 0);
	assert_false(vg_is_broken());
	assert_int_equal(id_of(0), 63);
	hand_end();
}

static void test_entries_of_another_round_are_not_available(void **state)
{
	static const unsigned wrong[] = { 0, AVAIL2, USED1, AVAIL2 | NEXT, USED1 | INDIRECT };
	struct virtq_chain c;

	begin(TABLES);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		desc(0, DATA, 1, 0, wrong[i]);
		for (unsigned n = 0; n < 3; n++)
			assert_int_equal(pop(&c), 0);
	}
	assert_int_equal(hand.dev.q[0].next_avail, 0);
	assert_false(vg_is_broken());
	hand_end();
}

static void test_what_changes_after_it_was_read(void **state)
{
	struct virtq_chain c;

	begin(TABLES);
	vg_desc_at(TABLE, 0, DATA, 8, 0, 0);
	vg_desc_at(TABLE, 1, DATA + 8, 8, 0, WRITE);
	desc(0, TABLE, 32, 70, AVAIL1 | INDIRECT);
	assert_int_equal(pop(&c), 1);
	vg_desc_at(TABLE, 0, 0xfffffffffffff000, 0xffffffff, 0, WRITE);
	desc(0, 0xfffffffffffff000, 0xffffffff, 71, AVAIL2 | NEXT);
	assert_int_equal(c.seg[0].addr, DATA);
	assert_int_equal(c.seg[0].len, 8);
	assert_int_equal(c.nwrite, 1);
	push(&c, 1);
	assert_int_equal(id_of(0), 70);
	assert_int_equal(flags_of(0), USED1 | WRITE);
	assert_int_equal(hand.dev.q[0].next_used, 1);
	assert_false(vg_is_broken());
	hand_end();
}

static void test_rings_that_are_nowhere(void **state)
{
	static const uint64_t at[][3] = {
		{ 0xfffffffffffffff0, VG_AVAIL, VG_USED }, { VG_DESC, 0xfffffffffffffffc, VG_USED },
		{ VG_DESC, VG_AVAIL, 0xfffffffffffffffc }, { 4 * MiB - 64, VG_AVAIL, VG_USED },
		{ VG_DESC + 8, VG_AVAIL, VG_USED }, { VG_DESC, VG_AVAIL + 2, VG_USED },
		{ VG_DESC, VG_AVAIL, VG_USED + 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		hand_begin();
		hand_drive(PACKED, SIZE, at[i][0], at[i][1], at[i][2]);
		if (!vg_is_broken())
			fail_msg("row %u runs", i);
		assert_false(hand.dev.running);
		hand_end();
	}
	/* The last bytes of RAM are RAM. */
	hand_begin();
	hand_drive(PACKED, SIZE, 4 * MiB - 16 * SIZE, 4 * MiB - 4, 0);
	assert_true(hand.dev.running);
	hand_end();
}

static void test_buffers_that_are_nowhere_are_left_alone(void **state)
{
	struct virtq_chain c;
	uint8_t b[16];

	begin(0);
	desc(0, 0xfffffffffffffff0, 0xffffffff, 0, AVAIL1 | NEXT);
	desc(1, 0, 0, 0, AVAIL1 | NEXT | WRITE);
	desc(2, 4 * MiB - 1, 2, 0, AVAIL1 | NEXT | WRITE);
	desc(3, DATA, 0xffffffff, 80, AVAIL1 | WRITE);
	assert_int_equal(pop(&c), 1);
	assert_int_equal(virtq_readable(&c), 0xffffffff);
	assert_int_equal(virtq_writable(&c), 0x100000001);
	assert_int_equal(virtq_read(&hand.dev, &c, 0, b, sizeof(b)), -EFAULT);
	assert_int_equal(virtq_write(&hand.dev, &c, 0, b, sizeof(b)), -EFAULT);
	push(&c, 0);
	assert_false(vg_is_broken());
	hand_end();
}

/* Anything at all, to registers and rings, with requests of which some are always under way. */
static void test_noise(void **state)
{
	struct virtq_chain held[SIZE], c;
	uint64_t x = 88172645463325252ull;
	unsigned n = 0;

	begin(TABLES | EVENTS);
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t b[8];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		put_le64(b, x >> 8);
		switch (x % 8) {
		case 0: bus_write(vg_machine.guest.vm.mmio, vg_bar + (x >> 20) % 0x4000, b, 1u << (x >> 40) % 4); break;
		case 1: vg_ram(VG_AVAIL, b, 4); break;
		case 2: vg_ram(VG_DESC + (x >> 20) % (16 * SIZE - 1), b, 2); break;
		case 3:
			vg_desc_at(x & 256 ? VG_DESC : TABLE, (x >> 20) % SIZE, x & 512 ? DATA : TABLE,
				   (uint32_t)(x >> 44) % 100, (unsigned)(x >> 24) & 0xffff,
				   (unsigned)((x >> 33) % 8 | (x & 1024 ? AVAIL1 : AVAIL2)));
			break;
		case 4:
			if (hand.dev.running)
				break;
			hand_drive(PACKED | TABLES | EVENTS, SIZE, VG_DESC, VG_AVAIL, VG_USED);
			n = 0;
			break;
		case 5:
			if (n && hand.dev.running && virtq_push(&hand.dev, 0, &held[--n], (uint32_t)x) == 0)
				virtq_flush(&hand.dev, 0);
			break;
		default:
			if (hand.dev.running && hand.dev.q[0].ready && virtio_has(&hand.dev, VIRTIO_F_RING_PACKED) &&
			    n < SIZE && virtq_pop(&hand.dev, 0, &c) == 1)
				held[n++] = c;
		}
		if (!hand.dev.running)
			n = 0;
		else if (hand.dev.q[0].taken > hand.dev.q[0].size)
			fail_msg("%u are under way", hand.dev.q[0].taken);
	}
	hand_end();
}

/* --- what it costs ------------------------------------------------------------------------------ */

#define COST_REQUESTS 96000u

void cost_turn(void);

/* Not of this file alone: callgrind is to see when it begins and ends. */
__attribute__((noinline)) void cost_turn(void)
{
	struct virtq_chain c;

	while (virtq_pop(&hand.dev, 0, &c) == 1)
		(void)virtq_push(&hand.dev, 0, &c, 64);
	virtq_flush(&hand.dev, 0);
}

/* "cost split|packed BATCH BUFFERS": not a test, but what docs/virtio.md has its figures from. */
static int cost(char **words)
{
	uint64_t features = EVENTS | TABLES | (strcmp(words[0], "packed") == 0 ? PACKED : 0);
	unsigned batch = (unsigned)atoi(words[1]), buffers = (unsigned)atoi(words[2]), kicks = 0, calls = 0;
	struct ring_driver d;
	uint32_t len;

	hand_begin();
	rd_init(&d, vg_machine.guest.vm.mem, features, 64);
	hand_drive(features, 64, RD_DESC, RD_AVAIL, RD_USED);
	for (unsigned i = 0; i < COST_REQUESTS / batch; i++) {
		for (unsigned k = 0; k < batch; k++)
			(void)rd_add(&d, buffers - 1, 1);
		kicks += rd_must_kick(&d);
		cost_turn();
		calls += hand_interrupted();
		while (rd_get(&d, &len) >= 0)
			;
		(void)rd_wish(&d, RD_NEXT);
	}
	hand_end();
	printf("%u requests, %u kicks, %u interrupts\n", COST_REQUESTS, kicks, calls);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_offered_by_who_has_it),
		cmocka_unit_test(test_a_chain_goes_and_comes),
		cmocka_unit_test(test_others_are_ended_first),
		cmocka_unit_test(test_several_are_shown_at_once),
		cmocka_unit_test(test_what_has_no_room_comes_again),
		cmocka_unit_test(test_a_table_of_its_own),
		cmocka_unit_test(test_queues_of_any_size),
		cmocka_unit_test(test_sizes_that_no_queue_has),
		cmocka_unit_test(test_interrupts_that_are_not_wanted),
		cmocka_unit_test(test_interrupts_from_an_entry_on),
		cmocka_unit_test(test_it_says_from_where_on_to_kick),
		cmocka_unit_test(test_rings_that_break_the_rules),
		cmocka_unit_test(test_tables_that_were_not_agreed_on),
		cmocka_unit_test(test_more_buffers_than_there_is_room_for),
		cmocka_unit_test(test_entries_of_another_round_are_not_available),
		cmocka_unit_test(test_what_changes_after_it_was_read),
		cmocka_unit_test(test_rings_that_are_nowhere),
		cmocka_unit_test(test_buffers_that_are_nowhere_are_left_alone),
		cmocka_unit_test(test_noise),
	};

	if (argc == 5 && strcmp(argv[1], "cost") == 0)
		return cost(argv + 2);
	return cmocka_run_group_tests_name("virtio_packed", tests, NULL, NULL);
}
