// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fd.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/show.h"

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(describer_fini) struct describer d = { 0 };
	json_t *devices;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 1, argc, "DEV", err);
	if (r == 0)
		r = describer_init(&d, ctx->root, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &d.topo, argv[i], true, "show", &list, err);
	if (r < 0)
		return r;
	if (!ctx->json) {
		for (size_t i = 0; i < list.count; i++)
			show_text(ctx->out, &d, topo_find(&d.topo, list.bdfs[i]));
		return 0;
	}
	devices = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(devices, show_json(&d, topo_find(&d.topo, list.bdfs[i])));
	r = out_json(ctx->out, "thruway.show/1", "devices", devices);
	return r < 0 ? err_set(err, r, "cannot show the devices") : 0;
}

const struct command cmd_show = {
	.name = "show",
	.synopsis = "DEV…",
	.summary = "everything about a device",
	.help = "Shows what a device is, who drives and uses it, who shares its IOMMU group and\n"
		"which addresses that reserves, its link, BARs, interrupts, capabilities, errors,\n"
		"reset methods and place, and what thruway changed about it. Capabilities, and\n"
		"the addresses of BARs, are for root's eyes only.",
	.takes = TAKES_JSON,
	.run = run,
};
