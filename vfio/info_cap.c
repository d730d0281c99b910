// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/info_cap.h"

#include <errno.h>
#include <string.h>

#include "base/uapi.h"

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
