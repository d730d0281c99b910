// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a device comes back: from reset, from sleep, from errors on its link. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"
#include "vfio/pci_aer.h"
#include "vfio/pci_path.h"

#define PARENTS_MAX 16
#define NO_HEADER   0x7f

/* Graphics whose bus reset leaves them hung: Vega 10 and 20, Navi 10. The module resets them. */
static bool resets_badly(const struct pci_function *dev)
{
	static const struct {
		uint16_t first, last;
	} ids[] = { { 0x6860, 0x687f }, { 0x66a0, 0x66af }, { 0x7310, 0x731f } };

	for (size_t i = 0; dev->vendor == 0x1002 && i < ARRAY_SIZE(ids); i++) {
		if (dev->device >= ids[i].first && dev->device <= ids[i].last)
			return true;
	}
	return false;
}

/*
 * A device that never had a way has neither file. Whoever empties reset_method leaves `reset`
 * there; kernels before 5.15 have `reset` alone.
 */
static bool cannot_be_reset(struct check *c)
{
	bool emptied = hostfs_exists(c->d->root, "sys/bus/pci/devices/%s/reset_method", c->bdf);

	if (!emptied && hostfs_exists(c->d->root, "sys/bus/pci/devices/%s/reset", c->bdf))
		return false;
	check_evidence(c, emptied ? "empty" : "not there", "sys/bus/pci/devices/%s/reset_method",
		       c->bdf);
	return true;
}

static void judge_methods(struct check *c)
{
	const char *methods = c->dev->reset_methods;

	if (methods[0])
		check_evidence(c, methods, "sys/bus/pci/devices/%s/reset_method", c->bdf);
	if (resets_badly(c->dev) && !strstr(methods, "device_specific")) {
		check_say(c, DOCTOR_WARN,
			  "this graphics chip often hangs after a reset: the second "
			  "guest does not get it");
		check_fix(c, "install the vendor-reset module, and write device_specific to its "
			     "reset_method");
	} else if (!methods[0] && cannot_be_reset(c)) {
		check_say(c, DOCTOR_WARN,
			  "the kernel knows no way to reset it: a guest finds what the "
			  "one before left in it");
		check_fix(c, "give it to one guest only, or switch the host off between two");
	}
}

void rule_reset(struct check *c)
{
	unsigned n;

	if (c->dev->header_type == NO_HEADER) {
		check_evidence(c, "header type 7f", "sys/bus/pci/devices/%s/config", c->bdf);
		check_say(c, c->wanted ? DOCTOR_FAIL : DOCTOR_WARN,
			  "it does not answer: its configuration space reads all ones");
		check_fix(c,
			  "echo 1 >/sys/bus/pci/devices/%s/remove; echo 1 >/sys/bus/pci/rescan; if "
			  "that does not help, switch the host off and on",
			  c->bdf);
		return;
	}
	if (!c->wanted) {
		check_skip(c);
		return;
	}
	judge_methods(c);
	n = check_log(c, true, (const char *const[]){ "FLR; giving up", "reset; giving up", NULL });
	if (n) {
		check_say(c, DOCTOR_WARN, "it did not come back from a reset");
		check_fix(c, "choose another way: echo bus >/sys/bus/pci/devices/%s/reset_method",
			  c->bdf);
	}
}

void rule_d3cold(struct check *c)
{
	static const char *const files[] = { "power_state", "d3cold_allowed", "power/control" };
	unsigned n = CHECK_LOG(c, "hange power state from D3", "stuck in D3");
	char value[32];

	if (!n)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)check_read(c, value, sizeof(value), "sys/bus/pci/devices/%s/%s", c->bdf,
				 files[i]);
	check_say(c, c->wanted ? DOCTOR_FAIL : DOCTOR_WARN, "it did not wake up from D3");
	check_fix(c,
		  "echo 0 >/sys/bus/pci/devices/%s/d3cold_allowed; echo on "
		  ">/sys/bus/pci/devices/%s/power/control; for VFIO: modprobe vfio-pci "
		  "disable_idle_d3=1",
		  c->bdf, c->bdf);
}

/* --- errors
 * --------------------------------------------------------------------------------------- */

static bool count_errors(struct check *c, struct bdf bdf)
{
	struct pci_aer aer;
	char value[160];

	pci_aer_read(c->d->root, bdf, &aer);
	if (!aer.there)
		return false;
	if (aer.fatal.total) {
		snprintf(value, sizeof(value), "%" PRIu64 " (%s)", aer.fatal.total,
			 aer.fatal.kinds);
		check_evidence(c, value, "sys/bus/pci/devices/%s/aer_dev_fatal", BDF_STR(bdf));
	}
	if (aer.nonfatal.total) {
		snprintf(value, sizeof(value), "%" PRIu64 " (%s)", aer.nonfatal.total,
			 aer.nonfatal.kinds);
		check_evidence(c, value, "sys/bus/pci/devices/%s/aer_dev_nonfatal", BDF_STR(bdf));
	}
	if (aer.fatal.total || aer.nonfatal.total) {
		check_say(c, DOCTOR_WARN,
			  "there were errors on the way to it that were not corrected");
		check_fix(
			c,
			"seat the card again, try another slot or a slower link; a guest that has "
			"it loses it at the next one");
	}
	return true;
}

void rule_aer(struct check *c)
{
	struct bdf parents[PARENTS_MAX];
	int n = pci_path_parents(c->d->root, c->dev->bdf, parents, PARENTS_MAX);
	bool counted = count_errors(c, c->dev->bdf);

	for (int i = 0; i < n; i++)
		counted |= count_errors(c, parents[i]);
	if (!counted)
		check_skip(c);
}
