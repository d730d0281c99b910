// SPDX-License-Identifier: GPL-2.0-or-later
/* Making VFs, and opening them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"
#include "sriov/vf_users.h"
#include "vfio/pci_config.h"

void rule_vfs_busy(struct check *c)
{
	char users[512] = "", value[16];
	unsigned refused;
	int used;

	if (!c->dev->total_vfs || !c->dev->num_vfs) {
		check_skip(c);
		return;
	}
	refused = check_log(c, true, (const char *const[]){ "VFs already enabled", NULL });
	/* VFs that work are no fault, unless somebody wants another number of them. */
	if (!c->asked && !refused)
		return;
	snprintf(value, sizeof(value), "%u", c->dev->num_vfs);
	check_evidence(c, value, "sys/bus/pci/devices/%s/sriov_numvfs", c->bdf);
	used = vf_users(c->d->root, c->dev->bdf, users, sizeof(users));
	if (used < 0) {
		check_unreadable(c, used, "sys/bus/pci/devices/%s", c->bdf);
	} else if (used) {
		check_say(c, DOCTOR_WARN, "its %u VFs cannot become another number: %s",
			  c->dev->num_vfs, users);
		check_fix(
			c,
			"stop who uses them, then thruway vf destroy %s and thruway vf create %s N",
			c->bdf, c->bdf);
	} else if (refused) {
		check_say(c, DOCTOR_WARN,
			  "the kernel changes the number of VFs through 0 only, and it "
			  "is %u",
			  c->dev->num_vfs);
		check_fix(c, "thruway vf destroy %s, then thruway vf create %s N", c->bdf, c->bdf);
	}
}

/* Lines 7 to 12 of the file are the VFs' BARs, all zero when no room was found for them. */
#define FIRST_VF_BAR 7
#define VF_BARS      6

static int has_vf_mmio(struct check *c, bool *ret)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	size_t size = 0;
	int r = check_fopen(c, &in, "sys/bus/pci/devices/%s/resource", c->bdf);
	unsigned n = 0;
	bool any = false;

	if (r < 0)
		return r;
	for (; getline(&line, &size, in) > 0 && n < FIRST_VF_BAR + VF_BARS; n++) {
		unsigned long long start, end;

		if (n >= FIRST_VF_BAR && sscanf(line, "%llx %llx", &start, &end) == 2)
			any |= start && end;
	}
	/* A kernel without SR-IOV ends the list with the ROM. */
	if (n < FIRST_VF_BAR + VF_BARS)
		return -ENODATA;
	*ret = any;
	return 0;
}

void rule_vf_mmio(struct check *c)
{
	bool has = true;
	unsigned n;
	int r;

	if (!c->dev->total_vfs) {
		check_skip(c);
		return;
	}
	n = check_log(c, true,
		      (const char *const[]){ "not enough MMIO resources for SR-IOV",
					     "SR-IOV: bus number out of range", NULL });
	r = has_vf_mmio(c, &has);
	if (r < 0 && !n) {
		check_unreadable(c, r, "sys/bus/pci/devices/%s/resource", c->bdf);
		return;
	}
	if (!has) {
		check_evidence(c, "the VFs' BARs are empty", "sys/bus/pci/devices/%s/resource",
			       c->bdf);
		check_say(
			c, c->asked || n ? DOCTOR_FAIL : DOCTOR_NOTE,
			"there is no address space for its VFs: making them says 'Cannot allocate "
			"memory'");
	} else if (n) {
		check_say(c, DOCTOR_FAIL, "VFs found no room when they were made");
	}
	check_fix(c,
		  "in the firmware: SR-IOV, 'Above 4G decoding', larger MMIO windows; or boot with "
		  "pci=realloc (bus numbers: pci=assign-busses); or make fewer VFs");
}

/* The capability tells hardware that could from hardware that never will. */
static void judge_capability(struct check *c)
{
	_cleanup_(pci_config_close) struct pci_config config = PCI_CONFIG_INIT;
	unsigned pos;

	pci_config_open(c->d->root, c->dev->bdf, &config);
	if (!pci_config_whole(&config)) {
		if (c->asked)
			check_unreadable(c, -EPERM, "sys/bus/pci/devices/%s/config", c->bdf);
		return;
	}
	pos = pci_config_find(&config, PCI_EXT_CAP_ID_SRIOV, true);
	if (!pos) {
		check_skip(c);
		return;
	}
	check_evidence(c, "has the SR-IOV capability", "sys/bus/pci/devices/%s/config", c->bdf);
	check_say(c, c->asked ? DOCTOR_WARN : DOCTOR_NOTE,
		  "it could have VFs, but its firmware or the kernel allows none");
	check_fix(
		c,
		"switch SR-IOV on in the host's firmware and the card's (NVIDIA/Mellanox: mstconfig "
		"-d %s set SRIOV_EN=1 NUM_OF_VFS=8, then power off); the kernel needs "
		"CONFIG_PCI_IOV",
		c->bdf);
}

/* Of the driver that has it now: one that had it before says nothing about this one. */
static unsigned count_refusals(struct check *c)
{
	const char *driver = c->dev->driver[0] ? c->dev->driver : "pci";
	char said[2][PCI_DRIVER_MAX + BDF_STRLEN + 64];

	snprintf(said[0], sizeof(said[0]), "%s %s: driver does not support SR", driver, c->bdf);
	snprintf(said[1], sizeof(said[1]), "%s %s: no driver bound to device; cannot configure SR-IOV",
		 driver, c->bdf);
	return check_log(c, true, (const char *const[]){ said[0], said[1], NULL });
}

void rule_vf_none(struct check *c)
{
	unsigned n;

	if (c->dev->is_vf || c->dev->num_vfs) {
		check_skip(c);
		return;
	}
	if (!c->dev->total_vfs) {
		judge_capability(c);
		return;
	}
	n = count_refusals(c);
	if (!c->dev->driver[0] && (n || c->asked)) {
		check_evidence(c, "none", "sys/bus/pci/devices/%s/driver", c->bdf);
		check_say(c, n ? DOCTOR_WARN : DOCTOR_NOTE,
			  "it has no driver, and VFs are made by the PF's driver");
		check_fix(c, "thruway restore %s", c->bdf);
	} else if (n) {
		check_say(c, DOCTOR_WARN, "its driver %s does not make VFs", c->dev->driver);
		check_fix(c, "bind the driver of its maker to it, for vfio-pci: modprobe vfio-pci "
			     "enable_sriov=1");
	}
}

void rule_vf_token(struct check *c)
{
	struct pci_function pf;

	if (!c->dev->is_vf || !c->wanted) {
		check_skip(c);
		return;
	}
	if (pci_function_read_unlocked(c->d->root, c->dev->pf, &pf) < 0) {
		check_unreadable(c, -ENODEV, "sys/bus/pci/devices/%s/physfn", c->bdf);
		return;
	}
	if (!pci_function_driver_is_vfio(pf.driver))
		return;
	check_evidence(c, pf.driver, "sys/bus/pci/devices/%s/driver", BDF_STR(c->dev->pf));
	check_say(c, DOCTOR_WARN,
		  "its PF belongs to a VFIO user too, who alone can open the way to it: "
		  "by a VF token");
	check_fix(
		c,
		"give the PF back to its driver (thruway restore %s), or start both users with the "
		"same token (QEMU: vf-token=UUID)",
		BDF_STR(c->dev->pf));
}
