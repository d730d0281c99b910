// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_failover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "sriov/bridge.h"
#include "sriov/link_watch.h"
#include "sriov/pf.h"
#include "sriov/pf_announce.h"
#include "tools/failover_pick.h"
#include "tools/failover_state.h"
#include "tools/failover_vf.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "tools/vm_nodes.h"
#include "tools/vm_opts.h"
#include "vfio/hotplug.h"
#include "vfio/pci_function.h"

/* When the network is told where the guest is, in milliseconds after a change: a frame may be lost. */
static const unsigned announce_ms[] = { 0, 50, 150, 350, 750, 1550, 3150, 6350 };
#define ANNOUNCES ARRAY_SIZE(announce_ms)
#define LOCK_TIMEOUT_S 2
#define MS	  1000000ull
/* Two changes that are nearer than that to each other are one for the network. */
#define SETTLE	  (200 * MS)
/* That many VFs are tried in one search, each of which may take ASIDE_MS to refuse. */
#define TRIES	  4
/* A guest's network waits while the supervisor finds out that a PF's lock is not to be had. */
#define ASIDE_MS  500
/* A search for a VF looks at all devices and takes the lock; links and devices may change all the time. */
#define SEARCH	  (500 * MS)

struct nic {
	unsigned index; /* of the guest's network devices */
	struct failover_want want;
	struct failover_vf vf;
	uint8_t mac[6];
	char tap[16]; /* of its standby, a port of a bridge; "": it has none */
	struct failover state;
	struct vmm_nic_state told;
	bool untold; /* the VMM was busy: it hears of it later */
	unsigned announced; /* of ANNOUNCES */
	uint64_t changed;   /* when it went over to the other device */
	uint64_t search;    /* for a VF: not before */
	bool owed;	    /* one that came too soon, and is made then */
	bool rests;	    /* the VF is without its MAC */
	char refusal[360];  /* why there is no VF, or it did not go in; "" */
};

struct vm_failover {
	int root;
	struct loop *loop; /* NULL: not started */
	const char *vm;	   /* borrowed */
	int sock, link_fd, timer;
	struct hotplug *hotplug;
	unsigned n;
	struct nic nic[HANDOVER_MAX_NICS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * FAILOVER_S + (uint64_t)t.tv_nsec;
}

static void put(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%.*s", (int)size - 1, text);
}

/* --- before the guest --------------------------------------------------------------------------- */

static int take_first(struct vm_failover *f, struct nic *n, struct vm_opt_nic *opt, struct err *err)
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

int vm_failover_new(int root, struct vm_opts *opts, unsigned force, unsigned lock_timeout_s,
		    struct vm_failover **ret, struct err *err)
{
	struct vm_failover *f = NULL;
	int r = 0;

	*ret = NULL;
	for (unsigned i = 0; r == 0 && i < opts->nic_count; i++) {
		struct vm_opt_nic *opt = &opts->nics[i];
		struct nic *n;

		if (!opt->vf[0])
			continue;
		if (!f)
			f = calloc(1, sizeof(*f));
		if (!f)
			return err_set(err, -ENOMEM, "--nic");
		f->root = root;
		f->sock = f->link_fd = f->timer = -1;
		n = &f->nic[f->n++];
		n->index = i;
		n->want = (struct failover_want){
			.vf = opt->vf,
			.bridge = opt->macvtap[0] ? opt->macvtap : opt->bridge,
			.macvtap = opt->macvtap[0],
			.bind = opts->bind,
			.force = force,
			.lock_timeout_s = lock_timeout_s,
			.near_node = -1,
		};
		failover_init(&n->state);
		r = take_first(f, n, opt, err);
	}
	if (r < 0) {
		vm_failover_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

/* The slot is on the node of the VF there is; one that is to come is near what the slot is near. */
static void place_slot(struct vm_failover *f, struct nic *n, struct vmm_config *config)
{
	int vf_node = n->vf.have ? pci_function_numa_node(f->root, n->vf.bdf) : -1;
	unsigned node = vm_nodes_for_device(f->root, config->mem, config->numa.nodes, vf_node);

	config->nics[n->index].slot_node = node;
	n->want.near_node = vm_nodes_first_host(&config->mem[node]);
	if (n->want.near_node < 0)
		n->want.near_node = vf_node;
}

/* The VF is without its MAC, which stands in nobody's way then; or it is refused. */
static int rest(const struct vm_failover *f, struct nic *n, struct err *err)
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
static int claim(struct vm_failover *f, struct nic *n, struct err *err)
{
	int r = failover_vf_claim(f->root, &n->vf, n->mac, n->want.lock_timeout_s, err);

	if (r < 0)
		return r;
	r = rest(f, n, err);
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
static int claim_first(struct vm_failover *f, struct nic *n, struct err *err)
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

int vm_failover_claim(struct vm_failover *f, struct vmm_config *config, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; f && r == 0 && i < f->n; i++) {
		struct nic *n = &f->nic[i];

		config->nics[n->index].standby = true;
		place_slot(f, n, config);
		memcpy(n->mac, config->nics[n->index].mac, sizeof(n->mac));
		if (!config->nics[n->index].macvtap)
			put(n->tap, sizeof(n->tap), config->nics[n->index].host);
		if (n->vf.have)
			r = claim_first(f, n, err);
	}
	return r;
}

/* --- what others are told ----------------------------------------------------------------------- */

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
	return n->changed + SETTLE > now ? now + SETTLE : now;
}

static void report(struct vm_failover *f, struct nic *n)
{
	struct vmm_nic_state now = { .nic = n->index, .report = true, .primary = n->state.used,
				     .wanted = n->state.wanted };

	if (n->vf.have)
		put(now.device, sizeof(now.device), BDF_STR(n->vf.bdf));
	put(now.cause, sizeof(now.cause), failover_cause_word(&n->state));
	if (failover_waits(&n->state))
		put(now.detail, sizeof(now.detail), waits_for(n));
	else if (n->state.where == FAILOVER_IN && !n->state.used)
		put(now.detail, sizeof(now.detail), "the guest's driver for the VF");
	if (memcmp(&now, &n->told, sizeof(now)) == 0 && !n->untold)
		return;
	if (now.primary != n->told.primary) {
		n->announced = 0;
		n->changed = settled_at(n, now_ns());
	}
	say(n, &now);
	n->told = now;
	n->untold = handover_nic(f->sock, &now) == -EAGAIN;
}

/* By the port through which it is to be reached: the PF's, or the tap, which the VMM has. */
static void announce(struct vm_failover *f, struct nic *n)
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

static uint64_t announce_at(const struct nic *n)
{
	return n->announced < ANNOUNCES && n->changed ? n->changed + announce_ms[n->announced] * MS : 0;
}

static void announce_due(struct vm_failover *f, struct nic *n, uint64_t now)
{
	if (!announce_at(n) || announce_at(n) > now)
		return;
	announce(f, n);
	n->announced++;
}

/* --- what is done ------------------------------------------------------------------------------- */

static int ready(const struct vm_failover *f, struct nic *n, struct err *err)
{
	int r = failover_vf_ready(f->root, &n->vf, err);

	if (r == 0)
		n->rests = false;
	return r;
}

static int attach(struct vm_failover *f, struct nic *n, struct err *err)
{
	const struct vm_attach device = { .bdf = n->vf.bdf, .nic = n->index + 1 };
	struct vm_client vm = VM_CLIENT_INIT;
	int r = ready(f, n, err);

	if (r == 0)
		r = vm_client_open(f->root, f->vm, &vm, err);
	if (r == 0)
		r = vm_attach_device(f->root, &vm, &device, err);
	vm_client_close(&vm);
	return r;
}

static void give(struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;
	int r = attach(f, n, &err);

	n->refusal[0] = '\0';
	if (r < 0) {
		/* Who does not answer in time may do it yet, and be seen to have (VM_DEVICE_ADDED). */
		if (r != -ETIMEDOUT)
			(void)rest(f, n, NULL);
		put(n->refusal, sizeof(n->refusal), err.text);
		log_warn_limited("network device %u: %s", n->index, err.text);
	}
	failover_attached(&n->state, r < 0, now_ns());
}

static void take(struct vm_failover *f, struct nic *n, bool now)
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
	failover_not_taken(&n->state, now_ns() + (r == -ETIMEDOUT ? FAILOVER_RETRY : FAILOVER_S));
}

/* Of several the first that can be had; err is of the last one that could not. */
static int pick_and_claim(struct vm_failover *f, struct nic *n, struct err *err)
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
static void find_vf(struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;
	int r = pick_and_claim(f, n, &err);

	/* Of the recovery of one that was given up nobody tells us. */
	if (r == 0)
		failover_other_vf(&n->state);
	if (r < 0 && strncmp(n->refusal, err.text, sizeof(n->refusal) - 1) != 0)
		log_warn("network device %u: %s", n->index, err.text);
	put(n->refusal, sizeof(n->refusal), r < 0 ? err.text : "");
	n->search = now_ns() + SEARCH;
}

static void look(struct vm_failover *f, struct nic *n, uint64_t now)
{
	enum failover_fault fault = failover_vf_look(f->root, &n->vf);

	if (n->state.where == FAILOVER_OUT) {
		/* One of several may be better off than this one. */
		if (n->vf.have && fault == FAILOVER_UNBOUND)
			failover_pick_remember(f->root, &n->want.wanted_back, n->vf.bdf);
		if (n->vf.have && (fault == FAILOVER_VF_GONE || fault == FAILOVER_PF_GONE ||
				   (fault != FAILOVER_WELL && !failover_pick_named(&n->want))))
			failover_pick_give_up(f->root, &n->want, &n->vf);
		n->owed = !n->vf.have && failover_waits(&n->state) && now < n->search;
		if (!n->vf.have && failover_waits(&n->state) && !n->owed)
			find_vf(f, n);
		fault = failover_vf_look(f->root, &n->vf);
	}
	if (fault == FAILOVER_WELL && failover_goes_by_it(&n->state) &&
	    !failover_vf_may_do_dma(f->root, &n->vf))
		fault = FAILOVER_WAS_RESET;
	failover_looked(&n->state, fault, now);
}

/*
 * All else is told of by the kernel. Links above all: of a PF that is being taken down the carrier is off first, and
 * the link is told of when it is down.
 */
static void look_for_reset(struct vm_failover *f, struct nic *n, uint64_t now)
{
	if (n->state.fault == FAILOVER_WELL || n->state.fault == FAILOVER_WAS_RESET)
		failover_looked(&n->state, failover_vf_may_do_dma(f->root, &n->vf) ? FAILOVER_WELL : FAILOVER_WAS_RESET,
				now);
}

static void act(struct vm_failover *f, struct nic *n)
{
	switch (failover_step(&n->state, now_ns())) {
	case FAILOVER_ATTACH: give(f, n); break;
	case FAILOVER_ASK:
		/* It carries traffic until it has left, unless nothing does. */
		if (n->state.exclusive && !n->state.used)
			(void)rest(f, n, NULL);
		take(f, n, false);
		break;
	case FAILOVER_TAKE: take(f, n, true); break;
	case FAILOVER_NOTHING: break;
	}
	report(f, n);
	announce_due(f, n, now_ns());
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* The timer rests when there is nothing to wait for. */
static void arm(struct vm_failover *f)
{
	uint64_t now = now_ns(), at = 0;

	for (unsigned i = 0; i < f->n; i++) {
		struct nic *n = &f->nic[i];

		at = sooner(at, sooner(failover_next(&n->state, now), announce_at(n)));
		at = sooner(at, n->untold ? now + SETTLE : 0);
		at = sooner(at, n->owed ? n->search : 0);
	}
	(void)loop_timer_arm(f->timer, !at ? 0 : at > now ? at - now : 1);
}

static void look_and_act(struct vm_failover *f, struct nic *n)
{
	look(f, n, now_ns());
	act(f, n);
}

static void on_timer(void *opaque, int fd)
{
	struct vm_failover *f = opaque;

	(void)fd;
	for (unsigned i = 0; i < f->n; i++) {
		struct nic *n = &f->nic[i];

		announce_due(f, n, now_ns());
		if (failover_goes_by_it(&n->state)) {
			look_for_reset(f, n, now_ns());
			act(f, n);
		} else if (failover_next(&n->state, now_ns())) {
			look_and_act(f, n);
		} else if (n->untold) {
			report(f, n);
		}
	}
	arm(f);
}

/* --- what happens on the host ------------------------------------------------------------------- */

/* Somebody has set attributes of VFs, or the PF's driver tells of them: not of a VF that may have been reset. */
static void note_attributes(struct vm_failover *f, struct nic *n, const char *pf_netdev)
{
	struct pf pf;

	if (n->vf.have && failover_undisturbed(&n->state) &&
	    pf_read_interface(f->root, n->vf.pf, &pf) == 0 && strcmp(pf.netdev, pf_netdev) == 0)
		failover_vf_note(f->root, &n->vf);
}

static void hear(const struct link_change *change, void *opaque)
{
	struct vm_failover *f = opaque;

	for (unsigned i = 0; i < f->n; i++)
		note_attributes(f, &f->nic[i], change->name);
}

/* Which link it was matters less than what all PFs are like now, which is a few reads. */
static void on_link(void *opaque, int fd)
{
	struct vm_failover *f = opaque;

	for (unsigned i = 0; i < f->n; i++)
		look_and_act(f, &f->nic[i]);
	(void)link_watch_read(fd, hear, f);
	arm(f);
}

static void take_uevent(struct nic *n, const struct hotplug_event *e)
{
	if (strcmp(e->error, "SUCCESSFUL_RECOVERY") == 0)
		failover_recovered(&n->state);
	else if (strcmp(e->error, "BEGIN_RECOVERY") == 0 || strcmp(e->error, "FAILED_RECOVERY") == 0)
		failover_recovering(&n->state);
}

static void on_uevent(void *opaque, int fd)
{
	struct vm_failover *f = opaque;
	struct hotplug_event e;
	int r;

	(void)fd;
	while ((r = hotplug_next(f->hotplug, &e)) == 1 || r == -ENOBUFS) {
		for (unsigned i = 0; i < f->n; i++) {
			struct nic *n = &f->nic[i];

			if (r == 1 && n->vf.have && !bdf_eq(e.bdf, n->vf.bdf) &&
			    !bdf_eq(e.bdf, n->vf.pf))
				continue;
			if (r == 1 && n->vf.have)
				take_uevent(n, &e);
			look_and_act(f, n);
		}
	}
	arm(f);
}

/* --- what the VMM says -------------------------------------------------------------------------- */

void vm_failover_nic(struct vm_failover *f, unsigned nic, enum vm_nic_event event)
{
	for (unsigned i = 0; f && f->loop && i < f->n; i++) {
		if (f->nic[i].index != nic)
			continue;
		failover_guest(&f->nic[i].state, event, now_ns());
		look_and_act(f, &f->nic[i]);
		arm(f);
	}
}

/* Its driver goes on with it, and keeps its own MAC: the PF's has to know that again. */
static void take_up(struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;

	if (ready(f, n, &err) < 0)
		log_warn_limited("network device %u: %s", n->index, err.text);
}

bool vm_failover_device(struct vm_failover *f, enum vm_device_event event, const char *device)
{
	bool ours = false;

	for (unsigned i = 0; f && f->loop && i < f->n; i++) {
		struct nic *n = &f->nic[i];

		if (!n->vf.have || strcmp(BDF_STR(n->vf.bdf), device) != 0)
			continue;
		ours = true;
		failover_device(&n->state, event, now_ns());
		/* The network first: the PF's driver may be busy, as with a recovery, and let its MAC wait. */
		report(f, n);
		announce_due(f, n, now_ns());
		if (event == VM_DEVICE_REMOVED ||
		    (event == VM_DEVICE_STOPPED &&
		     (n->state.where == FAILOVER_LEAVING || n->state.exclusive)))
			(void)rest(f, n, NULL);
		else if (event == VM_DEVICE_STARTED && n->rests)
			take_up(f, n);
		act(f, n);
		arm(f);
	}
	return ours;
}

/* --- the whole ---------------------------------------------------------------------------------- */

int vm_failover_start(struct vm_failover *f, struct loop *loop, const char *vm, int sock,
		      struct err *err)
{
	int r;

	if (!f || f->loop)
		return 0;
	f->loop = loop;
	f->vm = vm;
	f->sock = sock;
	aside_wait_ms = ASIDE_MS;
	r = hotplug_open(f->root, &f->hotplug, err);
	if (r == 0)
		r = loop_add(loop, hotplug_fd(f->hotplug), on_uevent, f);
	if (r == 0)
		r = f->link_fd = link_watch_open();
	if (r >= 0)
		r = loop_add(loop, f->link_fd, on_link, f);
	if (r == 0)
		r = loop_timer_new(loop, on_timer, f, &f->timer);
	if (r < 0) {
		vm_failover_stop(f);
		return err_set(err, r, "cannot watch the VFs of the network devices");
	}
	for (unsigned i = 0; i < f->n; i++) {
		/* There is a next time now, and others wait for this process. */
		f->nic[i].want.lock_timeout_s = LOCK_TIMEOUT_S;
		look_and_act(f, &f->nic[i]);
	}
	arm(f);
	return 0;
}

static void stop_watching(struct vm_failover *f)
{
	if (f->hotplug)
		loop_del(f->loop, hotplug_fd(f->hotplug));
	if (f->link_fd >= 0)
		loop_del(f->loop, f->link_fd);
	if (f->timer >= 0)
		loop_del(f->loop, f->timer);
	hotplug_close(f->hotplug);
	f->hotplug = NULL;
	close_fdp(&f->link_fd);
	close_fdp(&f->timer);
	f->loop = NULL;
}

void vm_failover_stop(struct vm_failover *f)
{
	if (f && f->loop)
		stop_watching(f);
	/* As the journal left them, so that it does not take them for somebody else's. */
	for (unsigned i = 0; f && i < f->n; i++)
		if (f->nic[i].vf.have && f->nic[i].vf.attrs.have)
			(void)failover_vf_ready(f->root, &f->nic[i].vf, NULL);
}

struct vm_failover *vm_failover_free(struct vm_failover *f)
{
	for (unsigned i = 0; f && i < f->n; i++)
		failover_pick_release(f->root, &f->nic[i].want, &f->nic[i].vf);
	free(f);
	return NULL;
}
