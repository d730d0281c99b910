// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/topo_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP	      10
#define EMPTY_PORT    24
#define COLUMN	      (TOPO_LEAF_WIDTH + 2 * TOPO_PAD + GAP) /* a port with one function; a gap */
#define COLUMNS_MAX   5
#define PORT_WIDTH    (4 * (TOPO_LEAF_WIDTH + GAP)) /* behind a port; then comes the next row */
#define LANE_WIDTH    (COLUMNS_MAX * COLUMN + 2 * TOPO_PAD)
#define MARGIN	      12
#define VF_COLUMNS    8
#define VF_COLUMNS_16 64 /* more VFs than this are shown in twice as many columns */

struct work {
	const struct topo_view *v;
	struct topo_layout *l;
	unsigned root; /* the host bridge at work */
};

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static unsigned shown_below(const struct work *w, int i)
{
	unsigned n = 0;

	for (int at = topo_view_first(w->v, w->root, i); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at))
		n++;
	return n;
}

static void measure_function(const struct work *w, int i)
{
	struct topo_box *b = &w->l->functions[i];
	unsigned vfs = shown_below(w, i), rows;

	*b = (struct topo_box){ .w = TOPO_LEAF_WIDTH, .h = TOPO_LEAF_HEIGHT };
	if (!vfs)
		return;
	b->vf_columns = vfs > VF_COLUMNS_16 ? 2 * VF_COLUMNS : VF_COLUMNS;
	b->vf_top = TOPO_LEAF_HEIGHT;
	b->w = (int)b->vf_columns * TOPO_CELL_WIDTH + 2 * TOPO_PAD;
	rows = (vfs + b->vf_columns - 1) / b->vf_columns;
	b->h += (int)rows * TOPO_CELL_HEIGHT + TOPO_PAD / 2;
}

static void measure(const struct work *w, int i);

/* What is behind a port: in rows, from left to right. */
static void measure_port(const struct work *w, int i)
{
	struct topo_box *b = &w->l->functions[i];
	int x = 0, y = 0, row = 0, widest = TOPO_LEAF_WIDTH;

	*b = (struct topo_box){ .w = TOPO_LEAF_WIDTH + 2 * TOPO_PAD, .h = EMPTY_PORT };
	if (!shown_below(w, i))
		return;
	for (int at = topo_view_first(w->v, w->root, i); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at)) {
		struct topo_box *c = &w->l->functions[at];

		measure(w, at);
		if (x && x + c->w > PORT_WIDTH) {
			x = 0;
			y += row + GAP;
			row = 0;
		}
		c->x = TOPO_PAD + x;
		c->y = TOPO_PORT_HEAD + TOPO_LINK_HEIGHT + y;
		x += c->w + GAP;
		row = larger(row, c->h);
		widest = larger(widest, x - GAP);
	}
	b->w = widest + 2 * TOPO_PAD;
	b->h = TOPO_PORT_HEAD + TOPO_LINK_HEIGHT + y + row + TOPO_PAD;
}

static void measure(const struct work *w, int i)
{
	if (topo_view_holds(w->v, i))
		measure_port(w, i);
	else
		measure_function(w, i);
}

static int columns_of(const struct topo_box *b)
{
	return (b->w + GAP + COLUMN - 1) / COLUMN;
}

/* As many columns as make a block about twice as wide as it is high. */
static int choose_columns(const struct work *w)
{
	long area = 0;
	int n = 1;

	for (int at = topo_view_first(w->v, w->root, PCI_TREE_NONE); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at)) {
		const struct topo_box *b = &w->l->functions[at];

		area += (long)columns_of(b) * COLUMN * (b->h + GAP);
		n = larger(n, columns_of(b));
	}
	while (n < COLUMNS_MAX && (long)n * COLUMN * n * COLUMN < 2 * area)
		n++;
	return n;
}

/* Into the place nearest to the top that is wide enough. */
static void pack(struct topo_box *b, int *heights, int columns)
{
	int span = columns_of(b), best = 0, best_y = -1;

	for (int c = 0; c + span <= columns; c++) {
		int y = 0;

		for (int k = c; k < c + span; k++)
			y = larger(y, heights[k]);
		if (best_y < 0 || y < best_y) {
			best = c;
			best_y = y;
		}
	}
	b->x = TOPO_PAD + best * COLUMN;
	b->y = TOPO_BRIDGE_HEAD + best_y;
	if (span == 1) /* in line with the ports above and below it */
		b->w = COLUMN - GAP;
	for (int k = best; k < best + span; k++)
		heights[k] = best_y + b->h + GAP;
}

static int layout_root(const struct work *w)
{
	struct topo_box *b = &w->l->roots[w->root];
	int columns, height = 0, *heights;

	for (int at = topo_view_first(w->v, w->root, PCI_TREE_NONE); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at))
		measure(w, at);
	columns = choose_columns(w);
	heights = calloc((size_t)columns, sizeof(*heights));
	if (!heights)
		return -ENOMEM;
	for (int at = topo_view_first(w->v, w->root, PCI_TREE_NONE); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at)) {
		struct topo_box *c = &w->l->functions[at];

		pack(c, heights, columns);
		b->w = larger(b->w, c->x + c->w + TOPO_PAD);
	}
	for (int c = 0; c < columns; c++)
		height = larger(height, heights[c]);
	free(heights);
	b->h = TOPO_BRIDGE_HEAD + height - GAP + TOPO_PAD;
	return 0;
}

/* Host bridges in rows. */
static int layout_lane(struct work *w, const struct topo_lane *lane, struct topo_box *b)
{
	int x = 0, y = 0, row = 0, widest = 0;

	for (w->root = 0; w->root < w->v->acs.tree.root_count; w->root++) {
		struct topo_box *c = &w->l->roots[w->root];

		if (!topo_view_in_lane(w->v, w->root, lane))
			continue;
		if (layout_root(w) < 0)
			return -ENOMEM;
		if (x && x + c->w > LANE_WIDTH) {
			x = 0;
			y += row + GAP;
			row = 0;
		}
		c->x = TOPO_PAD + x;
		c->y = TOPO_LANE_HEAD + y;
		x += c->w + GAP;
		row = larger(row, c->h);
		widest = larger(widest, x - GAP);
	}
	b->w = widest + 2 * TOPO_PAD;
	b->h = TOPO_LANE_HEAD + y + row + TOPO_PAD;
	return 0;
}

/* From places within what holds them to places in the picture. */
static void place_below(const struct work *w, int i, int x, int y)
{
	for (int at = topo_view_first(w->v, w->root, i); at != PCI_TREE_NONE;
	     at = topo_view_next(w->v, at)) {
		struct topo_box *b = &w->l->functions[at];

		if (topo_view_dev(w->v, at)->is_vf)
			return; /* cells of their PF */
		b->x += x;
		b->y += y;
		place_below(w, at, b->x, b->y);
	}
}

static void place_lane(struct work *w, const struct topo_lane *lane, const struct topo_box *b)
{
	for (w->root = 0; w->root < w->v->acs.tree.root_count; w->root++) {
		struct topo_box *c = &w->l->roots[w->root];

		if (!topo_view_in_lane(w->v, w->root, lane))
			continue;
		c->x += b->x;
		c->y += b->y;
		place_below(w, PCI_TREE_NONE, c->x, c->y);
	}
}

int topo_layout_make(const struct topo_view *v, int min_width, int top, struct topo_layout *ret)
{
	struct topo_layout l = {
		.width = min_width,
		.height = top,
		.functions = calloc(v->d->topo.count + 1, sizeof(*l.functions)),
		.roots = calloc(v->acs.tree.root_count + 1, sizeof(*l.roots)),
		.lanes = calloc(v->lane_count + 1, sizeof(*l.lanes)),
	};
	struct work w = { .v = v, .l = &l };
	int r = l.functions && l.roots && l.lanes ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < v->lane_count; i++) {
		r = layout_lane(&w, &v->lanes[i], &l.lanes[i]);
		l.width = larger(l.width, l.lanes[i].w + 2 * MARGIN);
	}
	for (unsigned i = 0; r == 0 && i < v->lane_count; i++) {
		l.lanes[i].x = MARGIN;
		l.lanes[i].y = l.height;
		l.lanes[i].w = l.width - 2 * MARGIN;
		l.height += l.lanes[i].h + MARGIN;
		place_lane(&w, &v->lanes[i], &l.lanes[i]);
	}
	*ret = l;
	return r;
}

void topo_layout_fini(struct topo_layout *l)
{
	free(l->functions);
	free(l->roots);
	free(l->lanes);
}
