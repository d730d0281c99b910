/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI Express slots that are empty when the guest starts, for devices that come later. */
#ifndef VMM_PCI_SPARE_H
#define VMM_PCI_SPARE_H

#include <stdint.h>

/* As many as there are 32-bit windows for, with room left for devices. */
#define SPARE_SLOTS_MAX 16

struct spare_slot {
	uint32_t node; /* of the guest */
	uint64_t pref; /* bytes of its 64-bit prefetchable window; 0: what there is room for */
};

#endif
