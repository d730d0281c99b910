// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_msix.h"

#include <errno.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "vfio/pci_config.h"

int vm_msix_check(int root, struct bdf bdf, struct err *err)
{
	_cleanup_(pci_config_close) struct pci_config c = PCI_CONFIG_INIT;

	pci_config_open(root, bdf, &c);
	if (!pci_config_whole(&c) || pci_config_find(&c, PCI_CAP_ID_MSIX, false))
		return 0;
	err_plain(err, -EINVAL, "cannot attach %s: it has no MSI-X table to be moved", BDF_STR(bdf));
	return err_hint(err, "leave out msix=move");
}
