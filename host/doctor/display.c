// SPDX-License-Identifier: GPL-2.0-or-later
/* Graphics: the firmware's framebuffer in its memory, and its ROM. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/range.h"
#include "host/doctor/doctor_internal.h"

static bool is_display(const struct check *c)
{
	return c->wanted && c->dev->class >> 16 == 0x03;
}

static bool is_framebuffer(const char *name)
{
	static const char *const names[] = { "BOOTFB",         "efifb",     "vesafb",
					     "simplefb",       "simpledrm", "simple-framebuffer",
					     "efi-framebuffer" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static bool is_in_a_bar(const struct pci_function *dev, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < PCI_FUNCTION_BARS - 1; i++) {
		struct range bar = { dev->bars[i].start, dev->bars[i].size };

		if (bar.size && first <= last &&
		    range_contains(bar, (struct range){ first, last - first + 1 }))
			return true;
	}
	return false;
}

/* "  c0000000-c0ffffff : BOOTFB"; an ordinary user is shown zeros for addresses. */
void rule_bootfb(struct check *c)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	bool addresses = false;
	size_t size = 0;
	int r;

	if (!is_display(c)) {
		check_skip(c);
		return;
	}
	r = check_fopen(c, &in, "proc/iomem");
	while (r == 0 && getline(&line, &size, in) > 0) {
		uint64_t first, last;
		char name[64];

		if (sscanf(line, " %" SCNx64 "-%" SCNx64 " : %63[^\n]", &first, &last, name) != 3)
			continue;
		addresses |= last != 0;
		if (!is_framebuffer(name) || !is_in_a_bar(c->dev, first, last))
			continue;
		check_evidence(c, line + strspn(line, " "), "proc/iomem");
		check_say(c, DOCTOR_FAIL,
			  "the firmware's framebuffer (%s) keeps its memory: BARs "
			  "cannot be reserved",
			  name);
		check_fix(
			c,
			"echo 0 >/sys/class/vtconsole/vtcon1/bind, and unbind it: echo "
			"simple-framebuffer.0 >/sys/bus/platform/drivers/simple-framebuffer/unbind "
			"(or efi-framebuffer.0 of efi-framebuffer); or make another card the "
			"firmware's first");
	}
	if (r < 0 || !addresses)
		check_unreadable(c, r < 0 ? r : -EPERM, "proc/iomem");
}

void rule_rom_code43(struct check *c)
{
	if (!is_display(c)) {
		check_skip(c);
		return;
	}
	if (!c->dev->boot_vga)
		return;
	check_evidence(c, "1", "sys/bus/pci/devices/%s/boot_vga", c->bdf);
	check_say(c, DOCTOR_WARN,
		  "the firmware ran its ROM: a guest may find that changed, and its driver "
		  "say code 43");
	check_fix(c, "make another card the firmware's first, or give the guest a ROM file (QEMU: "
		     "romfile=)");
}
