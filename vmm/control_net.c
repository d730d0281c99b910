// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_net.h"

#include <stdio.h>

#include "vmm/control.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/vdpa.h"

#define MAC_LEN 18

static const char *mac_text(const uint8_t mac[6], char ret[MAC_LEN])
{
	snprintf(ret, MAC_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return ret;
}

static const char *link_word(bool up)
{
	return up ? "up" : "down";
}

static const char *backend_word(const struct vmm_nic *nic)
{
	if (nic->vhost_user)
		return "vhost-user";
	return nic->vhost_fd[0] >= 0 ? "vhost-net" : "vmm";
}

/* All of it is the device's word. */
static json_t *report_vdpa(const struct machine *m, unsigned i)
{
	struct virtio_vdpa_state s;
	char mac[MAC_LEN];

	virtio_vdpa_get_state(m->vdpas[i], &s);
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:s}", "mac", mac_text(s.mac, mac),
			 "host", m->config->nics[i].host, "link", link_word(s.link), "driven", s.driven,
			 "backend", "vdpa", "queues", (int)s.pairs, "queues_used", (int)s.used, "mtu",
			 (int)s.mtu, "receives", "backend");
}

json_t *control_net_report(const struct machine *m, unsigned i)
{
	const struct vmm_nic *nic = &m->config->nics[i];
	struct virtio_net_state s;
	char mac[MAC_LEN];

	if (nic->vdpa)
		return report_vdpa(m, i);
	virtio_net_get_state(m->nics[i], &s);
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:i, s:i, s:s}", "mac", mac_text(s.mac, mac),
			 "host", nic->host, "link", link_word(s.link), "driven", s.driven, "backend",
			 backend_word(nic), "queues", (int)nic->pairs,
			 "queues_used", (int)s.pairs, "mtu", (int)nic->mtu, "receives", s.receives);
}

void control_net_link(struct machine *m, unsigned i, bool up)
{
	struct virtio_net_state s;

	virtio_net_get_state(m->nics[i], &s);
	if (s.cable == up)
		return;
	virtio_net_set_link(m->nics[i], up);
	control_event(m, CONTROL_NIC_LINK, json_pack("{s:i, s:s}", "nic", (int)i, "link", link_word(up)));
}

void control_net_mac_changed(void *opaque, unsigned i, const uint8_t mac[6])
{
	char text[MAC_LEN];

	control_event(opaque, CONTROL_NIC_MAC,
		      json_pack("{s:i, s:s}", "nic", (int)i, "mac", mac_text(mac, text)));
}
