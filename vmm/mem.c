// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "vmm/layout.h"
#include "vmm/mem_backend.h"
#include "vmm/mem_internal.h"

struct mem {
	uint64_t size;
	unsigned count;
	struct mem_bank banks[MEM_MAX_BANKS];
	int fds[VMM_MAX_NODES]; /* of shared backends, else -1; owned */
	struct mem_listener *listeners;
};

/* One descriptor per node: kinds and host nodes may differ. */
static int open_backends(struct mem *mem, const struct mem_config *config, struct err *err)
{
	for (unsigned i = 0; i < config->nodes; i++) {
		int r = mem_backend_open((enum mem_kind)config->node[i].kind, config->node[i].size,
					 &mem->fds[i], err);

		if (r < 0)
			return r;
		mem->size += config->node[i].size;
	}
	return 0;
}

static int map_banks(struct mem *mem, const struct mem_config *config, unsigned count,
		     struct err *err)
{
	int r = 0;

	while (mem->count < count && r == 0) {
		struct mem_bank *b = &mem->banks[mem->count++];

		b->fd = mem->fds[b->node];
		r = mem_backend_map(&config->node[b->node], b, err);
	}
	return r;
}

static int build(struct mem *mem, const struct mem_config *config, struct err *err)
{
	int banks = mem_plan_banks(config, mem->banks, err), r;

	if (banks < 0)
		return banks;
	r = open_backends(mem, config, err);
	if (r == 0)
		r = map_banks(mem, config, (unsigned)banks, err);
	return r < 0 ? r : mem_backend_fill(config->node, mem->banks, mem->count, err);
}

int mem_new(const struct mem_config *config, struct mem **ret, struct err *err)
{
	struct mem *mem;
	int r = mem_check(config, err);

	if (r < 0)
		return r;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return err_set(err, -ENOMEM, "cannot describe guest memory");
	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		mem->fds[i] = -1;
	r = build(mem, config, err);
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
		mem_backend_unmap(&mem->banks[i]);
	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		close_fdp(&mem->fds[i]);
	free(mem);
	return NULL;
}

uint64_t mem_size(const struct mem *mem)
{
	return mem->size;
}

uint64_t mem_low_end(const struct mem *mem)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < mem->count && mem->banks[i].gpa == end; i++)
		end += mem->banks[i].size;
	return end;
}

gpa_t mem_end(const struct mem *mem)
{
	const struct mem_bank *last = &mem->banks[mem->count - 1];

	return last->gpa < LAYOUT_HIGH_RAM ? LAYOUT_HIGH_RAM : last->gpa + last->size;
}

unsigned mem_bank_count(const struct mem *mem)
{
	return mem->count;
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

int mem_discard(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	if (gpa % 4096 || len % 4096 || !len)
		return -EINVAL;
	for (unsigned i = 0; i < mem_bank_count(mem); i++) {
		const struct mem_bank *bank = mem_bank(mem, i);

		if (range_contains((struct range){ bank->gpa, bank->size }, (struct range){ gpa, len }))
			return mem_backend_discard(bank, gpa - bank->gpa, len);
	}
	return -EFAULT;
}
