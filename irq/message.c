// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/message.h"

#define LOCAL_APICS  0xfee
#define LOGICAL_MODE (1u << 2)
#define BROADCAST    0xff

bool message_decode(uint64_t address, uint32_t data, struct message *ret)
{
	if (address >> 20 != LOCAL_APICS)
		return false;
	*ret = (struct message){
		.vector = (uint8_t)data,
		.dest = (uint8_t)(address >> 12),
		.logical = address & LOGICAL_MODE,
		.delivery = data >> 8 & 7,
	};
	return true;
}

int message_target(const struct message *m, unsigned ncpus)
{
	int cpu;

	if (!m->logical)
		return m->dest == BROADCAST || m->dest >= ncpus ? -1 : m->dest;
	if (!m->dest || m->dest & (m->dest - 1))
		return -1;
	cpu = __builtin_ctz(m->dest);
	return (unsigned)cpu < ncpus ? cpu : -1;
}
