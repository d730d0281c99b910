/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this host can post a device's interrupt right into a running vCPU: the
 * processor's part (Intel APICv, AMD AVIC), the IOMMU's, and the kernel's switches.
 * What the kernel then does with each vector (vmx_pi_update_irte(),
 * avic_pi_update_irte()) follows from its message.
 */
#ifndef HOST_POSTING_H
#define HOST_POSTING_H

#include <stdbool.h>

struct posting {
	bool possible;
	char why[96]; /* why not; "" when possible */
};

void posting_read(int root, struct posting *ret);

#endif
