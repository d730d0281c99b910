// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/size.h"

#define RING	   65536u /* a power of two */
#define INPUT	   256
#define STACK	   (64 * KiB)
#define NS_PER_MS  1000000ull
#define NS_PER_S   1000000000ull
#define CTRL_A	   1

/* How long bytes gather before they are written together: nobody sees 4 ms. */
#define GATHER_NS (4 * NS_PER_MS)
/* A reader that took nothing for so long is not slow but gone. */
#define STALL_NS  NS_PER_S

struct console {
	pthread_mutex_t lock;
	pthread_cond_t filled, drained; /* on CLOCK_MONOTONIC */
	pthread_t writer;
	enum { NOT_YET, RUNS, CANNOT } writing; /* the thread; under lock */
	int out_fd;
	uint8_t *ring;
	unsigned head, tail; /* count up; head == tail: empty. Under lock, like the flags */
	bool stalled;	     /* a wait for room was in vain; until the next progress */
	bool ending, ended, abandoned;
	int error; /* the first -errno that lost output */

	/* Input: main thread, with the loop's hooks held. */
	struct loop *loop;
	int in_fd;
	bool watched; /* in_fd is in the loop */
	bool is_file; /* epoll refuses it, and reading never waits */
	bool escapes, escaped;
	size_t pending;
	uint8_t input[INPUT];
	const struct console_ops *ops;
	void *opaque;
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
static unsigned write_some(const struct console *c, unsigned tail, unsigned head, int *ret_error)
{
	unsigned at = tail % RING, len = head - tail;
	ssize_t n;

	if (len > RING - at)
		len = RING - at;
	n = write(c->out_fd, c->ring + at, len);
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
static bool wait_filled(struct console *c)
{
	while (c->head == c->tail && !c->ending)
		pthread_cond_wait(&c->filled, &c->lock);
	if (c->head != c->tail && !c->ending) {
		pthread_mutex_unlock(&c->lock);
		nanosleep(&(struct timespec){ .tv_nsec = GATHER_NS }, NULL);
		pthread_mutex_lock(&c->lock);
	}
	return c->head != c->tail;
}

static void destroy(struct console *c)
{
	pthread_cond_destroy(&c->filled);
	pthread_cond_destroy(&c->drained);
	pthread_mutex_destroy(&c->lock);
	free(c->ring);
	free(c);
}

static void *write_out(void *opaque)
{
	struct console *c = opaque;
	bool abandoned;
	int error = 0;

	(void)prctl(PR_SET_NAME, "console"); /* not that of the CPU which said the first word */
	pthread_mutex_lock(&c->lock);
	while (wait_filled(c)) {
		unsigned tail = c->tail, head = c->head, gone;

		pthread_mutex_unlock(&c->lock);
		gone = write_some(c, tail, head, &error);
		pthread_mutex_lock(&c->lock);
		if (!c->error && error != -EPIPE) /* a reader may go */
			c->error = error;
		c->tail += gone;
		c->stalled &= gone == 0;
		if (c->head == c->tail)
			c->head = c->tail = 0; /* keeps to the ring's first pages */
		pthread_cond_signal(&c->drained);
	}
	c->ended = true;
	abandoned = c->abandoned;
	pthread_cond_signal(&c->drained);
	pthread_mutex_unlock(&c->lock);
	if (abandoned)
		destroy(c);
	return NULL;
}

/* Until there is room, at most STALL_NS. */
static void wait_room(struct console *c)
{
	struct timespec end = deadline(STALL_NS);

	while (c->head - c->tail == RING && !c->stalled)
		if (pthread_cond_timedwait(&c->drained, &c->lock, &end) == ETIMEDOUT)
			c->stalled = c->head - c->tail == RING;
}

/* At the first byte: until then a silent guest costs no thread. */
static void start_writer(struct console *c)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0)
		r = pthread_attr_setstacksize(&attr, STACK);
	if (r == 0)
		r = pthread_create(&c->writer, &attr, write_out, c);
	pthread_attr_destroy(&attr);
	c->writing = r == 0 ? RUNS : CANNOT;
	if (r)
		log_warn("cannot start the console's thread, the guest's output is lost: %s",
			 strerror(r));
}

void console_put(struct console *c, uint8_t byte)
{
	pthread_mutex_lock(&c->lock);
	if (c->writing == NOT_YET)
		start_writer(c);
	if (c->writing == RUNS)
		wait_room(c);
	if (c->writing == RUNS && c->head - c->tail < RING) {
		if (c->head == c->tail)
			pthread_cond_signal(&c->filled);
		c->ring[c->head++ % RING] = byte;
	}
	pthread_mutex_unlock(&c->lock);
}

/* Take what Ctrl-A means out of the input: x quits, Ctrl-A is itself, others are both. */
static size_t unescape(struct console *c, uint8_t *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (!c->escaped && data[i] == CTRL_A) {
			c->escaped = true;
			continue;
		}
		if (c->escaped && (data[i] == 'x' || data[i] == 'X'))
			c->ops->quit(c->opaque);
		else
			data[kept++] = data[i];
		c->escaped = false;
	}
	return kept;
}

static void deliver(struct console *c)
{
	size_t taken = c->ops->input(c->opaque, c->input, c->pending);

	c->pending -= taken;
	memmove(c->input, c->input + taken, c->pending);
}

static void stop_reading(struct console *c)
{
	if (c->watched)
		loop_del(c->loop, c->in_fd);
	c->watched = false;
}

/* One read(2): it may block when the descriptor is a terminal and nobody typed. */
static bool read_input(struct console *c)
{
	ssize_t n = read(c->in_fd, c->input + c->pending, INPUT - c->pending);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0) { /* end of input: the guest's line stays open, silent */
		stop_reading(c);
		c->in_fd = -1;
		return false;
	}
	if (c->escapes)
		n = (ssize_t)unescape(c, c->input + c->pending, (size_t)n);
	c->pending += (size_t)n;
	deliver(c);
	return true;
}

static void input_ready(void *opaque, int fd)
{
	struct console *c = opaque;

	(void)fd;
	(void)read_input(c);
	if (c->pending == INPUT)
		stop_reading(c);
}

static int start_reading(struct console *c)
{
	int r;

	if (c->in_fd < 0 || c->watched || c->is_file)
		return 0;
	r = loop_add(c->loop, c->in_fd, input_ready, c);
	c->watched = r == 0;
	if (r != -EPERM)
		return r;
	c->is_file = true;
	return 0;
}

void console_more_input(struct console *c)
{
	deliver(c);
	if (c->is_file && c->in_fd >= 0 && c->pending == 0)
		(void)read_input(c);
	if (c->pending < INPUT)
		(void)start_reading(c);
}

static void init_locks(struct console *c)
{
	pthread_condattr_t clock;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&c->filled, &clock);
	pthread_cond_init(&c->drained, &clock);
	pthread_condattr_destroy(&clock);
}

int console_new(struct loop *loop, int in_fd, int out_fd, bool escapes,
		const struct console_ops *ops, void *opaque, struct console **ret,
		struct err *err)
{
	struct console *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return err_set(err, -ENOMEM, "cannot connect the guest's console");
	init_locks(c);
	c->ring = malloc(RING);
	c->loop = loop;
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->escapes = escapes;
	c->ops = ops;
	c->opaque = opaque;
	if (c->ring)
		r = start_reading(c);
	if (r < 0) {
		destroy(c);
		return err_set(err, r, "cannot connect the guest's console");
	}
	*ret = c;
	return 0;
}

int console_close(struct console *c)
{
	struct timespec end = deadline(STALL_NS);
	int error;

	if (!c)
		return 0;
	stop_reading(c);
	if (c->writing != RUNS) {
		destroy(c);
		return 0;
	}
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->filled);
	while (!c->ended && pthread_cond_timedwait(&c->drained, &c->lock, &end) != ETIMEDOUT)
		;
	/* Hanging in write(2): what it still looks at is its own from here on. */
	c->abandoned = !c->ended;
	error = c->error;
	if (c->abandoned) {
		pthread_detach(c->writer);
		pthread_mutex_unlock(&c->lock);
		return error;
	}
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->writer, NULL);
	destroy(c);
	return error;
}
