/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device that is bound for guests, as other VMMs and their managers want to be told of it. */
#ifndef HOST_EXPORT_H
#define HOST_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/bdf.h"
#include "base/err.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"
#include "vfio/topology.h"

enum export_format { EXPORT_LIBVIRT, EXPORT_QEMU, EXPORT_CLOUD_HYPERVISOR };

/* "libvirt", "qemu", "cloud-hypervisor". 0 or -ENOENT. */
int export_format_find(const char *word, enum export_format *ret);

struct export_device {
	struct bdf bdf;
	bool is_vf, is_nic;
	unsigned vf;			/* of a VF: its number, and what its PF is called */
	char pf[PF_NAME_MAX];
	char name[160];			/* vendor and device in words */
	struct vf_attrs attrs;		/* of a network VF, as its PF has them; have 0: unknown */
};

/*
 * 0, or -errno with err set: it is no endpoint, not bound to a VFIO driver, or its group
 * is not viable, and what to do about it. A vGPU that its own driver hands out is fine.
 */
int export_read(int root, const struct topo *topo, struct bdf bdf, struct export_device *ret,
		struct err *err);

/*
 * For libvirt one element per device, managed='no': the attributes of a network VF are in
 * it, because libvirt sets them again. For QEMU a root port of a q35 machine and the device
 * behind it, an argument a line. For cloud-hypervisor one argument with all devices.
 */
void export_print(FILE *out, enum export_format format, const struct export_device *devs,
		  size_t count);

/*
 * Text inside an XML comment or element, printed so that it cannot end it: markup becomes
 * entities, control characters become blanks, and of several hyphens one is left.
 */
void export_print_xml(FILE *out, const char *text);

#endif
