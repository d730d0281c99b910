// SPDX-License-Identifier: GPL-2.0-or-later
/* Of every PF: its VFs, its interface, and what its VFs received and sent. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "host/metrics_internal.h"

enum { PF_VFS, PF_VFS_MAX, PF_UP, PF_CARRIER };

static void pf_value(const struct family *f, const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < m->pf_count; i++) {
		const struct pf *pf = &m->pfs[i].pf;
		const uint64_t values[] = {
			[PF_VFS] = pf->numvfs,
			[PF_VFS_MAX] = pf->totalvfs,
			[PF_UP] = pf->up,
			[PF_CARRIER] = pf->carrier,
		};

		if (f->which >= PF_UP && pf->netdevs != 1)
			continue;
		metrics_sample(f, out, values[f->which], "device", BDF_STR(pf->bdf), "netdev",
			       pf->netdev, NULL);
	}
}

static uint64_t stat_at(const struct vf_stats *stats, unsigned offset)
{
	uint64_t v;

	memcpy(&v, (const char *)stats + offset, sizeof(v));
	return v;
}

/* which: where in struct vf_stats. */
static void vf_counter(const struct family *f, const struct metrics *m, FILE *out)
{
	for (size_t i = 0; i < m->pf_count; i++) {
		const struct pf *pf = &m->pfs[i].pf;

		for (unsigned k = 0; m->pfs[i].stats && k < pf->numvfs; k++) {
			char vf[16];

			snprintf(vf, sizeof(vf), "%u", k);
			metrics_sample(f, out, stat_at(&m->pfs[i].stats[k], f->which), "pf",
				       BDF_STR(pf->bdf), "netdev", pf->netdev, "vf", vf, NULL);
		}
	}
}

const struct family metrics_vf_families[] = {
	{ "thruway_pf_vfs", "gauge", "Virtual functions of a physical function.", pf_value, PF_VFS },
	{ "thruway_pf_max_vfs", "gauge", "How many it can have.", pf_value, PF_VFS_MAX },
	{ "thruway_pf_up", "gauge", "1 if the interface of the physical function is up.", pf_value,
	  PF_UP },
	{ "thruway_pf_carrier", "gauge", "1 if its cable is in.", pf_value, PF_CARRIER },
	{ "thruway_vf_receive_bytes_total", "counter", "Bytes the virtual function received.",
	  vf_counter, offsetof(struct vf_stats, rx_bytes) },
	{ "thruway_vf_receive_packets_total", "counter", "Packets it received.", vf_counter,
	  offsetof(struct vf_stats, rx_packets) },
	{ "thruway_vf_receive_multicast_packets_total", "counter", "Of them, to several.",
	  vf_counter, offsetof(struct vf_stats, multicast) },
	{ "thruway_vf_receive_broadcast_packets_total", "counter", "Of them, to all.", vf_counter,
	  offsetof(struct vf_stats, broadcast) },
	{ "thruway_vf_receive_dropped_packets_total", "counter", "Packets to it that were dropped.",
	  vf_counter, offsetof(struct vf_stats, rx_dropped) },
	{ "thruway_vf_transmit_bytes_total", "counter", "Bytes the virtual function sent.",
	  vf_counter, offsetof(struct vf_stats, tx_bytes) },
	{ "thruway_vf_transmit_packets_total", "counter", "Packets it sent.", vf_counter,
	  offsetof(struct vf_stats, tx_packets) },
	{ "thruway_vf_transmit_dropped_packets_total", "counter", "Packets from it that were dropped.",
	  vf_counter, offsetof(struct vf_stats, tx_dropped) },
	{ 0 },
};
