// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/rtc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/bus.h"
#include "vmm/coalesced.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

enum {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	STATUS_A = 0x0a,
	STATUS_B = 0x0b,
	STATUS_C = 0x0c,
	STATUS_D = 0x0d,
	CENTURY = 0x32, /* as the FADT says */
	CMOS_SIZE = 128,
};

#define A_UPDATE_IN_PROGRESS 0x80
#define A_32768_HZ	     0x26 /* the divider that runs, and the rate nobody asked for */
#define B_SET		     0x80 /* the guest writes the time: it stands still */
#define B_BINARY	     0x04
#define B_24_HOURS	     0x02
#define D_VALID		     0x80
#define HOUR_PM		     0x80

/* The chip announces an update this long before it. */
#define UPDATE_NS 244000
#define NS_PER_S  1000000000

struct rtc {
	struct vm *vm; /* borrowed */
	uint8_t index;
	uint8_t cmos[CMOS_SIZE]; /* time registers: as of latch() */
	int64_t offset;		 /* of the guest's clock from ours, seconds */
};

static uint8_t encode(const struct rtc *rtc, int value)
{
	if (rtc->cmos[STATUS_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[STATUS_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->cmos[STATUS_B] & B_24_HOURS)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int decode_hour(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[STATUS_B] & B_24_HOURS)
		return decode(rtc, value);
	return decode(rtc, value & (uint8_t)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

/*
 * Dates by counting from March 1 of year 0, when leap days come last: libc's
 * functions would open the host's time zone file first.
 */
#define DAYS_PER_400_YEARS 146097
#define DAYS_TO_1970	   719468
#define DAY_SECONDS	   86400

static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_PER_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       DAYS_TO_1970;
}

static void date_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + DAYS_TO_1970, era = z / DAYS_PER_400_YEARS, d = z % DAYS_PER_400_YEARS;
	int64_t y = (d - d / 1460 + d / 36524 - d / (DAYS_PER_400_YEARS - 1)) / 365;
	int of_year = (int)(d - (365 * y + y / 4 - y / 100)), m = (5 * of_year + 2) / 153;

	*ret_day = of_year - (153 * m + 2) / 5 + 1;
	*ret_month = m + (m < 10 ? 3 : -9);
	*ret_year = y + era * 400 + (*ret_month <= 2);
}

/* Put the present time into the registers, unless the guest is setting it. */
static void latch(struct rtc *rtc)
{
	int64_t now = time(NULL) + rtc->offset, year;
	int of_day = (int)(now % DAY_SECONDS), month, day;

	if (rtc->cmos[STATUS_B] & B_SET)
		return;
	date_from_days(now / DAY_SECONDS, &year, &month, &day);
	rtc->cmos[SECONDS] = encode(rtc, of_day % 60);
	rtc->cmos[MINUTES] = encode(rtc, of_day / 60 % 60);
	rtc->cmos[HOURS] = encode_hour(rtc, of_day / 3600);
	rtc->cmos[WEEKDAY] = encode(rtc, (int)((now / DAY_SECONDS + 4) % 7) + 1);
	rtc->cmos[DAY] = encode(rtc, day);
	rtc->cmos[MONTH] = encode(rtc, month);
	rtc->cmos[YEAR] = encode(rtc, (int)(year % 100));
	rtc->cmos[CENTURY] = encode(rtc, (int)(year / 100));
}

/* The guest's clock goes on from what its registers say; before 1970 it begins then. */
static void set_time(struct rtc *rtc)
{
	int year = decode(rtc, rtc->cmos[CENTURY]) * 100 + decode(rtc, rtc->cmos[YEAR]);
	int month = decode(rtc, rtc->cmos[MONTH]);
	int64_t t;

	t = days_from_date(year, month < 1 ? 1 : month > 12 ? 12 : month,
			   decode(rtc, rtc->cmos[DAY])) * DAY_SECONDS +
	    decode_hour(rtc, rtc->cmos[HOURS]) * 3600 + decode(rtc, rtc->cmos[MINUTES]) * 60 +
	    decode(rtc, rtc->cmos[SECONDS]);
	rtc->offset = (t < 0 ? 0 : t) - (int64_t)time(NULL);
}

static bool is_time(uint8_t index)
{
	return index <= YEAR || index == CENTURY;
}

static uint8_t read_register(struct rtc *rtc)
{
	struct timespec now;

	switch (rtc->index) {
	case STATUS_A:
		clock_gettime(CLOCK_REALTIME, &now);
		return A_32768_HZ |
		       (now.tv_nsec >= NS_PER_S - UPDATE_NS ? A_UPDATE_IN_PROGRESS : 0);
	case STATUS_C: /* no interrupt is ever pending */
		return 0;
	case STATUS_D:
		return D_VALID;
	}
	if (is_time(rtc->index))
		latch(rtc);
	return rtc->cmos[rtc->index];
}

static void write_register(struct rtc *rtc, uint8_t value)
{
	uint8_t was = rtc->cmos[STATUS_B];

	switch (rtc->index) {
	case STATUS_A:
	case STATUS_C:
	case STATUS_D:
		return;
	case STATUS_B:
		if (!(was & B_SET))
			latch(rtc); /* in the format that ends here */
		rtc->cmos[STATUS_B] = value;
		if (was & B_SET && !(value & B_SET))
			set_time(rtc);
		return;
	}
	if (!is_time(rtc->index)) {
		rtc->cmos[rtc->index] = value;
		return;
	}
	latch(rtc);
	rtc->cmos[rtc->index] = value;
	if (!(was & B_SET) && rtc->index != SECONDS_ALARM && rtc->index != MINUTES_ALARM &&
	    rtc->index != HOURS_ALARM)
		set_time(rtc);
}

static void rtc_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct rtc *rtc = opaque;

	if (len != 1)
		return; /* all-ones */
	data[0] = off == 0 ? rtc->index : read_register(rtc);
}

static void rtc_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct rtc *rtc = opaque;

	if (len != 1)
		return;
	if (off == 0)
		rtc->index = data[0] & (CMOS_SIZE - 1); /* bit 7 masks NMI, of which there are none */
	else
		write_register(rtc, data[0]);
}

static const struct bus_ops rtc_ops = { rtc_read, rtc_write };

int rtc_new(struct vm *vm, struct rtc **ret, struct err *err)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return err_set(err, -ENOMEM, "cannot make the clock");
	rtc->vm = vm;
	rtc_reset(rtc);
	r = bus_add(vm->pio, LAYOUT_RTC, 2, "clock", &rtc_ops, rtc, err);
	if (r < 0) {
		free(rtc);
		return r;
	}
	/* Choosing a register is half of every access, and nothing happens by it. */
	coalesced_add_later(vm, LAYOUT_RTC, 1);
	*ret = rtc;
	return 0;
}

struct rtc *rtc_free(struct rtc *rtc)
{
	if (rtc) {
		coalesced_del_port(rtc->vm, LAYOUT_RTC, 1);
		bus_remove(rtc->vm->pio, LAYOUT_RTC);
	}
	free(rtc);
	return NULL;
}

void rtc_reset(struct rtc *rtc)
{
	rtc->index = 0;
	rtc->cmos[STATUS_B] = B_24_HOURS;
}
