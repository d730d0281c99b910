// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "host/device.h"
#include "host/doctor/doctor.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/opts.h"
#include "tools/out.h"

/* What it looks at, opened once. */
struct subject {
	struct topo topo;
	struct in_use_host *users;
	struct device_list devs;
};

static void subject_fini(struct subject *s)
{
	device_list_fini(&s->devs);
	in_use_close(s->users);
	topo_fini(&s->topo);
}

static int subject_init(struct subject *s, struct ctx *ctx, char **names, struct err *err)
{
	int r = topo_scan(ctx->root, &s->topo, err);

	for (; r == 0 && *names; names++)
		r = device_resolve(ctx->root, &s->topo, *names, true, "examine", &s->devs, err);
	return r < 0 ? r : in_use_open(ctx->root, &s->users, err);
}

/* --- for people ----------------------------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The same of another device: told once. */
static bool same_finding(const struct doctor_finding *a, const struct doctor_finding *b)
{
	return a->rule == b->rule && a->result == b->result && a->of_device && b->of_device &&
	       same_text(a->text, b->text) && same_text(a->fix, b->fix);
}

#define DEVICES_SHOWN  4
#define EVIDENCE_SHOWN 8

static void print_subjects(FILE *out, const struct doctor_finding *f, size_t n)
{
	for (size_t i = 0; i < n && i < DEVICES_SHOWN; i++)
		fprintf(out, "%s%s", i ? ", " : "  ", BDF_STR(f[i].bdf));
	if (n > DEVICES_SHOWN)
		fprintf(out, " and %zu more", n - DEVICES_SHOWN);
}

/* Evidence k of finding i stands in one before it, or before it in the same. */
static bool told_before(const struct doctor_finding *f, size_t i, size_t k)
{
	const struct doctor_evidence *e = &f[i].evidence[k];

	for (size_t a = 0; a <= i; a++) {
		for (size_t b = 0; b < (a == i ? k : f[a].evidence_count); b++) {
			if (strcmp(f[a].evidence[b].file, e->file) == 0 &&
			    strcmp(f[a].evidence[b].value, e->value) == 0)
				return true;
		}
	}
	return false;
}

static void print_evidence(FILE *out, const struct doctor_finding *f, size_t n)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < f[i].evidence_count; k++) {
			const struct doctor_evidence *e = &f[i].evidence[k];

			if (told_before(f, i, k))
				continue;
			if (shown < EVIDENCE_SHOWN)
				fprintf(out, "      %s: %s\n", e->file, e->value);
			else
				more++;
			shown++;
		}
	}
	if (more)
		fprintf(out, "      (and %zu more; -j has all)\n", more);
}

/* n findings that say the same. */
static void print_findings(FILE *out, const struct doctor_finding *f, size_t n)
{
	fprintf(out, "%s  %s", doctor_result_word(f->result), f->rule->id);
	if (f->of_device)
		print_subjects(out, f, n);
	fprintf(out, ": %s\n", f->text ? f->text : f->rule->title);
	print_evidence(out, f, n);
	if (f->fix)
		fprintf(out, "    fix: %s\n", f->fix);
	if (f->result >= DOCTOR_WARN)
		fprintf(out, "    see: %s\n", f->rule->reference);
}

static void print_report(struct ctx *ctx, const struct doctor_report *report)
{
	enum doctor_result least = log_get_level() >= LOG_NOTE ? DOCTOR_PASS : DOCTOR_NOTE;
	const struct doctor_finding *f = report->findings;
	const unsigned *n = report->results;

	if (ctx->quiet)
		least = DOCTOR_WARN;
	for (size_t i = 0, same; i < report->count; i += same) {
		for (same = 1; i + same < report->count; same++) {
			if (!same_finding(&f[i], &f[i + same]))
				break;
		}
		if (f[i].result >= least)
			print_findings(ctx->out, &f[i], same);
	}
	if (!ctx->quiet)
		fprintf(ctx->out, "%u failed, %u warning%s, %u note%s, %u passed%s\n", n[DOCTOR_FAIL],
			n[DOCTOR_WARN], n[DOCTOR_WARN] == 1 ? "" : "s", n[DOCTOR_NOTE],
			n[DOCTOR_NOTE] == 1 ? "" : "s", n[DOCTOR_PASS],
			least > DOCTOR_PASS && n[DOCTOR_PASS] ? " (-v shows them)" : "");
}

/* --- for programs --------------------------------------------------------------------------------
 */

static json_t *evidence_json(const struct doctor_finding *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->evidence_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "file", f->evidence[i].file,
						      "value", f->evidence[i].value));
	return list;
}

static json_t *finding_json(const struct doctor_finding *f)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:s, s:s}", "rule", f->rule->id, "device",
			 f->of_device ? json_string(BDF_STR(f->bdf)) : json_null(), "result",
			 doctor_result_word(f->result), "text", f->text ? f->text : f->rule->title,
			 "evidence", evidence_json(f), "fix", out_json_text(f->fix ? f->fix : ""),
			 "reference", f->rule->reference, "seen", doctor_seen_word(f->rule->seen));
}

static int print_json(struct ctx *ctx, const struct doctor_report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(list, finding_json(&report->findings[i]));
	return out_json(ctx->out, "thruway.doctor/1", "findings", list);
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(doctor_report_fini) struct doctor_report report = DOCTOR_REPORT_INIT;
	_cleanup_(subject_fini) struct subject s = { .topo = TOPO_INIT, .devs = DEVICE_LIST_INIT };
	int first = opts_common(ctx, argc, argv, err), r;

	if (first < 0)
		return first;
	r = subject_init(&s, ctx, argv + first, err);
	if (r < 0)
		return r;
	r = doctor_run(&(struct doctor_request){ .root = ctx->root,
						 .topo = &s.topo,
						 .users = s.users,
						 .devs = s.devs.bdfs,
						 .count = s.devs.count },
		       &report, err);
	if (r < 0)
		return r;
	if (!ctx->json)
		print_report(ctx, &report);
	else if (print_json(ctx, &report) < 0)
		return err_set(err, -ENOMEM, "cannot print the findings");
	return report.results[DOCTOR_FAIL] ? 1 : report.results[DOCTOR_WARN] ? 3 : 0;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.synopsis = "[DEV…]",
	.summary = "what keeps devices from their guests, and what to do",
	.help = "Looks for what keeps this host's devices (these devices) from being passed to\n"
		"guests. Each finding names the files it was read from and what to do about it:\n"
		"FAIL keeps a device from its guest, WARN is worse than it should be, NOTE is worth\n"
		"knowing or could not be told. -v shows what passed too, -q notes neither.\n"
		"A device is judged as one for a guest when it is named here, bound to a VFIO driver\n"
		"or meant to be (driver_override, host.yaml, driverctl, ids= of vfio-pci).\n"
		"Exit status: 0 all is well, 1 a FAIL, 3 a WARN and no FAIL.",
	.takes = TAKES_JSON,
	.run = run,
};
