// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest has mounted is a session between its kernel and the process that serves, which knows what
 * is open. It ends with the process: from then on each request is answered here, with ENOTCONN, until
 * the guest mounts anew (FUSE_INIT) and somebody serves.
 */
#include "vmm/virtio/vhost_user_fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fuse.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/virtio/served.h"

#define QUEUES	   2u /* what cannot wait, and requests */
#define QUEUE_SIZE 128u
#define TAG_LEN	   36u
#define CONFIG_LEN (TAG_LEN + 4)

struct vhost_user_fs {
	struct served served;
	const struct vmm_fs *config;
	bool mounted; /* by who serves now */
};

static struct vhost_user_fs *to_fs(struct served *s)
{
	return container_of(s, struct vhost_user_fs, served);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	const struct vhost_user_fs *fs = to_fs(container_of(dev, struct served, dev));
	uint8_t bytes[CONFIG_LEN] = { 0 };

	memcpy(bytes, fs->config->tag, strnlen(fs->config->tag, TAG_LEN));
	put_le32(bytes + TAG_LEN, QUEUES - 1);
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < CONFIG_LEN ? bytes[off + i] : 0;
}

struct request {
	struct virtq_chain chain;
	uint32_t opcode;
	uint64_t unique;
};

static int look(struct virtio_dev *dev, unsigned q, const struct virtq_head *head, struct request *ret)
{
	uint8_t in[sizeof(struct fuse_in_header)];
	int r = virtq_ends(dev, q, head, &ret->chain);

	if (r < 0)
		return r;
	if (virtq_read(dev, &ret->chain, 0, in, sizeof(in)) != sizeof(in)) {
		virtio_broken(dev, "a request without its header");
		return -EPROTO;
	}
	ret->opcode = get_le32(in + offsetof(struct fuse_in_header, opcode));
	ret->unique = get_le64(in + offsetof(struct fuse_in_header, unique));
	return 0;
}

/* An unmount is done, for all there is left of it. What is forgotten asks for no answer. */
static void refuse(struct virtio_dev *dev, unsigned q, const struct request *request)
{
	uint8_t out[sizeof(struct fuse_out_header)] = { 0 };
	int32_t code = request->opcode == FUSE_DESTROY ? 0 : -ENOTCONN;
	uint32_t len = 0;

	put_le32(out, sizeof(out));
	put_le32(out + 4, (uint32_t)code);
	put_le64(out + 8, request->unique);
	if (request->chain.nwrite) {
		if (virtq_write(dev, &request->chain, 0, out, sizeof(out)) != sizeof(out)) {
			virtio_broken(dev, "a request without room for its answer");
			return;
		}
		len = sizeof(out);
	}
	(void)virtq_push(dev, q, &request->chain, len);
}

static bool answers(struct served *s, unsigned q, const struct virtq_head *head)
{
	struct vhost_user_fs *fs = to_fs(s);
	struct request request = { 0 };

	if (s->there && fs->mounted)
		return false;
	if (look(&s->dev, q, head, &request) < 0)
		return true;
	fs->mounted = s->there && request.opcode == FUSE_INIT;
	if (fs->mounted)
		return false;
	refuse(&s->dev, q, &request);
	return true;
}

/* What it was given is answered here, in order. */
static void lost(struct served *s)
{
	struct virtq_head head = { .entries = 1 };

	to_fs(s)->mounted = false;
	for (unsigned q = 0; q < QUEUES; q++) {
		while (s->dev.running && !s->stopping && relay_oldest(&s->relay, q, &head.id)) {
			struct request request = { 0 };

			relay_strike(&s->relay, q, head.id);
			if (look(&s->dev, q, &head, &request) < 0)
				return;
			refuse(&s->dev, q, &request);
		}
		if (s->dev.running && !s->stopping)
			virtq_flush(&s->dev, q);
	}
}

static void begun(struct served *s)
{
	to_fs(s)->mounted = false;
}

static const struct served_kind kind = {
	.option = "--fs",
	.begun = begun,
	.answers = answers,
	.lost = lost,
};

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_FS,
	.class_rev = 0x01800000, /* mass storage, other */
	.nqueues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_read = config_read,
};

int vhost_user_fs_new(struct vm *vm, const struct vmm_fs *config, unsigned index,
		      struct vhost_user_fs **ret, struct err *err)
{
	struct vhost_user_fs *fs = calloc(1, sizeof(*fs));
	char name[32];
	int r;

	if (!fs)
		return err_set(err, -ENOMEM, "cannot make the file system device");
	snprintf(name, sizeof(name), "virtio-fs %u", index);
	fs->config = config;
	fs->served.what = VM_BACKEND_FS;
	fs->served.index = index;
	r = served_add(&fs->served, vm, &kind, &ops, config->fd, name, err);
	if (r < 0) {
		vhost_user_fs_free(fs);
		return r;
	}
	*ret = fs;
	return 0;
}

struct vhost_user_fs *vhost_user_fs_free(struct vhost_user_fs *fs)
{
	if (fs)
		served_remove(&fs->served);
	free(fs);
	return NULL;
}

void vhost_user_fs_return(struct vhost_user_fs *fs, int fd)
{
	served_return(&fs->served, fd);
}

bool vhost_user_fs_is_there(const struct vhost_user_fs *fs)
{
	return fs->served.there;
}
