// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_attach.h"

#include <errno.h>

#include <jansson.h>

#include "base/fd.h"
#include "tools/vm_client.h"
#include "tools/vm_intx.h"
#include "tools/vm_open.h"
#include "vfio/node.h"
#include "vfio/pci_function.h"

static bool any_of_group(int root, const json_t *names, int group)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct pci_function other;
		struct bdf bdf;

		if (name && bdf_parse(name, &bdf) == 0 &&
		    pci_function_read_binding(root, bdf, &other) == 0 && other.group == group)
			return true;
	}
	return false;
}

/*
 * Whether the VM has a device of the group, and so the group, which only one process can open. It has
 * one that the host still resets, too, and says so itself.
 */
static bool has_group(int root, const json_t *status, int group)
{
	return any_of_group(root, json_object_get(status, "devices"), group) ||
	       any_of_group(root, json_object_get(status, "closing"), group);
}

/*
 * Opening one that does not answer keeps the VMM in the kernel for a minute or longer, until a
 * reset is given up.
 */
static int refuse_mute(int root, const struct bdf bdf, struct err *err)
{
	struct pci_function dev;

	if (pci_function_read(root, bdf, &dev) < 0 || dev.header_type != 0x7f)
		return 0;
	err_plain(err, -EIO, "cannot attach %s: it does not answer (reads all ones)", BDF_STR(bdf));
	if (dev.is_vf)
		return err_hint(err, "its PF %s lost it by an error or a reset (dmesg tells): the PF's "
				     "driver has to begin anew, at the latest with the host",
				BDF_STR(dev.pf));
	return err_hint(err, "a reset or a cold boot may bring it back (thruway reset %s)",
			BDF_STR(bdf));
}

static json_t *params_of(const struct vm_attach *device, int group, uint32_t intx)
{
	json_t *params = json_pack("{s:s, s:i, s:I, s:b}", "device", BDF_STR(device->bdf), "group",
				   group, "node", (json_int_t)device->node, "intx",
				   intx != VMM_INTX_WITHHELD);

	if (device->token && device->token[0])
		json_object_set_new(params, "token", json_string(device->token));
	if (device->nic)
		json_object_set_new(params, "nic", json_integer(device->nic - 1));
	return params;
}

int vm_attach_device(int root, struct vm_client *vm, const struct vm_attach *device,
		     struct err *err)
{
	_cleanup_close_ int container = -1, group = -1;
	struct pci_function dev;
	json_t *status = NULL;
	uint32_t intx = VMM_INTX_OWN;
	int r = vm_check_bound(root, device->bdf, &dev, err);

	if (r == 0)
		r = refuse_mute(root, device->bdf, err);
	if (r == 0)
		r = vm_intx_choose(root, device->bdf, device->shared_intx, &intx, err);
	if (r == 0)
		r = vm_client_call(vm, "status", &status, err);
	if (r < 0)
		return r;
	if (!has_group(root, status, dev.group)) {
		r = vfio_container_open(root, &container, err);
		if (r == 0)
			r = vfio_group_open(root, (unsigned)dev.group, BDF_STR(device->bdf), &group,
					    err);
	}
	json_decref(status);
	if (r < 0)
		return r;
	return vm_client_call_with(vm, "attach", params_of(device, dev.group, intx),
				   (const int[]){ group, container }, group < 0 ? 0 : 2, NULL, err);
}

int vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err)
{
	return vm_client_call_with(vm, "detach",
				   json_pack("{s:s, s:b}", "device", BDF_STR(bdf), "now", now), NULL,
				   0, NULL, err);
}
