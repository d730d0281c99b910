/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `--nic vf=VF,standby=DEVICE[,WORD=VALUE]…`: a VF, and the virtio device that stands by for it. */
#ifndef TOOLS_FAILOVER_OPTS_H
#define TOOLS_FAILOVER_OPTS_H

#include <stdbool.h>

#include "tools/vm_nic.h"

/* One of the two words is there. */
bool failover_opts_are(const char *text);

/*
 * The standby's part is vm_nic_parse()'s, as are the words that follow. 0 or -EINVAL with
 * err set.
 */
int failover_opts_parse(const char *text, struct vm_opt_nic *ret, struct err *err);

#endif
