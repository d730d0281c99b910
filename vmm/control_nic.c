// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_nic.h"

#include <errno.h>
#include <string.h>

#include "vmm/control_failover.h"
#include "vmm/control_net.h"
#include "vmm/handover.h"
#include "vmm/machine.h"

const char *const control_nic_params[] = { "nic", "link", "use", NULL };

static json_t *report_one(const struct machine *m, unsigned i)
{
	json_t *nic = control_net_report(m, i);

	json_object_set_new(nic, "failover", control_failover_report(m, i));
	return nic;
}

static int report(const struct machine *m, json_t **ret, struct err *err)
{
	json_t *nics = json_array();

	for (unsigned i = 0; i < m->config->nic_count; i++)
		json_array_append_new(nics, report_one(m, i));
	*ret = json_pack("{s:o}", "nics", nics);
	return *ret ? 0 : err_set(err, -ENOMEM, "cannot report");
}

int control_nic_refuse(const struct machine *m, const json_t *value, struct err *err)
{
	unsigned n = m->config->nic_count;

	if (!json_is_integer(value))
		return err_usage(err, "\"nic\" is the number of a network device, from 0 on");
	return err_usage(err, "the guest has no network device %lld: it has %u, which count%s from 0",
			 (long long)json_integer_value(value), n, n == 1 ? "s" : "");
}

static int choose(const struct machine *m, const json_t *params, unsigned *ret, struct err *err)
{
	const json_t *value = json_object_get(params, "nic");
	json_int_t n = json_integer_value(value);

	if (!m->config->nic_count) {
		err_plain(err, -ENODEV, "the guest has no virtio network device");
		return err_hint(err, "start it with --nic");
	}
	if (!json_is_integer(value) || n < 0 || n >= (json_int_t)m->config->nic_count)
		return control_nic_refuse(m, value, err);
	*ret = (unsigned)n;
	return 0;
}

static int set_link(struct machine *m, const json_t *params, const char *word, struct err *err)
{
	bool up = word && strcmp(word, "up") == 0;
	unsigned i = 0;
	int r;

	if (!up && (!word || strcmp(word, "down") != 0))
		return err_usage(err, "\"link\" is \"up\" or \"down\"");
	r = choose(m, params, &i, err);
	if (r < 0)
		return r;
	if (m->config->nics[i].vdpa) {
		err_plain(err, -EOPNOTSUPP, "the cable of %s is the device's own", m->config->nics[i].host);
		return err_hint(err, "take its link down where it is: at its port, or its representor");
	}
	control_net_link(m, i, up);
	return 0;
}

int control_nic(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	const json_t *link = json_object_get(params, "link");
	const json_t *use = json_object_get(params, "use");
	struct machine *m = opaque;
	int r = 0;

	if (link && use)
		r = err_usage(err, "one of \"link\" and \"use\" at a time");
	else if (use)
		r = control_failover_use(m, params, json_string_value(use), err);
	else if (link)
		r = set_link(m, params, json_string_value(link), err);
	else if (json_object_get(params, "nic"))
		r = err_usage(err, "\"nic\" means something with \"link\" or \"use\" only");
	return r < 0 ? r : report(m, ret, err);
}
