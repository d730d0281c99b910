/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS: firmware and system information, so that guests know what they run on. */
#ifndef VMM_X86_SMBIOS_H
#define VMM_X86_SMBIOS_H

struct mem;

/* Entry point and structures 0, 1 and 127 at LAYOUT_SMBIOS. 0 or -EFAULT. */
int smbios_write(const struct mem *mem);

#endif
