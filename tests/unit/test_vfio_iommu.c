// SPDX-License-Identifier: GPL-2.0-or-later
/* Container, groups and DMA maps: the order, the limits and the words of each refusal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/resource.h>

#include <linux/vfio.h>

#include "base/fd.h"
#include "base/size.h"
#include "tests/fake/ioctl.h"
#include "vfio/dma.h"
#include "vfio/iommu.h"

#define CONTAINER 500
#define GROUP     501
#define GROUP2    502

/* The fake container: what it answers, and the calls it saw as letters. */
static struct {
	char calls[64];
	uint32_t group_flags;
	int set_iommu, set_container, map;
	bool no_type1;
	unsigned nranges, avail, maps;
	struct vfio_iova_range ranges[4];
} fake;

static void saw(char c)
{
	size_t n = strlen(fake.calls);

	if (n + 1 < sizeof(fake.calls))
		fake.calls[n] = c;
}

struct info {
	struct vfio_iommu_type1_info info;
	struct vfio_iommu_type1_info_cap_iova_range range;
	struct vfio_iova_range ranges[4];
	struct vfio_iommu_type1_info_dma_avail avail;
};

static int get_info(struct vfio_iommu_type1_info *arg)
{
	struct info answer = {
		.info = { .argsz = sizeof(answer),
			  .flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS,
			  .iova_pgsizes = 4096,
			  .cap_offset = offsetof(struct info, range) },
		.range = { .header = { VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1,
				       offsetof(struct info, avail) },
			   .nr_iovas = fake.nranges },
		.avail = { .header = { VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, 0 },
			   .avail = fake.avail ? fake.avail - fake.maps : 0 },
	};
	uint32_t room = arg->argsz;

	memcpy(answer.ranges, fake.ranges, sizeof(answer.ranges));
	memcpy(arg, &answer, room < sizeof(answer) ? sizeof(answer.info) : sizeof(answer));
	return 0;
}

static int container(void *opaque, int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION: return !fake.no_type1;
	case VFIO_SET_IOMMU:
		saw('I');
		assert_int_equal((uintptr_t)arg, VFIO_TYPE1v2_IOMMU);
		return fake.set_iommu;
	case VFIO_IOMMU_GET_INFO: return get_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		saw('m');
		fake.maps += fake.map == 0;
		return fake.map;
	case VFIO_IOMMU_UNMAP_DMA:
		saw('u');
		fake.maps--;
		return 0;
	default: return -ENOTTY;
	}
}

static int group(void *opaque, int fd, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = fake.group_flags;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		saw('C');
		assert_int_equal(*(int *)arg, CONTAINER);
		return fake.set_container;
	case VFIO_GROUP_UNSET_CONTAINER: saw('c'); return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		saw('D');
		if (strncmp(arg, "0000:01:10.2", 12) == 0)
			return -EACCES;
		if (strcmp(arg, "0000:01:10.3 vf_token=t") == 0)
			return -EINVAL;
		return strcmp(arg, "0000:01:10.0 vf_token=t") == 0 ? 77 : -EBUSY;
	default: return -ENOTTY;
	}
}

static struct iommu *iommu;
static struct err err;

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&err, 0, sizeof(err));
	fake.group_flags = VFIO_GROUP_FLAGS_VIABLE;
	fake.nranges = 2;
	fake.ranges[0] = (struct vfio_iova_range){ 0, 0xfedfffff };
	fake.ranges[1] = (struct vfio_iova_range){ 0xfef00000, 0x7fffffffff };
	fake.avail = 3;
	fake_ioctl_reset();
	fake_ioctl_handle(CONTAINER, container, NULL);
	fake_ioctl_handle(GROUP, group, NULL);
	fake_ioctl_handle(GROUP2, group, NULL);
	iommu = NULL;
	return iommu_type1_new(CONTAINER, &iommu, &err);
}

static int teardown(void **state)
{
	iommu = iommu_free(iommu);
	return fake_ioctl_done() ? 0 : -1;
}

static void test_first_group_sets_the_iommu_and_later_ones_join(void **state)
{
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), 0);
	assert_int_equal(iommu_type1_add_group(iommu, GROUP2, 43, &err), 0);
	assert_string_equal(fake.calls, "CIC");
	assert_int_equal(iommu->page_sizes, 4096);
	assert_int_equal(iommu->max_maps, 3);
	assert_int_equal(iommu->nranges, 2);
	assert_int_equal(iommu_limit(iommu), 0x8000000000);
}

/* The next group's IOMMU maps less, or has addresses reserved. */
static void test_each_group_may_make_the_reach_narrower(void **state)
{
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), 0);
	fake.nranges = 1;
	fake.ranges[0] = (struct vfio_iova_range){ 0x10000, 0xffffffff };
	fake.avail = 2;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP2, 43, &err), 0);
	assert_int_equal(iommu->nranges, 1);
	assert_int_equal(iommu->ranges[0].start, 0x10000);
	assert_int_equal(iommu_limit(iommu), 0x100000000);
	assert_int_equal(iommu->max_maps, 2);
}

static void test_the_largest_room_lies_between_reserved_addresses(void **state)
{
	static const struct {
		uint64_t start, end, from, to;
	} rows[] = {
		{ 5 * GiB, 1ull << 48, 1ull << 40, 1ull << 41 },
		{ 5 * GiB, (1ull << 40) + GiB, 5 * GiB, 0xfd00000000 },
		{ 600 * GiB, 1ull << 41, 1ull << 40, 1ull << 41 },
		{ 0xfd00000000, 1ull << 40, 0xfd00000000, 0xfd00000000 }, /* all of it is reserved */
		{ 9 * GiB, 8 * GiB, 9 * GiB, 9 * GiB },
	};

	fake.ranges[0] = (struct vfio_iova_range){ 0, 0xfcffffffff };
	fake.ranges[1] = (struct vfio_iova_range){ 1ull << 40, (1ull << 41) - 1 };
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct range room = iommu_room(iommu, rows[i].start, rows[i].end);

		assert_int_equal(room.start, rows[i].from);
		assert_int_equal(room.start + room.size, rows[i].to);
	}
	iommu->nranges = 0; /* the kernel does not say */
	assert_int_equal(iommu_room(iommu, 5 * GiB, 1ull << 48).size, (1ull << 48) - 5 * GiB);
}

static void test_a_kernel_without_type1_is_told_from_one_that_refuses(void **state)
{
	fake.set_iommu = -EINVAL;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), -EINVAL);
	assert_non_null(strstr(err.text, "cannot be given to userspace"));
	err = (struct err)ERR_INIT;
	fake.no_type1 = true;
	assert_true(iommu_type1_add_group(iommu, GROUP, 42, &err) < 0);
	assert_non_null(strstr(err.hint, "modprobe vfio_iommu_type1"));
}

static void test_group_with_a_host_driver_is_named(void **state)
{
	fake.group_flags = 0;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), -EPERM);
	assert_non_null(strstr(err.text, "IOMMU group 42 is not viable"));
	assert_non_null(strstr(err.hint, "thruway bind --group"));
	assert_string_equal(fake.calls, "");
}

static void test_group_of_another_vm_is_busy(void **state)
{
	fake.group_flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), -EBUSY);
	assert_non_null(strstr(err.text, "group 42 is in use by another process"));
}

static void test_missing_interrupt_remapping_is_said_and_undone(void **state)
{
	fake.set_iommu = -EPERM;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), -EPERM);
	assert_non_null(strstr(err.text, "no interrupt remapping"));
	assert_string_equal(fake.calls, "CIc");
}

static void test_device_is_opened_with_its_token(void **state)
{
	int fd = -1;

	assert_int_equal(iommu_type1_device_fd(GROUP, "0000:01:10.0", "t", &fd, &err), 0);
	assert_int_equal(fd, 77);
	assert_int_equal(iommu_type1_device_fd(GROUP, "0000:01:10.1", "", &fd, &err), -EBUSY);
	assert_non_null(strstr(err.hint, "another virtual machine has it"));
	assert_int_equal(fd, 77);
}

static void test_what_is_wrong_with_a_token_is_said(void **state)
{
	int fd = -1;

	assert_int_equal(iommu_type1_device_fd(GROUP, "0000:01:10.2", "", &fd, &err), -EACCES);
	assert_non_null(strstr(err.hint, "--device 0000:01:10.2,token=UUID"));
	err = (struct err)ERR_INIT;
	assert_int_equal(iommu_type1_device_fd(GROUP, "0000:01:10.2", "t", &fd, &err), -EACCES);
	assert_non_null(strstr(err.hint, "not the VF token"));
	err = (struct err)ERR_INIT;
	assert_int_equal(iommu_type1_device_fd(GROUP, "0000:01:10.3", "t", &fd, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "not bound to VFIO"));
	assert_int_equal(fd, -1);
}

static struct dma *joined(void)
{
	assert_int_equal(iommu_type1_add_group(iommu, GROUP, 42, &err), 0);
	fake.calls[0] = fake.calls[1] = 0;
	return dma_new(iommu);
}

static void test_one_bank_is_one_map_and_goes_with_the_table(void **state)
{
	struct dma *dma = joined();

	assert_int_equal(dma_map_ram(dma, 0, 1 * GiB, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 4 * GiB, 1 * GiB, NULL, &err), 0);
	assert_int_equal(dma_ram(dma), 2 * GiB);
	assert_int_equal(dma_unmap(dma, 0), 0);
	assert_int_equal(dma_unmap(dma, 0), -ENOENT);
	assert_int_equal(dma_ram(dma), 1 * GiB);
	dma_free(dma);
	assert_string_equal(fake.calls, "mmuu");
	assert_int_equal(fake.maps, 0);
}

static void test_ram_out_of_reach_names_the_range(void **state)
{
	struct dma *dma = joined();

	assert_int_equal(dma_map_ram(dma, 0xfe000000, 16 * MiB, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "0xfe000000-0xfeffffff is out of the IOMMU's reach"));
	assert_non_null(strstr(err.hint, "0x0-0xfedfffff"));
	assert_string_equal(fake.calls, ""); /* the kernel was not even asked */
	memset(&err, 0, sizeof(err));
	assert_int_equal(dma_map_ram(dma, 0x8000000000, 4096, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.hint, "below 0x8000000000"));
	dma_free(dma);
}

static void test_overlap_and_empty_are_refused(void **state)
{
	struct dma *dma = joined();

	assert_int_equal(dma_map_ram(dma, 0x1000, 0x2000, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 0x2000, 0x1000, NULL, &err), -EEXIST);
	assert_int_equal(dma_map_ram(dma, 0x3000, 0x1000, NULL, NULL), 0); /* touches */
	assert_int_equal(dma_map_ram(dma, 0x9000, 0, NULL, NULL), -EINVAL);
	assert_int_equal(dma_map_ram(dma, UINT64_MAX - 0xfff, 0x2000, NULL, NULL), -EINVAL);
	dma_free(dma);
}

static void test_mappings_run_out_with_a_hint(void **state)
{
	struct dma *dma = joined();

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(dma_map_ram(dma, i * 0x1000, 0x1000, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 0x10000, 0x1000, NULL, &err), -ENOSPC);
	assert_non_null(strstr(err.hint, "dma_entry_limit"));
	assert_int_equal(dma_unmap(dma, 0), 0);
	assert_int_equal(dma_map_ram(dma, 0x10000, 0x1000, NULL, NULL), 0);
	dma_free(dma);
}

/* A device that comes while the guest runs: the kernel names what is left by then. */
static void test_what_is_mapped_does_not_count_twice(void **state)
{
	struct dma *dma = joined();

	assert_int_equal(dma_map_ram(dma, 0, 0x1000, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 0x1000, 0x1000, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 0x2000, 0x1000, NULL, &err), 0);
	assert_int_equal(dma_unmap(dma, 0x1000), 0);
	fake.map = -EEXIST; /* one that the kernel refuses does not count either */
	assert_int_equal(dma_map_ram(dma, 0x4000, 0x1000, NULL, NULL), -EEXIST);
	fake.map = 0;
	assert_int_equal(iommu_type1_add_group(iommu, GROUP2, 43, &err), 0);
	assert_int_equal(iommu->max_maps, 3);
	assert_int_equal(dma_map_ram(dma, 0x1000, 0x1000, NULL, &err), 0);
	assert_int_equal(dma_map_ram(dma, 0x3000, 0x1000, NULL, &err), -ENOSPC);
	dma_free(dma);
}

static void test_memlock_says_the_number_needed(void **state)
{
	struct rlimit old, low = { 8 * MiB, 8 * MiB };
	struct dma *dma = joined();

	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
	low.rlim_max = old.rlim_max < low.rlim_cur ? low.rlim_cur : old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	assert_int_equal(dma_map_ram(dma, 0, 4 * MiB, NULL, &err), 0);
	fake.map = -ENOMEM;
	assert_int_equal(dma_map_ram(dma, 4 * MiB, 508 * MiB, NULL, &err), -ENOMEM);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &old), 0);
	assert_non_null(strstr(err.text, "the limit of locked memory is 8 MiB"));
	assert_non_null(strstr(err.hint, "524288 KiB"));
	dma_free(dma);
}

static void test_unknown_limits_check_nothing(void **state)
{
	struct dma *dma;

	fake.nranges = 0;
	fake.avail = 0;
	dma = joined();
	assert_int_equal(dma_map_ram(dma, 1ull << 50, 4096, NULL, &err), 0);
	assert_true(iommu_limit(iommu) == UINT64_MAX);
	dma_free(dma);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_first_group_sets_the_iommu_and_later_ones_join),
		T(test_each_group_may_make_the_reach_narrower),
		T(test_the_largest_room_lies_between_reserved_addresses),
		T(test_a_kernel_without_type1_is_told_from_one_that_refuses),
		T(test_group_with_a_host_driver_is_named),
		T(test_group_of_another_vm_is_busy),
		T(test_missing_interrupt_remapping_is_said_and_undone),
		T(test_device_is_opened_with_its_token),
		T(test_what_is_wrong_with_a_token_is_said),
		T(test_one_bank_is_one_map_and_goes_with_the_table),
		T(test_ram_out_of_reach_names_the_range),
		T(test_overlap_and_empty_are_refused),
		T(test_mappings_run_out_with_a_hint),
		T(test_what_is_mapped_does_not_count_twice),
		T(test_memlock_says_the_number_needed),
		T(test_unknown_limits_check_nothing),
	};

	return cmocka_run_group_tests_name("vfio_iommu", tests, NULL, NULL);
}
