// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_attach.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/fd.h"
#include "base/log.h"
#include "tools/vm_client.h"
#include "tools/vm_device_opts.h"
#include "tools/vm_intx.h"
#include "tools/vm_msix.h"
#include "tools/vm_nodes.h"
#include "tools/vm_open.h"
#include "tools/vm_rom.h"
#include "vfio/node.h"
#include "vfio/pci_function.h"

static bool has_name(const json_t *names, const char *wanted)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name && strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

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

/* The VMM would have to open it to see that, which resets it, or its bus. */
static int refuse_conventional(int root, const struct bdf bdf, struct err *err)
{
	if (pci_function_is_express(root, bdf))
		return 0;
	err_plain(err, -EOPNOTSUPP, "cannot attach %s: it is a conventional PCI device, which no slot of "
				    "a guest that runs takes", BDF_STR(bdf));
	return err_hint(err, "start the guest with it: vm run --device %s", BDF_STR(bdf));
}

/* --- where it goes ------------------------------------------------------------------------------- */

/* Whose memory guest node i has, as the VMM says; it may say anything. */
static void read_host_nodes(const json_t *list, struct mem_node *ret)
{
	*ret = (struct mem_node){ .policy = MEM_UNBOUND };
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_int_t node = json_integer_value(json_array_get(list, i));

		if (node < 0 || node >= MEM_NODE_WORDS * 64)
			continue;
		ret->host_nodes[node / 64] |= 1ull << (node % 64);
		ret->policy = MEM_STRICT;
	}
}

struct place {
	unsigned node;
	bool known; /* that it belongs there */
};

static int refuse_node(const struct vm_attach *device, unsigned nodes, struct err *err)
{
	err_plain(err, -EINVAL, "cannot attach %s: the guest has no node %d", BDF_STR(device->bdf),
		  device->node);
	return err_hint(err, "it has %u, from 0 on; without node= the device is where its host's "
			     "node says", nodes);
}

static int choose_node(int root, const json_t *status, const struct vm_attach *device,
		       struct place *ret, struct err *err)
{
	const json_t *list = json_object_get(status, "host_nodes");
	size_t nodes = json_array_size(list);
	int host_node = pci_function_numa_node(root, device->bdf);
	struct mem_node mem[VMM_MAX_NODES];

	if (nodes < 1 || nodes > VMM_MAX_NODES)
		nodes = 1, list = NULL;
	if (device->node >= (int)nodes)
		return refuse_node(device, (unsigned)nodes, err);
	*ret = (struct place){ .node = (unsigned)device->node };
	if (device->node >= 0 || nodes == 1) {
		ret->node = device->node >= 0 ? (unsigned)device->node : 0;
		return 0;
	}
	for (size_t i = 0; i < nodes; i++)
		read_host_nodes(json_array_get(list, i), &mem[i]);
	ret->node = vm_nodes_for_device(root, mem, (unsigned)nodes, host_node);
	ret->known = host_node >= 0;
	return 0;
}

/* Its guest puts a driver's memory and interrupts where it believes the device to be. */
static void warn_of_node(const struct vm_attach *device, const struct place *wanted, const json_t *result)
{
	const json_t *node = json_object_get(result, "node");

	if (!wanted->known || !json_is_integer(node) || json_integer_value(node) == wanted->node)
		return;
	if (device->nic)
		log_warn("%s belongs on the guest's node %u, and its slot is on node %d, since that is "
			 "where the VF was that the guest started with, or it had none",
			 BDF_STR(device->bdf), wanted->node, (int)json_integer_value(node));
	else
		log_warn("%s belongs on the guest's node %u, where no empty slot takes it: the guest "
			 "sees it on node %d, which is wrong (vm run --hotplug-slots N,node=%u makes "
			 "slots there)", BDF_STR(device->bdf), wanted->node,
			 (int)json_integer_value(node), wanted->node);
}

/* --- what the VMM is asked ----------------------------------------------------------------------- */

/* What the guest is to see of it, all that vm_device_opts_parse() takes. */
static void add_words(json_t *params, const struct vm_opt_device *words)
{
	static const char *const rom[] = { [VMM_ROM_DEVICE] = "device", [VMM_ROM_OFF] = "off",
					   [VMM_ROM_FILE] = "file" };

	if (!words || !words->seen)
		return;
	json_object_set_new(params, "rom", json_string(rom[words->rom]));
	json_object_set_new(params, "move_msix", json_boolean(words->move_msix));
	if (words->clique)
		json_object_set_new(params, "clique", json_integer(words->clique - 1));
}

static json_t *params_of(const struct vm_attach *device, bool vf, int group, uint32_t intx,
			 unsigned node)
{
	json_t *params = json_pack("{s:s, s:i, s:b, s:I, s:b, s:b}", "device", BDF_STR(device->bdf),
				   "group", group, "vf", vf, "node", (json_int_t)node, "only_node",
				   device->only_node, "intx", intx != VMM_INTX_WITHHELD);

	if (intx == VMM_INTX_SHARED)
		json_object_set_new(params, "intx_shared", json_true());
	if (device->token && device->token[0])
		json_object_set_new(params, "token", json_string(device->token));
	if (device->nic)
		json_object_set_new(params, "nic", json_integer(device->nic - 1));
	add_words(params, device->words);
	return params;
}

/* One of which nothing is said is as it was the last time, if there was one; else with the ROM it has. */
static int refuse_boot_display(int root, const json_t *status, const struct vm_attach *device,
			       struct err *err)
{
	bool said = device->words && device->words->seen;

	if (said ? device->words->rom != VMM_ROM_DEVICE :
		   has_name(json_object_get(status, "known"), BDF_STR(device->bdf)))
		return 0;
	return vm_rom_refuse_boot_display(root, device->bdf, err);
}

/* In the order in which the VMM takes them. */
struct handed {
	int rom, group, container;
};

static int open_all(int root, const struct vm_attach *device, const struct pci_function *dev,
		    const json_t *status, struct handed *h, struct err *err)
{
	int r = 0;

	if (device->words && device->words->rom == VMM_ROM_FILE)
		r = vm_rom_open(root, device->bdf, device->words->romfile, &h->rom, err);
	if (r < 0 || has_group(root, status, dev->group))
		return r;
	r = vfio_container_open(root, &h->container, err);
	return r < 0 ? r : vfio_group_open(root, (unsigned)dev->group, BDF_STR(device->bdf),
					   &h->group, err);
}

static int hand_over(struct vm_client *vm, const struct handed *h, json_t *params,
		     json_t **ret_result, struct err *err)
{
	int fds[VM_CLIENT_FDS];
	unsigned n = 0;

	if (h->rom >= 0)
		fds[n++] = h->rom;
	if (h->group >= 0) {
		fds[n++] = h->group;
		fds[n++] = h->container;
	}
	return vm_client_call_with(vm, "attach", params, fds, n, ret_result, err);
}

static int give(int root, struct vm_client *vm, const struct vm_attach *device,
		const struct pci_function *dev, uint32_t intx, struct err *err)
{
	struct handed h = { -1, -1, -1 };
	json_t *status = NULL, *result = NULL;
	struct place place = { 0 };
	int r = vm_client_call(vm, "status", &status, err);

	if (r == 0)
		r = choose_node(root, status, device, &place, err);
	if (r == 0)
		r = refuse_boot_display(root, status, device, err);
	if (r == 0)
		r = open_all(root, device, dev, status, &h, err);
	if (r == 0)
		r = hand_over(vm, &h, params_of(device, pci_function_is_virtual(root, device->bdf),
						dev->group, intx, place.node), &result, err);
	if (r == 0)
		warn_of_node(device, &place, result);
	json_decref(status);
	json_decref(result);
	close_fdp(&h.rom);
	close_fdp(&h.group);
	close_fdp(&h.container);
	return r;
}

struct vm_attach vm_attach_by_words(struct bdf bdf, const struct vm_opt_device *words)
{
	return (struct vm_attach){
		.bdf = bdf,
		.token = words->token,
		.node = words->node ? (int)words->node - 1 : VM_ATTACH_NEAR,
		.only_node = words->node > 0,
		.shared_intx = words->shared_intx,
		.words = words,
	};
}

int vm_attach_device(int root, struct vm_client *vm, const struct vm_attach *device,
		     struct err *err)
{
	struct pci_function dev;
	uint32_t intx = VMM_INTX_OWN;
	int r = vm_check_bound(root, device->bdf, &dev, err);

	if (r == 0)
		r = refuse_conventional(root, device->bdf, err);
	if (r == 0)
		r = refuse_mute(root, device->bdf, err);
	if (r == 0 && device->words && device->words->move_msix)
		r = vm_msix_check(root, device->bdf, err);
	if (r == 0)
		r = vm_intx_choose(root, device->bdf, device->shared_intx, &intx, err);
	return r < 0 ? r : give(root, vm, device, &dev, intx, err);
}

/* Those of its slot, whose guest lets go of them together. The VMM may say anything. */
static void tell_beside(struct bdf bdf, const json_t *result)
{
	const json_t *list = json_object_get(result, "with");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		struct bdf other;

		if (name && bdf_parse(name, &other) == 0)
			log_warn("%s leaves the guest, and with it %s, which is in its slot",
				 BDF_STR(bdf), BDF_STR(other));
	}
}

int vm_detach_device(struct vm_client *vm, struct bdf bdf, bool now, struct err *err)
{
	json_t *result = NULL;
	int r = vm_client_call_with(vm, "detach",
				    json_pack("{s:s, s:b}", "device", BDF_STR(bdf), "now", now),
				    NULL, 0, &result, err);

	if (r == 0)
		tell_beside(bdf, result);
	json_decref(result);
	return r;
}
