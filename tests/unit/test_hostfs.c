// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

static int host = -1;

static int setup(void **state)
{
	static const struct fake_node nodes[] = {
		{ "sys/plain", "eth0 \t" }, { "sys/dec", "42" },	  { "sys/hex", "0x8086" },
		{ "sys/neg", "-1" },	    { "sys/word", "12x" },	  { "sys/empty", "" },
		{ "sys/big", "99999999999999999999" },
		{ "sys/link", .link = "../../bus/pci/drivers/igbvf" },
		{ "sys/bare", .link = "igbvf" }, { "sys/dir/b", "" }, { "sys/dir/a", "" },
		{ "sys/dir/c", "" },	    { 0 },
	};

	host = fake_sysfs(nodes);
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

static void test_text_is_read_without_trailing_blanks(void **state)
{
	char buf[16];

	assert_int_equal(hostfs_read(host, buf, sizeof(buf), "sys/%s", "plain"), 4);
	assert_string_equal(buf, "eth0");
	assert_int_equal(hostfs_read(host, buf, 3, "sys/plain"), -EFBIG);
	assert_int_equal(hostfs_read(host, buf, sizeof(buf), "sys/none"), -ENOENT);
}

static void test_numbers_are_decimal_or_hexadecimal_and_alone(void **state)
{
	uint64_t v = 7;
	int64_t s = 7;

	assert_int_equal(hostfs_read_u64(host, &v, "sys/dec"), 0);
	assert_int_equal(v, 42);
	assert_int_equal(hostfs_read_u64(host, &v, "sys/hex"), 0);
	assert_int_equal(v, 0x8086);
	assert_int_equal(hostfs_read_u64(host, &v, "sys/neg"), -EINVAL);
	assert_int_equal(hostfs_read_u64(host, &v, "sys/word"), -EINVAL);
	assert_int_equal(hostfs_read_u64(host, &v, "sys/empty"), -EINVAL);
	assert_int_equal(hostfs_read_u64(host, &v, "sys/big"), -ERANGE);
	assert_int_equal(v, 0x8086); /* untouched by failures */
	assert_int_equal(hostfs_read_s64(host, &s, "sys/neg"), 0);
	assert_int_equal(s, -1);
	assert_int_equal(hostfs_read_s64(host, &s, "sys/empty"), -EINVAL);
}

static void test_links_by_whole_and_by_last_component(void **state)
{
	char buf[64];

	assert_true(hostfs_readlink(host, buf, sizeof(buf), "sys/link") > 0);
	assert_string_equal(buf, "../../bus/pci/drivers/igbvf");
	assert_int_equal(hostfs_link_name(host, buf, sizeof(buf), "sys/link"), 5);
	assert_string_equal(buf, "igbvf");
	assert_int_equal(hostfs_link_name(host, buf, sizeof(buf), "sys/bare"), 5);
	assert_int_equal(hostfs_readlink(host, buf, 8, "sys/link"), -ENAMETOOLONG);
	assert_int_equal(hostfs_link_name(host, buf, 5, "sys/link"), -ENAMETOOLONG);
	assert_int_equal(hostfs_readlink(host, buf, sizeof(buf), "sys/plain"), -EINVAL);
}

static int join(const char *name, void *opaque)
{
	strcat(opaque, name);
	return strcmp(name, "b") == 0 ? 5 : 0;
}

static void test_a_directory_is_listed_in_order_until_told_to_stop(void **state)
{
	char seen[16] = "";

	assert_int_equal(hostfs_list(host, join, seen, "sys/dir"), 5);
	assert_string_equal(seen, "ab");
	assert_int_equal(hostfs_list(host, join, seen, "sys/none"), -ENOENT);
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
	char longest[HOSTFS_PATH_MAX + 1], buf[8];

	memset(longest, 'x', HOSTFS_PATH_MAX);
	longest[HOSTFS_PATH_MAX] = '\0';
	assert_int_equal(hostfs_read(host, buf, sizeof(buf), "%s", longest), -ENAMETOOLONG);
	assert_int_equal(hostfs_write(host, "1", HOSTFS_DEADLINE_MS, NULL, "%s", longest), -ENAMETOOLONG);
	assert_false(hostfs_exists(host, "%s", longest));
}

static void test_a_path_for_libraries_means_the_same_file(void **state)
{
	char path[128], buf[8];
	int fd;

	assert_int_equal(hostfs_path(host, path, sizeof(path), "sys/%s", "dec"), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "42\n");
	close(fd);
	assert_int_equal(hostfs_path(host, path, 8, "sys/dec"), -ENAMETOOLONG);
}

static void test_a_write_lands_or_says_why_not(void **state)
{
	assert_int_equal(hostfs_write(host, "vfio-pci", 5000, NULL, "sys/%s", "empty"), 0);
	assert_string_equal(fake_get(host, "sys/empty"), "vfio-pci");
	assert_int_equal(hostfs_write(host, "x", 5000, NULL, "sys/none"), -ENOENT);
	assert_int_equal(hostfs_write(host, "x", 5000, NULL, "sys/dir"), -EISDIR);
	assert_string_equal(fake_get(host, "sys/none"), "<none>"); /* never makes a file */
}

static void test_an_empty_value_is_still_a_write(void **state)
{
	struct stat st;

	assert_int_equal(unlinkat(host, "sys/empty", 0), 0);
	fake_put_bytes(host, "sys/empty", "", 0);
	assert_int_equal(hostfs_write(host, "", 5000, NULL, "sys/empty"), 0);
	assert_int_equal(fstatat(host, "sys/empty", &st, 0), 0);
	assert_int_equal(st.st_size, 1); /* "\n": the kernel never sees a write of nothing */
}

static void test_a_write_that_hangs_is_given_up_and_keeps_the_locks(void **state)
{
	char path[64];
	pid_t hung = 0;
	int lock, other;

	/* Nobody reads the FIFO: opening it for writing blocks like a driver's remove(). */
	assert_int_equal(mkfifoat(host, "sys/fifo", 0600), 0);
	lock = openat(host, "sys/plain", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	/* Longer than a loaded machine takes to start the child. */
	assert_int_equal(hostfs_write(host, "1", 700, &hung, "sys/fifo"), -ETIMEDOUT);
	assert_true(hung > 0);
	assert_int_equal(kill(hung, 0), 0); /* it goes on without us … */
	snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)hung);
	assert_int_equal(access(path, F_OK), -1); /* … and nobody waits at our output for it */
	close(lock);
	other = openat(host, "sys/plain", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	kill(hung, SIGKILL);
	assert_int_equal(waitpid(hung, NULL, 0), hung);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_is_read_without_trailing_blanks),
		TEST(test_numbers_are_decimal_or_hexadecimal_and_alone),
		TEST(test_links_by_whole_and_by_last_component),
		TEST(test_a_directory_is_listed_in_order_until_told_to_stop),
		TEST(test_a_path_that_is_too_long_is_refused),
		TEST(test_a_path_for_libraries_means_the_same_file),
		TEST(test_a_write_lands_or_says_why_not),
		TEST(test_an_empty_value_is_still_a_write),
		TEST(test_a_write_that_hangs_is_given_up_and_keeps_the_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
