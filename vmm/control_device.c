// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_device.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "vmm/ctl.h"
#include "vmm/device_settings.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"

const char *const control_attach_params[] = { "device", "vf", "group", "node", "only_node", "token",
					      "intx", "intx_shared", "nic", "rom", "move_msix", "clique", NULL };
const char *const control_detach_params[] = { "device", "now", NULL };

/* A text that must be there, or (optional) may. */
static int get_text(const json_t *params, const char *key, bool optional, char *ret, size_t size,
		    struct err *err)
{
	const json_t *value = json_object_get(params, key);
	const char *text = json_string_value(value);

	ret[0] = '\0';
	if (!value && optional)
		return 0;
	if (!text || !text[0] || strlen(text) >= size)
		return err_usage(err, "\"%s\" is a text of 1 to %zu bytes", key, size - 1);
	strcpy(ret, text);
	return 0;
}

static int get_number(const json_t *params, const char *key, bool optional, json_int_t max,
		      uint32_t *ret, struct err *err)
{
	const json_t *value = json_object_get(params, key);
	json_int_t n = json_integer_value(value);

	*ret = 0;
	if (!value && optional)
		return 0;
	if (!json_is_integer(value) || n < 0 || n > max)
		return err_usage(err, "\"%s\" is a number from 0 to %lld", key, (long long)max);
	*ret = (uint32_t)n;
	return 0;
}

/* Of a device that is a network device's primary: that one's number, plus one. */
static int get_nic(const struct machine *m, const json_t *params, uint32_t *ret, struct err *err)
{
	uint32_t nic = 0;
	int r;

	if (!json_object_get(params, "nic"))
		return 0;
	r = get_number(params, "nic", false, HANDOVER_MAX_NICS - 1, &nic, err);
	if (r < 0)
		return r;
	if (nic >= m->config->nic_count || !m->config->nics[nic].standby)
		return err_plain(err, -EINVAL, "the guest's network device %u stands by for no other",
				 nic);
	*ret = nic + 1;
	return 0;
}

/* Pages that the kernel merges cannot be pinned: they are written to behind its back. */
static int refuse_merged(const struct machine *m, struct err *err)
{
	for (unsigned i = 0; i < m->config->numa.nodes; i++) {
		if (!m->config->mem[i].merge)
			continue;
		err_plain(err, -EBUSY, "the guest's RAM is merged with others' (merge=on), and a "
				       "device needs it where it is");
		return err_hint(err, "start the guest without merge=on");
	}
	return 0;
}

static int get_bool(const json_t *params, const char *key, bool unsaid, bool *ret, struct err *err)
{
	const json_t *value = json_object_get(params, key);

	if (value && !json_is_boolean(value))
		return err_usage(err, "\"%s\" is true or false", key);
	*ret = value ? json_is_true(value) : unsaid;
	return 0;
}

/*
 * Whether the guest may have its INTx; it may when nothing is said. That it may although others have the
 * line, too, is for who brings the device back after an error.
 */
static int get_intx(const json_t *params, uint32_t *ret, struct err *err)
{
	bool may = true, shared = false;
	int r = get_bool(params, "intx", true, &may, err);

	if (r == 0)
		r = get_bool(params, "intx_shared", false, &shared, err);
	if (r == 0 && shared && !may)
		r = err_usage(err, "\"intx_shared\" is of a device with \"intx\"");
	*ret = !may ? VMM_INTX_WITHHELD : shared ? VMM_INTX_SHARED : VMM_INTX_OWN;
	return r;
}

static int get_rom(const json_t *params, uint32_t *ret, struct err *err)
{
	static const char *const words[] = { [VMM_ROM_DEVICE] = "device", [VMM_ROM_OFF] = "off",
					     [VMM_ROM_FILE] = "file" };
	const json_t *value = json_object_get(params, "rom");
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	for (uint32_t i = 0; text && i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return err_usage(err, "\"rom\" is \"device\", \"off\" or \"file\"");
}

static int get_clique(const json_t *params, uint32_t *ret, struct err *err)
{
	uint32_t clique = 0;

	if (!json_object_get(params, "clique"))
		return 0;
	if (get_number(params, "clique", false, VMM_CLIQUE_MAX, &clique, err) < 0)
		return err->code;
	*ret = clique + 1;
	return 0;
}

/* What the guest is to see; *ret_own: something of it was said. */
static int get_settings(const json_t *params, struct vmm_device *ret, bool *ret_own,
			struct err *err)
{
	int r = get_rom(params, &ret->rom, err);

	if (r == 0)
		r = get_bool(params, "move_msix", false, &ret->move_msix, err);
	if (r == 0)
		r = get_clique(params, &ret->clique, err);
	*ret_own = json_object_get(params, "rom") || json_object_get(params, "move_msix") ||
		   json_object_get(params, "clique");
	return r;
}

/* All that params say. */
static int get_attach(const struct machine *m, const json_t *params, struct vmm_device *ret,
		      struct vfio_pci_arrival *arrival, bool *ret_own, struct err *err)
{
	int r = get_text(params, "device", false, ret->name, sizeof(ret->name), err);

	if (r == 0)
		r = get_bool(params, "vf", false, &ret->vf, err);
	if (r == 0)
		r = get_number(params, "group", false, INT32_MAX, &arrival->group, err);
	if (r == 0)
		r = get_number(params, "node", true, m->config->numa.nodes - 1, &ret->node, err);
	if (r == 0)
		r = get_bool(params, "only_node", false, &arrival->only_node, err);
	if (r == 0)
		r = get_text(params, "token", true, ret->token, sizeof(ret->token), err);
	if (r == 0)
		r = get_intx(params, &ret->intx, err);
	if (r == 0)
		r = get_nic(m, params, &ret->nic, err);
	return r < 0 ? r : get_settings(params, ret, ret_own, err);
}

/* The descriptors that came along, in their order. */
static int take_fds(struct machine *m, bool own, struct vmm_device *device,
		    struct vfio_pci_arrival *arrival, struct err *err)
{
	if (own && device->rom == VMM_ROM_FILE) {
		device->rom_fd = ctl_take_fd(m->ctl);
		if (device->rom_fd < 0)
			return err_plain(err, -EPROTO, "the ROM of %s did not come with it",
					 device->name);
	}
	arrival->group_fd = ctl_take_fd(m->ctl);
	arrival->container_fd = ctl_take_fd(m->ctl);
	return 0;
}

/* What the guest gave back is pinned with the rest: it may as well have it, unless nothing comes of this. */
static int plug(struct machine *m, struct vfio_pci_arrival *arrival, struct err *err)
{
	struct balloon_state was = { 0 };
	int r;

	if (m->balloon) {
		virtio_balloon_get_state(m->balloon, &was);
		virtio_balloon_ask(m->balloon, 0);
	}
	m->arriving = arrival->device; /* for who is told of it */
	r = vfio_pci_plug(&m->vm, &m->host_devices, arrival, err);
	m->arriving = NULL;
	if (r < 0 && m->balloon)
		virtio_balloon_ask(m->balloon, was.asked);
	return r;
}

int control_attach(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	struct vmm_device device = { .rom_fd = -1 };
	struct vfio_pci_arrival arrival = { .device = &device };
	bool own = false;
	int r = get_attach(m, params, &device, &arrival, &own, err);

	if (r == 0)
		r = refuse_merged(m, err);
	if (r == 0 && own && device_settings_reserve(m) < 0)
		r = err_set(err, -ENOMEM, "cannot attach %s", device.name);
	if (r == 0)
		r = take_fds(m, own, &device, &arrival, err);
	if (r < 0)
		return r;
	if (!own)
		device_settings_recall(m, &device);
	r = plug(m, &arrival, err);
	if (own && r == 0)
		device_settings_keep(m, &device);
	else if (own)
		close_fdp(&device.rom_fd);
	if (r == 0)
		*ret = json_pack("{s:I}", "node", (json_int_t)arrival.node);
	return r;
}

/* { with: [those that leave, too] }, or nothing where it is alone. */
static json_t *tell_beside(const struct machine *m, const char *name)
{
	const char *beside[PCI_SLOT_FUNCTIONS];
	unsigned n = vfio_pci_beside(m->host_devices, name, beside);
	json_t *list = n ? json_array() : NULL;

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, json_string(beside[i]));
	return n ? json_pack("{s:o}", "with", list) : NULL;
}

int control_detach(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	const json_t *now = json_object_get(params, "now");
	char name[20];
	int r = get_text(params, "device", false, name, sizeof(name), err);

	if (r == 0 && now && !json_is_boolean(now))
		r = err_usage(err, "\"now\" is true or false");
	if (r < 0)
		return r;
	if (m->paused && !json_is_true(now)) {
		err_plain(err, -EBUSY, "a guest that is paused cannot let go of %s", name);
		return err_hint(err, "resume it first, or take the device away now");
	}
	*ret = tell_beside(m, name);
	r = vfio_pci_unplug(m->host_devices, name, json_is_true(now), err);
	if (r < 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return r;
}
