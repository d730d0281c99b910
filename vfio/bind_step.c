// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device changes hands by driver_override and drivers_probe, never by new_id,
 * which offers the driver every other unbound device with the same ids too.
 * Each write may hang in a driver's remove() or probe(), so each is bounded.
 */
#include "vfio/bind_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/aside.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/bind.h"
#include "vfio/modules.h"
#include "vfio/node.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"

#define DEVICES "sys/bus/pci/devices"
#define DRIVERS "sys/bus/pci/drivers"

static int add(struct plan *plan, struct bdf bdf, const char *op, const char *key,
	       const char *after)
{
	struct step s = { 0 };

	snprintf(s.op, sizeof(s.op), "%s", op);
	snprintf(s.key, sizeof(s.key), "%s", key);
	snprintf(s.after, sizeof(s.after), "%s", after);
	bdf_str(bdf, s.dev);
	return plan_add(plan, &s);
}

int bind_step_plan_unbind(struct plan *plan, struct bdf bdf)
{
	return add(plan, bdf, "driver", "", "");
}

int bind_step_plan_probe(struct plan *plan, struct bdf bdf, const char *driver)
{
	int r = add(plan, bdf, "override", "", driver);

	if (r == 0 && *driver)
		r = add(plan, bdf, "driver", "", driver);
	return r;
}

int bind_step_plan(struct plan *plan, struct bdf bdf, const char *driver)
{
	int r = bind_step_plan_unbind(plan, bdf);

	return r < 0 ? r : bind_step_plan_probe(plan, bdf, driver);
}

int bind_step_plan_override(struct plan *plan, struct bdf bdf, const char *driver)
{
	return add(plan, bdf, "override", "", driver);
}

static int remember(struct plan *plan, struct bdf bdf, const char *op)
{
	struct step s = { .remember = true, .optional = true };

	snprintf(s.op, sizeof(s.op), "%s", op);
	bdf_str(bdf, s.dev);
	return plan_add(plan, &s);
}

#define NET "sys/class/net/%s/"
#define IFF_UP_BIT 1u /* <linux/if.h> */
#define ETH_MTU 1500

/* Undone last first: the name, which must be had before the interface is up, goes behind all. */
int bind_step_plan_interface(int root, struct plan *plan, const struct pci_function *dev)
{
	const char *name = dev->netdevs[0];
	uint64_t v;
	int r = 0;

	if (dev->netdev_count != 1)
		return 0;
	if (hostfs_read_u64(root, &v, NET "flags", name) == 0 && v & IFF_UP_BIT)
		r = remember(plan, dev->bdf, "link");
	if (r == 0 && hostfs_read_u64(root, &v, NET "mtu", name) == 0 && v != ETH_MTU)
		r = remember(plan, dev->bdf, "mtu");
	/* NET_ADDR_PERM, <linux/netdevice.h> */
	if (r == 0 && hostfs_read_u64(root, &v, NET "addr_assign_type", name) == 0 && v != 0)
		r = remember(plan, dev->bdf, "address");
	return r < 0 ? r : remember(plan, dev->bdf, "ifname");
}

int bind_step_plan_owner(struct plan *plan, struct bdf bdf, const char *node, unsigned uid,
			 unsigned gid, unsigned mode)
{
	char owner[40];

	snprintf(owner, sizeof(owner), "%u:%u %04o", uid, gid, mode);
	return add(plan, bdf, "owner", node, owner);
}

static int identity(int root, const struct step *step, char *buf, size_t size)
{
	struct bdf bdf;

	if (bdf_parse(step->dev, &bdf) < 0)
		return -EINVAL;
	return pci_path_identity(root, bdf, buf, size);
}

/* A VF is there as long as its PF has it. */
static int parent(int root, const struct step *step, char *buf, size_t size)
{
	ssize_t n = hostfs_link_name(root, buf, size, DEVICES "/%s/physfn", step->dev);

	return n < 0 ? (int)n : 0;
}

/* -ENODEV for a device that left, what r says otherwise. */
static int or_gone(int root, const struct step *step, int r)
{
	return hostfs_exists(root, DEVICES "/%s", step->dev) ? r : -ENODEV;
}

/* A bounded write and its words. */
static int write_attr(int root, const struct step *step, const char *value, const char *path,
		      const char *verb, struct err *err)
{
	pid_t hung = 0;
	int r = hostfs_write(root, value, HOSTFS_DEADLINE_MS, &hung, "%s", path);

	if (r == 0)
		return 0;
	if (r == -ETIMEDOUT) {
		err_plain(err, r, "cannot %s %s: no answer from the kernel after %u s", verb,
			  step->dev, HOSTFS_DEADLINE_MS / 1000);
		err_hint(err, "pid %d hangs in the driver; see /proc/%d/stack for where", (int)hung,
			 (int)hung);
		return r;
	}
	r = or_gone(root, step, r);
	err_set(err, r, "cannot %s %s", verb, step->dev);
	if (r == -EACCES || r == -EPERM)
		err_hint(err, "run it as root");
	return r;
}

/* --- override --------------------------------------------------------------------------------- */

static int override_read(int root, const struct step *step, char *buf, size_t size)
{
	char text[STEP_VALUE_MAX];
	/* The kernel holds the device's lock to read it, and this too must not hang. */
	ssize_t n = aside_text(root, text, sizeof(text), DEVICES "/%s/driver_override", step->dev);

	if (n == -ENOENT)
		return or_gone(root, step, -EOPNOTSUPP);
	if (n < 0)
		return or_gone(root, step, (int)n);
	/* The kernel prints "(null)" where nothing is set. */
	snprintf(buf, size, "%s", strcmp(text, "(null)") == 0 ? "" : text);
	return 0;
}

static int override_write(int root, const struct step *step, const char *value, struct err *err)
{
	char path[HOSTFS_PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", step->dev);
	return write_attr(root, step, value, path, "set the driver override of", err);
}

static void override_describe(const struct step *step, char *buf, size_t size)
{
	if (step->after[0])
		snprintf(buf, size, "let only %s bind it", step->after);
	else
		snprintf(buf, size, "let any driver bind it");
}

const struct step_ops override_step_ops = {
	.op = "override",
	.read = override_read,
	.write = override_write,
	.describe = override_describe,
	.identity = identity,
	.parent = parent,
};

/* --- driver ----------------------------------------------------------------------------------- */

static int driver_read(int root, const struct step *step, char *buf, size_t size)
{
	ssize_t n = hostfs_link_name(root, buf, size, DEVICES "/%s/driver", step->dev);

	if (n >= 0)
		return 0;
	if (n == -ENOENT && hostfs_exists(root, DEVICES "/%s", step->dev)) {
		buf[0] = '\0';
		return 0;
	}
	return or_gone(root, step, (int)n);
}

/* The group whose users a step's driver has to wait for; false: it is no VFIO driver's. */
static bool vfio_group(int root, const struct step *step, const char *driver, char *buf,
		       size_t size)
{
	return pci_function_driver_is_vfio(driver) &&
	       hostfs_link_name(root, buf, size, DEVICES "/%s/iommu_group", step->dev) >= 0;
}

#define PAUSE_NS      50000000
#define HOLDER_PAUSES 20  /* 1 s: one that is ended just now still shows in proc */
#define OPEN_PAUSES   100 /* 5 s: one that has ended unpins its memory */

/*
 * The group, opened; -EBUSY when somebody has it open and goes on doing so. The kernel opens
 * a group once: this finds users that no proc of ours shows (those of another PID namespace).
 */
static int open_group(int root, const char *group)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	unsigned number = (unsigned)strtoul(group, NULL, 10);
	char comm[64];
	pid_t pid;

	for (int i = 0;; i++) {
		int fd = hostfs_open(root, O_RDWR, "dev/vfio/%s", group);

		if (fd != -EBUSY || i == OPEN_PAUSES ||
		    (i >= HOLDER_PAUSES &&
		     vfio_group_holder(root, number, &pid, comm, sizeof(comm)) == 0))
			return fd;
		nanosleep(&pause, NULL);
	}
}

static bool driver_held(int root, const struct step *step, char *who, size_t size)
{
	char now[STEP_VALUE_MAX], group[16], comm[64];
	_cleanup_close_ int fd = -1;
	pid_t pid;

	if (driver_read(root, step, now, sizeof(now)) < 0 ||
	    strcmp(now, step->before) == 0 || !vfio_group(root, step, now, group, sizeof(group)))
		return false;
	fd = open_group(root, group);
	if (fd != -EBUSY)
		return false;
	if (vfio_group_holder(root, (unsigned)strtoul(group, NULL, 10), &pid, comm,
			      sizeof(comm)) == 0)
		snprintf(who, size, "pid %d (%s) has %s open", (int)pid, comm, step->dev);
	else
		snprintf(who, size, "a process that does not show in /proc has %s open", step->dev);
	return true;
}

/*
 * A VFIO driver's remove() waits until the device's user lets go, and we with it: not while
 * it has one. *ret_fd keeps others from becoming one until the driver is gone; -1 where the
 * node cannot be opened for another reason.
 */
static int take_group(int root, const struct step *step, const char *driver, int *ret_fd,
		      struct err *err)
{
	char group[16];
	int fd;

	if (!vfio_group(root, step, driver, group, sizeof(group)))
		return 0;
	fd = open_group(root, group);
	if (fd != -EBUSY) {
		*ret_fd = fd;
		return 0;
	}
	err_plain(err, -EBUSY, "cannot unbind %s from %s: somebody has its group open (/dev/vfio/%s)",
		  step->dev, driver, group);
	return err_hint(err, "end the VM that has it, perhaps in a container, first");
}

static int unbind(int root, const struct step *step, const char *driver, struct err *err)
{
	char path[HOSTFS_PATH_MAX], verb[64];
	_cleanup_close_ int group_fd = -1;
	int r = take_group(root, step, driver, &group_fd, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), DRIVERS "/%s/unbind", driver);
	snprintf(verb, sizeof(verb), "unbind (from %s)", driver);
	r = write_attr(root, step, step->dev, path, verb, err);
	if (r == -ENODEV && hostfs_exists(root, DEVICES "/%s", step->dev))
		return err_hint(err, "somebody else is changing its driver too");
	return r;
}

/* Which errno a driver's probe() gave; drivers_probe does not tell, bind does. */
static int bind_by_name(int root, const struct step *step, const char *driver, struct err *err)
{
	char path[HOSTFS_PATH_MAX], verb[64];
	int r;

	snprintf(path, sizeof(path), DRIVERS "/%s/bind", driver);
	snprintf(verb, sizeof(verb), "bind (to %s)", driver);
	r = write_attr(root, step, step->dev, path, verb, err);
	if (r == -EINVAL && strcmp(driver, "vfio-pci") == 0)
		err_hint(err, "without an IOMMU vfio-pci refuses every device (-EINVAL)");
	else if (r < 0 && r != -ETIMEDOUT)
		err_hint(err, "the kernel log says why: dmesg | grep %s", step->dev);
	return r;
}

static int probe(int root, const struct step *step, const char *driver, struct err *err)
{
	char now[STEP_VALUE_MAX];
	int r = modules_load_driver(root, driver, err);

	if (r < 0)
		return r;
	r = write_attr(root, step, step->dev, "sys/bus/pci/drivers_probe", "probe", err);
	if (r == -ETIMEDOUT)
		return r;
	r = driver_read(root, step, now, sizeof(now));
	if (r < 0)
		return err_set(err, r, "cannot bind %s to %s", step->dev, driver);
	if (strcmp(now, driver) == 0)
		return 0;
	/* Two drivers match and the other was first, or the right one refused. */
	r = now[0] ? unbind(root, step, now, err) : 0;
	return r < 0 ? r : bind_by_name(root, step, driver, err);
}

/* A group without its node is no use to anybody: say so while it can still be undone. */
static int check_node(int root, const struct step *step, struct err *err)
{
	struct pci_function dev;
	struct bdf bdf;

	if (bdf_parse(step->dev, &bdf) < 0 || pci_function_read_unlocked(root, bdf, &dev) < 0 ||
	    !pci_function_driver_is_vfio(dev.driver))
		return 0;
	return bind_check_node(root, &dev, err);
}

static int driver_write(int root, const struct step *step, const char *value, struct err *err)
{
	char now[STEP_VALUE_MAX];
	int r = driver_read(root, step, now, sizeof(now));

	if (strchr(value, '/') || value[0] == '.') /* a name in a directory, and no path */
		return err_plain(err, -EINVAL, "%s: '%s' is no driver's name", step->dev, value);
	if (r < 0)
		return err_set(err, r, "cannot read the driver of %s", step->dev);
	if (strcmp(now, value) == 0)
		return 0;
	r = now[0] ? unbind(root, step, now, err) : 0;
	if (r == 0 && *value)
		r = probe(root, step, value, err);
	return r < 0 ? r : check_node(root, step, err);
}

static void driver_describe(const struct step *step, char *buf, size_t size)
{
	if (!step->after[0])
		snprintf(buf, size, "unbind");
	else
		snprintf(buf, size, "bind to %s", step->after);
}

const struct step_ops driver_step_ops = {
	.op = "driver",
	.read = driver_read,
	.write = driver_write,
	.describe = driver_describe,
	.identity = identity,
	.parent = parent,
	.held = driver_held,
};

/* --- owner ------------------------------------------------------------------------------------ */

static bool is_vfio_node(const struct step *step)
{
	return strncmp(step->key, "vfio/", 5) == 0;
}

/* A device that was plugged out and in may have come to another group. */
static void node_path(int root, const struct step *step, char *buf, size_t size)
{
	char group[16];

	if (hostfs_link_name(root, group, sizeof(group), DEVICES "/%s/iommu_group", step->dev) > 0)
		snprintf(buf, size, "dev/vfio/%s", group);
	else
		snprintf(buf, size, "dev/%s", step->key);
}

static int owner_read(int root, const struct step *step, char *buf, size_t size)
{
	char path[HOSTFS_PATH_MAX];
	struct stat st;

	if (!is_vfio_node(step))
		return -EINVAL;
	/* The node comes with the driver: until then it is a device still to be made. */
	node_path(root, step, path, sizeof(path));
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	snprintf(buf, size, "%u:%u %04o", st.st_uid, st.st_gid, st.st_mode & 07777);
	return 0;
}

int bind_step_parse_owner(const char *value, unsigned *ret_uid, unsigned *ret_gid,
			  unsigned *ret_mode)
{
	unsigned uid, gid, mode;
	int end = 0;

	if (sscanf(value, "%u:%u %o%n", &uid, &gid, &mode, &end) != 3 || value[end] || mode > 07777)
		return -EINVAL;
	*ret_uid = uid;
	*ret_gid = gid;
	*ret_mode = mode;
	return 0;
}

void bind_step_note_given(int root)
{
	int fd;

	(void)mkdirat(root, "run/thruway", 0755);
	fd = openat(root, NODES_GIVEN, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	close_fdp(&fd);
}

/* udev sets a new node's owner once, shortly after it appeared; ours must come later. */
static void wait_for_udev(int root, const char *path)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct stat st;

	if (!hostfs_exists(root, "run/udev/control") || fstatat(root, path, &st, 0) < 0)
		return;
	for (int i = 0; i < 50; i++) {
		if (hostfs_exists(root, "run/udev/data/c%u:%u", major(st.st_rdev),
				  minor(st.st_rdev)))
			return;
		nanosleep(&pause, NULL);
	}
}

static int owner_write(int root, const struct step *step, const char *value, struct err *err)
{
	char path[HOSTFS_PATH_MAX];
	unsigned uid, gid, mode;
	struct stat st;

	if (!is_vfio_node(step))
		return err_plain(err, -EINVAL, "%s: /dev/%s is none of its nodes", step->dev,
				 step->key);
	if (bind_step_parse_owner(value, &uid, &gid, &mode) < 0)
		return err_plain(err, -EINVAL, "'%s' is not uid:gid mode", value);
	node_path(root, step, path, sizeof(path));
	bind_step_note_given(root);
	wait_for_udev(root, path);
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(root, path, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st.st_mode) && fchmodat(root, path, mode, 0) < 0))
		return err_set(err, errno == ENOENT ? -ENODEV : -errno,
			       "cannot give /%s to uid %u", path, uid);
	return 0;
}

static void owner_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "give /dev/%s to uid:gid mode %s", step->key, step->after);
}

const struct step_ops owner_step_ops = {
	.op = "owner",
	.read = owner_read,
	.write = owner_write,
	.describe = owner_describe,
	.identity = identity,
	.parent = parent,
};
