// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/kvm.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/fake/ioctl.h"

static const struct kvm_irq_routing_entry *msi_route(const struct kvm_irq_routing_entry *routes,
						     const uint16_t *msi_at, uint32_t gsi)
{
	return gsi < 4096 && msi_at[gsi] ? &routes[msi_at[gsi] - 1] : NULL;
}

static void index_routes(const struct kvm_irq_routing *table, uint16_t *msi_at)
{
	memset(msi_at, 0, 4096 * sizeof(*msi_at));
	for (unsigned i = 0; i < table->nr; i++)
		if (table->entries[i].type == KVM_IRQ_ROUTING_MSI && table->entries[i].gsi < 4096)
			msi_at[table->entries[i].gsi] = (uint16_t)(i + 1);
}

static void inject(struct fake_kvm *kvm, uint32_t gsi)
{
	const struct kvm_irq_routing_entry *e = msi_route(kvm->routes, kvm->msi_at, gsi);

	if (e)
		kvm->deliver(kvm->opaque, (uint64_t)e->u.msi.address_hi << 32 | e->u.msi.address_lo,
			     e->u.msi.data, true);
	else if (gsi < 24)
		kvm->deliver(kvm->opaque, 0, gsi, true);
}

static int set_routing(struct fake_kvm *kvm, const struct kvm_irq_routing *table)
{
	uint16_t msi_at[4096];

	if (kvm->fail_routing)
		return kvm->fail_routing;
	if (table->nr > 4096)
		return -EINVAL;
	index_routes(table, msi_at);
	for (unsigned i = 0; i < kvm->nirqfds; i++) {
		uint32_t gsi = kvm->irqfds[i].gsi;
		const struct kvm_irq_routing_entry *a = msi_route(kvm->routes, kvm->msi_at, gsi),
						   *b = msi_route(table->entries, msi_at, gsi);

		if (gsi >= 24 && (!a || !b || memcmp(&a->u.msi, &b->u.msi, 12) != 0))
			kvm->broken_order++;
	}
	kvm->commits++;
	kvm->entries_sent += table->nr;
	kvm->nroutes = table->nr;
	memcpy(kvm->routes, table->entries, table->nr * sizeof(table->entries[0]));
	memcpy(kvm->msi_at, msi_at, sizeof(msi_at));
	return 0;
}

static int find(const struct fake_kvm *kvm, int fd)
{
	for (unsigned i = 0; i < kvm->nirqfds; i++)
		if (kvm->irqfds[i].fd == fd)
			return (int)i;
	return -1;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int irqfd(struct fake_kvm *kvm, const struct kvm_irqfd *req)
{
	int at = find(kvm, (int)req->fd);

	if (req->flags & KVM_IRQFD_FLAG_DEASSIGN) {
		kvm->deassigns++;
		if (at >= 0)
			kvm->irqfds[at] = kvm->irqfds[--kvm->nirqfds];
		return 0;
	}
	if (kvm->fail_irqfd)
		return kvm->fail_irqfd;
	if (at >= 0)
		return -EBUSY;
	kvm->assigns++;
	if (req->gsi >= 24 && !msi_route(kvm->routes, kvm->msi_at, req->gsi))
		kvm->broken_order++;
	kvm->irqfds[kvm->nirqfds].fd = (int)req->fd;
	kvm->irqfds[kvm->nirqfds].gsi = req->gsi;
	kvm->irqfds[kvm->nirqfds++].resample_fd =
		req->flags & KVM_IRQFD_FLAG_RESAMPLE ? (int)req->resamplefd : -1;
	/* As the kernel does: what is pending goes in at once, and stays in the count. */
	if (readable((int)req->fd))
		inject(kvm, req->gsi);
	return 0;
}

static int set_slot(struct fake_kvm *kvm, const struct kvm_userspace_memory_region *region)
{
	unsigned i = 0;

	while (i < kvm->nslots && kvm->slots[i].slot != region->slot)
		i++;
	if (i == 64)
		return -ENOSPC;
	if (region->memory_size == 0) {
		if (i == kvm->nslots)
			return -EINVAL;
		kvm->slots[i] = kvm->slots[--kvm->nslots];
		return 0;
	}
	kvm->slots[i] = *region;
	if (i == kvm->nslots)
		kvm->nslots++;
	return 0;
}

static int answer(void *opaque, int fd, unsigned long request, void *arg)
{
	struct fake_kvm *kvm = opaque;
	const struct kvm_msi *msi = arg;

	switch (request) {
	case KVM_SET_GSI_ROUTING: return set_routing(kvm, arg);
	case KVM_IRQFD:
		if (kvm->on_irqfd)
			kvm->on_irqfd(kvm->watcher, arg);
		return irqfd(kvm, arg);
	case KVM_SIGNAL_MSI:
		kvm->signals++;
		kvm->deliver(kvm->opaque, (uint64_t)msi->address_hi << 32 | msi->address_lo,
			     msi->data, false);
		return 1;
	case KVM_CHECK_EXTENSION:
		return 64;
	case KVM_SET_USER_MEMORY_REGION:
		if (kvm->on_slot)
			kvm->on_slot(kvm->watcher, arg);
		return set_slot(kvm, arg);
	case KVM_CREATE_DEVICE:
		((struct kvm_create_device *)arg)->fd = (uint32_t)kvm->vfio_fd;
		return 0;
	default:
		return -ENOTTY;
	}
}

static void ignore(void *opaque, uint64_t address, uint32_t data, bool by_irqfd)
{
}

void fake_kvm_new(struct fake_kvm *kvm, int fd)
{
	memset(kvm, 0, sizeof(*kvm));
	kvm->fd = fd;
	kvm->deliver = ignore;
	fake_ioctl_handle(fd, answer, kvm);
}

void fake_kvm_free(struct fake_kvm *kvm)
{
	fake_ioctl_handle(kvm->fd, NULL, NULL);
}

void fake_kvm_signal(void *opaque, int fd)
{
	struct fake_kvm *kvm = opaque;
	int at = find(kvm, fd);

	if (at < 0 || kvm->old)
		eventfd_write(fd, 1);
	if (at >= 0)
		inject(kvm, kvm->irqfds[at].gsi);
}

void fake_kvm_eoi(struct fake_kvm *kvm, uint32_t gsi)
{
	for (unsigned i = 0; i < kvm->nirqfds; i++)
		if (kvm->irqfds[i].gsi == gsi && kvm->irqfds[i].resample_fd >= 0)
			eventfd_write(kvm->irqfds[i].resample_fd, 1);
}
