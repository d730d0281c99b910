// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/preview.h"

#include <errno.h>
#include <stdio.h>

#include "host/change.h"
#include "tools/out.h"

static void add(json_t **list, const char *line)
{
	if (!*list)
		*list = json_array();
	json_array_append_new(*list, out_json_text(line));
}

void preview_line(const char *line, void *preview)
{
	struct preview *p = preview;

	if (p->ctx->json)
		add(&p->before, line);
	else
		fprintf(p->ctx->out, "%s\n", line);
}

void preview_after(struct preview *p, struct bdf bdf, const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s", BDF_STR(bdf), what);
	add(&p->after, line);
}

static int print_json(struct preview *p, const struct plan *plan)
{
	json_t *also = json_array();

	json_array_extend(also, p->before);
	json_array_extend(also, p->after);
	return out_json_object(p->ctx->out, "thruway.plan/1",
			       json_pack("{s:o, s:o}", "steps", out_steps_json(plan), "also", also));
}

int preview_print(struct preview *p, const struct plan *plan)
{
	if (p->ctx->json)
		return print_json(p, plan);
	if (plan->count || !p->after)
		out_plan(p->ctx->out, change_ops, plan);
	for (size_t i = 0; i < json_array_size(p->after); i++)
		fprintf(p->ctx->out, "%s\n", json_string_value(json_array_get(p->after, i)));
	return 0;
}

void preview_fini(struct preview *p)
{
	json_decref(p->before);
	json_decref(p->after);
	p->before = p->after = NULL;
}
