// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `thruway vm run`: prepare the devices, open what the guest may have, start the
 * VMM with that and nothing else, watch it, put the host back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <jansson.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/supervisor.h"
#include "tools/vm_backend.h"
#include "tools/vm_cpu_model.h"
#include "tools/vm_devices.h"
#include "tools/vm_failover.h"
#include "tools/vm_memory.h"
#include "tools/vm_msix.h"
#include "tools/vm_nodes.h"
#include "tools/vm_open.h"
#include "tools/vm_opts.h"
#include "tools/vm_pages.h"
#include "tools/vm_port.h"
#include "tools/vm_reach.h"
#include "tools/vm_scsi.h"
#include "tools/vm_socket.h"
#include "tools/vmm_process.h"

/* One eventfd per MSI-X vector (2048 at most per function) and what every VMM has. */
#define NOFILE_BASE	  256u
#define NOFILE_PER_DEVICE 2100u
/* Of a network device with all its queues: two for each, one for each of its pairs and vhost's. */
#define NOFILE_PER_NIC	  64u
/* Of another that a backend serves: four for each queue. */
#define NOFILE_PER_SERVED 40u

static void fill_config(const struct vm_opts *o, struct vmm_config *c)
{
	numa_even(&c->numa, o->cpus.count, o->nodes);
	c->cpus = o->cpus.count;
	c->topology = o->cpus.topology;
	c->cpu_model = o->cpu;
	c->cpu_model.mwait = o->idle.keep & IDLE_KEEP_MWAIT;
	c->pinned = o->pin.count > 0;
	memcpy(c->pin, o->pin.cpu, sizeof(c->pin));
	c->fifo = o->pin.fifo;
	c->idle = o->idle;
	c->slot_count = o->slots.count;
	(void)vm_slot_opts_place(&o->slots, o->nodes, c->slots, NULL); /* as vm_opts_parse() has seen */
	c->packed = o->packed == VM_ON;
	c->rng = o->rng;
	c->balloon = o->balloon;
	vm_alarm_fill(&o->alarm, o->cpu.hide_hypervisor, c);
	c->reboot = !o->no_reboot;
	c->console = true;
	c->virtio_console = o->virtio_console;
	c->ctl_uid = (uint32_t)getauxval(AT_EUID); /* without a system call */
	c->tty = isatty(STDIN_FILENO);
	c->log_level = (int32_t)log_get_level();
	strcpy(c->cmdline, o->cmdline); /* length checked by vm_opts_parse() */
}

/* Said, and not just the default, which takes what the host gives. */
static bool wants_thp(const struct vm_opts *o)
{
	bool wants = o->memory.thp == VM_ON;

	for (unsigned i = 0; i < o->nodes; i++)
		wants |= o->node[i].thp == VM_ON;
	return wants;
}

/* Of network devices that stand by for one. */
static unsigned vfs_wanted(const struct vm_opts *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->nic_count; i++)
		n += o->nics[i].vf[0] != '\0';
	return n;
}

/* Where its RAM is to come from, and whether it is there. */
static int place_memory(int root, const struct vm_opts *o, const struct vm_devices *devices,
			struct vmm_config *config, struct err *err)
{
	struct vm_mem_request q;
	bool pinned = devices->count > 0 || vfs_wanted(o) > 0 || vm_opts_vdpas(o) > 0;
	struct err no = ERR_INIT;
	int r;

	vm_opts_mem(o, &q);
	r = vm_mem_opts_resolve(&q, config->mem, config->numa.cpu_node, err);
	if (r == 0)
		r = vm_nodes_place(root, &q, devices->bdf, config, err);
	if (r == 0 && o->low_latency)
		r = vm_pages_choose(root, config->mem, config->numa.nodes, vm_mem_opts_any_pages(&q),
				    err);
	if (r == 0 && wants_thp(o))
		r = vm_memory_check_thp(root, err);
	if (r < 0)
		return r;
	r = vm_memory_check(root, config->mem, config->numa.nodes, pinned, &no);
	return r < 0 ? vm_reach_refuse(root, config->mem, config->numa.nodes, devices->bdf,
				       devices->count, &no, err) :
		       0;
}

/*
 * No idle state of any CPU of the host that takes time to leave, as long as the descriptor is
 * open; it must outlive the VMM, not the guest's trust.
 */
static void stay_awake(int root, int *ret_fd)
{
	static const int32_t no_us = 0;
	int fd = hostfs_open(root, O_WRONLY, "dev/cpu_dma_latency");
	ssize_t n = fd < 0 ? fd : write(fd, &no_us, sizeof(no_us));

	if (n != (ssize_t)sizeof(no_us))
		log_warn("--latency low: cannot keep the host's CPUs from sleeping deeply by "
			 "/dev/cpu_dma_latency, continuing without");
	*ret_fd = fd < 0 ? -1 : fd;
}

static void warn_of_small_pages(const struct vmm_config *c)
{
	for (unsigned i = 0; i < c->numa.nodes; i++) {
		if (c->mem[i].kind == MEM_HUGETLB_1G || c->mem[i].kind == MEM_HUGETLB_2M)
			continue;
		log_warn("--latency low: RAM of small pages, as it was said, costs time at each miss of "
			 "the TLB");
		return;
	}
}

static int open_disks(const struct vm_opts *o, struct vmm_config *config, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < o->fs_count; i++) {
		r = vm_fs_open(&o->fs[i], &config->fs[i], err);
		if (r == 0)
			config->fs_count++;
	}
	for (unsigned i = 0; r == 0 && i < o->disk_count; i++) {
		r = vm_disk_open(&o->disks[i], &config->disks[i], err);
		if (r == 0)
			config->disk_count++;
	}
	return r;
}

static int open_roms(int root, const struct vm_opts *o, const struct vm_devices *devices,
		     struct vmm_config *config, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < devices->count; i++)
		r = vm_open_rom(root, devices->bdf[i], &o->devices[i], &config->devices[i], err);
	return r;
}

static int check_msix(int root, const struct vm_opts *o, const struct vm_devices *devices, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < devices->count; i++)
		if (o->devices[i].move_msix)
			r = vm_msix_check(root, devices->bdf[i], err);
	return r;
}

/* All that can be wrong before a device is touched. */
static int open_files(int root, const struct vm_opts *o, const struct vm_devices *devices,
		      struct vmm_config *config, struct err *err)
{
	int r = vm_open_file("--kernel", o->kernel, &config->kernel_fd, err);

	if (r == 0 && o->initrd)
		r = vm_open_file("--initrd", o->initrd, &config->initrd_fd, err);
	if (r == 0)
		r = vm_cpu_model_resolve(root, &config->cpu_model, err);
	if (r == 0)
		r = vm_pin_check(root, &o->pin, devices->bdf, devices->count, o->low_latency, err);
	if (r == 0)
		r = irq_place_check(root, &o->irq, &o->pin, err);
	if (r == 0)
		r = vm_pin_keep_off(&o->pin, err);
	if (r == 0)
		r = place_memory(root, o, devices, config, err);
	if (r == 0)
		r = open_roms(root, o, devices, config, err);
	if (r == 0)
		r = check_msix(root, o, devices, err);
	if (r == 0)
		r = open_disks(o, config, err);
	if (r == 0)
		r = vm_open_kvm(root, &config->kvm_fd, err);
	if (r == 0)
		r = vm_vsock_open(root, &o->vsock, config, err);
	return r;
}

static int open_devices(int root, const struct vm_opts *o, const struct vm_devices *devices,
			struct vmm_config *config, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < devices->count; i++)
		r = vm_open_device(root, devices->bdf[i], &o->devices[i], config, err);
	return r;
}

/* Behind the devices, which may be refused: a tap is seen by the whole host. */
static int open_nics(int root, const struct vm_opts *o, struct vmm_config *config, struct err *err)
{
	char vm[VM_NAME_MAX];
	int r = 0;

	snprintf(vm, sizeof(vm), "%d", (int)getpid());
	for (unsigned i = 0; r == 0 && i < o->nic_count; i++) {
		r = vm_nic_open(root, &o->nics[i], o->name ? o->name : vm, i, &config->nics[i], err);
		if (r == 0)
			config->nic_count++;
	}
	return r;
}

/* Of vDPA devices each pins all RAM for itself. */
static uint64_t pinned_by_vdpa(const struct vmm_config *config)
{
	uint64_t once = vm_memory_locked(config->mem, config->numa.nodes, true) -
			vm_memory_locked(config->mem, config->numa.nodes, false), all = 0;

	for (unsigned i = 0; i < config->nic_count; i++)
		all += config->nics[i].vdpa ? once : 0;
	return all;
}

static int start(int root, const struct vmm_config *config, struct vmm_process *vmm,
		 struct err *err)
{
	struct vmm_limits limits = {
		.memlock = vm_memory_locked(config->mem, config->numa.nodes,
					    config->device_count > 0),
		.memlock_later = vm_memory_locked(config->mem, config->numa.nodes, true),
		.nofile = NOFILE_BASE + NOFILE_PER_NIC * (uint64_t)config->nic_count +
			  NOFILE_PER_SERVED * (uint64_t)(config->disk_count + config->fs_count +
							 config->scsi_count),
		.rtprio = config->fifo,
	};
	struct vmm_event e;
	int r;

	limits.memlock += pinned_by_vdpa(config);
	limits.memlock_later += pinned_by_vdpa(config);
	limits.nofile_vectors = limits.nofile +
				NOFILE_PER_DEVICE * (uint64_t)(config->device_count +
							       config->slot_count + config->nic_count);
	r = vmm_process_start(root, &limits, vmm, err);

	if (r < 0)
		return r;
	r = handover_send(vmm->sock, config);
	if (r == 0)
		return 0;
	/* It may have ended before it was one, and said why. */
	if (handover_next_event(vmm->sock, &e) == 0 && e.type == VMM_EVENT_ERROR)
		*err = e.err;
	return err_set(err, r, "cannot hand the machine over to the VMM");
}

/* Before anything is changed: an end without its counts is found out too late. */
static int open_stats(const char *path, int *ret_fd, struct err *err)
{
	/* What it holds stays until there is something better; a FIFO nobody reads is refused. */
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);

	if (fd < 0)
		return err_set(err, -errno, "--stats: cannot write %s", path);
	*ret_fd = fd;
	return 0;
}

static int write_stats(const char *path, int fd, const struct vmm_event *e, struct err *err)
{
	json_t *doc = json_pack(
		"{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "schema", "thruway.vm-stats/1",
		"exits", (json_int_t)e->stats.exits, "pio", (json_int_t)e->stats.pio, "mmio",
		(json_int_t)e->stats.mmio, "interrupted", (json_int_t)e->stats.interrupted,
		"other", (json_int_t)e->stats.other, "bar_faults", (json_int_t)e->stats.bar_faults,
		"gsi_commits", (json_int_t)e->gsi_commits, "ram_banks",
		(json_int_t)e->ram_banks, "dma_maps", (json_int_t)e->dma_maps);
	char *text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
	int r = text ? 0 : -ENOMEM;

	if (r == 0 && ftruncate(fd, 0) < 0 && errno != EINVAL) /* which is: not a file */
		r = -errno;
	if (r == 0)
		r = fd_write_all(fd, text, strlen(text));
	free(text);
	json_decref(doc);
	return r < 0 ? err_set(err, r, "--stats: cannot write %s", path) : 0;
}

/* A name that was asked for is had before anything is changed, or not at all. */
static int choose_name(int root, const struct vm_opts *o, struct vm_socket *control,
		       struct err *err)
{
	/* A VF comes and goes by the socket. */
	if (!o->name && !vfs_wanted(o))
		return 0;
	snprintf(control->name, sizeof(control->name), "%s", o->name ? o->name : "");
	return vm_socket_open(root, control, err);
}

/* Where processes that serve its devices are found again. */
static void name_backends(const struct vm_opts *o, struct vm_backends *b)
{
	for (unsigned i = 0; i < o->nic_count; i++)
		if (o->nics[i].socket[0])
			vm_backends_add(b, VM_BACKEND_NIC, i, "--nic", o->nics[i].socket);
	for (unsigned i = 0; i < o->disk_count; i++)
		if (o->disks[i].vhost_user)
			vm_backends_add(b, VM_BACKEND_DISK, i, "--disk", o->disks[i].path);
	for (unsigned i = 0; i < o->fs_count; i++)
		vm_backends_add(b, VM_BACKEND_FS, i, "--fs", o->fs[i].socket);
}

/* With all devices taken, to the guest's end. The exit status, or -errno with err set. */
static int run_guest(int root, const struct vm_opts *o, const struct vm_devices *devices,
		     struct vmm_config *config, struct vm_socket *control,
		     struct vm_failover *failover, int signal_fd, int stats_fd, struct err *err)
{
	struct vmm_process vmm = VMM_PROCESS_INIT;
	struct supervisor_result result;
	struct vm_backends backends = { 0 };
	int r = open_devices(root, o, devices, config, err);

	name_backends(o, &backends);
	if (r == 0)
		r = open_nics(root, o, config, err);
	if (r == 0)
		r = vm_failover_claim(failover, config, err);
	if (r == 0)
		r = start(root, config, &vmm, err);
	/* Any copy left here would keep the devices open, unreset and pinned. */
	vm_config_close(config);
	if (r < 0) {
		vmm_process_end(&vmm);
		return r;
	}
	supervisor_run(&(struct supervisor_config){ .root = root,
						    .vmm = &vmm,
						    .signal_fd = signal_fd,
						    .tty = config->tty,
						    .control = control,
						    .irq = &o->irq,
						    .failover = failover,
						    .backends = &backends,
						    .devices = config->devices,
						    .device_count = config->device_count },
		       &result, err);
	if (o->stats && result.have_event &&
	    write_stats(o->stats, stats_fd, &result.event, err) < 0)
		return err->code;
	return err->code && result.status == 1 ? err->code : result.status;
}

static int vm_run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_close_ int signal_fd = -1, stats_fd = -1, awake_fd = -1;
	_cleanup_(vm_config_close) struct vmm_config config;
	struct vm_devices devices = VM_DEVICES_INIT;
	struct vm_socket control = VM_SOCKET_INIT;
	struct vm_ports ports = VM_PORTS_INIT;
	struct vm_scsi_locks scsi = VM_SCSI_LOCKS_INIT;
	struct vm_failover *failover = NULL;
	_cleanup_(vm_opts_fini) struct vm_opts o = { .file = VM_FILE_INIT };
	struct err undo_err = ERR_INIT;
	int r;

	vm_config_init(&config);
	r = vm_opts_parse(ctx, argc, argv, &o, err);
	if (r < 0)
		return r;
	fill_config(&o, &config);
	r = vm_devices_find(ctx, &o, &devices, err);
	if (r == 0)
		r = open_files(ctx->root, &o, &devices, &config, err);
	if (r == 0 && o.stats)
		r = open_stats(o.stats, &stats_fd, err);
	if (r < 0)
		return r;
	if (o.low_latency) {
		warn_of_small_pages(&config);
		stay_awake(ctx->root, &awake_fd);
	}
	signal_fd = supervisor_signals();
	if (signal_fd < 0)
		return err_set(err, signal_fd, "cannot watch signals");
	r = choose_name(ctx->root, &o, &control, err);
	if (r < 0)
		return r;
	r = vm_ports_open(ctx->root, o.ports, o.port_count, &config, &ports, err);
	if (r == 0)
		r = vm_scsi_open(ctx->root, o.scsi, o.scsi_count, &config, &scsi, err);
	if (r == 0)
		r = vm_devices_take(ctx, &o, &devices, err);
	if (r == 0)
		r = vm_failover_new(ctx->root, &o, ctx->force, ctx->lock_timeout_s, &failover, err);
	devices.bound |= vfs_wanted(&o) > 0; /* also what was done before it failed */
	if (r == 0 && devices.bound) /* which may have taken long */
		r = supervisor_interrupted(signal_fd);
	if (r == 0)
		r = run_guest(ctx->root, &o, &devices, &config, &control, failover, signal_fd, stats_fd,
			      err);
	vm_socket_remove(ctx->root, &control);
	vm_ports_remove(&ports);
	vm_scsi_unlock(&scsi);
	vm_failover_stop(failover);
	if (vm_devices_give_back(ctx->root, &devices, &undo_err) < 0) {
		if (r < 0)
			err_print(&undo_err, "thruway");
		else
			r = undo_err.code, *err = undo_err;
	}
	vm_failover_free(failover);
	return r;
}

const struct command cmd_vm_run = {
	.name = "vm run",
	.alias = "run",
	.synopsis = "[VM.yaml] [OPTION]…",
	.summary = "boot a guest with devices of this host passed through",
	.help = vm_run_help,
	.takes = TAKES_FORCE | TAKES_LOCK,
	.run = vm_run,
};
