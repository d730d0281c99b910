// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_alarm.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "vmm/handover.h"

static int action_parse(const char *option, const char *word, uint32_t *ret, struct err *err)
{
	static const char *const words[] = {
		[VMM_ACTION_EVENT] = "event",
		[VMM_ACTION_PAUSE] = "pause",
		[VMM_ACTION_RESET] = "reset",
		[VMM_ACTION_KILL] = "kill",
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		*ret = i;
		return 0;
	}
	err_usage(err, "%s: '%s' is not possible", option, word);
	return err_hint(err, "event, pause, reset or kill");
}

int vm_alarm_panic_parse(const char *text, struct vm_alarm *ret, struct err *err)
{
	ret->panic_said = true;
	return action_parse("--on-panic", text, &ret->on_panic, err);
}

int vm_alarm_watchdog_parse(const char *text, struct vm_alarm *ret, struct err *err)
{
	static const char key[] = "action=";

	if (strncmp(text, key, sizeof(key) - 1) != 0)
		return err_usage(err, "--watchdog: '%s' is not 'action=event|pause|reset|kill'", text);
	ret->watchdog = true;
	return action_parse("--watchdog", text + sizeof(key) - 1, &ret->watchdog_action, err);
}

void vm_alarm_fill(const struct vm_alarm *a, bool hide_hypervisor, struct vmm_config *config)
{
	config->panic_port = a->panic_said || !hide_hypervisor;
	config->on_panic = a->on_panic;
	config->watchdog = a->watchdog;
	config->watchdog_action = a->watchdog_action;
}
