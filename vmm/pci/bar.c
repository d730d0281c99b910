// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What BARs and the command register mean: which BARs decode, and where.
 *
 * The registers are free to hold anything; what a device is told follows from
 * them in one place, pci_bars_update(). All BARs that leave their place go off
 * before any comes on, so that two of them may swap. Nothing is told twice, and
 * sizing with decoding off, as Linux does it, tells nothing.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "base/le.h"
#include "base/log.h"
#include "base/size.h"

#define BAR_PAGE 4096ull

const char *pci_bar_name(unsigned i)
{
	static const char *const name[PCI_SPACES] = { "BAR 0", "BAR 1", "BAR 2", "BAR 3",
						      "BAR 4", "BAR 5", "its ROM" };

	return name[i];
}

enum win bar_win(const struct pci_bar *bar)
{
	if (bar->type == PCI_BAR_IO)
		return WIN_IO;
	return bar->type == PCI_BAR_MEM64 && bar->prefetchable ? WIN_MEM64 : WIN_MEM32;
}

static uint32_t type_bits(const struct pci_bar *bar)
{
	if (bar->type == PCI_BAR_ROM)
		return 0; /* its lowest bit is a switch of its own, and off */
	if (bar->type == PCI_BAR_IO)
		return PCI_BASE_ADDRESS_SPACE_IO;
	return (bar->type == PCI_BAR_MEM64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
	       (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
}

static int check(const struct pci_dev *dev, unsigned i, struct err *err)
{
	const struct pci_bar *bar = &dev->bar[i];
	static const struct {
		uint64_t min, max;
	} limits[] = {
		[PCI_BAR_IO] = { 4, 256 },
		[PCI_BAR_MEM32] = { 16, 2 * GiB },
		[PCI_BAR_MEM64] = { 16, 1ull << 62 },
		[PCI_BAR_ROM] = { 2 * KiB, 16 * MiB },
	};

	if (!is_pow2(bar->size) || bar->size < limits[bar->type].min ||
	    bar->size > limits[bar->type].max)
		return err_plain(err, -EINVAL, "%s: %s cannot be of 0x%" PRIx64 " bytes", dev->name,
				 pci_bar_name(i), bar->size);
	if (bar->type == PCI_BAR_MEM64 &&
	    (i + 1 == PCI_BARS || dev->bar[i + 1].type != PCI_BAR_NONE))
		return err_plain(err, -EINVAL, "%s: BAR %u is 64-bit and has no second half",
				 dev->name, i);
	return 0;
}

int bars_init(struct pci_dev *dev, struct err *err)
{
	for (unsigned i = 0; i < PCI_SPACES; i++) {
		const struct pci_bar *bar = &dev->bar[i];
		unsigned reg = bar_reg(i);
		int r;

		if (bar->type == PCI_BAR_NONE)
			continue;
		r = check(dev, i, err);
		if (r < 0)
			return r;
		bar_write_reg(dev, i, 0);
		put_le32(&dev->wmask[reg], (uint32_t)~(bar->size - 1));
		if (bar->type == PCI_BAR_ROM)
			dev->wmask[reg] |= PCI_ROM_ADDRESS_ENABLE;
		if (bar->type == PCI_BAR_MEM64)
			put_le32(&dev->wmask[reg + 4], (uint32_t)(~(bar->size - 1) >> 32));
	}
	return 0;
}

void bar_write_reg(struct pci_dev *dev, unsigned i, uint64_t addr)
{
	put_le32(&dev->config[bar_reg(i)], (uint32_t)addr | type_bits(&dev->bar[i]));
	if (dev->bar[i].type == PCI_BAR_MEM64)
		put_le32(&dev->config[bar_reg(i) + 4], (uint32_t)(addr >> 32));
}

static uint64_t read_addr(const struct pci_dev *dev, unsigned i)
{
	const struct pci_bar *bar = &dev->bar[i];
	uint64_t v = get_le32(&dev->config[bar_reg(i)]);

	if (bar->type == PCI_BAR_MEM64)
		v |= (uint64_t)get_le32(&dev->config[bar_reg(i) + 4]) << 32;
	return v & ~(bar->size - 1);
}

static bool decode_enabled(const struct pci_dev *dev, const struct pci_bar *bar)
{
	uint16_t bit = bar->type == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	/* PCI 3.0, 6.2.5.2: both switches of a ROM. */
	if (bar->type == PCI_BAR_ROM && !(dev->config[PCI_ROM_ADDRESS] & PCI_ROM_ADDRESS_ENABLE))
		return false;
	return get_le16(&dev->config[PCI_COMMAND]) & bit;
}

static struct range bar_range(const struct pci_bar *bar)
{
	return (struct range){ bar->addr, bar->size };
}

/*
 * The host bridge forwards only its windows: RAM, ECAM and the APICs are never in
 * one. A BAR is aligned to its size and so cannot wrap.
 */
static bool in_windows(const struct pci_dev *dev, const struct pci_bar *bar)
{
	const struct bridge *bridge = &dev->pci->bridges[dev->node];
	struct range r = bar_range(bar);

	if (bar->type == PCI_BAR_IO)
		return range_contains(bridge->win[WIN_IO], r);
	return range_contains(bridge->win[WIN_MEM32], r) ||
	       range_contains(bridge->win[WIN_MEM64], r);
}

/* The live BAR of the same space that is where `bar` wants to be. */
static const struct pci_dev *occupant(const struct pci *pci, const struct pci_bar *bar)
{
	for (const struct pci_dev *d = pci->devs; d; d = d->next) {
		for (unsigned i = 0; i < PCI_SPACES; i++) {
			const struct pci_bar *o = &d->bar[i];

			if (o->live && (o->type == PCI_BAR_IO) == (bar->type == PCI_BAR_IO) &&
			    range_overlaps(bar_range(o), bar_range(bar)))
				return d;
		}
	}
	return NULL;
}

/* Address 0 and all ones are what resets and sizing leave behind: not worth a word. */
static bool is_placeholder(const struct pci_bar *bar)
{
	uint64_t top = bar->type == PCI_BAR_MEM64 ? UINT64_MAX : UINT32_MAX;

	return !bar->addr || bar->addr == (top & ~(bar->size - 1));
}

static bool may_decode(const struct pci_dev *dev, unsigned i, bool warn)
{
	const struct pci_bar *bar = &dev->bar[i];
	const struct pci_dev *other;

	if (!in_windows(dev, bar)) {
		if (warn && !is_placeholder(bar))
			log_warn_limited("%s: the guest put %s (%s) at 0x%" PRIx64
					 ", outside the PCI windows: it does not decode",
					 dev->name, pci_bar_name(i), SIZE_STR(bar->size), bar->addr);
		return false;
	}
	other = occupant(dev->pci, bar);
	if (other && warn)
		log_warn_limited("%s: the guest put %s (%s) at 0x%" PRIx64
				 ", over one of %s: it does not decode",
				 dev->name, pci_bar_name(i), SIZE_STR(bar->size), bar->addr, other->name);
	return !other;
}

static void set_blocked(struct pci_dev *dev, struct pci_bar *bar, bool blocked)
{
	if (bar->blocked == blocked)
		return;
	bar->blocked = blocked;
	dev->pci->blocked += blocked ? 1u : -1u;
}

/* --- less than a page --- */

static bool is_small(const struct pci_bar *bar)
{
	return bar->type != PCI_BAR_NONE && bar->type != PCI_BAR_IO && bar->size < BAR_PAGE;
}

static bool shares_page(const struct pci_bar *bar, const struct pci_bar *other)
{
	return other != bar && other->live && is_small(other) &&
	       (other->addr ^ bar->addr) < BAR_PAGE;
}

bool pci_bar_has_page(const struct pci_dev *dev, unsigned i)
{
	const struct pci_bar *bar = &dev->bar[i];

	/* A larger one begins with a page: it would overlap. */
	for (const struct pci_dev *d = dev->pci->devs; d; d = d->next)
		for (unsigned k = 0; k < PCI_SPACES; k++)
			if (shares_page(bar, &d->bar[k]))
				return false;
	return true;
}

/* Whoever is in its page has it no longer to itself, or has it again: told by off and on. */
static void tell_page(struct pci_dev *dev, const struct pci_bar *bar)
{
	if (!is_small(bar))
		return;
	for (struct pci_dev *d = dev->pci->devs; d; d = d->next) {
		for (unsigned k = 0; k < PCI_SPACES; k++) {
			if (!shares_page(bar, &d->bar[k]))
				continue;
			d->ops->bar_set(d, k, false, d->bar[k].addr);
			d->ops->bar_set(d, k, true, d->bar[k].addr);
		}
	}
}

/* --- on and off --- */

static void try_on(struct pci_dev *dev, unsigned i, bool warn)
{
	struct pci_bar *bar = &dev->bar[i];

	if (!may_decode(dev, i, warn)) {
		set_blocked(dev, bar, true);
		return;
	}
	set_blocked(dev, bar, false);
	bar->live = true;
	tell_page(dev, bar);
	dev->ops->bar_set(dev, i, true, bar->addr);
}

/* Room was made: some BAR that waits may now decode. */
static void retry_blocked(struct pci *pci)
{
	for (struct pci_dev *d = pci->devs; d && pci->blocked; d = d->next) {
		for (unsigned i = 0; i < PCI_SPACES; i++) {
			if (d->bar[i].blocked)
				try_on(d, i, false);
		}
	}
}

static bool turn_off(struct pci_dev *dev, unsigned i)
{
	struct pci_bar *bar = &dev->bar[i];

	set_blocked(dev, bar, false);
	if (!bar->live)
		return false;
	bar->live = false;
	dev->ops->bar_set(dev, i, false, bar->addr);
	tell_page(dev, bar);
	return true;
}

void pci_bars_update(struct pci_dev *dev)
{
	uint64_t addr[PCI_SPACES];
	bool on[PCI_SPACES], room = false;

	for (unsigned i = 0; i < PCI_SPACES; i++) {
		struct pci_bar *bar = &dev->bar[i];

		on[i] = bar->type != PCI_BAR_NONE && decode_enabled(dev, bar);
		if (!on[i]) {
			room |= turn_off(dev, i);
			continue;
		}
		addr[i] = read_addr(dev, i);
		if (addr[i] == bar->addr && (bar->live || bar->blocked))
			on[i] = false; /* as it is */
		else
			room |= turn_off(dev, i);
	}
	for (unsigned i = 0; i < PCI_SPACES; i++) {
		if (!on[i])
			continue;
		dev->bar[i].addr = addr[i];
		try_on(dev, i, true);
	}
	if (room)
		retry_blocked(dev->pci);
}
