// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/vhost.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "vmm/handover.h"
#include "vmm/mem.h"
#include "vmm/vm.h"

int vhost_features(const struct vhost *v, uint64_t *ret)
{
	__u64 features = 0;
	int r = SIZED_IOCTL(v->fd, VHOST_GET_FEATURES, &features);

	*ret = features;
	return r < 0 ? r : 0;
}

int vhost_own(struct vhost *v)
{
	int r = v->owned ? 0 : VALUE_IOCTL(v->fd, VHOST_SET_OWNER, 0);

	v->owned |= r >= 0;
	return r < 0 ? r : 0;
}

/* RAM, bank by bank, at its guest physical address. */
static int set_memory(const struct vhost *v, const struct mem *mem)
{
	unsigned n = mem_bank_count(mem);
	_cleanup_free_ struct vhost_memory *table =
		calloc(1, sizeof(*table) + n * sizeof(table->regions[0]));
	int r;

	if (!table)
		return -ENOMEM;
	table->nregions = n;
	for (unsigned i = 0; i < n; i++) {
		const struct mem_bank *bank = mem_bank(mem, i);

		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = bank->gpa,
			.memory_size = bank->size,
			.userspace_addr = (uintptr_t)bank->hva,
		};
	}
	r = SIZED_IOCTL(v->fd, VHOST_SET_MEM_TABLE, table);
	return r < 0 ? r : 0;
}

/* The three parts of a ring (2.7), which the kernel takes by their addresses here. */
static int set_addresses(const struct vhost *v, const struct virtio_dev *dev,
			 const struct virtq *q, unsigned i)
{
	struct virtq_parts parts;
	struct vhost_vring_addr addr = { .index = i };
	int r = virtq_parts(dev, (unsigned)(q - dev->q), &parts);

	if (r < 0)
		return r;
	addr.desc_user_addr = (uintptr_t)parts.desc;
	addr.avail_user_addr = (uintptr_t)parts.avail;
	addr.used_user_addr = (uintptr_t)parts.used;
	r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_ADDR, &addr);
	return r < 0 ? r : 0;
}

static int start_ring(const struct vhost *v, const struct virtio_dev *dev, const struct virtq *q,
		      unsigned i)
{
	struct vhost_vring_state num = { .index = i, .num = q->size };
	struct vhost_vring_state base = { .index = i, .num = 0 };
	struct vhost_vring_file kick = { .index = i, .fd = q->kick_fd };
	int r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_NUM, &num);

	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_BASE, &base);
	if (r >= 0)
		r = set_addresses(v, dev, q, i);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_KICK, &kick);
	return r < 0 ? r : 0;
}

/* The kernel writes to all that it knows of when it begins: also to one that an earlier driver had. */
static int forget_ring(const struct vhost *v, unsigned i)
{
	struct vhost_vring_addr addr = { .index = i };
	int r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_ADDR, &addr);

	return r < 0 ? r : 0;
}

int vhost_start(struct vhost *v, const struct virtio_dev *dev, unsigned first, unsigned n)
{
	uint64_t can = 0;
	__u64 features;
	int r = vhost_own(v);

	if (r == 0)
		r = vhost_features(v, &can);
	if (r < 0)
		return r;
	features = dev->driver_features & can;
	r = SIZED_IOCTL(v->fd, VHOST_SET_FEATURES, &features);
	if (r >= 0)
		r = set_memory(v, dev->vm->mem);
	for (unsigned i = 0; r >= 0 && i < n; i++)
		r = dev->q[first + i].ready ? start_ring(v, dev, &dev->q[first + i], i) :
					      forget_ring(v, i);
	return r < 0 ? r : 0;
}

int vhost_net_backend(const struct vhost *v, unsigned q, int fd)
{
	struct vhost_vring_file file = { .index = q, .fd = fd };
	int r = SIZED_IOCTL(v->fd, VHOST_NET_SET_BACKEND, &file);

	return r < 0 ? r : 0;
}

int vhost_vsock_run(const struct vhost *v, bool on)
{
	int value = on;
	int r = SIZED_IOCTL(v->fd, VHOST_VSOCK_SET_RUNNING, &value);

	return r < 0 ? r : 0;
}

static int scsi_target(const char *wwpn, struct vhost_scsi_target *ret)
{
	*ret = (struct vhost_scsi_target){ .abi_version = VHOST_SCSI_ABI_VERSION };
	return snprintf(ret->vhost_wwpn, sizeof(ret->vhost_wwpn), "%s", vmm_scsi_port(wwpn)) <
			       (int)sizeof(ret->vhost_wwpn) ? 0 : -ENAMETOOLONG;
}

int vhost_scsi_set(const struct vhost *v, const char *wwpn)
{
	struct vhost_scsi_target target;
	__u32 none = 0;
	int r = scsi_target(wwpn, &target);

	/* What the driver before this one missed: this one looks for itself. */
	if (r == 0)
		r = SIZED_IOCTL(v->fd, VHOST_SCSI_SET_EVENTS_MISSED, &none);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SCSI_SET_ENDPOINT, &target);
	return r < 0 ? r : 0;
}

int vhost_scsi_clear(const struct vhost *v, const char *wwpn)
{
	struct vhost_scsi_target target;
	int r = scsi_target(wwpn, &target);

	if (r == 0)
		r = SIZED_IOCTL(v->fd, VHOST_SCSI_CLEAR_ENDPOINT, &target);
	return r < 0 ? r : 0;
}

int vhost_set_call(const struct vhost *v, unsigned q, int fd)
{
	struct vhost_vring_file file = { .index = q, .fd = fd };
	int r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_CALL, &file);

	return r < 0 ? r : 0;
}
