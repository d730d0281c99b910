// SPDX-License-Identifier: GPL-2.0-or-later
/* Why its group holds others, by vfio/acs.h, and where it would be alone. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "host/doctor/doctor_internal.h"

/* Another endpoint of the group; NULL: it is alone. */
static const struct pci_function *companion(const struct check *c)
{
	const struct pci_function *other = NULL;

	while ((other = topo_group_next(c->d->req->topo, c->dev->group, other))) {
		if (!bdf_eq(other->bdf, c->dev->bdf) && pci_function_is_endpoint(other))
			return other;
	}
	return NULL;
}

static void suggest_slots(struct check *c, const struct acs_reason *reason)
{
	int slots[ACS_SLOTS_MAX];
	unsigned n = acs_better_slots(&c->d->acs, reason, slots, ACS_SLOTS_MAX);

	if (reason->cause == ACS_VMD)
		check_fix(
			c,
			"in the firmware's setup, take its slot away from VMD; or pass on %s, and "
			"all behind it comes along",
			BDF_STR(c->d->req->topo->devs[reason->at].bdf));
	else if (n)
		check_fix(c,
			  "below %s it would be alone (thruway groups --why %s); or give the group "
			  "to one guest",
			  BDF_STR(c->d->req->topo->devs[slots[0]].bdf), c->bdf);
	else
		check_fix(
			c,
			"give the group to one guest (thruway bind --group %s); some firmware has a "
			"setting for ACS",
			c->bdf);
}

void rule_acs_weak(struct check *c)
{
	const struct pci_function *other;
	struct acs_reason reason;
	char text[256];

	if (c->dev->group < 0 || !c->wanted) {
		check_skip(c);
		return;
	}
	acs_reason(&c->d->acs, c->dev->group, &reason);
	if (c->d->acs.override && reason.split_anyway) {
		check_evidence(c, "pcie_acs_override", "proc/cmdline");
		check_say(c, DOCTOR_WARN,
			  "only pcie_acs_override sets it apart: a guest with it may "
			  "reach other devices past the IOMMU");
		check_fix(c,
			  "boot without pcie_acs_override and pass its real group, unless all its "
			  "guests are trusted");
		return;
	}
	other = companion(c);
	if (!other)
		return;
	acs_sentence(&c->d->acs, &reason, text, sizeof(text));
	check_evidence(c, BDF_STR(other->bdf), "sys/kernel/iommu_groups/%d/devices", c->dev->group);
	if (reason.cause == ACS_UNSEEN) {
		check_say(c, DOCTOR_NOTE, "cannot tell why its group holds others too: %s", text);
		check_fix(c, "run it as root");
		return;
	}
	check_say(c, DOCTOR_NOTE, "its group holds others too: %s", text);
	suggest_slots(c, &reason);
}
