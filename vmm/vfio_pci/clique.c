// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NVIDIA's drivers let GPUs of a guest reach each other's memory when they are told that they
 * may: by a vendor capability with the number of the clique, which hardware does not have. Its
 * form is NVIDIA's "GPUDirect P2P" for virtual machines, and so are the places where the
 * drivers look.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"

#define NVIDIA	   0x10de
#define DISPLAY	   0x03 /* base class */
#define CLIQUE_LEN 8

/* Bytes of a capability; of one whose form is not known no more than its head. */
static unsigned length_of(const uint8_t *cap)
{
	switch (cap[0]) {
	case PCI_CAP_ID_PM: return PCI_PM_SIZEOF;
	case PCI_CAP_ID_MSI: return 24; /* the longest form */
	case PCI_CAP_ID_MSIX: return PCI_CAP_MSIX_SIZEOF;
	case PCI_CAP_ID_EXP: return get_le16(cap + PCI_EXP_FLAGS) % 16 > 1 ? 0x3c : 0x14;
	case PCI_CAP_ID_VNDR: return cap[2];
	case PCI_CAP_ID_AF: return PCI_CAP_AF_SIZEOF;
	default: return 4;
	}
}

/* Neither in a capability of the device, nor is anything there. */
static bool is_free(const struct vfio_pci *v, const uint8_t *raw, unsigned pos)
{
	const struct range place = { pos, CLIQUE_LEN };
	unsigned cap = v->pci.config[PCI_CAPABILITY_LIST];

	for (unsigned i = 0; i < CLIQUE_LEN; i++)
		if (raw[pos + i] || v->emulated[pos + i])
			return false;
	/* The list was walked once already, and ends. */
	for (; cap; cap = v->pci.config[cap + PCI_CAP_LIST_NEXT])
		if (range_overlaps(place, (struct range){ cap, length_of(raw + cap) }))
			return false;
	return true;
}

int vfio_pci_clique_init(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	static const unsigned places[] = { 0xc8, 0xd4 };
	uint8_t body[CLIQUE_LEN - 2] = { CLIQUE_LEN, 'P', '2', 'P', 0, 0 };

	if (!v->clique)
		return 0;
	if (get_le16(raw + PCI_VENDOR_ID) != NVIDIA || raw[PCI_CLASS_DEVICE + 1] != DISPLAY)
		return err_plain(err, -EINVAL, "%s is no GPU of NVIDIA's: it is in no GPUDirect clique",
				 v->pci.name);
	body[4] = (uint8_t)((v->clique - 1) << 3);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		unsigned pos = places[i];

		if (!is_free(v, raw, pos))
			continue;
		v->pci.caps_end = pos;
		if (pci_cap_add(&v->pci, PCI_CAP_ID_VNDR, CLIQUE_LEN, body, NULL) != (int)pos)
			break;
		memset(v->emulated + pos, 0xff, CLIQUE_LEN);
		return 0;
	}
	return err_plain(err, -ENOSPC, "%s: there is no room in it for a GPUDirect clique", v->pci.name);
}
