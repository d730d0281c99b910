/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MACs that a VF keeps over reboots though nobody wrote them down. */
#ifndef SRIOV_VF_MAC_H
#define SRIOV_VF_MAC_H

#include <stdint.h>

/*
 * The MAC of VF number `vf` of the PF that `seed` tells from all others (its permanent
 * MAC, "52:54:00:00:00:01"): the first six bytes of the SHA-256 of
 *
 *	thruway-vf-mac-1 SEED VF
 *
 * (one blank between the words, no newline, VF in decimal), made a locally administered
 * unicast address: bit 1 of the first byte set, bit 0 clear. This never changes, or
 * guests would get other addresses.
 */
void vf_mac_stable(const char *seed, unsigned vf, uint8_t ret[6]);

#endif
