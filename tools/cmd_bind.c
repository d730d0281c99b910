// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/range.h"
#include "base/size.h"
#include "host/change.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/preview.h"

enum { OPT_DRIVER = 256, OPT_GROUP, OPT_OWNER, OPT_REBAR, OPT_ALL };

#define BARS 6

static const struct option own[] = {
	{ "driver", required_argument, NULL, OPT_DRIVER },
	{ "group", no_argument, NULL, OPT_GROUP },
	{ "owner", required_argument, NULL, OPT_OWNER },
	{ "rebar", required_argument, NULL, OPT_REBAR },
	{ "all", no_argument, NULL, OPT_ALL },
	{ 0 },
};

static int take_owner(const struct opts *o, const char *text, struct bind_request *req,
		      struct err *err)
{
	req->give = true;
	return opts_user(o, text, &req->uid, &req->gid, &req->give_group, err);
}

/* BAR=SIZE, each BAR once. */
static int take_rebar(const char *text, struct rebar *rebars, size_t *count, struct err *err)
{
	struct rebar *new = &rebars[*count];

	if (text[0] < '0' || text[0] >= '0' + BARS || text[1] != '=' ||
	    size_parse(text + 2, &new->size) < 0 || !is_pow2(new->size) || new->size < MiB) {
		err_usage(err, "bind: --rebar takes BAR=SIZE, not '%s'", text);
		return err_hint(err, "SIZE is a power of two of at least 1 MiB, such as --rebar 1=16G");
	}
	new->bar = (unsigned)(text[0] - '0');
	for (size_t i = 0; i < *count; i++)
		if (rebars[i].bar == new->bar)
			return err_usage(err, "bind: --rebar: BAR %u is there twice", new->bar);
	++*count;
	return 0;
}

static int take_options(struct opts *o, struct bind_request *req, struct rebar *rebars, bool *ret_all,
			struct err *err)
{
	int c, r = 0;

	while (r == 0 && (c = opts_next(o, err)) != 0) {
		if (c < 0)
			return c;
		switch (c) {
		case OPT_DRIVER: r = opts_driver(o, optarg, &req->driver, err); break;
		case OPT_GROUP: req->whole_group = true; break;
		case OPT_OWNER: r = take_owner(o, optarg, req, err); break;
		case OPT_REBAR: r = take_rebar(optarg, rebars, &req->rebar_count, err); break;
		case OPT_ALL: *ret_all = true; break;
		}
	}
	if (r == 0 && req->give && req->driver && !pci_function_driver_is_vfio(req->driver)) {
		err_usage(err, "bind: --owner is for a VFIO driver, not for '%s'", req->driver);
		return err_hint(err, "only those have a node in /dev/vfio to own");
	}
	return r < 0 ? r : opts_operands(o, 1, o->argc, "DEV", err);
}

static int print_plan(struct ctx *ctx, const struct topo *topo, const struct bind_request *req,
		      struct err *err)
{
	_cleanup_(in_use_closep) struct in_use_host *host = NULL;
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	_cleanup_(preview_fini) struct preview preview = PREVIEW_INIT(ctx);
	int r = in_use_open(ctx->root, &host, err);

	if (r < 0)
		return r;
	r = bind_plan(ctx->root, topo, host, req, &plan, err);
	if (r == 0)
		r = change_preview(ctx->root, &plan, err);
	if (r == 0)
		r = change_preview_evict(ctx->root, &plan, req->force, preview_line, &preview, err);
	return r < 0 ? r : preview_print(&preview, &plan);
}

static void print_text(FILE *out, const struct pci_function *was, const struct pci_function *now,
		       const struct bind_request *req)
{
	fprintf(out, "%s: ", BDF_STR(now->bdf));
	if (!now->driver[0])
		fprintf(out, "bound to no driver");
	else if (strcmp(was->driver, now->driver) == 0)
		fprintf(out, "bound to %s already", now->driver);
	else
		fprintf(out, "bound to %s (was %s)", now->driver,
			was->driver[0] ? was->driver : "none");
	if (pci_function_driver_is_vfio(now->driver))
		fprintf(out, ", /dev/vfio/%d", now->group);
	if (req->give)
		fprintf(out, " of uid %u%s", req->uid, req->give_group ? " and its group" : "");
	fputc('\n', out);
}

static json_t *result_json(const struct pci_function *was, const struct pci_function *now,
			   const struct bind_request *req)
{
	bool vfio = pci_function_driver_is_vfio(now->driver);
	char node[32] = "";

	if (vfio)
		snprintf(node, sizeof(node), "/dev/vfio/%d", now->group);
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "device", BDF_STR(now->bdf), "driver",
			 out_json_text(now->driver), "was", out_json_text(was->driver), "node",
			 out_json_text(node), "uid",
			 vfio && req->give ? json_integer(req->uid) : json_null());
}

static void print_result(struct ctx *ctx, const struct topo *before,
			 const struct bind_request *req, struct bdf bdf, json_t *list)
{
	const struct pci_function *was = topo_find(before, bdf);
	struct pci_function now;

	if (pci_function_read(ctx->root, bdf, &now) < 0)
		return;
	if (list)
		json_array_append_new(list, result_json(was, &now, req));
	else
		print_text(ctx->out, was, &now, req);
}

/* The requested devices, and those that followed them; into the list, if there is one. */
static void print_each(struct ctx *ctx, const struct topo *before, const struct bind_request *req,
		       json_t *list)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct pci_function *d = &before->devs[i];

		for (size_t k = 0; k < req->count; k++) {
			const struct pci_function *asked = topo_find(before, req->devs[k]);

			if (asked == d ||
			    (req->whole_group && d->group >= 0 && asked->group == d->group &&
			     pci_function_is_assignable(d))) {
				print_result(ctx, before, req, d->bdf, list);
				break;
			}
		}
	}
}

static int print_results(struct ctx *ctx, const struct topo *before, const struct bind_request *req)
{
	json_t *list = ctx->json ? json_array() : NULL;

	if (ctx->json && !list)
		return -ENOMEM;
	print_each(ctx, before, req, list);
	return list ? out_json(ctx->out, "thruway.bind/1", "devices", list) : 0;
}

static int change(struct ctx *ctx, const struct topo *topo, const struct bind_request *req,
		  struct err *err)
{
	struct journal_owner owner = { 0 };
	int r;

	snprintf(owner.command, sizeof(owner.command), "bind %s%s",
		 req->count ? BDF_STR(req->devs[0]) : "", req->count > 1 ? " and others" : "");
	r = change_bind(ctx->root, req, &owner, ctx->lock_timeout_s, err);
	return r < 0 || ctx->quiet ? r : print_results(ctx, topo, req);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct rebar rebars[BARS];
	struct bind_request req = { .rebar = rebars };
	bool all = false;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, own);
	o.repeats[0] = OPT_REBAR;
	r = take_options(&o, &req, rebars, &all, err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &topo, argv[i], all, "bind", &list, err);
	if (r < 0 || !list.count)
		return r;
	if (req.rebar_count && list.count > 1)
		return err_usage(err, "bind: --rebar is for one device at a time");
	req.devs = list.bdfs;
	req.count = list.count;
	req.force = ctx->force;
	return (ctx->dry_run ? print_plan : change)(ctx, &topo, &req, err);
}

const struct command cmd_bind = {
	.name = "bind",
	.synopsis = "[--driver D] [--group] [--owner USER[:GROUP]] [--rebar BAR=SIZE] [-n] [--force=A,B] DEV…",
	.summary = "take devices from the host, for guests",
	.help = "Binds devices to a VFIO driver: the one made for them where the kernel has it,\n"
		"else vfio-pci. Refused for devices that this host uses (thruway list says why)\n"
		"and for a device whose IOMMU group holds others that are in host hands.\n"
		"What was there before is written down: 'thruway restore DEV' puts it back.\n"
		"\n"
		"      --driver D      this driver; 'none' leaves the device without one\n"
		"      --group         the other endpoints of its IOMMU group too\n"
		"      --owner USER[:GROUP]  let USER, or members of GROUP too, open this device's node in\n"
		"                      /dev/vfio, also when it is bound anew\n"
		"      --rebar BAR=SIZE  make a resizable BAR (0 to 5) that large before; may be repeated\n"
		"      --all           DEV may mean several devices",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.run = run,
};
