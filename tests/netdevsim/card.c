// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/netdevsim/card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/devlink.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "sriov/devlink.h"
#include "sriov/vf_link.h"

struct nl_msg;

int card_open(void **state)
{
	static struct card card;

	card.root = hostfs_root("/");
	*state = &card;
	return card.root < 0 ? -1 : 0;
}

int card_close(void **state)
{
	close_fdp(&((struct card *)*state)->root);
	return 0;
}

static void write_number(const struct card *card, unsigned n, const char *path)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	assert_int_equal(hostfs_write(card->root, text, HOSTFS_DEADLINE_MS, NULL, "%s", path), 0);
}

void card_look(struct card *card)
{
	struct err err = ERR_INIT;

	assert_int_equal(pf_find(card->root, CARD, &card->pf, &err), 0);
}

struct card *card_with_vfs(void **state, unsigned n)
{
	struct card *card = *state;

	if (!hostfs_exists(card->root, "sys/bus/pci/devices/" CARD "/sriov_numvfs")) {
		print_message("no simulated card here: tests/lab/full/netdevsim makes one\n");
		skip();
	}
	write_number(card, 0, CARD_SYSFS "/sriov_numvfs");
	assert_int_equal(devlink_eswitch_set("netdevsim", CARD_NAME, DEVLINK_LEGACY), 0);
	/* What VFs had is forgotten only when there may be another number of them. */
	write_number(card, n, "sys/kernel/debug/netdevsim/" CARD_NAME "/max_vfs");
	if (n)
		write_number(card, n, CARD_SYSFS "/sriov_numvfs");
	card_look(card);
	return card;
}

struct vf_attrs *card_attrs(const struct card *card, unsigned n)
{
	struct vf_attrs *attrs = calloc(n, sizeof(*attrs));

	assert_non_null(attrs);
	assert_int_equal(vf_link_read(card->root, &card->pf, attrs, n), n);
	return attrs;
}

struct vf_attrs card_words(const char *words)
{
	struct vf_attrs attrs;

	assert_int_equal(vf_group_parse(words, &attrs), 0);
	return attrs;
}

/* --- another bus ------------------------------------------------------------------------------ */

void *__real_dlsym(void *handle, const char *symbol);
void *__wrap_dlsym(void *handle, const char *symbol);

static int (*real_nla_put)(struct nl_msg *msg, int type, int len, const void *data);

/* devlink's handle is a bus and a name on it. */
static int translating_nla_put(struct nl_msg *msg, int type, int len, const void *data)
{
	if (type == DEVLINK_ATTR_BUS_NAME && len == sizeof("pci") && memcmp(data, "pci", 4) == 0)
		return real_nla_put(msg, type, sizeof("netdevsim"), "netdevsim");
	if (type == DEVLINK_ATTR_DEV_NAME && len == sizeof(CARD) && memcmp(data, CARD, sizeof(CARD)) == 0)
		return real_nla_put(msg, type, sizeof(CARD_NAME), CARD_NAME);
	return real_nla_put(msg, type, len, data);
}

void *__wrap_dlsym(void *handle, const char *symbol)
{
	void *address = __real_dlsym(handle, symbol), *mine = (void *)translating_nla_put;

	if (!address || strcmp(symbol, "nla_put") != 0)
		return address;
	memcpy(&real_nla_put, &address, sizeof(address));
	return mine;
}
