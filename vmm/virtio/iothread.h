/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread with an event loop of its own, for a device that is not to wait for others, and a lock under
 * which its callbacks run. Whoever else touches the device takes that lock, too: behind vm_lock(), which
 * callbacks on this thread never take. It may be taken again by who has it.
 */
#ifndef VMM_VIRTIO_IOTHREAD_H
#define VMM_VIRTIO_IOTHREAD_H

struct iothread;
struct loop;

/* Not running yet. 0, -ENOMEM or -EMFILE. */
int iothread_new(struct iothread **ret);

/* What is in its loop begins to be heard, by a thread called name (15 bytes). 0 or -errno. */
int iothread_start(struct iothread *t, const char *name);

/* Its thread ends, the loop is still there: nobody but the caller touches the device from here on. */
void iothread_stop(struct iothread *t);
struct iothread *iothread_free(struct iothread *t); /* stops it; NULL is fine, as for the next; returns NULL */

struct loop *iothread_loop(struct iothread *t);
void iothread_lock(struct iothread *t);
void iothread_unlock(struct iothread *t);

#endif
