/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of pci/ share and nobody else sees. */
#ifndef VMM_PCI_INTERNAL_H
#define VMM_PCI_INTERNAL_H

#include <linux/pci_regs.h>

#include "base/range.h"
#include "vmm/coalesced.h"
#include "vmm/layout.h"
#include "vmm/pci/pci.h"

/* An empty slot takes a GPU's 16 MiB of 32-bit registers and what lies beside them. */
#define SPARE_MEM32 (32ull << 20)

/* The three address spaces a host bridge forwards, and so does a root port. */
enum win { WIN_IO, WIN_MEM32, WIN_MEM64, WINS };

/* Where a port's capabilities lie: port_new() adds them in this order. */
#define PORT_EXP_POS 0x40
#define PORT_MSI_POS 0x7c
#define PORT_PM_POS  0x8c

/* As fast as the specification goes, so that no device seems held back by its slot. */
#define PORT_LINK_SPEED PCI_EXP_LNKCAP_SLS_32_0GB
#define PORT_LINK_WIDTH 16

struct pci_port {
	struct pci_dev dev;
	struct pci_dev *fn[PCI_SLOT_FUNCTIONS]; /* in the slot, by function; borrowed */
	uint64_t host_slot;	/* of those, or of the last that were there; 0: of none that has others */
	uint8_t left;		/* bit n: that one's function n left it, and may come back to the others */
	bool leaving;		/* its button was pressed, and the guest has not let go yet */
	unsigned slot;		/* physical slot number, from 1, unique in the machine */
	unsigned owner;		/* kept for devices with this one; 0: for those with none */
	uint64_t pref;		/* of a spare one: its prefetchable window, bytes; 0: to be chosen */
	struct range win[WINS]; /* by pci_assign(); size 0: none */
};

struct bridge {
	struct pci_dev dev; /* function 00.0 of its root bus */
	uint8_t bus_first, bus_last; /* final from pci_assign() on */
	unsigned ports;		   /* each takes a bus number */
	unsigned placed;	   /* functions on the root bus beside 00.0 */
	struct pci_dev *fn[256];   /* of the root bus, by devfn; borrowed */
	struct range win[WINS];	   /* by pci_assign() */
};

struct pci {
	struct vm *vm; /* borrowed */
	struct pci_config config;
	unsigned nbridges;
	struct bridge *bridges;
	struct pci_dev *devs; /* every function, newest first */
	unsigned slots;	      /* physical slot numbers given out */
	unsigned blocked;     /* BARs that wait for room */
	uint32_t cf8;
	uint8_t cf9;
	struct coalesced_burst cf8_burst;
	bool ecam_claimed, cf8_claimed;
};

/* The space a BAR lives in. Prefetchable windows above 4 GiB take prefetchable BARs only. */
enum win bar_win(const struct pci_bar *bar);

/* "BAR 2", "its ROM". */
const char *pci_bar_name(unsigned i);

/* "64-bit prefetchable window" and so on: where the BAR must lie. */
const char *pci_window_name(const struct pci_bar *bar);

/* Offset of BAR i's register. */
static inline unsigned bar_reg(unsigned i)
{
	return i == PCI_ROM_BAR ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i;
}

/* Put BAR types and masks into config[] and wmask[]. 0 or -EINVAL with err set. */
int bars_init(struct pci_dev *dev, struct err *err);
/* Write addr into BAR i's register. */
void bar_write_reg(struct pci_dev *dev, unsigned i, uint64_t addr);

/* Offset of dev's first capability of this kind, 0 when it has none. */
unsigned cap_find(const struct pci_dev *dev, uint8_t id);

/* BARs off, ops->reset(), config[] as at pci_add(). */
void dev_power_on(struct pci_dev *dev);

/* Make dev known: common registers, list, power-on copy. 0, -EINVAL, -ENOMEM. */
int dev_init(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err);

/* Forget dev; its BARs are off. Harmless before dev_init(). */
void dev_fini(struct pci_dev *dev);

/* A root port on node's bridge, in the next free slot. -ENOSPC, -ENOMEM. */
int port_new(struct pci *pci, unsigned node, struct pci_port **ret, struct err *err);
bool port_is_empty(const struct pci_port *port);
/* That function of its host_slot. */
bool port_has(const struct pci_port *port, unsigned host_fn);
/*
 * Put dev behind port, beside what is there: the slot reads as occupied, its link as up. Of a guest
 * that runs (live) the slot's control and what it has not yet heard of stay as they are, and it is
 * told. What is there begins anew then, as with the link.
 */
void port_attach(struct pci_port *port, struct pci_dev *dev, bool live);
/* Without dev. With its last function the slot is empty and the link down, and the guest is told. */
void port_detach(struct pci_port *port, struct pci_dev *dev);
/*
 * Give the BARs of dev, and of what is in the slot, their places in the windows that port has.
 * -ENOSPC: they do not fit, and *ret_bar, of dev if it is alone there, is the first that does not.
 */
int port_place(const struct pci_port *port, struct pci_dev *dev, unsigned *ret_bar);

/* slot.c: what of a slot a write to its port's registers changes. */
struct slot_state {
	bool wants_interrupt, power_off;
};
struct slot_state slot_state(const struct pci_port *port);
void slot_written(struct pci_port *port, const struct slot_state *before);

/* NULL when dev is not a root port. */
struct pci_port *port_of(struct pci_dev *dev);
/* Power-on state for all functions in the slot. */
void port_power_on(const struct pci_port *port);
/* Declare an I/O window; without it the base and limit registers do not exist. */
void port_need_io(struct pci_port *port);
/* Put win[] and the bus numbers into the registers. */
void port_program(struct pci_port *port, uint8_t primary, uint8_t secondary);

/* The next free function of the bridge's root bus: slots 1..31 first. 0 or -ENOSPC. */
int bridge_place(struct bridge *bridge, struct pci_dev *dev, struct err *err);

/* The i-th function that was placed; NULL: it has left. */
struct pci_dev *bridge_function(const struct bridge *bridge, unsigned i);

/* Where dev's BARs were placed, into its registers. Decoding must be off. */
void dev_program(struct pci_dev *dev);
/* Where pci_assign() put everything, into the registers. Decoding must be off. */
void pci_program(struct pci *pci);

#endif
