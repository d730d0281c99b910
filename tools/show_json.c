// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "base/journal.h"
#include "tools/out.h"
#include "tools/show.h"
#include "vfio/pci_path.h"

struct changes {
	json_t *list;
	const char *dev;
};

static int add_change(const struct step *step, void *opaque)
{
	struct changes *c = opaque;

	if (strcmp(step->dev, c->dev) == 0 && !step->remember)
		json_array_append_new(c->list,
				      json_pack("{s:s, s:s, s:s, s:s}", "what", step->op, "key",
						step->key, "before", step->before, "after",
						step->after));
	return 0;
}

static json_t *changes_json(int root, const char *dev)
{
	struct changes c = { json_array(), dev };

	journal_each(root, add_change, &c);
	return c.list;
}

/* Addresses are text, in hexadecimal: a 64-bit number does not survive every reader. */
static json_t *address(uint64_t v)
{
	return json_sprintf("0x%llx", (unsigned long long)v);
}

static json_t *bars_json(const struct pci_function *dev)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < PCI_FUNCTION_BARS; i++) {
		const struct pci_function_bar *b = &dev->bars[i];

		if (b->size)
			json_array_append_new(
				list, json_pack("{s:i, s:I, s:s, s:o}", "index", (int)i, "size",
						(json_int_t)b->size, "kind",
						i < 6 ? show_bar_kind(b) : "ROM", "address",
						b->start ? address(b->start) : json_null()));
	}
	return list;
}

static json_t *capabilities_json(const struct facts *f)
{
	json_t *list;

	if (!f->caps_known)
		return json_null();
	list = json_array();
	for (unsigned i = 0; i < f->cap_count; i++) {
		const struct pci_cap *cap = &f->caps[i];
		const char *name = pci_cap_name(cap);

		json_array_append_new(list, json_pack("{s:i, s:b, s:i, s:s?}", "id", (int)cap->id,
						      "extended", cap->extended, "offset",
						      (int)cap->pos, "name", name));
	}
	return list;
}

static json_t *interrupts_json(const struct pci_interrupts *i)
{
	if (!i->known)
		return json_null();
	return json_pack("{s:i, s:i, s:b, s:i}", "msix", (int)i->msix, "msi", (int)i->msi, "intx",
			 i->intx, "in_use", (int)i->taken);
}

static json_t *aer_json(const struct pci_aer *aer)
{
	if (!aer->there)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "correctable", (json_int_t)aer->correctable.total,
			 "nonfatal", (json_int_t)aer->nonfatal.total, "fatal",
			 (json_int_t)aer->fatal.total);
}

static json_t *regions_json(const struct facts *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < f->region_count; i++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "first",
						      address(f->regions[i].first), "last",
						      address(f->regions[i].last), "kind",
						      f->regions[i].kind));
	return list;
}

static json_t *parents_json(const struct facts *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < f->parent_count; i++)
		json_array_append_new(list, json_string(BDF_STR(f->parents[i])));
	return list;
}

static json_t *fingerprint_json(int root, const struct pci_function *dev)
{
	char text[PCI_IDENTITY_MAX];

	if (dev->busy || pci_path_identity(root, dev->bdf, text, sizeof(text)) < 0)
		return json_null();
	return json_string(text);
}

json_t *show_json(struct describer *d, const struct pci_function *dev)
{
	json_t *o = describe_json(d, dev), *more;
	struct facts f;

	facts_read(d->root, dev, &f);
	more = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "behind",
			 parents_json(&f), "changes", changes_json(d->root, BDF_STR(dev->bdf)),
			 "bars", bars_json(dev), "msix_vectors",
			 dev->msix_vectors >= 0 ? json_integer(dev->msix_vectors) : json_null(),
			 "interrupts", interrupts_json(&f.interrupts), "capabilities",
			 capabilities_json(&f), "aer", aer_json(&f.aer), "reserved_regions",
			 regions_json(&f), "group_type", out_json_text(f.group_type), "sysfs",
			 out_json_text(f.sysfs), "fingerprint",
			 fingerprint_json(d->root, dev), "group_viable",
			 dev->group < 0 ? json_null()
					: json_boolean(topo_group_viable(&d->topo, dev->group)));
	if (!o || !more || json_object_update(o, more) < 0) {
		json_decref(o);
		o = NULL;
	}
	json_decref(more);
	return o;
}
