// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two things are kept apart. `wired` (the device signals our eventfd) only ever
 * turns on, until all is disabled. `path` (who takes the signal to the guest)
 * follows the masks:
 *
 *	OFF    signals stay in the eventfd, which is the pending bit
 *	USER   the event loop turns signals into KVM_SIGNAL_MSI
 *	IRQFD  the kernel does it, by the vector's route
 *
 * So masking never touches the device, and nothing that is signalled at any
 * moment is lost: it waits in the eventfd for the next path.
 */
#include "irq/vectors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/irqfd.h"

/*
 * A driver requests its vectors in one go: as long as new ones come, settling waits
 * for the next tick, but the first one not longer than this many. Of a driver that
 * still goes on then the next wave may be this many ticks longer, as each commit
 * sends all the routes of those before it.
 */
#define TICK_NS   5000000ull
#define MAX_TICKS 8
#define MAX_WAVES 16

struct vector {
	uint64_t address;
	uint32_t data;
	uint32_t gsi; /* 0: none */
	int fd;       /* eventfd; -1 before the vector was first live */
	uint8_t path;
	bool want;
	bool wired;
	bool staged; /* its route waits for the commit */
	bool routed; /* KVM has the route for address and data */
	uint64_t relayed;
};

struct vectors {
	struct vector_config config;
	struct vector *v; /* config.count of them */
	int *fds;         /* scratch for set_vectors */
	int epoll_fd;     /* the eventfds of USER vectors */
	int timer_fd;
	bool enabled, timer_armed, short_of_routes, said_noresize;
	unsigned granted;      /* noresize: so many host vectors the device has */
	unsigned fresh, ticks; /* unmasked since the last tick; ticks since settled */
	unsigned waves;        /* settled while more of them came */
	uint64_t relayed, failures;
};

static unsigned index_of(const struct vectors *vs, const struct vector *v)
{
	return (unsigned)(v - vs->v);
}

static void failed(struct vectors *vs, const struct vector *v, const char *what, int r)
{
	vs->failures++;
	log_warn_limited("%s vector %u: %s: %s", vs->config.name, index_of(vs, v), what,
			 strerror(-r));
}

/* --- paths --- */

static int start_user(struct vectors *vs, struct vector *v)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = index_of(vs, v) };

	if (epoll_ctl(vs->epoll_fd, EPOLL_CTL_ADD, v->fd, &ev) < 0) {
		int r = -errno;

		failed(vs, v, "cannot watch its eventfd", r);
		return r;
	}
	v->path = VECTOR_USER;
	return 0;
}

/* The route must be committed. What is pending in the eventfd is delivered by KVM at once. */
static int start_irqfd(struct vectors *vs, struct vector *v)
{
	int r = irqfd_assign(vs->config.vm_fd, v->fd, v->gsi);

	if (r < 0) {
		failed(vs, v, "no irqfd", r);
		return r;
	}
	v->path = VECTOR_IRQFD;
	/* Delivered, but the count stays: it must not look pending after the next mask. */
	(void)irqfd_drain(v->fd);
	return 0;
}

/* From here on signals stay in the eventfd. */
static void stop(struct vectors *vs, struct vector *v)
{
	if (v->path == VECTOR_USER)
		epoll_ctl(vs->epoll_fd, EPOLL_CTL_DEL, v->fd, NULL);
	if (v->path == VECTOR_IRQFD) {
		/*
		 * Before the irqfd goes: kernels before 5.11 leave in the count what they have
		 * delivered. Draining afterwards could throw away a signal nobody delivered.
		 */
		(void)irqfd_drain(v->fd);
		(void)irqfd_deassign(vs->config.vm_fd, v->fd, v->gsi);
	}
	v->path = VECTOR_OFF;
}

/* A signal in between waits in the eventfd, and is delivered by the assignment. */
static void reattach(struct vectors *vs, struct vector *v)
{
	stop(vs, v);
	if (start_irqfd(vs, v) < 0)
		(void)start_user(vs, v);
}

static bool have_fd(struct vectors *vs, struct vector *v)
{
	int fd;

	if (v->fd >= 0)
		return true;
	fd = irqfd_eventfd();
	if (fd < 0)
		failed(vs, v, "no eventfd", fd);
	else
		v->fd = fd;
	return fd >= 0;
}

static bool have_gsi(struct vectors *vs, struct vector *v)
{
	if (v->gsi || gsi_alloc(vs->config.gsi, &v->gsi) == 0)
		return true;
	if (!vs->short_of_routes)
		log_warn_limited(
			"%s: all %u interrupt routes of the kernel are taken; vector %u and others are "
			"served from userspace, slower",
			vs->config.name, GSI_MAX_MSI, index_of(vs, v));
	vs->short_of_routes = true;
	return false;
}

/* --- the device's side --- */

/* What the host did not give when all had to be taken cannot be had later. */
static bool can_signal(const struct vectors *vs, const struct vector *v)
{
	return vs->enabled && (!vs->config.noresize || index_of(vs, v) < vs->granted);
}

static int trigger(struct vectors *vs, unsigned first, unsigned n, const int *fds)
{
	int r = vs->config.ops->set_vectors(vs->config.opaque, first, n, fds);

	return r > 0 ? -ENOSPC : r;
}

/* It may signal before we return, so v is on its path already. */
static void wire(struct vectors *vs, struct vector *v)
{
	int r;

	if (v->wired || v->path == VECTOR_OFF)
		return;
	r = trigger(vs, index_of(vs, v), 1, &v->fd);
	if (r < 0)
		failed(vs, v, "the host gives no interrupt for it", r);
	v->wired = r >= 0;
}

/* The run of vectors from first on that are live and not wired; their eventfds in fds. */
static unsigned unwired_run(struct vectors *vs, unsigned first)
{
	unsigned n = 0;

	for (; first + n < vs->config.count; n++) {
		struct vector *v = &vs->v[first + n];

		if (v->wired || v->path == VECTOR_OFF)
			break;
		vs->fds[n] = v->fd;
	}
	return n;
}

/* New vectors in as few requests as there are gaps between them, never over a wired one. */
static void wire_all(struct vectors *vs)
{
	unsigned n;

	for (unsigned i = 0; i < vs->config.count; i += n ? n : 1) {
		int r;

		n = unwired_run(vs, i);
		if (!n)
			continue;
		r = trigger(vs, i, n, vs->fds);
		for (unsigned k = 0; k < n; k++) {
			vs->v[i + k].wired = r >= 0;
			/* One by one, those the host still has interrupts for come to life. */
			wire(vs, &vs->v[i + k]);
		}
	}
}

/* The device's first n into its mode, or as many of them as the host has: their number or -errno. */
static int enable_up_to(struct vectors *vs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vs->fds[i] = -1;
	while (n) {
		int r = vs->config.ops->set_vectors(vs->config.opaque, 0, n, vs->fds);

		if (r == 0)
			return (int)n;
		if (r < 0 && r != -ENOSPC)
			return r;
		/* It took none of them; what it named it may have no more a moment later. */
		n = r > 0 && (unsigned)r < n ? (unsigned)r : n / 2;
	}
	return -ENOSPC;
}

static void say_granted(struct vectors *vs, unsigned n)
{
	if (vs->granted < n) {
		vs->failures++;
		log_warn_limited("%s: the host has interrupts for %u of the %u vectors; from vector "
				 "%u on they stay off",
				 vs->config.name, vs->granted, n, vs->granted);
	} else if (n > 1 && !vs->said_noresize) {
		log_note("%s takes all %u host vectors at once: this kernel cannot add them later",
			 vs->config.name, n);
		vs->said_noresize = true;
	}
}

/*
 * Before the first vector is live, because some devices look at the mode. What
 * cannot be resized takes its room now, at the cost of as many host vectors;
 * else it takes none.
 */
void vectors_enable(struct vectors *vs, unsigned n)
{
	int r;

	if (vs->enabled)
		return;
	if (!vs->config.noresize)
		n = 1;
	if (n > vs->config.count)
		n = vs->config.count;
	r = enable_up_to(vs, n);
	vs->granted = r < 0 ? 0 : (unsigned)r;
	if (r < 0)
		failed(vs, &vs->v[0], "the host cannot enable the device's interrupts", r);
	else if (vs->config.noresize)
		say_granted(vs, n);
	vs->enabled = true;
}

/* The device first, so that no signal comes any more; then KVM, then what both knew. */
void vectors_disable(struct vectors *vs)
{
	if (!vs->enabled || !vs->v)
		return;
	vs->config.ops->disable(vs->config.opaque);
	vs->enabled = false;
	vs->granted = 0;
	for (unsigned i = 0; i < vs->config.count; i++) {
		struct vector *v = &vs->v[i];

		stop(vs, v);
		close_fdp(&v->fd);
		if (v->gsi)
			gsi_release(vs->config.gsi, v->gsi);
		v->gsi = 0;
		v->relayed = 0;
		v->routed = v->wired = v->want = false;
	}
	vs->short_of_routes = false;
	vs->waves = 0;
}

/* --- what the guest wants --- */

void vectors_set_message(struct vectors *vs, unsigned i, uint64_t address, uint32_t data)
{
	struct vector *v = &vs->v[i];

	if (v->address == address && v->data == data)
		return;
	v->address = address;
	v->data = data;
	v->routed = false;
	/* The irqfd goes before its route changes. */
	if (v->path == VECTOR_IRQFD)
		stop(vs, v);
}

void vectors_want(struct vectors *vs, unsigned i, bool live)
{
	vs->v[i].want = live;
}

static void arm_timer(struct vectors *vs)
{
	if (!vs->timer_armed)
		vs->timer_armed = loop_timer_arm(vs->timer_fd, TICK_NS) == 0;
}

void vectors_update(struct vectors *vs, unsigned i)
{
	struct vector *v = &vs->v[i];
	bool live = v->want && can_signal(vs, v);

	if (!live && v->path != VECTOR_OFF)
		stop(vs, v);
	if (!live || v->path != VECTOR_OFF || !have_fd(vs, v))
		return;
	if (!v->routed || start_irqfd(vs, v) < 0) {
		if (start_user(vs, v) < 0)
			return;
		vs->fresh += vs->timer_armed; /* the one that starts the timer is not late */
		arm_timer(vs);
	}
	wire(vs, v);
}

/* Stage a route for each live vector that lacks one and can have one. */
static bool stage_routes(struct vectors *vs)
{
	bool any = false;

	for (unsigned i = 0; i < vs->config.count; i++) {
		struct vector *v = &vs->v[i];

		if (!v->want || v->routed || v->fd < 0 || !have_gsi(vs, v))
			continue;
		gsi_set_msi(vs->config.gsi, v->gsi, v->address, v->data);
		v->staged = any = true;
	}
	return any;
}

/* v is wanted and has no irqfd: give it one if it is routed, else the event loop. */
static void settle_one(struct vectors *vs, struct vector *v)
{
	if (!v->routed) {
		if (v->path == VECTOR_OFF)
			(void)start_user(vs, v);
		return;
	}
	stop(vs, v);
	if (start_irqfd(vs, v) < 0)
		(void)start_user(vs, v);
}

void vectors_settle(struct vectors *vs)
{
	int r = 0;

	vs->fresh = vs->ticks = 0;
	if (!vs->enabled)
		return;
	if (stage_routes(vs))
		r = gsi_commit(vs->config.gsi);
	if (r < 0) {
		vs->failures++;
		log_warn_limited("%s: routes were not taken, interrupts stay in userspace: %s",
				 vs->config.name, strerror(-r));
	}
	for (unsigned i = 0; i < vs->config.count; i++) {
		struct vector *v = &vs->v[i];

		if (v->staged)
			v->routed = r >= 0;
		v->staged = false;
		if (v->want && v->fd >= 0 && v->path != VECTOR_IRQFD)
			settle_one(vs, v);
	}
}

void vectors_update_all(struct vectors *vs)
{
	for (unsigned i = 0; i < vs->config.count; i++) {
		struct vector *v = &vs->v[i];

		if (!v->want && v->path != VECTOR_OFF)
			stop(vs, v);
		if (v->want && can_signal(vs, v))
			(void)have_fd(vs, v);
	}
	vectors_settle(vs);
	wire_all(vs);
}

bool vectors_pending(const struct vectors *vs, unsigned i)
{
	const struct vector *v = &vs->v[i];

	if (v->path != VECTOR_OFF || !vs->enabled)
		return false;
	if (v->wired)
		return irqfd_pending(v->fd);
	return vs->config.ops->pending && vs->config.ops->pending(vs->config.opaque, i);
}

/* --- the event loop's side --- */

static void relay(struct vectors *vs, struct vector *v)
{
	int r;

	if (v->path != VECTOR_USER || !irqfd_drain(v->fd))
		return;
	vs->relayed++;
	v->relayed++;
	r = irqfd_signal_msi(vs->config.vm_fd, v->address, v->data);
	if (r < 0)
		failed(vs, v, "its message was not taken", r);
}

static void on_signals(void *opaque, int fd)
{
	struct epoll_event ev[64];
	struct vectors *vs = opaque;
	int n = epoll_wait(fd, ev, ARRAY_SIZE(ev), 0);

	for (int i = 0; i < n; i++)
		relay(vs, &vs->v[ev[i].data.u32]);
}

static void on_timer(void *opaque, int fd)
{
	struct vectors *vs = opaque;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	vs->timer_armed = false;
	if (vs->fresh && ++vs->ticks < MAX_TICKS * (vs->waves + 1)) {
		vs->fresh = 0;
		arm_timer(vs);
		return;
	}
	if (!vs->fresh)
		vs->waves = 0;
	else if (vs->waves < MAX_WAVES - 1)
		vs->waves++;
	vectors_settle(vs);
}

/* --- life --- */

static int attach_loop(struct vectors *vs)
{
	int r;

	/* One descriptor for the loop, whatever the number of vectors. */
	vs->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (vs->epoll_fd < 0)
		return -errno;
	r = loop_add(vs->config.loop, vs->epoll_fd, on_signals, vs);
	if (r < 0)
		return r;
	return loop_timer_new(vs->config.loop, on_timer, vs, &vs->timer_fd);
}

static void free_memory(struct vectors *vs)
{
	free(vs->v);
	free(vs->fds);
	free(vs);
}

int vectors_new(const struct vector_config *config, struct vectors **ret)
{
	struct vectors *vs;
	int r;

	if (!config->count)
		return -EINVAL;
	vs = calloc(1, sizeof(*vs));
	if (!vs)
		return -ENOMEM;
	vs->config = *config;
	vs->epoll_fd = vs->timer_fd = -1;
	vs->v = calloc(config->count, sizeof(*vs->v));
	vs->fds = calloc(config->count, sizeof(*vs->fds));
	if (!vs->v || !vs->fds) {
		free_memory(vs);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < config->count; i++)
		vs->v[i].fd = -1;
	r = attach_loop(vs);
	if (r < 0) {
		vectors_free(vs);
		return r;
	}
	*ret = vs;
	return 0;
}

struct vectors *vectors_free(struct vectors *vs)
{
	if (!vs)
		return NULL;
	vectors_disable(vs);
	if (vs->epoll_fd >= 0)
		loop_del(vs->config.loop, vs->epoll_fd);
	if (vs->timer_fd >= 0)
		loop_del(vs->config.loop, vs->timer_fd);
	close_fdp(&vs->epoll_fd);
	close_fdp(&vs->timer_fd);
	free_memory(vs);
	return NULL;
}

unsigned vectors_count(const struct vectors *vs)
{
	return vs->config.count;
}

bool vectors_enabled(const struct vectors *vs)
{
	return vs->enabled;
}

void vectors_reattach(struct vectors *vs)
{
	for (unsigned i = 0; i < vs->config.count; i++)
		if (vs->v[i].path == VECTOR_IRQFD)
			reattach(vs, &vs->v[i]);
}

void vectors_info(const struct vectors *vs, unsigned i, struct vector_info *ret)
{
	const struct vector *v = &vs->v[i];

	*ret = (struct vector_info){
		.address = v->address,
		.data = v->data,
		.gsi = v->gsi,
		.path = v->path,
		.wanted = v->want,
		.wired = v->wired,
		.relayed = v->relayed,
	};
}

void vectors_stats(const struct vectors *vs, struct vector_stats *ret)
{
	struct vector_stats s = { .relayed = vs->relayed, .failures = vs->failures };

	for (unsigned i = 0; i < vs->config.count; i++) {
		const struct vector *v = &vs->v[i];

		s.live += vs->enabled && v->want;
		s.irqfds += v->path == VECTOR_IRQFD;
		s.user += v->path == VECTOR_USER;
		s.wired += v->wired;
	}
	*ret = s;
}
