// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_function_reset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"

struct neighbours {
	struct bdf self;
	char names[96];
	size_t len;
};

static int add_neighbour(const char *name, void *opaque)
{
	struct neighbours *n = opaque;
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0 || bdf.domain != n->self.domain || bdf.bus != n->self.bus ||
	    bdf_eq(bdf, n->self) || n->len >= sizeof(n->names))
		return 0;
	n->len += (size_t)snprintf(n->names + n->len, sizeof(n->names) - n->len, "%s%s",
				   n->len ? ", " : "", name);
	return 0;
}

/*
 * None of its methods may be used here. A bus reset is of all functions on the bus, so
 * the kernel does it for one that is alone there, or through VFIO for all of them.
 */
static int refuse_methods(int root, const struct pci_function *dev, struct err *err)
{
	struct neighbours n = { .self = dev->bdf };
	const char *name = BDF_STR(dev->bdf);

	hostfs_list(root, add_neighbour, &n, "sys/bus/pci/devices");
	if (!n.len || !strstr(dev->reset_methods, "bus")) {
		err_plain(err, -ENOTTY, "cannot reset %s: none of its methods (%s) works here", name,
			  dev->reset_methods);
		return err_hint(err, "see the kernel log");
	}
	err_plain(err, -ENOTTY, "cannot reset %s: that would be a reset of its bus, and %s is there "
		  "too", name, n.names);
	return err_hint(err, "VFIO resets the bus when one VM has all that is on it: thruway bind "
			"--group %s", name);
}

int pci_function_reset_check(int root, const struct pci_function *dev, struct err *err)
{
	const char *name = BDF_STR(dev->bdf);

	if (hostfs_exists(root, "sys/bus/pci/devices/%s/reset", name))
		return 0;
	err_plain(err, -EOPNOTSUPP, "cannot reset %s: the kernel knows no way to", name);
	return err_hint(err, "a whole-bus reset happens when VFIO has all functions behind its bridge");
}

/* A reset that the kernel calls done may have left nothing that answers. */
static int verify(int root, const struct bdf bdf, struct err *err)
{
	const char *name = BDF_STR(bdf);
	struct pci_function after;

	if (pci_function_read(root, bdf, &after) < 0 || after.header_type != 0x7f)
		return 0;
	err_plain(err, -EIO, "%s was reset and does not answer any more (reads all ones)", name);
	return err_hint(err, "see the kernel log; a cold boot may bring it back, and another method may "
			     "suit it better: /sys/bus/pci/devices/%s/reset_method", name);
}

int pci_function_reset(int root, const struct pci_function *dev, struct err *err)
{
	const char *name = BDF_STR(dev->bdf);
	pid_t hung = 0;
	int r = pci_function_reset_check(root, dev, err);

	if (r < 0)
		return r;
	r = hostfs_write(root, "1", HOSTFS_DEADLINE_MS, &hung, "sys/bus/pci/devices/%s/reset", name);
	if (r == -ETIMEDOUT) {
		err_plain(err, r, "cannot reset %s: no answer from the kernel after %u s", name,
			  HOSTFS_DEADLINE_MS / 1000);
		err_hint(err, "pid %d hangs in it; see its /proc/PID/stack for where", (int)hung);
		return r;
	}
	if (r == -ENOTTY)
		return refuse_methods(root, dev, err);
	if (r == 0)
		return verify(root, dev->bdf, err);
	if (r < 0)
		err_set(err, r, "cannot reset %s", name);
	if (r == -EACCES || r == -EPERM)
		err_hint(err, "run it as root");
	return r;
}
