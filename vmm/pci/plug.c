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
	unsigned empty;	  /* ports */
	unsigned bar;	  /* that did not fit into one of them */
	enum win kind;	  /* of window that it needs */
	uint64_t largest; /* of those windows */
};

static void too_small(struct refusal *why, const struct pci_port *port, const struct pci_dev *dev,
		      unsigned bar)
{
	enum win kind = bar_win(&dev->bar[bar]);
	uint64_t size = port->win[kind].size;

	/* Of several slots that one is told of which has room for more of it. */
	if (why->empty++ && kind < why->kind)
		return;
	why->largest = kind == why->kind && why->largest > size ? why->largest : size;
	why->kind = kind;
	why->bar = bar;
}

static struct pci_port *find_port(const struct bridge *bridge, struct pci_dev *dev,
				  struct refusal *why)
{
	for (unsigned i = 0; i < bridge->placed; i++) {
		struct pci_dev *fn = bridge_function(bridge, i);
		struct pci_port *port = fn ? port_of(fn) : NULL;
		unsigned bar;

		if (!port || !port_is_empty(port) || port->owner != dev->owner)
			continue;
		if (port_place(port, dev, &bar) == 0)
			return port;
		too_small(why, port, dev, bar);
	}
	return NULL;
}

/* Which dev left, and where nothing but those that left with it has come since. */
static struct pci_port *find_mates(const struct bridge *bridge, struct pci_dev *dev)
{
	for (unsigned i = 0; dev->host_slot && i < bridge->placed; i++) {
		struct pci_dev *fn = bridge_function(bridge, i);
		struct pci_port *port = fn ? port_of(fn) : NULL;
		unsigned bar;

		/* Those that are about to leave would take it along. */
		if (!port || port->leaving || port->owner != dev->owner)
			continue;
		if (port->host_slot == dev->host_slot && port->left >> dev->host_fn & 1 &&
		    port_place(port, dev, &bar) == 0)
			return port;
	}
	return NULL;
}

static struct pci_port *find_slot(const struct pci *pci, struct pci_dev *dev, unsigned node,
				  struct refusal *why)
{
	struct pci_port *port = find_mates(&pci->bridges[node], dev);

	for (unsigned i = 0; !port && !dev->only_node && i < pci->nbridges; i++)
		port = find_mates(&pci->bridges[i], dev);
	if (!port)
		port = find_port(&pci->bridges[node], dev, why);
	for (unsigned i = 0; !port && !dev->only_node && i < pci->nbridges; i++)
		if (i != node)
			port = find_port(&pci->bridges[i], dev, why);
	return port;
}

static int refuse_full(const struct pci *pci, const struct pci_dev *dev, unsigned node,
		       struct err *err)
{
	if (dev->owner)
		return err_plain(err, -ENOSPC, "%s: the slot that is kept for it is not empty",
				 dev->name);
	if (dev->only_node && pci->nbridges > 1) {
		err_plain(err, -ENOSPC, "%s: the guest has no empty slot on node %u", dev->name,
			  node);
		return err_hint(err, "without node= it may be on another one; or start the guest "
				     "with some there: --hotplug-slots N,node=%u", node);
	}
	err_plain(err, -ENOSPC, "%s: the guest has no empty slot", dev->name);
	return err_hint(err, "start it with some: --hotplug-slots N");
}

/* What a window has to hold for all BARs of that kind. */
static uint64_t wanted(const struct pci_dev *dev, enum win kind)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < PCI_SPACES; i++)
		if (dev->bar[i].type != PCI_BAR_NONE && bar_win(&dev->bar[i]) == kind)
			size += dev->bar[i].size;
	return align_up(size, MiB);
}

static int refuse(const struct pci *pci, const struct pci_dev *dev, unsigned node,
		  const struct refusal *why, struct err *err)
{
	const struct pci_bar *bar = &dev->bar[why->bar];

	if (!why->empty)
		return refuse_full(pci, dev, node, err);
	err_plain(err, -ENOSPC, "%s: %s (%s) does not fit into the %s of the %u empty slot%s, which "
		  "has %s%s", dev->name, pci_bar_name(why->bar), SIZE_STR(bar->size),
		  pci_window_name(bar), why->empty, why->empty == 1 ? "" : "s",
		  SIZE_STR(why->largest), why->empty == 1 ? "" : " at most");
	if (bar_win(bar) == WIN_MEM64)
		return err_hint(err, "start the guest with a slot that large: --hotplug-slots "
				     "1,pref=%lluM", wanted(dev, WIN_MEM64) / MiB);
	if (wanted(dev, WIN_MEM32) <= SPARE_MEM32)
		return err_hint(err, "start the guest with a slot of its own for it (--hotplug-slots 1 "
				     "has %s there)", SIZE_STR(SPARE_MEM32));
	return err_hint(err, "no slot has more than %s there: start the guest with the device "
			     "(vm run --device)", SIZE_STR(SPARE_MEM32));
}

int pci_plug(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err)
{
	struct refusal why = { 0 };
	struct pci_port *port;
	int r;

	if (node >= pci->nbridges)
		return err_plain(err, -EINVAL, "%s: the guest has no NUMA node %u", dev->name,
				 node);
	port = find_slot(pci, dev, node, &why);
	if (!port)
		return refuse(pci, dev, node, &why, err);
	r = dev_init(pci, dev, port->dev.node, err);
	if (r < 0)
		return r;
	port_attach(port, dev, true);
	return 0;
}
