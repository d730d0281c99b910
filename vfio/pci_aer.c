// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_aer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"

static void add_kind(struct pci_aer_count *c, const char *kind, uint64_t n)
{
	size_t len = strlen(c->kinds);
	int more = snprintf(c->kinds + len, sizeof(c->kinds) - len, "%s%s %" PRIu64,
			    len ? ", " : "", kind, n);

	if (more < 0 || (size_t)more >= sizeof(c->kinds) - len)
		c->kinds[len] = '\0';
}

/* "RxErr 0" per line, and one "TOTAL_ERR_COR 0". False: no such counters. */
static bool read_counters(int root, struct bdf bdf, const char *name, struct pci_aer_count *ret)
{
	char text[2048], *save = NULL, kind[48];
	uint64_t n;

	if (hostfs_read(root, text, sizeof(text), "sys/bus/pci/devices/%s/aer_dev_%s",
			BDF_STR(bdf), name) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%47s %" SCNu64, kind, &n) != 2)
			continue;
		if (strncmp(kind, "TOTAL_", 6) == 0)
			ret->total = n;
		else if (n)
			add_kind(ret, kind, n);
	}
	return true;
}

void pci_aer_read(int root, struct bdf bdf, struct pci_aer *ret)
{
	*ret = (struct pci_aer){ 0 };
	ret->there = read_counters(root, bdf, "correctable", &ret->correctable);
	read_counters(root, bdf, "nonfatal", &ret->nonfatal);
	read_counters(root, bdf, "fatal", &ret->fatal);
}
