// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/metrics.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"

static const struct option own[] = {
	{ "output", required_argument, NULL, 'o' },
	{ 0 },
};

static int cannot(const char *path, int r, struct err *err)
{
	return err_set(err, r, "cannot write '%s'", path);
}

/*
 * A reader sees the old text or the new, never half of one. The temporary name does not
 * end in .prom, so node_exporter does not take it for another file.
 */
static int replace(const char *path, const char *text, size_t len, struct err *err)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	/* The new file takes its place, and /dev/null or /dev/stdout would be lost. */
	if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || lstat(path, &st) < 0 ||
				     !S_ISREG(st.st_mode))) {
		err_plain(err, -EEXIST, "cannot write '%s': it is there and is not a file", path);
		return err_hint(err, "without -o it goes to the standard output");
	}
	if (asprintf(&tmp, "%s.XXXXXX", path) < 0) {
		tmp = NULL;
		return cannot(path, -ENOMEM, err);
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return cannot(path, -errno, err);
	r = fd_write_all(fd, text, len);
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r < 0 ? cannot(path, r, err) : 0;
}

static int write_file(const struct metrics *m, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return cannot(path, -ENOMEM, err);
	metrics_print(m, f);
	if (fclose(f) != 0)
		return cannot(path, -ENOMEM, err);
	return replace(path, text, len, err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(metrics_fini) struct metrics m = { .root = -1, .topo = TOPO_INIT };
	const char *output = NULL;
	struct opts o;
	int c, r;

	opts_init(&o, ctx, argc, argv, own);
	while ((c = opts_next(&o, err)) > 0)
		output = optarg;
	r = c < 0 ? c : opts_operands(&o, 0, 0, "nothing", err);
	if (r == 0 && output && !*output)
		return err_usage(err, "metrics: -o names no file");
	if (r == 0)
		r = metrics_read(ctx->root, &m, err);
	if (r < 0)
		return r;
	if (output)
		return write_file(&m, output, err);
	metrics_print(&m, ctx->out);
	return 0;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.synopsis = "[-o FILE]",
	.summary = "devices, VFs, links, errors and hugepages for Prometheus",
	.help = "Prints metrics in Prometheus' text format. Counters of VFs are there where the PF's\n"
		"driver counts, resets that failed where the kernel's log can be read (as root) and\n"
		"still has the boot. thruway-metrics.timer writes them for node_exporter's textfile\n"
		"collector every minute.\n"
		"\n"
		"  -o, --output FILE   write FILE, which is replaced as a whole",
	.takes = 0,
	.run = run,
};
