// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/size.h"
#include "host/change.h"
#include "host/confirm.h"
#include "host/monitor.h"
#include "host/spec_apply.h"
#include "tools/command.h"
#include "tools/commands.h"
#include "tools/host_show.h"
#include "tools/opts.h"
#include "tools/out.h"
#include "tools/report.h"

enum { OPT_REPAIR = 300, OPT_INTERVAL };

#define INTERVAL_S     10u
#define INTERVAL_MAX_S 3600u
#define SECOND_NS      1000000000ull
/* What changes together is looked at together; who changes it back is not fought every second. */
#define SETTLE_S     1u
#define SETTLE_MAX_S 64u

static const struct option own[] = { { "repair", no_argument, NULL, OPT_REPAIR },
				     { "interval", required_argument, NULL, OPT_INTERVAL },
				     { 0 } };

struct watch {
	struct ctx *ctx;
	struct err *err;
	struct loop *loop;
	struct hotplug *hotplug;
	struct monitor *monitor;
	int links, poll_timer, repair_timer;
	unsigned interval_s;
	bool repair, pending; /* pending: its time will come */
	unsigned settle_s; /* until the next repair; twice as long while each finds work again */
	char trouble[sizeof(((struct err *)0)->text)]; /* why the last one failed: said once */
};

/* --- what is said ----------------------------------------------------------------------------- */

static const char *const names[] = {
	[MONITOR_ADDED] = "added",	 [MONITOR_REMOVED] = "removed",
	[MONITOR_BOUND] = "bound",	 [MONITOR_UNBOUND] = "unbound",
	[MONITOR_RECOVERY] = "recovery", [MONITOR_LINK] = "link",
	[MONITOR_VF] = "vf",		 [MONITOR_ERRORS] = "errors",
	[MONITOR_LOST] = "lost",
};

static void timestamp(bool utc, char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	buf[0] = '\0';
	if (utc ? gmtime_r(&now, &tm) : localtime_r(&now, &tm))
		strftime(buf, size, utc ? "%Y-%m-%dT%H:%M:%SZ" : "%H:%M:%S", &tm);
}

/* Whoever reads wants each line when it is true. */
static void end_line(struct watch *w)
{
	int r = report_flush(w->ctx->out, w->err);

	if (r < 0)
		loop_quit(w->loop, r);
}

static void say(struct watch *w, const char *device, const char *text)
{
	char when[32];

	timestamp(false, when, sizeof(when));
	fprintf(w->ctx->out, "%s %s%s%s\n", when, device, *device ? ": " : "", text);
	end_line(w);
}

static void say_json(struct watch *w, const char *event, json_t *more)
{
	char when[32];
	json_t *o;

	timestamp(true, when, sizeof(when));
	o = json_pack("{s:s, s:s, s:s}", "schema", "thruway.monitor/1", "time", when, "event", event);
	if (o && (!more || json_object_update(o, more) == 0) &&
	    json_dumpf(o, w->ctx->out, JSON_COMPACT | JSON_PRESERVE_ORDER) == 0)
		fputc('\n', w->ctx->out);
	json_decref(o);
	json_decref(more);
	end_line(w);
}

static char *words(const struct monitor_event *e, char *buf, size_t size)
{
	switch (e->kind) {
	case MONITOR_BOUND: snprintf(buf, size, "bound to %s", e->after); break;
	case MONITOR_RECOVERY: snprintf(buf, size, "recovery from an error %s", e->after); break;
	case MONITOR_LINK:
		snprintf(buf, size, "%s: link %s (was %s)", e->netdev, e->after, e->before);
		break;
	case MONITOR_VF:
		snprintf(buf, size, "%s/vf%u: %s (was %s)", e->netdev, e->vf, e->after, e->before);
		break;
	case MONITOR_ERRORS:
		snprintf(buf, size, "%" PRIu64 " %s error%s more, of all there were: %s", e->count,
			 e->key, e->count == 1 ? "" : "s", e->after);
		break;
	case MONITOR_LOST: snprintf(buf, size, "events were lost; looked again"); break;
	default: snprintf(buf, size, "%s", names[e->kind]);
	}
	return buf;
}

static json_t *fields(const struct monitor_event *e)
{
	json_t *o = json_object();

	if (o && e->kind != MONITOR_LOST)
		json_object_set_new(o, "device", json_string(BDF_STR(e->bdf)));
	if (o && e->netdev[0])
		json_object_set_new(o, "netdev", out_json_text(e->netdev));
	if (o && e->kind == MONITOR_VF)
		json_object_set_new(o, "vf", json_integer(e->vf));
	if (o && e->kind == MONITOR_ERRORS) {
		json_object_set_new(o, "severity", json_string(e->key));
		json_object_set_new(o, "count", json_integer((json_int_t)e->count));
		json_object_set_new(o, "kinds", json_string(e->after));
	} else if (o && e->kind == MONITOR_BOUND) {
		json_object_set_new(o, "driver", json_string(e->after));
	} else if (o && e->after[0]) {
		if (e->key)
			json_object_set_new(o, "attribute", json_string(e->key));
		if (e->before[0])
			json_object_set_new(o, "before", json_string(e->before));
		json_object_set_new(o, "after", json_string(e->after));
	}
	return o;
}

static void settle(struct watch *w)
{
	/* Not put off by more of it: something may change all the time. */
	if (w->repair && !w->pending)
		loop_timer_arm(w->repair_timer, w->settle_s * SECOND_NS);
	w->pending = true;
}

static void on_change(const struct monitor_event *e, void *opaque)
{
	struct watch *w = opaque;
	char text[320];

	if (w->ctx->json)
		say_json(w, names[e->kind], fields(e));
	else
		say(w, e->kind == MONITOR_LOST ? "" : BDF_STR(e->bdf), words(e, text, sizeof(text)));
	settle(w);
}

/* --- repair ----------------------------------------------------------------------------------- */

static int look_and_repair(struct host_spec *hs, void *opaque, struct err *err)
{
	const struct journal_owner owner = { .command = "monitor --repair" };
	const struct ctx *ctx = opaque;
	int r = confirm_check_none(ctx->root, err);

	if (r == 0)
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = host_spec_read(ctx->root, NULL, ctx->force, hs, err);
	if (r == 0 && hs->plan.plan.count)
		r = host_spec_apply(ctx->root, hs, &owner, ctx->lock_timeout_s, err);
	return r;
}

/* left: the first thing that had to stay as it is, and why; "" for none. */
static int repair_now(struct watch *w, size_t *ret_changes, char *left, size_t size,
		      struct err *err)
{
	_cleanup_(host_spec_fini) struct host_spec hs = HOST_SPEC_INIT;
	int r = host_spec_look_again(look_and_repair, w->ctx, &hs, err);

	*ret_changes = hs.plan.plan.count;
	host_show_left(&hs, left, size);
	return r;
}

static void say_repaired(struct watch *w, size_t changes)
{
	char text[64];

	snprintf(text, sizeof(text), "repaired: %zu change%s made", changes, changes == 1 ? "" : "s");
	if (w->ctx->json)
		say_json(w, "repaired", json_pack("{s:I}", "changes", (json_int_t)changes));
	else
		say(w, "", text);
}

/* What keeps it from being repaired is said once, not at each try. */
static void say_trouble(struct watch *w, const char *why)
{
	char text[sizeof(w->trouble) + 16];

	if (strcmp(w->trouble, why) == 0)
		return;
	snprintf(w->trouble, sizeof(w->trouble), "%s", why);
	snprintf(text, sizeof(text), "not repaired: %s", w->trouble);
	if (w->ctx->json)
		say_json(w, "not repaired", json_pack("{s:s}", "reason", w->trouble));
	else
		say(w, "", text);
}

static void on_repair_time(void *opaque, int fd)
{
	struct watch *w = opaque;
	struct err err = ERR_INIT;
	char left[sizeof(w->trouble)] = "";
	size_t changes = 0;
	uint64_t ticks;
	int r;

	if (read(fd, &ticks, sizeof(ticks)) < 0)
		return;
	w->pending = false;
	r = repair_now(w, &changes, left, sizeof(left), &err);
	if (r == 0 && changes)
		say_repaired(w, changes);
	if (r < 0 || left[0])
		say_trouble(w, r < 0 ? err.text : left);
	else
		w->trouble[0] = '\0';
	if (!changes)
		w->settle_s = SETTLE_S;
	else if (w->settle_s < SETTLE_MAX_S)
		w->settle_s *= 2;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_uevent(void *opaque, int fd)
{
	struct watch *w = opaque;
	struct hotplug_event e;
	int r;

	while ((r = hotplug_next(w->hotplug, &e)) == 1)
		monitor_hotplug(w->monitor, &e);
	if (r == -ENOBUFS)
		monitor_lost(w->monitor);
	else if (r < 0)
		loop_quit(w->loop, err_set(w->err, r, "cannot watch for devices any more"));
}

static void on_link_change(const struct link_change *c, void *opaque)
{
	monitor_link(opaque, c);
}

static void on_links(void *opaque, int fd)
{
	struct watch *w = opaque;
	int r = link_watch_read(fd, on_link_change, w->monitor);

	if (r == -ENOBUFS)
		monitor_lost(w->monitor);
	else if (r < 0)
		loop_quit(w->loop, err_set(w->err, r, "cannot watch links any more"));
}

static void on_poll(void *opaque, int fd)
{
	struct watch *w = opaque;
	uint64_t ticks;

	if (read(fd, &ticks, sizeof(ticks)) > 0)
		monitor_look(w->monitor);
	loop_timer_arm(fd, w->interval_s * SECOND_NS);
	settle(w);
}

/* --- the command ------------------------------------------------------------------------------ */

static int open_all(struct watch *w)
{
	int r;

	w->loop = loop_new();
	if (!w->loop)
		return err_set(w->err, -errno, "cannot watch this host");
	r = hotplug_open(w->ctx->root, &w->hotplug, w->err);
	if (r < 0)
		return r;
	w->links = r = link_watch_open();
	/* From here on nothing is missed: what changes while it is looked is told twice at most. */
	if (r >= 0)
		w->monitor = monitor_new(w->ctx->root, on_change, w);
	if (r >= 0 && !w->monitor)
		r = -ENOMEM;
	if (r >= 0)
		r = loop_add(w->loop, hotplug_fd(w->hotplug), on_uevent, w);
	if (r >= 0)
		r = loop_add(w->loop, w->links, on_links, w);
	if (r >= 0)
		r = loop_timer_new(w->loop, on_poll, w, &w->poll_timer);
	if (r >= 0)
		r = loop_timer_new(w->loop, on_repair_time, w, &w->repair_timer);
	return r < 0 ? err_set(w->err, r, "cannot watch this host") : 0;
}

static void close_all(struct watch *w)
{
	monitor_free(w->monitor);
	hotplug_close(w->hotplug);
	close_fdp(&w->links);
	close_fdp(&w->poll_timer);
	close_fdp(&w->repair_timer);
	loop_free(w->loop);
}

static int take(struct watch *w, int c, struct err *err)
{
	uint64_t v;

	if (c == OPT_REPAIR) {
		w->repair = true;
		return 0;
	}
	if (uint_parse(optarg, INTERVAL_MAX_S, &v) < 0 || !v)
		return err_usage(err, "--interval takes seconds from 1 to %u, not '%s'",
				 INTERVAL_MAX_S, optarg);
	w->interval_s = (unsigned)v;
	return 0;
}

static int run(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	_cleanup_(close_all) struct watch w = {
		.ctx = ctx, .err = err, .links = -1, .poll_timer = -1, .repair_timer = -1,
		.interval_s = INTERVAL_S, .settle_s = SETTLE_S,
	};
	struct opts o;
	int c, r = 0;

	opts_init(&o, ctx, argc, argv, own);
	while (r == 0 && (c = opts_next(&o, err)) != 0)
		r = c < 0 ? c : take(&w, c, err);
	if (r == 0)
		r = opts_operands(&o, 0, 0, "", err);
	if (r == 0 && w.repair) /* who may not change the host learns it now */
		r = change_recover(ctx->root, ctx->lock_timeout_s, err);
	if (r == 0)
		r = open_all(&w);
	if (r < 0)
		return r;
	if (ctx->json)
		say_json(&w, "watching", NULL);
	else
		say(&w, "", "watching");
	loop_timer_arm(w.poll_timer, w.interval_s * SECOND_NS);
	settle(&w);
	return loop_run(w.loop);
}

const struct command cmd_monitor = {
	.name = "monitor",
	.synopsis = "[--repair] [--interval SECONDS]",
	.summary = "tell what happens to devices, VFs and links, as it happens",
	.help = "One line for each function that comes, goes, or is bound to or unbound from a driver,\n"
		"for each link of a function's interface that changes, for each attribute of a VF that\n"
		"does, and for the PCI Express errors the kernel counted. Until it is ended. From\n"
		"\"watching\" on nothing is missed.\n"
		"\n"
		"      --repair        when something has changed, make this host again what\n"
		"                      /etc/thruway/host.yaml says, as thruway host apply would\n"
		"      --interval SECONDS  between looks at what nobody tells: errors, and the VFs of\n"
		"                      a PF that is down (10)",
	.takes = TAKES_JSON | TAKES_LOCK,
	.run = run,
};
