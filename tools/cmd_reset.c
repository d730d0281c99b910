// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/journal.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/preview.h"
#include "vfio/busy.h"
#include "vfio/in_use.h"
#include "vfio/pci_function_reset.h"

static int check_unused(struct ctx *ctx, const struct pci_function *dev, struct err *err)
{
	struct in_use_host *host;
	struct in_use used;
	int r = in_use_open(ctx->root, &host, err);

	if (r < 0)
		return r;
	in_use_find(host, dev, &used);
	in_use_add_vfs(dev, &used);
	in_use_close(host);
	return in_use_refuse(&used, "reset", dev->bdf, ctx->force, err);
}

/*
 * A driver of the host gets told of the reset (reset_prepare) and has to stop by
 * itself; igbvf with its interface down waits for ever in there.
 */
static int check_driver(const struct pci_function *dev, struct err *err)
{
	const char *name = BDF_STR(dev->bdf);

	if (pci_function_leaves_group_viable(dev))
		return 0;
	err_plain(err, -EBUSY, "cannot reset %s: it is bound to %s", name, dev->driver);
	return err_hint(err, "drivers of the host may hang in it; first: thruway bind --driver none "
			     "%s, then: thruway restore %s", name, name);
}

static int check(struct ctx *ctx, const struct pci_function *dev, struct err *err)
{
	int r = dev->busy ? busy_refuse(ctx->root, dev->bdf, "reset", err) :
			    check_unused(ctx, dev, err);

	if (r == 0)
		r = check_driver(dev, err);
	return r < 0 ? r : pci_function_reset_check(ctx->root, dev, err);
}

static int reset(struct ctx *ctx, const struct pci_function *dev, struct err *err)
{
	_cleanup_(journal_unlock) int lock = -1;
	char command[64];
	int r;

	snprintf(command, sizeof(command), "reset %s", BDF_STR(dev->bdf));
	r = journal_lock(ctx->root, command, ctx->lock_timeout_s, &lock, err);
	if (r == 0)
		r = pci_function_reset(ctx->root, dev, err);
	if (r == 0)
		audit_change(ctx->root, command, "done");
	if (r == 0 && !ctx->quiet && !ctx->json)
		fprintf(ctx->out, "%s: reset\n", BDF_STR(dev->bdf));
	return r;
}

/* Also after an error the document tells which were reset before it. */
static int reset_each(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		      struct err *err)
{
	json_t *done = ctx->json ? json_array() : NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		r = reset(ctx, topo_find(topo, list->bdfs[i]), err);
		if (r == 0 && done)
			json_array_append_new(done, json_pack("{s:s}", "device",
							      BDF_STR(list->bdfs[i])));
	}
	if (done && !ctx->quiet && (r == 0 || json_array_size(done)))
		return out_json(ctx->out, "thruway.reset/1", "devices", done) < 0 ? -ENOMEM : r;
	json_decref(done);
	return r;
}

static int preview(struct ctx *ctx, const struct topo *topo, const struct device_list *list)
{
	_cleanup_(preview_fini) struct preview p = PREVIEW_INIT(ctx);
	const struct plan none = PLAN_INIT;

	for (size_t i = 0; i < list->count; i++) {
		char what[160];

		snprintf(what, sizeof(what), "reset (%s)",
			 topo_find(topo, list->bdfs[i])->reset_methods);
		preview_after(&p, list->bdfs[i], what);
	}
	return preview_print(&p, &none);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++) {
		struct bdf bdf;

		r = device_resolve_one(ctx->root, &topo, argv[i], "reset", &bdf, err);
		if (r == 0 && device_list_add(&list, bdf) < 0)
			r = err_set(err, -ENOMEM, "cannot reset %s", argv[i]);
	}
	/* All that can be refused is, before the first is reset. */
	for (size_t i = 0; r == 0 && i < list.count; i++)
		r = check(ctx, topo_find(&topo, list.bdfs[i]), err);
	if (r < 0)
		return r;
	return ctx->dry_run ? preview(ctx, &topo, &list) : reset_each(ctx, &topo, &list, err);
}

const struct command cmd_reset = {
	.name = "reset",
	.synopsis = "[-n] [--force=A,B] DEV…",
	.summary = "reset devices",
	.help = "Resets a device by the best method the kernel has for it (thruway show names\n"
		"them). Refused while this host or a VM uses it, or a driver of the host has it.",
	.takes = TAKES_JSON | TAKES_DRY_RUN | TAKES_LOCK | TAKES_FORCE | REPORTS_CHANGES,
	.run = run,
};
