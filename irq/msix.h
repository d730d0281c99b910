/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X as the guest sees it: message control, the table and the pending bits.
 * What they mean for each vector is irq/vectors.h's.
 *
 * Everything runs under the VM's device lock.
 */
#ifndef IRQ_MSIX_H
#define IRQ_MSIX_H

#include <stdint.h>

#include "base/err.h"
#include "irq/vectors.h"

#define MSIX_MAX_VECTORS 2048
#define MSIX_ENTRY_SIZE  16

struct msix;

/* Off, every entry masked. -EINVAL (0 or more than 2048 vectors), -ENOMEM, -EMFILE. */
int msix_new(const struct vector_config *config, struct msix **ret, struct err *err);

/* Turns the device's vectors off first. NULL is fine. */
struct msix *msix_free(struct msix *msix);

/*
 * Guest accesses, offsets from the start of the table or the PBA; any width (1..8)
 * and any place: what lies outside reads zero and takes nothing.
 */
void msix_table_read(struct msix *msix, uint64_t off, uint8_t *data, unsigned len);
void msix_table_write(struct msix *msix, uint64_t off, const uint8_t *data, unsigned len);
void msix_pba_read(struct msix *msix, uint64_t off, uint8_t *data, unsigned len);

/* Message control as the guest reads it (table size, enable, function mask), and a write to it. */
uint16_t msix_control(const struct msix *msix);
void msix_set_control(struct msix *msix, uint16_t control);

/* Function reset: off, all entries masked and zero. */
void msix_reset(struct msix *msix);

/* Borrowed, for statistics. */
struct vectors *msix_vectors(struct msix *msix);

#endif
