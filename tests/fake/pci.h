/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI functions of a fake host (tests/fake/sysfs.h). */
#ifndef TESTS_FAKE_PCI_H
#define TESTS_FAKE_PCI_H

#include <stdbool.h>
#include <stddef.h>

/* Make or replace a file with exactly these bytes. */
void fake_put_bytes(int root, const char *path, const void *data, size_t len);

/* A file's text without its last newlines, in a static buffer; "<none>" when there is none. */
const char *fake_get(int root, const char *path);

/* A PCI function under sys/devices/<place>/<bdf>, listed on the bus. */
struct fake_pci {
	const char *bdf;
	const char *place;  /* "pci0000:00/0000:00:01.0"; NULL: "pci0000:00" */
	const char *ids;    /* "8086:10c9"; NULL: that */
	const char *driver; /* NULL: none */
	const char *group;  /* "12"; NULL: none */
	const char *pf;	    /* of a VF, with its index */
	unsigned vf_index;
	unsigned total_vfs, num_vfs; /* of a PF */
	const char *netdev;
	const char *node; /* NUMA node; NULL: "-1" */
	unsigned header_type;
	unsigned class; /* 0: 0x020000 */
	bool conventional; /* PCI: without a link */
};

void fake_pci_add(int root, const struct fake_pci *d);

#endif
