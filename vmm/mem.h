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
	uint8_t *mapping; /* hva is inside, on a huge page's boundary */
	uint64_t mapping_size;
	unsigned node; /* guest NUMA node */
	int fd;	       /* its node's, of a shared backend; else -1; borrowed */
	uint64_t fd_offset;
};

enum mem_kind {
	MEM_ANON,	/* private */
	MEM_MEMFD,	/* shared, 4 KiB pages */
	MEM_MEMFD_THP,	/* shared, in transparent huge pages or not at all */
	MEM_HUGETLB_2M, /* shared memfd on hugetlbfs */
	MEM_HUGETLB_1G,
};

/* What becomes of a page when its host node has none free. */
enum mem_policy {
	MEM_UNBOUND,	/* the kernel's choice from the start */
	MEM_STRICT,	/* an error */
	MEM_PREFERRED,	/* another node's */
	MEM_INTERLEAVE, /* pages go round the host nodes, and then as with MEM_PREFERRED */
};

#define MEM_NODE_WORDS 4  /* 256 host nodes */
#define MEM_CPU_WORDS  16 /* 1024 host CPUs */

/* The RAM of one guest NUMA node. Goes over the wire as it is (vmm/handover.h). */
struct mem_node {
	uint64_t size; /* bytes */
	uint32_t kind; /* enum mem_kind */
	uint32_t policy;
	uint64_t host_nodes[MEM_NODE_WORDS]; /* bit set; empty with MEM_UNBOUND */
	uint64_t host_cpus[MEM_CPU_WORDS];   /* where its pages are populated; empty: anywhere */
	uint32_t threads;		     /* that populate it; 0: one, or whoever calls */
	bool small_pages; /* no transparent huge pages for MEM_ANON */
	bool merge;	  /* KSM may share equal pages */
	bool lock;	  /* never swapped out */
	bool dump;	  /* part of a core dump */
};

struct mem_config {
	unsigned nodes; /* guest NUMA nodes, >= 1 */
	const struct mem_node *node;
	/* Where devices reach: RAM lies in these alone, in order of address. None: anywhere. */
	const struct range *usable;
	unsigned nusable;
	unsigned max_banks; /* mappings that the IOMMU takes; 0: any number */
};

/*
 * Reserve and populate guest RAM: below LAYOUT_LOW_RAM_END, the rest from 4 GiB, around
 * what is not usable. Bound to its host nodes first, populated before anything maps it.
 * -EINVAL (sizes, a host node that is not to be had), -ERANGE (devices do not reach that
 * far), -ENOMEM (says which page size lacks how many pages, and where).
 */
int mem_new(const struct mem_config *config, struct mem **ret, struct err *err);
struct mem *mem_free(struct mem *mem);

uint64_t mem_size(const struct mem *mem);

/* One past the last byte of the RAM that begins at 0 and has no hole. */
uint64_t mem_low_end(const struct mem *mem);

/* One past the last byte of RAM: where 64-bit PCI windows may begin, at the earliest 4 GiB. */
gpa_t mem_end(const struct mem *mem);

unsigned mem_bank_count(const struct mem *mem);

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

/*
 * Give whole pages of small ones (4 KiB) back to the host: they read zero when they are touched
 * next. 0; -EFAULT: not RAM; -EINVAL: not whole pages; what the kernel refuses.
 */
int mem_discard(const struct mem *mem, gpa_t gpa, uint64_t len);

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
