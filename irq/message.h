/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an MSI message on x86 says (Intel SDM volume 3, "Message Signalled
 * Interrupts"; AMD's is the same): which vector, to whom.
 */
#ifndef IRQ_MESSAGE_H
#define IRQ_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

enum message_delivery {
	MESSAGE_FIXED = 0,
	MESSAGE_LOWEST = 1, /* to the least busy of its targets */
	MESSAGE_SMI = 2,
	MESSAGE_NMI = 4,
	MESSAGE_INIT = 5,
	MESSAGE_EXTINT = 7,
};

struct message {
	uint8_t vector;
	uint8_t dest; /* APIC id, or logical destination */
	bool logical;
	uint8_t delivery; /* enum message_delivery, or a reserved one */
};

/* False: no message at all, the address is not that of the local APICs. */
bool message_decode(uint64_t address, uint32_t data, struct message *ret);

/*
 * The one CPU of ncpus, whose APIC ids are their indices, that it goes to; -1: to
 * several, or to none. Logical destinations are those of the flat model, and of the
 * first cluster of x2APIC, which are the same: one bit for each CPU.
 */
int message_target(const struct message *m, unsigned ncpus);

#endif
