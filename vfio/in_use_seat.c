// SPDX-License-Identifier: GPL-2.0-or-later
/* What a person at the machine needs: the display it booted with, its consoles, its keyboard. */
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/in_use_internal.h"

struct find {
	const struct in_use_host *host;
	const struct pci_function *dev;
	struct in_use *ret;
};

/* The driver of text consoles on framebuffers. */
static int check_vtconsole(const char *name, void *opaque)
{
	const struct find *f = opaque;
	char text[64];
	uint64_t bound;

	if (hostfs_read(f->host->root, text, sizeof(text), "sys/class/vtconsole/%s/name", name) < 0 ||
	    !strstr(text, "frame buffer") ||
	    hostfs_read_u64(f->host->root, &bound, "sys/class/vtconsole/%s/bind", name) < 0)
		return 0;
	return bound ? 1 : 0;
}

/* tty1, tty2, … are shown on the first framebuffer, whichever display the firmware began with. */
static void check_text_console(struct find *f, const char *tty)
{
	if (f->ret->mask & 1u << IN_USE_CONSOLE || tty[3] < '0' || tty[3] > '9' ||
	    !in_use_below(f->host->root, f->dev->bdf, "sys/class/graphics/fb0") ||
	    hostfs_list(f->host->root, check_vtconsole, f, "sys/class/vtconsole") != 1)
		return;
	in_use_add(f->ret, IN_USE_CONSOLE, "it shows %s, a console of this host", tty);
}

/* "tty0 ttyS0": the terminals the kernel prints to. */
static void check_consoles(struct find *f)
{
	char text[256], path[128], *save = NULL;

	if (hostfs_read(f->host->root, text, sizeof(text), "sys/class/tty/console/active") < 0)
		return;
	for (char *tty = strtok_r(text, " \n", &save); tty; tty = strtok_r(NULL, " \n", &save)) {
		if (strncmp(tty, "tty", 3) == 0)
			check_text_console(f, tty);
		snprintf(path, sizeof(path), "sys/class/tty/%.64s", tty);
		if (in_use_below(f->host->root, f->dev->bdf, path))
			in_use_add(f->ret, IN_USE_CONSOLE, "%s is a console of this host", tty);
	}
}

/* The same test as udev's: the keys of the first row, KEY_ESC to KEY_S, are all there. */
static int check_input(const char *name, void *opaque)
{
	struct find *f = opaque;
	unsigned long long keys;
	char text[512], path[128], *last;

	if (strncmp(name, "input", 5) != 0)
		return 0;
	snprintf(path, sizeof(path), "sys/class/input/%.64s", name);
	if (!in_use_below(f->host->root, f->dev->bdf, path) ||
	    hostfs_read(f->host->root, text, sizeof(text), "%s/capabilities/key", path) < 0)
		return 0;
	last = strrchr(text, ' ');
	if (sscanf(last ? last + 1 : text, "%llx", &keys) == 1 &&
	    (keys & 0xfffffffe) == 0xfffffffe) {
		if (hostfs_read(f->host->root, text, sizeof(text), "%s/name", path) < 0)
			snprintf(text, sizeof(text), "%s", name);
		in_use_add(f->ret, IN_USE_KEYBOARD, "a keyboard is behind it: %.64s", text);
	}
	return 0;
}

void in_use_find_seat(const struct in_use_host *host, const struct pci_function *dev,
		      struct in_use *ret)
{
	struct find f = { host, dev, ret };

	if (dev->boot_vga && dev->driver[0] && !pci_function_driver_is_vfio(dev->driver))
		in_use_add(ret, IN_USE_CONSOLE, "it is the display this host booted with");
	check_consoles(&f);
	hostfs_list(host->root, check_input, &f, "sys/class/input");
}
