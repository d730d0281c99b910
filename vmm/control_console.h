/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The method that lets somebody else sit at the guest's console. */
#ifndef VMM_CONTROL_CONSOLE_H
#define VMM_CONTROL_CONSOLE_H

#include <jansson.h>

#include "base/err.h"

extern const char *const control_console_params[];

int control_console(void *machine, const json_t *params, json_t **ret, struct err *err);

#endif
