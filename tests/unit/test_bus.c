// SPDX-License-Identifier: GPL-2.0-or-later
/* Who answers at which address. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vmm/bus.h"

struct probe {
	uint64_t off;
	unsigned len, reads, writes;
	struct bus *bus;
	uint64_t remove; /* region to remove from within */
};

static void probe_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct probe *p = opaque;

	p->off = off;
	p->len = len;
	p->reads++;
	memset(data, 0x5a, len);
	if (p->bus)
		bus_remove(p->bus, p->remove);
}

static void probe_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct probe *p = opaque;

	(void)data;
	p->off = off;
	p->len = len;
	p->writes++;
}

static const struct bus_ops ops = { probe_read, probe_write };

static int setup(void **state)
{
	*state = bus_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	bus_free(*state);
	return 0;
}

static uint64_t read8(struct bus *bus, uint64_t addr)
{
	uint64_t v = 0;

	bus_read(bus, addr, (uint8_t *)&v, 8);
	return v;
}

static void test_an_access_reaches_its_region_with_the_offset(void **state)
{
	struct probe a = { 0 }, b = { 0 };

	assert_int_equal(bus_add(*state, 0x2000, 0x1000, "b", &ops, &b, NULL), 0);
	assert_int_equal(bus_add(*state, 0x1000, 0x1000, "a", &ops, &a, NULL), 0);
	assert_int_equal(read8(*state, 0x2010), 0x5a5a5a5a5a5a5a5a);
	assert_int_equal(b.off, 0x10);
	assert_int_equal(b.len, 8);
	bus_write(*state, 0x1fff, (uint8_t[]){ 1 }, 1);
	assert_int_equal(a.off, 0xfff);
	assert_int_equal(a.writes, 1);
	assert_int_equal(b.writes, 0);
}

static void test_unclaimed_and_straddling_accesses_read_all_ones(void **state)
{
	struct probe a = { 0 };

	assert_int_equal(bus_add(*state, 0x1000, 0x10, "a", &ops, &a, NULL), 0);
	assert_int_equal(read8(*state, 0xff8), UINT64_MAX);
	assert_int_equal(read8(*state, 0x100c), UINT64_MAX); /* leaves it at the end */
	assert_int_equal(read8(*state, 0xffc), UINT64_MAX);  /* enters it in the middle */
	assert_int_equal(read8(*state, UINT64_MAX - 3), UINT64_MAX);
	bus_write(*state, 0x100c, (uint8_t[8]){ 0 }, 8);
	assert_int_equal(a.reads + a.writes, 0);
}

static void test_overlaps_are_refused_and_named(void **state)
{
	struct probe a = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(bus_add(*state, 0x1000, 0x1000, "first", &ops, &a, NULL), 0);
	assert_int_equal(bus_add(*state, 0x1fff, 1, "second", &ops, &a, &err), -EEXIST);
	assert_non_null(strstr(err.text, "first"));
	assert_int_equal(bus_add(*state, 0xfff, 2, "second", &ops, &a, NULL), -EEXIST);
	assert_int_equal(bus_add(*state, 0x0, 0x10000, "second", &ops, &a, NULL), -EEXIST);
	/* Touching is no overlap. */
	assert_int_equal(bus_add(*state, 0x2000, 1, "after", &ops, &a, NULL), 0);
	assert_int_equal(bus_add(*state, 0xfff, 1, "before", &ops, &a, NULL), 0);
}

static void test_empty_and_wrapping_regions_are_refused(void **state)
{
	struct probe a = { 0 };

	assert_int_equal(bus_add(*state, 0x1000, 0, "empty", &ops, &a, NULL), -EINVAL);
	assert_int_equal(bus_add(*state, UINT64_MAX, 2, "wraps", &ops, &a, NULL), -EINVAL);
	assert_int_equal(bus_add(*state, UINT64_MAX - 7, 8, "last", &ops, &a, NULL), 0);
	assert_int_equal(read8(*state, UINT64_MAX - 7), 0x5a5a5a5a5a5a5a5a);
}

static void test_a_handler_may_remove_its_own_region(void **state)
{
	struct probe a = { .bus = *state, .remove = 0x1000 };

	assert_int_equal(bus_add(*state, 0x1000, 0x10, "a", &ops, &a, NULL), 0);
	assert_int_equal(read8(*state, 0x1000), 0x5a5a5a5a5a5a5a5a);
	assert_int_equal(read8(*state, 0x1000), UINT64_MAX);
	assert_int_equal(a.reads, 1);
	bus_remove(*state, 0x1000); /* nobody there: harmless */
}

static void test_many_regions_are_found(void **state)
{
	struct probe a[100] = { 0 };

	for (unsigned i = 0; i < 100; i++) {
		uint64_t base = (uint64_t)(i * 37 % 100) * 0x100;

		assert_int_equal(bus_add(*state, base, 0x80, "many", &ops, &a[i * 37 % 100], NULL),
				 0);
	}
	for (unsigned i = 0; i < 100; i++) {
		(void)read8(*state, i * 0x100 + 0x40);
		(void)read8(*state, i * 0x100 + 0x80);
		assert_int_equal(a[i].reads, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_access_reaches_its_region_with_the_offset,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_unclaimed_and_straddling_accesses_read_all_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlaps_are_refused_and_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_empty_and_wrapping_regions_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_handler_may_remove_its_own_region, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_many_regions_are_found, setup, teardown),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
