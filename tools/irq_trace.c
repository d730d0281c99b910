// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/irq_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/process.h"

#define TRACING	  "sys/kernel/tracing"
#define EVENT	  "events/kvm/kvm_pi_irte_update"
#define INSTANCES TRACING "/instances"
/* A few hundred events; the kernel's own size would be a megabyte for each CPU. */
#define BUFFER_KB "16"
#define READ_MAX  (1u << 20)

static int put(const struct irq_trace *t, const char *what, const char *value)
{
	return hostfs_write(t->root, value, HOSTFS_DEADLINE_MS, NULL, "%s/%s", t->instance, what);
}

/* --- one instance for each process ---------------------------------------------------------------- */

/* A process is known by its pid, the namespace of that, and when it was started. */
#define NAME_FMT "thruway-%" PRIu64 "-%d-%" PRIu64

void irq_trace_name(const struct process_id *id, char *buf, size_t size)
{
	snprintf(buf, size, NAME_FMT, id->pidns, (int)id->pid, id->start);
}

/* Whose instance this is, if it is one of ours and tells all of it. */
static bool owner_of(const char *name, struct process_id *ret)
{
	struct process_id id = { 0 };
	char again[64];
	int pid;

	if (sscanf(name, "thruway-%" SCNu64 "-%d-%" SCNu64, &id.pidns, &pid, &id.start) != 3)
		return false;
	id.pid = pid;
	irq_trace_name(&id, again, sizeof(again));
	*ret = id;
	return strcmp(name, again) == 0 && id.pidns && id.start && pid > 0;
}

static int remove_stale(const char *name, void *opaque)
{
	struct irq_trace t = { .root = *(const int *)opaque };
	struct process_id id;

	if (!owner_of(name, &id) || process_look(t.root, &id) != PROCESS_DEAD)
		return 0;
	snprintf(t.instance, sizeof(t.instance), INSTANCES "/%s", name);
	irq_trace_end(&t);
	return 0;
}

static int make_instance(struct irq_trace *t)
{
	struct process_id self;
	char name[64];

	/* Of those that were killed while they looked. */
	(void)hostfs_list(t->root, remove_stale, &t->root, INSTANCES);
	process_self(t->root, &self);
	irq_trace_name(&self, name, sizeof(name));
	snprintf(t->instance, sizeof(t->instance), INSTANCES "/%s", name);
	if (mkdirat(t->root, t->instance, 0700) == 0 || errno == EEXIST)
		return 0;
	t->instance[0] = '\0';
	return -errno;
}

/* --- looking -------------------------------------------------------------------------------------- */

int irq_trace_begin(int root, struct irq_trace *ret, struct err *err)
{
	struct irq_trace t = { .root = root };
	int r;

	if (!hostfs_exists(root, TRACING "/" EVENT)) {
		err_plain(err, -ENOENT, "the kernel does not tell of posted interrupts: there is no " EVENT
					" in /" TRACING);
		return err_hint(err, "as root, with KVM loaded: mount -t tracefs tracefs /" TRACING);
	}
	r = make_instance(&t);
	if (r < 0) {
		err_set(err, r, "cannot trace KVM");
		return err_hint(err, "run it as root");
	}
	r = put(&t, "buffer_size_kb", BUFFER_KB);
	if (r == 0)
		r = put(&t, EVENT "/enable", "1");
	if (r < 0) {
		irq_trace_end(&t);
		return err_set(err, r, "cannot trace KVM");
	}
	*ret = t;
	return 0;
}

void irq_trace_end(struct irq_trace *t)
{
	if (!t->instance[0])
		return;
	(void)put(t, EVENT "/enable", "0");
	(void)unlinkat(t->root, t->instance, AT_REMOVEDIR);
	t->instance[0] = '\0';
}

/*
 * " thruway-vmm-812  [001] ..... 12.3: kvm_pi_irte_update: PI is enabled … gsi: 0x18, …": the
 * task ends with its thread's number.
 */
static void take_line(char *line, pid_t pid, enum irq_told *ret, unsigned n)
{
	char *cpu = strchr(line, '['), *what = strstr(line, "kvm_pi_irte_update: "), *gsi, *task;
	unsigned long number;

	gsi = what ? strstr(what, "gsi: 0x") : NULL;
	if (!gsi || !cpu || cpu > what)
		return;
	*cpu = '\0';
	task = strrchr(line, '-');
	if (!task || strtol(task + 1, NULL, 10) != (long)pid)
		return;
	number = strtoul(gsi + 5, NULL, 16);
	if (number < n)
		ret[number] = strstr(what, "enabled") ? IRQ_TOLD_POSTED : IRQ_TOLD_NOT_POSTED;
}

/* The kernel gives it a page at a time. */
static int read_all(const struct irq_trace *t, char *text)
{
	_cleanup_close_ int fd = hostfs_open(t->root, O_RDONLY, "%s/trace", t->instance);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	do {
		n = read(fd, text + len, READ_MAX - 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < READ_MAX - 1);
	text[len] = '\0';
	return 0;
}

int irq_trace_read(const struct irq_trace *t, pid_t pid, enum irq_told *ret, unsigned n,
		   struct err *err)
{
	_cleanup_free_ char *text = malloc(READ_MAX);
	int r = text ? read_all(t, text) : -ENOMEM;
	char *save = NULL;

	memset(ret, 0, n * sizeof(ret[0]));
	if (r < 0)
		return err_set(err, r, "cannot read what KVM tells");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(line, pid, ret, n);
	return 0;
}
