// SPDX-License-Identifier: GPL-2.0-or-later
/* The IOMMU of the host: whether there is one, and whether it remaps interrupts too. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

/* A word of the kernel's command line that switches the IOMMU off; NULL: there is none. */
static const char *switched_off(const struct check *c)
{
	static const char *const words[] = { "intel_iommu=off", "amd_iommu=off", "iommu=off" };
	char key[16], value[64];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(words[i], "="), words[i]);
		if (check_cmdline(c, key, value, sizeof(value)) && strcmp(value, "off") == 0)
			return words[i];
	}
	return NULL;
}

/* The firmware tells of one. */
static void explain_not_enabled(struct check *c)
{
	const char *off = switched_off(c);
	bool amd = hostfs_exists(c->d->root, "sys/firmware/acpi/tables/IVRS");

	check_evidence(c, "there", "sys/firmware/acpi/tables/%s", amd ? "IVRS" : "DMAR");
	check_evidence(c, c->d->cmdline, "proc/cmdline");
	check_say(c, DOCTOR_FAIL, "the firmware has an IOMMU, the kernel does not use it");
	if (off)
		check_fix(c, "take %s off the kernel's command line and boot again", off);
	else
		check_fix(c, "boot with %s on the kernel's command line",
			  amd ? "amd_iommu=on" : "intel_iommu=on");
}

/* Nothing tells of one. The CPU flag is the hypervisor's own word for a virtual machine. */
static bool is_virtual(const struct check *c)
{
	_cleanup_close_ int fd = hostfs_open(c->d->root, O_RDONLY, "proc/cpuinfo");
	char text[4096] = ""; /* the first CPU's flags are in it; there may be hundreds of CPUs */

	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, " hypervisor");
}

static void explain_no_firmware(struct check *c)
{
	bool tables = hostfs_exists(c->d->root, "sys/firmware/acpi/tables");

	check_evidence(c, tables ? "neither DMAR nor IVRS" : "not there",
		       "sys/firmware/acpi/tables");
	if (is_virtual(c)) {
		check_evidence(c, "flags: hypervisor", "proc/cpuinfo");
		check_say(c, DOCTOR_FAIL, "this is a virtual machine without an IOMMU");
		check_fix(c, "give it a vIOMMU (QEMU: -device intel-iommu,intremap=on, libvirt: "
			     "<iommu model='intel'>)");
		return;
	}
	check_say(c, DOCTOR_FAIL,
		  tables ? "this host shows no IOMMU"
			 : "the kernel uses no IOMMU, and whether the firmware has "
			   "one is not to be seen");
	check_fix(c, "switch on VT-d (Intel) or AMD-Vi/IOMMU (AMD) in the firmware's setup%s",
		  tables ? "" : ", then boot with intel_iommu=on (Intel)");
}

void rule_iommu_off(struct check *c)
{
	enum iommu_state state = topo_iommu_state(c->d->root);

	if (!hostfs_exists(c->d->root, "sys/kernel") && !hostfs_exists(c->d->root, "sys/class")) {
		check_unreadable(c, -ENOENT, "sys/kernel");
		return;
	}
	if (state == IOMMU_ON) {
		check_evidence(c, "not empty", "sys/kernel/iommu_groups");
		return;
	}
	check_evidence(c, hostfs_exists(c->d->root, "sys/class/iommu") ? "empty" : "not there",
		       "sys/class/iommu");
	if (state == IOMMU_NOT_ENABLED)
		explain_not_enabled(c);
	else
		explain_no_firmware(c);
}

/* --- interrupt remapping
 * -------------------------------------------------------------------------- */

struct chips {
	struct check *c;
	char remapped[64], plain[64]; /* the first of each: "IR-PCI-MSI-0000:01:00.0" */
	char remapped_irq[16], plain_irq[16];
	int error;
};

/*
 * The kernel names the interrupt controllers it put the remapping between "IR-…". The IOMMU's
 * own interrupt (DMAR-MSI) and the HPET's are never remapped.
 */
static int look_at_chip(const char *irq, void *opaque)
{
	struct chips *k = opaque;
	char name[64];
	ssize_t n =
		hostfs_read(k->c->d->root, name, sizeof(name), "sys/kernel/irq/%s/chip_name", irq);

	if (n < 0) {
		k->error = n == -ENOENT || n == -ENOTDIR ? k->error : (int)n;
		return 0;
	}
	if (strncmp(name, "IR-", 3) == 0) {
		snprintf(k->remapped, sizeof(k->remapped), "%s", name);
		snprintf(k->remapped_irq, sizeof(k->remapped_irq), "%.15s", irq);
		return 1;
	}
	if ((strncmp(name, "PCI-MSI", 7) == 0 || strcmp(name, "IO-APIC") == 0) && !k->plain[0]) {
		snprintf(k->plain, sizeof(k->plain), "%s", name);
		snprintf(k->plain_irq, sizeof(k->plain_irq), "%.15s", irq);
	}
	return 0;
}

static bool unsafe_allowed(struct check *c)
{
	char value[8];

	return check_read(c, value, sizeof(value),
			  "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts") == 0 &&
	       (value[0] == 'Y' || value[0] == '1');
}

static void judge_plain_interrupts(struct check *c)
{
	if (unsafe_allowed(c)) {
		check_say(c, DOCTOR_WARN,
			  "interrupts are not remapped, and VFIO was told not to "
			  "mind: a guest can forge the host's interrupts");
		check_fix(c, "switch on interrupt remapping (x2APIC) in the firmware, then boot "
			     "without vfio_iommu_type1.allow_unsafe_interrupts");
		return;
	}
	check_say(c, DOCTOR_FAIL,
		  "the IOMMU does not remap interrupts: VFIO refuses its devices "
		  "(Operation not permitted)");
	check_fix(c, "switch on interrupt remapping (VT-d with x2APIC, AMD: IOMMU) in the "
		     "firmware; in a virtual machine: intremap=on for its vIOMMU");
}

void rule_no_ir(struct check *c)
{
	struct chips k = { .c = c };
	int r;

	if (topo_iommu_state(c->d->root) != IOMMU_ON) {
		check_skip(c);
		return;
	}
	r = hostfs_list(c->d->root, look_at_chip, &k, "sys/kernel/irq");
	if (k.remapped[0]) {
		check_evidence(c, k.remapped, "sys/kernel/irq/%s/chip_name", k.remapped_irq);
		return;
	}
	if (!k.plain[0]) {
		check_unreadable(c,
				 r < 0     ? r
				 : k.error ? k.error
					   : -ENOENT,
				 "sys/kernel/irq/*/chip_name");
		return;
	}
	check_evidence(c, k.plain, "sys/kernel/irq/%s/chip_name", k.plain_irq);
	CHECK_LOG_ALSO(c, "Interrupt remapping", "interrupt remapping", "DMAR-IR:");
	judge_plain_interrupts(c);
}
