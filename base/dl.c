// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static int fail(const struct dl_library *lib, struct err *err)
{
	err_plain(err, -ELIBACC, "cannot load %s: %s", lib->file, dlerror());
	return err_hint(err, "install it: apt install %s", lib->package);
}

int dl_load(struct dl_library *lib, struct err *err)
{
	void *handle, *address;

	if (lib->loaded)
		return 0;
	handle = dlopen(lib->file, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return fail(lib, err);
	for (size_t i = 0; i < lib->count; i++) {
		if (!dlsym(handle, lib->symbols[i].name)) {
			(void)fail(lib, err);
			dlclose(handle);
			return -ELIBACC;
		}
	}
	for (size_t i = 0; i < lib->count; i++) {
		address = dlsym(handle, lib->symbols[i].name);
		memcpy(lib->symbols[i].pointer, &address, sizeof(address));
	}
	lib->loaded = true;
	return 0;
}
