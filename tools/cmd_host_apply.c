// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/size.h"
#include "host/change.h"
#include "host/confirm.h"
#include "host/device.h"
#include "host/udev_rules.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/host_show.h"
#include "tools/opts.h"

enum { OPT_CONFIRM = 300, OPT_DEVICE, OPT_WAIT };

#define CONFIRM_MAX_S 86400
#define WAIT_MAX_S    600

static const struct option own[] = { { "file", required_argument, NULL, 'f' },
				     { "confirm", required_argument, NULL, OPT_CONFIRM },
				     { "device", required_argument, NULL, OPT_DEVICE },
				     { "wait", required_argument, NULL, OPT_WAIT },
				     { 0 } };

struct asked {
	const char *file, *device;
	unsigned confirm_s, wait_s;
};

static int make_changes(struct ctx *ctx, const struct host_spec *hs, unsigned confirm_s,
			struct err *err)
{
	struct journal_owner owner = { .command = "host apply" };

	if (!confirm_s)
		return host_spec_apply(ctx->root, hs, &owner, ctx->lock_timeout_s, err);
	snprintf(owner.command, sizeof(owner.command), "host apply --confirm %u", confirm_s);
	return confirm_apply(ctx->root, hs, owner.command, confirm_s, ctx->lock_timeout_s, err);
}

static int carry_out(struct ctx *ctx, const struct host_spec *hs, unsigned confirm_s,
		     struct err *err)
{
	size_t n = hs->plan.plan.count;
	int r = n ? make_changes(ctx, hs, confirm_s, err) : 0;

	if (r < 0)
		return r;
	if (ctx->json)
		return host_show_applied(ctx, hs, err);
	host_show_remarks(hs);
	if (ctx->quiet)
		return 0;
	if (!n)
		fprintf(ctx->out, "nothing to do\n");
	else
		fprintf(ctx->out, "%zu change%s made\n", n, n == 1 ? "" : "s");
	if (udev_rules_change(&hs->plan.plan) && udev_rules_initramfs(ctx->root))
		fprintf(ctx->out, "for the initramfs to have udev's rules, too: %s\n",
			udev_rules_initramfs(ctx->root));
	if (n && confirm_s)
		fprintf(ctx->out, "they are undone in %u s unless you say: thruway host confirm\n",
			confirm_s);
	return 0;
}

/* Lines of text would not be JSON. */
static void print_line(const char *line, void *opaque)
{
	const struct ctx *ctx = opaque;

	if (ctx->json)
		log_warn("%s", line);
	else
		fprintf(ctx->out, "%s\n", line);
}

static int preview(struct ctx *ctx, struct host_spec *hs, struct err *err)
{
	int r = host_spec_preview(ctx->root, hs, print_line, ctx, err);

	if (r == 0)
		r = host_show_diff(ctx, hs, err);
	if (r == 0 && !ctx->json)
		host_show_rules(ctx, hs);
	return r;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static int take_seconds(const char *name, const char *text, unsigned max, unsigned *ret,
			struct err *err)
{
	uint64_t v;

	if (uint_parse(text, max, &v) < 0 || !v)
		return err_usage(err, "%s takes seconds from 1 to %u, not '%s'", name, max, text);
	*ret = (unsigned)v;
	return 0;
}

static int take(struct asked *a, int c, struct err *err)
{
	switch (c) {
	case OPT_CONFIRM:
		return take_seconds("--confirm", optarg, CONFIRM_MAX_S, &a->confirm_s, err);
	case OPT_WAIT: return take_seconds("--wait", optarg, WAIT_MAX_S, &a->wait_s, err);
	case OPT_DEVICE: a->device = optarg; return 0;
	default: a->file = optarg; return 0;
	}
}

static int parse(struct ctx *ctx, int argc, char **argv, struct asked *a, struct err *err)
{
	struct opts o;
	int c, r = 0;

	opts_init(&o, ctx, argc, argv, own);
	while (r == 0 && (c = opts_next(&o, err)) != 0)
		r = c < 0 ? c : take(a, c, err);
	if (r == 0)
		r = opts_operands(&o, 0, 0, "", err);
	if (r == 0 && a->file && a->device)
		r = err_usage(err, "host apply: --device is about /etc/thruway, so --file is another one");
	return r;
}

static int find_device(struct ctx *ctx, const char *name, struct bdf *ret, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	int r = topo_scan(ctx->root, &topo, err);

	if (r == 0)
		r = device_resolve(ctx->root, &topo, name, false, "apply", &list, err);
	if (r == 0)
		*ret = list.bdfs[0];
	return r;
}

static int look(struct ctx *ctx, const struct asked *a, struct host_spec *hs, struct err *err)
{
	struct bdf only = { 0 };
	int r;

	if (!a->device)
		return host_spec_read(ctx->root, a->file, ctx->force, hs, err);
	r = find_device(ctx, a->device, &only, err);
	return r < 0 ? r : host_spec_read_one(ctx->root, only, ctx->force, hs, err);
}

/*
 * While udev has events to handle, devices may yet come and get their names and drivers. It
 * is not waited for when every entry has found what it means.
 */
static int look_until_settled(struct ctx *ctx, const struct asked *a, struct host_spec *hs,
			      struct err *err)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	time_t end = time(NULL) + (time_t)a->wait_s;
	int r = look(ctx, a, hs, err);

	while (r == 0 && hs->plan.left && time(NULL) < end &&
	       hostfs_exists(ctx->root, "run/udev/queue")) {
		nanosleep(&pause, NULL);
		host_spec_fini(hs);
		*hs = (struct host_spec)HOST_SPEC_INIT;
		r = look(ctx, a, hs, err);
	}
	/* Who comes too late for this boot has a rule from when it was there: that stays. */
	if (r == 0 && a->wait_s && hs->plan.absent_count)
		udev_rules_keep(&hs->plan.plan);
	return r;
}

struct asking {
	struct ctx *ctx;
	struct asked asked;
};

static int look_and_apply(struct host_spec *hs, void *opaque, struct err *err)
{
	const struct asking *a = opaque;
	struct ctx *ctx = a->ctx;
	int r = 0;

	if (!ctx->dry_run)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = confirm_check_none(ctx->root, err);
	if (r == 0)
		r = look_until_settled(ctx, &a->asked, hs, err);
	if (r < 0)
		return r;
	return ctx->dry_run ? preview(ctx, hs, err) : carry_out(ctx, hs, a->asked.confirm_s, err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	struct asking a = { .ctx = ctx };
	int r = parse(ctx, argc, argv, &a.asked, err);

	if (r == 0)
		r = host_spec_look_again(look_and_apply, &a, &hs, err);
	return r < 0 ? r : hs.plan.left ? 3 : 0;
}

const struct command cmd_host_apply = {
	.name = "host apply",
	.synopsis = "[-f FILE | --device DEV] [--confirm SECONDS] [--wait SECONDS]",
	.summary = "make this host what /etc/thruway/host.yaml says",
	.help = "Binds devices, makes VFs and sets their attributes as the files say, as one change:\n"
		"if a step fails, those before it are undone. What is so already is left alone.\n"
		"VFs that are in use are never destroyed; that and what else cannot be done is said,\n"
		"and the exit status is then 3.\n"
		"\n"
		"Without -f udev is told of the devices, too, so that they are bound as they appear: in\n"
		"/etc/udev/rules.d/05-thruway-host.rules.\n"
		"\n"
		"  -f, --file FILE     this file, for now, instead of /etc/thruway/host.yaml and\n"
		"                      host.d/*.yaml\n"
		"      --device DEV    only what they say of this device and its IOMMU group\n"
		"      --wait SECONDS  so long for devices that are still to come, while udev is busy;\n"
		"                      udev's rules stay as they are if some did not\n"
		"      --confirm SECONDS  undo it all after this time, unless thruway host confirm comes:\n"
		"                      for a change that may cut the line you are connected by",
	.takes = TAKES_DRY_RUN | TAKES_JSON | TAKES_LOCK | TAKES_FORCE,
	.run = run,
};
