/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms of `topo`. */
#ifndef TOOLS_TOPO_H
#define TOOLS_TOPO_H

#include <stdio.h>

#include <jansson.h>

#include "tools/topo_view.h"

/* A tree of lines, cut at a terminal's edge, with its colours. */
void topo_text(FILE *out, const struct topo_view *v);

/* For graphviz. */
void topo_dot(FILE *out, const struct topo_view *v);

/* The lanes with all below. NULL: no memory. */
json_t *topo_json(const struct topo_view *v);

/* A picture that stands alone; 0 or -ENOMEM. */
int topo_svg(FILE *out, const struct topo_view *v);

/* The same in a page that tells more of what the mouse is on. 0 or -ENOMEM. */
int topo_html(FILE *out, const struct topo_view *v);

#endif
