// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device comes while the guest runs: behind an empty port of a host bridge, whose
 * windows have been there from the start. The guest's kernel places the BARs anew
 * within them; what is chosen here is what it finds, and where they are after a reset.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <stddef.h>

#include "base/size.h"

/* What kept the device out of the ports that were looked at. */
struct refusal {
	unsigned empty; /* ports */
	unsigned bar;	/* that did not fit into the last of them */
};

static struct pci_port *find_port(const struct bridge *bridge, struct pci_dev *dev,
				  struct refusal *why)
{
	for (unsigned i = 0; i < bridge->placed; i++) {
		struct pci_dev *fn = bridge_function(bridge, i);
		struct pci_port *port = fn ? port_of(fn) : NULL;

		if (!port || port->child || port->owner != dev->owner)
			continue;
		why->empty++;
		if (port_place(port, dev, &why->bar) == 0)
			return port;
	}
	return NULL;
}

static int refuse(const struct pci_dev *dev, const struct refusal *why, struct err *err)
{
	const struct pci_bar *bar = &dev->bar[why->bar];

	if (!why->empty && dev->owner)
		return err_plain(err, -ENOSPC, "%s: the slot that is kept for it is not empty",
				 dev->name);
	if (!why->empty) {
		err_plain(err, -ENOSPC, "%s: the guest has no empty slot", dev->name);
		return err_hint(err, "start it with some: --hotplug-slots N");
	}
	err_plain(err, -ENOSPC, "%s: %s (%s) does not fit into the %s of the %u empty slot%s",
		  dev->name, pci_bar_name(why->bar), SIZE_STR(bar->size), pci_window_name(bar), why->empty,
		  why->empty == 1 ? "" : "s");
	return err_hint(err, "start the guest with a slot that large: --hotplug-slots N,pref=SIZE");
}

int pci_plug(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err)
{
	struct refusal why = { 0 };
	struct pci_port *port;
	int r;

	if (node >= pci->nbridges)
		return err_plain(err, -EINVAL, "%s: the guest has no NUMA node %u", dev->name,
				 node);
	port = find_port(&pci->bridges[node], dev, &why);
	for (unsigned i = 0; !port && i < pci->nbridges; i++)
		if (i != node)
			port = find_port(&pci->bridges[i], dev, &why);
	if (!port)
		return refuse(dev, &why, err);
	r = dev_init(pci, dev, port->dev.node, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < PCI_SPACES; i++)
		if (dev->bar[i].type != PCI_BAR_NONE)
			bar_write_reg(dev, i, dev->bar[i].assigned);
	port_attach(port, dev, true);
	return 0;
}
