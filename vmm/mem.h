/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM as banks, and who is told of them.
 *
 * mem knows neither KVM's users nor VFIO nor vhost: each of those registers a
 * listener and is told of every bank, those that exist already included.
 */
#ifndef VMM_MEM_H
#define VMM_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/range.h"

struct mem;

struct mem_bank {
	gpa_t gpa;
	uint64_t size; /* bytes, a multiple of the backend's page size */
	uint8_t *hva;
	unsigned node; /* guest NUMA node */
	int fd;	       /* of a shared backend, else -1; borrowed */
	uint64_t fd_offset;
};

enum mem_kind {
	MEM_ANON,	/* private, transparent hugepages */
	MEM_MEMFD,	/* shared, 4 KiB pages */
	MEM_HUGETLB_2M, /* shared memfd on hugetlbfs */
	MEM_HUGETLB_1G,
};

struct mem_config {
	uint64_t size; /* bytes, all nodes together */
	enum mem_kind kind;
	unsigned nodes; /* guest NUMA nodes, >= 1; RAM is split evenly among them */
};

/*
 * Reserve and populate guest RAM: below LAYOUT_LOW_RAM_END, the rest from 4 GiB.
 * Populated before anything maps it. -EINVAL (size), -ENOMEM (says which page
 * size lacks how many pages).
 */
int mem_new(const struct mem_config *config, struct mem **ret, struct err *err);
struct mem *mem_free(struct mem *mem);

uint64_t mem_size(const struct mem *mem);

/* One past the last byte of the RAM that begins at 0: RAM without holes. */
uint64_t mem_low_end(const struct mem *mem);

/* One past the last byte of RAM: where 64-bit PCI windows may begin, at the earliest 4 GiB. */
gpa_t mem_end(const struct mem *mem);

/* Banks in order of gpa; NULL past the last. */
const struct mem_bank *mem_bank(const struct mem *mem, unsigned i);

/*
 * Host address of [gpa, gpa+len), or NULL when any byte of it is not RAM or the
 * span leaves its bank. The guest may change what is there at any time: copy
 * before checking.
 */
uint8_t *gmem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len);

/* Host address of gpa and how many bytes of its bank follow; NULL when gpa is not RAM. */
uint8_t *gmem_span(const struct mem *mem, gpa_t gpa, uint64_t *ret_len);

/* Copies that may span banks. 0, or -EFAULT with nothing copied. */
int gmem_read(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len);
int gmem_write(const struct mem *mem, gpa_t gpa, const void *buf, uint64_t len);

struct mem_listener {
	/* 0, or -errno with err set: the VM does not start. */
	int (*add)(struct mem_listener *l, const struct mem_bank *bank, struct err *err);
	void (*del)(struct mem_listener *l, const struct mem_bank *bank);
	struct mem_listener *next; /* mem's */
};

/* Announces all banks at once; on failure those announced are taken back. Borrowed. */
int mem_listen(struct mem *mem, struct mem_listener *l, struct err *err);
void mem_unlisten(struct mem *mem, struct mem_listener *l);

#endif
