// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the file in /etc remembers of network cards: a card that udev gives to vfio-pci as it
 * appears has no interface in this boot, and an entry that means it by its MAC or by its
 * interface's name would mean none. A line
 *
 *     # had mac 52:54:00:00:00:02 netdev eth1: 8086:10fb/8086:000c serial=… at pci0000:00/01.0/00.0
 *
 * is a comment to udev; behind the colon is the device's identity, vfio/pci_path.h.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "host/udev_rules.h"

#define LEAD	"# had mac "
#define UNKNOWN "-"

/* Nothing that could end the line, or take the next one to it. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (!isgraph((unsigned char)*text) && *text != ' ')
			return false;
		if (*text == '\\')
			return false;
	}
	return true;
}

static const char *known(const char *text)
{
	return *text ? text : UNKNOWN;
}

void udev_rules_put_memory(FILE *f, const struct spec_fact *fact)
{
	if (!fact->identity[0] || (!fact->mac[0] && !fact->netdev[0]) || !is_plain(fact->identity) ||
	    !is_plain(fact->mac) || !is_plain(fact->netdev))
		return;
	fprintf(f, LEAD "%s netdev %s: %s\n", known(fact->mac), known(fact->netdev), fact->identity);
}

static void take(char *to, size_t size, const char *from)
{
	if (!*to && strcmp(from, UNKNOWN) != 0)
		snprintf(to, size, "%s", from);
}

/* The beginning of the line that ends with the identity, or NULL. */
static const char *find_line(const char *text, const char *identity)
{
	char end[PCI_IDENTITY_MAX + 4];
	const char *at;

	snprintf(end, sizeof(end), ": %s\n", identity);
	at = identity[0] ? strstr(text, end) : NULL;
	while (at && at > text && at[-1] != '\n')
		at--;
	return at;
}

void udev_rules_recall(const char *text, struct spec_fact *fact)
{
	const char *line = find_line(text, fact->identity);
	char mac[18], netdev[16];

	if (!line || sscanf(line, LEAD "%17[0-9a-f:-] netdev %15[^ :\n]:", mac, netdev) != 2)
		return;
	take(fact->mac, sizeof(fact->mac), mac);
	take(fact->netdev, sizeof(fact->netdev), netdev);
}
