// SPDX-License-Identifier: GPL-2.0-or-later
/* What irq/gsi.c sends to KVM, and how often. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kvm.h>

#include "irq/gsi.h"
#include "tests/fake/ioctl.h"

#define VM_FD 1000

struct seen {
	unsigned calls;
	int result;
	unsigned nr;
	struct kvm_irq_routing_entry entries[4096];
};

static struct seen seen;

static int routing(void *opaque, int fd, unsigned long request, void *arg)
{
	struct seen *s = opaque;
	const struct kvm_irq_routing *table = arg;

	assert_int_equal(request, KVM_SET_GSI_ROUTING);
	s->calls++;
	if (s->result < 0)
		return s->result;
	s->nr = table->nr;
	memcpy(s->entries, table->entries, table->nr * sizeof(table->entries[0]));
	return 0;
}

static int setup(void **state)
{
	struct err err = ERR_INIT;
	struct gsi *gsi = NULL;
	int r;

	memset(&seen, 0, sizeof(seen));
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, routing, &seen);
	r = gsi_new(VM_FD, &gsi, &err);
	*state = gsi;
	return r;
}

static int teardown(void **state)
{
	gsi_free(*state);
	return fake_ioctl_done() ? 0 : -1;
}

/* The pin that gsi reaches on chip, or -1. */
static int pin_of(uint32_t gsi, uint32_t chip)
{
	for (unsigned i = 0; i < seen.nr; i++)
		if (seen.entries[i].type == KVM_IRQ_ROUTING_IRQCHIP && seen.entries[i].gsi == gsi &&
		    seen.entries[i].u.irqchip.irqchip == chip)
			return (int)seen.entries[i].u.irqchip.pin;
	return -1;
}

static const struct kvm_irq_routing_entry *msi_of(uint32_t gsi)
{
	const struct kvm_irq_routing_entry *found = NULL;

	for (unsigned i = 0; i < seen.nr; i++) {
		if (seen.entries[i].type != KVM_IRQ_ROUTING_MSI || seen.entries[i].gsi != gsi)
			continue;
		assert_null(found); /* one route per GSI */
		found = &seen.entries[i];
	}
	return found;
}

static void test_legacy_entries_are_in_the_first_table(void **state)
{
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.nr, GSI_LEGACY_ROUTES);
	assert_int_equal(pin_of(0, KVM_IRQCHIP_IOAPIC), 2);
	assert_int_equal(pin_of(4, KVM_IRQCHIP_IOAPIC), 4);
	assert_int_equal(pin_of(4, KVM_IRQCHIP_PIC_MASTER), 4);
	assert_int_equal(pin_of(8, KVM_IRQCHIP_PIC_SLAVE), 0);
	assert_int_equal(pin_of(23, KVM_IRQCHIP_IOAPIC), 23);
}

static void test_each_ioapic_pin_has_one_gsi(void **state)
{
	unsigned pins = 0;

	for (uint32_t gsi = 0; gsi < 24; gsi++)
		pins |= 1u << pin_of(gsi, KVM_IRQCHIP_IOAPIC);
	assert_int_equal(pins, 0xffffff);
}

static void test_many_changes_are_one_commit(void **state)
{
	struct gsi *gsi = *state;
	uint32_t n;

	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(gsi_alloc(gsi, &n), 0);
		assert_true(n >= GSI_FIRST_MSI);
		gsi_set_msi(gsi, n, 0xfee01000 | (uint64_t)i << 32, i);
	}
	assert_int_equal(seen.calls, 1);
	assert_int_equal(gsi_commit(gsi), 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.nr, GSI_LEGACY_ROUTES + 100);
	assert_int_equal(msi_of(n)->u.msi.address_hi, 99);
	assert_int_equal(msi_of(n)->u.msi.data, 99);
	assert_int_equal(pin_of(0, KVM_IRQCHIP_IOAPIC), 2); /* the legacy entries again */
}

static void test_nothing_changed_is_no_commit(void **state)
{
	struct gsi *gsi = *state;
	uint32_t n;

	assert_int_equal(gsi_alloc(gsi, &n), 0);
	assert_int_equal(gsi_commit(gsi), 0); /* a number without a route */
	assert_int_equal(seen.calls, 1);
	gsi_set_msi(gsi, n, 0xfee00000, 1);
	assert_int_equal(gsi_commit(gsi), 0);
	gsi_set_msi(gsi, n, 0xfee00000, 1);
	assert_int_equal(gsi_commit(gsi), 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(gsi_commits(gsi), 2);
}

static void test_release_drops_only_its_own_route(void **state)
{
	struct gsi *gsi = *state;
	uint32_t n[3];

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(gsi_alloc(gsi, &n[i]), 0);
		gsi_set_msi(gsi, n[i], 0xfee00000, 0x40 + i);
	}
	gsi_release(gsi, n[0]);
	assert_int_equal(gsi_commit(gsi), 0);
	assert_null(msi_of(n[0]));
	assert_int_equal(msi_of(n[1])->u.msi.data, 0x41);
	assert_int_equal(msi_of(n[2])->u.msi.data, 0x42);
	gsi_set_msi(gsi, n[2], 0xfee00000, 0x77); /* the entry that moved */
	gsi_release(gsi, n[1]);
	assert_int_equal(gsi_commit(gsi), 0);
	assert_int_equal(msi_of(n[2])->u.msi.data, 0x77);
	assert_int_equal(seen.nr, GSI_LEGACY_ROUTES + 1);
}

static void test_failed_commit_stays_staged(void **state)
{
	struct gsi *gsi = *state;
	uint32_t n;

	assert_int_equal(gsi_alloc(gsi, &n), 0);
	gsi_set_msi(gsi, n, 0xfee00000, 0x55);
	seen.result = -ENOMEM;
	assert_int_equal(gsi_commit(gsi), -ENOMEM);
	assert_null(msi_of(n));
	seen.result = 0;
	assert_int_equal(gsi_commit(gsi), 0);
	assert_int_equal(msi_of(n)->u.msi.data, 0x55);
	assert_int_equal(gsi_commits(gsi), 2);
}

static void test_numbers_run_out_and_come_back(void **state)
{
	struct gsi *gsi = *state;
	uint32_t n = 7;

	for (unsigned i = 0; i < GSI_MAX_MSI; i++)
		assert_int_equal(gsi_alloc(gsi, &n), 0);
	n = 7;
	assert_int_equal(gsi_alloc(gsi, &n), -ENOSPC);
	assert_int_equal(n, 7);
	gsi_release(gsi, 1000);
	assert_int_equal(gsi_alloc(gsi, &n), 0);
	assert_int_equal(n, 1000);
}

static void test_refused_table_is_an_error_with_words(void **state)
{
	struct err err = ERR_INIT;
	struct gsi *gsi = NULL;

	seen.result = -EINVAL;
	assert_int_equal(gsi_new(VM_FD, &gsi, &err), -EINVAL);
	assert_null(gsi);
	assert_string_equal(err.text, "KVM refused the interrupt routing table: Invalid argument");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_legacy_entries_are_in_the_first_table),
		T(test_each_ioapic_pin_has_one_gsi),
		T(test_many_changes_are_one_commit),
		T(test_nothing_changed_is_no_commit),
		T(test_release_drops_only_its_own_route),
		T(test_failed_commit_stays_staged),
		T(test_numbers_run_out_and_come_back),
		T(test_refused_table_is_an_error_with_words),
	};

	return cmocka_run_group_tests_name("gsi", tests, NULL, NULL);
}
