/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the terminal on our stdin is, now and each time that it is made another size. */
#ifndef VMM_HW_WINSIZE_H
#define VMM_HW_WINSIZE_H

#include <stdint.h>

struct loop;
struct winsize_watch;

typedef void (*winsize_fn)(void *opaque, uint16_t cols, uint16_t rows);

/*
 * Call fn, at once and from the loop. Before other threads are there: the signal that tells of it is
 * blocked in all of them. 0 or -errno.
 */
int winsize_watch(struct loop *loop, winsize_fn fn, void *opaque, struct winsize_watch **ret);
struct winsize_watch *winsize_free(struct winsize_watch *watch); /* NULL is fine */

#endif
