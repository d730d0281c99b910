// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/size.h"

#define RING	   65536u /* a power of two */
#define STACK	   (64 * KiB)
#define NS_PER_MS  1000000ull
#define NS_PER_S   1000000000ull

/* How long bytes gather before they are written together: nobody sees 4 ms. */
#define GATHER_NS (4 * NS_PER_MS)
/* A reader that took nothing for so long is not slow but gone. */
#define STALL_NS  NS_PER_S

struct outlet {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained; /* on CLOCK_MONOTONIC */
	pthread_t writer;
	enum { NOT_YET, RUNS, CANNOT } writing; /* the thread; under lock */
	int fd;
	bool owned;
	const char *name;
	uint8_t *ring;
	unsigned head, tail; /* count up; head == tail: empty. Under lock, like the flags */
	bool stalled;	     /* a wait for room was in vain; until the next progress */
	bool ending, ended, abandoned;
	int error; /* the first -errno that lost output */
};

/* The time of CLOCK_MONOTONIC in ns from now. */
static struct timespec deadline(uint64_t ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / NS_PER_S);
	t.tv_nsec = (long)(ns % NS_PER_S);
	return t;
}

/*
 * Without the lock: only the writer moves tail, and what lies below head stays.
 * Returns how much is done with, and in *ret_error why it went nowhere.
 */
static unsigned write_some(const struct outlet *o, unsigned tail, unsigned head, int *ret_error)
{
	unsigned at = tail % RING, len = head - tail;
	ssize_t n;

	if (len > RING - at)
		len = RING - at;
	n = write(o->fd, o->ring + at, len);
	if (n >= 0)
		return (unsigned)n;
	if (errno != EINTR && errno != EAGAIN) { /* it is lost, and the guest goes on */
		*ret_error = -errno;
		return len;
	}
	nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
	return 0;
}

/* Wait until there is something to write, and a little longer. False: at the end. */
static bool wait_filled(struct outlet *o)
{
	while (o->head == o->tail && !o->ending)
		pthread_cond_wait(&o->filled, &o->lock);
	if (o->head != o->tail && !o->ending) {
		pthread_mutex_unlock(&o->lock);
		nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
		pthread_mutex_lock(&o->lock);
	}
	return o->head != o->tail;
}

static void destroy(struct outlet *o)
{
	pthread_cond_destroy(&o->filled);
	pthread_cond_destroy(&o->drained);
	pthread_mutex_destroy(&o->lock);
	if (o->owned)
		close(o->fd);
	free(o->ring);
	free(o);
}

static void *write_out(void *opaque)
{
	struct outlet *o = opaque;
	bool abandoned;
	int error = 0;

	(void)prctl(PR_SET_NAME, o->name); /* not that of the CPU which said the first word */
	pthread_mutex_lock(&o->lock);
	while (wait_filled(o)) {
		unsigned tail = o->tail, head = o->head, gone;

		pthread_mutex_unlock(&o->lock);
		gone = write_some(o, tail, head, &error);
		pthread_mutex_lock(&o->lock);
		if (!o->error && error != -EPIPE) /* a reader may go */
			o->error = error;
		o->tail += gone;
		o->stalled &= gone == 0;
		if (o->head == o->tail)
			o->head = o->tail = 0; /* keeps to the ring's first pages */
		pthread_cond_signal(&o->drained);
	}
	o->ended = true;
	abandoned = o->abandoned;
	pthread_cond_signal(&o->drained);
	pthread_mutex_unlock(&o->lock);
	if (abandoned)
		destroy(o);
	return NULL;
}

/* Until there is room, at most STALL_NS. */
static void wait_room(struct outlet *o)
{
	struct timespec end = deadline(STALL_NS);

	while (o->head - o->tail == RING && !o->stalled)
		if (pthread_cond_timedwait(&o->drained, &o->lock, &end) == ETIMEDOUT)
			o->stalled = o->head - o->tail == RING;
}

/* Where the main thread may run: it is a CPU's that says the first word, which may be pinned. */
static int place(pthread_attr_t *attr)
{
	cpu_set_t set;

	if (sched_getaffinity(getpid(), sizeof(set), &set) < 0)
		return 0; /* then where that CPU's may */
	return pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

/* At the first byte: until then a silent guest costs no thread. */
static void start_writer(struct outlet *o)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK);
	if (r == 0)
		r = place(&attr);
	if (r == 0)
		r = pthread_create(&o->writer, &attr, write_out, o);
	pthread_attr_destroy(&attr);
	o->writing = r == 0 ? RUNS : CANNOT;
	if (r)
		log_warn("cannot start the console's thread, the guest's output is lost: %s",
			 strerror(r));
}

/* As much as lies together in the ring and fits. */
static size_t add(struct outlet *o, const uint8_t *data, size_t len)
{
	unsigned at = o->head % RING, room = RING - (o->head - o->tail);

	if (room > RING - at)
		room = RING - at;
	if (len > room)
		len = room;
	if (len && o->head == o->tail)
		pthread_cond_signal(&o->filled);
	memcpy(o->ring + at, data, len);
	o->head += (unsigned)len;
	return len;
}

void outlet_write(struct outlet *o, const uint8_t *data, size_t len)
{
	size_t done = 1;

	pthread_mutex_lock(&o->lock);
	if (o->writing == NOT_YET)
		start_writer(o);
	for (; len && done && o->writing == RUNS; data += done, len -= done) {
		wait_room(o);
		done = add(o, data, len);
	}
	pthread_mutex_unlock(&o->lock);
}

static void init_locks(struct outlet *o)
{
	pthread_condattr_t clock;

	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&o->filled, &clock);
	pthread_cond_init(&o->drained, &clock);
	pthread_condattr_destroy(&clock);
}

struct outlet *outlet_new(int fd, bool owned, const char *name)
{
	struct outlet *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	init_locks(o);
	o->ring = malloc(RING);
	o->fd = fd;
	o->name = name;
	o->owned = owned && o->ring;
	if (o->ring)
		return o;
	destroy(o);
	return NULL;
}

int outlet_close(struct outlet *o)
{
	struct timespec end = deadline(STALL_NS);
	int error;

	if (!o)
		return 0;
	if (o->writing != RUNS) {
		destroy(o);
		return 0;
	}
	pthread_mutex_lock(&o->lock);
	o->ending = true;
	pthread_cond_signal(&o->filled);
	while (!o->ended && pthread_cond_timedwait(&o->drained, &o->lock, &end) != ETIMEDOUT)
		;
	/* Hanging in write(2): what it still looks at is its own from here on. */
	o->abandoned = !o->ended;
	error = o->error;
	if (o->abandoned) {
		pthread_detach(o->writer);
		pthread_mutex_unlock(&o->lock);
		return error;
	}
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->writer, NULL);
	destroy(o);
	return error;
}
