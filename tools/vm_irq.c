// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_irq.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/posting.h"
#include "vfio/host_irq.h"

struct look {
	int root;
	const json_t *report;
	const enum irq_told *told; /* NULL: nobody listened */
	struct posting posting;
	struct host_irq *irqs;
	size_t count;
};

/* The CPU of the host that a thread last ran on: field 39 of its stat, behind "(name)". */
static int cpu_of_thread(int root, long pid, long tid)
{
	char text[1024], *p;
	unsigned field = 2;

	if (hostfs_read(root, text, sizeof(text), "proc/%ld/task/%ld/stat", pid, tid) < 0)
		return -1;
	p = strrchr(text, ')');
	for (; p && field < 39; field++)
		p = strchr(p + 1, ' ');
	return p ? (int)strtol(p, NULL, 10) : -1;
}

static json_t *host_cpu(const struct look *l, const json_t *guest_cpu)
{
	const json_t *threads = json_object_get(l->report, "cpu_threads");
	json_int_t tid = json_integer_value(
		json_array_get(threads, (size_t)json_integer_value(guest_cpu)));
	int cpu = !json_is_integer(guest_cpu) || !tid ?
			  -1 :
			  cpu_of_thread(l->root,
					(long)json_integer_value(json_object_get(l->report, "pid")),
					(long)tid);

	return cpu < 0 ? json_null() : json_integer(cpu);
}

/* The way an interrupt takes. */
struct way {
	const char *path, *why; /* why: it is not the shortest; "": it is */
	const char *known_by;
};

/* Of one that KVM has. Posted is what follows from what the kernel was given, unless it told (observed()). */
static struct way predicted(const struct look *l, const json_t *v)
{
	const char *delivery = json_string_value(json_object_get(v, "delivery")), *why = "";

	if (!l->posting.possible)
		why = l->posting.why;
	else if (!json_is_integer(json_object_get(v, "guest_cpu")))
		why = "it goes to several CPUs";
	else if (!delivery || (strcmp(delivery, "fixed") != 0 && strcmp(delivery, "lowest") != 0))
		why = "its delivery mode cannot be posted";
	return (struct way){ *why ? "remapped+injected" : "posted", why, "prediction" };
}

/* Only what KVM has in its hands is to be predicted; the rest the VMM does itself. */
static struct way way_of(const struct look *l, const char *mode, const json_t *v)
{
	const char *path = json_string_value(json_object_get(v, "path"));
	bool masked = json_is_true(json_object_get(v, "masked"));

	if (!path || strcmp(path, "off") == 0)
		return (struct way){ "none", masked ? "masked" : "off", "vmm" };
	if (strcmp(path, "irqfd") != 0)
		return (struct way){ "userspace", "it has no route in KVM, or not yet", "vmm" };
	if (strcmp(mode, "intx") == 0)
		return (struct way){ "remapped+injected", "a level-triggered line cannot be posted",
				     "vmm" };
	return predicted(l, v);
}

static void add_host_side(const struct look *l, const char *device, json_t *row)
{
	unsigned vector = (unsigned)json_integer_value(json_object_get(row, "vector"));
	const struct host_irq *h;
	struct bdf bdf;

	if (bdf_parse(device, &bdf) < 0)
		return;
	h = host_irq_find(l->irqs, l->count, bdf, vector);
	if (!h)
		return;
	json_object_set_new(row, "host_irq", json_integer(h->irq));
	json_object_set_new(row, "host_irq_cpus", json_string(h->cpus));
	json_object_set_new(row, "host_irq_count", json_integer((json_int_t)h->count));
}

/* What KVM told of the vector's route stands above what was to be expected. */
static void observed(const struct look *l, const json_t *v, struct way *way)
{
	const json_t *gsi = json_object_get(v, "gsi");
	json_int_t n = json_integer_value(gsi);

	if (!l->told || !json_is_integer(gsi) || n < 0 || n >= VM_IRQ_GSIS ||
	    l->told[n] == IRQ_TOLD_NOTHING || strcmp(way->path, "none") == 0)
		return;
	if (l->told[n] == IRQ_TOLD_POSTED)
		*way = (struct way){ .path = "posted", .why = "" };
	else if (strcmp(way->path, "posted") == 0)
		*way = (struct way){ .path = "remapped+injected", .why = "KVM does not have it posted" };
	way->known_by = "observation";
}

static json_t *row_of(const struct look *l, const char *device, const char *mode, json_t *v)
{
	json_t *row = json_copy(v);
	struct way way = way_of(l, mode, v);

	if (!row)
		return NULL;
	observed(l, v, &way);
	json_object_set_new(row, "device", json_string(device));
	json_object_set_new(row, "mode", json_string(mode));
	json_object_set_new(row, "path", json_string(way.path));
	json_object_set_new(row, "why", *way.why ? json_string(way.why) : json_null());
	json_object_set_new(row, "known_by", json_string(way.known_by));
	json_object_set_new(row, "guest_cpu_on", host_cpu(l, json_object_get(v, "guest_cpu")));
	add_host_side(l, device, row);
	return row;
}

/* INTx has no vector of its own in the report; its line is one all the same. */
static json_t *intx_row(const struct look *l, const char *device)
{
	json_t *v = json_pack("{s:i, s:s, s:b}", "vector", 0, "path", "irqfd", "masked", 0);
	json_t *row = v ? row_of(l, device, "intx", v) : NULL;

	json_decref(v);
	return row;
}

static void add_device(const struct look *l, const json_t *device, json_t *rows)
{
	const char *name = json_string_value(json_object_get(device, "device"));
	const char *mode = json_string_value(json_object_get(device, "mode"));
	json_t *vectors = json_object_get(device, "vectors"), *v;
	size_t i;

	if (!name || !mode)
		return;
	if (strcmp(mode, "intx") == 0)
		json_array_append_new(rows, intx_row(l, name));
	json_array_foreach(vectors, i, v)
		json_array_append_new(rows, row_of(l, name, mode, v));
}

/* What the host has of it stays unknown where it cannot be read. */
static void read_host_side(struct look *l, const json_t *devices)
{
	size_t size = json_array_size(devices), count = 0;
	_cleanup_free_ struct bdf *of = calloc(size ? size : 1, sizeof(*of));

	for (size_t i = 0; of && i < size; i++) {
		const char *name = json_string_value(json_object_get(json_array_get(devices, i), "device"));

		if (name && bdf_parse(name, &of[count]) == 0)
			count++;
	}
	if (count && host_irq_read(l->root, of, count, &l->irqs, &l->count) < 0)
		l->count = 0;
}

json_t *vm_irq_rows(int root, const json_t *report, const enum irq_told *told, struct err *err)
{
	struct look l = { .root = root, .report = report, .told = told };
	const json_t *devices = json_object_get(report, "devices");
	json_t *rows = json_array();

	if (!rows || !json_is_array(devices)) {
		json_decref(rows);
		err_plain(err, -EPROTO, "the VMM's report of its interrupts is none");
		return NULL;
	}
	posting_read(root, &l.posting);
	read_host_side(&l, devices);
	for (size_t i = 0; i < json_array_size(devices); i++)
		add_device(&l, json_array_get(devices, i), rows);
	free(l.irqs);
	return rows;
}
