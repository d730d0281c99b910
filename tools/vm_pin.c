// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_pin.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/size.h"
#include "tools/vm_siblings.h"

#define CPUS "sys/devices/system/cpu/"

/* As high as most interrupt threads (50), below them: they bring what the guest waits for. */
#define FIFO_DEFAULT 40
/* The kernel's own watchdogs and stoppers have 99. */
#define FIFO_MAX 98

/* Longer than this to wake up from an idle state is felt by who wants low latency. */
#define WAKE_MAX_US 20

/* --- words -------------------------------------------------------------------------------------- */

static int bad_list(const char *text, struct err *err)
{
	err_usage(err, "--pin: '%s' is no list of CPUs", text);
	return err_hint(err, "a CPU of the host for each of the guest's, in order: 2-5 or 4,6,8");
}

/* One number or range, in rising order. */
static int add_range(const struct cpulist *list, struct vm_pin *p, struct err *err)
{
	for (unsigned n = 0; n < CPULIST_MAX; n++) {
		if (!cpulist_has(list, n))
			continue;
		if (p->count == VMM_MAX_CPUS)
			return err_usage(err, "--pin: a guest has at most %u CPUs", VMM_MAX_CPUS);
		for (unsigned i = 0; i < p->count; i++)
			if (p->cpu[i] == n)
				return err_usage(err, "--pin: CPU %u is given twice", n);
		p->cpu[p->count++] = (uint16_t)n;
	}
	return 0;
}

int vm_pin_parse(const char *text, struct vm_pin *ret, struct err *err)
{
	struct vm_pin p = { .fifo = ret->fifo };
	char copy[2048], *rest = copy, *word;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return bad_list(text, err);
	while ((word = strsep(&rest, ","))) {
		struct cpulist list;
		int r;

		if (!*word || strchr(word, '\n') || cpulist_parse(word, &list) < 0)
			return bad_list(text, err);
		r = add_range(&list, &p, err);
		if (r < 0)
			return r;
	}
	*ret = p;
	return 0;
}

int vm_pin_sched_parse(const char *text, struct vm_pin *ret, struct err *err)
{
	uint64_t prio = FIFO_DEFAULT;

	if (strncmp(text, "fifo", 4) != 0 || (text[4] && text[4] != ':') ||
	    (text[4] && (uint_parse(text + 5, FIFO_MAX, &prio) < 0 || prio == 0))) {
		err_usage(err, "--sched: '%s' is no way to schedule CPUs", text);
		return err_hint(err, "fifo, or fifo:PRIO with 1 to %u", FIFO_MAX);
	}
	ret->fifo = (unsigned)prio;
	return 0;
}

/* --- what the host has -------------------------------------------------------------------------- */

static int read_list(int root, const char *file, struct cpulist *ret)
{
	char text[4096];
	ssize_t len = hostfs_read(root, text, sizeof(text), "%s", file);

	return len < 0 ? (int)len : cpulist_parse(text, ret);
}

/* CPUs of pin that are, or are not, in the list. */
static unsigned pick(const struct vm_pin *pin, const struct cpulist *list, bool in,
		     struct cpulist *ret)
{
	*ret = (struct cpulist){ 0 };
	for (unsigned i = 0; i < pin->count; i++)
		if (cpulist_has(list, pin->cpu[i]) == in)
			ret->bits[pin->cpu[i] / 64] |= 1ull << (pin->cpu[i] % 64);
	return cpulist_count(ret);
}

static const char *words(const struct cpulist *list, char *buf, unsigned size)
{
	if (cpulist_format(list, buf, size) < 0)
		snprintf(buf, size, "(many)");
	return buf;
}
#define WORDS(list) words(list, (char[256]){ 0 }, 256)

static int refuse_absent(int root, const struct vm_pin *pin, struct err *err)
{
	struct cpulist present, online, bad;

	if (read_list(root, CPUS "present", &present) == 0 && pick(pin, &present, false, &bad)) {
		err_plain(err, -ENODEV, "--pin: this host has no CPU %s", WORDS(&bad));
		return err_hint(err, "it has %s", WORDS(&present));
	}
	if (read_list(root, CPUS "online", &online) == 0 && pick(pin, &online, false, &bad)) {
		err_plain(err, -EBUSY, "--pin: CPU %s of this host is offline", WORDS(&bad));
		return err_hint(err, "take one that is online (%s), or write 1 to /%scpuN/online",
				WORDS(&online), CPUS);
	}
	return 0;
}

/* Of our cgroup (v2), or the nearest above it that has the controller. 0 or -errno. */
static int read_cpuset(int root, struct cpulist *ret)
{
	char text[1024], path[512], file[640], *line, *slash;

	if (hostfs_read(root, text, sizeof(text), "proc/self/cgroup") < 0)
		return -ENOENT;
	line = strstr(text, "0::/");
	if (!line || (line != text && line[-1] != '\n'))
		return -ENOENT;
	line += 3;
	line[strcspn(line, "\n")] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s", line) >= sizeof(path))
		return -ENAMETOOLONG;
	while ((slash = strrchr(path, '/'))) {
		snprintf(file, sizeof(file), "sys/fs/cgroup%s/cpuset.cpus.effective", path);
		if (read_list(root, file, ret) == 0)
			return 0;
		*slash = '\0';
	}
	return read_list(root, "sys/fs/cgroup/cpuset.cpus.effective", ret);
}

static int refuse_forbidden(int root, const struct vm_pin *pin, struct err *err)
{
	struct cpulist allowed, bad;

	if (read_cpuset(root, &allowed) < 0 || !pick(pin, &allowed, false, &bad))
		return 0;
	err_plain(err, -EPERM, "--pin: CPU %s is not in the cpuset of this cgroup, which has %s",
		  WORDS(&bad), WORDS(&allowed));
	return err_hint(err, "start it elsewhere: systemd-run --scope -p AllowedCPUs=LIST thruway run …");
}

/* --- what speaks against them ------------------------------------------------------------------- */

static void warn_not_in(int root, const struct vm_pin *pin, const char *file, const char *what)
{
	struct cpulist list, bad;

	if (read_list(root, file, &list) < 0) /* "(null)": the kernel has none */
		list = (struct cpulist){ 0 };
	if (pick(pin, &list, false, &bad))
		log_warn("--pin: CPU %s %s", WORDS(&bad), what);
}

static void warn_far(int root, const struct vm_pin *pin, struct bdf device)
{
	struct cpulist near, bad;
	int64_t node;
	char file[64];

	if (hostfs_read_s64(root, &node, "sys/bus/pci/devices/%s/numa_node", BDF_STR(device)) < 0 ||
	    node < 0)
		return;
	snprintf(file, sizeof(file), "sys/devices/system/node/node%d/cpulist", (int)node);
	if (read_list(root, file, &near) == 0 && pick(pin, &near, false, &bad))
		log_warn("--pin: CPU %s is not on node %d, where %s is (CPUs %s)", WORDS(&bad), (int)node,
			 BDF_STR(device), WORDS(&near));
}

static bool slow_governor(int root, unsigned cpu)
{
	char text[32];

	return hostfs_read(root, text, sizeof(text), CPUS "cpu%u/cpufreq/scaling_governor", cpu) > 0 &&
	       strcmp(text, "performance") != 0;
}

static bool deep_sleep(int root, unsigned cpu)
{
	uint64_t latency, off;

	for (unsigned i = 0; hostfs_read_u64(root, &latency, CPUS "cpu%u/cpuidle/state%u/latency", cpu,
					     i) == 0; i++) {
		if (hostfs_read_u64(root, &off, CPUS "cpu%u/cpuidle/state%u/disable", cpu, i) < 0)
			off = 0;
		if (latency > WAKE_MAX_US && !off)
			return true;
	}
	return false;
}

static void warn_power(int root, const struct vm_pin *pin, bool (*is_bad)(int root, unsigned cpu),
		       const char *what)
{
	struct cpulist bad = { 0 };

	for (unsigned i = 0; i < pin->count; i++)
		if (is_bad(root, pin->cpu[i]))
			bad.bits[pin->cpu[i] / 64] |= 1ull << (pin->cpu[i] % 64);
	if (cpulist_count(&bad))
		log_warn("--pin: CPU %s %s", WORDS(&bad), what);
}

int vm_pin_check(int root, const struct vm_pin *pin, const struct bdf *devices, unsigned count,
		 bool awake, struct err *err)
{
	int r;

	if (!pin->count)
		return 0;
	r = refuse_absent(root, pin, err);
	if (r == 0)
		r = refuse_forbidden(root, pin, err);
	if (r < 0)
		return r;
	warn_not_in(root, pin, CPUS "isolated", "is not isolated, other tasks may run there "
						"(isolcpus=managed_irq,domain,LIST)");
	warn_not_in(root, pin, CPUS "nohz_full", "has the scheduler's tick (nohz_full=LIST)");
	vm_siblings_warn(root, pin);
	for (unsigned i = 0; i < count; i++)
		warn_far(root, pin, devices[i]);
	warn_power(root, pin, slow_governor, "changes its frequency (scaling_governor is not performance)");
	if (!awake)
		warn_power(root, pin, deep_sleep, "sleeps so deeply that it takes over 20 us to wake "
						  "(cpupower idle-set -D 20)");
	for (unsigned i = 0; i < pin->count; i++)
		log_note("CPU %u of the guest runs on CPU %u", i, pin->cpu[i]);
	return 0;
}

int vm_pin_keep_off(const struct vm_pin *pin, struct err *err)
{
	cpu_set_t set;

	if (!pin->count)
		return 0;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return err_set(err, -errno, "--pin: cannot ask for the CPUs this runs on");
	for (unsigned i = 0; i < pin->count; i++)
		CPU_CLR(pin->cpu[i], &set);
	if (CPU_COUNT(&set) == 0) {
		err_usage(err, "--pin: no CPU is left for the VMM's other threads");
		return err_hint(err, "give the guest one CPU less, or let this process run on another one "
				     "too (taskset -c LIST thruway run …)");
	}
	return sched_setaffinity(0, sizeof(set), &set) < 0 ?
		       err_set(err, -errno, "--pin: cannot leave these CPUs to the guest") : 0;
}
