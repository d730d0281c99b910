// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host bridges, and how a configuration access finds its function.
 *
 * All bridges share segment 0: bridge i has the i-th part of the 256 buses, and
 * so of one ECAM region. Ports 0xcf8..0xcff reach the same registers (PCI 3.0,
 * 3.2.2.3.2): only a dword at 0xcf8 is the latch; the byte at 0xcf9 inside it is
 * the reset control register PCs have there. What is malformed reads all-ones
 * and writes nothing.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/vm.h"

#define CF8_ENABLE   0x80000000u
#define CF8_WRITABLE 0x80fffffcu /* enable, bus, device, function, register */
#define CF9_RESET    0x04	 /* reset CPU: what starts a reset, hard or soft */

/* A generic host bridge and root port; no driver has a quirk for either. */
#define HOST_VENDOR 0x1b36
#define HOST_DEVICE 0x0008
#define HOST_CLASS  0x060000

static struct pci_dev *find_behind_port(const struct bridge *bridge, uint8_t bus, uint8_t devfn)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bridge->fn); i++) {
		struct pci_port *port = bridge->fn[i] ? port_of(bridge->fn[i]) : NULL;

		if (port && port->dev.config[PCI_SECONDARY_BUS] == bus)
			return port->fn[devfn];
	}
	return NULL;
}

static struct pci_dev *find_dev(struct pci *pci, uint8_t bus, uint8_t devfn)
{
	unsigned i = pci->nbridges - 1;

	/* Bridges have their buses in order, from 0 on. */
	while (bus < pci->bridges[i].bus_first)
		i--;
	if (bus == pci->bridges[i].bus_first)
		return pci->bridges[i].fn[devfn];
	/* One link, one device: a port has nothing but the functions of device 0 below. */
	return devfn < PCI_SLOT_FUNCTIONS ? find_behind_port(&pci->bridges[i], bus, devfn) : NULL;
}

static bool well_formed(unsigned off, unsigned len)
{
	return (len == 1 || len == 2 || len == 4) && (off & 3) + len <= 4;
}

/*
 * Who has the register. A conventional function, as the host bridge is one, has 256
 * bytes (PCI 3.0, 6.1); the rest of its ECAM page is nobody's, and by reading so it
 * tells the guest not to look for extended capabilities there.
 */
static struct pci_dev *find_register(struct pci *pci, uint8_t bus, uint8_t devfn, unsigned off,
				     unsigned len)
{
	struct pci_dev *dev = well_formed(off, len) ? find_dev(pci, bus, devfn) : NULL;

	return dev && off >= PCI_CFG_SPACE_SIZE && !dev->extended ? NULL : dev;
}

static void cfg_read(struct pci *pci, uint8_t bus, uint8_t devfn, unsigned off, uint8_t *data,
		     unsigned len)
{
	struct pci_dev *dev = find_register(pci, bus, devfn, off, len);

	memset(data, 0xff, len);
	if (!dev)
		return;
	if (dev->ops && dev->ops->cfg_read)
		dev->ops->cfg_read(dev, off, data, len);
	else
		pci_cfg_store_read(dev, off, data, len);
}

static void cfg_write(struct pci *pci, uint8_t bus, uint8_t devfn, unsigned off,
		      const uint8_t *data, unsigned len)
{
	struct pci_dev *dev = find_register(pci, bus, devfn, off, len);

	if (!dev)
		return;
	if (dev->ops && dev->ops->cfg_write)
		dev->ops->cfg_write(dev, off, data, len);
	else
		pci_cfg_store_write(dev, off, data, len);
}

static void ecam_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	cfg_read(opaque, (uint8_t)(off >> 20), (uint8_t)(off >> 12), off & 0xfff, data, len);
}

static void ecam_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	cfg_write(opaque, (uint8_t)(off >> 20), (uint8_t)(off >> 12), off & 0xfff, data, len);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

/*
 * Linux reaches the first 256 bytes through these ports. Choosing the register
 * needs no exit, because the access to the data follows; but 0xcf9 is among the
 * ports, and a guest may reset by it and then wait for ever. So the latch is
 * coalesced only while there are accesses to the data.
 */
static void cf8_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct pci *pci = opaque;

	memset(data, 0xff, len);
	if (off >= 4)
		coalesced_busy(&pci->cf8_burst);
	if (off >= 4 && (pci->cf8 & CF8_ENABLE))
		cfg_read(pci, (uint8_t)(pci->cf8 >> 16), (uint8_t)(pci->cf8 >> 8),
			 (pci->cf8 & 0xfc) + (unsigned)off - 4, data, len);
	else if (off == 0 && len == 4)
		put_le32(data, pci->cf8);
	else if (off == 1 && len == 1)
		*data = pci->cf9;
}

static void cf8_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct pci *pci = opaque;

	if (off >= 4)
		coalesced_busy(&pci->cf8_burst);
	if (off >= 4 && (pci->cf8 & CF8_ENABLE)) {
		cfg_write(pci, (uint8_t)(pci->cf8 >> 16), (uint8_t)(pci->cf8 >> 8),
			  (pci->cf8 & 0xfc) + (unsigned)off - 4, data, len);
	} else if (off == 0 && len == 4) {
		pci->cf8 = get_le32(data) & CF8_WRITABLE;
	} else if (off == 1 && len == 1) {
		pci->cf9 = *data & (uint8_t)~CF9_RESET;
		if (*data & CF9_RESET)
			vm_request(pci->vm, VM_REBOOT);
	}
}

static const struct bus_ops cf8_ops = { .read = cf8_read, .write = cf8_write };

static int claim(struct pci *pci, struct err *err)
{
	int r;

	r = bus_add(pci->vm->mmio, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, "PCI ECAM", &ecam_ops, pci, err);
	if (r < 0)
		return r;
	pci->ecam_claimed = true;
	r = bus_add(pci->vm->pio, LAYOUT_PCI_CF8, 8, "PCI configuration ports", &cf8_ops, pci, err);
	if (r < 0)
		return r;
	pci->cf8_claimed = true;
	return 0;
}

static int bridge_init(struct pci *pci, unsigned node, struct err *err)
{
	struct bridge *bridge = &pci->bridges[node];
	unsigned part = 256 / pci->nbridges;

	bridge->bus_first = (uint8_t)(node * part);
	bridge->bus_last = node + 1 == pci->nbridges ? 255 : (uint8_t)((node + 1) * part - 1);
	bridge->dev.bus = bridge->bus_first;
	bridge->fn[0] = &bridge->dev;
	snprintf(bridge->dev.name, sizeof(bridge->dev.name), "host bridge %u", node);
	pci_set_ids(&bridge->dev, HOST_VENDOR, HOST_DEVICE, HOST_CLASS << 8,
		    HOST_VENDOR, HOST_DEVICE);
	return dev_init(pci, &bridge->dev, node, err);
}

static void pci_freep(struct pci **pci)
{
	pci_free(*pci);
}

int pci_new(struct vm *vm, const struct pci_config *config, struct pci **ret, struct err *err)
{
	_cleanup_(pci_freep) struct pci *pci = NULL;
	int r;

	if (!config->nodes || config->nodes > VMM_MAX_NODES)
		return err_plain(err, -EINVAL, "a guest has 1 to %u NUMA nodes, not %u",
				 VMM_MAX_NODES, config->nodes);
	pci = calloc(1, sizeof(*pci));
	if (!pci)
		return err_set(err, -ENOMEM, "cannot set up PCI");
	pci->vm = vm;
	pci->config = *config;
	pci->cf8_burst = (struct coalesced_burst)COALESCED_BURST_INIT(vm, LAYOUT_PCI_CF8, 4);
	pci->bridges = calloc(config->nodes, sizeof(*pci->bridges));
	if (!pci->bridges)
		return err_set(err, -ENOMEM, "cannot set up PCI");
	pci->nbridges = config->nodes;
	for (unsigned i = 0; i < pci->nbridges; i++) {
		r = bridge_init(pci, i, err);
		if (r < 0)
			return r;
	}
	r = claim(pci, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(pci);
	return 0;
}

struct pci *pci_free(struct pci *pci)
{
	if (!pci)
		return NULL;
	coalesced_burst_end(&pci->cf8_burst);
	if (pci->cf8_claimed)
		bus_remove(pci->vm->pio, LAYOUT_PCI_CF8);
	if (pci->ecam_claimed)
		bus_remove(pci->vm->mmio, LAYOUT_ECAM);
	while (pci->devs) {
		struct pci_dev *dev = pci->devs;
		struct pci_port *port = port_of(dev);

		put_le16(&dev->config[PCI_COMMAND], 0);
		pci_bars_update(dev);
		dev_fini(dev);
		free(port);
	}
	free(pci->bridges);
	free(pci);
	return NULL;
}

/* The bit is in function 0 alone, or software looks no further (PCI 3.0, 6.2.1). */
static void set_multifunction(struct pci_dev *fn0)
{
	fn0->config[PCI_HEADER_TYPE] |= 0x80;
	fn0->power_on[PCI_HEADER_TYPE] |= 0x80;
}

struct pci_dev *bridge_function(const struct bridge *bridge, unsigned i)
{
	return bridge->fn[(1 + i % 31) << 3 | i / 31];
}

int bridge_place(struct bridge *bridge, struct pci_dev *dev, struct err *err)
{
	unsigned slot = 1 + bridge->placed % 31, fn = bridge->placed / 31;

	if (fn > 7)
		return err_plain(err, -ENOSPC, "%s: no free PCI slot on node %u", dev->name,
				 bridge->dev.node);
	dev->devfn = (uint8_t)(slot << 3 | fn);
	dev->bus = bridge->bus_first;
	dev->intx_gsi = pci_intx_gsi(slot, 0);
	bridge->fn[dev->devfn] = dev;
	bridge->placed++;
	if (fn && bridge->fn[slot << 3])
		set_multifunction(bridge->fn[slot << 3]);
	return 0;
}

/* Where another function of dev's slot of the host is. */
static struct pci_port *port_of_mates(const struct bridge *bridge, const struct pci_dev *dev)
{
	for (unsigned i = 0; dev->host_slot && i < bridge->placed; i++) {
		struct pci_dev *fn = bridge_function(bridge, i);
		struct pci_port *port = fn ? port_of(fn) : NULL;

		if (port && port->host_slot == dev->host_slot && !port_has(port, dev->host_fn))
			return port;
	}
	return NULL;
}

static int add_behind_port(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err)
{
	struct pci_port *port = port_of_mates(&pci->bridges[node], dev);
	int r = port ? 0 : port_new(pci, node, &port, err);

	if (r < 0)
		return err_prefix(err, "%s", dev->name), r;
	port_attach(port, dev, false);
	return 0;
}

int pci_add(struct pci *pci, struct pci_dev *dev, unsigned node, bool express, struct err *err)
{
	int r;

	if (node >= pci->nbridges)
		return err_plain(err, -EINVAL, "%s: the guest has no NUMA node %u", dev->name,
				 node);
	r = dev_init(pci, dev, node, err);
	if (r < 0)
		return r;
	if (express)
		r = add_behind_port(pci, dev, node, err);
	else
		r = bridge_place(&pci->bridges[node], dev, err);
	if (r < 0)
		dev_fini(dev);
	return r;
}

void pci_remove(struct pci_dev *dev)
{
	if (!dev->pci)
		return;
	put_le16(&dev->config[PCI_COMMAND], 0);
	pci_bars_update(dev);
	if (dev->port)
		port_detach(dev->port, dev);
	else
		dev->pci->bridges[dev->node].fn[dev->devfn] = NULL;
	dev_fini(dev);
}

void pci_reset(struct pci *pci)
{
	for (struct pci_dev *dev = pci->devs; dev; dev = dev->next)
		dev_power_on(dev);
	pci_program(pci);
	pci->cf8 = 0;
	pci->cf9 = 0;
}

unsigned pci_bridge_count(const struct pci *pci)
{
	return pci->nbridges;
}

void pci_bridge_info(const struct pci *pci, unsigned i, struct pci_bridge_info *ret)
{
	const struct bridge *b = &pci->bridges[i];

	*ret = (struct pci_bridge_info){
		.node = b->dev.node,
		.bus_first = b->bus_first,
		.bus_last = b->bus_last,
		.mmio32_start = (uint32_t)b->win[WIN_MEM32].start,
		.mmio32_size = (uint32_t)b->win[WIN_MEM32].size,
		.mmio64_start = b->win[WIN_MEM64].start,
		.mmio64_size = b->win[WIN_MEM64].size,
		.pio_start = (uint16_t)b->win[WIN_IO].start,
		.pio_size = (uint32_t)b->win[WIN_IO].size,
	};
}

/* What is behind a root port is device 0 there: its pins reach the port's own. */
uint32_t pci_intx_gsi(unsigned dev, unsigned pin)
{
	return LAYOUT_INTX_GSI + (dev + pin) % LAYOUT_INTX_COUNT;
}
