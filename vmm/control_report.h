/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The documents that the control socket answers with. Under vm_lock(); NULL: no memory. */
#ifndef VMM_CONTROL_REPORT_H
#define VMM_CONTROL_REPORT_H

#include <jansson.h>

struct machine;
struct vectors;
struct vm;
struct vm_device_reset;

json_t *control_report_status(struct machine *m);
json_t *control_report_stats(struct machine *m);
json_t *control_report_interrupts(struct machine *m);
/* Of a device in it; NULL is one without. Vectors that the guest never asked for are not worth a line each. */
json_t *control_report_vectors(const struct vectors *vectors, const struct vm *vm);
/* One of `resets` in the status, and the parameters of `device-reset`. */
json_t *control_report_reset(const struct vm_device_reset *reset);

#endif
