/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's PCI Express: host bridges (one per guest NUMA node), root ports,
 * and the functions behind them.
 *
 * A function is a struct pci_dev embedded in its device, with an ops table. The
 * generic code keeps the registers every function has (ids, BARs, command) in
 * config[], written through wmask[], and tells the device when a BAR begins or
 * ends to decode. There is no firmware: pci_assign() gives out bus numbers, BARs
 * and bridge windows before the guest starts.
 *
 * Where a BAR decodes: inside the windows of its host bridge (what _CRS says,
 * and nothing else is routed to PCI), where no other live BAR is. Elsewhere it
 * does not, reads give all-ones, and it begins to decode as soon as the guest
 * has made room. The windows of a root port are kept for the guest but do not
 * filter: a guest that misplaces a BAR below its port gets more than hardware
 * would give it, never more than its host bridge has.
 *
 * Everything runs under vm_lock().
 */
#ifndef VMM_PCI_PCI_H
#define VMM_PCI_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/pci/spare.h"

struct pci;
struct vm;

#define PCI_CONFIG_SIZE 4096
#define PCI_BARS	6
/* The expansion ROM is placed and decodes as they do: the one behind them. */
#define PCI_ROM_BAR	6
#define PCI_SPACES	7
#define PCI_SLOT_FUNCTIONS 8

enum pci_bar_type { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64, PCI_BAR_ROM };

struct pci_bar {
	enum pci_bar_type type; /* a MEM64 takes its own and the next index, which is NONE */
	bool prefetchable;
	uint64_t size;	   /* bytes, a power of two; memory >= 16, I/O >= 4, ROM 2 KiB to 16 MiB */
	uint64_t assigned; /* by pci_assign(); 0 before */
	bool live;	   /* decodes now, at addr */
	bool blocked;	   /* the guest wants it at addr, where it cannot decode */
	uint64_t addr;
};

struct pci_dev;

struct pci_dev_ops {
	/*
	 * Configuration access: off 0..4095, len 1, 2 or 4, not leaving the dword. NULL:
	 * pci_cfg_store_read/write. A device with own registers handles those and hands
	 * the rest (BARs and command at least) to pci_cfg_store_*.
	 */
	void (*cfg_read)(struct pci_dev *dev, unsigned off, uint8_t *data, unsigned len);
	void (*cfg_write)(struct pci_dev *dev, unsigned off, const uint8_t *data, unsigned len);
	/*
	 * BAR i begins to decode at addr (on), or ends (off; addr is where it was).
	 * A move is off, then on. The device claims the bus or sets memslots.
	 */
	void (*bar_set)(struct pci_dev *dev, unsigned i, bool on, uint64_t addr);
	/*
	 * Back to power-on state: guest reset, or a secondary bus reset of the port
	 * above. BARs are off already; config[] is restored after. May be NULL.
	 */
	void (*reset)(struct pci_dev *dev);
	/*
	 * After pci_press_button(): the guest has let go of all that is in the slot, which may be
	 * pci_remove()d, though not from in here. NULL: it never leaves a running guest.
	 */
	void (*eject)(struct pci_dev *dev);
};

struct pci_dev {
	const struct pci_dev_ops *ops; /* NULL: plain registers, no BAR */
	char name[48]; /* for messages: "0000:01:10.0" of a host device, "root-port 0" */
	struct vm *vm; /* set by pci_add() */

	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t wmask[PCI_CONFIG_SIZE];	 /* bits the guest may write in config[] */
	uint8_t w1cmask[PCI_CONFIG_SIZE]; /* bits a written 1 clears */
	struct pci_bar bar[PCI_SPACES];

	/* Set by pci_add(). */
	struct pci *pci;
	unsigned node;	       /* guest NUMA node of its host bridge */
	bool extended;	       /* has registers from 0x100 on: a PCI Express capability */
	uint8_t devfn;
	uint32_t intx_gsi;     /* of its INTA, also when behind a port */
	struct pci_port *port; /* NULL: on the root bus */
	/* Set by pci_assign(), and when the guest renumbers the port's secondary bus. */
	uint8_t bus;

	/* Functions of the same slot of the host share one here; 0: it is alone in its. And which it is there. */
	uint64_t host_slot;
	uint8_t host_fn;
	unsigned owner;	   /* pci_plug(): into the slot that is kept for this one; 0: any other */
	bool only_node;	   /* pci_plug(): into a slot of that node, and no other */
	unsigned caps_end; /* pci_cap_add() goes on here; 0: at 0x40 */
	uint8_t *power_on; /* pci's: config[0..power_on_len) as it was at pci_add() */
	unsigned power_on_len;
	struct pci_dev *next;
};

/* A slot of its own, for the device whose owner this is. */
struct pci_kept_slot {
	unsigned owner; /* not 0 */
	unsigned node;
};

struct pci_config {
	unsigned nodes;		 /* host bridges */
	const struct spare_slot *spare; /* root ports behind those in use; borrowed until pci_assign() */
	unsigned spares;
	const struct pci_kept_slot *kept; /* behind these; borrowed until pci_assign() */
	unsigned kept_count;
	uint64_t mmio64_start;	 /* first address 64-bit windows may take */
	uint64_t mmio64_end;	 /* one past the last: guest phys bits and IOMMU aperture */
};

/*
 * Claims ECAM and ports 0xcf8..0xcff on the VM's buses, the reset register 0xcf9
 * among them: a write with bit 2 set is vm_request(vm, VM_REBOOT). The caller
 * puts *ret into vm->pci. -EINVAL: no such number of nodes; -ENOMEM; of bus_add().
 */
int pci_new(struct vm *vm, const struct pci_config *config, struct pci **ret, struct err *err);
/*
 * Devices are their owners'. Those that have not left by pci_remove() must still
 * be there: their BARs go off, and they are forgotten. NULL is fine.
 */
struct pci *pci_free(struct pci *pci);

/*
 * Put dev on node's host bridge: behind a root port (express), alone or with the others of its
 * slot of the host, or on the root bus itself. Before pci_assign() only. config[] must hold ids, class,
 * header type and capabilities; bar[] type and size; BAR registers, their masks
 * and those of command, status, cache line and interrupt line are set up here.
 * -ENOSPC: no slot or bus number left; -EINVAL: a BAR that cannot be; -ENOMEM.
 */
int pci_add(struct pci *pci, struct pci_dev *dev, unsigned node, bool express, struct err *err);

/*
 * BARs off, and out of its slot, which reads as empty with the last function. Harmless for one
 * that was never added. dev may be freed afterwards, and not added again.
 */
void pci_remove(struct pci_dev *dev);

/*
 * Once, before start: number the buses, place every BAR and bridge window, write
 * them into the registers and leave decoding off. -ENOSPC: names the device that
 * does not fit and the window; -ENOMEM.
 */
int pci_assign(struct pci *pci, struct err *err);

/*
 * Of a guest that runs: put dev into an empty slot that takes its BARs, on node if there
 * is one (dev->node is where it went), or into its owner's, and tell the guest. dev is as for pci_add().
 * One that left a slot goes back to those that left with it, if they are in there again; they are reset.
 * -ENOSPC: no slot, or none that is large enough (err names BAR and window); -EINVAL, -ENOMEM as pci_add().
 */
int pci_plug(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err);

/*
 * Ask the guest to let go of dev, and of all in its slot: its button. It may take any time to, and may
 * never. Pressed once already: 0. -EOPNOTSUPP: it is in no slot.
 */
int pci_press_button(struct pci_dev *dev);

/* Guest reset: all functions off and reset, then as after pci_assign(). */
void pci_reset(struct pci *pci);

/* Set up registers; for use before pci_add(). */
void pci_set_ids(struct pci_dev *dev, uint16_t vendor, uint16_t device, uint32_t class_rev,
		 uint16_t sub_vendor, uint16_t sub_device);

/*
 * Append a capability of len bytes at the next free place in 0x40..0xff (body
 * copied after the two header bytes, wmask likewise if given). Returns its
 * offset, or -ENOSPC. A device that lays out capabilities by itself and then
 * appends sets caps_end first.
 */
int pci_cap_add(struct pci_dev *dev, uint8_t id, unsigned len, const uint8_t *body,
		const uint8_t *wmask);

/*
 * The generic registers, for any off and len inside 0..4095 (beyond it: all-ones
 * and nothing); a write also runs what a BAR or command change means.
 */
void pci_cfg_store_read(const struct pci_dev *dev, unsigned off, uint8_t *data, unsigned len);
void pci_cfg_store_write(struct pci_dev *dev, unsigned off, const uint8_t *data, unsigned len);

/*
 * Make decoding follow config[] again after changing command or BARs in there
 * directly (a function level reset clears both). Only real changes reach
 * bar_set(): all that leave or move go off first, then the new places come on.
 */
void pci_bars_update(struct pci_dev *dev);

/*
 * Whether BAR i, of less than a page and live, is alone in its page of guest addresses. When that
 * changes it is told bar_set() off and on again.
 */
bool pci_bar_has_page(const struct pci_dev *dev, unsigned i);

/* What ACPI must say of each host bridge (vmm/x86/acpi.c). */
struct pci_bridge_info {
	unsigned node;
	uint8_t bus_first, bus_last;
	uint32_t mmio32_start, mmio32_size;
	uint64_t mmio64_start, mmio64_size; /* size 0: none */
	uint16_t pio_start;
	uint32_t pio_size;
};
unsigned pci_bridge_count(const struct pci *pci);
void pci_bridge_info(const struct pci *pci, unsigned i, struct pci_bridge_info *ret);

/* IOAPIC pin for INTA+pin (0..3) of device slot `dev` on a root bus, as _PRT says. */
uint32_t pci_intx_gsi(unsigned dev, unsigned pin);

#endif
