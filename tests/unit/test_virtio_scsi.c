// SPDX-License-Identifier: GPL-2.0-or-later
/* A SCSI device: what the kernel's vhost-scsi is told from start to reset, and targets that are refused. */
#include "vmm/virtio/scsi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_scsi.h>

#include "base/fd.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"
#include "tests/fake/virtio_guest.h"
#include "tools/vm_open.h"
#include "tools/vm_scsi.h"
#include "vmm/handover.h"
#include "vmm/virtio/vhost.h"

#define SLOT   1
#define VHOST  1100
#define CONFIG 0x800u
#define F(n)   (1ull << (n))
#define WWPN   "naa.5001405bd1f5e3a2"

static struct {
	char order[256]; /* O: owner, F: features, M: memory, nbakc: of a ring, z: it is none, E: events, T and t: target had, not */
	uint64_t features;
	uint32_t rings; /* bits */
	uint32_t regions;
	int kick[4];
	char wwpn[VMM_WWPN_MAX + 1];
	int version;
	int fail_target, fail_call;
} vhost;

static void saw(char c)
{
	size_t n = strlen(vhost.order);

	if (n + 1 < sizeof(vhost.order))
		vhost.order[n] = c;
}

static void forget(void)
{
	memset(&vhost.order, 0, sizeof(vhost.order));
}

static int take(const struct vhost_scsi_target *target)
{
	saw('T');
	assert_int_equal(target->reserved, 0);
	snprintf(vhost.wwpn, sizeof(vhost.wwpn), "%s", target->vhost_wwpn);
	return vhost.fail_target;
}

static int answer(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct vhost_vring_state *state = arg;
	const struct vhost_vring_addr *addr = arg;
	const struct vhost_vring_file *file = arg;

	switch (request) {
	case VHOST_GET_FEATURES:
		*(uint64_t *)arg = F(VIRTIO_F_VERSION_1) | F(VIRTIO_SCSI_F_HOTPLUG) | F(VIRTIO_SCSI_F_T10_PI);
		return 0;
	case VHOST_SET_OWNER: saw('O'); return 0;
	case VHOST_SET_FEATURES:
		saw('F');
		vhost.features = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_MEM_TABLE:
		saw('M');
		vhost.regions = ((const struct vhost_memory *)arg)->nregions;
		return 0;
	case VHOST_SET_VRING_NUM:
		saw('n');
		vhost.rings |= 1u << state->index;
		return state->num == VG_SIZE ? 0 : -EINVAL;
	case VHOST_SET_VRING_BASE: saw('b'); return state->num ? -EINVAL : 0;
	case VHOST_SET_VRING_ADDR:
		saw(addr->desc_user_addr || addr->avail_user_addr || addr->used_user_addr ? 'a' : 'z');
		return 0;
	case VHOST_SET_VRING_KICK:
		saw('k');
		vhost.kick[file->index % 4] = file->fd;
		return file->fd < 0 ? -EBADF : 0;
	case VHOST_SET_VRING_CALL: saw('c'); return vhost.fail_call;
	case VHOST_SCSI_SET_EVENTS_MISSED: saw('E'); return *(uint32_t *)arg ? -EINVAL : 0;
	case VHOST_SCSI_SET_ENDPOINT: return take(arg);
	case VHOST_SCSI_CLEAR_ENDPOINT:
		saw('t');
		return strcmp(((struct vhost_scsi_target *)arg)->vhost_wwpn, vhost.wwpn) ? -EINVAL : 0;
	case VHOST_SCSI_GET_ABI_VERSION: *(int *)arg = vhost.version; return 0;
	default: return -ENOTTY;
	}
}

/* --- the device ------------------------------------------------------------------------------------ */

static const struct vmm_scsi conf = { .wwpn = WWPN, .queues = 2, .fd = VHOST };
static struct virtio_scsi *scsi;

static void begin(void)
{
	struct vm *vm = &vg_machine.guest.vm;

	memset(&vhost, 0, sizeof(vhost));
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	fake_ioctl_handle(VHOST, answer, NULL);
	assert_int_equal(virtio_scsi_new(vm, &conf, 0, &scsi, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(void)
{
	scsi = virtio_scsi_free(scsi);
	vfio_machine_free(&vg_machine);
}

/* One that has a queue of requests only, as of a guest with one CPU. */
static void drive(void)
{
	vg_accept(F(VIRTIO_F_VERSION_1) | F(VIRTIO_SCSI_F_HOTPLUG));
	for (unsigned q = 0; q < 3; q++)
		vg_set_queue(q, VG_DESC + 0x4000 * q, VG_AVAIL + 0x4000 * q, VG_USED + 0x4000 * q);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void test_a_driver_finds_what_there_may_be(void **state)
{
	static const struct virtio_scsi_config want = { 2, 126, 0xffff, 128, 16, 96, 32, 0, 255, 16383 };
	const uint8_t *b = (const uint8_t *)&want;

	begin();
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 4);
	for (unsigned i = 0; i < sizeof(want); i++)
		assert_int_equal(vg_get(CONFIG + i, 1), b[i]);
	assert_int_equal(vg_get(CONFIG + sizeof(want), 4), 0);
	/* The kernel's sizes are what they are. */
	vg_put(CONFIG + 20, 4, 128);
	assert_int_equal(vg_get(CONFIG + 20, 4), 96);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4) & (F(VIRTIO_SCSI_F_HOTPLUG) | F(VIRTIO_SCSI_F_T10_PI)),
			 F(VIRTIO_SCSI_F_HOTPLUG));
	end();
}

static void test_the_target_is_had_from_driver_to_reset(void **state)
{
	begin();
	assert_string_equal(vhost.order, "O"); /* by who made it, not by a guest's CPU */
	assert_false(virtio_scsi_driven(scsi));
	drive();
	/* The fourth, which a driver before this one may have had, is not to be written to. */
	assert_string_equal(vhost.order, "OFMnbaknbaknbakzcccET");
	assert_int_equal(vhost.rings, 7);
	assert_string_equal(vhost.wwpn, WWPN);
	assert_true(vhost.features == (F(VIRTIO_F_VERSION_1) | F(VIRTIO_SCSI_F_HOTPLUG)));
	assert_true(virtio_scsi_driven(scsi));
	forget();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_string_equal(vhost.order, "t");
	drive();
	assert_string_equal(vhost.order, "tFMnbaknbaknbakzcccET");
	forget();
	pci_reset(vg_machine.guest.vm.pci);
	assert_string_equal(vhost.order, "t");
	end();
	begin();
	drive();
	forget();
	end();
	assert_string_equal(vhost.order, "t");
}

/* What the guest put in before the kernel had a target is looked at. */
static void test_no_kick_is_lost(void **state)
{
	uint64_t n;

	begin();
	drive();
	for (unsigned q = 0; q < 3; q++)
		assert_int_equal(read(vhost.kick[q], &n, sizeof(n)), 8);
	end();
	begin();
	vhost.fail_target = -ENODEV; /* it is no kick without one */
	drive();
	assert_int_equal(read(vhost.kick[0], &n, sizeof(n)), -1);
	end();
}

static void test_a_target_that_is_gone_breaks_the_device_alone(void **state)
{
	begin();
	vhost.fail_target = -ENODEV;
	drive();
	assert_true(vg_is_broken());
	assert_false(virtio_scsi_driven(scsi));
	vhost.fail_target = 0;
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	drive();
	assert_false(vg_is_broken());
	end();
	begin();
	vhost.fail_call = -EFAULT;
	drive();
	assert_true(vg_is_broken());
	assert_null(strchr(vhost.order, 'T'));
	end();
}

/* --- the supervisor's side -------------------------------------------------------------------------- */

#define TARGET "sys/kernel/config/target/vhost/" WWPN

static int root = -1;
static struct vmm_config config;
static struct vm_scsi_locks locks;

/* Its descriptors are real ones; each is vhost-scsi. */
static void open_scsi(int want, const char *text, const char *hint)
{
	static const struct vm_opt_scsi opts[] = { { .wwpn = WWPN, .queues = 3 } };
	struct err err = ERR_INIT;

	locks = (struct vm_scsi_locks)VM_SCSI_LOCKS_INIT;
	vm_config_init(&config);
	forget();
	assert_int_equal(vm_scsi_open(root, opts, 1, &config, &locks, &err), want);
	if (want == 0)
		return;
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.hint, hint));
	assert_int_equal(config.scsi_count, 0);
	assert_int_equal(config.scsi[0].fd, -1);
	vm_scsi_unlock(&locks);
}

static void close_scsi(void)
{
	vm_config_close(&config);
	vm_scsi_unlock(&locks);
}

static void test_what_is_lacking_is_named(void **state)
{
	static const struct fake_node none[] = { { "dev", 0 }, { 0 } };
	static const struct fake_node node[] = { { "dev/vhost-scsi", "" }, { 0 } };
	static const struct fake_node empty[] = { { "sys/kernel/config/target/vhost", 0 }, { 0 } };
	static const struct fake_node target[] = { { TARGET "/tpgt_1/lun", 0 }, { TARGET "/fabric_statistics", 0 },
						   { 0 } };
	static const struct fake_node nexus[] = { { TARGET "/tpgt_1/nexus", WWPN }, { 0 } };
	static const struct fake_node bare[] = { { TARGET "/tpgt_1/lun/lun_0/alua_tg_pt_gp", "x" }, { 0 } };
	static const struct fake_node lun[] = { { TARGET "/tpgt_1/lun/lun_0/d", 0, "../d" }, { 0 } };

	memset(&vhost, 0, sizeof(vhost));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, answer, NULL);
	root = fake_sysfs(none);
	open_scsi(-ENOENT, "--scsi: cannot open /dev/vhost-scsi: No such file or directory", "modprobe vhost_scsi");
	fake_sysfs_add(root, node);
	vhost.fail_target = -ENODEV;
	open_scsi(-ENODEV, "this host has no target " WWPN, "targetcli /vhost create " WWPN);
	fake_sysfs_add(root, empty);
	open_scsi(-ENODEV, "this host has no target " WWPN, "targetcli /vhost create " WWPN);
	assert_string_equal(vhost.order, ""); /* nobody was asked */
	fake_sysfs_add(root, target);
	open_scsi(-ENODEV, "has no nexus", "echo " WWPN " >/" TARGET "/tpgt_1/nexus");
	fake_sysfs_add(root, nexus);
	open_scsi(-ENODEV, "has no LUN", "tpg1/luns create");
	fake_sysfs_add(root, bare);
	open_scsi(-ENODEV, "has no LUN", "tpg1/luns create");
	fake_sysfs_add(root, lun);
	/* It is there, so something else has it. */
	open_scsi(-EBUSY, "another guest has the target " WWPN, "thruway vm ps");
	vhost.fail_target = -EIO;
	open_scsi(-EIO, "cannot have the target " WWPN ": Input/output error", "");
	vhost.fail_target = 0;
	vhost.version = VHOST_SCSI_ABI_VERSION + 1;
	open_scsi(-EPROTO, "vhost-scsi is of version 2, and 1 is the last one known here", "newer thruway");
	vhost.version = VHOST_SCSI_ABI_VERSION;
	open_scsi(0, NULL, NULL);
	close_scsi();
	fake_sysfs_free(&root);
	fake_ioctl_reset();
}

static void test_the_kernel_calls_a_port_of_fibre_channel_otherwise(void **state)
{
	static const struct fake_node there[] = {
		{ "dev/vhost-scsi", "" },
		{ "sys/kernel/config/target/vhost/fc.210000e08b05adb1/tpgt_1/nexus", "x" },
		{ "sys/kernel/config/target/vhost/fc.210000e08b05adb1/tpgt_1/lun/lun_0/d", 0, "../d" },
		{ 0 },
	};
	static const struct vm_opt_scsi fc = { .wwpn = "fc.210000e08b05adb1", .queues = 1 };
	const struct vhost v = { .fd = VHOST };
	struct err err = ERR_INIT;

	memset(&vhost, 0, sizeof(vhost));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, answer, NULL);
	root = fake_sysfs(there);
	locks = (struct vm_scsi_locks)VM_SCSI_LOCKS_INIT;
	vm_config_init(&config);
	assert_int_equal(vm_scsi_open(root, &fc, 1, &config, &locks, &err), 0);
	assert_string_equal(vhost.wwpn, "210000e08b05adb1");
	assert_string_equal(config.scsi[0].wwpn, "fc.210000e08b05adb1");
	close_scsi();
	vhost.wwpn[0] = '\0';
	assert_int_equal(vhost_scsi_set(&v, fc.wwpn), 0);
	assert_string_equal(vhost.wwpn, "210000e08b05adb1");
	assert_int_equal(vhost_scsi_clear(&v, fc.wwpn), 0);
	fake_sysfs_free(&root);
	fake_ioctl_reset();
}

static void test_a_target_is_tried_and_locked(void **state)
{
	static const struct fake_node there[] = { { "dev/vhost-scsi", "" }, { TARGET "/tpgt_1/nexus", WWPN },
						  { TARGET "/tpgt_1/lun/lun_7/d", 0, "../d" }, { 0 } };
	struct vm_scsi_locks first;
	struct vmm_config had;

	memset(&vhost, 0, sizeof(vhost));
	fake_ioctl_reset();
	fake_ioctl_handle(-1, answer, NULL);
	root = fake_sysfs(there);
	open_scsi(0, NULL, NULL);
	/* By a descriptor of our memory, which is nothing; the VMM's has no owner yet. */
	assert_string_equal(vhost.order, "OMTt");
	assert_int_equal(vhost.regions, 0);
	assert_int_equal(config.scsi_count, 1);
	assert_string_equal(config.scsi[0].wwpn, WWPN);
	assert_int_equal(config.scsi[0].queues, 3);
	had = config;
	first = locks;
	/* Though the kernel would give it: the first one's guest has no driver yet. */
	open_scsi(-EBUSY, "another guest has the target " WWPN, "thruway vm ps");
	assert_string_equal(vhost.order, "");
	config = had;
	locks = first;
	close_scsi();
	open_scsi(0, NULL, NULL);
	close_scsi();
	assert_int_equal(config.scsi[0].fd, -1);
	fake_sysfs_free(&root);
	fake_ioctl_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_driver_finds_what_there_may_be),
		cmocka_unit_test(test_the_target_is_had_from_driver_to_reset),
		cmocka_unit_test(test_no_kick_is_lost),
		cmocka_unit_test(test_a_target_that_is_gone_breaks_the_device_alone),
		cmocka_unit_test(test_what_is_lacking_is_named),
		cmocka_unit_test(test_the_kernel_calls_a_port_of_fibre_channel_otherwise),
		cmocka_unit_test(test_a_target_is_tried_and_locked),
	};

	return cmocka_run_group_tests_name("virtio_scsi", tests, NULL, NULL);
}
