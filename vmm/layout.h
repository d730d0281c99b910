/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's physical address map. One place, so that ACPI, PCI and memory agree. */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

#include "base/size.h"

/* RAM below the hole ends here at the latest; the rest of it begins at 4 GiB. */
#define LAYOUT_LOW_RAM_END  0xc0000000ull
#define LAYOUT_HIGH_RAM	    0x100000000ull

/* 256 buses of ECAM, split among the host bridges by their bus ranges. */
#define LAYOUT_ECAM	    0xc0000000ull
#define LAYOUT_ECAM_SIZE    0x10000000ull

/* 32-bit BARs and bridge windows, split among the host bridges. */
#define LAYOUT_MMIO32	    0xd0000000ull
#define LAYOUT_MMIO32_END   0xfec00000ull

#define LAYOUT_IOAPIC	    0xfec00000ull
#define LAYOUT_LAPIC	    0xfee00000ull
/* Three pages for KVM on Intel without unrestricted guest, and its identity map. */
#define LAYOUT_KVM_TSS	    0xfffbd000ull
#define LAYOUT_KVM_IDENTITY 0xfffbc000ull

/* I/O ports of PCI devices, split among the host bridges. */
#define LAYOUT_PIO	    0x1000u
#define LAYOUT_PIO_END	    0x10000u

/* Fixed ports. */
#define LAYOUT_PVPANIC	    0x505u /* a byte, at QEMU's place */
#define LAYOUT_PM1A_EVT	    0x600u /* 4 bytes */
#define LAYOUT_PM1A_CNT	    0x604u /* 2 bytes */
#define LAYOUT_PM_TMR	    0x608u /* 4 bytes, 3.579545 MHz */
#define LAYOUT_RESET	    0x60cu /* write 0x06: hard reset; FADT's RESET_REG */
#define LAYOUT_PCI_CF8	    0xcf8u /* 8 bytes, pci/'s: latch, 0xcf9 (resets as well), data */
#define LAYOUT_SERIAL	    0x3f8u /* 8 bytes, IRQ 4 */
#define LAYOUT_RTC	    0x70u  /* 2 bytes, IRQ 8 */

/* Where a Super I/O chip would have its index register: nobody answers. */
#define LAYOUT_SUPER_IO	    0x2eu
#define LAYOUT_SUPER_IO_2   0x4eu

#define LAYOUT_SCI_GSI	    9
#define LAYOUT_SERIAL_GSI   4
#define LAYOUT_RTC_GSI	    8
/* PCI INTA..INTD of every host bridge, swizzled by device, on these IOAPIC pins. */
#define LAYOUT_INTX_GSI	    16
#define LAYOUT_INTX_COUNT   8

/* In RAM, below 1 MiB and just above: written before start and at every guest reset. */
#define LAYOUT_GDT	    0x500ull
#define LAYOUT_ZERO_PAGE    0x7000ull  /* boot_params or hvm_start_info */
#define LAYOUT_PAGE_TABLES  0x9000ull
#define LAYOUT_CMDLINE	    0x20000ull /* up to 64 KiB */
#define LAYOUT_EBDA	    0x9fc00ull /* end of usable low RAM */
#define LAYOUT_ACPI	    0xe0000ull /* RSDP right here, then the tables */
#define LAYOUT_ACPI_END	    0xf0000ull
#define LAYOUT_SMBIOS	    0xf0000ull /* entry point and tables, up to 1 MiB */
#define LAYOUT_KERNEL	    0x1000000ull /* 16 MiB, bzImage's preferred address may differ */

#define VMM_MAX_CPUS	    255
#define VMM_MAX_NODES	    8

/* Pieces of RAM: one per node, one more at the hole below 4 GiB, others at what devices do not reach. */
#define MEM_MAX_BANKS	    (VMM_MAX_NODES + 1 + 15)

#endif
