// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose a device is: another driver's, another process's, another device by now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "host/doctor/doctor_internal.h"
#include "vfio/node.h"
#include "vfio/pci_path.h"

void rule_early_driver(struct check *c)
{
	bool by_ids = c->wanted == WANTED_IDS;

	if (c->wanted == WANTED_NOT || c->wanted == WANTED_ASKED || c->wanted == WANTED_DRIVER) {
		check_skip(c);
		return;
	}
	if (!c->dev->driver[0])
		return;
	check_evidence(c, c->dev->driver, "sys/bus/pci/devices/%s/driver", c->bdf);
	check_evidence(c, by_ids ? "ids=" : "vfio-pci", "%s", c->wanted_file + 1);
	check_say(c, by_ids ? DOCTOR_WARN : DOCTOR_FAIL, "it is meant for vfio-pci, but %s has it",
		  c->dev->driver);
	if (by_ids)
		check_fix(c,
			  "thruway bind %s; ids= comes too late when the other driver is loaded "
			  "first: 'softdep %s pre: vfio-pci' in /etc/modprobe.d, and both in the "
			  "initramfs",
			  c->bdf, c->dev->driver);
	else if (c->wanted == WANTED_SPEC)
		check_fix(c, "thruway host apply");
	else
		check_fix(c, "thruway bind %s", c->bdf);
}

/* Somebody has the group open, and it is not for another function of it. */
static bool is_held_alone(const struct check *c)
{
	const struct pci_function *other = NULL;

	while ((other = topo_group_next(c->d->req->topo, c->dev->group, other))) {
		if (pci_function_driver_is_vfio(other->driver))
			return false;
	}
	return c->dev->group >= 0;
}

/*
 * Its VFIO driver's link is gone first, and then remove() waits for who has it. Not every kernel
 * shows the lock that is held meanwhile.
 */
static bool waits_for_user(struct check *c, const struct in_use *u)
{
	if (c->dev->driver[0] || !is_held_alone(c))
		return false;
	for (unsigned i = 0; i < u->count; i++) {
		if (u->items[i].reason != IN_USE_PROCESS && u->items[i].reason != IN_USE_VM)
			continue;
		check_evidence(c, u->items[i].what, "proc");
		check_say(c, DOCTOR_FAIL, "it is being taken from its driver, which waits: %s",
			  u->items[i].what);
		check_fix(c, "stop who has it");
		return true;
	}
	return false;
}

void rule_busy_native(struct check *c)
{
	struct in_use u;

	if (c->dev->busy) {
		check_evidence(c, "its lock was not given",
			       "sys/bus/pci/devices/%s/driver_override", c->bdf);
		check_say(c, c->wanted ? DOCTOR_FAIL : DOCTOR_WARN,
			  "the kernel is at work on it, or hangs in %s",
			  c->dev->driver[0] ? c->dev->driver : "the PCI core");
		check_fix(
			c,
			"look who sleeps there: ps -eo pid,state,wchan:24,args | grep ' D '; only a "
			"reboot ends a driver that hangs");
		return;
	}
	if (!c->wanted || pci_function_driver_is_vfio(c->dev->driver)) {
		check_skip(c);
		return;
	}
	in_use_find(c->d->req->users, c->dev, &u);
	if (waits_for_user(c, &u))
		return;
	for (unsigned i = 0; i < u.count; i++) {
		if (u.items[i].reason != IN_USE_PROCESS)
			continue;
		check_evidence(c, u.items[i].what, "proc");
		check_say(c, DOCTOR_WARN, "taking it from its driver may hang: %s",
			  u.items[i].what);
		check_fix(
			c,
			"stop it first (nvidia-persistenced, display servers and compute jobs hold "
			"graphics)");
	}
}

/* Through the group's node, or on newer kernels the device's own. */
static bool has_node(const struct check *c, char *path, size_t size)
{
	snprintf(path, size, "dev/vfio/%d", c->dev->group);
	return hostfs_exists(c->d->root, "%s", path) ||
	       hostfs_exists(c->d->root, "dev/vfio/noiommu-%d", c->dev->group) ||
	       (hostfs_exists(c->d->root, "sys/bus/pci/devices/%s/vfio-dev", c->bdf) &&
		hostfs_exists(c->d->root, "dev/vfio/devices"));
}

void rule_vfio_open(struct check *c)
{
	char path[64], comm[32];
	pid_t pid;

	if (!pci_function_driver_is_vfio(c->dev->driver) || c->dev->group < 0) {
		check_skip(c);
		return;
	}
	if (!hostfs_exists(c->d->root, "dev")) {
		check_unreadable(c, -ENOENT, "dev");
	} else if (!has_node(c, path, sizeof(path))) {
		check_evidence(c, "not there", "%s", path);
		check_say(c, DOCTOR_FAIL,
			  "a VFIO driver has it, but there is no node to open it by");
		check_fix(
			c,
			"is devtmpfs mounted on /dev? is vfio loaded (modprobe vfio_iommu_type1)? "
			"then thruway restore %s and thruway bind %s",
			c->bdf, c->bdf);
	} else if (vfio_group_holder(c->d->root, (unsigned)c->dev->group, &pid, comm,
				     sizeof(comm)) == 0) {
		check_evidence(c, comm, "proc/%d/comm", (int)pid);
		check_say(c, DOCTOR_NOTE,
			  "pid %d (%s) has it: others are told 'Device or resource "
			  "busy'",
			  (int)pid, comm);
	} else if (c->asked && faccessat(c->d->root, path, R_OK | W_OK, AT_EACCESS) < 0 &&
		   errno == EACCES) {
		check_evidence(c, "not to be opened by this user", "%s", path);
		check_say(c, DOCTOR_NOTE, "this user may not open it");
		check_fix(c, "as root: thruway bind --owner USER %s", c->bdf);
	}
}

/* An entry of host.yaml that names this address and something else about it that does not fit. */
static bool judge_target(struct check *c, const struct spec_target *target)
{
	const struct spec_fact *fact = wanted_fact(c->d, c->dev->bdf);
	const char *address = target->match[SPEC_ADDRESS].text;

	if (!fact || !address || strcmp(address, c->bdf) != 0)
		return false;
	if (spec_fits(target, fact))
		return true;
	check_evidence(c, address, "etc/thruway/%s", SPEC_PLACE_STR(&c->d->spec, target->at));
	check_evidence(c, fact->identity, "sys/bus/pci/devices/%s", c->bdf);
	check_say(c, DOCTOR_FAIL, "another device is at this address than the one host.yaml means");
	check_fix(c, "name it there by its fingerprint, which thruway show DEV prints");
	return true;
}

static bool judge_spec(struct check *c)
{
	const struct spec *spec = &c->d->spec;
	bool named = false;

	for (size_t i = 0; i < spec->device_count; i++)
		named |= judge_target(c, &spec->devices[i].target);
	for (size_t i = 0; i < spec->pf_count; i++)
		named |= judge_target(c, &spec->pfs[i].target);
	return named;
}

void rule_host_yaml(struct check *c)
{
	if (!c->d->spec_err.code)
		return;
	check_evidence(c, c->d->spec_err.text, "etc/thruway/host.yaml");
	check_say(c, DOCTOR_WARN, "it says nothing: %s", c->d->spec_err.text);
	check_fix(c, "%s",
		  c->d->spec_err.hint[0] ? c->d->spec_err.hint
					 : "see thruway-host.yaml(5), then thruway host diff");
}

void rule_addr_moved(struct check *c)
{
	char then[PCI_IDENTITY_MAX + STEP_VALUE_MAX], now[PCI_IDENTITY_MAX];
	bool named = judge_spec(c);
	int r = journal_identity(c->d->root, c->bdf, then, sizeof(then));

	if (r == -ENOENT) {
		if (!named)
			check_skip(c);
		return;
	}
	if (r < 0) {
		check_unreadable(c, r, "run/thruway/journal");
		return;
	}
	check_evidence(c, then, "run/thruway/journal");
	r = pci_path_identity(c->d->root, c->dev->bdf, now, sizeof(now));
	if (r < 0) {
		check_unreadable(c, r, "sys/bus/pci/devices/%s/config", c->bdf);
		return;
	}
	check_evidence(c, now, "sys/bus/pci/devices/%s", c->bdf);
	if (strcmp(then, now) == 0)
		return;
	check_say(c, DOCTOR_FAIL,
		  "another device is at this address than the one that was changed "
		  "here");
	check_fix(c,
		  "find the one you mean (thruway list) and name it by its new address; thruway "
		  "restore %s forgets the old one",
		  c->bdf);
}
