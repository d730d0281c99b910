// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device is well again when the kernel said that it, or its physical function, has
 * recovered, when it is there and bound to a VFIO driver, when its physical function answers
 * and has its link again if it had one; and all that for a while. What the PF's driver
 * forgot of a VF's attributes is set again, and then the guest gets it.
 */
#include "tools/vm_return.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/loop.h"
#include "sriov/pf.h"
#include "sriov/vf_link.h"
#include "tools/vm_attach.h"
#include "tools/vm_client.h"
#include "tools/vmm_groups.h"
#include "vfio/hotplug.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"
#include "vfio/pci_recovery.h"

#define TICK_NS (500ull * 1000000)
/* Well for so many ticks; twice as many after each return, so that it does not flap. */
#define WELL_TICKS     2u
#define WELL_TICKS_MAX 120u
/* Between attempts to give back what is well and is refused. */
#define REFUSED_TICKS 20u
#define MAX_DEPTH     16u

enum where { IN_GUEST, FAILED, OUT };

struct watched {
	struct vmm_device device; /* what give_back() needs of it */
	struct bdf bdf, pf; /* pf is bdf when it is no VF */
	bool is_vf, had_link;
	bool no_slot; /* conventional PCI */
	unsigned vf;
	struct vf_attrs attrs; /* as they were; none: have is 0 */

	unsigned nabove;
	struct bdf above[MAX_DEPTH]; /* bridges */

	enum where where;
	bool recovered, failed;
	unsigned well, need; /* ticks */
	unsigned pause;	     /* ticks until it is tried again */
};

struct vm_return {
	struct vm_return_config config;
	struct hotplug *hotplug;
	int timer;
	unsigned n;
	struct watched *w;
};

/* --- what is known of them from before ----------------------------------------------------------- */

static void read_vf(int root, struct watched *w, const struct pf *pf)
{
	_cleanup_free_ struct vf_attrs *attrs = calloc(w->vf + 1, sizeof(*attrs));

	if (attrs && vf_link_read(root, pf, attrs, w->vf + 1) == (int)w->vf + 1)
		w->attrs = attrs[w->vf];
}

static int learn(int root, struct watched *w)
{
	struct pci_function dev;
	struct pf pf;
	int n;

	if (bdf_parse(w->device.name, &w->bdf) < 0 ||
	    pci_function_read_unlocked(root, w->bdf, &dev) < 0)
		return -ENODEV;
	w->is_vf = dev.is_vf && dev.vf_index >= 0;
	w->pf = w->is_vf ? dev.pf : w->bdf;
	w->vf = w->is_vf ? (unsigned)dev.vf_index : 0;
	w->need = WELL_TICKS;
	w->no_slot = !pci_function_is_express(root, w->bdf);
	n = pci_path_parents(root, w->bdf, w->above, MAX_DEPTH);
	w->nabove = n > 0 ? (unsigned)n : 0;
	if (!w->is_vf || pf_read(root, w->pf, &pf, NULL) < 0)
		return 0;
	w->had_link = pf.up && pf.carrier;
	if (pf.netdevs == 1)
		read_vf(root, w, &pf);
	return 0;
}

/* --- whether it is well -------------------------------------------------------------------------- */

static bool is_well(int root, const struct watched *w)
{
	struct pci_function dev;
	struct pf pf;

	if (!w->recovered || pci_function_read_binding(root, w->bdf, &dev) < 0 ||
	    !pci_function_driver_is_vfio(dev.driver))
		return false;
	if (pci_function_read(root, w->pf, &dev) < 0 || dev.busy || dev.header_type == 0x7f)
		return false;
	if (!w->is_vf)
		return true;
	return pf_read(root, w->pf, &pf, NULL) == 0 && w->vf < pf.numvfs &&
	       (!w->had_link || (pf.up && pf.carrier));
}

/* What differs from before, group by group. 0 or the driver's -errno. */
static int restore_attrs(int root, struct watched *w)
{
	struct vf_attrs before = w->attrs;
	char was[128], is[128];
	struct pf pf;
	int r = w->attrs.have ? pf_read(root, w->pf, &pf, NULL) : -ENODATA;

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	read_vf(root, w, &pf);
	for (enum vf_group g = 0; r == 0 && g < VF_GROUP_COUNT; g++) {
		if (vf_group_format(&before, g, was, sizeof(was)) < 0 ||
		    vf_group_format(&w->attrs, g, is, sizeof(is)) < 0 || strcmp(was, is) == 0)
			continue;
		r = vf_link_set(root, &pf, w->vf, g, &before);
		log_note("%s: its %s again, which its driver forgot", w->device.name, was);
	}
	w->attrs = before;
	return r;
}

/* --- back ---------------------------------------------------------------------------------------- */

static int give_back(struct vm_return *r, struct watched *w, struct err *err)
{
	const struct vm_attach device = { .bdf = w->bdf, .token = w->device.token,
					  .node = (int)w->device.node,
					  .shared_intx = w->device.intx == VMM_INTX_SHARED };
	struct vm_client vm = VM_CLIENT_INIT;
	int ret = restore_attrs(r->config.root, w);

	if (ret < 0)
		return err_set(err, ret, "%s cannot be given back to the guest: its attributes are "
					 "not what they were", w->device.name);
	ret = vm_client_open(r->config.root, r->config.vm, &vm, err);
	if (ret == 0)
		ret = vm_attach_device(r->config.root, &vm, &device, err);
	vm_client_close(&vm);
	return ret;
}

static void came_back(struct watched *w)
{
	log_warn("%s is well again, and back in the guest", w->device.name);
	w->where = IN_GUEST;
	w->need = w->need * 2 < WELL_TICKS_MAX ? w->need * 2 : WELL_TICKS_MAX;
}

static void look_at(struct vm_return *r, struct watched *w)
{
	struct err err = ERR_INIT;

	if (w->pause) {
		w->pause--;
		return;
	}
	w->well = is_well(r->config.root, w) ? w->well + 1 : 0;
	if (w->well < w->need)
		return;
	if (give_back(r, w, &err) == 0) {
		came_back(w);
		return;
	}
	log_warn_limited("%s", err.text);
	w->well = 0;
	w->pause = REFUSED_TICKS;
}

static void on_tick(void *opaque, int fd)
{
	struct vm_return *r = opaque;
	bool more = false;

	(void)fd;
	for (unsigned i = 0; i < r->n; i++) {
		if (r->w[i].where == OUT)
			look_at(r, &r->w[i]);
		more |= r->w[i].where == OUT;
	}
	/* Disarmed as well: one that has run out and is left alone calls again at once. */
	(void)loop_timer_arm(r->timer, more ? TICK_NS : 0);
}

/* --- what happens -------------------------------------------------------------------------------- */

static bool is_above(const struct watched *w, struct bdf bdf)
{
	for (unsigned i = 0; i < w->nabove; i++)
		if (bdf_eq(w->above[i], bdf))
			return true;
	return false;
}

/*
 * What the kernel gave up is not given to a guest: drivers were told that it is for good
 * (the PF's may have let go of its link). Whether it works all the same an operator must see.
 */
static void gave_up(const struct vm_return *r, struct watched *w)
{
	struct bdf blocker;

	w->recovered = false;
	if (w->failed)
		return;
	w->failed = true;
	if (pci_recovery_blocker(r->config.root, w->bdf, &blocker) == 1)
		log_warn("%s: the host could not recover from the error, because %s has no driver "
			 "(bind it to vfio-pci, and it can the next time); when it is well, "
			 "thruway vm attach %s %s gives it back",
			 w->device.name, BDF_STR(blocker), r->config.vm, w->device.name);
	else
		log_warn("%s: the host could not recover from the error (see dmesg); when it is well, "
			 "thruway vm attach %s %s gives it back",
			 w->device.name, r->config.vm, w->device.name);
}

/* Where one function fails all below the port do; older kernels tell of the port alone. */
static void take_error(const struct vm_return *r, struct watched *w, const struct hotplug_event *e)
{
	bool its = bdf_eq(e->bdf, w->bdf) || bdf_eq(e->bdf, w->pf);

	if (strcmp(e->error, "FAILED_RECOVERY") == 0 && (its || is_above(w, e->bdf))) {
		gave_up(r, w);
	} else if (its && strcmp(e->error, "SUCCESSFUL_RECOVERY") == 0) {
		w->recovered = true;
	} else if (its && strcmp(e->error, "BEGIN_RECOVERY") == 0) {
		w->recovered = w->failed = false;
	}
}

static void on_uevent(void *opaque, int fd)
{
	struct vm_return *r = opaque;
	struct hotplug_event e;
	int ret;

	(void)fd;
	while ((ret = hotplug_next(r->hotplug, &e)) == 1 || ret == -ENOBUFS) {
		for (unsigned i = 0; ret == 1 && i < r->n; i++)
			take_error(r, &r->w[i], &e);
	}
}

static struct watched *find(struct vm_return *r, const char *name)
{
	for (unsigned i = 0; i < r->n; i++)
		if (strcmp(r->w[i].device.name, name) == 0)
			return &r->w[i];
	return NULL;
}

void vm_return_event(struct vm_return *r, enum vm_device_event event, const char *device)
{
	struct watched *w = r ? find(r, device) : NULL;

	if (!w)
		return;
	if (event == VM_DEVICE_ERROR) {
		w->where = FAILED;
		w->well = w->pause = 0;
	} else if (event == VM_DEVICE_REMOVED && w->where == FAILED && w->no_slot) {
		w->where = IN_GUEST; /* as far as anybody looks for it */
		log_warn("%s does not come back to the guest that runs: it is a conventional PCI "
			 "device, which no slot takes; the next start of the VM gives it one that has "
			 "it again", device);
	} else if (event == VM_DEVICE_REMOVED && w->where == FAILED) {
		w->where = OUT;
		(void)loop_timer_arm(r->timer, TICK_NS);
	} else if (event == VM_DEVICE_ADDED) {
		w->where = IN_GUEST;
		w->recovered = false;
	}
}

/* --- which are watched --------------------------------------------------------------------------- */

static int watch(struct vm_return *r, const struct vmm_device *device)
{
	struct watched w = { .device = *device }, *more;
	int ret = learn(r->config.root, &w);

	if (ret < 0)
		return ret;
	more = realloc(r->w, (r->n + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->w = more;
	r->w[r->n++] = w;
	return 0;
}

/* A device comes back that somebody gave to the VMM, and no other that it names. */
static bool vmm_has(const struct vm_return_config *config, const char *name)
{
	struct vmm_groups groups;

	vmm_groups_read(config->root, config->vmm, &groups);
	return vmm_groups_have(config->root, &groups, name);
}

void vm_return_added(struct vm_return *r, const struct vmm_device *device)
{
	struct watched *w;

	if (!r)
		return;
	w = find(r, device->name);
	if (w) {
		/* The rest is as at the start. */
		w->device.node = device->node;
		w->device.intx = device->intx;
		memcpy(w->device.token, device->token, sizeof(w->device.token));
		vm_return_event(r, VM_DEVICE_ADDED, device->name);
	} else if (!vmm_has(&r->config, device->name) || watch(r, device) < 0) {
		log_warn("%s: it does not come back by itself if an error takes it out of the guest, "
			 "because the VMM is not seen to have its group; thruway vm attach %s %s "
			 "gives it back", device->name, r->config.vm, device->name);
	}
}

/* --- the whole ----------------------------------------------------------------------------------- */

int vm_return_new(const struct vm_return_config *config, struct vm_return **ret, struct err *err)
{
	struct vm_return *r;
	int e;

	*ret = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "cannot watch the devices");
	r->config = *config;
	r->timer = -1;
	e = hotplug_open(config->root, &r->hotplug, err);
	if (e == 0)
		e = loop_add(config->loop, hotplug_fd(r->hotplug), on_uevent, r);
	if (e == 0)
		e = loop_timer_new(config->loop, on_tick, r, &r->timer);
	/* One that is gone already does not come back. */
	for (unsigned i = 0; e == 0 && i < config->count; i++)
		e = watch(r, &config->devices[i]) == -ENOMEM ? -ENOMEM : 0;
	if (e < 0) {
		vm_return_free(r);
		return err_set(err, e, "cannot watch the devices");
	}
	*ret = r;
	return 0;
}

struct vm_return *vm_return_free(struct vm_return *r)
{
	if (!r)
		return NULL;
	if (r->hotplug)
		loop_del(r->config.loop, hotplug_fd(r->hotplug));
	if (r->timer >= 0)
		loop_del(r->config.loop, r->timer);
	close_fdp(&r->timer);
	hotplug_close(r->hotplug);
	free(r->w);
	free(r);
	return NULL;
}
