/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The capability chain that VFIO appends to its answers. */
#ifndef VFIO_INFO_CAP_H
#define VFIO_INFO_CAP_H

#include <stddef.h>
#include <stdint.h>

/* A chain longer than this is broken: the kernel knows fewer than ten kinds. */
#define INFO_CAP_MAX 64

/*
 * Find capability id in the answer of size bytes at info, whose chain starts at
 * offset first (0: none). Returns the offset of its header, of which body bytes
 * (header included) lie within the answer; 0 when it is not there; -EPROTO for a
 * chain that leaves the answer or runs in a circle.
 */
int info_cap_find(const void *info, size_t size, uint32_t first, uint16_t id, size_t body);

#endif
