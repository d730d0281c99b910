/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A 16550A: COM1 at LAYOUT_SERIAL, interrupt LAYOUT_SERIAL_GSI, 16-byte FIFOs. */
#ifndef VMM_HW_SERIAL_H
#define VMM_HW_SERIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct serial;
struct vm;

struct serial_ops {
	void (*transmit)(void *opaque, uint8_t byte);
	/* The guest made room in an exhausted receiver: serial_receive() may be called. */
	void (*more)(void *opaque);
};

/* Claims its ports on vm->pio. */
int serial_new(struct vm *vm, struct serial **ret, struct err *err);
struct serial *serial_free(struct serial *serial);

/* Who is at the other end of the line. Nobody at first: bytes are lost. Borrowed. */
void serial_connect(struct serial *serial, const struct serial_ops *ops, void *opaque);

/* Under vm_lock(), as all that follow. Returns how many bytes the receiver took. */
size_t serial_receive(struct serial *serial, const uint8_t *data, size_t len);
void serial_reset(struct serial *serial);

#endif
