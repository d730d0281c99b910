// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/vhost_vdpa.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/size.h"
#include "vmm/mem.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

#define BIT(n) (1ull << (n))

/* Linux 6.7: a reset leaves what was mapped. */
#define BACKEND_F_IOTLB_PERSIST 8

/* What is agreed on, where the kernel has it. */
#define MANNERS                                                                              \
	(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) | BIT(VHOST_BACKEND_F_IOTLB_BATCH) |              \
	 BIT(BACKEND_F_IOTLB_PERSIST))

static int agree(struct vhost_vdpa *v)
{
	__u64 features = 0;
	int r = SIZED_IOCTL(v->fd, VHOST_GET_BACKEND_FEATURES, &features);

	if (r < 0)
		return r;
	features &= MANNERS;
	if (!(features & BIT(VHOST_BACKEND_F_IOTLB_MSG_V2)))
		return -EOPNOTSUPP;
	r = SIZED_IOCTL(v->fd, VHOST_SET_BACKEND_FEATURES, &features);
	v->agreed = features;
	return r < 0 ? r : 0;
}

static int ask(struct vhost_vdpa *v)
{
	struct vhost_vdpa_iova_range range = { 0 };
	__u32 size = 0, rings = 0;
	__u16 ring_size = 0;
	int r = SIZED_IOCTL(v->fd, VHOST_VDPA_GET_IOVA_RANGE, &range);

	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_VDPA_GET_CONFIG_SIZE, &size);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_VDPA_GET_VQS_COUNT, &rings);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_VDPA_GET_VRING_NUM, &ring_size);
	if (r < 0)
		return r == -ENOTTY ? -EOPNOTSUPP : r;
	v->first = range.first;
	v->last = range.last;
	v->config_size = size;
	v->rings = rings;
	v->ring_size = ring_size;
	return 0;
}

int vhost_vdpa_meet(int fd, struct vhost_vdpa *ret)
{
	struct vhost vhost = { .fd = fd };
	struct vhost_vdpa v = { .fd = fd };
	int r = agree(&v);

	if (r == 0)
		r = vhost_features(&vhost, &v.features);
	if (r == 0)
		r = ask(&v);
	if (r == 0)
		r = vhost_own(&vhost);
	if (r == 0)
		*ret = v;
	return r;
}

/* --- guest RAM --- */

static int tell(const struct vhost_vdpa *v, const struct vhost_iotlb_msg *iotlb)
{
	struct vhost_msg_v2 msg = { .type = VHOST_IOTLB_MSG_V2, .iotlb = *iotlb };
	ssize_t n = write(v->fd, &msg, sizeof(msg));

	return n < 0 ? -errno : n == (ssize_t)sizeof(msg) ? 0 : -EIO;
}

/* A device may take all that stands between these two in one go. */
static int batch(const struct vhost_vdpa *v, bool begin)
{
	if (!(v->agreed & BIT(VHOST_BACKEND_F_IOTLB_BATCH)))
		return 0;
	return tell(v, &(struct vhost_iotlb_msg){ .type = begin ? VHOST_IOTLB_BATCH_BEGIN :
								  VHOST_IOTLB_BATCH_END });
}

static int map_bank(const struct vhost_vdpa *v, const struct mem_bank *bank)
{
	return tell(v, &(struct vhost_iotlb_msg){ .type = VHOST_IOTLB_UPDATE,
						  .iova = bank->gpa,
						  .size = bank->size,
						  .uaddr = (uintptr_t)bank->hva,
						  .perm = VHOST_ACCESS_RW });
}

static int unmap_bank(const struct vhost_vdpa *v, const struct mem_bank *bank)
{
	return tell(v, &(struct vhost_iotlb_msg){ .type = VHOST_IOTLB_INVALIDATE,
						  .iova = bank->gpa,
						  .size = bank->size });
}

void vhost_vdpa_unmap(struct vhost_vdpa *v, const struct mem *mem)
{
	if (!v->mapped)
		return;
	(void)batch(v, true);
	for (unsigned i = 0; i < mem_bank_count(mem); i++)
		(void)unmap_bank(v, mem_bank(mem, i));
	(void)batch(v, false);
	v->mapped = false;
}

static int check_reach(const struct vhost_vdpa *v, const struct mem *mem, struct err *err)
{
	for (unsigned i = 0; i < mem_bank_count(mem); i++) {
		const struct mem_bank *bank = mem_bank(mem, i);
		uint64_t end = bank->gpa + (bank->size - 1);

		if (bank->gpa >= v->first && end <= v->last)
			continue;
		err_plain(err, -ERANGE, "--nic: the device reaches addresses 0x%" PRIx64 " to 0x%" PRIx64
			  ", and the guest's RAM is at 0x%" PRIx64 " to 0x%" PRIx64, v->first, v->last,
			  (uint64_t)bank->gpa, end);
		return err_hint(err, "give the guest less memory (--memory)");
	}
	return 0;
}

static int say_unmapped(int r, const struct mem *mem, struct err *err)
{
	err_set(err, r, "--nic: the device cannot have the guest's RAM of %s", SIZE_STR(mem_size(mem)));
	return r == -ENOMEM ? err_hint(err, "each such device pins it once: raise RLIMIT_MEMLOCK by as much "
					    "(LimitMEMLOCK= of a unit, memlock in /etc/security/limits.d)") : r;
}

int vhost_vdpa_map(struct vhost_vdpa *v, const struct mem *mem, struct err *err)
{
	int r = check_reach(v, mem, err);

	if (r < 0)
		return r;
	r = batch(v, true);
	v->mapped = true;
	for (unsigned i = 0; r == 0 && i < mem_bank_count(mem); i++)
		r = map_bank(v, mem_bank(mem, i));
	if (r == 0)
		r = batch(v, false);
	v->reset = false;
	if (r == 0)
		return 0;
	vhost_vdpa_unmap(v, mem); /* which ends the batch as well */
	return say_unmapped(r, mem, err);
}

/* --- its life (3.1) --- */

static int set_status(const struct vhost_vdpa *v, uint8_t value)
{
	__u8 status = value;
	int r = SIZED_IOCTL(v->fd, VHOST_VDPA_SET_STATUS, &status);

	return r < 0 ? r : 0;
}

bool vhost_vdpa_has_status(const struct vhost_vdpa *v, uint8_t bit)
{
	__u8 status = 0;

	return SIZED_IOCTL(v->fd, VHOST_VDPA_GET_STATUS, &status) >= 0 && status & bit;
}

/* Before Linux 6.7 it is the device's to say what a reset leaves of its map. */
int vhost_vdpa_reset(struct vhost_vdpa *v)
{
	v->reset |= !(v->agreed & BIT(BACKEND_F_IOTLB_PERSIST));
	return set_status(v, 0);
}

/* Addresses in rings are the guest's, which is what is mapped; the device is told so where it asks. */
static int negotiate(const struct vhost_vdpa *v, uint64_t features)
{
	__u64 want = (features | BIT(VIRTIO_F_ACCESS_PLATFORM)) & v->features;
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	int r = set_status(v, status);

	if (r == 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_FEATURES, &want);
	if (r >= 0)
		r = set_status(v, status | VIRTIO_CONFIG_S_FEATURES_OK);
	if (r < 0)
		return r;
	return vhost_vdpa_has_status(v, VIRTIO_CONFIG_S_FEATURES_OK) ? 0 : -EINVAL;
}

static int start_ring(const struct vhost_vdpa *v, const struct virtio_dev *dev, unsigned i)
{
	const struct virtq *q = &dev->q[i];
	struct vhost_vring_state num = { .index = i, .num = q->size };
	struct vhost_vring_state base = { .index = i, .num = 0 }, on = { .index = i, .num = 1 };
	struct vhost_vring_file kick = { .index = i, .fd = q->kick_fd };
	struct vhost_vring_file call = { .index = i, .fd = virtio_call_fd(dev, i) };
	struct vhost_vring_addr addr = { .index = i, .desc_user_addr = q->desc,
					 .avail_user_addr = q->avail, .used_user_addr = q->used };
	int r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_NUM, &num);

	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_BASE, &base);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_ADDR, &addr);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_KICK, &kick);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_SET_VRING_CALL, &call);
	if (r >= 0)
		r = SIZED_IOCTL(v->fd, VHOST_VDPA_SET_VRING_ENABLE, &on);
	return r < 0 ? r : 0;
}

static int remap(struct vhost_vdpa *v, const struct mem *mem)
{
	struct err err = ERR_INIT;

	if (!v->reset)
		return 0;
	vhost_vdpa_unmap(v, mem);
	return vhost_vdpa_map(v, mem, &err);
}

int vhost_vdpa_start(struct vhost_vdpa *v, const struct virtio_dev *dev)
{
	int r = remap(v, dev->vm->mem);

	if (r == 0)
		r = negotiate(v, dev->driver_features);
	for (unsigned i = 0; r == 0 && i < v->rings && i < dev->ops->nqueues; i++)
		if (dev->q[i].ready)
			r = start_ring(v, dev, i);
	if (r == 0)
		r = set_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	return r;
}

int vhost_vdpa_config_call(const struct vhost_vdpa *v, int fd)
{
	int r = SIZED_IOCTL(v->fd, VHOST_VDPA_SET_CONFIG_CALL, &fd);

	return r < 0 ? r : 0;
}

/* The request's number has the size of its head alone. */
int vhost_vdpa_config(const struct vhost_vdpa *v, unsigned off, uint8_t *data, unsigned len)
{
	_cleanup_free_ struct vhost_vdpa_config *config = calloc(1, sizeof(*config) + len);
	int r;

	if (!config)
		return -ENOMEM;
	if (off > v->config_size || len > v->config_size - off)
		return -EINVAL;
	config->off = off;
	config->len = len;
	r = SIZED_IOCTL(v->fd, VHOST_VDPA_GET_CONFIG, config);
	if (r < 0)
		return r;
	memcpy(data, config->buf, len);
	return 0;
}
