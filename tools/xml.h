/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from anywhere (a device may choose its own name) as the text of an XML or HTML file. */
#ifndef TOOLS_XML_H
#define TOOLS_XML_H

#include <stdio.h>

/*
 * s escaped, for contents and for quoted attributes, at most `columns` characters
 * of it (0: all), an ellipsis being the last of a cut one. Bytes that are not
 * UTF-8, and control characters but the newline, become U+FFFD.
 */
void xml_text(FILE *out, const char *s, unsigned columns);

#endif
