/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The address of a PCI function: domain, bus, device, function. */
#ifndef BASE_BDF_H
#define BASE_BDF_H

#include <stdbool.h>
#include <stdint.h>

struct bdf {
	uint32_t domain; /* 16 bits on most machines; VMD domains start at 0x10000 */
	uint8_t bus;
	uint8_t dev; /* 0..31 */
	uint8_t fn;  /* 0..7 */
};

#define BDF_STRLEN 20 /* "ffffffff:ff:1f.7" and NUL, with room */

/*
 * Parse "0000:3b:02.1" or "3b:02.1" (domain 0), nothing before or after.
 * 0, or -EINVAL with *ret untouched.
 */
int bdf_parse(const char *s, struct bdf *ret);

/* Write the full form into buf (BDF_STRLEN bytes) and return buf. */
char *bdf_str(struct bdf bdf, char *buf);

/* The full form in a compound literal that lives until the block ends. */
#define BDF_STR(b) bdf_str((b), (char[BDF_STRLEN]){ 0 })

/* <0, 0, >0 in the order domain, bus, device, function. */
int bdf_cmp(struct bdf a, struct bdf b);

/* Bus, device and function as one number: PCIe 2.2.6.2. */
static inline unsigned bdf_routing_id(struct bdf bdf)
{
	return (unsigned)bdf.bus << 8 | (unsigned)bdf.dev << 3 | bdf.fn;
}

/*
 * The function whose routing id is `distance` above. 0, or -ERANGE past the last bus of the domain, *ret untouched.
 */
int bdf_add(struct bdf bdf, unsigned long distance, struct bdf *ret);

static inline bool bdf_eq(struct bdf a, struct bdf b)
{
	return bdf_cmp(a, b) == 0;
}

#endif
