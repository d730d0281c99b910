// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_report.h"

#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "irq/gsi.h"
#include "irq/message.h"
#include "irq/vectors.h"
#include "vmm/control_alarm.h"
#include "vmm/control_backend.h"
#include "vmm/control_balloon.h"
#include "vmm/device_settings.h"
#include "vmm/handover.h"
#include "vmm/hw/pvpanic.h"
#include "vmm/kvm_stats.h"
#include "vmm/machine.h"
#include "vmm/mem.h"
#include "vmm/vcpu.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/scsi.h"

/* --- status ------------------------------------------------------------------------------------ */

static json_t *device_names(const struct vfio_pci_set *set)
{
	json_t *names = json_array();

	for (unsigned i = 0; names && i < vfio_pci_count(set); i++)
		json_array_append_new(names, json_string(vfio_pci_name(set, i)));
	return names;
}

static json_t *closing_names(const struct vfio_pci_set *set)
{
	json_t *names = json_array();
	const char *name;

	for (unsigned i = 0; names && (name = vfio_pci_closing(set, i)); i++)
		json_array_append_new(names, json_string(name));
	return names;
}

/* Whose ROM and so on would be as they were. */
static json_t *known_names(const struct machine *m)
{
	json_t *names = json_array();
	const char *name;

	for (unsigned i = 0; names && (name = device_settings_known(m, i)); i++)
		json_array_append_new(names, json_string(name));
	return names;
}

json_t *control_report_reset(const struct vm_device_reset *r)
{
	return json_pack("{s:s, s:s, s:o, s:s?}", "device", r->device, "kind", r->kind, "verified",
			 r->known ? json_boolean(r->verified) : json_null(), "cause", r->cause);
}

static json_t *resets(const struct vfio_pci_set *set)
{
	json_t *list = json_array();
	struct vm_device_reset last;

	for (unsigned i = 0; list && i < vfio_pci_count(set); i++)
		if (vfio_pci_last_reset(set, i, &last))
			json_array_append_new(list, control_report_reset(&last));
	return list;
}

static json_t *ports(const struct machine *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < m->config->port_count; i++) {
		bool client, guest;

		virtio_console_port(m->virtio_console, i, &client, &guest);
		json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "name",
						      m->config->ports[i].name, "client", client,
						      "guest", guest));
	}
	return list;
}

static json_t *scsi(const struct machine *m)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < m->config->scsi_count; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:b}", "wwpn", m->config->scsi[i].wwpn,
						      "queues", (int)m->config->scsi[i].queues, "driven",
						      virtio_scsi_driven(m->scsi[i])));
	return list;
}

/* Of each guest node the host's nodes that its RAM is on; none: it is not bound to any. */
static json_t *host_nodes(const struct vmm_config *config)
{
	json_t *all = json_array();

	for (unsigned i = 0; all && i < config->numa.nodes; i++) {
		const struct mem_node *mem = &config->mem[i];
		json_t *list = json_array();

		for (unsigned k = 0; mem->policy != MEM_UNBOUND && k < MEM_NODE_WORDS * 64; k++)
			if (mem->host_nodes[k / 64] >> (k % 64) & 1)
				json_array_append_new(list, json_integer(k));
		json_array_append_new(all, list);
	}
	return all;
}

static json_int_t seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (json_int_t)(now.tv_sec - then->tv_sec);
}

json_t *control_report_status(struct machine *m)
{
	json_t *cid = m->vsock ? json_integer((json_int_t)m->config->vsock_cid) : json_null();

	return json_pack("{s:s, s:i, s:I, s:i, s:i, s:i, s:o, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:b, s:o, s:o, s:o}",
			 "state",
			 m->paused ? "paused" : "running", "pid", (int)getpid(), "uptime_s",
			 seconds_since(&m->started), "reboots", (int)m->reboots, "cpus",
			 (int)m->vm.ncpus, "nodes", (int)m->config->numa.nodes, "host_nodes",
			 host_nodes(m->config), "memory_bytes",
			 (json_int_t)mem_size(m->vm.mem), "thread", (int)gettid(), "devices",
			 device_names(m->host_devices), "closing", closing_names(m->host_devices),
			 "known", known_names(m), "resets", resets(m->host_devices), "vsock_cid", cid, "console",
			 m->config->virtio_console ? "virtio" : "serial", "ports", ports(m), "panicked",
			 pvpanic_said(m->pvpanic), "watchdog", control_alarm_report(m),
			 "fs", control_backend_fs(m), "scsi", scsi(m));
}

/* --- stats ------------------------------------------------------------------------------------- */

/* What this kernel does not count is null, not zero. */
static json_t *kvm_counts(int stats_fd)
{
	json_t *counts;

	return kvm_stats_read(stats_fd, &counts) < 0 ? json_null() : counts;
}

static json_t *kvm_counts_of_vm(const struct vm *vm)
{
	_cleanup_close_ int fd = kvm_stats_open(vm->fd);

	return kvm_counts(fd);
}

static json_t *exits(const struct vm_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "all", (json_int_t)s->exits, "pio",
			 (json_int_t)s->pio, "mmio", (json_int_t)s->mmio, "interrupted",
			 (json_int_t)s->interrupted, "other", (json_int_t)s->other, "bar_faults",
			 (json_int_t)s->bar_faults);
}

static json_t *cpu_stats(const struct vcpu *cpu)
{
	return json_pack("{s:i, s:i, s:o, s:o}", "cpu", (int)cpu->index, "thread",
			 __atomic_load_n(&cpu->tid, __ATOMIC_ACQUIRE), "exits", exits(&cpu->stats),
			 "kvm", kvm_counts(cpu->stats_fd));
}

static json_t *all_cpus(const struct vm *vm)
{
	json_t *cpus = json_array();

	for (unsigned i = 0; cpus && i < vm->ncpus; i++)
		json_array_append_new(cpus, cpu_stats(&vm->vcpus[i]));
	return cpus;
}

json_t *control_report_stats(struct machine *m)
{
	struct vm_stats sum;
	struct vfio_pci_vectors v;

	vcpus_stats(&m->vm, &sum);
	vfio_pci_vectors(m->host_devices, &v);
	return json_pack("{s:o, s:{s:i, s:i, s:i, s:I, s:I, s:i, s:i}, s:o, s:o, s:o}", "exits", exits(&sum),
			 "interrupts", "vectors", (int)v.live, "by_irqfd", (int)v.irqfds,
			 "by_userspace", (int)v.user, "relayed", (json_int_t)v.relayed, "failures",
			 (json_int_t)v.failures, "routing_commits", (int)gsi_commits(m->vm.gsi),
			 "gsis", (int)gsi_used(m->vm.gsi),
			 "cpus", all_cpus(&m->vm), "kvm", kvm_counts_of_vm(&m->vm), "balloon",
			 control_balloon_report(m));
}

/* --- interrupts -------------------------------------------------------------------------------- */

static const char *path_word(enum vector_path path)
{
	switch (path) {
	case VECTOR_IRQFD: return "irqfd";
	case VECTOR_USER: return "userspace";
	case VECTOR_OFF: break;
	}
	return "off";
}

static json_t *delivery_word(const struct message *msg)
{
	switch (msg->delivery) {
	case MESSAGE_FIXED: return json_string("fixed");
	case MESSAGE_LOWEST: return json_string("lowest");
	case MESSAGE_SMI: return json_string("smi");
	case MESSAGE_NMI: return json_string("nmi");
	case MESSAGE_INIT: return json_string("init");
	case MESSAGE_EXTINT: return json_string("extint");
	default: return json_null();
	}
}

/* The CPU that a message goes to: a logical destination is its number, else the APIC id. */
static int target(const struct message *msg, const struct vm *vm)
{
	int id = message_target(msg, msg->logical ? vm->ncpus : TOPOLOGY_MAX_ID + 1);

	if (msg->logical || id < 0)
		return id;
	for (unsigned i = 0; i < vm->ncpus; i++)
		if (vm->vcpus[i].apic_id == (unsigned)id)
			return (int)i;
	return -1;
}

/* What the message says, where it says anything. */
static void add_message(json_t *to, const struct vector_info *info, const struct vm *vm)
{
	struct message msg;
	int cpu;

	if (!message_decode(info->address, info->data, &msg))
		return;
	cpu = target(&msg, vm);
	json_object_set_new(to, "guest_vector", json_integer(msg.vector));
	json_object_set_new(to, "delivery", delivery_word(&msg));
	json_object_set_new(to, "guest_cpu", cpu < 0 ? json_null() : json_integer(cpu));
}

static void add_vector(json_t *list, unsigned i, const struct vector_info *info, bool pending,
		       const struct vm *vm)
{
	json_t *v = json_pack("{s:i, s:s, s:b, s:b, s:I}", "vector", (int)i, "path", path_word(info->path),
		      "masked", !info->wanted, "pending", pending, "relayed",
		      (json_int_t)info->relayed);
	if (!v)
		return;
	if (info->gsi)
		json_object_set_new(v, "gsi", json_integer(info->gsi));
	add_message(v, info, vm);
	json_array_append_new(list, v);
}

json_t *control_report_vectors(const struct vectors *vectors, const struct vm *vm)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && vectors && i < vectors_count(vectors); i++) {
		struct vector_info info;

		vectors_info(vectors, i, &info);
		if (info.wired || info.wanted)
			add_vector(list, i, &info, vectors_pending(vectors, i), vm);
	}
	return list;
}

static json_t *device_interrupts(const struct vfio_pci_set *set, unsigned i, const struct vm *vm)
{
	struct vfio_pci_interrupts in;

	vfio_pci_interrupts(set, i, &in);
	return json_pack("{s:s, s:s, s:o}", "device", in.name, "mode", in.mode, "vectors",
			 control_report_vectors(in.vectors, vm));
}

json_t *control_report_interrupts(struct machine *m)
{
	json_t *devices = json_array(), *threads = json_array();

	for (unsigned i = 0; devices && i < vfio_pci_count(m->host_devices); i++)
		json_array_append_new(devices,
				      device_interrupts(m->host_devices, i, &m->vm));
	for (unsigned i = 0; threads && i < m->vm.ncpus; i++)
		json_array_append_new(threads, json_integer(__atomic_load_n(&m->vm.vcpus[i].tid,
									   __ATOMIC_ACQUIRE)));
	return json_pack("{s:i, s:o, s:o}", "pid", (int)getpid(), "cpu_threads", threads, "devices",
			 devices);
}
