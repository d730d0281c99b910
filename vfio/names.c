// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libpci is used for its id database only. It is never pci_init()ed: that looks
 * for hardware access methods and ends the process where it finds none. What
 * remains of its noreturn error hook (out of memory) comes back by longjmp.
 */
#include "vfio/names.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pci/pci.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"

#define PCI(X) X(pci_alloc) X(pci_cleanup) X(pci_lookup_name) X(pci_set_name_list_path)

PCI(DL_POINTER)

static const struct dl_symbol symbols[] = { PCI(DL_SYMBOL) };
static struct dl_library libpci = { "libpci.so.3", "libpci3", symbols, ARRAY_SIZE(symbols) };

struct names {
	struct pci_access *access; /* NULL: the library is not installed */
};

static _Thread_local jmp_buf on_error;

static void fail(char *msg, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void fail(char *msg, ...)
{
	(void)msg;
	longjmp(on_error, 1);
}

static void silent(char *msg, ...) __attribute__((format(printf, 1, 2)));

static void silent(char *msg, ...)
{
	(void)msg;
}

/* The host's own database where distributions put it, and else wherever libpci was told to look. */
static void choose_database(struct pci_access *access, int root)
{
	static const char *const places[] = { "usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids" };
	char path[HOSTFS_PATH_MAX], *copy;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (!hostfs_exists(root, "%s", places[i]) ||
		    hostfs_path(root, path, sizeof(path), "%s", places[i]) < 0)
			continue;
		copy = strdup(path);
		if (copy)
			dl_pci_set_name_list_path(access, copy, 1);
		return;
	}
}

struct names *names_open(int root)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	if (dl_load(&libpci, NULL) < 0)
		return names;
	names->access = dl_pci_alloc();
	choose_database(names->access, root);
	names->access->error = fail;
	names->access->warning = silent;
	names->access->debug = silent;
	return names;
}

struct names *names_close(struct names *names)
{
	if (!names)
		return NULL;
	if (names->access && setjmp(on_error) == 0)
		dl_pci_cleanup(names->access);
	free(names);
	return NULL;
}

/* The name, or NULL when the database does not know it. */
static const char *lookup(struct names *names, char *buf, size_t size, int flags, int id1, int id2)
{
	if (!names->access || setjmp(on_error))
		return NULL;
	/* libpci 3.9 leaks a struct udev per name that it looks for in a hwdb that is not there. */
	return dl_pci_lookup_name(names->access, buf, (int)size,
				  flags | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB, id1, id2);
}

char *names_device(struct names *names, uint16_t vendor, uint16_t device, char *buf, size_t size)
{
	char maker[128];

	if (lookup(names, buf, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, vendor, device))
		return buf;
	if (lookup(names, maker, sizeof(maker), PCI_LOOKUP_VENDOR, vendor, 0))
		snprintf(buf, size, "%s device %04x", maker, device);
	else
		snprintf(buf, size, "device %04x:%04x", vendor, device);
	return buf;
}

char *names_model(struct names *names, uint16_t vendor, uint16_t device, char *buf, size_t size)
{
	if (lookup(names, buf, size, PCI_LOOKUP_DEVICE, vendor, device))
		return buf;
	return names_device(names, vendor, device, buf, size);
}

char *names_class(struct names *names, uint32_t class, char *buf, size_t size)
{
	if (!lookup(names, buf, size, PCI_LOOKUP_CLASS, (int)(class >> 8), 0))
		snprintf(buf, size, "Class %04x", class >> 8);
	return buf;
}
