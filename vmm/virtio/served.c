// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/served.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/mem.h"

#define BIT(n) (1ull << (n))

/* What is under way when the guest resets the device is given so long, before its backend is left. */
#define DRAIN_MS 2000

static struct served *to_served(struct virtio_dev *dev)
{
	return container_of(dev, struct served, dev);
}

/* Of the features that the guest took, those which concern who serves. The rest of the rings is ours. */
static uint64_t concern(const struct served *s)
{
	return s->dev.driver_features &
	       (s->kind->features | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC));
}

/* What guests were told of, which the next backend must have as well as the first. */
static uint64_t promised(const struct served *s)
{
	return s->dev.ops ? (s->dev.features & s->kind->features) |
				    (BIT(VIRTIO_RING_F_INDIRECT_DESC) & ~s->dev.withheld) :
			    0;
}

static void tell(const struct served *s)
{
	if (s->dev.vm->on_backend)
		s->dev.vm->on_backend(s->dev.vm->on_event_opaque, s->what, s->index, s->there);
}

/* --- there, and gone --- */

static void unlisten(const struct served *s, int *fd)
{
	if (*fd >= 0)
		loop_del(s->dev.vm->loop, *fd);
	*fd = -1;
}

static void part(struct served *s)
{
	unlisten(s, &s->socket);
	unlisten(s, &s->requests);
	s->there = false;
	vhost_user_close(&s->vu);
	relay_close(&s->relay);
}

static const char *reason(int why)
{
	switch (why) {
	case -EPIPE: return "is gone";
	case -ETIMEDOUT: return "does not answer, and is left";
	case -EBADMSG: return "gave back what it was not given, and is left";
	case -EPROTO: return "does not keep to the protocol, and is left";
	default: return strerror(-why);
	}
}

static void lose(struct served *s, int why)
{
	if (!s->there)
		return;
	s->there = false; /* first: what follows may come here again */
	log_warn("%s: its backend %s", s->dev.pci.name, reason(why));
	/* What it had done by then need not be done twice. */
	for (unsigned i = 0; why == -EPIPE && i < s->ops.nqueues && s->dev.running && !s->stopping; i++)
		(void)relay_take_back(&s->relay, i);
	part(s);
	if (!s->kind->lost && relay_given(&s->relay))
		log_warn("%s: for the next one %u of its requests wait", s->dev.pci.name,
			 relay_given(&s->relay));
	if (s->kind->lost && s->dev.running && !s->stopping)
		s->kind->lost(s);
	tell(s);
}

static void on_socket(void *opaque, int fd)
{
	struct served *s = opaque;
	int r = vhost_user_listen(&s->vu);

	(void)fd;
	if (r < 0)
		lose(s, r);
}

static void on_request(void *opaque, int fd)
{
	struct served *s = opaque;
	int r = vhost_user_heard(&s->vu);

	(void)fd;
	if (r == -EPIPE) {
		unlisten(s, &s->requests);
		close_fdp(&s->vu.requests);
	} else if (r < 0) {
		lose(s, r);
	} else if (r > 0) {
		(void)served_ask_again(s);
	}
}

static void called(void *opaque, unsigned q)
{
	struct served *s = opaque;
	int r = relay_take_back(&s->relay, q);

	if (r == -EBADMSG)
		lose(s, r);
}

static int get_to_know(struct served *s)
{
	if (!(s->vu.features & BIT(VIRTIO_F_VERSION_1)) ||
	    (s->vu.rings && s->vu.rings < s->ops.nqueues) || promised(s) & ~s->vu.features)
		return -EOPNOTSUPP;
	return s->kind->met ? s->kind->met(s) : 0;
}

static int listen_to(struct served *s, int fd, void (*call)(void *opaque, int fd), int *ret)
{
	int r = loop_add(s->dev.vm->loop, fd, call, s);

	if (r == 0)
		*ret = fd;
	return r;
}

static int meet(struct served *s, int fd)
{
	int r = vhost_user_open(&s->vu, fd);

	if (r == 0)
		r = get_to_know(s);
	if (r == 0)
		r = relay_open(&s->relay);
	if (r == 0)
		r = listen_to(s, s->vu.fd, on_socket, &s->socket);
	if (r == 0 && s->kind->met)
		r = vhost_user_hear(&s->vu);
	if (r == 0 && s->vu.requests >= 0)
		r = listen_to(s, s->vu.requests, on_request, &s->requests);
	s->there = r == 0;
	if (r < 0)
		part(s);
	return r;
}

/* --- a driver that runs it --- */

static int run_ring(struct served *s, unsigned i)
{
	struct virtq_parts parts;
	struct vhost_user_ring ring;
	int r = virtq_parts(&s->dev, i, &parts);

	relay_begin(&s->relay, i, &ring);
	ring.desc = parts.desc;
	if (r == 0)
		r = vhost_user_start_ring(&s->vu, i, &ring);
	if (r == 0)
		r = vhost_user_enable(&s->vu, i, true);
	if (r == 0)
		relay_kick(&s->relay, i);
	return r;
}

static void run(struct served *s)
{
	struct vhost_user_region region;
	int r;

	if (!s->there)
		return;
	vhost_user_patience(&s->vu);
	relay_region(&s->relay, &region);
	r = vhost_user_set_up(&s->vu, concern(s), s->dev.vm->mem, &region);
	for (unsigned i = 0; i < s->ops.nqueues && r == 0; i++)
		if (s->dev.q[i].ready)
			r = run_ring(s, i);
	if (r < 0)
		lose(s, r);
}

static int start(struct virtio_dev *dev)
{
	struct served *s = to_served(dev);

	s->stopping = false;
	if (s->kind->begun)
		s->kind->begun(s);
	relay_forget(&s->relay);
	run(s);
	return 0; /* without a backend it waits for one */
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What is under way still reads and writes RAM. 0: nothing is any more. */
static int drain(struct served *s)
{
	uint64_t end = now_ms() + DRAIN_MS, now;
	int r = 0;

	for (;;) {
		struct pollfd p[VIRTIO_QUEUES_MAX + 1];

		for (unsigned i = 0; i < s->ops.nqueues && r == 0; i++) {
			p[i] = (struct pollfd){ .fd = s->relay.q[i].call, .events = POLLIN };
			r = relay_discard(&s->relay, i);
		}
		p[s->ops.nqueues] = (struct pollfd){ .fd = s->vu.fd, .events = POLLIN };
		now = now_ms();
		if (r < 0 || !relay_given(&s->relay))
			return r;
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(p, s->ops.nqueues + 1, (int)(end - now)) > 0 && p[s->ops.nqueues].revents)
			r = vhost_user_listen(&s->vu);
		relay_hush(&s->relay);
	}
}

static void stop(struct virtio_dev *dev)
{
	struct served *s = to_served(dev);
	int r;

	if (s->stopping)
		return;
	s->stopping = true;
	r = s->there ? drain(s) : 0;
	vhost_user_patience(&s->vu);
	for (unsigned i = 0; i < s->ops.nqueues && s->there && r == 0; i++)
		if (s->relay.q[i].runs) {
			r = vhost_user_stop_ring(&s->vu, i, NULL);
			relay_end(&s->relay, i);
		}
	if (r < 0)
		lose(s, r);
	relay_forget(&s->relay);
}

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct served *s = to_served(dev);
	unsigned n = 0;
	struct virtq_head head;

	/* One that offers more and more leaves time to others, and is heard again. */
	while (dev->running && n < dev->q[q].size && virtq_take(dev, q, &head) == 1) {
		n++;
		if (!(s->kind->answers && s->kind->answers(s, q, &head)) &&
		    relay_give(&s->relay, q, head.id) < 0)
			return;
	}
	if (!dev->running)
		return;
	if (n == dev->q[q].size)
		virtio_kick_again(dev, q);
	if (n)
		relay_kick(&s->relay, q);
	virtq_flush(dev, q);
}

/* --- the first, and those who follow --- */

int served_add(struct served *s, struct vm *vm, const struct served_kind *kind,
	       const struct virtio_ops *ops, int fd, const char *name, struct err *err)
{
	int r;

	s->kind = kind;
	s->ops = *ops;
	s->ops.kick = kick;
	s->ops.start = start;
	s->ops.stop = stop;
	s->stopping = true;
	s->socket = s->requests = -1;
	s->vu = (struct vhost_user)VHOST_USER_INIT;
	s->dev.vm = vm;
	r = relay_init(&s->relay, &s->dev, ops->nqueues, ops->queue_size, called, s);
	if (r < 0) {
		close_fdp(&fd);
		return err_set(err, r, "%s cannot be made", name);
	}
	r = meet(s, fd);
	if (r < 0)
		return vhost_user_explain(kind->option, r, ops->nqueues, err);
	s->dev.features = s->vu.features & kind->features;
	s->dev.withheld = BIT(VIRTIO_RING_F_INDIRECT_DESC) & ~s->vu.features;
	return virtio_add(vm, &s->dev, &s->ops, name, 0, err);
}

void served_remove(struct served *s)
{
	if (!s->kind)
		return;
	virtio_remove(&s->dev);
	part(s);
	relay_fini(&s->relay);
	s->kind = NULL;
}

void served_return(struct served *s, int fd)
{
	int r;

	if (s->there) {
		close_fdp(&fd);
		return;
	}
	r = meet(s, fd);
	if (r < 0)
		log_warn_limited("%s: its backend is there again and cannot be used: %s", s->dev.pci.name,
				 r == -EOPNOTSUPP ? "it lacks what the guest was told of" :
						    strerror(-r));
	else
		log_note("%s: its backend is there again", s->dev.pci.name);
	tell(s);
	if (s->there && s->dev.running)
		run(s);
}

int served_ask_again(struct served *s)
{
	int r;

	if (!s->there)
		return -EPIPE;
	vhost_user_patience(&s->vu);
	r = s->kind->met ? s->kind->met(s) : 0;
	if (s->vu.fd < 0)
		lose(s, r);
	return r;
}
