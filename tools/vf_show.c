// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vf_show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_attr.h"
#include "sriov/vf_link.h"
#include "tools/out.h"
#include "vfio/busy.h"
#include "vfio/lease.h"
#include "vfio/pci_function.h"

/* One VF as far as it can be known. */
struct vf_row {
	struct pci_function dev;
	bool there; /* dev is valid */
	bool leased;
	struct lease lease; /* when it is */
	struct vf_attrs attrs;
	struct nvme_secondary nvme;
	int nvme_read; /* 0: nvme is valid; -EACCES: it takes root */
};

/* *ret_listed as vf_link_read() returns it: how many of them have attributes. */
static struct vf_row *read_rows(int root, const struct pf *pf, int *ret_listed)
{
	struct vf_row *rows = calloc(pf->numvfs + 1, sizeof(*rows));
	_cleanup_free_ struct vf_attrs *attrs = calloc(pf->numvfs + 1, sizeof(*attrs));
	_cleanup_free_ struct nvme_secondary *nvme = calloc(pf->numvfs + 1, sizeof(*nvme));
	int nvme_read = -EOPNOTSUPP;

	if (!rows || !attrs || !nvme) {
		free(rows);
		return NULL;
	}
	/* Its driver would have to tell: it may hold locks, too. */
	*ret_listed = pf->busy ? -EBUSY : vf_link_read(root, pf, attrs, pf->numvfs);
	if (!pf->busy && pf->nvme[0])
		nvme_read = nvme_vfs_read(root, pf, nvme, pf->numvfs);
	for (unsigned i = 0; i < pf->numvfs; i++) {
		struct bdf bdf;

		rows[i].there = pf_vf_here(root, pf, i, &bdf) == 0 &&
				pci_function_read_unlocked(root, bdf, &rows[i].dev) == 0;
		rows[i].leased = rows[i].there && lease_read(root, bdf, &rows[i].lease) == 0;
		rows[i].attrs = attrs[i];
		rows[i].nvme = nvme[i];
		rows[i].nvme_read = nvme_read;
	}
	return rows;
}

/* --- for people ------------------------------------------------------------------------------ */

static const char *const titles[] = { "PF",    "VF",    "DEVICE",     "DRIVER",
				      "GROUP", "LEASE", "ATTRIBUTES", NULL };

/* As ip-link(8) does it: what is 0 because nobody set it is left out. */
static bool worth_saying(const struct vf_attrs *a, enum vf_attr attr)
{
	switch (attr) {
	case VF_VLAN: return a->vlan;
	case VF_QOS: return a->qos;
	case VF_PROTO: return a->proto != VF_PROTO_8021Q;
	case VF_MIN_TX_RATE: return a->min_tx_rate;
	case VF_MAX_TX_RATE: return a->max_tx_rate;
	default: return true;
	}
}

/* "mac 02:… spoofchk on, no query_rss". */
static void network_text(const struct vf_attrs *a, char *buf, size_t size)
{
	char value[32];
	size_t len = 0;

	for (unsigned i = 0; i < VF_ATTR_COUNT && len < size; i++) {
		if (VF_HAS(a, i) && worth_saying(a, i))
			len += (size_t)snprintf(buf + len, size - len, "%s%s %s", len ? " " : "",
						vf_attr_word(i),
						vf_attr_format(a, i, value, sizeof(value)));
	}
	for (unsigned i = 0; i < VF_ATTR_COUNT && len < size; i++) {
		if (!VF_HAS(a, i) && !vf_attr_is_guid(i))
			len += (size_t)snprintf(buf + len, size - len, ", no %s", vf_attr_word(i));
	}
}

static void attributes_text(const struct vf_row *row, char *buf, size_t size)
{
	buf[0] = '\0';
	if (row->nvme_read == -EACCES)
		snprintf(buf, size, "(needs root)");
	else if (row->nvme_read == 0)
		snprintf(buf, size, "%s queues %u interrupts %u",
			 row->nvme.online ? "online" : "offline", row->nvme.count[NVME_QUEUES],
			 row->nvme.count[NVME_INTERRUPTS]);
	else if (row->attrs.have)
		network_text(&row->attrs, buf, size);
}

static int add_pf(struct table *t, const struct pf *pf)
{
	char text[96];
	const char *cells[] = { BDF_STR(pf->bdf), "", pf->netdev[0] ? pf->netdev : pf->nvme,
				pf->driver, "", "", text };

	snprintf(text, sizeof(text), "%u of %u VFs%s%s%s", pf->numvfs, pf->totalvfs,
		 pf->netdevs == 1 ? (pf->up ? ", up" : ", down") : "",
		 pf->autoprobe ? "" : ", drivers are not offered new VFs", pf->busy ? ", busy" : "");
	return table_row(t, cells);
}

static int add_vf(struct table *t, const struct pf *pf, unsigned i, const struct vf_row *row)
{
	char vf[16], text[400], group[16] = "", lease[64] = "";
	const char *cells[] = { BDF_STR(pf->bdf), vf, row->there ? BDF_STR(row->dev.bdf) : "",
				row->dev.driver, group, lease, text };

	snprintf(vf, sizeof(vf), "vf%u", i);
	if (row->there && row->dev.group >= 0)
		snprintf(group, sizeof(group), "%d", row->dev.group);
	if (row->leased)
		lease_holder(&row->lease, lease, sizeof(lease));
	attributes_text(row, text, sizeof(text));
	return table_row(t, cells);
}

/* --- as JSON --------------------------------------------------------------------------------- */

static json_t *attribute_json(const struct vf_attrs *a, enum vf_attr attr)
{
	char text[32];

	if (!VF_HAS(a, attr))
		return json_null();
	switch (attr) {
	case VF_VLAN: return json_integer(a->vlan);
	case VF_QOS: return json_integer(a->qos);
	case VF_SPOOFCHK: return json_boolean(a->spoofchk);
	case VF_TRUST: return json_boolean(a->trust);
	case VF_QUERY_RSS: return json_boolean(a->query_rss);
	case VF_MIN_TX_RATE: return json_integer(a->min_tx_rate);
	case VF_MAX_TX_RATE: return json_integer(a->max_tx_rate);
	default: return json_string(vf_attr_format(a, attr, text, sizeof(text)));
	}
}

static json_t *lease_json(const struct vf_row *row)
{
	const struct lease *l = &row->lease;

	if (!row->leased)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "pid",
			 l->holder.pid ? json_integer(l->holder.pid) : json_null(), "name",
			 out_json_text(l->name), "expires_in",
			 l->expires ? json_integer((json_int_t)(l->expires - lease_now()))
				    : json_null());
}

static json_t *vf_json(unsigned i, const struct vf_row *row)
{
	json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "index", (int)i, "device",
			      out_json_text(row->there ? BDF_STR(row->dev.bdf) : ""), "driver",
			      out_json_text(row->dev.driver), "group",
			      row->there && row->dev.group >= 0 ? json_integer(row->dev.group)
								: json_null(),
			      "netdev", out_json_text(row->dev.netdevs[0]), "lease",
			      lease_json(row));

	for (unsigned a = 0; o && row->attrs.have && a < VF_ATTR_COUNT; a++) {
		/* That an Ethernet device has none is not worth a word. */
		if (vf_attr_is_guid(a) && !VF_HAS(&row->attrs, a))
			continue;
		json_object_set_new(o, vf_attr_word(a), attribute_json(&row->attrs, a));
	}
	if (o && row->nvme_read == 0)
		json_object_set_new(o, "nvme", json_pack("{s:b, s:i, s:i, s:i}", "online",
							 row->nvme.online, "queues",
							 (int)row->nvme.count[NVME_QUEUES],
							 "interrupts",
							 (int)row->nvme.count[NVME_INTERRUPTS],
							 "controller", row->nvme.cntlid));
	return o;
}

static json_t *pf_json(const struct pf *pf, const struct vf_row *rows)
{
	json_t *vfs = json_array(), *o;

	for (unsigned i = 0; i < pf->numvfs; i++)
		json_array_append_new(vfs, vf_json(i, &rows[i]));
	o = json_pack("{s:s, s:o, s:o, s:i, s:i, s:b, s:o, s:o}", "device", BDF_STR(pf->bdf),
		      "netdev", out_json_text(pf->netdev), "driver", out_json_text(pf->driver),
		      "total_vfs", (int)pf->totalvfs, "num_vfs", (int)pf->numvfs, "autoprobe",
		      pf->autoprobe, "up", pf->netdevs == 1 ? json_boolean(pf->up) : json_null(),
		      "vfs", vfs);
	if (o && pf->busy)
		json_object_set_new(o, "busy", json_true());
	return o;
}

/* --- both ------------------------------------------------------------------------------------ */

struct showing {
	int root;
	struct table *table; /* one of the two */
	json_t *pfs;
};

static void warn_busy(int root, const struct pf *pf)
{
	char who[BUSY_TEXT_MAX], todo[BUSY_TEXT_MAX];

	busy_explain(root, pf->bdf, who, todo);
	log_warn("%s: its VFs' attributes are left out: %s; %s", BDF_STR(pf->bdf), who, todo);
}

/* A gap in the table is not to be taken for VFs without attributes. */
static void warn_unlisted(const struct pf *pf, int listed)
{
	char bdf[BDF_STRLEN];

	bdf_str(pf->bdf, bdf);
	if (listed == -EMSGSIZE)
		log_warn("%s: the kernel's list of its VFs is cut off at 64 KiB: attributes of the last "
			 "ones are missing", bdf);
	else if (listed < 0 && listed != -EOPNOTSUPP) /* no interface, no attributes */
		log_warn("%s: cannot read the attributes of its VFs: %s", bdf, strerror(-listed));
	else if (listed >= 0 && (unsigned)listed < pf->numvfs)
		log_warn("%s: the kernel lists attributes of %d of its %u VFs", bdf, listed,
			 pf->numvfs);
}

static int show_pf(const struct pf *pf, void *opaque)
{
	struct showing *s = opaque;
	int listed, r;
	_cleanup_free_ struct vf_row *rows = read_rows(s->root, pf, &listed);

	if (!rows)
		return -ENOMEM;
	if (pf->busy)
		warn_busy(s->root, pf);
	else
		warn_unlisted(pf, listed);
	if (s->pfs)
		return json_array_append_new(s->pfs, pf_json(pf, rows)) < 0 ? -ENOMEM : 0;
	r = add_pf(s->table, pf);
	for (unsigned i = 0; i < pf->numvfs && r == 0; i++)
		r = add_vf(s->table, pf, i, &rows[i]);
	return r;
}

int vf_show(struct ctx *ctx, const struct pf *only, struct err *err)
{
	struct showing s = { .root = ctx->root };
	int r;

	if (ctx->json)
		s.pfs = json_array();
	else
		s.table = table_new(titles);
	r = !s.pfs && !s.table ? -ENOMEM :
	    only ? show_pf(only, &s) : pf_each(ctx->root, show_pf, &s);
	if (r == 0 && ctx->json)
		r = out_json(ctx->out, "thruway.vf-list/1", "pfs", s.pfs);
	else if (ctx->json)
		json_decref(s.pfs);
	else if (r == 0)
		table_print(s.table, ctx->out);
	table_free(s.table);
	return r < 0 ? err_set(err, r, "cannot list the VFs") : 0;
}
