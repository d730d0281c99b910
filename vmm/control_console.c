// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_console.h"

#include <errno.h>

#include "vmm/ctl.h"
#include "vmm/hw/console.h"
#include "vmm/machine.h"
#include "vmm/virtio/console.h"

const char *const control_console_params[] = { "cols", "rows", NULL };

static int get_size(const json_t *params, const char *key, uint16_t *ret, struct err *err)
{
	const json_t *value = json_object_get(params, key);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > UINT16_MAX)
		return err_usage(err, "\"%s\" is a number from 0 to %u, as is the other of \"cols\" "
				      "and \"rows\"", key, UINT16_MAX);
	*ret = (uint16_t)n;
	return 0;
}

static int attach(struct machine *m, int fd, struct err *err)
{
	int r = console_attach(m->console, fd);

	if (r == -EBUSY) {
		err_plain(err, r, "somebody else is at the console already");
		return err_hint(err, "Ctrl-A x leaves it, in the terminal where it was entered");
	}
	if (r == -ENOTSOCK)
		return err_usage(err, "the descriptor that came with \"console\" is no socket");
	return r < 0 ? err_set(err, r, "cannot connect the console") : 0;
}

int control_console(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	bool sized = json_object_size(params) > 0;
	uint16_t cols = 0, rows = 0;
	int fd, r = 0;

	(void)ret;
	if (sized)
		r = get_size(params, "cols", &cols, err);
	if (r == 0 && sized)
		r = get_size(params, "rows", &rows, err);
	if (r < 0)
		return r;
	fd = ctl_take_fd(m->ctl);
	if (fd < 0 && !sized)
		return err_usage(err, "\"console\" comes with a socket, or with a size");
	if (fd >= 0)
		r = attach(m, fd, err);
	if (r == 0 && sized)
		virtio_console_resize(m->virtio_console, cols, rows);
	return r;
}
