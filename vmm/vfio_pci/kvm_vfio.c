// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KVM's VFIO device: drivers learn through it which VM they serve, and KVM learns
 * of devices whose DMA is not coherent.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>

#include <linux/kvm.h>

#include "base/ioctl.h"
#include "base/log.h"
#include "base/uapi.h"
#include "vmm/vm.h"

static int create(struct vfio_pci_set *set, struct err *err)
{
	struct kvm_create_device req = { .type = KVM_DEV_TYPE_VFIO };
	int r = SIZED_IOCTL(set->vm->fd, KVM_CREATE_DEVICE, &req);

	if (r == -ENODEV) {
		log_note("this KVM has no VFIO device: devices are not told of their VM");
		return 0;
	}
	if (r < 0)
		return err_set(err, r, "KVM does not make its VFIO device");
	set->kvm_device = (int)req.fd;
	return 0;
}

int kvm_vfio_add(struct vfio_pci_set *set, int group_fd, unsigned number, struct err *err)
{
	int32_t fd = group_fd;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_ADD,
		.addr = (uintptr_t)&fd,
	};
	int r = set->kvm_device < 0 ? create(set, err) : 0;

	if (r < 0 || set->kvm_device < 0)
		return r;
	r = SIZED_IOCTL(set->kvm_device, KVM_SET_DEVICE_ATTR, &attr);
	if (r < 0)
		return err_set(err, r, "KVM does not take IOMMU group %u", number);
	return 0;
}

void kvm_vfio_del(struct vfio_pci_set *set, int group_fd)
{
	int32_t fd = group_fd;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_DEL,
		.addr = (uintptr_t)&fd,
	};

	if (set->kvm_device >= 0)
		(void)SIZED_IOCTL(set->kvm_device, KVM_SET_DEVICE_ATTR, &attr);
}
