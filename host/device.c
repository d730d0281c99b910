// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/device.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "base/size.h"
#include "vfio/bind.h"

void device_list_fini(struct device_list *list)
{
	free(list->bdfs);
	*list = (struct device_list)DEVICE_LIST_INIT;
}

int device_list_add(struct device_list *list, struct bdf bdf)
{
	struct bdf *bigger;

	for (size_t i = 0; i < list->count; i++) {
		if (bdf_eq(list->bdfs[i], bdf))
			return 0;
	}
	bigger = realloc(list->bdfs, (list->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	list->bdfs = bigger;
	bigger[list->count++] = bdf;
	return 0;
}

static bool has_netdev(const struct pci_function *d, const char *name)
{
	for (unsigned i = 0; i < d->netdev_count; i++) {
		if (strcmp(d->netdevs[i], name) == 0)
			return true;
	}
	return false;
}

/* An address, or the name of a present or remembered interface. 0 or -ENODEV. */
static int find_one(int root, const struct topo *topo, const char *name, struct bdf *ret)
{
	char dev[STEP_DEV_MAX];
	struct bdf bdf;

	if (bdf_parse(name, &bdf) == 0) {
		if (!topo_find(topo, bdf))
			return -ENODEV;
		*ret = bdf;
		return 0;
	}
	for (size_t i = 0; i < topo->count; i++) {
		if (has_netdev(&topo->devs[i], name)) {
			*ret = topo->devs[i].bdf;
			return 0;
		}
	}
	if (journal_noted(root, BIND_NOTE_NETDEV, name, dev, sizeof(dev)) < 0 ||
	    bdf_parse(dev, &bdf) < 0 || !topo_find(topo, bdf))
		return -ENODEV;
	*ret = bdf;
	return 0;
}

/* "PF/vfN". 1: it is none of these names. */
static int find_vf(int root, const struct topo *topo, const char *name, const char *verb,
		   struct bdf *ret, struct err *err)
{
	const char *slash = strrchr(name, '/');
	char pf_name[64];
	struct bdf pf;
	uint64_t n;

	if (!slash || strncmp(slash, "/vf", 3) != 0 || uint_parse(slash + 3, 65535, &n) < 0 ||
	    (size_t)(slash - name) >= sizeof(pf_name))
		return 1;
	snprintf(pf_name, sizeof(pf_name), "%.*s", (int)(slash - name), name);
	if (find_one(root, topo, pf_name, &pf) < 0) {
		err_plain(err, -ENODEV, "cannot %s %s: no PF called %s", verb, name, pf_name);
		return err_hint(err, "thruway list shows the PFs");
	}
	if (pci_function_vf(root, pf, (unsigned)n, ret) == 0)
		return 0;
	if (!topo_find(topo, pf)->total_vfs) {
		err_plain(err, -ENODEV, "cannot %s %s: %s cannot have VFs", verb, name,
			  BDF_STR(pf));
		return err_hint(err, "thruway vf list shows the PFs");
	}
	err_plain(err, -ENODEV, "cannot %s %s: %s has %u VFs", verb, name, BDF_STR(pf),
		  topo_find(topo, pf)->num_vfs);
	return err_hint(err, "create them: thruway vf create %s N", pf_name);
}

/* "8086:10ca". False: not of that form. */
static bool parse_ids(const char *name, unsigned *vendor, unsigned *device)
{
	int end = 0;

	return strlen(name) == 9 && strspn(name, "0123456789abcdefABCDEF:") == 9 &&
	       sscanf(name, "%4x:%4x%n", vendor, device, &end) == 2 && end == 9;
}

static bool matches(const struct pci_function *d, const char *pattern)
{
	const char *full = BDF_STR(d->bdf);

	if (fnmatch(pattern, full, 0) == 0)
		return true;
	if (d->bdf.domain == 0 && fnmatch(pattern, full + 5, 0) == 0)
		return true;
	for (unsigned i = 0; i < d->netdev_count; i++) {
		if (fnmatch(pattern, d->netdevs[i], 0) == 0)
			return true;
	}
	return false;
}

/* Ids or a pattern: every endpoint that fits. 0 or -ENOMEM. */
static int find_many(const struct topo *topo, const char *name, struct device_list *list)
{
	unsigned vendor, device;
	bool ids = parse_ids(name, &vendor, &device), glob = strpbrk(name, "*?[");

	for (size_t i = 0; i < topo->count; i++) {
		const struct pci_function *d = &topo->devs[i];

		if (!pci_function_is_assignable(d))
			continue;
		if (!(ids && d->vendor == vendor && d->device == device) &&
		    !(glob && matches(d, name)))
			continue;
		if (device_list_add(list, d->bdf) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Functions of the same bus that differ in one place only, or the command that shows them all. */
static int no_such_device(const struct topo *topo, const char *name, const char *verb,
			  struct err *err)
{
	char near[128] = "";
	struct bdf bdf;
	size_t n = 0;

	err_plain(err, -ENODEV, "cannot %s %s: no such PCI device", verb, name);
	if (bdf_parse(name, &bdf) == 0) {
		for (size_t i = 0; i < topo->count && n < 80; i++) {
			struct bdf b = topo->devs[i].bdf;
			bool near_by = b.domain == bdf.domain && b.bus == bdf.bus &&
				       (b.dev == bdf.dev || b.fn == bdf.fn);

			if (near_by && pci_function_is_assignable(&topo->devs[i]))
				n += (size_t)snprintf(near + n, sizeof(near) - n, "%s%s",
						      n ? ", " : "", BDF_STR(b));
		}
	}
	if (n)
		return err_hint(err, "did you mean %s? thruway list shows all", near);
	return err_hint(err, "thruway list shows the devices of this host");
}

static int ambiguous(const char *name, const char *verb, const struct device_list *list,
		     struct err *err)
{
	char some[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < list->count && n < 80; i++)
		n += (size_t)snprintf(some + n, sizeof(some) - n, "%s%s", n ? ", " : "",
				      BDF_STR(list->bdfs[i]));
	err_usage(err, "cannot %s %s: it means %zu devices: %s%s", verb, name, list->count, some,
		  n >= 80 ? ", …" : "");
	err_hint(err, "name one of them, or say --all");
	return -EINVAL;
}

/* As device_resolve(), for a name that is no single device's. */
static int resolve_many(const struct topo *topo, const char *name, bool many, const char *verb,
			struct device_list *list, struct err *err)
{
	_cleanup_(device_list_fini) struct device_list found = DEVICE_LIST_INIT;
	int r = find_many(topo, name, &found);

	if (r == 0 && !found.count)
		return no_such_device(topo, name, verb, err);
	if (r == 0 && found.count > 1 && !many)
		return ambiguous(name, verb, &found, err);
	for (size_t i = 0; r == 0 && i < found.count; i++)
		r = device_list_add(list, found.bdfs[i]);
	return r < 0 ? err_set(err, r, "cannot %s %s", verb, name) : 0;
}

int device_resolve(int root, const struct topo *topo, const char *name, bool many,
		   const char *verb, struct device_list *list, struct err *err)
{
	struct bdf bdf;
	int r;

	if (!*name) {
		err_usage(err, "cannot %s '': that is no device's name", verb);
		return err_hint(err, "thruway list shows the devices of this host");
	}
	r = find_vf(root, topo, name, verb, &bdf, err);
	if (r < 0)
		return r;
	if (r > 0 && find_one(root, topo, name, &bdf) < 0)
		return resolve_many(topo, name, many, verb, list, err);
	return device_list_add(list, bdf) < 0 ? err_set(err, -ENOMEM, "cannot %s %s", verb, name)
					       : 0;
}

int device_resolve_one(int root, const struct topo *topo, const char *name, const char *verb,
		       struct bdf *ret, struct err *err)
{
	struct device_list list = DEVICE_LIST_INIT;
	int r = device_resolve(root, topo, name, false, verb, &list, err);

	if (r == -EINVAL && *name && err) /* where one is wanted, --all is no way out */
		snprintf(err->hint, sizeof(err->hint), "name one of them");
	if (r == 0 && list.count)
		*ret = list.bdfs[0];
	device_list_fini(&list);
	return r;
}

bool device_by_address(int root, const char *name, struct bdf *ret)
{
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0 ||
	    !hostfs_exists(root, "sys/bus/pci/devices/%s", BDF_STR(bdf)))
		return false;
	*ret = bdf;
	return true;
}
