// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/vf_attr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/size.h"

#define BIT(attr) (1u << (attr))

static const char *const attr_words[VF_ATTR_COUNT] = {
	[VF_MAC] = "mac",
	[VF_VLAN] = "vlan",
	[VF_QOS] = "qos",
	[VF_PROTO] = "proto",
	[VF_SPOOFCHK] = "spoofchk",
	[VF_TRUST] = "trust",
	[VF_STATE] = "state",
	[VF_MIN_TX_RATE] = "min_tx_rate",
	[VF_MAX_TX_RATE] = "max_tx_rate",
	[VF_QUERY_RSS] = "query_rss",
	[VF_NODE_GUID] = "node_guid",
	[VF_PORT_GUID] = "port_guid",
};

static const struct {
	const char *word;
	uint32_t mask;
} groups[VF_GROUP_COUNT] = {
	[VF_GROUP_TRUST] = { "trust", BIT(VF_TRUST) },
	[VF_GROUP_MAC] = { "mac", BIT(VF_MAC) },
	[VF_GROUP_NODE_GUID] = { "node_guid", BIT(VF_NODE_GUID) },
	[VF_GROUP_PORT_GUID] = { "port_guid", BIT(VF_PORT_GUID) },
	[VF_GROUP_VLAN] = { "vlan", BIT(VF_VLAN) | BIT(VF_QOS) | BIT(VF_PROTO) },
	[VF_GROUP_SPOOFCHK] = { "spoofchk", BIT(VF_SPOOFCHK) },
	[VF_GROUP_QUERY_RSS] = { "query_rss", BIT(VF_QUERY_RSS) },
	[VF_GROUP_RATE] = { "rate", BIT(VF_MIN_TX_RATE) | BIT(VF_MAX_TX_RATE) },
	[VF_GROUP_STATE] = { "state", BIT(VF_STATE) },
};

static const char *const state_words[] = {
	[VF_STATE_AUTO] = "auto",
	[VF_STATE_ENABLE] = "enable",
	[VF_STATE_DISABLE] = "disable",
};

const char *vf_attr_word(enum vf_attr attr)
{
	return attr_words[attr];
}

const char *vf_group_word(enum vf_group group)
{
	return groups[group].word;
}

int vf_attr_find(const char *word, enum vf_attr *ret)
{
	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		if (strcmp(word, attr_words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

int vf_group_find(const char *word, enum vf_group *ret)
{
	for (unsigned i = 0; i < VF_GROUP_COUNT; i++) {
		if (strcmp(word, groups[i].word) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -ENOENT;
}

uint32_t vf_group_mask(enum vf_group group)
{
	return groups[group].mask;
}

/* --- one value ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* n bytes of two digits each, with colons between them. */
static bool parse_bytes(const char *s, unsigned n, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++, s += 3) {
		int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);

		if (low < 0 || s[2] != (i < n - 1 ? ':' : '\0'))
			return false;
		v = v << 8 | (unsigned)(high << 4 | low);
	}
	*ret = v;
	return true;
}

static int parse_mac(const char *s, uint8_t ret[6], struct err *err)
{
	uint8_t mac[6] = { 0 };
	uint64_t v = 0;

	if (strcmp(s, "none") == 0) {
		memcpy(ret, mac, 6);
		return 0;
	}
	if (!parse_bytes(s, 6, &v))
		return err_usage(err, "\"%s\" is not a MAC address (02:00:00:00:00:01)", s);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)(v >> (40 - 8 * i));
	if (mac[0] & 1)
		return err_usage(err, "%s is a multicast address and cannot be a VF's MAC", s);
	memcpy(ret, mac, 6);
	return 0;
}

static int parse_guid(const char *word, const char *s, uint64_t *ret, struct err *err)
{
	if (!parse_bytes(s, 8, ret))
		return err_usage(err, "%s is eight bytes like 00:11:22:33:44:55:66:77, not \"%s\"", word,
				 s);
	return 0;
}

static int parse_number(const char *word, const char *s, uint64_t max, uint64_t *ret,
			struct err *err)
{
	if (uint_parse(s, max, ret) < 0)
		return err_usage(err, "%s takes a number from 0 to %llu, not \"%s\"", word,
				 (unsigned long long)max, s);
	return 0;
}

static int parse_switch(const char *word, const char *s, bool *ret, struct err *err)
{
	bool on = strcmp(s, "on") == 0;

	if (!on && strcmp(s, "off") != 0)
		return err_usage(err, "%s is on or off, not \"%s\"", word, s);
	*ret = on;
	return 0;
}

static int parse_proto(const char *s, uint16_t *ret, struct err *err)
{
	if (strcasecmp(s, "802.1Q") == 0)
		*ret = VF_PROTO_8021Q;
	else if (strcasecmp(s, "802.1ad") == 0)
		*ret = VF_PROTO_8021AD;
	else
		return err_usage(err, "proto is 802.1Q or 802.1ad, not \"%s\"", s);
	return 0;
}

static int parse_state(const char *s, enum vf_state *ret, struct err *err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(state_words); i++) {
		if (strcmp(s, state_words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return err_usage(err, "state is auto, enable or disable, not \"%s\"", s);
}

static int parse_value(struct vf_attrs *a, enum vf_attr attr, const char *s, struct err *err)
{
	const char *word = attr_words[attr];
	uint64_t n = 0;
	int r = 0;

	switch (attr) {
	case VF_MAC: return parse_mac(s, a->mac, err);
	case VF_PROTO: return parse_proto(s, &a->proto, err);
	case VF_STATE: return parse_state(s, &a->state, err);
	case VF_SPOOFCHK: return parse_switch(word, s, &a->spoofchk, err);
	case VF_TRUST: return parse_switch(word, s, &a->trust, err);
	case VF_QUERY_RSS: return parse_switch(word, s, &a->query_rss, err);
	case VF_NODE_GUID: return parse_guid(word, s, &a->node_guid, err);
	case VF_PORT_GUID: return parse_guid(word, s, &a->port_guid, err);
	case VF_VLAN: /* 4095 is reserved (802.1Q 9.6) */
		r = parse_number(word, s, 4094, &n, err);
		a->vlan = r < 0 ? a->vlan : (uint16_t)n;
		return r;
	case VF_QOS:
		r = parse_number(word, s, 7, &n, err);
		a->qos = r < 0 ? a->qos : (uint8_t)n;
		return r;
	case VF_MIN_TX_RATE:
		r = parse_number(word, s, UINT32_MAX, &n, err);
		a->min_tx_rate = r < 0 ? a->min_tx_rate : (uint32_t)n;
		return r;
	case VF_MAX_TX_RATE:
		r = parse_number(word, s, UINT32_MAX, &n, err);
		a->max_tx_rate = r < 0 ? a->max_tx_rate : (uint32_t)n;
		return r;
	case VF_ATTR_COUNT: break;
	}
	return -EINVAL;
}

static int parse_pair(struct vf_attrs *attrs, const char *word, const char *value, struct err *err)
{
	enum vf_attr attr;
	int r;

	if (vf_attr_find(word, &attr) < 0) {
		err_usage(err, "\"%s\" is not an attribute of a VF", word);
		err_hint(err, "mac, vlan, qos, proto, spoofchk, trust, state, min_tx_rate, "
			      "max_tx_rate, query_rss, node_guid or port_guid");
		return -EINVAL;
	}
	if (VF_HAS(attrs, attr))
		return err_usage(err, "%s is given twice for the same VF", word);
	r = parse_value(attrs, attr, value, err);
	if (r == 0)
		attrs->have |= BIT(attr);
	return r;
}

int vf_attr_parse(struct vf_attrs *attrs, const char *word, const char *value, struct err *err)
{
	static const uint8_t zero[6];
	struct vf_attrs a = *attrs;
	int r = parse_pair(&a, word, value, err);

	if (r < 0)
		return r;
	/* What the kernel takes for it the user should mean. */
	if (strcmp(word, "mac") == 0 && strcmp(value, "none") != 0 && memcmp(a.mac, zero, 6) == 0) {
		err_usage(err, "%s is no address that a VF can have", value);
		return err_hint(err, "none lets the VF's driver choose");
	}
	if ((strcmp(word, "node_guid") == 0 && !a.node_guid) ||
	    (strcmp(word, "port_guid") == 0 && !a.port_guid))
		return err_usage(err, "%s is no GUID that a VF can have", value);
	*attrs = a;
	return 0;
}

char *vf_mac_str(const uint8_t mac[6], char *buf)
{
	snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return buf;
}

/* As ip-link(8) has it: the byte of the highest value first. */
static void format_guid(uint64_t guid, char *buf, size_t size)
{
	snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(guid >> 56),
		 (unsigned)(guid >> 48) & 0xff, (unsigned)(guid >> 40) & 0xff,
		 (unsigned)(guid >> 32) & 0xff, (unsigned)(guid >> 24) & 0xff,
		 (unsigned)(guid >> 16) & 0xff, (unsigned)(guid >> 8) & 0xff, (unsigned)guid & 0xff);
}

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

char *vf_attr_format(const struct vf_attrs *a, enum vf_attr attr, char *buf, size_t size)
{
	char mac[18];

	switch (attr) {
	case VF_MAC: snprintf(buf, size, "%s", vf_mac_str(a->mac, mac)); break;
	case VF_VLAN: snprintf(buf, size, "%u", a->vlan); break;
	case VF_QOS: snprintf(buf, size, "%u", a->qos); break;
	case VF_PROTO:
		snprintf(buf, size, "%s", a->proto == VF_PROTO_8021AD ? "802.1ad" : "802.1Q");
		break;
	case VF_SPOOFCHK: snprintf(buf, size, "%s", on_off(a->spoofchk)); break;
	case VF_TRUST: snprintf(buf, size, "%s", on_off(a->trust)); break;
	case VF_STATE: snprintf(buf, size, "%s", state_words[a->state]); break;
	case VF_MIN_TX_RATE: snprintf(buf, size, "%u", a->min_tx_rate); break;
	case VF_MAX_TX_RATE: snprintf(buf, size, "%u", a->max_tx_rate); break;
	case VF_QUERY_RSS: snprintf(buf, size, "%s", on_off(a->query_rss)); break;
	case VF_NODE_GUID: format_guid(a->node_guid, buf, size); break;
	case VF_PORT_GUID: format_guid(a->port_guid, buf, size); break;
	case VF_ATTR_COUNT: break;
	}
	return buf;
}

/* --- groups ---------------------------------------------------------------------------------- */

int vf_group_format(const struct vf_attrs *attrs, enum vf_group group, char *buf, size_t size)
{
	char value[32];
	size_t len = 0;

	if ((attrs->have & groups[group].mask) != groups[group].mask)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < VF_ATTR_COUNT; i++) {
		int w;

		if (!(groups[group].mask & BIT(i)))
			continue;
		w = snprintf(buf + len, size - len, "%s%s %s", len ? " " : "", attr_words[i],
			     vf_attr_format(attrs, i, value, sizeof(value)));
		if (w < 0 || (size_t)w >= size - len)
			return -ENOSPC;
		len += (size_t)w;
	}
	return 0;
}

int vf_group_parse(const char *text, struct vf_attrs *ret)
{
	struct vf_attrs attrs = { 0 };
	char word[16], value[32];
	int used;

	while (*text) {
		if (sscanf(text, "%15s %31s%n", word, value, &used) != 2 ||
		    parse_pair(&attrs, word, value, NULL) < 0)
			return -EINVAL;
		text += used;
		text += strspn(text, " ");
	}
	if (!attrs.have)
		return -EINVAL;
	*ret = attrs;
	return 0;
}

void vf_attrs_complete(struct vf_attrs *attrs, const struct vf_attrs *now)
{
	static const struct vf_attrs fresh = { .proto = VF_PROTO_8021Q };
	uint32_t vlan = vf_group_mask(VF_GROUP_VLAN), rate = vf_group_mask(VF_GROUP_RATE);

	if (!now)
		now = &fresh;
	if (attrs->have & vlan) {
		/* A new vlan starts from nothing; a qos or proto alone changes the present one. */
		const struct vf_attrs *base = VF_HAS(attrs, VF_VLAN) ? &fresh : now;

		if (!VF_HAS(attrs, VF_VLAN))
			attrs->vlan = base->vlan;
		if (!VF_HAS(attrs, VF_QOS))
			attrs->qos = base->qos;
		if (!VF_HAS(attrs, VF_PROTO))
			attrs->proto = base->proto;
		attrs->have |= vlan;
	}
	if (attrs->have & rate) {
		if (!VF_HAS(attrs, VF_MIN_TX_RATE))
			attrs->min_tx_rate = now->min_tx_rate;
		if (!VF_HAS(attrs, VF_MAX_TX_RATE))
			attrs->max_tx_rate = now->max_tx_rate;
		attrs->have |= rate;
	}
}

int vf_mac_add(const uint8_t mac[6], unsigned n, uint8_t ret[6])
{
	static const uint8_t none[6];
	uint32_t low = (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];

	if (memcmp(mac, none, 6) == 0)
		n = 0;
	if (n > 0xffffff - low)
		return -ERANGE;
	low += n;
	memcpy(ret, mac, 3);
	ret[3] = (uint8_t)(low >> 16);
	ret[4] = (uint8_t)(low >> 8);
	ret[5] = (uint8_t)low;
	return 0;
}

int vf_guid_add(uint64_t guid, unsigned n, uint64_t *ret)
{
	const uint64_t lower = (1ull << 40) - 1;

	if (n > lower - (guid & lower))
		return -ERANGE;
	*ret = guid + n;
	return 0;
}

bool vf_attr_is_guid(enum vf_attr attr)
{
	return attr == VF_NODE_GUID || attr == VF_PORT_GUID;
}
