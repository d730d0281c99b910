/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dry run prints: the steps, before them who would be ended first, and after them what is
 * done that is no step. With --json one document "thruway.plan/1": "steps", and "also", a list of
 * those lines.
 */
#ifndef TOOLS_PREVIEW_H
#define TOOLS_PREVIEW_H

#include <jansson.h>

#include "base/bdf.h"
#include "base/journal.h"
#include "tools/command.h"

struct preview {
	struct ctx *ctx; /* borrowed */
	json_t *before, *after; /* lines; NULL: none yet. Those before are printed at once for people */
};

/* Takes lines with preview_line(), then ends with preview_print() or preview_fini(). */
#define PREVIEW_INIT(of) { .ctx = (of) }

/* One before the steps; the preview is opaque, as change_preview_evict() and the like hand it on. */
void preview_line(const char *line, void *preview);

/* One after them: "DEV: what". */
void preview_after(struct preview *p, struct bdf bdf, const char *what);

/* The end. That there is nothing to do is said if there are neither steps nor lines after. 0 or -ENOMEM. */
int preview_print(struct preview *p, const struct plan *plan);

void preview_fini(struct preview *p);

#endif
