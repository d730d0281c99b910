/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine with SR-IOV PFs, and the kernel behind their sriov_numvfs: VFs and
 * their links come and go as it is written. Uses fake_hostfs().
 */
#ifndef TESTS_FAKE_PF_H
#define TESTS_FAKE_PF_H

#include <stdbool.h>

#define FAKE_PF	     "0000:01:00.0" /* eth0, igb, 7 VFs */
#define FAKE_PF_DIR  "sys/bus/pci/devices/" FAKE_PF
#define FAKE_WRITES_MAX 64

struct fake_pf {
	int root;
	int fail;	   /* errno of the next write above 0, once */
	unsigned at_most;  /* the driver makes no more than these; 0: no limit */
	unsigned total;	   /* sriov_totalvfs */
	bool no_physfn;	   /* the links back never appear */
	bool late;	   /* a write above 0 makes no VF: fake_pf_vf() does, one by one */
	bool hangs;	   /* a write above 0 never ends (in the child that makes it) */
	unsigned die_at;   /* the process ends before its n-th write, from 1; 0: never */
	unsigned nwrites;
	char writes[FAKE_WRITES_MAX][64]; /* "sriov_numvfs=2", in order */
};

/* Make the machine. Free with fake_pf_fini(). */
void fake_pf_init(struct fake_pf *k);
void fake_pf_fini(struct fake_pf *k);

/* 7 when the machine is made. */
void fake_pf_total(struct fake_pf *k, unsigned total);

/* Of a number written with `late`, this one comes to be. */
void fake_pf_vf(struct fake_pf *k, unsigned i);

/* VFs without anybody's write. */
void fake_pf_set(struct fake_pf *k, unsigned n);

#endif
