// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slot of a root port: native hotplug with attention button, power indicator,
 * surprise, link-active reporting, no power controller and no command-completed
 * interrupt, so that a driver never waits. Presence and link state follow from
 * whether a device is behind the port, and a change of them interrupts by MSI.
 *
 * A device leaves in one of two ways. In order: the button is pressed, the guest waits
 * five seconds, in which somebody may press it again and the device works on, lets go
 * of the device and turns the power indicator off; its owner, told by eject(), takes
 * it out. By surprise: it is taken out, and the guest finds that out.
 *
 * References are to the PCI Express Base Specification 5.0.
 */
#include "vmm/pci/internal.h"

#include <errno.h>

#include "base/le.h"
#include "irq/irqfd.h"
#include "vmm/vm.h"

/* Slot control's enable bits as the status bits they belong to. */
static uint16_t enabled_events(uint16_t control)
{
	return (control & (PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PFDE | PCI_EXP_SLTCTL_MRLSCE |
			   PCI_EXP_SLTCTL_PDCE)) |
	       (control & PCI_EXP_SLTCTL_DLLSCE ? PCI_EXP_SLTSTA_DLLSC : 0);
}

/* 6.7.3.4: a message is sent whenever this becomes true. */
static bool wants_interrupt(const struct pci_dev *dev)
{
	const uint8_t *exp = &dev->config[PORT_EXP_POS];
	uint16_t control = get_le16(exp + PCI_EXP_SLTCTL);

	return get_le16(&dev->config[PCI_COMMAND]) & PCI_COMMAND_MASTER &&
	       get_le16(&dev->config[PORT_MSI_POS + PCI_MSI_FLAGS]) & PCI_MSI_FLAGS_ENABLE &&
	       control & PCI_EXP_SLTCTL_HPIE &&
	       get_le16(exp + PCI_EXP_SLTSTA) & enabled_events(control);
}

static void interrupt(const struct pci_dev *dev)
{
	const uint8_t *msi = &dev->config[PORT_MSI_POS];

	/* A write that no CPU takes for an interrupt is lost here as on any bus. */
	(void)irqfd_signal_msi(dev->vm->fd, get_le64(msi + PCI_MSI_ADDRESS_LO),
			       get_le16(msi + PCI_MSI_DATA_64));
}

static void raise_events(struct pci_dev *dev, uint16_t events)
{
	uint8_t *status = &dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA];
	bool before = wants_interrupt(dev);

	put_le16(status, get_le16(status) | events);
	if (!before && wants_interrupt(dev))
		interrupt(dev);
}

/* --- what the guest writes --- */

static uint16_t slot_control(const struct pci_dev *dev)
{
	return get_le16(&dev->config[PORT_EXP_POS + PCI_EXP_SLTCTL]);
}

struct slot_state slot_state(const struct pci_port *port)
{
	return (struct slot_state){
		.wants_interrupt = wants_interrupt(&port->dev),
		.power_off = (slot_control(&port->dev) & PCI_EXP_SLTCTL_PIC) ==
			     PCI_EXP_SLTCTL_PWR_IND_OFF,
	};
}

void slot_written(struct pci_port *port, const struct slot_state *before)
{
	struct slot_state now = slot_state(port);

	if (!before->wants_interrupt && now.wants_interrupt)
		interrupt(&port->dev);
	/* 6.7.1.1.2: off says that the device may be removed. */
	if (!port->leaving || before->power_off || !now.power_off)
		return;
	port->leaving = false;
	if (port->child && port->child->ops->eject)
		port->child->ops->eject(port->child);
}

int pci_press_button(struct pci_dev *child)
{
	struct pci_port *port = child->port;

	if (!port || !child->ops->eject)
		return -EOPNOTSUPP;
	/* A second press within the five seconds would take the first one back. */
	if (port->leaving)
		return 0;
	port->leaving = true;
	raise_events(&port->dev, PCI_EXP_SLTSTA_ABP);
	return 0;
}

/* --- what is in the slot --- */

/* Registers that both a running guest and a reset one must find so. */
static void set_both(struct pci_dev *dev, unsigned off, uint16_t value)
{
	put_le16(&dev->config[off], value);
	put_le16(&dev->power_on[off], value);
}

/*
 * Both ends of a link need the same payload size (7.5.3.4). A device of the host keeps
 * the one the host gave it, so the port follows.
 */
static void follow_payload(struct pci_dev *dev, const struct pci_dev *child)
{
	unsigned exp = cap_find(child, PCI_CAP_ID_EXP);
	uint16_t ctl = get_le16(&dev->config[PORT_EXP_POS + PCI_EXP_DEVCTL]), size;

	if (!exp)
		return;
	size = get_le16(&child->config[exp + PCI_EXP_DEVCTL]) & PCI_EXP_DEVCTL_PAYLOAD;
	set_both(dev, PORT_EXP_POS + PCI_EXP_DEVCTL, (ctl & ~PCI_EXP_DEVCTL_PAYLOAD) | size);
}

void port_attach(struct pci_port *port, struct pci_dev *child, bool live)
{
	struct pci_dev *dev = &port->dev;

	port->child = child;
	port->leaving = false;
	child->port = port;
	child->devfn = 0;
	child->intx_gsi = dev->intx_gsi;
	set_both(dev, PORT_EXP_POS + PCI_EXP_LNKSTA,
		 PORT_LINK_SPEED | PORT_LINK_WIDTH << 4 | PCI_EXP_LNKSTA_SLC |
			 PCI_EXP_LNKSTA_DLLLA);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTSTA], PCI_EXP_SLTSTA_PDS);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_ON);
	follow_payload(dev, child);
	if (!live) {
		put_le16(&dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA], PCI_EXP_SLTSTA_PDS);
		put_le16(&dev->config[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_ON);
		return;
	}
	child->bus = dev->config[PCI_SECONDARY_BUS];
	dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA] |= PCI_EXP_SLTSTA_PDS;
	raise_events(dev, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}

void port_detach(struct pci_port *port)
{
	struct pci_dev *dev = &port->dev;

	port->child->port = NULL;
	port->child = NULL;
	port->leaving = false;
	set_both(dev, PORT_EXP_POS + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_SLC);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTSTA], 0);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_OFF);
	/* What is enabled and what happened before stay the guest's to see. */
	dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA] &= (uint8_t)~PCI_EXP_SLTSTA_PDS;
	raise_events(dev, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}
