/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vm run`: in which format the rings of virtio devices are offered (docs/virtio.md). */
#ifndef TOOLS_VM_RINGS_H
#define TOOLS_VM_RINGS_H

#include <stdbool.h>

#include "base/err.h"
#include "tools/vm_mem_opts.h"

struct vm_opts;

/* What is not said. */
#define VM_RINGS_DEFAULT VM_OFF

/* "packed=on|off", of one device. False: it is not that. */
bool vm_rings_word(const char *word, enum vm_switch *ret);

/* --rings packed|split, of all. 0 or -EINVAL with err set. */
int vm_rings_parse(const char *text, enum vm_switch *ret_packed, struct err *err);

/*
 * Of each device what was not said of it. Those that the kernel serves have none, and those of another
 * process only where that was said.
 */
void vm_rings_settle(struct vm_opts *o);

#endif
