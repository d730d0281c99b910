// SPDX-License-Identifier: GPL-2.0-or-later
/* A vDPA device: what the kernel's vhost-vdpa is told, and in which order; what of it a guest sees. */
#include "vmm/virtio/vdpa.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/fake/ioctl.h"
#include "tests/fake/sysfs.h"
#include "tests/fake/virtio_guest.h"
#include "tools/vm_nic.h"
#include "tools/vm_vdpa.h"
#include "vmm/control_balloon.h"
#include "vmm/control_net.h"
#include "vmm/control_nic.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/mem.h"

#define SLOT   1
#define VDPA   1100
#define CONFIG 0x800u
#define F(n)   (1ull << (n))

#define PERSIST 8 /* VHOST_BACKEND_F_IOTLB_PERSIST, Linux 6.7 */

static struct {
	char order[256]; /* sN: status, F: features, nbakcE: of a ring, I: who hears of its configuration; maps: {+-} */
	uint64_t features, manners;
	uint64_t agreed, acked;
	uint64_t first, last;
	uint32_t id, rings, config_size;
	uint16_t ring_size;
	uint8_t status;
	bool refuses; /* what it was asked for */
	uint64_t mapped_gpa, mapped_size, mapped_hva;
	uint64_t desc[8], avail[8], used[8];
	int config_call;
	int fail_map, fail_kick;
	uint8_t config[24];
} vdpa;

static void saw(char c)
{
	size_t n = strlen(vdpa.order);

	if (n + 1 < sizeof(vdpa.order))
		vdpa.order[n] = c;
}

static void forget(void)
{
	memset(&vdpa.order, 0, sizeof(vdpa.order));
}

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

/* Of guest RAM. */
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	const struct vhost_msg_v2 *msg = data;

	if (fd != VDPA)
		return __real_write(fd, data, len);
	assert_int_equal(len, sizeof(*msg));
	assert_int_equal(msg->type, VHOST_IOTLB_MSG_V2);
	assert_int_equal(msg->asid, 0);
	switch (msg->iotlb.type) {
	case VHOST_IOTLB_BATCH_BEGIN: saw('{'); return (ssize_t)len;
	case VHOST_IOTLB_BATCH_END: saw('}'); return (ssize_t)len;
	case VHOST_IOTLB_UPDATE:
		saw('+');
		assert_int_equal(msg->iotlb.perm, VHOST_ACCESS_RW);
		vdpa.mapped_gpa = msg->iotlb.iova;
		vdpa.mapped_size = msg->iotlb.size;
		vdpa.mapped_hva = msg->iotlb.uaddr;
		break;
	case VHOST_IOTLB_INVALIDATE: saw('-'); return (ssize_t)len;
	default: fail();
	}
	errno = vdpa.fail_map;
	return vdpa.fail_map ? -1 : (ssize_t)len;
}

static int set_status(uint8_t value)
{
	char text[8];

	snprintf(text, sizeof(text), "s%x", value);
	saw(text[0]);
	saw(text[1]);
	if (value && vdpa.status & ~value)
		return -EINVAL;
	vdpa.status = value;
	if (vdpa.refuses)
		vdpa.status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	return 0;
}

static int set_addresses(const struct vhost_vring_addr *addr)
{
	saw('a');
	vdpa.desc[addr->index % 8] = addr->desc_user_addr;
	vdpa.avail[addr->index % 8] = addr->avail_user_addr;
	vdpa.used[addr->index % 8] = addr->used_user_addr;
	return 0;
}

static int get_config(struct vhost_vdpa_config *c)
{
	if (!c->len || c->off > vdpa.config_size || c->len > vdpa.config_size - c->off)
		return -EINVAL;
	memcpy(c->buf, vdpa.config + c->off, c->len);
	return 0;
}

static int answer(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct vhost_vring_state *state = arg;
	struct vhost_vdpa_iova_range *range = arg;

	switch (request) {
	case VHOST_GET_BACKEND_FEATURES: *(uint64_t *)arg = vdpa.manners; return 0;
	case VHOST_SET_BACKEND_FEATURES: vdpa.agreed = *(uint64_t *)arg; return 0;
	case VHOST_GET_FEATURES: *(uint64_t *)arg = vdpa.features; return 0;
	case VHOST_SET_OWNER: return 0;
	case VHOST_VDPA_GET_DEVICE_ID: *(uint32_t *)arg = vdpa.id; return 0;
	case VHOST_VDPA_GET_IOVA_RANGE: range->first = vdpa.first, range->last = vdpa.last; return 0;
	case VHOST_VDPA_GET_CONFIG_SIZE: *(uint32_t *)arg = vdpa.config_size; return 0;
	case VHOST_VDPA_GET_VQS_COUNT: *(uint32_t *)arg = vdpa.rings; return vdpa.rings ? 0 : -ENOTTY;
	case VHOST_VDPA_GET_VRING_NUM: *(uint16_t *)arg = vdpa.ring_size; return 0;
	case VHOST_VDPA_GET_CONFIG: return get_config(arg);
	case VHOST_VDPA_GET_STATUS: *(uint8_t *)arg = vdpa.status; return 0;
	case VHOST_VDPA_SET_STATUS: return set_status(*(uint8_t *)arg);
	case VHOST_SET_FEATURES:
		saw('F');
		vdpa.acked = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_VRING_NUM: saw('n'); return state->num == VG_SIZE ? 0 : -EINVAL;
	case VHOST_SET_VRING_BASE: saw('b'); return state->num ? -EINVAL : 0;
	case VHOST_SET_VRING_ADDR: return set_addresses(arg);
	case VHOST_SET_VRING_KICK: saw('k'); return vdpa.fail_kick;
	case VHOST_SET_VRING_CALL: saw('c'); return 0;
	case VHOST_VDPA_SET_VRING_ENABLE: saw('E'); return state->num == 1 ? 0 : -EINVAL;
	case VHOST_VDPA_SET_CONFIG_CALL:
		saw('I');
		vdpa.config_call = *(int *)arg;
		return 0;
	default: return -ENOTTY;
	}
}

static const struct vmm_nic nic = { .pairs = 1, .vdpa = true, .host = "vdpa0", .backend_fd = VDPA };
static struct virtio_vdpa *dev;

/* A pair of queues, and one of commands. */
static void describe(void)
{
	memset(&vdpa, 0, sizeof(vdpa));
	vdpa.features = F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_ACCESS_PLATFORM) | F(VIRTIO_F_RING_PACKED) |
			F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_MTU) | F(VIRTIO_NET_F_STATUS) |
			F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_STANDBY) |
			F(VIRTIO_NET_F_RSS) | F(VIRTIO_RING_F_INDIRECT_DESC);
	vdpa.manners = F(VHOST_BACKEND_F_IOTLB_MSG_V2) | F(VHOST_BACKEND_F_IOTLB_BATCH) |
		       F(VHOST_BACKEND_F_IOTLB_ASID);
	vdpa.last = UINT64_MAX;
	vdpa.id = 1;
	vdpa.rings = 3;
	vdpa.ring_size = 256;
	vdpa.config_size = sizeof(vdpa.config);
	memcpy(vdpa.config, "\x52\x54\x00\xaa\x00\x07\x01\x00\x01\x00\xdc\x05", 12);
}

static int make(void)
{
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	fake_ioctl_handle(VDPA, answer, NULL);
	return virtio_vdpa_new(&vg_machine.guest.vm, &nic, 0, &dev, &vg_machine.guest.err);
}

static void begin(void)
{
	assert_int_equal(make(), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(void)
{
	dev = virtio_vdpa_free(dev);
	vfio_machine_free(&vg_machine);
}

static void drive(void)
{
	vg_accept(F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_CTRL_VQ));
	for (unsigned q = 0; q < 3; q++)
		vg_set_queue(q, VG_DESC + 0x4000 * q, VG_AVAIL + 0x4000 * q, VG_USED + 0x4000 * q);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static uint64_t offered(void)
{
	uint64_t low;

	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	low = vg_get(VIRTIO_PCI_COMMON_DF, 4);
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return low | vg_get(VIRTIO_PCI_COMMON_DF, 4) << 32;
}

/* --- the device ------------------------------------------------------------------------------------ */

static void test_a_guest_sees_what_the_device_is(void **state)
{
	struct virtio_vdpa_state s;

	describe();
	begin();
	assert_true(offered() == (F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_MTU) |
				  F(VIRTIO_NET_F_STATUS) | F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_MQ) |
				  F(VIRTIO_NET_F_RSS) | F(VIRTIO_RING_F_INDIRECT_DESC)));
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	for (unsigned i = 0; i < sizeof(vdpa.config); i++)
		assert_int_equal(vg_get(CONFIG + i, 1), vdpa.config[i]);
	/* Past its end, and over it. */
	assert_int_equal(vg_get(CONFIG + 24, 8), 0);
	memset(vdpa.config + 20, 0x5a, 4);
	assert_true(vg_get(CONFIG + 20, 8) == 0x5a5a5a5a);
	virtio_vdpa_get_state(dev, &s);
	assert_memory_equal(s.mac, "\x52\x54\x00\xaa\x00\x07", 6);
	assert_int_equal(s.mtu, 1500);
	assert_true(s.link && !s.driven);
	assert_int_equal(s.pairs, 1);
	assert_int_equal(s.used, 0);
	vdpa.config[6] = 0;
	drive();
	virtio_vdpa_get_state(dev, &s);
	assert_true(!s.link && s.driven);
	assert_int_equal(s.used, 1);
	end();
}

static void test_ram_is_the_devices_from_the_start(void **state)
{
	const struct mem_bank *bank;

	describe();
	assert_int_equal(make(), 0);
	assert_string_equal(vdpa.order, "{+}");
	bank = mem_bank(vg_machine.guest.vm.mem, 0);
	assert_int_equal(vdpa.mapped_gpa, bank->gpa);
	assert_int_equal(vdpa.mapped_size, bank->size);
	assert_true(vdpa.mapped_hva == (uintptr_t)bank->hva);
	/* Of the manners those that are known here. */
	assert_int_equal(vdpa.agreed, F(VHOST_BACKEND_F_IOTLB_MSG_V2) | F(VHOST_BACKEND_F_IOTLB_BATCH));
	forget();
	end();
	assert_string_equal(vdpa.order, "{-}");
	describe();
	vdpa.manners = F(VHOST_BACKEND_F_IOTLB_MSG_V2);
	assert_int_equal(make(), 0);
	assert_string_equal(vdpa.order, "+");
	end();
}

static void test_its_life_is_the_drivers(void **state)
{
	describe();
	begin();
	forget();
	drive();
	assert_string_equal(vdpa.order, "Is3FsbnbakcEnbakcEnbakcEsf");
	assert_true(vdpa.acked == (F(VIRTIO_F_VERSION_1) | F(VIRTIO_F_ACCESS_PLATFORM) | F(VIRTIO_NET_F_MAC) |
				   F(VIRTIO_NET_F_CTRL_VQ)));
	/* Where the guest says, as the device sees RAM. */
	assert_int_equal(vdpa.desc[1], VG_DESC + 0x4000);
	assert_int_equal(vdpa.avail[1], VG_AVAIL + 0x4000);
	assert_int_equal(vdpa.used[2], VG_USED + 0x8000);
	assert_true(vdpa.config_call >= 0);
	forget();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_string_equal(vdpa.order, "s0I");
	assert_int_equal(vdpa.config_call, -1);
	/* A reset may have taken its map along. */
	forget();
	drive();
	assert_string_equal(vdpa.order, "I{-}{+}s3FsbnbakcEnbakcEnbakcEsf");
	end();
	describe();
	vdpa.manners |= F(PERSIST);
	begin();
	drive();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	forget();
	drive();
	assert_string_equal(vdpa.order, "Is3FsbnbakcEnbakcEnbakcEsf");
	forget();
	end();
	assert_string_equal(vdpa.order, "s0I{-}");
}

static void test_a_device_that_refuses_is_broken_and_reset(void **state)
{
	describe();
	vdpa.refuses = true;
	begin();
	drive();
	assert_true(vg_is_broken());
	assert_null(strchr(vdpa.order, 'n'));
	assert_int_equal(vdpa.status, 0);
	end();
	describe();
	vdpa.fail_kick = -EBADF;
	begin();
	drive();
	assert_true(vg_is_broken());
	assert_int_equal(vdpa.status, 0);
	vdpa.fail_kick = 0;
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	drive();
	assert_false(vg_is_broken());
	end();
}

static void refused(int want, const char *text)
{
	assert_int_equal(make(), want);
	assert_non_null(strstr(vg_machine.guest.err.text, text));
	assert_null(dev);
	vfio_machine_free(&vg_machine);
}

static void test_what_cannot_be_is_said_at_the_start(void **state)
{
	describe();
	vdpa.first = 0x100000;
	vdpa.last = 0xffffffff;
	refused(-ERANGE, "reaches addresses 0x100000 to 0xffffffff, and the guest's RAM is at 0x0 to 0x");
	assert_string_equal(vdpa.order, "");
	describe();
	vdpa.last = 0x1000;
	refused(-ERANGE, "to 0x1000");
	describe();
	vdpa.fail_map = ENOMEM;
	refused(-ENOMEM, "cannot have the guest's RAM of");
	assert_string_equal(vdpa.order, "{+{-}");
	assert_non_null(strstr(vg_machine.guest.err.hint, "RLIMIT_MEMLOCK"));
	describe();
	vdpa.manners = 0;
	refused(-EOPNOTSUPP, "lacks what a guest needs");
	describe();
	vdpa.rings = 0;
	refused(-EOPNOTSUPP, "lacks what a guest needs");
	describe();
	vdpa.features &= ~F(VIRTIO_F_VERSION_1);
	refused(-EOPNOTSUPP, "lacks what a guest needs");
}

static void test_more_queues_than_fit_are_one_pair(void **state)
{
	struct virtio_vdpa_state s;

	describe();
	vdpa.rings = 17;
	vdpa.config[8] = 0; /* it may say anything */
	begin();
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 17);
	assert_true(offered() & F(VIRTIO_NET_F_MQ));
	virtio_vdpa_get_state(dev, &s);
	assert_int_equal(s.pairs, 1);
	vdpa.config[8] = 200;
	virtio_vdpa_get_state(dev, &s);
	assert_int_equal(s.pairs, 8);
	end();
	describe();
	vdpa.rings = 19;
	vdpa.ring_size = 300;
	vdpa.config[8] = 16;
	begin();
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_false(offered() & (F(VIRTIO_NET_F_MQ) | F(VIRTIO_NET_F_RSS)));
	assert_true(offered() & F(VIRTIO_NET_F_CTRL_VQ));
	virtio_vdpa_get_state(dev, &s);
	assert_int_equal(s.pairs, 1);
	end();
}

static void test_its_changes_are_the_guests(void **state)
{
	unsigned before;

	describe();
	begin();
	drive();
	before = (unsigned)vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	assert_int_equal(eventfd_write(vdpa.config_call, 1), 0);
	vg_turn(1000000);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), before + 1);
	assert_false(vg_is_broken());
	vdpa.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	assert_int_equal(eventfd_write(vdpa.config_call, 1), 0);
	vg_turn(1000000);
	assert_true(vg_is_broken());
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(vdpa.status, 0);
	drive();
	assert_false(vg_is_broken());
	end();
}

static void test_who_asks_is_told(void **state)
{
	struct err err = ERR_INIT;
	json_t *params = json_pack("{s:i, s:s}", "nic", 0, "link", "down"), *got = NULL;
	struct machine m = { .config = &vg_machine.config };

	describe();
	begin();
	drive();
	vg_machine.config.numa.nodes = 1;
	vg_machine.config.nic_count = 1;
	vg_machine.config.nics[0] = nic;
	m.host_devices = vg_machine.set;
	m.vdpas[0] = dev;
	got = control_net_report(&m, 0);
	assert_string_equal(json_string_value(json_object_get(got, "backend")), "vdpa");
	assert_string_equal(json_string_value(json_object_get(got, "mac")), "52:54:00:aa:00:07");
	assert_int_equal(json_integer_value(json_object_get(got, "mtu")), 1500);
	assert_true(json_is_true(json_object_get(got, "driven")));
	json_decref(got);
	assert_int_equal(control_nic(&m, params, &got, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "the cable of vdpa0 is the device's own"));
	json_decref(params);
	err = (struct err)ERR_INIT;
	assert_int_equal(control_balloon_refuse(&m, &err), -EBUSY);
	assert_non_null(strstr(err.text, "has the vDPA device vdpa0"));
	vg_machine.config.nics[0].vdpa = false;
	assert_int_equal(control_balloon_refuse(&m, NULL), 0);
	end();
}

/* --- the supervisor's side -------------------------------------------------------------------------- */

static void open_vdpa(int root, const char *name, int want, const char *text, const char *hint)
{
	char parsed[VM_NIC_VDPA_MAX];
	struct err err = ERR_INIT;
	struct vmm_nic got;

	vm_nic_init(&got);
	assert_int_equal(vm_vdpa_parse(name, parsed, &err), 0);
	assert_int_equal(vm_vdpa_open(root, parsed, &got, &err), want);
	assert_int_equal(got.backend_fd >= 0, want == 0);
	if (want == 0) {
		assert_true(got.vdpa);
		assert_string_equal(got.host, parsed);
		close(got.backend_fd);
		return;
	}
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.hint, hint));
}

static void test_devices_are_found_or_refused(void **state)
{
	static const struct fake_node nodes[] = {
		{ "dev/vhost-vdpa-3", "" },
		{ "sys/bus/vdpa/devices/net7/vhost-vdpa/x", "" },
		{ "sys/bus/vdpa/devices/net7/vhost-vdpa-3/dev", "241:3" },
		{ "sys/bus/vdpa/devices/bare/driver_override", "" },
		{ 0 },
	};
	int root = fake_sysfs(nodes);

	describe();
	fake_ioctl_reset();
	fake_ioctl_handle(-1, answer, NULL);
	open_vdpa(root, "net7", 0, NULL, NULL);
	open_vdpa(root, "vhost-vdpa-3", 0, NULL, NULL);
	open_vdpa(root, "/dev/vhost-vdpa-3", 0, NULL, NULL);
	open_vdpa(root, "net8", -ENODEV, "this host has no vDPA device net8", "vdpa dev show");
	open_vdpa(root, "vhost-vdpa-4", -ENODEV, "this host has no vDPA device vhost-vdpa-4", "vdpa dev show");
	open_vdpa(root, "bare", -ENODEV, "vhost_vdpa does not have it", "modprobe vhost_vdpa");
	vdpa.id = 2;
	open_vdpa(root, "net7", -EINVAL, "is no network device, but one of virtio's number 2", "");
	fake_sysfs_free(&root);
	fake_ioctl_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_guest_sees_what_the_device_is),
		cmocka_unit_test(test_ram_is_the_devices_from_the_start),
		cmocka_unit_test(test_its_life_is_the_drivers),
		cmocka_unit_test(test_a_device_that_refuses_is_broken_and_reset),
		cmocka_unit_test(test_what_cannot_be_is_said_at_the_start),
		cmocka_unit_test(test_more_queues_than_fit_are_one_pair),
		cmocka_unit_test(test_its_changes_are_the_guests),
		cmocka_unit_test(test_who_asks_is_told),
		cmocka_unit_test(test_devices_are_found_or_refused),
	};

	return cmocka_run_group_tests_name("virtio_vdpa", tests, NULL, NULL);
}
