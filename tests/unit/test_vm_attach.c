// SPDX-License-Identifier: GPL-2.0-or-later
/* What a VM is asked when a device is to come to it: node, what the guest sees, descriptors. */
#include "tools/vm_attach.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_client.h"
#include "tools/vm_device_opts.h"
#include "vfio/node.h"

#define DEV "0000:81:10.0"
#define OLD "0000:83:01.0"

static int host = -1;
static const char *status; /* that the VM gives */
static char asked[512];
static unsigned opened; /* containers and groups */
static unsigned came; /* descriptors: 0x1 a group, 0x2 a container, 0x4 a ROM, a digit each in order */
static int answer_node;
static struct err err;

int __wrap_vm_client_call(struct vm_client *c, const char *method, json_t **ret, struct err *e);
int __wrap_vm_client_call_with(struct vm_client *c, const char *method, json_t *params,
			       const int *fds, unsigned nfds, json_t **ret, struct err *e);
int __wrap_vfio_container_open(int root, int *ret_fd, struct err *e);
int __wrap_vfio_group_open(int root, unsigned group, const char *bdf, int *ret_fd, struct err *e);

int __wrap_vm_client_call(struct vm_client *c, const char *method, json_t **ret, struct err *e)
{
	assert_string_equal(method, "status");
	*ret = json_loads(status, 0, NULL);
	assert_non_null(*ret);
	return 0;
}

/* Its first byte says what a descriptor is. */
static unsigned kind_of(int fd)
{
	char c = 0;

	assert_int_equal(pread(fd, &c, 1, 0), 1);
	return c == 'g' ? 1 : c == 'c' ? 2 : c == 0x55 ? 4 : 8;
}

static const char *detach_answer; /* NULL: attach is what is asked */

int __wrap_vm_client_call_with(struct vm_client *c, const char *method, json_t *params,
			       const int *fds, unsigned nfds, json_t **ret, struct err *e)
{
	char *text = json_dumps(params, JSON_COMPACT);

	assert_string_equal(method, detach_answer ? "detach" : "attach");
	snprintf(asked, sizeof(asked), "%s", text);
	free(text);
	json_decref(params);
	for (unsigned i = 0; i < nfds; i++)
		came = came << 4 | kind_of(fds[i]);
	*ret = detach_answer ? json_loads(detach_answer, JSON_DECODE_ANY, NULL) :
			       json_pack("{s:i}", "node", answer_node);
	return 0;
}

static int file_of(const char *text, size_t len)
{
	int fd = memfd_create("fake", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, len), len);
	return fd;
}

int __wrap_vfio_container_open(int root, int *ret_fd, struct err *e)
{
	opened++;
	*ret_fd = file_of("c", 1);
	return 0;
}

int __wrap_vfio_group_open(int root, unsigned group, const char *bdf, int *ret_fd, struct err *e)
{
	assert_int_equal(group, 25);
	opened++;
	*ret_fd = file_of("g", 1);
	return 0;
}

/* Its one capability. */
static void put_msix(const char *bdf, uint8_t id)
{
	uint8_t config[256] = { [PCI_STATUS] = PCI_STATUS_CAP_LIST, [PCI_CAPABILITY_LIST] = 0x40,
				[0x40] = id };
	char path[64];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", bdf);
	fake_put_bytes(host, path, config, sizeof(config));
}

/* A device on host node 1, one of which no node is known; nodes 0 and 1 with memory, 2 near 1. */
static int setup(void **state)
{
	static const struct fake_node none[] = {
		{ "sys/devices/system/node/online", "0-2" },
		{ "sys/devices/system/node/node0/distance", "10 20 20" },
		{ "sys/devices/system/node/node1/distance", "20 10 12" },
		{ 0 },
	};
	static const struct fake_pci dev = { .bdf = DEV, .driver = "vfio-pci", .group = "25",
					     .node = "1" };
	static const struct fake_pci lost = { .bdf = "0000:82:10.0", .driver = "vfio-pci",
					      .group = "25" };

	host = fake_sysfs(none);
	fake_pci_add(host, &dev);
	fake_pci_add(host, &lost);
	fake_pci_add(host, &(struct fake_pci){ .bdf = OLD, .driver = "vfio-pci", .group = "25",
					       .conventional = true });
	put_msix(DEV, PCI_CAP_ID_MSIX);
	log_set_level(LOG_QUIET);
	status = "{\"devices\":[],\"host_nodes\":[[0],[1]]}";
	asked[0] = '\0';
	came = opened = 0;
	answer_node = 1;
	err = (struct err)ERR_INIT;
	return 0;
}

static int teardown(void **state)
{
	fake_sysfs_free(&host);
	return 0;
}

/* "DEV,words", as the command takes them. */
static int attach(const char *text)
{
	struct vm_client vm = VM_CLIENT_INIT;
	struct vm_opt_device words;
	struct vm_attach device;
	struct bdf bdf;

	assert_int_equal(vm_device_opts_parse("vm attach", text, &words, &err), 0);
	assert_int_equal(bdf_parse(words.name, &bdf), 0);
	device = vm_attach_by_words(bdf, &words);
	asked[0] = '\0';
	came = 0;
	return vm_attach_device(host, &vm, &device, &err);
}

static bool asks(const char *what)
{
	return strstr(asked, what) != NULL;
}

static void test_it_goes_to_the_node_that_its_hosts_is(void **state)
{
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"node\":1,\"only_node\":false"));
	assert_true(asks("\"device\":\"" DEV "\",\"group\":25"));
	assert_int_equal(came, 0x12);
	status = "{\"host_nodes\":[[1],[0]]}";
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"node\":0,"));
	/* Nobody's: the nearest. */
	status = "{\"host_nodes\":[[0],[2]]}";
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"node\":1,"));
	/* Not bound: as at the start. */
	status = "{\"host_nodes\":[[],[]]}";
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"node\":1,"));
	assert_int_equal(attach("0000:82:10.0"), 0);
	assert_true(asks("\"node\":0,"));
}

/* VFs of one card have addresses of one device, and nothing else in common. */
static void test_a_vf_is_told_to_be_one(void **state)
{
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"vf\":false"));
	fake_sysfs_link(host, "../0000:82:10.0", "sys/bus/pci/devices/" DEV "/physfn");
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"vf\":true"));
}

static void test_the_operators_node_goes_before(void **state)
{
	assert_int_equal(attach(DEV ",node=0"), 0);
	assert_true(asks("\"node\":0,\"only_node\":true"));
	assert_int_equal(attach(DEV ",node=2"), -EINVAL);
	assert_string_equal(err.text, "cannot attach " DEV ": the guest has no node 2");
	assert_non_null(strstr(err.hint, "it has 2, from 0 on"));
	assert_string_equal(asked, "");
}

static void test_that_a_line_may_be_shared_is_told(void **state)
{
	assert_int_equal(attach(DEV), 0);
	assert_true(asks("\"intx\":true") && !asks("intx_shared"));
	assert_int_equal(attach(DEV ",intx=shared"), 0);
	assert_true(asks("\"intx\":true") && asks("\"intx_shared\":true"));
}

/* The VMM runs what a guest may have taken over. */
static void test_a_vm_may_say_anything_of_its_nodes(void **state)
{
	static const char *const rows[] = {
		"{}", "{\"host_nodes\":7}", "{\"host_nodes\":[]}", "{\"host_nodes\":[7,\"x\"]}",
		"{\"host_nodes\":[[-1],[1e9],[4000000000000]]}",
		"{\"host_nodes\":[[0],[1],[2],[3],[4],[5],[6],[7],[1]]}",
		"{\"devices\":[7,null],\"host_nodes\":[[256],[\"1\"]]}",
	};

	answer_node = -7;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		status = rows[i];
		assert_int_equal(attach(DEV), 0);
		assert_true(asks("\"node\":0,") || asks("\"node\":1,"));
	}
}

/* Nothing is said of its ROM: the VM has what was said the last time, or it is the device's. */
static void test_the_boot_display_is_as_it_was_or_needs_a_copy(void **state)
{
	static const char *const others[] = { "{}", "{\"known\":[\"0000:82:10.0\",7]}", "{\"known\":7}" };

	fake_sysfs_text(host, "1", "sys/bus/pci/devices/" DEV "/boot_vga");
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		status = others[i];
		err = (struct err)ERR_INIT;
		assert_int_equal(attach(DEV), -EBUSY);
		assert_non_null(strstr(err.hint, "romfile=FILE"));
		assert_string_equal(asked, "");
	}
	assert_int_equal(attach(DEV ",rom=off"), 0);
	status = "{\"known\":[\"0000:82:10.0\",\"" DEV "\"]}";
	assert_int_equal(attach(DEV), 0);
	assert_false(asks("\"rom\""));
	assert_int_equal(attach(DEV ",node=0"), 0); /* which is no word about what it sees */
	/* A word about something else of it takes back what was said of its ROM. */
	assert_int_equal(attach(DEV ",msix=move"), -EBUSY);
}

static char said[512];

static int to_file(void)
{
	int fd = memfd_create("said", MFD_CLOEXEC), old = dup(STDERR_FILENO);

	dup2(fd, STDERR_FILENO);
	close(fd);
	log_set_level(LOG_WARN);
	return old;
}

static void from_file(int old)
{
	ssize_t n = pread(STDERR_FILENO, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	dup2(old, STDERR_FILENO);
	close(old);
	log_set_level(LOG_QUIET);
}

static void attach_and_listen(const char *text, int node)
{
	int old = to_file();

	answer_node = node;
	(void)attach(text);
	from_file(old);
}

static void test_a_wrong_node_is_told(void **state)
{
	attach_and_listen(DEV, 1);
	assert_string_equal(said, "");
	attach_and_listen(DEV, 0);
	assert_non_null(strstr(said, DEV " belongs on the guest's node 1"));
	assert_non_null(strstr(said, "sees it on node 0, which is wrong"));
	assert_non_null(strstr(said, "--hotplug-slots N,node=1"));
	/* Where nobody knows, nothing is wrong. */
	attach_and_listen("0000:82:10.0", 1);
	assert_string_equal(said, "");
	status = "{\"host_nodes\":[[0]]}";
	attach_and_listen(DEV, 0);
	assert_string_equal(said, "");
}

/* The VMM may say anything. */
static void test_who_leaves_with_it_is_told(void **state)
{
	static const struct {
		const char *answer, *said;
	} rows[] = {
		{ "true", NULL },
		{ "{\"with\":[]}", NULL },
		{ "{\"with\":{\"0000:82:10.1\":1}}", NULL },
		{ "{\"with\":[1,\"\\u001b[2J\"]}", NULL },
		{ "{\"with\":[\"0000:82:10.1\"]}",
		  DEV " leaves the guest, and with it 0000:82:10.1, which is in its slot" },
	};
	struct vm_client vm = VM_CLIENT_INIT;
	struct err e = ERR_INIT;
	struct bdf bdf;

	assert_int_equal(bdf_parse(DEV, &bdf), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int old = to_file();

		detach_answer = rows[i].answer;
		assert_int_equal(vm_detach_device(&vm, bdf, false, &e), 0);
		from_file(old);
		if (rows[i].said)
			assert_non_null(strstr(said, rows[i].said));
		else
			assert_string_equal(said, "");
	}
	detach_answer = NULL;
}

static void test_what_the_guest_sees_is_asked_for_only_if_it_is_said(void **state)
{
	assert_int_equal(attach(DEV ",token=2ab74924-c335-45f4-9b16-8569e5b08258"), 0);
	assert_true(asks("\"token\":\"2ab74924-c335-45f4-9b16-8569e5b08258\""));
	assert_false(asks("rom") || asks("move_msix") || asks("clique"));
	assert_int_equal(attach(DEV ",msix=move"), 0);
	assert_true(asks("\"rom\":\"device\",\"move_msix\":true"));
	assert_false(asks("clique"));
	assert_int_equal(attach(DEV ",rom=off,gpudirect-clique=3"), 0);
	assert_true(asks("\"rom\":\"off\",\"move_msix\":false,\"clique\":3"));
	assert_int_equal(attach(DEV ",rom=on"), 0);
	assert_true(asks("\"rom\":\"device\",\"move_msix\":false"));
}

static void test_a_rom_goes_ahead_of_the_group(void **state)
{
	_cleanup_close_ int file = memfd_create("rom", MFD_CLOEXEC);
	uint8_t image[1024] = { 0x55, 0xaa };
	char text[64];

	put_le16(image + 0x18, 0x40);
	memcpy(image + 0x40, "PCIR", 4);
	put_le16(image + 0x50, 2);
	image[0x55] = 0x80;
	assert_int_equal(write(file, image, sizeof(image)), sizeof(image));
	snprintf(text, sizeof(text), DEV ",romfile=/proc/self/fd/%d", file);
	assert_int_equal(attach(text), 0);
	assert_true(asks("\"rom\":\"file\""));
	assert_int_equal(came, 0x412);
	/* The VM has the group by another device of it. */
	status = "{\"devices\":[\"0000:82:10.0\"],\"host_nodes\":[[0],[1]]}";
	assert_int_equal(attach(text), 0);
	assert_int_equal(came, 0x4);
	assert_int_equal(attach(DEV), 0);
	assert_int_equal(came, 0);
	assert_int_equal(attach(DEV ",romfile=/nonexistent"), -ENOENT);
	assert_string_equal(asked, "");
}

/* To open it is to reset it, or its bus. */
static void test_a_conventional_device_is_refused_before_anything_is_opened(void **state)
{
	assert_int_equal(attach(OLD), -EOPNOTSUPP);
	assert_string_equal(err.text, "cannot attach " OLD ": it is a conventional PCI device, which no "
				      "slot of a guest that runs takes");
	assert_string_equal(err.hint, "start the guest with it: vm run --device " OLD);
	assert_string_equal(asked, "");
	assert_int_equal(opened, 0);
}

static void test_a_table_that_is_not_there_cannot_be_moved(void **state)
{
	put_msix(DEV, PCI_CAP_ID_MSI);
	assert_int_equal(attach(DEV ",msix=move"), -EINVAL);
	assert_string_equal(err.text, "cannot attach " DEV ": it has no MSI-X table to be moved");
	assert_string_equal(err.hint, "leave out msix=move");
	assert_int_equal(opened, 0);
	assert_string_equal(asked, "");
	assert_int_equal(attach(DEV), 0);
	/* Nobody but root sees more than the header: the VMM will tell. */
	fake_put_bytes(host, "sys/bus/pci/devices/" DEV "/config", (uint8_t[64]){ 0 }, 64);
	assert_int_equal(attach(DEV ",msix=move"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_it_goes_to_the_node_that_its_hosts_is),
		TEST(test_a_vf_is_told_to_be_one),
		TEST(test_the_operators_node_goes_before),
		TEST(test_that_a_line_may_be_shared_is_told),
		TEST(test_a_vm_may_say_anything_of_its_nodes),
		TEST(test_the_boot_display_is_as_it_was_or_needs_a_copy),
		TEST(test_a_wrong_node_is_told),
		TEST(test_who_leaves_with_it_is_told),
		TEST(test_what_the_guest_sees_is_asked_for_only_if_it_is_said),
		TEST(test_a_rom_goes_ahead_of_the_group),
		TEST(test_a_conventional_device_is_refused_before_anything_is_opened),
		TEST(test_a_table_that_is_not_there_cannot_be_moved),
#undef TEST
	};

	return cmocka_run_group_tests_name("vm_attach", tests, NULL, NULL);
}
