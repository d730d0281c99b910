// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_device_opts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/size.h"
#include "vmm/layout.h"

#define UUID_STRLEN 36

/* 8-4-4-4-12 hex digits, the only form the kernel takes. */
static bool is_uuid(const char *text, size_t len)
{
	for (unsigned i = 0; i < UUID_STRLEN && i < len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' :
							      !isxdigit((unsigned char)text[i]))
			return false;
	return len == UUID_STRLEN;
}

static int token(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	if (!is_uuid(value, len)) {
		err_usage(err, "'%.*s' is not a VF token", (int)len, value);
		return err_hint(err, "it is a UUID, 8-4-4-4-12 hex digits: make one with uuidgen");
	}
	memcpy(ret->token, value, UUID_STRLEN);
	return 0;
}

/* Of a device that was in the guest before, "on" is not the same as nothing said. */
static int rom(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	bool off = len == 3 && strncmp(value, "off", 3) == 0;

	if (!off && (len != 2 || strncmp(value, "on", 2) != 0)) {
		err_usage(err, "'rom=%.*s' is neither 'rom=on' nor 'rom=off'", (int)len, value);
		return err_hint(err, "on is the device's own ROM; with romfile=FILE the guest sees "
				     "that of the file");
	}
	ret->rom = off ? VMM_ROM_OFF : VMM_ROM_DEVICE;
	ret->seen = true;
	return 0;
}

/* A path may have commas: it is the last word. */
static int romfile(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	if (!len)
		return err_usage(err, "'romfile=' names no file");
	ret->rom = VMM_ROM_FILE;
	ret->romfile = value;
	ret->seen = true;
	return 0;
}

static int clique(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	char text[8];
	uint64_t n;

	snprintf(text, sizeof(text), "%.*s", (int)len, value);
	if (len >= sizeof(text) || uint_parse(text, VMM_CLIQUE_MAX, &n) < 0)
		return err_usage(err, "'gpudirect-clique=%.*s' is not a number from 0 to %u",
				 (int)len, value, VMM_CLIQUE_MAX);
	ret->clique = (uint32_t)n + 1;
	ret->seen = true;
	return 0;
}

static int msix(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	if (len != 4 || strncmp(value, "move", 4) != 0)
		return err_usage(err, "'msix=%.*s' is not 'msix=move'", (int)len, value);
	ret->move_msix = true;
	ret->seen = true;
	return 0;
}

static int intx(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	if (len != 6 || strncmp(value, "shared", 6) != 0)
		return err_usage(err, "'intx=%.*s' is not 'intx=shared'", (int)len, value);
	ret->shared_intx = true;
	return 0;
}

static int node(const char *value, size_t len, struct vm_opt_device *ret, struct err *err)
{
	char text[8];
	uint64_t n;

	snprintf(text, sizeof(text), "%.*s", (int)len, value);
	if (len >= sizeof(text) || uint_parse(text, VMM_MAX_NODES - 1, &n) < 0) {
		err_usage(err, "'node=%.*s' is no node of a guest, 0 to %u", (int)len, value,
			  VMM_MAX_NODES - 1);
		return err_hint(err, "without it the device is on the node whose memory is on the "
				     "device's node of this host");
	}
	ret->node = (unsigned)n + 1;
	return 0;
}

static const struct word {
	const char *name;
	int (*take)(const char *value, size_t len, struct vm_opt_device *ret, struct err *err);
	bool last; /* the rest of the text is its value */
} words[] = {
	{ "token", token, false },
	{ "rom", rom, false },
	{ "romfile", romfile, true },
	{ "gpudirect-clique", clique, false },
	{ "msix", msix, false },
	{ "intx", intx, false },
	{ "node", node, false },
};

static const struct word *find(const char *text, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].name) == len && strncmp(words[i].name, text, len) == 0)
			return &words[i];
	return NULL;
}

static unsigned bit_of(const char *name)
{
	return 1u << (find(name, strlen(name)) - words);
}

/* One ",WORD=VALUE" from *text on, which is left at the next. */
static int take_word(const char **text, unsigned *seen, struct vm_opt_device *ret, struct err *err)
{
	const char *word = *text + 1, *end = strchrnul(word, ',');
	size_t name_len = strcspn(word, "=,");
	const struct word *w = word[name_len] == '=' ? find(word, name_len) : NULL;
	const char *value = word + name_len + 1;
	unsigned bit;

	if (!w) {
		err_usage(err, "'%.*s' after the device is not known", (int)(end - word),
			  word);
		return err_hint(err, "token=UUID, rom=on|off, msix=move, intx=shared, gpudirect-clique=N, "
				     "node=N, romfile=FILE");
	}
	bit = 1u << (w - words);
	if (*seen & bit)
		return err_usage(err, "'%s=' is there twice", w->name);
	*seen |= bit;
	if (w->last)
		end = value + strlen(value);
	*text = end;
	return w->take(value, (size_t)(end - value), ret, err);
}

static int parse(const char *text, struct vm_opt_device *ret, struct err *err)
{
	size_t len = strcspn(text, ",");
	unsigned seen = 0;

	if (len == 0 || len >= sizeof(ret->name))
		return err_usage(err, "'%.*s' is no device's name", (int)len, text);
	memcpy(ret->name, text, len);
	for (text += len; *text;)
		if (take_word(&text, &seen, ret, err) < 0)
			return err->code;
	if (seen & bit_of("rom") && seen & bit_of("romfile"))
		return err_usage(err, "'rom=' and 'romfile=' exclude each other");
	return 0;
}

int vm_device_opts_parse(const char *what, const char *text, struct vm_opt_device *ret,
			 struct err *err)
{
	struct vm_opt_device device = { 0 };

	if (parse(text, &device, err) < 0)
		return err_prefix(err, "%s", what);
	*ret = device;
	return 0;
}
