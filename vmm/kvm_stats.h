/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What KVM counts of a VM or a vCPU: its binary statistics (Linux 5.14, api.rst 4.133). */
#ifndef VMM_KVM_STATS_H
#define VMM_KVM_STATS_H

#include <jansson.h>

/*
 * A descriptor that is read for them, the caller's, of a VM or a vCPU. A vCPU must be
 * out of KVM_RUN, which holds the lock that this takes; reading needs no lock.
 * -ENOTTY: this kernel has none; other -errno.
 */
int kvm_stats_open(int fd);

/*
 * Every single number that the kernel has, by the kernel's name, as an object in
 * *ret, which the caller releases; histograms are left out. 0; -EBADF for -1;
 * -EPROTO; -ENOMEM; other -errno.
 */
int kvm_stats_read(int stats_fd, json_t **ret);

#endif
