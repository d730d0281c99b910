// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory for guests: what may be locked, hugepages, and where devices are near. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/size.h"
#include "host/doctor/doctor_internal.h"

/* --- locked memory
 * -------------------------------------------------------------------------------- */

#define CAP_IPC_LOCK_BIT 14
#define SMALLEST_GUEST   (128 * MiB)

/* The capabilities of our caller: whom a limit does not bind. */
static bool may_lock_all(struct check *c)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	uint64_t caps = 0;
	size_t size = 0;

	if (check_fopen(c, &in, "proc/self/status") < 0)
		return false;
	while (getline(&line, &size, in) > 0) {
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	}
	return caps & 1ull << CAP_IPC_LOCK_BIT;
}

/* The soft limit in bytes, UINT64_MAX for none. */
static int read_limit(struct check *c, uint64_t *ret)
{
	_cleanup_free_ char *line = NULL;
	_cleanup_file_ FILE *in = NULL;
	size_t size = 0;
	int r = check_fopen(c, &in, "proc/self/limits");

	if (r < 0)
		return r;
	while (getline(&line, &size, in) > 0) {
		char soft[32];

		if (sscanf(line, "Max locked memory %31s", soft) != 1)
			continue;
		line[strcspn(line, "\n")] = '\0';
		check_evidence(c, line, "proc/self/limits");
		*ret = strcmp(soft, "unlimited") == 0 ? UINT64_MAX : strtoull(soft, NULL, 10);
		return 0;
	}
	return -ENODATA;
}

struct nodes {
	struct check *c;
	char first[32]; /* the first group whose node our caller may open */
};

static int look_at_node(const char *name, void *opaque)
{
	struct nodes *n = opaque;
	char path[64];

	if (strspn(name, "0123456789") != strlen(name) || strlen(name) >= sizeof(n->first))
		return 0;
	snprintf(path, sizeof(path), "dev/vfio/%s", name);
	if (faccessat(n->c->d->root, path, R_OK | W_OK, AT_EACCESS) < 0)
		return 0;
	strcpy(n->first, name);
	return 1;
}

/* Of an ordinary user who was given a device: 4 GiB serve as the example of a guest. */
static void judge_user(struct check *c)
{
	struct nodes n = { .c = c };
	uint64_t limit;
	int r;

	if (may_lock_all(c))
		return;
	hostfs_list(c->d->root, look_at_node, &n, "dev/vfio");
	if (!n.first[0])
		return;
	r = read_limit(c, &limit);
	if (r < 0) {
		check_unreadable(c, r, "proc/self/limits");
		return;
	}
	if (limit >= SMALLEST_GUEST)
		return;
	check_evidence(c, "may be opened by this user", "dev/vfio/%s", n.first);
	check_say(c, DOCTOR_FAIL,
		  "this user may lock %s of memory, a guest with a device locks all "
		  "of its own",
		  SIZE_STR(limit));
	check_fix(c,
		  "raise it above the guest's memory, for 4 GiB with some reserve: prlimit "
		  "--memlock=%llu --pid $$, or LimitMEMLOCK= of its unit, or 'memlock %llu' in "
		  "/etc/security/limits.d",
		  5 * GiB, 5 * GiB / KiB);
}

void rule_memlock(struct check *c)
{
	unsigned n;

	judge_user(c);
	n = CHECK_LOG(c, "RLIMIT_MEMLOCK");
	if (!n)
		return;
	check_say(c, DOCTOR_WARN,
		  "since the boot a process was refused %u time%s to lock more memory "
		  "for DMA",
		  n, n > 1 ? "s" : "");
	check_fix(c,
		  "give it a limit above its guest's memory (LimitMEMLOCK= of its unit; libvirt: "
		  "<memtune><hard_limit>), and once more as much per device with a vIOMMU");
}

/* --- hugepages
 * ------------------------------------------------------------------------------------ */

/* What the kernel's command line asks for one size. */
struct request {
	uint64_t size;    /* bytes; 0: none asked */
	const char *text; /* "0:128,1:128" or "256" */
	size_t len;
};

/* A page size as the kernel's command line has it: "2M", "1G". */
static uint64_t parse_size(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	switch (*end) {
	case 'K':
	case 'k': return v * KiB;
	case 'M':
	case 'm': return v * MiB;
	case 'G':
	case 'g': return v * GiB;
	}
	return v;
}

static void compare(struct check *c, uint64_t size, int node, uint64_t wanted)
{
	char where[64] = "sys/kernel/mm", value[32];
	uint64_t kb = size / KiB, there;
	int r;

	if (node >= 0)
		snprintf(where, sizeof(where), "sys/devices/system/node/node%d", node);
	r = hostfs_read_u64(c->d->root, &there, "%s/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			    where, kb);
	if (r < 0) {
		check_unreadable(c, r, "%s/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", where,
				 kb);
		return;
	}
	snprintf(value, sizeof(value), "%" PRIu64, there);
	check_evidence(c, value, "%s/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", where, kb);
	if (there >= wanted)
		return;
	if (node >= 0)
		check_say(c, DOCTOR_WARN,
			  "node %d has %" PRIu64 " hugepages of %s, %" PRIu64
			  " were asked for at boot",
			  node, there, SIZE_STR(size), wanted);
	else
		check_say(c, DOCTOR_WARN,
			  "there are %" PRIu64 " hugepages of %s, %" PRIu64
			  " were asked for at boot",
			  there, SIZE_STR(size), wanted);
	check_fix(c,
		  "free memory and reserve again: echo %" PRIu64
		  " >/%s/hugepages/hugepages-%" PRIu64
		  "kB/nr_hugepages; 1G pages are had for sure at boot alone",
		  wanted, where, kb);
}

/* "256", or "0:128,1:128". */
static void compare_request(struct check *c, const struct request *rq)
{
	char text[128], *save = NULL;

	snprintf(text, sizeof(text), "%.*s", (int)rq->len, rq->text);
	for (char *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		unsigned node;
		uint64_t n;

		if (sscanf(p, "%u:%" SCNu64, &node, &n) == 2)
			compare(c, rq->size, (int)node, n);
		else
			compare(c, rq->size, -1, strtoull(p, NULL, 10));
	}
}

void rule_huge_short(struct check *c)
{
	char fallback[16] = "2M";
	struct request rq = { 0 };

	if (!c->d->cmdline[0]) {
		check_unreadable(c, -ENOENT, "proc/cmdline");
		return;
	}
	check_cmdline(c, "default_hugepagesz", fallback, sizeof(fallback));
	rq.size = parse_size(fallback);
	for (const char *p = c->d->cmdline; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (len > 11 && strncmp(p, "hugepagesz=", 11) == 0) {
			rq.size = parse_size(p + 11);
		} else if (len > 10 && strncmp(p, "hugepages=", 10) == 0) {
			rq.text = p + 10;
			rq.len = len - 10;
			compare_request(c, &rq);
		}
		p += len;
	}
	if (!rq.text)
		check_skip(c);
}

/* --- which node
 * ----------------------------------------------------------------------------------- */

void rule_numa_unknown(struct check *c)
{
	struct cpulist nodes;
	char text[256];
	int r;

	if (!c->wanted && !c->dev->total_vfs) {
		check_skip(c);
		return;
	}
	r = check_read(c, text, sizeof(text), "sys/devices/system/node/online");
	if (r == 0)
		r = cpulist_parse(text, &nodes);
	if (r < 0) {
		check_unreadable(c, r, "sys/devices/system/node/online");
		return;
	}
	if (cpulist_count(&nodes) < 2 || c->dev->numa_node >= 0)
		return;
	check_evidence(c, "-1", "sys/bus/pci/devices/%s/numa_node", c->bdf);
	check_say(c, DOCTOR_NOTE, "the firmware does not say which node it is near");
	check_fix(c,
		  "place its guest by hand (the mainboard's manual has the slots), or update the "
		  "firmware");
}
