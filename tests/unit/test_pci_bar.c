// SPDX-License-Identifier: GPL-2.0-or-later
/* BARs as a guest handles them: sizing, moving, overlapping, switching off. */
#include "tests/fake/guest_pci.h"

#include <errno.h>

#include "base/range.h"

static const struct pci_config one_node = { .nodes = 1, .mmio64_start = 4 * GiB,
					    .mmio64_end = 512 * GiB };

#define CMD_IO	PCI_COMMAND_IO
#define CMD_MEM PCI_COMMAND_MEMORY

/* a at 01:00.0: 32-bit, I/O and 64-bit prefetchable BARs; b at 02:00.0: one of 32 bits. */
struct scene {
	struct guest_pci m;
	struct fake_fn a, b;
};

static void set_up(struct scene *s)
{
	guest_pci_new(&s->m, &one_node);
	fake_fn_init(&s->a, "a");
	fake_bar(&s->a, 0, PCI_BAR_MEM32, false, 64 * KiB);
	fake_bar(&s->a, 1, PCI_BAR_IO, false, 32);
	fake_bar(&s->a, 2, PCI_BAR_MEM64, true, 1 * GiB);
	fake_fn_init(&s->b, "b");
	fake_bar(&s->b, 0, PCI_BAR_MEM32, false, 64 * KiB);
	assert_int_equal(pci_add(s->m.vm.pci, &s->a.dev, 0, true, &s->m.err), 0);
	assert_int_equal(pci_add(s->m.vm.pci, &s->b.dev, 0, true, &s->m.err), 0);
	assert_int_equal(pci_assign(s->m.vm.pci, &s->m.err), 0);
}

static void tear_down(struct scene *s)
{
	pci_remove(&s->a.dev);
	pci_remove(&s->b.dev);
	guest_pci_free(&s->m);
}

static void assert_told(struct fake_fn *fn, unsigned n, unsigned bar, bool on, uint64_t addr)
{
	assert_true(fn->ntold > n);
	assert_int_equal(fn->told[n].bar, bar);
	assert_int_equal(fn->told[n].on, on);
	assert_int_equal(fn->told[n].addr, addr);
}

static void test_nothing_decodes_before_the_guest_says_so(void **state)
{
	struct scene s;

	set_up(&s);
	assert_int_equal(s.a.ntold, 0);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_COMMAND, 2), 0);
	assert_int_not_equal(cfg_get(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4), 0);
	tear_down(&s);
}

static void test_sizing_tells_size_and_type_and_costs_nothing(void **state)
{
	static const struct {
		unsigned bar;
		uint32_t want;
	} rows[] = {
		{ 0, 0xffff0000 },
		{ 1, 0xffffffe1 },
		{ 2, 0xc000000c },
		{ 3, 0xffffffff },
		{ 4, 0 },
		{ 5, 0 },
	};
	struct scene s;

	set_up(&s);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned reg = PCI_BASE_ADDRESS_0 + 4 * rows[i].bar;
		uint32_t old = cfg_get(&s.m, 1, 0, reg, 4);

		cfg_put(&s.m, 1, 0, reg, 4, 0xffffffff);
		assert_int_equal(cfg_get(&s.m, 1, 0, reg, 4), rows[i].want);
		cfg_put(&s.m, 1, 0, reg, 4, old);
		assert_int_equal(cfg_get(&s.m, 1, 0, reg, 4), old);
	}
	cfg_put(&s.m, 1, 0, PCI_ROM_ADDRESS, 4, 0xfffff800);
	assert_int_equal(cfg_get(&s.m, 1, 0, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(s.a.ntold, 0);
	tear_down(&s);
}

static void test_each_space_has_its_own_switch(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_IO);
	assert_int_equal(s.a.ntold, 1);
	assert_told(&s.a, 0, 1, true, s.a.dev.bar[1].assigned);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_IO | CMD_MEM);
	assert_int_equal(s.a.ntold, 3);
	assert_told(&s.a, 1, 0, true, s.a.dev.bar[0].assigned);
	assert_told(&s.a, 2, 2, true, s.a.dev.bar[2].assigned);
	/* Written again, and a bit that has nothing to do with it: nothing is told. */
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_IO | CMD_MEM | PCI_COMMAND_MASTER);
	assert_int_equal(s.a.ntold, 3);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 1, CMD_MEM);
	assert_int_equal(s.a.ntold, 4);
	assert_told(&s.a, 3, 1, false, s.a.dev.bar[1].assigned);
	tear_down(&s);
}

static void test_a_move_is_off_then_on(void **state)
{
	struct scene s;
	uint64_t from;

	set_up(&s);
	from = s.a.dev.bar[0].assigned;
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4, 0xe0000000);
	assert_int_equal(s.a.ntold, 4);
	assert_told(&s.a, 2, 0, false, from);
	assert_told(&s.a, 3, 0, true, 0xe0000000);
	/* The same address again is no move. */
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4, 0xe0000000);
	assert_int_equal(s.a.ntold, 4);
	tear_down(&s);
}

static void test_a_move_with_decoding_off_is_told_once_it_is_on(void **state)
{
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, 0);
	s.a.ntold = 0;
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4, 0xe0000000);
	cfg_put_bar64(&s.m, 1, 0, 2, 256 * GiB);
	assert_int_equal(s.a.ntold, 0);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	assert_int_equal(s.a.ntold, 2);
	assert_told(&s.a, 0, 0, true, 0xe0000000);
	assert_told(&s.a, 1, 2, true, 256 * GiB);
	tear_down(&s);
}

static void test_all_that_move_leave_before_any_arrives(void **state)
{
	struct scene s;
	uint64_t a, b;

	set_up(&s);
	a = s.a.dev.bar[0].assigned;
	b = s.a.dev.bar[2].assigned;
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	s.a.ntold = 0;
	/* A function level reset that the device does itself, then new addresses. */
	put_le32(&s.a.dev.config[PCI_BASE_ADDRESS_0], 0xe0000000);
	put_le32(&s.a.dev.config[PCI_BASE_ADDRESS_2 + 4], 0x20);
	put_le32(&s.a.dev.config[PCI_BASE_ADDRESS_2], 0xc);
	pci_bars_update(&s.a.dev);
	assert_int_equal(s.a.ntold, 4);
	assert_told(&s.a, 0, 0, false, a);
	assert_told(&s.a, 1, 2, false, b);
	assert_told(&s.a, 2, 0, true, 0xe0000000);
	assert_told(&s.a, 3, 2, true, 128 * GiB);
	tear_down(&s);
}

static void test_bad_places_do_not_decode(void **state)
{
	static const uint64_t places[] = {
		0,			     /* reset value */
		0x100000,		     /* RAM */
		LAYOUT_LOW_RAM_END - 1 * GiB,
		LAYOUT_ECAM,
		LAYOUT_IOAPIC & ~(1 * GiB - 1),
		512 * GiB,		     /* past the window */
		511 * GiB + 512 * MiB,	     /* reads back as 511 GiB, which is fine */
		1ull << 62,
		~0ull,			     /* sizing; wraps if size is added */
	};
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		bool good = (places[i] & ~(1 * GiB - 1)) == 511 * GiB;

		cfg_put_bar64(&s.m, 1, 0, 2, places[i]);
		assert_int_equal(s.a.dev.bar[2].live, good);
		assert_int_equal(s.a.dev.bar[2].blocked, !good);
		s.a.ntold = 0;
	}
	tear_down(&s);
}

static void test_io_stays_in_its_window(void **state)
{
	static const uint32_t bad[] = { 0, 0x60, 0x3f8, 0xcf8, 0xfe0, 0x10000, 0xffffffe0 };
	struct scene s;

	set_up(&s);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_IO);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_1, 4, bad[i]);
		assert_false(s.a.dev.bar[1].live);
	}
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_1, 4, 0xffe0);
	assert_true(s.a.dev.bar[1].live);
	tear_down(&s);
}

static void test_of_two_in_one_place_the_first_decodes_and_the_other_waits(void **state)
{
	struct scene s;
	uint32_t there;

	set_up(&s);
	there = (uint32_t)s.a.dev.bar[0].assigned;
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, CMD_MEM);
	cfg_put(&s.m, 2, 0, PCI_BASE_ADDRESS_0, 4, there);
	cfg_put(&s.m, 2, 0, PCI_COMMAND, 2, CMD_MEM);
	assert_int_equal(s.b.ntold, 0);
	assert_true(s.b.dev.bar[0].blocked);
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4, there + 0x100000);
	assert_int_equal(s.b.ntold, 1);
	assert_told(&s.b, 0, 0, true, there);
	assert_false(s.b.dev.bar[0].blocked);
	/* One that gave up waiting does not come on later. */
	cfg_put(&s.m, 1, 0, PCI_BASE_ADDRESS_0, 4, there);
	assert_true(s.a.dev.bar[0].blocked);
	cfg_put(&s.m, 1, 0, PCI_COMMAND, 2, 0);
	s.a.ntold = 0;
	cfg_put(&s.m, 2, 0, PCI_COMMAND, 2, 0);
	assert_int_equal(s.a.ntold, 0);
	tear_down(&s);
}

static void test_io_and_memory_at_the_same_number_are_apart(void **state)
{
	struct guest_pci m;
	struct fake_fn fn;

	guest_pci_new(&m, &one_node);
	fake_fn_init(&fn, "x");
	fake_bar(&fn, 0, PCI_BAR_IO, false, 256);
	fake_bar(&fn, 1, PCI_BAR_IO, false, 4);
	assert_int_equal(pci_add(m.vm.pci, &fn.dev, 0, false, &m.err), 0);
	assert_int_equal(pci_assign(m.vm.pci, &m.err), 0);
	cfg_put(&m, 0, 1, PCI_COMMAND, 2, CMD_IO);
	assert_int_equal(fn.ntold, 2);
	assert_int_equal(fn.told[0].addr, LAYOUT_PIO);
	assert_int_equal(fn.told[1].addr, LAYOUT_PIO + 256);
	pci_remove(&fn.dev);
	guest_pci_free(&m);
}

static void test_impossible_bars_are_refused(void **state)
{
	static const struct {
		unsigned i;
		enum pci_bar_type type;
		uint64_t size;
	} rows[] = {
		{ 0, PCI_BAR_MEM32, 0 },	{ 0, PCI_BAR_MEM32, 8 },
		{ 0, PCI_BAR_MEM32, 24 * KiB }, { 0, PCI_BAR_MEM32, 4 * GiB },
		{ 0, PCI_BAR_IO, 2 },		{ 0, PCI_BAR_IO, 512 },
		{ 5, PCI_BAR_MEM64, 4 * KiB },	{ 0, PCI_BAR_MEM64, 1ull << 63 },
	};
	struct guest_pci m;

	guest_pci_new(&m, &one_node);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = ERR_INIT;
		struct fake_fn fn;

		fake_fn_init(&fn, "0000:41:00.0");
		fake_bar(&fn, rows[i].i, rows[i].type, false, rows[i].size);
		assert_int_equal(pci_add(m.vm.pci, &fn.dev, 0, true, &err), -EINVAL);
		assert_non_null(strstr(err.text, "0000:41:00.0: BAR"));
	}
	guest_pci_free(&m);
}

/* --- whatever a guest writes --- */

#define CROWD 4

static struct guest_pci crowd_pci;
static struct fake_fn crowd[CROWD];
static bool crowd_on[CROWD][PCI_BARS];
static unsigned crowd_changes, crowd_waits;

/* Off only what is on, on only what is off, and where the register says. */
static void crowd_bar_set(struct pci_dev *dev, unsigned i, bool on, uint64_t addr)
{
	struct fake_fn *fn = container_of(dev, struct fake_fn, dev);
	bool *now = &crowd_on[fn - crowd][i];

	assert_int_not_equal(*now, on);
	assert_int_equal(dev->bar[i].addr, addr);
	*now = on;
	crowd_changes++;
}

static const struct pci_dev_ops crowd_ops = { .bar_set = crowd_bar_set, .reset = fake_reset };

static void crowd_gather(void)
{
	guest_pci_new(&crowd_pci, &one_node);
	memset(crowd_on, 0, sizeof(crowd_on));
	for (unsigned n = 0; n < CROWD; n++) {
		fake_fn_init(&crowd[n], "crowd");
		crowd[n].dev.ops = &crowd_ops;
		fake_bar(&crowd[n], 0, PCI_BAR_MEM32, false, 64 * MiB);
		fake_bar(&crowd[n], 1, PCI_BAR_IO, false, 256);
		fake_bar(&crowd[n], 2, PCI_BAR_MEM64, true, 64 * GiB);
		fake_bar(&crowd[n], 4, PCI_BAR_MEM64, false, 64 * MiB);
		assert_int_equal(pci_add(crowd_pci.vm.pci, &crowd[n].dev, 0, n & 1, &crowd_pci.err),
				 0);
	}
	assert_int_equal(pci_assign(crowd_pci.vm.pci, &crowd_pci.err), 0);
}

static bool in_space(const struct pci_bar *b)
{
	struct pci_bridge_info w;
	struct range r = { b->addr, b->size };

	pci_bridge_info(crowd_pci.vm.pci, 0, &w);
	if (b->type == PCI_BAR_IO)
		return range_contains((struct range){ w.pio_start, w.pio_size }, r);
	return range_contains((struct range){ w.mmio32_start, w.mmio32_size }, r) ||
	       range_contains((struct range){ w.mmio64_start, w.mmio64_size }, r);
}

static void check_crowd(void)
{
	for (unsigned n = 0; n < CROWD * PCI_BARS; n++) {
		const struct pci_bar *a = &crowd[n / PCI_BARS].dev.bar[n % PCI_BARS];

		assert_int_equal(a->live, crowd_on[n / PCI_BARS][n % PCI_BARS]);
		assert_false(a->live && a->blocked);
		crowd_waits += a->blocked;
		if (a->live)
			assert_true(in_space(a));
		for (unsigned m = 0; m < n && a->live; m++) {
			const struct pci_bar *b = &crowd[m / PCI_BARS].dev.bar[m % PCI_BARS];

			if (b->live && (a->type == PCI_BAR_IO) == (b->type == PCI_BAR_IO))
				assert_false(range_overlaps((struct range){ a->addr, a->size },
							    (struct range){ b->addr, b->size }));
		}
	}
}

static uint32_t rnd_state;

static uint32_t rnd(void)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return rnd_state >> 8;
}

/* Values that hit: few addresses, so that BARs meet; all-ones; anything. */
static uint32_t crowd_value(void)
{
	switch (rnd() % 4) {
	case 0: return 0xd0000000 + (rnd() % 8) * 0x4000000;
	case 1: return rnd() % 4 ? rnd() % 0x80 : 0xffffffff;
	case 2: return 0x1000 + (rnd() % 4) * 0x100;
	default: return rnd() << 8 ^ rnd();
	}
}

static void test_no_write_breaks_what_holds_of_live_bars(void **state)
{
	static const uint8_t widths[] = { 1, 2, 4, 4, 4 };

	crowd_gather();
	for (unsigned round = 0; round < 60000; round++) {
		/* Root functions 1 and 3, devices behind the ports at 2 and 4 (buses 1 and 2). */
		unsigned n = rnd() % CROWD, bus = n & 1 ? crowd[n].dev.bus : 0;
		unsigned slot = n & 1 ? 0 : n + 1, len = widths[rnd() % sizeof(widths)];
		unsigned off = rnd() % 3 ? PCI_BASE_ADDRESS_0 + rnd() % 24 : PCI_COMMAND;

		cfg_put(&crowd_pci, bus, slot, off & ~(len - 1), len,
			off == PCI_COMMAND ? rnd() % 8 | 3 : crowd_value());
		check_crowd();
		if (rnd() % 4096 == 0) {
			pci_reset(crowd_pci.vm.pci);
			check_crowd();
		}
	}
	/* Else the test has seen nothing. */
	assert_true(crowd_changes > 5000 && crowd_waits > 5000);
	for (unsigned n = 0; n < CROWD; n++) {
		pci_remove(&crowd[n].dev);
		check_crowd();
	}
	guest_pci_free(&crowd_pci);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_decodes_before_the_guest_says_so),
		cmocka_unit_test(test_sizing_tells_size_and_type_and_costs_nothing),
		cmocka_unit_test(test_each_space_has_its_own_switch),
		cmocka_unit_test(test_a_move_is_off_then_on),
		cmocka_unit_test(test_a_move_with_decoding_off_is_told_once_it_is_on),
		cmocka_unit_test(test_all_that_move_leave_before_any_arrives),
		cmocka_unit_test(test_bad_places_do_not_decode),
		cmocka_unit_test(test_io_stays_in_its_window),
		cmocka_unit_test(test_of_two_in_one_place_the_first_decodes_and_the_other_waits),
		cmocka_unit_test(test_io_and_memory_at_the_same_number_are_apart),
		cmocka_unit_test(test_impossible_bars_are_refused),
		cmocka_unit_test(test_no_write_breaks_what_holds_of_live_bars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
