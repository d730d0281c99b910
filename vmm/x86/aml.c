// SPDX-License-Identifier: GPL-2.0-or-later
/* Section numbers are those of ACPI 6.4. */
#include "vmm/x86/aml.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/le.h"

enum {
	NAME_OP = 0x08,
	BYTE_PREFIX = 0x0a,
	WORD_PREFIX = 0x0b,
	DWORD_PREFIX = 0x0c,
	STRING_PREFIX = 0x0d,
	QWORD_PREFIX = 0x0e,
	SCOPE_OP = 0x10,
	BUFFER_OP = 0x11,
	PACKAGE_OP = 0x12,
	METHOD_OP = 0x14,
	DUAL_NAME_PREFIX = 0x2e,
	EXT_OP_PREFIX = 0x5b,
	EXT_DEVICE_OP = 0x82,
	IF_OP = 0xa0,
	ELSE_OP = 0xa1,
};

#define METHOD_SERIALIZED 0x08

void aml_init(struct aml *aml, uint8_t *buf, size_t space)
{
	*aml = (struct aml){ .buf = buf, .space = space };
}

long aml_finish(const struct aml *aml)
{
	return aml->bad || aml->depth ? -ENOSPC : (long)aml->len;
}

static void put(struct aml *aml, const void *data, size_t len)
{
	if (aml->bad || len > aml->space - aml->len) {
		aml->bad = true;
		return;
	}
	memcpy(aml->buf + aml->len, data, len);
	aml->len += len;
}

static void byte(struct aml *aml, uint8_t v)
{
	put(aml, &v, 1);
}

static void number(struct aml *aml, uint8_t prefix, uint64_t value, unsigned len)
{
	uint8_t data[8];

	byte(aml, prefix);
	put_le(data, value, len);
	put(aml, data, len);
}

/* 20.2.3: the shortest form; zero and one are operators of their own. */
void aml_int(struct aml *aml, uint64_t value)
{
	if (value <= 1)
		byte(aml, (uint8_t)value);
	else if (value <= UINT8_MAX)
		number(aml, BYTE_PREFIX, value, 1);
	else if (value <= UINT16_MAX)
		number(aml, WORD_PREFIX, value, 2);
	else if (value <= UINT32_MAX)
		number(aml, DWORD_PREFIX, value, 4);
	else
		number(aml, QWORD_PREFIX, value, 8);
}

void aml_string(struct aml *aml, const char *s)
{
	byte(aml, STRING_PREFIX);
	put(aml, s, strlen(s) + 1);
}

/* n hexadecimal digits at s. Not by scanf(3), whose code is a twentieth of the VMM's memory. */
static bool hex_digits(const char *s, unsigned n, unsigned *ret)
{
	*ret = 0;
	for (; n > 0; n--, s++) {
		if (!isxdigit((unsigned char)*s))
			return false;
		*ret = *ret << 4 | (unsigned)(*s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10);
	}
	return true;
}

/* 19.3.4: three letters of five bits and four hex digits, big-endian. */
void aml_eisa_id(struct aml *aml, const char *id)
{
	uint8_t data[4];
	unsigned product;

	if (strlen(id) != 7 || !hex_digits(id + 3, 4, &product)) {
		aml->bad = true;
		return;
	}
	data[0] = (uint8_t)((id[0] & 0x1f) << 2 | (id[1] & 0x1f) >> 3);
	data[1] = (uint8_t)((id[1] & 0x07) << 5 | (id[2] & 0x1f));
	data[2] = (uint8_t)(product >> 8);
	data[3] = (uint8_t)product;
	byte(aml, DWORD_PREFIX);
	put(aml, data, sizeof(data));
}

/*
 * 20.2.4. A length counts itself: up to 63 in one byte, else a first byte with how
 * many follow and the low four bits.
 */
static size_t encode_length(uint8_t out[4], size_t content)
{
	size_t n = 1, total;

	if (content + 1 <= 0x3f) {
		out[0] = (uint8_t)(content + 1);
		return 1;
	}
	while (n < 4 && content + n + 1 >= (size_t)1 << (4 + 8 * n))
		n++;
	total = content + n + 1;
	out[0] = (uint8_t)(n << 6 | (total & 0xf));
	for (size_t i = 1; i <= n; i++)
		out[i] = (uint8_t)(total >> (8 * i - 4));
	return n + 1;
}

static void begin(struct aml *aml)
{
	if (aml->depth == AML_DEPTH)
		aml->bad = true;
	else
		aml->open[aml->depth++] = aml->len;
}

/* The length is known only now: make room for it in front of the content. */
void aml_end(struct aml *aml)
{
	uint8_t length[4], *at;
	size_t n, content;

	if (aml->bad || !aml->depth) {
		aml->bad = true;
		return;
	}
	at = aml->buf + aml->open[--aml->depth];
	content = aml->len - aml->open[aml->depth];
	n = encode_length(length, content);
	if (n > aml->space - aml->len) {
		aml->bad = true;
		return;
	}
	memmove(at + n, at, content);
	memcpy(at, length, n);
	aml->len += n;
}

void aml_buffer(struct aml *aml, const uint8_t *data, size_t len)
{
	byte(aml, BUFFER_OP);
	begin(aml);
	aml_int(aml, len);
	put(aml, data, len);
	aml_end(aml);
}

/* 19.6.142: the first three groups are little-endian numbers, the rest bytes as written. */
void aml_uuid(struct aml *aml, const char *uuid)
{
	static const uint8_t at[16] = { 6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34 };
	uint8_t data[16];

	for (unsigned i = 0; i < sizeof(data); i++) {
		unsigned v = 0;

		if (strlen(uuid) != 36 || !hex_digits(uuid + at[i], 2, &v))
			aml->bad = true;
		data[i] = (uint8_t)v;
	}
	aml_buffer(aml, data, sizeof(data));
}

void aml_path(struct aml *aml, const char *path)
{
	size_t len;

	if (*path == '\\') {
		byte(aml, '\\');
		path++;
	}
	len = strlen(path);
	if (len == 9 && path[4] == '.') {
		byte(aml, DUAL_NAME_PREFIX);
		put(aml, path, 4);
		put(aml, path + 5, 4);
	} else if (len == 4) {
		put(aml, path, 4);
	} else {
		aml->bad = true;
	}
}

void aml_name(struct aml *aml, const char *path)
{
	byte(aml, NAME_OP);
	aml_path(aml, path);
}

void aml_name_int(struct aml *aml, const char *path, uint64_t value)
{
	aml_name(aml, path);
	aml_int(aml, value);
}

void aml_name_eisa_id(struct aml *aml, const char *path, const char *id)
{
	aml_name(aml, path);
	aml_eisa_id(aml, id);
}

void aml_scope(struct aml *aml, const char *path)
{
	byte(aml, SCOPE_OP);
	begin(aml);
	aml_path(aml, path);
}

void aml_device(struct aml *aml, const char *path)
{
	byte(aml, EXT_OP_PREFIX);
	byte(aml, EXT_DEVICE_OP);
	begin(aml);
	aml_path(aml, path);
}

void aml_method(struct aml *aml, const char *path, unsigned args)
{
	byte(aml, METHOD_OP);
	begin(aml);
	aml_path(aml, path);
	byte(aml, (uint8_t)(args | METHOD_SERIALIZED));
}

void aml_package(struct aml *aml, uint8_t elements)
{
	byte(aml, PACKAGE_OP);
	begin(aml);
	byte(aml, elements);
}

void aml_if(struct aml *aml)
{
	byte(aml, IF_OP);
	begin(aml);
}

void aml_else(struct aml *aml)
{
	byte(aml, ELSE_OP);
	begin(aml);
}

void aml_op(struct aml *aml, enum aml_op op)
{
	byte(aml, (uint8_t)op);
}
