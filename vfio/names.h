/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for PCI ids, from the pci.ids database when it is installed. */
#ifndef VFIO_NAMES_H
#define VFIO_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names;

/*
 * NULL when memory ran out. Without libpci or its database the names are numbers. root stays
 * open meanwhile.
 */
struct names *names_open(int root);
struct names *names_close(struct names *names); /* NULL is fine; returns NULL */

/*
 * "Intel Corporation 82576 Gigabit Network Connection", "Intel Corporation device
 * 10c9" or "device 8086:10c9", by what the database knows. Returns buf.
 */
char *names_device(struct names *names, uint16_t vendor, uint16_t device, char *buf, size_t size);

/* "82576 Gigabit Network Connection" without its maker, or as above. Returns buf. */
char *names_model(struct names *names, uint16_t vendor, uint16_t device, char *buf, size_t size);

/* "Ethernet controller" of a 24-bit class, or "Class 0200". Returns buf. */
char *names_class(struct names *names, uint32_t class, char *buf, size_t size);

#endif
