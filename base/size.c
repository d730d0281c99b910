// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/size.h"

#include <errno.h>
#include <stdio.h>

static int digits(const char **s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(**s - '0'), &v) || v > max)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int size_parse(const char *s, uint64_t *ret_bytes)
{
	uint64_t v, unit = MiB;
	int r = digits(&s, UINT64_MAX, &v);

	if (r < 0)
		return r;
	switch (*s) {
	case '\0': break;
	case 'k':
	case 'K': unit = KiB, s++; break;
	case 'm':
	case 'M': unit = MiB, s++; break;
	case 'g':
	case 'G': unit = GiB, s++; break;
	case 't':
	case 'T': unit = GiB << 10, s++; break;
	default: return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	if (__builtin_mul_overflow(v, unit, &v))
		return -ERANGE;
	*ret_bytes = v;
	return 0;
}

int uint_parse(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r = digits(&s, max, &v);

	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	*ret = v;
	return 0;
}

char *size_str(uint64_t bytes, char *buf)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = { { GiB, "GiB" }, { MiB, "MiB" }, { KiB, "KiB" } };

	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (bytes >= units[i].unit && bytes % units[i].unit == 0) {
			snprintf(buf, 32, "%llu %s", (unsigned long long)(bytes / units[i].unit),
				 units[i].name);
			return buf;
		}
	}
	snprintf(buf, 32, "%llu bytes", (unsigned long long)bytes);
	return buf;
}
