/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A healthy passthrough host in a directory, for breaking one thing at a time under a rule. */
#ifndef TESTS_FAKE_DOCTOR_H
#define TESTS_FAKE_DOCTOR_H

#include "host/doctor/doctor.h"

#define FAKE_NIC     "0000:01:00.0" /* igb, group 14, eth0, 7 VFs possible, node 0 */
#define FAKE_NIC_DIR "sys/bus/pci/devices/" FAKE_NIC

/* Make the host; end with fake_sysfs_free() of the result. */
int fake_doctor_host(void);

/* One more record of the kernel's log, after the first. */
void fake_doctor_log(int root, const char *text);

/* The log cannot be opened, nor the journal. */
void fake_doctor_no_log(int root);

/* Answer for the VFs' attributes in the next examinations; NULL: there are none to be had. */
void fake_doctor_vfs(const struct vf_attrs *attrs, unsigned n);

/*
 * Run all rules, over the device named (NULL: over the whole host), and return what `rule`
 * said of `of` (NULL: of the host). It lives until the next call. Ends the test when
 * there is none.
 */
const struct doctor_finding *fake_doctor_see(int root, const char *named, const char *rule,
					     const char *of);

/* The value of the evidence that comes from this file, "<none>" when there is none. */
const char *fake_doctor_evidence(const struct doctor_finding *f, const char *file);

void fake_doctor_done(void);

#endif
