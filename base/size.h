/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and sizes as users write them. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdint.h>

#define KiB (1ull << 10)
#define MiB (1ull << 20)
#define GiB (1ull << 30)

/*
 * "512M", "2G", "64K": binary multiples; a bare number is MiB. Nothing else may
 * follow. 0, -EINVAL (not a size) or -ERANGE (does not fit in 64 bits).
 */
int size_parse(const char *s, uint64_t *ret_bytes);

/* A decimal number <= max with nothing around it. 0, -EINVAL or -ERANGE. */
int uint_parse(const char *s, uint64_t max, uint64_t *ret);

/* "256 MiB", "1 GiB", "4 KiB", "12 bytes"; buf takes 32 bytes. Returns buf. */
char *size_str(uint64_t bytes, char *buf);
#define SIZE_STR(n) size_str((n), (char[32]){ 0 })

#endif
