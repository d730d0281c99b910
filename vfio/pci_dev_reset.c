// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_dev_reset.h"

#include <errno.h>

#include "base/hostfs.h"

int pci_dev_reset(int root, const struct pci_dev *dev, struct err *err)
{
	const char *name = BDF_STR(dev->bdf);
	pid_t hung = 0;
	int r;

	if (!hostfs_exists(root, "sys/bus/pci/devices/%s/reset", name)) {
		err_plain(err, -EOPNOTSUPP, "cannot reset %s: the kernel knows no way to", name);
		err_hint(err, "a whole-bus reset happens when VFIO has all functions behind its bridge");
		return -EOPNOTSUPP;
	}
	r = hostfs_write(root, "1", HOSTFS_DEADLINE_MS, &hung, "sys/bus/pci/devices/%s/reset", name);
	if (r == -ETIMEDOUT) {
		err_plain(err, r, "cannot reset %s: no answer from the kernel after %u s", name,
			  HOSTFS_DEADLINE_MS / 1000);
		err_hint(err, "pid %d hangs in it; see its /proc/PID/stack for where", (int)hung);
		return r;
	}
	if (r < 0)
		err_set(err, r, "cannot reset %s", name);
	if (r == -EACCES || r == -EPERM)
		err_hint(err, "run it as root");
	if (r == -ENOTTY)
		err_hint(err, "its methods are: %s", dev->reset_methods);
	return r;
}
