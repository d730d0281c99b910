// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/msix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/le.h"

struct msix {
	struct vectors *vectors;
	unsigned count;
	bool function_mask;
	uint8_t (*table)[MSIX_ENTRY_SIZE];
};

static const uint8_t entry_wmask[MSIX_ENTRY_SIZE] = {
	0xfc,
	0xff,
	0xff,
	0xff, /* address: bits 0 and 1 are zero */
	0xff,
	0xff,
	0xff,
	0xff, /* upper address */
	0xff,
	0xff,
	0xff,
	0xff,                        /* data */
	PCI_MSIX_ENTRY_CTRL_MASKBIT, /* vector control: the rest is reserved */
};

int msix_new(const struct vector_config *config, struct msix **ret, struct err *err)
{
	struct msix *m;
	int r;

	if (!config->count || config->count > MSIX_MAX_VECTORS)
		return err_plain(err, -EINVAL, "%s: a table of %u vectors", config->name,
				 config->count);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "%s", config->name);
	m->count = config->count;
	m->table = calloc(config->count, sizeof(*m->table));
	r = m->table ? vectors_new(config, &m->vectors) : -ENOMEM;
	if (r < 0) {
		msix_free(m);
		return err_set(err, r, "%s", config->name);
	}
	msix_reset(m);
	*ret = m;
	return 0;
}

struct msix *msix_free(struct msix *m)
{
	if (!m)
		return NULL;
	vectors_free(m->vectors);
	free(m->table);
	free(m);
	return NULL;
}

struct vectors *msix_vectors(struct msix *m)
{
	return m->vectors;
}

static bool wants_live(const struct msix *m, unsigned i)
{
	return vectors_enabled(m->vectors) && !m->function_mask &&
	       !(m->table[i][PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

uint16_t msix_control(const struct msix *m)
{
	return (uint16_t)((m->count - 1) |
			  (vectors_enabled(m->vectors) ? PCI_MSIX_FLAGS_ENABLE : 0) |
			  (m->function_mask ? PCI_MSIX_FLAGS_MASKALL : 0));
}

void msix_set_control(struct msix *m, uint16_t control)
{
	bool on = control & PCI_MSIX_FLAGS_ENABLE, mask = control & PCI_MSIX_FLAGS_MASKALL;

	if (on == vectors_enabled(m->vectors) && mask == m->function_mask)
		return;
	m->function_mask = mask;
	if (!on) {
		vectors_disable(m->vectors);
		return;
	}
	vectors_enable(m->vectors, m->count);
	for (unsigned i = 0; i < m->count; i++)
		vectors_want(m->vectors, i, wants_live(m, i));
	vectors_update_all(m->vectors);
}

/* How many bytes from off on lie within size, at most len. */
static unsigned clip(uint64_t off, unsigned len, uint64_t size)
{
	if (off >= size)
		return 0;
	return size - off < len ? (unsigned)(size - off) : len;
}

void msix_table_read(struct msix *m, uint64_t off, uint8_t *data, unsigned len)
{
	unsigned n = clip(off, len, (uint64_t)m->count * MSIX_ENTRY_SIZE);

	memset(data, 0, len);
	for (unsigned i = 0; i < n; i++, off++)
		data[i] = m->table[off / MSIX_ENTRY_SIZE][off % MSIX_ENTRY_SIZE];
}

/* n bytes that lie in entry i. */
static void write_entry(struct msix *m, unsigned i, unsigned at, const uint8_t *data, unsigned n)
{
	uint8_t *e = m->table[i];

	for (unsigned k = 0; k < n; k++)
		e[at + k] = (uint8_t)((e[at + k] & ~entry_wmask[at + k]) |
				      (data[k] & entry_wmask[at + k]));
	vectors_set_message(m->vectors, i, get_le64(e + PCI_MSIX_ENTRY_LOWER_ADDR),
			    get_le32(e + PCI_MSIX_ENTRY_DATA));
	vectors_want(m->vectors, i, wants_live(m, i));
	vectors_update(m->vectors, i);
}

void msix_table_write(struct msix *m, uint64_t off, const uint8_t *data, unsigned len)
{
	unsigned left = clip(off, len, (uint64_t)m->count * MSIX_ENTRY_SIZE);

	while (left > 0) {
		unsigned at = off % MSIX_ENTRY_SIZE, n = MSIX_ENTRY_SIZE - at;

		n = n < left ? n : left;
		write_entry(m, (unsigned)(off / MSIX_ENTRY_SIZE), at, data, n);
		off += n;
		data += n;
		left -= n;
	}
}

void msix_pba_read(struct msix *m, uint64_t off, uint8_t *data, unsigned len)
{
	/* A bit per vector, rounded up to qwords. */
	unsigned n = clip(off, len, (m->count + 63) / 64 * 8);

	memset(data, 0, len);
	for (unsigned bit = 0; bit < n * 8; bit++) {
		unsigned i = (unsigned)off * 8 + bit;

		if (i < m->count && vectors_pending(m->vectors, i))
			data[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

void msix_reset(struct msix *m)
{
	vectors_disable(m->vectors);
	m->function_mask = false;
	for (unsigned i = 0; i < m->count; i++) {
		memset(m->table[i], 0, MSIX_ENTRY_SIZE);
		m->table[i][PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		vectors_set_message(m->vectors, i, 0, 0);
	}
}
