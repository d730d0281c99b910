// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_intx.h"

#include <errno.h>

#include "base/log.h"
#include "vfio/pci_intx.h"

/*
 * Each of its interrupts calls the others' handlers, and a guest that does not answer one keeps the
 * line from them, until the kernel gives the line up for all (CVE-2024-31146 is of such a guest).
 */
int vm_intx_choose(int root, struct bdf bdf, bool shared, uint32_t *ret, struct err *err)
{
	struct pci_intx line;

	*ret = shared ? VMM_INTX_SHARED : VMM_INTX_OWN;
	if (shared || !pci_intx_is_shared(root, bdf, &line))
		return 0;
	if (line.only) {
		err_plain(err, -EBUSY, "cannot attach %s: its interrupt line %u is shared with %s, and "
				       "it has no MSI", BDF_STR(bdf), line.irq, line.others);
		return err_hint(err, "a guest can disturb all that share a line: put the device into "
				     "another slot, or allow it (%s,intx=shared)", BDF_STR(bdf));
	}
	log_warn("%s: its interrupt line %u is shared with %s: the guest finds no INTx, but MSI "
		 "(intx=shared allows it)", BDF_STR(bdf), line.irq, line.others);
	*ret = VMM_INTX_WITHHELD;
	return 0;
}
