// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/irq_keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bdf.h"
#include "base/cpulist.h"
#include "base/fd.h"
#include "base/hostfs.h"
#include "base/log.h"
#include "tools/vm_client.h"
#include "tools/vm_irq.h"
#include "tools/vmm_groups.h"

#define ONLINE "sys/devices/system/cpu/online"

struct irq_keeper_times irq_keeper_times = IRQ_KEEPER_TIMES_INIT;

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

/* Whoever pins a guest's CPU and sends interrupts there may mean it. */
static void warn_pinned(const struct cpulist *want, const struct vm_pin *pin)
{
	struct cpulist both = { 0 };
	char text[1024];

	for (unsigned i = 0; i < pin->count; i++)
		if (cpulist_has(want, pin->cpu[i]))
			both.bits[pin->cpu[i] / 64] |= 1ull << (pin->cpu[i] % 64);
	if (cpulist_count(&both) && cpulist_format(&both, text, sizeof(text)) >= 0)
		log_warn("--irq: CPU %s is the guest's by --pin: the interrupts cost it time there", text);
}

int irq_place_check(int root, const struct irq_place *place, const struct vm_pin *pin,
		    struct err *err)
{
	struct cpulist want, online;
	char text[1024];

	if (place->where != IRQ_CPUS || cpulist_parse(place->cpus, &want) < 0)
		return 0;
	warn_pinned(&want, pin);
	if (hostfs_read(root, text, sizeof(text), ONLINE) < 0 || cpulist_parse(text, &online) < 0)
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

static bool is_line(const json_t *row)
{
	const char *mode = json_string_value(json_object_get(row, "mode"));

	return mode && strcmp(mode, "intx") == 0;
}

static bool move(int root, const json_t *row, const struct irq_place *place,
		 struct irq_list *placed, struct irq_lines *lines)
{
	const json_t *irq = json_object_get(row, "host_irq");
	unsigned n = (unsigned)json_integer_value(irq);
	char want[sizeof(place->cpus)], now[1024] = "";

	wanted(row, place, want, sizeof(want));
	if (!json_is_integer(irq) || !want[0])
		return false;
	if (is_line(row))
		irq_lines_used(lines, n);
	irq_list_add(placed, n); /* past as many as irqbalance may be told of, it is not told */
	if (hostfs_read(root, now, sizeof(now), "proc/irq/%u/smp_affinity_list", n) < 0 ||
	    strcmp(now, want) == 0)
		return false;
	if (is_line(row) && !irq_lines_moving(lines, n, now, want))
		return false;
	return hostfs_write(root, want, HOSTFS_DEADLINE_MS, NULL, "proc/irq/%u/smp_affinity_list",
			    n) == 0;
}

/* Those devices of the report that the VMM has; the host tells which these are. */
static json_t *own_devices(int root, pid_t vmm, const json_t *devices)
{
	json_t *own = json_array();
	struct vmm_groups groups;

	vmm_groups_read(root, vmm, &groups);
	for (size_t i = 0; i < json_array_size(devices); i++) {
		json_t *device = json_array_get(devices, i);
		const char *name = json_string_value(json_object_get(device, "device"));
		struct bdf bdf;

		if (name && vmm_groups_have(root, &groups, name))
			json_array_append(own, device);
		else if (name && bdf_parse(name, &bdf) == 0)
			log_warn_limited("%s: its interrupts are left where they are, because the VMM is "
					 "not seen to have its group", BDF_STR(bdf));
	}
	return own;
}

/*
 * The VMM runs what a guest may have taken over, and we move what it may not: its own devices' interrupts,
 * to where threads of its own are.
 */
static json_t *rows_of_own(int root, pid_t vmm, const json_t *report)
{
	json_t *own = json_pack("{s:i, s:O?, s:o}", "pid", (int)vmm, "cpu_threads",
				json_object_get(report, "cpu_threads"), "devices",
				own_devices(root, vmm, json_object_get(report, "devices")));
	json_t *rows = vm_irq_rows(root, own, NULL, NULL);

	json_decref(own);
	return rows;
}

unsigned irq_keeper_look(int root, pid_t vmm, const json_t *report, const struct irq_place *place,
			 struct irq_list *ret_placed, struct irq_lines *lines)
{
	json_t *rows = rows_of_own(root, vmm, report), *row;
	unsigned moved = 0;
	size_t i;

	ret_placed->count = 0;
	json_array_foreach(rows, i, row)
		moved += move(root, row, place, ret_placed, lines);
	json_decref(rows);
	irq_lines_put_back_unused(root, lines);
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

struct keeper {
	int root, signals;
	pid_t supervisor, vmm;
	const char *name; /* of the VM */
	const struct irq_place *place;
	struct vm_client client;
	struct irq_lines lines;
	struct irq_list told; /* what irqbalance leaves alone because of us */
	bool said;	      /* that it cannot be told */
	bool said_failed;     /* that the VM could not be asked */
};

/*
 * Interrupts that were put in their place before and are not there any more: it was started anew, and
 * knows of nothing.
 */
static void tell_irqbalance(struct keeper *k, const struct irq_list *placed, bool moved)
{
	int r;

	if (!moved && irq_list_equal(placed, &k->told))
		return;
	r = irqbalance_leave(k->root, &k->told, placed);
	if (r == 0)
		k->told = *placed;
	else if (r != -ENOENT && !k->said)
		log_warn("irqbalance cannot be told to leave interrupts of %s alone (%s): they are put "
			 "back once a second", k->name, strerror(-r));
	k->said |= r < 0 && r != -ENOENT;
}

/* A signal, or a parent that went before its end could be told by one. */
static bool must_end(const struct keeper *k)
{
	struct pollfd p = { .fd = k->signals, .events = POLLIN };

	return poll(&p, 1, 0) != 0 || getppid() != k->supervisor;
}

/*
 * A VM that is stopped, or pins a large guest's RAM, answers when it goes on, however late that is;
 * asking it again would only fill its socket. -EINTR: we are to end meanwhile.
 */
static int answer(struct keeper *k, json_t **ret)
{
	struct pollfd p[] = { { .fd = k->client.fd, .events = POLLIN },
			      { .fd = k->signals, .events = POLLIN } };
	int r = -ETIMEDOUT;

	while (r == -ETIMEDOUT) {
		(void)poll(p, 2, (int)irq_keeper_times.interval_ms);
		if (must_end(k))
			return -EINTR;
		if (p[0].revents)
			r = vm_client_answer(&k->client, irq_keeper_times.rest_ms, ret, NULL);
	}
	return r;
}

static int look(struct keeper *k)
{
	struct irq_list placed;
	json_t *told = NULL;
	unsigned moved;
	int r = k->client.fd < 0 ? vm_client_open(k->root, k->name, &k->client, NULL) : 0;

	if (r == 0)
		r = vm_client_ask(&k->client, "interrupts", NULL);
	if (r == 0)
		r = answer(k, &told);
	if (r < 0)
		return r;
	/* One that is refused has none, which moves nothing. */
	moved = irq_keeper_look(k->root, k->vmm, json_object_get(told, "result"), k->place, &placed,
			       &k->lines);
	json_decref(told);
	tell_irqbalance(k, &placed, moved);
	return 0;
}

/* Whether it is to end: -EPIPE and -ESRCH are the VM's end, -EINTR is ours. Else it asks anew. */
static bool is_over(struct keeper *k, int r)
{
	if (r == 0)
		return false;
	if (r == -EPIPE || r == -ESRCH || r == -EINTR)
		return true;
	if (!k->said_failed)
		log_warn("%s cannot be asked for its interrupts (%s): tried again until it can be",
			 k->name, strerror(-r));
	k->said_failed = true;
	vm_client_close(&k->client);
	return false;
}

static void pause_between(const struct keeper *k)
{
	struct pollfd p = { .fd = k->signals, .events = POLLIN };

	(void)poll(&p, 1, (int)irq_keeper_times.interval_ms);
}

static int keep_until_the_end(struct keeper *k)
{
	int r;

	for (;;) {
		r = look(k);
		if (is_over(k, r))
			return r == -EINTR ? 0 : r;
		pause_between(k);
		if (must_end(k))
			return 0;
	}
}

static _Noreturn void keep(int root, const char *name, pid_t vmm, const struct irq_place *place,
			   pid_t supervisor)
{
	static const struct irq_list none = { .count = 0 };
	struct keeper k = { .supervisor = supervisor, .vmm = vmm, .name = name, .place = place,
			    .client = VM_CLIENT_INIT };
	sigset_t set;
	int r;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, IRQ_KEEPER_END);
	prctl(PR_SET_PDEATHSIG, IRQ_KEEPER_END);
	prctl(PR_SET_NAME, "thruway-irq");
	k.root = keep_only_root(root);
	k.signals = signalfd(-1, &set, SFD_CLOEXEC);
	r = k.root < 0 || k.signals < 0 ? -errno : keep_until_the_end(&k);
	if (k.root >= 0)
		irq_lines_put_back(k.root, &k.lines);
	/* The numbers will be others' interrupts. */
	if (k.told.count)
		(void)irqbalance_leave(k.root, &k.told, &none);
	_exit(r == 0 ? 0 : 1);
}

pid_t irq_keeper_start(int root, const char *name, pid_t vmm, const struct irq_place *place)
{
	pid_t supervisor = getpid(), pid = fork();

	if (pid == 0)
		keep(root, name, vmm, place, supervisor);
	return pid < 0 ? -errno : pid;
}

void irq_keeper_reap(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		return;
	if (WIFSIGNALED(status))
		log_warn("what keeps the guest's interrupts in their place was ended by signal %d (%s): "
			 "nothing moves them there any more", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (status == 0)
		log_warn("what keeps the guest's interrupts in their place was told to end: nothing "
			 "moves them there any more");
}

void irq_keeper_end(pid_t pid)
{
	_cleanup_close_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (pid <= 0)
		return;
	/* It asks a VM that may hang. */
	if (fd < 0 || kill(pid, IRQ_KEEPER_END) < 0 || poll(&p, 1, (int)irq_keeper_times.end_ms) <= 0)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
