// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/kvm_stats.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/fd.h"
#include "base/ioctl.h"

/* The kernel has some fifty numbers with names of 48 bytes: ten times that is no statistics. */
#define DESCS_MAX 1024u
#define NAME_MAX_ 256u

static int read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	ssize_t n = pread(fd, buf, size, (off_t)offset);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EPROTO;
}

static bool is_number(const struct kvm_stats_desc *d)
{
	return (d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_PEAK && d->size == 1;
}

/* One descriptor of the block, its number added to the object. */
static int add(int fd, const struct kvm_stats_header *h, const uint8_t *raw, json_t *to)
{
	struct kvm_stats_desc d;
	char name[NAME_MAX_];
	uint64_t value;
	int r;

	memcpy(&d, raw, sizeof(d));
	if (!is_number(&d))
		return 0;
	memcpy(name, raw + sizeof(d), h->name_size);
	name[h->name_size - 1] = '\0';
	r = read_at(fd, &value, sizeof(value), (uint64_t)h->data_offset + d.offset);
	if (r < 0)
		return r;
	return json_object_set_new(to, name, json_integer((json_int_t)value)) < 0 ? -ENOMEM : 0;
}

static int read_all(int fd, json_t *to)
{
	struct kvm_stats_header h;
	_cleanup_free_ uint8_t *descs = NULL;
	size_t size;
	int r = read_at(fd, &h, sizeof(h), 0);

	if (r < 0)
		return r;
	if (h.num_desc > DESCS_MAX || h.name_size < 1 || h.name_size > NAME_MAX_)
		return -EPROTO;
	size = sizeof(struct kvm_stats_desc) + h.name_size;
	descs = malloc(size * (h.num_desc + 1));
	if (!descs)
		return -ENOMEM;
	r = read_at(fd, descs, size * h.num_desc, h.desc_offset);
	for (uint32_t i = 0; i < h.num_desc && r == 0; i++)
		r = add(fd, &h, descs + i * size, to);
	return r;
}

int kvm_stats_open(int fd)
{
	return VALUE_IOCTL(fd, KVM_GET_STATS_FD, 0);
}

int kvm_stats_read(int stats_fd, json_t **ret)
{
	json_t *to = json_object();
	int r = to ? read_all(stats_fd, to) : -ENOMEM;

	if (r < 0) {
		json_decref(to);
		return r;
	}
	*ret = to;
	return 0;
}
