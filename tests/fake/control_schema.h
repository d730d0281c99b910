/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes over a VM's control socket, held against docs/control.schema.json. */
#ifndef TESTS_FAKE_CONTROL_SCHEMA_H
#define TESTS_FAKE_CONTROL_SCHEMA_H

#include <stddef.h>

#include <jansson.h>

/* The answer to method (NULL: to what was no request) as it came: 0, or -1 with why. */
int control_schema_answer(const json_t *schema, const char *method, const json_t *answer, char *why,
			  size_t size);
int control_schema_notification(const json_t *schema, const json_t *note, char *why, size_t size);

#endif
