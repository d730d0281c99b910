/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who uses a PF's VFs now: what must not be taken away by writing sriov_numvfs. */
#ifndef SRIOV_VF_USERS_H
#define SRIOV_VF_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bdf.h"
#include "vfio/in_use.h"

/*
 * VFs of pf that this host or a VM uses (vfio/in_use.h), or whose network
 * interface is up or in another network namespace. Writes "vf0 0000:01:10.0: …;
 * vf2 …" into buf, ending in "…" when it was cut. Returns how many VFs are used,
 * or -errno.
 */
int vf_users(int root, struct bdf pf, char *buf, size_t size);

/*
 * The same without the uses in `forgiven` (bits 1 << enum in_use_reason) that end with who has the
 * VF (in_use_by_holder()): those are to be ended.
 */
int vf_users_but(int root, struct bdf pf, unsigned forgiven, char *buf, size_t size);

/* Of one function, by the same measure, with the reason; false when it can be spared. */
bool vf_used(int root, const struct in_use_host *host, const struct pci_function *dev, char *why,
	     size_t size);

#endif
