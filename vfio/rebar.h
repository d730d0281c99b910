/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resizable BARs (PCI Express 5.0, 7.8.6) by the kernel's resourceN_resize (Linux 6.1): a guest
 * cannot resize what the host has placed, so it is done before a device is bound.
 */
#ifndef VFIO_REBAR_H
#define VFIO_REBAR_H

#include <stdint.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/journal.h"

struct rebar {
	unsigned bar;  /* 0..5 */
	uint64_t size; /* bytes */
};

/*
 * Append the step. -EOPNOTSUPP: the BAR cannot be resized; -EINVAL: not to this size (err
 * lists those it can have).
 */
int rebar_plan(int root, struct bdf bdf, const struct rebar *rebar, struct plan *plan,
	       struct err *err);

/* The row: key is the BAR's number, values are bytes. */
extern const struct step_ops rebar_step_ops;

#endif
