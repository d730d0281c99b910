// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/range.h"
#include "base/size.h"
#include "vmm/mem.h"
#include "vmm/virtio/disk_io.h"
#include "vmm/virtio/iothread.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

#define SECTOR	    512u
#define HEADER	    16u /* type, reserved, sector */
#define RANGE	    16u /* sector, how many, flags: of a discard */
#define QUEUE_SIZE  256u
#define CONFIG_LEN  60u /* struct virtio_blk_config to its end of 1.2's second part */
/* Of a chain, without the header's and the status' buffers. */
#define SEGS_MAX    (VIRTQ_SEGS_MAX - 2)
/* A buffer may lie on both sides of a border between two nodes' RAM. */
#define IOVS_MAX    (VIRTQ_SEGS_MAX + VMM_MAX_NODES)
/* What does not lie as O_DIRECT wants it is copied; more than that at a time nobody needs. */
#define BOUNCE_MAX  (16 * MiB)
/* And all requests of a disk together. */
#define BOUNCED_MAX (64 * MiB)
/* Data that is under way, which a reset waits for: more only of a single request. */
#define UNDER_WAY_MAX (256 * MiB)
/* Data of requests that are begun in one turn, before others get theirs: this and one request. */
#define TURN	    (64 * MiB)
/* A range of a discard: what a bdev splits anyway. */
#define RANGE_SECTORS_MAX ((uint32_t)(GiB / SECTOR))

#define BIT(n) (1ull << (n))

struct virtio_blk;

struct blk_req {
	struct disk_req io;
	struct virtio_blk *blk;
	struct blk_req *next; /* of those nobody uses */
	unsigned q;
	bool hint;	     /* a discard: what cannot be is left as it is */
	bool zero_other_way; /* the first way to write zeroes was tried */
	uint32_t written;    /* bytes of the guest's, beside the status */
	uint8_t *bounce;     /* NULL: the guest's buffers are read and written themselves */
	uint64_t bounced;
	uint64_t under_way; /* its share */
	struct virtq_chain chain;
	struct iovec iov[IOVS_MAX];
};

struct virtio_blk {
	struct virtio_dev dev;
	const struct vmm_disk *disk;
	struct disk_io *io;
	struct iothread *thread; /* its own; NULL: all disks share the event loop's */
	struct blk_req *unused;
	uint64_t sectors;
	uint64_t bounced;   /* bytes of all buffers in place of the guest's */
	uint64_t under_way; /* and of all that is read and written */
	bool block_device;  /* not a file */
	bool stopping;	    /* nobody waits for what comes of it */
	uint32_t to_flush;  /* bits of queues into which something was put */
	uint32_t waiting;   /* and of those whose next request waits for others */
	struct virtio_ops ops;
};

static struct virtio_blk *to_blk(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_blk, dev);
}

/* --- requests ---------------------------------------------------------------------------------- */

static struct blk_req *take_req(struct virtio_blk *blk)
{
	struct blk_req *req = blk->unused;

	if (req)
		blk->unused = req->next;
	else
		req = malloc(sizeof(*req));
	return req;
}

/* There may be room for what waits. */
static void wake_queues(struct virtio_blk *blk)
{
	uint32_t queues = blk->waiting;

	blk->waiting = 0;
	for (unsigned q = 0; queues; q++, queues >>= 1)
		if (queues & 1)
			virtio_kick_again(&blk->dev, q);
}

static void give_req(struct virtio_blk *blk, struct blk_req *req)
{
	if (req->bounce)
		blk->bounced -= req->bounced;
	blk->under_way -= req->under_way;
	if (req->bounce || req->under_way)
		wake_queues(blk);
	free(req->bounce);
	req->bounce = NULL;
	req->under_way = 0;
	req->next = blk->unused;
	blk->unused = req;
}

/* The status is the last byte there is to write to (5.2.6). */
static void complete(struct blk_req *req, uint8_t status)
{
	struct virtio_blk *blk = req->blk;
	uint64_t last = virtq_writable(&req->chain) - 1;
	uint32_t written = status == VIRTIO_BLK_S_OK ? req->written : 0;

	if (!blk->stopping) {
		(void)virtq_write(&blk->dev, &req->chain, last, &status, 1);
		if (virtq_push(&blk->dev, req->q, &req->chain, written + 1) == 0)
			blk->to_flush |= 1u << req->q;
	}
	give_req(blk, req);
}

static void flush_queues(void *opaque)
{
	struct virtio_blk *blk = opaque;
	uint32_t queues = blk->to_flush;

	blk->to_flush = 0;
	for (unsigned q = 0; queues && !blk->stopping; q++, queues >>= 1)
		if (queues & 1)
			virtq_flush(&blk->dev, q);
}

static const char *verb(enum disk_op op)
{
	static const char *const words[] = { "read", "write", "write", "flush", "discard", "discard",
					     "zero" };

	return words[op];
}

/* Not every file system has both ways to zero, nor every disk or kernel one to discard. */
static bool has_other_way(struct blk_req *req, int result)
{
	struct disk_req *io = &req->io;

	/* EBUSY: a page of it is being written in the page cache, which io_uring's command gives up for. */
	if (io->op == DISK_DISCARD && (result == -EOPNOTSUPP || result == -ENOTTY || result == -EINVAL ||
				       result == -EBUSY)) {
		io->op = DISK_PUNCH;
		return true;
	}
	if (result != -EOPNOTSUPP || io->op < DISK_PUNCH || req->zero_other_way)
		return false;
	req->zero_other_way = true;
	io->op = io->op == DISK_PUNCH ? DISK_ZERO : DISK_PUNCH;
	return true;
}

/* Who does not know of flushes expects zeroes to stay, as what is written does (5.2.6.2). */
static bool is_to_stay(const struct blk_req *req)
{
	return (req->io.op == DISK_PUNCH || req->io.op == DISK_ZERO) && !req->blk->stopping &&
	       !virtio_has(&req->blk->dev, VIRTIO_BLK_F_FLUSH);
}

static void on_done(struct disk_req *io, int result)
{
	struct blk_req *req = container_of(io, struct blk_req, io);
	struct virtio_blk *blk = req->blk;

	if ((result < 0 && has_other_way(req, result)) || (result == 0 && is_to_stay(req))) {
		if (result == 0)
			io->op = DISK_SYNC;
		disk_io_submit(blk->io, io);
		disk_io_kick(blk->io);
		return;
	}
	if (result == -EBUSY && req->hint)
		result = 0;
	if (result == 0 && req->bounce && io->op == DISK_READ &&
	    virtq_write(&blk->dev, &req->chain, 0, req->bounce, req->bounced) < 0)
		result = -EFAULT;
	if (result < 0 && result != -EOPNOTSUPP && !blk->stopping)
		log_warn_limited("%s: cannot %s: %s", blk->dev.pci.name, verb(io->op),
				 strerror(-result));
	complete(req, result == 0 ? VIRTIO_BLK_S_OK :
		      result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR);
}

/* The host's addresses of len bytes behind `skip` of these buffers. -EFAULT: not all of it is RAM. */
static int map(struct blk_req *req, const struct virtq_seg *seg, unsigned n, uint64_t skip,
	       uint64_t len)
{
	const struct mem *mem = req->blk->dev.vm->mem;

	req->io.iov = req->iov;
	req->io.iovcnt = 0;
	for (unsigned i = 0; i < n && len; i++) {
		uint64_t at = skip < seg[i].len ? skip : seg[i].len, left = seg[i].len - at;

		skip -= at;
		while (left && len) {
			uint64_t span = 0;
			uint8_t *host = gmem_span(mem, seg[i].addr + at, &span);

			if (!host || req->io.iovcnt == IOVS_MAX)
				return -EFAULT;
			span = span < left ? span : left;
			span = span < len ? span : len;
			req->iov[req->io.iovcnt++] = (struct iovec){ host, span };
			at += span;
			left -= span;
			len -= span;
		}
	}
	return len ? -EFAULT : 0;
}

static bool is_aligned(const struct blk_req *req)
{
	const struct vmm_disk *d = req->blk->disk;

	/* Each piece is a request of its own to the host's disk, of whole blocks. */
	for (unsigned i = 0; d->mem_align > 1 && i < req->io.iovcnt; i++)
		if ((uintptr_t)req->iov[i].iov_base % d->mem_align ||
		    req->iov[i].iov_len % d->block_size)
			return false;
	return true;
}

/* One buffer that lies as the file wants it, in place of the guest's. -EAGAIN: when others have ended. */
static int bounce(struct blk_req *req, uint64_t len)
{
	size_t align = req->blk->disk->mem_align;
	void *buf;

	if (len > BOUNCE_MAX)
		return -EINVAL;
	if (req->blk->bounced + len > BOUNCED_MAX)
		return -EAGAIN;
	if (posix_memalign(&buf, align < sizeof(void *) ? sizeof(void *) : align, len))
		return -ENOMEM;
	req->bounce = buf;
	req->bounced = len;
	req->blk->bounced += len;
	req->iov[0] = (struct iovec){ buf, len };
	req->io.iovcnt = 1;
	if (req->io.op == DISK_READ)
		return 0;
	return virtq_read(&req->blk->dev, &req->chain, HEADER, buf, len) == (int64_t)len ? 0 : -EFAULT;
}

static bool on_disk(const struct virtio_blk *blk, uint64_t sector, uint64_t n)
{
	return sector <= blk->sectors && n <= blk->sectors - sector;
}

/* Back into its ring: the event loop waits for no disk. */
static void postpone(struct blk_req *req)
{
	struct virtio_blk *blk = req->blk;

	virtq_unpop(&blk->dev, req->q, &req->chain.head);
	blk->waiting |= 1u << req->q;
	give_req(blk, req);
}

/* False: it was postponed. */
static bool transfer(struct blk_req *req, bool is_write, uint64_t sector)
{
	struct virtio_blk *blk = req->blk;
	struct virtq_chain *c = &req->chain;
	uint64_t len = is_write ? virtq_readable(c) - HEADER : virtq_writable(c) - 1;
	unsigned block = blk->disk->block_size;
	int r = 0;

	if (len % block || sector * SECTOR % block || !on_disk(blk, sector, len / SECTOR) ||
	    (is_write && blk->disk->readonly)) {
		complete(req, VIRTIO_BLK_S_IOERR);
		return true;
	}
	/* Who does not know of flushes expects what is written to stay (5.2.6.2). */
	req->io.op = !is_write ? DISK_READ :
		     virtio_has(&blk->dev, VIRTIO_BLK_F_FLUSH) ? DISK_WRITE : DISK_WRITE_SYNC;
	req->io.offset = sector * SECTOR;
	req->io.len = len;
	if (blk->under_way && blk->under_way + len > UNDER_WAY_MAX) {
		postpone(req);
		return false;
	}
	r = is_write ? map(req, c->seg, c->nread, HEADER, len) :
		       map(req, c->seg + c->nread, c->nwrite, 0, len);
	if (r == 0 && !is_aligned(req))
		r = bounce(req, len);
	if (r == -EAGAIN) {
		postpone(req);
		return false;
	}
	if (r < 0 || !len) {
		complete(req, r < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
		return true;
	}
	req->written = is_write ? 0 : (uint32_t)len;
	req->under_way = len;
	blk->under_way += len;
	disk_io_submit(blk->io, &req->io);
	return true;
}

/* One range, as the configuration says (5.2.6.1). */
static void clear(struct blk_req *req, bool discard)
{
	struct virtio_blk *blk = req->blk;
	uint8_t range[RANGE];
	uint64_t sector;
	uint32_t n, flags;

	if (virtq_readable(&req->chain) != HEADER + RANGE ||
	    virtq_read(&blk->dev, &req->chain, HEADER, range, RANGE) != RANGE || blk->disk->readonly) {
		complete(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	sector = get_le64(range);
	n = get_le32(range + 8);
	flags = get_le32(range + 12);
	if (flags & ~(discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)) {
		complete(req, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (n > RANGE_SECTORS_MAX || !on_disk(blk, sector, n)) {
		complete(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!n) {
		complete(req, VIRTIO_BLK_S_OK);
		return;
	}
	if (discard && blk->block_device)
		req->io.op = DISK_DISCARD;
	else
		req->io.op = discard || flags ? DISK_PUNCH : DISK_ZERO;
	req->hint = discard;
	req->zero_other_way = discard; /* nobody is to write for it */
	req->io.offset = sector * SECTOR;
	req->io.len = (uint64_t)n * SECTOR;
	disk_io_submit(blk->io, &req->io);
}

static void identify(struct blk_req *req)
{
	struct virtio_blk *blk = req->blk;
	uint8_t id[VIRTIO_BLK_ID_BYTES] = { 0 };
	uint64_t room = virtq_writable(&req->chain) - 1;
	int64_t n;

	memcpy(id, blk->disk->serial, strnlen(blk->disk->serial, sizeof(id)));
	n = virtq_write(&blk->dev, &req->chain, 0, id, room < sizeof(id) ? room : sizeof(id));
	req->written = n > 0 ? (uint32_t)n : 0;
	complete(req, n < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* False: the guest broke a rule, and the device has stopped; or it and all behind it wait. */
static bool begin(struct blk_req *req)
{
	struct virtio_blk *blk = req->blk;
	uint8_t head[HEADER];

	if (virtq_read(&blk->dev, &req->chain, 0, head, HEADER) != HEADER ||
	    !virtq_writable(&req->chain)) {
		give_req(blk, req);
		virtio_broken(&blk->dev, "a request without header or status");
		return false;
	}
	switch (get_le32(head)) {
	case VIRTIO_BLK_T_IN: return transfer(req, false, get_le64(head + 8));
	case VIRTIO_BLK_T_OUT: return transfer(req, true, get_le64(head + 8));
	case VIRTIO_BLK_T_FLUSH:
		req->io.op = DISK_SYNC;
		req->io.len = 0;
		disk_io_submit(blk->io, &req->io);
		break;
	case VIRTIO_BLK_T_GET_ID: identify(req); break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (blk->disk->discard) {
			clear(req, get_le32(head) == VIRTIO_BLK_T_DISCARD);
			break;
		} /* fall through */
	default: complete(req, VIRTIO_BLK_S_UNSUPP); break;
	}
	return true;
}

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_blk *blk = to_blk(dev);
	struct blk_req *req = NULL;
	uint64_t bytes = 0;
	unsigned n = 0;

	/* One that offers more and more leaves time to others, and is heard again. */
	while (dev->running && bytes < TURN && n++ < dev->q[q].size && (req = take_req(blk))) {
		*req = (struct blk_req){ .blk = blk, .q = q, .io.done = on_done };
		if (virtq_pop(dev, q, &req->chain) != 1) {
			give_req(blk, req);
			break;
		}
		bytes += virtq_readable(&req->chain) + virtq_writable(&req->chain);
		if (!begin(req))
			break;
	}
	/* Nor is one for which there was no memory forgotten: its driver has kicked for it. */
	if (n > dev->q[q].size || bytes >= TURN || !req)
		virtio_kick_again(dev, q);
	disk_io_kick(blk->io);
	flush_queues(blk);
}

/* What is under way still reads and writes RAM. */
static void stop(struct virtio_dev *dev)
{
	struct virtio_blk *blk = to_blk(dev);

	blk->stopping = true;
	disk_io_end(blk->io);
	blk->to_flush = blk->waiting = 0;
}

static int start(struct virtio_dev *dev)
{
	struct virtio_blk *blk = to_blk(dev);

	disk_io_end(blk->io);
	blk->stopping = false;
	return 0;
}

/* --- configuration (5.2.4) --------------------------------------------------------------------- */

static void image(const struct virtio_blk *blk, uint8_t b[CONFIG_LEN])
{
	const struct vmm_disk *d = blk->disk;

	memset(b, 0, CONFIG_LEN);
	put_le64(b + offsetof(struct virtio_blk_config, capacity), blk->sectors);
	put_le32(b + offsetof(struct virtio_blk_config, seg_max), SEGS_MAX);
	put_le32(b + offsetof(struct virtio_blk_config, blk_size), d->block_size);
	put_le16(b + offsetof(struct virtio_blk_config, num_queues), (uint16_t)blk->ops.nqueues);
	put_le32(b + offsetof(struct virtio_blk_config, max_discard_sectors), RANGE_SECTORS_MAX);
	put_le32(b + offsetof(struct virtio_blk_config, max_discard_seg), 1);
	put_le32(b + offsetof(struct virtio_blk_config, discard_sector_alignment),
		 d->block_size / SECTOR);
	put_le32(b + offsetof(struct virtio_blk_config, max_write_zeroes_sectors), RANGE_SECTORS_MAX);
	put_le32(b + offsetof(struct virtio_blk_config, max_write_zeroes_seg), 1);
	b[offsetof(struct virtio_blk_config, write_zeroes_may_unmap)] = 1;
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	uint8_t bytes[CONFIG_LEN];

	image(to_blk(dev), bytes);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < CONFIG_LEN ? bytes[off + i] : 0;
}

static uint64_t features_of(const struct vmm_disk *d)
{
	return BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |
	       (d->packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
	       (d->queues > 1 ? BIT(VIRTIO_BLK_F_MQ) : 0) | (d->readonly ? BIT(VIRTIO_BLK_F_RO) : 0) |
	       (d->discard && !d->readonly ?
			BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) : 0);
}

static const struct virtio_ops blk_ops = {
	.id = VIRTIO_ID_BLOCK,
	.class_rev = 0x01000000, /* a SCSI controller, as other VMMs have it */
	.queue_size = QUEUE_SIZE,
	.kick = kick,
	.start = start,
	.stop = stop,
	.config_read = config_read,
};

static int read_size(const struct virtio_blk *blk, uint64_t *ret)
{
	off_t end = lseek(blk->disk->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	*ret = (uint64_t)end / blk->disk->block_size * blk->disk->block_size / SECTOR;
	return 0;
}

/* Behind all that it hears. */
static int start_thread(struct virtio_blk *blk, unsigned index, struct err *err)
{
	char name[16];
	int r;

	if (!blk->thread)
		return 0;
	snprintf(name, sizeof(name), "disk/%u", index);
	r = iothread_start(blk->thread, name);
	return r < 0 ? err_set(err, r, "%s: no thread of its own", blk->dev.pci.name) : 0;
}

int virtio_blk_new(struct vm *vm, const struct vmm_disk *disk, unsigned index,
		   struct virtio_blk **ret, struct err *err)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	struct stat st;
	char name[32];
	int r;

	if (!blk)
		return err_set(err, -ENOMEM, "cannot make the disk");
	snprintf(name, sizeof(name), "virtio-blk %u", index);
	blk->disk = disk;
	blk->ops = blk_ops;
	blk->ops.nqueues = disk->queues;
	blk->stopping = true;
	blk->dev.features = features_of(disk);
	blk->block_device = fstat(disk->fd, &st) == 0 && S_ISBLK(st.st_mode);
	r = read_size(blk, &blk->sectors);
	if (r == 0 && disk->iothread)
		r = iothread_new(&blk->thread);
	blk->dev.iothread = blk->thread;
	if (r == 0)
		r = disk_io_new(&(struct disk_io_config){ .fd = disk->fd,
							  .depth = QUEUE_SIZE * disk->queues,
							  .thread = disk->thread,
							  .loop = blk->thread ?
								  iothread_loop(blk->thread) :
								  vm->loop,
							  .after = flush_queues,
							  .opaque = blk }, &blk->io);
	if (r < 0)
		err_set(err, r, "%s cannot be made", name);
	else
		r = virtio_add(vm, &blk->dev, &blk->ops, name, 0, err);
	if (r == 0)
		r = start_thread(blk, index, err);
	if (r < 0) {
		virtio_blk_free(blk);
		return r;
	}
	*ret = blk;
	return 0;
}

struct virtio_blk *virtio_blk_free(struct virtio_blk *blk)
{
	struct blk_req *req;

	if (!blk)
		return NULL;
	iothread_stop(blk->thread);
	virtio_remove(&blk->dev);
	blk->stopping = true;
	blk->io = disk_io_free(blk->io);
	blk->thread = iothread_free(blk->thread);
	while ((req = blk->unused)) {
		blk->unused = req->next;
		free(req);
	}
	free(blk);
	return NULL;
}

int virtio_blk_resize(struct virtio_blk *blk, uint64_t *ret_bytes)
{
	uint64_t sectors = 0;
	int r = read_size(blk, &sectors);

	if (r < 0)
		return r;
	iothread_lock(blk->thread);
	if (sectors != blk->sectors) {
		blk->sectors = sectors;
		virtio_config_changed(&blk->dev);
	}
	iothread_unlock(blk->thread);
	if (ret_bytes)
		*ret_bytes = sectors * SECTOR;
	return 0;
}

uint64_t virtio_blk_bytes(const struct virtio_blk *blk)
{
	return blk->sectors * SECTOR;
}

bool virtio_blk_has_thread(const struct virtio_blk *blk)
{
	return disk_io_is_thread(blk->io);
}
