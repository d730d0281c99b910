// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/bdf.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* One hexadecimal field of min..max digits that must be <= limit, then the separator. */
static const char *hex_field(const char *s, int min, int max, uint32_t limit, char sep,
			     uint32_t *ret)
{
	uint32_t v = 0;
	int n = 0;

	for (; n < max; n++, s++) {
		char c = *s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (uint32_t)(c - 'A' + 10);
		else
			break;
	}
	if (n < min || v > limit || *s != sep)
		return NULL;
	*ret = v;
	return sep ? s + 1 : s;
}

int bdf_parse(const char *s, struct bdf *ret)
{
	uint32_t domain = 0, bus, dev, fn;
	const char *colon = strchr(s, ':');

	if (colon && strchr(colon + 1, ':')) {
		s = hex_field(s, 4, 8, UINT32_MAX, ':', &domain);
		if (!s)
			return -EINVAL;
	}
	s = hex_field(s, 2, 2, 0xff, ':', &bus);
	if (s)
		s = hex_field(s, 2, 2, 0x1f, '.', &dev);
	if (s)
		s = hex_field(s, 1, 1, 7, '\0', &fn);
	if (!s)
		return -EINVAL;
	*ret = (struct bdf){ domain, (uint8_t)bus, (uint8_t)dev, (uint8_t)fn };
	return 0;
}

char *bdf_str(struct bdf bdf, char *buf)
{
	snprintf(buf, BDF_STRLEN, "%04x:%02x:%02x.%x", bdf.domain, bdf.bus, bdf.dev & 0x1f,
		 bdf.fn & 7);
	return buf;
}

int bdf_cmp(struct bdf a, struct bdf b)
{
	if (a.domain != b.domain)
		return a.domain < b.domain ? -1 : 1;
	if (a.bus != b.bus)
		return a.bus < b.bus ? -1 : 1;
	if (a.dev != b.dev)
		return a.dev < b.dev ? -1 : 1;
	return (int)a.fn - (int)b.fn;
}

int bdf_add(struct bdf bdf, unsigned long distance, struct bdf *ret)
{
	unsigned long rid = bdf_routing_id(bdf);

	if (distance > 0xffff - rid)
		return -ERANGE;
	rid += distance;
	*ret = (struct bdf){ bdf.domain, (uint8_t)(rid >> 8), (uint8_t)(rid >> 3 & 0x1f),
			     (uint8_t)(rid & 7) };
	return 0;
}
