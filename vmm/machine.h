/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole machine: built in order, reset in place, taken apart. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "vmm/vm.h"

struct console;
struct ctl;
struct pm;
struct pvpanic;
struct rtc;
struct serial;
struct vfio_pci_set;
struct vhost_user_blk;
struct vhost_user_fs;
struct virtio_balloon;
struct virtio_blk;
struct virtio_net;
struct virtio_console;
struct virtio_rng;
struct virtio_scsi;
struct virtio_vdpa;
struct virtio_vsock;
struct vmm_config;
struct vmm_nic_state;
struct watchdog;
struct winsize_watch;

#define MACHINE_NICS  8
#define MACHINE_DISKS 16
#define MACHINE_FS    4
#define MACHINE_SCSI  4

struct machine {
	struct vm vm;
	const struct vmm_config *config; /* borrowed */
	struct pm *pm;
	struct rtc *rtc;
	struct serial *serial;
	struct console *console;
	int console_error; /* of machine_fini(): the first -errno that lost output */
	struct vfio_pci_set *host_devices;
	const struct vmm_device *arriving; /* while `attach` puts it in; else NULL */
	struct vmm_device *came; /* by `attach`, with settings of their own (device_settings.h) */
	unsigned came_count;
	struct virtio_rng *rng; /* NULL: none, as the next */
	struct pvpanic *pvpanic;
	struct watchdog *watchdog;
	struct virtio_balloon *balloon;
	struct virtio_vsock *vsock;
	struct virtio_console *virtio_console;
	struct winsize_watch *winsize; /* of its terminal */
	struct virtio_net *nics[MACHINE_NICS]; /* as the configuration counts them; NULL: in the next */
	struct virtio_vdpa *vdpas[MACHINE_NICS];
	struct virtio_blk *disks[MACHINE_DISKS]; /* NULL: a backend's, as in the next; or none */
	struct vhost_user_blk *served_disks[MACHINE_DISKS];
	struct vhost_user_fs *fs[MACHINE_FS];
	struct virtio_scsi *scsi[MACHINE_SCSI];
	struct vmm_nic_state *nic_state[MACHINE_NICS]; /* as the supervisor said last; NULL: never */
	struct ctl *ctl; /* NULL: no control socket */
	bool paused;	 /* from outside: CPUs stand until they are resumed */
	bool stats_asked; /* the CPUs' KVM statistics are open */
	unsigned reboots;
	struct timespec started; /* CLOCK_MONOTONIC */
};

/* Everything up to the point where CPUs may run. */
int machine_new(struct machine *m, const struct vmm_config *config, struct err *err);

/* NULL parts are fine. Ends the CPUs' threads and writes out the console. */
void machine_fini(struct machine *m);

/*
 * Guest reset: devices, interrupt controllers, kernel and initrd, CPUs, as after
 * machine_new(). All CPUs are paused.
 */
int machine_reset(struct machine *m, struct err *err);

#endif
