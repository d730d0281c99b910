// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading all functions though one of them hangs: aside (base/aside.h). The one
 * that does not answer is marked busy, read without the lock, and another child
 * reads on behind it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/topology.h"

struct slot {
	int r;
	struct pci_function dev;
};

struct scan {
	int root;
	struct bdf *bdfs;
	struct slot *slots;
	size_t count;
};

static int keep_bdf(const char *name, void *opaque)
{
	struct scan *s = opaque;
	struct bdf *bigger, bdf;

	if (bdf_parse(name, &bdf) < 0)
		return 0;
	bigger = realloc(s->bdfs, (s->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->bdfs = bigger;
	bigger[s->count++] = bdf;
	return 0;
}

static void read_slot(int root, size_t i, void *slot, void *opaque)
{
	const struct scan *s = opaque;
	struct slot *to = slot;

	to->r = pci_function_read_locked(root, s->bdfs[i], &to->dev);
}

static int read_slots(struct scan *s)
{
	struct aside job = { s->count, sizeof(struct slot), read_slot, s };
	unsigned wait_ms = aside_wait_ms;
	size_t from = 0, done;
	int r = 0;

	while (r == 0 && from < s->count) {
		r = aside_read(s->root, &job, from, wait_ms, s->slots, &done);
		if (r < 0)
			break;
		from += done;
		if (from < s->count) {
			s->slots[from].r = pci_function_read_unlocked(s->root, s->bdfs[from],
								      &s->slots[from].dev);
			s->slots[from++].dev.busy = true;
		}
		wait_ms = aside_wait_ms / 8; /* what hangs seldom hangs alone */
	}
	return r;
}

static int append(struct topo *topo, const struct slot *slot)
{
	if (slot->r == -ENODEV) /* it left while we were looking */
		return 0;
	if (slot->r == 0)
		topo->devs[topo->count++] = slot->dev;
	return slot->r;
}

static int by_address(const void *a, const void *b)
{
	const struct pci_function *x = a, *y = b;

	return bdf_cmp(x->bdf, y->bdf);
}

int topo_scan(int root, struct topo *ret, struct err *err)
{
	struct scan s = { .root = root };
	int r;

	*ret = (struct topo)TOPO_INIT;
	r = hostfs_list(root, keep_bdf, &s, "sys/bus/pci/devices");
	s.slots = calloc(s.count + 1, sizeof(*s.slots));
	ret->devs = calloc(s.count + 1, sizeof(*ret->devs));
	if (r == 0)
		r = s.slots && ret->devs ? read_slots(&s) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < s.count; i++)
		r = append(ret, &s.slots[i]);
	free(s.bdfs);
	free(s.slots);
	if (r < 0)
		return err_set(err, r, "cannot read the PCI devices of this host");
	qsort(ret->devs, ret->count, sizeof(*ret->devs), by_address);
	return 0;
}
