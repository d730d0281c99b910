/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How VFs come and go: the journal rows of a PF.
 *
 *	"autoprobe"  sriov_drivers_autoprobe, "0" or "1"
 *	"numvfs"     sriov_numvfs; a change between two counts above 0 goes through 0
 *	"link"       IFF_UP of the PF's interface (key: its name), or of the one interface of
 *	             any function, whatever it is called (key ""); "up" or "down"
 *
 * The rows never resize a PF whose VFs are in use, whoever asks: restore and
 * recover too.
 */
#ifndef SRIOV_NUMVFS_H
#define SRIOV_NUMVFS_H

#include <stdbool.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/journal.h"

extern const struct step_ops autoprobe_step_ops;
extern const struct step_ops numvfs_step_ops;
extern const struct step_ops link_step_ops;

/*
 * Make the PF have exactly n VFs: through 0 when it has another number, read
 * back, and with the links of all of them in place. Refused while VFs are in
 * use, unless force. 0 or -errno with err set.
 */
int numvfs_set(int root, struct bdf pf, unsigned n, bool force, struct err *err);

/*
 * Wait until virtfn0..n-1 and the physfn links back are there: on some machines
 * they appear long after the write returned. 0 or -ETIMEDOUT with err set.
 */
int numvfs_wait_links(int root, struct bdf pf, unsigned n, unsigned deadline_ms, struct err *err);

/*
 * Wait until udev has done what it has to do, for some seconds at most: a udev that never
 * rests is no reason to fail.
 */
void numvfs_settle_udev(int root);

/*
 * -EBUSY with the users in err when a VF of pf is in use, but for the uses in `forgiven`
 * (bits 1 << enum in_use_reason), which the caller ends before it writes.
 */
int numvfs_check_unused(int root, struct bdf pf, unsigned forgiven, const char *what,
			struct err *err);

#endif
