// SPDX-License-Identifier: GPL-2.0-or-later
/* One device: how it is opened, reset and closed. */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "vfio/iommu.h"
#include "vmm/handover.h"
#include "vmm/vm.h"

/* --- reset --- */

static void power_on(struct pci_dev *pci)
{
	struct vfio_pci *v = to_vfio_pci(pci);

	vfio_pci_silence(v);
	v->to_reset = true;
	if (!v->set->resetting)
		vfio_pci_reset_slot(v);
}

/* A function level reset by the guest: what hardware forgets, we forget too. */
void vfio_pci_function_reset(struct vfio_pci *v)
{
	static const unsigned first = PCI_COMMAND, end = PCI_INTERRUPT_LINE + 1;

	for (unsigned i = first; i < end; i++)
		v->pci.config[i] &= (uint8_t)~v->pci.wmask[i];
	pci_bars_update(&v->pci);
	vfio_pci_silence(v);
	vfio_pci_reset_alone(v);
}

static const struct pci_dev_ops dev_ops = {
	.cfg_read = vfio_pci_cfg_read,
	.cfg_write = vfio_pci_cfg_write,
	.bar_set = vfio_pci_bar_set,
	.reset = power_on,
	.eject = vfio_pci_ejected,
};

/* --- one device --- */

int vfio_pci_dev_let_go(struct vfio_pci *v)
{
	int fd;

	vfio_pci_leave_fini(v);
	pci_remove(&v->pci);
	vfio_pci_irqs_fini(v);
	if (v->config.size)
		vfio_pci_set_command(v, 0);
	vfio_pci_bars_fini(v);
	vfio_pci_rom_fini(v);
	fd = TAKE_FD(v->dev.fd);
	free(v);
	return fd;
}

struct vfio_pci *vfio_pci_dev_close(struct vfio_pci *v)
{
	int fd = v ? vfio_pci_dev_let_go(v) : -1;

	close_fdp(&fd);
	return NULL;
}

static void dev_closep(struct vfio_pci **v)
{
	vfio_pci_dev_close(*v);
}

int vfio_pci_dev_open(struct vfio_pci_set *set, const struct vfio_group_ref *group,
		      const struct vmm_device *d, struct vfio_pci **ret, struct err *err)
{
	_cleanup_(dev_closep) struct vfio_pci *v = calloc(1, sizeof(*v));
	int fd, r;

	if (!v)
		return err_set(err, -ENOMEM, "cannot open %s", d->name);
	v->set = set;
	v->group = group->number;
	v->clique = d->clique;
	v->move_msix = d->move_msix;
	v->no_intx = d->intx == VMM_INTX_WITHHELD;
	v->pci.owner = d->nic;
	vfio_pci_name_slot(v, d);
	v->dev.fd = v->err_fd = v->req_fd = v->leave_timer = -1;
	v->pci.ops = &dev_ops;
	memcpy(v->pci.name, d->name, sizeof(d->name));
	v->memory = (struct memslot_owner){ .name = v->pci.name, .answers = vfio_pci_memory_answers };
	r = iommu_type1_device_fd(group->fd, d->name, d->token, &fd, err);
	if (r == 0)
		r = vfio_device_init(&v->dev, fd, d->name, err);
	if (r == 0)
		r = vfio_pci_config_init(v, d, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(v);
	return 0;
}
