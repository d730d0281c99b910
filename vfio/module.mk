# Linked into both programs: what the VMM needs to drive a device it was given.
vfio_srcs :=
# The host tool alone: whatever needs libpci, libudev or libnl, or changes the host.
vfio_host_srcs := \
	vfio/in_use.c \
	vfio/names.c \
	vfio/node.c \
	vfio/pci_dev.c \
	vfio/pci_path.c \
	vfio/topology.c
