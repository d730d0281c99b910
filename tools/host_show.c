// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/host_show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "host/change.h"
#include "host/udev_rules.h"
#include "tools/out.h"

/* "0000:01:00.0: … (host.yaml:3:5)" */
static char *remark_text(const struct host_spec *hs, const struct spec_remark *r, char *buf,
			       size_t size)
{
	char dev[BDF_STRLEN] = "";

	if (r->about_device && !strstr(r->text, BDF_STR(r->bdf))) /* which it may tell itself */
		bdf_str(r->bdf, dev);
	snprintf(buf, size, "%s%s%s%s%s%s", dev, *dev ? ": " : "", r->text, r->at.line ? " (" : "",
		 r->at.line ? SPEC_PLACE_STR(&hs->spec, r->at) : "", r->at.line ? ")" : "");
	return buf;
}
#define REMARK(hs, r) remark_text((hs), (r), (char[1100]){ 0 }, 1100)

void host_show_remarks(const struct host_spec *hs)
{
	for (size_t i = 0; i < hs->plan.remark_count; i++) {
		const struct spec_remark *r = &hs->plan.remarks[i];

		log_warn("%s%s", r->left ? "left: " : "", REMARK(hs, r));
	}
}

char *host_show_left(const struct host_spec *hs, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; i < hs->plan.remark_count; i++) {
		if (hs->plan.remarks[i].left)
			return remark_text(hs, &hs->plan.remarks[i], buf, size);
	}
	return buf;
}

static json_t *remarks_json(const struct host_spec *hs, bool left)
{
	json_t *list = json_array();

	for (size_t i = 0; i < hs->plan.remark_count; i++) {
		const struct spec_remark *r = &hs->plan.remarks[i];
		char dev[BDF_STRLEN] = "";

		if (r->left != left)
			continue;
		if (r->about_device)
			bdf_str(r->bdf, dev);
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:s}", "device", out_json_text(dev), "place",
					out_json_text(r->at.line ? SPEC_PLACE_STR(&hs->spec, r->at)
								 : ""),
					"why", r->text));
	}
	return list;
}

static int show_json(struct ctx *ctx, const struct host_spec *hs, bool applied, struct err *err)
{
	bool same = !hs->plan.plan.count && !hs->plan.left;
	json_t *diff = json_pack("{s:b, s:b, s:o, s:o, s:o, s:o}", "same", same, "applied", applied, "steps",
				 out_steps_json(&hs->plan.plan), "left", remarks_json(hs, true),
				 "warnings", remarks_json(hs, false), "rules",
				 out_json_text(hs->rules ? hs->rules : ""));
	int r = out_json(ctx->out, "thruway.host-diff/1", "diff", diff);

	return r < 0 ? err_set(err, r, "cannot print it") : 0;
}

void host_show_rules(struct ctx *ctx, const struct host_spec *hs)
{
	const char *at = hs->rules ? hs->rules : "";

	for (; *at && udev_rules_change(&hs->plan.plan); at += strcspn(at, "\n") + 1)
		fprintf(ctx->out, "  | %.*s\n", (int)strcspn(at, "\n"), at);
}

int host_show_applied(struct ctx *ctx, const struct host_spec *hs, struct err *err)
{
	return show_json(ctx, hs, true, err);
}

int host_show_diff(struct ctx *ctx, const struct host_spec *hs, struct err *err)
{
	if (ctx->json)
		return show_json(ctx, hs, false, err);
	if (hs->plan.plan.count)
		out_plan(ctx->out, change_ops, &hs->plan.plan);
	for (size_t i = 0; i < hs->plan.remark_count; i++) {
		const struct spec_remark *r = &hs->plan.remarks[i];

		if (r->left)
			fprintf(ctx->out, "left: %s\n", REMARK(hs, r));
		else
			log_warn("%s", REMARK(hs, r));
	}
	return 0;
}
