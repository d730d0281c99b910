// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/device_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "vmm/handover.h"
#include "vmm/machine.h"

static void copy(struct vmm_device *to, const struct vmm_device *from)
{
	to->rom = from->rom;
	to->rom_fd = from->rom_fd;
	to->clique = from->clique;
	to->move_msix = from->move_msix;
}

static struct vmm_device *find_came(const struct machine *m, const char *name)
{
	for (unsigned i = 0; i < m->came_count; i++)
		if (strcmp(m->came[i].name, name) == 0)
			return &m->came[i];
	return NULL;
}

void device_settings_recall(const struct machine *m, struct vmm_device *device)
{
	const struct vmm_device *was = find_came(m, device->name);

	for (unsigned i = 0; !was && i < m->config->device_count; i++)
		if (strcmp(m->config->devices[i].name, device->name) == 0)
			was = &m->config->devices[i];
	if (was)
		copy(device, was);
}

const char *device_settings_known(const struct machine *m, unsigned n)
{
	if (n < m->came_count)
		return m->came[n].name;
	n -= m->came_count;
	return n < m->config->device_count ? m->config->devices[n].name : NULL;
}

int device_settings_reserve(struct machine *m)
{
	struct vmm_device *more = realloc(m->came, (m->came_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->came = more;
	return 0;
}

void device_settings_keep(struct machine *m, const struct vmm_device *device)
{
	struct vmm_device *known = find_came(m, device->name);

	if (known) {
		/* It was out of the guest, and so nobody reads that file any more. */
		if (known->rom_fd != device->rom_fd)
			close_fdp(&known->rom_fd);
		copy(known, device);
		return;
	}
	m->came[m->came_count++] = *device;
}

void device_settings_fini(struct machine *m)
{
	for (unsigned i = 0; i < m->came_count; i++)
		close_fdp(&m->came[i].rom_fd);
	free(m->came);
	m->came = NULL;
	m->came_count = 0;
}
