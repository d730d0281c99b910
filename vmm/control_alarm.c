// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_alarm.h"

#include <errno.h>

#include "base/log.h"
#include "vmm/control.h"
#include "vmm/handover.h"
#include "vmm/hw/watchdog.h"
#include "vmm/machine.h"

static const char *action_word(uint32_t action)
{
	static const char *const words[] = {
		[VMM_ACTION_EVENT] = "event",
		[VMM_ACTION_PAUSE] = "pause",
		[VMM_ACTION_RESET] = "reset",
		[VMM_ACTION_KILL] = "kill",
	};

	return words[action <= VMM_ACTION_KILL ? action : VMM_ACTION_EVENT];
}

/* What stops CPUs is the main thread's: a CPU may be what brought us here. */
static void act(struct machine *m, uint32_t action, const char *why)
{
	switch (action) {
	case VMM_ACTION_PAUSE: vm_request(&m->vm, VM_PAUSE); break;
	case VMM_ACTION_RESET: vm_request(&m->vm, VM_REBOOT); break;
	case VMM_ACTION_KILL:
		err_plain(&m->vm.crash, -EIO, "%s", why);
		vm_request(&m->vm, VM_CRASH);
		break;
	default: break;
	}
}

void control_alarm_panicked(void *opaque, bool crash_kernel)
{
	struct machine *m = opaque;
	/* A guest that writes its memory to disk is left to it. */
	uint32_t action = crash_kernel ? VMM_ACTION_EVENT : m->config->on_panic;

	log_warn_limited(crash_kernel ? "the guest's kernel panicked, and its crash kernel takes over" :
					"the guest's kernel panicked");
	control_event(m, CONTROL_GUEST_PANICKED,
		      json_pack("{s:b, s:s}", "crash_kernel", crash_kernel, "action", action_word(action)));
	act(m, action, "the guest's kernel panicked");
}

void control_alarm_watchdog(void *opaque)
{
	struct machine *m = opaque;
	uint32_t action = m->config->watchdog_action;

	log_warn_limited("the guest did not feed its watchdog in time");
	control_event(m, CONTROL_WATCHDOG, json_pack("{s:s}", "action", action_word(action)));
	act(m, action, "the guest did not feed its watchdog in time");
}

json_t *control_alarm_report(const struct machine *m)
{
	if (!m->watchdog)
		return json_null();
	return json_pack("{s:s, s:b}", "action", action_word(m->config->watchdog_action), "running",
			 watchdog_runs(m->watchdog));
}
