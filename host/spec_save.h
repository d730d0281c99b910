/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host as the file that describes it: applied to the same host it changes nothing. */
#ifndef HOST_SPEC_SAVE_H
#define HOST_SPEC_SAVE_H

#include <stdio.h>

#include "base/err.h"
#include "host/spec_facts.h"

/*
 * Write host.yaml's text: devices bound to VFIO drivers or by an override, PFs with VFs
 * and all that these have, hugepages. Each is matched by fingerprint, so root must have
 * read the facts. 0 or -errno, err set.
 */
int spec_save(const struct spec_facts *facts, FILE *out, struct err *err);

/*
 * The same from the files of driverctl(8), etc/driverctl.d/pci-(address), which hold a
 * driver's name. What cannot be taken over is a comment in the text and a warning.
 */
int spec_save_driverctl(const struct spec_facts *facts, FILE *out, struct err *err);

#endif
