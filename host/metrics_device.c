// SPDX-License-Identifier: GPL-2.0-or-later
/* Of every endpoint: who drives it, its link, its errors, its resets, its lease. */
#include <stdio.h>
#include <string.h>

#include "host/metrics_internal.h"
#include "vfio/lease.h"
#include "vfio/pci_aer.h"

/* Call fn for each endpoint, in order of address. */
static void each_endpoint(const struct family *f, const struct metrics *m, FILE *out,
			  void (*fn)(const struct family *f, const struct metrics *m,
				     const struct pci_function *d, const char *bdf, FILE *out))
{
	for (size_t i = 0; i < m->topo.count; i++) {
		if (pci_function_is_endpoint(&m->topo.devs[i]))
			fn(f, m, &m->topo.devs[i], BDF_STR(m->topo.devs[i].bdf), out);
	}
}

static void info_of(const struct family *f, const struct metrics *m, const struct pci_function *d,
		    const char *bdf, FILE *out)
{
	char ids[16], group[16] = "", node[16] = "", pf[BDF_STRLEN] = "", vf[16] = "";

	snprintf(ids, sizeof(ids), "%04x:%04x", d->vendor, d->device);
	if (d->group >= 0)
		snprintf(group, sizeof(group), "%d", d->group);
	if (d->numa_node >= 0)
		snprintf(node, sizeof(node), "%d", d->numa_node);
	if (d->is_vf) {
		bdf_str(d->pf, pf);
		snprintf(vf, sizeof(vf), "%u", d->vf_index);
	}
	metrics_sample(f, out, 1, "device", bdf, "ids", ids, "driver", d->driver, "group", group,
		       "numa_node", node, "netdev", d->netdevs[0], "pf", pf, "vf", vf, NULL);
}

static void info(const struct family *f, const struct metrics *m, FILE *out)
{
	each_endpoint(f, m, out, info_of);
}

enum { LINK_SPEED, LINK_SPEED_MAX, LINK_LANES, LINK_LANES_MAX };

static void link_of(const struct family *f, const struct metrics *m, const struct pci_function *d,
		    const char *bdf, FILE *out)
{
	const uint64_t values[] = {
		[LINK_SPEED] = d->link.mts * 1000000ull,
		[LINK_SPEED_MAX] = d->link.max_mts * 1000000ull,
		[LINK_LANES] = d->link.width,
		[LINK_LANES_MAX] = d->link.max_width,
	};

	/* An unknown link has neither; one that is down has a maximum. */
	if (d->link.max_mts)
		metrics_sample(f, out, values[f->which], "device", bdf, NULL);
}

static void pcie_link(const struct family *f, const struct metrics *m, FILE *out)
{
	each_endpoint(f, m, out, link_of);
}

static void aer_of(const struct family *f, const struct metrics *m, const struct pci_function *d,
		   const char *bdf, FILE *out)
{
	struct pci_aer aer;

	pci_aer_read(m->root, d->bdf, &aer);
	if (!aer.there)
		return;
	metrics_sample(f, out, aer.correctable.total, "device", bdf, "severity", "correctable", NULL);
	metrics_sample(f, out, aer.nonfatal.total, "device", bdf, "severity", "nonfatal", NULL);
	metrics_sample(f, out, aer.fatal.total, "device", bdf, "severity", "fatal", NULL);
}

/* Ports report the errors of their links, so they count here too. */
static void aer(const struct family *f, const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < m->topo.count; i++)
		aer_of(f, m, &m->topo.devs[i], BDF_STR(m->topo.devs[i].bdf), out);
}

/* "not ready 65535ms after FLR; giving up": the kernel does not count them, its log does. */
static void reset_failures_of(const struct family *f, const struct metrics *m,
			      const struct pci_function *d, const char *bdf, FILE *out)
{
	static const char *const words[] = { "; giving up", NULL };
	const char *line;
	uint64_t count = 0;
	size_t at = 0;

	while ((line = klog_next(&m->log, &at, bdf, words)))
		count += strstr(line, ": not ready ") != NULL;
	if (d->reset_methods[0] || count)
		metrics_sample(f, out, count, "device", bdf, NULL);
}

/* A log that has forgotten the boot, or may not be read, knows no number. */
static void reset_failures(const struct family *f, const struct metrics *m, FILE *out)
{
	if (!m->log.error && m->log.whole)
		each_endpoint(f, m, out, reset_failures_of);
}

static void leased_of(const struct family *f, const struct metrics *m, const struct pci_function *d,
		      const char *bdf, FILE *out)
{
	struct lease l;

	if (lease_read(m->root, d->bdf, &l) == 0)
		metrics_sample(f, out, 1, "device", bdf, "holder", l.name, NULL);
}

static void leased(const struct family *f, const struct metrics *m, FILE *out)
{
	each_endpoint(f, m, out, leased_of);
}

const struct family metrics_device_families[] = {
	{ "thruway_device_info", "gauge", "A PCI endpoint, the driver it is bound to and where it is.",
	  info },
	{ "thruway_device_leased", "gauge", "1 if the device is leased, and what its holder is called.",
	  leased },
	{ "thruway_device_reset_failures_total", "counter",
	  "Resets since the boot after which the device did not come back.", reset_failures },
	{ "thruway_pcie_aer_errors_total", "counter", "PCI Express errors the kernel has counted.",
	  aer },
	{ "thruway_pcie_link_transfers_per_second", "gauge",
	  "Speed of each lane of the device's link; 0 if it is down.", pcie_link, LINK_SPEED },
	{ "thruway_pcie_link_max_transfers_per_second", "gauge", "The speed the device could have.",
	  pcie_link, LINK_SPEED_MAX },
	{ "thruway_pcie_link_lanes", "gauge", "Lanes of the device's link; 0 if it is down.",
	  pcie_link, LINK_LANES },
	{ "thruway_pcie_link_max_lanes", "gauge", "The lanes the device could have.", pcie_link,
	  LINK_LANES_MAX },
	{ 0 },
};
