// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/modules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <libkmod.h>

#include "base/fd.h"
#include "base/hostfs.h"

static void quiet(void *data, int priority, const char *file, int line, const char *fn,
		  const char *format, va_list args)
{
	/* libkmod would write to stderr what we say in words of our own. */
}

/* The modules below root: a fake host has none. Freed by unrefp. */
static struct kmod_ctx *open_modules(int root)
{
	char dir[HOSTFS_PATH_MAX];
	struct kmod_ctx *ctx;
	struct utsname u;

	if (uname(&u) < 0 || hostfs_path(root, dir, sizeof(dir), "lib/modules/%s", u.release) < 0)
		return NULL;
	ctx = kmod_new(dir, NULL);
	if (ctx)
		kmod_set_log_fn(ctx, quiet, NULL);
	return ctx;
}

static void kmod_unrefp(struct kmod_ctx **ctx)
{
	if (*ctx)
		kmod_unref(*ctx);
}

/* The kernel takes - and _ in module names for the same. */
static bool same_module(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a == '-' ? '_' : *a, y = *b == '-' ? '_' : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

/* The first module the alias leads to that is not the plain vfio-pci. */
static bool find_variant(struct kmod_ctx *ctx, const char *alias, char *buf, size_t size)
{
	struct kmod_list *list = NULL, *it;
	bool found = false;

	if (kmod_module_new_from_lookup(ctx, alias, &list) < 0)
		return false;
	kmod_list_foreach(it, list) {
		struct kmod_module *mod = kmod_module_get_module(it);
		const char *name = kmod_module_get_name(mod);

		if (!found && !same_module(name, "vfio_pci") && strlen(name) < size) {
			strcpy(buf, name);
			found = true;
		}
		kmod_module_unref(mod);
	}
	kmod_module_unref_list(list);
	return found;
}

char *modules_vfio_driver(int root, struct bdf bdf, char *buf, size_t size)
{
	_cleanup_(kmod_unrefp) struct kmod_ctx *ctx = open_modules(root);
	char modalias[128], alias[160];

	snprintf(buf, size, "vfio-pci");
	if (!ctx || hostfs_read(root, modalias, sizeof(modalias), "sys/bus/pci/devices/%s/modalias",
				BDF_STR(bdf)) < 0 ||
	    strncmp(modalias, "pci:", 4) != 0)
		return buf;
	snprintf(alias, sizeof(alias), "vfio_%s", modalias);
	find_variant(ctx, alias, buf, size);
	return buf;
}

static int insert(struct kmod_ctx *ctx, const char *name)
{
	struct kmod_list *list = NULL, *it;
	int r = kmod_module_new_from_lookup(ctx, name, &list);

	if (r < 0)
		return r;
	r = -ENOENT;
	kmod_list_foreach(it, list) {
		struct kmod_module *mod = kmod_module_get_module(it);

		r = kmod_module_probe_insert_module(mod, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY,
						    NULL, NULL, NULL, NULL);
		kmod_module_unref(mod);
		if (r < 0)
			break;
	}
	kmod_module_unref_list(list);
	return r < 0 ? r : 0;
}

int modules_load_driver(int root, const char *driver, struct err *err)
{
	_cleanup_(kmod_unrefp) struct kmod_ctx *ctx = NULL;
	int r;

	if (hostfs_exists(root, "sys/bus/pci/drivers/%s", driver))
		return 0;
	ctx = open_modules(root);
	r = ctx ? insert(ctx, driver) : -ENOENT;
	if (r < 0) {
		err_set(err, r, "cannot load the driver %s", driver);
		if (r == -EPERM)
			err_hint(err, "run it as root");
		else
			err_hint(err, "is it a PCI driver of this kernel? modinfo %s", driver);
		return r;
	}
	if (hostfs_exists(root, "sys/bus/pci/drivers/%s", driver))
		return 0;
	return err_plain(err, -ENODEV, "the module %s is loaded but is no PCI driver of that name",
			 driver);
}
