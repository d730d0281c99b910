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
 * it out. By surprise: it is taken out, and the guest finds that out. Either way all functions
 * of the slot leave together: presence is the slot's.
 *
 * References are to the PCI Express Base Specification 5.0.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <string.h>

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
	/* Function 0 last, by which the others are found. */
	for (unsigned i = PCI_SLOT_FUNCTIONS; i-- > 0;)
		if (port->fn[i] && port->fn[i]->ops->eject)
			port->fn[i]->ops->eject(port->fn[i]);
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

bool port_is_empty(const struct pci_port *port)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i])
			return false;
	return true;
}

bool port_has(const struct pci_port *port, unsigned host_fn)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i] && port->fn[i]->host_fn == host_fn)
			return true;
	return false;
}

static void insert(struct pci_dev **fn, unsigned n, struct pci_dev *dev)
{
	for (; n && fn[n - 1]->host_fn > dev->host_fn; n--)
		fn[n] = fn[n - 1];
	fn[n] = dev;
}

/* What is in the slot, in the order of functions on the host. */
static unsigned functions(const struct pci_port *port, struct pci_dev **ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i])
			insert(ret, n++, port->fn[i]);
	return n;
}

/* A reset puts nothing back behind the last register that can be written. */
static void set_both8(struct pci_dev *dev, unsigned off, uint8_t value)
{
	dev->config[off] = value;
	if (off < dev->power_on_len)
		dev->power_on[off] = value;
}

/* A function on its own uses INTA; several have the four lines of the slot (PCI 3.0, 2.2.6). */
static void set_number(struct pci_port *port, struct pci_dev *dev, unsigned n, bool several)
{
	uint8_t type = dev->config[PCI_HEADER_TYPE] & 0x7f;
	unsigned pin = n % 4;

	port->fn[n] = dev;
	dev->devfn = (uint8_t)n;
	dev->intx_gsi = pci_intx_gsi(port->dev.devfn >> 3, pin);
	set_both8(dev, PCI_HEADER_TYPE, several ? type | 0x80 : type);
	if (dev->config[PCI_INTERRUPT_PIN])
		set_both8(dev, PCI_INTERRUPT_PIN, (uint8_t)(1 + pin));
}

/*
 * Functions have the numbers of the host. Without a function 0 a guest looks no further (PCI 3.0,
 * 3.2.2.3.4), so the first one is that where the host's was not given.
 */
static void number_functions(struct pci_port *port, struct pci_dev *added)
{
	struct pci_dev *fn[PCI_SLOT_FUNCTIONS + 1];
	unsigned n = functions(port, fn);

	insert(fn, n++, added);
	memset(port->fn, 0, sizeof(port->fn));
	for (unsigned i = 0; i < n && i < PCI_SLOT_FUNCTIONS; i++)
		set_number(port, fn[i], i ? fn[i]->host_fn : 0, n > 1);
}

/*
 * Both ends of a link need the same payload size (7.5.3.4). A device of the host keeps
 * the one the host gave it, so the port follows: the smallest of the functions.
 */
static void follow_payload(struct pci_port *port)
{
	struct pci_dev *dev = &port->dev;
	uint16_t ctl = get_le16(&dev->config[PORT_EXP_POS + PCI_EXP_DEVCTL]);
	unsigned least = PCI_EXP_DEVCTL_PAYLOAD + 1u;

	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++) {
		unsigned exp = port->fn[i] ? cap_find(port->fn[i], PCI_CAP_ID_EXP) : 0, size;

		if (!exp)
			continue;
		size = get_le16(&port->fn[i]->config[exp + PCI_EXP_DEVCTL]) & PCI_EXP_DEVCTL_PAYLOAD;
		least = size < least ? size : least;
	}
	if (least <= PCI_EXP_DEVCTL_PAYLOAD)
		set_both(dev, PORT_EXP_POS + PCI_EXP_DEVCTL,
			 (uint16_t)((ctl & ~PCI_EXP_DEVCTL_PAYLOAD) | least));
}

static void occupy(struct pci_port *port, struct pci_dev *child)
{
	if (!child->host_slot || port->host_slot != child->host_slot)
		port->left = 0;
	port->host_slot = child->host_slot;
	port->left &= (uint8_t)~(1u << child->host_fn);
	port->leaving = false;
	child->port = port;
	number_functions(port, child);
}

/* The guest places BARs anew; this is what it finds. */
static void program_live(const struct pci_port *port)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++) {
		if (!port->fn[i])
			continue;
		port->fn[i]->bus = port->dev.config[PCI_SECONDARY_BUS];
		dev_program(port->fn[i]);
	}
}

void port_attach(struct pci_port *port, struct pci_dev *child, bool live)
{
	struct pci_dev *dev = &port->dev;

	if (live)
		port_power_on(port);
	occupy(port, child);
	set_both(dev, PORT_EXP_POS + PCI_EXP_LNKSTA,
		 PORT_LINK_SPEED | PORT_LINK_WIDTH << 4 | PCI_EXP_LNKSTA_SLC |
			 PCI_EXP_LNKSTA_DLLLA);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTSTA], PCI_EXP_SLTSTA_PDS);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_ON);
	follow_payload(port);
	if (!live) {
		put_le16(&dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA], PCI_EXP_SLTSTA_PDS);
		put_le16(&dev->config[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_ON);
		return;
	}
	program_live(port);
	dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA] |= PCI_EXP_SLTSTA_PDS;
	raise_events(dev, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}

void port_detach(struct pci_port *port, struct pci_dev *child)
{
	struct pci_dev *dev = &port->dev;

	port->fn[child->devfn] = NULL;
	port->left |= child->host_slot ? (uint8_t)(1u << child->host_fn) : 0;
	child->port = NULL;
	if (!port_is_empty(port))
		return;
	port->leaving = false;
	set_both(dev, PORT_EXP_POS + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_SLC);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTSTA], 0);
	put_le16(&dev->power_on[PORT_EXP_POS + PCI_EXP_SLTCTL], PCI_EXP_SLTCTL_PWR_IND_OFF);
	/* What is enabled and what happened before stay the guest's to see. */
	dev->config[PORT_EXP_POS + PCI_EXP_SLTSTA] &= (uint8_t)~PCI_EXP_SLTSTA_PDS;
	raise_events(dev, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}
