// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "vmm/coalesced.h"
#include "vmm/control.h"
#include "vmm/control_alarm.h"
#include "vmm/control_backend.h"
#include "vmm/control_balloon.h"
#include "vmm/control_failover.h"
#include "vmm/control_net.h"
#include "vmm/control_report.h"
#include "vmm/device_settings.h"
#include "vmm/handover.h"
#include "vmm/hw/console.h"
#include "vmm/hw/pm.h"
#include "vmm/hw/pvpanic.h"
#include "vmm/hw/rtc.h"
#include "vmm/hw/serial.h"
#include "vmm/hw/watchdog.h"
#include "vmm/hw/winsize.h"
#include "vmm/idle.h"
#include "vmm/mem.h"
#include "vmm/memslot.h"
#include "vmm/pci/pci.h"
#include "vmm/vcpu.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/scsi.h"
#include "vmm/virtio/vdpa.h"
#include "vmm/virtio/vhost_user_blk.h"
#include "vmm/virtio/vhost_user_fs.h"
#include "vmm/virtio/vsock.h"
#include "vmm/x86/acpi.h"
#include "vmm/x86/boot.h"
#include "vmm/x86/cpuid.h"
#include "vmm/x86/smbios.h"
#include "vmm/x86/state.h"

/* --- console and serial port, or a virtio console, joined ---------------------------------------- */

/*
 * The terminal is the virtio console's from the guest's first word there on. Before, it is the serial
 * port's: a kernel that does not come so far, or is told to use that one, says why there.
 */
static size_t console_input(void *opaque, const uint8_t *data, size_t len)
{
	struct machine *m = opaque;

	if (virtio_console_in_use(m->virtio_console))
		return virtio_console_input(m->virtio_console, data, len);
	return serial_receive(m->serial, data, len);
}

static void console_quit(void *opaque)
{
	struct machine *m = opaque;

	vm_request(&m->vm, VM_QUIT);
}

static const struct console_ops console_ops = { console_input, console_quit };

static void serial_transmit(void *opaque, uint8_t byte)
{
	struct machine *m = opaque;

	if (!virtio_console_in_use(m->virtio_console))
		console_write(m->console, &byte, 1);
}

static void serial_more(void *opaque)
{
	struct machine *m = opaque;

	console_more_input(m->console);
}

static const struct serial_ops serial_ops = { serial_transmit, serial_more };

static int connect_console(struct machine *m, struct err *err)
{
	int r = console_new(m->vm.loop, m->config->console ? STDIN_FILENO : -1, STDOUT_FILENO,
			    m->config->tty, &console_ops, m, &m->console, err);

	if (r == 0)
		serial_connect(m->serial, &serial_ops, m);
	return r;
}

static void virtio_output(void *opaque, const uint8_t *data, size_t len)
{
	struct machine *m = opaque;

	console_write(m->console, data, len);
}

static void terminal_size(void *opaque, uint16_t cols, uint16_t rows)
{
	struct machine *m = opaque;

	virtio_console_resize(m->virtio_console, cols, rows);
}

/* Its ports; and port 0, where the terminal is to be that. */
static int add_console(struct machine *m, struct err *err)
{
	const struct virtio_console_terminal terminal = { virtio_output, serial_more, m };
	const struct virtio_console_setup setup = {
		.terminal = m->config->virtio_console ? &terminal : NULL,
		.ports = m->config->ports,
		.count = m->config->port_count,
	};
	int r;

	if (!setup.terminal && !setup.count)
		return 0;
	r = virtio_console_new(&m->vm, &setup, &m->virtio_console, err);
	if (r == 0 && setup.terminal && m->config->tty &&
	    winsize_watch(m->vm.loop, terminal_size, m, &m->winsize) < 0)
		log_warn("the guest does not hear of the terminal's size: out of memory");
	return r;
}

_Static_assert(MACHINE_NICS == HANDOVER_MAX_NICS && MACHINE_FS == HANDOVER_MAX_FS &&
		       MACHINE_SCSI == HANDOVER_MAX_SCSI, "room for all");

/* --- the machine, in order ---------------------------------------------------------------------- */

/*
 * RAM lies where the devices reach, so their IOMMU is asked first; it is mapped for KVM
 * and for them when all of it is there.
 */
static int add_memory(struct machine *m, struct err *err)
{
	struct mem_config config = { .nodes = m->config->numa.nodes, .node = m->config->mem };
	int r = vfio_pci_join_all(&m->vm, m->config, &m->host_devices, err);

	if (r < 0)
		return r;
	config.usable = vfio_pci_reach(m->host_devices, &config.nusable, &config.max_banks);
	r = mem_new(&config, &m->vm.mem, err);
	if (r == 0)
		r = memslots_back_ram(m->vm.slots, m->vm.mem, err);
	return r < 0 ? r : vfio_pci_map_all(m->host_devices, err);
}

/* A page past the processor's addresses would never be found by the guest. */
static int check_reach(const struct vm *vm, struct err *err)
{
	if (mem_end(vm->mem) <= 1ull << vm->phys_bits)
		return 0;
	err_plain(err, -ERANGE, "guest memory of %s ends at 0x%" PRIx64
		  ", and this processor's guests have addresses of %u bits",
		  SIZE_STR(mem_size(vm->mem)), mem_end(vm->mem), vm->phys_bits);
	return err_hint(err, "give the guest less memory (--memory)");
}

static int add_cpus(struct machine *m, struct err *err)
{
	int r = vcpus_new(&m->vm, err);

	if (r < 0)
		return r;
	coalesced_init(&m->vm);
	/* Nobody is there, and Linux writes 20 bytes to each before it believes it. */
	coalesced_add_later(&m->vm, LAYOUT_SUPER_IO, 1);
	coalesced_add_later(&m->vm, LAYOUT_SUPER_IO_2, 1);
	r = x86_cpuid_set_all(&m->vm, &m->config->cpu_model,
			      vfio_pci_address_bits(m->host_devices), err);
	return r < 0 ? r : check_reach(&m->vm, err);
}

static int add_devices(struct machine *m, struct err *err)
{
	const struct pvpanic_owner owner = { control_alarm_panicked, m };
	int r = serial_new(&m->vm, &m->serial, err);

	if (r == 0)
		r = rtc_new(&m->vm, &m->rtc, err);
	if (r == 0)
		r = pm_new(&m->vm, &m->pm, err);
	if (r == 0 && m->config->panic_port)
		r = pvpanic_new(&m->vm, &owner, &m->pvpanic, err);
	return r < 0 ? r : connect_console(m, err);
}

static bool may_take_pages(void *opaque)
{
	return control_balloon_refuse(opaque, NULL) == 0;
}

/* Each has a slot for the VF that it stands by for. */
static unsigned standbys(const struct vmm_config *config, struct pci_kept_slot *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < config->nic_count; i++)
		if (config->nics[i].standby)
			ret[n++] = (struct pci_kept_slot){ i + 1, config->nics[i].slot_node };
	return n;
}

static int add_disk(struct machine *m, unsigned i, struct err *err)
{
	const struct vmm_disk *disk = &m->config->disks[i];

	return disk->vhost_user ? vhost_user_blk_new(&m->vm, disk, i, &m->served_disks[i], err) :
				  virtio_blk_new(&m->vm, disk, i, &m->disks[i], err);
}

static int add_nic(struct machine *m, unsigned i, struct err *err)
{
	const struct virtio_net_owner owner = { control_net_mac_changed, m };
	const struct vmm_nic *nic = &m->config->nics[i];

	return nic->vdpa ? virtio_vdpa_new(&m->vm, nic, i, &m->vdpas[i], err) :
			   virtio_net_new(&m->vm, nic, i, &owner, &m->nics[i], err);
}

/* 64-bit windows are above RAM, in the largest piece that both CPU and devices reach. */
static int add_pci(struct machine *m, struct err *err)
{
	struct range room = vfio_pci_room(m->host_devices, align_up(mem_end(m->vm.mem), GiB),
					  1ull << m->vm.phys_bits);
	struct pci_kept_slot kept[HANDOVER_MAX_NICS];
	struct pci_config config = {
		.nodes = m->config->numa.nodes,
		.spare = m->config->slots,
		.spares = m->config->slot_count,
		.kept = kept,
		.kept_count = standbys(m->config, kept),
		.mmio64_start = room.start,
		.mmio64_end = room.start + room.size,
	};
	const struct balloon_owner balloon = { may_take_pages, m, control_balloon_reporting(m) };
	const struct watchdog_owner watchdog = { control_alarm_watchdog, m };
	int r = pci_new(&m->vm, &config, &m->vm.pci, err);

	m->vm.packed_rings = m->config->packed;
	if (r == 0)
		r = vfio_pci_attach_all(m->host_devices, m->config, err);
	for (unsigned i = 0; r == 0 && i < m->config->nic_count; i++)
		r = add_nic(m, i, err);
	for (unsigned i = 0; r == 0 && i < m->config->disk_count; i++)
		r = add_disk(m, i, err);
	for (unsigned i = 0; r == 0 && i < m->config->fs_count; i++)
		r = vhost_user_fs_new(&m->vm, &m->config->fs[i], i, &m->fs[i], err);
	for (unsigned i = 0; r == 0 && i < m->config->scsi_count; i++)
		r = virtio_scsi_new(&m->vm, &m->config->scsi[i], i, &m->scsi[i], err);
	if (r == 0 && m->config->rng)
		r = virtio_rng_new(&m->vm, &m->rng, err);
	if (r == 0 && m->config->balloon)
		r = virtio_balloon_new(&m->vm, &balloon, &m->balloon, err);
	if (r == 0 && m->config->watchdog)
		r = watchdog_new(&m->vm, &watchdog, &m->watchdog, err);
	if (r == 0)
		r = add_console(m, err);
	if (r == 0 && m->config->vsock_fd >= 0)
		r = virtio_vsock_new(&m->vm, m->config->vsock_fd, m->config->vsock_cid, &m->vsock, err);
	return r < 0 ? r : pci_assign(m->vm.pci, err);
}

static int load(struct machine *m, bool fresh, struct err *err)
{
	const struct boot_config boot = {
		.kernel_fd = m->config->kernel_fd,
		.initrd_fd = m->config->initrd_fd,
		.cmdline = m->config->cmdline,
		.rsdp = LAYOUT_ACPI,
		.fresh = fresh,
	};
	struct x86_entry entry;
	int r = boot_load(m->vm.mem, &boot, &entry, err);

	if (r == 0 && smbios_write(m->vm.mem) < 0)
		r = err_plain(err, -EFAULT, "no memory where SMBIOS belongs");
	if (r == 0)
		r = acpi_build(&m->vm, &m->config->numa, m->pvpanic != NULL, err);
	if (r < 0)
		return r;
	r = x86_state_enter(m->vm.vcpus[0].fd, &entry);
	return r < 0 ? err_set(err, r, "KVM refused the first CPU's registers") : 0;
}

/* Both who watches and the supervisor hear of it. */
static void device_event(void *opaque, enum vm_device_event event, const char *device)
{
	/* The others are the supervisor's alone. */
	static const enum control_event_type told[] = {
		[VM_DEVICE_ERROR] = CONTROL_DEVICE_ERROR,
		[VM_DEVICE_REQUEST] = CONTROL_DEVICE_REQUEST,
		[VM_DEVICE_REMOVED] = CONTROL_DEVICE_REMOVED,
		[VM_DEVICE_ADDED] = CONTROL_DEVICE_ADDED,
	};
	const struct vmm_device *arriving = ((const struct machine *)opaque)->arriving;
	struct vmm_event e = { .type = VMM_EVENT_DEVICE, .reason = event };

	snprintf(e.device, sizeof(e.device), "%s", device);
	if (event == VM_DEVICE_ADDED && arriving) {
		e.node = arriving->node;
		e.intx = arriving->intx;
		memcpy(e.token, arriving->token, sizeof(e.token));
	}
	handover_event(HANDOVER_FD, &e);
	if (event < ARRAY_SIZE(told))
		control_event(opaque, told[event], json_pack("{s:s}", "device", device));
}

/* One that leaves because the machine ends has nobody left to tell. */
static void device_reset(void *opaque, const struct vm_device_reset *r)
{
	control_event(opaque, CONTROL_DEVICE_RESET, control_report_reset(r));
}

static void nic_event(unsigned nic, enum vm_nic_event event)
{
	handover_event(HANDOVER_FD,
		       &(struct vmm_event){ .type = VMM_EVENT_NIC, .reason = event, .nic = nic });
}

int machine_new(struct machine *m, const struct vmm_config *config, struct err *err)
{
	int r;

	*m = (struct machine){ .config = config };
	r = vm_new(&m->vm, config->kvm_fd, config->cpus, err);
	if (r < 0)
		return r;
	m->vm.topology = config->topology;
	m->vm.host_cpu = config->pinned ? config->pin : NULL;
	m->vm.fifo = config->fifo;
	m->vm.on_event = device_event;
	m->vm.on_event_opaque = m;
	m->vm.on_reset = device_reset;
	m->vm.on_nic = nic_event;
	m->vm.on_backend = control_backend_event;
	r = vm_set_idle(&m->vm, &config->idle, err);
	if (r == 0)
		r = add_memory(m, err);
	if (r == 0)
		r = add_cpus(m, err);
	if (r == 0)
		r = add_devices(m, err);
	if (r == 0)
		r = add_pci(m, err);
	if (r == 0)
		r = load(m, true, err);
	if (r < 0)
		machine_fini(m);
	return r;
}

void machine_fini(struct machine *m)
{
	control_stop(m);
	vcpus_free(&m->vm);
	m->host_devices = vfio_pci_detach_all(m->host_devices);
	device_settings_fini(m);
	m->rng = virtio_rng_free(m->rng);
	m->balloon = virtio_balloon_free(m->balloon);
	m->vsock = virtio_vsock_free(m->vsock);
	m->watchdog = watchdog_free(m->watchdog);
	m->winsize = winsize_free(m->winsize);
	m->virtio_console = virtio_console_free(m->virtio_console);
	for (unsigned i = 0; i < ARRAY_SIZE(m->nics); i++) {
		m->nics[i] = virtio_net_free(m->nics[i]);
		m->vdpas[i] = virtio_vdpa_free(m->vdpas[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(m->disks); i++) {
		m->disks[i] = virtio_blk_free(m->disks[i]);
		m->served_disks[i] = vhost_user_blk_free(m->served_disks[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(m->fs); i++)
		m->fs[i] = vhost_user_fs_free(m->fs[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(m->scsi); i++)
		m->scsi[i] = virtio_scsi_free(m->scsi[i]);
	control_failover_fini(m);
	m->vm.pci = pci_free(m->vm.pci);
	m->console_error = console_close(m->console);
	m->console = NULL;
	m->pvpanic = pvpanic_free(m->pvpanic);
	m->pm = pm_free(m->pm);
	m->rtc = rtc_free(m->rtc);
	m->serial = serial_free(m->serial);
	vm_fini(&m->vm);
	m->vm.mem = mem_free(m->vm.mem);
}

static void reset_devices(struct machine *m)
{
	vm_lock(&m->vm);
	/* First: devices still write to RAM, which is about to be loaded anew. */
	vfio_pci_reset_begin(m->host_devices);
	pci_reset(m->vm.pci);
	/* A guest that begins anew has nothing to let go of. */
	vfio_pci_finish_leaving(m->host_devices);
	vfio_pci_reset_end(m->host_devices);
	serial_reset(m->serial);
	rtc_reset(m->rtc);
	pm_reset(m->pm);
	pvpanic_reset(m->pvpanic);
	vm_unlock(&m->vm);
}

int machine_reset(struct machine *m, struct err *err)
{
	int r;

	reset_devices(m);
	r = vm_reset_irqchip(&m->vm);
	for (unsigned i = 0; i < m->vm.ncpus && r == 0; i++)
		r = x86_state_reset(m->vm.fd, m->vm.vcpus[i].fd, m->vm.vcpus[i].apic_id);
	if (r < 0)
		return err_set(err, r, "KVM refused the machine's power-on state");
	return load(m, false, err);
}
