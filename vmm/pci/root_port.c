// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * PCI Express root ports: type 1 functions with a slot each (slot.c).
 *
 * No errors and no power management events come through one, and ACPI does not
 * offer the guest control of either.
 *
 * References are to the PCI Express Base Specification 5.0.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/vm.h"

#define PORT_VENDOR 0x1b36
#define PORT_DEVICE 0x000c
#define PORT_CLASS  0x060400

/* 7.5.3; offsets inside the capability are PCI_EXP_*. */
#define EXP_LEN 0x3c

struct field {
	uint8_t off, len;
	uint32_t reset, write, clear; /* at reset; guest-writable bits; write-1-to-clear bits */
};

static const struct field exp_cap[] = {
	{ PCI_EXP_FLAGS, 2, 2 | PCI_EXP_TYPE_ROOT_PORT << 4 | PCI_EXP_FLAGS_SLOT, 0, 0 },
	/* 512 bytes of payload, extended tags, role-based error reporting */
	{ PCI_EXP_DEVCAP, 4, 2 | PCI_EXP_DEVCAP_EXT_TAG | PCI_EXP_DEVCAP_RBER, 0, 0 },
	{ PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_READRQ_512B | PCI_EXP_DEVCTL_RELAX_EN,
	  PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
		  PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_EXT_TAG |
		  PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ, 0 },
	{ PCI_EXP_DEVSTA, 2, 0, 0,
	  PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD },
	/* No ASPM (bit 22 says that 00b means so); the port number goes into 31:24. */
	{ PCI_EXP_LNKCAP, 4, PORT_LINK_SPEED | PORT_LINK_WIDTH << 4 | PCI_EXP_LNKCAP_DLLLARC | 1u << 22,
	  0, 0 },
	/*
	 * Retrain reads as zero; link disable does not exist, because nothing below
	 * could tell the difference from a slot that lost its device.
	 */
	{ PCI_EXP_LNKCTL, 2, 0, PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES, 0 },
	{ PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_SLC, 0, 0 },
	{ PCI_EXP_SLTCAP, 4,
	  PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PIP | PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC |
		  PCI_EXP_SLTCAP_NCCS, 0, 0 },
	{ PCI_EXP_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_OFF,
	  PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PFDE | PCI_EXP_SLTCTL_MRLSCE |
		  PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PIC |
		  PCI_EXP_SLTCTL_DLLSCE, 0 },
	{ PCI_EXP_SLTSTA, 2, 0, 0,
	  PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PFD | PCI_EXP_SLTSTA_MRLSC | PCI_EXP_SLTSTA_PDC |
		  PCI_EXP_SLTSTA_CC | PCI_EXP_SLTSTA_DLLSC },
	{ PCI_EXP_RTCTL, 2, 0,
	  PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE | PCI_EXP_RTCTL_SEFEE | PCI_EXP_RTCTL_PMEIE,
	  0 },
	{ PCI_EXP_RTSTA, 4, 0, 0, PCI_EXP_RTSTA_PME },
	{ PCI_EXP_DEVCAP2, 4, PCI_EXP_DEVCAP2_ARI, 0, 0 },
	{ PCI_EXP_DEVCTL2, 2, 0, PCI_EXP_DEVCTL2_ARI, 0 },
	{ PCI_EXP_LNKCAP2, 4,
	  PCI_EXP_LNKCAP2_SLS_2_5GB | PCI_EXP_LNKCAP2_SLS_5_0GB | PCI_EXP_LNKCAP2_SLS_8_0GB |
		  PCI_EXP_LNKCAP2_SLS_16_0GB | PCI_EXP_LNKCAP2_SLS_32_0GB, 0, 0 },
	{ PCI_EXP_LNKCTL2, 2, PORT_LINK_SPEED, PCI_EXP_LNKCTL2_TLS, 0 },
};

/* One vector, 64-bit address, no mask: sent from here, where events are rare. */
static const struct field msi_cap[] = {
	{ PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 0 },
	{ PCI_MSI_ADDRESS_LO, 4, 0, 0xfffffffc, 0 },
	{ PCI_MSI_ADDRESS_HI, 4, 0, 0xffffffff, 0 },
	{ PCI_MSI_DATA_64, 2, 0, 0xffff, 0 },
};

/* D0 and D3hot, nothing lost in between; power management 1.2 or later. */
static const struct field pm_cap[] = {
	{ PCI_PM_PMC, 2, 3, 0, 0 },
	{ PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK, 0 },
};

/* Type 1 header; memory windows of 32 and 64 bits, I/O only by port_need_io(). */
static const struct field header[] = {
	{ PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY, 0 },
	{ PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE, 0, 0 },
	{ PCI_PRIMARY_BUS, 1, 0, 0xff, 0 },
	{ PCI_SECONDARY_BUS, 1, 0, 0xff, 0 },
	{ PCI_SUBORDINATE_BUS, 1, 0, 0xff, 0 },
	{ PCI_SEC_STATUS, 2, 0, 0, 0xf900 },
	{ PCI_MEMORY_BASE, 2, 0, 0xfff0, 0 },
	{ PCI_MEMORY_LIMIT, 2, 0, 0xfff0, 0 },
	{ PCI_PREF_MEMORY_BASE, 2, PCI_PREF_RANGE_TYPE_64, 0xfff0, 0 },
	{ PCI_PREF_MEMORY_LIMIT, 2, PCI_PREF_RANGE_TYPE_64, 0xfff0, 0 },
	{ PCI_PREF_BASE_UPPER32, 4, 0, 0xffffffff, 0 },
	{ PCI_PREF_LIMIT_UPPER32, 4, 0, 0xffffffff, 0 },
	{ PCI_BRIDGE_CONTROL, 2, 0,
	  PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_ISA |
		  PCI_BRIDGE_CTL_BUS_RESET, 0 },
};

static void set_fields(struct pci_dev *dev, unsigned pos, const struct field *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++, f++) {
		put_le(&dev->config[pos + f->off], f->reset, f->len);
		put_le(&dev->wmask[pos + f->off], f->write, f->len);
		put_le(&dev->w1cmask[pos + f->off], f->clear, f->len);
	}
}

static struct pci_port *to_port(struct pci_dev *dev)
{
	return container_of(dev, struct pci_port, dev);
}

static bool in_reset(const struct pci_dev *dev)
{
	return dev->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET;
}

/* 7.5.2.2: a write of a power state that does not exist is dropped. */
static void keep_power_state_legal(struct pci_dev *dev, uint8_t before)
{
	uint8_t state = dev->config[PORT_PM_POS + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		dev->config[PORT_PM_POS + PCI_PM_CTRL] = before;
}

static void set_bus(const struct pci_port *port, uint8_t bus)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i])
			port->fn[i]->bus = bus;
}

void port_power_on(const struct pci_port *port)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i])
			dev_power_on(port->fn[i]);
}

static void port_write(struct pci_dev *dev, unsigned off, const uint8_t *data, unsigned len)
{
	struct pci_port *port = to_port(dev);
	uint8_t power = dev->config[PORT_PM_POS + PCI_PM_CTRL];
	struct slot_state before = slot_state(port);
	bool reset = in_reset(dev);

	pci_cfg_store_write(dev, off, data, len);
	keep_power_state_legal(dev, power);
	slot_written(port, &before);
	set_bus(port, dev->config[PCI_SECONDARY_BUS]);
	if (!reset && in_reset(dev))
		port_power_on(port);
}

static void port_reset(struct pci_dev *dev)
{
	to_port(dev)->leaving = false;
}

static const struct pci_dev_ops port_ops = { .cfg_write = port_write, .reset = port_reset };

struct pci_port *port_of(struct pci_dev *dev)
{
	return dev->ops == &port_ops ? to_port(dev) : NULL;
}

static int add_cap(struct pci_dev *dev, uint8_t id, unsigned len, const struct field *f, unsigned n)
{
	int pos = pci_cap_add(dev, id, len, NULL, NULL);

	if (pos < 0)
		return pos;
	set_fields(dev, (unsigned)pos, f, n);
	return pos;
}

static int set_up(struct pci_port *port)
{
	struct pci_dev *dev = &port->dev;
	uint8_t *exp = &dev->config[PORT_EXP_POS];

	set_fields(dev, 0, header, ARRAY_SIZE(header));
	pci_set_ids(dev, PORT_VENDOR, PORT_DEVICE, PORT_CLASS << 8, 0, 0);
	if (add_cap(dev, PCI_CAP_ID_EXP, EXP_LEN, exp_cap, ARRAY_SIZE(exp_cap)) != PORT_EXP_POS ||
	    add_cap(dev, PCI_CAP_ID_MSI, 14, msi_cap, ARRAY_SIZE(msi_cap)) != PORT_MSI_POS ||
	    add_cap(dev, PCI_CAP_ID_PM, 8, pm_cap, ARRAY_SIZE(pm_cap)) != PORT_PM_POS)
		return -ENOSPC;
	put_le32(exp + PCI_EXP_LNKCAP, get_le32(exp + PCI_EXP_LNKCAP) | port->slot << 24);
	put_le32(exp + PCI_EXP_SLTCAP, get_le32(exp + PCI_EXP_SLTCAP) | port->slot << 19);
	return 0;
}

int port_new(struct pci *pci, unsigned node, struct pci_port **ret, struct err *err)
{
	struct bridge *bridge = &pci->bridges[node];
	_cleanup_free_ struct pci_port *port = NULL;
	int r;

	if (bridge->ports == (unsigned)(bridge->bus_last - bridge->bus_first))
		return err_plain(err, -ENOSPC, "no PCI bus number left on node %u", node);
	port = calloc(1, sizeof(*port));
	if (!port)
		return err_set(err, -ENOMEM, "cannot add a root port");
	port->slot = pci->slots + 1;
	port->dev.ops = &port_ops;
	snprintf(port->dev.name, sizeof(port->dev.name), "root port of slot %u", port->slot);
	r = set_up(port);
	if (r < 0)
		return err_set(err, r, "%s", port->dev.name);
	r = bridge_place(bridge, &port->dev, err);
	if (r < 0)
		return r;
	r = dev_init(pci, &port->dev, node, err);
	if (r < 0)
		return r;
	pci->slots++;
	bridge->ports++;
	*ret = TAKE_PTR(port);
	return 0;
}

void port_need_io(struct pci_port *port)
{
	port->dev.wmask[PCI_IO_BASE] = 0xf0;
	port->dev.wmask[PCI_IO_LIMIT] = 0xf0;
	port->dev.wmask[PCI_COMMAND] |= PCI_COMMAND_IO;
}

/* Base above limit is a window that does not exist (7.5.1.3.6 and after). */
static void program_mem(struct pci_dev *dev, unsigned base_reg, const struct range *win)
{
	uint64_t base = win->size ? win->start : 0xfff00000;
	uint64_t limit = win->size ? range_last(*win) : 0;
	unsigned type = dev->config[base_reg] & 0xf;

	put_le16(&dev->config[base_reg], (uint16_t)((base >> 16 & 0xfff0) | type));
	put_le16(&dev->config[base_reg + 2], (uint16_t)((limit >> 16 & 0xfff0) | type));
	if (base_reg == PCI_PREF_MEMORY_BASE) {
		put_le32(&dev->config[PCI_PREF_BASE_UPPER32], (uint32_t)(base >> 32));
		put_le32(&dev->config[PCI_PREF_LIMIT_UPPER32], (uint32_t)(limit >> 32));
	}
}

void port_program(struct pci_port *port, uint8_t primary, uint8_t secondary)
{
	struct pci_dev *dev = &port->dev;
	const struct range *io = &port->win[WIN_IO];

	dev->config[PCI_PRIMARY_BUS] = primary;
	dev->config[PCI_SECONDARY_BUS] = secondary;
	dev->config[PCI_SUBORDINATE_BUS] = secondary;
	set_bus(port, secondary);
	if (io->size) {
		dev->config[PCI_IO_BASE] = (uint8_t)(io->start >> 8 & 0xf0);
		dev->config[PCI_IO_LIMIT] = (uint8_t)(range_last(*io) >> 8 & 0xf0);
	}
	program_mem(dev, PCI_MEMORY_BASE, &port->win[WIN_MEM32]);
	program_mem(dev, PCI_PREF_MEMORY_BASE, &port->win[WIN_MEM64]);
}
