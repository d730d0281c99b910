/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a spec is compared with: this host at one moment. */
#ifndef HOST_SPEC_FACTS_H
#define HOST_SPEC_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "sriov/pf.h"
#include "sriov/vf_attr.h"
#include "vfio/in_use.h"
#include "vfio/pci_path.h"
#include "vfio/topology.h"

#define SPEC_USERS_MAX 400
#define SPEC_SLOT_MAX  64

struct spec_pf_fact {
	struct pf pf;
	const char *eswitch; /* "legacy", "switchdev"; "": it has no such modes */
	struct vf_attrs *attrs; /* of pf.numvfs VFs, malloced; NULL: they have none */
	int used;		/* VFs in use; negative: that cannot be told */
	char users[SPEC_USERS_MAX];
};

/* An endpoint that is no VF. */
struct spec_fact {
	const struct pci_function *dev;  /* of topo */
	char identity[PCI_IDENTITY_MAX]; /* "": it does not answer */
	/* Of its interface, and also while it is bound away: "", or the permanent MAC, and the name. */
	char mac[18];
	char netdev[PF_NAME_MAX];
	char slot[SPEC_SLOT_MAX];
	bool busy; /* the kernel does not give its lock: what takes that is not known */
	bool is_pf;
	struct spec_pf_fact *sriov; /* malloced; NULL: no PF, or busy */
};

struct spec_facts {
	int root; /* borrowed */
	struct topo topo;
	struct in_use_host *host;
	struct spec_fact *devs;
	size_t count;
};

#define SPEC_FACTS_INIT { .root = -1 }

/* spec_facts_fini() frees *ret, also after a failure. 0 or -errno, err set. */
int spec_facts_read(int root, struct spec_facts *ret, struct err *err);
void spec_facts_fini(struct spec_facts *facts);

/* Of a busy one, in words: who is at work on it, and what to do. */
#define SPEC_BUSY_MAX 680
const char *spec_fact_busy(const struct spec_facts *facts, const struct spec_fact *fact,
			   char buf[SPEC_BUSY_MAX]);

#endif
