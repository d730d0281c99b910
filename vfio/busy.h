/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function whose lock the kernel does not give (struct pci_function, busy): who is
 * at work on it, and what that waits for. All of it is read without the lock.
 */
#ifndef VFIO_BUSY_H
#define VFIO_BUSY_H

#include <stddef.h>

#include "base/bdf.h"
#include "base/err.h"

#define BUSY_TEXT_MAX 320

/*
 * In words: who ("pid 812 (sh) is writing its sriov_numvfs and does not get on"),
 * and what to do ("it waits for 0000:01:10.0: the VM of pid 900 (qemu) has it; …").
 */
void busy_explain(int root, struct bdf bdf, char who[BUSY_TEXT_MAX], char todo[BUSY_TEXT_MAX]);

/* -EBUSY: "cannot VERB BDF: " and who, with what to do as hint. */
int busy_refuse(int root, struct bdf bdf, const char *verb, struct err *err);

#endif
