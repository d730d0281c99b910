// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vf_journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "sriov/numvfs.h"
#include "sriov/vf_set.h"

struct look {
	const char *pf;
	unsigned vf;
	unsigned long made; /* how many VFs the newest change of their number left */
	char *buf;
	size_t size;
};

static bool look_at(struct look *l, const struct pci_function *dev)
{
	if (!dev->is_vf || dev->vf_index < 0)
		return false;
	l->vf = (unsigned)dev->vf_index;
	return true;
}

static int find_number(const struct step *step, void *opaque)
{
	struct look *l = opaque;

	if (strcmp(step->op, numvfs_step_ops.op) == 0 && strcmp(step->dev, l->pf) == 0)
		l->made = strtoul(step->after, NULL, 10);
	return 0;
}

bool vf_journal_made(int root, const struct pci_function *dev)
{
	struct look l = { .pf = BDF_STR(dev->pf) };

	return look_at(&l, dev) && journal_each(root, find_number, &l) == 0 && l.vf < l.made;
}

/* "vlan" is in "mac, vlan" already: of two changes of one attribute. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len) {
		if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ','))
			return true;
	}
	return false;
}

static int add_attr(const struct step *step, void *opaque)
{
	struct look *l = opaque;
	size_t used = strlen(l->buf);
	enum vf_group group;
	unsigned vf;

	if (step->remember || strcmp(step->op, vfattr_step_ops.op) != 0 ||
	    strcmp(step->dev, l->pf) != 0 || vf_set_parse_key(step->key, &vf, &group) < 0 ||
	    vf != l->vf || has_word(l->buf, vf_group_word(group)))
		return 0;
	snprintf(l->buf + used, l->size - used, "%s%s", used ? ", " : "", vf_group_word(group));
	return 0;
}

bool vf_journal_attrs(int root, const struct pci_function *dev, char *buf, size_t size)
{
	struct look l = { .pf = BDF_STR(dev->pf), .buf = buf, .size = size };

	buf[0] = '\0';
	return look_at(&l, dev) && journal_each(root, add_attr, &l) == 0 && buf[0];
}
