/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer of ACPI machine language (ACPI 6.4, chapter 20), as much of it as our
 * DSDT needs. Terms are appended in the order in which ASL would have them; those
 * with a length are begun and ended. Running out of space or nesting too deeply
 * sets `bad` and writes no more: checked once, by aml_finish().
 */
#ifndef VMM_X86_AML_H
#define VMM_X86_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH 16

struct aml {
	uint8_t *buf; /* borrowed */
	size_t len, space;
	size_t open[AML_DEPTH]; /* where the length of each open term belongs */
	unsigned depth;
	bool bad;
};

void aml_init(struct aml *aml, uint8_t *buf, size_t space);
/* Length written; -ENOSPC when it did not fit or a term was left open. */
long aml_finish(const struct aml *aml);

/* Data */
void aml_int(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *s);
void aml_eisa_id(struct aml *aml, const char *id); /* "PNP0A08" */
void aml_buffer(struct aml *aml, const uint8_t *data, size_t len);
/* 16 bytes from "33db4d5b-1ff7-401c-9657-7441c03dd766", in the order of ToUUID. */
void aml_uuid(struct aml *aml, const char *uuid);

/*
 * A name where one is used or declared: "_HID", "\\_SB_.PCI0". Segments are of
 * four characters, at most two of them.
 */
void aml_path(struct aml *aml, const char *path);

/* Name (path, …): the object follows. */
void aml_name(struct aml *aml, const char *path);
void aml_name_int(struct aml *aml, const char *path, uint64_t value);
void aml_name_eisa_id(struct aml *aml, const char *path, const char *id);

/* What is begun ends with aml_end(), innermost first. */
void aml_scope(struct aml *aml, const char *path);
void aml_device(struct aml *aml, const char *path);
void aml_method(struct aml *aml, const char *path, unsigned args); /* serialized */
void aml_package(struct aml *aml, uint8_t elements);		   /* elements follow */
void aml_if(struct aml *aml);  /* the condition follows, then the terms */
void aml_else(struct aml *aml); /* directly after the aml_end() of an if */
void aml_end(struct aml *aml);

/* Operators; operands follow in order, the target last. */
enum aml_op {
	AML_LOCAL0 = 0x60,
	AML_ARG0 = 0x68, /* to AML_ARG0 + 6 */
	AML_STORE = 0x70,
	AML_AND = 0x7b,
	AML_OR = 0x7d,
	AML_LNOT = 0x92,
	AML_LEQUAL = 0x93,
	AML_CREATE_DWORD_FIELD = 0x8a, /* buffer, byte offset, name */
	AML_RETURN = 0xa4,
};
void aml_op(struct aml *aml, enum aml_op op);

/*
 * Resource templates (6.4): written into a buffer of their own, then put down by
 * aml_resources() as a Buffer with its end tag.
 */
struct aml_res {
	uint8_t data[256];
	size_t len;
	bool bad;
};

void aml_res_bus(struct aml_res *res, uint16_t first, uint16_t last);
/* Windows that a bridge forwards; size > 0. */
void aml_res_io_window(struct aml_res *res, uint16_t start, uint32_t size);
void aml_res_mem32_window(struct aml_res *res, uint32_t start, uint32_t size);
void aml_res_mem64_window(struct aml_res *res, uint64_t start, uint64_t size);
/* What a device itself uses. */
void aml_res_io(struct aml_res *res, uint16_t port, uint8_t count);
void aml_res_mem32(struct aml_res *res, uint32_t start, uint32_t size);
void aml_res_irq(struct aml_res *res, unsigned irq); /* ISA: edge, high, exclusive */
void aml_resources(struct aml *aml, const struct aml_res *res);

#endif
