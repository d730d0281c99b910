// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose interrupt line a guest may have: not one that others of the host use. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <linux/pci_regs.h>

#include "base/log.h"
#include "tests/fake/pci.h"
#include "tests/fake/sysfs.h"
#include "tools/vm_intx.h"
#include "vfio/pci_intx.h"

#define DEV  "0000:00:05.0"
#define DIR  "sys/bus/pci/devices/" DEV
#define LINE "sys/kernel/irq/16"

static const struct bdf bdf = { .dev = 5 };
static int root;

/* A function with this pin, and one capability (0: none). */
static void config(uint8_t pin, uint8_t cap)
{
	uint8_t c[256] = { 0x86, 0x80 };

	c[PCI_INTERRUPT_PIN] = pin;
	if (cap) {
		c[PCI_STATUS] = PCI_STATUS_CAP_LIST;
		c[PCI_CAPABILITY_LIST] = 0x40;
		c[0x40] = cap;
	}
	fake_put_bytes(root, DIR "/config", c, sizeof(c));
}

static int setup(void **state)
{
	const struct fake_node nodes[] = {
		{ DIR "/irq", "16", NULL },
		{ LINE "/type", "level", NULL },
		{ LINE "/actions", "ehci_hcd:usb1,vfio-intx(" DEV "),i801_smbus", NULL },
		{ 0 },
	};

	root = fake_sysfs(nodes);
	config(1, 0);
	log_set_level(LOG_QUIET);
	return 0;
}

static int teardown(void **state)
{
	log_set_level(LOG_WARN);
	fake_sysfs_free(&root);
	return 0;
}

static uint32_t chosen(bool shared)
{
	struct err err = ERR_INIT;
	uint32_t intx = 99;

	assert_int_equal(vm_intx_choose(root, bdf, shared, &intx, &err), 0);
	return intx;
}

static void test_one_without_messages_is_refused_unless_it_is_allowed(void **state)
{
	struct err err = ERR_INIT;
	uint32_t intx;

	assert_int_equal(vm_intx_choose(root, bdf, false, &intx, &err), -EBUSY);
	assert_string_equal(err.text, "cannot attach " DEV ": its interrupt line 16 is shared with "
				      "ehci_hcd:usb1, i801_smbus, and it has no MSI");
	assert_non_null(strstr(err.hint, DEV ",intx=shared"));
	assert_int_equal(chosen(true), VMM_INTX_SHARED);
}

static void test_one_with_messages_has_only_these(void **state)
{
	config(1, PCI_CAP_ID_MSI);
	assert_int_equal(chosen(false), VMM_INTX_WITHHELD);
	assert_int_equal(chosen(true), VMM_INTX_SHARED);
	config(1, PCI_CAP_ID_MSIX);
	assert_int_equal(chosen(false), VMM_INTX_WITHHELD);
}

static void test_a_line_of_its_own_is_the_guests(void **state)
{
	fake_sysfs_text(root, "vfio-intx(" DEV ")", LINE "/actions");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
	fake_sysfs_text(root, "", LINE "/actions");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
	fake_sysfs_remove(root, "sys/kernel/irq");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
}

static void test_another_guests_device_shares_as_well(void **state)
{
	struct pci_intx line;

	/* A longer name that begins alike is another's. */
	fake_sysfs_text(root, "vfio-intx(" DEV "),vfio-intx(0000:00:06.0),vfio-intx(" DEV ")x",
			LINE "/actions");
	assert_true(pci_intx_is_shared(root, bdf, &line));
	assert_string_equal(line.others, "vfio-intx(0000:00:06.0), vfio-intx(" DEV ")x");
	assert_int_equal(line.irq, 16);
	assert_true(line.only);
}

static void test_no_pin_and_no_line_share_nothing(void **state)
{
	config(0, 0);
	assert_int_equal(chosen(false), VMM_INTX_OWN);
	config(1, 0);
	fake_sysfs_text(root, "0", DIR "/irq");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
	fake_sysfs_remove(root, DIR "/irq");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
}

static void test_what_the_firmware_wrote_down_is_not_an_edge(void **state)
{
	fake_sysfs_text(root, "edge", LINE "/type");
	assert_int_equal(chosen(false), VMM_INTX_OWN);
}

/* An ordinary user sees 64 bytes: not whether it has MSI, so that it is not refused. */
static void test_capabilities_that_cannot_be_seen_are_no_reason_to_refuse(void **state)
{
	uint8_t c[64] = { 0x86, 0x80 };

	c[PCI_INTERRUPT_PIN] = 1;
	fake_put_bytes(root, DIR "/config", c, sizeof(c));
	assert_int_equal(chosen(false), VMM_INTX_WITHHELD);
}

static void test_many_handlers_are_cut(void **state)
{
	struct pci_intx line;
	char many[4000];

	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	for (unsigned i = 50; i < sizeof(many) - 1; i += 51)
		many[i] = ',';
	fake_sysfs_text(root, many, LINE "/actions");
	assert_true(pci_intx_is_shared(root, bdf, &line));
	assert_int_equal(strlen(line.others), sizeof(line.others) - 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_without_messages_is_refused_unless_it_is_allowed),
		T(test_one_with_messages_has_only_these),
		T(test_a_line_of_its_own_is_the_guests),
		T(test_another_guests_device_shares_as_well),
		T(test_no_pin_and_no_line_share_nothing),
		T(test_what_the_firmware_wrote_down_is_not_an_edge),
		T(test_capabilities_that_cannot_be_seen_are_no_reason_to_refuse),
		T(test_many_handlers_are_cut),
	};

	return cmocka_run_group_tests_name("vm_intx", tests, NULL, NULL);
}
