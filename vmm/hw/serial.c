// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/serial.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <linux/serial_reg.h>

#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

#define FIFO  16
#define PORTS 8

#define IIR_FIFOS_ON 0xc0

/* Modem lines of somebody who listens. */
#define MSR_CONNECTED (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

struct serial {
	struct vm *vm; /* borrowed */
	const struct serial_ops *ops;
	void *opaque;
	uint8_t ier, fcr, lcr, mcr, scr;
	uint16_t divisor;
	bool thr_pending; /* THR went empty and nobody looked at IIR or wrote since */
	bool overrun;
	struct coalesced_burst burst; /* of THR's writes */
	bool line; /* level of the interrupt */
	unsigned count; /* bytes received and not read */
	uint8_t rx[FIFO];
};

/* Without FIFO the receiver holds one byte. */
static unsigned room(const struct serial *s)
{
	return (s->fcr & UART_FCR_ENABLE_FIFO ? FIFO : 1) - s->count;
}

static unsigned trigger_level(const struct serial *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return s->fcr & UART_FCR_ENABLE_FIFO ? levels[s->fcr >> 6] : 1;
}

/* The interrupt of highest priority, as IIR tells it. */
static uint8_t pending(const struct serial *s)
{
	if (s->ier & UART_IER_RLSI && s->overrun)
		return UART_IIR_RLSI;
	if (s->ier & UART_IER_RDI && s->count >= trigger_level(s))
		return UART_IIR_RDI;
	/* Fewer than the trigger level: a real one waits four characters' time first. */
	if (s->ier & UART_IER_RDI && s->count)
		return UART_IIR_RX_TIMEOUT;
	if (s->ier & UART_IER_THRI && s->thr_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* OUT2 gates the interrupt on every PC, and loopback cuts it. */
static void update_line(struct serial *s)
{
	bool level = pending(s) != UART_IIR_NO_INT && s->mcr & UART_MCR_OUT2 &&
		     !(s->mcr & UART_MCR_LOOP);

	if (level != s->line)
		vm_irq_line(s->vm, LAYOUT_SERIAL_GSI, level);
	s->line = level;
}

static void settle_line(void *opaque)
{
	update_line(opaque);
}

static void receive_byte(struct serial *s, uint8_t byte)
{
	if (room(s))
		s->rx[s->count++] = byte;
	else
		s->overrun = true;
}

/*
 * A driver that uses the FIFO asks LSR or IIR for every 16 bytes, so its bytes need no exit
 * each. But nobody has to ask after the last ones: Linux leaves its interrupt handler after 512
 * rounds, waits for the transmitter's interrupt, and would never make another exit. So
 * the bytes are taken at the burst's tick at the latest. One that polls for every
 * single byte has no FIFO on.
 */
static void coalesce(struct serial *s)
{
	if (s->fcr & UART_FCR_ENABLE_FIFO)
		coalesced_busy(&s->burst);
}

static void transmit(struct serial *s, uint8_t byte)
{
	coalesce(s);
	if (s->mcr & UART_MCR_LOOP)
		receive_byte(s, byte);
	else if (s->ops)
		s->ops->transmit(s->opaque, byte);
	s->thr_pending = true; /* gone already */
}

static void ask_for_more(struct serial *s)
{
	if (s->ops && !(s->mcr & UART_MCR_LOOP))
		s->ops->more(s->opaque);
}

static uint8_t read_rx(struct serial *s)
{
	uint8_t byte = s->rx[0];

	if (!s->count)
		return 0;
	s->count--;
	memmove(s->rx, s->rx + 1, s->count);
	/* When it is empty, not before: input comes in bursts of a FIFO, not in single bytes. */
	if (!s->count)
		ask_for_more(s);
	return byte;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	if (iir == UART_IIR_THRI)
		s->thr_pending = false;
	return iir | (s->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFOS_ON : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (s->count)
		lsr |= UART_LSR_DR;
	if (s->overrun)
		lsr |= UART_LSR_OE;
	s->overrun = false;
	return lsr;
}

/* In loopback the four outputs come back as the four inputs. */
static uint8_t read_msr(const struct serial *s)
{
	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	return (s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t read_register(struct serial *s, unsigned reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? (uint8_t)s->divisor : read_rx(s);
	case UART_IER:
		return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_ier(struct serial *s, uint8_t value)
{
	value &= UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI;
	/* Enabling it while THR is empty interrupts at once: drivers start sending so. */
	if (value & UART_IER_THRI && !(s->ier & UART_IER_THRI))
		s->thr_pending = true;
	s->ier = value;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	/* Switching FIFOs on or off empties them, as does asking for it. */
	if ((value ^ s->fcr) & UART_FCR_ENABLE_FIFO || value & UART_FCR_CLEAR_RCVR)
		s->count = 0;
	s->fcr = value & UART_FCR_ENABLE_FIFO ?
			 value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK) :
			 0;
	ask_for_more(s);
}

static void write_mcr(struct serial *s, uint8_t value)
{
	bool was_loop = s->mcr & UART_MCR_LOOP;

	s->mcr = value & 0x1f;
	if (was_loop)
		ask_for_more(s);
}

static void write_register(struct serial *s, unsigned reg, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
		else
			transmit(s, value);
		return;
	case UART_IER:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
		else
			write_ier(s, value);
		return;
	case UART_FCR:
		write_fcr(s, value);
		return;
	case UART_LCR:
		s->lcr = value;
		return;
	case UART_MCR:
		write_mcr(s, value);
		return;
	case UART_SCR:
		s->scr = value;
		return;
	}
}

static void serial_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct serial *s = opaque;

	if (len != 1)
		return; /* all-ones */
	data[0] = read_register(s, (unsigned)off);
	update_line(s);
}

static void serial_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct serial *s = opaque;

	if (len != 1)
		return;
	write_register(s, (unsigned)off, data[0]);
	/*
	 * A driver that has sent its last byte forbids the interrupt for more next,
	 * long before a real transmitter is empty.
	 */
	if (!coalesced_defer(s->vm, settle_line, s))
		update_line(s);
}

static const struct bus_ops serial_bus_ops = { serial_read, serial_write };

int serial_new(struct vm *vm, struct serial **ret, struct err *err)
{
	struct serial *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "cannot make the serial port");
	s->vm = vm;
	s->burst = (struct coalesced_burst)COALESCED_BURST_INIT(vm, LAYOUT_SERIAL + UART_TX, 1);
	s->divisor = 1; /* 115200 baud */
	r = bus_add(vm->pio, LAYOUT_SERIAL, PORTS, "serial port", &serial_bus_ops, s, err);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct serial *serial_free(struct serial *s)
{
	if (s) {
		coalesced_burst_end(&s->burst);
		bus_remove(s->vm->pio, LAYOUT_SERIAL);
	}
	free(s);
	return NULL;
}

void serial_connect(struct serial *s, const struct serial_ops *ops, void *opaque)
{
	s->ops = ops;
	s->opaque = opaque;
}

size_t serial_receive(struct serial *s, const uint8_t *data, size_t len)
{
	size_t taken = 0;

	/* In loopback the line is cut off: the bytes wait. */
	while (taken < len && room(s) && !(s->mcr & UART_MCR_LOOP))
		receive_byte(s, data[taken++]);
	update_line(s);
	return taken;
}

void serial_reset(struct serial *s)
{
	s->ier = s->fcr = s->lcr = s->mcr = s->scr = 0;
	s->divisor = 1;
	s->count = 0;
	s->thr_pending = s->overrun = false;
	coalesced_burst_end(&s->burst);
	update_line(s);
}
