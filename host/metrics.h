/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's devices as Prometheus reads them: text format 0.0.4, base units, a family in
 * one piece with its HELP and TYPE. What is not known is left out: a sample that is not
 * there is no 0.
 */
#ifndef HOST_METRICS_H
#define HOST_METRICS_H

#include <stdio.h>

#include "base/err.h"
#include "host/hugepages.h"
#include "host/klog.h"
#include "sriov/pf.h"
#include "sriov/vf_link.h"
#include "vfio/topology.h"

struct metrics_pf {
	struct pf pf;
	struct vf_stats *stats; /* of pf.numvfs VFs, malloced; NULL: nobody counts */
};

struct metrics {
	int root; /* borrowed */
	struct topo topo;
	struct metrics_pf *pfs; /* malloced */
	size_t pf_count;
	struct hugepage_pools pools;
	struct klog log;
};

/* Read the host, slow parts included. 0 or -errno with err set; metrics_fini() after either. */
int metrics_read(int root, struct metrics *ret, struct err *err);
void metrics_fini(struct metrics *m);

void metrics_print(const struct metrics *m, FILE *out);

#endif
