// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_device.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "vmm/ctl.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"

const char *const control_attach_params[] = { "device", "group", "node", "token", "intx", "nic", NULL };
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

/* One that was here before comes back as it was: ROM and all. */
static void settings_from_start(const struct machine *m, struct vmm_device *device)
{
	for (unsigned i = 0; i < m->config->device_count; i++) {
		const struct vmm_device *was = &m->config->devices[i];

		if (strcmp(was->name, device->name) != 0)
			continue;
		device->rom = was->rom;
		device->rom_fd = was->rom_fd;
		device->clique = was->clique;
		device->move_msix = was->move_msix;
	}
}

/* Whether the guest may have its INTx; it may when nothing is said. */
static int get_intx(const json_t *params, uint32_t *ret, struct err *err)
{
	const json_t *value = json_object_get(params, "intx");

	if (value && !json_is_boolean(value))
		return err_usage(err, "\"intx\" is true or false");
	*ret = value && !json_is_true(value) ? VMM_INTX_WITHHELD : VMM_INTX_OWN;
	return 0;
}

int control_attach(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	struct vmm_device device = { .rom_fd = -1 };
	uint32_t group = 0, nic = 0;
	struct vfio_pci_arrival arrival = { .device = &device };
	int r = get_text(params, "device", false, device.name, sizeof(device.name), err);

	(void)ret;
	if (r == 0)
		r = get_number(params, "group", false, INT32_MAX, &group, err);
	if (r == 0)
		r = get_number(params, "node", true, m->config->numa.nodes - 1, &device.node, err);
	if (r == 0)
		r = get_text(params, "token", true, device.token, sizeof(device.token), err);
	if (r == 0)
		r = get_intx(params, &device.intx, err);
	if (r == 0)
		r = get_nic(m, params, &nic, err);
	if (r == 0)
		r = refuse_merged(m, err);
	if (r < 0)
		return r;
	/* What the guest gave back is pinned with the rest: it may as well have it. */
	if (m->balloon && virtio_balloon_asked(m->balloon))
		virtio_balloon_ask(m->balloon, 0);
	settings_from_start(m, &device);
	device.nic = nic;
	arrival.group = group;
	arrival.group_fd = ctl_take_fd(m->ctl);
	arrival.container_fd = ctl_take_fd(m->ctl);
	m->arriving = &device; /* for who is told of it */
	r = vfio_pci_plug(&m->vm, &m->host_devices, &arrival, err);
	m->arriving = NULL;
	return r;
}

int control_detach(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	const json_t *now = json_object_get(params, "now");
	char name[20];
	int r = get_text(params, "device", false, name, sizeof(name), err);

	(void)ret;
	if (r == 0 && now && !json_is_boolean(now))
		r = err_usage(err, "\"now\" is true or false");
	if (r < 0)
		return r;
	if (m->paused && !json_is_true(now)) {
		err_plain(err, -EBUSY, "a guest that is paused cannot let go of %s", name);
		return err_hint(err, "resume it first, or take the device away now");
	}
	return vfio_pci_unplug(m->host_devices, name, json_is_true(now), err);
}
