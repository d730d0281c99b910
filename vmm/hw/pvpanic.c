// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/pvpanic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

/* QEMU's docs/specs/pvpanic: the byte tells what may be said when it is read, and says it when written. */
#define PANICKED     (1u << 0)
#define CRASH_LOADED (1u << 1)

struct pvpanic {
	struct vm *vm; /* borrowed */
	struct pvpanic_owner owner;
	unsigned said; /* a guest may write any number of times */
};

static void read_port(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	(void)opaque;
	(void)off;
	memset(data, 0, len);
	data[0] = PANICKED | CRASH_LOADED;
}

static void write_port(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct pvpanic *p = opaque;
	unsigned news = data[0] & (PANICKED | CRASH_LOADED) & ~p->said;

	(void)off;
	(void)len;
	p->said |= news;
	if (news & PANICKED)
		p->owner.panicked(p->owner.opaque, false);
	if (news & CRASH_LOADED)
		p->owner.panicked(p->owner.opaque, true);
}

static const struct bus_ops ops = { read_port, write_port };

int pvpanic_new(struct vm *vm, const struct pvpanic_owner *owner, struct pvpanic **ret, struct err *err)
{
	struct pvpanic *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "cannot make the guest's panic port");
	p->vm = vm;
	p->owner = *owner;
	r = bus_add(vm->pio, LAYOUT_PVPANIC, 1, "pvpanic", &ops, p, err);
	if (r < 0) {
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct pvpanic *pvpanic_free(struct pvpanic *p)
{
	if (p)
		bus_remove(p->vm->pio, LAYOUT_PVPANIC);
	free(p);
	return NULL;
}

void pvpanic_reset(struct pvpanic *p)
{
	if (p)
		p->said = 0;
}

bool pvpanic_said(const struct pvpanic *p)
{
	return p && p->said;
}
