// SPDX-License-Identifier: GPL-2.0-or-later
/* What may stand in host.yaml, as tables: key, what is taken, where it is stored. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bdf.h"
#include "base/cpulist.h"
#include "base/size.h"
#include "host/spec_internal.h"

#define VERSION "1"

/* --- kinds of values -------------------------------------------------------------------------- */

static int put(char *ret, const char *text)
{
	snprintf(ret, SPEC_TEXT_MAX, "%s", text);
	return 0;
}

/* Printable, and not empty. */
static int take_text(const struct spec_row *row, const char *text, char *ret)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			return -EINVAL;
	}
	return *text ? put(ret, text) : -EINVAL;
}

/* A name that is one component of a path in sysfs: an interface, a driver, a slot, a pool. */
static int take_name(const struct spec_row *row, const char *text, char *ret)
{
	if (strlen(text) > row->max || strchr(text, '/') || strchr(text, ' ') || *text == '.')
		return -EINVAL;
	return take_text(row, text, ret);
}

static int take_number(const struct spec_row *row, const char *text, char *ret)
{
	uint64_t v;

	if (uint_parse(text, row->max, &v) < 0 || v < row->min)
		return -EINVAL;
	snprintf(ret, SPEC_TEXT_MAX, "%llu", (unsigned long long)v);
	return 0;
}

static int take_count(const struct spec_row *row, const char *text, char *ret)
{
	return strcmp(text, "all") == 0 ? put(ret, text) : take_number(row, text, ret);
}

static int take_word(const struct spec_row *row, const char *text, char *ret)
{
	for (const char *const *w = row->words; *w; w++) {
		if (strcmp(*w, text) == 0)
			return put(ret, text);
	}
	return -EINVAL;
}

static int take_switch(const struct spec_row *row, const char *text, char *ret)
{
	static const char *const on[] = { "on", "true", "yes" }, *const off[] = { "off", "false",
										  "no" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcasecmp(text, on[i]) == 0)
			return put(ret, "on");
		if (strcasecmp(text, off[i]) == 0)
			return put(ret, "off");
	}
	return -EINVAL;
}

/* row->max hexadecimal digits, to small letters; 0x before them is fine. */
static int take_hex(const struct spec_row *row, const char *text, char *ret)
{
	size_t n;

	text += strncasecmp(text, "0x", 2) == 0 ? 2 : 0;
	n = strlen(text);
	if (!n || n > row->max || strspn(text, "0123456789abcdefABCDEF") != n)
		return -EINVAL;
	for (size_t i = 0; i < row->max; i++)
		ret[i] = i < row->max - n ? '0' : (char)tolower(text[i - (row->max - n)]);
	ret[row->max] = '\0';
	return 0;
}

/* As lspci prints it too: 52-54-00-ff-ff-00-00-01. */
static int take_serial(const struct spec_row *row, const char *text, char *ret)
{
	char digits[24];
	size_t n = 0;

	for (const char *p = text; *p && n < sizeof(digits) - 1; p++) {
		if (*p != '-')
			digits[n++] = *p;
	}
	digits[n] = '\0';
	return n == 16 ? take_hex(row, digits, ret) : -EINVAL;
}

static int take_subsystem(const struct spec_row *row, const char *text, char *ret)
{
	unsigned vendor, device;
	int end = 0;

	if (strlen(text) != 9 || sscanf(text, "%4x:%4x%n", &vendor, &device, &end) != 2 || end != 9)
		return -EINVAL;
	snprintf(ret, SPEC_TEXT_MAX, "%04x:%04x", vendor, device);
	return 0;
}

static int take_address(const struct spec_row *row, const char *text, char *ret)
{
	struct bdf bdf;

	if (bdf_parse(text, &bdf) < 0)
		return -EINVAL;
	bdf_str(bdf, ret);
	return 0;
}

/* In the words of ip-link(8); the row's key is the attribute's. */
static int take_vf_attr(const struct spec_row *row, const char *text, char *ret)
{
	struct vf_attrs attrs = { 0 };
	enum vf_attr attr;

	if (vf_attr_find(row->key, &attr) < 0 || vf_attr_parse(&attrs, row->key, text, NULL) < 0)
		return -EINVAL;
	vf_attr_format(&attrs, attr, ret, SPEC_TEXT_MAX);
	return 0;
}

static int take_vf_mac(const struct spec_row *row, const char *text, char *ret)
{
	if (strcmp(text, "stable") == 0 || strcmp(text, "none") == 0)
		return put(ret, text);
	return take_vf_attr(row, text, ret);
}

static int take_page_size(const struct spec_row *row, const char *text, char *ret)
{
	uint64_t bytes;

	/* A number alone would be MiB elsewhere; here it is nothing. */
	if (strlen(text) < 2 || isdigit((unsigned char)text[strlen(text) - 1]) ||
	    size_parse(text, &bytes) < 0 || bytes < 4096)
		return -EINVAL;
	if (bytes % GiB == 0)
		snprintf(ret, SPEC_TEXT_MAX, "%lluG", (unsigned long long)(bytes / GiB));
	else if (bytes % MiB == 0)
		snprintf(ret, SPEC_TEXT_MAX, "%lluM", (unsigned long long)(bytes / MiB));
	else
		snprintf(ret, SPEC_TEXT_MAX, "%lluK", (unsigned long long)(bytes / KiB));
	return 0;
}

/* --- match ------------------------------------------------------------------------------------ */

#define NAME "a name without blanks and slashes"
#define MATCH(i) (offsetof(struct spec_target, match) + (i) * sizeof(struct spec_setting))

static const struct spec_row match_rows[] = {
	{ "fingerprint", "what thruway show prints as identity", take_text,
	  .at = MATCH(SPEC_FINGERPRINT) },
	{ "vendor", "four hexadecimal digits", take_hex, .at = MATCH(SPEC_VENDOR), .max = 4 },
	{ "device", "four hexadecimal digits", take_hex, .at = MATCH(SPEC_DEVICE_ID), .max = 4 },
	{ "subsystem", "vendor:device in hexadecimal digits", take_subsystem,
	  .at = MATCH(SPEC_SUBSYSTEM) },
	{ "serial", "sixteen hexadecimal digits", take_serial, .at = MATCH(SPEC_SERIAL), .max = 16 },
	{ "path", "a path of bridges like pci0000:00/01.0/00.0", take_text,
	  .at = MATCH(SPEC_PATH) },
	{ "mac", "a MAC address", take_vf_attr, .at = MATCH(SPEC_MAC) },
	{ "slot", NAME, take_name, .at = MATCH(SPEC_SLOT), .max = 63 },
	{ "netdev", "a network interface's name", take_name, .at = MATCH(SPEC_NETDEV), .max = 15 },
	{ "address", "a PCI address like 0000:01:00.0", take_address, .at = MATCH(SPEC_ADDRESS) },
	{ "count", "a number from 1, or all", take_count,
	  .at = offsetof(struct spec_target, count), .min = 1, .max = 65535 },
	{ 0 },
};

static int walk_match(struct spec_yaml *y, int node, void *to)
{
	struct spec_target *t = to;
	int r;

	t->at = spec_yaml_place(y, node);
	r = spec_yaml_mapping(y, node, match_rows, t, "'match'");
	for (unsigned i = 0; r == 0 && i < SPEC_MATCH_COUNT; i++) {
		if (t->match[i].text)
			return 0;
	}
	return r < 0 ? r : spec_yaml_fail(y, t->at, "'match' fits every device: say which");
}

/* --- devices ---------------------------------------------------------------------------------- */

#define DEVICE(i) (offsetof(struct spec_device, set) + (i) * sizeof(struct spec_setting))

/* The target is each entry's first member. */
static const struct spec_row device_rows[] = {
	{ "match", "a mapping", .walk = walk_match, .required = true },
	{ "driver", "a driver's name, or none", take_name, .at = DEVICE(SPEC_DEVICE_DRIVER),
	  .max = 31 },
	{ "group", "on or off", take_switch, .at = DEVICE(SPEC_DEVICE_GROUP) },
	{ "pool", NAME, take_name, .at = DEVICE(SPEC_DEVICE_POOL), .max = 63 },
	{ 0 },
};

static int no_room(struct spec_yaml *y, int node)
{
	return spec_yaml_fail(y, spec_yaml_place(y, node), "there is no memory for it");
}

static int walk_device(struct spec_yaml *y, int node, void *to)
{
	struct spec *s = to;
	struct spec_device *d = spec_append(&s->devices, &s->device_count, sizeof(*d));

	return d ? spec_yaml_mapping(y, node, device_rows, d, "an entry of 'devices'")
		 : no_room(y, node);
}

static int walk_devices(struct spec_yaml *y, int node, void *to)
{
	return spec_yaml_list(y, node, "devices", walk_device, to);
}

/* --- pfs -------------------------------------------------------------------------------------- */

#define VF(i) (offsetof(struct spec_vfs, set) + (i) * sizeof(struct spec_setting))
#define SWITCH "on or off"
#define GUID   "eight bytes like 00:11:22:33:44:55:66:77"

static const struct spec_row vf_rows[] = {
	{ "mac", "an address, none or stable", take_vf_mac, .at = VF(VF_MAC) },
	{ "vlan", "a number from 0 to 4094", take_vf_attr, .at = VF(VF_VLAN) },
	{ "qos", "a number from 0 to 7", take_vf_attr, .at = VF(VF_QOS) },
	{ "proto", "802.1Q or 802.1ad", take_vf_attr, .at = VF(VF_PROTO) },
	{ "spoofchk", SWITCH, take_switch, .at = VF(VF_SPOOFCHK) },
	{ "trust", SWITCH, take_switch, .at = VF(VF_TRUST) },
	{ "state", "auto, enable or disable", take_vf_attr, .at = VF(VF_STATE) },
	{ "min_tx_rate", "a number of Mbit/s", take_vf_attr, .at = VF(VF_MIN_TX_RATE) },
	{ "max_tx_rate", "a number of Mbit/s", take_vf_attr, .at = VF(VF_MAX_TX_RATE) },
	{ "query_rss", SWITCH, take_switch, .at = VF(VF_QUERY_RSS) },
	{ "node_guid", GUID, take_vf_attr, .at = VF(VF_NODE_GUID) },
	{ "port_guid", GUID, take_vf_attr, .at = VF(VF_PORT_GUID) },
	{ "driver", "a driver's name, or none", take_name, .at = VF(SPEC_VF_DRIVER), .max = 31 },
	{ "pool", NAME, take_name, .at = VF(SPEC_VF_POOL), .max = 63 },
	{ 0 },
};

/* "0-3": {…} */
static int walk_range(struct spec_yaml *y, const struct spec_setting *key, int value, void *to)
{
	struct spec_pf *pf = to;
	struct spec_vfs *vfs = spec_append(&pf->vfs, &pf->vfs_count, sizeof(*vfs));
	char text[SPEC_TEXT_MAX];
	struct cpulist list;

	if (!vfs)
		return no_room(y, value);
	if (cpulist_parse(key->text, &list) < 0 || !cpulist_count(&list) ||
	    cpulist_format(&list, text, sizeof(text)) < 0)
		return spec_yaml_fail(y, key->at, "a key of 'vfs' is a list of VF numbers like 0-3 or "
				      "0,2,5-7, not '%s'", key->text);
	vfs->range.at = key->at;
	vfs->range.text = spec_keep(spec_yaml_spec(y), text);
	return vfs->range.text ? spec_yaml_mapping(y, value, vf_rows, vfs, "an entry of 'vfs'")
			       : no_room(y, value);
}

static int walk_vfs(struct spec_yaml *y, int node, void *to)
{
	return spec_yaml_pairs(y, node, "'vfs'", walk_range, to);
}

#define PF(i) (offsetof(struct spec_pf, set) + (i) * sizeof(struct spec_setting))

static const char *const link_words[] = { "up", "down", NULL };
static const char *const eswitch_words[] = { "legacy", "switchdev", NULL };

static const struct spec_row pf_rows[] = {
	{ "match", "a mapping", .walk = walk_match, .required = true },
	{ "numvfs", "a number from 0 to 4095", take_number, .at = PF(SPEC_PF_NUMVFS), .max = 4095 },
	{ "link", "up or down", take_word, .at = PF(SPEC_PF_LINK), .words = link_words },
	{ "eswitch", "legacy or switchdev", take_word, .at = PF(SPEC_PF_ESWITCH),
	  .words = eswitch_words },
	{ "queues", "a number from 2", take_number, .at = PF(SPEC_PF_QUEUES), .min = 2,
	  .max = 65535 },
	{ "interrupts", "a number from 1", take_number, .at = PF(SPEC_PF_INTERRUPTS), .min = 1,
	  .max = 65535 },
	{ "vfs", "a mapping of VF numbers", .walk = walk_vfs },
	{ 0 },
};

static int walk_pf(struct spec_yaml *y, int node, void *to)
{
	struct spec *s = to;
	struct spec_pf *pf = spec_append(&s->pfs, &s->pf_count, sizeof(*pf));

	return pf ? spec_yaml_mapping(y, node, pf_rows, pf, "an entry of 'pfs'") : no_room(y, node);
}

static int walk_pfs(struct spec_yaml *y, int node, void *to)
{
	return spec_yaml_list(y, node, "pfs", walk_pf, to);
}

/* --- hugepages -------------------------------------------------------------------------------- */

static const struct spec_row hugepages_rows[] = {
	{ "node", "a NUMA node's number", take_number, .required = true,
	  .at = offsetof(struct spec_hugepages, node), .max = 4095 },
	{ "size", "a page size like 2M or 1G", take_page_size, .required = true,
	  .at = offsetof(struct spec_hugepages, size) },
	{ "count", "a number of pages", take_number, .required = true,
	  .at = offsetof(struct spec_hugepages, count), .max = 1u << 30 },
	{ 0 },
};

static int walk_hugepage(struct spec_yaml *y, int node, void *to)
{
	struct spec *s = to;
	struct spec_hugepages *h = spec_append(&s->hugepages, &s->hugepages_count, sizeof(*h));

	if (!h)
		return no_room(y, node);
	h->at = spec_yaml_place(y, node);
	return spec_yaml_mapping(y, node, hugepages_rows, h, "an entry of 'hugepages'");
}

static int walk_hugepages(struct spec_yaml *y, int node, void *to)
{
	return spec_yaml_list(y, node, "hugepages", walk_hugepage, to);
}

/* --- the document ----------------------------------------------------------------------------- */

static int take_version(const struct spec_row *row, const char *text, char *ret)
{
	return strcmp(text, VERSION) == 0 ? put(ret, text) : -EINVAL;
}

static int walk_version(struct spec_yaml *y, int node, void *to)
{
	static const struct spec_row row = {
		"version", VERSION ", the only one that this thruway knows", take_version
	};
	struct spec_setting version;

	return spec_yaml_value(y, node, &row, &version);
}

int spec_schema_document(struct spec_yaml *y, int node, void *spec)
{
	static const struct spec_row rows[] = {
		{ "version", NULL, .walk = walk_version },
		{ "devices", NULL, .walk = walk_devices },
		{ "pfs", NULL, .walk = walk_pfs },
		{ "hugepages", NULL, .walk = walk_hugepages },
		{ 0 },
	};

	return spec_yaml_mapping(y, node, rows, spec, "the file");
}

/* --- words ------------------------------------------------------------------------------------ */

static const char *word_at(const struct spec_row *rows, size_t at)
{
	for (; rows->key; rows++) {
		if (!rows->walk && rows->at == at)
			return rows->key;
	}
	return "?";
}

const char *spec_match_word(enum spec_match key)
{
	return word_at(match_rows, MATCH(key));
}

const char *spec_pf_word(enum spec_pf_key key)
{
	return word_at(pf_rows, PF(key));
}

const char *spec_vf_word(unsigned key)
{
	return word_at(vf_rows, VF(key));
}
