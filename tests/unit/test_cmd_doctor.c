// SPDX-License-Identifier: GPL-2.0-or-later
/* thruway doctor as its users see it: words, order, exit status, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/fd.h"
#include "base/log.h"
#include "tests/fake/doctor.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

static int root = -1;
static struct err err;
static char *out;

static int setup(void **state)
{
	log_set_level(LOG_WARN);
	root = fake_doctor_host();
	return 0;
}

static int teardown(void **state)
{
	free(out);
	out = NULL;
	fake_doctor_done();
	fake_sysfs_free(&root);
	return 0;
}

static int run(const char *a, const char *b)
{
	struct ctx ctx = { .root = root, .command = &cmd_doctor };
	char *argv[] = { (char *)"doctor", (char *)a, (char *)b, NULL };
	size_t size;
	int r;

	free(out);
	out = NULL;
	err = (struct err)ERR_INIT;
	ctx.out = open_memstream(&out, &size);
	r = cmd_doctor.run(&ctx, b ? 3 : a ? 2 : 1, argv, &err);
	fclose(ctx.out);
	log_set_level(LOG_WARN);
	return r;
}

static void break_the_card(void)
{
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:04:00.0", .group = "42", .node = "0" });
	fake_pci_add(root, &(struct fake_pci){ .bdf = "0000:04:00.1",
					       .group = "42",
					       .node = "0",
					       .driver = "snd_hda_intel" });
	fake_sysfs_text(root, "flr", "sys/bus/pci/devices/0000:04:00.0/reset_method");
	fake_sysfs_text(root, "flr", "sys/bus/pci/devices/0000:04:00.1/reset_method");
	fake_sysfs_text(root, "", "sys/kernel/iommu_groups/42/reserved_regions");
}

static void test_a_healthy_host_is_short_and_exits_0(void **state)
{
	assert_int_equal(run(NULL, NULL), 0);
	assert_non_null(strstr(out, "0 failed, 0 warnings, 0 notes, "));
	assert_int_equal(strcspn(out, "\n") + 1, strlen(out)); /* nothing else */
	assert_int_equal(run("-v", NULL), 0);
	assert_non_null(strstr(out, "PASS  IOMMU_OFF: the kernel uses an IOMMU\n"
				    "      /sys/kernel/iommu_groups: not empty\n"));
	assert_int_equal(run("-q", NULL), 0);
	assert_string_equal(out, "");
}

static void test_a_failure_comes_first_with_evidence_and_fix_and_exits_1(void **state)
{
	static const char failure[] =
		"FAIL  GRP_NOT_VIABLE  0000:04:00.0: its IOMMU group 42 also holds 0000:04:00.1 "
		"(snd_hda_intel)\n"
		"      /sys/bus/pci/devices/0000:04:00.1/driver: snd_hda_intel\n"
		"    fix: thruway bind --group 0000:04:00.0\n"
		"    see: https://docs.kernel.org/driver-api/vfio.html\n";

	break_the_card();
	assert_int_equal(run("0000:04:00.0", NULL), 1);
	if (strncmp(out, failure, strlen(failure)) != 0)
		fail_msg("%s", out);
}

static void test_only_warnings_exit_3(void **state)
{
	fake_sysfs_remove(root, FAKE_NIC_DIR "/reset_method");
	assert_int_equal(run("eth0", NULL), 3);
	assert_memory_equal(out, "WARN  RESET  ", 13);
}

static void test_the_same_of_several_devices_is_told_once(void **state)
{
	break_the_card();
	fake_sysfs_remove(root, "sys/bus/pci/devices/0000:04:00.0/reset_method");
	fake_sysfs_remove(root, "sys/bus/pci/devices/0000:04:00.1/reset_method");
	run("0000:04:*", NULL);
	assert_non_null(strstr(out, "WARN  RESET  0000:04:00.0, 0000:04:00.1: the kernel knows no "
				    "way to reset it"));
}

static void test_named_devices_alone_are_judged(void **state)
{
	break_the_card();
	fake_sysfs_remove(root, FAKE_NIC_DIR "/reset_method");
	assert_int_equal(run("0000:04:00.1", NULL), 0);
	assert_null(strstr(out, FAKE_NIC));
	assert_true(run("0000:09:00.0", NULL) < 0);
	assert_string_equal(err.text, "cannot examine 0000:09:00.0: no such PCI device");
}

static void test_json_has_every_rule(void **state)
{
	const char *schema, *rule, *result, *file;
	json_t *doc, *findings, *f;
	size_t rules = 0;

	for (const struct doctor_rule *r = doctor_rules; r->id; r++)
		rules += r->scope != DOCTOR_HOST_ALONE;
	break_the_card();
	assert_int_equal(run("-j", "0000:04:00.0"), 1);
	doc = json_loads(out, 0, NULL);
	assert_int_equal(json_unpack(doc, "{s:s, s:o}", "schema", &schema, "findings", &findings),
			 0);
	assert_string_equal(schema, "thruway.doctor/1");
	assert_int_equal(json_array_size(findings), rules);
	f = json_array_get(findings, 0);
	assert_int_equal(json_unpack(f, "{s:s, s:s, s:[{s:s}], s:s}", "rule", &rule, "result",
				     &result, "evidence", "file", &file, "seen", &schema),
			 0);
	assert_string_equal(rule, "GRP_NOT_VIABLE");
	assert_string_equal(result, "FAIL");
	assert_string_equal(file, "/sys/bus/pci/devices/0000:04:00.1/driver");
	json_decref(doc);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_a_healthy_host_is_short_and_exits_0),
		TEST(test_a_failure_comes_first_with_evidence_and_fix_and_exits_1),
		TEST(test_only_warnings_exit_3),
		TEST(test_the_same_of_several_devices_is_told_once),
		TEST(test_named_devices_alone_are_judged),
		TEST(test_json_has_every_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
