// SPDX-License-Identifier: GPL-2.0-or-later
/* The VF of a network device: found, claimed, at rest while the guest is without it, given and taken. */
#include "tools/vm_failover_internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"

/* That many VFs are tried in one search, each of which may take a while to refuse (base/aside.h). */
#define TRIES  4
/* A search for a VF looks at all devices and takes the lock; links and devices may change all the time. */
#define SEARCH (500 * FAILOVER_MS)

int nic_take_first(const struct vm_failover *f, struct nic *n, struct vm_opt_nic *opt, struct err *err)
{
	static const uint8_t none[6];
	struct err own = ERR_INIT;
	uint8_t mac[6];
	int r = failover_pick(f->root, &n->want, &n->vf, &own);

	if (r == -EBUSY && !failover_pick_named(&n->want)) {
		log_note("%s: the guest starts with its virtio network device", own.text);
		return 0;
	}
	if (r == 0)
		r = failover_vf_mac(f->root, &n->vf, mac, &own);
	if (r < 0) {
		*err = own;
		return r;
	}
	/* A macvtap has its own, which becomes the VF's. */
	if (!opt->has_mac && !opt->macvtap[0] && memcmp(mac, none, 6) != 0) {
		memcpy(opt->mac, mac, sizeof(opt->mac));
		opt->has_mac = true;
	}
	return 0;
}

/* The VF is without its MAC, which stands in nobody's way then; or it is refused. */
int nic_rest(const struct vm_failover *f, struct nic *n, struct err *err)
{
	struct err own = ERR_INIT;
	int r = failover_vf_rest(f->root, &n->vf, &own);

	n->rests = true;
	if (r == 0)
		return 0;
	if (!n->vf.own_uplink || !err) {
		log_warn_limited("%s: what is sent to the guest by this card may be lost", own.text);
		return 0;
	}
	err_plain(err, r, "--nic: %s cannot stand by for %s: its uplink is that VF's own card, and %s",
		  n->want.bridge, BDF_STR(n->vf.bdf), own.text);
	return err_hint(err, "take a VF of another card, or a bridge with another uplink");
}

/* It has the guest's MAC, in the journal, and rests. */
static int claim(const struct vm_failover *f, struct nic *n, struct err *err)
{
	int r = failover_vf_claim(f->root, &n->vf, n->mac, n->want.lock_timeout_s, err);

	if (r < 0)
		return r;
	r = nic_rest(f, n, err);
	/* What its driver says, and not that it is busy. */
	if (r == -EIO || r == -EINVAL || r == -EOPNOTSUPP)
		n->want.no_own = true;
	if (r < 0)
		return r;
	n->state.exclusive = n->vf.own_uplink;
	if (n->vf.own_uplink)
		log_warn("network device %u: %s and its standby are behind one card, %s: what ends with that "
			 "may end both", n->index, BDF_STR(n->vf.bdf), BDF_STR(n->vf.pf));
	return 0;
}

/* One that is named has to be of use; one of several is done without. */
int nic_claim_first(const struct vm_failover *f, struct nic *n, struct err *err)
{
	struct err own = ERR_INIT;
	int r = claim(f, n, &own);

	if (r < 0 && !failover_pick_named(&n->want)) {
		log_warn("%s: the guest starts with its virtio network device", own.text);
		failover_pick_give_up(f->root, &n->want, &n->vf);
		return 0;
	}
	if (r < 0 && err)
		*err = own;
	return r;
}

int nic_ready(const struct vm_failover *f, struct nic *n, struct err *err)
{
	int r = failover_vf_ready(f->root, &n->vf, err);

	if (r == 0)
		n->rests = false;
	return r;
}

static int attach(const struct vm_failover *f, struct nic *n, struct err *err)
{
	const struct vm_attach device = { .bdf = n->vf.bdf, .nic = n->index + 1 };
	struct vm_client vm = VM_CLIENT_INIT;
	int r = nic_ready(f, n, err);

	if (r == 0)
		r = vm_client_open(f->root, f->vm, &vm, err);
	if (r == 0)
		r = vm_attach_device(f->root, &vm, &device, err);
	vm_client_close(&vm);
	return r;
}

void nic_give(const struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;
	int r = attach(f, n, &err);

	n->refusal[0] = '\0';
	if (r < 0) {
		/* Who does not answer in time may do it yet, and be seen to have (VM_DEVICE_ADDED). */
		if (r != -ETIMEDOUT)
			(void)nic_rest(f, n, NULL);
		failover_put(n->refusal, sizeof(n->refusal), err.text);
		log_warn_limited("network device %u: %s", n->index, err.text);
	}
	failover_attached(&n->state, r < 0, failover_now());
}

void nic_take(const struct vm_failover *f, struct nic *n, bool now)
{
	struct vm_client vm = VM_CLIENT_INIT;
	struct err err = ERR_INIT;
	int r = vm_client_open(f->root, f->vm, &vm, &err);

	if (r == 0)
		r = vm_detach_device(&vm, n->vf.bdf, now, &err);
	/* What cannot be asked for is taken. */
	if (r < 0 && r != -ENODEV && r != -ETIMEDOUT && !now && vm.fd >= 0)
		r = vm_detach_device(&vm, n->vf.bdf, true, &err);
	vm_client_close(&vm);
	if (r == 0 || r == -ENODEV)
		return;
	log_warn_limited("network device %u: %s", n->index, err.text);
	/* One that hangs is not to keep us from all else. */
	failover_not_taken(&n->state, failover_now() + (r == -ETIMEDOUT ? FAILOVER_RETRY : FAILOVER_S));
}

/* Of several the first that can be had; err is of the last one that could not. */
static int pick_and_claim(const struct vm_failover *f, struct nic *n, struct err *err)
{
	int r = -EBUSY;

	n->want.refused = (struct vf_memory){ 0 };
	for (unsigned i = 0; r < 0 && r != -ETIMEDOUT && i < TRIES; i++) {
		struct err own = ERR_INIT;
		struct bdf bdf;

		r = failover_pick(f->root, &n->want, &n->vf, &own);
		if (r < 0 && i && err->code)
			break;
		bdf = n->vf.bdf;
		if (r == 0)
			r = claim(f, n, &own);
		*err = own;
		if (r == 0 || !n->vf.have)
			break;
		failover_pick_give_up(f->root, &n->want, &n->vf);
		failover_pick_remember(f->root, &n->want.refused, bdf);
		if (failover_pick_named(&n->want))
			break;
	}
	return r;
}

/* A VF that is gone is not the one that will have its address: promised and given anew. */
void nic_find_vf(const struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;
	int r = pick_and_claim(f, n, &err);

	/* Of the recovery of one that was given up nobody tells us. */
	if (r == 0)
		failover_other_vf(&n->state);
	if (r < 0 && strncmp(n->refusal, err.text, sizeof(n->refusal) - 1) != 0)
		log_warn("network device %u: %s", n->index, err.text);
	failover_put(n->refusal, sizeof(n->refusal), r < 0 ? err.text : "");
	n->search = failover_now() + SEARCH;
}
