// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that come and go while the guest runs. A group goes with its last device, and
 * with the last group RAM is no longer pinned; so what comes back begins as at the start:
 * the group joins, RAM is mapped, the device is opened, and only then the guest sees it.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "vmm/handover.h"
#include "vmm/vm.h"

/*
 * From the press of the button: Linux lets five seconds pass and then stops the driver.
 * What has not let go by then is taken away.
 */
#define LEAVE_DEADLINE_NS (15ull * 1000000000)

/* --- out ---------------------------------------------------------------------------------------- */

bool vfio_pci_has_slot(const struct vfio_pci *v)
{
	return v->pci.port != NULL;
}

static void forget(struct vfio_pci_set *set, const struct vfio_pci *v)
{
	unsigned i = 0;

	while (i < set->ndevices && set->devices[i] != v)
		i++;
	if (i == set->ndevices)
		return;
	set->ndevices--;
	memmove(&set->devices[i], &set->devices[i + 1],
		(set->ndevices - i) * sizeof(struct vfio_pci *));
}

static bool has_device_of(const struct vfio_pci_set *set, unsigned group)
{
	for (unsigned i = 0; i < set->ndevices; i++)
		if (set->devices[i]->group == group)
			return true;
	return vfio_pci_is_closing_of(set, group);
}

void vfio_pci_is_out(struct vfio_pci_set *set, const struct vfio_departure *left)
{
	static const char *const words[] = {
		[WAY_ASKED] = "",
		[WAY_PULLED] = ", which did not let go of it before",
		[WAY_SILENT] = ", which is not told and finds it silent",
	};

	if (!has_device_of(set, left->group))
		vfio_pci_del_group(set, left->group);
	log_note("%s is out of the guest%s", left->name, words[left->way]);
	vm_event(set->vm, VM_DEVICE_REMOVED, left->name);
}

static struct vfio_departure departure_of(const struct vfio_pci *v)
{
	struct vfio_departure left = { .group = v->group, .way = WAY_PULLED };

	if (!vfio_pci_has_slot(v))
		left.way = WAY_SILENT;
	else if (v->leave == LEAVE_READY)
		left.way = WAY_ASKED;
	memcpy(left.name, v->pci.name, sizeof(left.name));
	return left;
}

/* All that share a slot: a guest can let go of it, or find it empty, only as a whole. */
struct leaving {
	unsigned n;
	struct vfio_pci *v[PCI_SLOT_FUNCTIONS]; /* function 0 last */
	struct vfio_departure left[PCI_SLOT_FUNCTIONS];
};

static void say_with_whom(const struct vfio_pci *v, const struct vfio_pci *other)
{
	if (other != v)
		log_warn("%s leaves the guest, and with it %s, which is in its slot", v->pci.name,
			 other->pci.name);
}

/* A CPU that still uses one would find its memory gone while its bus is reset. */
static void unseat(struct vfio_pci *v, struct leaving *ret)
{
	ret->n = vfio_pci_in_slot(v, ret->v);
	for (unsigned i = 0; i < ret->n; i++) {
		ret->left[i] = departure_of(ret->v[i]);
		if (v->leave == LEAVE_NOT)
			say_with_whom(v, ret->v[i]);
	}
	for (unsigned i = 0; i < ret->n; i++)
		pci_remove(&ret->v[i]->pci);
}

/* A group is not left before the last of its devices is closed. */
void vfio_pci_take_out(struct vfio_pci *v)
{
	struct vfio_pci_set *set = v->set;
	struct leaving l;

	unseat(v, &l);
	vfio_pci_reset_leaving(l.v, l.n);
	for (unsigned i = 0; i < l.n; i++) {
		forget(set, l.v[i]);
		vfio_pci_dev_close(l.v[i]);
	}
	for (unsigned i = 0; i < l.n; i++)
		vfio_pci_is_out(set, &l.left[i]);
}

/* They come back with v, so they are told of as it is. */
static void tell_errors(struct vfio_pci *v)
{
	struct vfio_pci *all[PCI_SLOT_FUNCTIONS];
	unsigned n = vfio_pci_in_slot(v, all);

	for (unsigned i = 0; i < n; i++)
		if (all[i] != v)
			vm_event(v->set->vm, VM_DEVICE_ERROR, all[i]->pci.name);
}

/* The close resets them: nobody waits for that, which may take long where they are dead. */
static void close_aside(struct vfio_pci_set *set, struct leaving *l)
{
	int fd[PCI_SLOT_FUNCTIONS];

	for (unsigned i = 0; i < l->n; i++) {
		forget(set, l->v[i]);
		fd[i] = vfio_pci_dev_let_go(l->v[i]);
	}
	for (unsigned i = 0; i < l->n; i++)
		if (vfio_pci_close_aside(set, &l->left[i], fd[i]) == 0)
			fd[i] = -1;
	for (unsigned i = 0; i < l->n; i++) {
		if (fd[i] < 0)
			continue;
		close_fdp(&fd[i]);
		vfio_pci_is_out(set, &l->left[i]);
	}
}

void vfio_pci_drop(struct vfio_pci *v)
{
	struct leaving l;

	tell_errors(v);
	unseat(v, &l);
	for (unsigned i = 0; i < l.n; i++) {
		if (l.left[i].way == WAY_ASKED)
			l.left[i].way = WAY_PULLED;
		vfio_pci_silence(l.v[i]);
	}
	close_aside(v->set, &l);
}

/* What comes next is waiting: another way for the guest's network. */
static void pull(struct vfio_pci *v)
{
	struct leaving l;

	unseat(v, &l);
	for (unsigned i = 0; i < l.n; i++)
		vfio_pci_silence(l.v[i]);
	vfio_pci_reset_leaving(l.v, l.n);
	close_aside(v->set, &l);
}

static void on_leave_timer(void *opaque, int fd)
{
	(void)fd;
	vfio_pci_take_out(opaque);
}

static void leave_in(struct vfio_pci *v, uint64_t ns)
{
	int r = 0;

	if (v->leave_timer < 0)
		r = loop_timer_new(v->set->vm->loop, on_leave_timer, v, &v->leave_timer);
	if (r == 0)
		r = loop_timer_arm(v->leave_timer, ns);
	if (r < 0)
		log_warn("%s: it cannot leave the guest: %s", v->pci.name, strerror(-r));
}

void vfio_pci_leave(struct vfio_pci *v)
{
	struct vfio_pci *all[PCI_SLOT_FUNCTIONS];
	unsigned n = vfio_pci_in_slot(v, all);

	if (v->leave != LEAVE_NOT)
		return;
	for (unsigned i = 0; i < n; i++) {
		say_with_whom(v, all[i]);
		all[i]->leave = LEAVE_ASKED;
		leave_in(all[i], LEAVE_DEADLINE_NS);
	}
	(void)pci_press_button(&v->pci);
}

/* On the thread of a vCPU, in the middle of an access to the port: the loop does the rest. */
void vfio_pci_ejected(struct pci_dev *pci)
{
	struct vfio_pci *v = to_vfio_pci(pci);

	v->leave = LEAVE_READY;
	leave_in(v, 1);
}

static struct vfio_pci *find_ready(const struct vfio_pci_set *set)
{
	for (unsigned i = vfio_pci_count(set); i-- > 0;)
		if (set->devices[i]->leave == LEAVE_READY)
			return set->devices[i];
	return NULL;
}

/* What came for a network device is not the new guest's before that one's driver asked for it. */
void vfio_pci_finish_leaving(struct vfio_pci_set *set)
{
	struct vfio_pci *v;

	for (unsigned i = 0; i < vfio_pci_count(set); i++)
		if (set->devices[i]->leave != LEAVE_NOT || set->devices[i]->pci.owner)
			set->devices[i]->leave = LEAVE_READY;
	while ((v = find_ready(set)))
		vfio_pci_take_out(v);
}

void vfio_pci_leave_fini(struct vfio_pci *v)
{
	if (v->leave_timer >= 0)
		loop_del(v->set->vm->loop, v->leave_timer);
	close_fdp(&v->leave_timer);
}

static struct vfio_pci *find(const struct vfio_pci_set *set, const char *name)
{
	for (unsigned i = 0; i < vfio_pci_count(set); i++)
		if (strcmp(set->devices[i]->pci.name, name) == 0)
			return set->devices[i];
	return NULL;
}

unsigned vfio_pci_beside(const struct vfio_pci_set *set, const char *name,
			 const char *ret[PCI_SLOT_FUNCTIONS])
{
	struct vfio_pci *all[PCI_SLOT_FUNCTIONS], *v = find(set, name);
	unsigned n = v ? vfio_pci_in_slot(v, all) : 0, others = 0;

	for (unsigned i = 0; i < n; i++)
		if (all[i] != v)
			ret[others++] = all[i]->pci.name;
	return others;
}

int vfio_pci_unplug(struct vfio_pci_set *set, const char *name, bool now, struct err *err)
{
	struct vfio_pci *v = find(set, name);

	if (!v)
		return err_plain(err, -ENODEV, "the guest does not have %s", name);
	if (!now && !vfio_pci_has_slot(v)) {
		err_plain(err, -EOPNOTSUPP, "%s cannot leave a guest that runs: it is a conventional "
					    "PCI device, which is in no slot", name);
		return err_hint(err, "it is given back when the guest ends, or at once by thruway vm "
				     "detach --now, of which the guest is not told");
	}
	if (now && v->pci.owner)
		pull(v);
	else if (now)
		vfio_pci_take_out(v);
	else
		vfio_pci_leave(v);
	return 0;
}

/* --- in ----------------------------------------------------------------------------------------- */

static const struct vfio_group_ref *find_group(const struct vfio_pci_set *set, unsigned number)
{
	for (unsigned i = 0; i < set->ngroups; i++)
		if (set->groups[i].number == number)
			return &set->groups[i];
	return NULL;
}

static int add_group(struct vfio_pci_set *set, unsigned number, int fd, int container_fd,
		     struct err *err)
{
	struct err why = ERR_INIT;
	int r = vfio_pci_add_group(set, fd, number, &why);

	/* Which the kernel says of what would be out of the group's reach, without a word where. */
	if (r == -EINVAL && set->ngroups && !find_group(set, number) &&
	    vfio_pci_explain_reach(set, fd, number, container_fd, err) < 0)
		return r;
	if (r < 0 && err && !err->code)
		*err = why;
	return r;
}

/* The group and RAM, where they are not there yet. *fd is the set's when the group has joined. */
static int join(struct vfio_pci_set *set, const char *name, unsigned number, int *fd,
		int container_fd, struct err *err)
{
	int r;

	if (find_group(set, number))
		return 0;
	if (*fd < 0)
		return err_plain(err, -EPROTO, "IOMMU group %u did not come with its device", number);
	r = add_group(set, number, *fd, container_fd, err);
	if (find_group(set, number))
		*fd = -1;
	if (r == 0 && !set->listening)
		r = vfio_pci_map_ram(set, err);
	if (r < 0 && find_group(set, number))
		vfio_pci_del_group(set, number);
	return r < 0 ? err_prefix(err, "cannot attach %s", name), r : 0;
}

/* Its slot has the others again, which the guest finds as if they had just come, too. */
static void say_who_is_there(struct vfio_pci *v)
{
	struct vfio_pci *all[PCI_SLOT_FUNCTIONS];
	unsigned n = vfio_pci_in_slot(v, all);

	for (unsigned i = 0; i < n; i++)
		if (all[i] != v)
			log_note("%s is beside %s again, which the guest sees leave and come for that",
				 v->pci.name, all[i]->pci.name);
}

static int add(struct vfio_pci_set *set, struct vfio_pci_arrival *a, struct err *err)
{
	struct vfio_pci **grown = realloc(set->devices,
					  (set->ndevices + 1) * sizeof(struct vfio_pci *));
	struct vfio_pci *v;
	int r;

	if (!grown)
		return err_set(err, -ENOMEM, "cannot attach %s", a->device->name);
	set->devices = grown;
	r = vfio_pci_dev_open(set, find_group(set, a->group), a->device, &v, err);
	if (r < 0)
		return r;
	if (!v->express)
		r = err_plain(err, -EOPNOTSUPP, "%s cannot be given to a guest that runs: it is a "
						"conventional PCI device, which no slot takes",
			      a->device->name);
	v->pci.only_node = a->only_node;
	if (r == 0)
		r = pci_plug(set->vm->pci, &v->pci, a->device->node, err);
	if (r < 0) {
		vfio_pci_dev_close(v);
		return r;
	}
	a->node = v->pci.node;
	say_who_is_there(v);
	set->devices[set->ndevices++] = v;
	vfio_pci_reserve_fds(set);
	vfio_pci_map_live_bars(set);
	return 0;
}

int vfio_pci_plug(struct vm *vm, struct vfio_pci_set **set, struct vfio_pci_arrival *a,
		  struct err *err)
{
	const char *name = a->device->name;
	int r = 0;

	if (find(*set, name))
		r = err_plain(err, -EEXIST, "the guest has %s already", name);
	/* The kernel would let its group be opened when that is over, and nobody until then. */
	if (r == 0 && *set && vfio_pci_is_closing_of(*set, a->group)) {
		err_plain(err, -EBUSY, "cannot attach %s: the host still resets it, or another device "
				       "of its group", name);
		r = err_hint(err, "that takes a minute where it does not answer; dmesg tells");
	}
	if (r == 0 && !*set) {
		r = vfio_pci_set_new(vm, a->container_fd, set, err);
		if (r == 0)
			a->container_fd = -1;
	}
	if (r == 0)
		r = join(*set, name, a->group, &a->group_fd, a->container_fd, err);
	if (r == 0) {
		r = add(*set, a, err);
		if (r < 0 && !has_device_of(*set, a->group))
			vfio_pci_del_group(*set, a->group);
	}
	close_fdp(&a->group_fd);
	close_fdp(&a->container_fd);
	if (r < 0)
		return r;
	log_note("%s is in the guest", name);
	vm_event(vm, VM_DEVICE_ADDED, name);
	return 0;
}
