// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_opts_file.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/fd.h"
#include "base/near.h"
#include "tools/opts.h"

static int fail_unknown(const struct vm_file *file, const struct spec_setting *key,
			const struct option *options, struct err *err)
{
	const char *words[OPTS_MAX], *near;
	size_t n = 0;

	for (; options[n].name && n < OPTS_MAX; n++)
		words[n] = options[n].name;
	near = near_word(key->text, words, n);
	err_usage(err, "%s: unknown key '%.48s'%s%s%s", SPEC_PLACE_STR(&file->spec, key->at),
		  key->text, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return err_hint(err, "the keys are the options of thruway vm run, without --");
}

static bool repeats(const struct vm_opts_table *table, int val)
{
	for (const int *r = table->repeats; *r; r++)
		if (*r == val)
			return true;
	return false;
}

static int take_switch(struct vm_opts *o, const struct vm_opts_table *table,
		       const struct option *option, const char *text, struct err *err)
{
	static const char *const on[] = { "true", "yes", "on" }, *const off[] = { "false", "no", "off" };

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		if (strcmp(text, off[i]) == 0)
			return 0;
		if (strcmp(text, on[i]) == 0)
			return table->take(o, option->val, err);
	}
	return err_usage(err, "'%s' is true or false, not '%.48s'", option->name, text);
}

static int take_word(struct vm_opts *o, const struct vm_file_word *word,
		     const struct vm_opts_table *table, const struct option *option,
		     struct err *err)
{
	if (word->listed && !repeats(table, option->val))
		return err_usage(err, "'%s' is a single value, not a list", option->name);
	if (!word->value.text)
		return 0;
	if (option->has_arg == no_argument)
		return take_switch(o, table, option, word->value.text, err);
	optarg = (char *)word->value.text; /* where an option's value is looked for */
	return table->take(o, option->val, err);
}

int vm_opts_take_file(struct vm_opts *o, const struct vm_file *file,
		      const struct vm_opts_table *table, struct err *err)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct vm_file_word *word = &file->words[i];
		const struct option *option = table->options;

		while (option->name && strcmp(option->name, word->key.text) != 0)
			option++;
		if (!option->name)
			return fail_unknown(file, &word->key, table->options, err);
		if (table->said[option - table->options] && !repeats(table, option->val))
			continue;
		if (take_word(o, word, table, option, err) < 0)
			return err_prefix(err, "%s", SPEC_PLACE_STR(&file->spec, word->value.at));
	}
	return 0;
}
