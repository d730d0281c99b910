// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/udev_rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"

static const char head[] =
	"# Written by 'thruway host apply' from /etc/thruway, and replaced by the next one: see\n"
	"# thruway-host.yaml(5). An initramfs has a copy: make it again after a change.\n"
	"\n"
	"ACTION!=\"add|bind\", GOTO=\"thruway_host_end\"\n"
	"SUBSYSTEM!=\"pci\", GOTO=\"thruway_host_end\"\n";

/*
 * The test comes behind the probe, in the same event: whoever did not come to its driver
 * (its module is not there yet, another driver was first) is bound by the service. A tag
 * and SYSTEMD_WANTS mean nothing where systemd does not run.
 */
static const char tail[] =
	"\n"
	"ENV{THRUWAY_DRIVER}==\"?*\", DRIVER==\"\", ATTR{driver_override}=\"$env{THRUWAY_DRIVER}\", "
	"ATTR{[subsystem/pci]drivers_probe}=\"%k\", "
	"RUN{builtin}+=\"kmod load $env{THRUWAY_DRIVER}\"\n"
	"ENV{THRUWAY_DRIVER}==\"?*\", TEST!=\"/sys/bus/pci/drivers/$env{THRUWAY_DRIVER}/%k\", "
	"ENV{THRUWAY_APPLY}=\"1\"\n"
	"ENV{THRUWAY_APPLY}==\"1\", TAG+=\"systemd\", ENV{SYSTEMD_WANTS}+=\"thruway-bind@%k.service\"\n"
	"LABEL=\"thruway_host_end\"\n";

/* Of a word that stands between quotes in a rule: nothing that udev gives a meaning. */
static bool is_plain(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)word[i]) && !strchr("_.:@-", word[i]))
			return false;
	}
	return len > 0;
}

/* One component of a place in sysfs; a function's bus number is any. */
static int put_component(FILE *f, const char *at, size_t len)
{
	char word[64];
	struct bdf bdf;

	if (len >= sizeof(word) || !is_plain(at, len))
		return -EINVAL;
	snprintf(word, sizeof(word), "%.*s", (int)len, at);
	if (bdf_parse(word, &bdf) == 0)
		fprintf(f, "/%04x:[0-9a-f][0-9a-f]:%02x.%x", bdf.domain, bdf.dev, bdf.fn);
	else
		fprintf(f, "/%s", word);
	return 0;
}

static int put_path(FILE *f, int root, struct bdf bdf)
{
	char link[HOSTFS_PATH_MAX], *at;
	ssize_t n = hostfs_readlink(root, link, sizeof(link), "sys/bus/pci/devices/%s", BDF_STR(bdf));
	int r = n < 0 ? (int)n : 0;

	at = r == 0 ? strstr(link, "/devices/") : NULL;
	if (r == 0 && !at)
		r = -EINVAL;
	while (r == 0 && *at) {
		size_t len = strcspn(++at, "/");

		r = put_component(f, at, len);
		at += len;
	}
	return r;
}

/* What comes from a file's name is a comment's. */
static void put_place(FILE *f, const struct spec *spec, struct spec_place at)
{
	for (const char *s = SPEC_PLACE_STR(spec, at); *s; s++)
		fputc(is_plain(s, 1) || *s == '/' ? *s : '?', f);
}

static int put_match(FILE *f, const struct spec_facts *facts, const struct pci_function *dev,
		     struct err *err)
{
	int r;

	fprintf(f, "DEVPATH==\"");
	r = put_path(f, facts->root, dev->bdf);
	if (r < 0)
		return err_set(err, r, "cannot make a udev rule for %s from its place in sysfs",
			       BDF_STR(dev->bdf));
	fprintf(f, "\", ATTR{vendor}==\"0x%04x\", ATTR{device}==\"0x%04x\", "
		   "ATTR{subsystem_vendor}==\"0x%04x\", ATTR{subsystem_device}==\"0x%04x\", ",
		dev->vendor, dev->device, dev->sub_vendor, dev->sub_device);
	return 0;
}

/* Only of one that will have no interface: another's name may be a different one at each boot. */
static void put_memory(FILE *f, const struct spec_facts *facts, const struct spec_claim *c)
{
	if (c->is_pf || (c->driver[0] && !pci_function_driver_is_vfio(c->driver)))
		return;
	for (size_t i = 0; i < facts->count; i++) {
		if (bdf_eq(facts->devs[i].dev->bdf, c->bdf))
			udev_rules_put_memory(f, &facts->devs[i]);
	}
}

/* A PF is wanted with its driver, which makes its VFs; with none, nobody has to probe it. */
static int put_claim(FILE *f, const struct spec_facts *facts, const struct spec *spec,
		     const struct spec_claim *c, struct err *err)
{
	const struct pci_function *dev = topo_find(&facts->topo, c->bdf);
	bool bind = c->driver[0] && !c->is_pf;
	int r;

	if (!dev)
		return 0;
	if (bind && !is_plain(c->driver, strlen(c->driver)))
		return err_plain(err, -EINVAL, "%s: no udev rule can name the driver '%s'",
				 SPEC_PLACE_STR(spec, c->at), c->driver);
	fprintf(f, "\n# %s, ", BDF_STR(c->bdf));
	put_place(f, spec, c->at);
	fputc('\n', f);
	put_memory(f, facts, c);
	fprintf(f, "ACTION==\"%s\", ", c->is_pf ? "bind" : "add");
	r = put_match(f, facts, dev, err);
	if (bind)
		fprintf(f, "ENV{THRUWAY_DRIVER}=\"%s\"\n", c->driver);
	else
		fprintf(f, "ENV{THRUWAY_APPLY}=\"1\"\n");
	return r;
}

/* The ids that an entry's keys tell; -1 for each they do not. */
struct ids {
	int vendor, device, sub_vendor, sub_device;
};

static void read_ids(const struct spec_target *t, struct ids *ret)
{
	const struct spec_setting *m = t->match;
	unsigned v[4];

	*ret = (struct ids){ -1, -1, -1, -1 };
	if (m[SPEC_FINGERPRINT].text &&
	    sscanf(m[SPEC_FINGERPRINT].text, "%4x:%4x/%4x:%4x ", &v[0], &v[1], &v[2], &v[3]) == 4)
		*ret = (struct ids){ (int)v[0], (int)v[1], (int)v[2], (int)v[3] };
	if (m[SPEC_VENDOR].text && sscanf(m[SPEC_VENDOR].text, "%4x", &v[0]) == 1)
		ret->vendor = (int)v[0];
	if (m[SPEC_DEVICE_ID].text && sscanf(m[SPEC_DEVICE_ID].text, "%4x", &v[0]) == 1)
		ret->device = (int)v[0];
	if (m[SPEC_SUBSYSTEM].text && sscanf(m[SPEC_SUBSYSTEM].text, "%4x:%4x", &v[0], &v[1]) == 2) {
		ret->sub_vendor = (int)v[0];
		ret->sub_device = (int)v[1];
	}
}

static void put_id(FILE *f, const char *attr, int id)
{
	if (id >= 0)
		fprintf(f, "ATTR{%s}==\"0x%04x\", ", attr, (unsigned)id);
}

/* "pci0000:00/01.0/00.0", whatever the domains and the buses: a pattern, or "" if it is none. */
static const char *path_pattern(const char *path, char *buf, size_t size)
{
	size_t len = strcspn(path, "/");
	int n = snprintf(buf, size, "/devices/%.*s", (int)len, path);

	while (n > 0 && (size_t)n < size && path[len] == '/') {
		const char *at = path + len + 1;
		size_t part = strcspn(at, "/");

		if (!is_plain(at, part))
			return "";
		n += snprintf(buf + n, size - (size_t)n, "/*:[0-9a-f][0-9a-f]:%.*s", (int)part, at);
		len += 1 + part;
	}
	return n > 0 && (size_t)n < size && is_plain(path, strcspn(path, "/")) ? buf : "";
}

/*
 * Serial number, slot, and what an interface is called or has for its address are not seen
 * in the event: any network controller, or any function that is no bridge, may be it.
 */
static void put_kind(FILE *f, const struct spec_setting *match)
{
	if (match[SPEC_MAC].text || match[SPEC_NETDEV].text)
		fprintf(f, "ATTR{class}==\"0x02*\", ");
	else
		fprintf(f, "ATTR{class}!=\"0x06*\", ");
}

/* Whatever may be the device is for the service to judge, which knows the other keys. */
static void put_absent(FILE *f, const struct spec *spec, const struct spec_absent *a)
{
	const struct spec_setting *match = a->target->match;
	char buf[HOSTFS_PATH_MAX];
	const char *place = "";
	struct ids ids;

	read_ids(a->target, &ids);
	if (match[SPEC_PATH].text)
		place = path_pattern(match[SPEC_PATH].text, buf, sizeof(buf));
	fprintf(f, "\n# not here, ");
	put_place(f, spec, a->target->at);
	fprintf(f, "\nACTION==\"%s\", ", a->is_pf ? "bind" : "add");
	if (match[SPEC_ADDRESS].text)
		fprintf(f, "KERNEL==\"%s\", ", match[SPEC_ADDRESS].text);
	if (place[0])
		fprintf(f, "DEVPATH==\"%s\", ", place);
	put_id(f, "vendor", ids.vendor);
	put_id(f, "device", ids.device);
	put_id(f, "subsystem_vendor", ids.sub_vendor);
	put_id(f, "subsystem_device", ids.sub_device);
	if (!match[SPEC_ADDRESS].text && !place[0] && ids.vendor < 0 && ids.device < 0)
		put_kind(f, match);
	fprintf(f, "ENV{THRUWAY_APPLY}=\"1\"\n");
}

static int put_all(FILE *f, const struct spec_facts *facts, const struct spec *spec,
		   const struct spec_plan *plan, struct err *err)
{
	int r = 0;

	fputs(head, f);
	for (size_t i = 0; i < plan->absent_count; i++)
		put_absent(f, spec, &plan->absent[i]);
	for (size_t i = 0; r == 0 && i < plan->claim_count; i++)
		r = put_claim(f, facts, spec, &plan->claims[i], err);
	fputs(tail, f);
	return r;
}

int udev_rules_compile(const struct spec_facts *facts, const struct spec *spec,
		       const struct spec_plan *plan, char **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r = 0;

	if (!f)
		return err_set(err, -ENOMEM, "cannot make udev's rules");
	if (plan->claim_count || plan->absent_count)
		r = put_all(f, facts, spec, plan, err);
	if (fclose(f) != 0 && r == 0)
		r = err_set(err, -ENOMEM, "cannot make udev's rules");
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}
