/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where guest RAM comes from: kinds of pages, and having all of them before the guest starts. */
#ifndef VMM_MEM_BACKEND_H
#define VMM_MEM_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/mem.h"

/* What a bank's address and size are multiples of; 0 for a kind there is not. */
uint64_t mem_backend_page(enum mem_kind kind);

/*
 * A shared backend's descriptor of size bytes in *ret_fd, -1 for anonymous
 * memory. The caller closes it. -errno with err set.
 */
int mem_backend_open(enum mem_kind kind, uint64_t size, int *ret_fd, struct err *err);

/*
 * Map size bytes (of fd from offset, if there is one) and populate every page,
 * aligned so that guest and host addresses share huge pages. -ENOMEM says which
 * pages, and how many, are missing.
 */
int mem_backend_map(enum mem_kind kind, int fd, uint64_t offset, uint64_t size, uint8_t **ret,
		    struct err *err);
void mem_backend_unmap(uint8_t *hva, uint64_t size);

#endif
