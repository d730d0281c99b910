// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_mac.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

void vf_mac_stable(const char *seed, unsigned vf, uint8_t ret[6])
{
	uint8_t digest[SHA256_SIZE];
	char text[128];

	snprintf(text, sizeof(text), "thruway-vf-mac-1 %.64s %u", seed, vf);
	sha256(text, strlen(text), digest);
	memcpy(ret, digest, 6);
	ret[0] = (uint8_t)((ret[0] & ~1) | 2);
}
