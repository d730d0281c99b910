/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was changed, by whom: one line each in the system's log, for whoever looks later. */
#ifndef BASE_AUDIT_H
#define BASE_AUDIT_H

/*
 * "bind 0000:01:10.0: 3 changes made (login uid 1000)", as daemon.notice to the root's
 * dev/log. Nobody waits for the log, and one that is not there is passed over. What
 * would break the line is replaced. `command` is what was asked for.
 */
void audit_change(int root, const char *command, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
