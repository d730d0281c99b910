/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PFs and their VFs, for people and as JSON (thruway.vf-list/1). */
#ifndef TOOLS_VF_SHOW_H
#define TOOLS_VF_SHOW_H

#include "base/err.h"
#include "sriov/pf.h"
#include "tools/command.h"

/* Print one PF, or with NULL all of them. 0 or -errno with err set. */
int vf_show(struct ctx *ctx, const struct pf *only, struct err *err);

#endif
