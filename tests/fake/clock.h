/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock of a test's own behind the loop's timers. The test is linked with
 * -Wl,--wrap=loop_timer_new,--wrap=loop_timer_arm; the real timers are as they were elsewhere.
 */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdint.h>

/* Forgets all timers; it is 0 ns. */
void fake_clock_reset(void);

/* So much time passes; of the timers that are due by then each is called once. */
void fake_clock_pass(uint64_t ns);

/* Until no timer armed in answer to another one is left. */
void fake_clock_settle(void);

#endif
