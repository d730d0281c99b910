/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of the host (5.11) that a process there serves (vhost-user-fs), such as virtiofsd. */
#ifndef VMM_VIRTIO_VHOST_USER_FS_H
#define VMM_VIRTIO_VHOST_USER_FS_H

#include <stdbool.h>

#include "base/err.h"
#include "vmm/handover.h"

struct vhost_user_fs;
struct vm;

/* fs outlives it; its descriptor, a connected socket, is taken. Before pci_assign(). err is set. */
int vhost_user_fs_new(struct vm *vm, const struct vmm_fs *fs, unsigned index,
		      struct vhost_user_fs **ret, struct err *err);
struct vhost_user_fs *vhost_user_fs_free(struct vhost_user_fs *fs); /* NULL is fine */

/* Another one serves it from now on; fd is taken. */
void vhost_user_fs_return(struct vhost_user_fs *fs, int fd);

bool vhost_user_fs_is_there(const struct vhost_user_fs *fs);

#endif
