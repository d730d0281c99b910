// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration space: one mask says of each bit whether it is ours (pci.config,
 * written through pci.wmask) or the device's. A write reaches the device only in
 * bytes that are wholly its own, in one request per run of such bytes; the
 * command register goes there in full after we have acted on it, and message
 * control goes to irq/.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"
#include "base/log.h"
#include "irq/msi.h"
#include "irq/msix.h"

#define DECODE (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)

static bool touches(unsigned off, unsigned len, unsigned first, unsigned size)
{
	return off < first + size && first < off + len;
}

/* --- setting up --- */

static void init_header(struct vfio_pci *v, const uint8_t *raw)
{
	uint8_t *config = v->pci.config;

	/* All of the header is ours but the status register. */
	memset(v->emulated, 0xff, PCI_STD_HEADER_SIZEOF);
	v->emulated[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	v->emulated[PCI_STATUS + 1] = 0;
	memcpy(config + PCI_VENDOR_ID, raw + PCI_VENDOR_ID, 4);
	memcpy(config + PCI_CLASS_REVISION, raw + PCI_CLASS_REVISION, 4);
	memcpy(config + PCI_SUBSYSTEM_VENDOR_ID, raw + PCI_SUBSYSTEM_VENDOR_ID, 4);
	config[PCI_MIN_GNT] = raw[PCI_MIN_GNT];
	config[PCI_MAX_LAT] = raw[PCI_MAX_LAT];
	/* A single function, which uses INTA if any: the pin is set with the interrupts. */
	config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_NORMAL;
	v->pci.wmask[PCI_LATENCY_TIMER] = 0xff;
}

int vfio_pci_config_init(struct vfio_pci *v, const struct vmm_device *d, struct err *err)
{
	uint8_t raw[PCI_CONFIG_SIZE] = { 0 };
	unsigned size;
	int r = vfio_region_get(v->dev.fd, VFIO_REGION_CONFIG, &v->config);

	if (r < 0)
		return err_set(err, r, "%s does not show its configuration space", v->pci.name);
	size = v->config.size < PCI_CONFIG_SIZE ? (unsigned)v->config.size : PCI_CONFIG_SIZE;
	if (size < PCI_CFG_SPACE_SIZE)
		return err_plain(err, -EPROTO, "%s has a configuration space of %u bytes",
				 v->pci.name, size);
	r = vfio_region_read(v->dev.fd, &v->config, 0, raw, size);
	if (r < 0)
		return err_set(err, r, "%s: its configuration space cannot be read", v->pci.name);
	if ((raw[PCI_HEADER_TYPE] & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return err_plain(err, -EINVAL, "%s is a bridge, which a guest cannot have",
				 v->pci.name);
	init_header(v, raw);
	r = vfio_pci_caps_init(v, raw, err);
	if (r == 0)
		r = vfio_pci_clique_init(v, raw, err);
	if (r == 0)
		r = vfio_pci_irqs_init(v, raw, err);
	if (r == 0)
		r = vfio_pci_bars_init(v, raw, err);
	return r < 0 ? r : vfio_pci_rom_init(v, raw, d, err);
}

/* --- the device's registers --- */

static void device_read(struct vfio_pci *v, unsigned off, uint8_t *data, unsigned len)
{
	int r = vfio_region_read(v->dev.fd, &v->config, off, data, len);

	if (r < 0)
		log_warn_limited("%s: configuration register 0x%x cannot be read: %s", v->pci.name,
				 off, strerror(-r));
}

static void device_write(struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	int r = vfio_region_write(v->dev.fd, &v->config, off, data, len);

	if (r < 0)
		log_warn_limited("%s: configuration register 0x%x cannot be written: %s",
				 v->pci.name, off, strerror(-r));
}

void vfio_pci_set_command(struct vfio_pci *v, uint16_t command)
{
	uint8_t b[2];

	put_le16(b, command);
	device_write(v, PCI_COMMAND, b, sizeof(b));
}

/* --- reads --- */

static void read_msix(struct vfio_pci *v, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t control[2];

	if (!v->msix)
		return;
	put_le16(control, msix_control(v->msix));
	for (unsigned i = 0; i < len; i++) {
		unsigned at = off + i - (v->msix_cap + PCI_MSIX_FLAGS);

		if (at < sizeof(control))
			data[i] = control[at];
	}
}

static void read_msi(struct vfio_pci *v, unsigned off, uint8_t *data, unsigned len)
{
	for (unsigned i = 0; v->msi && i < len; i++) {
		unsigned at = off + i - v->msi_cap;

		if (at >= PCI_MSI_FLAGS && at < msi_size(v->msi))
			msi_read(v->msi, at, &data[i], 1);
	}
}

void vfio_pci_cfg_read(struct pci_dev *pci, unsigned off, uint8_t *data, unsigned len)
{
	struct vfio_pci *v = to_vfio_pci(pci);
	uint8_t raw[8] = { 0 };
	bool device = false;

	if (len > sizeof(raw) || off >= PCI_CONFIG_SIZE || len > PCI_CONFIG_SIZE - off) {
		memset(data, 0xff, len);
		return;
	}
	for (unsigned i = 0; i < len; i++)
		device |= v->emulated[off + i] != 0xff;
	if (device)
		device_read(v, off, raw, len);
	for (unsigned i = 0; i < len; i++) {
		uint8_t ours = v->emulated[off + i];

		data[i] = (uint8_t)((raw[i] & ~ours) | (pci->config[off + i] & ours));
	}
	read_msix(v, off, data, len);
	read_msi(v, off, data, len);
}

/* --- writes --- */

/* Bytes of the guest's write that are wholly the device's, run by run. */
static void write_through(struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	unsigned n;

	for (unsigned i = 0; i < len; i += n ? n : 1) {
		for (n = 0; i + n < len && v->emulated[off + i + n] == 0; n++)
			;
		if (n)
			device_write(v, off + i, data + i, n);
	}
}

/*
 * The device decodes before the guest's mapping of it exists and until it is gone:
 * the kernel answers accesses to a BAR that does not decode with SIGBUS.
 */
static void write_header(struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	uint16_t old = get_le16(v->pci.config + PCI_COMMAND), now;
	uint8_t b[2];

	if (!touches(off, len, PCI_COMMAND, 2)) {
		pci_cfg_store_write(&v->pci, off, data, len);
		return;
	}
	put_le16(b, old);
	for (unsigned i = 0; i < len; i++)
		if (off + i - PCI_COMMAND < sizeof(b))
			b[off + i - PCI_COMMAND] = data[i];
	now = (uint16_t)((old & ~get_le16(v->pci.wmask + PCI_COMMAND)) |
			 (get_le16(b) & get_le16(v->pci.wmask + PCI_COMMAND)));
	if (now & ~old & DECODE)
		vfio_pci_set_command(v, old | now);
	pci_cfg_store_write(&v->pci, off, data, len);
	if (!(now & ~old & DECODE) || (old | now) != now)
		vfio_pci_set_command(v, now);
	vfio_pci_intx_update(v);
}

/* Any width that touches message control: guests write it as a dword too. */
static void write_msix(struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	unsigned flags = v->msix_cap + PCI_MSIX_FLAGS;
	uint8_t b[2];

	if (!v->msix || !touches(off, len, flags, sizeof(b)))
		return;
	put_le16(b, msix_control(v->msix));
	for (unsigned i = 0; i < len; i++)
		if (off + i - flags < sizeof(b))
			b[off + i - flags] = data[i];
	msix_set_control(v->msix, get_le16(b));
	vfio_pci_intx_update(v);
}

static void write_msi(struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	unsigned first = v->msi_cap + PCI_MSI_FLAGS, skip = off < first ? first - off : 0;

	if (!v->msi || !touches(off, len, first, msi_size(v->msi) - PCI_MSI_FLAGS))
		return;
	msi_write(v->msi, off + skip - v->msi_cap, data + skip, len - skip);
	vfio_pci_intx_update(v);
}

static bool sets(unsigned off, const uint8_t *data, unsigned len, unsigned at, uint8_t bit)
{
	return off <= at && at < off + len && data[at - off] & bit;
}

/* The guest resets its function, by either capability: what hardware forgets, we forget too. */
static bool starts_flr(const struct vfio_pci *v, unsigned off, const uint8_t *data, unsigned len)
{
	return (v->own == VFIO_RESET_FLR && sets(off, data, len, v->express + PCI_EXP_DEVCTL + 1,
						 PCI_EXP_DEVCTL_BCR_FLR >> 8)) ||
	       (v->af_cap && sets(off, data, len, v->af_cap + PCI_AF_CTRL, PCI_AF_CTRL_FLR));
}

void vfio_pci_cfg_write(struct pci_dev *pci, unsigned off, const uint8_t *data, unsigned len)
{
	struct vfio_pci *v = to_vfio_pci(pci);

	if (off >= PCI_CONFIG_SIZE || len > PCI_CONFIG_SIZE - off)
		return;
	v->touched = true;
	if (starts_flr(v, off, data, len)) {
		vfio_pci_function_reset(v);
		return;
	}
	write_through(v, off, data, len);
	if (off < PCI_STD_HEADER_SIZEOF) {
		write_header(v, off, data, len);
	} else {
		pci_cfg_store_write(pci, off, data, len);
		write_msix(v, off, data, len);
		write_msi(v, off, data, len);
	}
	if (v->pci.owner)
		vfio_pci_use_changed(v);
}
