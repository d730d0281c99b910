// SPDX-License-Identifier: GPL-2.0-or-later
/* MSI and INTx between a fake KVM and a fake VFIO device. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/le.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/intx.h"
#include "irq/irqfd.h"
#include "irq/msi.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/kvm.h"
#include "tests/fake/vfio.h"
#include "vfio/irqset.h"

#define VM_FD 1000

static struct {
	struct fake_kvm kvm;
	struct fake_vfio vfio;
	struct gsi *gsi;
	struct loop *loop;
	struct msi *msi;
	unsigned got[256]; /* by low byte of the message */
	uint64_t address;
} t;

static void deliver(void *opaque, uint64_t address, uint32_t data, bool by_irqfd)
{
	t.got[data & 0xff]++;
	t.address = address;
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	return vfio_irqset_trigger(t.vfio.fd, VFIO_IRQ_MSI, first, n, fds);
}

static void disable(void *opaque)
{
	assert_int_equal(vfio_irqset_disable(t.vfio.fd, VFIO_IRQ_MSI), 0);
}

static bool pending_in_device(void *opaque, unsigned v)
{
	return t.vfio.hw_pending[v];
}

static const struct vector_ops ops = {
	.set_vectors = set_vectors,
	.disable = disable,
	.pending = pending_in_device,
};

static void begin(unsigned n, uint16_t control)
{
	struct vector_config config = { .name = "0000:03:01.0: MSI",
					.vm_fd = VM_FD,
					.ops = &ops,
					.count = n,
					.noresize = true };
	struct err err = ERR_INIT;

	memset(&t, 0, sizeof(t));
	fake_ioctl_reset();
	fake_kvm_new(&t.kvm, VM_FD);
	t.kvm.deliver = deliver;
	assert_int_equal(fake_vfio_new(&t.vfio), 0);
	t.vfio.signal = fake_kvm_signal;
	t.vfio.signal_opaque = &t.kvm;
	t.vfio.irq[VFIO_IRQ_MSI].count = n;
	t.vfio.irq[VFIO_IRQ_MSI].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	t.loop = loop_new();
	assert_int_equal(gsi_new(VM_FD, &t.gsi, &err), 0);
	t.kvm.commits = 0;
	config.gsi = t.gsi;
	config.loop = t.loop;
	assert_int_equal(msi_new(&config, control, &t.msi, &err), 0);
}

static void end(void)
{
	msi_free(t.msi);
	assert_int_equal(t.kvm.nirqfds, 0);
	assert_int_equal(t.kvm.broken_order, 0);
	assert_int_equal(t.vfio.mode, -1);
	gsi_free(t.gsi);
	loop_free(t.loop);
	fake_vfio_free(&t.vfio);
	fake_kvm_free(&t.kvm);
	assert_true(fake_ioctl_done());
}

static void set(unsigned off, uint32_t value, unsigned len)
{
	uint8_t b[4];

	put_le32(b, value);
	msi_write(t.msi, off, b, len);
}

static uint32_t get(unsigned off, unsigned len)
{
	uint8_t b[4] = { 0 };

	msi_read(t.msi, off, b, len);
	return get_le32(b);
}

static void enable(unsigned log2_vectors)
{
	set(PCI_MSI_ADDRESS_LO, 0xfee01003, 4);
	set(PCI_MSI_ADDRESS_HI, 0x100, 4);
	set(PCI_MSI_DATA_64, 0x4040, 2);
	set(PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | log2_vectors << 4, 2);
}

static void test_vectors_share_the_message_and_one_commit(void **state)
{
	begin(4, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	assert_int_equal(get(PCI_MSI_FLAGS, 2),
			 PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1);
	enable(2);
	assert_int_equal(t.kvm.commits, 1);
	assert_int_equal(t.kvm.nirqfds, 4);
	assert_int_equal(t.vfio.granted, 4);
	for (unsigned i = 0; i < 4; i++)
		fake_vfio_fire(&t.vfio, i);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(t.got[0x40 + i], 1);
	assert_true(t.address == 0x100fee01000ull); /* the two low bits are reserved */
	end();
}

static void test_guest_may_take_fewer(void **state)
{
	begin(4, PCI_MSI_FLAGS_64BIT);
	enable(0);
	assert_int_equal(t.kvm.nirqfds, 1);
	assert_int_equal(t.vfio.granted, 1);
	set(PCI_MSI_FLAGS, 0, 2);
	assert_int_equal(t.vfio.mode, -1);
	/* More than the device has: what it has. */
	enable(5);
	assert_int_equal(t.kvm.nirqfds, 4);
	end();
}

static void test_masked_vector_pends_and_comes_later(void **state)
{
	begin(2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	enable(1);
	set(PCI_MSI_MASK_64, 2, 4);
	fake_vfio_fire(&t.vfio, 1);
	assert_int_equal(t.got[0x41], 0);
	assert_int_equal(get(PCI_MSI_PENDING_64, 4), 2);
	set(PCI_MSI_PENDING_64, 0, 4); /* read-only */
	assert_int_equal(get(PCI_MSI_PENDING_64, 4), 2);
	set(PCI_MSI_MASK_64, 0, 4);
	assert_int_equal(t.got[0x41], 1);
	assert_int_equal(get(PCI_MSI_PENDING_64, 4), 0);
	assert_int_equal(t.vfio.over_live, 0);
	end();
}

static void test_vector_masked_from_the_start_pends_in_the_device(void **state)
{
	begin(2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	set(PCI_MSI_MASK_64, 3, 4);
	enable(1);
	fake_vfio_fire(&t.vfio, 1);
	assert_int_equal(get(PCI_MSI_PENDING_64, 4), 2);
	set(PCI_MSI_MASK_64, 0, 4);
	assert_int_equal(t.got[0x41], 1);
	assert_int_equal(get(PCI_MSI_PENDING_64, 4), 0);
	end();
}

static void test_new_message_while_enabled_moves_the_routes(void **state)
{
	begin(2, PCI_MSI_FLAGS_64BIT);
	enable(1);
	set(PCI_MSI_DATA_64, 0x50, 2);
	fake_vfio_fire(&t.vfio, 1);
	assert_int_equal(t.got[0x51], 1);
	assert_int_equal(t.kvm.commits, 2);
	end();
}

static void test_every_form_has_its_size(void **state)
{
	static const struct {
		uint16_t control;
		unsigned size;
	} rows[] = { { 0, 10 },
		     { PCI_MSI_FLAGS_64BIT, 14 },
		     { PCI_MSI_FLAGS_MASKBIT, 20 },
		     { PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT, 24 } };

	for (unsigned i = 0; i < 4; i++) {
		uint8_t b[4];

		begin(1, rows[i].control);
		assert_int_equal(msi_size(t.msi), rows[i].size);
		for (unsigned off = 2; off < 40; off++)
			for (unsigned len = 1; len <= 4; len *= 2) {
				msi_read(t.msi, off, b, len);
				msi_write(t.msi, off, b, len);
			}
		assert_int_equal(t.vfio.mode, -1);
		end();
	}
}

static void test_reset_turns_off_and_forgets(void **state)
{
	begin(2, PCI_MSI_FLAGS_64BIT);
	enable(1);
	msi_reset(t.msi);
	assert_int_equal(t.vfio.mode, -1);
	assert_int_equal(get(PCI_MSI_ADDRESS_LO, 4), 0);
	assert_int_equal(get(PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT | 1 << 1);
	end();
}

/* --- INTx --- */

static int connect(void *opaque, int trigger_fd, int unmask_fd)
{
	int r = vfio_irqset_trigger(t.vfio.fd, VFIO_IRQ_INTX, 0, 1, &trigger_fd);

	return r < 0 ? r : vfio_irqset_unmask_by(t.vfio.fd, unmask_fd);
}

static void disconnect(void *opaque)
{
	assert_int_equal(vfio_irqset_disable(t.vfio.fd, VFIO_IRQ_INTX), 0);
}

static const struct intx_ops intx_ops = { connect, disconnect };

static void test_intx_is_unmasked_by_the_eoi(void **state)
{
	struct intx *x;

	begin(1, 0);
	x = intx_new(VM_FD, &intx_ops, NULL);
	assert_int_equal(intx_set(x, true, 17), 0);
	assert_int_equal(intx_set(x, true, 17), 0);
	assert_int_equal(t.kvm.assigns, 1);
	fake_vfio_fire(&t.vfio, 0);
	assert_int_equal(t.got[17], 1);
	assert_false(irqfd_pending(t.vfio.unmask_fd));
	fake_kvm_eoi(&t.kvm, 17);
	assert_true(irqfd_pending(t.vfio.unmask_fd));
	assert_int_equal(intx_set(x, false, 17), 0);
	assert_int_equal(t.vfio.mode, -1);
	assert_int_equal(t.kvm.nirqfds, 0);
	x = intx_free(x);
	end();
}

static void test_intx_without_irqfd_is_off(void **state)
{
	struct intx *x;

	begin(1, 0);
	x = intx_new(VM_FD, &intx_ops, NULL);
	t.kvm.fail_irqfd = -ENOMEM;
	assert_int_equal(intx_set(x, true, 17), -ENOMEM);
	assert_false(intx_is_on(x));
	assert_int_equal(t.vfio.mode, -1);
	intx_free(x);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_share_the_message_and_one_commit),
		cmocka_unit_test(test_guest_may_take_fewer),
		cmocka_unit_test(test_masked_vector_pends_and_comes_later),
		cmocka_unit_test(test_vector_masked_from_the_start_pends_in_the_device),
		cmocka_unit_test(test_new_message_while_enabled_moves_the_routes),
		cmocka_unit_test(test_every_form_has_its_size),
		cmocka_unit_test(test_reset_turns_off_and_forgets),
		cmocka_unit_test(test_intx_is_unmasked_by_the_eoi),
		cmocka_unit_test(test_intx_without_irqfd_is_off),
	};

	return cmocka_run_group_tests_name("msi", tests, NULL, NULL);
}
