// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "tools/vm_device_opts.h"
#include "tools/vm_intx.h"
#include "tools/vm_nic.h"
#include "tools/vm_nodes.h"
#include "tools/vm_rom.h"
#include "vfio/node.h"
#include "vfio/pci_function.h"
#include "vfio/topology.h"
#include "vmm/layout.h"

void vm_config_init(struct vmm_config *config)
{
	*config = (struct vmm_config){ .kvm_fd = -1, .kernel_fd = -1, .initrd_fd = -1,
				       .container_fd = -1, .vsock_fd = -1 };
	for (unsigned i = 0; i < HANDOVER_MAX_DEVICES; i++)
		config->group_fds[i] = config->devices[i].rom_fd = -1;
	for (unsigned i = 0; i < HANDOVER_MAX_NICS; i++)
		vm_nic_init(&config->nics[i]);
	for (unsigned i = 0; i < HANDOVER_MAX_DISKS; i++)
		config->disks[i].fd = -1;
	for (unsigned i = 0; i < HANDOVER_MAX_PORTS; i++)
		config->ports[i].fd = -1;
	for (unsigned i = 0; i < HANDOVER_MAX_FS; i++)
		config->fs[i].fd = -1;
	for (unsigned i = 0; i < HANDOVER_MAX_SCSI; i++)
		config->scsi[i].fd = -1;
}

void vm_config_close(struct vmm_config *config)
{
	int *fds[HANDOVER_MAX_FDS];
	unsigned n = 0;

	fds[n++] = &config->kvm_fd;
	fds[n++] = &config->kernel_fd;
	fds[n++] = &config->initrd_fd;
	fds[n++] = &config->container_fd;
	fds[n++] = &config->vsock_fd;
	for (unsigned i = 0; i < HANDOVER_MAX_DEVICES; i++) {
		fds[n++] = &config->group_fds[i];
		fds[n++] = &config->devices[i].rom_fd;
	}
	for (unsigned i = 0; i < HANDOVER_MAX_NICS; i++) {
		for (unsigned k = 0; k < VMM_NIC_PAIRS_MAX; k++) {
			fds[n++] = &config->nics[i].tap_fd[k];
			fds[n++] = &config->nics[i].vhost_fd[k];
		}
		fds[n++] = &config->nics[i].backend_fd;
	}
	for (unsigned i = 0; i < HANDOVER_MAX_DISKS; i++)
		fds[n++] = &config->disks[i].fd;
	for (unsigned i = 0; i < HANDOVER_MAX_PORTS; i++)
		fds[n++] = &config->ports[i].fd;
	for (unsigned i = 0; i < HANDOVER_MAX_FS; i++)
		fds[n++] = &config->fs[i].fd;
	for (unsigned i = 0; i < HANDOVER_MAX_SCSI; i++)
		fds[n++] = &config->scsi[i].fd;
	close_fds(fds, n);
}

int vm_open_file(const char *option, const char *path, int *ret_fd, struct err *err)
{
	/* O_NONBLOCK: a FIFO given by mistake must not hang us. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: cannot open %s", option, path);
	if (!S_ISREG(st.st_mode))
		return err_plain(err, -EINVAL, "%s: %s is not a file", option, path);
	if (st.st_size == 0)
		return err_plain(err, -EINVAL, "%s: %s is empty", option, path);
	if ((uint64_t)st.st_size >= LAYOUT_LOW_RAM_END)
		return err_plain(err, -EFBIG, "%s: %s has %lld bytes, more than any guest has RAM for it",
				 option, path, (long long)st.st_size);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int vm_open_kvm(int root, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/kvm");

	if (fd == -ENOENT || fd == -ENODEV) {
		err_set(err, fd, "cannot open /dev/kvm");
		return err_hint(err, "load KVM (modprobe kvm_intel or kvm_amd); if that says 'not "
				     "supported', turn on VT-x or SVM in the firmware");
	}
	if (fd < 0) {
		err_set(err, fd, "cannot open /dev/kvm");
		return err_hint(err, "run as root, or add the user to the group kvm");
	}
	*ret_fd = fd;
	return 0;
}

/* by_bind: the command has --bind. */
static int refuse_unbound(int root, const struct pci_function *dev, bool by_bind, struct err *err)
{
	struct pci_function all;
	char bdf[BDF_STRLEN];

	bdf_str(dev->bdf, bdf);
	if (pci_function_read_unlocked(root, dev->bdf, &all) == 0 &&
	    !pci_function_is_assignable(&all))
		return err_plain(err, -EINVAL, "cannot attach %s: it is a bridge, not an endpoint",
				 bdf);
	if (dev->group < 0) {
		err_plain(err, -ENODEV, "cannot attach %s: it is in no IOMMU group", bdf);
		return topo_hint_no_group(root, err);
	}
	if (dev->driver[0])
		err_plain(err, -EBUSY, "cannot attach %s: it is bound to %s, not to a VFIO driver",
			  bdf, dev->driver);
	else
		err_plain(err, -ENODEV, "cannot attach %s: it is bound to no driver", bdf);
	return err_hint(err, "thruway bind %s%s", bdf,
			by_bind ? ", or add --bind to have it done for the VM's lifetime" : "");
}

/* The index of the group in config, opening it if it is new there. */
static int group_index(int root, const struct pci_function *dev, struct vmm_config *config,
		       uint32_t *ret, struct err *err)
{
	uint32_t i;
	int r;

	for (i = 0; i < config->group_count; i++) {
		if (config->group_ids[i] == (uint32_t)dev->group) {
			*ret = i;
			return 0;
		}
	}
	r = vfio_group_open(root, (unsigned)dev->group, BDF_STR(dev->bdf), &config->group_fds[i],
			    err);
	if (r < 0)
		return r;
	config->group_ids[i] = (uint32_t)dev->group;
	config->group_count++;
	*ret = i;
	return 0;
}

static int check_bound(int root, struct bdf bdf, bool by_bind, struct pci_function *ret,
		       struct err *err)
{
	int r = pci_function_read_binding(root, bdf, ret);

	if (r == -ENODEV)
		return err_plain(err, r, "cannot attach %s: there is no such device", BDF_STR(bdf));
	if (r < 0)
		return err_set(err, r, "cannot attach %s", BDF_STR(bdf));
	/* No VFIO driver takes a bridge, so the refusal alone has to tell those apart. */
	if (ret->group < 0 || !pci_function_driver_is_vfio(ret->driver))
		return refuse_unbound(root, ret, by_bind, err);
	return 0;
}

int vm_check_bound(int root, struct bdf bdf, struct pci_function *ret, struct err *err)
{
	return check_bound(root, bdf, false, ret, err);
}

int vm_check_bound_for_run(int root, struct bdf bdf, struct pci_function *ret, struct err *err)
{
	return check_bound(root, bdf, true, ret, err);
}

int vm_open_rom(int root, struct bdf bdf, const struct vm_opt_device *opts, struct vmm_device *d,
		struct err *err)
{
	/* Asked once, since each question is a part of every start. */
	d->vf = pci_function_is_virtual(root, bdf);
	d->rom = opts->rom;
	if (opts->rom == VMM_ROM_FILE)
		return vm_rom_open(root, bdf, opts->romfile, &d->rom_fd, err);
	return opts->rom == VMM_ROM_DEVICE && !d->vf ? vm_rom_refuse_boot_display(root, bdf, err) : 0;
}

int vm_open_device(int root, struct bdf bdf, const struct vm_opt_device *opts,
		   struct vmm_config *config, struct err *err)
{
	struct vmm_device *d = &config->devices[config->device_count];
	struct pci_function dev;
	int r;

	for (unsigned i = 0; i < config->device_count; i++)
		if (strcmp(config->devices[i].name, BDF_STR(bdf)) == 0)
			return err_usage(err, "--device: %s is given twice", BDF_STR(bdf));
	r = vm_check_bound_for_run(root, bdf, &dev, err);
	/* Not before it is bound: until then the handlers of its own driver are on the line. */
	if (r == 0 && !d->vf)
		r = vm_intx_choose(root, bdf, opts->shared_intx, &d->intx, err);
	if (r == 0 && config->container_fd < 0)
		r = vfio_container_open(root, &config->container_fd, err);
	if (r == 0)
		r = group_index(root, &dev, config, &d->group, err);
	if (r < 0)
		return r;
	bdf_str(bdf, d->name);
	memcpy(d->token, opts->token, sizeof(d->token));
	d->clique = opts->clique;
	d->move_msix = opts->move_msix;
	if (opts->node)
		d->node = opts->node - 1;
	else if (config->numa.nodes > 1)
		d->node = vm_nodes_for_device(root, config->mem, config->numa.nodes,
					      pci_function_numa_node(root, bdf));
	config->device_count++;
	return 0;
}
