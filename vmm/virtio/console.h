/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console device (5.3): a terminal as port 0, where one is wanted, and further ports with names,
 * each a stream of bytes between a socket or terminal of the host and a process of the guest.
 */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct virtio_console;
struct vm;
struct vmm_port;

/* Who is at the other end of port 0. Main thread, locked. */
struct virtio_console_terminal {
	/* From the guest; may wait for a reader, but not for ever: a guest's kernel waits for us. */
	void (*output)(void *opaque, const uint8_t *data, size_t len);
	/* The guest has room again, or begins or ends to use it: virtio_console_input() may be called. */
	void (*more)(void *opaque);
	void *opaque;
};

struct virtio_console_setup {
	const struct virtio_console_terminal *terminal; /* NULL: there is no port 0 */
	const struct vmm_port *ports;			/* borrowed; numbers 1 and up */
	unsigned count;
};

/* Before pci_assign(). */
int virtio_console_new(struct vm *vm, const struct virtio_console_setup *setup,
		       struct virtio_console **ret, struct err *err);
struct virtio_console *virtio_console_free(struct virtio_console *con); /* NULL is fine */

/* The guest has port 0 open and wrote to it. NULL: no. */
bool virtio_console_in_use(const struct virtio_console *con);
/* For port 0: how many bytes the guest had room for. */
size_t virtio_console_input(struct virtio_console *con, const uint8_t *data, size_t len);
/* The terminal of port 0 has so many columns and rows. NULL is fine. */
void virtio_console_resize(struct virtio_console *con, uint16_t cols, uint16_t rows);

/* What is at the ends of one of the named ports, counted from 0. */
void virtio_console_port(const struct virtio_console *con, unsigned i, bool *ret_client,
			 bool *ret_guest);

#endif
