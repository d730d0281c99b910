// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's log: its records, the journal in its place, and whose line it is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fd.h"
#include "host/klog.h"
#include "tests/fake/sysfs.h"

static int root = -1;

static int setup(void **state)
{
	root = fake_sysfs((const struct fake_node[]){ { "dev", 0 }, { 0 } });
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&root);
	return 0;
}

static void put_journalctl(const char *script)
{
	fake_sysfs_text(root, script, "usr/bin/journalctl");
	assert_int_equal(fchmodat(root, "usr/bin/journalctl", 0755, 0), 0);
}

static void test_records_become_lines(void **state)
{
	struct klog log;

	fake_sysfs_text(root,
			"6,0,0,-;Linux version 6.12\n"
			"4,1,12345678,-;DMAR: fault\n SUBSYSTEM=pci\n DEVICE=+pci:0000:01:00.0",
			"dev/kmsg");
	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, 0);
	assert_true(log.whole);
	assert_int_equal(log.count, 2);
	assert_string_equal(log.lines[1], "[   12.345678] DMAR: fault");
	assert_string_equal(log.source, "/dev/kmsg");
	klog_fini(&log);
}

static void test_a_log_that_forgot_the_boot_says_so(void **state)
{
	struct klog log;

	fake_sysfs_text(root, "6,812,99000000,-;late", "dev/kmsg");
	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, 0);
	assert_false(log.whole);
	assert_int_equal(log.count, 1);
	klog_fini(&log);
}

static void test_the_journal_takes_the_place_of_a_log_that_cannot_be_read(void **state)
{
	struct klog log;

	put_journalctl("#!/bin/sh\necho '[    1.500000] host kernel: DMAR: fault'");
	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, 0);
	assert_string_equal(log.source, "journalctl -k");
	assert_int_equal(log.count, 1);
	assert_string_equal(log.lines[0], "[    1.500000] DMAR: fault");
	klog_fini(&log);
	/* And that of one that forgot the boot. */
	fake_sysfs_text(root, "6,812,99000000,-;late", "dev/kmsg");
	assert_int_equal(klog_read(root, &log), 0);
	assert_string_equal(log.source, "journalctl -k");
	assert_true(log.whole);
	klog_fini(&log);
}

static void test_without_both_the_reason_is_kept(void **state)
{
	struct klog log;

	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, -ENOENT);
	klog_fini(&log);
	/* A journal one may not read is an empty one, or fails. */
	put_journalctl("#!/bin/sh\nexit 1");
	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, -ENOENT);
	klog_fini(&log);
	put_journalctl("#!/bin/sh\n:");
	assert_int_equal(klog_read(root, &log), 0);
	assert_int_equal(log.error, -ENOENT);
	klog_fini(&log);
}

static void test_a_line_belongs_to_the_device_it_names(void **state)
{
	static const struct {
		const char *line, *bdf;
		int is;
	} rows[] = {
		{ "vfio-pci 0000:01:00.0: fault", "0000:01:00.0", 1 },
		{ "DMAR: [DMA Read] Request device [01:00.0] fault", "0000:01:00.0", 1 },
		{ "AMD-Vi: [IO_PAGE_FAULT device=01:00.0 fault", "0000:01:00.0", 1 },
		{ "pci 0001:01:00.0: fault", "0000:01:00.0", 0 },
		{ "pci 0001:01:00.0: fault", "0001:01:00.0", 1 },
		{ "DMAR: device [01:00.0] fault", "0001:01:00.0", 0 },
		{ "pci 0000:81:00.0: fault", "0000:01:00.0", 0 },
		{ "pci 0000:01:00.1: fault", "0000:01:00.0", 0 },
	};
	static const char *const words[] = { "fault", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *line = (char *)rows[i].line;
		struct klog log = { .lines = &line, .count = 1 };
		size_t at = 0;

		if (!!klog_next(&log, &at, rows[i].bdf, words) != rows[i].is)
			fail_msg("'%s' of %s", rows[i].line, rows[i].bdf);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_records_become_lines),
		TEST(test_a_log_that_forgot_the_boot_says_so),
		TEST(test_the_journal_takes_the_place_of_a_log_that_cannot_be_read),
		TEST(test_without_both_the_reason_is_kept),
		TEST(test_a_line_belongs_to_the_device_it_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
