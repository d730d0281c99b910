/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host as tests/data/record wrote it down, for what takes `int root`. */
#ifndef TESTS_FAKE_RECORDING_H
#define TESTS_FAKE_RECORDING_H

/* Its tree in a temporary directory; ends the test when that fails. fake_sysfs_free() it. */
int fake_recording(const char *path);

#endif
