// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/in_use_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/lease.h"

static const char *const words[IN_USE_REASONS] = {
	[IN_USE_MOUNTED] = "mounted",	[IN_USE_SWAP] = "swap",
	[IN_USE_RAID] = "raid",		[IN_USE_LVM] = "lvm",
	[IN_USE_ZFS] = "zfs",		[IN_USE_ROUTE] = "route",
	[IN_USE_BRIDGE] = "bridge",	[IN_USE_BOND] = "bond",
	[IN_USE_CONSOLE] = "console",	[IN_USE_KEYBOARD] = "keyboard",
	[IN_USE_VM] = "vm",		[IN_USE_PROCESS] = "process",
	[IN_USE_VF_IN_USE] = "vf-in-use", [IN_USE_VENDOR_VFIO] = "vendor-vfio",
};

const char *in_use_word(enum in_use_reason reason)
{
	return words[reason];
}

static int reason_of(const char *word, size_t len)
{
	for (int i = 0; i < IN_USE_REASONS; i++) {
		if (strlen(words[i]) == len && strncmp(words[i], word, len) == 0)
			return i;
	}
	return -EINVAL;
}

static int unknown_word(const char *s, size_t len, struct err *err)
{
	char all[256] = "";
	size_t n = 0;

	for (int i = 0; i < IN_USE_REASONS && n < sizeof(all); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? " " : "", words[i]);
	err_usage(err, "--force: '%.*s' is not a reason", (int)len, s);
	err_hint(err, "the reasons are: %s", all);
	return -EINVAL;
}

int in_use_parse_force(const char *s, unsigned *mask, struct err *err)
{
	unsigned found = 0;

	for (;;) {
		size_t len = strcspn(s, ",");
		int reason = reason_of(s, len);

		if (reason < 0)
			return unknown_word(s, len, err);
		found |= 1u << reason;
		if (!s[len])
			break;
		s += len + 1;
	}
	*mask |= found;
	return 0;
}

int in_use_refuse(const struct in_use *u, const char *verb, struct bdf bdf, unsigned forced,
		  struct err *err)
{
	char missing[128] = "";
	unsigned named = 0;
	size_t n = 0;

	if (!(u->mask & ~forced))
		return 0;
	for (unsigned i = 0; i < u->count; i++) {
		unsigned bit = 1u << u->items[i].reason;

		if ((forced | named) & bit)
			continue;
		if (!named)
			err_plain(err, -EBUSY, "cannot %s %s: %s", verb, BDF_STR(bdf),
				  u->items[i].what);
		n += (size_t)snprintf(missing + n, sizeof(missing) - n, "%s%s", named ? "," : "",
				      words[u->items[i].reason]);
		named |= bit;
	}
	err_hint(err, "take it out of use first, or say --force=%s if this host can do without it",
		 missing);
	return -EBUSY;
}

void in_use_add(struct in_use *u, enum in_use_reason reason, const char *fmt, ...)
{
	char what[IN_USE_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	u->mask |= 1u << reason;
	for (unsigned i = 0; i < u->count; i++) {
		if (u->items[i].reason == reason && strcmp(u->items[i].what, what) == 0)
			return;
	}
	if (u->count >= IN_USE_MAX)
		return;
	u->items[u->count].reason = reason;
	u->items[u->count].pid = 0;
	snprintf(u->items[u->count++].what, IN_USE_TEXT_MAX, "%s", what);
}

void in_use_add_process(struct in_use *u, const struct in_use_open_node *by)
{
	unsigned before = u->count;

	in_use_add(u, by->vm ? IN_USE_VM : IN_USE_PROCESS,
		   by->vm ? "the VM of pid %d (%s) has it" : "pid %d (%s) has it open", by->pid,
		   by->comm);
	if (u->count > before)
		u->items[before].pid = by->pid;
}

bool in_use_below(int root, struct bdf bdf, const char *class_path)
{
	char target[HOSTFS_PATH_MAX], part[BDF_STRLEN + 2];

	snprintf(part, sizeof(part), "/%s/", BDF_STR(bdf));
	return hostfs_readlink(root, target, sizeof(target), "%s", class_path) > 0 &&
	       strstr(target, part);
}

static void find_vfs(const struct in_use_host *host, const struct pci_function *pf,
		     struct in_use *ret)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < pf->total_vfs && seen < pf->num_vfs; i++) {
		struct in_use vf_use;
		struct pci_function vf;
		struct bdf bdf;

		if (pci_function_vf(host->root, pf->bdf, i, &bdf) < 0)
			continue;
		seen++;
		if (pci_function_read_unlocked(host->root, bdf, &vf) < 0)
			continue;
		in_use_find(host, &vf, &vf_use);
		if (!vf_use.mask)
			continue;
		in_use_add(ret, IN_USE_VF_IN_USE, "VF %u (%s) is in use: %s", i, BDF_STR(bdf),
			   vf_use.items[0].what);
	}
}

bool in_use_by_holder(const struct in_use *used, unsigned i, const struct pci_function *dev)
{
	return (used->items[i].reason == IN_USE_VM || used->items[i].reason == IN_USE_PROCESS) &&
	       used->items[i].pid > 1 &&
	       (!dev->driver[0] || pci_function_driver_is_vfio(dev->driver));
}

void in_use_add_vfs(const struct pci_function *pf, struct in_use *ret)
{
	if (pf->num_vfs && !(ret->mask & 1u << IN_USE_VF_IN_USE))
		in_use_add(ret, IN_USE_VF_IN_USE, "its %u VFs would go with it", pf->num_vfs);
}

/* Promised to somebody else, who may not have come for it yet. */
static void find_lease(const struct in_use_host *host, const struct pci_function *dev,
		       struct in_use *ret)
{
	struct lease lease;
	char who[IN_USE_TEXT_MAX];

	if (lease_read(host->root, dev->bdf, &lease) == 0 && !lease_is_ours(host->root, &lease))
		in_use_add(ret, IN_USE_VF_IN_USE, "%s", lease_describe(&lease, who, sizeof(who)));
}

void in_use_find(const struct in_use_host *host, const struct pci_function *dev, struct in_use *ret)
{
	*ret = (struct in_use){ 0 };
	find_lease(host, dev, ret);
	in_use_find_processes(host, dev, ret);
	in_use_find_disks(host, dev, ret);
	in_use_find_net(host, dev, ret);
	in_use_find_seat(host, dev, ret);
	if (dev->vendor_vfio)
		in_use_add(ret, IN_USE_VENDOR_VFIO, "its vendor's driver hands it out as a vGPU");
	if (!dev->is_vf)
		find_vfs(host, dev, ret);
}

/* A whole procfs file, malloced; "" when it cannot be read. NULL: no memory. */
static char *slurp(int root, const char *path)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, "%s", path);
	size_t size = 4096, len = 0;
	char *text = malloc(size), *bigger;
	ssize_t n = fd < 0 ? 0 : 1;

	while (text && n > 0) {
		if (size - len < 2048) {
			bigger = realloc(text, size * 2);
			if (!bigger) {
				free(text);
				return NULL;
			}
			text = bigger;
			size *= 2;
		}
		n = read(fd, text + len, size - len - 1);
		len += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[len] = '\0';
	return text;
}

static int read_host(struct in_use_host *h, struct err *err)
{
	int r = in_use_read_mounts(h, err);

	if (r < 0)
		return r;
	h->inet = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	h->swaps = slurp(h->root, "proc/swaps");
	h->routes = slurp(h->root, "proc/net/route");
	h->routes6 = slurp(h->root, "proc/net/ipv6_route");
	if (!h->swaps || !h->routes || !h->routes6)
		return err_set(err, -ENOMEM, "cannot look at this host");
	r = in_use_read_nodes(h);
	return r < 0 ? err_set(err, r, "cannot look at this host") : 0;
}

int in_use_open(int root, struct in_use_host **ret, struct err *err)
{
	struct in_use_host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "cannot look at this host");
	h->root = root;
	h->inet = -1;
	r = read_host(h, err);
	if (r < 0) {
		in_use_close(h);
		return r;
	}
	*ret = h;
	return 0;
}

struct in_use_host *in_use_close(struct in_use_host *h)
{
	if (!h)
		return NULL;
	in_use_free_mounts(h);
	close_fdp(&h->inet);
	free(h->swaps);
	free(h->routes);
	free(h->routes6);
	free(h->nodes);
	free(h);
	return NULL;
}
