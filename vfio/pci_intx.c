// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_intx.h"

#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/pci_config.h"

/* The handlers of the line, "a,b", but this one. */
static void leave_out(const char *actions, const char *own, struct pci_intx *ret)
{
	size_t used = 0;

	ret->others[0] = '\0';
	while (*actions) {
		size_t len = strcspn(actions, ",");

		if (len && (len != strlen(own) || strncmp(actions, own, len) != 0) &&
		    used < sizeof(ret->others)) /* of many the first are enough to tell */
			used += (size_t)snprintf(ret->others + used, sizeof(ret->others) - used,
						 "%s%.*s", used ? ", " : "", (int)len, actions);
		actions += len + (actions[len] == ',');
	}
}

static void read_others(int root, struct bdf bdf, struct pci_intx *ret)
{
	char own[sizeof("vfio-intx()") + BDF_STRLEN], actions[4097], type[16]; /* a page is all sysfs gives */

	ret->others[0] = '\0';
	/* What is raised by an edge is no line of PCI, whatever the firmware wrote down. */
	if (hostfs_read(root, type, sizeof(type), "sys/kernel/irq/%u/type", ret->irq) >= 0 &&
	    strcmp(type, "edge") == 0)
		return;
	if (hostfs_read(root, actions, sizeof(actions), "sys/kernel/irq/%u/actions", ret->irq) < 0)
		return;
	snprintf(own, sizeof(own), "vfio-intx(%s)", BDF_STR(bdf));
	leave_out(actions, own, ret);
}

bool pci_intx_is_shared(int root, struct bdf bdf, struct pci_intx *ret)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;
	uint64_t irq;

	/* A VF has 0. */
	if (hostfs_read_u64(root, &irq, "sys/bus/pci/devices/%s/irq", BDF_STR(bdf)) < 0 || !irq ||
	    irq > UINT32_MAX)
		return false;
	*ret = (struct pci_intx){ .irq = (unsigned)irq };
	read_others(root, bdf, ret);
	if (!ret->others[0])
		return false;
	pci_config_open(root, bdf, &c);
	ret->only = pci_config_whole(&c) && !pci_config_find(&c, PCI_CAP_ID_MSI, false) &&
		    !pci_config_find(&c, PCI_CAP_ID_MSIX, false);
	/* One that cannot be read may have a pin. */
	return !c.size || c.head[PCI_INTERRUPT_PIN];
}
