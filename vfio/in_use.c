// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/in_use.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const words[IN_USE_REASONS] = {
	[IN_USE_MOUNTED] = "mounted",	[IN_USE_SWAP] = "swap",
	[IN_USE_RAID] = "raid",		[IN_USE_LVM] = "lvm",
	[IN_USE_ZFS] = "zfs",		[IN_USE_ROUTE] = "route",
	[IN_USE_BRIDGE] = "bridge",	[IN_USE_BOND] = "bond",
	[IN_USE_CONSOLE] = "console",	[IN_USE_KEYBOARD] = "keyboard",
	[IN_USE_VM] = "vm",		[IN_USE_PROCESS] = "process",
	[IN_USE_VF_IN_USE] = "vf-in-use", [IN_USE_VENDOR_VFIO] = "vendor-vfio",
};

const char *in_use_word(enum in_use_reason reason)
{
	return words[reason];
}

static int reason_of(const char *word, size_t len)
{
	for (int i = 0; i < IN_USE_REASONS; i++) {
		if (strlen(words[i]) == len && strncmp(words[i], word, len) == 0)
			return i;
	}
	return -EINVAL;
}

static int unknown_word(const char *s, size_t len, struct err *err)
{
	char all[256] = "";
	size_t n = 0;

	for (int i = 0; i < IN_USE_REASONS && n < sizeof(all); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? " " : "", words[i]);
	err_usage(err, "--force: '%.*s' is not a reason", (int)len, s);
	err_hint(err, "the reasons are: %s", all);
	return -EINVAL;
}

int in_use_parse_force(const char *s, unsigned *mask, struct err *err)
{
	unsigned found = 0;

	for (;;) {
		size_t len = strcspn(s, ",");
		int reason = reason_of(s, len);

		if (reason < 0)
			return unknown_word(s, len, err);
		found |= 1u << reason;
		if (!s[len])
			break;
		s += len + 1;
	}
	*mask |= found;
	return 0;
}

int in_use_refuse(const struct in_use *u, const char *verb, struct bdf bdf, unsigned forced,
		  struct err *err)
{
	char missing[128] = "";
	unsigned named = 0;
	size_t n = 0;

	if (!(u->mask & ~forced))
		return 0;
	for (unsigned i = 0; i < u->count; i++) {
		unsigned bit = 1u << u->items[i].reason;

		if ((forced | named) & bit)
			continue;
		if (!named)
			err_plain(err, -EBUSY, "cannot %s %s: %s", verb, BDF_STR(bdf),
				  u->items[i].what);
		n += (size_t)snprintf(missing + n, sizeof(missing) - n, "%s%s", named ? "," : "",
				      words[u->items[i].reason]);
		named |= bit;
	}
	err_hint(err, "take it out of use first, or say --force=%s if this host can do without it",
		 missing);
	return -EBUSY;
}
