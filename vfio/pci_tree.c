// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"

int pci_tree_index(const struct topo *topo, struct bdf bdf)
{
	const struct pci_function *d = topo_find(topo, bdf);

	return d ? (int)(d - topo->devs) : PCI_TREE_NONE;
}

/* The number of the host bridge of this name, which is added when it is new. -ENOMEM. */
static int root_number(struct pci_tree *t, const char *name)
{
	struct pci_tree_root *bigger;

	for (unsigned i = 0; i < t->root_count; i++) {
		if (strcmp(t->roots[i].name, name) == 0)
			return (int)i;
	}
	bigger = realloc(t->roots, (t->root_count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	t->roots = bigger;
	bigger[t->root_count] =
		(struct pci_tree_root){ .numa_node = -1, .first_child = PCI_TREE_NONE };
	snprintf(bigger[t->root_count].name, sizeof(bigger->name), "%s", name);
	return (int)t->root_count++;
}

/* "…/devices/pci0000:00/0000:00:01.0/0000:01:00.0": what is before the last part is above it. */
static int place(int root, struct pci_tree *t, int i)
{
	char link[HOSTFS_PATH_MAX], name[24] = "", *save = NULL;
	struct pci_tree_node *n = &t->nodes[i];
	struct bdf at, self = t->topo->devs[i].bdf;
	int r;

	if (hostfs_readlink(root, link, sizeof(link), "sys/bus/pci/devices/%s", BDF_STR(self)) < 0)
		link[0] = '\0'; /* it left meanwhile */
	for (char *p = strtok_r(link, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		if (strncmp(p, "pci", 3) == 0)
			snprintf(name, sizeof(name), "%.20s", p);
		else if (bdf_parse(p, &at) == 0 && !bdf_eq(at, self) &&
			 pci_tree_index(t->topo, at) != PCI_TREE_NONE) /* one may have left */
			n->bridge = pci_tree_index(t->topo, at);
	}
	r = root_number(t, name);
	if (r < 0)
		return r;
	n->root = (unsigned)r;
	n->parent = n->bridge;
	if (t->topo->devs[i].is_vf)
		n->parent = pci_tree_index(t->topo, t->topo->devs[i].pf);
	return 0;
}

/* VFs by their numbers: their addresses may be in another order. */
static bool comes_before(const struct pci_function *a, const struct pci_function *b)
{
	if (a->is_vf && b->is_vf)
		return a->vf_index < b->vf_index;
	return bdf_cmp(a->bdf, b->bdf) < 0;
}

static void add_child(struct pci_tree *t, int i)
{
	struct pci_tree_node *n = &t->nodes[i];
	struct pci_tree_root *top = &t->roots[n->root];
	int *at = &top->first_child;

	if (n->parent != PCI_TREE_NONE) {
		t->nodes[n->parent].children++;
		at = &t->nodes[n->parent].first_child;
	}
	while (*at != PCI_TREE_NONE && comes_before(&t->topo->devs[*at], &t->topo->devs[i]))
		at = &t->nodes[*at].next;
	n->next = *at;
	*at = i;
	if (top->numa_node < 0)
		top->numa_node = t->topo->devs[i].numa_node;
}

int pci_tree_build(int root, const struct topo *topo, struct pci_tree *ret)
{
	struct pci_tree t = { .topo = topo, .nodes = calloc(topo->count + 1, sizeof(*t.nodes)) };
	int r = t.nodes ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < topo->count; i++)
		t.nodes[i] = (struct pci_tree_node){ PCI_TREE_NONE, PCI_TREE_NONE, PCI_TREE_NONE,
						     PCI_TREE_NONE, 0, 0 };
	for (size_t i = 0; r == 0 && i < topo->count; i++)
		r = place(root, &t, (int)i);
	for (size_t i = 0; r == 0 && i < topo->count; i++)
		add_child(&t, (int)i);
	*ret = t;
	return r;
}

void pci_tree_fini(struct pci_tree *tree)
{
	free(tree->nodes);
	free(tree->roots);
	*tree = (struct pci_tree)PCI_TREE_INIT;
}
