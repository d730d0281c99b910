// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files by which other programs lay claim to a device: whoever has one will take it, bring its
 * interface up or give it to a VM of his own, at a time of his choosing.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/journal.h"
#include "host/doctor/doctor_internal.h"
#include "vfio/bind.h"

struct claim {
	struct check *c;
	enum doctor_result result;
	char netdev[32], mac[24]; /* of the device, also while it is bound away; "": none */
	const char *dir;          /* that is being read */
};

static void claimed(struct claim *m, const char *who, const char *value, const char *file)
{
	check_evidence(m->c, value, "%s", file);
	check_say(m->c, m->result, "%s lays claim to it", who);
	check_fix(m->c, "let one program manage it: take it out of /%s, or leave it to %s", file,
		  who);
}

/* A directory that is not there makes no claims; one that cannot be read may. */
static void each_file(struct claim *m, const char *dir, int (*fn)(const char *name, void *opaque))
{
	int r;

	m->dir = dir;
	r = hostfs_list(m->c->d->root, fn, m, "%s", dir);
	if (r == -EACCES || r == -EPERM)
		check_unreadable(m->c, r, "%s", dir);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && strcmp(name + n - k, suffix) == 0;
}

/* --- files named after the device
 * ----------------------------------------------------------------- */

static void look_for_named_files(struct claim *m)
{
	static const struct {
		const char *who, *fmt;
	} files[] = {
		{ "driverctl", "etc/driverctl.d/pci-%s" },
		{ "the SR-IOV network operator", "etc/sriov-operator/pci/%s" },
		{ "mdevctl", "etc/mdevctl.d/%s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[96], value[160];

		snprintf(path, sizeof(path), files[i].fmt, m->c->bdf);
		if (!hostfs_exists(m->c->d->root, "%s", path))
			continue;
		if (hostfs_read(m->c->d->root, value, sizeof(value), "%s", path) < 0)
			strcpy(value, "there");
		claimed(m, files[i].who, value, path);
	}
}

/* --- systemd-networkd, udev's .link files, NetworkManager: [Section] KEY=VALUE
 * ---------------------- */

struct ini {
	char section[32];
	char *key, *value; /* in line */
	char *line;
	size_t size;
};

static void trim(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(" \t\r\n", s[n - 1]))
		s[--n] = '\0';
}

/* The next KEY=VALUE; false at the end. */
static bool ini_next(struct ini *ini, FILE *in)
{
	while (getline(&ini->line, &ini->size, in) > 0) {
		char *p = ini->line + strspn(ini->line, " \t"), *eq;

		trim(p);
		if (sscanf(p, "[%31[^]]]", ini->section) == 1 || *p == '#' || *p == ';')
			continue;
		eq = strchr(p, '=');
		if (!eq)
			continue;
		*eq = '\0';
		trim(p);
		ini->key = p;
		ini->value = eq + 1 + strspn(eq + 1, " \t");
		return true;
	}
	return false;
}

/* A list of patterns, of which one fits; "!" in front turns the list round. */
static bool any_fits(const char *list, const char *what)
{
	char text[256], *save = NULL;
	bool wanted = *list != '!';

	if (!*what)
		return false;
	snprintf(text, sizeof(text), "%s", list + !wanted);
	for (char *p = strtok_r(text, " ,;", &save); p; p = strtok_r(NULL, " ,;", &save)) {
		if (fnmatch(p, what, FNM_CASEFOLD) == 0)
			return wanted;
	}
	return !wanted;
}

/* 1: this key of [Match] names the device; 0: it names another; -1: it says nothing about which. */
static int match_key(const struct claim *m, const char *key, const char *value)
{
	char path[BDF_STRLEN + 8];

	snprintf(path, sizeof(path), "pci-%s", m->c->bdf);
	if (strcmp(key, "Name") == 0 || strcmp(key, "OriginalName") == 0)
		return strcmp(value, "*") == 0 ? -1 : any_fits(value, m->netdev);
	if (strcmp(key, "Path") == 0)
		return any_fits(value, path);
	if (strcmp(key, "MACAddress") == 0 || strcmp(key, "PermanentMACAddress") == 0)
		return any_fits(value, m->mac);
	if (strcmp(key, "Driver") == 0)
		return any_fits(value, m->c->dev->driver);
	return -1;
}

static int look_at_networkd(const char *name, void *opaque)
{
	struct claim *m = opaque;
	struct ini ini = { .line = NULL };
	_cleanup_file_ FILE *in = NULL;
	bool unmanaged = false, named = false, other = false;
	char path[192];

	if ((!has_suffix(name, ".network") && !has_suffix(name, ".link")) ||
	    check_fopen(m->c, &in, "%s/%s", m->dir, name) < 0)
		return 0;
	while (ini_next(&ini, in)) {
		int is = strcmp(ini.section, "Match") == 0 ? match_key(m, ini.key, ini.value) : -1;

		named |= is == 1;
		other |= is == 0;
		unmanaged |= strcmp(ini.key, "Unmanaged") == 0 && strcasecmp(ini.value, "yes") == 0;
	}
	free(ini.line);
	if (!named || other || unmanaged)
		return 0;
	snprintf(path, sizeof(path), "%s/%.96s", m->dir, name);
	claimed(m, has_suffix(name, ".link") ? "systemd-udevd" : "systemd-networkd",
		m->netdev[0] ? m->netdev : "[Match]", path);
	return 0;
}

/* A profile for this interface or address, or one that makes VFs. */
static int look_at_networkmanager(const char *name, void *opaque)
{
	struct claim *m = opaque;
	struct ini ini = { .line = NULL };
	_cleanup_file_ FILE *in = NULL;
	char path[192] = "";
	int r = check_fopen(m->c, &in, "%s/%s", m->dir, name);

	snprintf(path, sizeof(path), "%s/%.96s", m->dir, name);
	if (r < 0) {
		check_unreadable(m->c, r, "%s", path);
		return 0;
	}
	while (ini_next(&ini, in)) {
		if ((strcmp(ini.key, "interface-name") == 0 && any_fits(ini.value, m->netdev)) ||
		    (strcmp(ini.key, "mac-address") == 0 && any_fits(ini.value, m->mac)))
			claimed(m, "NetworkManager", ini.value, path);
	}
	free(ini.line);
	return 0;
}

/* --- libvirt -------------------------------------------------------------------------------------
 */

/* 'value' of an attribute of the tag at p, up to its end; "" when it is not there. */
static char *attribute(const char *tag, size_t len, const char *name, char *buf, size_t size)
{
	char key[32];
	const char *p;

	snprintf(key, sizeof(key), " %s=", name);
	p = memmem(tag, len, key, strlen(key));
	buf[0] = '\0';
	if (p) {
		p += strlen(key);
		snprintf(buf, size, "%.*s", (int)strcspn(p + 1, *p == '"' ? "\"" : "'"), p + 1);
	}
	return buf;
}

static bool names_address(const char *tag, size_t len, struct bdf bdf)
{
	static const char *const names[] = { "domain", "bus", "slot", "function" };
	unsigned v[4];
	char text[16];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		attribute(tag, len, names[i], text, sizeof(text));
		if (!text[0])
			return false;
		v[i] = (unsigned)strtoul(text, NULL, 0);
	}
	return v[0] == bdf.domain && v[1] == bdf.bus && v[2] == bdf.dev && v[3] == bdf.fn;
}

static bool is_tag(const char *p, const char *name)
{
	size_t n = strlen(name);

	return strncmp(p, name, n) == 0 && strchr(" \t\n>/", p[n]);
}

/*
 * <hostdev managed=…><source><address …/></source>: in <source> stands the host's address, outside
 * of it the guest's. The files are libvirt's own, with one meaning per tag; no parser is needed.
 */
static bool xml_has_device(const struct claim *m, const char *text, char *managed, size_t size)
{
	bool in_source = false;
	char dev[32];

	for (const char *p = strchr(text, '<'); p; p = strchr(p + 1, '<')) {
		size_t len = strcspn(p, ">");

		if (is_tag(p, "<hostdev") || is_tag(p, "<interface") || is_tag(p, "<forward"))
			attribute(p, len, "managed", managed, size);
		else if (is_tag(p, "<source") && p[len - 1] != '/')
			in_source = true;
		else if (is_tag(p, "</source"))
			in_source = false;
		else if (in_source && is_tag(p, "<address") &&
			 names_address(p, len, m->c->dev->bdf))
			return true;
		else if (is_tag(p, "<pf") && m->netdev[0] &&
			 strcmp(attribute(p, len, "dev", dev, sizeof(dev)), m->netdev) == 0)
			return true;
	}
	return false;
}

#define XML_MAX (1u << 20)

static int look_at_libvirt(const char *name, void *opaque)
{
	struct claim *m = opaque;
	_cleanup_free_ char *text = NULL;
	char path[192], managed[8] = "", value[32];
	ssize_t n;

	if (!has_suffix(name, ".xml"))
		return 0;
	snprintf(path, sizeof(path), "%s/%.96s", m->dir, name);
	text = malloc(XML_MAX);
	if (!text) {
		m->c->oom = true;
		return 0;
	}
	n = hostfs_read(m->c->d->root, text, XML_MAX, "%s", path);
	if (n < 0) {
		check_unreadable(m->c, (int)n, "%s", path);
		return 0;
	}
	if (!xml_has_device(m, text, managed, sizeof(managed)))
		return 0;
	snprintf(value, sizeof(value), "managed='%s'", managed[0] ? managed : "no");
	claimed(m, "libvirt", value, path);
	return 0;
}

static void read_names(struct claim *m)
{
	const struct pci_function *dev = m->c->dev;

	if (dev->netdev_count)
		snprintf(m->netdev, sizeof(m->netdev), "%s", dev->netdevs[0]);
	else if (journal_note(m->c->d->root, m->c->bdf, BIND_NOTE_NETDEV, m->netdev,
			      sizeof(m->netdev)) < 0)
		m->netdev[0] = '\0';
	if (!m->netdev[0] || hostfs_read(m->c->d->root, m->mac, sizeof(m->mac),
					 "sys/class/net/%s/address", m->netdev) < 0)
		m->mac[0] = '\0';
}

void rule_other_owner(struct check *c)
{
	char identity[STEP_VALUE_MAX];
	bool ours = journal_identity(c->d->root, c->bdf, identity, sizeof(identity)) == 0;
	struct claim m = { .c = c };

	if (!c->wanted && !ours) {
		check_skip(c);
		return;
	}
	/* One who has it alone is in order; two are not. */
	m.result = c->asked || ours ? DOCTOR_WARN : DOCTOR_NOTE;
	read_names(&m);
	look_for_named_files(&m);
	each_file(&m, "etc/systemd/network", look_at_networkd);
	each_file(&m, "run/systemd/network", look_at_networkd);
	each_file(&m, "etc/NetworkManager/system-connections", look_at_networkmanager);
	each_file(&m, "etc/libvirt/qemu", look_at_libvirt);
	each_file(&m, "etc/libvirt/qemu/networks", look_at_libvirt);
}
