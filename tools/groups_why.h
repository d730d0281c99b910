/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `groups --why`: what made a group, and where its devices would be alone. */
#ifndef TOOLS_GROUPS_WHY_H
#define TOOLS_GROUPS_WHY_H

#include <stdio.h>

#include <jansson.h>

#include "tools/describe.h"
#include "vfio/acs.h"

/* The group with its members and the reason, as a paragraph. */
void groups_why_text(FILE *out, struct describer *d, const struct acs *acs, int group);

/* One function, and nothing to say about it. */
bool groups_why_plain(const struct acs *acs, int group);

/* NULL: no memory. */
json_t *groups_why_json(const struct acs *acs, int group);

#endif
