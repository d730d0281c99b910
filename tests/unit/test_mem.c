// SPDX-License-Identifier: GPL-2.0-or-later
/* Guest RAM: how it is cut into banks, what may be reached in it, who is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/size.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/mem_internal.h"

static struct mem_node nodes[VMM_MAX_NODES];

static struct mem_config config_of(enum mem_kind kind, unsigned count, const uint64_t *sizes)
{
	for (unsigned i = 0; i < count; i++)
		nodes[i] = (struct mem_node){ .size = sizes[i], .kind = kind };
	return (struct mem_config){ .nodes = count, .node = nodes };
}

static struct mem *mem_of(enum mem_kind kind, unsigned count, const uint64_t *sizes)
{
	struct mem_config config = config_of(kind, count, sizes);
	struct mem *mem = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(mem_new(&config, &mem, &err), 0);
	return mem;
}

#define SIZES(...) sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8, (const uint64_t[]){ __VA_ARGS__ }

struct bank_row {
	gpa_t gpa;
	uint64_t size;
	unsigned node;
};

static void check_banks(const struct mem_config *config, const struct bank_row *rows)
{
	struct mem_bank banks[MEM_MAX_BANKS];
	uint64_t offset[VMM_MAX_NODES] = { 0 };
	struct err err = ERR_INIT;
	int n = mem_plan_banks(config, banks, &err), i = 0;

	for (; rows[i].size; i++) {
		assert_true(i < n);
		assert_int_equal(banks[i].gpa, rows[i].gpa);
		assert_int_equal(banks[i].size, rows[i].size);
		assert_int_equal(banks[i].node, rows[i].node);
		assert_int_equal(banks[i].fd_offset, offset[rows[i].node]);
		offset[rows[i].node] += banks[i].size;
	}
	assert_int_equal(n, i);
	for (unsigned k = 0; k < config->nodes; k++)
		assert_int_equal(offset[k], config->node[k].size);
}

static void check_plan(enum mem_kind kind, unsigned count, const uint64_t *sizes,
		       const struct bank_row *rows)
{
	struct mem_config config = config_of(kind, count, sizes);

	check_banks(&config, rows);
}

static void test_ram_ends_at_3_gib_and_goes_on_at_4(void **state)
{
	(void)state;
	check_plan(MEM_ANON, SIZES(GiB), (struct bank_row[]){ { 0, GiB, 0 }, { 0 } });
	check_plan(MEM_ANON, SIZES(3 * GiB), (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 0 } });
	check_plan(MEM_ANON, SIZES(3 * GiB + 4 * KiB),
		   (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 4 * KiB, 0 }, { 0 } });
	check_plan(MEM_HUGETLB_1G, SIZES(6 * GiB),
		   (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 3 * GiB, 0 }, { 0 } });
}

static void test_nodes_follow_each_other(void **state)
{
	(void)state;
	check_plan(MEM_ANON, SIZES(2 * GiB, 2 * GiB),
		   (struct bank_row[]){
			   { 0, 2 * GiB, 0 }, { 2 * GiB, GiB, 1 }, { 4 * GiB, GiB, 1 }, { 0 } });
	check_plan(MEM_ANON, SIZES(64 * MiB, 65 * MiB),
		   (struct bank_row[]){ { 0, 64 * MiB, 0 }, { 64 * MiB, 65 * MiB, 1 }, { 0 } });
	check_plan(MEM_ANON, SIZES(5 * GiB, GiB, 16 * MiB),
		   (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 2 * GiB, 0 },
					{ 6 * GiB, GiB, 1 }, { 7 * GiB, 16 * MiB, 2 }, { 0 } });
}

/* A guest's page of 1 GiB is one of the host's where both begin on a multiple of it. */
static void test_a_node_of_huge_pages_begins_on_one(void **state)
{
	struct mem_config config = config_of(MEM_ANON, SIZES(1536 * MiB, 3 * GiB));

	(void)state;
	nodes[1].kind = MEM_HUGETLB_1G;
	check_banks(&config, (struct bank_row[]){ { 0, 1536 * MiB, 0 }, { 2 * GiB, GiB, 1 },
						  { 4 * GiB, 2 * GiB, 1 }, { 0 } });
}

static void test_ram_goes_around_what_devices_do_not_reach(void **state)
{
	/* VT-d's interrupt window, which is in the machine's hole anyway, and 39 bits. */
	static const struct range narrow[] = { { 0, 0xfee00000 }, { 0xfef00000, (1ull << 39) - 0xfef00000 } };
	/* AMD: HyperTransport below 1 TiB. */
	static const struct range amd[] = { { 0, 0xfee00000 }, { 0xfef00000, 0xfd00000000 - 0xfef00000 },
					    { 0x10000000000, 1ull << 52 } };
	/* Firmware keeps some for itself in the middle of low RAM, from an odd page on. */
	static const struct range rmrr[] = { { 0, 0x7b7ff000 }, { 0x7f800000, 1ull << 40 } };
	struct mem_config config = config_of(MEM_ANON, SIZES(4 * GiB));

	(void)state;
	config.usable = narrow;
	config.nusable = ARRAY_SIZE(narrow);
	check_banks(&config, (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, GiB, 0 }, { 0 } });
	nodes[0].size = 1012 * GiB;
	config.usable = amd;
	config.nusable = ARRAY_SIZE(amd);
	check_banks(&config, (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 1008 * GiB, 0 },
						  { 1024 * GiB, GiB, 0 }, { 0 } });
	nodes[0].size = 3 * GiB;
	config.usable = rmrr;
	config.nusable = ARRAY_SIZE(rmrr);
	check_banks(&config, (struct bank_row[]){ { 0, 0x7b600000, 0 },
						  { 0x7f800000, 0xc0000000 - 0x7f800000, 0 },
						  { 4 * GiB, 0x4200000, 0 }, { 0 } });
}

static void check_refusal(const struct mem_config *config, int code, const char *text, const char *hint)
{
	struct mem_bank banks[MEM_MAX_BANKS];
	struct err err = ERR_INIT;

	assert_int_equal(mem_plan_banks(config, banks, &err), code);
	if (!strstr(err.text, text) || !strstr(err.hint, hint))
		fail_msg("'%s' / '%s'", err.text, err.hint);
}

static void test_too_much_for_the_iommu_names_its_end_and_what_would_fit(void **state)
{
	static const struct range narrow[] = { { 0, 0xfee00000 }, { 0xfef00000, (1ull << 39) - 0xfef00000 } };
	static const struct range no_low[] = { { 0, 0x800000 }, { 0x1800000, 1ull << 40 } };
	static const struct range no_zero[] = { { 0x100000, 1ull << 40 } };
	struct mem_config config = config_of(MEM_ANON, SIZES(600 * GiB));

	(void)state;
	config.usable = narrow;
	config.nusable = ARRAY_SIZE(narrow);
	check_refusal(&config, -ERANGE,
		      "guest memory of 600 GiB does not fit below 0x8000000000", "at most 511 GiB");
	nodes[0].size = 511 * GiB;
	check_banks(&config, (struct bank_row[]){ { 0, 3 * GiB, 0 }, { 4 * GiB, 508 * GiB, 0 }, { 0 } });
	config.usable = no_low;
	check_refusal(&config, -ERANGE, "keeps 0x800000-0x17fffff from devices", "thruway show");
	config.usable = no_zero;
	config.nusable = 1;
	check_refusal(&config, -ERANGE, "keeps 0x0-0xfffff from devices", "thruway show");
}

static void test_more_pieces_than_the_iommu_maps_are_refused_first(void **state)
{
	struct mem_config config = config_of(MEM_ANON, SIZES(2 * GiB, 2 * GiB));
	struct range many[40];

	(void)state;
	config.max_banks = 2;
	check_refusal(&config, -E2BIG, "more than 2 pieces", "dma_entry_limit");
	config.max_banks = 3;
	check_banks(&config, (struct bank_row[]){
				     { 0, 2 * GiB, 0 }, { 2 * GiB, GiB, 1 }, { 4 * GiB, GiB, 1 }, { 0 } });
	config.max_banks = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct range){ i * 64 * MiB, 32 * MiB };
	config.usable = many;
	config.nusable = ARRAY_SIZE(many);
	check_refusal(&config, -E2BIG, "can have", "");
}

static void test_the_most_banks_fit(void **state)
{
	struct mem_bank banks[MEM_MAX_BANKS];
	struct mem_config config = config_of(MEM_ANON, SIZES(GiB, GiB, GiB / 2, GiB, GiB, GiB, GiB, GiB));

	(void)state;
	assert_int_equal(mem_plan_banks(&config, banks, NULL), VMM_MAX_NODES + 1);
}

static void test_sizes_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		unsigned nodes;
		struct mem_node node;
	} rows[] = {
		{ 1, { .size = 0 } },
		{ 1, { .size = 4 * MiB + 1 } },
		{ 1, { .size = 3 * MiB, .kind = MEM_HUGETLB_2M } },
		{ 1, { .size = 3 * MiB, .kind = MEM_MEMFD_THP } },
		{ 1, { .size = 1536 * MiB, .kind = MEM_HUGETLB_1G } },
		{ 0, { .size = GiB } },
		{ VMM_MAX_NODES + 1, { .size = GiB } },
		{ 1, { .size = 1ull << 60 } },
		{ 1, { .size = GiB, .kind = 9 } },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mem_config config = { .nodes = rows[i].nodes, .node = &rows[i].node };
		struct mem *mem = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(mem_new(&config, &mem, &err), -EINVAL);
		assert_null(mem);
		assert_true(err.text[0] != '\0');
	}
}

static void test_gmem_ptr_refuses_what_leaves_ram(void **state)
{
	struct mem *mem = mem_of(MEM_ANON, SIZES(4 * MiB));

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
	struct mem *mem = mem_of(MEM_ANON, SIZES(4 * MiB, 4 * MiB));
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

/* The second node's memfd begins anew: a page of it is not one of the first. */
static void test_pages_that_are_given_back_read_zero(void **state)
{
	static const enum mem_kind kinds[] = { MEM_ANON, MEM_MEMFD };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct mem *mem = mem_of(kinds[i], SIZES(2 * MiB, 2 * MiB));

		for (gpa_t gpa = 0; gpa < 4 * MiB; gpa += 4096)
			gmem_ptr(mem, gpa, 1)[0] = 7;
		assert_int_equal(mem_discard(mem, 2 * MiB + 4096, 8192), 0);
		for (gpa_t gpa = 0; gpa < 4 * MiB; gpa += 4096)
			assert_int_equal(gmem_ptr(mem, gpa, 1)[0],
					 gpa > 2 * MiB && gpa <= 2 * MiB + 8192 ? 0 : 7);
		assert_int_equal(mem_discard(mem, 1, 4096), -EINVAL);
		assert_int_equal(mem_discard(mem, 0, 100), -EINVAL);
		assert_int_equal(mem_discard(mem, 0, 0), -EINVAL);
		assert_int_equal(mem_discard(mem, 4 * MiB, 4096), -EFAULT);
		assert_int_equal(mem_discard(mem, 4 * MiB - 4096, 8192), -EFAULT);
		assert_int_equal(mem_discard(mem, UINT64_MAX - 4095, 4096), -EFAULT);
		mem_free(mem);
	}
}

static void test_ram_is_zero_aligned_and_shared_when_asked(void **state)
{
	struct mem *mem = mem_of(MEM_MEMFD, SIZES(2 * MiB, 2 * MiB));
	const struct mem_bank *b;

	(void)state;
	for (unsigned i = 0; (b = mem_bank(mem, i)); i++) {
		assert_int_equal((uintptr_t)b->hva % (2 * MiB), 0);
		assert_true(b->fd >= 0);
		/* Whoever has it cannot take it away from others, who would die of it. */
		assert_true(ftruncate(b->fd, 0) < 0 && errno == EPERM);
		for (uint64_t off = 0; off < b->size; off++)
			assert_int_equal(b->hva[off], 0);
	}
	assert_int_equal(mem_bank_count(mem), 2);
	assert_true(mem_bank(mem, 0)->fd != mem_bank(mem, 1)->fd);
	assert_int_equal(mem_size(mem), 4 * MiB);
	assert_int_equal(mem_low_end(mem), 4 * MiB);
	assert_int_equal(mem_end(mem), 4 * GiB);
	mem_free(mem);
}

/* A line of this process's smaps for the mapping that begins at hva. */
static bool smaps_has(const uint8_t *hva, const char *field, const char *word)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], begin[32];
	bool inside = false, found = false;

	assert_non_null(f);
	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)(uintptr_t)hva);
	while (!found && fgets(line, sizeof(line), f)) {
		if (strchr("0123456789abcdef", line[0]))
			inside = strncmp(line, begin, strlen(begin)) == 0;
		found = inside && strncmp(line, field, strlen(field)) == 0 && strstr(line, word);
	}
	fclose(f);
	return found;
}

static void test_what_a_core_dump_holds_is_said(void **state)
{
	struct mem *out = mem_of(MEM_ANON, SIZES(2 * MiB)), *in = NULL;
	struct mem_config config = config_of(MEM_ANON, SIZES(2 * MiB));

	(void)state;
	nodes[0].dump = true;
	assert_int_equal(mem_new(&config, &in, NULL), 0);
	assert_true(smaps_has(mem_bank(out, 0)->hva, "VmFlags:", " dd"));
	assert_false(smaps_has(mem_bank(in, 0)->hva, "VmFlags:", " dd"));
	mem_free(in);
	mem_free(out);
}

static void test_huge_pages_are_asked_for_or_declined(void **state)
{
	struct mem *on = mem_of(MEM_ANON, SIZES(4 * MiB)), *off = NULL;
	struct mem_config config = config_of(MEM_ANON, SIZES(4 * MiB));

	(void)state;
	nodes[0].small_pages = true;
	assert_int_equal(mem_new(&config, &off, NULL), 0);
	assert_true(smaps_has(mem_bank(on, 0)->hva, "VmFlags:", " hg"));
	assert_true(smaps_has(mem_bank(off, 0)->hva, "VmFlags:", " nh"));
	assert_true(smaps_has(mem_bank(off, 0)->hva, "AnonHugePages:", " 0 kB"));
	mem_free(off);
	mem_free(on);
}

/* Refused or huge: never small pages instead. */
static void test_shared_memory_in_huge_pages_has_them_or_says_why_not(void **state)
{
	struct mem_config config = config_of(MEM_MEMFD_THP, SIZES(8 * MiB));
	struct mem *mem = NULL;
	struct err err = ERR_INIT;
	int r = mem_new(&config, &mem, &err);

	(void)state;
	if (r < 0) {
		assert_true(strstr(err.hint, "shmem_enabled") || strstr(err.text, "transparent huge pages"));
		return;
	}
	assert_true(smaps_has(mem_bank(mem, 0)->hva, "ShmemPmdMapped:", " 8192 kB"));
	for (unsigned off = 0; off < 8 * MiB; off += 4096)
		assert_int_equal(mem_bank(mem, 0)->hva[off], 0);
	mem_free(mem);
}

static void test_a_pool_that_is_empty_says_what_to_reserve(void **state)
{
	struct mem_config config = config_of(MEM_HUGETLB_1G, SIZES(1024 * GiB));
	struct mem *mem = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_true(mem_new(&config, &mem, &err) < 0);
	assert_null(mem);
	if (!strstr(err.text, "1 GiB")) /* a kernel without such pages says so in its own words */
		fail_msg("%s", err.text);
	if (err.code == -ENOMEM)
		assert_non_null(strstr(err.hint, "thruway hugepages reserve"));
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
	struct mem *mem = mem_of(MEM_ANON, SIZES(2 * MiB, 2 * MiB, 2 * MiB, 2 * MiB));
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
		cmocka_unit_test(test_nodes_follow_each_other),
		cmocka_unit_test(test_a_node_of_huge_pages_begins_on_one),
		cmocka_unit_test(test_ram_goes_around_what_devices_do_not_reach),
		cmocka_unit_test(test_too_much_for_the_iommu_names_its_end_and_what_would_fit),
		cmocka_unit_test(test_more_pieces_than_the_iommu_maps_are_refused_first),
		cmocka_unit_test(test_the_most_banks_fit),
		cmocka_unit_test(test_sizes_that_make_no_sense_are_refused),
		cmocka_unit_test(test_gmem_ptr_refuses_what_leaves_ram),
		cmocka_unit_test(test_copies_span_banks_and_nothing_else),
		cmocka_unit_test(test_pages_that_are_given_back_read_zero),
		cmocka_unit_test(test_ram_is_zero_aligned_and_shared_when_asked),
		cmocka_unit_test(test_what_a_core_dump_holds_is_said),
		cmocka_unit_test(test_huge_pages_are_asked_for_or_declined),
		cmocka_unit_test(test_shared_memory_in_huge_pages_has_them_or_says_why_not),
		cmocka_unit_test(test_a_pool_that_is_empty_says_what_to_reserve),
		cmocka_unit_test(test_a_listener_hears_of_all_banks_or_of_none),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
