/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal row "address": the MAC that the one network interface of a function has
 * now. The MAC its PF keeps for it is another thing (sriov/vf_set.h).
 */
#ifndef SRIOV_ADDRESS_H
#define SRIOV_ADDRESS_H

#include "base/journal.h"

extern const struct step_ops address_step_ops;

#endif
