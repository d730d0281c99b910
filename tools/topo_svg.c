// SPDX-License-Identifier: GPL-2.0-or-later
/* The picture, from its layout. Whatever a device or the host named is escaped by xml_text(). */
#include <inttypes.h>
#include <string.h>

#include "base/fd.h"
#include "tools/topo.h"
#include "tools/topo_layout.h"
#include "tools/topo_palette.h"
#include "tools/xml.h"

#define LEGEND_LINE  20
#define LEGEND_LEFT  16
#define LEGEND_TOP   44
#define WIDTH_MIN    760
#define CHAR_WIDTH   7 /* of the legend's text, generously */
#define NAME_CHARS   35
#define DRIVER_CHARS 30
#define PORT_CHARS   32

static const char style[] =
	"text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:11px;fill:#212529}"
	".mono{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace}"
	".b{font-weight:bold}.t{font-size:17px;font-weight:bold}.l{font-size:13px;font-weight:bold}"
	".s{font-size:10px;fill:#495057}.c{font-size:9px;text-anchor:middle}.e{text-anchor:end}"
	".fn:hover>rect:first-of-type,.vf:hover>rect{stroke:#000;stroke-width:2.5}";

struct drawing {
	FILE *out;
	const struct topo_view *v;
	const struct topo_layout *l;
	unsigned root;
};

static void rect(FILE *out, const struct topo_box *b, const char *fill, const char *stroke,
		 double width, const char *more)
{
	fprintf(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" fill=\"%s\" "
		"stroke=\"%s\" stroke-width=\"%g\"%s/>\n",
		b->x, b->y, b->w, b->h, fill, stroke, width, more);
}

static void text(FILE *out, const char *class, int x, int y, const char *s, unsigned columns)
{
	fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
	xml_text(out, s, columns);
	fputs("</text>\n", out);
}

static void line_of_title(FILE *out, const char *what, const char *s)
{
	if (!*s)
		return;
	fprintf(out, "\n%s: ", what);
	xml_text(out, s, 0);
}

/* What the mouse shows. */
static void title(FILE *out, const struct topo_view *v, int i)
{
	const struct pci_function *d = topo_view_dev(v, i);
	char buf[TOPO_WORDS_MAX];

	fprintf(out, "<title>%s\n", BDF_STR(d->bdf));
	xml_text(out, describe_name(v->d, d, buf, sizeof(buf)), 0);
	line_of_title(out, "driver", d->driver[0] ? d->driver : "none");
	line_of_title(out, "interface", topo_view_node(v, i, buf, sizeof(buf)));
	line_of_title(out, "SR-IOV", describe_relation(d, buf, sizeof(buf)));
	if (d->group >= 0)
		fprintf(out, "\ngroup: %d, %s", d->group,
			topo_group_viable(&v->d->topo, d->group) ? "viable" : "not viable");
	if (topo_view_link(v, i))
		line_of_title(out, "link",
			      pci_link_str(d->link.mts, d->link.width, buf, sizeof(buf)));
	line_of_title(out, "reset", d->reset_methods);
	line_of_title(out, "power", d->power_state);
	line_of_title(out, "used by", describe_users(v->d, d, buf, sizeof(buf)));
	fputs("</title>\n", out);
}

/* A group's number in the corner: in its colour where several functions share it. */
static void draw_badge(FILE *out, const struct topo_view *v, const struct pci_function *d,
		       const struct topo_box *b)
{
	int shared = topo_view_group(v, d->group), w, x;
	char number[16];

	if (d->group < 0)
		return;
	w = snprintf(number, sizeof(number), "%d", d->group) * 7 + 8;
	x = b->x + b->w - w - 4;
	fprintf(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"14\" rx=\"7\" fill=\"%s\"/>"
		"<text class=\"c mono\" x=\"%g\" y=\"%d\"%s>%s</text>\n",
		x, b->y + 4, w, shared < 0 ? "#e9ecef" : topo_palette_group(shared), x + w / 2.0,
		b->y + 14, shared < 0 ? "" : " style=\"fill:#fff\"", number);
}

static void outline(const struct drawing *g, const struct pci_function *d, const struct topo_box *b,
		    const char *fill, const char *plain, const char *more)
{
	int shared = topo_view_group(g->v, d->group);

	if (shared < 0)
		rect(g->out, b, fill, plain, 1, more);
	else
		rect(g->out, b, fill, topo_palette_group(shared), 2.5, more);
}

static void draw_vfs(const struct drawing *g, int pf, const struct topo_box *b)
{
	unsigned n = 0;

	for (int at = topo_view_first(g->v, g->root, pf); at != PCI_TREE_NONE;
	     at = topo_view_next(g->v, at), n++) {
		const struct pci_function *d = topo_view_dev(g->v, at);
		struct topo_box cell = {
			.x = b->x + TOPO_PAD + (int)(n % b->vf_columns) * TOPO_CELL_WIDTH,
			.y = b->y + b->vf_top + (int)(n / b->vf_columns) * TOPO_CELL_HEIGHT,
			.w = TOPO_CELL_WIDTH - 2,
			.h = TOPO_CELL_HEIGHT - 3,
		};

		fputs("<g class=\"vf\">", g->out);
		title(g->out, g->v, at);
		outline(g, d, &cell, topo_palette_driver(g->v, d->driver), "#868e96", "");
		fprintf(g->out, "<text class=\"c\" x=\"%d\" y=\"%d\">%u</text></g>\n",
			cell.x + cell.w / 2, cell.y + 12, d->vf_index);
	}
}

static void draw_function(const struct drawing *g, int i)
{
	const struct pci_function *d = topo_view_dev(g->v, i);
	const struct topo_box *b = &g->l->functions[i];
	char words[TOPO_WORDS_MAX], node[64], users[TOPO_WORDS_MAX];

	fputs("<g class=\"fn\">", g->out);
	title(g->out, g->v, i);
	outline(g, d, b, topo_palette_driver(g->v, d->driver), "#adb5bd",
		d->driver[0] ? "" : " stroke-dasharray=\"4 3\"");
	text(g->out, "mono b", b->x + TOPO_PAD, b->y + 16,
	     topo_view_address(d->bdf, words, sizeof(words)), 0);
	draw_badge(g->out, g->v, d, b);
	topo_view_node(g->v, i, node, sizeof(node));
	snprintf(words, sizeof(words), "%s%s%s", d->driver[0] ? d->driver : "no driver",
		 node[0] ? " · " : "", node);
	if (d->total_vfs)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), " · %u of %u VFs",
			 d->num_vfs, d->total_vfs);
	text(g->out, "", b->x + TOPO_PAD, b->y + 32, words, DRIVER_CHARS);
	names_model(g->v->d->names, d->vendor, d->device, words, sizeof(words));
	text(g->out, "s", b->x + TOPO_PAD, b->y + 48, words, NAME_CHARS);
	if (describe_users(g->v->d, d, users, sizeof(users))[0])
		fprintf(g->out, "<circle cx=\"%d\" cy=\"%d\" r=\"4.5\" fill=\"#c92a2a\"/>\n",
			b->x + b->w - 11, b->y + 28);
	if (b->vf_columns)
		draw_vfs(g, i, b);
	fputs("</g>\n", g->out);
}

static double link_thickness(unsigned lanes)
{
	return 1 + (lanes > 16 ? 16 : lanes) * 0.5;
}

/* What the link below a port could be is for the device on it to say, if it does. */
static const struct pci_link *link_below(const struct drawing *g, int port)
{
	const struct pci_link *link = topo_view_link(g->v, port);
	int first = topo_view_first(g->v, g->root, port);

	if (link && pci_function_is_endpoint(topo_view_dev(g->v, first)) &&
	    topo_view_link(g->v, first))
		link = topo_view_link(g->v, first);
	return link;
}

/* From a port's head down to what is behind it: as thick as it is wide, orange where narrowed. */
static void draw_link(const struct drawing *g, int i)
{
	const struct topo_box *b = &g->l->functions[i];
	const struct pci_link *link = link_below(g, i);
	bool narrowed = link && link->width < link->max_width;
	int top = b->y + TOPO_PORT_HEAD, x = b->x + TOPO_PAD + 16;
	char words[48] = "";

	fprintf(g->out, "<path d=\"M%d %dv%d\" stroke=\"%s\" stroke-width=\"%g\"/>\n", x, top,
		TOPO_LINK_HEIGHT, narrowed ? "#e8590c" : "#495057",
		link_thickness(link ? link->width : 0));
	if (!link)
		return;
	pci_link_str(link->mts, link->width, words, sizeof(words));
	if (narrowed)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), " of x%u",
			 link->max_width);
	text(g->out, "s", x + 12, top + 10, words, 0);
}

static void draw_below(const struct drawing *g, int i);

static void draw_port(const struct drawing *g, int i)
{
	const struct pci_function *d = topo_view_dev(g->v, i);
	const struct topo_box *b = &g->l->functions[i];
	bool empty = topo_view_first(g->v, g->root, i) == PCI_TREE_NONE;
	char address[BDF_STRLEN], kind[64], words[96];

	fputs("<g class=\"fn\">", g->out);
	title(g->out, g->v, i);
	outline(g, d, b, empty ? "none" : "#fff", "#868e96",
		empty ? " stroke-dasharray=\"4 3\"" : "");
	topo_view_address(d->bdf, address, sizeof(address));
	topo_view_bridge(g->v, i, kind, sizeof(kind));
	snprintf(words, sizeof(words), "%s %s", address, kind);
	text(g->out, "mono s", b->x + TOPO_PAD, b->y + 15, words, PORT_CHARS);
	draw_badge(g->out, g->v, d, b);
	fputs("</g>\n", g->out);
	if (!empty)
		draw_link(g, i);
	draw_below(g, i);
}

static void draw_below(const struct drawing *g, int i)
{
	for (int at = topo_view_first(g->v, g->root, i); at != PCI_TREE_NONE;
	     at = topo_view_next(g->v, at)) {
		if (topo_view_holds(g->v, at))
			draw_port(g, at);
		else
			draw_function(g, at);
	}
}

static void draw_lane(struct drawing *g, unsigned lane)
{
	const struct topo_box *b = &g->l->lanes[lane];
	char words[48];

	rect(g->out, b, "#eef1f5", "#ced4da", 1, "");
	text(g->out, "l", b->x + TOPO_PAD, b->y + 20,
	     topo_view_lane_name(&g->v->lanes[lane], words, sizeof(words)), 0);
	for (g->root = 0; g->root < g->v->acs.tree.root_count; g->root++) {
		const struct topo_box *c = &g->l->roots[g->root];

		if (!topo_view_in_lane(g->v, g->root, &g->v->lanes[lane]))
			continue;
		rect(g->out, c, "#f8f9fa", "#ced4da", 1, "");
		text(g->out, "mono s b", c->x + TOPO_PAD, c->y + 15,
		     g->v->acs.tree.roots[g->root].name, 0);
		draw_below(g, PCI_TREE_NONE);
	}
}

/* The legend flows: where the next entry goes. */
struct legend {
	FILE *out; /* NULL: only measure */
	int x, y, width;
};

static void place_entry(struct legend *e, int marker, const char *words)
{
	int w = marker + 6 + (int)strlen(words) * CHAR_WIDTH + 14;

	if (e->x > LEGEND_LEFT && e->x + w > e->width) {
		e->x = LEGEND_LEFT;
		e->y += LEGEND_LINE;
	}
	if (e->out)
		text(e->out, "", e->x + marker + 6, e->y + 11, words, 0);
	e->x += w;
}

static void swatch(struct legend *e, const char *fill, const char *stroke, double width,
		   const char *words)
{
	struct topo_box b = { .w = 22, .h = 14 };

	place_entry(e, b.w, words);
	b.x = e->x - (b.w + 6 + (int)strlen(words) * CHAR_WIDTH + 14);
	b.y = e->y;
	if (e->out)
		rect(e->out, &b, fill, stroke, width, "");
}

static void link_samples(struct legend *e)
{
	static const unsigned widths[] = { 1, 4, 8, 16 };
	int x;

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		char words[16];

		snprintf(words, sizeof(words), "%sx%u", i ? "" : "link ", widths[i]);
		place_entry(e, 22, words);
		x = e->x - (28 + (int)strlen(words) * CHAR_WIDTH + 14);
		if (e->out)
			fprintf(e->out,
				"<path d=\"M%d %dh22\" stroke=\"#495057\" stroke-width=\"%g\"/>\n",
				x, e->y + 7, link_thickness(widths[i]));
	}
}

/* Returns where the picture may begin. */
static int draw_legend(FILE *out, const struct topo_view *v, int width)
{
	struct legend e = { out, LEGEND_LEFT, LEGEND_TOP, width };

	for (unsigned i = 0; i < v->driver_count; i++)
		swatch(&e, topo_palette_driver(v, v->drivers[i]), "#adb5bd", 1, v->drivers[i]);
	swatch(&e, topo_palette_driver(v, ""), "#adb5bd", 1, "no driver");
	if (v->group_count)
		swatch(&e, "#fff", topo_palette_group(0), 2.5, "shares its IOMMU group (number)");
	place_entry(&e, 10, "used by this host");
	if (out)
		fprintf(out, "<circle cx=\"%d\" cy=\"%d\" r=\"4.5\" fill=\"#c92a2a\"/>\n",
			e.x - 10 - 6 - 17 * CHAR_WIDTH - 14 + 5, e.y + 7);
	link_samples(&e);
	return e.y + LEGEND_LINE + 8;
}

int topo_svg(FILE *out, const struct topo_view *v)
{
	struct topo_layout l;
	struct drawing g = { out, v, &l, 0 };
	int r = topo_layout_make(v, WIDTH_MIN, 0, &l);

	if (r == 0) { /* its width decides how high the legend is */
		int top = draw_legend(NULL, v, l.width), width = l.width;

		topo_layout_fini(&l);
		r = topo_layout_make(v, width, top, &l);
	}
	if (r == 0) {
		fprintf(out,
			"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
			"viewBox=\"0 0 %d %d\" role=\"img\">\n<style>%s</style>\n"
			"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
			l.width, l.height, l.width, l.height, style, l.width, l.height);
		text(out, "t", 16, 28, "PCI devices of this host", 0);
		draw_legend(out, v, l.width);
		for (unsigned i = 0; i < v->lane_count; i++)
			draw_lane(&g, i);
		fputs("</svg>\n", out);
	}
	topo_layout_fini(&l);
	return r;
}
