// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "host/udev_rules.h"
#include "sriov/devlink.h"
#include "sriov/vf_link.h"
#include "sriov/vf_users.h"
#include "vfio/bind.h"
#include "vfio/busy.h"

void spec_facts_fini(struct spec_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->devs[i].sriov)
			free(facts->devs[i].sriov->attrs);
		free(facts->devs[i].sriov);
	}
	free(facts->devs);
	in_use_close(facts->host);
	topo_fini(&facts->topo);
	*facts = (struct spec_facts)SPEC_FACTS_INIT;
}

static int read_attrs(int root, struct spec_pf_fact *s)
{
	int r;

	if (!s->pf.numvfs || s->pf.netdevs != 1)
		return 0;
	s->attrs = calloc(s->pf.numvfs, sizeof(*s->attrs));
	if (!s->attrs)
		return -ENOMEM;
	r = vf_link_read(root, &s->pf, s->attrs, s->pf.numvfs);
	if (r >= 0)
		return 0;
	free(s->attrs); /* none can be reached: what wants one will say so */
	s->attrs = NULL;
	return 0;
}

/* 1: it was plugged out since topo_scan() saw it. */
static int read_sriov(int root, struct spec_fact *f, struct err *err)
{
	struct spec_pf_fact *s = calloc(1, sizeof(*s));
	struct err own = ERR_INIT;
	enum devlink_eswitch mode;
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "cannot look at %s", BDF_STR(f->dev->bdf));
	f->sriov = s;
	r = pf_read(root, f->dev->bdf, &s->pf, &own);
	if (r < 0 && !hostfs_exists(root, "sys/bus/pci/devices/%s", BDF_STR(f->dev->bdf)))
		return 1;
	if (r == 0 && s->pf.busy) {
		f->busy = true; /* since topo_scan() was here */
		f->sriov = NULL;
		free(s);
		return 0;
	}
	if (r == 0)
		r = read_attrs(root, s);
	if (r < 0)
		return err_set(err, r, "cannot look at %s", BDF_STR(f->dev->bdf));
	s->eswitch = "";
	if (s->pf.class >> 16 == 0x02 && devlink_eswitch_get("pci", BDF_STR(s->pf.bdf), &mode) == 0)
		s->eswitch = devlink_eswitch_word(mode);
	if (s->pf.numvfs)
		s->used = vf_users(root, f->dev->bdf, s->users, sizeof(s->users));
	return 0;
}

/* Another card has come to the place of the one that the journal speaks of. */
static bool is_another(int root, const struct spec_fact *f)
{
	char then[PCI_IDENTITY_MAX];

	return f->identity[0] &&
	       journal_identity(root, BDF_STR(f->dev->bdf), then, sizeof(then)) == 0 &&
	       strcmp(then, f->identity) != 0;
}

/* Of one that has no interface: what it was called, and had, when thruway bound it away. */
static void recall_names(int root, const char *rules, struct spec_fact *f)
{
	const char *bdf = BDF_STR(f->dev->bdf);

	if (journal_note(root, bdf, BIND_NOTE_NETDEV, f->netdev, sizeof(f->netdev)) < 0 ||
	    is_another(root, f))
		f->netdev[0] = '\0';
	else if (journal_note(root, bdf, BIND_NOTE_MAC, f->mac, sizeof(f->mac)) < 0)
		f->mac[0] = '\0';
	/* After a boot the journal knows nothing: udev bound it before it had an interface. */
	if (rules)
		udev_rules_recall(rules, f);
}

static void read_names(int root, const char *rules, struct spec_fact *f)
{
	uint8_t mac[6];

	if (!f->dev->netdev_count)
		return recall_names(root, rules, f);
	snprintf(f->netdev, sizeof(f->netdev), "%s", f->dev->netdevs[0]);
	if (!f->busy && vf_link_permanent_mac(root, f->netdev, mac) == 0)
		vf_mac_str(mac, f->mac);
}

static int read_device(struct spec_facts *facts, const char *rules,
		       const struct pci_function *dev, struct err *err)
{
	struct spec_fact *f = &facts->devs[facts->count++];
	int r;

	*f = (struct spec_fact){ .dev = dev, .busy = dev->busy, .is_pf = dev->total_vfs > 0 };
	if (!f->busy &&
	    pci_path_identity(facts->root, dev->bdf, f->identity, sizeof(f->identity)) < 0)
		f->identity[0] = '\0';
	read_names(facts->root, rules, f);
	if (f->busy) /* what reads it may never come back; who wants it changed is told so */
		return 0;
	r = f->is_pf ? read_sriov(facts->root, f, err) : 0;
	if (r > 0) {
		free(f->sriov);
		facts->count--;
	}
	return r < 0 ? r : 0;
}

const char *spec_fact_busy(const struct spec_facts *facts, const struct spec_fact *fact,
			   char buf[SPEC_BUSY_MAX])
{
	char who[BUSY_TEXT_MAX], todo[BUSY_TEXT_MAX];

	busy_explain(facts->root, fact->dev->bdf, who, todo);
	snprintf(buf, SPEC_BUSY_MAX, "%s; %s", who, todo);
	return buf;
}

/* A slot's address is that of the device in it, without function: "0000:01:00". */
static int note_slot(const char *name, void *opaque)
{
	struct spec_facts *facts = opaque;
	char address[32];

	if (strlen(name) >= SPEC_SLOT_MAX ||
	    hostfs_read(facts->root, address, sizeof(address), "sys/bus/pci/slots/%s/address",
			name) <= 0)
		return 0;
	for (size_t i = 0; i < facts->count; i++) {
		const char *bdf = BDF_STR(facts->devs[i].dev->bdf);

		if (strncmp(bdf, address, strlen(address)) == 0 && bdf[strlen(address)] == '.')
			strcpy(facts->devs[i].slot, name);
	}
	return 0;
}

int spec_facts_read(int root, struct spec_facts *ret, struct err *err)
{
	_cleanup_free_ char *rules = NULL;
	int r;

	ret->root = root;
	(void)udev_rules_read(root, &rules); /* that it cannot be is said where it is written */
	r = in_use_open(root, &ret->host, err);
	if (r == 0)
		r = topo_scan(root, &ret->topo, err);
	if (r < 0)
		return r;
	ret->devs = calloc(ret->topo.count + 1, sizeof(*ret->devs));
	if (!ret->devs)
		return err_set(err, -ENOMEM, "cannot look at this host");
	for (size_t i = 0; r == 0 && i < ret->topo.count; i++) {
		const struct pci_function *dev = &ret->topo.devs[i];

		if (pci_function_is_endpoint(dev) && !dev->is_vf)
			r = read_device(ret, rules, dev, err);
	}
	if (r == 0)
		(void)hostfs_list(root, note_slot, ret, "sys/bus/pci/slots");
	return r;
}
