// SPDX-License-Identifier: GPL-2.0-or-later
#include "irq/irqfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/ioctl.h"

static int request(int vm_fd, struct kvm_irqfd *req)
{
	int r = SIZED_IOCTL(vm_fd, KVM_IRQFD, req);

	return r < 0 ? r : 0;
}

int irqfd_assign(int vm_fd, int event_fd, uint32_t gsi)
{
	struct kvm_irqfd req = { .fd = (uint32_t)event_fd, .gsi = gsi };

	return request(vm_fd, &req);
}

int irqfd_assign_resample(int vm_fd, int event_fd, uint32_t gsi, int resample_fd)
{
	struct kvm_irqfd req = { .fd = (uint32_t)event_fd,
				 .gsi = gsi,
				 .flags = KVM_IRQFD_FLAG_RESAMPLE,
				 .resamplefd = (uint32_t)resample_fd };

	return request(vm_fd, &req);
}

int irqfd_deassign(int vm_fd, int event_fd, uint32_t gsi)
{
	struct kvm_irqfd req = { .fd = (uint32_t)event_fd,
				 .gsi = gsi,
				 .flags = KVM_IRQFD_FLAG_DEASSIGN };

	return request(vm_fd, &req);
}

int irqfd_signal_msi(int vm_fd, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)address,
			       .address_hi = (uint32_t)(address >> 32),
			       .data = data };
	int r = SIZED_IOCTL(vm_fd, KVM_SIGNAL_MSI, &msi);

	/* Above 0: delivered; 0: the guest's APIC blocked it, as hardware might. */
	return r < 0 ? r : 0;
}

int irqfd_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

bool irqfd_drain(int event_fd)
{
	uint64_t count;

	return read(event_fd, &count, sizeof(count)) == sizeof(count);
}

bool irqfd_pending(int event_fd)
{
	struct pollfd p = { .fd = event_fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* What the process has open besides, generously. */
#define OTHER_FDS 256

int irqfd_reserve(unsigned n, uint64_t *ret_need)
{
	uint64_t need = (uint64_t)n + OTHER_FDS;
	struct rlimit limit;
	uint64_t room;
	int high;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	/* Too low for all of them is no reason to have fewer than it allows. */
	room = limit.rlim_max < need ? limit.rlim_max : need;
	if (limit.rlim_cur < room) {
		limit.rlim_cur = room;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return -errno;
	}
	/* Growing it once threads run waits for an RCU grace period, in the middle of an unmask. */
	high = room ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, (int)room - 1) : -1;
	if (high >= 0)
		close(high);
	*ret_need = need;
	return room < need ? -EMFILE : 0;
}
