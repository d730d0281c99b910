// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table. What concerns the whole host stands first, because it explains what its devices
 * suffer from; then the rules by how often people meet their faults. docs/doctor.md has each.
 */
#include "host/doctor/doctor_internal.h"

#define KERNEL_DOC "https://docs.kernel.org/"

const struct doctor_rule doctor_rules[] = {
	{ "IOMMU_OFF", "the kernel uses an IOMMU", DOCTOR_FAIL, DOCTOR_HOST, DOCTOR_SEEN_LAB,
	  KERNEL_DOC "driver-api/vfio.html", rule_iommu_off },
	{ "NO_IR", "the IOMMU remaps interrupts", DOCTOR_FAIL, DOCTOR_HOST, DOCTOR_SEEN_LAB,
	  KERNEL_DOC "admin-guide/kernel-parameters.html", rule_no_ir },
	{ "VFIO_MODULE", "vfio-pci is there or can be loaded", DOCTOR_FAIL, DOCTOR_HOST,
	  DOCTOR_SEEN_LAB, KERNEL_DOC "driver-api/vfio.html", rule_vfio_module },
	{ "GRP_NOT_VIABLE", "no host driver is in its IOMMU group", DOCTOR_FAIL, DOCTOR_DEVICE,
	  DOCTOR_SEEN_LAB, KERNEL_DOC "driver-api/vfio.html", rule_grp_not_viable },
	{ "HOST_CRITICAL", "this host can do without it", DOCTOR_FAIL, DOCTOR_DEVICE,
	  DOCTOR_SEEN_LAB, KERNEL_DOC "driver-api/vfio.html", rule_host_critical },
	{ 0 },
};
