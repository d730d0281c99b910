// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <string.h>

#include "base/fd.h"
#include "base/term.h"
#include "tools/topo.h"

#define LINE_MAX_ 512
#define DEPTH_MAX 24

/* One line as it grows: its columns are counted without the colours in it. */
struct line {
	char text[LINE_MAX_];
	size_t bytes, columns, limit; /* limit in columns; 0: none */
};

struct printer {
	FILE *out;
	const struct topo_view *v;
	bool colours;
	size_t limit;
	char prefix[DEPTH_MAX * 8];
};

static const char *const group_colours[] = { "35", "36", "33", "31", "95", "96", "93", "91" };

static void put_char(struct line *l, const char *c, size_t bytes)
{
	if (l->bytes + bytes >= sizeof(l->text) - 16) /* leaves room for a colour's end */
		return;
	memcpy(l->text + l->bytes, c, bytes);
	l->bytes += bytes;
}

static void put(struct line *l, const char *s)
{
	while (*s) {
		size_t n = 1;

		while (((unsigned char)s[n] & 0xc0) == 0x80)
			n++;
		if (l->limit && l->columns >= l->limit)
			return;
		/* A name from a device shall not steer the terminal. */
		if ((unsigned char)s[0] < ' ' || s[0] == 0x7f)
			put_char(l, "?", 1);
		else
			put_char(l, s, n);
		l->columns++;
		s += n;
	}
}

static void putf(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void putf(struct line *l, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(l, text);
}

static void colour(const struct printer *p, struct line *l, const char *code)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "\033[%sm", code);

	if (p->colours && n > 0 && l->bytes + (size_t)n < sizeof(l->text)) {
		memcpy(l->text + l->bytes, text, (size_t)n);
		l->bytes += (size_t)n;
	}
}

/* In colour: green what a guest may have, blue what the host drives, dim what nobody does. */
static void put_driver(const struct printer *p, struct line *l, const char *driver)
{
	colour(p, l, !driver[0] ? "2" : pci_function_driver_is_vfio(driver) ? "32" : "34");
	put(l, driver[0] ? driver : "no driver");
	colour(p, l, "0");
}

/* In colour only those that several functions share. */
static void put_group(const struct printer *p, struct line *l, int first, int last)
{
	int i = topo_view_group(p->v, first);

	if (first < 0)
		return;
	if (i >= 0)
		colour(p, l, group_colours[(size_t)i % ARRAY_SIZE(group_colours)]);
	putf(l, first == last ? "  group %d" : "  groups %d-%d", first, last);
	if (i >= 0)
		colour(p, l, "0");
}

static void put_link(struct line *l, const struct pci_link *link)
{
	char text[PCI_LINK_STRLEN];

	if (link)
		putf(l, "  %s", pci_link_str(link->mts, link->width, text, sizeof(text)));
}

static void start(const struct printer *p, struct line *l, const char *branch)
{
	*l = (struct line){ .limit = p->limit };
	put(l, p->prefix);
	put(l, branch);
}

static void end(const struct printer *p, struct line *l)
{
	if (p->colours)
		put_char(l, "\033[0m", 4);
	fprintf(p->out, "%.*s\n", (int)l->bytes, l->text);
}

static void print_function(const struct printer *p, int i, const char *branch)
{
	const struct pci_function *d = topo_view_dev(p->v, i);
	char text[160];
	struct line l;

	start(p, &l, branch);
	colour(p, &l, "1");
	put(&l, topo_view_address(d->bdf, text, sizeof(text)));
	colour(p, &l, "0");
	if (!pci_function_is_endpoint(d)) {
		putf(&l, " %s", topo_view_bridge(p->v, i, text, sizeof(text)));
		put_link(&l, topo_view_link(p->v, i));
		put_group(p, &l, topo_view_group(p->v, d->group) < 0 ? -1 : d->group, d->group);
		end(p, &l);
		return;
	}
	put(&l, " ");
	put_driver(p, &l, d->driver);
	topo_view_node(p->v, i, text, sizeof(text));
	if (text[0])
		putf(&l, "  %s", text);
	put_group(p, &l, d->group, d->group);
	if (d->total_vfs)
		putf(&l, "  %u of %u VFs", d->num_vfs, d->total_vfs);
	describe_users(p->v->d, d, text, sizeof(text));
	if (text[0])
		putf(&l, "  [%s]", text);
	putf(&l, "  %s", names_model(p->v->d->names, d->vendor, d->device, text, sizeof(text)));
	end(p, &l);
}

static void print_run(const struct printer *p, const struct topo_run *run, const char *branch)
{
	const struct pci_function *a = topo_view_dev(p->v, run->first);
	const struct pci_function *b = topo_view_dev(p->v, run->last);
	char from[BDF_STRLEN], to[BDF_STRLEN];
	struct line l;

	start(p, &l, branch);
	topo_view_address(a->bdf, from, sizeof(from));
	topo_view_address(b->bdf, to, sizeof(to));
	if (run->count == 1)
		putf(&l, "vf%u %s ", a->vf_index, from);
	else
		putf(&l, "vf%u-vf%u %s-%s ", a->vf_index, b->vf_index, from, to);
	put_driver(p, &l, a->driver);
	put_group(p, &l, a->group, b->group);
	end(p, &l);
}

static void print_below(struct printer *p, unsigned root, int i);

/* Deeper by one, with a line on if there is more to come at this depth. */
static void descend(struct printer *p, unsigned root, int i, bool more)
{
	size_t len = strlen(p->prefix);

	if (len + 8 >= sizeof(p->prefix))
		return;
	strcpy(p->prefix + len, more ? "│  " : "   ");
	print_below(p, root, i);
	p->prefix[len] = '\0';
}

static void print_below(struct printer *p, unsigned root, int i)
{
	for (int at = topo_view_first(p->v, root, i), next; at != PCI_TREE_NONE; at = next) {
		struct topo_run run;

		if (topo_view_dev(p->v, at)->is_vf) {
			next = at;
			run = topo_view_run(p->v, &next);
			print_run(p, &run, next == PCI_TREE_NONE ? "└─ " : "├─ ");
			continue;
		}
		next = topo_view_next(p->v, at);
		print_function(p, at, next == PCI_TREE_NONE ? "└─ " : "├─ ");
		descend(p, root, at, next != PCI_TREE_NONE);
	}
}

static void print_lane(struct printer *p, const struct topo_lane *lane)
{
	const struct pci_tree *t = &p->v->acs.tree;
	unsigned left = lane->roots;
	char name[48];

	fprintf(p->out, "%s\n", topo_view_lane_name(lane, name, sizeof(name)));
	for (unsigned r = 0; r < t->root_count; r++) {
		if (!topo_view_in_lane(p->v, r, lane))
			continue;
		left--;
		fprintf(p->out, "%s%s\n", left ? "├─ " : "└─ ", t->roots[r].name);
		strcpy(p->prefix, left ? "│  " : "   ");
		print_below(p, r, PCI_TREE_NONE);
		p->prefix[0] = '\0';
	}
}

void topo_text(FILE *out, const struct topo_view *v)
{
	struct printer p = { .out = out, .v = v, .colours = term_colours(out),
			     .limit = term_columns(out) };

	for (unsigned i = 0; i < v->lane_count; i++)
		print_lane(&p, &v->lanes[i]);
}
