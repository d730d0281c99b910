/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fields that a guest, or another process, reads and writes at the same time: little-endian, on an address
 * that their size divides, and each in one access, which no copying function promises. What is loaded is
 * loaded before all that follows in the program, what is stored is stored behind all that precedes it.
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <endian.h>
#include <stdint.h>

static inline uint16_t shared_get16(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static inline uint32_t shared_get32(const uint8_t *at)
{
	return le32toh(__atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static inline void shared_put16(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_RELEASE);
}

static inline void shared_put32(uint8_t *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)at, htole32(value), __ATOMIC_RELEASE);
}

/* What was stored is seen by others before anything that follows is loaded. */
static inline void shared_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
