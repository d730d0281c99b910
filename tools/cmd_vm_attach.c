// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "base/fd.h"
#include "host/device.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "tools/vm_device_opts.h"
#include "tools/vm_devices.h"
#include "vfio/topology.h"

enum { OPT_NOW = 256 };

static const struct option detach_options[] = {
	{ "now", no_argument, NULL, OPT_NOW },
	{ 0 },
};

/* Also one that was in a guest and is on no bus any more has an address. */
static int find_device(struct ctx *ctx, const char *name, const char *verb, struct bdf *ret,
		       struct err *err)
{
	_cleanup_(topo_fini) struct topo topo = TOPO_INIT;
	int r;

	if (bdf_parse(name, ret) == 0)
		return 0;
	r = topo_scan(ctx->root, &topo, err);
	return r < 0 ? r : device_resolve_one(ctx->root, &topo, name, verb, ret, err);
}

static int attach(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	struct vm_opt_device words;
	struct vm_attach device;
	struct bdf bdf;
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	if (r == 0)
		r = opts_operands(&o, 2, 2, "VM DEV", err);
	if (r == 0)
		r = vm_device_opts_parse("vm attach", argv[optind + 1], &words, err);
	if (r == 0)
		r = find_device(ctx, words.name, "attach", &bdf, err);
	if (r == 0)
		r = vm_devices_refuse_leased(ctx, &bdf, 1, err);
	if (r == 0)
		r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0) {
		c.answer_ms = VM_CLIENT_RAM_MS;
		device = vm_attach_by_words(bdf, &words);
		r = vm_attach_device(ctx->root, &c, &device, err);
	}
	vm_client_close(&c);
	return r;
}

static bool is_removed(const json_t *event, const char *name)
{
	const char *method = json_string_value(json_object_get(event, "method"));
	const char *device = json_string_value(
		json_object_get(json_object_get(event, "params"), "device"));

	return method && device && strcmp(method, "device-removed") == 0 &&
	       strcmp(device, name) == 0;
}

/* The VMM sees to it that this ends: what the guest does not let go of is taken away. */
static int wait_removed(struct vm_client *c, struct bdf bdf, struct err *err)
{
	bool removed = false;
	json_t *event;
	int r = 0;

	while (r == 0 && !removed) {
		r = vm_client_next(c, &event, err);
		if (r < 0)
			break;
		removed = is_removed(event, BDF_STR(bdf));
		json_decref(event);
	}
	return r;
}

static int detach(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct vm_client c = VM_CLIENT_INIT;
	bool now = false;
	struct bdf bdf;
	struct opts o;
	int opt, r;

	opts_init(&o, ctx, argc, argv, detach_options);
	while ((opt = opts_next(&o, err)) > 0)
		now = true;
	r = opt < 0 ? opt : opts_operands(&o, 2, 2, "VM DEV", err);
	if (r == 0)
		r = find_device(ctx, argv[optind + 1], "detach", &bdf, err);
	if (r == 0)
		r = vm_client_open(ctx->root, argv[optind], &c, err);
	if (r == 0)
		r = vm_client_call(&c, "subscribe", NULL, err);
	c.answer_ms = VM_CLIENT_RAM_MS;
	if (r == 0)
		r = vm_detach_device(&c, bdf, now, err);
	/* Its event may have come before the answer then. */
	if (r == 0 && !now)
		r = wait_removed(&c, bdf, err);
	vm_client_close(&c);
	return r;
}

const struct command cmd_vm_attach = {
	.name = "vm attach",
	.synopsis = "VM DEV[,WORD=VALUE]…",
	.summary = "give a device to a guest that runs",
	.help = "The device, bound to a VFIO driver, is put into an empty slot of the guest: one\n"
		"that a device has left, or one of vm run's --hotplug-slots. It stays bound when\n"
		"the guest ends.\n"
		"\n"
		"The words are those of vm run --device. Without rom=, romfile=, msix= and\n"
		"gpudirect-clique= one that was in the guest before is as it was then. Without node=\n"
		"it is on the guest's node whose memory is on its node of this host, or, where no\n"
		"empty slot takes it there, on another one, which is warned of.",
	.takes = TAKES_FORCE,
	.run = attach,
};

const struct command cmd_vm_detach = {
	.name = "vm detach",
	.synopsis = "[--now] VM DEV",
	.summary = "take a device from a guest that runs",
	.help = "Presses the button of the device's slot, which gives the guest five seconds to\n"
		"stop using it, and waits. What the guest has not let go of after 15 s is taken\n"
		"away. The device stays bound to its VFIO driver.\n"
		"\n"
		"      --now          take it away without asking",
	.run = detach,
};
