// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/opts.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "vfio/in_use.h"
#include "vfio/pci_function.h"

enum { OPT_LOCK_TIMEOUT = 1000, OPT_FORCE };

/* The common options, and when they are offered. */
static const struct {
	unsigned takes; /* 0: always */
	struct option opt;
	const char *help;
} common[] = {
	{ TAKES_JSON, { "json", no_argument, NULL, 'j' }, "-j, --json          print JSON" },
	{ TAKES_DRY_RUN, { "dry-run", no_argument, NULL, 'n' },
	  "-n, --dry-run       say what would be done, change nothing" },
	{ TAKES_FORCE, { "force", required_argument, NULL, OPT_FORCE },
	  "    --force=A,B     go on in spite of these reasons (and no other)" },
	{ TAKES_LOCK, { "lock-timeout", required_argument, NULL, OPT_LOCK_TIMEOUT },
	  "    --lock-timeout S  wait S seconds for another thruway (60)" },
	{ 0, { "quiet", no_argument, NULL, 'q' }, "-q, --quiet         errors only" },
	{ 0, { "verbose", no_argument, NULL, 'v' }, "-v, --verbose       say more; twice: say all" },
	{ 0, { "help", no_argument, NULL, 'h' }, "-h, --help          this text" },
};

static void add_option(struct opts *o, unsigned *n, const struct option *opt)
{
	size_t len = strlen(o->shorts);

	if (*n + 1 >= OPTS_MAX)
		return;
	o->longs[(*n)++] = *opt;
	if (opt->val > 255 || !isalnum(opt->val))
		return;
	o->shorts[len] = (char)opt->val;
	if (opt->has_arg == required_argument)
		o->shorts[len + 1] = ':';
}

void opts_init(struct opts *o, struct ctx *ctx, int argc, char **argv, const struct option *own)
{
	unsigned n = 0;

	*o = (struct opts){ .ctx = ctx, .argc = argc, .argv = argv };
	strcpy(o->shorts, ctx->command->takes & TAKES_COMMAND ? "+:" : ":");
	for (; own && own->name; own++)
		add_option(o, &n, own);
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		if (!common[i].takes || (ctx->command->takes & common[i].takes))
			add_option(o, &n, &common[i].opt);
	}
	optind = 0; /* GNU: start afresh */
	opterr = 0;
}

/* The word is "--name=…" of this option's name, or of the beginning of that. */
static bool has_argument(const struct opts *o, const char *word, int val)
{
	size_t len = strcspn(word, "=");

	if (strncmp(word, "--", 2) != 0 || !word[len])
		return false;
	for (const struct option *l = o->longs; l->name; l++) {
		if (l->val == val && strncmp(l->name, word + 2, len - 2) == 0)
			return true;
	}
	return false;
}

/* getopt is past a long option by now, but maybe not past the cluster a short one is in. */
static int bad_option(const struct opts *o, int c, struct err *err)
{
	const char *name = o->ctx->command->name;
	const char *word = o->argv[optind > 0 ? optind - 1 : 0];

	if (c == ':')
		err_usage(err, "%s: option '%s' needs an argument", name, word);
	else if (optopt && has_argument(o, word, optopt))
		err_usage(err, "%s: option '%.*s' takes no argument", name,
			  (int)strcspn(word, "="), word);
	else if (word[0] == '-' && isdigit((unsigned char)word[1]))
		return err_usage(err, "%s: '%s' is a negative number, and none is taken here", name,
				 word);
	else if (optopt)
		err_usage(err, "%s: unknown option '-%c'", name, optopt);
	else
		err_usage(err, "%s: unknown option '%s'", name, word);
	err_hint(err, "thruway %s --help", name);
	return -EINVAL;
}

/* A reason that nothing is refused for would be taken for one that helps. */
static int take_force(const struct command *command, const char *words, unsigned *force,
		      struct err *err)
{
	unsigned asked = 0, reasons = command->reasons ? command->reasons : ~0u;
	char all[64] = "";
	size_t n = 0;
	int r = in_use_parse_force(words, &asked, err);

	if (r < 0 || !(asked & ~reasons)) {
		*force |= asked;
		return r;
	}
	for (unsigned i = 0; i < IN_USE_REASONS && n < sizeof(all); i++) {
		if (reasons & 1u << i)
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "",
					      in_use_word(i));
	}
	err_usage(err, "%s: --force=%s: nothing is refused for that", command->name, words);
	return err_hint(err, "it takes %s", all);
}

static int take_common(struct opts *o, int c, struct err *err)
{
	struct ctx *ctx = o->ctx;
	uint64_t v;

	switch (c) {
	case 'j': ctx->json = true; return 0;
	case 'n': ctx->dry_run = true; return 0;
	case 'q': ctx->quiet = true; log_set_level(LOG_QUIET); return 0;
	case 'v':
		log_set_level(log_get_level() < LOG_NOTE ? LOG_NOTE : LOG_TRACE);
		return 0;
	case 'h': opts_help(ctx->command, ctx->out); return -ECANCELED;
	case OPT_FORCE: return take_force(ctx->command, optarg, &ctx->force, err);
	case OPT_LOCK_TIMEOUT:
		if (uint_parse(optarg, 86400, &v) < 0)
			return err_usage(err, "--lock-timeout takes seconds, not '%s'", optarg);
		ctx->lock_timeout_s = (unsigned)v;
		return 0;
	}
	return bad_option(o, c, err);
}

static bool is_common(const struct opts *o, int c)
{
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		if (common[i].opt.val == c &&
		    (!common[i].takes || (o->ctx->command->takes & common[i].takes)))
			return true;
	}
	return c == '?' || c == ':';
}

static bool repeats(const struct opts *o, int val)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->repeats); i++)
		if (o->repeats[i] == val)
			return true;
	return false;
}

/* The last of two values would win, and the first be forgotten without a word. */
static int refuse_again(struct opts *o, int c, struct err *err)
{
	for (unsigned i = 0; o->longs[i].name; i++) {
		const struct option *l = &o->longs[i];

		if (l->val != c || l->has_arg != required_argument || repeats(o, c) ||
		    c == OPT_FORCE)
			continue;
		if (o->seen[i])
			return err_usage(err, "%s: --%s is given twice", o->ctx->command->name,
					 l->name);
		o->seen[i] = true;
	}
	return 0;
}

int opts_next(struct opts *o, struct err *err)
{
	int c, r;

	for (;;) {
		c = getopt_long(o->argc, o->argv, o->shorts, o->longs, NULL);
		if (c < 0)
			return 0;
		r = refuse_again(o, c, err);
		if (r < 0)
			return r;
		if (!is_common(o, c))
			return c;
		r = take_common(o, c, err);
		if (r < 0)
			return r;
	}
}

int opts_common(struct ctx *ctx, int argc, char **argv, struct err *err)
{
	struct opts o;
	int r;

	opts_init(&o, ctx, argc, argv, NULL);
	r = opts_next(&o, err);
	return r < 0 ? r : optind;
}

int opts_operands(const struct opts *o, int min, int max, const char *what, struct err *err)
{
	const char *name = o->ctx->command->name;
	int n = o->argc - optind;

	if (n < min)
		err_usage(err, "%s: %s is missing", name, what);
	else if (n > max)
		err_usage(err, "%s: unexpected '%s'", name, o->argv[optind + max]);
	else
		return 0;
	err_hint(err, "usage: thruway %s %s", name, o->ctx->command->synopsis);
	return -EINVAL;
}

int opts_driver(const struct opts *o, const char *name, const char **ret, struct err *err)
{
	if (!*name || strlen(name) >= PCI_DRIVER_MAX || strchr(name, '/') || name[0] == '.')
		return err_usage(err, "%s: '%s' is no driver's name", o->ctx->command->name, name);
	*ret = name;
	return 0;
}

static const struct passwd *find_user(const char *name)
{
	const struct passwd *pw = getpwnam(name);
	uint64_t id;

	return !pw && uint_parse(name, UINT32_MAX - 1, &id) == 0 ? getpwuid((uid_t)id) : pw;
}

static const struct group *find_group(const char *name)
{
	const struct group *gr = getgrnam(name);
	uint64_t id;

	return !gr && uint_parse(name, UINT32_MAX - 1, &id) == 0 ? getgrgid((gid_t)id) : gr;
}

int opts_user(const struct opts *o, const char *text, unsigned *ret_uid, unsigned *ret_gid,
	      bool *ret_group, struct err *err)
{
	const char *command = o->ctx->command->name, *colon = ret_group ? strchr(text, ':') : NULL;
	const struct group *gr = colon ? find_group(colon + 1) : NULL;
	const struct passwd *pw;
	char name[256];

	snprintf(name, sizeof(name), "%.*s", (int)(colon ? colon - text : 255), text);
	pw = find_user(name);
	if (!pw)
		return err_usage(err, "%s: no user called '%s'", command, name);
	if (colon && !gr)
		return err_usage(err, "%s: no group called '%s'", command, colon + 1);
	*ret_uid = pw->pw_uid;
	*ret_gid = gr ? gr->gr_gid : pw->pw_gid;
	if (ret_group)
		*ret_group = gr;
	return 0;
}

/* Completion reads these rows: reasons with ", " between, and nothing else. */
static void print_reasons(const struct command *c, FILE *out)
{
	unsigned reasons = c->reasons ? c->reasons : (1u << IN_USE_REASONS) - 1;
	size_t column = 0;

	for (unsigned i = 0; i < IN_USE_REASONS; i++) {
		const char *word = in_use_word(i);

		if (!(reasons & 1u << i))
			continue;
		if (column && column + strlen(word) > 80) {
			fprintf(out, ",\n");
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%s", column ? ", " : "                        ", word);
	}
	fputc('\n', out);
}

void opts_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: thruway %s %s\n\n%s\n\nOptions:\n", c->name, c->synopsis, c->help);
	for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
		if (!common[i].takes || (c->takes & common[i].takes))
			fprintf(out, "  %s\n", common[i].help);
		if (c->takes & common[i].takes & TAKES_FORCE)
			print_reasons(c, out);
	}
}
