/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest sees of a host's device beside the device: ROM, GPUDirect clique, where the MSI-X
 * table is. One that comes back without a word about that is as it was the last time it was here.
 */
#ifndef VMM_DEVICE_SETTINGS_H
#define VMM_DEVICE_SETTINGS_H

struct machine;
struct vmm_device;

/*
 * As they were last, or at the start; what was never here is left as it is. The ROM's descriptor
 * is lent.
 */
void device_settings_recall(const struct machine *m, struct vmm_device *device);

/*
 * Those of which device_settings_recall() knows something: the n-th one's name, NULL: there are no more. One
 * that was there at the start and came again may be named twice.
 */
const char *device_settings_known(const struct machine *m, unsigned n);

/*
 * Room for device_settings_keep() of one device, which then cannot fail. 0 or -ENOMEM.
 */
int device_settings_reserve(struct machine *m);

/* The device is in the guest with these, and the ROM's descriptor is the machine's from now on. */
void device_settings_keep(struct machine *m, const struct vmm_device *device);

/* No device is left. */
void device_settings_fini(struct machine *m);

#endif
