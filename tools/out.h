/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results for people (aligned columns) and for programs (JSON with a schema). */
#ifndef TOOLS_OUT_H
#define TOOLS_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "base/journal.h"

struct table;

/* Column titles, NULL-terminated. NULL when memory ran out. */
struct table *table_new(const char *const *titles);

/* One row, as many cells as titles; "" prints as "-". Cells are copied. 0 or -ENOMEM. */
int table_row(struct table *t, const char *const *cells);

/* Columns two blanks apart, nothing behind the last, which is cut at a terminal's edge. */
void table_print(const struct table *t, FILE *out);
struct table *table_free(struct table *t); /* NULL is fine; returns NULL */

/*
 * "  WHAT           text" in a list of facts, broken between words where it would
 * pass 98 columns; nothing at all for "".
 */
void out_fact(FILE *out, const char *what, const char *text);

/*
 * Print {"schema": schema, key: value} and a newline, consuming value (NULL: memory
 * ran out while it was made). 0 or -ENOMEM.
 */
int out_json(FILE *out, const char *schema, const char *key, json_t *value);

/* The same for an object of several keys, which gets the schema as its first. */
int out_json_object(FILE *out, const char *schema, json_t *object);

/* "3 changes undone", or as JSON {"schema": schema, "undone": 3}. 0 or -ENOMEM. */
int out_undone(FILE *out, bool json, const char *schema, unsigned undone);

/* --dry-run: one line per step, or that there is nothing to do. */
void out_plan(FILE *out, const struct step_ops *const *ops, const struct plan *plan);

/* What it would change, step by step; a transient one is put back when all are made. */
json_t *out_steps_json(const struct plan *plan);

/* Text, or null for "". What is no UTF-8 has question marks instead. */
json_t *out_json_text(const char *s);

#endif
