/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * That what a command printed has arrived. A full disk or a closed pipe must not look
 * like success; and when a command that changed the host cannot say so there, it says
 * so on stderr.
 */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* 0, or -errno of the write that failed, err set. */
int report_flush(FILE *out, struct err *err);

/*
 * Print what was done to out, and when that fails to `instead`; then as
 * report_flush(), with a hint that it was done all the same.
 */
int report_done(const char *text, size_t len, FILE *out, FILE *instead, struct err *err);

#endif
