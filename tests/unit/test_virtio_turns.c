// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest whose other CPU fills the ring as fast as it is emptied: entropy device, balloon and console take turns. */
#include "tests/fake/virtio_guest.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/size.h"
#include "vmm/mem.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/virtio.h"

#define SLOT  1
#define DATA  0x20000u
#define MANY  60000u /* more than any turn has */
#define F(n)  (1ull << (n))

static uint16_t offered;

/* One more request, of the same buffer. */
static void offer(void)
{
	uint8_t b[2];

	if (offered >= MANY)
		return;
	put_le16(b, ++offered);
	vg_ram(VG_AVAIL + 2, b, sizeof(b));
}

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
	memset(buf, 4, len);
	offer();
	return (ssize_t)len;
}

static bool offers_at_push;

int __real_virtq_push(struct virtio_dev *dev, unsigned q, const struct virtq_chain *chain, uint32_t written);
int __wrap_virtq_push(struct virtio_dev *dev, unsigned q, const struct virtq_chain *chain, uint32_t written);
int __wrap_virtq_push(struct virtio_dev *dev, unsigned q, const struct virtq_chain *chain, uint32_t written)
{
	int r = __real_virtq_push(dev, q, chain, written);

	if (offers_at_push)
		offer();
	return r;
}

static bool may_take(void *opaque)
{
	offer();
	return true;
}

static void begin(void)
{
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	offered = 0;
}

/* The guest's driver starts; the first request is there already. */
static void drive(uint32_t len, unsigned flags)
{
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vg_desc_at(VG_DESC, 0, DATA, len, flags, 0);
	offer();
	vg_accept(F(VIRTIO_F_VERSION_1));
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void turn_was_limited(const struct virtio_dev *dev, unsigned max)
{
	struct pollfd kick = { .fd = dev->q[0].kick_fd, .events = POLLIN };

	assert_false(vg_is_broken());
	assert_in_range(vg_ram_get(VG_USED + 2, 2), 1, max);
	assert_int_equal(poll(&kick, 1, 0), 1); /* and goes on when the others had theirs */
}

static void test_the_entropy_device_takes_turns(void **state)
{
	struct virtio_rng *rng = NULL;

	begin();
	assert_int_equal(virtio_rng_new(&vg_machine.guest.vm, &rng, &vg_machine.guest.err), 0);
	drive(64, VRING_DESC_F_WRITE);
	turn_was_limited((struct virtio_dev *)rng, VG_SIZE); /* it begins with it */
	assert_int_equal(vg_ram_get(DATA, 4), 0x04040404);
	virtio_rng_free(rng);
	vfio_machine_free(&vg_machine);
}

static void test_the_balloon_takes_turns(void **state)
{
	static const struct balloon_owner owner = { may_take, NULL };
	static const struct {
		uint32_t bytes;
		unsigned max;
	} rows[] = {
		{ 4, 4096 },	  /* a page in each buffer */
		{ 1024, 16 },	  /* 256 in each, as Linux has it */
		{ 0x100000, 2 }, /* more in one than in a turn */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct virtio_balloon *b = NULL;

		begin();
		assert_int_equal(virtio_balloon_new(&vg_machine.guest.vm, &owner, &b,
						    &vg_machine.guest.err),
				 0);
		drive(rows[i].bytes, 0);
		turn_was_limited((struct virtio_dev *)b, rows[i].max);
		virtio_balloon_free(b);
		vfio_machine_free(&vg_machine);
	}
}

static uint64_t discarded;

int __wrap_mem_discard(const struct mem *mem, gpa_t gpa, uint64_t len);
int __wrap_mem_discard(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	discarded += len;
	return 0;
}

/* More RAM in one buffer than its host can give back in no time. */
static void test_free_pages_take_turns(void **state)
{
	static const struct balloon_owner owner = { may_take, NULL, .reporting = true };
	struct virtio_balloon *b = NULL;

	begin();
	assert_int_equal(virtio_balloon_new(&vg_machine.guest.vm, &owner, &b, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (unsigned i = 0; i < 8; i++)
		vg_desc_at(VG_DESC, i, 4 * GiB, GiB, VRING_DESC_F_WRITE | (i < 7 ? VRING_DESC_F_NEXT : 0), i + 1);
	offer();
	vg_accept(F(VIRTIO_F_VERSION_1) | F(VIRTIO_BALLOON_F_REPORTING));
	vg_set_queue(3, VG_DESC, VG_AVAIL, VG_USED);
	discarded = 0;
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(discarded, GiB);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 1);
	virtio_balloon_free(b);
	vfio_machine_free(&vg_machine);
}

/* What is typed has no room in any of them. */
static void test_the_console_takes_turns(void **state)
{
	static const struct virtio_console_terminal terminal;
	const struct virtio_console_setup setup = { .terminal = &terminal };
	struct virtio_console *con = NULL;

	begin();
	assert_int_equal(virtio_console_new(&vg_machine.guest.vm, &setup, &con, &vg_machine.guest.err), 0);
	drive(0, VRING_DESC_F_WRITE);
	offers_at_push = true;
	assert_int_equal(virtio_console_input(con, (const uint8_t *)"a", 1), 0);
	offers_at_push = false;
	turn_was_limited((struct virtio_dev *)con, VG_SIZE);
	virtio_console_free(con);
	vfio_machine_free(&vg_machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_entropy_device_takes_turns),
		cmocka_unit_test(test_the_balloon_takes_turns),
		cmocka_unit_test(test_free_pages_take_turns),
		cmocka_unit_test(test_the_console_takes_turns),
	};

	return cmocka_run_group_tests_name("virtio_turns", tests, NULL, NULL);
}
