// SPDX-License-Identifier: GPL-2.0-or-later
/* Which devices an entry means. */
#include <errno.h>
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

/* What a busy device is not asked for. */
static bool is_hidden(enum spec_match key, const struct spec_fact *f)
{
	switch (key) {
	case SPEC_FINGERPRINT:
	case SPEC_SERIAL:
	case SPEC_PATH: return f->busy && !f->identity[0];
	case SPEC_MAC: return f->busy && !f->mac[0];
	case SPEC_NETDEV: return f->busy && !f->netdev[0]; /* its driver may be about to make it */
	default: return false;
	}
}

enum spec_fit spec_fit(const struct spec_target *t, const struct spec_fact *f)
{
	enum spec_fit fit = SPEC_FITS;

	for (unsigned i = 0; i < SPEC_MATCH_COUNT; i++) {
		if (!t->match[i].text)
			continue;
		if (is_hidden(i, f))
			fit = SPEC_MAY_FIT;
		else if (!key_fits(i, t->match[i].text, f))
			return SPEC_FITS_NOT;
	}
	return fit;
}

bool spec_fits(const struct spec_target *t, const struct spec_fact *f)
{
	return spec_fit(t, f) == SPEC_FITS;
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

	if (!n && spec_absent(p, t, only_pfs) < 0)
		return -ENOMEM;
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

static enum spec_fit fit_of(const struct spec_target *t, const struct spec_fact *f, bool only_pfs)
{
	return only_pfs && !f->is_pf ? SPEC_FITS_NOT : spec_fit(t, f);
}

/* Leave the busy ones out that fit as well as that, saying so. */
static int leave_busy(struct spec_planner *p, const struct spec_target *t, bool only_pfs,
		      enum spec_fit fit, bool *fits)
{
	char why[SPEC_BUSY_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->facts->count; i++) {
		const struct spec_fact *f = &p->facts->devs[i];

		if (!f->busy || fit_of(t, f, only_pfs) != fit)
			continue;
		fits[i] = false;
		r = spec_left(p, f, t->at, "%sit is busy: %s",
			      fit == SPEC_FITS ? "" : "this may be the device that is meant, and ",
			      spec_fact_busy(p->facts, f, why));
	}
	return r;
}

int spec_find(struct spec_planner *p, const struct spec_target *t, bool only_pfs, bool *fits)
{
	unsigned long wanted = t->count.text ? strtoul(t->count.text, NULL, 10) : 1; /* all: 0 */
	unsigned n = 0, maybe = 0;
	bool unsure;
	int r = 0;

	for (size_t i = 0; i < p->facts->count; i++) {
		enum spec_fit fit = fit_of(t, &p->facts->devs[i], only_pfs);

		fits[i] = fit == SPEC_FITS;
		n += fits[i];
		maybe += fit == SPEC_MAY_FIT;
	}
	if (n && t->match[SPEC_ADDRESS].text)
		r = warn_address(p, t);
	unsure = maybe && (n < wanted || !wanted);
	if (r == 0 && unsure)
		r = leave_busy(p, t, only_pfs, SPEC_MAY_FIT, fits);
	if (r == 0 && n && (n == wanted || !wanted))
		return leave_busy(p, t, only_pfs, SPEC_FITS, fits);
	if (r == 0 && !unsure)
		r = wrong_number(p, t, only_pfs, fits, n);
	memset(fits, 0, p->facts->count * sizeof(*fits));
	return r;
}
