// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_failover_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "sriov/link_watch.h"
#include "sriov/pf.h"
#include "tools/vm_nodes.h"
#include "tools/vm_opts.h"
#include "vfio/hotplug.h"
#include "vfio/pci_function.h"

#define LOCK_TIMEOUT_S 2
/* A guest's network waits while the supervisor finds out that a PF's lock is not to be had. */
#define ASIDE_MS       500

uint64_t failover_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * FAILOVER_S + (uint64_t)t.tv_nsec;
}

/* --- before the guest --------------------------------------------------------------------------- */

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
		r = nic_take_first(f, n, opt, err);
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

int vm_failover_claim(struct vm_failover *f, struct vmm_config *config, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; f && r == 0 && i < f->n; i++) {
		struct nic *n = &f->nic[i];

		config->nics[n->index].standby = true;
		place_slot(f, n, config);
		memcpy(n->mac, config->nics[n->index].mac, sizeof(n->mac));
		if (!config->nics[n->index].macvtap)
			failover_put(n->tap, sizeof(n->tap), config->nics[n->index].host);
		if (n->vf.have)
			r = nic_claim_first(f, n, err);
	}
	return r;
}

/* --- what is done ------------------------------------------------------------------------------- */

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
			nic_find_vf(f, n);
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
	switch (failover_step(&n->state, failover_now())) {
	case FAILOVER_ATTACH: nic_give(f, n); break;
	case FAILOVER_ASK:
		/* It carries traffic until it has left, unless nothing does. */
		if (n->state.exclusive && !n->state.used)
			(void)nic_rest(f, n, NULL);
		nic_take(f, n, false);
		break;
	case FAILOVER_TAKE: nic_take(f, n, true); break;
	case FAILOVER_NOTHING: break;
	}
	nic_report(f, n);
	nic_announce_due(f, n);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* The timer rests when there is nothing to wait for. */
static void arm(struct vm_failover *f)
{
	uint64_t now = failover_now(), at = 0;

	for (unsigned i = 0; i < f->n; i++) {
		struct nic *n = &f->nic[i];

		at = sooner(at, sooner(failover_next(&n->state, now), nic_announce_at(n)));
		at = sooner(at, n->untold ? now + FAILOVER_SETTLE : 0);
		at = sooner(at, n->owed ? n->search : 0);
	}
	(void)loop_timer_arm(f->timer, !at ? 0 : at > now ? at - now : 1);
}

static void look_and_act(struct vm_failover *f, struct nic *n)
{
	look(f, n, failover_now());
	act(f, n);
}

static void on_timer(void *opaque, int fd)
{
	struct vm_failover *f = opaque;

	(void)fd;
	for (unsigned i = 0; i < f->n; i++) {
		struct nic *n = &f->nic[i];

		nic_announce_due(f, n);
		if (failover_goes_by_it(&n->state)) {
			look_for_reset(f, n, failover_now());
			act(f, n);
		} else if (failover_next(&n->state, failover_now())) {
			look_and_act(f, n);
		} else if (n->untold) {
			nic_report(f, n);
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
		failover_guest(&f->nic[i].state, event, failover_now());
		look_and_act(f, &f->nic[i]);
		arm(f);
	}
}

/* Its driver goes on with it, and keeps its own MAC: the PF's has to know that again. */
static void take_up(struct vm_failover *f, struct nic *n)
{
	struct err err = ERR_INIT;

	if (nic_ready(f, n, &err) < 0)
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
		failover_device(&n->state, event, failover_now());
		/* The network first: the PF's driver may be busy, as with a recovery, and let its MAC wait. */
		nic_report(f, n);
		nic_announce_due(f, n);
		if (event == VM_DEVICE_REMOVED ||
		    (event == VM_DEVICE_STOPPED &&
		     (n->state.where == FAILOVER_LEAVING || n->state.exclusive)))
			(void)nic_rest(f, n, NULL);
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
