// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_opts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "tools/command.h"
#include "tools/failover_opts.h"
#include "tools/opts.h"
#include "tools/vm_cpu_model.h"
#include "tools/vm_opts_file.h"
#include "tools/vm_rings.h"
#include "tools/vm_socket.h"
#include "vmm/layout.h"

/* A second: longer than any guest sleeps. */
#define HALT_POLL_MAX 1000000000u

const char vm_run_help[] =
	"Boots a Linux kernel in a virtual machine, with PCI devices of the host passed through.\n"
	"The guest's serial console is this terminal: Ctrl-A x ends the VM, Ctrl-A Ctrl-A sends\n"
	"one Ctrl-A. SIGTERM presses the power button and ends the VM after 30 s; a second one ends\n"
	"it now.\n"
	"\n"
	"VM.yaml is a file that describes the VM, or NAME for /etc/thruway/vm/NAME.yaml: its keys are\n"
	"the options without --, their values the options' (true for those without), lists for those that\n"
	"may be repeated. What the command line says goes before it; the VM is called as the file.\n"
	"\n"
	"  -k, --kernel FILE    bzImage, or ELF vmlinux with a PVH entry\n"
	"      --initrd FILE    initial RAM disk\n"
	"      --cmdline TEXT   kernel command line (default: console=ttyS0, and behind it console=hvc0\n"
	"                       with --console virtio)\n"
	"  -c, --cpus N[,sockets=S][,dies=D][,cores=C][,threads=T]\n"
	"                       virtual CPUs, 1 to 255 (default: 1), and how they are made up\n"
	"                       (default: a socket of cores for each guest node)\n"
	"      --cpu host[,-FEATURE]...[,+nested][,realtime][,hide-hypervisor]\n"
	"            [,vendor-id=ID]\n"
	"                       the processor: the host's, less features by their names in\n"
	"                       /proc/cpuinfo and what needs them; virtualization with +nested;\n"
	"                       no sign of a hypervisor, or one of another name; realtime with\n"
	"                       --pin: its CPUs are never away for long\n"
	"      --pin LIST       a CPU of the host for each of the guest's, in order: 4,6,8-11;\n"
	"                       the VMM's other threads run elsewhere\n"
	"      --sched fifo[:PRIO]\n"
	"                       run the guest's CPUs, pinned, before all else there (default: 40)\n"
	"      --no-exits hlt|pause|mwait[,...]\n"
	"                       pinned CPUs that halt, or wait for a lock, keep the host's CPU;\n"
	"                       with mwait the guest itself puts it to sleep\n"
	"      --halt-poll NS   how long KVM waits awake for an idle CPU's interrupt (default: the\n"
	"                       host's, /sys/module/kvm/parameters/halt_poll_ns)\n"
	"      --irq follow|cpus=LIST\n"
	"                       take the devices' interrupts on the host's CPU where the guest's CPU\n"
	"                       runs that they are for, or on these\n"
	"      --latency low    with --pin: --cpu host,realtime, --no-exits hlt, --irq follow, and no\n"
	"                       idle state of the host's CPUs that is slow to leave\n"
	"                       (/dev/cpu_dma_latency); RAM in hugepages unless backend= is said\n"
	"  -m, --memory SIZE[,WORD=VALUE]...\n"
	"                       RAM; a bare number is MiB (default: 512M,backend=anon; memfd with\n"
	"                       vhost-user). The words:\n"
	"                       backend=anon|memfd|memfd-thp|hugetlb-2M|hugetlb-1G\n"
	"                       host-node=LIST|none  whose memory (default: the devices' node)\n"
	"                       policy=strict|preferred|interleave  when that has no more (default:\n"
	"                       strict where host-node= names it, else preferred)\n"
	"                       threads=N  populate it (default: one per GiB, from 2 GiB on)\n"
	"                       thp=, merge=, lock=, dump=on|off  huge pages for anon (on), KSM,\n"
	"                       mlock, in core dumps (off)\n"
	"      --nodes N        guest NUMA nodes, each with a host bridge (default: 1), RAM and\n"
	"                       CPUs evenly; each takes its memory from a host node of its own\n"
	"      --node N[,memory=SIZE][,cpus=LIST][,WORD=VALUE]...\n"
	"                       guest node N, with the words of --memory for it alone; devices\n"
	"                       are on the guest node whose memory is on their host node\n"
	"  -d, --device DEV[,WORD=VALUE]...\n"
	"                       pass this device through: BDF, netdev, eth0/vf3; may be repeated.\n"
	"                         token=UUID          of a VF whose PF is bound to VFIO, and of that PF\n"
	"                         rom=on|off          the device's own expansion ROM (on), or none\n"
	"                         msix=move           its MSI-X table in a BAR of its own, so that\n"
	"                                             what shares its page costs no exit\n"
	"                         intx=shared         INTx also on a line others of this host use\n"
	"                         gpudirect-clique=N  of NVIDIA GPUs that may reach each other\n"
	"                         node=N              on this node of the guest\n"
	"                         romfile=FILE        this ROM instead of the device's; comes last\n"
	"      --bind           bind each device to its VFIO driver first, put it back at exit\n"
	"      --hotplug-slots N[,pref=SIZE][,node=K]\n"
	"                       spare PCI Express slots for vm attach, up to 16 (default: none), the\n"
	"                       64-bit prefetchable window of each (default: 1 GiB at most), and the\n"
	"                       guest's node (default: evenly on all); may be repeated\n"
	"      --nic tap:BRIDGE|TAP[,WORD=VALUE]..., --nic macvtap:DEV[,WORD=VALUE]...\n"
	"                       a network device (virtio) on a bridge, a tap or a macvtap of this\n"
	"                       host; may be repeated\n"
	"                         mac=MAC             of the guest's; a macvtap has its own\n"
	"                         queues=N            pairs, 1 to 8 (default: 1)\n"
	"                         mtu=N               of the tap and the guest (default: the bridge's)\n"
	"                         vhost=off           packets by the VMM instead of the kernel\n"
	"                         packed=on|off       packed rings, with vhost=off (see --rings)\n"
	"      --nic vhost-user:SOCK[,WORD=VALUE]...\n"
	"                       the same by a process of this host, such as passt, that listens at the\n"
	"                       socket; with mac=, queues=, mtu= and packed=\n"
	"      --nic vdpa:DEV   the same by a vDPA device of this host: its name (vdpa dev show), or\n"
	"                       /dev/vhost-vdpa-N\n"
	"      --nic vf=VF,standby=tap:BRIDGE|TAP[,WORD=VALUE]..., --nic vf=VF,standby=macvtap:DEV,\n"
	"      --nic vf=VF,standby=vhost-user:SOCK[,WORD=VALUE]...\n"
	"                       the same with a VF as its primary, which the guest has as long as\n"
	"                       it carries traffic: PF/vfN, pool:NAME (of host.yaml) or auto\n"
	"      --disk FILE[,WORD[=VALUE]]...\n"
	"                       a disk (virtio): a file or block device of this host; may be repeated\n"
	"                         readonly            the guest may not write to it\n"
	"                         serial=TEXT         by which the guest knows it\n"
	"                         queues=N            1 to 8 (default: 1)\n"
	"                         direct=on|off       past the host's page cache (where it can)\n"
	"                         discard=off         what the guest gives up stays allocated\n"
	"                         io=thread           by a thread instead of io_uring\n"
	"                         iothread=on         a thread of its own serves its queues\n"
	"                         packed=on|off       packed rings (see --rings)\n"
	"      --disk vhost-user:SOCK[,queues=N]\n"
	"                       a disk that a process of this host serves, such as qemu-storage-daemon\n"
	"      --scsi wwpn=WWPN[,queues=N]\n"
	"                       the LUNs of a target of this host's kernel (LIO, targetcli's /vhost), by\n"
	"                       1 to 8 queues (default: 1); may be repeated\n"
	"      --fs vhost-user:SOCK,tag=NAME\n"
	"                       a directory (virtiofs) that a process of this host serves, such as\n"
	"                       virtiofsd; may be repeated\n"
	"      --console serial|virtio\n"
	"                       what this terminal is in the guest: ttyS0 (default), or hvc0, which\n"
	"                       knows the terminal's size\n"
	"      --port name=NAME,socket=PATH|pty\n"
	"                       a stream to a process of the guest, there /dev/virtio-ports/NAME, here\n"
	"                       a unix socket or a terminal; may be repeated\n"
	"      --vsock cid=N|auto\n"
	"                       sockets between host and guest, whose address is N (3 and up), or one\n"
	"                       that is free (thruway vm status)\n"
	"      --rings split|packed\n"
	"                       how virtio devices that the VMM serves pass requests, where a device's\n"
	"                       own packed= does not say otherwise (default: split)\n"
	"      --rng            an entropy device (virtio), fed by the host's random numbers\n"
	"      --balloon        a memory balloon (virtio), for thruway vm balloon\n"
	"      --watchdog action=event|pause|reset|kill\n"
	"                       a watchdog (i6300esb), and what is done when the guest does not feed it:\n"
	"                       nothing but to tell (thruway vm events), or that besides\n"
	"      --on-panic event|pause|reset|kill\n"
	"                       the same for a guest whose kernel panicked (default: event)\n"
	"      --no-reboot      a guest reset ends the VM instead of rebooting in place\n"
	"      --name NAME      what other commands call it (thruway vm ps); its pid otherwise\n"
	"      --stats FILE     write exits and other counts as JSON when the VM ends\n"
	"\n"
	"Exit status: 0 powered off, 1 failed or crashed, 2 usage, 130 interrupted (SIGINT),\n"
	"131 quit (SIGQUIT), 143 terminated before the guest ran, or by a second SIGTERM.";

enum {
	OPT_INITRD = 256,
	OPT_DISK,
	OPT_SCSI,
	OPT_FS,
	OPT_CPU,
	OPT_PIN,
	OPT_SCHED,
	OPT_NO_EXITS,
	OPT_HALT_POLL,
	OPT_IRQ,
	OPT_LATENCY,
	OPT_CMDLINE,
	OPT_NODES,
	OPT_NODE,
	OPT_HOTPLUG_SLOTS,
	OPT_BIND,
	OPT_NO_REBOOT,
	OPT_RNG,
	OPT_BALLOON,
	OPT_WATCHDOG,
	OPT_ON_PANIC,
	OPT_NIC,
	OPT_VSOCK,
	OPT_RINGS,
	OPT_CONSOLE,
	OPT_PORT,
	OPT_STATS,
	OPT_NAME,
};

static const struct option options[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "cmdline", required_argument, NULL, OPT_CMDLINE },
	{ "cpus", required_argument, NULL, 'c' },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "pin", required_argument, NULL, OPT_PIN },
	{ "sched", required_argument, NULL, OPT_SCHED },
	{ "no-exits", required_argument, NULL, OPT_NO_EXITS },
	{ "halt-poll", required_argument, NULL, OPT_HALT_POLL },
	{ "irq", required_argument, NULL, OPT_IRQ },
	{ "latency", required_argument, NULL, OPT_LATENCY },
	{ "memory", required_argument, NULL, 'm' },
	{ "nodes", required_argument, NULL, OPT_NODES },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "hotplug-slots", required_argument, NULL, OPT_HOTPLUG_SLOTS },
	{ "device", required_argument, NULL, 'd' },
	{ "bind", no_argument, NULL, OPT_BIND },
	{ "nic", required_argument, NULL, OPT_NIC },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "scsi", required_argument, NULL, OPT_SCSI },
	{ "fs", required_argument, NULL, OPT_FS },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "vsock", required_argument, NULL, OPT_VSOCK },
	{ "rings", required_argument, NULL, OPT_RINGS },
	{ "rng", no_argument, NULL, OPT_RNG },
	{ "balloon", no_argument, NULL, OPT_BALLOON },
	{ "watchdog", required_argument, NULL, OPT_WATCHDOG },
	{ "on-panic", required_argument, NULL, OPT_ON_PANIC },
	{ "no-reboot", no_argument, NULL, OPT_NO_REBOOT },
	{ "stats", required_argument, NULL, OPT_STATS },
	{ "name", required_argument, NULL, OPT_NAME },
	{ 0 },
};

static int count_parse(const char *option, const char *text, uint64_t min, uint64_t max,
		       unsigned *ret, struct err *err)
{
	uint64_t n;

	if (uint_parse(text, max, &n) < 0 || n < min) {
		err_usage(err, "%s: '%s' is not a number from %llu to %llu", option, text,
			  (unsigned long long)min, (unsigned long long)max);
		return err->code;
	}
	*ret = (unsigned)n;
	return 0;
}

static int add_device(struct vm_opts *o, const char *text, struct err *err)
{
	struct vm_opt_device device;
	int r;

	if (o->device_count == HANDOVER_MAX_DEVICES)
		return err_usage(err, "--device: at most %u devices fit one VM",
				 HANDOVER_MAX_DEVICES);
	r = vm_device_opts_parse("--device", text, &device, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < o->device_count; i++)
		if (strcmp(o->devices[i].name, device.name) == 0)
			return err_usage(err, "--device: %s is given twice", device.name);
	o->devices[o->device_count++] = device;
	return 0;
}

static int add_disk(struct vm_opts *o, const char *text, struct err *err)
{
	if (o->disk_count == HANDOVER_MAX_DISKS)
		return err_usage(err, "--disk: at most %u fit one VM", HANDOVER_MAX_DISKS);
	return vm_disk_parse(text, &o->disks[o->disk_count++], err);
}

static int add_scsi(struct vm_opts *o, const char *text, struct err *err)
{
	int r;

	if (o->scsi_count == HANDOVER_MAX_SCSI)
		return err_usage(err, "--scsi: at most %u fit one VM", HANDOVER_MAX_SCSI);
	r = vm_scsi_parse(text, &o->scsi[o->scsi_count], err);
	for (unsigned i = 0; r == 0 && i < o->scsi_count; i++)
		if (strcmp(o->scsi[i].wwpn, o->scsi[o->scsi_count].wwpn) == 0)
			return err_usage(err, "--scsi: the target %s is given twice", o->scsi[i].wwpn);
	o->scsi_count += r == 0;
	return r;
}

static int add_fs(struct vm_opts *o, const char *text, struct err *err)
{
	int r;

	if (o->fs_count == HANDOVER_MAX_FS)
		return err_usage(err, "--fs: at most %u fit one VM", HANDOVER_MAX_FS);
	r = vm_fs_parse(text, &o->fs[o->fs_count], err);
	for (unsigned i = 0; r == 0 && i < o->fs_count; i++)
		if (strcmp(o->fs[i].tag, o->fs[o->fs_count].tag) == 0)
			return err_usage(err, "--fs: the tag %s is given twice", o->fs[i].tag);
	o->fs_count += r == 0;
	return r;
}

static int add_nic(struct vm_opts *o, const char *text, struct err *err)
{
	if (o->nic_count == HANDOVER_MAX_NICS)
		return err_usage(err, "--nic: at most %u fit one VM", HANDOVER_MAX_NICS);
	if (failover_opts_are(text))
		return failover_opts_parse(text, &o->nics[o->nic_count++], err);
	return vm_nic_parse(text, &o->nics[o->nic_count++], err);
}

static int add_port(struct vm_opts *o, const char *text, struct err *err)
{
	struct vm_opt_port port;
	int r;

	if (o->port_count == HANDOVER_MAX_PORTS)
		return err_usage(err, "--port: at most %u fit one VM", HANDOVER_MAX_PORTS);
	r = vm_port_parse(text, &port, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < o->port_count; i++) {
		if (strcmp(o->ports[i].name, port.name) == 0)
			return err_usage(err, "--port: the name %s is given twice", port.name);
		if (port.path[0] && strcmp(o->ports[i].path, port.path) == 0)
			return err_usage(err, "--port: the socket %s is given twice", port.path);
	}
	o->ports[o->port_count++] = port;
	return 0;
}

static int console_parse(const char *text, bool *ret_virtio, struct err *err)
{
	*ret_virtio = strcmp(text, "virtio") == 0;
	if (!*ret_virtio && strcmp(text, "serial") != 0) {
		err_usage(err, "--console: '%s' is not possible", text);
		return err_hint(err, "serial or virtio");
	}
	return 0;
}

static int no_exits_parse(const char *text, uint32_t *ret, struct err *err)
{
	static const char *const names[] = { "hlt", "pause", "mwait" };
	static const uint32_t bits[] = { IDLE_KEEP_HLT, IDLE_KEEP_PAUSE, IDLE_KEEP_MWAIT };
	char copy[64], *rest = copy, *word;
	uint32_t keep = 0;
	bool bad = (size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy);

	while (!bad && (word = strsep(&rest, ","))) {
		unsigned i = 0;

		while (i < ARRAY_SIZE(names) && strcmp(word, names[i]) != 0)
			i++;
		bad = i == ARRAY_SIZE(names) || keep & bits[i];
		if (!bad)
			keep |= bits[i];
	}
	if (bad) {
		err_usage(err, "--no-exits: '%s' is not possible", text);
		return err_hint(err, "hlt, pause, mwait, or several with commas");
	}
	*ret |= keep;
	return 0;
}

static int latency_parse(const char *text, struct vm_opts *o, struct err *err)
{
	if (strcmp(text, "low") != 0)
		return err_usage(err, "--latency: '%s' is not 'low'", text);
	o->low_latency = true;
	return 0;
}

static int name_parse(struct vm_opts *o, const char *text, struct err *err)
{
	if (!vm_name_valid(text)) {
		err_usage(err, "--name: '%s' is no name for a VM", text);
		return err_hint(err, "a letter, then at most %d letters, digits, '-', '_' and '.'",
				VM_NAME_MAX - 2);
	}
	o->name = text;
	return 0;
}

static int take_option(struct vm_opts *o, int c, struct err *err)
{
	switch (c) {
	case 'k': o->kernel = optarg; return 0;
	case OPT_INITRD: o->initrd = optarg; return 0;
	case OPT_CMDLINE: o->cmdline = optarg; return 0;
	case 'c': return vm_cpu_opts_parse(optarg, &o->cpus, err);
	case OPT_CPU: return vm_cpu_model_parse(optarg, &o->cpu, err);
	case OPT_PIN: return vm_pin_parse(optarg, &o->pin, err);
	case OPT_SCHED: return vm_pin_sched_parse(optarg, &o->pin, err);
	case OPT_NO_EXITS: return no_exits_parse(optarg, &o->idle.keep, err);
	case OPT_HALT_POLL:
		o->idle.poll = true;
		return count_parse("--halt-poll", optarg, 0, HALT_POLL_MAX, &o->idle.poll_ns, err);
	case OPT_IRQ: return irq_place_parse(optarg, &o->irq, err);
	case OPT_LATENCY: return latency_parse(optarg, o, err);
	case 'm': return vm_mem_opts_memory(optarg, &o->memory, err);
	case OPT_NODE: return vm_mem_opts_node(optarg, o->node, err);
	case OPT_NODES: return count_parse("--nodes", optarg, 1, VMM_MAX_NODES, &o->nodes, err);
	case OPT_HOTPLUG_SLOTS: return vm_slot_opts_parse(optarg, &o->slots, err);
	case 'd': return add_device(o, optarg, err);
	case OPT_BIND: o->bind = true; return 0;
	case OPT_NIC: return add_nic(o, optarg, err);
	case OPT_DISK: return add_disk(o, optarg, err);
	case OPT_SCSI: return add_scsi(o, optarg, err);
	case OPT_FS: return add_fs(o, optarg, err);
	case OPT_CONSOLE: return console_parse(optarg, &o->virtio_console, err);
	case OPT_PORT: return add_port(o, optarg, err);
	case OPT_VSOCK: return vm_vsock_parse(optarg, &o->vsock, err);
	case OPT_BALLOON: o->balloon = true; return 0;
	case OPT_WATCHDOG: return vm_alarm_watchdog_parse(optarg, &o->alarm, err);
	case OPT_ON_PANIC: return vm_alarm_panic_parse(optarg, &o->alarm, err);
	case OPT_RINGS: return vm_rings_parse(optarg, &o->packed, err);
	case OPT_RNG: o->rng = true; return 0;
	case OPT_NO_REBOOT: o->no_reboot = true; return 0;
	case OPT_NAME: return name_parse(o, optarg, err);
	case OPT_STATS: o->stats = optarg; return 0;
	default: return -EINVAL;
	}
}

/* A guest that does not see KVM is not told, and waits as others do. */
static void want_low_latency(struct vm_opts *o)
{
	o->cpu.realtime = !o->cpu.hide_hypervisor && !o->cpu.vendor_id[0];
	o->idle.keep |= IDLE_KEEP_HLT;
	if (o->irq.where == IRQ_ANYWHERE)
		o->irq.where = IRQ_FOLLOW;
}

static int check_pin(const struct vm_opts *o, struct err *err)
{
	if (!o->pin.count && (o->low_latency || o->pin.fifo || o->idle.keep || o->cpu.realtime)) {
		err_usage(err, "%s means something with --pin only",
			  o->low_latency ? "--latency low" :
			  o->pin.fifo	 ? "--sched" :
			  o->idle.keep	 ? "--no-exits" :
					   "--cpu: realtime");
		return err_hint(err, "what runs before all else, or never waits, needs CPUs of its own");
	}
	if (o->pin.count && o->pin.count != o->cpus.count)
		return err_usage(err, "--pin: %u CPUs of the host for %u of the guest (--cpus)",
				 o->pin.count, o->cpus.count);
	return 0;
}

static bool has_failover(const struct vm_opts *o)
{
	for (unsigned i = 0; i < o->nic_count; i++)
		if (o->nics[i].vf[0])
			return true;
	return false;
}

static int check_macs(const struct vm_opts *o, unsigned i, struct err *err)
{
	for (unsigned k = 0; k < i; k++)
		if (o->nics[i].has_mac && o->nics[k].has_mac &&
		    memcmp(o->nics[i].mac, o->nics[k].mac, sizeof(o->nics[i].mac)) == 0)
			return err_usage(err, "--nic: network devices %u and %u have the same mac=", k, i);
	return 0;
}

/* Two of one name would both get it, if it is to be had. */
static int check_nics(const struct vm_opts *o, struct err *err)
{
	for (unsigned i = 0; i < o->nic_count; i++) {
		const char *vf = o->nics[i].vf;

		if (check_macs(o, i, err) < 0)
			return -EINVAL;
		for (unsigned k = 0; vf[0] && k < i; k++)
			if (strcmp(vf, o->nics[k].vf) == 0 && strcmp(vf, "auto") != 0 &&
			    strncmp(vf, "pool:", 5) != 0)
				return err_usage(err, "--nic: %s is given twice", vf);
		for (unsigned k = 0; vf[0] && k < o->device_count; k++)
			if (strcmp(vf, o->devices[k].name) == 0)
				return err_usage(err, "--nic: %s is given with --device, too", vf);
	}
	return 0;
}

/* The kernel writes to pages that it merges behind the VF's back. */
static int refuse_merge(const struct vm_opts *o, const struct mem_node *mem, struct err *err)
{
	for (unsigned i = 0; i < o->nodes; i++) {
		if (!mem[i].merge || !has_failover(o))
			continue;
		err_usage(err, "--nic: a VF needs the guest's RAM where it is, and merge=on moves it");
		return err_hint(err, "leave one of them out");
	}
	return 0;
}

static int check(const struct ctx *ctx, const struct vm_opts *o, struct err *err)
{
	if (!o->kernel) {
		err_usage(err, "vm run: no kernel given");
		return err_hint(err, o->file.count ?
			"add to the file: kernel: FILE (a bzImage such as /boot/vmlinuz-…)" :
			"add --kernel FILE (a bzImage such as /boot/vmlinuz-…), or name a VM's file");
	}
	if (strlen(o->cmdline) >= HANDOVER_CMDLINE_MAX)
		return err_usage(err, "--cmdline: longer than %u bytes", HANDOVER_CMDLINE_MAX - 1);
	if (o->bind && !o->device_count && !has_failover(o))
		return err_usage(err, "--bind means something with --device and --nic vf= only");
	if (o->irq.where != IRQ_ANYWHERE && !o->low_latency && !o->device_count && !o->slots.count &&
	    !has_failover(o))
		return err_usage(err, "--irq means something with --device or --hotplug-slots only");
	if (ctx->force && !o->bind)
		return err_usage(err, "--force means something with --bind only");
	if (check_nics(o, err) < 0)
		return err->code;
	return check_pin(o, err);
}

/* --nodes says how many; else there are as many as --node has numbers, and all of them. */
static int count_nodes(struct vm_opts *o, struct err *err)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		if (o->node[i].said)
			count = i + 1;
	if (o->nodes && count > o->nodes)
		return err_usage(err, "--node %u: the guest has %u nodes (--nodes), 0 to %u", count - 1,
				 o->nodes, o->nodes - 1);
	for (unsigned i = 0; i < count && !o->nodes; i++)
		if (!o->node[i].said)
			return err_usage(err, "--node %u is missing: node %u was given", i, count - 1);
	if (!o->nodes)
		o->nodes = count ? count : 1;
	return 0;
}

/* By whose process the guest's RAM is used as well; NULL: by none. */
static const char *shares(const struct vm_opts *o)
{
	for (unsigned i = 0; i < o->nic_count; i++)
		if (o->nics[i].socket[0])
			return "--nic";
	for (unsigned i = 0; i < o->disk_count; i++)
		if (o->disks[i].vhost_user)
			return "--disk";
	return o->fs_count ? "--fs" : NULL;
}

unsigned vm_opts_vdpas(const struct vm_opts *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->nic_count; i++)
		n += o->nics[i].vdpa[0] != '\0';
	return n;
}

void vm_opts_mem(const struct vm_opts *o, struct vm_mem_request *ret)
{
	*ret = (struct vm_mem_request){ .nodes = o->nodes, .cpus = o->cpus.count,
					.devices = o->device_count, .shared = shares(o),
					.reached = vm_opts_vdpas(o) > 0,
					.memory = &o->memory, .node = o->node };
}

/* Nodes that devices and slots are said to be on. */
static int check_places(const struct vm_opts *o, struct err *err)
{
	struct spare_slot slots[SPARE_SLOTS_MAX];

	for (unsigned i = 0; i < o->device_count; i++) {
		if (o->devices[i].node <= o->nodes)
			continue;
		err_usage(err, "--device %s: the guest has no node %u", o->devices[i].name,
			  o->devices[i].node - 1);
		return err_hint(err, "--nodes N makes as many, 0 to N-1");
	}
	return vm_slot_opts_place(&o->slots, o->nodes, slots, err);
}

/* What the words of --memory, --node and --cpus say together is found out here, not when it is done. */
static int check_machine(struct vm_opts *o, struct err *err)
{
	struct mem_node mem[VMM_MAX_NODES];
	uint8_t cpu_node[VMM_MAX_CPUS];
	struct vm_mem_request q;
	int r;

	vm_opts_mem(o, &q);
	r = vm_mem_opts_resolve(&q, mem, cpu_node, err);
	if (r == 0)
		r = refuse_merge(o, mem, err);
	if (r == 0)
		r = check_places(o, err);
	return r < 0 ? r : vm_cpu_opts_resolve(&o->cpus, o->nodes, cpu_node, err);
}

/* Of these a file's come first: a disk more on the command line moves no other. */
static const int repeats[] = { 'd', OPT_NODE, OPT_HOTPLUG_SLOTS, OPT_NIC, OPT_DISK, OPT_SCSI, OPT_FS, OPT_PORT, 0 };

_Static_assert(ARRAY_SIZE(repeats) - 1 <= ARRAY_SIZE(((struct opts *)0)->repeats), "room for all");

static void begin(struct opts *parser, struct ctx *ctx, int argc, char **argv)
{
	opts_init(parser, ctx, argc, argv, options);
	for (size_t i = 0; repeats[i]; i++)
		parser->repeats[i] = repeats[i];
}

/* An option on the command line goes before the file's. */
static int take_file(struct ctx *ctx, const char *name, const bool *said, struct vm_opts *o,
		     struct err *err)
{
	const struct vm_opts_table table = { options, repeats, said, take_option };
	int r = vm_file_load(ctx->root, name, &o->file, err);

	if (r == 0)
		r = vm_opts_take_file(o, &o->file, &table, err);
	if (r < 0 || o->name)
		return r;
	if (!vm_name_valid(o->file.name)) {
		err_usage(err, "vm run: '%.64s' is no name for a VM", o->file.name);
		return err_hint(err, "call it otherwise: --name NAME");
	}
	o->name = o->file.name;
	return 0;
}

/* Over the words for a file's name, which stands among them, and for what they say. */
static int look_for_file(struct ctx *ctx, int argc, char **argv, struct vm_opts *o, struct err *err)
{
	int c, r, level = log_get_level();
	struct opts parser;

	begin(&parser, ctx, argc, argv);
	do
		c = opts_next(&parser, err);
	while (c > 0);
	if (c < 0)
		return c;
	r = opts_operands(&parser, 0, 1, "nothing", err);
	log_set_level(level); /* each -v says more, and comes again */
	return r < 0 || optind == argc ? r : take_file(ctx, argv[optind], parser.seen, o, err);
}

static int take_words(struct ctx *ctx, int argc, char **argv, struct vm_opts *o, struct err *err)
{
	struct opts parser;
	int c, r = 0;

	begin(&parser, ctx, argc, argv);
	while (r == 0 && (c = opts_next(&parser, err)) != 0)
		r = c < 0 ? c : take_option(o, c, err);
	return r;
}

static int parse(struct ctx *ctx, int argc, char **argv, struct vm_opts *o, struct err *err)
{
	int r = look_for_file(ctx, argc, argv, o, err);

	if (r == 0)
		r = take_words(ctx, argc, argv, o, err);
	if (r < 0)
		return r;
	if (!o->cmdline)
		o->cmdline = o->virtio_console ? "console=ttyS0 console=hvc0" : "console=ttyS0";
	vm_rings_settle(o);
	if (o->low_latency)
		want_low_latency(o);
	r = count_nodes(o, err);
	if (r == 0)
		r = check(ctx, o, err);
	return r < 0 ? r : check_machine(o, err);
}

int vm_opts_parse(struct ctx *ctx, int argc, char **argv, struct vm_opts *ret, struct err *err)
{
	struct vm_opts o = { .cpus = VM_CPU_OPTS_INIT, .memory = VM_MEM_OPTS_INIT,
			     .file = VM_FILE_INIT };
	int r;

	o.memory.size = VM_DEFAULT_MEMORY;
	for (unsigned i = 0; i < VMM_MAX_NODES; i++)
		o.node[i] = (struct vm_mem_opts)VM_MEM_OPTS_INIT;
	r = parse(ctx, argc, argv, &o, err);
	if (r == 0)
		*ret = o;
	else
		vm_opts_fini(&o);
	return r;
}

void vm_opts_fini(struct vm_opts *o)
{
	vm_file_fini(&o->file);
}
