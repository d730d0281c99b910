/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MSI capability as the guest sees it: up to 32 vectors that share one
 * message, with a mask bit each where the device has them. What they mean is
 * irq/vectors.h's.
 *
 * Everything runs under the VM's device lock.
 */
#ifndef IRQ_MSI_H
#define IRQ_MSI_H

#include <stdint.h>

#include "base/err.h"
#include "irq/vectors.h"

#define MSI_MAX_VECTORS 32

struct msi;

/*
 * control: the device's own message control, for its form (64-bit, maskable).
 * config->count is cut to a power of two of at most 32. -EINVAL, -ENOMEM, -EMFILE.
 */
int msi_new(const struct vector_config *config, uint16_t control, struct msi **ret,
	    struct err *err);

/* Turns the device's vectors off first. NULL is fine. */
struct msi *msi_free(struct msi *msi);

/* Bytes of the capability from its id on: 10 to 24. */
unsigned msi_size(const struct msi *msi);

/* Guest accesses from byte 2 (message control) on; what lies outside reads zero. */
void msi_read(struct msi *msi, unsigned off, uint8_t *data, unsigned len);
void msi_write(struct msi *msi, unsigned off, const uint8_t *data, unsigned len);

/* Function reset. */
void msi_reset(struct msi *msi);

/* Borrowed, for statistics. */
struct vectors *msi_vectors(struct msi *msi);

#endif
