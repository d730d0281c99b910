/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts of one PCI function, as sysfs tells them. Plain data, read at one
 * moment; nothing here changes the device.
 */
#ifndef VFIO_PCI_FUNCTION_H
#define VFIO_PCI_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "vfio/pci_link.h"

#define PCI_DRIVER_MAX	      32
#define PCI_FUNCTION_BARS     7 /* 0..5 and the ROM */
#define PCI_FUNCTION_NODES    4 /* netdevs or NVMe controllers of one function that are kept */
#define PCI_FUNCTION_NODE_MAX 16

struct pci_function_bar {
	uint64_t start;
	uint64_t size;	/* 0: not there */
	uint64_t flags; /* the kernel's IORESOURCE_* */
};

struct pci_function {
	struct bdf bdf;
	uint16_t vendor, device, sub_vendor, sub_device;
	uint32_t class; /* 24 bits: class, subclass, interface */
	uint8_t revision;
	uint8_t header_type; /* 0 endpoint, 1 bridge, 2 CardBus, 0x7f does not answer */

	char driver[PCI_DRIVER_MAX];   /* "": none */
	char override[PCI_DRIVER_MAX]; /* "": none */
	int group;		       /* IOMMU group; -1: none */
	int numa_node;		       /* -1: unknown */

	bool is_vf;
	struct bdf pf;	     /* of a VF */
	int vf_index;	     /* of a VF: N of its virtfnN; -1: its link is gone, so it goes too */
	unsigned total_vfs;  /* of a PF; 0: no SR-IOV */
	unsigned num_vfs;
	bool vf_autoprobe;

	char reset_methods[64]; /* "flr bus"; "": cannot be reset */
	char power_state[16];	/* "D0", "D3cold", …; "": the kernel does not say */
	struct pci_link link;
	struct pci_function_bar bars[PCI_FUNCTION_BARS];
	int msix_vectors; /* -1: not readable without root; 0: has none */
	bool boot_vga;
	bool busy; /* the kernel is at work on it, or hangs: read unlocked */
	bool vendor_vfio; /* a GPU VF whose own driver speaks VFIO: never to be rebound */

	unsigned netdev_count, nvme_count;
	char netdevs[PCI_FUNCTION_NODES][PCI_FUNCTION_NODE_MAX];
	char nvmes[PCI_FUNCTION_NODES][PCI_FUNCTION_NODE_MAX];
};

/*
 * 0; -ENODEV when there is no such function; other -errno of its mandatory files.
 * Reads aside (base/aside.h): a function whose lock the kernel does not give is
 * marked busy and read without it.
 */
int pci_function_read(int root, struct bdf bdf, struct pci_function *ret);

/*
 * The same, but waits as long as a driver's probe, remove or reset of this function
 * takes: for ever, if it hangs. For who reads aside already.
 */
int pci_function_read_locked(int root, struct bdf bdf, struct pci_function *ret);

/*
 * What the kernel tells without the device's lock, so that this never waits: all
 * but override, link and msix_vectors; num_vfs counts the links to them, header_type
 * is as the class has it.
 */
int pci_function_read_unlocked(int root, struct bdf bdf, struct pci_function *ret);

/* Only what two links tell: bdf, driver and group. The rest is zero. 0 or -ENODEV. */
int pci_function_read_binding(int root, struct bdf bdf, struct pci_function *ret);

/* False: a conventional PCI function. The kernel shows a link of PCI Express ones alone, VFs among them. */
bool pci_function_is_express(int root, struct bdf bdf);

/* A virtual function. */
bool pci_function_is_virtual(int root, struct bdf bdf);

/* The host's NUMA node it is on; -1 when the firmware does not say. */
int pci_function_numa_node(int root, struct bdf bdf);

/* Its header is an endpoint's: what the kernel's VFIO drivers take, and what makes a group viable. */
bool pci_function_is_endpoint(const struct pci_function *dev);

/*
 * An endpoint that can be passed to a guest. Host and ISA bridges have the header of
 * one, and the kernel would hand them out; but they are the host's own chipset.
 */
bool pci_function_is_assignable(const struct pci_function *dev);

/* The driver "" means none. True for vfio-pci, its variants and pci-stub, and for no driver. */
bool pci_function_driver_is_vfio(const char *driver);
bool pci_function_leaves_group_viable(const struct pci_function *dev);

/* The address of a PF's VF number index. 0 or -ENODEV. */
int pci_function_vf(int root, struct bdf pf, unsigned index, struct bdf *ret);

/* Which of the PF's VFs this is, by its links; -1: none of them. */
int pci_function_vf_index(int root, struct bdf pf, struct bdf vf);

#endif
