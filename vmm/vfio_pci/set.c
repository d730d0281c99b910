// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All devices of a machine, and the order of their lives: the group joins the container,
 * the first one sets the IOMMU, KVM is told of the group, RAM is made where they reach
 * and mapped, and only then is a device opened, because drivers take KVM's pointer at the first open
 * and the kernel resets the function there.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "irq/irqfd.h"
#include "vfio/dma.h"
#include "vfio/iommu.h"
#include "vmm/handover.h"
#include "vmm/vm.h"

/* The device the user named, of those that group i brings in. */
static const char *first_of(const struct vmm_config *config, unsigned group)
{
	for (unsigned i = 0; i < config->device_count; i++)
		if (config->devices[i].group == group)
			return config->devices[i].name;
	return "a device";
}

int vfio_pci_add_group(struct vfio_pci_set *set, int fd, unsigned number, struct err *err)
{
	int r;

	if (set->ngroups == VFIO_PCI_MAX_GROUPS)
		return err_plain(err, -ENOSPC, "the guest has devices of %u IOMMU groups already",
				 set->ngroups);
	r = iommu_type1_add_group(set->iommu, fd, number, err);
	if (r < 0)
		return r;
	set->groups[set->ngroups++] = (struct vfio_group_ref){ number, fd };
	return kvm_vfio_add(set, fd, number, err);
}

void vfio_pci_del_group(struct vfio_pci_set *set, unsigned number)
{
	for (unsigned i = 0; i < set->ngroups; i++) {
		struct vfio_group_ref group = set->groups[i];

		if (group.number != number)
			continue;
		if (set->ngroups == 1)
			vfio_pci_unmap_ram(set);
		kvm_vfio_del(set, group.fd);
		iommu_type1_del_group(set->iommu, group.fd);
		close(group.fd);
		set->groups[i] = set->groups[--set->ngroups];
	}
}

static int join_groups(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err)
{
	for (unsigned i = 0; i < config->group_count; i++) {
		int r = vfio_pci_add_group(set, config->group_fds[i], config->group_ids[i], err);

		if (r < 0)
			return err_prefix(err, "cannot attach %s", first_of(config, i));
	}
	return 0;
}

/* Too low a limit is no reason not to start: few guests use all their vectors. */
void vfio_pci_reserve_fds(struct vfio_pci_set *set)
{
	uint64_t need = 0;
	unsigned n = 0;
	int r;

	for (unsigned i = 0; i < set->ndevices; i++)
		n += vfio_pci_max_vectors(set->devices[i]);
	r = irqfd_reserve(n, &need);
	if (r == -EMFILE)
		log_warn("%u interrupt vectors need a limit of %" PRIu64
			 " open files; some of them may "
			 "not work (ulimit -Hn, LimitNOFILE=)",
			 n, need);
}

static int open_devices(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err)
{
	set->devices = calloc(config->device_count, sizeof(struct vfio_pci *));
	if (!set->devices)
		return err_set(err, -ENOMEM, "cannot open the devices");
	for (unsigned i = 0; i < config->device_count; i++) {
		const struct vmm_device *d = &config->devices[i];
		struct vfio_pci *v = NULL;
		int r;

		if (d->group >= set->ngroups)
			return err_plain(err, -EPROTO, "%s: no group came with it", d->name);
		r = vfio_pci_dev_open(set, &set->groups[d->group], d, &v, err);
		if (r < 0)
			return r;
		set->devices[set->ndevices++] = v;
		r = pci_add(set->vm->pci, &v->pci, d->node, v->express != 0, err);
		if (r < 0)
			return r;
	}
	vfio_pci_reserve_fds(set);
	return 0;
}

int vfio_pci_set_new(struct vm *vm, int container_fd, struct vfio_pci_set **ret, struct err *err)
{
	struct vfio_pci_set *set;
	int r;

	if (container_fd < 0)
		return err_plain(err, -EPROTO, "no VFIO container came with the devices");
	set = calloc(1, sizeof(*set));
	if (!set)
		return err_set(err, -ENOMEM, "cannot attach the devices");
	set->vm = vm;
	set->kvm_device = -1;
	r = iommu_type1_new(container_fd, &set->iommu, err);
	if (r == 0) {
		set->dma = dma_new(set->iommu);
		r = set->dma ? 0 : err_set(err, -ENOMEM, "cannot attach the devices");
	}
	if (r < 0) {
		vfio_pci_detach_all(set);
		return r;
	}
	*ret = set;
	return 0;
}

int vfio_pci_join_all(struct vm *vm, const struct vmm_config *config, struct vfio_pci_set **ret,
		      struct err *err)
{
	struct vfio_pci_set *set;
	int r;

	if (!config->device_count) {
		*ret = NULL;
		return 0;
	}
	r = vfio_pci_set_new(vm, config->container_fd, &set, err);
	if (r < 0)
		return r;
	r = join_groups(set, config, err);
	if (r < 0) {
		vfio_pci_detach_all(set);
		return r;
	}
	*ret = set;
	return 0;
}

const struct range *vfio_pci_reach(const struct vfio_pci_set *set, unsigned *ret_count,
				   unsigned *ret_max)
{
	*ret_count = set ? set->iommu->nranges : 0;
	*ret_max = set ? set->iommu->max_maps : 0;
	return *ret_count ? set->iommu->ranges : NULL;
}

unsigned vfio_pci_address_bits(const struct vfio_pci_set *set)
{
	uint64_t limit = set ? iommu_limit(set->iommu) : UINT64_MAX;

	return limit == UINT64_MAX ? 64 : 63 - (unsigned)__builtin_clzll(limit | 1);
}

struct range vfio_pci_room(const struct vfio_pci_set *set, uint64_t start, uint64_t end)
{
	if (set)
		return iommu_room(set->iommu, start, end);
	return (struct range){ start, end > start ? end - start : 0 };
}

int vfio_pci_map_all(struct vfio_pci_set *set, struct err *err)
{
	return set ? vfio_pci_map_ram(set, err) : 0;
}

bool vfio_pci_pins_ram(const struct vfio_pci_set *set)
{
	return set && set->listening;
}

unsigned vfio_pci_maps(const struct vfio_pci_set *set)
{
	return set ? dma_maps(set->dma) : 0;
}

int vfio_pci_attach_all(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err)
{
	return set ? open_devices(set, config, err) : 0;
}

struct vfio_pci_set *vfio_pci_detach_all(struct vfio_pci_set *set)
{
	if (!set)
		return NULL;
	vfio_pci_reset_last(set);
	for (unsigned i = 0; i < set->ndevices; i++)
		set->devices[i] = vfio_pci_dev_close(set->devices[i]);
	free(set->devices);
	vfio_pci_closing_end(set);
	vfio_pci_unmap_ram(set);
	set->dma = dma_free(set->dma);
	/* Its groups go with it, before the container lets go of them. */
	close_fdp(&set->kvm_device);
	for (unsigned i = 0; i < set->ngroups; i++) {
		iommu_type1_del_group(set->iommu, set->groups[i].fd);
		close(set->groups[i].fd);
	}
	set->iommu = iommu_free(set->iommu);
	free(set);
	return NULL;
}
