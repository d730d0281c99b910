// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/posting.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"

/* VT-d capability register: posted interrupts. AMD's extended features: guest virtual APIC. */
#define VTD_CAP_PI	 (1ull << 59)
#define AMD_GA		 (1ull << 7)
#define AMD_GA_MODE_VAPIC (1ull << 21)

static bool param_on(int root, const char *module, const char *name)
{
	char value[8];

	return hostfs_read(root, value, sizeof(value), "sys/module/%s/parameters/%s", module, name) >
		       0 &&
	       (value[0] == 'Y' || value[0] == '1');
}

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/*
 * What of intremap=WORD,WORD… turns posting off, by the kernel's rules (setup_irqremap()): words count
 * by how they begin, in order, and "on" takes back what was before it. `off` as it was, or anew.
 */
static const char *intremap_off(char *list, const char *off)
{
	for (char *word; (word = strsep(&list, ","));) {
		if (begins(word, "nopost"))
			off = "intremap=nopost on the kernel's command line";
		else if (begins(word, "off"))
			off = "intremap=off on the kernel's command line";
		else if (begins(word, "on"))
			off = "";
	}
	return off;
}

/* "": nothing. */
static const char *off_by_command_line(int root)
{
	char line[4096], *rest = line;
	const char *off = "";

	if (hostfs_read(root, line, sizeof(line), "proc/cmdline") <= 0)
		return off;
	for (char *word; (word = strsep(&rest, " \n"));) {
		if (begins(word, "intremap="))
			off = intremap_off(word + strlen("intremap="), off);
	}
	return off;
}

static bool on_command_line(int root, const char *word)
{
	char line[4096];

	return hostfs_read(root, line, sizeof(line), "proc/cmdline") > 0 && strstr(line, word);
}

struct units {
	int root;
	const char *file;
	uint64_t bits; /* that each must have */
	unsigned all, able;
};

/* The registers are in hexadecimal without 0x; AMD's newer kernels print two, "EFR:EFR2". */
static int look_at_unit(const char *name, void *opaque)
{
	struct units *u = opaque;
	unsigned long long v;
	char text[64];

	if (hostfs_read(u->root, text, sizeof(text), "sys/class/iommu/%s/%s", name, u->file) <= 0 ||
	    sscanf(text, "%llx", &v) != 1)
		return 0;
	u->all++;
	u->able += (v & u->bits) == u->bits;
	return 0;
}

/* Of several units one without is enough: nobody knows here which one a device is behind. */
static bool iommus_can(int root, const char *file, uint64_t bits)
{
	struct units u = { .root = root, .file = file, .bits = bits };

	(void)hostfs_list(root, look_at_unit, &u, "sys/class/iommu");
	return u.all && u.able == u.all;
}

static const char *why_not_intel(int root)
{
	const char *off = off_by_command_line(root);

	if (!param_on(root, "kvm_intel", "enable_apicv"))
		return "no APICv (kvm_intel.enable_apicv is off)";
	if (*off)
		return off;
	if (!iommus_can(root, "intel-iommu/cap", VTD_CAP_PI))
		return "the IOMMU cannot post";
	return "";
}

static const char *why_not_amd(int root)
{
	if (!param_on(root, "kvm_amd", "avic"))
		return "no AVIC (kvm_amd.avic is off)";
	if (on_command_line(root, "amd_iommu_guest_ir=legacy"))
		return "amd_iommu_guest_ir=legacy on the kernel's command line";
	if (!iommus_can(root, "amd-iommu/features", AMD_GA | AMD_GA_MODE_VAPIC))
		return "the IOMMU cannot post";
	return "";
}

void posting_read(int root, struct posting *ret)
{
	const char *why = "KVM's module is not to be seen";

	if (hostfs_exists(root, "sys/module/kvm_intel"))
		why = why_not_intel(root);
	else if (hostfs_exists(root, "sys/module/kvm_amd"))
		why = why_not_amd(root);
	*ret = (struct posting){ .possible = !*why };
	snprintf(ret->why, sizeof(ret->why), "%s", why);
}
