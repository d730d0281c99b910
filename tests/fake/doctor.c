// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "fake doctor: %s is false\n", #cond);                      \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The BARs 0 to 5, the ROM, and those of the VFs. */
#define NO_BAR "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
static const char nic_bars[] =
	"0x00000000fe800000 0x00000000fe81ffff 0x0000000000040200\n" NO_BAR NO_BAR NO_BAR NO_BAR
		NO_BAR NO_BAR
	"0x000000c0a0000000 0x000000c0a001ffff 0x000000000014220c\n" NO_BAR NO_BAR NO_BAR NO_BAR
		NO_BAR;

static struct doctor_report report;
static const struct vf_attrs *vfs;
static unsigned nvfs;

int fake_doctor_host(void)
{
	static const struct fake_node nodes[] = {
		{ "sys/class/iommu/dmar0/intel-iommu/cap", "80d2008c222f0686" },
		{ "sys/firmware/acpi/tables/DMAR", "" },
		{ "sys/kernel/irq/9/chip_name", "IR-IO-APIC" },
		{ "sys/kernel/irq/24/chip_name", "DMAR-MSI" },
		{ "sys/kernel/irq/25/chip_name", "IR-PCI-MSI-0000:01:00.0" },
		{ "sys/bus/pci/drivers/vfio-pci/module", "" },
		{ "sys/devices/system/node/online", "0" },
		{ "sys/class/net/eth0/address", "52:54:00:00:00:01" },
		{ "dev/kmsg", "6,0,0,-;Linux version 6.12" },
		{ "proc/cmdline", "quiet" },
		{ "proc/cpuinfo",
		  "flags : fpu vme\naddress sizes\t: 46 bits physical, 48 bits virtual" },
		{ "proc/iomem", "00001000-0009fbff : System RAM" },
		{ "proc/sys/kernel/osrelease", "6.12" },
		{ "sys/kernel/iommu_groups/14/reserved_regions",
		  "0x00000000fee00000 0x00000000feefffff msi" },
		{ 0 },
	};
	static const struct fake_pci nic = { .bdf = FAKE_NIC,
					     .place = "pci0000:00/0000:00:01.0",
					     .driver = "igb",
					     .group = "14",
					     .netdev = "eth0",
					     .total_vfs = 7,
					     .node = "0" };
	int root = fake_sysfs(nodes);

	fake_pci_add(root, &nic);
	fake_sysfs_text(root, nic_bars, FAKE_NIC_DIR "/resource");
	fake_sysfs_text(root, "D0", FAKE_NIC_DIR "/power_state");
	fake_sysfs_text(root, "flr bus", FAKE_NIC_DIR "/reset_method");
	fake_doctor_vfs(NULL, 0);
	return root;
}

void fake_doctor_log(int root, const char *text)
{
	char all[1024];

	snprintf(all, sizeof(all), "%s\n6,7,1500000,-;%s\n SUBSYSTEM=pci",
		 fake_get(root, "dev/kmsg"), text);
	fake_sysfs_text(root, all, "dev/kmsg");
}

void fake_doctor_no_log(int root)
{
	fake_sysfs_remove(root, "dev/kmsg");
}

void fake_doctor_vfs(const struct vf_attrs *attrs, unsigned n)
{
	vfs = attrs;
	nvfs = n;
}

static int read_vfs(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n)
{
	if (!vfs)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < n && i < nvfs; i++)
		ret[i] = vfs[i];
	return (int)nvfs;
}

void fake_doctor_done(void)
{
	doctor_report_fini(&report);
}

static void examine(int root, const char *named)
{
	struct in_use_host *users = NULL;
	struct topo topo = TOPO_INIT;
	struct doctor_request req = { .root = root, .topo = &topo, .vf_read = read_vfs };
	struct err err = ERR_INIT;
	struct bdf bdf;

	fake_doctor_done();
	if (named) {
		MUST(bdf_parse(named, &bdf) == 0);
		req.devs = &bdf;
		req.count = 1;
	}
	MUST(topo_scan(root, &topo, &err) == 0);
	MUST(in_use_open(root, &users, &err) == 0);
	req.users = users;
	MUST(doctor_run(&req, &report, &err) == 0);
	in_use_close(users);
	topo_fini(&topo);
}

const struct doctor_finding *fake_doctor_see(int root, const char *named, const char *rule,
					     const char *of)
{
	examine(root, named);
	for (size_t i = 0; i < report.count; i++) {
		const struct doctor_finding *f = &report.findings[i];

		if (strcmp(f->rule->id, rule) == 0 && f->of_device == !!of &&
		    (!of || strcmp(BDF_STR(f->bdf), of) == 0))
			return f;
	}
	fprintf(stderr, "fake doctor: %s said nothing of %s\n", rule, of ? of : "the host");
	abort();
}

const char *fake_doctor_evidence(const struct doctor_finding *f, const char *file)
{
	for (size_t i = 0; i < f->evidence_count; i++) {
		if (strcmp(f->evidence[i].file, file) == 0)
			return f->evidence[i].value;
	}
	return "<none>";
}
