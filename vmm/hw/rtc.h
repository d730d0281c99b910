/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CMOS clock (MC146818) at ports 0x70 and 0x71: UTC, BCD, 24 hours. No
 * alarm and no periodic interrupt; Linux takes its own timers for both.
 */
#ifndef VMM_HW_RTC_H
#define VMM_HW_RTC_H

#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct rtc;
struct vm;

int rtc_new(struct vm *vm, struct rtc **ret, struct err *err);
struct rtc *rtc_free(struct rtc *rtc);

/* Under vm_lock(). The time goes on, as on a battery. */
void rtc_reset(struct rtc *rtc);

#endif
