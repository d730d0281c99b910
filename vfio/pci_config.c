// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/pci_config.h"

#include <fcntl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/le.h"

void pci_config_open(int root, struct bdf bdf, struct pci_config *ret)
{
	struct pci_config c = { .fd = hostfs_open(root, O_RDONLY, "sys/bus/pci/devices/%s/config",
						  BDF_STR(bdf)) };
	ssize_t n = c.fd < 0 ? 0 : pread(c.fd, c.head, sizeof(c.head), 0);

	/* Ids of all ones are a VF's own; with command and status so, too, nobody answers. */
	c.mute = n >= 64 && get_le64(c.head) == UINT64_MAX;
	if (n >= 64 && !c.mute)
		c.size = (unsigned)n;
	/* Of a conventional function there are no more: reads behind them give nothing. */
	if (c.size == sizeof(c.head))
		c.size = PCI_CFG_SPACE_EXP_SIZE;
	*ret = c;
}

void pci_config_close(struct pci_config *c)
{
	close_fdp(&c->fd);
	c->size = 0;
}

uint16_t pci_config_u16(const struct pci_config *c, unsigned pos)
{
	uint8_t b[2];

	if (pos + sizeof(b) > c->size)
		return 0;
	if (pos + sizeof(b) <= sizeof(c->head))
		return get_le16(c->head + pos);
	return pread(c->fd, b, sizeof(b), pos) == sizeof(b) ? get_le16(b) : 0;
}

uint32_t pci_config_u32(const struct pci_config *c, unsigned pos)
{
	uint8_t b[4];

	if (pos + sizeof(b) > c->size)
		return 0;
	if (pos + sizeof(b) <= sizeof(c->head))
		return get_le32(c->head + pos);
	return pread(c->fd, b, sizeof(b), pos) == sizeof(b) ? get_le32(b) : 0;
}

typedef bool (*cap_fn)(const struct pci_cap *cap, void *opaque); /* true: stop here */

/* Where a chain has been, by dwords: broken ones lead back. */
struct visited {
	uint32_t bits[PCI_CFG_SPACE_EXP_SIZE / 4 / 32];
};

static bool first_visit(struct visited *v, unsigned pos)
{
	uint32_t *word = &v->bits[pos / 4 / 32], bit = 1u << (pos / 4 % 32);
	bool first = !(*word & bit);

	*word |= bit;
	return first;
}

static bool each_plain(const struct pci_config *c, cap_fn fn, void *opaque)
{
	struct visited visited = { 0 };
	unsigned pos;

	if (!pci_config_whole(c) || !(get_le16(c->head + PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return false;
	pos = c->head[PCI_CAPABILITY_LIST] & ~3u;
	while (pos >= 0x40 && first_visit(&visited, pos)) {
		struct pci_cap cap = { .id = c->head[pos], .pos = (uint16_t)pos };

		if (cap.id == 0xff)
			break;
		if (fn(&cap, opaque))
			return true;
		pos = c->head[pos + 1] & ~3u;
	}
	return false;
}

/*
 * Behind bridges that drop the upper bits of the address (RS690's own host bridge is one) the
 * first 256 bytes come again and again: at 100 there are the function's ids, not a capability.
 */
static bool is_aliased(const struct pci_config *c)
{
	return pci_config_u32(c, PCI_CFG_SPACE_SIZE) == get_le32(c->head);
}

static void each_extended(const struct pci_config *c, cap_fn fn, void *opaque)
{
	unsigned pos = is_aliased(c) ? 0 : PCI_CFG_SPACE_SIZE;
	struct visited visited = { 0 };

	while (pos >= PCI_CFG_SPACE_SIZE && first_visit(&visited, pos)) {
		uint32_t header = pci_config_u32(c, pos);
		struct pci_cap cap = {
			.id = (uint16_t)PCI_EXT_CAP_ID(header),
			.extended = true,
			.version = (uint8_t)PCI_EXT_CAP_VER(header),
			.pos = (uint16_t)pos,
		};

		/* No chain at all is a first header of zeros or ones. */
		if (!header || header == UINT32_MAX)
			break;
		/* Id 0 is a place holder that only carries the pointer. */
		if (cap.id && fn(&cap, opaque))
			break;
		pos = PCI_EXT_CAP_NEXT(header);
	}
}

struct list {
	struct pci_cap *ret;
	unsigned max, count;
};

static bool keep(const struct pci_cap *cap, void *opaque)
{
	struct list *l = opaque;

	if (l->count < l->max)
		l->ret[l->count++] = *cap;
	return l->count == l->max;
}

unsigned pci_config_caps(const struct pci_config *c, struct pci_cap *ret, unsigned max)
{
	struct list l = { ret, max, 0 };

	if (!each_plain(c, keep, &l))
		each_extended(c, keep, &l);
	return l.count;
}

static bool is_it(const struct pci_cap *cap, void *opaque)
{
	struct pci_cap *wanted = opaque;

	if (cap->id == wanted->id)
		wanted->pos = cap->pos;
	return wanted->pos;
}

unsigned pci_config_find(const struct pci_config *c, uint16_t id, bool extended)
{
	struct pci_cap wanted = { .id = id };

	if (extended)
		each_extended(c, is_it, &wanted);
	else
		each_plain(c, is_it, &wanted);
	return wanted.pos;
}

/* The words lspci and the kernel's headers use; numbers where those of 6.1 have no name. */
static const char *const plain_names[] = {
	[PCI_CAP_ID_PM] = "PM",		  [PCI_CAP_ID_AGP] = "AGP",
	[PCI_CAP_ID_VPD] = "VPD",	  [PCI_CAP_ID_SLOTID] = "slot ID",
	[PCI_CAP_ID_MSI] = "MSI",	  [PCI_CAP_ID_CHSWP] = "CompactPCI hotswap",
	[PCI_CAP_ID_PCIX] = "PCI-X",	  [PCI_CAP_ID_HT] = "HyperTransport",
	[PCI_CAP_ID_VNDR] = "vendor",	  [PCI_CAP_ID_DBG] = "debug port",
	[PCI_CAP_ID_CCRC] = "CompactPCI", [PCI_CAP_ID_SHPC] = "hotplug",
	[PCI_CAP_ID_SSVID] = "subsystem", [PCI_CAP_ID_AGP3] = "AGP 8x",
	[PCI_CAP_ID_SECDEV] = "secure",	  [PCI_CAP_ID_EXP] = "Express",
	[PCI_CAP_ID_MSIX] = "MSI-X",	  [PCI_CAP_ID_SATA] = "SATA",
	[PCI_CAP_ID_AF] = "AF",		  [PCI_CAP_ID_EA] = "EA",
};

static const char *const extended_names[] = {
	[PCI_EXT_CAP_ID_ERR] = "AER",	   [PCI_EXT_CAP_ID_VC] = "VC",
	[PCI_EXT_CAP_ID_DSN] = "serial",   [PCI_EXT_CAP_ID_PWR] = "power budget",
	[PCI_EXT_CAP_ID_RCLD] = "RC link", [PCI_EXT_CAP_ID_RCILC] = "RC internal link",
	[PCI_EXT_CAP_ID_RCEC] = "RC EC",   [PCI_EXT_CAP_ID_MFVC] = "MFVC",
	[PCI_EXT_CAP_ID_VC9] = "VC",	   [PCI_EXT_CAP_ID_RCRB] = "RCRB",
	[PCI_EXT_CAP_ID_VNDR] = "vendor",  [PCI_EXT_CAP_ID_CAC] = "config access",
	[PCI_EXT_CAP_ID_ACS] = "ACS",	   [PCI_EXT_CAP_ID_ARI] = "ARI",
	[PCI_EXT_CAP_ID_ATS] = "ATS",	   [PCI_EXT_CAP_ID_SRIOV] = "SR-IOV",
	[PCI_EXT_CAP_ID_MRIOV] = "MR-IOV", [PCI_EXT_CAP_ID_MCAST] = "multicast",
	[PCI_EXT_CAP_ID_PRI] = "PRI",	   [PCI_EXT_CAP_ID_REBAR] = "resizable BAR",
	[PCI_EXT_CAP_ID_DPA] = "DPA",	   [PCI_EXT_CAP_ID_TPH] = "TPH",
	[PCI_EXT_CAP_ID_LTR] = "LTR",	   [PCI_EXT_CAP_ID_SECPCI] = "secondary Express",
	[PCI_EXT_CAP_ID_PMUX] = "PMUX",	   [PCI_EXT_CAP_ID_PASID] = "PASID",
	[0x1c] = "LNR",			   [PCI_EXT_CAP_ID_DPC] = "DPC",
	[PCI_EXT_CAP_ID_L1SS] = "L1 PM",   [PCI_EXT_CAP_ID_PTM] = "PTM",
	[0x21] = "FRS",			   [0x22] = "readiness time",
	[PCI_EXT_CAP_ID_DVSEC] = "DVSEC",
	[0x24] = "VF resizable BAR",	   [PCI_EXT_CAP_ID_DLF] = "data link feature",
	[PCI_EXT_CAP_ID_PL_16GT] = "16 GT/s", [0x27] = "lane margining",
	[0x28] = "hierarchy ID",	   [0x29] = "NPEM",
	[0x2a] = "32 GT/s",		   [0x2e] = "DOE",
	[0x2f] = "device 3",		   [0x30] = "IDE",
	[0x31] = "64 GT/s",
};

const char *pci_cap_name(const struct pci_cap *cap)
{
	const char *const *names = cap->extended ? extended_names : plain_names;
	size_t count = cap->extended ? ARRAY_SIZE(extended_names) : ARRAY_SIZE(plain_names);

	return cap->id < count ? names[cap->id] : NULL;
}
