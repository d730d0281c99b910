/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a host differs from its spec, for people and as JSON (thruway.host-diff/1). */
#ifndef TOOLS_HOST_SHOW_H
#define TOOLS_HOST_SHOW_H

#include "host/spec_apply.h"
#include "tools/command.h"

/* Steps and what is left on ctx->out, what is only worth saying as warnings. */
int host_show_diff(struct ctx *ctx, const struct host_spec *hs, struct err *err);

/* With --json: the same document, of a change that was made. 0 or -ENOMEM, err set. */
int host_show_applied(struct ctx *ctx, const struct host_spec *hs, struct err *err);

/* What udev's file would say, behind bars, if that changes. */
void host_show_rules(struct ctx *ctx, const struct host_spec *hs);

/* Both as warnings on stderr. */
void host_show_remarks(const struct host_spec *hs);

/* The first thing that has to stay as it is, and why; "" for none. Returns buf. */
char *host_show_left(const struct host_spec *hs, char *buf, size_t size);

#endif
