/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries that only some commands need, loaded when the first function of theirs
 * does: with what they bring along they are most of the work of starting the tool.
 *
 * The file that uses one lists the functions once:
 *
 *	#define KMOD(X) X(kmod_new) X(kmod_unref)
 *	KMOD(DL_POINTER)
 *	static const struct dl_symbol symbols[] = { KMOD(DL_SYMBOL) };
 *	static struct dl_library libkmod = { "libkmod.so.2", "libkmod2", symbols,
 *					     ARRAY_SIZE(symbols) };
 *
 * and calls dl_kmod_new(…) after dl_load(&libkmod, err) == 0. The pointers have the
 * types of the library's header.
 */
#ifndef BASE_DL_H
#define BASE_DL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct dl_symbol {
	const char *name;
	void *pointer; /* where its pointer is */
};

struct dl_library {
	const char *file;    /* by its soname, which is its ABI */
	const char *package; /* Debian's name of it */
	const struct dl_symbol *symbols;
	size_t count;
	bool loaded;
};

#define DL_POINTER(fn) static __typeof__(fn) *dl_##fn;
#define DL_SYMBOL(fn)  { #fn, &dl_##fn },

/*
 * Load the library, for good, and fill in its pointers: all of them or none. 0, also
 * when it was loaded before; -ELIBACC with a sentence and a hint. By one thread.
 */
int dl_load(struct dl_library *lib, struct err *err);

#endif
