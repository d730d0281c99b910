/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration space of one function, and the capabilities in it. Read bit
 * by bit: each dword of this file is a cycle on the bus, and 4096 bytes of 200
 * functions are long.
 *
 * The kernel gives an ordinary user 64 bytes, so that "not found" and "not to be
 * seen" are different answers; pci_config_whole() tells them apart.
 */
#ifndef VFIO_PCI_CONFIG_H
#define VFIO_PCI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"

struct pci_config {
	int fd;		   /* -1: cannot be opened */
	unsigned size;	   /* bytes that may be read: 0, 64 or 4096 */
	bool mute;	   /* it is there and does not answer */
	uint8_t head[256]; /* the first of them; zeros where there are less */
};

#define PCI_CONFIG_INIT { .fd = -1 }

/* A function that is not there, or mute, has size 0. */
void pci_config_open(int root, struct bdf bdf, struct pci_config *ret);
void pci_config_close(struct pci_config *c); /* for _cleanup_, too */

/* The capabilities may be looked for. */
static inline bool pci_config_whole(const struct pci_config *c)
{
	return c->size >= 256;
}

/* 0 where it cannot be read. */
uint16_t pci_config_u16(const struct pci_config *c, unsigned pos);
uint32_t pci_config_u32(const struct pci_config *c, unsigned pos);

struct pci_cap {
	uint16_t id;
	bool extended;
	uint8_t version; /* of an extended one */
	uint16_t pos;
};

#define PCI_CAPS_MAX 64

/* In the order of their chains, the plain ones first. Returns how many. */
unsigned pci_config_caps(const struct pci_config *c, struct pci_cap *ret, unsigned max);

/* Offset of the first one with this id; 0 when there is none, or it is not to be seen. */
unsigned pci_config_find(const struct pci_config *c, uint16_t id, bool extended);

/* "MSI-X", "ACS"; NULL when it has no name here. */
const char *pci_cap_name(const struct pci_cap *cap);

#endif
