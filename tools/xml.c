// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/xml.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Length of the UTF-8 character at s, or 0: it is none, or one that XML does not allow. */
static size_t utf8_length(const char *s)
{
	const unsigned char *b = (const unsigned char *)s;
	size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 :
		   b[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, beyond U+10FFFF, and the non-characters FFFE and FFFF. */
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
	    (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f) ||
	    (b[0] == 0xef && b[1] == 0xbf && b[2] >= 0xbe))
		return 0;
	return n == 1 && ((b[0] < ' ' && b[0] != '\n') || b[0] == 0x7f) ? 0 : n;
}

static size_t characters(const char *s)
{
	size_t n = 0, len;

	for (; *s; s += len ? len : 1, n++)
		len = utf8_length(s);
	return n;
}

static void put(FILE *out, const char *s, size_t len)
{
	switch (*s) {
	case '&': fputs("&amp;", out); return;
	case '<': fputs("&lt;", out); return;
	case '>': fputs("&gt;", out); return;
	case '"': fputs("&quot;", out); return;
	case '\'': fputs("&#39;", out); return;
	}
	if (len)
		fwrite(s, 1, len, out);
	else
		fputs("\xef\xbf\xbd", out);
}

void xml_text(FILE *out, const char *s, unsigned columns)
{
	size_t left = columns && characters(s) > columns ? columns - 1 : SIZE_MAX;

	while (*s && left--) {
		size_t len = utf8_length(s);

		put(out, s, len);
		s += len ? len : 1;
	}
	if (*s)
		fputs("…", out);
}
