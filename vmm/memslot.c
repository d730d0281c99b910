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
	bool used;
	bool mapped; /* KVM has it; false after a fault took it away */
	bool ram;
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

static int tell_kvm(struct memslots *s, unsigned i, void *hva, uint64_t size, bool readonly)
{
	struct kvm_userspace_memory_region region = {
		.slot = i,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = s->slots[i].gpa.start,
		.memory_size = size, /* 0 removes it */
		.userspace_addr = (uintptr_t)hva,
	};

	return SIZED_IOCTL(s->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void unmap(struct memslots *s, unsigned i)
{
	/* Removing a slot that exists cannot fail. */
	if (s->slots[i].mapped)
		(void)tell_kvm(s, i, NULL, 0, false);
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

static int set(struct memslots *s, struct slot slot, void *hva, bool readonly, unsigned *ret_slot)
{
	unsigned i;
	int r;

	if (slot.gpa.size == 0 || !range_valid(slot.gpa.start, slot.gpa.size) ||
	    (slot.gpa.start | slot.gpa.size | (uintptr_t)hva) % (4 * KiB))
		return -EINVAL;
	if (overlaps(s, slot.gpa))
		return -EEXIST;
	r = take_slot(s, &i);
	if (r < 0)
		return r;
	s->slots[i] = slot;
	r = tell_kvm(s, i, hva, slot.gpa.size, readonly);
	if (r < 0) {
		s->slots[i] = (struct slot){ 0 };
		return r;
	}
	s->slots[i].used = s->slots[i].mapped = true;
	*ret_slot = i;
	return 0;
}

int memslot_set(struct memslots *slots, gpa_t gpa, uint64_t size, void *hva, bool readonly,
		unsigned *ret_slot)
{
	return set(slots, (struct slot){ .gpa = { gpa, size } }, hva, readonly, ret_slot);
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
	int r = set(s, (struct slot){ .gpa = { bank->gpa, bank->size }, .ram = true }, bank->hva,
		    false, &slot);

	if (r < 0)
		return err_set(err, r, "KVM refused guest memory at 0x%llx",
			       (unsigned long long)bank->gpa);
	return 0;
}

static void del_ram(struct mem_listener *l, const struct mem_bank *bank)
{
	struct memslots *s = container_of(l, struct memslots, ram);

	for (unsigned i = 0; i < s->count; i++)
		if (s->slots[i].used && s->slots[i].ram && s->slots[i].gpa.start == bank->gpa)
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

unsigned memslots_fault(struct memslots *slots, const gpa_t *gpa)
{
	unsigned dropped = 0;

	for (unsigned i = 0; i < slots->count; i++) {
		struct slot *s = &slots->slots[i];

		if (!s->used || !s->mapped || s->ram ||
		    (gpa && !range_contains(s->gpa, (struct range){ *gpa, 1 })))
			continue;
		unmap(slots, i);
		dropped++;
	}
	return dropped;
}
