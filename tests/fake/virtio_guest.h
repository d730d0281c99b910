/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of a virtio device, as far as a test needs one: the device is the only one of the only
 * machine, and its first queue lies where these say.
 */
#ifndef TESTS_FAKE_VIRTIO_GUEST_H
#define TESTS_FAKE_VIRTIO_GUEST_H

#include "tests/fake/vfio_machine.h"

#define VG_SIZE  16
#define VG_DESC  0x10000u
#define VG_AVAIL 0x11000u
#define VG_USED  0x12000u

extern struct vfio_machine vg_machine;

/* Its event loop, for so many nanoseconds. */
void vg_turn(uint64_t ns);
extern uint32_t vg_bar; /* address of the device's BAR */

/* Registers by their offset in the BAR, len bytes wide. */
uint64_t vg_get(unsigned off, unsigned len);
void vg_put(unsigned off, unsigned len, uint64_t value);

/* From reset to FEATURES_OK with these features. */
void vg_accept(uint64_t features);
void vg_set_queue(unsigned q, uint64_t desc, uint64_t avail, uint64_t used);

/* What lies in RAM; a descriptor in a table. */
void vg_ram(gpa_t at, const void *data, unsigned len);
uint64_t vg_ram_get(gpa_t at, unsigned len);
void vg_desc_at(gpa_t table, unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next);

/* DEVICE_NEEDS_RESET. */
bool vg_is_broken(void);

#endif
