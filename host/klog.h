/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's log since the boot. /dev/kmsg is asked first; where it may not be read
 * (dmesg_restrict, no CAP_SYSLOG) or has forgotten the boot, the system's journal.
 */
#ifndef HOST_KLOG_H
#define HOST_KLOG_H

#include <stdbool.h>
#include <stddef.h>

struct klog {
	char **lines; /* malloced, each "[    1.234567] text" */
	size_t count;
	int error;          /* why nothing could be read: -errno; 0: it was */
	bool whole;         /* it begins with the boot */
	const char *source; /* "/dev/kmsg" or "journalctl -k" */
};

/* Never waits for more than some seconds. 0, also when *ret says that nothing could be read, or
 * -ENOMEM. */
int klog_read(int root, struct klog *ret);
void klog_fini(struct klog *log);

/*
 * The first line at or behind *at that has one of `words` (ended by NULL) and, unless it is
 * "", `bdf` in full or without its domain; *at moves behind it. NULL at the end.
 */
const char *klog_next(const struct klog *log, size_t *at, const char *bdf,
		      const char *const *words);

#endif
