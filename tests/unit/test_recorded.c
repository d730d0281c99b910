// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands on recorded machines: tests/data/MACHINE/host.txt is the host, and each line
 * "FILE COMMAND [ARGUMENT…]" of tests/data/MACHINE/commands names what a command says there.
 * tests/data/regenerate writes those files anew, for review.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/log.h"
#include "tests/fake/pci.h"
#include "tests/fake/recording.h"
#include "tests/fake/sysfs.h"
#include "tools/command.h"
#include "tools/commands.h"

static const struct command *const commands[] = {
	&cmd_doctor,
	&cmd_groups,
	&cmd_list,
	&cmd_show,
	&cmd_topo,
};

#define WORDS_MAX 12

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (name && strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	fail_msg("commands: no command '%s'", name ? name : "");
	return NULL;
}

/* malloced: what the command of these words prints on this host; an error is part of it. */
static char *output(int root, int argc, char **argv)
{
	struct ctx ctx = { .root = root, .command = find_command(argv[0]) };
	struct err err = ERR_INIT;
	char *out = NULL;
	size_t size;
	int r;

	ctx.out = open_memstream(&out, &size);
	r = ctx.command->run(&ctx, argc, argv, &err);
	if (r < 0)
		fprintf(ctx.out, "error: %s\n%s%s%s", err.text, err.hint[0] ? "hint: " : "",
			err.hint, err.hint[0] ? "\n" : "");
	fclose(ctx.out);
	return out;
}

static char *slurp(const char *path)
{
	_cleanup_file_ FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (f && getdelim(&text, &size, '\0', f) < 0)
		text[0] = '\0';
	return text;
}

/* Both from the first line on that differs. */
static void assert_same_text(const char *path, const char *got, const char *want)
{
	unsigned line = 1;

	while (*got && *got == *want) {
		line += *got == '\n';
		got++;
		want++;
	}
	if (*got == *want)
		return;
	while (got[-1] != '\n' && line > 1) {
		got--;
		want--;
	}
	fail_msg("%s:%u (tests/data/regenerate writes it anew)\n got  %.*s\n want %.*s", path, line,
		 (int)strcspn(got, "\n"), got, (int)strcspn(want, "\n"), want);
}

static void compare(const char *machine, int root, char *line)
{
	_cleanup_free_ char *got = NULL, *want = NULL;
	char path[256], *words[WORDS_MAX + 1] = { NULL }, *save = NULL;
	int count = 0;

	for (char *w = strtok_r(line, " \n", &save); w && count < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		words[count++] = w;
	got = output(root, count - 1, words + 1);
	snprintf(path, sizeof(path), "%s/%s", machine, words[0]);
	if (getenv("GOLDEN_WRITE")) {
		_cleanup_file_ FILE *f = fopen(path, "we");

		assert_non_null(f);
		fputs(got, f);
		return;
	}
	want = slurp(path);
	if (!want)
		fail_msg("%s is missing", path);
	assert_same_text(path, got, want);
}

static void check_machine(const char *machine)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *f = NULL;
	char path[256];
	size_t size = 0;
	int root;

	snprintf(path, sizeof(path), "%s/host.txt", machine);
	root = fake_recording(path);
	snprintf(path, sizeof(path), "%s/commands", machine);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s is missing", path);
	while (getline(&line, &size, f) > 0)
		compare(machine, root, line);
	fake_sysfs_free(&root);
}

static void test_recorded_machines_read_as_reviewed(void **state)
{
	glob_t machines;

	assert_int_equal(glob("tests/data/*/host.txt", 0, NULL, &machines), 0);
	for (size_t i = 0; i < machines.gl_pathc; i++) {
		*strrchr(machines.gl_pathv[i], '/') = '\0';
		check_machine(machines.gl_pathv[i]);
	}
	globfree(&machines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_machines_read_as_reviewed),
	};

	log_set_level(LOG_QUIET);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
