// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/spec_save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/size.h"
#include "host/hugepages.h"
#include "sriov/nvme_virt.h"
#include "sriov/vf_mac.h"
#include "vfio/topology.h"

#define DRIVERCTL_DIR "etc/driverctl.d"
#define VF_TEXT_MAX   256

/* "  - match: {fingerprint: '…'}", with what people call it. */
static void put_match(FILE *out, const struct spec_fact *f)
{
	fprintf(out, "  # %s%s%s%s%s\n", BDF_STR(f->dev->bdf), f->netdev[0] ? " " : "", f->netdev,
		f->slot[0] ? ", slot " : "", f->slot);
	fprintf(out, "  - match: {fingerprint: '%s'}\n", f->identity);
}

/*
 * Whether a busy one would be in the file only its lock tells, so it is never left out
 * in silence: who takes the file for the whole would lose it.
 */
static void report_busy(const struct spec_facts *facts, FILE *out)
{
	char why[SPEC_BUSY_MAX];

	for (size_t i = 0; i < facts->count; i++) {
		const struct spec_fact *f = &facts->devs[i];

		if (!f->busy)
			continue;
		spec_fact_busy(facts, f, why);
		fprintf(out, "# %s%s%s is left out, it is busy: %s\n", BDF_STR(f->dev->bdf),
			f->netdev[0] ? " " : "", f->netdev, why);
		log_warn("%s is left out: it is busy: %s", BDF_STR(f->dev->bdf), why);
	}
}

/* --- devices ---------------------------------------------------------------------------------- */

static bool is_taken(const struct spec_fact *f)
{
	const struct pci_function *d = f->dev;

	if (f->busy || !f->identity[0])
		return false;
	return (d->driver[0] &&
		(pci_function_driver_is_vfio(d->driver) || strcmp(d->driver, "pci-stub") == 0)) ||
	       d->override[0];
}

static void save_devices(const struct spec_facts *facts, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < facts->count; i++) {
		const struct spec_fact *f = &facts->devs[i];

		if (!is_taken(f))
			continue;
		if (!any)
			fputs("devices:\n", out);
		any = true;
		put_match(out, f);
		fprintf(out, "    driver: %s\n", f->dev->driver[0] ? f->dev->driver : "none");
	}
}

/* --- pfs -------------------------------------------------------------------------------------- */

/*
 * Whether to say it of a VF. What the kernel tells of every driver, also of one that
 * cannot set it, is left out where it is as it always begins.
 */
static bool worth_saying(const struct vf_attrs *a, enum vf_attr attr)
{
	if (!VF_HAS(a, attr))
		return false;
	switch (attr) {
	case VF_VLAN: return a->vlan || a->qos;
	case VF_QOS: return a->qos;
	case VF_PROTO: return a->proto == VF_PROTO_8021AD;
	case VF_STATE: return a->state != VF_STATE_AUTO;
	case VF_MIN_TX_RATE: return a->min_tx_rate;
	case VF_MAX_TX_RATE: return a->max_tx_rate;
	case VF_NODE_GUID: return a->node_guid;
	case VF_PORT_GUID: return a->port_guid;
	case VF_MAC: return false; /* by itself: MACs of a range count up */
	default: return true;
	}
}

/* "trust: off, driver: vfio-pci": all but the MAC. */
static void vf_text(const struct spec_facts *facts, const struct spec_pf_fact *s, unsigned vf,
		    char *buf, size_t size)
{
	const struct pci_function *dev = NULL;
	struct bdf bdf;
	char value[32];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; s->attrs && i < VF_ATTR_COUNT; i++) {
		if (worth_saying(&s->attrs[vf], i) && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s: %s, ", vf_attr_word(i),
					      vf_attr_format(&s->attrs[vf], i, value,
							     sizeof(value)));
	}
	if (pf_vf_bdf(facts->root, s->pf.bdf, vf, &bdf) == 0)
		dev = topo_find(&facts->topo, bdf);
	if (dev && n < size)
		snprintf(buf + n, size - n, "driver: %s", dev->driver[0] ? dev->driver : "none");
}

enum mac_kind { MAC_NONE, MAC_STABLE, MAC_OWN };

static enum mac_kind mac_kind(const struct spec_fact *f, unsigned vf)
{
	static const uint8_t none[6];
	const struct vf_attrs *a = f->sriov->attrs ? &f->sriov->attrs[vf] : NULL;
	uint8_t stable[6];

	if (!a || !VF_HAS(a, VF_MAC) || memcmp(a->mac, none, 6) == 0)
		return MAC_NONE;
	vf_mac_stable(f->mac, vf, stable);
	return f->mac[0] && memcmp(a->mac, stable, 6) == 0 ? MAC_STABLE : MAC_OWN;
}

/* VF `vf` can stand in one range with those from `first` on. */
static bool goes_on(const struct spec_fact *f, unsigned first, unsigned vf)
{
	enum mac_kind kind = mac_kind(f, first);
	uint8_t next[6];

	if (mac_kind(f, vf) != kind)
		return false;
	if (kind != MAC_OWN || !f->sriov->attrs)
		return true;
	return vf_mac_add(f->sriov->attrs[first].mac, vf - first, next) == 0 &&
	       memcmp(next, f->sriov->attrs[vf].mac, 6) == 0;
}

static void put_range(FILE *out, const struct spec_fact *f, unsigned first, unsigned last,
		      const char *text)
{
	enum mac_kind kind = mac_kind(f, first);
	char mac[18] = "";

	if (kind == MAC_OWN)
		vf_mac_str(f->sriov->attrs[first].mac, mac);
	fprintf(out, first == last ? "      %u: {" : "      %u-%u: {", first, last);
	if (kind != MAC_NONE)
		fprintf(out, "mac: %s%s", kind == MAC_STABLE ? "stable" : mac, *text ? ", " : "");
	fprintf(out, "%s}\n", text);
}

static void save_vfs(const struct spec_facts *facts, const struct spec_fact *f, FILE *out)
{
	const struct spec_pf_fact *s = f->sriov;
	char text[VF_TEXT_MAX], next[VF_TEXT_MAX];
	unsigned first = 0;

	fputs("    vfs:\n", out);
	vf_text(facts, s, 0, text, sizeof(text));
	for (unsigned vf = 1; vf <= s->pf.numvfs; vf++) {
		next[0] = '\0';
		if (vf < s->pf.numvfs) {
			vf_text(facts, s, vf, next, sizeof(next));
			if (strcmp(text, next) == 0 && goes_on(f, first, vf))
				continue;
		}
		put_range(out, f, first, vf - 1, text);
		first = vf;
		strcpy(text, next);
	}
}

/* Queues and interrupts, if all VFs have the same. */
static int save_nvme(const struct spec_facts *facts, const struct pf *pf, FILE *out)
{
	_cleanup_free_ struct nvme_secondary *vfs = calloc(pf->numvfs, sizeof(*vfs));

	if (!vfs)
		return -ENOMEM;
	if (!pf->nvme[0] || nvme_vfs_read(facts->root, pf, vfs, pf->numvfs) < 0)
		return 0;
	for (unsigned i = 0; i < pf->numvfs; i++) {
		if (!vfs[i].online || memcmp(vfs[i].count, vfs[0].count, sizeof(vfs[0].count)) != 0)
			return 0;
	}
	fprintf(out, "    queues: %u\n    interrupts: %u\n", vfs[0].count[NVME_QUEUES],
		vfs[0].count[NVME_INTERRUPTS]);
	return 0;
}

static int save_pfs(const struct spec_facts *facts, FILE *out)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < facts->count; i++) {
		const struct spec_fact *f = &facts->devs[i];

		if (!f->sriov || !f->sriov->pf.numvfs || !f->identity[0])
			continue;
		if (!any)
			fputs("pfs:\n", out);
		any = true;
		put_match(out, f);
		fprintf(out, "    numvfs: %u\n", f->sriov->pf.numvfs);
		if (f->sriov->pf.netdevs == 1)
			fprintf(out, "    link: %s\n", f->sriov->pf.up ? "up" : "down");
		if (strcmp(f->sriov->eswitch, "switchdev") == 0)
			fputs("    eswitch: switchdev\n", out);
		r = save_nvme(facts, &f->sriov->pf, out);
		if (r == 0)
			save_vfs(facts, f, out);
	}
	return r;
}

/* --- hugepages -------------------------------------------------------------------------------- */

static int save_hugepages(const struct spec_facts *facts, FILE *out)
{
	_cleanup_(hugepages_fini) struct hugepage_pools pools = HUGEPAGE_POOLS_INIT;
	int r = hugepages_read(facts->root, &pools);
	bool any = false;

	for (size_t i = 0; r == 0 && i < pools.count; i++) {
		const struct hugepage_pool *p = &pools.pools[i];
		bool giga = p->page_kb % (GiB / KiB) == 0, mega = p->page_kb % (MiB / KiB) == 0;
		uint64_t unit = giga ? GiB / KiB : mega ? MiB / KiB : 1;
		uint64_t kept = p->total - p->surplus;

		if (!kept)
			continue;
		if (!any)
			fputs("hugepages:\n", out);
		any = true;
		fprintf(out, "  - {node: %u, size: %llu%c, count: %llu}\n", p->node,
			(unsigned long long)(p->page_kb / unit), giga ? 'G' : mega ? 'M' : 'K',
			(unsigned long long)kept);
	}
	return r;
}

static int written(FILE *out, int r, struct err *err)
{
	errno = 0;
	if (r == 0 && (fflush(out) != 0 || ferror(out)))
		r = errno ? -errno : -EIO;
	return r < 0 ? err_set(err, r, "cannot save this host") : 0;
}

int spec_save(const struct spec_facts *facts, FILE *out, struct err *err)
{
	int r;

	fputs("version: 1\n", out);
	report_busy(facts, out);
	save_devices(facts, out);
	r = save_pfs(facts, out);
	if (r == 0)
		r = save_hugepages(facts, out);
	return written(out, r, err);
}

/* --- driverctl -------------------------------------------------------------------------------- */

struct driverctl {
	const struct spec_facts *facts;
	FILE *out;
	bool any;
};

static void cannot_take(const struct driverctl *c, const char *name, const char *why)
{
	fprintf(c->out, "# /" DRIVERCTL_DIR "/%s: %s\n", name, why);
	log_warn("/" DRIVERCTL_DIR "/%s is not taken over: %s", name, why);
}

static const struct spec_fact *find_fact(const struct spec_facts *facts, struct bdf bdf)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (bdf_eq(facts->devs[i].dev->bdf, bdf))
			return &facts->devs[i];
	}
	return NULL;
}

static int take_driverctl(const char *name, void *opaque)
{
	struct driverctl *c = opaque;
	char driver[PCI_DRIVER_MAX], why[SPEC_BUSY_MAX];
	const struct spec_fact *f;
	struct bdf bdf;

	if (strncmp(name, "pci-", 4) != 0 || bdf_parse(name + 4, &bdf) < 0)
		return 0; /* driverctl passes it over too */
	if (hostfs_read(c->facts->root, driver, sizeof(driver), DRIVERCTL_DIR "/%s", name) <= 0 ||
	    strpbrk(driver, " \n/:{}'\"#"))
		return cannot_take(c, name, "it does not hold a driver's name"), 0;
	f = find_fact(c->facts, bdf);
	if (f && f->busy)
		return cannot_take(c, name, spec_fact_busy(c->facts, f, why)), 0;
	if (!f || !f->identity[0])
		return cannot_take(c, name, topo_find(&c->facts->topo, bdf) ?
				   "a VF or bridge; what a VF is bound to stands with its PF" :
				   "no such device is here now"), 0;
	if (!c->any)
		fputs("devices:\n", c->out);
	c->any = true;
	put_match(c->out, f);
	fprintf(c->out, "    driver: %s\n", driver);
	return 0;
}

int spec_save_driverctl(const struct spec_facts *facts, FILE *out, struct err *err)
{
	struct driverctl c = { facts, out, false };
	int r;

	fputs("version: 1\n", out);
	r = hostfs_list(facts->root, take_driverctl, &c, DRIVERCTL_DIR);
	if (r == -ENOENT)
		return err_plain(err, r, "there are no files of driverctl: /" DRIVERCTL_DIR
				 " is not there");
	return written(out, r, err);
}
