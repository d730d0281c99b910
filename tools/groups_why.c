// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/groups_why.h"

#include <stdio.h>
#include <string.h>

#include "tools/out.h"

#define SLOTS_SHOWN 3

static unsigned members(const struct topo *topo, int group)
{
	const struct pci_function *dev = NULL;
	unsigned n = 0;

	while ((dev = topo_group_next(topo, group, dev)))
		n++;
	return n;
}

bool groups_why_plain(const struct acs *acs, int group)
{
	struct acs_reason r;

	acs_reason(acs, group, &r);
	return members(acs->tree.topo, group) == 1 && !r.split_anyway;
}

static void say_why(FILE *out, const struct acs *acs, const struct acs_reason *r, bool alone)
{
	char text[256];

	if (alone && r->cause == ACS_UNSEEN && !r->split_anyway) {
		out_fact(out, "why", "it is alone; what keeps it apart only root may see");
		return;
	}
	if (!alone && r->cause == ACS_SEPARATE) {
		out_fact(out, "why", "not for lack of ACS: a rule of the kernel's own");
		return;
	}
	out_fact(out, "why", acs_sentence(acs, r, text, sizeof(text)));
	if (!r->split_anyway)
		return;
	out_fact(out, "yet", acs->override
		 ? "pcie_acs_override splits it: the hardware does not keep these apart"
		 : "the kernel splits it: a quirk for this hardware may apply");
}

static void describe_slot(const struct acs *acs, int i, char *buf, size_t size)
{
	const struct pci_function *port = &acs->tree.topo->devs[i];
	bool empty = acs->tree.nodes[i].first_child == PCI_TREE_NONE;
	char link[PCI_LINK_STRLEN], slot[24] = "the one";

	if (acs->functions[i].slot)
		snprintf(slot, sizeof(slot), "slot %u", acs->functions[i].slot);
	pci_link_str(port->link.max_mts, port->link.max_width, link, sizeof(link));
	snprintf(buf, size, "%s (%s, %s%s%s)", slot, BDF_STR(port->bdf), empty ? "empty" : "taken",
		 link[0] ? ", " : "", link);
}

static void say_slots(FILE *out, const struct acs *acs, const struct acs_reason *r)
{
	char text[512] = "alone in ", one[96];
	int slots[SLOTS_SHOWN];
	unsigned n = acs_better_slots(acs, r, slots, SLOTS_SHOWN);

	if (r->cause == ACS_PORT && !r->split_anyway && !n)
		out_fact(out, "another slot", "none of this host keeps what is in it apart");
	if (r->cause == ACS_VMD)
		out_fact(out, "another slot",
			 "one that the firmware's setup does not give to VMD; or pass on the VMD");
	if (r->cause == ACS_BRIDGE)
		out_fact(out, "another slot", "only one that is not behind this bridge");
	/* Below a port it is a card; on the root bus it belongs to the machine. */
	if (r->cause == ACS_FUNCTIONS && acs->tree.nodes[r->at].bridge != PCI_TREE_NONE)
		out_fact(out, "another slot", "the same: it is within one device");
	for (unsigned i = 0; i < n; i++) {
		describe_slot(acs, slots[i], one, sizeof(one));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? ", " : "",
			 one);
	}
	if (n)
		out_fact(out, "another slot", text);
}

void groups_why_text(FILE *out, struct describer *d, const struct acs *acs, int group)
{
	const struct pci_function *dev = NULL;
	unsigned n = members(&d->topo, group);
	struct acs_reason r;
	char text[192];

	acs_reason(acs, group, &r);
	fprintf(out, "group %d: %u function%s, %s\n", group, n, n == 1 ? "" : "s",
		topo_group_viable(&d->topo, group) ? "viable" : "not viable");
	while ((dev = topo_group_next(&d->topo, group, dev))) {
		const char *driver = dev->driver[0] ? dev->driver : "no driver";
		char name[160];

		snprintf(text, sizeof(text), "%s (%s)", describe_name(d, dev, name, sizeof(name)),
			 driver);
		out_fact(out, BDF_STR(dev->bdf), text);
	}
	say_why(out, acs, &r, n == 1);
	if (n > 1)
		say_slots(out, acs, &r);
}

static json_t *slots_json(const struct acs *acs, const struct acs_reason *r)
{
	json_t *list = json_array();
	int slots[ACS_SLOTS_MAX];
	unsigned n = acs_better_slots(acs, r, slots, ACS_SLOTS_MAX);

	for (unsigned i = 0; i < n; i++) {
		const struct pci_function *port = &acs->tree.topo->devs[slots[i]];

		json_array_append_new(
			list, json_pack("{s:s, s:i, s:b, s:i}", "port", BDF_STR(port->bdf), "slot",
					(int)acs->functions[slots[i]].slot, "empty",
					acs->tree.nodes[slots[i]].first_child == PCI_TREE_NONE,
					"max_width", (int)port->link.max_width));
	}
	return list;
}

json_t *groups_why_json(const struct acs *acs, int group)
{
	unsigned n = members(acs->tree.topo, group);
	struct acs_reason r;
	char text[256], off[16] = "";
	bool merged;

	acs_reason(acs, group, &r);
	merged = n > 1 || r.split_anyway;
	if (!merged)
		r = (struct acs_reason){ .at = PCI_TREE_NONE };
	if (r.at >= 0)
		acs_bits(acs_missing(&acs->functions[r.at]), off, sizeof(off));
	return json_pack("{s:s, s:s, s:o, s:s, s:b, s:b, s:o}", "cause",
			 merged && r.cause == ACS_SEPARATE ? "other" : acs_cause_word(r.cause),
			 "text", merged && r.cause == ACS_SEPARATE
					 ? "a rule of the kernel's own"
					 : acs_sentence(acs, &r, text, sizeof(text)),
			 "at", r.at >= 0 ? json_string(BDF_STR(acs->tree.topo->devs[r.at].bdf))
					 : json_null(),
			 "acs_missing", off, "split_anyway", r.split_anyway, "acs_override",
			 acs->override, "better_slots", slots_json(acs, &r));
}
