// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vmm_groups.h"

#include <limits.h>
#include <string.h>

#include "base/bdf.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"
#include "vfio/pci_function.h"

#define NODE "/dev/vfio/"

static bool has(const struct vmm_groups *groups, uint64_t number)
{
	for (unsigned i = 0; i < groups->count; i++)
		if (groups->list[i] == number)
			return true;
	return false;
}

struct scan {
	int root;
	pid_t vmm;
	struct vmm_groups groups;
};

static int add_group(const char *fd, void *opaque)
{
	struct scan *s = opaque;
	char target[64];
	uint64_t n;

	if (hostfs_readlink(s->root, target, sizeof(target), "proc/%d/fd/%s", (int)s->vmm, fd) > 0 &&
	    strncmp(target, NODE, strlen(NODE)) == 0 &&
	    uint_parse(target + strlen(NODE), INT_MAX, &n) == 0 && !has(&s->groups, n))
		s->groups.list[s->groups.count++] = (unsigned)n;
	return s->groups.count == ARRAY_SIZE(s->groups.list);
}

void vmm_groups_read(int root, pid_t vmm, struct vmm_groups *ret)
{
	struct scan s = { .root = root, .vmm = vmm };

	(void)hostfs_list(root, add_group, &s, "proc/%d/fd", (int)vmm);
	*ret = s.groups;
}

bool vmm_groups_have(int root, const struct vmm_groups *groups, const char *name)
{
	struct pci_function dev;
	struct bdf bdf;

	return bdf_parse(name, &bdf) == 0 && pci_function_read_binding(root, bdf, &dev) == 0 &&
	       dev.group >= 0 && has(groups, (uint64_t)dev.group);
}
