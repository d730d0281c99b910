/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a PF's VFs away, and everything the journal knows about them. */
#ifndef SRIOV_VF_DESTROY_H
#define SRIOV_VF_DESTROY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/journal.h"
#include "sriov/pf.h"

struct vf_destroy {
	const struct pf *pf;
	bool force; /* even when VFs are in use */
	const char *command; /* for the journal's messages */
	unsigned lock_timeout_s;
};

/* Whether vf_destroy() would be refused, and why. 0 or -errno with err set. */
int vf_destroy_check(int root, const struct vf_destroy *req, struct err *err);

/*
 * Refused with the users named while a VF is in use. VFs of an NVMe PF go offline
 * and give their queues back first; if the number cannot be set to 0 they come
 * online again. Nothing of it can be restored afterwards.
 */
int vf_destroy(int root, const struct step_ops *const *ops, const struct vf_destroy *req,
	       struct err *err);

/* Strike what the journal knows of pf's VFs, which are gone. 0 or -errno with err set. */
int vf_destroy_forget(int root, const struct pf *pf, unsigned lock_timeout_s, struct err *err);

/* A step about pf's VFs, or about their number: what a destruction makes meaningless. */
bool vf_destroy_forgets(const struct pf *pf, const struct step *step);

#endif
