// SPDX-License-Identifier: GPL-2.0-or-later
/* A VM as a file describes it, and what the command line adds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/vm_opts.h"

static const struct command command = { .name = "vm run", .synopsis = "", .summary = "",
					.help = vm_run_help,
					.takes = TAKES_FORCE | TAKES_LOCK };
static int root = -1;
static struct vm_opts o;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "etc/thruway/vm", 0 }, { 0 } };

	log_set_level(LOG_QUIET);
	root = fake_sysfs(nodes);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&root);
	return 0;
}

/* vm run with these words, up to a NULL, on a host whose web.yaml is this. */
static int run(const char *text, ...)
{
	struct ctx ctx = { .root = root, .out = stderr, .command = &command };
	char *argv[10] = { (char *)"run" };
	int argc = 1, r;
	va_list ap;

	fake_sysfs_text(root, text, "etc/thruway/vm/web.yaml");
	va_start(ap, text);
	while (argc < 9 && (argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	err = (struct err)ERR_INIT;
	o = (struct vm_opts){ .file = VM_FILE_INIT };
	r = vm_opts_parse(&ctx, argc, argv, &o, &err);
	return r;
}

static const char whole[] = "# a guest\n"
			    "kernel: /boot/vmlinuz\n"
			    "cmdline: \"root=/dev/vda1 quiet\"\n"
			    "cpus: 4\n"
			    "memory: 2G,backend=memfd\n"
			    "device:\n"
			    "  - 0000:01:00.0\n"
			    "  - eth0/vf3,rom=off\n"
			    "nic: tap:br0\n"
			    "disk: [/var/a.img, \"/var/b.img,readonly\"]\n"
			    "bind: true\n"
			    "console: virtio\n"
			    "port: [\"name=a,pty\", \"name=b,socket=/run/b\"]\n"
			    "scsi: \"wwpn=naa.5001405bd1f5e3a2,queues=2\"\n"
			    "vsock: cid=7\n"
			    "rng: no\n";

static void test_a_file_says_what_options_say(void **state)
{
	assert_int_equal(run(whole, "web", NULL), 0);
	assert_string_equal(o.kernel, "/boot/vmlinuz");
	assert_string_equal(o.cmdline, "root=/dev/vda1 quiet");
	assert_int_equal(o.cpus.count, 4);
	assert_true(o.memory.size == 2 * GiB);
	assert_int_equal(o.device_count, 2);
	assert_string_equal(o.devices[1].name, "eth0/vf3");
	assert_int_equal(o.nic_count, 1);
	assert_int_equal(o.disk_count, 2);
	assert_true(o.bind && o.virtio_console);
	assert_int_equal(o.port_count, 2);
	assert_string_equal(o.ports[1].path, "/run/b");
	assert_int_equal(o.scsi_count, 1);
	assert_int_equal(o.scsi[0].queues, 2);
	assert_int_equal(o.vsock.cid, 7);
	assert_false(o.rng);
	assert_string_equal(o.name, "web");
	vm_opts_fini(&o);
}

static void test_a_list_may_be_empty(void **state)
{
	assert_int_equal(run("kernel: k\ndevice: []\ndisk:\n  []\n", "web", NULL), 0);
	assert_int_equal(o.device_count + o.disk_count, 0);
	vm_opts_fini(&o);
}

static void test_the_command_line_goes_before_the_file_and_adds_to_its_lists(void **state)
{
	assert_int_equal(run(whole, "-c", "2", "web", "--name", "other", "-d", "02:00.0", "--rng", NULL), 0);
	assert_int_equal(o.cpus.count, 2);
	assert_string_equal(o.name, "other");
	assert_int_equal(o.device_count, 3);
	assert_string_equal(o.devices[0].name, "0000:01:00.0");
	assert_string_equal(o.devices[2].name, "02:00.0");
	assert_true(o.rng);
	vm_opts_fini(&o);
}

/* Also the bad one: what is not taken is not looked at. */
static void test_a_value_that_is_replaced_may_be_wrong(void **state)
{
	assert_int_equal(run("kernel: k\ncpus: many\n", "web", "-c", "2", NULL), 0);
	assert_int_equal(o.cpus.count, 2);
	vm_opts_fini(&o);
}

static void test_a_bad_file_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} files[] = {
		{ "kernel: k\nmemroy: 1G\n", "web.yaml:2:1: unknown key 'memroy' (did you mean 'memory'?)" },
		{ "kernel: k\nquiet: true\n", "web.yaml:2:1: unknown key 'quiet'" },
		{ "kernel: k\ncpus: 0\n", "web.yaml:2:7: --cpus: '0' is not" },
		{ "kernel: k\ncpus: [1, 2]\n", "web.yaml:2:8: 'cpus' is a single value, not a list" },
		{ "kernel: k\ncpus: []\n", "web.yaml:2:7: 'cpus' is a single value, not a list" },
		{ "kernel: k\ndevcie: []\n", "web.yaml:2:1: unknown key 'devcie' (did you mean 'device'?)" },
		{ "kernel: k\nbind: maybe\n", "web.yaml:2:7: 'bind' is true or false, not 'maybe'" },
		{ "kernel: k\nmemory: {size: 1G}\n", "web.yaml:2:9: 'memory' is a single value, not a mapping" },
		{ "kernel: k\nkernel: l\n", "web.yaml:2:1: 'kernel' is given twice, first at web.yaml:1:1" },
		{ "kernel: k\ndevice: [[a]]\n", "web.yaml:2:10: 'device' is a single value, not a list" },
		{ "- kernel\n", "web.yaml:1:1: a VM's file is a mapping" },
		{ "kernel: [\n", "did not find expected node content" },
		{ "cpus: 1\n", "no kernel given" },
		{ "", "no kernel given" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		assert_int_equal(run(files[i].text, "web", NULL), -EINVAL);
		if (!strstr(err.text, files[i].says))
			fail_msg("%s gave: %s", files[i].text, err.text);
	}
}

static void test_a_line_that_is_too_long_is_refused(void **state)
{
	char text[3000] = "kernel: k\ncmdline: ";

	memset(text + strlen(text), 'x', 2100);
	assert_int_equal(run(text, "web", NULL), -EINVAL);
	assert_non_null(strstr(err.text, "web.yaml:2:10: 'cmdline' is text of less than 2048 bytes"));
}

static void test_what_is_no_file_is_told(void **state)
{
	assert_int_equal(run("", "db", NULL), -ENOENT);
	assert_non_null(strstr(err.text, "cannot open db.yaml: No such file"));
	assert_non_null(strstr(err.hint, "that would be /etc/thruway/vm/db.yaml"));
	assert_int_equal(run("", "./db.yaml", NULL), -ENOENT);
	assert_string_equal(err.hint, "");
	assert_int_equal(run("", "/etc/", NULL), -EINVAL);
	assert_non_null(strstr(err.text, "/etc/ is not a regular file"));
	assert_int_equal(run(whole, "web", "db", NULL), -EINVAL);
	assert_non_null(strstr(err.text, "unexpected 'db'"));
	fake_sysfs_text(root, whole, "etc/thruway/vm/1 a.yaml");
	assert_int_equal(run("", "1 a", NULL), -EINVAL);
	assert_non_null(strstr(err.text, "'1 a' is no name for a VM"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_file_says_what_options_say),
		TEST(test_a_list_may_be_empty),
		TEST(test_the_command_line_goes_before_the_file_and_adds_to_its_lists),
		TEST(test_a_value_that_is_replaced_may_be_wrong),
		TEST(test_a_bad_file_is_told_with_its_place),
		TEST(test_a_line_that_is_too_long_is_refused),
		TEST(test_what_is_no_file_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
