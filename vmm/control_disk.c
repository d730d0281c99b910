// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_disk.h"

#include <errno.h>

#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/vhost_user_blk.h"

const char *const control_disk_params[] = { "resized", NULL };

static json_t *report_served(const struct machine *m, unsigned i)
{
	struct vhost_user_blk_state s;

	vhost_user_blk_get_state(m->served_disks[i], &s);
	return json_pack("{s:s, s:I, s:b, s:i, s:i, s:s, s:b, s:b}", "serial", "", "bytes",
			 (json_int_t)s.bytes, "readonly", s.readonly, "block_size", (int)s.block_size,
			 "queues", (int)m->config->disks[i].queues, "io", "vhost-user", "iothread", 0,
			 "backend", s.there);
}

static json_t *report_one(const struct machine *m, unsigned i)
{
	const struct vmm_disk *d = &m->config->disks[i];

	if (d->vhost_user)
		return report_served(m, i);
	return json_pack("{s:s, s:I, s:b, s:i, s:i, s:s, s:b}", "serial", d->serial, "bytes",
			 (json_int_t)virtio_blk_bytes(m->disks[i]), "readonly", d->readonly, "block_size",
			 d->block_size, "queues", d->queues, "io",
			 virtio_blk_has_thread(m->disks[i]) ? "thread" : "io_uring", "iothread",
			 d->iothread);
}

static int report(const struct machine *m, json_t **ret, struct err *err)
{
	json_t *disks = json_array();

	for (unsigned i = 0; i < m->config->disk_count; i++)
		json_array_append_new(disks, report_one(m, i));
	*ret = json_pack("{s:o}", "disks", disks);
	return *ret ? 0 : err_set(err, -ENOMEM, "cannot report");
}

static int resize(struct machine *m, unsigned i, struct err *err)
{
	int r = m->served_disks[i] ? vhost_user_blk_resize(m->served_disks[i]) :
				     virtio_blk_resize(m->disks[i], NULL);

	if (r == -EPIPE) {
		err_plain(err, r, "nobody serves disk %u: its backend is gone", i);
		return err_hint(err, "start it again, and then ask again");
	}
	return r < 0 ? err_set(err, r, "cannot see how large disk %u is", i) : 0;
}

int control_disk(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	const json_t *value = json_object_get(params, "resized");
	json_int_t n = json_integer_value(value);
	int r = 0;

	if (value && !m->config->disk_count) {
		err_plain(err, -ENODEV, "the guest has no virtio disk");
		return err_hint(err, "start it with --disk");
	}
	if (value && (!json_is_integer(value) || n < 0 || n >= (json_int_t)m->config->disk_count))
		return err_usage(err, "\"resized\" is the number of a disk, 0 to %u",
				 m->config->disk_count - 1);
	if (value)
		r = resize(m, (unsigned)n, err);
	return r < 0 ? r : report(m, ret, err);
}
