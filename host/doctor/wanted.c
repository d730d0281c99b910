// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which devices are meant for guests, whatever drives them now: a device of the host that is in
 * the host's hands is in order, one that a guest is to have is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

/* "8086:10ca,10de:1b80:1043:…": vendor and device of each. */
static int add_ids(struct doctor *d, const char *list, size_t len, const char *file)
{
	for (const char *p = list; p < list + len; p += strcspn(p, ",") + 1) {
		struct wanted_id id, *bigger;

		if (sscanf(p, "%x:%x", &id.vendor, &id.device) != 2)
			continue;
		snprintf(id.file, sizeof(id.file), "%s", file);
		bigger = realloc(d->ids, (d->id_count + 1) * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		d->ids = bigger;
		bigger[d->id_count++] = id;
		if (!memchr(p, ',', (size_t)(list + len - p)))
			break;
	}
	return 0;
}

/* Every word of the text that begins with key. */
static int add_words(struct doctor *d, const char *text, const char *key, const char *file)
{
	size_t key_len = strlen(key);
	int r = 0;

	for (const char *p = text; r == 0 && *p;) {
		size_t len = strcspn(p, " \t\n");

		if (len > key_len && strncmp(p, key, key_len) == 0)
			r = add_ids(d, p + key_len, len - key_len, file);
		p += len;
		p += strspn(p, " \t\n");
	}
	return r;
}

struct modprobe_dir {
	struct doctor *d;
	const char *dir;
};

/* "options vfio-pci ids=…"; the kernel takes - and _ for the same. */
static int read_options(FILE *in, struct doctor *d, const char *file)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, in) > 0) {
		char module[32];
		int at = 0;

		if (sscanf(line, " options %31s%n", module, &at) == 1 &&
		    (strcmp(module, "vfio-pci") == 0 || strcmp(module, "vfio_pci") == 0))
			r = add_words(d, line + at, "ids=", file);
	}
	return r;
}

static int read_conf(const char *name, void *opaque)
{
	const struct modprobe_dir *m = opaque;
	const char *dot = strrchr(name, '.');
	_cleanup_file_ FILE *in = NULL;
	char file[WANTED_FILE_MAX];
	int fd;

	if (!dot || strcmp(dot, ".conf") != 0)
		return 0;
	fd = hostfs_open(m->d->root, O_RDONLY, "%s/%s", m->dir, name);
	in = fd < 0 ? NULL : fdopen(fd, "r");
	if (!in) {
		close_fdp(&fd);
		return 0;
	}
	snprintf(file, sizeof(file), "/%s/%.60s", m->dir, name);
	return read_options(in, m->d, file);
}

static int read_spec(struct doctor *d)
{
	int r = spec_load(d->root, &d->spec, &d->spec_err);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		spec_fini(&d->spec);
		return 0; /* rule_host_yaml() tells of it */
	}
	if (!d->spec.device_count && !d->spec.pf_count)
		return 0;
	r = spec_facts_read(d->root, &d->facts, &d->spec_err);
	return r == -ENOMEM ? r : 0;
}

const struct spec_fact *wanted_fact(const struct doctor *d, struct bdf bdf)
{
	for (size_t i = 0; i < d->facts.count; i++) {
		if (bdf_eq(d->facts.devs[i].dev->bdf, bdf))
			return &d->facts.devs[i];
	}
	return NULL;
}

/* The entry of host.yaml that binds it to a VFIO driver; NULL: none does. */
static const struct spec_device *find_entry(const struct doctor *d, const struct pci_function *dev)
{
	const struct spec_fact *fact = wanted_fact(d, dev->bdf);

	for (size_t i = 0; fact && i < d->spec.device_count; i++) {
		const struct spec_device *entry = &d->spec.devices[i];
		const char *driver = entry->set[SPEC_DEVICE_DRIVER].text;

		if ((!driver || pci_function_driver_is_vfio(driver)) &&
		    spec_fits(&entry->target, fact))
			return entry;
	}
	return NULL;
}

int wanted_read(struct doctor *d)
{
	static const char *const dirs[] = { "etc/modprobe.d", "run/modprobe.d",
					    "usr/lib/modprobe.d" };
	int r = read_spec(d);

	if (r == 0)
		r = add_words(d, d->cmdline, "vfio-pci.ids=", "/proc/cmdline");
	if (r == 0)
		r = add_words(d, d->cmdline, "vfio_pci.ids=", "/proc/cmdline");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dirs); i++) {
		struct modprobe_dir m = { d, dirs[i] };

		r = hostfs_list(d->root, read_conf, &m, "%s", dirs[i]);
		r = r == -ENOMEM ? r : 0;
	}
	return r;
}

enum wanted_by wanted_find(const struct doctor *d, const struct pci_function *dev, char *file)
{
	const char *bdf = BDF_STR(dev->bdf);
	const struct spec_device *entry;
	char driver[64];

	if (pci_function_driver_is_vfio(dev->driver)) {
		snprintf(file, WANTED_FILE_MAX, "/sys/bus/pci/devices/%s/driver", bdf);
		return WANTED_DRIVER;
	}
	if (pci_function_driver_is_vfio(dev->override)) {
		snprintf(file, WANTED_FILE_MAX, "/sys/bus/pci/devices/%s/driver_override", bdf);
		return WANTED_OVERRIDE;
	}
	if (hostfs_read(d->root, driver, sizeof(driver), "etc/driverctl.d/pci-%s", bdf) > 0 &&
	    pci_function_driver_is_vfio(driver)) {
		snprintf(file, WANTED_FILE_MAX, "/etc/driverctl.d/pci-%s", bdf);
		return WANTED_DRIVERCTL;
	}
	entry = find_entry(d, dev);
	if (entry) {
		snprintf(file, WANTED_FILE_MAX, "/etc/thruway/%.80s",
			 SPEC_PLACE_STR(&d->spec, entry->target.at));
		return WANTED_SPEC;
	}
	for (size_t i = 0; i < d->id_count; i++) {
		if (d->ids[i].vendor != dev->vendor || d->ids[i].device != dev->device)
			continue;
		snprintf(file, WANTED_FILE_MAX, "%s", d->ids[i].file);
		return WANTED_IDS;
	}
	return WANTED_NOT;
}
