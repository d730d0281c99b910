// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resets, by a ladder: what the function does well alone (FLR, also of the AF capability); a reset of its
 * bus or slot, if all that hangs there is this VM's; the rest of what it has alone, which is a power
 * cycle to D3hot and back. What is found afterwards is told.
 *
 * The kernel resets a function itself when it is opened and with its last close, by FLR or power cycle,
 * or its bus if it has none. So when a device leaves, ours is only the reset of a bus that is more than
 * a power cycle; what the close does nobody can look at from here. It does nothing to a device that
 * the host takes back: who unbinds a driver holds the device's lock, for which the kernel's resets of
 * an open device, and those of the close, do not wait.
 */
#include "vmm/vfio_pci/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/bdf.h"
#include "base/le.h"
#include "base/log.h"
#include "vfio/bus_reset.h"
#include "vmm/vm.h"

/* --- what came of it --- */

static bool read16(const struct vfio_pci *v, unsigned off, uint16_t *ret)
{
	uint8_t b[2];

	if (vfio_region_read(v->dev.fd, &v->config, off, b, sizeof(b)) < 0)
		return false;
	*ret = get_le16(b);
	return true;
}

/* What is not as after a reset; NULL: all is. The kernel has put its registers back by now. */
static const char *look(const struct vfio_pci *v)
{
	uint16_t ids, command, word;

	if (!read16(v, PCI_VENDOR_ID, &ids) || !read16(v, PCI_COMMAND, &command) ||
	    (ids == 0xffff && command == 0xffff) || vfio_pci_is_gone(v))
		return "it does not answer any more";
	if (command & PCI_COMMAND_MASTER)
		return "it still masters the bus";
	if (v->pm_cap && read16(v, v->pm_cap + PCI_PM_CTRL, &word) && word & PCI_PM_CTRL_STATE_MASK)
		return "it did not wake up";
	if (v->express && read16(v, v->express + PCI_EXP_DEVSTA, &word) &&
	    word & PCI_EXP_DEVSTA_TRPND)
		return "it still waits for answers on the bus";
	return NULL;
}

static void conclude(struct vfio_pci *v, enum vfio_reset kind, bool known, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void conclude(struct vfio_pci *v, enum vfio_reset kind, bool known, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(v->last_reset.cause, sizeof(v->last_reset.cause), fmt, args);
	va_end(args);
	v->last_reset.done = true;
	v->last_reset.known = known;
	v->last_reset.kind = kind;
	v->to_reset = false;
}

static void conclude_done(struct vfio_pci *v, enum vfio_reset kind)
{
	const char *wrong = look(v);

	conclude(v, kind, true, "%s", wrong ? wrong : "");
	if (wrong)
		log_warn_limited("%s: after its reset (%s) %s: the guest that comes next may find what "
				 "this one left in it; a cold boot of the host ends that for certain",
				 v->pci.name, vfio_reset_word(kind), wrong);
}

static void conclude_none(struct vfio_pci *v, const char *why)
{
	conclude(v, VFIO_RESET_NONE, true, "%s", why);
	log_warn_limited("%s cannot be reset, only silenced (%s): the guest that comes next finds what "
			 "this one left in it; give one VM all that is on its bus (thruway bind --group "
			 "%s), or take a device that has an FLR (thruway show)",
			 v->pci.name, why, v->pci.name);
}

static void conclude_taken_back(struct vfio_pci *v)
{
	conclude(v, VFIO_RESET_NONE, true, "the host that takes it back keeps the kernel from resetting it");
	log_warn_limited("%s: the host that takes it back keeps the kernel from resetting it: who has it "
			 "next finds what this guest left in it, unless it is reset before; vfio-pci "
			 "does that when it is opened and most drivers when they begin, and thruway "
			 "reset %s when it is free", v->pci.name, v->pci.name);
}

static void last_reset(const struct vfio_pci *v, struct vm_device_reset *ret)
{
	bool fine = !v->last_reset.cause[0];

	*ret = (struct vm_device_reset){
		.device = v->pci.name,
		.kind = vfio_reset_word(v->last_reset.kind),
		.known = v->last_reset.known,
		.verified = v->last_reset.known && fine,
		.cause = fine ? NULL : v->last_reset.cause,
	};
}

bool vfio_pci_last_reset(const struct vfio_pci_set *set, unsigned i, struct vm_device_reset *ret)
{
	if (!set->devices[i]->last_reset.done)
		return false;
	last_reset(set->devices[i], ret);
	return true;
}

static void tell(const struct vfio_pci *v)
{
	struct vm *vm = v->set->vm;
	struct vm_device_reset r;

	last_reset(v, &r);
	log_note("%s: reset (%s)%s%s", r.device, r.kind, r.cause ? ": " : "", r.cause ? r.cause : "");
	if (vm->on_reset)
		vm->on_reset(vm->on_event_opaque, &r);
}

/* --- the steps of the ladder --- */

static bool is_flr(enum vfio_reset kind)
{
	return kind == VFIO_RESET_FLR || kind == VFIO_RESET_AF_FLR;
}

static enum vfio_reset own_kind(const struct vfio_pci *v)
{
	return v->own != VFIO_RESET_NONE ? v->own : VFIO_RESET_FUNCTION;
}

static bool is_hit(const struct vfio_pci *v, const struct bus_reset *bus)
{
	struct bdf self;

	if (bdf_parse(v->pci.name, &self) < 0)
		return false;
	self.domain &= 0xffff;
	for (unsigned i = 0; i < bus->count; i++)
		if (bdf_eq(bus->hit[i].bdf, self))
			return true;
	return false;
}

/* The guest has it, and it is not being reset with others. */
static bool goes_on(const struct vfio_pci *v)
{
	return v->pci.pci && !v->to_reset;
}

/* Another one that the guest goes on with. */
static const struct vfio_pci *other_hit(const struct vfio_pci *v, const struct bus_reset *bus)
{
	for (unsigned i = 0; i < v->set->ndevices; i++)
		if (v->set->devices[i] != v && goes_on(v->set->devices[i]) &&
		    is_hit(v->set->devices[i], bus))
			return v->set->devices[i];
	return NULL;
}

/*
 * Whom a reset of v's bus would hit, if it may be done: 0. Alone: nothing else that the guest has may
 * be there. Else -errno and in why the reason.
 */
static int find_bus(const struct vfio_pci *v, bool alone, struct bus_reset **ret, char *why, size_t size)
{
	const struct vfio_pci_set *set = v->set;
	const struct vfio_pci *other;
	const struct bdf *foreign;
	int r = bus_reset_get(&v->dev, ret);

	if (r < 0) {
		snprintf(why, size, "it has no reset of its own, and the kernel has none of its bus: %s",
			 strerror(-r));
		return r;
	}
	foreign = bus_reset_foreign(*ret, set->groups, set->ngroups);
	other = alone ? other_hit(v, *ret) : NULL;
	if (foreign)
		snprintf(why, size, "it has no reset of its own, and %s on its bus is not in this VM",
			 BDF_STR(*foreign));
	else if (other)
		snprintf(why, size, "it has no reset of its own, and the guest goes on with %s on its bus",
			 other->pci.name);
	return foreign || other ? -EPERM : 0;
}

static int spare_vfs_of(const struct vfio_pci *pf, char *why, size_t size)
{
	unsigned n = vfio_pci_vfs_elsewhere(pf);

	if (n)
		snprintf(why, size, "the bus has %s, of whose virtual functions %u %s not in this VM",
			 pf->pci.name, n, n == 1 ? "is" : "are");
	return n ? -EPERM : 0;
}

/* No reset of a bus with a PF whose VFs others have: what v has of its own must do. v may have left the set. */
static int spare_vfs(const struct vfio_pci *v, const struct bus_reset *bus, char *why, size_t size)
{
	int r = spare_vfs_of(v, why, size);

	for (unsigned i = 0; i < v->set->ndevices && r == 0; i++)
		if (is_hit(v->set->devices[i], bus))
			r = spare_vfs_of(v->set->devices[i], why, size);
	return r;
}

/* They find themselves reset, and nobody else tells who has them. */
static void warn_of_vfs(const struct vfio_pci *v)
{
	unsigned n = vfio_pci_vfs_elsewhere(v);

	if (n)
		log_warn_limited("%s: its reset resets its virtual functions, too, and %u of them %s not "
				 "in this VM: whoever has them finds them without what their drivers set "
				 "up; give a VM a physical function without VFs, or with all of them",
				 v->pci.name, n, n == 1 ? "is" : "are");
}

static int try_function(struct vfio_pci *v, char *why, size_t size)
{
	int r = vfio_device_reset(&v->dev);

	if (r == 0)
		conclude_done(v, own_kind(v));
	else if (r != -EOPNOTSUPP)
		snprintf(why, size, "its own reset (%s) failed: %s", vfio_reset_word(own_kind(v)),
			 strerror(-r));
	return r;
}

/* One reset for all on the bus; those of the set that wait for theirs have had it. */
static int try_bus(struct vfio_pci *v, bool alone, char *why, size_t size)
{
	struct vfio_pci_set *set = v->set;
	_cleanup_free_ struct bus_reset *bus = NULL;
	int r = find_bus(v, alone, &bus, why, size);

	if (r == 0)
		r = spare_vfs(v, bus, why, size);
	if (r < 0)
		return r;
	r = bus_reset_do(&v->dev, bus, set->groups, set->ngroups);
	if (r < 0) {
		snprintf(why, size, "a reset of its bus failed: %s", strerror(-r));
		return r;
	}
	conclude_done(v, VFIO_RESET_BUS);
	for (unsigned i = 0; i < set->ndevices; i++)
		if (set->devices[i]->to_reset && is_hit(set->devices[i], bus))
			conclude_done(set->devices[i], VFIO_RESET_BUS);
	return 0;
}

static int try_all(struct vfio_pci *v, bool alone, char *why, size_t size)
{
	char ignored[sizeof(v->last_reset.cause)];
	int r = -EOPNOTSUPP;

	if (is_flr(v->own))
		r = try_function(v, why, size);
	if (r < 0)
		r = why[0] ? try_bus(v, alone, ignored, sizeof(ignored)) : try_bus(v, alone, why, size);
	if (r < 0 && !is_flr(v->own))
		r = try_function(v, why, size);
	return r;
}

static void climb(struct vfio_pci *v, bool alone)
{
	char why[sizeof(v->last_reset.cause)] = "";

	warn_of_vfs(v);
	if (try_all(v, alone, why, sizeof(why)) < 0)
		conclude_none(v, why);
}

void vfio_pci_silence(struct vfio_pci *v)
{
	vfio_pci_irqs_reset(v);
	vfio_pci_use_changed(v);
	/* After this nothing of the device reaches guest RAM, which may be about to be loaded anew. */
	vfio_pci_set_command(v, 0);
}

void vfio_pci_reset_alone(struct vfio_pci *v)
{
	climb(v, true);
}

/* First those that may need their bus, as below. */
void vfio_pci_reset_slot(struct vfio_pci *v)
{
	struct vfio_pci *all[PCI_SLOT_FUNCTIONS];
	unsigned n = vfio_pci_in_slot(v, all);

	for (unsigned i = 0; i < n; i++)
		if (!all[i]->to_reset)
			return;
	for (unsigned i = 0; i < n; i++)
		if (all[i]->to_reset && !is_flr(all[i]->own))
			climb(all[i], true);
	for (unsigned i = 0; i < n; i++)
		if (all[i]->to_reset)
			climb(all[i], true);
}

/* --- all together --- */

void vfio_pci_reset_begin(struct vfio_pci_set *set)
{
	if (set)
		set->resetting = true;
}

/* First those that may need their bus: it is the reset of the others there, too. */
void vfio_pci_reset_end(struct vfio_pci_set *set)
{
	unsigned n = vfio_pci_count(set);

	if (!set)
		return;
	set->resetting = false;
	for (unsigned i = 0; i < n; i++) {
		struct vfio_pci *v = set->devices[i];

		if (v->to_reset && !is_flr(v->own))
			climb(v, false);
	}
	for (unsigned i = 0; i < n; i++)
		if (set->devices[i]->to_reset)
			climb(set->devices[i], false);
	for (unsigned i = 0; i < n; i++)
		if (set->devices[i]->last_reset.done)
			tell(set->devices[i]);
}

/* --- before the close --- */

static void conclude_close(struct vfio_pci *v, enum vfio_reset kind)
{
	conclude(v, kind, false, "the kernel does it with the close");
}

/* While the host has its lock nothing but a refusal is to be had, at once; but it need not have it. */
static void before_return(struct vfio_pci *v, bool alone)
{
	_cleanup_free_ struct bus_reset *bus = NULL;
	char why[sizeof(v->last_reset.cause)] = "";

	vfio_pci_irqs_reset(v);
	vfio_pci_set_command(v, 0);
	if (!vfio_pci_is_gone(v) && try_all(v, alone, why, sizeof(why)) == 0)
		return;
	if (v->dev.can_reset || find_bus(v, alone, &bus, why, sizeof(why)) == 0)
		conclude_taken_back(v);
	else
		conclude_none(v, why);
}

/*
 * A power cycle is all that the close would be content with: more is done before, to what is there. Where
 * it is nothing at all the kernel resets the bus itself, once the last of those that are there is closed.
 */
static void before_close(struct vfio_pci *v, bool alone)
{
	_cleanup_free_ struct bus_reset *bus = NULL;
	char why[sizeof(v->last_reset.cause)] = "";

	warn_of_vfs(v);
	if (vfio_pci_is_requested(v)) {
		before_return(v, alone);
	} else if (v->dev.can_reset && (is_flr(v->own) || vfio_pci_is_gone(v))) {
		conclude_close(v, own_kind(v));
	} else if (v->dev.can_reset) {
		vfio_pci_irqs_reset(v);
		vfio_pci_set_command(v, 0);
		if (try_bus(v, alone, why, sizeof(why)) < 0)
			conclude_close(v, own_kind(v));
	} else if (find_bus(v, alone, &bus, why, sizeof(why)) == 0) {
		conclude_close(v, VFIO_RESET_BUS);
	} else {
		conclude_none(v, why);
	}
}

void vfio_pci_reset_leaving(struct vfio_pci *const *all, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		all[i]->to_reset = true;
	for (unsigned i = 0; i < n; i++)
		if (all[i]->touched && all[i]->to_reset)
			before_close(all[i], true);
	for (unsigned i = 0; i < n; i++)
		if (all[i]->touched)
			tell(all[i]);
}

void vfio_pci_reset_last(struct vfio_pci_set *set)
{
	for (unsigned i = 0; i < set->ndevices; i++) {
		struct vfio_pci *v = set->devices[i];

		v->to_reset = v->touched;
		if (!v->to_reset)
			continue;
		vfio_pci_irqs_reset(v);
		vfio_pci_set_command(v, 0);
	}
	for (unsigned i = 0; i < set->ndevices; i++)
		if (set->devices[i]->to_reset)
			before_close(set->devices[i], false);
	for (unsigned i = 0; i < set->ndevices; i++)
		if (set->devices[i]->touched)
			tell(set->devices[i]);
}
