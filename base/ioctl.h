/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place that calls ioctl(2). Tests replace sys_ioctl() by the linker's
 * --wrap with a table of expected requests.
 *
 * KVM and vhost request numbers carry the size of their argument and are
 * checked by SIZED_IOCTL; VFIO and iommufd requests do not (_IO), so each of
 * those is one typed function in vfio/.
 */
#ifndef BASE_IOCTL_H
#define BASE_IOCTL_H

#include <sys/ioctl.h>

/* 0 and up on success, -errno on failure; EINTR is handed to the caller. */
int sys_ioctl(int fd, unsigned long request, void *arg);

#define SIZED_IOCTL(fd, req, arg)                                                          \
	({                                                                                 \
		_Static_assert(sizeof(*(arg)) == _IOC_SIZE(req), #req " takes another struct"); \
		sys_ioctl((fd), (req), (void *)(arg));                                     \
	})

/* For requests whose argument is a plain number or nothing. */
#define VALUE_IOCTL(fd, req, value) sys_ioctl((fd), (req), (void *)(unsigned long)(value))

#endif
