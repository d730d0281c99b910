// SPDX-License-Identifier: GPL-2.0-or-later
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/journal.h"
#include "base/size.h"
#include "tools/out.h"
#include "tools/show.h"
#include "vfio/busy.h"
#include "vfio/pci_path.h"

/* The kernel's IORESOURCE_* that a BAR's flags hold. */
#define RES_IO	     0x00000100
#define RES_PREFETCH 0x00002000
#define RES_64BIT    0x00100000

const char *show_bar_kind(const struct pci_function_bar *b)
{
	if (b->flags & RES_IO)
		return "I/O";
	if (b->flags & RES_64BIT)
		return b->flags & RES_PREFETCH ? "64-bit prefetchable" : "64-bit";
	return b->flags & RES_PREFETCH ? "32-bit prefetchable" : "32-bit";
}

/* A line of the list, unless its value is "". */
static void print(FILE *out, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void print(FILE *out, const char *what, const char *fmt, ...)
{
	char text[1536];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_fact(out, what, text);
}

/* More of a comma-separated text. */
static void append(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	if (n && n + 2 < size) {
		memcpy(buf + n, ", ", 3);
		n += 2;
	}
	va_start(ap, fmt);
	vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
}

static void print_group(FILE *out, struct describer *d, const struct pci_function *dev,
			const struct facts *f)
{
	const struct pci_function *other = NULL;
	char text[1024] = "";

	if (dev->group < 0) {
		print(out, "group", "none");
		return;
	}
	print(out, "group", "%d, %s%s%s", dev->group,
	      topo_group_viable(&d->topo, dev->group) ? "viable" : "not viable",
	      f->group_type[0] ? ", domain " : "", f->group_type);
	while ((other = topo_group_next(&d->topo, dev->group, other))) {
		if (other != dev && pci_function_is_endpoint(other))
			print(out, "shared with", "%s (%s)", BDF_STR(other->bdf),
			      other->driver[0] ? other->driver : "no driver");
	}
	for (unsigned i = 0; i < f->region_count; i++)
		append(text, sizeof(text), "%" PRIx64 "-%" PRIx64 " %s", f->regions[i].first,
		       f->regions[i].last, f->regions[i].kind);
	print(out, "reserved", "%s", text);
}

static void print_bars(FILE *out, const struct pci_function *dev)
{
	for (unsigned i = 0; i < PCI_FUNCTION_BARS; i++) {
		const struct pci_function_bar *b = &dev->bars[i];
		char name[16];

		if (!b->size)
			continue;
		snprintf(name, sizeof(name), i < 6 ? "BAR %u" : "ROM", i);
		if (b->start) /* an ordinary user gets zeros */
			print(out, name, "%s, %s, at %" PRIx64, SIZE_STR(b->size), show_bar_kind(b),
			      b->start);
		else
			print(out, name, "%s, %s", SIZE_STR(b->size), show_bar_kind(b));
	}
}

static void print_link(FILE *out, const struct pci_function *dev)
{
	const struct pci_link *l = &dev->link;
	char now[PCI_LINK_STRLEN], max[PCI_LINK_STRLEN];

	pci_link_str(l->mts, l->width, now, sizeof(now));
	pci_link_str(l->max_mts, l->max_width, max, sizeof(max));
	if (pci_link_reduced(l))
		print(out, "link", "%s, this end could do %s", now, max);
	else if (!now[0] && max[0] && !dev->is_vf)
		print(out, "link", "down, could do %s", max);
	else
		print(out, "link", "%s", now);
}

static void print_interrupts(FILE *out, const struct facts *f)
{
	const struct pci_interrupts *i = &f->interrupts;
	char text[128] = "";

	if (i->msix)
		append(text, sizeof(text), "%u MSI-X", i->msix);
	if (i->msi)
		append(text, sizeof(text), "%u MSI", i->msi);
	if (i->intx)
		append(text, sizeof(text), "INTx");
	if (i->taken)
		append(text, sizeof(text), "%u in use", i->taken);
	print(out, "interrupts", "%s", text);
}

static void print_capabilities(FILE *out, const struct pci_function *dev, const struct facts *f)
{
	char text[1400] = "";

	if (!f->caps_known && !dev->busy) {
		print(out, "capabilities", "only root may see them");
		return;
	}
	for (unsigned i = 0; i < f->cap_count; i++) {
		const char *name = pci_cap_name(&f->caps[i]);

		if (name)
			append(text, sizeof(text), "%s [%x]", name, f->caps[i].pos);
		else
			append(text, sizeof(text), "%s%02x [%x]",
			       f->caps[i].extended ? "extended " : "", f->caps[i].id,
			       f->caps[i].pos);
	}
	print(out, "capabilities", "%s", text);
}

static void add_errors(char *buf, size_t size, const char *kind, const struct pci_aer_count *c)
{
	if (c->total)
		append(buf, size, "%" PRIu64 " %s (%s)", c->total, kind, c->kinds);
}

static void print_errors(FILE *out, const struct pci_aer *aer)
{
	char text[512] = "";

	if (!aer->there)
		return;
	add_errors(text, sizeof(text), "fatal", &aer->fatal);
	add_errors(text, sizeof(text), "non-fatal", &aer->nonfatal);
	add_errors(text, sizeof(text), "correctable", &aer->correctable);
	print(out, "errors", "%s", text[0] ? text : "none counted");
}

static void print_path(FILE *out, const struct facts *f)
{
	char text[FACTS_PARENTS_MAX * (BDF_STRLEN + 1)] = "";

	for (unsigned i = 0; i < f->parent_count; i++)
		append(text, sizeof(text), "%s", BDF_STR(f->parents[i]));
	print(out, "behind", "%s", text);
	print(out, "sysfs", "%s", f->sysfs);
}

struct changes {
	FILE *out;
	const char *dev;
};

static int print_change(const struct step *step, void *opaque)
{
	struct changes *c = opaque;

	if (strcmp(step->dev, c->dev) == 0 && !step->remember)
		print(c->out, "changed", "%s%s%s: '%s' became '%s'", step->op,
		      step->key[0] ? " " : "", step->key, step->before, step->after);
	return 0;
}

static void print_users(FILE *out, struct describer *d, const struct pci_function *dev)
{
	struct in_use used;

	in_use_find(d->host, dev, &used);
	for (unsigned i = 0; i < used.count; i++)
		print(out, "used", "%s (%s)", used.items[i].what,
		      in_use_word(used.items[i].reason));
}

static void print_busy(FILE *out, struct describer *d, const struct pci_function *dev)
{
	char who[BUSY_TEXT_MAX], todo[BUSY_TEXT_MAX];

	busy_explain(d->root, dev->bdf, who, todo);
	print(out, "busy", "%s", who);
	print(out, "", "%s", todo);
	print(out, "", "what needs its lock is left out here");
}

static void print_identity(FILE *out, struct describer *d, const struct pci_function *dev)
{
	char text[160];

	print(out, "name", "%s", describe_name(d, dev, text, sizeof(text)));
	print(out, "class", "%s", names_class(d->names, dev->class, text, sizeof(text)));
	print(out, "subsystem", "%04x:%04x, revision %02x", dev->sub_vendor, dev->sub_device,
	      dev->revision);
	print(out, "driver", "%s", dev->driver[0] ? dev->driver : "none");
	print(out, "override", "%s", dev->override);
	if (dev->busy)
		print_busy(out, d, dev);
	print(out, "SR-IOV", "%s", describe_relation(dev, text, sizeof(text)));
	print(out, "netdev", "%s", describe_netdev(d, dev, text, sizeof(text)));
	if (!dev->busy && pci_path_identity(d->root, dev->bdf, text, sizeof(text)) == 0)
		print(out, "fingerprint", "%s", text);
}

void show_text(FILE *out, struct describer *d, const struct pci_function *dev)
{
	struct changes changes = { out, BDF_STR(dev->bdf) };
	struct facts f;

	facts_read(d->root, dev, &f);
	fprintf(out, "%s\n", changes.dev);
	print_identity(out, d, dev);
	print_group(out, d, dev, &f);
	if (dev->numa_node >= 0)
		print(out, "NUMA node", "%d", dev->numa_node);
	print_link(out, dev);
	print(out, "reset", "%s",
	      dev->reset_methods[0] ? dev->reset_methods
	      : f.reset_unnamed     ? "possible; a kernel before 5.15 does not say how"
				    : "none");
	print(out, "power", "%s", dev->power_state);
	print_bars(out, dev);
	print_interrupts(out, &f);
	print_capabilities(out, dev, &f);
	print_errors(out, &f.aer);
	print_path(out, &f);
	print_users(out, d, dev);
	journal_each(d->root, print_change, &changes);
}
