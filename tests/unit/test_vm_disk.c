// SPDX-License-Identifier: GPL-2.0-or-later
/* --disk: its words, and files that are a disk or are not. */
#include "tools/vm_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/size.h"
#include "tests/fake/ioctl.h"

static char dir[] = "/tmp/thruway-disk-XXXXXX";

static int setup(void **state)
{
	fake_ioctl_reset();
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *file(const char *name, off_t size)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
	return path;
}

static void test_words(void **state)
{
	struct vm_opt_disk d;

	assert_int_equal(vm_disk_parse("/a/b", &d, NULL), 0);
	assert_string_equal(d.path, "/a/b");
	assert_int_equal(d.queues, 1);
	assert_false(d.readonly || d.no_discard || d.thread || d.iothread || d.serial[0]);
	assert_int_equal(d.direct, VM_DISK_DIRECT_AUTO);
	assert_int_equal(vm_disk_parse("x,readonly,serial=abc def,queues=8,direct=off,discard=off,io=thread,iothread=on",
				       &d, NULL), 0);
	assert_true(d.readonly && d.no_discard && d.thread && d.iothread);
	assert_string_equal(d.serial, "abc def");
	assert_int_equal(d.queues, 8);
	assert_int_equal(d.direct, VM_DISK_DIRECT_OFF);
	assert_int_equal(vm_disk_parse("x,serial=12345678901234567890,direct=on,discard=on", &d, NULL), 0);
	assert_int_equal(d.direct, VM_DISK_DIRECT_ON);
	assert_false(d.no_discard);
	assert_int_equal(d.packed, VM_UNSAID);
	assert_int_equal(vm_disk_parse("x,packed=on", &d, NULL), 0);
	assert_int_equal(d.packed, VM_ON);
	assert_int_equal(vm_disk_parse("x,packed=on,packed=off", &d, NULL), 0);
	assert_int_equal(d.packed, VM_OFF);
}

static void test_words_that_are_none(void **state)
{
	static const char *const bad[] = {
		"", ",readonly", "x,", "x,read", "x,readonly=on", "x,serial", "x,serial=",
		"x,serial=123456789012345678901", "x,serial=a\tb", "x,queues=0", "x,queues=9", "x,queues=",
		"x,queues=1x", "x,direct=yes", "x,direct", "x,discard=", "x,io=uring", "x,cache=none",
		"x,ser=1", "x,packed", "x,packed=", "x,packed=1", "vhost-user:/s,packed=on",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vm_opt_disk d;
		struct err err = ERR_INIT;

		assert_int_equal(vm_disk_parse(bad[i], &d, &err), -EINVAL);
		assert_true(err.usage && err.text[0]);
	}
}

static int open_disk(const char *words, struct vmm_disk *ret, struct err *err)
{
	struct vm_opt_disk d;

	*err = (struct err)ERR_INIT;
	assert_int_equal(vm_disk_parse(words, &d, err), 0);
	return vm_disk_open(&d, ret, err);
}

static void test_a_file_is_opened_once(void **state)
{
	struct vmm_disk one, two;
	struct err err;
	char shared[80];

	assert_int_equal(open_disk(file("a", 1 * MiB), &one, &err), 0);
	assert_true(is_pow2(one.block_size) && one.block_size >= 512 && is_pow2(one.mem_align));
	assert_true(one.discard && !one.readonly);
	assert_int_equal(open_disk(file("a", 1 * MiB), &two, &err), -EBUSY);
	assert_non_null(strstr(err.text, "another program has "));
	close(one.fd);
	snprintf(shared, sizeof(shared), "%s,readonly", file("a", 1 * MiB));
	assert_int_equal(open_disk(shared, &one, &err), 0);
	assert_int_equal(fcntl(one.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(open_disk(shared, &two, &err), 0);
	close(two.fd);
	assert_int_equal(open_disk(file("a", 1 * MiB), &two, &err), -EBUSY);
	close(one.fd);
}

static void test_what_is_no_disk(void **state)
{
	struct vmm_disk d;
	struct err err;
	char path[80];

	assert_int_equal(open_disk(file("short", 100), &d, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is no disk: it has 100 bytes"));
	assert_int_equal(open_disk(dir, &d, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is neither a file nor a block device"));
	assert_int_equal(open_disk("/dev/null", &d, &err), -EINVAL);
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_int_equal(open_disk(path, &d, &err), -ENOENT);
	assert_non_null(strstr(err.hint, "truncate -s"));
	/* A FIFO would be waited for. */
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_disk(path, &d, &err), -EINVAL);
}

/* Without O_DIRECT any buffer will do, and any multiple of 512. */
static void test_the_page_cache_asks_for_nothing(void **state)
{
	struct vmm_disk d;
	struct err err;
	char words[96];

	snprintf(words, sizeof(words), "%s,direct=off,serial=s1,queues=2", file("c", 1 * MiB));
	assert_int_equal(open_disk(words, &d, &err), 0);
	assert_int_equal(d.mem_align, 1);
	assert_int_equal(d.block_size, 512);
	assert_int_equal(d.queues, 2);
	assert_string_equal(d.serial, "s1");
	assert_int_equal(fcntl(d.fd, F_GETFL) & O_DIRECT, 0);
	close(d.fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_that_are_none),
		cmocka_unit_test(test_a_file_is_opened_once),
		cmocka_unit_test(test_what_is_no_disk),
		cmocka_unit_test(test_the_page_cache_asks_for_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
