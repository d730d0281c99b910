/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One device in full, for `show`. */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include <stdio.h>

#include <jansson.h>

#include "host/facts.h"
#include "tools/describe.h"

void show_text(FILE *out, struct describer *d, const struct pci_function *dev);

/* NULL: no memory. */
json_t *show_json(struct describer *d, const struct pci_function *dev);

/* "64-bit prefetchable", "I/O", … */
const char *show_bar_kind(const struct pci_function_bar *bar);

#endif
