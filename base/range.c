// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/range.h"

bool range_overlaps(struct range a, struct range b)
{
	if (!a.size || !b.size || !range_valid(a.start, a.size) || !range_valid(b.start, b.size))
		return false;
	return a.start <= range_last(b) && b.start <= range_last(a);
}

bool range_contains(struct range outer, struct range inner)
{
	if (!outer.size || !inner.size || !range_valid(outer.start, outer.size) ||
	    !range_valid(inner.start, inner.size))
		return false;
	return inner.start >= outer.start && range_last(inner) <= range_last(outer);
}
