// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An entry of the journal that somebody cut, changed or put there: one sentence says
 * what is wrong with it, and nothing is written to the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "host/change.h"
#include "tests/fake/kernel.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define DEV   "0000:01:10.0"
#define OTHER "0000:02:00.0"
#define ENTRY "run/thruway/journal/0000000002"

/* DEV was taken from igbvf. */
#define HEAD                                                                       \
	"format=1\ncommand=bind " DEV "\npid=1\nstart=1\nboot=\nuid=4294967295\n" \
	"time=0\ncommitted=1\nuntil_exit=0\nunconfirmed=0\n"
#define STEP(op, dev, key, before)                                              \
	"step=" op "\ndev=" dev "\nkey=" key "\nbefore=" before "\nafter=\n"     \
	"identity=\nmark=done\nknown=1\noptional=0\ntransient=0\nremember=0\n"
#define GOOD HEAD STEP("driver", DEV, "", "igbvf") "end=1\n"

static struct fake_kernel kernel;
static struct err err;

static int setup(void **state)
{
	static const struct fake_node nodes[] = { { "dev/secret", "" }, { "run", 0 }, { 0 } };

	log_set_level(LOG_QUIET);
	err = (struct err)ERR_INIT;
	kernel = (struct fake_kernel){ .root = fake_sysfs(nodes), .native = "igbvf" };
	fake_pci_add(kernel.root, &(struct fake_pci){ .bdf = DEV, .group = "21" });
	fake_pci_add(kernel.root, &(struct fake_pci){ .bdf = OTHER, .group = "22" });
	fake_kernel_start(&kernel);
	return 0;
}

static int teardown(void **state)
{
	fake_kernel_stop();
	fake_sysfs_free(&kernel.root);
	return 0;
}

static void put(const char *text, size_t len)
{
	fake_put_bytes(kernel.root, ENTRY, text, len);
}

static int restore(const char *dev)
{
	unsigned undone;

	err = (struct err)ERR_INIT;
	return journal_restore(kernel.root, change_ops, dev, 1, &undone, &err);
}

static int bind_other(void)
{
	struct bdf other = { .bus = 2 };
	struct bind_request req = { .devs = &other, .count = 1, .driver = "vfio-pci" };
	struct journal_owner owner = { .command = "bind" };

	err = (struct err)ERR_INIT;
	return change_bind(kernel.root, &req, &owner, 1, &err);
}

static void assert_sentence(const char *says)
{
	if (!strstr(err.text, says) || strchr(err.text, '\n'))
		fail_msg("'%s' does not say '%s'", err.text, says);
	assert_non_null(strstr(err.text, ENTRY));
	assert_non_null(strstr(err.hint, "move it away"));
}

/* Whatever is asked for, of whatever device: the sentence, and no write. */
static void assert_refused(const char *says)
{
	struct stat st;

	err = (struct err)ERR_INIT;
	assert_int_equal(journal_check(kernel.root, &err), -EBADMSG);
	assert_sentence(says);
	assert_int_equal(restore(DEV), -EBADMSG);
	assert_sentence(says);
	assert_int_equal(restore(NULL), -EBADMSG);
	assert_sentence(says);
	assert_int_equal(bind_other(), -EBADMSG);
	assert_sentence(says);
	assert_int_equal(kernel.nwrites, 0);
	assert_int_equal(fstatat(kernel.root, ENTRY, &st, AT_SYMLINK_NOFOLLOW), 0); /* to look at */
}

static void test_an_entry_that_is_whole_is_undone(void **state)
{
	put(GOOD, strlen(GOOD));
	assert_int_equal(journal_check(kernel.root, &err), 0);
	assert_int_equal(restore(DEV), 0);
	assert_string_equal(kernel.writes[0], "drivers_probe=" DEV);
	assert_false(hostfs_exists(kernel.root, ENTRY));
}

#define LINE(n) "damaged (line " #n ")"

static void test_what_no_thruway_wrote_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "damaged (it is empty)" },
		{ "rubbish\n", LINE(1) },
		{ "\n", LINE(1) },
		{ "format\n", LINE(1) },
		{ "format=1", LINE(1) },
		{ "format=1\r\n", LINE(1) },
		{ "format=2\n", "of another version of thruway" },
		{ "format=0\n", "of another version of thruway" },
		{ "end=0\n", LINE(1) },
		{ "format=1\nend=0\n", LINE(2) },
		{ HEAD, LINE(11) },
		{ HEAD "end=1\n", LINE(11) },
		{ HEAD STEP("driver", DEV, "", "igbvf"), LINE(22) },
		{ HEAD STEP("driver", DEV, "", "igbvf") "end=2\n", LINE(22) },
		{ HEAD STEP("driver", DEV, "", "igbvf") "end=-1\n", LINE(22) },
		{ GOOD "\n", LINE(23) },
		{ GOOD GOOD, LINE(23) },
		{ HEAD STEP("driver", "../../../../etc", "", "igbvf") "end=1\n", LINE(12) },
		{ HEAD STEP("driver", "/etc", "", "igbvf") "end=1\n", LINE(12) },
		{ HEAD STEP("driver", DEV "/../../x", "", "igbvf") "end=1\n", LINE(12) },
		{ HEAD STEP("driver", "", "", "igbvf") "end=1\n", LINE(12) },
		{ HEAD STEP("driver", "\\x2e./x", "", "igbvf") "end=1\n", LINE(12) },
		{ HEAD STEP("driver", "0000:01:10.0 and so on for ever.", "", "x") "end=1\n", LINE(12) },
		{ HEAD STEP("owner", DEV, "../secret", "1:1") "end=1\n", LINE(13) },
		{ HEAD STEP("owner", DEV, "/dev/secret", "1:1") "end=1\n", LINE(13) },
		{ HEAD STEP("owner", DEV, "vfio/../secret", "1:1") "end=1\n", LINE(13) },
		{ HEAD STEP("link", DEV, ".", "up") "end=1\n", LINE(13) },
		{ HEAD STEP("driver", DEV, "", "\\xzz") "end=1\n", LINE(14) },
		{ HEAD STEP("driver", DEV, "", "\\") "end=1\n", LINE(14) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put(rows[i].text, strlen(rows[i].text));
		assert_refused(rows[i].says);
	}
}

static void test_what_is_no_text_is_refused(void **state)
{
	static const char binary[] = "format=1\ncommand=\0\n";
	char *noise = malloc(100000);
	uint32_t x = 12345;

	put(binary, sizeof(binary) - 1);
	assert_refused("damaged (it is not text)");
	assert_non_null(noise);
	for (size_t i = 0; i < 100000; i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (char)(x >> 24 ? x >> 24 : 1);
	}
	put(noise, 100000);
	assert_refused("damaged (line 1)");
	free(noise);
}

static void test_what_is_no_file_of_sensible_size_is_refused(void **state)
{
	int fd;

	alarm(60); /* opening a FIFO would wait for ever */
	put("", 0);
	assert_int_equal(unlinkat(kernel.root, ENTRY, 0), 0);
	assert_int_equal(mkfifoat(kernel.root, ENTRY, 0600), 0);
	assert_refused("damaged (it is not a file)");
	alarm(0);
	assert_int_equal(unlinkat(kernel.root, ENTRY, 0), 0);
	assert_int_equal(mkdirat(kernel.root, ENTRY, 0700), 0);
	assert_refused("damaged (it is not a file)");
	assert_int_equal(unlinkat(kernel.root, ENTRY, AT_REMOVEDIR), 0);
	fake_put_bytes(kernel.root, "run/elsewhere", GOOD, strlen(GOOD));
	assert_int_equal(symlinkat("../../elsewhere", kernel.root, ENTRY), 0);
	assert_refused("damaged (it is not a file)");
	assert_int_equal(unlinkat(kernel.root, ENTRY, 0), 0);
	fd = openat(kernel.root, ENTRY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0); /* a hole: it takes no room */
	close(fd);
	assert_refused("damaged (it is too large)");
}

/* Start and length, newline included, of line n from 0. */
static const char *line_at(const char *text, unsigned n, size_t *ret_len)
{
	while (n--)
		text = strchr(text, '\n') + 1;
	*ret_len = (size_t)(strchr(text, '\n') + 1 - text);
	return text;
}

static void test_a_line_that_is_missing_or_there_twice_is_refused(void **state)
{
	for (unsigned n = 0; n < 22; n++) {
		size_t len;
		const char *line = line_at(GOOD, n, &len);
		size_t before = (size_t)(line - GOOD);
		char text[1024];

		snprintf(text, sizeof(text), "%.*s%s", (int)before, GOOD, line + len);
		put(text, strlen(text));
		assert_refused("damaged (line ");
		snprintf(text, sizeof(text), "%.*s%s", (int)(before + len), GOOD, line);
		put(text, strlen(text));
		assert_refused("damaged (line ");
	}
}

/* Well written, but what no row would have asked for. */
static void test_a_step_that_leaves_its_place_is_not_undone(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ HEAD STEP("owner", DEV, "secret", "1:1") "end=1\n", "/dev/secret is none of its" },
		{ HEAD STEP("driver", DEV, "", "../../x") "end=1\n", "no driver's name" },
		{ HEAD STEP("driver", DEV, "", "..") "end=1\n", "no driver's name" },
		{ HEAD STEP("link", DEV, "eth0/statistics", "up") "end=1\n", "cannot bring" },
		{ HEAD STEP("numvfs", DEV, "", "many") "end=1\n", "not a number of VFs" },
		{ HEAD STEP("vfattr", DEV, "vf0", "mac 1") "end=1\n", "not an attribute of a VF" },
		{ HEAD STEP("format-disk", DEV, "", "x") "end=1\n", "does not know the change" },
	};
	struct stat was, is;

	assert_int_equal(fstatat(kernel.root, "dev/secret", &was, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put(rows[i].text, strlen(rows[i].text));
		assert_true(restore(DEV) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].says);
		assert_int_equal(kernel.nwrites, 0);
		assert_true(hostfs_exists(kernel.root, ENTRY));
	}
	assert_int_equal(fstatat(kernel.root, "dev/secret", &is, 0), 0);
	assert_int_equal(is.st_uid, was.st_uid);
	assert_int_equal(is.st_ctime, was.st_ctime);
}

static void test_when_it_was_moved_away_the_others_are_undone(void **state)
{
	fake_put_bytes(kernel.root, "run/thruway/journal/0000000001", GOOD, strlen(GOOD));
	put("rubbish\n", 8);
	assert_refused("damaged (line 1)");
	assert_int_equal(unlinkat(kernel.root, ENTRY, 0), 0);
	assert_int_equal(restore(DEV), 0);
	assert_string_equal(kernel.writes[0], "drivers_probe=" DEV);
	assert_int_equal(bind_other(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_entry_that_is_whole_is_undone),
		TEST(test_what_no_thruway_wrote_is_refused),
		TEST(test_what_is_no_text_is_refused),
		TEST(test_what_is_no_file_of_sensible_size_is_refused),
		TEST(test_a_line_that_is_missing_or_there_twice_is_refused),
		TEST(test_a_step_that_leaves_its_place_is_not_undone),
		TEST(test_when_it_was_moved_away_the_others_are_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
