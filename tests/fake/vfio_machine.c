// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/vfio_machine.h"

#include <errno.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "base/loop.h"
#include "base/uapi.h"
#include "irq/gsi.h"
#include "tests/fake/ioctl.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"
#include "vmm/vfio_pci/vfio_pci.h"

static void saw(struct vfio_machine *m, char c)
{
	size_t n = strlen(m->order);

	if (n + 1 < sizeof(m->order))
		m->order[n] = c;
}

/* C: group into container, I: IOMMU set, m: DMA map, c: group out. */
static int container(void *opaque, int fd, unsigned long request, void *arg)
{
	struct vfio_machine *m = opaque;
	struct vfio_iommu_type1_info *info = arg;

	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION: return 1;
	case VFIO_SET_IOMMU: saw(m, 'I'); return 0;
	case VFIO_IOMMU_GET_INFO:
		info->argsz = sizeof(*info);
		info->flags = 0;
		return 0;
	case VFIO_IOMMU_MAP_DMA:
		saw(m, 'm');
		m->dma_maps++;
		return 0;
	case VFIO_IOMMU_UNMAP_DMA:
		saw(m, 'u');
		m->dma_unmaps++;
		return 0;
	default: return -ENOTTY;
	}
}

/* D: device opened. */
static int group(void *opaque, int fd, unsigned long request, void *arg)
{
	struct vfio_machine *m = opaque;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags =
			m->not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER: saw(m, 'C'); return 0;
	case VFIO_GROUP_UNSET_CONTAINER: saw(m, 'c'); return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		saw(m, 'D');
		return fake_vfio_open(strcmp(arg, MACHINE_SECOND) == 0 ? &m->second : &m->dev);
	default: return -ENOTTY;
	}
}

/* K: KVM is told of the group; k: that it is gone. */
static int kvm_vfio(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_device_attr *attr = arg;

	saw(opaque, attr->attr == KVM_DEV_VFIO_FILE_DEL ? 'k' : 'K');
	return request == KVM_SET_DEVICE_ATTR ? 0 : -ENOTTY;
}

static bool is_connected(const struct fake_vfio *dev, const struct kvm_irqfd *req)
{
	return dev->mode == VFIO_PCI_INTX_IRQ_INDEX && dev->trigger[0] == (int)req->fd;
}

/*
 * INTx: the device signals before KVM listens, as what it raises meanwhile waits in the eventfd, and not
 * any more when KVM has stopped, or a rise between the two leaves its line masked.
 */
static void on_irqfd(void *opaque, const struct kvm_irqfd *req)
{
	struct vfio_machine *m = opaque;
	bool connected = is_connected(&m->dev, req) || is_connected(&m->second, req);
	bool assign = !(req->flags & KVM_IRQFD_FLAG_DEASSIGN);

	if (assign ? req->flags & KVM_IRQFD_FLAG_RESAMPLE && !connected : connected)
		m->kvm.broken_order++;
}

static void new_with(struct vfio_machine *m, enum mem_kind kind)
{
	struct mem_config ram = { .nodes = 1, .node = &(struct mem_node){ .size = 4 * MiB, .kind = kind } };
	struct pci_config pci = { .nodes = 1, .mmio64_start = 4 * GiB, .mmio64_end = 512 * GiB };
	struct vm *vm = &m->guest.vm;

	memset(m, 0, sizeof(*m));
	fake_ioctl_reset();
	assert_int_equal(fake_vfio_new(&m->dev), 0);
	guest_pci_new(&m->guest, &pci);
	fake_kvm_new(&m->kvm, MACHINE_VM);
	m->kvm.vfio_fd = MACHINE_KVM_VFIO;
	m->kvm.on_irqfd = on_irqfd;
	m->kvm.watcher = m;
	m->dev.signal = fake_kvm_signal;
	m->dev.signal_opaque = &m->kvm;
	fake_ioctl_handle(MACHINE_CONTAINER, container, m);
	fake_ioctl_handle(MACHINE_GROUP, group, m);
	fake_ioctl_handle(MACHINE_KVM_VFIO, kvm_vfio, m);
	vm->fd = MACHINE_VM;
	vm->loop = loop_new();
	assert_int_equal(mem_new(&ram, &vm->mem, &m->guest.err), 0);
	assert_int_equal(memslots_new(vm->fd, &vm->slots), 0);
	assert_int_equal(gsi_new(vm->fd, &vm->gsi, &m->guest.err), 0);
	m->config.container_fd = MACHINE_CONTAINER;
	m->config.group_count = 1;
	m->config.group_fds[0] = MACHINE_GROUP;
	m->config.group_ids[0] = 42;
	m->config.device_count = 1;
	strcpy(m->config.devices[0].name, "0000:01:10.0");
	m->config.devices[0].vf = true;
}

void vfio_machine_add_second(struct vfio_machine *m)
{
	assert_int_equal(fake_vfio_new(&m->second), 0);
	m->second.signal = fake_kvm_signal;
	m->second.signal_opaque = &m->kvm;
	m->config.devices[m->config.device_count].vf = true;
	strcpy(m->config.devices[m->config.device_count++].name, MACHINE_SECOND);
}

void vfio_machine_new(struct vfio_machine *m)
{
	new_with(m, MEM_ANON);
}

void vfio_machine_new_shared(struct vfio_machine *m)
{
	new_with(m, MEM_MEMFD);
}

int vfio_machine_start(struct vfio_machine *m)
{
	struct err *err = &m->guest.err;
	int r = vfio_pci_join_all(&m->guest.vm, &m->config, &m->set, err);

	if (r == 0)
		r = vfio_pci_map_all(m->set, err);
	if (r == 0)
		r = vfio_pci_attach_all(m->set, &m->config, err);
	return r < 0 ? r : pci_assign(m->guest.vm.pci, err);
}

void vfio_machine_free(struct vfio_machine *m)
{
	struct vm *vm = &m->guest.vm;

	m->set = vfio_pci_detach_all(m->set);
	assert_int_equal(m->dma_maps, m->dma_unmaps);
	assert_int_equal(m->kvm.nirqfds, 0);
	assert_int_equal(m->kvm.nslots, 0);
	assert_int_equal(m->kvm.broken_order, 0);
	guest_pci_free(&m->guest);
	vm->gsi = gsi_free(vm->gsi);
	vm->slots = memslots_free(vm->slots);
	vm->mem = mem_free(vm->mem);
	vm->loop = loop_free(vm->loop);
	fake_vfio_free(&m->dev);
	if (m->config.device_count > 1)
		fake_vfio_free(&m->second);
	fake_kvm_free(&m->kvm);
	assert_true(fake_ioctl_done());
}

void vfio_machine_igbvf(struct vfio_machine *m)
{
	fake_vfio_igbvf(&m->dev);
}

void fake_vfio_igbvf(struct fake_vfio *dev)
{
	static const uint32_t mem64 = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	uint8_t c[PCI_CONFIG_SIZE] = { 0 };

	put_le32(c + PCI_VENDOR_ID, 0x10ca8086);
	put_le16(c + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put_le32(c + PCI_CLASS_REVISION, 0x02000001);
	put_le32(c + PCI_BASE_ADDRESS_0, mem64);
	put_le32(c + PCI_BASE_ADDRESS_3, mem64);
	c[PCI_CAPABILITY_LIST] = 0x70;
	c[0x70] = PCI_CAP_ID_MSIX;
	c[0x71] = 0xa0;
	put_le16(c + 0x72, 3 - 1);
	put_le32(c + 0x74, 0x0000 | 3);
	put_le32(c + 0x78, 0x2000 | 3);
	c[0xa0] = PCI_CAP_ID_EXP;
	put_le16(c + 0xa2, 2);
	put_le32(c + 0xa4, PCI_EXP_DEVCAP_FLR);
	put_le32(c + 0x100, PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x150u << 20);
	put_le32(c + 0x150, PCI_EXT_CAP_ID_ARI | 1 << 16 | 0x1a0u << 20);
	put_le32(c + 0x154, 0xaaaaaaaa);
	put_le32(c + 0x1a0, PCI_EXT_CAP_ID_VNDR | 1 << 16);
	fake_vfio_poke(dev, VFIO_PCI_CONFIG_REGION_INDEX, 0, c, sizeof(c));
	fake_vfio_region(dev, 0, 16 * KiB, rw | VFIO_REGION_INFO_FLAG_MMAP);
	fake_vfio_region(dev, 3, 16 * KiB, rw | VFIO_REGION_INFO_FLAG_MMAP);
	dev->irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 3;
	dev->irq[VFIO_PCI_MSIX_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
	dev->irq[VFIO_PCI_ERR_IRQ_INDEX].count = 1;
	dev->irq[VFIO_PCI_ERR_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
	dev->irq[VFIO_PCI_REQ_IRQ_INDEX].count = 1;
	dev->irq[VFIO_PCI_REQ_IRQ_INDEX].flags = VFIO_IRQ_INFO_EVENTFD;
}
