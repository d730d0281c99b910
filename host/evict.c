// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/evict.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/audit.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/process.h"
#include "sriov/pf.h"

unsigned evict_wait_ms = 30000;

/* Somebody to be ended. */
struct holder {
	pid_t pid;
	pid_t told; /* who gets SIGTERM: it, or its supervisor; 0: nobody, it is stopped */
	char what[IN_USE_TEXT_MAX];
};

/* State and parent, fields 3 and 4 of proc/PID/stat; the name before them may hold anything. */
static void read_state(int root, pid_t pid, char *ret_state, int *ret_parent)
{
	char text[1024], *p;

	*ret_state = '?';
	*ret_parent = 0;
	if (hostfs_read(root, text, sizeof(text), "proc/%d/stat", (int)pid) < 0)
		return;
	p = strrchr(text, ')');
	if (p)
		(void)sscanf(p + 1, " %c %d", ret_state, ret_parent);
}

static pid_t who_is_told(int root, pid_t pid)
{
	char state, comm[32];
	int parent;

	read_state(root, pid, &state, &parent);
	if (state == 'T' || state == 't')
		return 0;
	/* Our VMM leaves signals to its supervisor, which asks the guest first. */
	if (parent > 1 && strcmp(process_name(root, parent, comm, sizeof(comm)), "thruway") == 0)
		return parent;
	return pid;
}

static void announce(const struct holder *h, const struct pci_function *dev, char *buf, size_t size)
{
	if (!h->told)
		snprintf(buf, size, "%s: %s: it is stopped and gets SIGKILL", BDF_STR(dev->bdf),
			 h->what);
	else
		snprintf(buf, size, "%s: %s: pid %d gets SIGTERM, and after %u s pid %d SIGKILL",
			 BDF_STR(dev->bdf), h->what, (int)h->told, evict_wait_ms / 1000,
			 (int)h->pid);
}

/* Holders with a reason that is forced. Returns how many, at most max, or -errno with err set. */
static int find_holders(int root, const struct pci_function *dev, unsigned force,
			struct holder *ret, unsigned max, struct err *err)
{
	struct in_use_host *host;
	struct in_use used;
	int n = 0, r;

	if (dev->driver[0] && !pci_function_driver_is_vfio(dev->driver))
		return 0;
	r = in_use_open(root, &host, err);
	if (r < 0)
		return err_set(err, r, "cannot look at this host");
	in_use_find(host, dev, &used);
	in_use_close(host);
	for (unsigned i = 0; i < used.count && (unsigned)n < max; i++) {
		struct holder *h = &ret[n];

		if (!(1u << used.items[i].reason & force) || !in_use_by_holder(&used, i, dev))
			continue;
		h->pid = used.items[i].pid;
		h->told = who_is_told(root, h->pid);
		memcpy(h->what, used.items[i].what, sizeof(h->what));
		n++;
	}
	return n;
}

/* The pid may be another's by now: behind an open pidfd it no longer changes. */
static bool still_holds(int root, const struct pci_function *dev, unsigned force, pid_t pid)
{
	struct holder now[IN_USE_MAX];
	int n = find_holders(root, dev, force, now, IN_USE_MAX, NULL);

	for (int i = 0; i < n; i++) {
		if (now[i].pid == pid)
			return true;
	}
	return false;
}

static bool has_ended(int pidfd, unsigned wait_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, (int)wait_ms) > 0;
}

static int end_holder(int root, const struct pci_function *dev, unsigned force,
		      const struct holder *h, struct err *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	char text[320];

	if (pidfd < 0)
		return errno == ESRCH ? 0 : err_set(err, -errno, "cannot end pid %d", (int)h->pid);
	if (!still_holds(root, dev, force, h->pid))
		return 0;
	announce(h, dev, text, sizeof(text));
	log_warn("%s", text);
	audit_change(root, "ending who has a device", "%s", text);
	if (h->told) {
		kill(h->told, SIGTERM);
		if (has_ended(pidfd, evict_wait_ms))
			return 0;
		log_warn("%s: pid %d did not end: SIGKILL", BDF_STR(dev->bdf), (int)h->pid);
	}
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_set(err, -errno, "cannot end pid %d, which has %s", (int)h->pid,
			       BDF_STR(dev->bdf));
	if (has_ended(pidfd, evict_wait_ms))
		return 0;
	err_plain(err, -ETIMEDOUT, "cannot take %s: pid %d, which has it, does not end",
		  BDF_STR(dev->bdf), (int)h->pid);
	return err_hint(err, "/proc/%d/stack says where it hangs", (int)h->pid);
}

int evict_holders(int root, const struct pci_function *dev, unsigned force, struct err *err)
{
	struct holder holders[IN_USE_MAX];
	int n = find_holders(root, dev, force, holders, IN_USE_MAX, err), r = 0;

	for (int i = 0; r == 0 && i < n; i++)
		r = end_holder(root, dev, force, &holders[i], err);
	return n < 0 ? n : r;
}

int evict_preview(int root, const struct pci_function *dev, unsigned force,
		  void (*fn)(const char *line, void *opaque), void *opaque, struct err *err)
{
	struct holder holders[IN_USE_MAX];
	int n = find_holders(root, dev, force, holders, IN_USE_MAX, err);
	char text[320];

	for (int i = 0; i < n; i++) {
		announce(&holders[i], dev, text, sizeof(text));
		fn(text, opaque);
	}
	return n < 0 ? n : 0;
}

/* --- a PF's VFs ------------------------------------------------------------------------------- */

static int each_vf(int root, struct bdf pf, int (*fn)(const struct pci_function *vf, void *opaque),
		   void *opaque, struct err *err)
{
	struct pf facts;
	int r = pf_read(root, pf, &facts, err);

	for (unsigned i = 0; r == 0 && i < facts.numvfs; i++) {
		struct pci_function dev;
		struct bdf vf;

		if (pf_vf_here(root, &facts, i, &vf) == 0 &&
		    pci_function_read_unlocked(root, vf, &dev) == 0)
			r = fn(&dev, opaque);
	}
	return r;
}

struct vf_work {
	int root;
	unsigned force;
	void (*say)(const char *line, void *opaque);
	void *opaque;
	struct err *err;
};

static int evict_vf(const struct pci_function *vf, void *opaque)
{
	struct vf_work *w = opaque;

	return evict_holders(w->root, vf, w->force, w->err);
}

int evict_vf_holders(int root, struct bdf pf, unsigned force, struct err *err)
{
	struct vf_work w = { .root = root, .force = force, .err = err };

	return each_vf(root, pf, evict_vf, &w, err);
}

static int preview_vf(const struct pci_function *vf, void *opaque)
{
	struct vf_work *w = opaque;

	return evict_preview(w->root, vf, w->force, w->say, w->opaque, w->err);
}

int evict_vf_preview(int root, struct bdf pf, unsigned force,
		     void (*fn)(const char *line, void *opaque), void *opaque, struct err *err)
{
	struct vf_work w = { root, force, fn, opaque, err };

	return each_vf(root, pf, preview_vf, &w, err);
}
