/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `vm run` opens for the guest before there is a VMM: files, KVM, VFIO. */
#ifndef TOOLS_VM_OPEN_H
#define TOOLS_VM_OPEN_H

#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "vmm/handover.h"

/* A config that owns no descriptor yet. */
void vm_config_init(struct vmm_config *config);

/* Close every descriptor the config holds (once they were handed over, or on failure). */
void vm_config_close(struct vmm_config *config);

/* A regular, non-empty, readable file that RAM could hold, named by option in messages ("--kernel"). */
int vm_open_file(const char *option, const char *path, int *ret_fd, struct err *err);

/* dev/kvm. -ENOENT: KVM is not loaded; -EACCES: not permitted. */
int vm_open_kvm(int root, int *ret_fd, struct err *err);

struct pci_function;
struct vm_opt_device;
struct vmm_device;

/* It is there, in a group, and bound to a VFIO driver: driver and group in *ret. Else err says. */
int vm_check_bound(int root, struct bdf bdf, struct pci_function *ret, struct err *err);
/* The same for `vm run`, which has --bind, and says so. */
int vm_check_bound_for_run(int root, struct bdf bdf, struct pci_function *ret, struct err *err);

/*
 * What the guest is to find as the function's ROM, into d: its own, none, or a file's; also whether it
 * is a VF. Looks at no binding, so that what is wrong is said before there is one.
 */
int vm_open_rom(int root, struct bdf bdf, const struct vm_opt_device *opts, struct vmm_device *d,
		struct err *err);

/*
 * Open the group of the function (and the container with the first of them) and
 * add both to config, with what opts say of it. vm_open_rom() came first for the same place in
 * config->devices. The function must be bound to a VFIO driver;
 * its guest node is the one of vm_nodes_for_device(), unless opts name one.
 */
int vm_open_device(int root, struct bdf bdf, const struct vm_opt_device *opts,
		   struct vmm_config *config, struct err *err);

#endif
