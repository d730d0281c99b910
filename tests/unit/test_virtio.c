// SPDX-License-Identifier: GPL-2.0-or-later
/* The virtio transport and its rings: a driver in a test, honest and otherwise. */
#include "tests/fake/virtio_guest.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/log.h"
#include "base/loop.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio.h"

#define SLOT  1
#define TABLE 0x13000u
#define DATA  0x20000u

#define F(n) (1ull << (n))

/* Gives back what it is sent, upside down. */
static struct {
	struct virtio_dev dev;
	unsigned kicks, starts, stops;
	int start_result;
} echo;

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtq_chain c;
	uint8_t b[64];

	echo.kicks++;
	while (virtq_pop(dev, q, &c) == 1) {
		int64_t n = virtq_read(dev, &c, 0, b, sizeof(b)), w = 0;

		for (int64_t i = 0; i < n / 2; i++) {
			uint8_t t = b[i];

			b[i] = b[n - 1 - i];
			b[n - 1 - i] = t;
		}
		if (n > 0)
			w = virtq_write(dev, &c, 0, b, (uint64_t)n);
		if (virtq_push(dev, q, &c, w > 0 ? (uint32_t)w : 0) < 0)
			return;
	}
	if (dev->running)
		virtq_flush(dev, q);
}

static int start(struct virtio_dev *dev)
{
	echo.starts++;
	return echo.start_result;
}

static void stop(struct virtio_dev *dev)
{
	echo.stops++;
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		data[i] = (uint8_t)(off + i);
}

static const struct virtio_ops ops = {
	.id = 42,
	.class_rev = 0xff000000,
	.nqueues = 2,
	.queue_size = 64,
	.kick = kick,
	.start = start,
	.stop = stop,
	.config_read = config_read,
};

/* --- a driver --- */

static void begin(void)
{
	struct virtio_dev *dev = &echo.dev;

	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	memset(&echo, 0, sizeof(echo));
	dev->features = F(5);
	assert_int_equal(virtio_add(&vg_machine.guest.vm, dev, &ops, "echo", 0, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(dev->pci.bar[0].live);
}

static void end(void)
{
	virtio_remove(&echo.dev);
	vfio_machine_free(&vg_machine);
}

static void begin_driven(uint64_t features)
{
	begin();
	vg_accept(F(VIRTIO_F_VERSION_1) | features);
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(echo.dev.running);
}

static void turn(void)
{
	kick(&echo.dev, 0);
}

/* Make head available, and kick. */
static void offer(unsigned head)
{
	uint16_t idx = (uint16_t)vg_ram_get(VG_AVAIL + 2, 2);
	uint8_t b[2];

	put_le16(b, (uint16_t)head);
	vg_ram(VG_AVAIL + 4 + 2 * (idx % VG_SIZE), b, 2);
	put_le16(b, (uint16_t)(idx + 1));
	vg_ram(VG_AVAIL + 2, b, 2);
	if (echo.dev.running)
		turn();
}

/* --- what a driver finds --- */

/* By which a guest finds its driver: Linux by the device alone, Windows by all four. */
static void test_it_is_a_modern_device_of_its_type(void **state)
{
	begin();
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, PCI_VENDOR_ID, 4), 0x106a1af4);
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, PCI_CLASS_REVISION, 4), 0xff000001);
	end();
}

static void test_a_driver_finds_its_parts(void **state)
{
	unsigned pos, seen = 0, n = 0;

	begin();
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, PCI_VENDOR_ID, 4), 0x106a1af4);
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, PCI_REVISION_ID, 1), 1);
	for (pos = cfg_get(&vg_machine.guest, 0, SLOT, PCI_CAPABILITY_LIST, 1); pos && n < 48; n++) {
		if (cfg_get(&vg_machine.guest, 0, SLOT, pos, 1) == PCI_CAP_ID_VNDR)
			seen |= 1u << cfg_get(&vg_machine.guest, 0, SLOT, pos + 3, 1);
		pos = cfg_get(&vg_machine.guest, 0, SLOT, pos + 1, 1);
	}
	assert_int_equal(seen, 1 << VIRTIO_PCI_CAP_COMMON_CFG | 1 << VIRTIO_PCI_CAP_NOTIFY_CFG |
				       1 << VIRTIO_PCI_CAP_ISR_CFG | 1 << VIRTIO_PCI_CAP_DEVICE_CFG |
				       1 << VIRTIO_PCI_CAP_PCI_CFG);
	assert_int_equal(n, 6);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4),
			 F(5) | F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX));
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4), 1);
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4), 0);
	vg_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_NOFF, 2), 1);
	vg_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 2); /* there is none */
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(vg_get(0x804, 4), 0x07060504);
	end();
}

static void test_features_are_agreed_on_or_not(void **state)
{
	begin();
	vg_accept(F(VIRTIO_F_VERSION_1) | F(6)); /* one that was not offered */
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 3);
	vg_accept(F(5)); /* a driver of the last century */
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 3);
	vg_accept(F(VIRTIO_F_VERSION_1) | F(5));
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	/* No more of it now. */
	vg_put(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	vg_put(VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_GF, 4), F(5));
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_GF, 4), 0);
	end();
}

static void test_a_device_runs_from_driver_ok_to_reset(void **state)
{
	begin();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7); /* before features */
	assert_int_equal(echo.starts, 0);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(F(VIRTIO_F_VERSION_1));
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	/* A queue that is ready does not change. */
	vg_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, 32);
	vg_put(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), VG_SIZE);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), VG_DESC);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(echo.starts, 1);
	assert_int_equal(echo.kicks, 1); /* what was put in before */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(echo.stops, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	pci_reset(vg_machine.guest.vm.pci);
	assert_int_equal(echo.stops, 1);
	end();
}

/* How often of 30 times it needed a reset, and told the guest so (2.1.2). */
static unsigned start_in_vain(void)
{
	unsigned told = 0;

	for (unsigned i = 0; i < 30; i++) {
		vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
		vg_accept(F(VIRTIO_F_VERSION_1));
		vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
		told += vg_is_broken() && !echo.dev.running && vg_get(0x400, 1) == 2;
	}
	return told;
}

static void test_one_that_cannot_start_needs_a_reset(void **state)
{
	int before = dup(STDERR_FILENO), said = memfd_create("said", MFD_CLOEXEC);
	unsigned told, lines = 0;
	char text[8192] = "";

	begin();
	echo.start_result = -EIO;
	assert_true(before >= 0 && dup2(said, STDERR_FILENO) >= 0);
	log_set_level(LOG_WARN);
	told = start_in_vain();
	log_set_level(LOG_QUIET);
	dup2(before, STDERR_FILENO);
	close(before);
	assert_int_equal(told, 30);
	assert_int_equal(echo.stops, 0);
	assert_true(pread(said, text, sizeof(text) - 1, 0) > 0);
	close(said);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_in_range(lines, 1, 11); /* one that keeps trying fills no log */
	end();
}

static void command(unsigned value)
{
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, value);
}

/* As Linux has it before kexec: of a device that no driver resets nothing comes to RAM any more. */
static void test_without_bus_mastering_it_stops(void **state)
{
	begin_driven(0);
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	command(PCI_COMMAND_MASTER); /* while a BAR is sized */
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(echo.dev.running);
	assert_int_equal(echo.stops, 0);
	command(PCI_COMMAND_MEMORY);
	assert_false(echo.dev.running);
	assert_int_equal(echo.stops, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	command(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_false(echo.dev.running); /* until a driver begins it anew */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(F(VIRTIO_F_VERSION_1));
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(echo.dev.running);
	assert_int_equal(echo.stops, 1);
	end();
}

static void test_sizes_that_no_queue_has(void **state)
{
	begin();
	vg_put(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	for (unsigned i = 0; i < 4; i++)
		vg_put(VIRTIO_PCI_COMMON_Q_SIZE, 2, (const unsigned[]){ 0, 3, 128, 0xffff }[i]);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	vg_put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	vg_put(VIRTIO_PCI_COMMON_MSIX, 2, 2);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_MSIX, 2), 2);
	end();
}

static void test_the_window_in_configuration_space(void **state)
{
	unsigned cap;

	begin();
	cap = echo.dev.window_cap;
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 8, 4, VIRTIO_PCI_COMMON_NUMQ);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 12, 4, 2);
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, cap + 16, 2), 2);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 8, 4, VIRTIO_PCI_COMMON_STATUS);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 12, 4, 1);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 16, 1, 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 1);
	/* Nowhere, and nonsense. */
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 8, 4, 0xfffffffc);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 12, 4, 4);
	(void)cfg_get(&vg_machine.guest, 0, SLOT, cap + 16, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 12, 4, 0xffffffff);
	cfg_put(&vg_machine.guest, 0, SLOT, cap + 16, 4, 5);
	end();
}

/* --- rings --- */

static void test_a_chain_goes_and_comes(void **state)
{
	begin_driven(0);
	vg_ram(DATA, "abcdef", 6);
	vg_desc_at(VG_DESC, 3, DATA, 4, VRING_DESC_F_NEXT, 5);
	vg_desc_at(VG_DESC, 5, DATA + 4, 2, VRING_DESC_F_NEXT, 7);
	vg_desc_at(VG_DESC, 7, DATA + 256, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 8);
	vg_desc_at(VG_DESC, 8, DATA + 512, 64, VRING_DESC_F_WRITE, 0);
	offer(3);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 1);
	assert_int_equal(vg_ram_get(VG_USED + 4, 4), 3);
	assert_int_equal(vg_ram_get(VG_USED + 8, 4), 6);
	assert_int_equal(vg_ram_get(DATA + 256, 4), 'f' | 'e' << 8 | 'd' << 16 | 'c' << 24);
	assert_int_equal(vg_ram_get(DATA + 512, 2), 'b' | 'a' << 8);
	/* Round and round. */
	for (unsigned i = 0; i < 40000; i++)
		offer(3);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 40001);
	assert_false(vg_is_broken());
	end();
}

static void test_a_table_of_its_own(void **state)
{
	begin_driven(F(VIRTIO_RING_F_INDIRECT_DESC));
	vg_ram(DATA, "xyz", 3);
	vg_desc_at(TABLE, 0, DATA, 3, VRING_DESC_F_NEXT, 2);
	vg_desc_at(TABLE, 2, DATA + 256, 8, VRING_DESC_F_WRITE, 0);
	vg_desc_at(VG_DESC, 0, TABLE, 48, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	assert_int_equal(vg_ram_get(VG_USED + 8, 4), 3);
	assert_int_equal(vg_ram_get(DATA + 256, 3), 'z' | 'y' << 8 | 'x' << 16);
	end();
}

static bool interrupted(void)
{
	bool was = echo.dev.vector_pending[1];

	echo.dev.vector_pending[1] = false;
	return was;
}

static void enable_msix(void)
{
	unsigned flags = echo.dev.pci.caps_end - PCI_CAP_MSIX_SIZEOF + PCI_MSIX_FLAGS;

	cfg_put(&vg_machine.guest, 0, SLOT, flags, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(cfg_get(&vg_machine.guest, 0, SLOT, flags, 2), PCI_MSIX_FLAGS_ENABLE | 2);
}

static void test_interrupts_that_are_not_wanted(void **state)
{
	uint8_t flag[2] = { VRING_AVAIL_F_NO_INTERRUPT, 0 };

	begin_driven(0);
	enable_msix();
	vg_desc_at(VG_DESC, 0, DATA, 8, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_true(interrupted());
	vg_ram(VG_AVAIL, flag, 2);
	offer(0);
	assert_false(interrupted());
	end();
}

static void test_interrupts_from_an_index_on(void **state)
{
	uint8_t event[2] = { 2, 0 };

	begin_driven(F(VIRTIO_RING_F_EVENT_IDX));
	enable_msix();
	vg_ram(VG_AVAIL + 4 + 2 * VG_SIZE, event, 2); /* when the third is used */
	vg_desc_at(VG_DESC, 0, DATA, 8, VRING_DESC_F_WRITE, 0);
	offer(0);
	offer(0);
	assert_false(interrupted());
	offer(0);
	assert_true(interrupted());
	offer(0);
	assert_false(interrupted());
	/* And it says from where on it wants to be kicked. */
	assert_int_equal(vg_ram_get(VG_USED + 4 + 8 * VG_SIZE, 2), 4);
	end();
}

/* --- what no driver should do --- */

static void breaks(void (*prepare)(void), unsigned head, const char *what)
{
	begin_driven(F(VIRTIO_RING_F_INDIRECT_DESC));
	prepare();
	offer(head);
	if (!vg_is_broken())
		fail_msg("it took: %s", what);
	assert_int_equal(echo.stops, 1);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 0);
	/* Until it is reset. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	end();
}

static void circle(void)
{
	vg_desc_at(VG_DESC, 0, DATA, 1, VRING_DESC_F_NEXT, 1);
	vg_desc_at(VG_DESC, 1, DATA, 1, VRING_DESC_F_NEXT, 0);
}

static void out_of_table(void)
{
	vg_desc_at(VG_DESC, 0, DATA, 1, VRING_DESC_F_NEXT, VG_SIZE);
}

static void nothing(void)
{
}

static void write_then_read(void)
{
	vg_desc_at(VG_DESC, 0, DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	vg_desc_at(VG_DESC, 1, DATA, 1, 0, 0);
}

static void odd_table(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 17, VRING_DESC_F_INDIRECT, 0);
}

static void large_table(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 16 * (VG_SIZE + 1), VRING_DESC_F_INDIRECT, 0);
}

static void empty_table(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 0, VRING_DESC_F_INDIRECT, 0);
}

static void table_in_table(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 32, VRING_DESC_F_INDIRECT, 0);
	vg_desc_at(TABLE, 0, TABLE, 32, VRING_DESC_F_INDIRECT, 0);
}

static void table_and_more(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
}

static void table_circle(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 32, VRING_DESC_F_INDIRECT, 0);
	vg_desc_at(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 0);
}

static void table_out(void)
{
	vg_desc_at(VG_DESC, 0, TABLE, 32, VRING_DESC_F_INDIRECT, 0);
	vg_desc_at(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 2);
}

static void table_nowhere(void)
{
	vg_desc_at(VG_DESC, 0, 0xffffffffffffff00, 32, VRING_DESC_F_INDIRECT, 0);
}

static void too_much(void)
{
	uint8_t idx[2] = { VG_SIZE + 1, 0 };

	vg_ram(VG_AVAIL + 2, idx, 2);
}

static void test_rings_that_break_the_rules(void **state)
{
	breaks(circle, 0, "a circle");
	breaks(out_of_table, 0, "a descriptor out of the table");
	breaks(nothing, VG_SIZE, "a head out of the table");
	breaks(write_then_read, 0, "reading behind writing");
	breaks(odd_table, 0, "an indirect table of 17 bytes");
	breaks(large_table, 0, "an indirect table larger than the queue");
	breaks(empty_table, 0, "an empty indirect table");
	breaks(table_in_table, 0, "a table in a table");
	breaks(table_and_more, 0, "indirect and next");
	breaks(table_circle, 0, "a circle in a table");
	breaks(table_out, 0, "out of an indirect table");
	breaks(table_nowhere, 0, "a table that is nowhere");
	breaks(too_much, 0, "more than the queue holds");
}

static void test_rings_that_are_nowhere(void **state)
{
	static const uint64_t at[][3] = {
		{ 0xfffffffffffffff0, VG_AVAIL, VG_USED }, { VG_DESC, 0xffffffffffffffff, VG_USED },
		{ VG_DESC, VG_AVAIL, 0xfffffffffffffffe }, { 4 * MiB - 8, VG_AVAIL, VG_USED },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		begin();
		vg_accept(F(VIRTIO_F_VERSION_1));
		vg_desc_at(VG_DESC, 0, DATA, 1, VRING_DESC_F_WRITE, 0);
		vg_set_queue(0, at[i][0], at[i][1], at[i][2]);
		vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
		offer(0);
		assert_true(vg_is_broken());
		end();
	}
}

static void test_buffers_that_are_nowhere_are_left_alone(void **state)
{
	begin_driven(0);
	vg_desc_at(VG_DESC, 0, 0xfffffffffffffff0, 0xffffffff, VRING_DESC_F_NEXT, 1);
	vg_desc_at(VG_DESC, 1, 0, 0, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	vg_desc_at(VG_DESC, 2, 4 * MiB - 1, 2, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_false(vg_is_broken());
	assert_int_equal(vg_ram_get(VG_USED + 8, 4), 0);
	end();
}

/* Its last byte, say, is not at the beginning of RAM. */
static void test_a_buffer_that_goes_round_is_nowhere(void **state)
{
	const struct virtq_chain c = { .nwrite = 1, .seg = { { 0xfffffffffffffff0, 0x1000 } } };
	uint8_t b = 7;

	begin_driven(0);
	assert_int_equal(virtq_write(&echo.dev, &c, 0x1000 - 1, &b, 1), -EFAULT);
	assert_int_equal(virtq_write(&echo.dev, &c, 0x10, &b, 1), -EFAULT);
	assert_int_equal(vg_ram_get(0, 1) | vg_ram_get(0x1000 - 0x11, 1), 0);
	end();
}

/* Anything at all, to registers and rings: nothing may be touched that is not the guest's. */
static void test_noise(void **state)
{
	uint64_t x = 88172645463325252ull;

	begin_driven(F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX));
	for (unsigned i = 0; i < 60000; i++) {
		uint8_t b[8];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		put_le64(b, x >> 8);
		switch (x % 8) {
		case 0: bus_write(vg_machine.guest.vm.mmio, vg_bar + (x >> 20) % 0x4000, b, 1u << (x >> 40) % 4); break;
		case 1: bus_read(vg_machine.guest.vm.mmio, vg_bar + (x >> 20) % 0x4000, b, 1u << (x >> 40) % 4); break;
		case 2: vg_ram(VG_AVAIL + (x >> 20) % 64, b, 2); break;
		case 3: vg_put((x >> 20) % 0x40, (const unsigned[]){ 1, 2, 4, 8 }[(x >> 50) % 4], x >> 30); break;
		case 4:
			vg_desc_at(x & 256 ? VG_DESC : TABLE, (x >> 20) % VG_SIZE, x & 512 ? DATA : TABLE,
				(uint32_t)(x >> 44) % 80, (x >> 24) % 8, (x >> 33) % (VG_SIZE + 1));
			break;
		case 5:
			vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
			vg_accept(F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC));
			vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
			vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
			break;
		default:
			if (echo.dev.running)
				kick(&echo.dev, 0);
		}
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_a_modern_device_of_its_type),
		cmocka_unit_test(test_a_driver_finds_its_parts),
		cmocka_unit_test(test_features_are_agreed_on_or_not),
		cmocka_unit_test(test_a_device_runs_from_driver_ok_to_reset),
		cmocka_unit_test(test_one_that_cannot_start_needs_a_reset),
		cmocka_unit_test(test_without_bus_mastering_it_stops),
		cmocka_unit_test(test_sizes_that_no_queue_has),
		cmocka_unit_test(test_the_window_in_configuration_space),
		cmocka_unit_test(test_a_chain_goes_and_comes),
		cmocka_unit_test(test_a_table_of_its_own),
		cmocka_unit_test(test_interrupts_that_are_not_wanted),
		cmocka_unit_test(test_interrupts_from_an_index_on),
		cmocka_unit_test(test_rings_that_break_the_rules),
		cmocka_unit_test(test_rings_that_are_nowhere),
		cmocka_unit_test(test_buffers_that_are_nowhere_are_left_alone),
		cmocka_unit_test(test_a_buffer_that_goes_round_is_nowhere),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
}
