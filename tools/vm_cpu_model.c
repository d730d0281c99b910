// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_cpu_model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "base/near.h"
#include "tools/vm_cpu_features.h"

/* More names than there are. */
#define FEATURES_MAX 256

static int unknown_feature(const char *name, struct err *err)
{
	size_t count, n = 0;
	const struct cpu_feature *all = cpu_features(&count);
	static const char *const nested[] = { "vmx", "svm", "ept", "npt", "vpid", "vnmi" };
	const char *names[FEATURES_MAX], *near;

	for (; n < count && n < FEATURES_MAX; n++)
		names[n] = all[n].name;
	near = near_word(name, names, n);
	err_usage(err, "--cpu: '%s' is no feature that can be left out", name);
	for (size_t i = 0; i < ARRAY_SIZE(nested); i++)
		if (strcmp(name, nested[i]) == 0)
			return err_hint(err, "it is, unless +nested is said");
	if (strcmp(name, "hypervisor") == 0)
		return err_hint(err, "hide-hypervisor leaves it out, and every other sign of KVM");
	if (cpu_feature_is_baseline(name))
		return err_hint(err, "it stays: every 64-bit processor has it, and x86-64 guests need it");
	if (cpu_feature_is_fixed(name))
		return err_hint(err, "Linux shows it in /proc/cpuinfo, but --cpu does not decide on it");
	if (near)
		return err_hint(err, "did you mean -%s?", near);
	return err_hint(err, "names are those of flags in /proc/cpuinfo, but not all of these are "
			     "features that a guest can be without");
}

static int take_vendor_id(const char *id, struct cpu_model *m, struct err *err)
{
	size_t len = strlen(id);
	bool bad = len == 0 || len > CPU_VENDOR_ID;

	for (size_t i = 0; i < len; i++)
		bad |= id[i] < ' ' || id[i] > '~';
	if (bad) {
		err_usage(err, "--cpu: 'vendor-id=%s' is not possible", id);
		return err_hint(err, "1 to %d letters, digits and signs", CPU_VENDOR_ID);
	}
	strcpy(m->vendor_id, id);
	return 0;
}

static int take_word(const char *word, struct cpu_model *m, struct err *err)
{
	const struct cpu_feature *f;

	if (strcmp(word, "+nested") == 0) {
		m->nested = true;
	} else if (strcmp(word, "realtime") == 0) {
		m->realtime = true;
	} else if (strcmp(word, "hide-hypervisor") == 0) {
		m->hide_hypervisor = true;
	} else if (strncmp(word, "vendor-id=", 10) == 0) {
		return take_vendor_id(word + 10, m, err);
	} else if (word[0] == '-') {
		f = cpu_feature_find(word + 1);
		if (!f)
			return unknown_feature(word + 1, err);
		cpu_feature_hide(f, m->hidden);
	} else {
		err_usage(err, "--cpu: '%s' is not among its words", word);
		return err_hint(err, "-FEATURE, +nested, realtime, hide-hypervisor, vendor-id=ID%s",
				word[0] == '+' ? "; what the host's processor has is there already" : "");
	}
	return 0;
}

int vm_cpu_model_parse(const char *text, struct cpu_model *ret, struct err *err)
{
	struct cpu_model m = { 0 };
	char copy[1024], *rest = copy, *word;
	int r = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_usage(err, "--cpu: longer than %zu bytes", sizeof(copy) - 1);
	word = strsep(&rest, ",");
	if (strcmp(word, "host") != 0) {
		err_usage(err, "--cpu: '%s' is no processor that guests can have", word);
		return err_hint(err, "host is the only one: --cpu host,-FEATURE takes features away");
	}
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(word, &m, err);
	if (r == 0 && m.hide_hypervisor && m.vendor_id[0])
		r = err_usage(err, "--cpu: a hypervisor that is hidden has no vendor-id=");
	if (r == 0 && m.realtime && (m.hide_hypervisor || m.vendor_id[0]))
		r = err_usage(err, "--cpu: realtime is a word of KVM's, which such a guest does not see");
	if (r == 0)
		*ret = m;
	return r;
}

/* 1: the module gives it; 0: it does not; -errno: it is not loaded, or does not tell. */
static int nested_of(int root, const char *module)
{
	char text[16];
	ssize_t len = hostfs_read(root, text, sizeof(text), "sys/module/%s/parameters/nested", module);

	return len < 0 ? (int)len : text[0] == 'Y' || text[0] == '1';
}

static int check_nested(int root, struct err *err)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd" };

	for (unsigned i = 0; i < ARRAY_SIZE(modules); i++) {
		if (nested_of(root, modules[i]) != 0)
			continue;
		err_plain(err, -EOPNOTSUPP, "--cpu: this host's KVM runs no guests of guests (+nested): "
			  "parameter nested of %s is off", modules[i]);
		return err_hint(err, "write 'options %s nested=1' to /etc/modprobe.d/kvm.conf and load "
				     "the module anew when no VM runs", modules[i]);
	}
	return 0;
}

/* --- the host's processor ------------------------------------------------------------------------- */

/* The words of the first CPU's line "flags", between blanks; false where proc does not tell. */
static bool read_flags(int root, char *text, size_t size)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, "proc/cpuinfo");
	ssize_t len = fd < 0 ? -1 : read(fd, text + 1, size - 3);
	char *line;

	if (len <= 0)
		return false;
	text[0] = '\n';
	text[len + 1] = '\0';
	line = strstr(text, "\nflags\t");
	line = line ? strchr(line, ':') : NULL;
	if (!line)
		return false;
	len = (ssize_t)strcspn(line, "\n");
	memmove(text, line, (size_t)len);
	text[0] = text[len] = ' ';
	text[len + 1] = '\0';
	return true;
}

static bool has_flag(const char *flags, const char *name)
{
	char word[64];

	snprintf(word, sizeof(word), " %s ", name);
	return strstr(flags, word) != NULL;
}

/* Of those that the host has; all of them where that is not known. */
static void tell_along(const char *flags, const uint32_t said[CPU_WORDS],
		       const uint32_t hidden[CPU_WORDS])
{
	size_t count, len = 0;
	const struct cpu_feature *all = cpu_features(&count);
	char list[1024] = "";

	for (size_t i = 0; i < count; i++) {
		if (!cpu_feature_in(&all[i], hidden) || cpu_feature_in(&all[i], said) ||
		    (flags && !has_flag(flags, all[i].name)))
			continue;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
					all[i].name);
		if (len >= sizeof(list))
			break;
	}
	if (list[0])
		log_warn("--cpu: the guest is without these, too, which need what is taken away: %s",
			 list);
}

static int check_mwait(const char *flags, struct err *err)
{
	if (flags && !has_flag(flags, "monitor")) {
		err_plain(err, -EOPNOTSUPP, "--no-exits: this host's processor has no MWAIT that could "
					    "stay in the guest (no flag monitor in /proc/cpuinfo)");
		return err_hint(err, "leave mwait out; it may be off in the firmware or by idle=nomwait, "
				     "or this host be a guest itself");
	}
	if (flags && !has_flag(flags, "arat")) {
		err_plain(err, -EOPNOTSUPP, "--no-exits: this host's timers stop when a CPU sleeps by "
					    "MWAIT, and KVM leaves it to no guest (no flag arat in "
					    "/proc/cpuinfo)");
		return err_hint(err, "leave mwait out");
	}
	return 0;
}

static bool hides_any(const struct cpu_model *m)
{
	uint32_t any = 0;

	for (unsigned i = 0; i < CPU_WORDS; i++)
		any |= m->hidden[i];
	return any != 0;
}

int vm_cpu_model_resolve(int root, struct cpu_model *m, struct err *err)
{
	const struct cpu_model said = *m;
	char text[8192];
	const char *flags = NULL;
	int r = m->nested ? check_nested(root, err) : 0;

	if (r < 0 || !(m->mwait || hides_any(m)))
		return r;
	if (read_flags(root, text, sizeof(text)))
		flags = text;
	if (m->mwait)
		r = check_mwait(flags, err);
	if (r < 0)
		return r;
	cpu_features_take_along(m->hidden);
	tell_along(flags, said.hidden, m->hidden);
	return 0;
}
