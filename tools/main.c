// SPDX-License-Identifier: GPL-2.0-or-later
/* thruway: finds the subcommand, hands it the host, and turns its answer into an exit status. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/near.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/report.h"

static const struct command *const commands[] = {
	&cmd_list,
	&cmd_show,
	&cmd_groups,
	&cmd_topo,
	&cmd_doctor,
	&cmd_bind,
	&cmd_restore,
	&cmd_reset,
	&cmd_export,
	&cmd_vf_create,
	&cmd_vf_set,
	&cmd_vf_list,
	&cmd_vf_destroy,
	&cmd_vf_lease,
	&cmd_vf_release,
	&cmd_host_diff,
	&cmd_host_apply,
	&cmd_host_confirm,
	&cmd_host_recover,
	&cmd_host_save,
	&cmd_host_owner,
	&cmd_hugepages,
	&cmd_metrics,
	&cmd_monitor,
	&cmd_vm_run,
	&cmd_vm_ps,
	&cmd_vm_status,
	&cmd_vm_stats,
	&cmd_vm_irq,
	&cmd_vm_events,
	&cmd_vm_console,
	&cmd_vm_attach,
	&cmd_vm_detach,
	&cmd_vm_balloon,
	&cmd_vm_disk,
	&cmd_vm_nic,
	&cmd_vm_pause,
	&cmd_vm_resume,
	&cmd_vm_reset,
	&cmd_vm_stop,
	&cmd_vm_kill,
};

/* All of them, or those that begin with this word. */
static void print_usage(FILE *out, const char *first)
{
	size_t len = strlen(first);

	fprintf(out, "usage: thruway %s%sCOMMAND [OPTIONS] [ARGUMENTS]\n\n", first, len ? " " : "");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!len || (strncmp(commands[i]->name, first, len) == 0 &&
			     commands[i]->name[len] == ' '))
			fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
	}
	fprintf(out, "\n'thruway COMMAND --help' tells more about one of them.\n");
}

/* How many words of argv name the command: 2, 1, or 0 when they do not. */
static int words_matched(const char *name, int argc, char **argv)
{
	const char *blank = strchr(name, ' ');
	size_t first = blank ? (size_t)(blank - name) : strlen(name);

	if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
		return 0;
	if (!blank)
		return 1;
	return argc >= 2 && strcmp(argv[1], blank + 1) == 0 ? 2 : 0;
}

static const struct command *find_command(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = commands[i];
		int words = words_matched(c->name, argc, argv);

		if (!words && c->alias)
			words = words_matched(c->alias, argc, argv);
		if (words) {
			*ret_words = words;
			return c;
		}
	}
	return NULL;
}

/* What `word` may go on with: "vf create, vf set, …". Their number. */
static unsigned beginnings(const char *word, char *buf, size_t size)
{
	unsigned found = 0;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && n < size; i++) {
		size_t len = strcspn(commands[i]->name, " ");

		if (commands[i]->name[len] && strlen(word) == len &&
		    strncmp(word, commands[i]->name, len) == 0)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", found++ ? ", " : "",
					      commands[i]->name);
	}
	return found;
}

/* The command that was meant, if it was misspelt. */
static const char *near_command(const char *words)
{
	const char *names[ARRAY_SIZE(commands)];

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i]->name;
	return near_word(words, names, ARRAY_SIZE(names));
}

static int no_such_command(int argc, char **argv, struct err *err)
{
	char all[256] = "", asked[64];
	bool begins = beginnings(argv[0], all, sizeof(all)) > 0;
	bool more = argc > 1 && argv[1][0] != '-';
	bool goes_on = begins && more;
	const char *near = begins ? NULL : near_command(argv[0]);

	snprintf(asked, sizeof(asked), "%s%s%s", argv[0], more ? " " : "", more ? argv[1] : "");
	if (more && !near)
		near = near_command(asked);
	if (!goes_on && !(more && near && strchr(near, ' ')))
		snprintf(asked, sizeof(asked), "%s", argv[0]);
	if (begins && !goes_on)
		err_usage(err, "'%s' is the beginning of a command", asked);
	else if (near)
		err_usage(err, "'%s' is not a thruway command (did you mean '%s'?)", asked, near);
	else
		err_usage(err, "'%s' is not a thruway command", asked);
	return begins ? err_hint(err, "there are %s", all) :
			err_hint(err, "'thruway help' lists them");
}

static bool asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* `thruway help [COMMAND]`, and thruway without arguments. */
static int help(int argc, char **argv, struct err *err)
{
	const struct command *c;
	char all[256];
	int words;

	if (argc == 0) {
		print_usage(stdout, "");
		return 0;
	}
	c = find_command(argc, argv, &words);
	if (!c && argc == 1 && beginnings(argv[0], all, sizeof(all))) {
		print_usage(stdout, argv[0]);
		return 0;
	}
	if (!c)
		return no_such_command(argc, argv, err);
	if (words < argc)
		return err_usage(err, "help: unexpected '%s'", argv[words]);
	opts_help(c, stdout);
	return 0;
}

/*
 * What is opened must not become 0, 1 or 2 when the caller closed those, neither
 * here nor in the VMM, which inherits them.
 */
static int keep_standard_fds(int *root)
{
	int fd = *root;

	if (fd > 2) /* the lowest that was free */
		return 0;
	*root = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	if (*root < 0)
		return -errno;
	while ((fd = hostfs_open(*root, O_RDWR, "dev/null")) >= 0 && fd <= 2)
		if (fcntl(fd, F_SETFD, 0) < 0)
			return -errno;
	if (fd > 2)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* What it changed is known to the user when it ends: on stdout, else on stderr. */
static int run_and_report(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = ctx->out;
	int r, written;

	ctx->out = open_memstream(&text, &len);
	if (!ctx->out)
		return err_set(err, -ENOMEM, "cannot begin");
	r = ctx->command->run(ctx, argc, argv, err);
	written = fclose(ctx->out) == 0 ? report_done(text, len, out, stderr, err) : -ENOMEM;
	return r < 0 || written == 0 ? r : written;
}

static int run_command(int argc, char **argv, struct err *err)
{
	_cleanup_close_ int root = hostfs_root("/");
	struct ctx ctx = { .out = stdout, .lock_timeout_s = LOCK_TIMEOUT_DEFAULT_S };
	int words = 0, r;

	if (root < 0)
		return err_set(err, root, "cannot open the root directory");
	r = keep_standard_fds(&root);
	if (r < 0)
		return err_set(err, r, "cannot open the null device");
	ctx.root = root;
	ctx.command = find_command(argc, argv, &words);
	if (!ctx.command && argc == 2 && asks_for_help(argv[1]))
		return help(1, argv, err);
	if (!ctx.command)
		return no_such_command(argc, argv, err);
	return (ctx.command->takes & REPORTS_CHANGES ? run_and_report : ctx.command->run)(
		&ctx, argc - (words - 1), argv + (words - 1), err);
}

static int dispatch(int argc, char **argv, struct err *err)
{
	if (argc < 2) {
		print_usage(stderr, "");
		return 2;
	}
	if (strcmp(argv[1], "--version") == 0) {
		if (argc > 2)
			return err_usage(err, "--version: unexpected '%s'", argv[2]);
		printf("thruway %s\n", THRUWAY_VERSION);
		return 0;
	}
	if (asks_for_help(argv[1]) || strcmp(argv[1], "help") == 0)
		return help(argc - 2, argv + 2, err);
	return run_command(argc - 1, argv + 1, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int r = dispatch(argc, argv, &err);

	if (r == -ECANCELED && !err.code)
		r = 0;
	if (r >= 0 && report_flush(stdout, &err) < 0)
		r = err.code;
	if (r >= 0)
		return r;
	if (!err.code)
		err_set(&err, r, "it failed");
	err_print(&err, "thruway");
	return err_exit_status(&err);
}
