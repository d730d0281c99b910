/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything goes in the picture, in pixels. Lanes lie below each other;
 * in a lane its host bridges flow from left to right; in these their ports and
 * functions are packed into columns; in a port what is behind it. A function's
 * VFs are a grid of cells at the foot of its box.
 */
#ifndef TOOLS_TOPO_LAYOUT_H
#define TOOLS_TOPO_LAYOUT_H

#include "tools/topo_view.h"

/* Of the boxes that are drawn; the text in them depends on it. */
#define TOPO_PAD	 8
#define TOPO_LANE_HEAD	 30
#define TOPO_BRIDGE_HEAD 22
#define TOPO_PORT_HEAD	 20
#define TOPO_LINK_HEIGHT 15 /* between a port's head and what is behind it */
#define TOPO_LEAF_WIDTH	 224
#define TOPO_LEAF_HEIGHT 58
#define TOPO_CELL_WIDTH	 26 /* with the gap to the next */
#define TOPO_CELL_HEIGHT 20

struct topo_box {
	int x, y, w, h;
	unsigned vf_columns; /* of a PF with VFs; their first row begins vf_top below y */
	int vf_top;
};

struct topo_layout {
	int width, height;
	struct topo_box *functions; /* by index in topo->devs; those not shown are all 0 */
	struct topo_box *roots;	    /* by index of the tree's host bridges */
	struct topo_box *lanes;
};

/* `top` pixels are left free above. 0 or -ENOMEM; topo_layout_fini() after either. */
int topo_layout_make(const struct topo_view *v, int min_width, int top, struct topo_layout *ret);
void topo_layout_fini(struct topo_layout *l);

#endif
