// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/fd.h"
#include "vmm/layout.h"
#include "vmm/mem_backend.h"
#include "vmm/mem_internal.h"

struct mem {
	uint64_t size;
	int fd; /* of a shared backend; owned */
	unsigned count;
	struct mem_bank banks[MEM_MAX_BANKS];
	struct mem_listener *listeners;
};

static int check(const struct mem_config *config, struct err *err)
{
	uint64_t page = mem_backend_page(config->kind);
	struct sysinfo host;

	if (!page)
		return err_plain(err, -EINVAL, "guest memory of an unknown kind (%u)",
				 config->kind);
	if (config->nodes == 0 || config->nodes > VMM_MAX_NODES)
		return err_plain(err, -EINVAL, "a guest has 1 to %u NUMA nodes, not %u",
				 VMM_MAX_NODES, config->nodes);
	if (config->size == 0 || config->size % page)
		return err_plain(err, -EINVAL, "guest memory of %s is no multiple of its pages of %s",
				 SIZE_STR(config->size), SIZE_STR(page));
	if (config->size / config->nodes < page)
		return err_plain(err, -EINVAL, "guest memory of %s cannot be shared by %u nodes",
				 SIZE_STR(config->size), config->nodes);
	if (sysinfo(&host) == 0 && config->size / host.mem_unit > host.totalram) {
		err_plain(err, -ENOMEM, "guest memory of %s is more than the host's %s",
			  SIZE_STR(config->size), SIZE_STR((uint64_t)host.totalram * host.mem_unit));
		return err_hint(err, "all of it is populated before the guest starts");
	}
	return 0;
}

/* Node by node, skipping the hole: guest addresses rise with the offset into RAM. */
unsigned mem_plan_banks(uint64_t size, uint64_t page, unsigned nodes, struct mem_bank *banks)
{
	/* Nodes meet at 2 MiB where they can, so that no huge page belongs to two. */
	uint64_t share = size / nodes, done = 0;
	unsigned n = 0;

	share = align_down(share, share >= 2 * MiB && page < 2 * MiB ? 2 * MiB : page);
	for (unsigned node = 0; node < nodes; node++) {
		uint64_t end = node + 1 == nodes ? size : done + share;

		while (done < end) {
			bool low = done < LAYOUT_LOW_RAM_END;
			uint64_t stop = low && end > LAYOUT_LOW_RAM_END ? LAYOUT_LOW_RAM_END : end;

			banks[n++] = (struct mem_bank){
				.gpa = low ? done : done - LAYOUT_LOW_RAM_END + LAYOUT_HIGH_RAM,
				.size = stop - done,
				.node = node,
				.fd = -1,
				.fd_offset = done,
			};
			done = stop;
		}
	}
	return n;
}

static int map_banks(struct mem *mem, enum mem_kind kind, unsigned count, struct err *err)
{
	for (; mem->count < count; mem->count++) {
		struct mem_bank *b = &mem->banks[mem->count];
		int r = mem_backend_map(kind, mem->fd, b->fd_offset, b->size, &b->hva, err);

		if (r < 0)
			return r;
		b->fd = mem->fd;
	}
	return 0;
}

int mem_new(const struct mem_config *config, struct mem **ret, struct err *err)
{
	struct mem *mem;
	int r = check(config, err);

	if (r < 0)
		return r;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return err_set(err, -ENOMEM, "cannot describe guest memory");
	mem->size = config->size;
	r = mem_backend_open(config->kind, config->size, &mem->fd, err);
	if (r < 0) {
		free(mem);
		return r;
	}
	r = map_banks(mem, config->kind,
		      mem_plan_banks(config->size, mem_backend_page(config->kind), config->nodes,
				     mem->banks),
		      err);
	if (r < 0) {
		mem_free(mem);
		return r;
	}
	*ret = mem;
	return 0;
}

struct mem *mem_free(struct mem *mem)
{
	if (!mem)
		return NULL;
	for (unsigned i = 0; i < mem->count; i++)
		mem_backend_unmap(mem->banks[i].hva, mem->banks[i].size);
	close_fdp(&mem->fd);
	free(mem);
	return NULL;
}

uint64_t mem_size(const struct mem *mem)
{
	return mem->size;
}

uint64_t mem_low_end(const struct mem *mem)
{
	return mem->size < LAYOUT_LOW_RAM_END ? mem->size : LAYOUT_LOW_RAM_END;
}

gpa_t mem_end(const struct mem *mem)
{
	if (mem->size <= LAYOUT_LOW_RAM_END)
		return LAYOUT_HIGH_RAM;
	return LAYOUT_HIGH_RAM + (mem->size - LAYOUT_LOW_RAM_END);
}

const struct mem_bank *mem_bank(const struct mem *mem, unsigned i)
{
	return i < mem->count ? &mem->banks[i] : NULL;
}

uint8_t *gmem_span(const struct mem *mem, gpa_t gpa, uint64_t *ret_len)
{
	for (unsigned i = 0; i < mem->count; i++) {
		const struct mem_bank *b = &mem->banks[i];

		if (gpa < b->gpa || gpa - b->gpa >= b->size)
			continue;
		*ret_len = b->size - (gpa - b->gpa);
		return b->hva + (gpa - b->gpa);
	}
	return NULL;
}

uint8_t *gmem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	uint64_t have;
	uint8_t *p = gmem_span(mem, gpa, &have);

	return p && len <= have ? p : NULL;
}

/* Every byte of [gpa, gpa+len) is RAM. */
static bool all_ram(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	uint64_t have;

	if (!range_valid(gpa, len))
		return false;
	while (len) {
		if (!gmem_span(mem, gpa, &have))
			return false;
		if (have >= len)
			return true;
		gpa += have;
		len -= have;
	}
	return true;
}

enum copy_way { FROM_GUEST, TO_GUEST };

static int copy(const struct mem *mem, gpa_t gpa, uint8_t *buf, uint64_t len, enum copy_way way)
{
	if (!all_ram(mem, gpa, len))
		return -EFAULT;
	while (len) {
		uint64_t have = 0;
		uint8_t *p = gmem_span(mem, gpa, &have);

		if (have > len)
			have = len;
		if (way == FROM_GUEST)
			memcpy(buf, p, have);
		else
			memcpy(p, buf, have);
		gpa += have;
		buf += have;
		len -= have;
	}
	return 0;
}

int gmem_read(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len)
{
	return copy(mem, gpa, buf, len, FROM_GUEST);
}

int gmem_write(const struct mem *mem, gpa_t gpa, const void *buf, uint64_t len)
{
	/* The copy only reads from buf in this direction. */
	return copy(mem, gpa, (uint8_t *)(uintptr_t)buf, len, TO_GUEST);
}

int mem_listen(struct mem *mem, struct mem_listener *l, struct err *err)
{
	for (unsigned i = 0; i < mem->count; i++) {
		int r = l->add(l, &mem->banks[i], err);

		if (r == 0)
			continue;
		while (i-- > 0)
			l->del(l, &mem->banks[i]);
		return r;
	}
	l->next = mem->listeners;
	mem->listeners = l;
	return 0;
}

void mem_unlisten(struct mem *mem, struct mem_listener *l)
{
	for (struct mem_listener **p = &mem->listeners; *p; p = &(*p)->next) {
		if (*p != l)
			continue;
		*p = l->next;
		for (unsigned i = mem->count; i-- > 0;)
			l->del(l, &mem->banks[i]);
		return;
	}
}
