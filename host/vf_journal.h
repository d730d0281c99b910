/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal has about a VF in the name of its PF. Reads only, without the lock. */
#ifndef HOST_VF_JOURNAL_H
#define HOST_VF_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "vfio/pci_function.h"

/* Thruway made this VF, which no driver of the host was offered then. */
bool vf_journal_made(int root, const struct pci_function *dev);

/*
 * The attributes of this VF that thruway changed, "vlan, mac": its PF has them, and they are
 * undone with the PF's other changes. False: there are none.
 */
bool vf_journal_attrs(int root, const struct pci_function *dev, char *buf, size_t size);

#endif
