/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the in_use*.c files share: the host read once, and one finder per kind of user. */
#ifndef VFIO_IN_USE_INTERNAL_H
#define VFIO_IN_USE_INTERNAL_H

#include "vfio/in_use.h"

struct libmnt_table;

/* A process with a device node open, as proc/PID/fd names it: without the leading slash. */
struct in_use_open_node {
	int pid;
	bool vm; /* it has a KVM virtual machine, too */
	bool placed; /* bdf is the function whose node it is; otherwise the path has to tell */
	struct bdf bdf;
	char comm[24];
	char path[64]; /* "dev/vfio/12" */
};

struct in_use_host {
	int root;		      /* borrowed */
	struct libmnt_table *mounts;  /* NULL: not readable */
	char *swaps, *routes, *routes6; /* texts of proc/swaps, proc/net/…; never NULL */
	struct in_use_open_node *nodes;
	size_t node_count;
	int inet; /* a socket to ask for addresses by; -1: there is none */
};

/* Say one reason, unless the same reason and words are there already or all is full. */
void in_use_add(struct in_use *u, enum in_use_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same of a process. */
void in_use_add_process(struct in_use *u, const struct in_use_open_node *by);

/* Say everyone who has this node ("dev/nvme0") open. */
void in_use_check_node(const struct in_use_host *host, const char *path, struct in_use *ret);

/* The link of a class device leads through this function's directory. */
bool in_use_below(int root, struct bdf bdf, const char *class_path);

void in_use_find_disks(const struct in_use_host *host, const struct pci_function *dev,
		       struct in_use *ret);
void in_use_find_net(const struct in_use_host *host, const struct pci_function *dev,
		     struct in_use *ret);
void in_use_find_seat(const struct in_use_host *host, const struct pci_function *dev,
		      struct in_use *ret);
void in_use_find_processes(const struct in_use_host *host, const struct pci_function *dev,
			   struct in_use *ret);

/* Fill mounts, unless they are not readable. 0, -ENOMEM or -ELIBACC. */
int in_use_read_mounts(struct in_use_host *host, struct err *err);
void in_use_free_mounts(struct in_use_host *host);
void in_use_find_mounts(const struct in_use_host *host, const char *disk, struct in_use *ret);

/* Fill nodes. 0 or -ENOMEM. */
int in_use_read_nodes(struct in_use_host *host);

#endif
