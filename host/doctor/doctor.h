/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps this host's devices from being passed to guests: a table of rules, each of which
 * looks at the host or at one device and says what it saw where, and what to do about it.
 * Nothing here changes anything.
 */
#ifndef HOST_DOCTOR_DOCTOR_H
#define HOST_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "sriov/vf_link.h"
#include "vfio/in_use.h"
#include "vfio/topology.h"

/* From the best to the worst. */
enum doctor_result {
	DOCTOR_SKIP, /* the question does not arise here */
	DOCTOR_PASS,
	DOCTOR_NOTE, /* worth knowing; or it cannot be told, and why */
	DOCTOR_WARN, /* works, but worse or not for long */
	DOCTOR_FAIL, /* keeps a device from its guest */
	DOCTOR_RESULTS
};

enum doctor_scope {
	DOCTOR_HOST,       /* of the host; each device depends on it */
	DOCTOR_HOST_ALONE, /* of the host; not asked about when devices are named */
	DOCTOR_DEVICE,
};

/* Where a rule was seen to find its fault. */
enum doctor_seen {
	DOCTOR_SEEN_LAB,      /* on an emulated host that has it, in tests/lab */
	DOCTOR_SEEN_RECORDED, /* on the recorded files of a machine */
	DOCTOR_SEEN_SOURCE,   /* on made-up files alone, after the kernel's source text */
};

struct check;

struct doctor_rule {
	const char *id;
	const char *title;        /* what holds when it passes */
	enum doctor_result worst; /* that it may say */
	enum doctor_scope scope;
	enum doctor_seen seen;
	const char *reference; /* URL */
	void (*test)(struct check *c);
};

struct doctor_evidence {
	char *file;  /* "/sys/…", or the name of the log */
	char *value; /* one line of printable ASCII */
};

struct doctor_finding {
	const struct doctor_rule *rule;
	bool of_device;
	struct bdf bdf;
	enum doctor_result result;
	char *text; /* NULL: the rule's title */
	char *fix;  /* NULL: none needed */
	struct doctor_evidence *evidence;
	size_t evidence_count;
};

/* Failures first, then warnings, notes, passes and skips; in the table's order in each. */
struct doctor_report {
	struct doctor_finding *findings; /* malloced */
	size_t count;
	unsigned results[DOCTOR_RESULTS]; /* how many of each */
};

#define DOCTOR_REPORT_INIT                                                                         \
	{                                                                                          \
		.findings = NULL                                                                   \
	}

struct doctor_request {
	int root;
	const struct topo *topo; /* borrowed, all of them */
	const struct in_use_host *users;
	const struct bdf *devs; /* look at these; none: at every endpoint, and the whole host */
	size_t count;
	/* How a PF's VFs are read; NULL: vf_link_read(), which asks the running kernel. */
	int (*vf_read)(int root, const struct pf *pf, struct vf_attrs *ret, unsigned n);
};

/* 0, or -errno with err set. doctor_report_fini() frees the report. */
int doctor_run(const struct doctor_request *req, struct doctor_report *ret, struct err *err);
void doctor_report_fini(struct doctor_report *report);

/* "PASS", …; "lab", …; */
const char *doctor_result_word(enum doctor_result result);
const char *doctor_seen_word(enum doctor_seen seen);

/* The table; ends with a row without id. */
extern const struct doctor_rule doctor_rules[];

#endif
