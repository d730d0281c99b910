// SPDX-License-Identifier: GPL-2.0-or-later
/* Guest RAM: how it is cut into banks, what may be reached in it, who is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/mem_internal.h"

static struct mem *mem_of(uint64_t size, unsigned nodes)
{
	struct mem_config config = { .size = size, .kind = MEM_ANON, .nodes = nodes };
	struct mem *mem = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(mem_new(&config, &mem, &err), 0);
	return mem;
}

struct bank_row {
	gpa_t gpa;
	uint64_t size;
	unsigned node;
};

static void check_plan(uint64_t size, uint64_t page, unsigned nodes, const struct bank_row *rows)
{
	struct mem_bank banks[MEM_MAX_BANKS];
	unsigned n = mem_plan_banks(size, page, nodes, banks), i = 0;
	uint64_t offset = 0;

	for (; rows[i].size; i++) {
		assert_true(i < n);
		assert_int_equal(banks[i].gpa, rows[i].gpa);
		assert_int_equal(banks[i].size, rows[i].size);
		assert_int_equal(banks[i].node, rows[i].node);
		assert_int_equal(banks[i].fd_offset, offset);
		offset += banks[i].size;
	}
	assert_int_equal(n, i);
	assert_int_equal(offset, size);
}

static void test_ram_ends_at_3_gib_and_goes_on_at_4(void **state)
{
	(void)state;
	check_plan(GiB, 4 * KiB, 1, (struct bank_row[]){ { 0, GiB, 0 }, { 0 } });
	check_plan(3 * GiB, 4 * KiB, 1, (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 0 } });
	check_plan(3 * GiB + 4 * KiB, 4 * KiB, 1,
		   (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 4 * KiB, 0 }, { 0 } });
	check_plan(6 * GiB, GiB, 1,
		   (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 3 * GiB, 0 }, { 0 } });
}

static void test_nodes_share_ram_evenly_and_the_last_takes_the_rest(void **state)
{
	(void)state;
	check_plan(4 * GiB, 4 * KiB, 2,
		   (struct bank_row[]){
			   { 0, 2 * GiB, 0 }, { 2 * GiB, GiB, 1 }, { 4 * GiB, GiB, 1 }, { 0 } });
	/* 129 MiB: node 0 ends at 2 MiB's multiple. */
	check_plan(129 * MiB, 4 * KiB, 2,
		   (struct bank_row[]){ { 0, 64 * MiB, 0 }, { 64 * MiB, 65 * MiB, 1 }, { 0 } });
	check_plan(3 * GiB, GiB, 2,
		   (struct bank_row[]){ { 0, GiB, 0 }, { GiB, 2 * GiB, 1 }, { 0 } });
}

static void test_the_most_banks_fit(void **state)
{
	struct mem_bank banks[MEM_MAX_BANKS];

	(void)state;
	assert_int_equal(mem_plan_banks(10 * GiB, 4 * KiB, VMM_MAX_NODES, banks), MEM_MAX_BANKS);
}

static void test_sizes_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		struct mem_config config;
		int code;
	} rows[] = {
		{ { .size = 0, .nodes = 1 }, -EINVAL },
		{ { .size = 4 * MiB + 1, .nodes = 1 }, -EINVAL },
		{ { .size = 3 * MiB, .kind = MEM_HUGETLB_2M, .nodes = 1 }, -EINVAL },
		{ { .size = 1536 * MiB, .kind = MEM_HUGETLB_1G, .nodes = 1 }, -EINVAL },
		{ { .size = GiB, .kind = MEM_HUGETLB_1G, .nodes = 2 }, -EINVAL },
		{ { .size = GiB, .nodes = 0 }, -EINVAL },
		{ { .size = GiB, .nodes = VMM_MAX_NODES + 1 }, -EINVAL },
		{ { .size = 1ull << 60, .nodes = 1 }, -ENOMEM },
		{ { .size = GiB, .kind = (enum mem_kind)9, .nodes = 1 }, -EINVAL },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem *mem = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(mem_new(&rows[i].config, &mem, &err), rows[i].code);
		assert_null(mem);
		assert_true(err.text[0] != '\0');
	}
}

static void test_gmem_ptr_refuses_what_leaves_ram(void **state)
{
	struct mem *mem = mem_of(4 * MiB, 1);

	(void)state;
	assert_non_null(gmem_ptr(mem, 0, 4 * MiB));
	assert_non_null(gmem_ptr(mem, 4 * MiB - 1, 1));
	assert_null(gmem_ptr(mem, 4 * MiB - 1, 2));
	assert_null(gmem_ptr(mem, 4 * MiB, 0));
	assert_null(gmem_ptr(mem, 0, 4 * MiB + 1));
	assert_null(gmem_ptr(mem, UINT64_MAX, 2));
	assert_null(gmem_ptr(mem, 1, UINT64_MAX));
	mem_free(mem);
}

static void test_copies_span_banks_and_nothing_else(void **state)
{
	struct mem *mem = mem_of(8 * MiB, 2);
	uint8_t in[16] = "across the banks", out[16] = { 0 };

	(void)state;
	assert_null(gmem_ptr(mem, 4 * MiB - 8, 16)); /* one pointer does not */
	assert_int_equal(gmem_write(mem, 4 * MiB - 8, in, 16), 0);
	assert_int_equal(gmem_read(mem, 4 * MiB - 8, out, 16), 0);
	assert_memory_equal(in, out, 16);
	assert_memory_equal(gmem_ptr(mem, 4 * MiB, 8), in + 8, 8);
	/* Half of it outside: nothing is copied. */
	assert_int_equal(gmem_write(mem, 8 * MiB - 8, in, 16), -EFAULT);
	assert_int_equal(gmem_ptr(mem, 8 * MiB - 8, 1)[0], 0);
	assert_int_equal(gmem_read(mem, UINT64_MAX - 3, out, 8), -EFAULT);
	mem_free(mem);
}

static void test_ram_is_zero_aligned_and_shared_when_asked(void **state)
{
	struct mem_config config = { .size = 4 * MiB, .kind = MEM_MEMFD, .nodes = 2 };
	struct mem *mem = NULL;
	const struct mem_bank *b;

	(void)state;
	assert_int_equal(mem_new(&config, &mem, NULL), 0);
	for (unsigned i = 0; (b = mem_bank(mem, i)); i++) {
		assert_int_equal((uintptr_t)b->hva % (2 * MiB), 0);
		assert_true(b->fd >= 0);
		for (uint64_t off = 0; off < b->size; off++)
			assert_int_equal(b->hva[off], 0);
	}
	assert_int_equal(mem_size(mem), 4 * MiB);
	assert_int_equal(mem_low_end(mem), 4 * MiB);
	assert_int_equal(mem_end(mem), 4 * GiB);
	mem_free(mem);
}

struct counting {
	struct mem_listener l;
	unsigned banks, fail_at;
};

static int count_add(struct mem_listener *l, const struct mem_bank *bank, struct err *err)
{
	struct counting *c = container_of(l, struct counting, l);

	(void)bank;
	if (c->fail_at && c->banks + 1 == c->fail_at)
		return err_plain(err, -EIO, "no more");
	c->banks++;
	return 0;
}

static void count_del(struct mem_listener *l, const struct mem_bank *bank)
{
	struct counting *c = container_of(l, struct counting, l);

	(void)bank;
	c->banks--;
}

static void test_a_listener_hears_of_all_banks_or_of_none(void **state)
{
	struct mem *mem = mem_of(8 * MiB, 4);
	struct counting good = { { count_add, count_del, NULL }, 0, 0 };
	struct counting bad = { { count_add, count_del, NULL }, 0, 3 };

	(void)state;
	assert_int_equal(mem_listen(mem, &good.l, NULL), 0);
	assert_int_equal(good.banks, 4);
	assert_int_equal(mem_listen(mem, &bad.l, NULL), -EIO);
	assert_int_equal(bad.banks, 0);
	mem_unlisten(mem, &bad.l); /* never was one: nothing happens */
	assert_int_equal(bad.banks, 0);
	mem_unlisten(mem, &good.l);
	assert_int_equal(good.banks, 0);
	mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ram_ends_at_3_gib_and_goes_on_at_4),
		cmocka_unit_test(test_nodes_share_ram_evenly_and_the_last_takes_the_rest),
		cmocka_unit_test(test_the_most_banks_fit),
		cmocka_unit_test(test_sizes_that_make_no_sense_are_refused),
		cmocka_unit_test(test_gmem_ptr_refuses_what_leaves_ram),
		cmocka_unit_test(test_copies_span_banks_and_nothing_else),
		cmocka_unit_test(test_ram_is_zero_aligned_and_shared_when_asked),
		cmocka_unit_test(test_a_listener_hears_of_all_banks_or_of_none),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
