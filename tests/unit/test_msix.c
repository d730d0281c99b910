// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MSI-X between a fake KVM and a fake VFIO device: nothing is lost, nothing goes
 * through a mask, the order holds, and the requests are as few as promised.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/le.h"
#include "base/log.h"
#include "base/loop.h"
#include "irq/gsi.h"
#include "irq/msix.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/kvm.h"
#include "tests/fake/vfio.h"
#include "vfio/irqset.h"
#include "vmm/control_report.h"
#include "vmm/vm.h"

#define VM_FD 1000
#define MAX   2048

static struct {
	struct fake_kvm kvm;
	struct fake_vfio vfio;
	struct gsi *gsi;
	struct loop *loop;
	struct msix *msix;
	unsigned n;
	int stop_fd;
	bool last_round;

	/* What the guest programmed and saw. */
	bool masked[MAX], function_mask, enabled;
	uint32_t data[MAX];
	bool owed[MAX]; /* raised, and not delivered yet */
	unsigned got[MAX];
	unsigned wrong; /* messages nobody could have sent */
	unsigned by_irqfd, by_user;
	unsigned asked; /* the device, for a pending bit */
} t;

static bool audible(unsigned v)
{
	return t.enabled && !t.function_mask && !t.masked[v];
}

/* The low bits of our messages are the vector, the high ones change with each reprogramming. */
static void deliver(void *opaque, uint64_t address, uint32_t data, bool by_irqfd)
{
	unsigned v = data % MAX;

	if (address != (0xfee00000ull | (uint64_t)v << 32 >> 20) || v >= t.n || data != t.data[v] ||
	    !audible(v)) {
		t.wrong++;
		return;
	}
	t.owed[v] = false;
	t.got[v]++;
	*(by_irqfd ? &t.by_irqfd : &t.by_user) += 1;
}

static int set_vectors(void *opaque, unsigned first, unsigned n, const int *fds)
{
	return vfio_irqset_trigger(t.vfio.fd, VFIO_IRQ_MSIX, first, n, fds);
}

static void disable(void *opaque)
{
	assert_int_equal(vfio_irqset_disable(t.vfio.fd, VFIO_IRQ_MSIX), 0);
}

static bool pending_in_device(void *opaque, unsigned v)
{
	t.asked++;
	return t.vfio.hw_pending[v];
}

static const struct vector_ops ops = {
	.set_vectors = set_vectors,
	.disable = disable,
	.pending = pending_in_device,
};

static void stop_loop(void *opaque, int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	/* Once round again: on a busy machine what is due earlier comes in the same moment. */
	if (t.last_round)
		loop_quit(t.loop, 0);
	else
		loop_timer_arm(t.stop_fd, 1);
	t.last_round = true;
}

static void run_loop(unsigned ms)
{
	t.last_round = false;
	loop_timer_arm(t.stop_fd, ms ? ms * 1000000ull : 1);
	assert_int_equal(loop_run(t.loop), 0);
}

/* By the device's own timer, however late a busy machine is; 10 s at most. */
static void run_until_settled(unsigned irqfds)
{
	struct vector_stats s = { 0 };

	for (unsigned ms = 0; ms < 10000 && s.irqfds < irqfds; ms++) {
		run_loop(1);
		vectors_stats(msix_vectors(t.msix), &s);
	}
}

static void begin(unsigned n, bool noresize)
{
	struct vector_config config = {
		.name = "0000:01:10.0: MSI-X",
		.vm_fd = VM_FD,
		.ops = &ops,
		.count = n,
		.noresize = noresize,
	};
	struct err err = ERR_INIT;

	memset(&t, 0, sizeof(t));
	t.n = n;
	fake_ioctl_reset();
	fake_kvm_new(&t.kvm, VM_FD);
	t.kvm.deliver = deliver;
	assert_int_equal(fake_vfio_new(&t.vfio), 0);
	t.vfio.signal = fake_kvm_signal;
	t.vfio.signal_opaque = &t.kvm;
	t.vfio.irq[VFIO_IRQ_MSIX].count = n;
	t.vfio.irq[VFIO_IRQ_MSIX].flags =
		VFIO_IRQ_INFO_EVENTFD | (noresize ? VFIO_IRQ_INFO_NORESIZE : 0);
	for (unsigned i = 0; i < n; i++)
		t.masked[i] = true;
	t.loop = loop_new();
	assert_int_equal(loop_timer_new(t.loop, stop_loop, NULL, &t.stop_fd), 0);
	assert_int_equal(gsi_new(VM_FD, &t.gsi, &err), 0);
	t.kvm.commits = 0;
	config.gsi = t.gsi;
	config.loop = t.loop;
	assert_int_equal(msix_new(&config, &t.msix, &err), 0);
}

static void end(void)
{
	msix_free(t.msix);
	assert_int_equal(t.kvm.nirqfds, 0);
	assert_int_equal(t.vfio.mode, -1);
	assert_int_equal(t.kvm.broken_order, 0);
	assert_int_equal(t.vfio.over_live, 0);
	assert_int_equal(t.wrong, 0);
	gsi_free(t.gsi);
	loop_free(t.loop);
	close(t.stop_fd);
	fake_vfio_free(&t.vfio);
	fake_kvm_free(&t.kvm);
	assert_true(fake_ioctl_done());
}

/* --- a guest driver --- */

static void write_u32(unsigned v, unsigned off, uint32_t value)
{
	uint8_t b[4];

	put_le32(b, value);
	msix_table_write(t.msix, v * MSIX_ENTRY_SIZE + off, b, 4);
}

static void set_mask(unsigned v, bool masked)
{
	t.masked[v] = masked;
	write_u32(v, PCI_MSIX_ENTRY_VECTOR_CTRL, masked);
}

/* A new message, written under the mask as a driver must. */
static void program(unsigned v)
{
	uint64_t address = 0xfee00000ull | (uint64_t)v << 32 >> 20;
	bool masked = t.masked[v];

	if (!masked)
		set_mask(v, true);
	t.data[v] = t.data[v] / MAX * MAX + MAX + v;
	write_u32(v, PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)address);
	write_u32(v, PCI_MSIX_ENTRY_UPPER_ADDR, (uint32_t)(address >> 32));
	write_u32(v, PCI_MSIX_ENTRY_DATA, t.data[v]);
	if (!masked)
		set_mask(v, false);
}

static void set_control(bool enabled, bool mask)
{
	t.enabled = enabled;
	t.function_mask = mask;
	msix_set_control(t.msix, (enabled ? PCI_MSIX_FLAGS_ENABLE : 0) |
					 (mask ? PCI_MSIX_FLAGS_MASKALL : 0));
}

static void fire(unsigned v)
{
	t.owed[v] = true;
	fake_vfio_fire(&t.vfio, v);
}

/* pci_alloc_irq_vectors() of Linux: enable under the function mask, all entries masked, release. */
static void linux_enable(void)
{
	set_control(true, true);
	for (unsigned v = 0; v < t.n; v++)
		write_u32(v, PCI_MSIX_ENTRY_VECTOR_CTRL, 1);
	set_control(true, false);
}

static void linux_request(unsigned v)
{
	program(v);
	set_mask(v, false);
}

static bool pba(unsigned v)
{
	uint8_t b;

	msix_pba_read(t.msix, v / 8, &b, 1);
	return b & 1u << v % 8;
}

/* --- the facts --- */

static void test_unmasked_vector_works_at_once_and_settles_by_timer(void **state)
{
	struct vector_stats s;

	begin(4, false);
	linux_enable();
	linux_request(1);
	assert_int_equal(t.kvm.commits, 0);
	fire(1);
	run_loop(1);
	assert_int_equal(t.got[1], 1);
	assert_int_equal(t.by_user, 1);
	run_until_settled(1);
	assert_int_equal(t.kvm.commits, 1);
	fire(1);
	assert_int_equal(t.by_irqfd, 1);
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.irqfds, 1);
	assert_int_equal(s.user, 0);
	assert_int_equal(s.wired, 1);
	end();
}

static void test_release_of_function_mask_is_one_commit(void **state)
{
	begin(64, false);
	set_control(true, true);
	for (unsigned v = 0; v < 64; v++)
		linux_request(v);
	assert_int_equal(t.kvm.commits, 0);
	set_control(true, false);
	assert_int_equal(t.kvm.commits, 1);
	assert_int_equal(t.kvm.nirqfds, 64);
	assert_int_equal(t.vfio.set_irqs, 2); /* the mode, then all 64 */
	for (unsigned v = 0; v < 64; v++)
		fire(v);
	assert_int_equal(t.by_irqfd, 64);
	end();
}

static void unmask_one_by_one(unsigned n, unsigned *ret_commits, uint64_t *ret_requests)
{
	begin(n, false);
	linux_enable();
	for (unsigned v = 0; v < n; v++) {
		linux_request(v);
		if (v % 256 == 255)
			run_loop(7); /* the guest takes its time */
	}
	run_until_settled(n);
	assert_int_equal(t.kvm.nirqfds, n);
	*ret_commits = t.kvm.commits;
	*ret_requests = t.kvm.assigns + t.kvm.deassigns + t.vfio.set_irqs;
	for (unsigned v = 0; v < n; v++)
		fire(v);
	assert_int_equal(t.by_irqfd, n);
	end();
}

static void test_single_unmasks_take_a_handful_of_commits_and_linear_requests(void **state)
{
	unsigned commits;
	uint64_t requests;

	unmask_one_by_one(8, &commits, &requests);
	assert_int_equal(commits, 1);
	assert_int_equal(requests, 2 * 8 + 1);
	unmask_one_by_one(2048, &commits, &requests);
	assert_in_range(commits, 1, 10);
	assert_int_equal(requests, 2 * 2048 + 1);
}

static void mask_and_pend(bool old)
{
	unsigned set_irqs;

	begin(4, false);
	t.kvm.old = old;
	linux_enable();
	linux_request(2);
	vectors_settle(msix_vectors(t.msix));
	fire(2);
	assert_int_equal(t.got[2], 1);
	set_irqs = t.vfio.set_irqs;
	set_mask(2, true);
	assert_false(pba(2)); /* delivered, whatever the kernel left in the count */
	fire(2);
	fire(2);
	assert_true(pba(2));
	assert_int_equal(t.got[2], 1);
	set_mask(2, false);
	assert_false(pba(2));
	assert_int_equal(t.got[2], 2); /* by the irqfd, in the same request */
	set_mask(2, true);
	assert_false(pba(2));
	assert_int_equal(t.kvm.commits, 1);
	assert_int_equal(t.vfio.set_irqs, set_irqs);
	end();
}

static void test_masking_leaves_the_device_alone_and_pends(void **state)
{
	mask_and_pend(false);
	mask_and_pend(true);
}

static void test_message_changed_while_live_leaves_the_old_route(void **state)
{
	begin(4, false);
	linux_enable();
	linux_request(0);
	vectors_settle(msix_vectors(t.msix));
	/* A driver that does not mask: each word is a change. */
	t.data[0] += MAX;
	write_u32(0, PCI_MSIX_ENTRY_DATA, t.data[0]);
	fire(0);
	run_loop(1);
	assert_int_equal(t.by_user, 1);
	run_until_settled(1);
	fire(0);
	assert_int_equal(t.by_irqfd, 1);
	assert_int_equal(t.kvm.commits, 2);
	end();
}

static void test_vectors_are_added_without_touching_live_ones(void **state)
{
	begin(8, false);
	linux_enable();
	assert_int_equal(t.vfio.mode, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(t.vfio.host_vectors, 0);
	linux_request(5);
	linux_request(2);
	assert_int_equal(t.vfio.host_vectors, 2);
	set_mask(5, true);
	set_mask(5, false);
	assert_int_equal(t.vfio.host_vectors, 2);
	assert_int_equal(t.vfio.over_live, 0);
	end();
}

static void test_noresize_takes_the_whole_table_first(void **state)
{
	begin(8, true);
	linux_enable();
	assert_int_equal(t.vfio.granted, 8);
	assert_int_equal(t.vfio.set_irqs, 1);
	linux_request(7);
	fire(7);
	run_loop(1);
	assert_int_equal(t.got[7], 1);
	end();
}

/* Of 8 vectors the guest requests all but one, the lowest first; `works` of them do. */
static void few_host_vectors(unsigned limit, bool mute, unsigned works)
{
	struct vector_stats s;
	struct vector_info info;

	begin(8, true);
	t.vfio.host_limit = limit;
	t.vfio.host_is_mute = mute;
	log_set_level(LOG_QUIET);
	linux_enable();
	for (unsigned v = 0; v < 7; v++)
		linux_request(v);
	log_set_level(LOG_WARN);
	assert_int_equal(t.vfio.granted, works);
	for (unsigned v = 0; v < 7; v++)
		fire(v);
	run_loop(1);
	run_until_settled(works);
	for (unsigned v = 0; v < 7; v++) {
		assert_int_equal(t.got[v], v < works);
		/* What has no interrupt of the host has none of the guest's things either. */
		vectors_info(msix_vectors(t.msix), v, &info);
		assert_int_equal(info.path != VECTOR_OFF, v < works);
		assert_int_equal(info.gsi != 0, v < works);
		assert_int_equal(pba(v), v >= works); /* it waits in the device */
	}
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.wired, works);
	assert_int_equal(s.failures, 1); /* all said in one line */
	/* Masks and the function mask do not bring them to life. */
	set_mask(5, true);
	set_mask(5, false);
	set_control(true, true);
	set_control(true, false);
	assert_int_equal(t.kvm.nirqfds, works);
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.failures, 1);
	/* Enabled again when the host has more, all work. */
	t.vfio.host_limit = 0;
	set_control(false, false);
	memset(t.owed, 0, sizeof(t.owed));
	linux_enable();
	linux_request(6);
	fire(6);
	run_loop(1);
	assert_true(t.got[6] > 0);
	end();
}

static void test_too_few_host_vectors_leave_those_that_fit_working(void **state)
{
	few_host_vectors(4, false, 4);
	few_host_vectors(3, false, 3);
	few_host_vectors(1, false, 1);
}

/* Where they are added one by one: those that come first, in one request or in many. */
static void test_too_few_host_vectors_to_add_leave_the_first_working(void **state)
{
	struct vector_stats s;

	for (unsigned at_once = 0; at_once < 2; at_once++) {
		begin(8, false);
		t.vfio.host_limit = 4; /* the mode takes that of vector 0 */
		log_set_level(LOG_QUIET);
		set_control(true, at_once);
		for (unsigned v = 3; v < 8; v++)
			linux_request(v);
		set_control(true, false);
		linux_request(0);
		log_set_level(LOG_WARN);
		for (unsigned v = 0; v < 8; v++)
			if (v == 0 || v >= 3)
				fire(v);
		run_loop(1);
		vectors_stats(msix_vectors(t.msix), &s);
		assert_int_equal(s.wired, 4);
		for (unsigned v = 0; v < 8; v++)
			assert_int_equal(t.got[v], v == 0 || (v >= 3 && v < 6));
		end();
	}
}

static void test_too_few_host_vectors_are_found_without_being_told(void **state)
{
	few_host_vectors(4, true, 4);
	few_host_vectors(3, true, 2);
	few_host_vectors(1, true, 1);
}

static void test_routes_that_run_out_leave_the_rest_on_the_user_path(void **state)
{
	struct vector_stats s;
	uint32_t n;

	begin(4, false);
	for (unsigned i = 0; i < GSI_MAX_MSI - 2; i++)
		assert_int_equal(gsi_alloc(t.gsi, &n), 0);
	log_set_level(LOG_QUIET);
	linux_enable();
	for (unsigned v = 0; v < 4; v++)
		linux_request(v);
	run_until_settled(2);
	log_set_level(LOG_WARN);
	vectors_stats(msix_vectors(t.msix), &s);
	assert_int_equal(s.irqfds, 2);
	assert_int_equal(s.user, 2);
	for (unsigned v = 0; v < 4; v++)
		fire(v);
	run_loop(5);
	assert_int_equal(t.by_irqfd, 2);
	assert_int_equal(t.by_user, 2);
	set_mask(3, true);
	fire(3);
	assert_true(pba(3));
	end();
}

static void test_refused_commit_and_refused_irqfd_stay_in_userspace(void **state)
{
	begin(4, false);
	log_set_level(LOG_QUIET);
	t.kvm.fail_routing = -ENOMEM;
	set_control(true, true);
	linux_request(0);
	linux_request(1);
	set_control(true, false);
	fire(0);
	run_loop(1);
	assert_int_equal(t.by_user, 1);
	t.kvm.fail_routing = 0;
	t.kvm.fail_irqfd = -ENOMEM;
	vectors_settle(msix_vectors(t.msix));
	fire(1);
	run_loop(1);
	assert_int_equal(t.by_user, 2);
	t.kvm.fail_irqfd = 0;
	vectors_settle(msix_vectors(t.msix));
	log_set_level(LOG_WARN);
	fire(1);
	assert_int_equal(t.by_irqfd, 1);
	end();
}

static void test_disable_frees_routes_and_descriptors(void **state)
{
	int before, after;
	uint32_t n;

	begin(16, false);
	before = dup(0);
	close(before);
	linux_enable();
	for (unsigned v = 0; v < 16; v++)
		linux_request(v);
	vectors_settle(msix_vectors(t.msix));
	set_control(false, false);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	assert_int_equal(t.kvm.nirqfds, 0);
	assert_int_equal(t.vfio.mode, -1);
	for (unsigned i = 0; i < GSI_MAX_MSI; i++)
		assert_int_equal(gsi_alloc(t.gsi, &n), 0);
	end();
}

static void test_reset_masks_and_clears_every_entry(void **state)
{
	static const uint8_t clean[MSIX_ENTRY_SIZE] = { [12] = 1 };
	uint8_t e[MSIX_ENTRY_SIZE];

	begin(4, false);
	linux_enable();
	linux_request(3);
	msix_reset(t.msix);
	t.enabled = false;
	for (unsigned i = 0; i < MSIX_ENTRY_SIZE; i += 4)
		msix_table_read(t.msix, 3 * MSIX_ENTRY_SIZE + i, e + i, 4);
	assert_memory_equal(e, clean, sizeof(clean));
	assert_int_equal(msix_control(t.msix), 3);
	end();
}

static void test_reserved_bits_do_not_take(void **state)
{
	uint8_t ones[8], e[8];

	begin(2, false);
	memset(ones, 0xff, sizeof(ones));
	msix_table_write(t.msix, 0, ones, 8);
	msix_table_write(t.msix, 8, ones, 8);
	msix_table_read(t.msix, 0, e, 8);
	assert_true(get_le64(e) == 0xfffffffffffffffcull);
	msix_table_read(t.msix, 8, e, 8);
	assert_true(get_le64(e) == 0x1ffffffffull);
	end();
}

static size_t reported(void)
{
	const struct vm vm = { .ncpus = 0 };
	json_t *list = control_report_vectors(msix_vectors(t.msix), &vm);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

/* A device is asked, which takes a microsecond, for what is shown and it alone knows. */
static void test_a_report_does_not_ask_the_device_for_vectors_never_used(void **state)
{
	begin(MAX, false);
	linux_enable();
	assert_int_equal(reported(), 0);
	for (unsigned v = 0; v < 32; v++)
		linux_request(v);
	set_mask(31, true);
	assert_int_equal(reported(), 32);
	assert_int_equal(t.asked, 0); /* these have eventfds, which know */
	end();
	begin(MAX, true);
	t.vfio.host_limit = 3;
	log_set_level(LOG_QUIET);
	linux_enable();
	for (unsigned v = 0; v < 7; v++)
		linux_request(v);
	log_set_level(LOG_WARN);
	assert_int_equal(reported(), 7);
	assert_int_equal(t.asked, 4); /* those the host has no interrupt for */
	end();
}

static const unsigned widths[] = { 1, 2, 4, 8 };

/* What the vectors behind the table were told is what the table says. */
static void vectors_are_as(const uint8_t *table, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *e = table + (size_t)i * MSIX_ENTRY_SIZE;
		struct vector_info info;

		vectors_info(msix_vectors(t.msix), i, &info);
		assert_true(info.address == get_le64(e));
		assert_int_equal(info.data, get_le32(e + PCI_MSIX_ENTRY_DATA));
		assert_int_equal(info.wanted,
				 t.enabled && !(e[PCI_MSIX_ENTRY_VECTOR_CTRL] & 1));
		assert_int_equal(info.path != VECTOR_OFF, info.wanted);
	}
}

/* Every offset, in and around the structures, in every width, against a byte-wise model. */
static void every_offset_and_width(bool enabled)
{
	uint8_t model[3 * MSIX_ENTRY_SIZE], data[8], out[8];

	begin(3, false);
	set_control(enabled, false);
	for (unsigned i = 0; i < sizeof(model); i++)
		msix_table_read(t.msix, i, &model[i], 1);
	for (unsigned w = 0; w < 4; w++) {
		for (uint64_t off = 0; off < sizeof(model) + 16; off++) {
			for (unsigned i = 0; i < widths[w]; i++)
				data[i] = (uint8_t)(off * 7 + i * 13 + w);
			msix_table_write(t.msix, off, data, widths[w]);
			for (unsigned i = 0; i < widths[w] && off + i < sizeof(model); i++)
				model[off + i] = data[i] & ((off + i) % 16 == 0    ? 0xfc
							    : (off + i) % 16 == 12 ? 1
							    : (off + i) % 16 > 12  ? 0
										   : 0xff);
			msix_table_read(t.msix, off, out, widths[w]);
			for (unsigned i = 0; i < widths[w]; i++)
				assert_int_equal(out[i],
						 off + i < sizeof(model) ? model[off + i] : 0);
			vectors_are_as(model, 3);
			msix_pba_read(t.msix, off, out, widths[w]);
			assert_int_equal(get_le(out, widths[w]), 0);
		}
		msix_table_write(t.msix, UINT64_MAX - 3, data, widths[w]);
		msix_table_read(t.msix, UINT64_MAX, out, widths[w]);
		msix_pba_read(t.msix, UINT64_MAX, out, widths[w]);
		assert_int_equal(get_le(out, widths[w]), 0);
	}
	end();
}

static void test_every_offset_and_width_is_safe(void **state)
{
	every_offset_and_width(false);
}

static void test_every_offset_and_width_acts_while_enabled(void **state)
{
	every_offset_and_width(true);
}

static bool fires_masked(unsigned v)
{
	return v % 3 == 0 || v % 7 == 2;
}

/* Two qwords of pending bits, the second of them not full. */
static void test_pending_bits_read_alike_at_every_offset_and_width(void **state)
{
	uint8_t model[16] = { 0 }, out[8];

	begin(70, false);
	linux_enable();
	for (unsigned v = 0; v < t.n; v++)
		linux_request(v);
	vectors_settle(msix_vectors(t.msix));
	for (unsigned v = 0; v < t.n; v++) {
		set_mask(v, true);
		if (fires_masked(v)) {
			fire(v);
			model[v / 8] |= (uint8_t)(1u << v % 8);
		}
	}
	for (unsigned w = 0; w < 4; w++)
		for (uint64_t off = 0; off < sizeof(model) + 16; off++) {
			msix_pba_read(t.msix, off, out, widths[w]);
			for (unsigned i = 0; i < widths[w]; i++)
				assert_int_equal(out[i],
						 off + i < sizeof(model) ? model[off + i] : 0);
		}
	for (unsigned v = 0; v < t.n; v++) {
		assert_int_equal(t.got[v], 0);
		set_mask(v, false);
		assert_int_equal(t.got[v], fires_masked(v));
		assert_false(pba(v));
	}
	end();
}

static void test_vector_that_was_never_unmasked_pends_in_the_device(void **state)
{
	begin(4, false);
	linux_enable();
	program(2);
	fire(2);
	assert_true(pba(2));
	assert_false(pba(1));
	set_mask(2, false);
	run_loop(1);
	assert_int_equal(t.got[2], 1);
	assert_false(pba(2));
	/* Without MSI-X there are no pending bits to see. */
	fire(3);
	assert_true(pba(3));
	set_control(false, false);
	assert_false(pba(3));
	end();
}

static void test_function_mask_pends_all_and_releases_what_is_not_masked_itself(void **state)
{
	uint8_t bits;

	begin(4, false);
	linux_enable();
	for (unsigned v = 0; v < 4; v++)
		linux_request(v);
	vectors_settle(msix_vectors(t.msix));
	set_control(true, true);
	assert_int_equal(t.kvm.nirqfds, 0);
	for (unsigned v = 0; v < 4; v++)
		fire(v);
	set_mask(2, true);
	msix_pba_read(t.msix, 0, &bits, 1);
	assert_int_equal(bits, 0xf);
	set_control(true, false);
	for (unsigned v = 0; v < 4; v++)
		assert_int_equal(t.got[v], v != 2);
	msix_pba_read(t.msix, 0, &bits, 1);
	assert_int_equal(bits, 1 << 2);
	set_mask(2, false);
	assert_int_equal(t.got[2], 1);
	assert_int_equal(t.kvm.commits, 1);
	end();
}

static void test_absurd_tables_are_refused(void **state)
{
	struct vector_config config = { .name = "x", .count = 0 };
	struct err err = ERR_INIT;
	struct msix *m = NULL;

	assert_int_equal(msix_new(&config, &m, &err), -EINVAL);
	config.count = MSIX_MAX_VECTORS + 1;
	assert_int_equal(msix_new(&config, &m, &err), -EINVAL);
	assert_null(m);
}

/* --- anything, for long --- */

static void random_step(void)
{
	unsigned v = (unsigned)rand() % t.n, what = (unsigned)rand() % 100;

	if (what < 45)
		fire(v);
	else if (what < 75)
		set_mask(v, rand() % 2);
	else if (what < 82)
		program(v);
	else if (what < 90)
		run_loop(0);
	else if (what < 95)
		vectors_settle(msix_vectors(t.msix));
	else if (what < 98)
		set_control(true, rand() % 2);
	else if (what == 98)
		(void)pba(v);
	else if (rand() % 20 == 0) {
		/* Off and on again: what was raised before is forgotten, on hardware too. */
		set_control(false, false);
		memset(t.owed, 0, sizeof(t.owed));
		memset(t.vfio.hw_pending, 0, sizeof(t.vfio.hw_pending));
		set_control(true, rand() % 2);
	}
}

static void anything(unsigned seed, unsigned steps, bool noresize, bool old)
{
	unsigned delivered = 0;

	srand(seed);
	begin(64, noresize);
	t.kvm.old = old;
	for (unsigned v = 0; v < t.n; v++)
		program(v);
	set_control(true, false);
	for (unsigned i = 0; i < steps; i++)
		random_step();
	set_control(true, false);
	for (unsigned v = 0; v < t.n; v++)
		set_mask(v, false);
	run_loop(30);
	for (unsigned v = 0; v < t.n; v++) {
		assert_false(t.owed[v]);
		delivered += t.got[v];
	}
	assert_true(t.by_irqfd > 0 && t.by_user > 0 && delivered > steps / 10);
	print_message("%u steps: %u delivered by KVM, %u by us, none lost\n", steps, t.by_irqfd,
		      t.by_user);
	end();
}

/* A sample; STEPS= says how many (`make check-full`: a million). */
static unsigned steps(unsigned sample)
{
	const char *wanted = getenv("STEPS");

	return wanted ? (unsigned)strtoul(wanted, NULL, 10) : sample;
}

static void test_nothing_is_lost_in_random_steps(void **state)
{
	anything(1, steps(100000), false, false);
}

static void test_nothing_is_lost_with_noresize_and_an_old_kernel(void **state)
{
	anything(2, steps(50000), true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unmasked_vector_works_at_once_and_settles_by_timer),
		cmocka_unit_test(test_release_of_function_mask_is_one_commit),
		cmocka_unit_test(test_single_unmasks_take_a_handful_of_commits_and_linear_requests),
		cmocka_unit_test(test_masking_leaves_the_device_alone_and_pends),
		cmocka_unit_test(test_message_changed_while_live_leaves_the_old_route),
		cmocka_unit_test(test_vectors_are_added_without_touching_live_ones),
		cmocka_unit_test(test_noresize_takes_the_whole_table_first),
		cmocka_unit_test(test_too_few_host_vectors_leave_those_that_fit_working),
		cmocka_unit_test(test_too_few_host_vectors_are_found_without_being_told),
		cmocka_unit_test(test_too_few_host_vectors_to_add_leave_the_first_working),
		cmocka_unit_test(test_routes_that_run_out_leave_the_rest_on_the_user_path),
		cmocka_unit_test(test_refused_commit_and_refused_irqfd_stay_in_userspace),
		cmocka_unit_test(test_disable_frees_routes_and_descriptors),
		cmocka_unit_test(test_reset_masks_and_clears_every_entry),
		cmocka_unit_test(test_reserved_bits_do_not_take),
		cmocka_unit_test(test_every_offset_and_width_is_safe),
		cmocka_unit_test(test_every_offset_and_width_acts_while_enabled),
		cmocka_unit_test(test_pending_bits_read_alike_at_every_offset_and_width),
		cmocka_unit_test(test_a_report_does_not_ask_the_device_for_vectors_never_used),
		cmocka_unit_test(test_vector_that_was_never_unmasked_pends_in_the_device),
		cmocka_unit_test(
			test_function_mask_pends_all_and_releases_what_is_not_masked_itself),
		cmocka_unit_test(test_absurd_tables_are_refused),
		cmocka_unit_test(test_nothing_is_lost_in_random_steps),
		cmocka_unit_test(test_nothing_is_lost_with_noresize_and_an_old_kernel),
	};

	return cmocka_run_group_tests_name("msix", tests, NULL, NULL);
}
