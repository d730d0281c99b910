// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resource assignment, in place of firmware: bus numbers, BARs, windows.
 *
 * From below: a port's window holds the BARs of its device's functions, naturally aligned,
 * largest first, so that they pack without gaps. A host bridge's window holds
 * its ports' windows and the BARs on its root bus, again in order of alignment.
 * Each address space is then cut among the host bridges by what they need, and
 * what is left over is shared out, for the guest to use as it likes.
 *
 * Ports have all the memory windows a guest could want for hotplug, because
 * Linux would otherwise make them up and move things.
 */
#include "vmm/pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/size.h"

/* The least a port's window holds, so that something else can be plugged in there. */
#define PORT_MEM32_MIN (2 * MiB)
#define PORT_MEM64_MIN (2 * MiB)
/* Nearly every device; a GPU's whole memory has to be asked for. */
#define SPARE_MEM64_MAX (1 * GiB)
/* Two BARs in one page could not both be mapped into the guest. */
#define BAR_MEM_ALIGN (4 * KiB)

static const char *const win_name[WINS] = {
	[WIN_IO] = "I/O window",
	[WIN_MEM32] = "32-bit window",
	[WIN_MEM64] = "64-bit prefetchable window",
};

const char *pci_window_name(const struct pci_bar *bar)
{
	return win_name[bar_win(bar)];
}

/* What a bridge register can express. */
static const uint64_t win_grain[WINS] = {
	[WIN_IO] = 4 * KiB,
	[WIN_MEM32] = 1 * MiB,
	[WIN_MEM64] = 1 * MiB,
};

/* Something to be placed: a BAR, or a port's window. */
struct need {
	struct pci_dev *dev;   /* for messages: whose largest BAR it is, or the empty port */
	struct pci_port *port; /* of a window; NULL: the BAR itself */
	unsigned bar;
	uint64_t size, align;
	uint64_t start; /* the result */
};

struct needs {
	struct need *v;
	unsigned n;
};

/* Of one slot. */
#define SLOT_SPACES (PCI_SLOT_FUNCTIONS * PCI_SPACES)

/* Largest alignment first; equals stay in order, so that the result never varies. */
static void insert(struct needs *needs, const struct need *need)
{
	unsigned i = needs->n++;

	for (; i && needs->v[i - 1].align < need->align; i--)
		needs->v[i] = needs->v[i - 1];
	needs->v[i] = *need;
}

/* At most PCI_SPACES of them. */
static void add_bars(struct needs *needs, struct pci_dev *dev, enum win kind)
{
	for (unsigned i = 0; i < PCI_SPACES; i++) {
		const struct pci_bar *bar = &dev->bar[i];
		uint64_t size = bar->size;

		if (bar->type == PCI_BAR_NONE || bar_win(bar) != kind)
			continue;
		if (kind != WIN_IO && size < BAR_MEM_ALIGN)
			size = BAR_MEM_ALIGN;
		insert(needs, &(struct need){ .dev = dev, .bar = i, .size = size, .align = size });
	}
}

/* At most SLOT_SPACES of them. */
static void add_slot(struct needs *needs, const struct pci_port *port, enum win kind)
{
	for (unsigned i = 0; i < PCI_SLOT_FUNCTIONS; i++)
		if (port->fn[i])
			add_bars(needs, port->fn[i], kind);
}

/* Room for all of needs from *cursor on, up to end; the first that does not fit, or NULL. */
static const struct need *place(struct needs *needs, uint64_t *cursor, uint64_t end)
{
	for (unsigned i = 0; i < needs->n; i++) {
		struct need *need = &needs->v[i];
		uint64_t start = align_up(*cursor, need->align);

		if (start < *cursor || start > end || need->size > end - start)
			return need;
		need->start = start;
		*cursor = start + need->size;
	}
	return NULL;
}

/* At most a quarter of the 64-bit addresses go to slots that nobody asked to be that large. */
static uint64_t chosen_pref(const struct pci_config *config)
{
	uint64_t room = config->mmio64_end - config->mmio64_start;
	uint64_t size = SPARE_MEM64_MAX;
	unsigned count = config->kept_count;

	for (unsigned i = 0; i < config->spares; i++)
		count += config->spare[i].pref == 0;
	while (size > PORT_MEM64_MIN && size * count > room / 4)
		size /= 2;
	return size;
}

static uint64_t spare_pref(const struct pci *pci, const struct pci_port *port)
{
	return port->pref ? port->pref : chosen_pref(&pci->config);
}

static uint64_t min_window(const struct pci *pci, const struct pci_port *port, enum win kind)
{
	if (kind == WIN_MEM32)
		return port_is_empty(port) ? SPARE_MEM32 : PORT_MEM32_MIN;
	if (kind == WIN_MEM64 && pci->config.mmio64_end > pci->config.mmio64_start)
		return port_is_empty(port) ? spare_pref(pci, port) : PORT_MEM64_MIN;
	return 0;
}

/* An empty window is aligned so that it takes a BAR nearly as large as itself. */
static uint64_t pow2_below(uint64_t size)
{
	return 1ull << (63 - __builtin_clzll(size));
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_window(struct needs *needs, const struct pci *pci, struct pci_port *port,
		       enum win kind)
{
	uint64_t min = align_up(min_window(pci, port, kind), win_grain[kind]);
	struct need w = { .dev = &port->dev, .port = port, .align = win_grain[kind] };
	struct need bars[SLOT_SPACES];
	struct needs inner = { bars, 0 };

	add_slot(&inner, port, kind);
	for (unsigned i = 0; i < inner.n; i++)
		w.size += bars[i].size;
	if (inner.n) {
		w.dev = bars[0].dev;
		w.bar = bars[0].bar;
		w.align = max_u64(w.align, bars[0].align);
	}
	w.size = max_u64(align_up(w.size, win_grain[kind]), min);
	if (min)
		w.align = max_u64(w.align, pow2_below(min));
	if (w.size)
		insert(needs, &w);
}

static int collect(const struct pci *pci, const struct bridge *bridge, enum win kind,
		   struct needs *needs)
{
	needs->v = calloc((size_t)bridge->placed * PCI_SPACES + 1, sizeof(*needs->v));
	if (!needs->v)
		return -ENOMEM;
	for (unsigned i = 0; i < bridge->placed; i++) {
		struct pci_dev *dev = bridge_function(bridge, i);
		struct pci_port *port = dev ? port_of(dev) : NULL;

		if (!dev)
			continue;
		if (port)
			add_window(needs, pci, port, kind);
		else
			add_bars(needs, dev, kind);
	}
	return 0;
}

/* One address space, cut among the host bridges. */
struct space {
	enum win kind;
	uint64_t start, end;
	struct needs needs[VMM_MAX_NODES];
	/* Of the last attempt: what did not fit, on which bridge, behind how much. */
	const struct need *bad;
	unsigned bad_node;
	uint64_t taken;
};

/* Give each bridge what it needs and slack bytes more; with any slack the last has the rest. */
static bool cut(struct pci *pci, struct space *space, uint64_t slack)
{
	uint64_t cursor = space->start;

	for (unsigned i = 0; i < pci->nbridges; i++) {
		struct range *win = &pci->bridges[i].win[space->kind];

		win->start = cursor;
		space->bad = place(&space->needs[i], &cursor, space->end);
		space->bad_node = i;
		space->taken = cursor - space->start;
		if (space->bad)
			return false;
		cursor = align_up(cursor, win_grain[space->kind]);
		if (slack > space->end - cursor)
			return false;
		cursor = slack && i + 1 == pci->nbridges ? space->end : cursor + slack;
		win->size = cursor - win->start;
	}
	return true;
}

static int explain(const struct space *space, struct err *err)
{
	const struct need *need = space->bad;
	char what[64];

	if (need->port && need->dev == &need->port->dev)
		snprintf(what, sizeof(what), "a window of %s", SIZE_STR(need->size));
	else
		snprintf(what, sizeof(what), "%s (%s)", pci_bar_name(need->bar),
			 SIZE_STR(need->dev->bar[need->bar].size));
	err_plain(err, -ENOSPC,
		  "%s: %s does not fit into the %s of node %u: the guest has %s at 0x%" PRIx64
		  ", of which %s are taken", need->dev->name, what, win_name[space->kind],
		  space->bad_node, SIZE_STR(space->end - space->start), space->start,
		  SIZE_STR(space->taken));
	if (space->kind == WIN_MEM64)
		return err_hint(err, "give the guest less memory, or fewer or smaller hotplug slots "
				"(--hotplug-slots N,pref=SIZE); the limit is the narrower of the CPU's and the IOMMU's addresses");
	return err_hint(err, "pass fewer devices, or fewer hotplug slots (--hotplug-slots N)");
}

/* The largest equal share of what is left over that still lets everything fit. */
static int cut_fairly(struct pci *pci, struct space *space, struct err *err)
{
	uint64_t grain = win_grain[space->kind];
	uint64_t slack;

	if (!pci->nbridges)
		return 0;
	slack = align_down((space->end - space->start) / pci->nbridges, grain);
	while (!cut(pci, space, slack)) {
		if (!slack)
			return explain(space, err);
		slack = align_down(slack / 2, grain);
	}
	return 0;
}

static void commit_bars(struct needs *needs, uint64_t start)
{
	/* Cannot fail: the window was made for them. */
	(void)place(needs, &start, UINT64_MAX);
	for (unsigned i = 0; i < needs->n; i++)
		needs->v[i].dev->bar[needs->v[i].bar].assigned = needs->v[i].start;
}

int port_place(const struct pci_port *port, struct pci_dev *dev, unsigned *ret_bar)
{
	for (enum win kind = 0; kind < WINS; kind++) {
		const struct range *win = &port->win[kind];
		uint64_t start = win->start;
		struct need bars[SLOT_SPACES + PCI_SPACES];
		struct needs needs = { bars, 0 };
		const struct need *bad;

		/* Drivers do without I/O, which a port without such a window cannot give. */
		if (kind == WIN_IO && !win->size)
			continue;
		add_slot(&needs, port, kind);
		add_bars(&needs, dev, kind);
		bad = place(&needs, &start, win->start + win->size);
		if (bad) {
			*ret_bar = bad->bar;
			return -ENOSPC;
		}
		commit_bars(&needs, win->start);
	}
	return 0;
}

static void commit(const struct need *need, enum win kind)
{
	struct need bars[SLOT_SPACES];
	struct needs inner = { bars, 0 };

	if (!need->port) {
		need->dev->bar[need->bar].assigned = need->start;
		return;
	}
	need->port->win[kind] = (struct range){ need->start, need->size };
	if (kind == WIN_IO)
		port_need_io(need->port);
	add_slot(&inner, need->port, kind);
	commit_bars(&inner, need->start);
}

static struct range space_range(const struct pci *pci, enum win kind)
{
	uint64_t start = align_up(max_u64(pci->config.mmio64_start, LAYOUT_HIGH_RAM), 1 * MiB);
	uint64_t end = align_down(pci->config.mmio64_end, 1 * MiB);

	if (kind == WIN_IO)
		return (struct range){ LAYOUT_PIO, LAYOUT_PIO_END - LAYOUT_PIO };
	if (kind == WIN_MEM32)
		return (struct range){ LAYOUT_MMIO32, LAYOUT_MMIO32_END - LAYOUT_MMIO32 };
	return (struct range){ start, start && end > start ? end - start : 0 };
}

static int assign_space(struct pci *pci, enum win kind, struct err *err)
{
	struct range range = space_range(pci, kind);
	struct space space = { .kind = kind, .start = range.start,
			       .end = range.start + range.size };
	int r = 0;

	for (unsigned i = 0; i < pci->nbridges && r == 0; i++)
		r = collect(pci, &pci->bridges[i], kind, &space.needs[i]);
	if (r < 0)
		err_set(err, r, "cannot place the PCI devices");
	else
		r = cut_fairly(pci, &space, err);
	for (unsigned i = 0; i < pci->nbridges; i++) {
		for (unsigned j = 0; r == 0 && j < space.needs[i].n; j++)
			commit(&space.needs[i].v[j], kind);
		free(space.needs[i].v);
	}
	return r;
}

/*
 * As many buses as there are ports, one bridge's after the other's. A range with
 * unused numbers costs 64 exits for each of them: Linux takes the last bus from
 * MCFG and looks for peers on all that it has not met, by ports CF8 and CFC.
 */
static void number_root_buses(struct pci *pci)
{
	unsigned next = 0;

	for (unsigned i = 0; i < pci->nbridges; i++) {
		struct bridge *bridge = &pci->bridges[i];

		bridge->bus_first = (uint8_t)next;
		bridge->bus_last = (uint8_t)(next + bridge->ports);
		next = bridge->bus_last + 1u;
		for (unsigned n = 0; n < ARRAY_SIZE(bridge->fn); n++)
			if (bridge->fn[n])
				bridge->fn[n]->bus = bridge->bus_first;
	}
}

void dev_program(struct pci_dev *dev)
{
	for (unsigned i = 0; i < PCI_SPACES; i++)
		if (dev->bar[i].type != PCI_BAR_NONE)
			bar_write_reg(dev, i, dev->bar[i].assigned);
}

void pci_program(struct pci *pci)
{
	for (unsigned i = 0; i < pci->nbridges; i++) {
		const struct bridge *bridge = &pci->bridges[i];
		uint8_t bus = bridge->bus_first;

		for (unsigned n = 0; n < bridge->placed; n++) {
			struct pci_dev *dev = bridge_function(bridge, n);
			struct pci_port *port = dev ? port_of(dev) : NULL;

			if (port)
				port_program(port, bridge->bus_first, ++bus);
		}
	}
	for (struct pci_dev *dev = pci->devs; dev; dev = dev->next)
		dev_program(dev);
}

static int add_spare_port(struct pci *pci, unsigned n, unsigned node, struct pci_port **ret,
			  struct err *err)
{
	int r = port_new(pci, node, ret, err);

	return r < 0 ? (err_prefix(err, "hotplug slot %u", n), r) : 0;
}

/* First who may be anybody's, as the guest counts slots. */
static int add_spare_ports(struct pci *pci, struct err *err)
{
	const struct pci_config *config = &pci->config;
	struct pci_port *port;
	unsigned n = 0;
	int r = 0;

	for (; r == 0 && n < config->spares; n++) {
		r = add_spare_port(pci, n + 1, config->spare[n].node, &port, err);
		if (r == 0)
			port->pref = config->spare[n].pref;
	}
	for (unsigned i = 0; r == 0 && i < config->kept_count; i++) {
		r = add_spare_port(pci, ++n, config->kept[i].node, &port, err);
		if (r == 0)
			port->owner = config->kept[i].owner;
	}
	return r;
}

int pci_assign(struct pci *pci, struct err *err)
{
	int r = add_spare_ports(pci, err);

	if (r < 0)
		return r;
	number_root_buses(pci);
	for (enum win kind = 0; r == 0 && kind < WINS; kind++)
		r = assign_space(pci, kind, err);
	if (r < 0)
		return r;
	pci_program(pci);
	return 0;
}
