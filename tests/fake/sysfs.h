/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine's sys/, proc/ and run/ in a temporary directory, for what takes `int root`. */
#ifndef TESTS_FAKE_SYSFS_H
#define TESTS_FAKE_SYSFS_H

struct fake_node {
	const char *path; /* relative to the root; its directories are made */
	const char *text; /* a file with this and a newline */
	const char *link; /* a symbolic link to this; neither: a directory */
};

/*
 * Make the nodes (ended by one without path) in a new directory and return its
 * descriptor; ends the test when that fails. Free it with fake_sysfs_free().
 */
int fake_sysfs(const struct fake_node *nodes);

/* More nodes, replacing those that are there. */
void fake_sysfs_add(int root, const struct fake_node *nodes);

/* One file, or one link, with a printf-style path. */
void fake_sysfs_text(int root, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fake_sysfs_link(int root, const char *target, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Remove one file, link or tree. */
void fake_sysfs_remove(int root, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Remove the directory and close *root; for _cleanup_ too. */
void fake_sysfs_free(int *root);

#endif
