/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What passes between `thruway vm run` (the supervisor, root) and thruway-vmm
 * (its own uid, no capability): one SOCK_SEQPACKET pair, descriptor 3 in the VMM.
 *
 * The supervisor sends one vmm_config with every descriptor the guest may have
 * (SCM_RIGHTS) and closes its own copies. The VMM answers with vmm_event
 * packets. Both are built from the same tree and checked by version and size;
 * the VMM trusts the supervisor, the supervisor does not trust the VMM.
 */
#ifndef VMM_HANDOVER_H
#define VMM_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/cpu_model.h"
#include "vmm/idle.h"
#include "vmm/mem.h"
#include "vmm/numa.h"
#include "vmm/pci/spare.h"
#include "vmm/topology.h"
#include "vmm/vm.h"

#define HANDOVER_FD	     3
#define HANDOVER_VERSION     18
#define HANDOVER_MAX_DEVICES 32
#define HANDOVER_MAX_NICS    8
#define HANDOVER_MAX_DISKS   16
#define HANDOVER_MAX_PORTS   8
#define HANDOVER_MAX_FS      4
#define HANDOVER_MAX_SCSI    4
#define VMM_NIC_PAIRS_MAX    8
/* The kernel lets 253 travel at once (SCM_MAX_FD). */
#define HANDOVER_MAX_FDS     (5 + 2 * HANDOVER_MAX_DEVICES + \
			      (2 * VMM_NIC_PAIRS_MAX + 1) * HANDOVER_MAX_NICS + HANDOVER_MAX_DISKS + \
			      HANDOVER_MAX_PORTS + HANDOVER_MAX_FS + HANDOVER_MAX_SCSI)
#define HANDOVER_CMDLINE_MAX 4096
#define VMM_CLIQUE_MAX	     15 /* four bits */

/* What the guest has of a device's INTx: all, also where the host's line is shared, or nothing. */
enum vmm_intx { VMM_INTX_OWN, VMM_INTX_SHARED, VMM_INTX_WITHHELD };

enum vmm_rom { VMM_ROM_DEVICE, VMM_ROM_OFF, VMM_ROM_FILE };

struct vmm_device {
	char name[20];	  /* BDF: for VFIO_GROUP_GET_DEVICE_FD and for messages */
	uint32_t group;	  /* index into group_fds */
	uint32_t node;	  /* guest NUMA node of its host bridge */
	char token[40];	  /* VF token (UUID), or "" */
	uint32_t rom;	  /* enum vmm_rom */
	int32_t rom_fd;	  /* of VMM_ROM_FILE; else -1 */
	uint32_t intx;	  /* enum vmm_intx */
	uint32_t clique;  /* of NVIDIA's GPUDirect, plus one; 0: not said */
	bool move_msix;	  /* the guest finds its MSI-X table in a BAR of its own */
	bool vf;	  /* a virtual function: it has no INTx and is no display */
	uint32_t nic;	  /* it is the primary of this network device, plus one; 0: of none */
};

/* A virtio network device. */
struct vmm_nic {
	uint8_t mac[6];
	uint16_t mtu;	/* that the guest is told; 0: nothing */
	bool macvtap;	/* not a tap */
	uint32_t pairs; /* of queues: 1 to VMM_NIC_PAIRS_MAX */
	char host[16];	/* the host's interface, for reports */
	int32_t tap_fd[VMM_NIC_PAIRS_MAX];   /* of each pair, with IFF_VNET_HDR, not blocking */
	int32_t vhost_fd[VMM_NIC_PAIRS_MAX]; /* /dev/vhost-net; all -1: the VMM moves the packets */
	bool packed;	    /* the guest may have packed rings; not with vhost_fd */
	bool vhost_user;    /* neither: a backend moves them, at the other end of: */
	int32_t backend_fd; /* a connected socket; of vdpa, /dev/vhost-vdpa-N; else -1 */
	bool vdpa;	    /* nor that: a vDPA device, whose are MAC, MTU and pairs, too */
	bool standby;	  /* stands by for a VF with the same MAC, and has a slot for that on: */
	uint32_t slot_node; /* of the guest */
};

/* What the supervisor says of a network device with failover. */
struct vmm_nic_state {
	uint32_t nic;
	bool announce; /* send a RARP through its tap: it is the one by which the guest is reached */
	bool report;   /* the rest is news */
	bool primary;  /* the guest uses the VF */
	bool wanted;   /* and is to, when it can */
	char device[20]; /* the VF that it has, or will have; "": none yet */
	char cause[24];	 /* a word: why it is as it is */
	char detail[360]; /* what it waits for, or "" */
};

/* What is done about a guest that panicked, or whose watchdog expired; it is told in any case. */
enum vmm_action { VMM_ACTION_EVENT, VMM_ACTION_PAUSE, VMM_ACTION_RESET, VMM_ACTION_KILL };

#define VMM_DISK_SERIAL_MAX 20

/* A virtio disk. */
struct vmm_disk {
	int32_t fd;
	bool vhost_user; /* fd is a connected socket of a backend, and but queues nothing else is said */
	bool readonly, discard;
	bool thread;	     /* not io_uring */
	bool iothread;	     /* its queues are served by a thread of their own */
	bool packed;	     /* the guest may have packed rings */
	uint32_t queues;     /* 1 to 8 */
	uint32_t block_size; /* of the guest's requests: bytes, a power of two, 512 to 4096 */
	uint32_t mem_align;  /* of their buffers, where it is read and written with O_DIRECT; else 1 */
	char serial[VMM_DISK_SERIAL_MAX + 1];
};

#define VMM_FS_TAG_MAX 36

/* A directory of the host that a backend serves. */
struct vmm_fs {
	char tag[VMM_FS_TAG_MAX + 1];
	int32_t fd; /* a connected socket */
};

#define VMM_WWPN_MAX	    223 /* as vhost-scsi has it */
#define VMM_SCSI_QUEUES_MAX 8

/* A target of the host's kernel that a SCSI device brings. */
struct vmm_scsi {
	char wwpn[VMM_WWPN_MAX + 1];
	uint32_t queues; /* of requests: 1 to VMM_SCSI_QUEUES_MAX */
	int32_t fd;	 /* /dev/vhost-scsi */
};

/* The kernel knows fc.NAME, as configfs and people call it, by NAME alone (vhost_scsi_make_tport()). */
static inline const char *vmm_scsi_port(const char *wwpn)
{
	return wwpn[0] == 'f' && wwpn[1] == 'c' && wwpn[2] == '.' ? wwpn + 3 : wwpn;
}

#define VMM_PORT_NAME_MAX 63

/* A port of the virtio console device, beside the terminal. */
struct vmm_port {
	char name[VMM_PORT_NAME_MAX + 1];
	int32_t fd;    /* a socket that listens */
	bool terminal; /* or a pty's master */
};

struct vmm_config {
	uint32_t version;
	uint32_t size; /* sizeof(struct vmm_config) */

	struct numa numa; /* the guest's nodes: RAM, CPUs and a host bridge each */
	struct mem_node mem[VMM_MAX_NODES];
	uint32_t cpus;
	struct cpu_topology topology; /* of these */
	struct cpu_model cpu_model;
	bool pinned;
	uint16_t pin[VMM_MAX_CPUS]; /* CPU of the host for each */
	struct vm_idle idle;
	uint32_t fifo; /* priority of SCHED_FIFO; 0: not */
	uint32_t slot_count; /* root ports without a device */
	struct spare_slot slots[SPARE_SLOTS_MAX];
	bool packed;	   /* virtio devices of which nothing is said offer packed rings, where we serve them */
	bool rng;	   /* an entropy device */
	bool balloon;	   /* a memory balloon */
	bool panic_port;   /* by which the guest's kernel says that it panicked */
	uint32_t on_panic; /* enum vmm_action */
	bool watchdog;
	uint32_t watchdog_action; /* enum vmm_action */
	bool reboot;	   /* a guest reset reboots in place; false: ends */
	bool console;	   /* stdin belongs to the guest's console */
	bool virtio_console; /* which is a virtio device, and the serial port before that is driven */
	uint32_t ctl_uid;  /* may use the control socket, beside root */
	bool tty;	   /* stdin is a terminal: Ctrl-A x ends, raw mode is the supervisor's */
	int32_t log_level; /* enum log_level */

	uint32_t device_count;
	struct vmm_device devices[HANDOVER_MAX_DEVICES];
	uint32_t nic_count;
	struct vmm_nic nics[HANDOVER_MAX_NICS];
	uint32_t disk_count;
	struct vmm_disk disks[HANDOVER_MAX_DISKS];
	uint32_t fs_count;
	struct vmm_fs fs[HANDOVER_MAX_FS];
	uint32_t scsi_count;
	struct vmm_scsi scsi[HANDOVER_MAX_SCSI];
	uint32_t port_count;
	struct vmm_port ports[HANDOVER_MAX_PORTS];
	uint64_t vsock_cid; /* where vsock_fd is there */
	uint32_t group_count;
	uint32_t group_ids[HANDOVER_MAX_DEVICES]; /* N of /dev/vfio/N: messages, hot reset */

	char cmdline[HANDOVER_CMDLINE_MAX];

	/* Received descriptors; -1: none. On the wire only their presence counts. */
	int32_t kvm_fd, kernel_fd, initrd_fd, container_fd;
	int32_t vsock_fd; /* /dev/vhost-vsock, with the guest's address */
	int32_t group_fds[HANDOVER_MAX_DEVICES];
};

/* A process that serves a device (vhost-user). */
struct vmm_backend {
	uint32_t what; /* enum vm_backend_device */
	uint32_t index; /* of such devices */
};

enum vmm_event_type {
	VMM_EVENT_READY = 1, /* prepared; the next thing is KVM_RUN */
	VMM_EVENT_ERROR,     /* err: it ends with status 1 or 2 after this */
	VMM_EVENT_EXIT,	     /* reason and stats: the guest ended; device: that the host still resets */
	VMM_EVENT_REBOOT,    /* the guest resets in place */
	VMM_EVENT_RUNNING,   /* its CPUs run: time for what a start need not wait for */
	VMM_EVENT_DEVICE,    /* reason: enum vm_device_event, of device */
	VMM_EVENT_NIC,	     /* reason: enum vm_nic_event, of nic */
	VMM_EVENT_BACKEND,   /* of backend.what, number backend.index: reason 1: it is there, 0: wanted */
};

struct vmm_event {
	uint32_t type;
	uint32_t reason; /* enum vm_request */
	char device[20]; /* BDF */
	uint32_t node;	 /* of one that came by `vm attach`, as that gave them: */
	char token[40];
	uint32_t intx; /* enum vmm_intx */
	uint32_t nic;
	struct vmm_backend backend;
	struct vm_stats stats;
	uint32_t gsi_commits;
	uint32_t ram_banks; /* a memory slot each, and with devices a DMA mapping each */
	uint32_t dma_maps;
	struct err err;
};

/* What the supervisor may ask of a running VMM: one such packet each. */
enum vmm_command {
	VMM_COMMAND_POWER_BUTTON = 1, /* ACPI power button: an orderly shutdown, if the guest listens */
	VMM_COMMAND_QUIT,	      /* end now, as Ctrl-A x does */
	VMM_COMMAND_CONTROL,	      /* with a descriptor: the control socket, listening */
	VMM_COMMAND_NIC,	      /* with a vmm_nic_state: handover_nic() sends it */
	VMM_COMMAND_BACKEND,	      /* with a descriptor and a vmm_backend: handover_backend() */
};

/* Supervisor's side. 0 or -errno. */
int handover_send(int sock, const struct vmm_config *config);
/* One event. 0; -EPIPE when the VMM is gone; -EPROTO for what is no event. */
int handover_next_event(int sock, struct vmm_event *ret);

/*
 * None of these waits: -EAGAIN when the VMM has not taken those before. fd goes along with
 * VMM_COMMAND_CONTROL and stays the caller's; else -1.
 */
int handover_command(int sock, enum vmm_command command, int fd);
int handover_nic(int sock, const struct vmm_nic_state *state);
/* Who serves it from now on: a connected socket, which stays the caller's. */
int handover_backend(int sock, const struct vmm_backend *backend, int fd);

/* The VMM's side. -EPROTO with err set when it is not from this build. */
int handover_receive(int sock, struct vmm_config *ret, struct err *err);
void handover_event(int sock, const struct vmm_event *event);
/*
 * One command, without waiting. 0; -EAGAIN: none; -EPIPE: the supervisor is gone; -EPROTO.
 */
struct vmm_order {
	uint32_t command; /* enum vmm_command */
	int32_t fd;	  /* that came with it, the caller's; -1: none */
	struct vmm_nic_state nic; /* of VMM_COMMAND_NIC */
	struct vmm_backend backend; /* of VMM_COMMAND_BACKEND */
};
int handover_next_command(int sock, struct vmm_order *ret);

#endif
