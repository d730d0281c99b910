// SPDX-License-Identifier: GPL-2.0-or-later
/* The memory balloon: what it takes, what it is told, and what a guest may not make it do. */
#include "tests/fake/virtio_guest.h"

#include <errno.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/loop.h"
#include "vmm/mem.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/virtio.h"

#define SLOT 1
#define DATA 0x20000u
#define PAGE 4096u

#define F(n) (1ull << (n))
#define ALL  (F(VIRTIO_F_VERSION_1) | F(VIRTIO_BALLOON_F_STATS_VQ) | F(VIRTIO_BALLOON_F_REPORTING))

enum { INFLATE, DEFLATE, STATS, REPORT, REPORT_TOO };

static struct virtio_balloon *b;
static bool may;

static bool may_take(void *opaque)
{
	return may;
}

static struct virtio_dev *dev(void)
{
	return (struct virtio_dev *)b; /* it begins with it */
}

static int begin(bool reporting)
{
	const struct balloon_owner owner = { may_take, NULL, reporting };

	may = true;
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	assert_int_equal(virtio_balloon_new(&vg_machine.guest.vm, &owner, &b, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return 0;
}

static int setup(void **state)
{
	return begin(true);
}

static int teardown(void **state)
{
	b = virtio_balloon_free(b);
	vfio_machine_free(&vg_machine);
	return 0;
}

/* A driver with one queue, number q, at the only place that there is. */
static void drive(uint64_t features, unsigned q)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_ram(VG_AVAIL, "\0\0\0\0", 4);
	vg_ram(VG_USED, "\0\0\0\0", 4);
	vg_accept(features);
	vg_set_queue(q, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(dev()->running);
}

/* Makes n chains available, which begin at these descriptors, and kicks once. */
static void offer(unsigned q, const unsigned *heads, unsigned n)
{
	uint16_t idx = (uint16_t)vg_ram_get(VG_AVAIL + 2, 2);
	uint8_t h[2];

	for (unsigned i = 0; i < n; i++) {
		put_le16(h, (uint16_t)heads[i]);
		vg_ram(VG_AVAIL + 4 + 2 * ((idx + i) % VG_SIZE), h, 2);
	}
	put_le16(h, (uint16_t)(idx + n));
	vg_ram(VG_AVAIL + 2, h, 2);
	dev()->ops->kick(dev(), q);
}

static unsigned used(void)
{
	return (unsigned)vg_ram_get(VG_USED + 2, 2);
}

/* Page n holds a word, so that one can see whether it was taken. */
static void fill(unsigned n)
{
	vg_ram((gpa_t)n * PAGE, "here", 4);
}

static bool is_there(unsigned n)
{
	return vg_ram_get((gpa_t)n * PAGE, 4) == get_le32((const uint8_t *)"here");
}

static struct balloon_state now(void)
{
	struct balloon_state s;

	virtio_balloon_get_state(b, &s);
	return s;
}

/* --- pages ---------------------------------------------------------------------------------------- */

static void put_numbers(const uint32_t *pages, unsigned n)
{
	uint8_t bytes[4];

	for (unsigned i = 0; i < n; i++) {
		put_le32(bytes, pages[i]);
		vg_ram(DATA + 4 * i, bytes, 4);
	}
}

static void test_a_balloon_takes_what_it_may(void **state)
{
	static const uint32_t pages[] = { 0x30, 0x00ffffff /* not RAM */, 0xffffffff };

	for (unsigned allowed = 0; allowed < 2; allowed++) {
		may = allowed;
		fill(0x30);
		fill(0x31);
		put_numbers(pages, ARRAY_SIZE(pages));
		vg_desc_at(VG_DESC, 0, DATA, sizeof(pages), 0, 0);
		drive(ALL, INFLATE);
		offer(INFLATE, (const unsigned[]){ 0 }, 1);
		assert_int_equal(used(), 1);
		assert_int_equal(is_there(0x30), !allowed);
		assert_true(is_there(0x31));
	}
}

static void test_what_is_asked_and_given(void **state)
{
	virtio_balloon_ask(b, 5 * PAGE + 1);
	assert_int_equal(vg_get(0x800, 4), 5);
	drive(ALL, INFLATE);
	assert_true(now().driven);
	vg_put(0x804, 4, 3);
	vg_put(0x800, 4, 77); /* not the guest's to write */
	assert_int_equal(now().given, 3 * PAGE);
	assert_int_equal(now().asked, 5 * PAGE);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(now().given, 0);
	assert_false(now().driven);
}

/* A chain of 64 buffers over the same MiB says 16 million numbers, each a call of the kernel's. */
static void test_a_chain_of_endless_numbers_ends(void **state)
{
	static uint32_t pages[4097];
	unsigned i;

	for (i = 0; i < 4095; i++)
		pages[i] = 0xffffff;
	pages[4095] = 0x80;
	pages[4096] = 0x81;
	fill(0x80);
	fill(0x81);
	put_numbers(pages, 4097);
	for (i = 0; i < VG_SIZE - 1; i++)
		vg_desc_at(VG_DESC, i, DATA, MiB, VRING_DESC_F_NEXT, i + 1);
	vg_desc_at(VG_DESC, i, DATA, MiB, 0, 0);
	drive(ALL, INFLATE);
	offer(INFLATE, (const unsigned[]){ 0 }, 1);
	assert_int_equal(used(), 1);
	assert_false(is_there(0x80));
	assert_true(is_there(0x81));
}

static bool is_kicked(unsigned q)
{
	uint64_t n;

	return read(dev()->q[q].kick_fd, &n, sizeof(n)) == sizeof(n);
}

/* Of ten chains of 1024 numbers each. What a ring filled without end does is in test_virtio_turns. */
static void test_a_full_queue_leaves_a_turn_to_others(void **state)
{
	unsigned heads[10];

	put_numbers((const uint32_t[]){ 0x30 }, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(heads); i++) {
		heads[i] = i;
		vg_desc_at(VG_DESC, i, DATA, 4096, 0, 0);
	}
	drive(ALL, INFLATE);
	(void)is_kicked(INFLATE);
	offer(INFLATE, heads, ARRAY_SIZE(heads));
	assert_int_equal(used(), 4);
	assert_true(is_kicked(INFLATE));
	dev()->ops->kick(dev(), INFLATE);
	assert_int_equal(used(), 8);
	assert_true(is_kicked(INFLATE));
	dev()->ops->kick(dev(), INFLATE);
	assert_int_equal(used(), 10);
	assert_false(is_kicked(INFLATE));
}

/* --- free pages ----------------------------------------------------------------------------------- */

/* Two good buffers, one at an odd place, one past the end of RAM, one nowhere. */
static void report(uint64_t features, unsigned q)
{
	for (unsigned n = 0x40; n < 0x50; n++)
		fill(n);
	vg_desc_at(VG_DESC, 0, 0x40 * PAGE, 2 * PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	vg_desc_at(VG_DESC, 1, 0x44 * PAGE, PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	vg_desc_at(VG_DESC, 2, 0x46 * PAGE + 8, PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 3);
	vg_desc_at(VG_DESC, 3, 0x48 * PAGE, PAGE - 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 4);
	vg_desc_at(VG_DESC, 4, 4 * MiB - PAGE, 2 * PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 5);
	vg_desc_at(VG_DESC, 5, 0xfffffffffffff000, 0xffffffff, VRING_DESC_F_WRITE, 0);
	fill(1023);
	drive(features, q);
	offer(q, (const unsigned[]){ 0 }, 1);
	assert_int_equal(used(), 1);
	assert_false(vg_is_broken());
}

static void test_free_pages_are_taken_from_either_queue(void **state)
{
	for (unsigned q = REPORT; q <= REPORT_TOO; q++) {
		report(ALL, q);
		assert_false(is_there(0x40));
		assert_false(is_there(0x41));
		assert_true(is_there(0x42));
		assert_false(is_there(0x44));
		assert_true(is_there(0x46));
		assert_true(is_there(0x47));
		assert_true(is_there(0x48));
		assert_true(is_there(1023));
		assert_int_equal(now().reported, 3 * PAGE * (q - REPORT + 1));
		assert_true(now().reporting);
	}
	/* One that knows no numbers has them where these would be. */
	report(ALL & ~F(VIRTIO_BALLOON_F_STATS_VQ), STATS);
	assert_false(is_there(0x40));
}

static void test_free_pages_are_kept_while_a_device_may_write_there(void **state)
{
	may = false;
	report(ALL, REPORT);
	assert_true(is_there(0x40));
	assert_int_equal(now().reported, 0);
}

static void test_free_pages_are_kept_where_it_was_not_agreed_on(void **state)
{
	report(ALL & ~F(VIRTIO_BALLOON_F_REPORTING), REPORT);
	assert_true(is_there(0x40));
	assert_false(now().reporting);
	/* A buffer that is only read is no page to take. */
	vg_desc_at(VG_DESC, 0, 0x40 * PAGE, PAGE, 0, 0);
	drive(ALL, REPORT);
	offer(REPORT, (const unsigned[]){ 0 }, 1);
	assert_true(is_there(0x40));
	teardown(state);
	begin(false);
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4) & F(VIRTIO_BALLOON_F_REPORTING), 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4) & F(VIRTIO_BALLOON_F_STATS_VQ),
			 F(VIRTIO_BALLOON_F_STATS_VQ));
}

/* --- numbers --------------------------------------------------------------------------------------- */

static unsigned put_stat(unsigned at, unsigned tag, uint64_t value)
{
	uint8_t bytes[10];

	put_le16(bytes, (uint16_t)tag);
	put_le64(bytes + 2, value);
	vg_ram(DATA + at, bytes, sizeof(bytes));
	return at + (unsigned)sizeof(bytes);
}

static void test_numbers_come_again_when_they_are_asked_for(void **state)
{
	unsigned len = put_stat(put_stat(0, VIRTIO_BALLOON_S_MEMFREE, 1000), VIRTIO_BALLOON_S_AVAIL, 2000);
	struct balloon_state s;

	assert_false(now().told);
	vg_desc_at(VG_DESC, 0, DATA, len, 0, 0);
	drive(ALL, STATS);
	offer(STATS, (const unsigned[]){ 0 }, 1);
	assert_int_equal(used(), 0); /* kept */
	s = now();
	assert_true(s.told);
	assert_int_equal(s.stats.have, 1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_AVAIL);
	assert_int_equal(s.stats.value[VIRTIO_BALLOON_S_MEMFREE], 1000);
	assert_int_equal(used(), 0); /* they are fresh */
	usleep(300000);
	assert_true(now().stats.age_ms >= 300);
	assert_int_equal(used(), 1); /* the guest's again, to be filled anew */
	(void)now();
	assert_int_equal(used(), 1);
	put_stat(0, VIRTIO_BALLOON_S_MEMFREE, 7);
	offer(STATS, (const unsigned[]){ 0 }, 1);
	s = now();
	assert_int_equal(s.stats.value[VIRTIO_BALLOON_S_MEMFREE], 7);
	assert_true(s.stats.age_ms < 300);
	/* A guest that begins anew has said nothing, and its buffer is nobody's. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_false(now().told);
	drive(ALL, STATS);
	usleep(300000);
	(void)now();
	assert_int_equal(used(), 0);
}

static void test_numbers_that_are_none(void **state)
{
	unsigned len = put_stat(put_stat(0, 0xffff, 1), VIRTIO_BALLOON_S_MEMTOT, UINT64_MAX), i;
	struct balloon_state s;

	put_stat(len, VIRTIO_BALLOON_S_AVAIL, 5);
	vg_desc_at(VG_DESC, 0, DATA, len + 9, 0, 0); /* one and nine tenths of another */
	vg_desc_at(VG_DESC, 1, DATA, len, VRING_DESC_F_WRITE, 0); /* nothing to read */
	vg_desc_at(VG_DESC, 2, 0xfffffffffffff000, 0xffffffff, 0, 0);
	for (i = 3; i < VG_SIZE - 1; i++)
		vg_desc_at(VG_DESC, i, DATA, MiB, VRING_DESC_F_NEXT, i + 1);
	vg_desc_at(VG_DESC, i, DATA, MiB, 0, 0);
	drive(ALL, STATS);
	offer(STATS, (const unsigned[]){ 0 }, 1);
	s = now();
	assert_int_equal(s.stats.have, 1 << VIRTIO_BALLOON_S_MEMTOT);
	assert_true(s.stats.value[VIRTIO_BALLOON_S_MEMTOT] == UINT64_MAX);
	/* A second buffer gives the first one back. */
	offer(STATS, (const unsigned[]){ 1 }, 1);
	assert_int_equal(used(), 1);
	assert_int_equal(vg_ram_get(VG_USED + 4, 4), 0);
	assert_int_equal(now().stats.have, 0);
	offer(STATS, (const unsigned[]){ 2, 3 }, 2);
	assert_int_equal(used(), 3);
	assert_true(now().stats.have & 1u << VIRTIO_BALLOON_S_MEMTOT);
	assert_false(vg_is_broken());
}

/* Anything at all in every queue. */
static void test_noise(void **state)
{
	uint64_t x = 88172645463325252ull;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned q;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		q = (x >> 8) % 5;
		if (i % 64 == 0)
			drive(x & 1 ? ALL : F(VIRTIO_F_VERSION_1) | (ALL & x), q);
		vg_desc_at(VG_DESC, (x >> 12) % VG_SIZE, x & 2 ? DATA : x & ~0xfffull, (uint32_t)(x >> 40),
			   (x >> 20) % 4, (x >> 24) % VG_SIZE);
		if (dev()->running && dev()->q[q].ready)
			offer(q, (const unsigned[]){ (unsigned)(x >> 30) % VG_SIZE, 0 }, 1 + (x >> 50) % 2);
		if (x % 7 == 0)
			(void)now();
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_balloon_takes_what_it_may),
		T(test_what_is_asked_and_given),
		T(test_a_chain_of_endless_numbers_ends),
		T(test_a_full_queue_leaves_a_turn_to_others),
		T(test_free_pages_are_taken_from_either_queue),
		T(test_free_pages_are_kept_while_a_device_may_write_there),
		T(test_free_pages_are_kept_where_it_was_not_agreed_on),
		T(test_numbers_come_again_when_they_are_asked_for),
		T(test_numbers_that_are_none),
		T(test_noise),
	};

	return cmocka_run_group_tests_name("virtio_balloon", tests, NULL, NULL);
}
