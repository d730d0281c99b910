// SPDX-License-Identifier: GPL-2.0-or-later
/* The CMOS clock: it tells the time, in the format asked for, and can be set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/fd.h"
#include "vmm/bus.h"
#include "vmm/hw/rtc.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

#define B_SET	 0x80
#define B_BINARY 0x04
#define B_24	 0x02

static struct fixture {
	struct vm vm;
	struct rtc *rtc;
} f;

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.vm.pio = bus_new();
	return rtc_new(&f.vm, &f.rtc, NULL);
}

static int teardown(void **state)
{
	rtc_free(f.rtc);
	bus_free(f.vm.pio);
	return 0;
}

static uint8_t in(uint8_t index)
{
	uint8_t v;

	bus_write(f.vm.pio, LAYOUT_RTC, &index, 1);
	bus_read(f.vm.pio, LAYOUT_RTC + 1, &v, 1);
	return v;
}

static void out(uint8_t index, uint8_t v)
{
	bus_write(f.vm.pio, LAYOUT_RTC, &index, 1);
	bus_write(f.vm.pio, LAYOUT_RTC + 1, &v, 1);
}

static int bcd(uint8_t v)
{
	assert_true((v & 15) < 10 && v >> 4 < 10);
	return (v >> 4) * 10 + (v & 15);
}

/* What the clock says, read as Linux does: again if a second passed meanwhile. */
static struct tm read_clock(void)
{
	struct tm tm = { 0 };

	do {
		tm.tm_sec = bcd(in(0));
		tm.tm_min = bcd(in(2));
		tm.tm_hour = bcd(in(4));
		tm.tm_mday = bcd(in(7));
		tm.tm_mon = bcd(in(8)) - 1;
		tm.tm_year = bcd(in(0x32)) * 100 + bcd(in(9)) - 1900;
	} while (bcd(in(0)) != tm.tm_sec);
	return tm;
}

static void set_clock(const struct tm *tm)
{
	static const uint8_t index[] = { 0, 2, 4, 7, 8, 9, 0x32 };
	const int value[] = { tm->tm_sec, tm->tm_min, tm->tm_hour, tm->tm_mday, tm->tm_mon + 1,
			      tm->tm_year % 100, tm->tm_year / 100 + 19 };

	out(0xb, B_24 | B_SET);
	for (unsigned i = 0; i < ARRAY_SIZE(index); i++)
		out(index[i], (uint8_t)(value[i] / 10 << 4 | value[i] % 10));
	out(0xb, B_24);
}

static void test_it_tells_utc(void **state)
{
	time_t before = time(NULL);
	struct tm tm = read_clock();
	time_t told = timegm(&tm);

	assert_in_range(told, before, time(NULL));
}

/* Leap days, ends of years and centuries, as libc counts them. */
static void test_it_can_be_set_to_any_date(void **state)
{
	static const time_t rows[] = { 0,	   951782399, 951782400, 951868800, 1709164800,
				       1709251199, 1735689599, 1735689600, 4102444799, 4102444800,
				       4107542399, 4107542400, 32503680000 };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tm tm, told;

		gmtime_r(&rows[i], &tm);
		set_clock(&tm);
		told = read_clock();
		assert_in_range(timegm(&told), rows[i], rows[i] + 1);
		assert_int_equal(bcd(in(6)), (timegm(&told) / 86400 + 4) % 7 + 1);
	}
}

static void test_nonsense_is_survived(void **state)
{
	out(0xb, B_24 | B_SET);
	for (uint8_t i = 0; i < 10; i++)
		out(i, 0xff);
	out(0x32, 0xff);
	out(0xb, B_24);
	(void)in(0);
	assert_in_range(in(8) >> 4, 0, 1);
}

static void test_setting_stops_the_clock_until_done(void **state)
{
	out(0xb, B_24 | B_SET);
	out(0, 0x59);
	assert_int_equal(in(0), 0x59);
	assert_int_equal(in(0), 0x59);
}

static void test_binary_and_12_hour_formats(void **state)
{
	struct tm tm = { .tm_sec = 10, .tm_min = 45, .tm_hour = 0, .tm_mday = 31, .tm_mon = 11,
			 .tm_year = 124 };

	set_clock(&tm);
	out(0xb, B_24 | B_BINARY);
	assert_int_equal(in(2), 45);
	assert_int_equal(in(7), 31);
	out(0xb, 0);
	assert_int_equal(in(4), 0x12); /* midnight is 12 am */
	tm.tm_hour = 12;
	set_clock(&tm);
	out(0xb, 0);
	assert_int_equal(in(4), 0x92); /* noon is 12 pm */
	tm.tm_hour = 23;
	set_clock(&tm);
	out(0xb, 0);
	assert_int_equal(in(4), 0x91);
	/* And written in that format. */
	out(0xb, B_SET);
	out(4, 0x12);
	out(0xb, 0);
	out(0xb, B_24);
	assert_int_equal(in(4), 0);
	out(0xb, B_SET);
	out(4, 0x91);
	out(0xb, 0);
	out(0xb, B_24);
	assert_int_equal(in(4), 0x23);
}

static void test_status_registers(void **state)
{
	assert_int_equal(in(0xa) & 0x7f, 0x26);
	assert_int_equal(in(0xb), B_24);
	assert_int_equal(in(0xc), 0);
	assert_int_equal(in(0xd), 0x80);
	out(0xd, 0);
	assert_int_equal(in(0xd), 0x80);
}

static void test_cmos_keeps_bytes_and_bit_7_of_the_index_is_not_one(void **state)
{
	out(0x40, 0x5a);
	assert_int_equal(in(0x40), 0x5a);
	assert_int_equal(in(0xc0), 0x5a); /* NMI masked */
	rtc_reset(f.rtc);
	assert_int_equal(in(0x40), 0x5a); /* battery */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_it_tells_utc),
		T(test_it_can_be_set_to_any_date),
		T(test_nonsense_is_survived),
		T(test_setting_stops_the_clock_until_done),
		T(test_binary_and_12_hour_formats),
		T(test_status_registers),
		T(test_cmos_keeps_bytes_and_bit_7_of_the_index_is_not_one),
#undef T
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
