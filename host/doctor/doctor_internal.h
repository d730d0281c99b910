/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules are written with: the host as it was read once, and one check of one rule. */
#ifndef HOST_DOCTOR_INTERNAL_H
#define HOST_DOCTOR_INTERNAL_H

#include "host/doctor/doctor.h"
#include "host/klog.h"

/* Who means a device to be passed to a guest. */
enum wanted_by {
	WANTED_NOT,
	WANTED_ASKED,	  /* it was named to us */
	WANTED_DRIVER,	  /* a VFIO driver has it */
	WANTED_OVERRIDE,  /* driver_override is one */
	WANTED_DRIVERCTL, /* a file of driverctl says so */
	WANTED_IDS,	  /* ids=… of vfio-pci, on the kernel's command line or in modprobe.d */
};

/* One vendor:device of vfio-pci's ids=. */
struct wanted_id {
	unsigned vendor, device;
	char file[96]; /* "/proc/cmdline" */
};

struct doctor {
	const struct doctor_request *req; /* borrowed */
	int root;
	struct klog log;
	char cmdline[4096]; /* "" when it cannot be read */
	struct wanted_id *ids;
	size_t id_count;
};

/* Read every ids= there is. 0 or -ENOMEM. */
int wanted_read(struct doctor *d);

/*
 * Whether dev is meant for a guest beyond having been asked about; `file` (96 bytes) then is
 * where that stands.
 */
enum wanted_by wanted_find(const struct doctor *d, const struct pci_dev *dev, char *file);

struct check {
	const struct doctor *d;
	const struct pci_dev *dev; /* NULL: the host */
	const char *bdf;	   /* of dev, "" without */
	bool asked;		   /* dev was named */
	enum wanted_by wanted;	   /* by anybody; WANTED_ASKED when nobody else does */
	char wanted_file[96];
	bool log_needed; /* what it says hangs on the log */
	bool oom;
	struct doctor_finding *f; /* where it goes; PASS until something is said */
};

/* The worst result stands, and of several such the first sentence. */
void check_say(struct check *c, enum doctor_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The first one stands. */
void check_fix(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* value was read from this file, named without its leading slash. */
void check_evidence(struct check *c, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The question does not arise. */
void check_skip(struct check *c);

/* A note that it cannot be told, because this file gave r (-errno). */
void check_unreadable(struct check *c, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* hostfs_read(), with what it gave as evidence. A failure is the caller's to judge. */
int check_read(struct check *c, char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * How many lines of the log have one of these words, and this device when the check is of
 * one; the last three become evidence. A rule that then passes passes only with a readable
 * log, unless `optional`.
 */
unsigned check_log(struct check *c, bool optional, const char *const *words);

/* The words of the kernel's command line: the last "key=value", its value; NULL: not there. */
const char *check_cmdline(const struct check *c, const char *key, char *buf, size_t size);

#define CHECK_LOG(c, ...)	   check_log((c), false, (const char *const[]){ __VA_ARGS__, NULL })
#define CHECK_LOG_ALSO(c, ...) (void)check_log((c), true, (const char *const[]){ __VA_ARGS__, NULL })

/* The rules, in the files of their families. */
void rule_iommu_off(struct check *c); /* iommu.c */
void rule_no_ir(struct check *c);
void rule_vfio_module(struct check *c); /* module.c */
void rule_grp_not_viable(struct check *c); /* users.c */
void rule_host_critical(struct check *c);

#endif
