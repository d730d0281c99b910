// SPDX-License-Identifier: GPL-2.0-or-later
/* Opening, resetting and the interrupts of a device, against the kernel's rules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/vfio.h>

#include "base/fd.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/vfio.h"
#include "vfio/bus_reset.h"
#include "vfio/device.h"
#include "vfio/irqset.h"

static struct fake_vfio fake;
static struct vfio_device dev;

static int setup(void **state)
{
	fake_ioctl_reset();
	if (fake_vfio_new(&fake) < 0)
		return -1;
	/* The device owns its descriptor; the fake keeps answering on it. */
	return vfio_device_init(&dev, fake.fd, "0000:01:10.0", NULL);
}

static int teardown(void **state)
{
	fake_vfio_free(&fake);
	return fake_ioctl_done() ? 0 : -1;
}

static const struct fake_vfio_hit mine_and_other[] = { { 5, 1, 0x80 }, { 5, 1, 0x81 }, { 9, 2, 0 } };
static const struct vfio_group_ref groups[] = { { 5, 600 }, { 9, 601 }, { 11, 602 } };

static void test_a_function_without_a_reset_is_not_asked_for_one(void **state)
{
	assert_int_equal(vfio_device_reset(&dev), 0);
	assert_int_equal(fake.resets, 1);
	fake.fail_reset = -EIO;
	assert_int_equal(vfio_device_reset(&dev), -EIO);
	dev.can_reset = false;
	assert_int_equal(vfio_device_reset(&dev), -EOPNOTSUPP);
	assert_int_equal(fake.resets, 2);
}

static void test_bus_reset_needs_every_affected_group(void **state)
{
	_cleanup_free_ struct bus_reset *bus = NULL;

	fake.affected = mine_and_other;
	fake.naffected = 3;
	assert_int_equal(bus_reset_get(&dev, &bus), 0);
	assert_int_equal(bus->count, 3);
	assert_string_equal(BDF_STR(bus->hit[1].bdf), "0000:01:10.1");
	assert_null(bus_reset_foreign(bus, groups, 3));
	assert_int_equal(bus_reset_do(&dev, bus, groups, 3), 0);
	assert_int_equal(fake.hot_resets, 1);
	assert_int_equal(fake.hot_reset_fds, 2); /* each group once */
	assert_string_equal(BDF_STR(*bus_reset_foreign(bus, groups, 1)), "0000:02:00.0");
	assert_int_equal(bus_reset_do(&dev, bus, groups, 1), -EPERM);
	assert_int_equal(fake.hot_resets, 1);
}

static void test_answers_about_a_bus_that_cannot_be_are_refused(void **state)
{
	struct bus_reset *bus = NULL;

	assert_int_equal(bus_reset_get(&dev, &bus), -ENODEV);
	fake.affected = mine_and_other;
	assert_int_equal(bus_reset_get(&dev, &bus), -EPROTO); /* not even the device itself */
	assert_null(bus);
}

static void test_platform_device_is_refused_and_closed(void **state)
{
	struct vfio_device other;
	struct err err = ERR_INIT;

	fake.flags = 0;
	assert_int_equal(vfio_device_init(&other, fake.fd, "x", &err), -ENODEV);
	assert_string_equal(err.text, "x is not a PCI device");
	assert_int_equal(other.fd, -1);
	assert_int_equal(close(fake.fd), -1);
}

static void test_irq_info_tells_count_and_noresize(void **state)
{
	struct vfio_irqset set;

	fake.irq[VFIO_IRQ_MSIX].count = 3;
	fake.irq[VFIO_IRQ_MSIX].flags = VFIO_IRQ_INFO_EVENTFD;
	fake.irq[VFIO_IRQ_MSI].count = 1;
	fake.irq[VFIO_IRQ_MSI].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	fake.irq[VFIO_IRQ_ERR].count = 1; /* and no eventfd */
	assert_int_equal(vfio_irqset_get(dev.fd, VFIO_IRQ_MSIX, &set), 0);
	assert_int_equal(set.count, 3);
	assert_false(set.noresize);
	assert_int_equal(vfio_irqset_get(dev.fd, VFIO_IRQ_MSI, &set), 0);
	assert_true(set.noresize);
	assert_int_equal(vfio_irqset_get(dev.fd, VFIO_IRQ_ERR, &set), 0);
	assert_int_equal(set.count, 0);
}

static void test_vectors_are_set_by_start_and_count(void **state)
{
	const int fds[] = { 70, -1, 72 };

	fake.irq[VFIO_IRQ_MSIX].count = 8;
	assert_int_equal(vfio_irqset_trigger(dev.fd, VFIO_IRQ_MSIX, 2, 3, fds), 0);
	assert_int_equal(fake.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(fake.trigger[1], -1);
	assert_int_equal(fake.trigger[2], 70);
	assert_int_equal(fake.trigger[3], -1);
	assert_int_equal(fake.trigger[4], 72);
	assert_int_equal(vfio_irqset_trigger(dev.fd, VFIO_IRQ_MSIX, 7, 3, fds), -EINVAL);
	assert_int_equal(vfio_irqset_disable(dev.fd, VFIO_IRQ_MSIX), 0);
	assert_int_equal(fake.mode, -1);
}

static void test_short_of_host_vectors_tells_how_many_there_are(void **state)
{
	const int fds[] = { -1, -1, -1, -1 };

	fake.irq[VFIO_IRQ_MSIX].count = 8;
	fake.host_limit = 2;
	assert_int_equal(vfio_irqset_trigger(dev.fd, VFIO_IRQ_MSIX, 0, 4, fds), 2);
	assert_int_equal(fake.mode, -1);
	assert_int_equal(vfio_irqset_trigger(dev.fd, VFIO_IRQ_MSIX, 0, 2, fds), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_function_without_a_reset_is_not_asked_for_one),
		T(test_bus_reset_needs_every_affected_group),
		T(test_answers_about_a_bus_that_cannot_be_are_refused),
		T(test_platform_device_is_refused_and_closed),
		T(test_irq_info_tells_count_and_noresize),
		T(test_vectors_are_set_by_start_and_count),
		T(test_short_of_host_vectors_tells_how_many_there_are),
	};

	return cmocka_run_group_tests_name("vfio_device", tests, NULL, NULL);
}
