/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small event loop over epoll: readable descriptors, signals and one-shot
 * timers, all handled on the thread that runs it.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

typedef void (*loop_fn)(void *opaque, int fd);

/* NULL when memory or descriptors ran out (errno says which). */
struct loop *loop_new(void);
struct loop *loop_free(struct loop *loop); /* closes nothing that was added; NULL is fine */

/* Call fn whenever fd is readable or hung up. The fd stays the caller's. 0 or -errno. */
int loop_add(struct loop *loop, int fd, loop_fn fn, void *opaque);

/*
 * Call its fn whenever fd can be read (in) or written to (out), either or none; when it is hung up,
 * in any case. An fd that was added. 0 or -errno.
 */
int loop_want(struct loop *loop, int fd, bool in, bool out);

/*
 * Call its fn whenever fd can be written to, instead of read (on), or as before. An
 * fd that was added. 0 or -errno.
 */
int loop_writable(struct loop *loop, int fd, bool on);

/* Safe inside a callback, also for another fd whose event is already fetched. */
void loop_del(struct loop *loop, int fd);

/*
 * Run callbacks until loop_quit(). Returns the value given to it, or -errno.
 * Each callback runs between before() and after() when loop_hooks() was called
 * (the VMM takes its device lock there).
 */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop, int value);
void loop_hooks(struct loop *loop, void (*before)(void *), void (*after)(void *), void *opaque);

/* A timerfd added to the loop; arm it in nanoseconds from now (0 disarms). 0 or -errno. */
int loop_timer_new(struct loop *loop, loop_fn fn, void *opaque, int *ret_fd);
int loop_timer_arm(int timer_fd, uint64_t ns);

#endif
