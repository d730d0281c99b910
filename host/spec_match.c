// SPDX-License-Identifier: GPL-2.0-or-later
/* Which devices an entry means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/spec_plan_internal.h"

static bool hex_is(const char *text, unsigned value, int digits)
{
	char now[16];

	snprintf(now, sizeof(now), "%0*x", digits, value);
	return strcmp(text, now) == 0;
}

/* The word behind `key` in an identity, up to the next blank: "serial=", " at ". */
static bool identity_has(const char *identity, const char *key, const char *value)
{
	const char *at = strstr(identity, key);
	size_t len = strlen(value);

	return at && strncmp(at + strlen(key), value, len) == 0 &&
	       (at[strlen(key) + len] == ' ' || at[strlen(key) + len] == '\0');
}

static bool key_fits(enum spec_match key, const char *text, const struct spec_fact *f)
{
	const struct pci_function *d = f->dev;
	char subsystem[16];

	switch (key) {
	case SPEC_FINGERPRINT: return strcmp(text, f->identity) == 0;
	case SPEC_VENDOR: return hex_is(text, d->vendor, 4);
	case SPEC_DEVICE_ID: return hex_is(text, d->device, 4);
	case SPEC_SUBSYSTEM:
		snprintf(subsystem, sizeof(subsystem), "%04x:%04x", d->sub_vendor, d->sub_device);
		return strcmp(text, subsystem) == 0;
	case SPEC_SERIAL: return identity_has(f->identity, "serial=", text);
	case SPEC_PATH: return identity_has(f->identity, " at ", text);
	case SPEC_MAC: return strcmp(text, f->mac) == 0;
	case SPEC_SLOT: return strcmp(text, f->slot) == 0;
	case SPEC_NETDEV: return strcmp(text, f->netdev) == 0;
	case SPEC_ADDRESS: return strcmp(text, BDF_STR(d->bdf)) == 0;
	case SPEC_MATCH_COUNT: break;
	}
	return false;
}

bool spec_fits(const struct spec_target *t, const struct spec_fact *f)
{
	for (unsigned i = 0; i < SPEC_MATCH_COUNT; i++) {
		if (t->match[i].text && !key_fits(i, t->match[i].text, f))
			return false;
	}
	return true;
}

static int warn_address(struct spec_planner *p, const struct spec_target *t)
{
	for (unsigned i = 0; i < SPEC_MATCH_COUNT; i++) {
		if (i != SPEC_ADDRESS && t->match[i].text)
			return 0;
	}
	return spec_warn(p, t->match[SPEC_ADDRESS].at, "%s alone may mean another device when a card "
			 "is added: thruway host save writes what stays", t->match[SPEC_ADDRESS].text);
}

static int wrong_number(struct spec_planner *p, const struct spec_target *t, bool only_pfs,
			const bool *fits, unsigned n)
{
	const char *wanted = t->count.text ? t->count.text : "1";
	char names[160] = "";
	size_t len = 0;

	if (!n)
		return spec_left(p, NULL, t->at, "no %s of this host fits",
				 only_pfs ? "PF" : "device");
	for (size_t i = 0; i < p->facts->count && len < 120; i++) {
		if (fits[i])
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", BDF_STR(p->facts->devs[i].dev->bdf));
	}
	return spec_left(p, NULL, t->at, "%u devices fit (%s%s), and %s is meant: say more, or count: "
			 "%u, or count: all", n, names, len >= 120 ? ", …" : "", wanted, n);
}

int spec_find(struct spec_planner *p, const struct spec_target *t, bool only_pfs, bool *fits)
{
	unsigned long wanted = t->count.text ? strtoul(t->count.text, NULL, 10) : 1; /* all: 0 */
	unsigned n = 0;
	int r;

	for (size_t i = 0; i < p->facts->count; i++) {
		const struct spec_fact *f = &p->facts->devs[i];

		fits[i] = spec_fits(t, f) && (!only_pfs || f->sriov);
		n += fits[i];
	}
	if (n && t->match[SPEC_ADDRESS].text) {
		r = warn_address(p, t);
		if (r < 0)
			return r;
	}
	if (n && (n == wanted || !wanted))
		return 0;
	r = wrong_number(p, t, only_pfs, fits, n);
	memset(fits, 0, p->facts->count * sizeof(*fits));
	return r;
}
