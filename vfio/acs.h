/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the kernel put functions into one IOMMU group: its own rules
 * (pci_device_group() up to Linux 6.x), worked through on what configuration
 * space says, until the first port or function that does not separate.
 *
 * The kernel asks for four bits of Access Control Services (PCI Express base
 * spec 6.12.1): source validation, request and completion redirect, upstream
 * forwarding. A bit a device has not got in its capability it need not have on.
 */
#ifndef VFIO_ACS_H
#define VFIO_ACS_H

#include <stdbool.h>
#include <stdint.h>

#include "vfio/pci_tree.h"

struct acs_function {
	bool known; /* false: its capabilities are not to be seen (an ordinary user; it is busy) */
	bool express;
	uint8_t type; /* PCI_EXP_TYPE_* of an express one */
	bool multifunction;
	bool has_acs;
	uint16_t cap, ctrl;
	bool has_slot;
	unsigned slot; /* its number; 0: it has none, a card soldered on, or careless firmware */
};

struct acs {
	struct pci_tree tree;
	struct acs_function *functions; /* of topo->devs */
	bool override;			/* pcie_acs_override is on the kernel's command line */
};

#define ACS_INIT { .tree = PCI_TREE_INIT }

/* Look at every function. 0 or -ENOMEM; acs_fini() after either. */
int acs_open(int root, const struct topo *topo, struct acs *ret);
void acs_fini(struct acs *acs);

/* The kernel's pci_acs_enabled(), without its table of devices that are known to be better. */
bool acs_separates(const struct acs *acs, int i);

/* The required bits it has and that are off; with no capability all. */
uint16_t acs_missing(const struct acs_function *f);

enum acs_cause {
	ACS_SEPARATE,  /* nothing merges it */
	ACS_VMD,       /* behind an endpoint that does its DMA: Intel's Volume Management Device */
	ACS_BRIDGE,    /* behind a bridge to conventional PCI, whose requester id all use */
	ACS_PORT,      /* a port on the way to the root does not separate */
	ACS_FUNCTIONS, /* the functions of one slot may reach each other */
	ACS_UNSEEN,    /* capabilities on the way are not to be seen */
	ACS_CAUSES
};

struct acs_reason {
	enum acs_cause cause;
	int member; /* the function of the group that it was found for */
	int at;	    /* the bridge, port or function; PCI_TREE_NONE: no one */
	/*
	 * By the rules the group would hold more than it does: the kernel's quirks, or
	 * pcie_acs_override, split it.
	 */
	bool split_anyway;
};

/* For a group of several functions, or of one. */
void acs_reason(const struct acs *acs, int group, struct acs_reason *ret);

/* One sentence, "0000:00:1c.0 (root port) has no ACS". Returns buf. */
char *acs_sentence(const struct acs *acs, const struct acs_reason *reason, char *buf, size_t size);

/* "port", "functions", … */
const char *acs_cause_word(enum acs_cause cause);

/* The required bits in `bits`: "SV RR". Returns buf. */
char *acs_bits(uint16_t bits, char *buf, size_t size);

#define ACS_SLOTS_MAX 8

/*
 * Ports with a slot, all the way up from which everything separates: a card moved
 * there would be alone in its group. Empty ones first, then those nearest to the
 * member's NUMA node. Returns how many; 0 too where moving the card changes nothing.
 */
unsigned acs_better_slots(const struct acs *acs, const struct acs_reason *reason, int *ret,
			  unsigned max);

#endif
