# SPDX-License-Identifier: GPL-2.0-or-later
vmm_srcs := vmm/acceptor.c vmm/bar_fault.c vmm/bus.c vmm/coalesced.c vmm/control.c vmm/control_alarm.c vmm/control_backend.c \
	vmm/control_balloon.c vmm/control_console.c vmm/control_device.c \
	vmm/control_disk.c vmm/control_failover.c vmm/control_net.c vmm/control_nic.c vmm/control_report.c vmm/ctl.c vmm/device_settings.c vmm/handover.c vmm/idle.c \
	vmm/jsonrpc.c vmm/kvm_stats.c vmm/machine.c vmm/main.c vmm/mem.c vmm/mem_backend.c \
	vmm/mem_bind.c vmm/mem_plan.c vmm/mem_populate.c vmm/memslot.c vmm/vcpu.c vmm/vcpu_exit.c vmm/vm.c \
	vmm/hw/console.c vmm/hw/outlet.c vmm/hw/pm.c vmm/hw/pvpanic.c vmm/hw/rtc.c vmm/hw/serial.c vmm/hw/watchdog.c vmm/hw/winsize.c \
	vmm/x86/amx.c vmm/x86/amx_host.c vmm/x86/boot.c vmm/x86/boot_linux.c vmm/x86/boot_pvh.c vmm/x86/boot_tables.c \
	vmm/x86/cpu_model.c vmm/x86/cpu_xstate.c vmm/x86/cpuid.c vmm/x86/cpuid_mwait.c \
	vmm/x86/cpuid_tsc.c vmm/x86/msr.c vmm/x86/smbios.c vmm/x86/state.c
vmm_srcs += vmm/pci/assign.c vmm/pci/bar.c vmm/pci/config.c vmm/pci/host.c vmm/pci/plug.c \
	vmm/pci/root_port.c vmm/pci/slot.c \
	vmm/x86/acpi.c vmm/x86/aml.c vmm/x86/aml_res.c vmm/x86/dsdt.c
vmm_srcs += vmm/vfio_pci/bars.c vmm/vfio_pci/caps.c vmm/vfio_pci/clique.c vmm/vfio_pci/closing.c vmm/vfio_pci/config.c vmm/vfio_pci/dev.c \
	vmm/vfio_pci/dma.c vmm/vfio_pci/irqs.c vmm/vfio_pci/kvm_vfio.c \
	vmm/vfio_pci/plug.c vmm/vfio_pci/reach.c vmm/vfio_pci/reset.c vmm/vfio_pci/rom.c vmm/vfio_pci/set.c vmm/vfio_pci/slot.c vmm/vfio_pci/use.c vmm/vfio_pci/vfs.c
vmm_srcs += vmm/virtio/balloon.c vmm/virtio/blk.c vmm/virtio/console.c vmm/virtio/device.c vmm/virtio/disk_io.c vmm/virtio/iothread.c \
	vmm/virtio/pci.c vmm/virtio/pci_common.c vmm/virtio/pci_vectors.c vmm/virtio/queue.c vmm/virtio/queue_packed.c vmm/virtio/queue_split.c vmm/virtio/rng.c vmm/virtio/scsi.c vmm/virtio/stream.c \
	vmm/virtio/vdpa.c vmm/virtio/vhost.c vmm/virtio/vhost_vdpa.c vmm/virtio/vsock.c \
	vmm/virtio/announce.c vmm/virtio/net.c vmm/virtio/net_ctrl.c vmm/virtio/net_filter.c vmm/virtio/net_pairs.c vmm/virtio/net_tap.c \
	vmm/virtio/net_user.c vmm/virtio/net_vhost.c \
	vmm/virtio/net_backend.c vmm/virtio/relay.c vmm/virtio/served.c vmm/virtio/vhost_user.c \
	vmm/virtio/vhost_user_blk.c vmm/virtio/vhost_user_fs.c vmm/virtio/vhost_user_msg.c
