// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/cpulist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int number(const char **s, unsigned *ret)
{
	unsigned v = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		v = v * 10 + (unsigned)(**s - '0');
		if (v >= CPULIST_MAX)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int cpulist_parse(const char *s, struct cpulist *ret)
{
	struct cpulist l = { 0 };

	while (*s && *s != '\n') {
		unsigned first, last;
		int r = number(&s, &first);

		if (r < 0)
			return r;
		last = first;
		if (*s == '-') {
			s++;
			r = number(&s, &last);
			if (r < 0)
				return r;
		}
		if (last < first)
			return -EINVAL;
		for (unsigned n = first; n <= last; n++)
			l.bits[n / 64] |= 1ull << (n % 64);
		if (*s == ',' && s[1] != '\0' && s[1] != '\n')
			s++;
		else if (*s && *s != '\n')
			return -EINVAL;
	}
	*ret = l;
	return 0;
}

bool cpulist_has(const struct cpulist *l, unsigned n)
{
	return n < CPULIST_MAX && (l->bits[n / 64] >> (n % 64) & 1);
}

unsigned cpulist_count(const struct cpulist *l)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CPULIST_MAX / 64; i++)
		count += (unsigned)__builtin_popcountll(l->bits[i]);
	return count;
}

int cpulist_words(const struct cpulist *l, uint64_t *words, unsigned count)
{
	for (unsigned i = count; i < CPULIST_MAX / 64; i++)
		if (l->bits[i])
			return -ERANGE;
	memcpy(words, l->bits, count * sizeof(*words));
	return 0;
}

int cpulist_format(const struct cpulist *l, char *buf, unsigned size)
{
	unsigned len = 0;

	if (size)
		buf[0] = '\0';
	for (unsigned n = 0; n < CPULIST_MAX; n++) {
		unsigned last = n;
		int w;

		if (!cpulist_has(l, n))
			continue;
		while (cpulist_has(l, last + 1))
			last++;
		w = snprintf(buf + len, size - len, last > n ? "%s%u-%u" : "%s%u", len ? "," : "", n,
			     last);
		if (w < 0 || (unsigned)w >= size - len)
			return -ENOSPC;
		len += (unsigned)w;
		n = last;
	}
	return (int)len;
}
