// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/modules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <libkmod.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"

#define KMOD(X)                           \
	X(kmod_new)                       \
	X(kmod_unref)                     \
	X(kmod_set_log_fn)                \
	X(kmod_list_next)                 \
	X(kmod_module_new_from_lookup)    \
	X(kmod_module_get_module)         \
	X(kmod_module_get_name)           \
	X(kmod_module_probe_insert_module) \
	X(kmod_module_unref)              \
	X(kmod_module_unref_list)

KMOD(DL_POINTER)

static const struct dl_symbol symbols[] = { KMOD(DL_SYMBOL) };
static struct dl_library libkmod = { "libkmod.so.2", "libkmod2", symbols, ARRAY_SIZE(symbols) };

static void quiet(void *data, int priority, const char *file, int line, const char *fn,
		  const char *format, va_list args)
{
	/* libkmod would write to stderr what we say in words of our own. */
}

/* The modules below root: a fake host has none. Freed by unrefp. NULL, and err if it is not that. */
static struct kmod_ctx *open_modules(int root, struct err *err)
{
	char dir[HOSTFS_PATH_MAX];
	struct kmod_ctx *ctx;
	struct utsname u;

	if (dl_load(&libkmod, err) < 0 || uname(&u) < 0 ||
	    hostfs_path(root, dir, sizeof(dir), "lib/modules/%s", u.release) < 0)
		return NULL;
	ctx = dl_kmod_new(dir, NULL);
	if (ctx)
		dl_kmod_set_log_fn(ctx, quiet, NULL);
	return ctx;
}

static void kmod_unrefp(struct kmod_ctx **ctx)
{
	if (*ctx)
		dl_kmod_unref(*ctx);
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

	if (dl_kmod_module_new_from_lookup(ctx, alias, &list) < 0)
		return false;
	for (it = list; it; it = dl_kmod_list_next(list, it)) {
		struct kmod_module *mod = dl_kmod_module_get_module(it);
		const char *name = dl_kmod_module_get_name(mod);

		if (!found && !same_module(name, "vfio_pci") && strlen(name) < size) {
			strcpy(buf, name);
			found = true;
		}
		dl_kmod_module_unref(mod);
	}
	dl_kmod_module_unref_list(list);
	return found;
}

char *modules_vfio_driver(int root, struct bdf bdf, char *buf, size_t size)
{
	struct err err = ERR_INIT;
	_cleanup_(kmod_unrefp) struct kmod_ctx *ctx = open_modules(root, &err);
	char modalias[128], alias[160];

	if (err.code)
		log_warn("taking vfio-pci for %s without looking for a driver of its own: %s",
			 BDF_STR(bdf), err.text);
	snprintf(buf, size, "vfio-pci");
	if (!ctx || hostfs_read(root, modalias, sizeof(modalias), "sys/bus/pci/devices/%s/modalias",
				BDF_STR(bdf)) < 0 ||
	    strncmp(modalias, "pci:", 4) != 0)
		return buf;
	snprintf(alias, sizeof(alias), "vfio_%s", modalias);
	find_variant(ctx, alias, buf, size);
	return buf;
}

/* What is to be loaded for a driver. Freed by kmod_module_unref_list(). 0, -ENOENT or -errno. */
static int look_up(struct kmod_ctx *ctx, const char *driver, struct kmod_list **ret)
{
	int r = dl_kmod_module_new_from_lookup(ctx, driver, ret);

	return r < 0 ? r : *ret ? 0 : -ENOENT;
}

static int insert(struct kmod_ctx *ctx, const char *driver)
{
	struct kmod_list *list = NULL, *it;
	int r = look_up(ctx, driver, &list);

	if (r < 0)
		return r;
	for (it = list; it; it = dl_kmod_list_next(list, it)) {
		struct kmod_module *mod = dl_kmod_module_get_module(it);

		r = dl_kmod_module_probe_insert_module(mod, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY,
						       NULL, NULL, NULL, NULL);
		dl_kmod_module_unref(mod);
		if (r < 0)
			break;
	}
	dl_kmod_module_unref_list(list);
	return r < 0 ? r : 0;
}

static bool is_registered(int root, const char *driver)
{
	return hostfs_exists(root, "sys/bus/pci/drivers/%s", driver);
}

static int cannot_load(const char *driver, int r, struct err *err)
{
	err_set(err, r, "cannot load the driver %s", driver);
	if (r == -EPERM)
		return err_hint(err, "run it as root");
	return err_hint(err, "is it a PCI driver of this kernel? modinfo %s", driver);
}

static int no_pci_driver(const char *driver, struct err *err)
{
	err_plain(err, -ENODEV, "the module %s is loaded but is no PCI driver of that name", driver);
	return err_hint(err, "the drivers there are: ls /sys/bus/pci/drivers");
}

/* Call fn for the modules of a driver that is not registered; its failure becomes words. */
static int with_modules(int root, const char *driver,
			int (*fn)(struct kmod_ctx *ctx, const char *driver), struct err *err)
{
	struct err own = ERR_INIT;
	_cleanup_(kmod_unrefp) struct kmod_ctx *ctx = open_modules(root, &own);
	int r;

	if (own.code) {
		err_prefix(&own, "cannot load the driver %s", driver);
		if (err && !err->code)
			*err = own;
		return own.code;
	}
	r = ctx ? fn(ctx, driver) : -ENOENT;
	return r < 0 ? cannot_load(driver, r, err) : 0;
}

int modules_load_driver(int root, const char *driver, struct err *err)
{
	int r = is_registered(root, driver) ? 0 : with_modules(root, driver, insert, err);

	return r < 0 || is_registered(root, driver) ? r : no_pci_driver(driver, err);
}

static int only_look_up(struct kmod_ctx *ctx, const char *driver)
{
	struct kmod_list *list = NULL;
	int r = look_up(ctx, driver, &list);

	dl_kmod_module_unref_list(list);
	return r;
}

/* Its module is there already, and would have registered the driver. */
static bool is_loaded(int root, const char *driver)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", driver);
	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
	return hostfs_exists(root, "sys/module/%s", name);
}

int modules_check_driver(int root, const char *driver, struct err *err)
{
	int r = is_registered(root, driver) ? 0 : with_modules(root, driver, only_look_up, err);

	if (r < 0 || is_registered(root, driver) || !is_loaded(root, driver))
		return r;
	return no_pci_driver(driver, err);
}
