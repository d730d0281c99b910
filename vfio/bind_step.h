/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal's rows about one function's driver. dev is its address.
 *
 *	"override"  driver_override; "" for none
 *	"driver"    the driver it is bound to; "" for none
 *	"owner"     "uid:gid mode" of a VFIO node; key: its path below dev/ ("vfio/12")
 */
#ifndef VFIO_BIND_STEP_H
#define VFIO_BIND_STEP_H

#include "base/bdf.h"
#include "base/journal.h"
#include "vfio/pci_function.h"

extern const struct step_ops override_step_ops;
extern const struct step_ops driver_step_ops;
extern const struct step_ops owner_step_ops;

/*
 * Append what takes a function from whatever driver it has to `driver` ("": to
 * none, with no override): unbind, override, probe. Undone in reverse the steps
 * pass through "no driver, old override" and so give the old driver back. The
 * function need not exist yet. 0 or -ENOMEM.
 */
int bind_step_plan(struct plan *plan, struct bdf bdf, const char *driver);

/* The same in two parts, for what has to be done while it has no driver. */
int bind_step_plan_unbind(struct plan *plan, struct bdf bdf);
int bind_step_plan_probe(struct plan *plan, struct bdf bdf, const char *driver);

/* Append the override alone ("": none). 0 or -ENOMEM. */
int bind_step_plan_override(struct plan *plan, struct bdf bdf, const char *driver);

/*
 * Remember what the function's one interface has from its host, since a driver that comes
 * back makes a new one: its name; its MAC where it is not the one it was made with (a VF
 * whose PF gives it none has another, random one from each driver that binds it); its MTU
 * where it is not Ethernet's own; and that it is up. The rows are those of sriov/interface.h,
 * sriov/address.h and sriov/numvfs.h. 0 or -ENOMEM.
 */
int bind_step_plan_interface(int root, struct plan *plan, const struct pci_function *dev);

/* Append chown and chmod of a node below dev/. 0 or -ENOMEM. */
int bind_step_plan_owner(struct plan *plan, struct bdf bdf, const char *node, unsigned uid,
			 unsigned gid, unsigned mode);

/* That step's value. 0 or -EINVAL. */
int bind_step_parse_owner(const char *value, unsigned *ret_uid, unsigned *ret_gid,
			  unsigned *ret_mode);

/*
 * Here, below root, is a file as soon as a node was given to somebody: only then does
 * udev ask to whom a new one is (udev-rules/70-thruway.rules). It stays until the boot.
 */
#define NODES_GIVEN "run/thruway/nodes-given"
void bind_step_note_given(int root);

#endif
