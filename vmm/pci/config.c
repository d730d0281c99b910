// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration registers as bytes and masks: one write path for any offset and
 * width. A bit is read-only, writable (wmask) or cleared by writing 1 (w1cmask).
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"

#define CAP_HEADER 2 /* id and next pointer */
/* All that fit: a list taken from hardware may be circular. */
#define CAPS_MAX   48

void pci_set_ids(struct pci_dev *dev, uint16_t vendor, uint16_t device, uint32_t class_rev,
		 uint16_t sub_vendor, uint16_t sub_device)
{
	put_le16(&dev->config[PCI_VENDOR_ID], vendor);
	put_le16(&dev->config[PCI_DEVICE_ID], device);
	put_le32(&dev->config[PCI_CLASS_REVISION], class_rev);
	/* A bridge has these in a capability: its header has other things there. */
	if ((dev->config[PCI_HEADER_TYPE] & 0x7f) == PCI_HEADER_TYPE_NORMAL) {
		put_le16(&dev->config[PCI_SUBSYSTEM_VENDOR_ID], sub_vendor);
		put_le16(&dev->config[PCI_SUBSYSTEM_ID], sub_device);
	}
}

/* Where the last capability's next pointer is. */
static unsigned caps_tail(const struct pci_dev *dev)
{
	unsigned link = PCI_CAPABILITY_LIST;

	for (int i = 0; i < CAPS_MAX; i++) {
		unsigned pos = dev->config[link] & ~3u;

		if (pos < PCI_STD_HEADER_SIZEOF)
			break;
		link = pos + PCI_CAP_LIST_NEXT;
	}
	return link;
}

unsigned cap_find(const struct pci_dev *dev, uint8_t id)
{
	unsigned pos = dev->config[PCI_CAPABILITY_LIST] & ~3u;

	for (int i = 0; i < CAPS_MAX && pos >= PCI_STD_HEADER_SIZEOF; i++) {
		if (dev->config[pos] == id)
			return pos;
		pos = dev->config[pos + PCI_CAP_LIST_NEXT] & ~3u;
	}
	return 0;
}

int pci_cap_add(struct pci_dev *dev, uint8_t id, unsigned len, const uint8_t *body,
		const uint8_t *wmask)
{
	unsigned pos = dev->caps_end ? (dev->caps_end + 3) & ~3u : PCI_STD_HEADER_SIZEOF;

	if (len < CAP_HEADER)
		return -EINVAL;
	if (pos + len > PCI_CFG_SPACE_SIZE)
		return -ENOSPC;
	dev->config[caps_tail(dev)] = (uint8_t)pos;
	dev->config[pos + PCI_CAP_LIST_ID] = id;
	dev->config[pos + PCI_CAP_LIST_NEXT] = 0;
	if (body)
		memcpy(&dev->config[pos + CAP_HEADER], body, len - CAP_HEADER);
	if (wmask)
		memcpy(&dev->wmask[pos + CAP_HEADER], wmask, len - CAP_HEADER);
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->caps_end = pos + len;
	return (int)pos;
}

void pci_cfg_store_read(const struct pci_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < PCI_CONFIG_SIZE ? dev->config[off + i] : 0xff;
}

static bool touches(unsigned off, unsigned len, unsigned first, unsigned end)
{
	return off < end && first < off + len;
}

void pci_cfg_store_write(struct pci_dev *dev, unsigned off, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len && off + i < PCI_CONFIG_SIZE; i++) {
		uint8_t w = dev->wmask[off + i], clear = dev->w1cmask[off + i] & data[i];
		uint8_t *reg = &dev->config[off + i];

		*reg = (uint8_t)((*reg & ~w & ~clear) | (data[i] & w));
	}
	/* A bridge keeps bus numbers there: it has no BAR, so nothing comes of it. */
	if (touches(off, len, PCI_COMMAND, PCI_COMMAND + 2) ||
	    touches(off, len, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_5 + 4) ||
	    touches(off, len, PCI_ROM_ADDRESS, PCI_ROM_ADDRESS + 4))
		pci_bars_update(dev);
}

/* Registers that mean the same in every function; it starts with decoding off. */
static void common_regs(struct pci_dev *dev)
{
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
			   PCI_COMMAND_INTX_DISABLE;
	uint16_t errors = PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
			  PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
			  PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY;

	for (unsigned i = 0; i < PCI_SPACES; i++) {
		if (dev->bar[i].type == PCI_BAR_IO)
			command |= PCI_COMMAND_IO;
		else if (dev->bar[i].type != PCI_BAR_NONE)
			command |= PCI_COMMAND_MEMORY;
	}
	put_le16(&dev->wmask[PCI_COMMAND], get_le16(&dev->wmask[PCI_COMMAND]) | command);
	put_le16(&dev->w1cmask[PCI_STATUS], errors);
	put_le16(&dev->config[PCI_COMMAND], 0);
	dev->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->wmask[PCI_INTERRUPT_LINE] = 0xff;
}

/* The last byte the guest can change, plus one: no more than that needs a copy. */
static unsigned writable_end(const struct pci_dev *dev)
{
	unsigned end = PCI_CONFIG_SIZE;

	while (end && !(dev->wmask[end - 1] | dev->w1cmask[end - 1]))
		end--;
	return end;
}

int dev_init(struct pci *pci, struct pci_dev *dev, unsigned node, struct err *err)
{
	int r = bars_init(dev, err);

	if (r < 0)
		return r;
	common_regs(dev);
	dev->power_on_len = writable_end(dev);
	dev->power_on = malloc(dev->power_on_len);
	if (!dev->power_on)
		return err_set(err, -ENOMEM, "%s: cannot be added", dev->name);
	memcpy(dev->power_on, dev->config, dev->power_on_len);
	dev->vm = pci->vm;
	dev->pci = pci;
	dev->node = node;
	dev->extended = cap_find(dev, PCI_CAP_ID_EXP) != 0;
	dev->next = pci->devs;
	pci->devs = dev;
	return 0;
}

void dev_fini(struct pci_dev *dev)
{
	struct pci_dev **link;

	if (!dev->pci)
		return;
	for (link = &dev->pci->devs; *link && *link != dev; link = &(*link)->next)
		;
	if (*link)
		*link = dev->next;
	free(dev->power_on);
	dev->power_on = NULL;
	dev->pci = NULL;
}

void dev_power_on(struct pci_dev *dev)
{
	static const uint8_t off[2];

	memcpy(&dev->config[PCI_COMMAND], off, sizeof(off));
	pci_bars_update(dev);
	if (dev->ops && dev->ops->reset)
		dev->ops->reset(dev);
	memcpy(dev->config, dev->power_on, dev->power_on_len);
}
