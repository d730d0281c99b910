// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "vfio/acs.h"

static const char *const causes[ACS_CAUSES] = {
	[ACS_SEPARATE] = "none", [ACS_VMD] = "vmd",		[ACS_BRIDGE] = "bridge",
	[ACS_PORT] = "port",	 [ACS_FUNCTIONS] = "functions", [ACS_UNSEEN] = "unseen",
};

const char *acs_cause_word(enum acs_cause cause)
{
	return causes[cause];
}

char *acs_bits(uint16_t bits, char *buf, size_t size)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
		{ PCI_ACS_SV, "SV" }, { PCI_ACS_RR, "RR" }, { PCI_ACS_CR, "CR" },
		{ PCI_ACS_UF, "UF" },
	};
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names) && n < size; i++) {
		if (bits & names[i].bit)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " " : "",
					      names[i].name);
	}
	return buf;
}

static const char *kind_of(const struct acs_function *f)
{
	if (!f->express)
		return "conventional PCI";
	switch (f->type) {
	case PCI_EXP_TYPE_ROOT_PORT: return "root port";
	case PCI_EXP_TYPE_UPSTREAM: return "upstream port of a switch";
	case PCI_EXP_TYPE_DOWNSTREAM: return "downstream port of a switch";
	case PCI_EXP_TYPE_PCI_BRIDGE: return "bridge to conventional PCI";
	case PCI_EXP_TYPE_PCIE_BRIDGE: return "bridge from conventional PCI";
	}
	return "function";
}

/* "has no ACS", "has ACS, but RR CR are off". */
static void lack(const struct acs_function *f, char *buf, size_t size)
{
	char bits[16];

	if (!f->express)
		snprintf(buf, size, "cannot have ACS");
	else if (!f->has_acs)
		snprintf(buf, size, "has no ACS");
	else
		snprintf(buf, size, "has ACS with %s off",
			 acs_bits(acs_missing(f), bits, sizeof(bits)));
}

char *acs_sentence(const struct acs *acs, const struct acs_reason *r, char *buf, size_t size)
{
	const struct pci_function *devs = acs->tree.topo->devs;
	const struct acs_function *f = &acs->functions[r->at < 0 ? 0 : r->at];
	const char *at = r->at < 0 ? "" : BDF_STR(devs[r->at].bdf);
	char how[48];

	lack(f, how, sizeof(how));
	switch (r->cause) {
	case ACS_SEPARATE:
		snprintf(buf, size, "every port on the way to the root keeps it apart");
		break;
	case ACS_VMD:
		snprintf(buf, size,
			 "%s does the DMA of all that is behind it: the IOMMU sees one device", at);
		break;
	case ACS_BRIDGE:
		snprintf(buf, size, "%s is a %s: all that is behind it has one requester id", at,
			 f->express ? kind_of(f) : "conventional PCI bridge");
		break;
	case ACS_PORT:
		snprintf(buf, size,
			 "%s (%s) %s: all that is below it may be reached past the IOMMU", at,
			 kind_of(f), how);
		break;
	case ACS_FUNCTIONS:
		snprintf(buf, size,
			 "%s is one of several functions of a slot and %s: "
			 "they may reach each other", at, how);
		break;
	default:
		snprintf(buf, size, "the capabilities of %s are not to be seen%s", at,
			 devs[r->at < 0 ? 0 : r->at].busy ? " while it is busy" : ": run as root");
	}
	return buf;
}
