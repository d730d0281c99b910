// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guest RAM as the devices reach it: at its guest physical address. mem tells of
 * its banks, and each becomes one mapping.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "vfio/dma.h"
#include "vmm/vm.h"

static int add_bank(struct mem_listener *l, const struct mem_bank *bank, struct err *err)
{
	struct vfio_pci_set *set = container_of(l, struct vfio_pci_set, listener);

	return dma_map_ram(set->dma, bank->gpa, bank->size, bank->hva, err);
}

static void del_bank(struct mem_listener *l, const struct mem_bank *bank)
{
	struct vfio_pci_set *set = container_of(l, struct vfio_pci_set, listener);

	(void)dma_unmap(set->dma, bank->gpa);
}

int vfio_pci_map_ram(struct vfio_pci_set *set, struct err *err)
{
	int r;

	set->listener = (struct mem_listener){ .add = add_bank, .del = del_bank };
	r = mem_listen(set->vm->mem, &set->listener, err);
	set->listening = r >= 0;
	return r;
}

void vfio_pci_unmap_ram(struct vfio_pci_set *set)
{
	if (set->listening)
		mem_unlisten(set->vm->mem, &set->listener);
	set->listening = false;
}

/* BARs that are off and were mapped where another is now make room. */
static void evict(struct vfio_pci_set *set, struct range range)
{
	for (unsigned i = 0; i < set->ndevices; i++) {
		struct vfio_pci *v = set->devices[i];

		for (unsigned k = 0; k < PCI_BARS; k++) {
			for (unsigned n = 0; n < v->bar[k].nspans && !v->pci.bar[k].live; n++) {
				struct bar_span *span = &v->bar[k].spans[n];
				struct range old = { span->dma_iova, span->range.size };

				if (span->dma && range_overlaps(old, range))
					vfio_pci_unmap_span(v, span);
			}
		}
	}
}

/*
 * A device writing to another's BAR is all this serves: with one device it is not
 * done. It stays mapped while the BAR is off, as remapping is what costs; it goes
 * when the BAR comes on elsewhere, or another one comes on there.
 */
void vfio_pci_map_span(struct vfio_pci *v, struct bar_span *span, uint64_t bar_addr)
{
	struct vfio_pci_set *set = v->set;
	iova_t iova = bar_addr + span->range.start;
	int r;

	if (set->ndevices < 2 || (span->dma && span->dma_iova == iova))
		return;
	vfio_pci_unmap_span(v, span);
	evict(set, (struct range){ iova, span->range.size });
	r = dma_map_device(set->dma, iova, span->range.size, span->hva);
	span->dma = r >= 0;
	span->dma_iova = iova;
	if (r >= 0 || set->p2p_failed)
		return;
	set->p2p_failed = true;
	log_warn("%s: other devices cannot reach its memory at 0x%" PRIx64
		 " (%s); they go on through guest RAM",
		 v->pci.name, iova, strerror(-r));
}

void vfio_pci_unmap_span(struct vfio_pci *v, struct bar_span *span)
{
	if (span->dma)
		(void)dma_unmap(v->set->dma, span->dma_iova);
	span->dma = false;
}

void vfio_pci_map_live_bars(struct vfio_pci_set *set)
{
	for (unsigned i = 0; i < set->ndevices; i++) {
		struct vfio_pci *v = set->devices[i];

		for (unsigned k = 0; k < PCI_BARS; k++)
			for (unsigned n = 0; n < v->bar[k].nspans && v->pci.bar[k].live; n++)
				vfio_pci_map_span(v, &v->bar[k].spans[n], v->pci.bar[k].addr);
	}
}
