// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where RAM lies. Node by node from 0 on, skipping what belongs to the machine (from
 * LAYOUT_LOW_RAM_END to 4 GiB) and what no device reaches: the end of the IOMMU's
 * addresses, regions that firmware keeps for itself, and on AMD the HyperTransport
 * hole just below 1 TiB.
 */
#include "vmm/mem_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "base/size.h"
#include "vmm/mem_backend.h"

/* Past any processor's addresses; what KVM takes, it says at the memory slot. */
#define GPA_END (1ull << 52)
/* No page that both KVM and an IOMMU could map as a huge one is cut. */
#define CUT_ALIGN (2 * MiB)

static const struct range anywhere = { 0, GPA_END };

static int check_node(const struct mem_node *n, unsigned i, struct err *err)
{
	uint64_t page = mem_backend_page((enum mem_kind)n->kind);

	if (!page)
		return err_plain(err, -EINVAL, "guest memory of an unknown kind (%u)", n->kind);
	if (n->size == 0 || n->size % page)
		return err_plain(err, -EINVAL,
				 "node %u: guest memory of %s is no multiple of its pages of %s", i,
				 SIZE_STR(n->size), SIZE_STR(page));
	if (n->size > GPA_END)
		return err_plain(err, -EINVAL, "node %u: no processor addresses %s", i,
				 SIZE_STR(n->size));
	return 0;
}

int mem_check(const struct mem_config *config, struct err *err)
{
	if (config->nodes == 0 || config->nodes > VMM_MAX_NODES)
		return err_plain(err, -EINVAL, "a guest has 1 to %u NUMA nodes, not %u",
				 VMM_MAX_NODES, config->nodes);
	for (unsigned i = 0; i < config->nodes; i++) {
		int r = check_node(&config->node[i], i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The n-th place for RAM, of those below the machine's hole and then of those above it. */
static bool place(const struct mem_config *config, unsigned n, struct range *ret)
{
	static const struct range sides[] = {
		{ 0, LAYOUT_LOW_RAM_END },
		{ LAYOUT_HIGH_RAM, GPA_END - LAYOUT_HIGH_RAM },
	};
	const struct range *usable = config->nusable ? config->usable : &anywhere;
	unsigned count = config->nusable ? config->nusable : 1;
	const struct range *side = &sides[n / count], *u = &usable[n % count];
	uint64_t start, end;

	if (n / count > 1)
		return false;
	start = u->start > side->start ? u->start : side->start;
	end = range_last(*u) < range_last(*side) ? range_last(*u) + 1 : range_last(*side) + 1;
	start = align_up(start, CUT_ALIGN);
	end = align_down(end, CUT_ALIGN);
	*ret = (struct range){ start, end > start ? end - start : 0 };
	return true;
}

/* The first address that some device does not reach, counted from 0. */
static uint64_t first_unusable(const struct mem_config *config)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < config->nusable && config->usable[i].start <= at; i++)
		if (range_last(config->usable[i]) >= at)
			at = range_last(config->usable[i]) + 1;
	return at;
}

/* A kernel is loaded at LAYOUT_KERNEL, its tables lie below. */
static int check_low(const struct mem_config *config, struct err *err)
{
	uint64_t at = first_unusable(config), next = 0;

	if (!config->nusable || at >= LAYOUT_KERNEL + CUT_ALIGN)
		return 0;
	for (unsigned i = config->nusable; i-- > 0;)
		if (config->usable[i].start > at)
			next = config->usable[i].start;
	err_plain(err, -ERANGE,
		  "the host's IOMMU keeps 0x%" PRIx64 "-0x%" PRIx64
		  " from devices, and there a guest needs RAM", at, next - 1);
	return err_hint(err, "thruway show DEVICE lists reserved addresses; a device in another slot "
			     "or a newer firmware may have none there");
}

static int out_of_reach(const struct mem_config *config, uint64_t size, uint64_t missing,
			struct err *err)
{
	struct range last = config->nusable ? config->usable[config->nusable - 1] : anywhere;

	err_plain(err, -ERANGE,
		  "guest memory of %s does not fit below 0x%" PRIx64 ", where the addresses end that "
		  "the host's IOMMU maps for devices: %s are too much",
		  SIZE_STR(size), range_last(last) + 1, SIZE_STR(missing));
	return err_hint(err, "give the guest at most %s (--memory), or no device",
			SIZE_STR(align_down(size - missing, GiB)));
}

static int too_many(const struct mem_config *config, unsigned max, struct err *err)
{
	err_plain(err, -E2BIG, "guest memory would be in more than %u pieces, which %s", max,
		  config->max_banks && max == config->max_banks ?
			  "is what the IOMMU takes mappings" :
			  "is what a guest here can have");
	return err_hint(err, "fewer guest nodes make fewer pieces; so does less memory where the IOMMU "
			     "reserves addresses. The parameter dma_entry_limit of vfio_iommu_type1 "
			     "allows more mappings");
}

int mem_plan_banks(const struct mem_config *config, struct mem_bank *banks, struct err *err)
{
	unsigned max = config->max_banks && config->max_banks < MEM_MAX_BANKS ? config->max_banks :
										 MEM_MAX_BANKS;
	struct range room = { 0, 0 };
	unsigned n = 0, next = 0;
	uint64_t total = 0, had = 0;
	int r = check_low(config, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < config->nodes; i++)
		total += config->node[i].size;
	for (unsigned i = 0; i < config->nodes; i++) {
		uint64_t page = mem_backend_page((enum mem_kind)config->node[i].kind);
		uint64_t done = 0, size = config->node[i].size;

		while (done < size) {
			/* A huge page of the guest's is one of the host's only on its boundary. */
			uint64_t start = align_up(room.start, page), lost = start - room.start;
			uint64_t part = lost < room.size ? align_down(room.size - lost, page) : 0;

			if (!part) {
				if (!place(config, next++, &room))
					return out_of_reach(config, total, total - had, err);
				continue;
			}
			if (n == max)
				return too_many(config, max, err);
			if (part > size - done)
				part = size - done;
			banks[n++] = (struct mem_bank){ .gpa = start, .size = part, .node = i,
							.fd = -1, .fd_offset = done };
			done += part;
			had += part;
			room.size -= lost + part;
			room.start = start + part;
		}
	}
	return (int)n;
}
