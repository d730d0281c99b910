/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a family is written; what the metrics*.c files share. */
#ifndef HOST_METRICS_INTERNAL_H
#define HOST_METRICS_INTERNAL_H

#include <stdint.h>

#include "host/metrics.h"

struct family {
	const char *name, *type, *help;
	void (*samples)(const struct family *f, const struct metrics *m, FILE *out);
	unsigned which; /* the family's own: one function may write several */
};

/* One sample; pairs of label and value up to a NULL. A label whose value is "" is left out. */
void metrics_sample(const struct family *f, FILE *out, uint64_t value, ...);

/* Families about devices, and those about VFs; each ends with one without name. */
extern const struct family metrics_device_families[];
extern const struct family metrics_vf_families[];

#endif
