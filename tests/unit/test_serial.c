// SPDX-License-Identifier: GPL-2.0-or-later
/* The registers of the 16550A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/kvm.h>
#include <linux/serial_reg.h>

#include "tests/fake/ioctl.h"
#include "base/loop.h"
#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/hw/serial.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

#define VM_FD 1000

struct fixture {
	struct vm vm;
	struct serial *serial;
	bool line;
	unsigned edges;
	char out[64];
	size_t out_len;
	unsigned asked;
};

static struct fixture f;

static int irq_line(void *opaque, int fd, unsigned long request, void *arg)
{
	const struct kvm_irq_level *l = arg;

	if (request == KVM_REGISTER_COALESCED_MMIO || request == KVM_UNREGISTER_COALESCED_MMIO)
		return 0;
	assert_int_equal(request, KVM_IRQ_LINE);
	assert_int_equal(l->irq, LAYOUT_SERIAL_GSI);
	assert_int_not_equal(l->level, f.line); /* only changes are told */
	f.line = l->level;
	f.edges++;
	return 0;
}

static void transmit(void *opaque, uint8_t byte)
{
	if (f.out_len < sizeof(f.out))
		f.out[f.out_len++] = (char)byte;
}

static void more(void *opaque)
{
	f.asked++;
}

static const struct serial_ops ops = { transmit, more };

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	fake_ioctl_reset();
	fake_ioctl_handle(VM_FD, irq_line, NULL);
	f.vm.fd = VM_FD;
	f.vm.pio = bus_new();
	f.vm.loop = loop_new();
	if (serial_new(&f.vm, &f.serial, NULL) < 0)
		return -1;
	serial_connect(f.serial, &ops, NULL);
	return 0;
}

static int teardown(void **state)
{
	serial_free(f.serial);
	bus_free(f.vm.pio);
	loop_free(f.vm.loop);
	return fake_ioctl_done() ? 0 : -1;
}

static uint8_t in(unsigned reg)
{
	uint8_t v;

	bus_read(f.vm.pio, LAYOUT_SERIAL + reg, &v, 1);
	return v;
}

static void out(unsigned reg, uint8_t v)
{
	bus_write(f.vm.pio, LAYOUT_SERIAL + reg, &v, 1);
}

static void test_what_is_written_is_sent(void **state)
{
	out(UART_TX, 'h');
	out(UART_TX, 'i');
	assert_memory_equal(f.out, "hi", 2);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_false(f.line); /* nobody asked for an interrupt */
}

static void test_divisor_hides_behind_dlab(void **state)
{
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	assert_int_equal(in(UART_DLL), 0x34);
	assert_int_equal(in(UART_DLM), 0x12);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(f.out_len, 0);
}

/* What Linux's 8250 driver looks for before it calls the port a 16550A. */
static void test_linux_recognizes_a_16550a(void **state)
{
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, 0);
	out(UART_SCR, 0xa5);
	assert_int_equal(in(UART_SCR), 0xa5);
	out(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0x0f);
	out(UART_IER, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR) >> 6, 3);
	out(UART_FCR, 0);
	assert_int_equal(in(UART_IIR) >> 6, 0);
}

static void test_out2_gates_the_interrupt(void **state)
{
	out(UART_IER, UART_IER_THRI);
	assert_false(f.line);
	out(UART_MCR, UART_MCR_OUT2);
	assert_true(f.line);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	assert_false(f.line); /* reading IIR took it */
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_NO_INT);
}

static void test_transmitter_interrupts_after_each_write_and_when_enabled(void **state)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_THRI);
	assert_true(f.line);
	(void)in(UART_IIR);
	out(UART_TX, 'x');
	assert_true(f.line);
	(void)in(UART_IIR);
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	assert_true(f.line);
}

static void test_receiver_holds_one_byte_or_sixteen(void **state)
{
	assert_int_equal(serial_receive(f.serial, (const uint8_t *)"ab", 2), 1);
	assert_int_equal(in(UART_RX), 'a');
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(serial_receive(f.serial, (const uint8_t *)"0123456789abcdefg", 17), 16);
	for (unsigned i = 0; i < 16; i++) {
		assert_true(in(UART_LSR) & UART_LSR_DR);
		assert_int_equal(in(UART_RX), "0123456789abcdef"[i]);
	}
	assert_false(in(UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(UART_RX), 0);
}

static void test_more_is_asked_for_when_the_fifo_is_empty(void **state)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	f.asked = 0;
	(void)serial_receive(f.serial, (const uint8_t *)"ab", 2);
	(void)in(UART_RX);
	assert_int_equal(f.asked, 0);
	(void)in(UART_RX);
	assert_int_equal(f.asked, 1);
	(void)serial_receive(f.serial, (const uint8_t *)"ab", 2);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(f.asked, 2);
	assert_false(in(UART_LSR) & UART_LSR_DR);
}

static void test_received_data_interrupts_until_read(void **state)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_RDI);
	(void)serial_receive(f.serial, (const uint8_t *)"abcdefgh", 8);
	assert_true(f.line);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_RDI);
	assert_true(f.line); /* IIR does not take it */
	(void)in(UART_RX);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_RX_TIMEOUT);
	for (unsigned i = 0; i < 7; i++)
		(void)in(UART_RX);
	assert_false(f.line);
}

static void test_loopback_returns_what_is_sent_and_is_cut_off(void **state)
{
	out(UART_MCR, UART_MCR_LOOP);
	assert_int_equal(serial_receive(f.serial, (const uint8_t *)"z", 1), 0);
	out(UART_TX, 'q');
	assert_int_equal(f.out_len, 0);
	assert_int_equal(in(UART_RX), 'q');
	out(UART_TX, '1');
	out(UART_TX, '2'); /* no room without FIFO */
	assert_true(in(UART_LSR) & UART_LSR_OE);
	assert_false(in(UART_LSR) & UART_LSR_OE); /* reading it took it */
	f.asked = 0;
	out(UART_MCR, 0);
	assert_int_equal(f.asked, 1); /* what was held back may come now */
}

static void test_reset_lowers_the_line(void **state)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_THRI);
	serial_reset(f.serial);
	assert_false(f.line);
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(in(UART_MCR), 0);
}

static void test_wide_accesses_read_all_ones(void **state)
{
	uint8_t v[4] = { 0 };

	bus_read(f.vm.pio, LAYOUT_SERIAL, v, 4);
	assert_memory_equal(v, "\xff\xff\xff\xff", 4);
	bus_write(f.vm.pio, LAYOUT_SERIAL, (const uint8_t *)"abcd", 4);
	assert_int_equal(f.out_len, 0);
}

/* Bytes as KVM leaves them in the ring. */
static void ring_put(struct kvm_coalesced_mmio_ring *ring, const char *text)
{
	for (; *text; text++)
		ring->coalesced_mmio[ring->last++] = (struct kvm_coalesced_mmio){
			.phys_addr = LAYOUT_SERIAL + UART_TX, .len = 1, .pio = 1,
			.data = { (uint8_t)*text } };
}

static void begin_sending(void)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	assert_false(f.line);
	f.edges = 0;
}

static void test_bytes_out_of_the_ring_do_not_interrupt_who_forbids_it_next(void **state)
{
	static union {
		struct kvm_coalesced_mmio_ring ring;
		uint8_t page[4096];
	} u;

	memset(&u, 0, sizeof(u));
	f.vm.ring = &u.ring;
	begin_sending();
	ring_put(&u.ring, "last");
	coalesced_drain(&f.vm);
	out(UART_IER, 0);
	coalesced_settle(&f.vm);
	assert_memory_equal(f.out, "last", 4);
	assert_int_equal(f.edges, 0);
	/* Any other access leaves it to be told. */
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	ring_put(&u.ring, "more");
	coalesced_drain(&f.vm);
	assert_false(f.line);
	coalesced_settle(&f.vm);
	assert_true(f.line);
	f.vm.ring = NULL;
}

static void on_enough(void *opaque, int fd)
{
	loop_quit(opaque, 0);
}

/*
 * A driver that leaves its handler with bytes on their way waits for the transmitter, and makes
 * no other access: they go out, and the interrupt comes, all the same.
 */
static void test_bytes_that_nobody_asks_after_go_out(void **state)
{
	static union {
		struct kvm_coalesced_mmio_ring ring;
		uint8_t page[4096];
	} u;
	int timer = -1;

	memset(&u, 0, sizeof(u));
	f.vm.ring = &u.ring;
	begin_sending();
	out(UART_TX, 'x'); /* from here on KVM keeps them */
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	f.out_len = 0;
	f.edges = 0;
	ring_put(&u.ring, "the last ones");
	assert_int_equal(loop_timer_new(f.vm.loop, on_enough, f.vm.loop, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, 250000000), 0);
	loop_run(f.vm.loop);
	assert_int_equal(f.out_len, 13);
	assert_memory_equal(f.out, "the last ones", 13);
	assert_true(f.line);
	assert_int_equal(f.edges, 1);
	loop_del(f.vm.loop, timer);
	close(timer);
	f.vm.ring = NULL;
}

/* Another CPU that writes as fast as its entries are taken. */
static void never_silent(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct kvm_coalesced_mmio_ring *ring = f.vm.ring;
	unsigned *written = opaque;

	if (++*written == 10000)
		return;
	ring->coalesced_mmio[ring->last] = ring->coalesced_mmio[ring->first ? ring->first - 1 : 0];
	ring->last = (ring->last + 1) % 100;
}

static void test_a_drain_ends_though_others_go_on_writing(void **state)
{
	static const struct bus_ops busy = { .write = never_silent };
	static union {
		struct kvm_coalesced_mmio_ring ring;
		uint8_t page[4096];
	} u;
	unsigned written = 0;

	memset(&u, 0, sizeof(u));
	assert_int_equal(bus_add(f.vm.pio, 0x70, 1, "busy", &busy, &written, NULL), 0);
	f.vm.ring = &u.ring;
	for (unsigned i = 0; i < 100; i++)
		u.ring.coalesced_mmio[i] = (struct kvm_coalesced_mmio){ .phys_addr = 0x70, .len = 1,
									.pio = 1 };
	u.ring.last = 3;
	coalesced_drain(&f.vm);
	assert_int_equal(written, 3);
	coalesced_drain(&f.vm);
	assert_int_equal(written, 6); /* nothing is lost */
	f.vm.ring = NULL;
	bus_remove(f.vm.pio, 0x70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_what_is_written_is_sent),
		T(test_divisor_hides_behind_dlab),
		T(test_linux_recognizes_a_16550a),
		T(test_out2_gates_the_interrupt),
		T(test_transmitter_interrupts_after_each_write_and_when_enabled),
		T(test_receiver_holds_one_byte_or_sixteen),
		T(test_more_is_asked_for_when_the_fifo_is_empty),
		T(test_received_data_interrupts_until_read),
		T(test_loopback_returns_what_is_sent_and_is_cut_off),
		T(test_bytes_out_of_the_ring_do_not_interrupt_who_forbids_it_next),
		T(test_bytes_that_nobody_asks_after_go_out),
		T(test_a_drain_ends_though_others_go_on_writing),
		T(test_reset_lowers_the_line),
		T(test_wide_accesses_read_all_ones),
#undef T
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
