// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is told by which way a guest's network goes: the user, the VMM, and the network itself. */
#include "tools/vm_failover_internal.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "sriov/bridge.h"
#include "sriov/pf.h"
#include "sriov/pf_announce.h"

/* When the network is told where the guest is, in milliseconds after a change: a frame may be lost. */
static const unsigned announce_ms[] = { 0, 50, 150, 350, 750, 1550, 3150, 6350 };
#define ANNOUNCES ARRAY_SIZE(announce_ms)

/* Its driver let go of the VF, or takes it again after that: as often as it likes. */
static bool at_will(const struct nic *n)
{
	return n->state.cause == FAILOVER_GUEST || strcmp(n->told.cause, "guest") == 0;
}

static void say(const struct nic *n, const struct vmm_nic_state *now)
{
	const char *device = n->vf.have ? BDF_STR(n->vf.bdf) : "its VF";

	if (n->state.cause == FAILOVER_ALONE && strcmp(n->told.cause, now->cause) != 0)
		log_warn_limited("network device %u: the guest's driver does not know how to stand by "
				 "(VIRTIO_NET_F_STANDBY): it has the virtio device alone, and not %s",
				 n->index, device);
	if (now->primary == n->told.primary)
		return;
	if (at_will(n))
		log_warn_limited("network device %u: the guest goes by %s (%s)", n->index,
				 now->primary ? device : "its standby", now->cause);
	else
		log_warn("network device %u: the guest goes by %s (%s)", n->index,
			 now->primary ? device : "its standby", now->cause);
}

static const char *waits_for(const struct nic *n)
{
	if (n->refusal[0] && (n->state.fault == FAILOVER_WELL || n->state.fault == FAILOVER_NO_VF))
		return n->refusal;
	if (n->state.cause == FAILOVER_UNDRIVEN && n->state.fault == FAILOVER_WELL)
		return "a driver of the guest's for the VF, for which it is plugged again now and then";
	return failover_fault_text(n->state.fault);
}

/* A guest that goes to and fro at will is not announced with each step of it. */
static uint64_t settled_at(const struct nic *n, uint64_t now)
{
	return n->changed + FAILOVER_SETTLE > now ? now + FAILOVER_SETTLE : now;
}

void nic_report(const struct vm_failover *f, struct nic *n)
{
	struct vmm_nic_state now = { .nic = n->index, .report = true, .primary = n->state.used,
				     .wanted = n->state.wanted };

	if (n->vf.have)
		failover_put(now.device, sizeof(now.device), BDF_STR(n->vf.bdf));
	failover_put(now.cause, sizeof(now.cause), failover_cause_word(&n->state));
	if (failover_waits(&n->state))
		failover_put(now.detail, sizeof(now.detail), waits_for(n));
	else if (n->state.where == FAILOVER_IN && !n->state.used)
		failover_put(now.detail, sizeof(now.detail), "the guest's driver for the VF");
	if (memcmp(&now, &n->told, sizeof(now)) == 0 && !n->untold)
		return;
	if (now.primary != n->told.primary) {
		n->announced = 0;
		n->changed = settled_at(n, failover_now());
	}
	say(n, &now);
	n->told = now;
	n->untold = handover_nic(f->sock, &now) == -EAGAIN;
}

/* By the port through which it is to be reached: the PF's, or the tap, which the VMM has. */
static void announce(const struct vm_failover *f, struct nic *n)
{
	struct pf pf;

	if (!n->state.used) {
		(void)handover_nic(f->sock, &(struct vmm_nic_state){ .nic = n->index, .announce = true });
		return;
	}
	if (pf_read_interface(f->root, n->vf.pf, &pf) == 0 && pf.netdev[0])
		(void)pf_announce(pf.netdev, n->mac);
	/* What went out of the PF does not come back to a bridge that has the PF as its uplink. */
	if (n->tap[0])
		(void)bridge_forget(n->tap, n->mac);
}

uint64_t nic_announce_at(const struct nic *n)
{
	return n->announced < ANNOUNCES && n->changed ? n->changed + announce_ms[n->announced] * FAILOVER_MS : 0;
}

void nic_announce_due(const struct vm_failover *f, struct nic *n)
{
	if (!nic_announce_at(n) || nic_announce_at(n) > failover_now())
		return;
	announce(f, n);
	n->announced++;
}
