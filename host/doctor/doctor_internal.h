/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules are written with: the host as it was read once, and one check of one rule. */
#ifndef HOST_DOCTOR_INTERNAL_H
#define HOST_DOCTOR_INTERNAL_H

#include <stdio.h>

#include "host/doctor/doctor.h"
#include "host/klog.h"
#include "host/spec_plan.h"
#include "vfio/acs.h"

/* Who means a device to be passed to a guest. */
enum wanted_by {
	WANTED_NOT,
	WANTED_ASKED,     /* it was named to us */
	WANTED_DRIVER,    /* a VFIO driver has it */
	WANTED_OVERRIDE,  /* driver_override is one */
	WANTED_DRIVERCTL, /* a file of driverctl says so */
	WANTED_SPEC,      /* host.yaml has it among the devices to bind */
	WANTED_IDS,       /* ids=… of vfio-pci, on the kernel's command line or in modprobe.d */
};

#define WANTED_FILE_MAX 96

/* One vendor:device of vfio-pci's ids=. */
struct wanted_id {
	unsigned vendor, device;
	char file[WANTED_FILE_MAX]; /* "/proc/cmdline" */
};

struct doctor {
	const struct doctor_request *req; /* borrowed */
	int root;
	struct klog log;
	char cmdline[4096]; /* "" when it cannot be read */
	struct wanted_id *ids;
	size_t id_count;
	struct acs acs;
	struct spec spec; /* host.yaml and its drop-ins; empty when they are not there, or wrong: */
	struct err spec_err;
	struct spec_facts facts; /* what it is compared with; only where there is one */
};

/* Read every ids= there is. 0 or -ENOMEM. */
int wanted_read(struct doctor *d);

/* What host.yaml is compared with, for this device; NULL: none (a VF, or no host.yaml). */
const struct spec_fact *wanted_fact(const struct doctor *d, struct bdf bdf);

/*
 * Whether dev is meant for a guest beyond having been asked about; `file` (WANTED_FILE_MAX) then is
 * where that stands.
 */
enum wanted_by wanted_find(const struct doctor *d, const struct pci_function *dev, char *file);

struct check {
	const struct doctor *d;
	const struct pci_function *dev; /* NULL: the host */
	const char *bdf;           /* of dev, "" without */
	bool asked;                /* dev was named */
	enum wanted_by wanted;     /* by anybody; WANTED_ASKED when nobody else does */
	char wanted_file[WANTED_FILE_MAX];
	bool log_needed; /* what it says hangs on the log */
	bool oom;
	struct doctor_finding *f; /* where it goes; PASS until something is said */
};

/* The worst result stands, and of several such the first sentence, with its fix. */
void check_say(struct check *c, enum doctor_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* For what was said last; the first one stands, and nothing is to be mended where all is well. */
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

/* Open a text for reading line by line. 0 or -errno. */
int check_fopen(struct check *c, FILE **ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * How many lines of the log have one of these words, and this device when the check is of
 * one; the last three become evidence. A rule that then passes passes only with a readable
 * log, unless `optional`.
 */
unsigned check_log(struct check *c, bool optional, const char *const *words);
unsigned check_log_of(struct check *c, const char *bdf, bool optional, const char *const *words);

/* The words of the kernel's command line: the last "key=value", its value; NULL: not there. */
const char *check_cmdline(const struct check *c, const char *key, char *buf, size_t size);

#define CHECK_LOG(c, ...) check_log((c), false, (const char *const[]){ __VA_ARGS__, NULL })
#define CHECK_LOG_ALSO(c, ...)                                                                     \
	(void)check_log((c), true, (const char *const[]){ __VA_ARGS__, NULL })

/* The rules, in the files of their families. */
void rule_iommu_off(struct check *c); /* iommu.c */
void rule_no_ir(struct check *c);
void rule_vfio_module(struct check *c); /* module.c */
void rule_host_yaml(struct check *c);   /* owner.c */
void rule_addr_width(struct check *c);  /* dma.c */
void rule_no_group(struct check *c);
void rule_rmrr(struct check *c);
void rule_iommu_faults(struct check *c);
void rule_memlock(struct check *c); /* memory.c */
void rule_huge_short(struct check *c);
void rule_numa_unknown(struct check *c);
void rule_grp_not_viable(struct check *c); /* users.c */
void rule_host_critical(struct check *c);
void rule_reset(struct check *c); /* power.c */
void rule_d3cold(struct check *c);
void rule_aer(struct check *c);
void rule_vfs_busy(struct check *c); /* vf.c */
void rule_vf_mmio(struct check *c);
void rule_vf_none(struct check *c);
void rule_vf_token(struct check *c);
void rule_vf_mac_trust(struct check *c); /* vf_net.c */
void rule_vf_link_fdb(struct check *c);
void rule_nm_udev_race(struct check *c);
void rule_bootfb(struct check *c); /* display.c */
void rule_rom_code43(struct check *c);
void rule_early_driver(struct check *c);
void rule_busy_native(struct check *c);
void rule_vfio_open(struct check *c);
void rule_addr_moved(struct check *c);
void rule_other_owner(struct check *c); /* claims.c */
void rule_acs_weak(struct check *c);    /* acs.c */

#endif
