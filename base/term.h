/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stream can show: nothing but text, or a terminal's colours and so many columns. */
#ifndef BASE_TERM_H
#define BASE_TERM_H

#include <stdbool.h>
#include <stdio.h>

/* Columns of the terminal the stream goes to; 0 when it is none, or does not say. */
unsigned term_columns(FILE *f);

/* A terminal whose cursor moves: not a dumb one. */
bool term_moves(FILE *f);

/* A terminal, which is not dumb, and whose user did not set NO_COLOR. */
bool term_colours(FILE *f);

#endif
