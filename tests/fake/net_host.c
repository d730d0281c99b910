// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/net_host.h"

#include <errno.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>

#include "tests/fake/ioctl.h"
#include "vmm/mem.h"

#define SLOT   1
#define NOTIFY 0x1000u
#define VHOST  2000 /* no open descriptors: nothing but ioctl is done to them */

/* --- the kernel --- */

static unsigned pair_of(const struct net_host *h, int fd)
{
	for (unsigned i = 0; i < h->nic.pairs; i++)
		if (h->nic.tap_fd[i] == fd)
			return i;
	fail_msg("no tap's descriptor: %d", fd);
	return 0;
}

static int set_queue(struct net_host *h, unsigned i, const struct ifreq *req)
{
	bool on = req->ifr_flags & IFF_ATTACH_QUEUE;

	if (on == h->attached[i])
		return -EINVAL;
	if (on && h->fail_attach) {
		h->fail_attach--;
		return -ENOMEM;
	}
	/* The kernel would leave it out (tun_attach()), and one that goes would keep the filter. */
	assert_int_equal(h->filter_len, 0);
	h->attached[i] = on;
	h->attaches += on;
	h->detaches += !on;
	return 0;
}

static int set_filter(struct net_host *h, const struct sock_fprog *prog)
{
	assert_true(prog->len && prog->len <= ARRAY_SIZE(h->filter));
	memcpy(h->filter, prog->filter, prog->len * sizeof(h->filter[0]));
	h->filter_len = prog->len;
	h->filters++;
	return 0;
}

static int tap_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	struct net_host *h = opaque;
	unsigned i = pair_of(h, fd);

	/* What is detached has no interface, for all but the way back. */
	if (request != TUNSETQUEUE && !h->attached[i] && !h->nic.macvtap)
		return -EBADFD;
	switch (request) {
	case TUNSETQUEUE: return set_queue(h, i, arg);
	case TUNSETVNETHDRSZ: h->header = *(unsigned *)arg; return 0;
	case TUNSETOFFLOAD:
		if ((uintptr_t)arg & 0x60 && h->no_uso)
			return -EINVAL;
		if ((uintptr_t)arg && !((uintptr_t)arg & TUN_F_CSUM))
			return -EINVAL;
		h->offload = (unsigned)(uintptr_t)arg;
		return 0;
	case TUNATTACHFILTER: return h->nic.macvtap ? -EINVAL : set_filter(h, arg);
	case TUNDETACHFILTER: h->filter_len = 0; return h->nic.macvtap ? -EINVAL : 0;
	case TUNSETCARRIER: h->carrier = *(unsigned *)arg; return h->nic.macvtap ? -EINVAL : 0;
	default: return -ENOTTY;
	}
}

static int vhost_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	struct net_host *h = opaque;
	unsigned i = (unsigned)(fd - VHOST);
	const struct vhost_vring_file *file = arg;

	switch (request) {
	case VHOST_GET_FEATURES:
		*(__u64 *)arg = 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_F_VERSION_1;
		return 0;
	case VHOST_SET_OWNER: return h->owned[i]++ ? -EBUSY : 0;
	case VHOST_SET_FEATURES:
	case VHOST_SET_MEM_TABLE:
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_KICK: return 0;
	case VHOST_SET_VRING_BASE:
		assert_in_range(((struct vhost_vring_state *)arg)->index, 0, 1);
		/* A ring that is served is not begun anew. */
		assert_int_equal(h->backend[i][((struct vhost_vring_state *)arg)->index], -1);
		h->rings[i]++;
		return 0;
	case VHOST_SET_VRING_CALL: h->call[i][file->index] = file->fd; return 0;
	case VHOST_NET_SET_BACKEND:
		if (h->fail_backend && file->fd >= 0)
			return -EIO;
		assert_in_range(file->index, 0, 1);
		assert_true(file->fd < 0 || file->fd == h->nic.tap_fd[i]);
		assert_true(file->fd < 0 || h->attached[i]);
		h->backend[i][file->index] = file->fd;
		return 0;
	default: return -ENOTTY;
	}
}

bool nh_passes(const struct net_host *h, const void *frame, unsigned len)
{
	struct sock_fprog prog = { .len = (unsigned short)h->filter_len,
				   .filter = (struct sock_filter *)(uintptr_t)h->filter };
	char byte;
	int sv[2];
	bool came;

	if (!h->filter_len)
		return true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(setsockopt(sv[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)), 0);
	(void)!send(sv[0], frame, len, 0); /* one that is filtered is refused */
	came = recv(sv[1], &byte, 1, 0) == 1;
	close(sv[0]);
	close(sv[1]);
	return came;
}

/* --- a machine --- */

static void mac_changed(void *opaque, unsigned index, const uint8_t mac[6])
{
	struct net_host *h = opaque;

	assert_int_equal(index, 3);
	h->macs++;
	memcpy(h->mac, mac, 6);
}

static void open_pairs(struct net_host *h, bool vhost)
{
	for (unsigned i = 0; i < h->nic.pairs; i++) {
		int sv[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
		h->nic.tap_fd[i] = sv[0];
		h->far[i] = sv[1];
		h->nic.vhost_fd[i] = vhost ? VHOST + (int)i : -1;
		h->attached[i] = true;
		h->backend[i][0] = h->backend[i][1] = -1;
		h->call[i][0] = h->call[i][1] = -2;
		fake_ioctl_handle(sv[0], tap_ioctl, h);
		if (vhost)
			fake_ioctl_handle(VHOST + (int)i, vhost_ioctl, h);
	}
}

void nh_begin(struct net_host *h, const struct vmm_nic *like, bool vhost)
{
	struct vfio_machine *m = &vg_machine;
	const struct virtio_net_owner owner = { mac_changed, h };

	*h = (struct net_host){ .nic = *like, .carrier = 1 };
	memcpy(h->nic.mac, "\x02\x00\x00\x00\x00\x01", 6);
	strcpy(h->nic.host, "tap-of-test");
	vfio_machine_new(m);
	m->config.device_count = m->config.group_count = 0;
	open_pairs(h, vhost);
	assert_int_equal(virtio_net_new(&m->guest.vm, &h->nic, 3, &owner, &h->net, &m->guest.err), 0);
	assert_int_equal(vfio_machine_start(m), 0);
	vg_bar = (uint32_t)cfg_get(&m->guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&m->guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void nh_end(struct net_host *h)
{
	h->net = virtio_net_free(h->net);
	vfio_machine_free(&vg_machine);
	for (unsigned i = 0; i < h->nic.pairs; i++) {
		close(h->nic.tap_fd[i]);
		close(h->far[i]);
	}
}

gpa_t nh_desc(unsigned q)
{
	return 0x40000u + q * 0x4000u;
}

gpa_t nh_avail(unsigned q)
{
	return nh_desc(q) + 0x1000;
}

gpa_t nh_used(unsigned q)
{
	return nh_desc(q) + 0x2000;
}

void nh_drive(struct net_host *h, uint64_t features)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(features | 1ull << VIRTIO_F_VERSION_1);
	for (unsigned q = 0; q < 2 * h->nic.pairs + 1; q++) {
		vg_ram(nh_avail(q), "\0\0\0", 4);
		vg_ram(nh_used(q), "\0\0\0", 4);
		vg_set_queue(q, nh_desc(q), nh_avail(q), nh_used(q));
	}
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_false(vg_is_broken());
}

void nh_offer(unsigned q, unsigned head)
{
	uint16_t idx = (uint16_t)vg_ram_get(nh_avail(q) + 2, 2);
	uint8_t b[2];

	put_le16(b, (uint16_t)head);
	vg_ram(nh_avail(q) + 4 + 2 * (idx % VG_SIZE), b, 2);
	put_le16(b, (uint16_t)(idx + 1));
	vg_ram(nh_avail(q) + 2, b, 2);
	vg_put(NOTIFY + 4 * q, 2, 0);
}

unsigned nh_used_count(unsigned q)
{
	return (unsigned)vg_ram_get(nh_used(q) + 2, 2);
}

uint32_t nh_used_len(unsigned q, unsigned i)
{
	return (uint32_t)vg_ram_get(nh_used(q) + 4 + 8 * (i % VG_SIZE) + 4, 4);
}

void nh_turn(void)
{
	vg_turn(2000000);
}
