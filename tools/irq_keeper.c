// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/irq_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tools/vm_client.h"
#include "tools/vm_irq.h"

#define INTERVAL_MS 1000
#define ONLINE	    "sys/devices/system/cpu/online"

int irq_place_parse(const char *text, struct irq_place *ret, struct err *err)
{
	struct cpulist list;

	*ret = (struct irq_place){ IRQ_ANYWHERE, "" };
	if (strcmp(text, "follow") == 0) {
		ret->where = IRQ_FOLLOW;
		return 0;
	}
	if (strncmp(text, "cpus=", 5) != 0) {
		err_usage(err, "--irq: '%s' is not possible", text);
		return err_hint(err, "follow, or cpus=LIST");
	}
	if (cpulist_parse(text + 5, &list) < 0 || !cpulist_count(&list) ||
	    cpulist_format(&list, ret->cpus, sizeof(ret->cpus)) < 0)
		return err_usage(err, "--irq: '%s' is no list of CPUs like 0-1,4", text + 5);
	ret->where = IRQ_CPUS;
	return 0;
}

int irq_place_check(int root, const struct irq_place *place, struct err *err)
{
	struct cpulist want, online;
	char text[1024];

	if (place->where != IRQ_CPUS || cpulist_parse(place->cpus, &want) < 0 ||
	    hostfs_read(root, text, sizeof(text), ONLINE) < 0 || cpulist_parse(text, &online) < 0)
		return 0;
	for (unsigned i = 0; i < CPULIST_MAX; i++) {
		if (!cpulist_has(&want, i) || cpulist_has(&online, i))
			continue;
		err_plain(err, -ENODEV, "--irq: CPU %u of this host is not online", i);
		return err_hint(err, "these are: %s", text);
	}
	return 0;
}

/* --- one look ---------------------------------------------------------------------------------- */

/* Where this row's belongs; "": nobody knows, or anywhere. */
static void wanted(const json_t *row, const struct irq_place *place, char *buf, size_t size)
{
	const json_t *on = json_object_get(row, "guest_cpu_on");

	buf[0] = '\0';
	if (place->where == IRQ_CPUS)
		snprintf(buf, size, "%s", place->cpus);
	else if (place->where == IRQ_FOLLOW && json_is_integer(on))
		snprintf(buf, size, "%lld", (long long)json_integer_value(on));
}

static bool move(int root, const json_t *row, const struct irq_place *place)
{
	const json_t *irq = json_object_get(row, "host_irq");
	unsigned n = (unsigned)json_integer_value(irq);
	char want[sizeof(place->cpus)], now[sizeof(place->cpus)] = "";

	wanted(row, place, want, sizeof(want));
	if (!json_is_integer(irq) || !want[0])
		return false;
	if (hostfs_read(root, now, sizeof(now), "proc/irq/%u/smp_affinity_list", n) < 0 ||
	    strcmp(now, want) == 0)
		return false;
	return hostfs_write(root, want, HOSTFS_DEADLINE_MS, NULL, "proc/irq/%u/smp_affinity_list",
			    n) == 0;
}

unsigned irq_keeper_look(int root, const json_t *report, const struct irq_place *place)
{
	json_t *rows = vm_irq_rows(root, report, NULL, NULL), *row;
	unsigned moved = 0;
	size_t i;

	json_array_foreach(rows, i, row)
		moved += move(root, row, place);
	json_decref(rows);
	return moved;
}

/* --- the process ------------------------------------------------------------------------------- */

/* What the supervisor has open is the guest's, or a terminal's: not ours to keep. */
static int keep_only_root(int root)
{
	int kept = dup2(root, STDERR_FILENO + 1);

	if (kept >= 0)
		close_range((unsigned)kept + 1, ~0u, 0);
	return kept;
}

static _Noreturn void keep(int root, const char *name, const struct irq_place *place)
{
	struct vm_client c = VM_CLIENT_INIT;
	sigset_t none;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "thruway-irq");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	root = keep_only_root(root);
	r = root < 0 ? -errno : vm_client_open(root, name, &c, NULL);
	while (r == 0) {
		json_t *report = NULL;

		r = vm_client_call(&c, "interrupts", &report, NULL);
		if (r == 0 && irq_keeper_look(root, report, place))
			log_debug("%s: interrupts moved", name);
		json_decref(report);
		if (r == 0 && vm_client_wait_end(&c, INTERVAL_MS) == 0)
			break;
	}
	_exit(r == 0 ? 0 : 1);
}

pid_t irq_keeper_start(int root, const char *name, const struct irq_place *place)
{
	pid_t pid = fork();

	if (pid == 0)
		keep(root, name, place);
	return pid < 0 ? -errno : pid;
}

void irq_keeper_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
