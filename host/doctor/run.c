// SPDX-License-Identifier: GPL-2.0-or-later
/* Every rule over everything it is about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "host/doctor/doctor_internal.h"

static const char *const result_words[DOCTOR_RESULTS] = {
	[DOCTOR_SKIP] = "SKIP", [DOCTOR_PASS] = "PASS", [DOCTOR_NOTE] = "NOTE",
	[DOCTOR_WARN] = "WARN", [DOCTOR_FAIL] = "FAIL",
};

const char *doctor_result_word(enum doctor_result result)
{
	return result_words[result];
}

const char *doctor_seen_word(enum doctor_seen seen)
{
	static const char *const words[] = {
		[DOCTOR_SEEN_LAB] = "lab",
		[DOCTOR_SEEN_RECORDED] = "recorded",
		[DOCTOR_SEEN_SOURCE] = "source",
	};

	return words[seen];
}

static void finding_fini(struct doctor_finding *f)
{
	for (size_t i = 0; i < f->evidence_count; i++) {
		free(f->evidence[i].file);
		free(f->evidence[i].value);
	}
	free(f->evidence);
	free(f->text);
	free(f->fix);
}

void doctor_report_fini(struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		finding_fini(&report->findings[i]);
	free(report->findings);
	*report = (struct doctor_report)DOCTOR_REPORT_INIT;
}

/* A rule that found nothing in a log it could not read, or not all of, has not passed. */
static void judge_log(struct check *c)
{
	const struct klog *log = &c->d->log;

	if (!c->log_needed || c->f->result != DOCTOR_PASS)
		return;
	if (log->error) {
		check_say(c, DOCTOR_NOTE, "cannot tell without the kernel's log: %s",
			  strerror(-log->error));
		if (log->error == -EACCES || log->error == -EPERM)
			check_fix(
				c,
				"run it as root: reading the log takes CAP_SYSLOG, or a journal one "
				"may read");
	} else if (!log->whole) {
		check_say(c, DOCTOR_NOTE,
			  "nothing in the kernel's log, which no longer reaches "
			  "back to the boot");
		check_fix(c, "keep a journal, or boot with a larger log: log_buf_len=4M");
	}
}

static int add_finding(struct doctor_report *report, const struct doctor_finding *f)
{
	struct doctor_finding *bigger =
		realloc(report->findings, (report->count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	report->findings = bigger;
	bigger[report->count++] = *f;
	report->results[f->result]++;
	return 0;
}

static int run_rule(const struct doctor *d, const struct doctor_rule *rule,
		    const struct pci_function *dev, struct doctor_report *report)
{
	struct doctor_finding f = { .rule = rule, .of_device = dev, .result = DOCTOR_PASS };
	char bdf[BDF_STRLEN] = "";
	struct check c = { .d = d, .dev = dev, .bdf = bdf, .asked = dev && d->req->count, .f = &f };
	int r;

	if (dev) {
		f.bdf = dev->bdf;
		bdf_str(dev->bdf, bdf);
		c.wanted = wanted_find(d, dev, c.wanted_file);
		if (c.wanted == WANTED_NOT && c.asked)
			c.wanted = WANTED_ASKED;
	}
	rule->test(&c);
	judge_log(&c);
	r = c.oom ? -ENOMEM : add_finding(report, &f);
	if (r < 0)
		finding_fini(&f);
	return r;
}

static int run_over_devices(const struct doctor *d, const struct doctor_rule *rule,
			    struct doctor_report *report)
{
	const struct doctor_request *req = d->req;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->count; i++) {
		const struct pci_function *dev = topo_find(req->topo, req->devs[i]);

		if (dev)
			r = run_rule(d, rule, dev, report);
	}
	for (size_t i = 0; r == 0 && !req->count && i < req->topo->count; i++) {
		const struct pci_function *dev = &req->topo->devs[i];

		if (pci_function_is_assignable(dev))
			r = run_rule(d, rule, dev, report);
	}
	return r;
}

static int run_rules(const struct doctor *d, struct doctor_report *report)
{
	int r = 0;

	for (const struct doctor_rule *rule = doctor_rules; r == 0 && rule->id; rule++) {
		if (rule->scope == DOCTOR_DEVICE)
			r = run_over_devices(d, rule, report);
		else if (rule->scope == DOCTOR_HOST || !d->req->count)
			r = run_rule(d, rule, NULL, report);
	}
	return r;
}

/* What is told apart by nothing else stays in the order in which it was found. */
static int by_result(const void *a, const void *b)
{
	const struct doctor_finding *x = a, *y = b;

	if (x->result != y->result)
		return (int)y->result - (int)x->result;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return bdf_cmp(x->bdf, y->bdf);
}

static void doctor_fini(struct doctor *d)
{
	klog_fini(&d->log);
	free(d->ids);
	acs_fini(&d->acs);
	spec_facts_fini(&d->facts);
	spec_fini(&d->spec);
}

int doctor_run(const struct doctor_request *req, struct doctor_report *ret, struct err *err)
{
	_cleanup_(doctor_fini) struct doctor d = { .req = req,
						   .root = req->root,
						   .acs = ACS_INIT,
						   .spec = SPEC_INIT,
						   .facts = SPEC_FACTS_INIT };
	struct doctor_report report = DOCTOR_REPORT_INIT;
	int r = klog_read(req->root, &d.log);

	if (hostfs_read(req->root, d.cmdline, sizeof(d.cmdline), "proc/cmdline") < 0)
		d.cmdline[0] = '\0';
	if (r == 0)
		r = wanted_read(&d);
	if (r == 0)
		r = acs_open(req->root, req->topo, &d.acs);
	if (r == 0)
		r = run_rules(&d, &report);
	if (r < 0) {
		doctor_report_fini(&report);
		return err_set(err, r, "cannot examine this host");
	}
	if (report.count)
		qsort(report.findings, report.count, sizeof(*report.findings), by_result);
	*ret = report;
	return 0;
}
