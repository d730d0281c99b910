/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices in words and as JSON, the same for list, show and groups. */
#ifndef TOOLS_DESCRIBE_H
#define TOOLS_DESCRIBE_H

#include <stddef.h>

#include <jansson.h>

#include "vfio/in_use.h"
#include "vfio/names.h"
#include "vfio/topology.h"

/* What describing takes, opened once per command. */
struct describer {
	int root; /* borrowed */
	struct names *names;
	struct in_use_host *host;
	struct topo topo;
};

/* 0, or -errno with err set. describer_fini() after either. */
int describer_init(struct describer *d, int root, struct err *err);
void describer_fini(struct describer *d);

/* "8086:10ca Intel Corporation 82576 Virtual Function". Each returns buf. */
char *describe_name(struct describer *d, const struct pci_function *dev, char *buf, size_t size);

/* "VF 3 of 0000:3b:00.0", "PF, 2 of 7 VFs", "". */
char *describe_relation(const struct pci_function *dev, char *buf, size_t size);

/* "eth0", "(eth0)" while it is bound away, "". */
char *describe_netdev(struct describer *d, const struct pci_function *dev, char *buf, size_t size);

/* "sda1 is mounted on /srv, route"; "busy" while the kernel does not answer for it; "". */
char *describe_users(struct describer *d, const struct pci_function *dev, char *buf, size_t size);

/* The object every document shows a device as. NULL: no memory. */
json_t *describe_json(struct describer *d, const struct pci_function *dev);

#endif
