/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device whose MSI-X table a guest is to find in a BAR of its own. */
#ifndef TOOLS_VM_MSIX_H
#define TOOLS_VM_MSIX_H

#include "base/bdf.h"
#include "base/err.h"

/*
 * -EINVAL: it is seen to have no such table. 0 also where its configuration space is not to be seen: then
 * the VMM tells.
 */
int vm_msix_check(int root, struct bdf bdf, struct err *err);

#endif
