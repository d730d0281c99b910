/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Colours of the drawn forms: fills for drivers, outlines for groups. */
#ifndef TOOLS_TOPO_PALETTE_H
#define TOOLS_TOPO_PALETTE_H

#include "tools/topo_view.h"

/* "#rrggbb": green for VFIO's drivers, near white for none, else by order of appearance. */
const char *topo_palette_driver(const struct topo_view *v, const char *driver);

/* For the index that topo_view_group() gives. */
const char *topo_palette_group(int index);

#endif
