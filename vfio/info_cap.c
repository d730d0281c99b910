// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/info_cap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/uapi.h"

#define FIRST_SIZE 512
#define MAX_SIZE   (1u << 20)

int info_get(int fd, unsigned long request, const void *ask, size_t fixed, void **ret)
{
	uint32_t size = FIRST_SIZE, argsz;

	/* Every such struct begins with argsz: what we have, then what the kernel would need. */
	for (int try = 0; try < 2; try++) {
		_cleanup_free_ char *info = calloc(1, size);
		int r;

		if (!info)
			return -ENOMEM;
		memcpy(info, ask, fixed);
		memcpy(info, &size, sizeof(size));
		r = sys_ioctl(fd, request, info);
		if (r < 0)
			return r;
		memcpy(&argsz, info, sizeof(argsz));
		if (argsz < fixed || argsz > MAX_SIZE)
			return -EPROTO;
		if (argsz <= size) {
			*ret = TAKE_PTR(info);
			return 0;
		}
		size = argsz;
	}
	return -EPROTO;
}

int info_cap_find(const void *info, size_t size, uint32_t first, uint16_t id, size_t body)
{
	struct vfio_info_cap_header head;
	uint32_t off = first;

	for (unsigned i = 0; off && i < INFO_CAP_MAX; i++) {
		if (off > size || size - off < sizeof(head))
			return -EPROTO;
		memcpy(&head, (const char *)info + off, sizeof(head));
		if (head.id == id)
			return size - off < body ? -EPROTO : (int)off;
		off = head.next;
	}
	return off ? -EPROTO : 0;
}
