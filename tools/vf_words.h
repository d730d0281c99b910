/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operands of `vf create` and `vf set`. */
#ifndef TOOLS_VF_WORDS_H
#define TOOLS_VF_WORDS_H

#include "base/err.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"

struct vf_words {
	struct vf_attrs all;
	struct vf_attrs *each; /* count of them, malloced */
	unsigned count;
	unsigned queues, interrupts; /* 0: not given */
};

void vf_words_fini(struct vf_words *words);

/*
 * "mac 02:… vlan 100 vf2 vlan 200 trust on": what comes behind vfK is of that VF
 * alone. "queues 2 interrupts 1" are of NVMe VFs. ret->count says how many VFs
 * there will be and comes set; vf_words_fini() it also after a failure.
 */
int vf_words_parse(char *const *words, unsigned n, struct vf_words *ret, struct err *err);

/* "3" of `vf create PF 3`. 0 or -EINVAL (usage). */
int vf_words_count(const char *word, unsigned *ret, struct err *err);

/*
 * "eth0/vf3", "0000:01:00.0/vf3" or the address of the VF itself: its PF, and
 * which VF it is.
 */
int vf_words_target(int root, const char *word, struct pf *ret_pf, unsigned *ret_vf,
		    struct err *err);

#endif
