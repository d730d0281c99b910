// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is asked of a network device's failover is the supervisor's to do, and what it did is
 * kept here for who asks: the socket is the VMM's.
 */
#include "vmm/control_failover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vmm/control.h"
#include "vmm/control_nic.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/virtio/net.h"

/* --- what there is ------------------------------------------------------------------------------ */

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

static const char *active_word(const struct vmm_nic_state *s)
{
	return s->primary ? "primary" : "standby";
}

json_t *control_failover_report(const struct machine *m, unsigned i)
{
	static const struct vmm_nic_state nothing_yet = { .wanted = true };
	const struct vmm_nic_state *s = m->nic_state[i] ? m->nic_state[i] : &nothing_yet;

	if (!m->config->nics[i].standby)
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "active", active_word(s), "wanted",
			 s->wanted ? "primary" : "standby", "device", text_or_null(s->device), "cause",
			 text_or_null(s->cause), "waits_for", text_or_null(s->detail));
}

/* --- what is asked ------------------------------------------------------------------------------ */

/* The number that was given; else the only one that there is. */
static int refuse_many(unsigned count, struct err *err)
{
	err_usage(err, "\"nic\" is missing: %u network devices have failover", count);
	return err_hint(err, "say which one: thruway vm nic VM shows them, thruway vm nic VM 0 standby");
}

static int choose(const struct machine *m, const json_t *params, unsigned *ret, struct err *err)
{
	const json_t *value = json_object_get(params, "nic");
	json_int_t n = json_integer_value(value);
	unsigned count = 0;

	for (unsigned i = 0; i < m->config->nic_count; i++) {
		if (!m->config->nics[i].standby)
			continue;
		count++;
		*ret = i;
	}
	if (!count) {
		err_plain(err, -EOPNOTSUPP, "the guest has no network device with failover");
		return err_hint(err, "start it with --nic vf=VF,standby=tap:BRIDGE, or another standby");
	}
	if (!value && count > 1)
		return refuse_many(count, err);
	if (!value)
		return 0;
	if (!json_is_integer(value) || n < 0 || n >= (json_int_t)m->config->nic_count)
		return control_nic_refuse(m, value, err);
	if (!m->config->nics[n].standby)
		return err_plain(err, -EOPNOTSUPP, "network device %d of the guest has no failover",
				 (int)n);
	*ret = (unsigned)n;
	return 0;
}

int control_failover_use(struct machine *m, const json_t *params, const char *use, struct err *err)
{
	bool primary = use && strcmp(use, "primary") == 0;
	unsigned nic = 0;
	int r;

	if (!primary && (!use || strcmp(use, "standby") != 0))
		return err_usage(err, "\"use\" is \"standby\" or \"primary\"");
	r = choose(m, params, &nic, err);
	if (r < 0)
		return r;
	if (m->paused) {
		err_plain(err, -EBUSY, "a guest that is paused cannot change over");
		return err_hint(err, "resume it first");
	}
	m->vm.on_nic(nic, primary ? VM_NIC_WANT_PRIMARY : VM_NIC_WANT_STANDBY);
	return 0;
}

/* --- what the supervisor says ------------------------------------------------------------------- */

static void keep(struct machine *m, const struct vmm_nic_state *state)
{
	struct vmm_nic_state **at = &m->nic_state[state->nic];
	/* Why it still has what it is about to lose is said when that has happened. */
	bool news = !*at || (*at)->primary != state->primary ||
		    (!state->primary && strcmp((*at)->cause, state->cause) != 0);

	if (!*at)
		*at = malloc(sizeof(**at));
	if (!*at)
		return;
	**at = *state;
	if (news)
		control_event(m, CONTROL_NIC_FAILOVER,
			      json_pack("{s:i, s:s, s:o, s:s}", "nic", (int)state->nic, "active",
					active_word(state), "device", text_or_null(state->device),
					"cause", state->cause));
}

void control_failover_told(struct machine *m, const struct vmm_nic_state *state)
{
	int r = 0;

	if (state->nic >= m->config->nic_count || !m->config->nics[state->nic].standby)
		return;
	if (state->announce && m->nics[state->nic])
		r = virtio_net_announce(m->nics[state->nic]);
	if (r < 0)
		log_warn_limited("network device %u: the network is not told where it is now: %s",
				 state->nic, strerror(-r));
	if (state->report)
		keep(m, state);
}

void control_failover_fini(struct machine *m)
{
	for (unsigned i = 0; i < MACHINE_NICS; i++) {
		free(m->nic_state[i]);
		m->nic_state[i] = NULL;
	}
}
