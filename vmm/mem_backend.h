/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where guest RAM comes from: kinds of pages, and having all of them before the guest starts. */
#ifndef VMM_MEM_BACKEND_H
#define VMM_MEM_BACKEND_H

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
 * Map bank->size bytes (of bank->fd, if there is one), aligned so that guest and host
 * addresses share huge pages, bound to the node's host nodes and with its advice given.
 * Huge pages are reserved here, no page is touched. Sets bank->hva and ->mapping.
 * -errno with err set, and what is mapped is for mem_backend_unmap() all the same.
 */
int mem_backend_map(const struct mem_node *node, struct mem_bank *bank, struct err *err);

/*
 * Have every page of the banks, and lock those that are to be. Nodes one after the other
 * in the array, which has MEM_MAX_BANKS at most. -ENOMEM says which pages are missing where.
 */
int mem_backend_fill(const struct mem_node *nodes, const struct mem_bank *banks, unsigned count,
		     struct err *err);

/* NULL is fine for bank->mapping. */
void mem_backend_unmap(const struct mem_bank *bank);

/* See mem_discard(); inside the bank. */
int mem_backend_discard(const struct mem_bank *bank, uint64_t off, uint64_t len);

#endif
