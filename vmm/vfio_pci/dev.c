// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device's life in the VMM, and the order of it: the group joins the container,
 * the first one sets the IOMMU, KVM is told of the group, RAM is made where they reach
 * and mapped, and only then is a device opened, because drivers take KVM's pointer at the first open
 * and the kernel resets the function there.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/log.h"
#include "irq/irqfd.h"
#include "vfio/dma.h"
#include "vfio/iommu.h"
#include "vmm/handover.h"
#include "vmm/vm.h"

/* --- reset --- */

/*
 * Bus mastering ends first: after this nothing of the device reaches guest RAM,
 * which is about to be loaded anew.
 */
static void reset_hardware(struct vfio_pci *v)
{
	int r;

	vfio_pci_irqs_reset(v);
	vfio_pci_set_command(v, 0);
	r = vfio_device_reset(&v->dev, v->flr, v->set->groups, v->set->ngroups, NULL);
	if (r < 0)
		log_warn_limited("%s: it could not be reset, only silenced: %s", v->pci.name,
				 strerror(-r));
}

static void power_on(struct pci_dev *pci)
{
	reset_hardware(to_vfio_pci(pci));
}

/* A function level reset by the guest: what hardware forgets, we forget too. */
void vfio_pci_function_reset(struct vfio_pci *v)
{
	static const unsigned first = PCI_COMMAND, end = PCI_INTERRUPT_LINE + 1;

	for (unsigned i = first; i < end; i++)
		v->pci.config[i] &= (uint8_t)~v->pci.wmask[i];
	pci_bars_update(&v->pci);
	reset_hardware(v);
}

static const struct pci_dev_ops dev_ops = {
	.cfg_read = vfio_pci_cfg_read,
	.cfg_write = vfio_pci_cfg_write,
	.bar_set = vfio_pci_bar_set,
	.reset = power_on,
};

/* --- one device --- */

static struct vfio_pci *dev_close(struct vfio_pci *v)
{
	if (!v)
		return NULL;
	pci_remove(&v->pci);
	vfio_pci_irqs_fini(v);
	if (v->config.size)
		vfio_pci_set_command(v, 0);
	vfio_pci_bars_fini(v);
	vfio_device_fini(&v->dev);
	free(v);
	return NULL;
}

static void dev_closep(struct vfio_pci **v)
{
	dev_close(*v);
}

static int dev_open(struct vfio_pci_set *set, const struct vmm_device *d, struct vfio_pci **ret,
		    struct err *err)
{
	_cleanup_(dev_closep) struct vfio_pci *v = calloc(1, sizeof(*v));
	int fd, r;

	if (!v)
		return err_set(err, -ENOMEM, "cannot open %s", d->name);
	v->set = set;
	v->dev.fd = v->err_fd = v->req_fd = -1;
	v->pci.ops = &dev_ops;
	memcpy(v->pci.name, d->name, sizeof(d->name));
	r = iommu_type1_device_fd(set->groups[d->group].fd, d->name, d->token, &fd, err);
	if (r == 0)
		r = vfio_device_init(&v->dev, fd, d->name, err);
	if (r == 0)
		r = vfio_pci_config_init(v, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(v);
	return 0;
}

/* --- all of them --- */

/* The device the user named, of those that group i brings in. */
static const char *first_of(const struct vmm_config *config, unsigned group)
{
	for (unsigned i = 0; i < config->device_count; i++)
		if (config->devices[i].group == group)
			return config->devices[i].name;
	return "a device";
}

static int join_groups(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err)
{
	for (unsigned i = 0; i < config->group_count; i++) {
		int fd = config->group_fds[i], r;
		unsigned number = config->group_ids[i];

		r = iommu_type1_add_group(set->iommu, fd, number, err);
		if (r < 0)
			return err_prefix(err, "cannot attach %s", first_of(config, i));
		set->groups[set->ngroups++] = (struct vfio_group_ref){ number, fd };
		r = kvm_vfio_add(set, fd, number, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Room for every vector's eventfd, as long as the process is single-threaded. Too
 * low a limit is no reason not to start: few guests use all their vectors.
 */
static void reserve_fds(struct vfio_pci_set *set)
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
		r = dev_open(set, d, &v, err);
		if (r < 0)
			return r;
		set->devices[set->ndevices++] = v;
		r = pci_add(set->vm->pci, &v->pci, d->node, v->express != 0, err);
		if (r < 0)
			return r;
	}
	reserve_fds(set);
	return 0;
}

static int join(struct vfio_pci_set *set, const struct vmm_config *config, struct err *err)
{
	int r;

	if (config->container_fd < 0 || config->group_count > VFIO_PCI_MAX_GROUPS)
		return err_plain(err, -EPROTO, "no VFIO container came with the devices");
	r = iommu_type1_new(config->container_fd, &set->iommu, err);
	if (r < 0)
		return r;
	set->dma = dma_new(set->iommu);
	if (!set->dma)
		return err_set(err, -ENOMEM, "cannot attach the devices");
	return join_groups(set, config, err);
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
	set = calloc(1, sizeof(*set));
	if (!set)
		return err_set(err, -ENOMEM, "cannot attach the devices");
	set->vm = vm;
	set->kvm_device = -1;
	r = join(set, config, err);
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
	for (unsigned i = 0; i < set->ndevices; i++)
		set->devices[i] = dev_close(set->devices[i]);
	free(set->devices);
	vfio_pci_unmap_ram(set);
	set->dma = dma_free(set->dma);
	/* Its groups go with it, before the container lets go of them. */
	close_fdp(&set->kvm_device);
	for (unsigned i = 0; i < set->ngroups; i++)
		iommu_type1_del_group(set->iommu, set->groups[i].fd);
	set->iommu = iommu_free(set->iommu);
	free(set);
	return NULL;
}
