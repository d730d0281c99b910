// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/topo_palette.h"

#include "base/fd.h"

const char *topo_palette_driver(const struct topo_view *v, const char *driver)
{
	/* Light enough for black text, told apart without red and green alone. */
	static const char *const fills[] = { "#cfe2ff", "#ffe3bf", "#e3d7ff", "#ffd9e8",
					     "#c9f2f5", "#fff3b0", "#e6d5c3", "#d9e2ec",
					     "#ffc9c0", "#dbe9b8" };
	unsigned n = 0;

	if (!driver[0])
		return "#fbfbfc";
	if (pci_function_driver_is_vfio(driver))
		return "#a9e2b4";
	for (unsigned i = 0; i < v->driver_count; i++) {
		if ((int)i == topo_view_driver(v, driver))
			break;
		n += !pci_function_driver_is_vfio(v->drivers[i]);
	}
	return fills[n % ARRAY_SIZE(fills)];
}

const char *topo_palette_group(int index)
{
	static const char *const lines[] = { "#d6336c", "#7048e8", "#e8590c", "#0b7285",
					     "#9c36b5", "#5c940d", "#1864ab", "#a61e4d" };

	return lines[(unsigned)index % ARRAY_SIZE(lines)];
}
