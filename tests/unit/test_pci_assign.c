// SPDX-License-Identifier: GPL-2.0-or-later
/* Where devices land: alignment, windows, nodes, and what does not fit. */
#include "tests/fake/guest_pci.h"

#include <errno.h>

#include "base/range.h"

#define IO  PCI_BAR_IO
#define M32 PCI_BAR_MEM32
#define M64 PCI_BAR_MEM64

#define MAX_FN 40

struct scene {
	struct guest_pci m;
	struct fake_fn fn[MAX_FN];
	unsigned n;
};

static struct scene s; /* too large for the stack */

static struct spare_slot spare[32];

/* All slots alike, on node 0. */
static void begin(unsigned nodes, unsigned slots, uint64_t pref, uint64_t mmio64_end)
{
	struct pci_config config = { .nodes = nodes, .spare = spare, .spares = slots,
				     .mmio64_start = 5 * GiB, .mmio64_end = mmio64_end };

	for (unsigned i = 0; i < ARRAY_SIZE(spare); i++)
		spare[i] = (struct spare_slot){ 0, pref };
	memset(&s, 0, sizeof(s));
	guest_pci_new(&s.m, &config);
}

static struct fake_fn *add(unsigned node)
{
	struct fake_fn *fn = &s.fn[s.n++];
	char name[16];

	snprintf(name, sizeof(name), "0000:41:%02x.0", s.n);
	fake_fn_init(fn, name);
	return fn;
}

static int place(struct fake_fn *fn, unsigned node, bool express)
{
	return pci_add(s.m.vm.pci, &fn->dev, node, express, &s.m.err);
}

static void end(void)
{
	for (unsigned i = 0; i < s.n; i++)
		pci_remove(&s.fn[i].dev);
	guest_pci_free(&s.m);
}

static struct range mem_window(unsigned bus, unsigned slot)
{
	uint64_t base = (uint64_t)cfg_get(&s.m, bus, slot, PCI_MEMORY_BASE, 2) << 16;
	uint64_t limit = (uint64_t)cfg_get(&s.m, bus, slot, PCI_MEMORY_LIMIT, 2) << 16 | 0xfffff;

	return (struct range){ base, limit + 1 - base };
}

static struct range pref_window(unsigned bus, unsigned slot)
{
	uint64_t base = cfg_get(&s.m, bus, slot, PCI_PREF_MEMORY_BASE, 2) & 0xfff0;
	uint64_t limit = cfg_get(&s.m, bus, slot, PCI_PREF_MEMORY_LIMIT, 2) | 0xf;

	base <<= 16;
	limit <<= 16;
	base |= (uint64_t)cfg_get(&s.m, bus, slot, PCI_PREF_BASE_UPPER32, 4) << 32;
	limit |= (uint64_t)cfg_get(&s.m, bus, slot, PCI_PREF_LIMIT_UPPER32, 4) << 32 | 0xffff;
	return (struct range){ base, limit + 1 - base };
}

static struct range io_window(unsigned bus, unsigned slot)
{
	uint64_t base = (uint64_t)(cfg_get(&s.m, bus, slot, PCI_IO_BASE, 1) & 0xf0) << 8;
	uint64_t limit = (uint64_t)(cfg_get(&s.m, bus, slot, PCI_IO_LIMIT, 1) | 0xf) << 8 | 0xff;

	return (struct range){ base, limit + 1 - base };
}

static struct range bar(const struct fake_fn *fn, unsigned i)
{
	return (struct range){ fn->dev.bar[i].assigned, fn->dev.bar[i].size };
}

static void test_one_small_device_lies_in_its_ports_windows(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 512 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M64, true, 16 * KiB);
	fake_bar(fn, 2, M32, false, 128);
	fake_bar(fn, 3, IO, false, 32);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_PRIMARY_BUS, 4) & 0xffffff, 0x010100);
	assert_int_equal(fn->dev.bus, 1);
	assert_true(range_contains(pref_window(0, 1), bar(fn, 0)));
	assert_true(range_contains(mem_window(0, 1), bar(fn, 2)));
	assert_true(range_contains(io_window(0, 1), bar(fn, 3)));
	assert_int_equal(cfg_get_bar64(&s.m, 1, 0, 0), fn->dev.bar[0].assigned);
	assert_int_equal(pref_window(0, 1).start, 5 * GiB);
	/* Linux gives a hotplug port without a window one of 2 MiB: these have it already. */
	assert_int_equal(pref_window(0, 1).size, 2 * MiB);
	assert_int_equal(mem_window(0, 1).size, 2 * MiB);
	end();
}

static void test_a_port_without_io_below_has_no_io_registers(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 512 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M32, false, 4 * KiB);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	cfg_put(&s.m, 0, 1, PCI_IO_BASE, 2, 0xe0f0);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_IO_BASE, 2), 0);
	end();
}

static void test_a_port_with_io_below_has_a_window_that_can_be_moved(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 512 * GiB);
	fn = add(0);
	fake_bar(fn, 0, IO, false, 256);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(io_window(0, 1).start, LAYOUT_PIO);
	cfg_put(&s.m, 0, 1, PCI_IO_BASE, 2, 0xe0e0);
	assert_int_equal(io_window(0, 1).start, 0xe000);
	cfg_put(&s.m, 0, 1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(cfg_get(&s.m, 0, 1, PCI_COMMAND, 2), PCI_COMMAND_IO);
	end();
}

static void test_seven_vfs_have_a_bus_and_a_port_each(void **state)
{
	begin(1, 4, 64 * MiB, 512 * GiB);
	for (unsigned i = 0; i < 7; i++) {
		struct fake_fn *fn = add(0);

		fake_bar(fn, 0, M64, true, 16 * KiB);
		fake_bar(fn, 3, M64, true, 16 * KiB);
		assert_int_equal(place(fn, 0, true), 0);
	}
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(s.fn[i].dev.bus, i + 1);
		assert_int_equal(cfg_get(&s.m, i + 1, 0, 0, 4), 0x10ca8086);
		assert_true(range_contains(pref_window(0, i + 1), bar(&s.fn[i], 0)));
		assert_true(range_contains(pref_window(0, i + 1), bar(&s.fn[i], 3)));
		for (unsigned j = 0; j < i; j++)
			assert_false(range_overlaps(pref_window(0, i + 1), pref_window(0, j + 1)));
	}
	/* The spare slots come behind them. */
	for (unsigned slot = 8; slot < 12; slot++) {
		assert_int_equal(cfg_get(&s.m, 0, slot, PCI_SECONDARY_BUS, 1), slot);
		assert_int_equal(pref_window(0, slot).size, 64 * MiB);
		assert_int_equal(pref_window(0, slot).start % (64 * MiB), 0);
		assert_int_equal(mem_window(0, slot).size, 32 * MiB);
	}
	assert_int_equal(cfg_get(&s.m, 0, 12, 0, 4), 0xffffffff);
	end();
}

static void test_huge_bars_are_naturally_aligned_above_ram(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 64 * 1024 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M32, false, 16 * MiB);
	fake_bar(fn, 1, M64, true, 64 * GiB);
	fake_bar(fn, 3, M64, true, 32 * MiB);
	assert_int_equal(place(fn, 0, true), 0);
	fn = add(0);
	fake_bar(fn, 0, M64, true, 1 * GiB);
	assert_int_equal(place(fn, 0, true), 0);
	fn = add(0);
	fake_bar(fn, 0, M64, true, 512 * GiB);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(s.fn[2].dev.bar[0].assigned, 512 * GiB);
	assert_int_equal(s.fn[0].dev.bar[1].assigned, 1024 * GiB);
	assert_int_equal(s.fn[0].dev.bar[3].assigned, (1024 + 64) * GiB);
	assert_int_equal(s.fn[1].dev.bar[0].assigned, (1024 + 65) * GiB);
	assert_int_equal(cfg_get_bar64(&s.m, 3, 0, 0), 512 * GiB);
	assert_int_equal(pref_window(0, 3).start, 512 * GiB);
	assert_int_equal(pref_window(0, 3).size, 512 * GiB);
	end();
}

static void test_wide_but_not_prefetchable_stays_below_4g(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 512 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M64, false, 16 * KiB); /* an NVMe controller */
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_true(range_contains(mem_window(0, 1), bar(fn, 0)));
	assert_true(fn->dev.bar[0].assigned >= LAYOUT_MMIO32);
	end();
}

static void test_small_memory_bars_do_not_share_a_page(void **state)
{
	struct fake_fn *fn;

	begin(1, 0, 0, 512 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M32, false, 256);
	fake_bar(fn, 1, M32, false, 16);
	assert_int_equal(place(fn, 0, false), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(fn->dev.bar[0].assigned % 4096, 0);
	assert_int_equal(fn->dev.bar[1].assigned % 4096, 0);
	assert_int_not_equal(fn->dev.bar[0].assigned, fn->dev.bar[1].assigned);
	end();
}

static void test_two_nodes_have_disjoint_buses_and_windows(void **state)
{
	struct pci_bridge_info info[2];

	begin(2, 2, 1 * GiB, 512 * GiB);
	for (unsigned i = 0; i < 4; i++) {
		struct fake_fn *fn = add(0);

		fake_bar(fn, 0, M64, true, 16 * GiB);
		fake_bar(fn, 2, IO, false, 64);
		assert_int_equal(place(fn, i & 1, true), 0);
	}
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(pci_bridge_count(s.m.vm.pci), 2);
	for (unsigned i = 0; i < 2; i++)
		pci_bridge_info(s.m.vm.pci, i, &info[i]);
	assert_int_equal(info[0].bus_first, 0);
	assert_int_equal(info[0].bus_last, 4); /* two devices, two spare ports */
	assert_int_equal(info[1].bus_first, 5);
	assert_int_equal(info[1].bus_last, 7);
	assert_true(info[0].mmio32_start + info[0].mmio32_size <= info[1].mmio32_start);
	assert_true(info[0].mmio64_start + info[0].mmio64_size <= info[1].mmio64_start);
	assert_true(info[0].pio_start + info[0].pio_size <= info[1].pio_start);
	assert_int_equal(info[1].mmio64_start + info[1].mmio64_size, 512 * GiB);
	for (unsigned i = 0; i < 4; i++) {
		const struct pci_bridge_info *b = &info[i & 1];

		assert_int_equal(s.fn[i].dev.node, i & 1);
		assert_int_equal(s.fn[i].dev.bus, b->bus_first + 1 + i / 2);
		assert_true(range_contains((struct range){ b->mmio64_start, b->mmio64_size },
					   bar(&s.fn[i], 0)));
		assert_true(range_contains((struct range){ b->pio_start, b->pio_size },
					   bar(&s.fn[i], 2)));
	}
	assert_int_equal(cfg_get(&s.m, 5, 0, 0, 4), 0x00081b36);
	assert_int_equal(cfg_get(&s.m, 6, 0, 0, 4), 0x10ca8086);
	end();
}

static void test_what_does_not_fit_is_named_with_its_window(void **state)
{
	static const struct {
		enum pci_bar_type type;
		bool pref;
		uint64_t size;
		const char *bar, *window;
	} rows[] = {
		{ M64, true, 512 * GiB, "0000:41:02.0: BAR 2 (512 GiB)", "64-bit prefetchable" },
		{ M64, false, 1 * GiB, "0000:41:02.0: BAR 2 (1 GiB)", "32-bit window" },
		{ M32, false, 1 * GiB, "0000:41:02.0: BAR 2 (1 GiB)", "32-bit window" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_fn *fn;

		begin(1, 1, 64 * MiB, 512 * GiB);
		fn = add(0);
		fake_bar(fn, 0, M32, false, 4 * KiB);
		assert_int_equal(place(fn, 0, true), 0);
		fn = add(0);
		fake_bar(fn, 0, rows[i].type, rows[i].pref, 4 * KiB);
		fake_bar(fn, 2, rows[i].type, rows[i].pref, rows[i].size);
		assert_int_equal(place(fn, 0, true), 0);
		assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), -ENOSPC);
		assert_non_null(strstr(s.m.err.text, rows[i].bar));
		assert_non_null(strstr(s.m.err.text, rows[i].window));
		assert_true(s.m.err.hint[0]);
		end();
	}
}

static void test_too_many_io_devices_are_named(void **state)
{
	begin(1, 0, 0, 512 * GiB);
	for (unsigned i = 0; i < 16; i++) { /* 60 KiB in windows of 4 */
		struct fake_fn *fn = add(0);

		fake_bar(fn, 4, IO, false, 4);
		assert_int_equal(place(fn, 0, true), 0);
	}
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), -ENOSPC);
	assert_non_null(strstr(s.m.err.text, "0000:41:10.0: BAR 4 (4 bytes)"));
	assert_non_null(strstr(s.m.err.text, "I/O window"));
	end();
}

static void test_a_spare_slot_that_does_not_fit_is_named(void **state)
{
	begin(1, 2, 200 * GiB, 512 * GiB);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), -ENOSPC);
	assert_non_null(strstr(s.m.err.text, "root port of slot 2"));
	assert_non_null(strstr(s.m.err.text, "200 GiB"));
	end();
}

static void test_spare_slots_nobody_sized_leave_three_quarters_to_devices(void **state)
{
	begin(1, 4, 0, 512 * GiB);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	for (unsigned slot = 1; slot <= 4; slot++)
		assert_int_equal(pref_window(0, slot).size, GiB);
	end();
	/* A host whose devices reach little more than the guest's RAM. */
	begin(1, 4, 0, 5 * GiB + 256 * MiB);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	for (unsigned slot = 1; slot <= 4; slot++)
		assert_int_equal(pref_window(0, slot).size, 16 * MiB);
	end();
}

static void test_without_64bit_space_a_64bit_bar_is_refused_and_the_rest_goes(void **state)
{
	struct fake_fn *fn;

	begin(1, 1, 64 * MiB, 4 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M32, false, 4 * KiB);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_true(pref_window(0, 1).start > range_last(mem_window(0, 1)) ||
		    (int64_t)pref_window(0, 1).size <= 0);
	end();
	begin(1, 0, 0, 4 * GiB);
	fn = add(0);
	fake_bar(fn, 0, M64, true, 4 * KiB);
	assert_int_equal(place(fn, 0, true), 0);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), -ENOSPC);
	end();
}

static void test_more_than_31_ports_become_functions(void **state)
{
	begin(1, 0, 0, 512 * GiB);
	for (unsigned i = 0; i < 33; i++) {
		struct fake_fn *fn = add(0);

		fake_bar(fn, 0, M64, true, 16 * KiB);
		assert_int_equal(place(fn, 0, true), 0);
	}
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	assert_int_equal(s.fn[32].dev.bus, 33);
	assert_int_equal(cfg_get(&s.m, 33, 0, 0, 4), 0x10ca8086);
	assert_int_equal(cfg_get(&s.m, 0, 2, PCI_HEADER_TYPE, 1), 0x81);
	assert_int_equal(cfg_get(&s.m, 0, 3, PCI_HEADER_TYPE, 1), 0x01);
	pci_reset(s.m.vm.pci);
	assert_int_equal(cfg_get(&s.m, 0, 2, PCI_HEADER_TYPE, 1), 0x81);
	end();
}

/* Linux reads 32 ids on each bus number that MCFG names and no bridge has. */
static void test_bus_ranges_have_no_unused_numbers(void **state)
{
	struct pci_bridge_info info;

	begin(1, 0, 0, 512 * GiB);
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	pci_bridge_info(s.m.vm.pci, 0, &info);
	assert_int_equal(info.bus_first, 0);
	assert_int_equal(info.bus_last, 0);
	end();
}

static void test_bus_numbers_run_out_with_a_sentence(void **state)
{
	begin(8, 32, 0, 512 * GiB); /* 32 buses each, one of them the root bus */
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), -ENOSPC);
	assert_non_null(strstr(s.m.err.text, "hotplug slot 32: no PCI bus number left on node 0"));
	end();
}

static void test_each_slot_is_on_its_node_with_its_window(void **state)
{
	struct pci_bridge_info info;

	begin(2, 3, 0, 512 * GiB);
	spare[0] = (struct spare_slot){ 1, 64 * GiB };
	spare[2] = (struct spare_slot){ 1, 0 };
	assert_int_equal(pci_assign(s.m.vm.pci, &s.m.err), 0);
	/* Bus 0 has the port to 1; bus 2, of node 1, those to 3 and 4. */
	pci_bridge_info(s.m.vm.pci, 1, &info);
	assert_int_equal(info.bus_first, 2);
	assert_int_equal(info.bus_last, 4);
	assert_int_equal(pref_window(0, 1).size, 1 * GiB);
	assert_int_equal(pref_window(2, 1).size, 64 * GiB);
	assert_int_equal(pref_window(2, 2).size, 1 * GiB);
	assert_true(range_contains((struct range){ info.mmio64_start, info.mmio64_size },
				   pref_window(2, 1)));
	assert_int_equal(mem_window(2, 1).size, 32 * MiB);
	end();
}

static void test_intx_of_a_device_is_its_ports_pin(void **state)
{
	begin(1, 0, 0, 512 * GiB);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(place(add(0), 0, true), 0);
	assert_int_equal(s.fn[0].dev.intx_gsi, pci_intx_gsi(1, 0));
	assert_int_equal(s.fn[0].dev.intx_gsi, 17);
	assert_int_equal(s.fn[6].dev.intx_gsi, 23);
	assert_int_equal(s.fn[7].dev.intx_gsi, 16);
	assert_int_equal(pci_intx_gsi(7, 1), 16);
	end();
}

/* Collected for the property below. */
static struct {
	struct range r;
	bool io;
	unsigned node;
} seen[MAX_FN * PCI_BARS];
static unsigned nseen;

static void check_bar(const struct fake_fn *fn, unsigned i)
{
	const struct pci_bar *b = &fn->dev.bar[i];
	struct range r = bar(fn, i);
	struct pci_bridge_info info;
	bool inside;

	pci_bridge_info(s.m.vm.pci, fn->dev.node, &info);
	assert_int_equal(r.start % r.size, 0);
	if (b->type == PCI_BAR_IO)
		inside = range_contains((struct range){ info.pio_start, info.pio_size }, r);
	else if (b->type == PCI_BAR_MEM64 && b->prefetchable)
		inside = range_contains((struct range){ info.mmio64_start, info.mmio64_size }, r);
	else
		inside = range_contains((struct range){ info.mmio32_start, info.mmio32_size }, r);
	assert_true(inside);
	for (unsigned j = 0; j < nseen; j++)
		assert_false(seen[j].io == (b->type == PCI_BAR_IO) && range_overlaps(seen[j].r, r));
	seen[nseen].r = r;
	seen[nseen++].io = b->type == PCI_BAR_IO;
}

static uint32_t rnd_state;

static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % n;
}

static void random_fn(unsigned nodes)
{
	struct fake_fn *fn = add(0);

	for (unsigned i = 0; i < PCI_BARS; i++) {
		switch (rnd(5)) {
		case 0: fake_bar(fn, i, IO, false, 4ull << rnd(7)); break;
		case 1: fake_bar(fn, i, M32, rnd(2), 16ull << rnd(18)); break;
		case 2:
			if (i + 1 < PCI_BARS) {
				fake_bar(fn, i, M64, false, 16ull << rnd(18));
				i++;
			}
			break;
		case 3:
			if (i + 1 < PCI_BARS) {
				fake_bar(fn, i, M64, true, 16ull << rnd(34));
				i++;
			}
			break;
		}
	}
	assert_int_equal(place(fn, rnd(nodes), rnd(4)), 0);
}

static void test_any_set_of_devices_is_aligned_and_disjoint(void **state)
{
	unsigned placed = 0;

	for (unsigned round = 0; round < 400; round++) {
		unsigned nodes = 1 + round % 4, count;

		rnd_state = round;
		count = 1 + rnd(12);
		begin(nodes, rnd(5), (uint64_t)rnd(2000) * MiB, 64 * 1024 * GiB);
		for (unsigned i = 0; i < count; i++)
			random_fn(nodes);
		nseen = 0;
		if (pci_assign(s.m.vm.pci, &s.m.err) == 0) {
			placed++;
			for (unsigned i = 0; i < s.n; i++) {
				for (unsigned j = 0; j < PCI_BARS; j++) {
					if (s.fn[i].dev.bar[j].type != PCI_BAR_NONE)
						check_bar(&s.fn[i], j);
				}
				/* And all of it decodes at once. */
				put_le16(&s.fn[i].dev.config[PCI_COMMAND], 3);
				pci_bars_update(&s.fn[i].dev);
				for (unsigned j = 0; j < PCI_BARS; j++)
					assert_int_equal(s.fn[i].dev.bar[j].live,
							 s.fn[i].dev.bar[j].type != PCI_BAR_NONE);
			}
		}
		end();
	}
	assert_true(placed > 300); /* the others ran out of I/O ports or of the 32-bit window */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_small_device_lies_in_its_ports_windows),
		cmocka_unit_test(test_a_port_without_io_below_has_no_io_registers),
		cmocka_unit_test(test_a_port_with_io_below_has_a_window_that_can_be_moved),
		cmocka_unit_test(test_seven_vfs_have_a_bus_and_a_port_each),
		cmocka_unit_test(test_huge_bars_are_naturally_aligned_above_ram),
		cmocka_unit_test(test_wide_but_not_prefetchable_stays_below_4g),
		cmocka_unit_test(test_small_memory_bars_do_not_share_a_page),
		cmocka_unit_test(test_two_nodes_have_disjoint_buses_and_windows),
		cmocka_unit_test(test_what_does_not_fit_is_named_with_its_window),
		cmocka_unit_test(test_too_many_io_devices_are_named),
		cmocka_unit_test(test_a_spare_slot_that_does_not_fit_is_named),
		cmocka_unit_test(test_spare_slots_nobody_sized_leave_three_quarters_to_devices),
		cmocka_unit_test(test_without_64bit_space_a_64bit_bar_is_refused_and_the_rest_goes),
		cmocka_unit_test(test_more_than_31_ports_become_functions),
		cmocka_unit_test(test_bus_ranges_have_no_unused_numbers),
		cmocka_unit_test(test_bus_numbers_run_out_with_a_sentence),
		cmocka_unit_test(test_each_slot_is_on_its_node_with_its_window),
		cmocka_unit_test(test_intx_of_a_device_is_its_ports_pin),
		cmocka_unit_test(test_any_set_of_devices_is_aligned_and_disjoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
