// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/numvfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <net/if.h>

#include "base/hostfs.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/size.h"
#include "sriov/interface.h"
#include "sriov/pf.h"
#include "sriov/vf_users.h"
#include "vfio/busy.h"

#define DEV "sys/bus/pci/devices/%s"

/* udev loads a driver's module for a new VF a little later; this is how long we let it. */
#define UDEV_SETTLE_MS 10000

static void sleep_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long)ts.tv_sec * 1000 + (unsigned long)ts.tv_nsec / 1000000;
}

/* --- the count ------------------------------------------------------------------------------- */

/* What the errno of a sriov_numvfs write means, and what helps. */
static const struct cause {
	int code;
	const char *cause;
	const char *hint;
} causes[] = {
	{ EBUSY, "it has VFs already, and the kernel changes the number only from 0",
	  "thruway vf destroy first" },
	{ ERANGE, "more than the device or its firmware allows", NULL },
	{ ENOENT, "no driver is bound to it, or one that cannot make VFs",
	  "bind the PF to its own driver" },
	{ ENOMEM, "there is no memory window or bus number left for the VFs",
	  "ask for fewer VFs, turn on SR-IOV and \"above 4G decoding\" in the machine's firmware, "
	  "or boot with pci=realloc" },
	{ ENOSPC, "the driver has no interrupt vectors left for them",
	  "ask for fewer VFs, or take vectors from another function of the card" },
	{ ENODEV, "the device does not answer, or its SR-IOV capability is broken",
	  "see the kernel log" },
	{ EIO, "the device does not answer, or its SR-IOV capability is broken",
	  "see the kernel log" },
	{ EPERM, "its driver forbids it in the present mode (switchdev, bonding, XDP)",
	  "see the kernel log" },
	{ EINVAL, "its driver forbids it in the present mode (switchdev, bonding, XDP)",
	  "see the kernel log" },
	{ EACCES, "changing the host needs root", NULL },
};

static int explain(struct bdf pf, unsigned n, int code, struct err *err)
{
	char dev[BDF_STRLEN];

	bdf_str(pf, dev);
	for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (causes[i].code != -code)
			continue;
		err_plain(err, code, "%s: cannot set the number of VFs to %u: %s", dev, n,
			  causes[i].cause);
		if (causes[i].hint)
			err_hint(err, "%s", causes[i].hint);
		return code;
	}
	return err_set(err, code, "%s: cannot set the number of VFs to %u", dev, n);
}

static int write_count(int root, struct bdf pf, unsigned n, struct err *err)
{
	char text[16], dev[BDF_STRLEN], driver[64] = "its driver";
	pid_t hung = 0;
	int r;

	bdf_str(pf, dev);
	snprintf(text, sizeof(text), "%u", n);
	r = hostfs_write(root, text, HOSTFS_DEADLINE_MS, &hung, DEV "/sriov_numvfs", dev);
	if (r != -ETIMEDOUT)
		return r < 0 ? explain(pf, n, r, err) : 0;
	(void)hostfs_link_name(root, driver, sizeof(driver), DEV "/driver", dev);
	err_set(err, r, "%s: %s has been setting the number of VFs to %u for %u s (pid %d)", dev,
		driver, n, HOSTFS_DEADLINE_MS / 1000, (int)hung);
	return err_hint(err, "it waits for a VF that is busy, or hangs: /proc/%d/stack says where; "
			     "then thruway restore --all", (int)hung);
}

static int read_count(int root, struct bdf pf, unsigned *ret, struct err *err)
{
	int r = pf_read_numvfs(root, pf, ret);

	if (r == -EBUSY)
		return busy_refuse(root, pf, "change the number of VFs of", err);
	return r < 0 ? err_set(err, r, "%s: cannot read the number of its VFs", BDF_STR(pf)) : 0;
}

int numvfs_check_unused(int root, struct bdf pf, unsigned forgiven, const char *what,
			struct err *err)
{
	char users[400];
	int r = vf_users_but(root, pf, forgiven, users, sizeof(users));

	if (r < 0)
		return err_set(err, r, "%s: cannot tell who uses its VFs", BDF_STR(pf));
	if (r == 0)
		return 0;
	err_plain(err, -EBUSY, "%s: cannot %s: VFs are in use (%s)", BDF_STR(pf), what, users);
	return err_hint(err, "have them let go first (ip link set NAME down, thruway vf release), or go on in "
			     "spite of interfaces and leases by --force=vf-in-use; thruway restore of the PF or "
			     "VF with --force=vm or --force=process ends who has it by VFIO");
}

static bool is_linked(int root, struct bdf pf, unsigned i)
{
	char back[64];
	struct bdf vf;

	return pf_vf_bdf(root, pf, i, &vf) == 0 &&
	       hostfs_link_name(root, back, sizeof(back), DEV "/physfn", BDF_STR(vf)) > 0;
}

/* VFs appear in their order and stay, so those that were seen are not looked at again. */
int numvfs_wait_links(int root, struct bdf pf, unsigned n, unsigned deadline_ms, struct err *err)
{
	_cleanup_(progress_end) struct progress progress = PROGRESS_INIT;
	unsigned long start = now_ms(), told = start;
	unsigned pause = 2, seen = 0;

	for (;;) {
		while (seen < n && is_linked(root, pf, seen))
			seen++;
		if (seen == n)
			return 0;
		if (now_ms() - start >= deadline_ms) {
			err_plain(err, -ETIMEDOUT, "%s: only %u of %u VFs appeared within %u s",
				  BDF_STR(pf), seen, n, (deadline_ms + 999) / 1000);
			return err_hint(err, "see the kernel log");
		}
		if (!progress_show(&progress, "%s: %u of %u VFs are there", BDF_STR(pf), seen, n) &&
		    now_ms() - told >= 5000) {
			log_warn("%s: waiting for VFs, %u of %u are there", BDF_STR(pf), seen, n);
			told = now_ms();
		}
		sleep_ms(pause);
		pause = pause < 100 ? pause * 2 : pause;
	}
}

int numvfs_set(int root, struct bdf pf, unsigned n, bool force, struct err *err)
{
	unsigned now, got;
	int r = read_count(root, pf, &now, err);

	if (r < 0 || now == n)
		return r;
	if (now > 0 && !force)
		r = numvfs_check_unused(root, pf, 0, "change the number of VFs", err);
	if (r < 0) {
		err_hint(err, "stop what uses them");
		return r;
	}
	if (r == 0 && now > 0)
		r = write_count(root, pf, 0, err);
	if (r == 0 && n > 0)
		r = write_count(root, pf, n, err);
	if (r < 0)
		return r;
	r = read_count(root, pf, &got, err);
	if (r < 0)
		return r;
	if (got != n) {
		/* The write succeeds even so; what there is, is not what was asked for. */
		err_plain(err, -EIO, "%s: %u VFs were asked for and the driver made %u",
			  BDF_STR(pf), n, got);
		return err_hint(err, "see the kernel log, or ask for %u", got);
	}
	return numvfs_wait_links(root, pf, n, HOSTFS_DEADLINE_MS, err);
}

static int read_text(int root, const struct step *step, const char *name, char *buf, size_t size)
{
	ssize_t r;

	if (!hostfs_exists(root, DEV, step->dev))
		return -ENODEV;
	r = hostfs_read(root, buf, size, DEV "/%s", step->dev, name);
	if (r == -ENOENT)
		return -EOPNOTSUPP;
	return r < 0 ? (int)r : 0;
}

static int numvfs_read(int root, const struct step *step, char *buf, size_t size)
{
	struct bdf pf;
	unsigned n;
	int r;

	if (bdf_parse(step->dev, &pf) < 0)
		return -EINVAL;
	if (!hostfs_exists(root, DEV, step->dev))
		return -ENODEV;
	r = pf_read_numvfs(root, pf, &n);
	if (r == 0)
		snprintf(buf, size, "%u", n);
	return r == -ENOENT ? -EOPNOTSUPP : r;
}

static int numvfs_write(int root, const struct step *step, const char *value, struct err *err)
{
	struct bdf pf;
	uint64_t n;

	if (bdf_parse(step->dev, &pf) < 0 || uint_parse(value, 65535, &n) < 0)
		return err_plain(err, -EINVAL, "%s: \"%s\" is not a number of VFs", step->dev,
				 value);
	return numvfs_set(root, pf, (unsigned)n, false, err);
}

static void numvfs_describe(const struct step *step, char *buf, size_t size)
{
	if (strcmp(step->after, "0") == 0)
		snprintf(buf, size, "destroy its VFs");
	else
		snprintf(buf, size, "create %s VF%s", step->after,
			 strcmp(step->after, "1") == 0 ? "" : "s");
}

const struct step_ops numvfs_step_ops = {
	.op = "numvfs",
	.read = numvfs_read,
	.write = numvfs_write,
	.describe = numvfs_describe,
	.identity = pf_identity,
};

/* --- autoprobe ------------------------------------------------------------------------------- */

static int autoprobe_read(int root, const struct step *step, char *buf, size_t size)
{
	return read_text(root, step, "sriov_drivers_autoprobe", buf, size);
}

/*
 * A VF's uevent makes udev load the VF driver's module, and a module that
 * registers after autoprobe is back takes every free VF. So udev's queue (there
 * is a file while it has work) must be empty first. A udev that never rests is
 * no reason to fail.
 */
void numvfs_settle_udev(int root)
{
	unsigned long start = now_ms();

	while (hostfs_exists(root, "run/udev/queue") && now_ms() - start < UDEV_SETTLE_MS)
		sleep_ms(10);
}

static int autoprobe_write(int root, const struct step *step, const char *value, struct err *err)
{
	int r;

	if (strcmp(value, "1") == 0)
		numvfs_settle_udev(root);
	r = hostfs_write(root, value, HOSTFS_DEADLINE_MS, NULL, DEV "/sriov_drivers_autoprobe",
			 step->dev);
	if (r < 0)
		return err_set(err, r, "%s: cannot set sriov_drivers_autoprobe to %s", step->dev,
			       value);
	return 0;
}

static void autoprobe_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "%s drivers new VFs (put back at the end)",
		 strcmp(step->after, "0") == 0 ? "do not offer" : "offer");
}

const struct step_ops autoprobe_step_ops = {
	.op = "autoprobe",
	.read = autoprobe_read,
	.write = autoprobe_write,
	.describe = autoprobe_describe,
	.identity = pf_identity,
};

/* --- the link ------------------------------------------------------------------------------- */

static int link_name(int root, const struct step *step, char ret[PF_NAME_MAX])
{
	if (!step->key[0])
		return interface_find(root, step->dev, ret);
	if (strchr(step->key, '/') || strlen(step->key) >= PF_NAME_MAX)
		return -EINVAL;
	strcpy(ret, step->key);
	return hostfs_exists(root, DEV "/net/%s", step->dev, step->key) ? 0 : -ENODEV;
}

static int read_flags(int root, const char *name, unsigned *ret)
{
	uint64_t flags;
	int r = hostfs_read_u64(root, &flags, "sys/class/net/%s/flags", name);

	if (r < 0)
		return r;
	*ret = (unsigned)flags;
	return 0;
}

static int link_read(int root, const struct step *step, char *buf, size_t size)
{
	char name[PF_NAME_MAX];
	unsigned flags = 0;
	int r = link_name(root, step, name);

	if (r == 0)
		r = read_flags(root, name, &flags);
	if (r < 0)
		return r;
	snprintf(buf, size, "%s", flags & IFF_UP ? "up" : "down");
	return 0;
}

static int link_write(int root, const struct step *step, const char *value, struct err *err)
{
	char name[PF_NAME_MAX] = "its interface", text[16];
	unsigned flags;
	int r;

	if (!step->key[0])
		numvfs_settle_udev(root);
	r = link_name(root, step, name);
	if (r == 0)
		r = read_flags(root, name, &flags);
	if (r == 0) {
		flags = strcmp(value, "up") == 0 ? flags | IFF_UP : flags & ~(unsigned)IFF_UP;
		snprintf(text, sizeof(text), "0x%x", flags);
		r = hostfs_write(root, text, HOSTFS_DEADLINE_MS, NULL, "sys/class/net/%s/flags", name);
	}
	if (r < 0)
		return err_set(err, r, "%s: cannot bring %s %s", step->dev, name, value);
	return 0;
}

static void link_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "bring %s %s", step->key[0] ? step->key : "its interface", step->after);
}

/* Without its link a PF takes no rates for its VFs. */
static bool link_last(const char *value)
{
	return strcmp(value, "down") == 0;
}

const struct step_ops link_step_ops = {
	.op = "link",
	.read = link_read,
	.write = link_write,
	.describe = link_describe,
	.identity = pf_identity,
	.last = link_last,
};
