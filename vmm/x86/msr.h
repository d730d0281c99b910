/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Model-specific registers at power-on. */
#ifndef VMM_X86_MSR_H
#define VMM_X86_MSR_H

/* What firmware would have set before the kernel. 0 or -errno. */
int x86_msrs_init(int vcpu_fd);

/* Also those a kernel leaves behind: clocks, syscall entries, paravirtual areas. 0 or -errno. */
int x86_msrs_reset(int vcpu_fd);

#endif
