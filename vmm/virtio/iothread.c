// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/iothread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/loop.h"

#define STACK (128u << 10)

struct iothread {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_t thread;
	bool runs;
	int quit_fd;
	char name[16];
};

static void on_quit(void *opaque, int fd)
{
	struct iothread *t = opaque;

	(void)fd;
	loop_quit(t->loop, 0);
}

static void lock(void *opaque)
{
	iothread_lock(opaque);
}

static void unlock(void *opaque)
{
	iothread_unlock(opaque);
}

static void *work(void *opaque)
{
	struct iothread *t = opaque;

	(void)prctl(PR_SET_NAME, t->name);
	(void)loop_run(t->loop);
	return NULL;
}

/* A request, a reset inside its completion: who has the lock may come to where it is taken again. */
static void init_lock(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
}

int iothread_new(struct iothread **ret)
{
	struct iothread *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	init_lock(&t->lock);
	t->loop = loop_new();
	t->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = !t->loop || t->quit_fd < 0 ? -errno : loop_add(t->loop, t->quit_fd, on_quit, t);
	if (r < 0) {
		iothread_free(t);
		return r;
	}
	loop_hooks(t->loop, lock, unlock, t);
	*ret = t;
	return 0;
}

/* Signals are the CPUs' and main's. */
int iothread_start(struct iothread *t, const char *name)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r = pthread_attr_init(&attr);

	snprintf(t->name, sizeof(t->name), "%s", name);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK);
	if (r == 0)
		r = pthread_create(&t->thread, &attr, work, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	t->runs = r == 0;
	return -r;
}

void iothread_stop(struct iothread *t)
{
	if (!t || !t->runs)
		return;
	(void)eventfd_write(t->quit_fd, 1);
	pthread_join(t->thread, NULL);
	t->runs = false;
}

struct iothread *iothread_free(struct iothread *t)
{
	if (!t)
		return NULL;
	iothread_stop(t);
	t->loop = loop_free(t->loop);
	close_fdp(&t->quit_fd);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

struct loop *iothread_loop(struct iothread *t)
{
	return t->loop;
}

void iothread_lock(struct iothread *t)
{
	if (t)
		pthread_mutex_lock(&t->lock);
}

void iothread_unlock(struct iothread *t)
{
	if (t)
		pthread_mutex_unlock(&t->lock);
}
