// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libudev.h>

#include "base/dl.h"
#include "base/fd.h"
#include "base/hostfs.h"

#define UDEV(X)                                             \
	X(udev_new)                                         \
	X(udev_unref)                                       \
	X(udev_monitor_new_from_netlink)                    \
	X(udev_monitor_filter_add_match_subsystem_devtype)  \
	X(udev_monitor_set_receive_buffer_size)             \
	X(udev_monitor_enable_receiving)                    \
	X(udev_monitor_get_fd)                              \
	X(udev_monitor_receive_device)                      \
	X(udev_monitor_unref)                               \
	X(udev_device_get_action)                           \
	X(udev_device_get_sysname)                          \
	X(udev_device_get_property_value)                   \
	X(udev_device_unref)

UDEV(DL_POINTER)

static const struct dl_symbol symbols[] = { UDEV(DL_SYMBOL) };
static struct dl_library libudev = { "libudev.so.1", "libudev1", symbols, ARRAY_SIZE(symbols) };

/* 256 VFs that come with a driver each are some 500 events at once. */
#define BUFFER_BYTES (4 << 20)

struct hotplug {
	struct udev *udev;
	struct udev_monitor *monitor;
};

void hotplug_close(struct hotplug *h)
{
	if (!h)
		return;
	if (h->monitor)
		dl_udev_monitor_unref(h->monitor);
	if (h->udev)
		dl_udev_unref(h->udev);
	free(h);
}

static int listen_to(struct hotplug *h, const char *source)
{
	int r;

	h->udev = dl_udev_new();
	if (!h->udev)
		return -ENOMEM;
	h->monitor = dl_udev_monitor_new_from_netlink(h->udev, source);
	if (!h->monitor)
		return -errno;
	r = dl_udev_monitor_filter_add_match_subsystem_devtype(h->monitor, "pci", NULL);
	if (r < 0)
		return r;
	/* More than an ordinary user may have is refused; what there is must do then. */
	(void)dl_udev_monitor_set_receive_buffer_size(h->monitor, BUFFER_BYTES);
	return dl_udev_monitor_enable_receiving(h->monitor);
}

int hotplug_open(int root, struct hotplug **ret, struct err *err)
{
	struct hotplug *h;
	int r = dl_load(&libudev, err);

	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(err, -ENOMEM, "cannot watch for devices");
	r = listen_to(h, hostfs_exists(root, "run/udev/control") ? "udev" : "kernel");
	if (r < 0) {
		hotplug_close(h);
		return err_set(err, r, "cannot watch for devices");
	}
	*ret = h;
	return 0;
}

int hotplug_fd(struct hotplug *h)
{
	return dl_udev_monitor_get_fd(h->monitor);
}

static void copy(char *buf, size_t size, const char *text)
{
	snprintf(buf, size, "%s", text ? text : "");
}

int hotplug_next(struct hotplug *h, struct hotplug_event *ret)
{
	struct hotplug_event e;
	struct udev_device *d;
	const char *name;
	int r;

	do {
		errno = 0;
		d = dl_udev_monitor_receive_device(h->monitor);
		if (!d)
			return errno == EAGAIN || errno == 0 ? 0 : -errno;
		name = dl_udev_device_get_sysname(d);
		r = name ? bdf_parse(name, &e.bdf) : -EINVAL;
		copy(e.action, sizeof(e.action), dl_udev_device_get_action(d));
		copy(e.driver, sizeof(e.driver), dl_udev_device_get_property_value(d, "DRIVER"));
		copy(e.error, sizeof(e.error), dl_udev_device_get_property_value(d, "ERROR_EVENT"));
		dl_udev_device_unref(d);
	} while (r < 0); /* a bus, or a slot */
	*ret = e;
	return 1;
}
