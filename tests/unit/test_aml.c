// SPDX-License-Identifier: GPL-2.0-or-later
/* Bytes of AML; the expected ones are what iasl makes of the ASL named beside them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fd.h"
#include "vmm/x86/aml.h"

static uint8_t buf[70000];

#define assert_aml(a, ...)                                                         \
	do {                                                                       \
		static const uint8_t want_[] = { __VA_ARGS__ };                    \
		assert_int_equal(aml_finish(&(a)), sizeof(want_));                 \
		assert_memory_equal(buf, want_, sizeof(want_));                    \
	} while (0)

static struct aml begin(void)
{
	struct aml a;

	aml_init(&a, buf, sizeof(buf));
	return a;
}

static void test_numbers_take_their_shortest_form(void **state)
{
	struct aml a = begin();

	aml_int(&a, 0);
	aml_int(&a, 1);
	aml_int(&a, 2);
	aml_int(&a, 0xff);
	aml_int(&a, 0x100);
	aml_int(&a, 0x10000);
	aml_int(&a, 0x100000000);
	assert_aml(a, 0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x01,
		   0x00, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
}

/* Name (_HID, EisaId ("PNP0A08")) */
static void test_eisa_id(void **state)
{
	struct aml a = begin();

	aml_name_eisa_id(&a, "_HID", "PNP0A08");
	assert_aml(a, 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08);
}

/* ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766") */
static void test_uuid_has_its_first_groups_swapped(void **state)
{
	struct aml a = begin();

	aml_uuid(&a, "33db4d5b-1ff7-401c-9657-7441c03dd766");
	assert_aml(a, 0x11, 0x13, 0x0a, 0x10, 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96,
		   0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66);
}

/* Scope (\_SB) { Device (PCI0) { Name (_UID, One) Method (_PRT) { Return (\_SB.PRTS) } } } */
static void test_terms_nest(void **state)
{
	struct aml a = begin();

	aml_scope(&a, "\\_SB_");
	aml_device(&a, "PCI0");
	aml_name_int(&a, "_UID", 1);
	aml_method(&a, "_PRT", 0);
	aml_op(&a, AML_RETURN);
	aml_path(&a, "\\_SB_.PRTS");
	aml_end(&a);
	aml_end(&a);
	aml_end(&a);
	assert_aml(a, 0x10, 0x25, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 0x1d, 'P', 'C', 'I', '0',
		   0x08, '_', 'U', 'I', 'D', 0x01, 0x14, 0x11, '_', 'P', 'R', 'T', 0x08, 0xa4, '\\',
		   0x2e, '_', 'S', 'B', '_', 'P', 'R', 'T', 'S');
}

/* Name (_S5, Package () { 5, Zero }) */
static void test_package(void **state)
{
	struct aml a = begin();

	aml_name(&a, "_S5_");
	aml_package(&a, 2);
	aml_int(&a, 5);
	aml_int(&a, 0);
	aml_end(&a);
	assert_aml(a, 0x08, '_', 'S', '5', '_', 0x12, 0x05, 0x02, 0x0a, 0x05, 0x00);
}

/* A length counts its own bytes, which is where encoders go wrong. */
static void test_lengths_at_their_limits(void **state)
{
	static const struct {
		size_t content; /* after the length */
		uint8_t want[4];
		size_t n;
	} rows[] = {
		{ 1, { 0x02 }, 1 },
		{ 62, { 0x3f }, 1 },
		{ 63, { 0x41, 0x04 }, 2 },
		{ 4093, { 0x4f, 0xff }, 2 },
		{ 4094, { 0x81, 0x00, 0x01 }, 3 },
		{ 65000, { 0x8b, 0xde, 0x0f }, 3 },
	};
	static const uint8_t zero[65536];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct aml a = begin();

		aml_if(&a); /* opcode and length only; the content is ours */
		for (size_t n = 0; n < rows[i].content; n++)
			aml_int(&a, zero[n]);
		aml_end(&a);
		assert_int_equal(aml_finish(&a), 1 + rows[i].n + rows[i].content);
		assert_memory_equal(buf + 1, rows[i].want, rows[i].n);
	}
}

static void test_buffer_counts_its_bytes(void **state)
{
	static const uint8_t data[] = { 1, 2, 3 };
	struct aml a = begin();

	aml_buffer(&a, data, sizeof(data));
	assert_aml(a, 0x11, 0x06, 0x0a, 0x03, 1, 2, 3);
}

/*
 * ResourceTemplate () {
 *   WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0x80, 0xff, 0, 0x80)
 *   IO (Decode16, 0xcf8, 0xcf8, 1, 8)
 *   IRQNoFlags () { 4 }
 *   Memory32Fixed (ReadWrite, 0xc0000000, 0x10000000) }
 */
static void test_small_resources(void **state)
{
	struct aml_res res = { .len = 0 };
	struct aml a = begin();

	aml_res_bus(&res, 0x80, 0xff);
	aml_res_io(&res, 0xcf8, 8);
	aml_res_irq(&res, 4);
	aml_res_mem32(&res, 0xc0000000, 0x10000000);
	aml_resources(&a, &res);
	assert_aml(a, 0x11, 0x2c, 0x0a, 0x29,
		   0x88, 0x0d, 0x00, 0x02, 0x0c, 0x00, 0, 0, 0x80, 0, 0xff, 0, 0, 0, 0x80, 0,
		   0x47, 0x01, 0xf8, 0x0c, 0xf8, 0x0c, 0x01, 0x08,
		   0x22, 0x10, 0x00,
		   0x86, 0x09, 0x00, 0x01, 0, 0, 0, 0xc0, 0, 0, 0, 0x10,
		   0x79, 0x00);
}

/*
 * ResourceTemplate () {
 *   DWordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
 *     0, 0x1000, 0xffff, 0, 0xf000)
 *   DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
 *     0, 0xd0000000, 0xfebfffff, 0, 0x2ec00000)
 *   QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
 *     0, 0x100000000, 0x7fffffffff, 0, 0x7f00000000) }
 */
static void test_windows(void **state)
{
	struct aml_res res = { .len = 0 };
	struct aml a = begin();

	aml_res_io_window(&res, 0x1000, 0xf000);
	aml_res_mem32_window(&res, 0xd0000000, 0x2ec00000);
	aml_res_mem64_window(&res, 0x100000000, 0x7f00000000);
	aml_resources(&a, &res);
	assert_aml(a, 0x11, 0x48, 0x06, 0x0a, 0x64,
		   0x87, 0x17, 0x00, 0x01, 0x0c, 0x03, 0, 0, 0, 0, 0, 0x10, 0, 0, 0xff, 0xff, 0, 0,
		   0, 0, 0, 0, 0, 0xf0, 0, 0,
		   0x87, 0x17, 0x00, 0x00, 0x0c, 0x01, 0, 0, 0, 0, 0, 0, 0, 0xd0, 0xff, 0xff, 0xbf,
		   0xfe, 0, 0, 0, 0, 0, 0, 0xc0, 0x2e,
		   0x8a, 0x2b, 0x00, 0x00, 0x0c, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
		   0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0,
		   0, 0, 0x79, 0x00);
}

static void test_no_room_is_an_error_and_writes_nothing_beyond(void **state)
{
	for (size_t space = 0; space < 40; space++) {
		struct aml a;

		memset(buf, 0xaa, sizeof(buf));
		aml_init(&a, buf, space);
		aml_scope(&a, "\\_SB_");
		aml_device(&a, "PCI0");
		aml_name_int(&a, "_UID", 1);
		aml_name_eisa_id(&a, "_HID", "PNP0A08");
		aml_end(&a);
		aml_end(&a);
		assert_int_equal(aml_finish(&a), space < 30 ? -ENOSPC : 30);
		assert_int_equal(buf[space], 0xaa);
	}
}

static void test_mistakes_are_noticed(void **state)
{
	struct aml a = begin();

	aml_scope(&a, "\\_SB_");
	assert_int_equal(aml_finish(&a), -ENOSPC); /* left open */
	a = begin();
	aml_end(&a);
	assert_int_equal(aml_finish(&a), -ENOSPC);
	a = begin();
	aml_path(&a, "_SB");
	assert_int_equal(aml_finish(&a), -ENOSPC);
	a = begin();
	for (unsigned i = 0; i <= AML_DEPTH; i++)
		aml_if(&a);
	for (unsigned i = 0; i <= AML_DEPTH; i++)
		aml_end(&a);
	assert_int_equal(aml_finish(&a), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_take_their_shortest_form),
		cmocka_unit_test(test_eisa_id),
		cmocka_unit_test(test_uuid_has_its_first_groups_swapped),
		cmocka_unit_test(test_terms_nest),
		cmocka_unit_test(test_package),
		cmocka_unit_test(test_lengths_at_their_limits),
		cmocka_unit_test(test_buffer_counts_its_bytes),
		cmocka_unit_test(test_small_resources),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_no_room_is_an_error_and_writes_nothing_beyond),
		cmocka_unit_test(test_mistakes_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
