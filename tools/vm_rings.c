// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_rings.h"

#include <string.h>

#include "tools/vm_opts.h"

bool vm_rings_word(const char *word, enum vm_switch *ret)
{
	bool on = strcmp(word, "packed=on") == 0;

	if (!on && strcmp(word, "packed=off") != 0)
		return false;
	*ret = on ? VM_ON : VM_OFF;
	return true;
}

int vm_rings_parse(const char *text, enum vm_switch *ret_packed, struct err *err)
{
	bool packed = strcmp(text, "packed") == 0;

	if (!packed && strcmp(text, "split") != 0) {
		err_usage(err, "--rings: '%s' is not possible", text);
		return err_hint(err, "packed or split");
	}
	*ret_packed = packed ? VM_ON : VM_OFF;
	return 0;
}

static void settle(enum vm_switch *said, bool ours, enum vm_switch all)
{
	if (*said == VM_UNSAID)
		*said = ours ? all : VM_OFF;
}

void vm_rings_settle(struct vm_opts *o)
{
	if (o->packed == VM_UNSAID)
		o->packed = VM_RINGS_DEFAULT;
	for (unsigned i = 0; i < o->disk_count; i++)
		settle(&o->disks[i].packed, !o->disks[i].vhost_user, o->packed);
	for (unsigned i = 0; i < o->nic_count; i++)
		settle(&o->nics[i].packed, o->nics[i].no_vhost, o->packed);
}
