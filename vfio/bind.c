// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "vfio/bind_step.h"
#include "vfio/busy.h"
#include "vfio/lease.h"
#include "vfio/modules.h"

static bool requested(const struct bind_request *req, struct bdf bdf)
{
	for (size_t i = 0; i < req->count; i++) {
		if (bdf_eq(req->devs[i], bdf))
			return true;
	}
	return false;
}

/* The driver the request means for this device; "" for none. */
static const char *wanted_driver(int root, const struct bind_request *req, struct bdf bdf,
				 char *buf, size_t size)
{
	if (!req->driver)
		return modules_vfio_driver(root, bdf, buf, size);
	return strcmp(req->driver, "none") == 0 ? "" : req->driver;
}

static int check_endpoint(int root, const struct pci_function *dev, const char *driver,
			  struct err *err)
{
	const char *name = BDF_STR(dev->bdf);

	if (dev->busy)
		return busy_refuse(root, dev->bdf, "bind", err);
	if (!pci_function_is_endpoint(dev)) {
		err_plain(err, -EINVAL, "cannot bind %s: it is a bridge", name);
		err_hint(err, "bind what is behind it; bridges stay with the host");
		return -EINVAL;
	}
	if (!pci_function_is_assignable(dev)) {
		err_plain(err, -EINVAL, "cannot bind %s: it is a bridge of the chipset (class %04x)",
			  name, dev->class >> 8);
		err_hint(err, "the host itself is behind it; thruway list shows what can be passed on");
		return -EINVAL;
	}
	if (dev->header_type == 0x7f) {
		err_plain(err, -EIO, "cannot bind %s: it does not answer (reads all ones)", name);
		err_hint(err, "its power state is %s; a reset or a cold boot may bring it back",
			 dev->power_state[0] ? dev->power_state : "unknown");
		return -EIO;
	}
	if (pci_function_driver_is_vfio(driver) && dev->group < 0) {
		err_plain(err, -ENODEV, "cannot bind %s to %s: it has no IOMMU group", name, driver);
		topo_hint_no_group(root, err);
		return -ENODEV;
	}
	return 0;
}

/*
 * What keeps the group from being viable though it could follow, or because it cannot. What is
 * behind a VMD leaves with the VMD's driver.
 */
static bool in_the_way(int root, const struct topo *topo, const struct bind_request *req,
		       const struct pci_function *dev)
{
	const struct pci_function *vmd = topo_vmd_of(root, topo, dev);

	if (requested(req, dev->bdf) || pci_function_leaves_group_viable(dev) ||
	    (vmd && requested(req, vmd->bdf)))
		return false;
	return !req->whole_group || !pci_function_is_assignable(dev);
}

static int refuse_behind_vmd(int root, const struct topo *topo, const struct pci_function *dev,
			     struct err *err)
{
	const struct pci_function *vmd = topo_vmd_of(root, topo, dev);

	if (!vmd)
		return 0;
	err_plain(err, -EINVAL, "cannot bind %s: %s (%s) does its DMA", BDF_STR(dev->bdf),
		  BDF_STR(vmd->bdf), vmd->driver[0] ? vmd->driver : "no driver");
	return err_hint(err, "thruway bind %s takes it and all that is behind it; or take its slot "
			     "away from VMD in the firmware's setup", BDF_STR(vmd->bdf));
}

/* Name the endpoints that are in the way. */
static int refuse_group(int root, const struct topo *topo, const struct bind_request *req,
			const struct pci_function *dev, struct err *err)
{
	const struct pci_function *other = NULL, *bridge = NULL;
	char names[256] = "";
	size_t n = 0;

	while ((other = topo_group_next(topo, dev->group, other))) {
		if (!in_the_way(root, topo, req, other))
			continue;
		if (n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s (%s)",
					      n ? ", " : "", BDF_STR(other->bdf), other->driver);
		if (!pci_function_is_assignable(other))
			bridge = other;
	}
	if (!n)
		return 0;
	err_plain(err, -EBUSY, "cannot bind %s: group %d also holds %s", BDF_STR(dev->bdf),
		  dev->group, names);
	if (bridge)
		return err_hint(err, "%s is a bridge of the chipset and stays with the host: without "
				"its driver it is not in the way (echo %s "
				">/sys/bus/pci/drivers/%s/unbind)", BDF_STR(bridge->bdf),
				BDF_STR(bridge->bdf), bridge->driver);
	return err_hint(err, "the IOMMU cannot tell them apart; take them all: "
			"thruway bind --group %s", BDF_STR(dev->bdf));
}

/* Of the first interface, unless it has another address now than it was made with. */
static int note_mac(int root, const struct pci_function *dev, struct plan *plan)
{
	char mac[64];
	uint64_t type;

	/* NET_ADDR_PERM, <linux/netdevice.h> */
	if (hostfs_read_u64(root, &type, "sys/class/net/%s/addr_assign_type", dev->netdevs[0]) < 0 ||
	    type != 0 ||
	    hostfs_read(root, mac, sizeof(mac), "sys/class/net/%s/address", dev->netdevs[0]) <= 0 ||
	    strlen(mac) != strlen("00:00:00:00:00:00"))
		return 0;
	return plan_note(plan, BDF_STR(dev->bdf), BIND_NOTE_MAC, mac);
}

/* The first comes last: of several the last is found for the device. */
static int note_netdevs(int root, const struct pci_function *dev, struct plan *plan)
{
	int r = 0;

	for (unsigned i = dev->netdev_count; r == 0 && i-- > 0;)
		r = plan_note(plan, BDF_STR(dev->bdf), BIND_NOTE_NETDEV, dev->netdevs[i]);
	return r == 0 && dev->netdev_count ? note_mac(root, dev, plan) : r;
}

static int plan_owner(const struct bind_request *req, const struct pci_function *dev,
		      struct plan *plan)
{
	char node[STEP_KEY_MAX];

	snprintf(node, sizeof(node), "vfio/%d", dev->group);
	return bind_step_plan_owner(plan, dev->bdf, node, req->uid, req->gid,
				    req->give_group ? 0660 : 0600);
}

/* Of a VMD also by who uses what is behind it. */
static int refuse_use(int root, const struct topo *topo, const struct in_use_host *host,
		      const struct bind_request *req, const struct pci_function *dev,
		      struct err *err)
{
	struct in_use used;
	int r;

	in_use_find(host, dev, &used);
	in_use_add_vfs(dev, &used);
	r = in_use_refuse(&used, "bind", dev->bdf, req->force, err);
	for (size_t i = 0; r == 0 && i < topo->count; i++) {
		if (topo_vmd_of(root, topo, &topo->devs[i]) != dev)
			continue;
		in_use_find(host, &topo->devs[i], &used);
		r = in_use_refuse(&used, "take away", topo->devs[i].bdf, req->force, err);
	}
	return r;
}

/* What has to be while no driver has it. */
static int plan_rebar(int root, const struct bind_request *req, const struct pci_function *dev,
		      bool bound, struct plan *plan, struct err *err)
{
	int r = 0;

	if (bound && req->rebar_count) {
		err_plain(err, -EBUSY, "%s is bound to %s already, and BARs are resized while no driver "
				       "has it", BDF_STR(dev->bdf), dev->driver);
		return err_hint(err, "thruway restore %s first", BDF_STR(dev->bdf));
	}
	for (size_t i = 0; r == 0 && i < req->rebar_count; i++)
		r = rebar_plan(root, dev->bdf, &req->rebar[i], plan, err);
	return r;
}

/* Checks and steps for one device. The group was looked at before. */
static int plan_one(int root, const struct topo *topo, const struct in_use_host *host,
		    const struct bind_request *req, const struct pci_function *dev,
		    struct plan *plan, struct err *err)
{
	char buf[PCI_DRIVER_MAX];
	const char *driver = wanted_driver(root, req, dev->bdf, buf, sizeof(buf));
	bool bound = dev->driver[0] && strcmp(dev->driver, driver) == 0;
	int r = check_endpoint(root, dev, driver, err);

	if (r == 0 && !bound)
		r = refuse_use(root, topo, host, req, dev, err);
	else if (r == 0 && req->give && !(req->force & 1u << IN_USE_VF_IN_USE))
		r = lease_refuse(root, dev->bdf, "give away", err);
	if (r < 0)
		return r;
	if (bound)
		r = bind_step_plan_override(plan, dev->bdf, driver);
	else
		r = bind_step_plan_interface(root, plan, dev);
	if (r == 0 && !bound)
		r = bind_step_plan_unbind(plan, dev->bdf);
	if (r == 0 && requested(req, dev->bdf)) {
		r = plan_rebar(root, req, dev, bound, plan, err);
		if (r < 0)
			return r;
	}
	if (r == 0 && !bound)
		r = bind_step_plan_probe(plan, dev->bdf, driver);
	if (r == 0 && !bound)
		r = note_netdevs(root, dev, plan);
	if (r == 0 && req->give && pci_function_driver_is_vfio(driver))
		r = plan_owner(req, dev, plan);
	return r < 0 ? err_set(err, r, "cannot plan the binding") : 0;
}

/* The endpoints that follow the requested device `dev`; earlier requests had their own. */
static int plan_rest_of_group(int root, const struct topo *topo, const struct in_use_host *host,
			      const struct bind_request *req, const struct pci_function *dev,
			      struct plan *plan, struct err *err)
{
	const struct pci_function *other = NULL;
	struct bind_request follow = *req;
	int r = 0;

	follow.give = false; /* one node for the whole group */
	while (r == 0 && (other = topo_group_next(topo, dev->group, other))) {
		if (pci_function_is_assignable(other) && !requested(req, other->bdf) &&
		    !topo_vmd_of(root, topo, other))
			r = plan_one(root, topo, host, &follow, other, plan, err);
	}
	return r;
}

/* The group was seen with a device before this one of the request. */
static bool group_done(const struct topo *topo, const struct bind_request *req, size_t n, int group)
{
	for (size_t i = 0; i < n; i++) {
		const struct pci_function *d = topo_find(topo, req->devs[i]);

		if (d && d->group == group)
			return true;
	}
	return false;
}

int bind_plan(int root, const struct topo *topo, const struct in_use_host *host,
	      const struct bind_request *req, struct plan *plan, struct err *err)
{
	char buf[PCI_DRIVER_MAX];
	bool vfio;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->count; i++) {
		const struct pci_function *dev = topo_find(topo, req->devs[i]);

		if (!dev)
			return err_plain(err, -ENODEV, "cannot bind %s: no such PCI device",
					 BDF_STR(req->devs[i]));
		vfio = pci_function_driver_is_vfio(
			wanted_driver(root, req, dev->bdf, buf, sizeof(buf)));
		if (vfio)
			r = refuse_behind_vmd(root, topo, dev, err);
		if (r == 0 && vfio && dev->group >= 0 && pci_function_is_assignable(dev))
			r = refuse_group(root, topo, req, dev, err);
		if (r == 0)
			r = plan_one(root, topo, host, req, dev, plan, err);
		if (r == 0 && dev->group >= 0 && req->whole_group &&
		    !group_done(topo, req, i, dev->group))
			r = plan_rest_of_group(root, topo, host, req, dev, plan, err);
	}
	return r;
}

int bind_plan_release(const struct pci_function *dev, struct plan *plan)
{
	bool guests =
		pci_function_driver_is_vfio(dev->driver) || strcmp(dev->driver, "pci-stub") == 0;

	if (!guests && dev->driver[0] && !dev->override[0])
		return -EALREADY;
	if (guests || !dev->driver[0])
		return bind_step_plan(plan, dev->bdf, "");
	/* Its own driver with a left-over override: only that goes, the driver stays. */
	return bind_step_plan_override(plan, dev->bdf, "");
}

int bind_reprobe(int root, struct bdf bdf, struct err *err)
{
	int r = hostfs_write(root, BDF_STR(bdf), HOSTFS_DEADLINE_MS, NULL,
			     "sys/bus/pci/drivers_probe");

	/* -EINVAL: no driver wanted it, which is for the caller to see and say. */
	return r == 0 || r == -EINVAL ? 0 : err_set(err, r, "cannot probe %s", BDF_STR(bdf));
}

int bind_check_node(int root, const struct pci_function *dev, struct err *err)
{
	if (hostfs_exists(root, "dev/vfio/%d", dev->group))
		return 0;
	err_plain(err, -ENODEV, "%s is bound to %s, but there is no /dev/vfio/%d",
		  BDF_STR(dev->bdf), dev->driver, dev->group);
	err_hint(err, "devtmpfs or udev makes it; without a group interface the kernel has "
		      "CONFIG_VFIO_GROUP=n");
	return -ENODEV;
}
