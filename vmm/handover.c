// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

/* Where the descriptors of a config live, in the order they travel. */
static unsigned fd_slots(struct vmm_config *c, int32_t *slots[HANDOVER_MAX_FDS])
{
	unsigned n = 0;

	slots[n++] = &c->kvm_fd;
	slots[n++] = &c->kernel_fd;
	slots[n++] = &c->initrd_fd;
	slots[n++] = &c->container_fd;
	slots[n++] = &c->vsock_fd;
	for (unsigned i = 0; i < c->group_count && i < HANDOVER_MAX_DEVICES; i++)
		slots[n++] = &c->group_fds[i];
	for (unsigned i = 0; i < c->device_count && i < HANDOVER_MAX_DEVICES; i++)
		if (c->devices[i].rom == VMM_ROM_FILE)
			slots[n++] = &c->devices[i].rom_fd;
	for (unsigned i = 0; i < c->nic_count && i < HANDOVER_MAX_NICS; i++) {
		struct vmm_nic *nic = &c->nics[i];

		for (unsigned k = 0; k < nic->pairs && k < VMM_NIC_PAIRS_MAX; k++) {
			slots[n++] = &nic->tap_fd[k];
			slots[n++] = &nic->vhost_fd[k];
		}
		slots[n++] = &nic->backend_fd;
	}
	for (unsigned i = 0; i < c->disk_count && i < HANDOVER_MAX_DISKS; i++)
		slots[n++] = &c->disks[i].fd;
	for (unsigned i = 0; i < c->port_count && i < HANDOVER_MAX_PORTS; i++)
		slots[n++] = &c->ports[i].fd;
	for (unsigned i = 0; i < c->fs_count && i < HANDOVER_MAX_FS; i++)
		slots[n++] = &c->fs[i].fd;
	for (unsigned i = 0; i < c->scsi_count && i < HANDOVER_MAX_SCSI; i++)
		slots[n++] = &c->scsi[i].fd;
	return n;
}

int handover_send(int sock, const struct vmm_config *config)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * HANDOVER_MAX_FDS)];
	} control = { 0 };
	struct vmm_config copy = *config;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int32_t *slots[HANDOVER_MAX_FDS];
	int fds[HANDOVER_MAX_FDS];
	unsigned count = 0, n = fd_slots(&copy, slots);
	struct cmsghdr *cmsg;

	copy.version = HANDOVER_VERSION;
	copy.size = sizeof(copy);
	for (unsigned i = 0; i < n; i++)
		if (*slots[i] >= 0)
			fds[count++] = *slots[i];
	msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

/* Put the received descriptors where the config says they are, or close them all. */
static int place_fds(struct vmm_config *config, const int *fds, unsigned count)
{
	int32_t *slots[HANDOVER_MAX_FDS];
	unsigned n = fd_slots(config, slots), taken = 0;

	for (unsigned i = 0; i < n; i++) {
		if (*slots[i] < 0)
			continue;
		if (taken == count)
			return -EPROTO;
		*slots[i] = fds[taken++];
	}
	return taken == count ? 0 : -EPROTO;
}

static unsigned received_fds(struct msghdr *msg, int *fds)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t bytes;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = cmsg->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(cmsg), bytes);
	return (unsigned)(bytes / sizeof(int));
}

static bool nics_valid(const struct vmm_config *c)
{
	for (unsigned i = 0; i < c->nic_count; i++)
		if (c->nics[i].pairs < 1 || c->nics[i].pairs > VMM_NIC_PAIRS_MAX ||
		    c->nics[i].slot_node >= VMM_MAX_NODES ||
		    !memchr(c->nics[i].host, '\0', sizeof(c->nics[i].host)))
			return false;
	return true;
}

static bool fs_valid(const struct vmm_config *c)
{
	for (unsigned i = 0; i < c->fs_count && i < HANDOVER_MAX_FS; i++)
		if (!memchr(c->fs[i].tag, '\0', sizeof(c->fs[i].tag)))
			return false;
	return c->fs_count <= HANDOVER_MAX_FS;
}

static bool scsi_valid(const struct vmm_config *c)
{
	for (unsigned i = 0; i < c->scsi_count && i < HANDOVER_MAX_SCSI; i++)
		if (!memchr(c->scsi[i].wwpn, '\0', sizeof(c->scsi[i].wwpn)) || c->scsi[i].queues < 1 ||
		    c->scsi[i].queues > VMM_SCSI_QUEUES_MAX)
			return false;
	return c->scsi_count <= HANDOVER_MAX_SCSI;
}

static bool config_valid(const struct vmm_config *c, size_t len)
{
	return len == sizeof(*c) && c->version == HANDOVER_VERSION && c->size == sizeof(*c) &&
	       c->device_count <= HANDOVER_MAX_DEVICES && c->group_count <= HANDOVER_MAX_DEVICES &&
	       c->nic_count <= HANDOVER_MAX_NICS && nics_valid(c) && c->disk_count <= HANDOVER_MAX_DISKS &&
	       c->port_count <= HANDOVER_MAX_PORTS && fs_valid(c) && scsi_valid(c) && c->numa.nodes <= VMM_MAX_NODES &&
	       c->on_panic <= VMM_ACTION_KILL && c->watchdog_action <= VMM_ACTION_KILL &&
	       memchr(c->cmdline, '\0', sizeof(c->cmdline));
}

int handover_receive(int sock, struct vmm_config *ret, struct err *err)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * HANDOVER_MAX_FDS)];
	} control = { 0 };
	struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[HANDOVER_MAX_FDS];
	ssize_t len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	if (len < 0)
		return err_set(err, -errno, "cannot receive the machine's description");
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !config_valid(ret, (size_t)len) ||
	    place_fds(ret, fds, received_fds(&msg, fds)) < 0) {
		err_plain(err, -EPROTO, "thruway-vmm was not started by the thruway it belongs to");
		return err_hint(err, "install both programs from the same build; thruway-vmm is "
				     "started by 'thruway vm run', not by hand");
	}
	return 0;
}

void handover_event(int sock, const struct vmm_event *event)
{
	/* A supervisor that is gone takes us with it (PDEATHSIG): nothing to report to. */
	(void)send(sock, event, sizeof(*event), MSG_NOSIGNAL);
}

int handover_next_event(int sock, struct vmm_event *ret)
{
	bool reset = false, again;
	struct vmm_event event;
	ssize_t len;

	/* That it ended without reading all of ours comes once, ahead of what it said. */
	do {
		len = recv(sock, &event, sizeof(event), 0);
		again = len < 0 && (errno == EINTR || (errno == ECONNRESET && !reset));
		reset |= len < 0 && errno == ECONNRESET;
	} while (again);
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (len == 0)
		return -EPIPE;
	if (len != sizeof(event) || event.type < VMM_EVENT_READY || event.type > VMM_EVENT_BACKEND)
		return -EPROTO;
	event.device[sizeof(event.device) - 1] = '\0';
	event.token[sizeof(event.token) - 1] = '\0';
	event.err.text[sizeof(event.err.text) - 1] = '\0';
	event.err.hint[sizeof(event.err.hint) - 1] = '\0';
	*ret = event;
	return 0;
}

/*
 * The supervisor waits for no room: a VMM waits for it, with its devices' lock, where it has more
 * to tell than was read, and two that wait for each other wait for ever.
 */
#define ORDER_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)

int handover_nic(int sock, const struct vmm_nic_state *state)
{
	struct vmm_order wire = { .command = VMM_COMMAND_NIC, .fd = -1, .nic = *state };

	return send(sock, &wire, sizeof(wire), ORDER_FLAGS) < 0 ? -errno : 0;
}

static int send_with_fd(int sock, void *wire, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = wire, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS,
							 .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, ORDER_FLAGS) < 0 ? -errno : 0;
}

int handover_command(int sock, enum vmm_command command, int fd)
{
	uint32_t wire = command;

	return send_with_fd(sock, &wire, sizeof(wire), fd);
}

int handover_backend(int sock, const struct vmm_backend *backend, int fd)
{
	struct vmm_order wire = { .command = VMM_COMMAND_BACKEND, .fd = -1, .backend = *backend };

	return send_with_fd(sock, &wire, sizeof(wire), fd);
}

static bool nic_state_valid(const struct vmm_nic_state *s)
{
	return s->nic < HANDOVER_MAX_NICS && memchr(s->device, '\0', sizeof(s->device)) &&
	       memchr(s->cause, '\0', sizeof(s->cause)) && memchr(s->detail, '\0', sizeof(s->detail));
}

/* A command is a word; one about a certain device comes as the whole of struct vmm_order. */
static bool command_valid(const struct vmm_order *o, ssize_t len, bool has_fd)
{
	bool nic = o->command == VMM_COMMAND_NIC, backend = o->command == VMM_COMMAND_BACKEND;
	ssize_t want = nic || backend ? (ssize_t)sizeof(*o) : (ssize_t)sizeof(o->command);

	return len == want && o->command >= VMM_COMMAND_POWER_BUTTON &&
	       o->command <= VMM_COMMAND_BACKEND &&
	       has_fd == (o->command == VMM_COMMAND_CONTROL || backend) &&
	       (!nic || nic_state_valid(&o->nic));
}

int handover_next_command(int sock, struct vmm_order *ret)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct vmm_order order = { 0 };
	struct iovec iov = { .iov_base = &order, .iov_len = sizeof(order) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	_cleanup_close_ int fd = -1;
	ssize_t len;

	do
		len = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (len == 0)
		return -EPIPE;
	(void)received_fds(&msg, &fd);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !command_valid(&order, len, fd >= 0))
		return -EPROTO;
	order.fd = TAKE_FD(fd);
	*ret = order;
	return 0;
}
