// SPDX-License-Identifier: GPL-2.0-or-later
/* vsock: the guest's address, and what the kernel's vhost is told from start to reset. */
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_vsock.h>

#include "base/fd.h"
#include "irq/irqfd.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"
#include "tests/fake/virtio_guest.h"
#include "tools/vm_open.h"
#include "tools/vm_vsock.h"
#include "vmm/virtio/virtio.h"

#define SLOT   1
#define VHOST  1100
#define CONFIG 0x800u
#define F(n)   (1ull << (n))

static struct {
	char order[256]; /* O: owner, F: features, M: memory, nbakc: of a ring, R and S: runs, stands */
	uint64_t features;
	unsigned rings;	   /* bits */
	uint64_t desc[4];
	uint32_t taken; /* addresses up to that one are others' */
	uint64_t cid;
	int fail_run;
} vhost;

static void saw(char c)
{
	size_t n = strlen(vhost.order);

	if (n + 1 < sizeof(vhost.order))
		vhost.order[n] = c;
}

static int answer(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct vhost_vring_state *state = arg;
	const struct vhost_vring_addr *addr = arg;
	const struct vhost_vring_file *file = arg;

	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = F(VIRTIO_F_VERSION_1) | F(VIRTIO_VSOCK_F_SEQPACKET);
		return 0;
	case VHOST_SET_OWNER: saw('O'); return 0;
	case VHOST_SET_FEATURES:
		saw('F');
		vhost.features = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_MEM_TABLE: saw('M'); return 0;
	case VHOST_SET_VRING_NUM:
		saw('n');
		vhost.rings |= 1u << state->index;
		return state->num == VG_SIZE ? 0 : -EINVAL;
	case VHOST_SET_VRING_BASE: saw('b'); return state->num ? -EINVAL : 0;
	case VHOST_SET_VRING_ADDR:
		saw('a');
		vhost.desc[addr->index % 4] = addr->desc_user_addr;
		return 0;
	case VHOST_SET_VRING_KICK: saw('k'); return file->fd < 0 ? -EBADF : 0;
	case VHOST_SET_VRING_CALL: saw('c'); return 0;
	case VHOST_VSOCK_SET_RUNNING:
		saw(*(int *)arg ? 'R' : 'S');
		return *(int *)arg ? vhost.fail_run : 0;
	case VHOST_VSOCK_SET_GUEST_CID:
		if (*(uint64_t *)arg <= vhost.taken)
			return -EADDRINUSE;
		vhost.cid = *(uint64_t *)arg;
		return 0;
	default: return -ENOTTY;
	}
}

static struct virtio_vsock *vsock;

static void begin(void)
{
	struct vm *vm = &vg_machine.guest.vm;

	memset(&vhost, 0, sizeof(vhost));
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	fake_ioctl_handle(VHOST, answer, NULL);
	assert_int_equal(virtio_vsock_new(vm, VHOST, 0x123456789, &vsock, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(void)
{
	vsock = virtio_vsock_free(vsock);
	vfio_machine_free(&vg_machine);
}

static void drive(void)
{
	vg_accept(F(VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < 3; q++)
		vg_set_queue(q, VG_DESC + 0x4000 * q, VG_AVAIL + 0x4000 * q, VG_USED + 0x4000 * q);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void test_a_driver_finds_its_address(void **state)
{
	begin();
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	assert_int_equal(vg_get(CONFIG, 8), 0x123456789);
	assert_int_equal(vg_get(CONFIG + 4, 4), 1);
	vg_put(CONFIG, 4, 7);
	assert_int_equal(vg_get(CONFIG, 4), 0x23456789);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4) & F(VIRTIO_VSOCK_F_SEQPACKET),
			 F(VIRTIO_VSOCK_F_SEQPACKET));
	end();
}

static void test_two_rings_are_the_kernels_until_a_reset(void **state)
{
	begin();
	drive();
	assert_string_equal(vhost.order, "OFMnbaknbakccR");
	assert_int_equal(vhost.rings, 3);
	assert_int_equal(vhost.desc[1] - vhost.desc[0], 0x4000);
	assert_int_equal(vhost.features, F(VIRTIO_F_VERSION_1));
	vhost.order[0] = '\0';
	memset(&vhost.order, 0, sizeof(vhost.order));
	/* And again, by the same owner. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_string_equal(vhost.order, "S");
	drive();
	assert_string_equal(vhost.order, "SFMnbaknbakccR");
	pci_reset(vg_machine.guest.vm.pci);
	assert_int_equal(vhost.order[strlen(vhost.order) - 1], 'S');
	end();
}

static void test_it_does_not_start_without_its_rings(void **state)
{
	begin();
	vg_accept(F(VIRTIO_F_VERSION_1));
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(vg_is_broken());
	assert_string_equal(vhost.order, "O"); /* by who made it, not by a guest's CPU */
	end();
	begin();
	vhost.fail_run = -EFAULT;
	drive();
	assert_true(vg_is_broken());
	end();
}

/* The kernel had nobody to tell of what it put in before: the guest is told to look. */
static void test_a_vector_that_comes_late_has_what_was_missed(void **state)
{
	const struct virtio_dev *dev;
	unsigned flags;

	begin();
	dev = (const struct virtio_dev *)vsock; /* it begins with it */
	drive();
	flags = dev->pci.caps_end - PCI_CAP_MSIX_SIZEOF + PCI_MSIX_FLAGS;
	cfg_put(&vg_machine.guest, 0, SLOT, flags, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(dev->vector_fd[1], -1);
	vg_put(0x2000 + 16 + PCI_MSIX_ENTRY_LOWER_ADDR, 4, 0xfee00000);
	vg_put(0x2000 + 16 + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	assert_true(dev->vector_fd[1] >= 0);
	assert_true(irqfd_pending(dev->vector_fd[1]));
	end();
}

/* --- the supervisor's side --- */

static int root = -1;

static void open_vsock(uint32_t cid, struct vmm_config *config, struct err *err, int want)
{
	const struct vm_opt_vsock opts = { true, cid };

	*err = (struct err)ERR_INIT;
	vm_config_init(config);
	assert_int_equal(vm_vsock_open(root, &opts, config, err), want);
	if (want < 0)
		assert_int_equal(config->vsock_fd, -1);
}

static void test_addresses_are_had_or_refused(void **state)
{
	static const struct fake_node none[] = { { "dev", 0 }, { 0 } };
	static const struct fake_node there[] = { { "dev/vhost-vsock", "" }, { 0 } };
	const struct vm_opt_vsock unwanted = { 0 };
	struct vmm_config config;
	struct err err;

	memset(&vhost, 0, sizeof(vhost));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, answer, NULL);
	root = fake_sysfs(none);
	open_vsock(3, &config, &err, -ENOENT);
	assert_string_equal(err.text, "--vsock: cannot open /dev/vhost-vsock: No such file or directory");
	assert_string_equal(err.hint, "modprobe vhost_vsock");
	assert_int_equal(vm_vsock_open(root, &unwanted, &config, &err), 0);
	fake_sysfs_free(&root);
	root = fake_sysfs(there);
	open_vsock(7, &config, &err, 0);
	assert_int_equal(config.vsock_cid, 7);
	assert_int_equal(vhost.cid, 7);
	vm_config_close(&config);
	assert_int_equal(config.vsock_fd, -1);
	vhost.taken = 99;
	open_vsock(7, &config, &err, -EADDRINUSE);
	assert_string_equal(err.text, "--vsock: another guest has the address 7: Address already in use");
	open_vsock(0, &config, &err, 0);
	assert_int_equal(config.vsock_cid, 100);
	vm_config_close(&config);
	vhost.taken = 1u << 20;
	open_vsock(0, &config, &err, -EADDRINUSE);
	fake_sysfs_free(&root);
	fake_ioctl_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_driver_finds_its_address),
		cmocka_unit_test(test_two_rings_are_the_kernels_until_a_reset),
		cmocka_unit_test(test_it_does_not_start_without_its_rings),
		cmocka_unit_test(test_a_vector_that_comes_late_has_what_was_missed),
		cmocka_unit_test(test_addresses_are_had_or_refused),
	};

	return cmocka_run_group_tests_name("virtio_vsock", tests, NULL, NULL);
}
