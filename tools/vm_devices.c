// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_devices.h"

#include <errno.h>

#include "tools/command.h"
#include "tools/vm_opts.h"

int vm_devices_take(struct ctx *ctx, const struct vm_opts *opts, struct vm_devices *ret,
		    struct err *err)
{
	if (opts->bind)
		return err_plain(err, -EOPNOTSUPP, "--bind is not there yet: bind first");
	for (unsigned i = 0; i < opts->device_count; i++) {
		if (bdf_parse(opts->devices[i], &ret->bdf[i]) < 0)
			return err_plain(err, -ENODEV, "cannot attach %s: not a PCI address",
					 opts->devices[i]);
		ret->count++;
	}
	return 0;
}

int vm_devices_give_back(int root, struct vm_devices *devices, struct err *err)
{
	return 0;
}
