// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Multi-vector MSI with a mask for each vector, over a device that only this test knows and the
 * kernel's own irqfds and routes. A vector has arrived when it is requested at the vCPU's APIC.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/ioctl.h"
#include "base/le.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/msi.h"

#define BASE     0x40 /* the vectors are BASE + i */
#define APIC_SVR 0xf0
#define APIC_IRR 0x200

static struct {
	int kvm, vm, vcpu;
	unsigned n;
	uint32_t all; /* a bit for each vector */
	struct gsi *gsi;
	struct loop *loop;
	struct msi *msi;
	int trigger[MSI_MAX_VECTORS]; /* -1: nobody takes it, it stays in the device */
	uint32_t in_device;
} t;

/* --- the device --- */

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	for (unsigned i = first; i < first + n; i++) {
		t.trigger[i] = fds[i - first];
		if (t.trigger[i] >= 0 && t.in_device & 1u << i) {
			eventfd_write(t.trigger[i], 1);
			t.in_device &= ~(1u << i);
		}
	}
	return 0;
}

static void disable(void *opaque)
{
	memset(t.trigger, -1, sizeof(t.trigger));
}

static const struct vector_ops ops = { .set_vectors = set_vectors, .disable = disable };

static void fire(uint32_t vectors)
{
	for (unsigned i = 0; i < t.n; i++) {
		if (!(vectors & 1u << i))
			continue;
		if (t.trigger[i] < 0)
			t.in_device |= 1u << i;
		else
			assert_int_equal(eventfd_write(t.trigger[i], 1), 0);
	}
}

/* --- the guest --- */

static uint32_t arrived(void)
{
	struct kvm_lapic_state apic;
	uint8_t irr[4];

	assert_int_equal(SIZED_IOCTL(t.vcpu, KVM_GET_LAPIC, &apic), 0);
	memcpy(irr, apic.regs + APIC_IRR + BASE / 32 * 0x10, sizeof(irr));
	return get_le32(irr);
}

/* Just these arrive, of which some may be on their way still; then they are forgotten. */
static void arrive(uint32_t vectors)
{
	struct kvm_lapic_state apic;

	for (unsigned i = 0; i < 2000 && arrived() != vectors; i++)
		usleep(1000);
	assert_int_equal(arrived(), vectors);
	assert_int_equal(SIZED_IOCTL(t.vcpu, KVM_GET_LAPIC, &apic), 0);
	memset(apic.regs + APIC_IRR, 0, 0x80);
	assert_int_equal(SIZED_IOCTL(t.vcpu, KVM_SET_LAPIC, &apic), 0);
}

/* An APIC that is not enabled takes nothing. */
static void enable_apic(void)
{
	struct kvm_lapic_state apic;

	assert_int_equal(SIZED_IOCTL(t.vcpu, KVM_GET_LAPIC, &apic), 0);
	put_le32((uint8_t *)apic.regs + APIC_SVR, 0x1ff);
	assert_int_equal(SIZED_IOCTL(t.vcpu, KVM_SET_LAPIC, &apic), 0);
}

static void put(unsigned off, uint32_t value, unsigned len)
{
	uint8_t b[4];

	put_le32(b, value);
	msi_write(t.msi, off, b, len);
}

static uint32_t pending(void)
{
	uint8_t b[4];

	msi_read(t.msi, PCI_MSI_PENDING_64, b, 4);
	return get_le32(b);
}

static void set_mask(uint32_t vectors)
{
	put(PCI_MSI_MASK_64, vectors, 4);
}

/* --- life --- */

static void begin(unsigned log2)
{
	struct vector_config config = { .name = "test",
					.ops = &ops,
					.noresize = true,
					.vm_fd = t.vm,
					.gsi = t.gsi,
					.loop = t.loop };
	struct err err = ERR_INIT;

	t.n = config.count = 1u << log2;
	t.all = t.n == 32 ? UINT32_MAX : (1u << t.n) - 1;
	t.in_device = 0;
	memset(t.trigger, -1, sizeof(t.trigger));
	assert_int_equal(msi_new(&config, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT, &t.msi,
				 &err),
			 0);
	/* As msi_capability_init() of Linux: masked, the message, then enabled. */
	set_mask(t.all);
	put(PCI_MSI_ADDRESS_LO, 0xfee00000, 4);
	put(PCI_MSI_ADDRESS_HI, 0, 4);
	put(PCI_MSI_DATA_64, BASE, 2);
	put(PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | log2 << 4, 2);
}

static void live(unsigned irqfds)
{
	struct vector_stats s;

	vectors_stats(msi_vectors(t.msi), &s);
	assert_int_equal(s.irqfds, irqfds);
	assert_int_equal(s.user, 0);
	assert_int_equal(s.failures, 0);
}

static int open_kvm(void **state)
{
	struct err err = ERR_INIT;

	t.vm = t.vcpu = -1;
	t.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (t.kvm < 0)
		return 0;
	t.vm = VALUE_IOCTL(t.kvm, KVM_CREATE_VM, 0);
	if (t.vm < 0 || VALUE_IOCTL(t.vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return -1;
	t.vcpu = VALUE_IOCTL(t.vm, KVM_CREATE_VCPU, 0);
	t.loop = loop_new();
	if (t.vcpu < 0 || !t.loop || gsi_new(t.vm, &t.gsi, &err) < 0)
		return -1;
	enable_apic();
	return 0;
}

static int close_kvm(void **state)
{
	t.msi = msi_free(t.msi);
	t.gsi = gsi_free(t.gsi);
	t.loop = loop_free(t.loop);
	close_fdp(&t.vcpu);
	close_fdp(&t.vm);
	close_fdp(&t.kvm);
	return 0;
}

static void need_kvm(void)
{
	if (t.kvm >= 0)
		return;
	print_message("no usable /dev/kvm here\n");
	skip();
}

/* --- the facts --- */

/* One by one, as request_irq() does; what the device raised before comes with it. */
static void unmask_one_by_one(void)
{
	uint32_t masked = t.all;

	fire(t.all);
	assert_int_equal(arrived(), 0);
	for (unsigned i = 0; i < t.n; i++) {
		masked &= ~(1u << i);
		set_mask(masked);
		arrive(1u << i);
		live(i + 1);
	}
}

static void mask_some(uint32_t masked)
{
	set_mask(masked);
	live((unsigned)__builtin_popcount(t.all & ~masked));
	assert_int_equal(pending(), 0);
	fire(t.all);
	fire(t.all);
	assert_int_equal(pending(), masked);
	arrive(t.all & ~masked);
	assert_int_equal(pending(), masked);
	set_mask(0);
	assert_int_equal(pending(), 0);
	arrive(masked);
}

static void test_masked_vectors_pend_and_come_when_unmasked(void **state)
{
	need_kvm();
	for (unsigned log2 = 0; log2 <= 5; log2++) {
		unsigned before = gsi_commits(t.gsi);

		begin(log2);
		live(0);
		unmask_one_by_one();
		assert_in_range(gsi_commits(t.gsi) - before, 1, t.n);
		before = gsi_commits(t.gsi);
		mask_some(t.all);
		mask_some(t.all & 0x55555555);
		for (unsigned i = 0; i < t.n; i++)
			mask_some(1u << i);
		/* Masks cost no commit and no request to the device. */
		assert_int_equal(gsi_commits(t.gsi), before);
		t.msi = msi_free(t.msi);
	}
}

static void test_enabled_unmasked_is_one_commit_and_all_arrive(void **state)
{
	need_kvm();
	for (unsigned log2 = 0; log2 <= 5; log2++) {
		unsigned before;

		begin(log2);
		put(PCI_MSI_FLAGS, 0, 2);
		set_mask(0);
		before = gsi_commits(t.gsi);
		put(PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | log2 << 4, 2);
		assert_int_equal(gsi_commits(t.gsi), before + 1);
		live(t.n);
		fire(t.all);
		arrive(t.all);
		t.msi = msi_free(t.msi);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_kvm, close_kvm)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_masked_vectors_pend_and_come_when_unmasked),
		T(test_enabled_unmasked_is_one_commit_and_all_arrive),
	};

	return cmocka_run_group_tests_name("msi_kvm", tests, NULL, NULL);
}
