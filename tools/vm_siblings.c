// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_siblings.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tools/vm_pin.h"

#define CPUS "sys/devices/system/cpu/"

/* proc/stat counts in hundredths of a second: twenty of them tell a tenth from nothing. */
#define LOOK_MS	     200
#define BUSY_PERCENT 10
#define TICKS_MIN    5 /* less than this since the last look: it says nothing */

static void pause_ms(unsigned ms)
{
	(void)poll(NULL, 0, (int)ms);
}

void (*vm_siblings_pause)(unsigned ms) = pause_ms;

static void add(struct cpulist *list, unsigned n)
{
	list->bits[n / 64] |= 1ull << (n % 64);
}

static void add_all(struct cpulist *list, const struct cpulist *more)
{
	for (unsigned w = 0; w < CPULIST_MAX / 64; w++)
		list->bits[w] |= more->bits[w];
}

static const char *words(const struct cpulist *list, char *buf, unsigned size)
{
	if (cpulist_format(list, buf, size) < 0)
		snprintf(buf, size, "(many)");
	return buf;
}
#define WORDS(list) words(list, (char[256]){ 0 }, 256)

static int read_list(int root, struct cpulist *ret, const char *file)
{
	char text[4096];
	ssize_t len = hostfs_read(root, text, sizeof(text), CPUS "%s", file);

	return len < 0 ? (int)len : cpulist_parse(text, ret);
}

/* --- how busy they are ---------------------------------------------------------------------------- */

struct load {
	uint64_t busy, all; /* ticks since the host's boot */
};

/* "cpu4 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …"; guests' time is part of USER and NICE. */
static bool parse_load(const char *line, unsigned *ret_cpu, struct load *ret)
{
	uint64_t t[8] = { 0 };

	if (sscanf(line, "cpu%u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64, ret_cpu, &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
		   &t[7]) < 5)
		return false;
	*ret = (struct load){ 0 };
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		ret->all += t[i];
		ret->busy += i == 3 || i == 4 ? 0 : t[i];
	}
	return true;
}

/* load: CPULIST_MAX of them; of CPUs that are not there nothing is written. */
static void read_loads(int root, struct load *load)
{
	int fd = hostfs_open(root, O_RDONLY, "proc/stat");
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		close_fdp(&fd);
		return;
	}
	/* CPUs come first. */
	while (getline(&line, &size, f) > 0 && strncmp(line, "cpu", 3) == 0) {
		struct load now;
		unsigned cpu;

		if (parse_load(line, &cpu, &now) && cpu < CPULIST_MAX)
			load[cpu] = now;
	}
	free(line);
	fclose(f);
}

static bool is_busy(const struct load *before, const struct load *after)
{
	uint64_t busy = after->busy - before->busy, all = after->all - before->all;

	return after->busy >= before->busy && all >= TICKS_MIN && busy * 100 >= all * BUSY_PERCENT;
}

static void busy_of(int root, const struct cpulist *of, struct cpulist *ret)
{
	_cleanup_free_ struct load *before = calloc(CPULIST_MAX, sizeof(*before));
	_cleanup_free_ struct load *after = calloc(CPULIST_MAX, sizeof(*after));

	*ret = (struct cpulist){ 0 };
	if (!before || !after)
		return;
	read_loads(root, before);
	vm_siblings_pause(LOOK_MS);
	read_loads(root, after);
	for (unsigned i = 0; i < CPULIST_MAX; i++)
		if (cpulist_has(of, i) && is_busy(&before[i], &after[i]))
			add(ret, i);
}

/* --- who they are --------------------------------------------------------------------------------- */

struct cores {
	struct cpulist pinned, others;
};

static void minus(struct cpulist *list, const struct cpulist *less)
{
	for (unsigned w = 0; w < CPULIST_MAX / 64; w++)
		list->bits[w] &= ~less->bits[w];
}

static void both(struct cpulist *list, const struct cpulist *other)
{
	for (unsigned w = 0; w < CPULIST_MAX / 64; w++)
		list->bits[w] &= other->bits[w];
}

/* The kernel lists those that are online. */
static bool core_of(int root, unsigned cpu, struct cpulist *ret)
{
	char file[64];

	snprintf(file, sizeof(file), "cpu%u/topology/thread_siblings_list", cpu);
	return read_list(root, ret, file) == 0;
}

/* Says which pinned ones share a core; the others of their cores. */
static void look(int root, const struct vm_pin *pin, struct cores *ret)
{
	struct cpulist seen = { 0 };

	*ret = (struct cores){ 0 };
	for (unsigned i = 0; i < pin->count; i++)
		add(&ret->pinned, pin->cpu[i]);
	for (unsigned i = 0; i < pin->count; i++) {
		struct cpulist core, chosen;

		if (cpulist_has(&seen, pin->cpu[i]) || !core_of(root, pin->cpu[i], &core))
			continue;
		add_all(&seen, &core);
		add_all(&ret->others, &core);
		chosen = core;
		both(&chosen, &ret->pinned);
		if (cpulist_count(&chosen) > 1)
			log_warn("--pin: CPUs %s are threads of one core and take from each other",
				 WORDS(&chosen));
	}
	minus(&ret->others, &ret->pinned);
}

/* The pinned ones of the cores that these are of. */
static struct cpulist partners(int root, const struct cores *cores, const struct cpulist *of)
{
	struct cpulist ret = { 0 };

	for (unsigned i = 0; i < CPULIST_MAX; i++) {
		struct cpulist core;

		if (!cpulist_has(of, i) || !core_of(root, i, &core))
			continue;
		both(&core, &cores->pinned);
		add_all(&ret, &core);
	}
	return ret;
}

static void tell(int root, const struct cores *cores, const struct cpulist *of, enum log_level level,
		 const char *what)
{
	struct cpulist with = partners(root, cores, of);

	if (cpulist_count(of))
		log_at(level, "--pin: CPU %s, of the same core as CPU %s, %s", WORDS(of), WORDS(&with),
		       what);
}

void vm_siblings_warn(int root, const struct vm_pin *pin)
{
	struct cpulist busy, open, isolated;
	struct cores cores;

	look(root, pin, &cores);
	if (!cpulist_count(&cores.others))
		return;
	busy_of(root, &cores.others, &busy);
	tell(root, &cores, &busy, LOG_WARN, "is busy, and takes from it");
	minus(&cores.others, &busy);
	if (read_list(root, &isolated, "isolated") < 0)
		isolated = (struct cpulist){ 0 };
	open = cores.others;
	minus(&open, &isolated);
	tell(root, &cores, &open, LOG_WARN, "is nobody's: whatever comes to run there takes from it "
					    "(write 0 to its online, or isolate it)");
	both(&cores.others, &isolated);
	tell(root, &cores, &cores.others, LOG_NOTE, "is isolated and idle: leave it so");
}
