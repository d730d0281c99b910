// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/memslot.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/size.h"
#include "vmm/mem.h"

struct slot {
	struct range gpa;
	void *hva;
	struct memslot_owner *owner; /* borrowed; NULL: RAM */
	bool readonly;
	bool used;
	bool mapped; /* KVM has it; false while memslots_drop() has it taken away */
};

struct memslots {
	int vm_fd; /* borrowed */
	unsigned max;
	unsigned count; /* slots[] in use or once used */
	struct slot *slots;
	struct mem *mem; /* borrowed; NULL before memslots_back_ram() */
	struct mem_listener ram;
};

int memslots_new(int vm_fd, struct memslots **ret)
{
	struct memslots *s;
	int max = VALUE_IOCTL(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

	if (max < 0)
		return max;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->vm_fd = vm_fd;
	s->max = max ? (unsigned)max : 32; /* what KVM had before it told */
	*ret = s;
	return 0;
}

struct memslots *memslots_free(struct memslots *slots)
{
	if (!slots)
		return NULL;
	if (slots->mem)
		mem_unlisten(slots->mem, &slots->ram);
	free(slots->slots);
	free(slots);
	return NULL;
}

static int tell_kvm(struct memslots *s, unsigned i, uint64_t size)
{
	const struct slot *slot = &s->slots[i];
	struct kvm_userspace_memory_region region = {
		.slot = i,
		.flags = slot->readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = slot->gpa.start,
		.memory_size = size, /* 0 removes it */
		.userspace_addr = (uintptr_t)slot->hva,
	};

	return SIZED_IOCTL(s->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int map(struct memslots *s, unsigned i)
{
	int r = tell_kvm(s, i, s->slots[i].gpa.size);

	s->slots[i].mapped = r >= 0;
	return r < 0 ? r : 0;
}

static void unmap(struct memslots *s, unsigned i)
{
	/* Removing a slot that exists cannot fail. */
	if (s->slots[i].mapped)
		(void)tell_kvm(s, i, 0);
	s->slots[i].mapped = false;
}

static bool overlaps(const struct memslots *s, struct range r)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->slots[i].used && range_overlaps(s->slots[i].gpa, r))
			return true;
	return false;
}

/* The lowest free slot number, growing the table when there is none. */
static int take_slot(struct memslots *s, unsigned *ret)
{
	struct slot *grown;
	unsigned i = 0;

	while (i < s->count && s->slots[i].used)
		i++;
	if (i == s->max)
		return -ENOSPC;
	if (i == s->count) {
		grown = reallocarray(s->slots, s->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->slots = grown;
		s->slots[s->count++] = (struct slot){ 0 };
	}
	*ret = i;
	return 0;
}

static int set(struct memslots *s, struct slot slot, unsigned *ret_slot)
{
	unsigned i;
	int r;

	if (slot.gpa.size == 0 || !range_valid(slot.gpa.start, slot.gpa.size) ||
	    (slot.gpa.start | slot.gpa.size | (uintptr_t)slot.hva) % (4 * KiB))
		return -EINVAL;
	if (overlaps(s, slot.gpa))
		return -EEXIST;
	r = take_slot(s, &i);
	if (r < 0)
		return r;
	s->slots[i] = slot;
	r = map(s, i);
	if (r < 0) {
		s->slots[i] = (struct slot){ 0 };
		return r;
	}
	s->slots[i].used = true;
	*ret_slot = i;
	return 0;
}

int memslot_set(struct memslots *slots, gpa_t gpa, uint64_t size, void *hva, bool readonly,
		struct memslot_owner *owner, unsigned *ret_slot)
{
	struct slot slot = {
		.gpa = { gpa, size }, .hva = hva, .owner = owner, .readonly = readonly
	};

	return set(slots, slot, ret_slot);
}

void memslot_clear(struct memslots *slots, unsigned slot)
{
	if (slot >= slots->count)
		return;
	unmap(slots, slot);
	slots->slots[slot] = (struct slot){ 0 };
}

static int add_ram(struct mem_listener *l, const struct mem_bank *bank, struct err *err)
{
	struct memslots *s = container_of(l, struct memslots, ram);
	unsigned slot;
	int r = set(s, (struct slot){ .gpa = { bank->gpa, bank->size }, .hva = bank->hva }, &slot);

	if (r < 0)
		return err_set(err, r, "KVM refused guest memory at 0x%llx",
			       (unsigned long long)bank->gpa);
	return 0;
}

static void del_ram(struct mem_listener *l, const struct mem_bank *bank)
{
	struct memslots *s = container_of(l, struct memslots, ram);

	for (unsigned i = 0; i < s->count; i++)
		if (s->slots[i].used && !s->slots[i].owner && s->slots[i].gpa.start == bank->gpa)
			memslot_clear(s, i);
}

int memslots_back_ram(struct memslots *slots, struct mem *mem, struct err *err)
{
	int r;

	slots->ram = (struct mem_listener){ .add = add_ram, .del = del_ram };
	r = mem_listen(mem, &slots->ram, err);
	if (r == 0)
		slots->mem = mem;
	return r;
}

bool memslots_look(const struct memslots *slots, unsigned i, struct memslot_owner **ret_owner,
		   bool *ret_mapped)
{
	if (i >= slots->count)
		return false;
	*ret_owner = slots->slots[i].used ? slots->slots[i].owner : NULL;
	*ret_mapped = slots->slots[i].mapped;
	return true;
}

struct memslot_owner *memslots_owner_at(const struct memslots *slots, gpa_t gpa)
{
	for (unsigned i = 0; i < slots->count; i++)
		if (slots->slots[i].mapped &&
		    range_contains(slots->slots[i].gpa, (struct range){ gpa, 1 }))
			return slots->slots[i].owner;
	return NULL;
}

unsigned memslots_drop(struct memslots *slots, const struct memslot_owner *owner)
{
	unsigned dropped = 0;

	for (unsigned i = 0; i < slots->count; i++) {
		if (!slots->slots[i].mapped || slots->slots[i].owner != owner)
			continue;
		unmap(slots, i);
		dropped++;
	}
	return dropped;
}

int memslots_put_back(struct memslots *slots, const struct memslot_owner *owner)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < slots->count; i++)
		if (slots->slots[i].used && !slots->slots[i].mapped &&
		    slots->slots[i].owner == owner)
			r = map(slots, i);
	return r;
}
