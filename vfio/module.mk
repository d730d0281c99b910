# Linked into both programs: what the VMM needs to drive a device it was given.
vfio_srcs := \
	vfio/bus_reset.c \
	vfio/device.c \
	vfio/dma.c \
	vfio/info_cap.c \
	vfio/iommu.c \
	vfio/iommu_type1.c \
	vfio/irqset.c \
	vfio/region.c
# The host tool alone: whatever needs libpci, libudev or libnl, or changes the host.
vfio_host_srcs := \
	vfio/acs.c \
	vfio/acs_words.c \
	vfio/bind.c \
	vfio/bind_step.c \
	vfio/rebar.c \
	vfio/busy.c \
	vfio/host_irq.c \
	vfio/hotplug.c \
	vfio/in_use.c \
	vfio/in_use_disk.c \
	vfio/in_use_mounts.c \
	vfio/in_use_net.c \
	vfio/in_use_process.c \
	vfio/in_use_seat.c \
	vfio/iommu_group.c \
	vfio/iommu_width.c \
	vfio/lease.c \
	vfio/modules.c \
	vfio/names.c \
	vfio/node.c \
	vfio/pci_aer.c \
	vfio/pci_config.c \
	vfio/pci_function.c \
	vfio/pci_function_reset.c \
	vfio/pci_interrupts.c \
	vfio/pci_intx.c \
	vfio/pci_link.c \
	vfio/pci_path.c \
	vfio/pci_recovery.c \
	vfio/pci_tree.c \
	vfio/topo_scan.c \
	vfio/topology.c
