// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The capability lists as the guest finds them. Both are walked once, with a
 * bound; headers are ours from then on, so a hidden capability is simply not
 * linked. What lies inside the kept ones comes from the device unless another
 * file emulates it.
 *
 * Hidden: what only the host may use (SR-IOV, ARI, the translation services ATS,
 * PRI and PASID) or what would move under our feet (resizable BARs, enhanced
 * allocation), and entries with id 0, which say nothing.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"

#define EXT_CAP_ID_VF_REBAR 0x24 /* newer than some headers */
/* As many as fit: 192 bytes by 4, and 3840 bytes by 8. */
#define CAPS_MAX     48
#define EXT_CAPS_MAX 480

static void emulate(struct vfio_pci *v, unsigned off, unsigned len)
{
	memset(v->emulated + off, 0xff, len);
}

static bool hidden(uint8_t id)
{
	return id == 0 || id == PCI_CAP_ID_EA;
}

static bool ext_hidden(uint16_t id)
{
	switch (id) {
	case 0:
	case PCI_EXT_CAP_ID_ARI:
	case PCI_EXT_CAP_ID_ATS:
	case PCI_EXT_CAP_ID_SRIOV:
	case PCI_EXT_CAP_ID_PRI:
	case PCI_EXT_CAP_ID_REBAR:
	case PCI_EXT_CAP_ID_PASID:
	case EXT_CAP_ID_VF_REBAR: return true;
	default: return false;
	}
}

/* Bytes of a hidden extended capability that must read zero; the rest of its kind is shorter. */
static unsigned ext_length(const uint8_t *raw, unsigned pos, uint16_t id)
{
	switch (id) {
	case PCI_EXT_CAP_ID_SRIOV: return 0x40;
	case PCI_EXT_CAP_ID_PRI: return 0x10;
	case PCI_EXT_CAP_ID_REBAR:
	case EXT_CAP_ID_VF_REBAR:
		/* The first control register counts them: 8 bytes each. */
		return pos > PCI_CONFIG_SIZE - 12 ? 4 : 4 + 8 * (get_le32(raw + pos + 8) >> 5 & 7);
	default: return id ? 8 : 4;
	}
}

static void note(struct vfio_pci *v, const uint8_t *raw, unsigned pos)
{
	switch (raw[pos]) {
	case PCI_CAP_ID_EXP: v->express = pos; break;
	case PCI_CAP_ID_PM:
		v->pm_cap = pos;
		if (v->own < VFIO_RESET_FLR && !(raw[pos + PCI_PM_CTRL] & PCI_PM_CTRL_NO_SOFT_RESET))
			v->own = VFIO_RESET_PM;
		break;
	case PCI_CAP_ID_MSI: v->msi_cap = pos; break;
	case PCI_CAP_ID_MSIX: v->msix_cap = pos; break;
	case PCI_CAP_ID_AF:
		if (pos > PCI_CFG_SPACE_SIZE - PCI_CAP_AF_SIZEOF ||
		    !(raw[pos + PCI_AF_CAP] & PCI_AF_CAP_FLR))
			break;
		v->af_cap = pos;
		v->own = VFIO_RESET_AF_FLR;
		break;
	}
}

static int walk(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	unsigned link = PCI_CAPABILITY_LIST, pos = raw[link] & ~3u, n = 0;

	if (!(raw[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		pos = 0;
	for (; pos >= PCI_STD_HEADER_SIZEOF; pos = raw[pos + PCI_CAP_LIST_NEXT] & ~3u) {
		if (++n > CAPS_MAX)
			return err_plain(err, -EPROTO, "%s: its capability list is a circle",
					 v->pci.name);
		emulate(v, pos, 2);
		if (hidden(raw[pos]))
			continue;
		v->pci.config[link] = (uint8_t)pos;
		v->pci.config[pos] = raw[pos];
		link = pos + PCI_CAP_LIST_NEXT;
		note(v, raw, pos);
	}
	v->pci.config[link] = 0;
	if (v->pci.config[PCI_CAPABILITY_LIST])
		v->pci.config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return 0;
}

static int walk_ext(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	unsigned last = 0, n = 0, pos = PCI_CFG_SPACE_SIZE;

	while (pos >= PCI_CFG_SPACE_SIZE && pos <= PCI_CONFIG_SIZE - 4) {
		uint32_t head = get_le32(raw + pos), keep = head & 0x000fffff;
		uint16_t id = PCI_EXT_CAP_ID(head);

		if (head == 0 || head == UINT32_MAX)
			break;
		if (++n > EXT_CAPS_MAX)
			return err_plain(err, -EPROTO,
					 "%s: its list of extended capabilities is a circle",
					 v->pci.name);
		emulate(v, pos, 4);
		if (ext_hidden(id)) {
			unsigned len = ext_length(raw, pos, id);

			if (id == PCI_EXT_CAP_ID_SRIOV && len <= PCI_CONFIG_SIZE - pos)
				v->sriov = pos;
			emulate(v, pos, len < PCI_CONFIG_SIZE - pos ? len : PCI_CONFIG_SIZE - pos);
		}
		/* The first one is where it is: hidden, it keeps its place without a name. */
		if (!ext_hidden(id) || pos == PCI_CFG_SPACE_SIZE) {
			put_le32(&v->pci.config[pos], ext_hidden(id) ? 0x10000 : keep);
			if (last)
				put_le32(&v->pci.config[last],
					 get_le32(&v->pci.config[last]) | pos << 20);
			last = pos;
		}
		pos = PCI_EXT_CAP_NEXT(head);
	}
	/* A nameless head with nothing behind it is no list at all. */
	if (get_le32(&v->pci.config[PCI_CFG_SPACE_SIZE]) == 0x10000)
		put_le32(&v->pci.config[PCI_CFG_SPACE_SIZE], 0);
	return 0;
}

/*
 * Behind a root port everything is an endpoint; one that sat in a root complex has
 * no link registers, and gets the slowest link there is.
 */
static void init_express(struct vfio_pci *v, const uint8_t *raw)
{
	unsigned pos = v->express;
	uint8_t *config = v->pci.config;
	uint16_t flags = get_le16(raw + pos + PCI_EXP_FLAGS);

	if (get_le32(raw + pos + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR)
		v->own = VFIO_RESET_FLR;
	emulate(v, pos + PCI_EXP_FLAGS, 2);
	put_le16(config + pos + PCI_EXP_FLAGS, flags);
	/* The device's own to the guest; its port looks here, for the payload size. */
	put_le16(config + pos + PCI_EXP_DEVCTL, get_le16(raw + pos + PCI_EXP_DEVCTL));
	if ((flags & PCI_EXP_FLAGS_TYPE) >> 4 != PCI_EXP_TYPE_RC_END)
		return;
	put_le16(config + pos + PCI_EXP_FLAGS,
		 (uint16_t)((flags & ~PCI_EXP_FLAGS_TYPE) | PCI_EXP_TYPE_ENDPOINT << 4));
	emulate(v, pos + PCI_EXP_LNKCAP, 8);
	put_le32(config + pos + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put_le16(config + pos + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);
}

int vfio_pci_caps_init(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	int r = walk(v, raw, err);

	if (r < 0)
		return r;
	if (v->express > PCI_CFG_SPACE_SIZE - PCI_CAP_EXP_ENDPOINT_SIZEOF_V1)
		v->express = 0;
	if (v->express)
		init_express(v, raw);
	/* Only PCI Express has the other 3840 bytes. */
	if (v->config.size < PCI_CONFIG_SIZE || !v->express) {
		emulate(v, PCI_CFG_SPACE_SIZE, PCI_CONFIG_SIZE - PCI_CFG_SPACE_SIZE);
		return 0;
	}
	return walk_ext(v, raw, err);
}
