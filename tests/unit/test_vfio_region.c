// SPDX-License-Identifier: GPL-2.0-or-later
/* What a device says of its regions, believed only as far as it makes sense. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include "base/size.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/vfio.h"
#include "vfio/region.h"

#define RW   (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)
#define RWM  (RW | VFIO_REGION_INFO_FLAG_MMAP)
#define HEAD sizeof(struct vfio_region_info)

static struct fake_vfio dev;

static int setup(void **state)
{
	fake_ioctl_reset();
	return fake_vfio_new(&dev);
}

static int teardown(void **state)
{
	fake_vfio_free(&dev);
	return fake_ioctl_done() ? 0 : -1;
}

struct sparse {
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area areas[3];
};

static void test_plain_mappable_region_is_one_area(void **state)
{
	struct vfio_region region;

	fake_vfio_region(&dev, 0, 16 * KiB, RWM);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(region.nareas, 1);
	assert_int_equal(region.areas[0].start, 0);
	assert_int_equal(region.areas[0].size, 16 * KiB);
	assert_false(region.msix_mappable);
}

static void test_region_without_mmap_has_no_area(void **state)
{
	struct vfio_region region;

	fake_vfio_region(&dev, 0, 16 * KiB, RW);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(region.nareas, 0);
	fake_vfio_region(&dev, 0, 256, RW);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(region.nareas, 0);
	assert_false(region.page);
}

/* The kernel says so of a BAR below a page only when nothing else can be in its page. */
static void test_below_a_page_the_page_is_mapped(void **state)
{
	struct vfio_region_info_cap_sparse_mmap mappable = {
		.header = { VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, 0 }
	};
	struct vfio_region region;
	void *hva;

	fake_vfio_region(&dev, 1, 256, RWM);
	assert_int_equal(vfio_region_get(dev.fd, 1, &region), 0);
	assert_true(region.page);
	assert_int_equal(region.size, 256);
	assert_int_equal(region.nareas, 1);
	assert_int_equal(region.areas[0].size, 4096);
	assert_int_equal(vfio_region_map(dev.fd, &region, region.areas[0], &hva), 0);
	munmap(hva, 4096);
	/* With the MSI-X table in it. */
	fake_vfio_region(&dev, 1, 256, RWM);
	dev.region[1].caps = &mappable;
	dev.region[1].caps_size = sizeof(mappable.header);
	assert_int_equal(vfio_region_get(dev.fd, 1, &region), 0);
	assert_false(region.page);
	assert_int_equal(region.nareas, 0);
}

static void test_sparse_areas_are_taken_by_whole_pages(void **state)
{
	struct sparse s = {
		.cap = { .header = { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 3 },
		.areas = { { 0, 0x2000 }, { 0x3000, 0 }, { 0x3800, 0x1900 } },
	};
	struct vfio_region region;

	fake_vfio_region(&dev, 0, 32 * KiB, RWM);
	dev.region[0].caps = &s;
	dev.region[0].caps_size = sizeof(s);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(region.nareas, 2);
	assert_int_equal(region.areas[1].start, 0x4000);
	assert_int_equal(region.areas[1].size, 0x1000);
}

static void test_msix_mappable_is_seen_behind_another_capability(void **state)
{
	struct {
		struct sparse s;
		struct vfio_info_cap_header msix;
	} c = {
		.s = { .cap = { .header = { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1,
					    HEAD + sizeof(c.s) },
				.nr_areas = 1 },
		       .areas = { { 0, 0x1000 } } },
		.msix = { VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1, 0 },
	};
	struct vfio_region region;

	fake_vfio_region(&dev, 0, 32 * KiB, RWM);
	dev.region[0].caps = &c;
	dev.region[0].caps_size = sizeof(c);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_true(region.msix_mappable);
	assert_int_equal(region.nareas, 1);
	assert_int_equal(region.areas[0].size, 0x1000);
}

static void test_an_answer_larger_than_the_first_buffer_is_asked_for_again(void **state)
{
	struct {
		struct vfio_info_cap_header filler;
		char text[700];
		struct sparse s;
	} c = {
		.filler = { 0x77, 1, HEAD + offsetof(typeof(c), s) },
		.s = { .cap = { .header = { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 1 },
		       .areas = { { 0x1000, 0x1000 } } },
	};
	struct vfio_region region;

	fake_vfio_region(&dev, 0, 32 * KiB, RWM);
	dev.region[0].caps = &c;
	dev.region[0].caps_size = sizeof(c);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(region.nareas, 1);
	assert_int_equal(region.areas[0].start, 0x1000);
}

/* Each of these must be an error, never a loop and never a read past the answer. */
static void test_broken_chains_are_refused(void **state)
{
	struct sparse s = { .areas = { { 0, 0x1000 } } };
	static const struct {
		uint32_t first, next, nr_areas;
		uint16_t id;
		uint64_t start, size;
	} rows[] = {
		{ HEAD, HEAD, 1, 0x77, 0, 0x1000 },            /* points at itself */
		{ HEAD, 4096, 1, 0x77, 0, 0x1000 },            /* leaves the answer */
		{ 512 - 4, 0, 1, 1, 0, 0x1000 },               /* half a capability */
		{ UINT32_MAX, 0, 1, 1, 0, 0x1000 },            /* wraps */
		{ HEAD, 0, 400, 1, 0, 0x1000 },                /* more areas than there is room */
		{ HEAD, 0, UINT32_MAX, 1, 0, 0x1000 },         /* as many as wrap */
		{ HEAD, 0, 1, 1, 0x7000, 0x2000 },             /* past the region */
		{ HEAD, 0, 1, 1, UINT64_MAX - 0xfff, 0x2000 }, /* wraps */
	};

	fake_vfio_region(&dev, 0, 32 * KiB, RWM);
	dev.region[0].caps = &s;
	dev.region[0].caps_size = sizeof(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vfio_region region = { .index = 99 };

		s.cap.header = (struct vfio_info_cap_header){ rows[i].id, 1, rows[i].next };
		s.cap.nr_areas = rows[i].nr_areas;
		s.areas[0] = (struct vfio_region_sparse_mmap_area){ rows[i].start, rows[i].size };
		dev.region[0].first = rows[i].first;
		assert_int_equal(vfio_region_get(dev.fd, 0, &region), -EPROTO);
		assert_int_equal(region.index, 99);
	}
}

static void test_mapping_is_aligned_like_the_guest_address(void **state)
{
	struct vfio_region region;
	struct range area = { 8 * MiB, 4 * MiB };
	void *hva = NULL;

	fake_vfio_region(&dev, 2, 64 * MiB, RWM);
	assert_int_equal(vfio_region_get(dev.fd, 2, &region), 0);
	fake_vfio_poke(&dev, 2, area.start, "bar", 4);
	assert_int_equal(vfio_region_map(dev.fd, &region, area, &hva), 0);
	assert_int_equal((uintptr_t)hva % (64 * MiB), 8 * MiB);
	assert_string_equal(hva, "bar");
	assert_int_equal(munmap(hva, area.size), 0);
}

static void test_access_outside_reads_all_ones_and_writes_nothing(void **state)
{
	struct vfio_region region;
	uint8_t buf[8] = { 0 };

	fake_vfio_region(&dev, 0, 16, RW);
	assert_int_equal(vfio_region_get(dev.fd, 0, &region), 0);
	assert_int_equal(vfio_region_write(dev.fd, &region, 12, "abcd", 4), 0);
	assert_int_equal(vfio_region_read(dev.fd, &region, 12, buf, 4), 0);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(vfio_region_read(dev.fd, &region, 14, buf, 4), -EFAULT);
	assert_memory_equal(buf, "\xff\xff\xff\xff", 4);
	assert_int_equal(vfio_region_write(dev.fd, &region, UINT64_MAX - 1, "abcd", 4), -EFAULT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain_mappable_region_is_one_area),
		T(test_region_without_mmap_has_no_area),
		T(test_below_a_page_the_page_is_mapped),
		T(test_sparse_areas_are_taken_by_whole_pages),
		T(test_msix_mappable_is_seen_behind_another_capability),
		T(test_an_answer_larger_than_the_first_buffer_is_asked_for_again),
		T(test_broken_chains_are_refused),
		T(test_mapping_is_aligned_like_the_guest_address),
		T(test_access_outside_reads_all_ones_and_writes_nothing),
	};

	return cmocka_run_group_tests_name("vfio_region", tests, NULL, NULL);
}
