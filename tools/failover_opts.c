// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/failover_opts.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 256

static const char hint[] = "write vf=VF,standby=tap:BRIDGE, macvtap:DEV or vhost-user:SOCK, where "
			   "VF is a VF such as eth0/vf3, pool:NAME or auto";

static const char *after(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 ? word + len : NULL;
}

bool failover_opts_are(const char *text)
{
	for (const char *w = text; w; w = strchr(w, ','), w = w ? w + 1 : NULL)
		if (after(w, "vf=") || after(w, "standby="))
			return true;
	return false;
}

/* What is left when both words are taken: the standby first, then all others in order. */
struct parts {
	char vf[TEXT_MAX], standby[TEXT_MAX], rest[TEXT_MAX];
};

static int take(struct parts *p, const char *word, struct err *err)
{
	const char *vf = after(word, "vf="), *standby = after(word, "standby=");
	char *into = vf ? p->vf : standby ? p->standby : NULL;
	size_t len = strlen(p->rest);

	if (!into) {
		snprintf(p->rest + len, sizeof(p->rest) - len, ",%s", word);
		return 0;
	}
	if (into[0])
		return err_usage(err, "--nic: '%s=' is there twice", vf ? "vf" : "standby");
	snprintf(into, TEXT_MAX, "%s", vf ? vf : standby);
	if (into[0])
		return 0;
	err_usage(err, "--nic: '%s=' names nothing", vf ? "vf" : "standby");
	return err_hint(err, "%s", hint);
}

static int split(const char *text, struct parts *p, struct err *err)
{
	char copy[TEXT_MAX], *rest = copy, *word;
	int r = 0;

	if (strlen(text) >= sizeof(copy))
		return err_usage(err, "--nic: longer than %zu bytes", sizeof(copy) - 1);
	strcpy(copy, text);
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take(p, word, err);
	return r;
}

static int check(const struct parts *p, struct err *err)
{
	if (!p->vf[0] || !p->standby[0]) {
		err_usage(err, "--nic: '%s=' without '%s='", p->vf[0] ? "vf" : "standby",
			  p->vf[0] ? "standby" : "vf");
		return err_hint(err, "%s", hint);
	}
	if (strcmp(p->vf, "pool:") == 0)
		return err_usage(err, "--nic: 'vf=pool:' names no pool");
	if (strncmp(p->standby, "vdpa:", 5) == 0) {
		err_usage(err, "--nic: a standby by vdpa is not there yet");
		return err_hint(err, "%s", hint);
	}
	return 0;
}

int failover_opts_parse(const char *text, struct vm_opt_nic *ret, struct err *err)
{
	struct parts p = { "", "", "" };
	struct vm_opt_nic nic;
	char virtio[2 * TEXT_MAX];
	int r = split(text, &p, err);

	if (r == 0)
		r = check(&p, err);
	if (r < 0)
		return r;
	if (strlen(p.vf) >= sizeof(nic.vf))
		return err_usage(err, "--nic: '%s' is no name of a VF", p.vf);
	snprintf(virtio, sizeof(virtio), "%s%s", p.standby, p.rest);
	r = vm_nic_parse(virtio, &nic, err);
	if (r < 0)
		return r;
	strcpy(nic.vf, p.vf);
	*ret = nic;
	return 0;
}
