// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control.h"

#include <errno.h>

#include "base/fd.h"
#include "vmm/control_balloon.h"
#include "vmm/control_console.h"
#include "vmm/control_disk.h"
#include "vmm/control_device.h"
#include "vmm/control_nic.h"
#include "vmm/control_report.h"
#include "vmm/ctl.h"
#include "vmm/handover.h"
#include "vmm/hw/pm.h"
#include "vmm/hw/watchdog.h"
#include "vmm/kvm_stats.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"
#include "vmm/vfio_pci/vfio_pci.h"

/*
 * Methods run as callbacks of the event loop, with the device lock. CPUs that are
 * to be stopped may be waiting for that lock.
 */
static int pause_cpus(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret, (void)err;
	if (m->paused)
		return 0;
	vm_unlock(&m->vm);
	vcpus_pause(&m->vm);
	vm_lock(&m->vm);
	control_paused(m);
	return 0;
}

void control_paused(struct machine *m)
{
	if (m->paused)
		return;
	m->paused = true;
	watchdog_pause(m->watchdog, true);
	control_event(m, CONTROL_PAUSED, NULL);
}

static int resume_cpus(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret, (void)err;
	if (!m->paused)
		return 0;
	m->paused = false;
	watchdog_pause(m->watchdog, false);
	vcpus_resume(&m->vm);
	control_event(m, CONTROL_RESUMED, NULL);
	return 0;
}

static int press_button(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret;
	if (m->paused) {
		err_plain(err, -EBUSY, "a guest that is paused does not see its power button");
		return err_hint(err, "resume it first");
	}
	pm_power_button(m->pm);
	return 0;
}

static int reset(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret, (void)err;
	vm_request(&m->vm, VM_REBOOT);
	return 0;
}

static int quit(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret, (void)err;
	vm_request(&m->vm, VM_QUIT);
	return 0;
}

static int subscribe(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;

	(void)params, (void)ret, (void)err;
	ctl_subscribe(m->ctl);
	return 0;
}

static int report(json_t *doc, json_t **ret, struct err *err)
{
	if (!doc)
		return err_set(err, -ENOMEM, "cannot report");
	*ret = doc;
	return 0;
}

static int status(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	(void)params;
	return report(control_report_status(opaque), ret, err);
}

/* Once, at the first question: the CPUs leave KVM_RUN for it. */
static void open_stats(struct machine *m)
{
	if (m->stats_asked)
		return;
	m->stats_asked = true;
	vm_unlock(&m->vm);
	vcpus_pause(&m->vm);
	for (unsigned i = 0; i < m->vm.ncpus; i++)
		m->vm.vcpus[i].stats_fd = kvm_stats_open(m->vm.vcpus[i].fd);
	if (!m->paused)
		vcpus_resume(&m->vm);
	vm_lock(&m->vm);
}

static int stats(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	(void)params;
	open_stats(opaque);
	return report(control_report_stats(opaque), ret, err);
}

static int interrupts(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	const json_t *again = json_object_get(params, "reattach");
	struct machine *m = opaque;

	if (again && !json_is_boolean(again))
		return err_usage(err, "\"reattach\" is true or false");
	if (json_is_true(again))
		vfio_pci_reattach(m->host_devices);
	return report(control_report_interrupts(m), ret, err);
}

static const char *const interrupts_params[] = { "reattach", NULL };

const struct jsonrpc_method control_methods[] = {
	{ .name = "status", .call = status },
	{ .name = "stats", .call = stats },
	{ .name = "interrupts", .params = interrupts_params, .call = interrupts },
	{ .name = "pause", .call = pause_cpus },
	{ .name = "resume", .call = resume_cpus },
	{ .name = "power_button", .call = press_button },
	{ .name = "reset", .call = reset },
	{ .name = "quit", .call = quit },
	{ .name = "subscribe", .call = subscribe },
	{ .name = "balloon", .params = control_balloon_params, .call = control_balloon },
	{ .name = "disk", .params = control_disk_params, .call = control_disk },
	{ .name = "nic", .params = control_nic_params, .call = control_nic },
	{ .name = "console", .params = control_console_params, .call = control_console },
	{ .name = "attach", .params = control_attach_params, .call = control_attach },
	{ .name = "detach", .params = control_detach_params, .call = control_detach },
	{ 0 },
};

const char *const control_event_names[] = {
	[CONTROL_PAUSED] = "paused",
	[CONTROL_RESUMED] = "resumed",
	[CONTROL_REBOOT] = "reboot",
	[CONTROL_DEVICE_ERROR] = "device-error",
	[CONTROL_DEVICE_REQUEST] = "device-request",
	[CONTROL_DEVICE_RESET] = "device-reset",
	[CONTROL_DEVICE_REMOVED] = "device-removed",
	[CONTROL_DEVICE_ADDED] = "device-added",
	[CONTROL_NIC_MAC] = "nic-mac",
	[CONTROL_NIC_LINK] = "nic-link",
	[CONTROL_BACKEND] = "backend",
	[CONTROL_NIC_FAILOVER] = "nic-failover",
	[CONTROL_GUEST_PANICKED] = "guest-panicked",
	[CONTROL_WATCHDOG] = "watchdog",
	[CONTROL_END] = "end",
};

int control_start(struct machine *m, int listen_fd)
{
	const struct ctl_config config = {
		.loop = m->vm.loop,
		.listen_fd = listen_fd,
		.uid = m->config->ctl_uid,
		.methods = control_methods,
		.opaque = m,
	};

	if (m->ctl) {
		close_fdp(&listen_fd);
		return -EEXIST;
	}
	return ctl_new(&config, &m->ctl);
}

void control_stop(struct machine *m)
{
	m->ctl = ctl_free(m->ctl);
}

void control_event(struct machine *m, enum control_event_type event, json_t *params)
{
	ctl_notify(m->ctl, control_event_names[event], params);
}
