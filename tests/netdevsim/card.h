/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated card that tests/lab/full/netdevsim puts among the PCI devices of its mount
 * namespace: netdevsim's own sriov_numvfs and interfaces under the address of a PF.
 */
#ifndef TESTS_NETDEVSIM_CARD_H
#define TESTS_NETDEVSIM_CARD_H

#include "sriov/pf.h"
#include "sriov/vf_attr.h"

#define CARD	   "0000:f0:00.0"
#define CARD_NAME  "netdevsim7" /* on the bus "netdevsim" */
#define CARD_SYSFS "sys/bus/netdevsim/devices/" CARD_NAME

struct card {
	int root; /* "/" */
	struct pf pf;
};

/* cmocka's setup of a group: *state is the card; without one the tests skip. */
int card_open(void **state);
int card_close(void **state);

/* The card with n VFs, all as new and in legacy mode. Skips where there is no card. */
struct card *card_with_vfs(void **state, unsigned n);

/* pf anew. */
void card_look(struct card *card);

/* Its n VFs' attributes; fails the test unless the kernel lists n. The caller frees them. */
struct vf_attrs *card_attrs(const struct card *card, unsigned n);

/* "mac 02:00:00:00:00:01 vlan 100 …" taken apart, for one VF or the expectation of it. */
struct vf_attrs card_words(const char *words);

#endif
