// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/x86/amx.h"

#include <cpuid.h>

#define LEAF7_EDX_AMX_TILE (1u << 24)

bool x86_amx_on_host(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && edx & LEAF7_EDX_AMX_TILE;
}
