/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the functions of a topology hang together: host bridges, ports, bridges, PFs, VFs. */
#ifndef VFIO_PCI_TREE_H
#define VFIO_PCI_TREE_H

#include "vfio/topology.h"

#define PCI_TREE_NONE (-1)

/* Of the function topo->devs[i]; the numbers are such indexes too. */
struct pci_tree_node {
	int bridge;		 /* the next one up the bus; PCI_TREE_NONE below a host bridge */
	int parent;		 /* of a VF its PF, else as bridge */
	int first_child, next;	 /* by parent, in order of address; VFs by their number */
	unsigned children;
	unsigned root;		 /* index of its host bridge in roots[] */
};

struct pci_tree_root {
	char name[24];	 /* "pci0000:80" */
	int numa_node;	 /* as its functions say; -1: unknown */
	int first_child; /* of those without parent */
};

struct pci_tree {
	const struct topo *topo; /* borrowed, outlives the tree */
	struct pci_tree_node *nodes;
	struct pci_tree_root *roots; /* in order of their lowest function */
	unsigned root_count;
};

#define PCI_TREE_INIT { NULL, NULL, NULL, 0 }

/* 0 or -ENOMEM; pci_tree_fini() after either. */
int pci_tree_build(int root, const struct topo *topo, struct pci_tree *ret);
void pci_tree_fini(struct pci_tree *tree);

/* The index of a function in topo->devs; PCI_TREE_NONE when it is not there. */
int pci_tree_index(const struct topo *topo, struct bdf bdf);

#endif
