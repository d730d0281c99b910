// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_backend.h"

#include "base/fd.h"
#include "vmm/control.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/vhost_user_blk.h"
#include "vmm/virtio/vhost_user_fs.h"

static const char *const words[] = {
	[VM_BACKEND_NIC] = "nic",
	[VM_BACKEND_DISK] = "disk",
	[VM_BACKEND_FS] = "fs",
};

void control_backend_event(void *opaque, enum vm_backend_device what, unsigned index, bool there)
{
	const struct machine *m = opaque;
	struct virtio_net_state s;

	handover_event(HANDOVER_FD, &(struct vmm_event){ .type = VMM_EVENT_BACKEND,
							 .reason = there,
							 .backend = { what, index } });
	control_event(opaque, CONTROL_BACKEND,
		      json_pack("{s:s, s:i, s:b}", "of", words[what], "number", (int)index, "there",
				there));
	if (what != VM_BACKEND_NIC || !m->nics[index])
		return;
	virtio_net_get_state(m->nics[index], &s);
	if (s.cable) /* else nothing changes for the guest */
		control_event(opaque, CONTROL_NIC_LINK, json_pack("{s:i, s:s}", "nic", (int)index, "link",
							    there ? "up" : "down"));
}

void control_backend_arrived(struct machine *m, const struct vmm_backend *backend, int fd)
{
	unsigned i = backend->index;

	if (backend->what == VM_BACKEND_NIC && i < m->config->nic_count && m->nics[i])
		virtio_net_return(m->nics[i], fd);
	else if (backend->what == VM_BACKEND_DISK && i < m->config->disk_count && m->served_disks[i])
		vhost_user_blk_return(m->served_disks[i], fd);
	else if (backend->what == VM_BACKEND_FS && i < m->config->fs_count)
		vhost_user_fs_return(m->fs[i], fd);
	else
		close_fdp(&fd);
}

json_t *control_backend_fs(const struct machine *m)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < m->config->fs_count; i++)
		json_array_append_new(all, json_pack("{s:s, s:b}", "tag", m->config->fs[i].tag, "backend",
						     vhost_user_fs_is_there(m->fs[i])));
	return all;
}
