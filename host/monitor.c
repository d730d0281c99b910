// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/monitor.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/pf.h"
#include "sriov/vf_link.h"
#include "vfio/pci_aer.h"

/* A network interface of a PCI function. */
struct port {
	int index;
	char netdev[PF_NAME_MAX];
	struct bdf bdf;
	const char *link;
	struct vf_attrs *vfs; /* malloced */
	unsigned vf_count;
	bool seen; /* since all were looked at */
};

/* What was counted of a function so far. */
struct counted {
	struct bdf bdf;
	uint64_t totals[3];
};

struct monitor {
	int root; /* borrowed */
	monitor_fn fn;
	void *opaque;
	bool first; /* the first look tells nothing */
	struct port *ports;
	size_t port_count;
	struct counted *counted;
	size_t counted_count;
};

static void tell(struct monitor *m, const struct monitor_event *e)
{
	if (!m->first)
		m->fn(e, m->opaque);
}

/* --- links ------------------------------------------------------------------------------------ */

static const char *link_of(int root, const char *netdev)
{
	uint64_t flags = 0, carrier = 0;

	if (hostfs_read_u64(root, &flags, "sys/class/net/%s/flags", netdev) < 0 ||
	    !(flags & IFF_UP))
		return "down";
	if (hostfs_read_u64(root, &carrier, "sys/class/net/%s/carrier", netdev) < 0 || !carrier)
		return "no carrier";
	return "up";
}

static void compare_link(struct monitor *m, struct port *p)
{
	struct monitor_event e = { .kind = MONITOR_LINK, .bdf = p->bdf };
	const char *now = link_of(m->root, p->netdev);

	if (p->link && now != p->link) {
		snprintf(e.netdev, sizeof(e.netdev), "%s", p->netdev);
		snprintf(e.before, sizeof(e.before), "%s", p->link);
		snprintf(e.after, sizeof(e.after), "%s", now);
		tell(m, &e);
	}
	p->link = now;
}

static void compare_vf(struct monitor *m, const struct port *p, unsigned vf,
		       const struct vf_attrs *now)
{
	struct monitor_event e = { .kind = MONITOR_VF, .bdf = p->bdf, .vf = vf };

	snprintf(e.netdev, sizeof(e.netdev), "%s", p->netdev);
	for (unsigned g = 0; g < VF_GROUP_COUNT; g++) {
		if (vf_group_format(&p->vfs[vf], g, e.before, sizeof(e.before)) < 0 ||
		    vf_group_format(now, g, e.after, sizeof(e.after)) < 0 ||
		    strcmp(e.before, e.after) == 0)
			continue;
		e.key = vf_group_word(g);
		tell(m, &e);
	}
}

/* Of a PF. VFs that have come since are told as functions, and are the first to be known here. */
static void compare_vfs(struct monitor *m, struct port *p)
{
	struct vf_attrs *now;
	struct pf pf;
	int n = 0;

	if (!hostfs_exists(m->root, "sys/bus/pci/devices/%s/sriov_numvfs", BDF_STR(p->bdf)) ||
	    pf_read(m->root, p->bdf, &pf, NULL) < 0)
		return;
	now = calloc(pf.numvfs + 1, sizeof(*now));
	if (now && pf.numvfs)
		n = vf_link_read(m->root, &pf, now, pf.numvfs);
	if (n < 0 || !now) {
		free(now);
		return;
	}
	n = (unsigned)n < pf.numvfs ? n : (int)pf.numvfs;
	for (unsigned i = 0; i < (unsigned)n && i < p->vf_count; i++)
		compare_vf(m, p, i, &now[i]);
	free(p->vfs);
	p->vfs = now;
	p->vf_count = (unsigned)n;
}

static struct port *find_port(struct monitor *m, int index)
{
	for (size_t i = 0; i < m->port_count; i++) {
		if (m->ports[i].index == index)
			return &m->ports[i];
	}
	return NULL;
}

static struct port *add_port(struct monitor *m, int index)
{
	struct port *bigger = realloc(m->ports, (m->port_count + 1) * sizeof(*bigger));

	if (!bigger)
		return NULL;
	m->ports = bigger;
	bigger[m->port_count] = (struct port){ .index = index };
	return &bigger[m->port_count++];
}

static void forget_port(struct monitor *m, struct port *p)
{
	free(p->vfs);
	*p = m->ports[--m->port_count];
}

static void look_at_port(struct monitor *m, int index, const char *netdev)
{
	struct port *p = find_port(m, index);
	char device[BDF_STRLEN];
	struct bdf bdf;

	if (hostfs_link_name(m->root, device, sizeof(device), "sys/class/net/%s/device", netdev) < 0 ||
	    bdf_parse(device, &bdf) < 0)
		return;
	if (!p)
		p = add_port(m, index);
	if (!p)
		return;
	p->bdf = bdf;
	p->seen = true;
	snprintf(p->netdev, sizeof(p->netdev), "%s", netdev); /* it may have another by now */
	compare_link(m, p);
	compare_vfs(m, p);
}

static int look_at_netdev(const char *name, void *opaque)
{
	struct monitor *m = opaque;
	uint64_t index;

	if (strlen(name) < PF_NAME_MAX &&
	    hostfs_read_u64(m->root, &index, "sys/class/net/%s/ifindex", name) == 0)
		look_at_port(m, (int)index, name);
	return 0;
}

static void look_at_ports(struct monitor *m)
{
	for (size_t i = 0; i < m->port_count; i++)
		m->ports[i].seen = false;
	(void)hostfs_list(m->root, look_at_netdev, m, "sys/class/net");
	for (size_t i = m->port_count; i-- > 0;) {
		if (!m->ports[i].seen)
			forget_port(m, &m->ports[i]);
	}
}

/* --- errors ----------------------------------------------------------------------------------- */

static struct counted *counted_of(struct monitor *m, struct bdf bdf)
{
	struct counted *bigger;

	for (size_t i = 0; i < m->counted_count; i++) {
		if (bdf_eq(m->counted[i].bdf, bdf))
			return &m->counted[i];
	}
	bigger = realloc(m->counted, (m->counted_count + 1) * sizeof(*bigger));
	if (!bigger)
		return NULL;
	m->counted = bigger;
	bigger[m->counted_count] = (struct counted){ .bdf = bdf };
	return &bigger[m->counted_count++];
}

static int look_at_errors(const char *name, void *opaque)
{
	static const char *const keys[] = { "correctable", "nonfatal", "fatal" };
	struct monitor *m = opaque;
	const struct pci_aer_count *now[3];
	struct counted *c;
	struct pci_aer aer;
	struct bdf bdf;

	if (bdf_parse(name, &bdf) < 0)
		return 0;
	pci_aer_read(m->root, bdf, &aer);
	c = aer.there ? counted_of(m, bdf) : NULL;
	if (!c)
		return 0;
	now[0] = &aer.correctable;
	now[1] = &aer.nonfatal;
	now[2] = &aer.fatal;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct monitor_event e = { .kind = MONITOR_ERRORS, .bdf = bdf, .key = keys[i] };

		/* Fewer than before: another device is there, and has its own. */
		if (now[i]->total < c->totals[i])
			c->totals[i] = 0;
		e.count = now[i]->total - c->totals[i];
		snprintf(e.after, sizeof(e.after), "%s", now[i]->kinds);
		c->totals[i] = now[i]->total;
		if (e.count)
			tell(m, &e);
	}
	return 0;
}

/* --- uevents ---------------------------------------------------------------------------------- */

void monitor_hotplug(struct monitor *m, const struct hotplug_event *h)
{
	static const struct {
		const char *action;
		enum monitor_kind kind;
	} kinds[] = { { "add", MONITOR_ADDED },
		      { "remove", MONITOR_REMOVED },
		      { "bind", MONITOR_BOUND },
		      { "unbind", MONITOR_UNBOUND } };
	struct monitor_event e = { .bdf = h->bdf };

	if (h->error[0]) {
		e.kind = MONITOR_RECOVERY;
		snprintf(e.after, sizeof(e.after), "%s",
			 strcmp(h->error, "BEGIN_RECOVERY") == 0      ? "begins" :
			 strcmp(h->error, "SUCCESSFUL_RECOVERY") == 0 ? "succeeded" :
									"failed");
		tell(m, &e);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].action, h->action) != 0)
			continue;
		e.kind = kinds[i].kind;
		if (e.kind == MONITOR_BOUND)
			snprintf(e.after, sizeof(e.after), "%s", h->driver);
		tell(m, &e);
	}
}

void monitor_link(struct monitor *m, const struct link_change *c)
{
	struct port *p = find_port(m, c->index);

	if (!c->gone)
		look_at_port(m, c->index, c->name);
	else if (p)
		forget_port(m, p);
}

void monitor_look(struct monitor *m)
{
	look_at_ports(m);
	(void)hostfs_list(m->root, look_at_errors, m, "sys/bus/pci/devices");
}

void monitor_lost(struct monitor *m)
{
	const struct monitor_event e = { .kind = MONITOR_LOST };

	tell(m, &e);
	monitor_look(m);
}

struct monitor *monitor_new(int root, monitor_fn fn, void *opaque)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	*m = (struct monitor){ .root = root, .fn = fn, .opaque = opaque, .first = true };
	monitor_look(m);
	m->first = false;
	return m;
}

void monitor_free(struct monitor *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->port_count; i++)
		free(m->ports[i].vfs);
	free(m->ports);
	free(m->counted);
	free(m);
}
