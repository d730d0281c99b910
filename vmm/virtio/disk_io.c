// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/disk_io.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "irq/irqfd.h"

#define THREAD_STACK (64u << 10)
/* A file that never takes a request is no disk. */
#define AGAIN_MAX    1000u
#define PAUSE_NS     1000000
/* What the page cache has is copied by whoever asks, while it asks: more than this, by a thread of the kernel's. */
#define INLINE_MAX (4u << 20)
/* BLOCK_URING_CMD_DISCARD of linux/blkdev.h, Linux 6.12. */
#define URING_DISCARD _IO(0x12, 0)

struct disk_io {
	struct disk_io_config config;
	int done_fd;	   /* something is done */
	unsigned inflight; /* under the caller's lock */
	bool is_thread;
	bool ending; /* nobody wants what is under way; the thread looks, too */

	struct io_uring ring;

	pthread_t thread;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t asked, finished;
	struct disk_req *todo, **todo_end, *ready;
	bool end;
};

/* --- one request ------------------------------------------------------------------------------- */

static int fallocate_mode(enum disk_op op)
{
	return FALLOC_FL_KEEP_SIZE | (op == DISK_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
}

/* Of a block device a hole is what its command to write zeroes makes: not every one that can discard has that. */
static int discard(int fd, const struct disk_req *req)
{
	uint64_t range[2] = { req->offset, req->len };

	return sys_ioctl(fd, BLKDISCARD, range);
}

/* The same (Linux 6.12; -EOPNOTSUPP before). */
static void prepare_discard(struct io_uring_sqe *sqe, int fd, const struct disk_req *req)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, fd, NULL, 0, 0);
	sqe->cmd_op = URING_DISCARD;
	sqe->addr = req->offset;
	sqe->addr3 = req->len;
}

/* n bytes more of it are done. */
static void advance(struct disk_req *req, uint64_t n)
{
	req->offset += n;
	req->len -= n;
	while (n && n >= req->iov->iov_len) {
		n -= req->iov->iov_len;
		req->iov++;
		req->iovcnt--;
	}
	if (n) {
		req->iov->iov_base = (uint8_t *)req->iov->iov_base + n;
		req->iov->iov_len -= n;
	}
}

/* What the kernel said of one try. False: it is to be tried again, with what is left. */
static bool settle(struct disk_req *req, int64_t result)
{
	req->result = result < 0 ? (int)result : 0;
	if (result == -EINTR || (result == -EAGAIN && req->again++ < AGAIN_MAX))
		return false;
	if (result < 0 || req->op >= DISK_SYNC)
		return true;
	if (result == 0 && req->len) /* the file ends before the disk does */
		req->result = -EIO;
	else
		advance(req, (uint64_t)result < req->len ? (uint64_t)result : req->len);
	return req->result < 0 || !req->len;
}

/* It is over, this way or that. */
static bool is_over(const struct disk_io *io, struct disk_req *req, int64_t result)
{
	if (settle(req, result))
		return true;
	if (!__atomic_load_n(&io->ending, __ATOMIC_ACQUIRE))
		return false;
	req->result = -ECANCELED;
	return true;
}

/* --- io_uring ---------------------------------------------------------------------------------- */

static void prepare(struct io_uring_sqe *sqe, int fd, struct disk_req *req)
{
	switch (req->op) {
	case DISK_READ: io_uring_prep_readv(sqe, fd, req->iov, req->iovcnt, req->offset); break;
	case DISK_WRITE: io_uring_prep_writev(sqe, fd, req->iov, req->iovcnt, req->offset); break;
	case DISK_WRITE_SYNC:
		io_uring_prep_writev2(sqe, fd, req->iov, req->iovcnt, req->offset, RWF_DSYNC);
		break;
	case DISK_SYNC: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
	case DISK_DISCARD: prepare_discard(sqe, fd, req); break;
	case DISK_PUNCH:
	case DISK_ZERO:
		io_uring_prep_fallocate(sqe, fd, fallocate_mode(req->op), (off_t)req->offset,
					(off_t)req->len);
		break;
	}
	if (req->op < DISK_SYNC && req->len > INLINE_MAX)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(sqe, req);
}

static void finish(struct disk_io *io, struct disk_req *req)
{
	io->inflight--;
	req->done(req, req->result);
}

/*
 * What the kernel does not take now, for lack of memory, it is asked to take again: the event loop
 * comes back here.
 */
static void hand_over(struct disk_io *io)
{
	if (io_uring_submit(&io->ring) < 0 || io_uring_sq_ready(&io->ring))
		(void)eventfd_write(io->done_fd, 1);
}

/* As many places as there may be requests: a full queue is one that was not yet handed over. */
static void uring_begin(struct disk_io *io, struct disk_req *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	if (!sqe) {
		hand_over(io);
		sqe = io_uring_get_sqe(&io->ring);
	}
	if (sqe) {
		prepare(sqe, io->config.fd, req);
		return;
	}
	req->result = -EBUSY;
	finish(io, req);
}

static void uring_reap(struct disk_io *io)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&io->ring, &cqe) == 0) {
		struct disk_req *req = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&io->ring, cqe);
		if (is_over(io, req, result))
			finish(io, req);
		else
			uring_begin(io, req);
	}
	if (io_uring_sq_ready(&io->ring))
		hand_over(io);
}

static int uring_new(struct disk_io *io)
{
	/* One that cannot be prepared keeps none behind it waiting (Linux 5.18). */
	int r = io_uring_queue_init(io->config.depth, &io->ring, IORING_SETUP_SUBMIT_ALL);

	if (r == -EINVAL)
		r = io_uring_queue_init(io->config.depth, &io->ring, 0);
	if (r < 0)
		return r;
	r = io_uring_register_eventfd(&io->ring, io->done_fd);
	if (r < 0)
		io_uring_queue_exit(&io->ring);
	return r;
}

/* --- a thread ---------------------------------------------------------------------------------- */

static int64_t carry_out(int fd, struct disk_req *req)
{
	int64_t r;

	switch (req->op) {
	case DISK_READ: r = preadv(fd, req->iov, (int)req->iovcnt, (off_t)req->offset); break;
	case DISK_WRITE: r = pwritev(fd, req->iov, (int)req->iovcnt, (off_t)req->offset); break;
	case DISK_WRITE_SYNC:
		r = pwritev2(fd, req->iov, (int)req->iovcnt, (off_t)req->offset, RWF_DSYNC);
		break;
	case DISK_SYNC: r = fdatasync(fd); break;
	case DISK_DISCARD: return discard(fd, req);
	default:
		r = fallocate(fd, fallocate_mode(req->op), (off_t)req->offset, (off_t)req->len);
		break;
	}
	return r < 0 ? -errno : r;
}

static void *work(void *opaque)
{
	struct disk_io *io = opaque;
	struct disk_req *req;

	pthread_mutex_lock(&io->lock);
	for (;;) {
		while (!io->todo && !io->end)
			pthread_cond_wait(&io->asked, &io->lock);
		req = io->todo;
		if (!req)
			break;
		io->todo = req->next;
		if (!io->todo)
			io->todo_end = &io->todo;
		pthread_mutex_unlock(&io->lock);
		while (!is_over(io, req, carry_out(io->config.fd, req)))
			;
		pthread_mutex_lock(&io->lock);
		req->next = io->ready;
		io->ready = req;
		pthread_cond_signal(&io->finished);
		(void)eventfd_write(io->done_fd, 1);
	}
	pthread_mutex_unlock(&io->lock);
	return NULL;
}

static void thread_begin(struct disk_io *io, struct disk_req *req)
{
	req->next = NULL;
	pthread_mutex_lock(&io->lock);
	*io->todo_end = req;
	io->todo_end = &req->next;
	pthread_cond_signal(&io->asked);
	pthread_mutex_unlock(&io->lock);
}

static struct disk_req *take_ready(struct disk_io *io)
{
	struct disk_req *req;

	pthread_mutex_lock(&io->lock);
	req = io->ready;
	if (req)
		io->ready = req->next;
	pthread_mutex_unlock(&io->lock);
	return req;
}

/* One by one: what is told may wait for all the others. */
static void thread_reap(struct disk_io *io)
{
	struct disk_req *req;

	while ((req = take_ready(io)))
		finish(io, req);
}

/* Signals are the CPUs' and main's. */
static int thread_new(struct disk_io *io)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r = pthread_attr_init(&attr);

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (r == 0)
		r = pthread_attr_setstacksize(&attr, THREAD_STACK);
	if (r == 0)
		r = pthread_create(&io->thread, &attr, work, io);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	io->is_thread = r == 0;
	return -r;
}

static void thread_end(struct disk_io *io)
{
	pthread_mutex_lock(&io->lock);
	io->end = true;
	pthread_cond_signal(&io->asked);
	pthread_mutex_unlock(&io->lock);
	pthread_join(io->thread, NULL);
}

/* --- both -------------------------------------------------------------------------------------- */

static void reap(struct disk_io *io)
{
	(io->is_thread ? thread_reap : uring_reap)(io);
	io->config.after(io->config.opaque);
}

static void on_done(void *opaque, int fd)
{
	struct disk_io *io = opaque;

	if (irqfd_drain(fd))
		reap(io);
}

int disk_io_new(const struct disk_io_config *config, struct disk_io **ret)
{
	struct disk_io *io = calloc(1, sizeof(*io));
	int r;

	if (!io)
		return -ENOMEM;
	io->config = *config;
	io->todo_end = &io->todo;
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->asked, NULL);
	pthread_cond_init(&io->finished, NULL);
	io->done_fd = irqfd_eventfd();
	r = io->done_fd < 0 ? io->done_fd : loop_add(config->loop, io->done_fd, on_done, io);
	if (r < 0) {
		close_fdp(&io->done_fd);
		free(io);
		return r;
	}
	r = config->thread ? -EPERM : uring_new(io);
	if (r < 0)
		r = thread_new(io);
	if (r < 0) {
		loop_del(config->loop, io->done_fd);
		close_fdp(&io->done_fd);
		free(io);
		return r;
	}
	*ret = io;
	return 0;
}

struct disk_io *disk_io_free(struct disk_io *io)
{
	if (!io)
		return NULL;
	disk_io_end(io);
	if (io->is_thread)
		thread_end(io);
	else
		io_uring_queue_exit(&io->ring);
	loop_del(io->config.loop, io->done_fd);
	close_fdp(&io->done_fd);
	free(io);
	return NULL;
}

void disk_io_submit(struct disk_io *io, struct disk_req *req)
{
	io->inflight++;
	(io->is_thread ? thread_begin : uring_begin)(io, req);
}

void disk_io_kick(struct disk_io *io)
{
	if (!io->is_thread && io_uring_sq_ready(&io->ring))
		hand_over(io);
}

static void uring_wait(struct disk_io *io)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct io_uring_cqe *cqe;

	(void)io_uring_submit(&io->ring);
	if (io_uring_sq_ready(&io->ring) < io->inflight)
		(void)io_uring_wait_cqe(&io->ring, &cqe);
	else /* the kernel has none of them */
		nanosleep(&pause, NULL);
}

static void wait_for_one(struct disk_io *io)
{
	if (!io->is_thread) {
		uring_wait(io);
		return;
	}
	pthread_mutex_lock(&io->lock);
	while (!io->ready)
		pthread_cond_wait(&io->finished, &io->lock);
	pthread_mutex_unlock(&io->lock);
}

void disk_io_end(struct disk_io *io)
{
	__atomic_store_n(&io->ending, true, __ATOMIC_RELEASE);
	while (io->inflight) {
		wait_for_one(io);
		reap(io);
	}
	__atomic_store_n(&io->ending, false, __ATOMIC_RELEASE);
}

bool disk_io_is_thread(const struct disk_io *io)
{
	return io->is_thread;
}
