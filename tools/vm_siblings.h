/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads of the same cores as a guest's pinned CPUs: what runs there takes from them. */
#ifndef TOOLS_VM_SIBLINGS_H
#define TOOLS_VM_SIBLINGS_H

struct vm_pin;

/*
 * Warn of pinned CPUs that share a core, and of other threads of their cores: of those that are busy, and
 * of those that are not isolated, where anything may come to run. Looks at them for a fifth of a
 * second if there are any.
 */
void vm_siblings_warn(int root, const struct vm_pin *pin);

/* Between two looks. Tests do something meanwhile. */
extern void (*vm_siblings_pause)(unsigned ms);

#endif
