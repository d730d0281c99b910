// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/busy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"
#include "base/process.h"
#include "vfio/in_use.h"

#define DEV "sys/bus/pci/devices/%s"

/* --- who --------------------------------------------------------------------------------------- */

struct writer {
	char dir[BDF_STRLEN + 2];	 /* "/0000:01:00.0/" */
	char driver[PCI_DRIVER_MAX + 2]; /* "/igb/"; "" for none */
	char what[64];			 /* found: "its sriov_numvfs" */
};

/* An attribute of the function itself: its path names it. */
static bool is_own_attribute(const char *path, void *opaque)
{
	struct writer *w = opaque;
	const char *at = strncmp(path, "/sys/", 5) == 0 ? strstr(path, w->dir) : NULL;

	if (!at || strchr(at + strlen(w->dir), '/'))
		return false;
	snprintf(w->what, sizeof(w->what), "its %.40s", at + strlen(w->dir));
	return true;
}

/*
 * The files that any function's address is written to. Its driver is known while it
 * probes, and no more when its remove() is called.
 */
static bool is_driver_file(const char *path, void *opaque)
{
	struct writer *w = opaque;
	bool its = w->driver[0] && strstr(path, w->driver);
	const char *name;

	if (strncmp(path, "/sys/bus/pci/", 13) != 0)
		return false;
	name = strrchr(path, '/') + 1;
	if (!(strcmp(name, "unbind") == 0 && (its || !w->driver[0])) &&
	    !(strcmp(name, "bind") == 0 && its) &&
	    !(strcmp(name, "drivers_probe") == 0 && w->driver[0]))
		return false;
	snprintf(w->what, sizeof(w->what), "%.60s", path);
	return true;
}

static pid_t find_writer(int root, struct bdf bdf, struct writer *w)
{
	char driver[PCI_DRIVER_MAX];
	pid_t pid;

	*w = (struct writer){ 0 };
	snprintf(w->dir, sizeof(w->dir), "/%s/", BDF_STR(bdf));
	if (hostfs_link_name(root, driver, sizeof(driver), DEV "/driver", BDF_STR(bdf)) > 0)
		snprintf(w->driver, sizeof(w->driver), "/%s/", driver);
	pid = process_writing(root, is_own_attribute, w);
	return pid ? pid : process_writing(root, is_driver_file, w);
}

/* --- what for ---------------------------------------------------------------------------------- */

/* Somebody holds its VFIO node or another node of it. */
static bool is_held(int root, const struct in_use_host *host, struct bdf bdf, char *buf, size_t size)
{
	struct pci_function dev;
	struct in_use used;

	if (pci_function_read_unlocked(root, bdf, &dev) < 0)
		return false;
	in_use_find(host, &dev, &used);
	for (unsigned i = 0; i < used.count; i++) {
		if (used.items[i].reason != IN_USE_VM && used.items[i].reason != IN_USE_PROCESS)
			continue;
		snprintf(buf, size, "%s: %s", BDF_STR(bdf), used.items[i].what);
		return true;
	}
	return false;
}

static unsigned number(int root, struct bdf bdf, const char *name)
{
	uint64_t v;

	return hostfs_read_u64(root, &v, DEV "/%s", BDF_STR(bdf), name) < 0 || v > 0xffff ?
		       0 : (unsigned)v;
}

/*
 * Of the function, or of a VF of it: by address, because a VF on its way out has
 * lost both its links before its driver is asked to let go.
 */
static bool find_held(int root, struct bdf bdf, char *buf, size_t size)
{
	unsigned total = number(root, bdf, "sriov_totalvfs");
	unsigned offset = number(root, bdf, "sriov_offset");
	unsigned stride = number(root, bdf, "sriov_stride");
	struct in_use_host *host;
	struct bdf vf;
	bool found;

	if (in_use_open(root, &host, NULL) < 0)
		return false;
	found = is_held(root, host, bdf, buf, size);
	for (unsigned i = 0; !found && i < total; i++)
		found = bdf_add(bdf, offset + (unsigned long)stride * i, &vf) == 0 &&
			is_held(root, host, vf, buf, size);
	in_use_close(host);
	return found;
}

void busy_explain(int root, struct bdf bdf, char who[BUSY_TEXT_MAX], char todo[BUSY_TEXT_MAX])
{
	struct writer w;
	pid_t pid = find_writer(root, bdf, &w);
	char name[32], held[160];

	if (pid)
		snprintf(who, BUSY_TEXT_MAX, "pid %d (%s) is writing %s and does not get on",
			 (int)pid, process_name(root, pid, name, sizeof(name)), w.what);
	else
		snprintf(who, BUSY_TEXT_MAX, "the kernel is at work on it, or hangs");
	if (find_held(root, bdf, held, sizeof(held)))
		snprintf(todo, BUSY_TEXT_MAX, "it waits for %s; end that, and it goes on", held);
	else if (pid)
		snprintf(todo, BUSY_TEXT_MAX, "/proc/%d/stack says where it waits", (int)pid);
	else
		snprintf(todo, BUSY_TEXT_MAX, "who sleeps there: ps -eo pid,state,wchan:24,args | "
					      "grep ' D '");
}

int busy_refuse(int root, struct bdf bdf, const char *verb, struct err *err)
{
	char who[BUSY_TEXT_MAX], todo[BUSY_TEXT_MAX];

	busy_explain(root, bdf, who, todo);
	err_plain(err, -EBUSY, "cannot %s %s: %s", verb, BDF_STR(bdf), who);
	return err_hint(err, "%s", todo);
}
