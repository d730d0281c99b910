// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_slot_opts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "vmm/layout.h"

/* Longer than anything that is known. */
#define WORD_LEN  24
#define COUNT_LEN 16

/* A window has the grain of a bridge's registers. */
static int take_pref(const char *value, struct vm_opt_slot *slot, struct err *err)
{
	uint64_t bytes;

	if (size_parse(value, &bytes) < 0 || bytes < MiB || bytes % MiB || bytes > VM_MAX_WINDOW) {
		err_usage(err, "--hotplug-slots: 'pref=%s' is no size of a window", value);
		return err_hint(err, "write whole MiB, at most %s: pref=256M, pref=16G",
				SIZE_STR(VM_MAX_WINDOW));
	}
	slot->pref = bytes;
	return 0;
}

static int take_node(const char *value, struct vm_opt_slot *slot, struct err *err)
{
	uint64_t node;

	if (uint_parse(value, VMM_MAX_NODES - 1, &node) < 0) {
		err_usage(err, "--hotplug-slots: 'node=%s' is no node of a guest", value);
		return err_hint(err, "0 to %u, as --nodes and --node make them", VMM_MAX_NODES - 1);
	}
	slot->node = (unsigned)node + 1;
	return 0;
}

static int take_word(const char *word, struct vm_opt_slot *slot, struct err *err)
{
	bool twice = false;
	int r;

	if (strncmp(word, "pref=", 5) == 0) {
		twice = slot->pref != 0;
		r = take_pref(word + 5, slot, err);
	} else if (strncmp(word, "node=", 5) == 0) {
		twice = slot->node != 0;
		r = take_node(word + 5, slot, err);
	} else {
		err_usage(err, "--hotplug-slots: '%s' after the number is not known", word);
		r = err_hint(err, "pref=SIZE, node=N");
	}
	return twice && r == 0 ? err_usage(err, "--hotplug-slots: '%.5s' is there twice", word) : r;
}

/* Up to the next comma; what is longer than anything that is known is cut to be unknown. */
static const char *next_word(const char *text, char *word)
{
	const char *end = strchrnul(text, ',');

	bool whole = end - text < WORD_LEN;

	snprintf(word, WORD_LEN + 4, "%.*s%s", whole ? (int)(end - text) : WORD_LEN, text,
		 whole ? "" : "...");
	return end;
}

static int take_count(const char *word, unsigned *ret, struct err *err)
{
	uint64_t count;

	if (strlen(word) >= COUNT_LEN || uint_parse(word, SPARE_SLOTS_MAX, &count) < 0)
		return err_usage(err, "--hotplug-slots: '%s' is not a number from 0 to %u", word,
				 SPARE_SLOTS_MAX);
	*ret = (unsigned)count;
	return 0;
}

static int add(unsigned count, const struct vm_opt_slot *slot, struct vm_slot_opts *o,
	       struct err *err)
{
	if (!count && (slot->pref || slot->node))
		return err_usage(err, "--hotplug-slots: %s for none of them",
				 slot->pref ? "a window" : "a node");
	if (count > SPARE_SLOTS_MAX - o->count)
		return err_usage(err, "--hotplug-slots: %u and %u more are more than %u", o->count,
				 count, SPARE_SLOTS_MAX);
	while (count--)
		o->slot[o->count++] = *slot;
	return 0;
}

int vm_slot_opts_parse(const char *text, struct vm_slot_opts *o, struct err *err)
{
	struct vm_opt_slot slot = { 0 };
	char word[WORD_LEN + 4];
	const char *end = next_word(text, word);
	unsigned count = 0;
	int r = take_count(word, &count, err);

	while (r == 0 && *end) {
		text = end + 1;
		end = next_word(text, word);
		r = take_word(word, &slot, err);
	}
	return r < 0 ? r : add(count, &slot, o, err);
}

static unsigned emptiest(const unsigned *has, unsigned nodes)
{
	unsigned best = 0;

	for (unsigned i = 1; i < nodes; i++)
		if (has[i] < has[best])
			best = i;
	return best;
}

int vm_slot_opts_place(const struct vm_slot_opts *o, unsigned nodes, struct spare_slot *ret,
		       struct err *err)
{
	unsigned has[VMM_MAX_NODES] = { 0 };

	for (unsigned i = 0; i < o->count; i++) {
		if (o->slot[i].node > nodes) {
			err_usage(err, "--hotplug-slots: the guest has no node %u", o->slot[i].node - 1);
			return err_hint(err, "--nodes N makes as many, 0 to N-1");
		}
		if (o->slot[i].node)
			has[o->slot[i].node - 1]++;
	}
	for (unsigned i = 0; i < o->count; i++) {
		unsigned node = o->slot[i].node ? o->slot[i].node - 1 : emptiest(has, nodes);

		has[node] += !o->slot[i].node;
		ret[i] = (struct spare_slot){ node, o->slot[i].pref };
	}
	return 0;
}
