// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/msi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"

#define REGS_MAX 24

struct msi {
	struct vectors *vectors;
	unsigned max;    /* vectors the device can do, a power of two */
	unsigned active; /* as the guest chose when it enabled */
	unsigned data;   /* offsets in regs; 0: not there */
	unsigned mask;
	unsigned size;
	bool is64;
	uint8_t regs[REGS_MAX];
	uint8_t wmask[REGS_MAX];
};

static unsigned log2_floor(unsigned v)
{
	unsigned n = 0;

	while (v >>= 1)
		n++;
	return n;
}

/* The four forms of PCI Local Bus 3.0, 6.8.1. */
static void lay_out(struct msi *m, uint16_t control)
{
	m->is64 = control & PCI_MSI_FLAGS_64BIT;
	m->data = m->is64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;
	if (control & PCI_MSI_FLAGS_MASKBIT)
		m->mask = m->is64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;
	m->size = m->mask ? m->mask + 8 : m->data + 2;
	put_le16(m->regs + PCI_MSI_FLAGS,
		 (uint16_t)((control & (PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT)) |
			    log2_floor(m->max) << 1));
	put_le16(m->wmask + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put_le32(m->wmask + PCI_MSI_ADDRESS_LO, 0xfffffffc);
	if (m->is64)
		put_le32(m->wmask + PCI_MSI_ADDRESS_HI, 0xffffffff);
	put_le16(m->wmask + m->data, 0xffff);
	if (m->mask)
		put_le32(m->wmask + m->mask, m->max == 32 ? 0xffffffff : (1u << m->max) - 1);
}

int msi_new(const struct vector_config *config, uint16_t control, struct msi **ret, struct err *err)
{
	struct vector_config own = *config;
	struct msi *m;
	int r;

	if (!config->count)
		return err_plain(err, -EINVAL, "%s: no vector", config->name);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "%s", config->name);
	own.count = config->count > MSI_MAX_VECTORS ? MSI_MAX_VECTORS : config->count;
	m->max = own.count = 1u << log2_floor(own.count);
	lay_out(m, control);
	r = vectors_new(&own, &m->vectors);
	if (r < 0) {
		free(m);
		return err_set(err, r, "%s", config->name);
	}
	*ret = m;
	return 0;
}

struct msi *msi_free(struct msi *m)
{
	if (!m)
		return NULL;
	vectors_free(m->vectors);
	free(m);
	return NULL;
}

struct vectors *msi_vectors(struct msi *m)
{
	return m->vectors;
}

unsigned msi_size(const struct msi *m)
{
	return m->size;
}

static bool masked(const struct msi *m, unsigned i)
{
	return m->mask && get_le32(m->regs + m->mask) & 1u << i;
}

/* A vector's number takes the low bits of the message. */
static void set_vector(struct msi *m, unsigned i)
{
	uint64_t address = get_le32(m->regs + PCI_MSI_ADDRESS_LO);
	uint32_t data = get_le16(m->regs + m->data);

	if (m->is64)
		address |= (uint64_t)get_le32(m->regs + PCI_MSI_ADDRESS_HI) << 32;
	vectors_set_message(m->vectors, i, address, (data & ~(m->active - 1)) | i);
	vectors_want(m->vectors, i, !masked(m, i));
}

static void apply(struct msi *m)
{
	uint16_t control = get_le16(m->regs + PCI_MSI_FLAGS);

	if (!(control & PCI_MSI_FLAGS_ENABLE)) {
		vectors_disable(m->vectors);
		return;
	}
	if (!vectors_enabled(m->vectors)) {
		unsigned n = 1u << ((control & PCI_MSI_FLAGS_QSIZE) >> 4);

		m->active = n < m->max ? n : m->max;
		vectors_enable(m->vectors, m->active);
	}
	for (unsigned i = 0; i < m->active; i++)
		set_vector(m, i);
	vectors_update_all(m->vectors);
}

static uint32_t pending_bits(const struct msi *m)
{
	uint32_t bits = 0;

	for (unsigned i = 0; vectors_enabled(m->vectors) && i < m->active; i++)
		bits |= (uint32_t)vectors_pending(m->vectors, i) << i;
	return bits;
}

void msi_read(struct msi *m, unsigned off, uint8_t *data, unsigned len)
{
	/* Only for who wants to know: it may ask the device. */
	if (m->mask && off < m->size && off + len > m->mask + 4)
		put_le32(m->regs + m->mask + 4, pending_bits(m));
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < m->size ? m->regs[off + i] : 0;
}

void msi_write(struct msi *m, unsigned off, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len && off + i < m->size; i++) {
		uint8_t w = m->wmask[off + i], *reg = &m->regs[off + i];

		*reg = (uint8_t)((*reg & ~w) | (data[i] & w));
	}
	apply(m);
}

void msi_reset(struct msi *m)
{
	vectors_disable(m->vectors);
	for (unsigned i = 0; i < sizeof(m->regs); i++)
		m->regs[i] &= (uint8_t)~m->wmask[i];
}
