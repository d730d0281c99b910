/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words for what a VMM reports. It is another program's text: a member that is not
 * there, or of another type, is "".
 */
#ifndef TOOLS_VM_REPORT_H
#define TOOLS_VM_REPORT_H

#include <stddef.h>

#include <jansson.h>

const char *vm_report_text(const json_t *of, const char *key);

/* These fill buf and return it. */
const char *vm_report_number(const json_t *of, const char *key, char *buf, size_t size);
const char *vm_report_uptime(const json_t *status, char *buf, size_t size);  /* "3h 4m" */
const char *vm_report_devices(const json_t *status, char *buf, size_t size); /* "0000:01:10.0 …" */

/* "home, data (nobody serves it)" of the file systems of a VM's status. */
const char *vm_report_fs(const json_t *status, char *buf, size_t size);

/* "naa.5001405bd1f5e3a2 (no driver)" of the SCSI targets of a VM's status. */
const char *vm_report_scsi(const json_t *status, char *buf, size_t size);

/* Names of the virtio console's ports, and at which ends somebody is. */
const char *vm_report_ports(const json_t *status, char *buf, size_t size);

#endif
