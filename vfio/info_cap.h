/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VFIO's answers of variable length: a fixed part and a chain of capabilities behind it. */
#ifndef VFIO_INFO_CAP_H
#define VFIO_INFO_CAP_H

#include <stddef.h>
#include <stdint.h>

/* A chain longer than this is broken: the kernel knows fewer than ten kinds. */
#define INFO_CAP_MAX 64

/*
 * Ask, with the first fixed bytes of the answer's struct (argsz is set here), for an
 * answer with all its capabilities. One call where 512 bytes hold it, else two. The
 * answer is the caller's to free; its argsz is at least fixed and within its memory.
 * 0, -ENOMEM, -EPROTO for an argsz that cannot be, or the ioctl's -errno.
 */
int info_get(int fd, unsigned long request, const void *ask, size_t fixed, void **ret);

/*
 * Find capability id in the answer of size bytes at info, whose chain starts at
 * offset first (0: none). Returns the offset of its header, of which body bytes
 * (header included) lie within the answer; 0 when it is not there; -EPROTO for a
 * chain that leaves the answer or runs in a circle.
 */
int info_cap_find(const void *info, size_t size, uint32_t first, uint16_t id, size_t body);

#endif
