// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into the QEMU that emulates the host: mends VMRUN of its software CPU.
 *
 * When VMRUN injects an interrupt (VMCB EVENTINJ, type 0; AMD APM volume 2, 15.20), QEMU
 * delivers it at once but leaves its vector in CPUState.exception_index, where the loop that
 * runs the CPU looks for an exception still to be delivered. If another thread kicks the CPU
 * before anything else has overwritten the field, the guest gets the same vector a second
 * time, with interrupts off: most often the timer's, while its handler holds the lock that
 * the second one then spins on for ever. Seen with 11.1.3, and in its sources up to
 * November 2026 (target/i386/tcg/system/svm_helper.c).
 *
 * A VMRUN that returns has nothing left to deliver, so the field says so then. That is right
 * for a QEMU without the mistake too.
 *
 * QEMU exports its functions to its modules, which is how this one finds what it needs; where
 * something is not as expected it changes nothing and says so on standard error.
 */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

typedef void (*vmrun_fn)(void *env, int aflag, int next_eip_addend);

/* QEMU's: how translated code calls the instruction, the instruction, a function that sets the
 * field and the CPU of this thread. */
extern uintptr_t helper_info_vmrun[8] __attribute__((weak));
extern void helper_vmrun(void *env, int aflag, int next_eip_addend) __attribute__((weak));
extern const uint8_t cpu_loop_exit_noexc[] __attribute__((weak));
extern __thread uint8_t *current_cpu __attribute__((weak));

static size_t exception_index;	/* its offset in CPUState, bytes */

static void vmrun(void *env, int aflag, int next_eip_addend)
{
	const int32_t none = -1;

	helper_vmrun(env, aflag, next_eip_addend);
	memcpy(current_cpu + exception_index, &none, sizeof(none));
}

/* cpu_loop_exit_noexc() sets its argument's field to -1: "movl $-1, OFFSET(%rdi)". 0: not found. */
static size_t find_field(void)
{
	const uint8_t *code = cpu_loop_exit_noexc;
	const uint8_t none[] = { 0xff, 0xff, 0xff, 0xff };
	uint32_t offset;

	for (int i = 0; i < 24; i++) {
		if (code[i] != 0xc7 || code[i + 1] != 0x87 || memcmp(code + i + 6, none, 4))
			continue;
		memcpy(&offset, code + i + 2, sizeof(offset));
		return offset < 0x10000 && offset % 4 == 0 ? offset : 0;
	}
	return 0;
}

static int replace_helper(void)
{
	for (int i = 0; i < 4; i++) {
		if (helper_info_vmrun[i] != (uintptr_t)helper_vmrun)
			continue;
		helper_info_vmrun[i] = (uintptr_t)vmrun;
		return 1;
	}
	return 0;
}

__attribute__((constructor)) static void mend(void)
{
	static const char sorry[] = "lab: this QEMU's VMRUN could not be mended, a guest may hang (docs/lab.md)\n";

	if (helper_info_vmrun && helper_vmrun && cpu_loop_exit_noexc) {
		exception_index = find_field();
		if (exception_index && replace_helper())
			return;
	}
	if (write(STDERR_FILENO, sorry, sizeof(sorry) - 1) < 0)
		return;
}
