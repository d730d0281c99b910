/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What udev is told of the devices that /etc/thruway declares, so that they come to their
 * driver as they appear: at boot before another driver is loaded for them, and when they
 * are plugged in again.
 *
 * A rule knows a device by its ids and its place: the ports on the way to it, not the bus
 * numbers, which move when a card is added. It takes a device that no driver has;
 * one that a driver was faster with, and PFs, are left to thruway-bind@.service, which
 * looks who uses it. That service also looks at what appears and may be a declared device
 * that was not there when the file was written. Only devices that apply could bind have a rule: what the running
 * host refuses to give must not be taken from it at the next boot.
 */
#ifndef HOST_UDEV_RULES_H
#define HOST_UDEV_RULES_H

#include <stdio.h>

#include "base/err.h"
#include "base/journal.h"
#include "host/spec_facts.h"
#include "host/spec_plan.h"

#define UDEV_RULES_DIR	"etc/udev/rules.d"
#define UDEV_RULES_NAME "05-thruway-host.rules"
#define UDEV_RULES_SIZE_MAX (1u << 20)

/*
 * The file's text, malloced; "" when nothing is claimed. 0; -EINVAL, err set, for a name
 * that would mean something to udev; other -errno, err set.
 */
int udev_rules_compile(const struct spec_facts *facts, const struct spec *spec,
		       const struct spec_plan *plan, char **ret, struct err *err);

/* The file as it is, malloced. 0 or -errno. */
int udev_rules_read(int root, char **ret);

/*
 * What a device's interface was called and had for its permanent MAC, in a comment in front of
 * its rule: whom udev binds as it appears never has one again. Of a device without either
 * nothing is put.
 */
void udev_rules_put_memory(FILE *f, const struct spec_fact *fact);

/* Take what of these *fact lacks from the comment that text has for the very device. */
void udev_rules_recall(const char *text, struct spec_fact *fact);

/* This host has a udev to be told. */
bool udev_rules_wanted(int root);

/*
 * Append the step that makes the file read so ("": that there is none), unless it does, or
 * /etc is read-only, which is warned of. 0 or -errno, err set.
 */
int udev_rules_plan(int root, const char *text, struct plan *plan, struct err *err);

/* Keep text where the step finds it. Before the plan is applied. 0 or -errno, err set. */
int udev_rules_stage(int root, const char *text, struct err *err);

/* Take that step out of the plan again: the file stays as it is. */
void udev_rules_keep(struct plan *plan);

/* The plan has that step. */
bool udev_rules_change(const struct plan *plan);

/* What makes this host's initramfs anew: "update-initramfs -u"; NULL: it has no such program. */
const char *udev_rules_initramfs(int root);

/* dev "udev", key: the file's name; its value is a hash of its text, "" for no file. */
extern const struct step_ops udev_rules_step_ops;

#endif
