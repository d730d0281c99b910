/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `topo` draws, whatever the form: lanes of NUMA nodes with their host
 * bridges, below these ports, bridges and functions, below PFs their VFs. Which
 * functions are shown, and the words and colours that all forms share.
 */
#ifndef TOOLS_TOPO_VIEW_H
#define TOOLS_TOPO_VIEW_H

#include "tools/describe.h"
#include "vfio/acs.h"

#define TOPO_WORDS_MAX 192

struct topo_lane {
	int numa_node;	   /* -1: the host does not say */
	unsigned roots;	   /* host bridges in it that have something to show */
};

struct topo_view {
	struct describer *d; /* borrowed */
	struct acs acs;	     /* its tree is what is drawn */
	bool *shown;	     /* by index in topo->devs */
	struct topo_lane *lanes;
	unsigned lane_count;
	const char **drivers; /* of what is shown, in order of appearance; borrowed names */
	unsigned driver_count;
	int *groups; /* those of several functions */
	unsigned group_count;
};

/* all: the chipset's own functions too. 0 or -ENOMEM; topo_view_fini() after either. */
int topo_view_init(struct topo_view *v, struct describer *d, bool all);
void topo_view_fini(struct topo_view *v);

static inline const struct pci_function *topo_view_dev(const struct topo_view *v, int i)
{
	return &v->d->topo.devs[i];
}

/* What is shown below i, or directly below host bridge `root` when i is PCI_TREE_NONE. */
int topo_view_first(const struct topo_view *v, unsigned root, int i);
int topo_view_next(const struct topo_view *v, int i); /* PCI_TREE_NONE at the end */

/* Others are drawn inside it: a bridge, or a VMD with the domain below it. */
bool topo_view_holds(const struct topo_view *v, int i);

/* Host bridge `root` belongs to this lane and has something to show. */
bool topo_view_in_lane(const struct topo_view *v, unsigned root, const struct topo_lane *lane);

/* VFs in a row with the same driver and the same rest: from *i, which moves behind them. */
struct topo_run {
	int first, last;
	unsigned count;
};
struct topo_run topo_view_run(const struct topo_view *v, int *i);

/* Indexes for colours; -1: no driver, or a group of one. */
int topo_view_driver(const struct topo_view *v, const char *driver);
int topo_view_group(const struct topo_view *v, int group);

/* The words. Each returns buf. */
char *topo_view_lane_name(const struct topo_lane *lane, char *buf, size_t size);
char *topo_view_address(struct bdf bdf, char *buf, size_t size); /* without domain 0 */
/* "port, slot 3" (of a VMD its name), and "eth0" or "nvme0". */
char *topo_view_bridge(const struct topo_view *v, int i, char *buf, size_t size);
char *topo_view_node(const struct topo_view *v, int i, char *buf, size_t size);

/* The link below a port, or above a function; NULL when there is none, or it is down. */
const struct pci_link *topo_view_link(const struct topo_view *v, int i);

#endif
