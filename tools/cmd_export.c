// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "host/device.h"
#include "host/export.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"

enum { OPT_FORMAT = 256, OPT_ALL };

static const struct option own[] = {
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "all", no_argument, NULL, OPT_ALL },
	{ 0 },
};

static bool listed(const struct device_list *list, struct bdf bdf)
{
	for (size_t i = 0; i < list->count; i++) {
		if (bdf_eq(list->bdfs[i], bdf))
			return true;
	}
	return false;
}

/* Whoever gets one function of a group has them all: no other guest can have the rest. */
static void note_group(const struct topo *topo, const struct device_list *list, size_t i)
{
	const struct pci_function *dev = topo_find(topo, list->bdfs[i]), *other = NULL;

	while (dev->group >= 0 && (other = topo_group_next(topo, dev->group, other))) {
		if (pci_function_is_endpoint(other) && !listed(list, other->bdf))
			fprintf(stderr, "%s shares group %d with %s: no other guest can have that\n",
				BDF_STR(dev->bdf), dev->group, BDF_STR(other->bdf));
	}
}

static int export_all(struct ctx *ctx, const struct topo *topo, const struct device_list *list,
		      enum export_format format, struct err *err)
{
	_cleanup_free_ struct export_device *devs = calloc(list->count, sizeof(*devs));
	int r = devs ? 0 : err_set(err, -ENOMEM, "cannot export the devices");

	for (size_t i = 0; r == 0 && i < list->count; i++)
		r = export_read(ctx->root, topo, list->bdfs[i], &devs[i], err);
	if (r < 0)
		return r;
	for (size_t i = 0; !ctx->quiet && i < list->count; i++)
		note_group(topo, list, i);
	export_print(ctx->out, format, devs, list->count);
	return 0;
}

static int take_options(struct opts *o, enum export_format *ret, bool *ret_all, struct err *err)
{
	bool said = false;
	int c;

	while ((c = opts_next(o, err)) > 0) {
		if (c == OPT_ALL) {
			*ret_all = true;
			continue;
		}
		if (export_format_find(optarg, ret) < 0) {
			err_usage(err, "export: there is no format '%s'", optarg);
			return err_hint(err, "there are libvirt, qemu and cloud-hypervisor");
		}
		said = true;
	}
	if (c == 0 && !said) {
		err_usage(err, "export: --format is missing");
		return err_hint(err, "--format libvirt, qemu or cloud-hypervisor");
	}
	return c < 0 ? c : opts_operands(o, 1, o->argc, "DEV", err);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list list = DEVICE_LIST_INIT;
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	enum export_format format = EXPORT_LIBVIRT;
	bool all = false;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, own);
	r = take_options(&o, &format, &all, err);
	if (r == 0)
		r = topo_scan(ctx->root, &topo, err);
	for (int i = optind; r == 0 && i < argc; i++)
		r = device_resolve(ctx->root, &topo, argv[i], all, "export", &list, err);
	return r < 0 ? r : export_all(ctx, &topo, &list, format, err);
}

const struct command cmd_export = {
	.name = "export",
	.synopsis = "--format libvirt|qemu|cloud-hypervisor [--all] DEV…",
	.summary = "tell other VMMs about bound devices",
	.help = "Prints the devices, which must be bound to a VFIO driver, as another VMM takes them:\n"
		"\n"
		"      libvirt           elements for a domain's devices, managed='no'. A network VF\n"
		"                        is an interface with the MAC and VLAN it has; libvirt sets\n"
		"                        these again when the guest starts\n"
		"      qemu              arguments for a q35 machine, each device behind a root port\n"
		"                        of its own\n"
		"      cloud-hypervisor  its --device argument\n"
		"\n"
		"      --all             DEV may mean several devices",
	.takes = 0,
	.run = run,
};
