// SPDX-License-Identifier: GPL-2.0-or-later
/* What the DMA of a device may reach: addresses, reserved ranges, and what it tried in vain. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"
#include "host/doctor/doctor_internal.h"
#include "vfio/iommu_group.h"
#include "vfio/iommu_width.h"

/* --- how many address bits
 * ------------------------------------------------------------------------ */

struct units {
	struct check *c;
	unsigned width; /* of the narrowest; 0: none could be read */
	int error;
};

static int look_at_unit(const char *name, void *opaque)
{
	struct units *u = opaque;
	bool amd = strncmp(name, "ivhd", 4) == 0;
	unsigned width;
	char text[64];
	int r = check_read(u->c, text, sizeof(text), "sys/class/iommu/%s/%s", name,
			   amd ? "amd-iommu/features" : "intel-iommu/cap");

	if (r < 0) {
		u->error = r;
		return 0;
	}
	width = iommu_width_parse(text, amd);
	if (!u->width || width < u->width)
		u->width = width;
	return 0;
}

/* "address sizes : 46 bits physical, 48 bits virtual"; 0: not told. */
static unsigned cpu_width(struct check *c)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	unsigned bits = 0;
	size_t size = 0;

	if (check_fopen(c, &in, "proc/cpuinfo") < 0)
		return 0;
	while (!bits && getline(&line, &size, in) > 0) {
		if (sscanf(line, "address sizes : %u bits physical", &bits) == 1) {
			line[strcspn(line, "\n")] = '\0';
			check_evidence(c, line, "proc/cpuinfo");
		}
	}
	return bits;
}

/* All BARs a single guest could be given. */
static uint64_t wanted_bars(const struct check *c)
{
	const struct topo *topo = c->d->req->topo;
	uint64_t sum = 0;
	char file[WANTED_FILE_MAX];

	for (size_t i = 0; i < topo->count; i++) {
		if (wanted_find(c->d, &topo->devs[i], file) == WANTED_NOT)
			continue;
		for (unsigned b = 0; b < PCI_FUNCTION_BARS - 1; b++)
			sum += topo->devs[i].bars[b].size;
	}
	return sum;
}

void rule_addr_width(struct check *c)
{
	struct units u = { .c = c };
	unsigned cpu;
	int r;

	if (topo_iommu_state(c->d->root) != IOMMU_ON) {
		check_skip(c);
		return;
	}
	r = hostfs_list(c->d->root, look_at_unit, &u, "sys/class/iommu");
	cpu = cpu_width(c);
	if (!u.width || !cpu) {
		check_unreadable(c,
				 u.width   ? -ENODATA
				 : r < 0   ? r
				 : u.error ? u.error
					   : -ENOENT,
				 "%s", u.width ? "proc/cpuinfo" : "sys/class/iommu");
		return;
	}
	if (u.width < 64 && wanted_bars(c) >= 1ull << (u.width - 1)) {
		check_say(c, DOCTOR_FAIL,
			  "the BARs of the devices for guests take %s, the IOMMU "
			  "addresses %u bits",
			  SIZE_STR(wanted_bars(c)), u.width);
		check_fix(c, "give them to several guests, fewer to each");
	} else if (u.width < cpu) {
		check_say(c, DOCTOR_WARN,
			  "the IOMMU addresses %u bits, the CPU %u: a guest that goes "
			  "by the CPU puts BARs where no DMA can reach them",
			  u.width, cpu);
		check_fix(c,
			  "nothing for thruway, which keeps to the IOMMU's range; QEMU: -cpu "
			  "host,host-phys-bits-limit=%u",
			  u.width);
	}
}

/* --- one device
 * ----------------------------------------------------------------------------------- */

void rule_no_group(struct check *c)
{
	if (!c->wanted || topo_iommu_state(c->d->root) != IOMMU_ON) {
		check_skip(c);
		return;
	}
	if (c->dev->group >= 0)
		return;
	check_evidence(c, "not there", "sys/bus/pci/devices/%s/iommu_group", c->bdf);
	check_say(c, DOCTOR_FAIL, "this host's IOMMU does not cover it");
	check_fix(c,
		  "use another slot, or boot without intel_iommu=igfx_off; in a virtual machine, "
		  "put it on a bus that its vIOMMU serves (QEMU: no bypass_iommu)");
}

void rule_rmrr(struct check *c)
{
	struct iommu_region regions[IOMMU_REGIONS_MAX];
	char value[80];
	int n;

	if (c->dev->group < 0 || !c->wanted) {
		check_skip(c);
		return;
	}
	n = iommu_group_regions(c->d->root, c->dev->group, regions, IOMMU_REGIONS_MAX);
	if (n < 0) {
		check_unreadable(c, n, "sys/kernel/iommu_groups/%d/reserved_regions",
				 c->dev->group);
		return;
	}
	for (int i = 0; i < n; i++) {
		if (strcmp(regions[i].kind, "direct") != 0)
			continue;
		snprintf(value, sizeof(value), "0x%" PRIx64 " 0x%" PRIx64 " direct",
			 regions[i].first, regions[i].last);
		check_evidence(c, value, "sys/kernel/iommu_groups/%d/reserved_regions",
			       c->dev->group);
		check_say(c, DOCTOR_FAIL,
			  "the firmware goes on using memory through it (RMRR, "
			  "IVMD): VFIO refuses it");
	}
	CHECK_LOG_ALSO(c, "platform RMRR requirement", "1:1 IOMMU mapping");
	check_fix(c, "update the firmware; switch off what shares memory with this device there "
		     "(HPE: shared memory features; pre-boot DMA protection)");
}

/*
 * A bridge to conventional PCI speaks for all that is behind it, with the first address of its
 * secondary bus as requester id (PCI Express to PCI bridge spec 2.3).
 */
static bool speaks_through_a_bridge(const struct check *c, char *ret_alias)
{
	int i = pci_tree_index(c->d->req->topo, c->dev->bdf);
	struct bdf alias = { .domain = c->dev->bdf.domain, .bus = c->dev->bdf.bus };
	const struct acs_function *f;

	if (i == PCI_TREE_NONE || c->d->acs.tree.nodes[i].bridge == PCI_TREE_NONE)
		return false;
	f = &c->d->acs.functions[c->d->acs.tree.nodes[i].bridge];
	bdf_str(alias, ret_alias);
	return f->known && f->express && f->type == PCI_EXP_TYPE_PCI_BRIDGE &&
	       strcmp(ret_alias, c->bdf) != 0;
}

void rule_iommu_faults(struct check *c)
{
	static const char *const faults[] = { "[DMA Read",
					      "[DMA Write",
					      "DMA Read]",
					      "DMA Write]",
					      "INTR-REMAP",
					      "IO_PAGE_FAULT",
					      "INVALID_DEVICE_REQUEST",
					      "ILLEGAL_DEV_TABLE_ENTRY",
					      NULL };
	unsigned n = check_log(c, false, faults);
	char alias[BDF_STRLEN];

	if (!n && speaks_through_a_bridge(c, alias)) {
		n = check_log_of(c, alias, false, faults);
		if (n)
			check_say(c, DOCTOR_WARN,
				  "the IOMMU stopped it, or another function behind its "
				  "bridge, %u time%s from reaching memory it may not",
				  n, n > 1 ? "s" : "");
	}
	if (!n)
		return;
	check_say(c, DOCTOR_WARN, "the IOMMU stopped it %u time%s from reaching memory it may not",
		  n, n > 1 ? "s" : "");
	check_fix(c, "look at its guest's or host's driver; stop the guest and thruway reset %s",
		  c->bdf);
}
