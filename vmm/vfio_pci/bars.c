// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * BARs. What the device lets us map is mapped straight into the guest, except the
 * pages with the MSI-X table and the pending bits; the bus takes every access
 * that no memory slot does. Decode off drops the slots only: the host mapping
 * stays, as making it anew is what costs.
 *
 * A BAR of less than a page is mapped where the kernel says that its page in the host holds nothing
 * else, and as long as the guest puts nothing else into its page; else it takes the way over the bus.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>

#include "base/le.h"
#include "base/log.h"
#include "irq/msix.h"
#include "vmm/bus.h"
#include "vmm/vm.h"

#define PAGE  4096ull
#define D3HOT 3 /* in the power management capability */

/* --- accesses that exit --- */

enum owner { OWNER_DEVICE, OWNER_TABLE, OWNER_PBA };

static enum owner owner_of(const struct vfio_bar *bar, uint64_t off)
{
	const struct vfio_pci *v = bar->v;
	struct range byte = { off, 1 };

	if (v->msix && v->table.bar == bar->region.index && range_contains(v->table.range, byte))
		return OWNER_TABLE;
	if (v->msix && v->pba.bar == bar->region.index && range_contains(v->pba.range, byte))
		return OWNER_PBA;
	return OWNER_DEVICE;
}

/* How many of the len bytes from off on have the owner of the first. */
static unsigned run_length(const struct vfio_bar *bar, uint64_t off, unsigned len)
{
	enum owner owner = owner_of(bar, off);
	unsigned n = 1;

	while (n < len && owner_of(bar, off + n) == owner)
		n++;
	return n;
}

static void bar_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct vfio_bar *bar = opaque;
	struct vfio_pci *v = bar->v;
	unsigned n;

	for (; len > 0; off += n, data += n, len -= n) {
		enum owner owner = owner_of(bar, off);

		n = run_length(bar, off, len);
		if (owner == OWNER_TABLE)
			msix_table_read(v->msix, off - v->table.range.start, data, n);
		else if (owner == OWNER_PBA)
			vfio_pci_pba_read(v, off - v->pba.range.start, data, n);
		else
			(void)vfio_region_read(v->dev.fd, &bar->region, off, data, n);
	}
}

static void write_table(struct vfio_pci *v, uint64_t off, const uint8_t *data, unsigned len)
{
	msix_table_write(v->msix, off, data, len);
	if (v->pci.owner)
		vfio_pci_use_changed(v);
}

static void bar_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct vfio_bar *bar = opaque;
	struct vfio_pci *v = bar->v;
	unsigned n;

	for (; len > 0; off += n, data += n, len -= n) {
		enum owner owner = owner_of(bar, off);

		n = run_length(bar, off, len);
		if (owner == OWNER_TABLE)
			write_table(v, off - v->table.range.start, data, n);
		else if (owner == OWNER_DEVICE)
			(void)vfio_region_write(v->dev.fd, &bar->region, off, data, n);
		/* The pending bits are read-only. */
	}
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

/* --- decode on and off --- */

/* What the kernel looks at when a page of a BAR is touched: SIGBUS where one of these says no. */
bool vfio_pci_memory_answers(struct memslot_owner *owner)
{
	struct vfio_pci *v = container_of(owner, struct vfio_pci, memory);
	uint8_t b[2];

	if (vfio_region_read(v->dev.fd, &v->config, PCI_COMMAND, b, sizeof(b)) < 0 ||
	    get_le16(b) == 0xffff || !(get_le16(b) & PCI_COMMAND_MEMORY))
		return false;
	return !v->pm_cap ||
	       (vfio_region_read(v->dev.fd, &v->config, v->pm_cap + PCI_PM_CTRL, b, sizeof(b)) >= 0 &&
		(get_le16(b) & PCI_PM_CTRL_STATE_MASK) != D3HOT);
}

static void spans_on(struct vfio_bar *bar, uint64_t addr)
{
	struct vm *vm = bar->v->set->vm;

	if (bar->region.page &&
	    (addr % PAGE || !pci_bar_has_page(&bar->v->pci, bar->region.index)))
		return;
	for (unsigned i = 0; i < bar->nspans; i++) {
		struct bar_span *span = &bar->spans[i];
		int r = memslot_set(vm->slots, addr + span->range.start, span->range.size,
				    span->hva, false, &bar->v->memory, &span->slot);

		span->mapped = r >= 0;
		if (r < 0)
			log_warn_limited("%s: BAR %u at 0x%" PRIx64
					 " is reached by exits, slowly: %s",
					 bar->v->pci.name, bar->region.index,
					 addr + span->range.start, strerror(-r));
		vfio_pci_map_span(bar->v, span, addr);
	}
}

static void spans_off(struct vfio_bar *bar)
{
	for (unsigned i = 0; i < bar->nspans; i++) {
		struct bar_span *span = &bar->spans[i];

		if (span->mapped)
			memslot_clear(bar->v->set->vm->slots, span->slot);
		span->mapped = false;
	}
}

void vfio_pci_bar_set(struct pci_dev *pci, unsigned i, bool on, uint64_t addr)
{
	struct vfio_pci *v = to_vfio_pci(pci);
	struct err err = ERR_INIT;
	struct vfio_bar *bar;
	struct bus *bus;

	if (i == PCI_ROM_BAR) {
		vfio_pci_rom_set(v, on, addr);
		return;
	}
	bar = &v->bar[i];
	bus = bar->io ? v->set->vm->pio : v->set->vm->mmio;
	if (!on) {
		spans_off(bar);
		bus_remove(bus, addr);
		return;
	}
	if (bus_add(bus, addr, bar->region.size, pci->name, &bar_ops, bar, &err) < 0) {
		log_warn_limited("%s: BAR %u: %s", pci->name, i, err.text);
		return;
	}
	spans_on(bar, addr);
}

/* --- what can be mapped --- */

static struct range pages_around(struct range r)
{
	uint64_t start = align_down(r.start, PAGE);

	return (struct range){ start, align_up(r.start + r.size, PAGE) - start };
}

/* ranges[] without hole; n of them, at most one more afterwards. Returns the new count. */
static unsigned cut(struct range *ranges, unsigned n, struct range hole)
{
	struct range out[VFIO_PCI_MAX_SPANS];
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		struct range r = ranges[i];
		uint64_t hole_end = hole.start + hole.size, end = r.start + r.size;

		if (!range_overlaps(r, hole)) {
			if (count < VFIO_PCI_MAX_SPANS)
				out[count++] = r;
			continue;
		}
		if (r.start < hole.start && count < VFIO_PCI_MAX_SPANS)
			out[count++] = (struct range){ r.start, hole.start - r.start };
		if (hole_end < end && count < VFIO_PCI_MAX_SPANS)
			out[count++] = (struct range){ hole_end, end - hole_end };
	}
	memcpy(ranges, out, count * sizeof(out[0]));
	return count;
}

/*
 * A table that the guest finds elsewhere is no reason to trap the page where the device has it:
 * what the guest writes there misdirects its own interrupts at most, as they are remapped.
 */
static bool is_trapped(const struct vfio_pci *v, const struct vfio_bar *bar,
		       const struct msix_place *place)
{
	return place->bar == bar->region.index && !(v->move_msix && bar->region.msix_mappable);
}

static int map_spans(struct vfio_pci *v, struct vfio_bar *bar, struct err *err)
{
	struct range ranges[VFIO_PCI_MAX_SPANS];
	unsigned n = bar->region.nareas;

	memcpy(ranges, bar->region.areas, n * sizeof(ranges[0]));
	if (v->msix && is_trapped(v, bar, &v->hw_table))
		n = cut(ranges, n, pages_around(v->hw_table.range));
	if (v->msix && is_trapped(v, bar, &v->hw_pba))
		n = cut(ranges, n, pages_around(v->hw_pba.range));
	for (unsigned i = 0; i < n; i++) {
		void *hva;
		int r = vfio_region_map(v->dev.fd, &bar->region, ranges[i], &hva);

		if (r < 0)
			return err_set(err, r, "%s: BAR %u cannot be mapped", v->pci.name,
				       bar->region.index);
		bar->spans[bar->nspans++] = (struct bar_span){ .range = ranges[i], .hva = hva };
	}
	return 0;
}

/* --- setting up --- */

static void describe(struct pci_bar *pci, uint32_t reg, uint64_t size)
{
	pci->size = size;
	if (reg & PCI_BASE_ADDRESS_SPACE_IO) {
		pci->type = PCI_BAR_IO;
		return;
	}
	pci->prefetchable = reg & PCI_BASE_ADDRESS_MEM_PREFETCH;
	pci->type = (reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64
			    ? PCI_BAR_MEM64
			    : PCI_BAR_MEM32;
}

static int describe_bar(struct vfio_pci *v, unsigned i, uint32_t reg, struct err *err)
{
	struct vfio_bar *bar = &v->bar[i];
	int r = vfio_region_get(v->dev.fd, i, &bar->region);

	bar->v = v;
	if (r < 0)
		return err_set(err, r, "%s does not describe BAR %u", v->pci.name, i);
	if (!bar->region.size)
		return 0;
	bar->io = reg & PCI_BASE_ADDRESS_SPACE_IO;
	describe(&v->pci.bar[i], reg, bar->region.size);
	return 0;
}

/* One that neither is there nor is the upper half of another; the last, as drivers count from the first. */
static int free_bar(const struct vfio_pci *v)
{
	for (int i = PCI_BARS - 1; i >= 0; i--)
		if (v->pci.bar[i].type == PCI_BAR_NONE &&
		    (i == 0 || v->pci.bar[i - 1].type != PCI_BAR_MEM64))
			return i;
	return -1;
}

/*
 * Table and pending bits of the guest go to a BAR of their own, which the device does not have:
 * registers that share a page with its table are then reached without an exit.
 */
static int move_msix(struct vfio_pci *v, struct err *err)
{
	uint64_t pba = align_up(v->table.range.size, 8), size = PAGE;
	uint8_t *cap = v->pci.config + v->msix_cap;
	int i = free_bar(v);

	if (!v->msix) {
		err_plain(err, -EINVAL, "%s has no MSI-X table to be moved", v->pci.name);
		return err_hint(err, "leave out msix=move");
	}
	if (i < 0)
		return err_plain(err, -ENOSPC, "%s: no BAR is free for its MSI-X table", v->pci.name);
	while (size < pba + v->pba.range.size)
		size *= 2;
	v->bar[i].region.size = size;
	v->pci.bar[i] = (struct pci_bar){ .type = PCI_BAR_MEM32, .size = size };
	v->table = (struct msix_place){ (unsigned)i, { 0, v->table.range.size } };
	v->pba = (struct msix_place){ (unsigned)i, { pba, v->pba.range.size } };
	put_le32(cap + PCI_MSIX_TABLE, (uint32_t)i);
	put_le32(cap + PCI_MSIX_PBA, (uint32_t)pba | (uint32_t)i);
	return 0;
}

static int check_place(const struct vfio_pci *v, const struct msix_place *place, const char *what,
		       struct err *err)
{
	const struct vfio_bar *bar = &v->bar[place->bar];

	if (!bar->io && range_contains((struct range){ 0, bar->region.size }, place->range))
		return 0;
	return err_plain(err, -EPROTO, "%s: its MSI-X %s does not lie in BAR %u", v->pci.name, what,
			 place->bar);
}

int vfio_pci_bars_init(struct vfio_pci *v, const uint8_t *raw, struct err *err)
{
	int r;

	for (unsigned i = 0; i < PCI_BARS; i++) {
		r = describe_bar(v, i, get_le32(raw + PCI_BASE_ADDRESS_0 + 4 * i), err);
		if (r < 0)
			return r;
		/* The upper half of a 64-bit BAR is none of its own. */
		if (v->pci.bar[i].type == PCI_BAR_MEM64)
			i++;
	}
	r = v->msix ? check_place(v, &v->hw_table, "table", err) : 0;
	if (r == 0 && v->msix)
		r = check_place(v, &v->hw_pba, "pending bits", err);
	if (r == 0 && v->move_msix)
		r = move_msix(v, err);
	for (unsigned i = 0; r == 0 && i < PCI_BARS; i++)
		if (v->bar[i].region.nareas && !v->bar[i].io)
			r = map_spans(v, &v->bar[i], err);
	return r;
}

void vfio_pci_bars_fini(struct vfio_pci *v)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		struct vfio_bar *bar = &v->bar[i];

		if (bar->nspans)
			spans_off(bar);
		for (unsigned k = 0; k < bar->nspans; k++) {
			vfio_pci_unmap_span(v, &bar->spans[k]);
			munmap(bar->spans[k].hva, bar->spans[k].range.size);
		}
		bar->nspans = 0;
	}
}
