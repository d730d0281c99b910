// SPDX-License-Identifier: GPL-2.0-or-later
/* What may be asked of the control socket about a device that comes, and how one comes back. */
#include "vmm/control_device.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "vmm/ctl.h"
#include "vmm/device_settings.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"

#define DEV "0000:01:10.0"

static struct vmm_config config;
static struct machine m;
static int sent[4]; /* descriptors that come along, in order */
static unsigned nsent;

static struct vmm_device plugged; /* what came last, and how */
static struct vfio_pci_arrival how;
static int refusal; /* 0: none */

int __wrap_ctl_take_fd(struct ctl *ctl);
int __wrap_vfio_pci_plug(struct vm *vm, struct vfio_pci_set **set, struct vfio_pci_arrival *a,
			 struct err *err);

int __wrap_ctl_take_fd(struct ctl *ctl)
{
	int fd = sent[0];

	if (!nsent)
		return -1;
	nsent--;
	memmove(sent, sent + 1, nsent * sizeof(sent[0]));
	return fd;
}

int __wrap_vfio_pci_plug(struct vm *vm, struct vfio_pci_set **set, struct vfio_pci_arrival *a,
			 struct err *err)
{
	plugged = *a->device;
	how = *a;
	close_fdp(&a->group_fd);
	close_fdp(&a->container_fd);
	a->node = 1;
	return refusal ? err_plain(err, refusal, "no") : 0;
}

/* A balloon that keeps what it is asked for. */
static uint64_t wanted;
static unsigned asks;

void __wrap_virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes);
void __wrap_virtio_balloon_get_state(struct virtio_balloon *b, struct balloon_state *ret);

void __wrap_virtio_balloon_ask(struct virtio_balloon *b, uint64_t bytes)
{
	wanted = bytes;
	asks++;
}

void __wrap_virtio_balloon_get_state(struct virtio_balloon *b, struct balloon_state *ret)
{
	*ret = (struct balloon_state){ .asked = wanted };
}

/* Two nodes, and a device that the guest began with. */
static int setup(void **state)
{
	memset(&config, 0, sizeof(config));
	config.numa.nodes = 2;
	config.nic_count = 1;
	config.device_count = 1;
	strcpy(config.devices[0].name, "0000:02:00.0");
	config.devices[0].rom = VMM_ROM_FILE;
	config.devices[0].rom_fd = 77;
	config.devices[0].clique = 4;
	m = (struct machine){ .config = &config };
	nsent = 0;
	refusal = 0;
	return 0;
}

static int teardown(void **state)
{
	device_settings_fini(&m);
	return 0;
}

/* Descriptors to come along with what is asked next. */
static int send_one(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	sent[nsent++] = fd;
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* The refusal, or "". */
static const char *ask(const char *params)
{
	static struct err err;
	json_t *p = json_loads(params, 0, NULL), *result = NULL;

	assert_non_null(p);
	err = (struct err)ERR_INIT;
	memset(&plugged, 0, sizeof(plugged));
	if (control_attach(&m, p, &result, &err) == 0)
		assert_int_equal(json_integer_value(json_object_get(result, "node")), 1);
	json_decref(result);
	json_decref(p);
	return err.text;
}

static void test_each_word_reaches_its_field(void **state)
{
	int group = send_one(), container = send_one();

	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9,\"node\":1,\"only_node\":true,\"intx\":false,"
				"\"token\":\"t\",\"rom\":\"off\",\"move_msix\":true,\"clique\":0}"), "");
	assert_string_equal(plugged.name, DEV);
	assert_string_equal(plugged.token, "t");
	assert_int_equal(plugged.node, 1);
	assert_int_equal(plugged.intx, VMM_INTX_WITHHELD);
	assert_int_equal(plugged.rom, VMM_ROM_OFF);
	assert_int_equal(plugged.clique, 1);
	assert_true(plugged.move_msix && how.only_node);
	assert_false(plugged.vf);
	assert_int_equal(how.group, 9);
	assert_int_equal(how.group_fd, group);
	assert_int_equal(how.container_fd, container);
}

static void test_that_a_line_is_shared_is_kept_apart(void **state)
{
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9}"), "");
	assert_int_equal(plugged.intx, VMM_INTX_OWN);
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9,\"intx\":true,"
				"\"intx_shared\":true}"), "");
	assert_int_equal(plugged.intx, VMM_INTX_SHARED);
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9,\"vf\":true}"), "");
	assert_true(plugged.vf);
}

static void test_a_balloon_is_as_before_where_nothing_comes(void **state)
{
	m.balloon = (struct virtio_balloon *)&m;
	wanted = 64 << 20;
	asks = 0;
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":\"9\"}"), "\"group\" is a number from 0 to 2147483647");
	assert_int_equal(asks, 0);
	refusal = -ENOSPC;
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9}"), "no");
	assert_int_equal(wanted, 64 << 20);
	refusal = 0;
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":9}"), "");
	assert_int_equal(wanted, 0);
	m.balloon = NULL;
}

static void test_bad_parameters_name_the_one(void **state)
{
	static const char *const rows[][2] = {
		{ "\"group\":1", "\"device\"" },
		{ "\"device\":\"a\"", "\"group\"" },
		{ "\"device\":\"a\",\"group\":1,\"node\":2", "\"node\" is a number from 0 to 1" },
		{ "\"device\":\"a\",\"group\":1,\"vf\":1", "\"vf\" is true or false" },
		{ "\"device\":\"a\",\"group\":1,\"only_node\":1", "\"only_node\" is true or false" },
		{ "\"device\":\"a\",\"group\":1,\"intx\":\"no\"", "\"intx\" is true or false" },
		{ "\"device\":\"a\",\"group\":1,\"intx_shared\":1", "\"intx_shared\" is true or false" },
		{ "\"device\":\"a\",\"group\":1,\"intx\":false,\"intx_shared\":true", "with \"intx\"" },
		{ "\"device\":\"a\",\"group\":1,\"rom\":\"on\"", "\"rom\" is" },
		{ "\"device\":\"a\",\"group\":1,\"rom\":2", "\"rom\" is" },
		{ "\"device\":\"a\",\"group\":1,\"move_msix\":null", "\"move_msix\" is true or false" },
		{ "\"device\":\"a\",\"group\":1,\"clique\":16", "\"clique\" is a number from 0 to 15" },
		{ "\"device\":\"a\",\"group\":1,\"clique\":-1", "\"clique\" is" },
		{ "\"device\":\"a\",\"group\":1,\"rom\":\"file\"", "the ROM of a did not come with it" },
		{ "\"device\":\"a\",\"group\":1,\"nic\":0", "stands by for no other" },
	};
	char params[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(params, sizeof(params), "{%s}", rows[i][0]);
		assert_non_null(strstr(ask(params), rows[i][1]));
		assert_string_equal(plugged.name, "");
	}
}

static void test_one_comes_back_as_it_was(void **state)
{
	int rom = send_one();

	/* As at the start, when nothing is said. */
	nsent = 0;
	assert_string_equal(ask("{\"device\":\"0000:02:00.0\",\"group\":1}"), "");
	assert_int_equal(plugged.rom, VMM_ROM_FILE);
	assert_int_equal(plugged.rom_fd, 77);
	assert_int_equal(plugged.clique, 4);
	/* As it was said the last time, then; and the file stays open for that. */
	sent[0] = rom;
	nsent = 1;
	assert_string_equal(ask("{\"device\":\"0000:02:00.0\",\"group\":1,\"rom\":\"file\"}"), "");
	assert_int_equal(plugged.rom_fd, rom);
	assert_int_equal(plugged.clique, 0);
	memset(&plugged, 0, sizeof(plugged));
	assert_string_equal(ask("{\"device\":\"0000:02:00.0\",\"group\":1}"), "");
	assert_int_equal(plugged.rom_fd, rom);
	assert_true(is_open(rom));
	assert_string_equal(device_settings_known(&m, 0), "0000:02:00.0");
	assert_null(device_settings_known(&m, 2));
	/* Another's is not. */
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":1}"), "");
	assert_int_equal(plugged.rom, VMM_ROM_DEVICE);
	/* What takes its place ends it. */
	assert_string_equal(ask("{\"device\":\"0000:02:00.0\",\"group\":1,\"rom\":\"device\"}"), "");
	assert_false(is_open(rom));
	assert_string_equal(ask("{\"device\":\"0000:02:00.0\",\"group\":1}"), "");
	assert_int_equal(plugged.rom, VMM_ROM_DEVICE);
	assert_int_equal(m.came_count, 1);
}

static void test_what_was_refused_is_not_remembered(void **state)
{
	int rom = send_one();

	refusal = -ENOSPC;
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":1,\"rom\":\"file\"}"), "no");
	assert_int_equal(plugged.rom_fd, rom);
	assert_false(is_open(rom));
	refusal = 0;
	assert_string_equal(device_settings_known(&m, 0), "0000:02:00.0"); /* from the start on */
	assert_null(device_settings_known(&m, 1));
	assert_string_equal(ask("{\"device\":\"" DEV "\",\"group\":1}"), "");
	assert_int_equal(plugged.rom, VMM_ROM_DEVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_each_word_reaches_its_field),
		TEST(test_that_a_line_is_shared_is_kept_apart),
		TEST(test_a_balloon_is_as_before_where_nothing_comes),
		TEST(test_bad_parameters_name_the_one),
		TEST(test_one_comes_back_as_it_was),
		TEST(test_what_was_refused_is_not_remembered),
#undef TEST
	};

	return cmocka_run_group_tests_name("control_device", tests, NULL, NULL);
}
