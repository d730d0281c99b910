// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vf_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

void vf_words_fini(struct vf_words *words)
{
	free(words->each);
	words->each = NULL;
}

/* "vf12" and nothing else. */
static int vf_number(const char *word, unsigned *ret)
{
	uint64_t n;

	if (strncmp(word, "vf", 2) != 0 || uint_parse(word + 2, 65535, &n) < 0)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

static int choose_vf(struct vf_words *w, unsigned vf, struct vf_attrs **ret, struct err *err)
{
	if (vf >= w->count) {
		err_usage(err, "there is no vf%u among %u VFs", vf, w->count);
		return err_hint(err, "they count from vf0");
	}
	if (!w->each)
		w->each = calloc(w->count, sizeof(*w->each));
	if (!w->each)
		return err_set(err, -ENOMEM, "cannot keep the attributes");
	*ret = &w->each[vf];
	return 0;
}

static int take_number(const char *word, const char *value, unsigned *to, struct err *err)
{
	uint64_t n;

	if (uint_parse(value, 65535, &n) < 0 || !n)
		return err_usage(err, "%s takes a number from 1, not \"%s\"", word, value);
	*to = (unsigned)n;
	return 0;
}

int vf_words_parse(char *const *words, unsigned n, struct vf_words *ret, struct err *err)
{
	struct vf_attrs *now = &ret->all;
	unsigned vf;
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		const char *word = words[i];

		if (vf_number(word, &vf) == 0) {
			r = choose_vf(ret, vf, &now, err);
			continue;
		}
		if (i + 1 == n)
			return err_usage(err, "%s needs a value", word);
		i++;
		if (strcmp(word, "queues") == 0)
			r = take_number(word, words[i], &ret->queues, err);
		else if (strcmp(word, "interrupts") == 0)
			r = take_number(word, words[i], &ret->interrupts, err);
		else
			r = vf_attr_parse(now, word, words[i], err);
	}
	return r;
}

int vf_words_count(const char *word, unsigned *ret, struct err *err)
{
	uint64_t n;

	if (uint_parse(word, 65535, &n) < 0)
		return err_usage(err, "\"%s\" is not a number of VFs", word);
	*ret = (unsigned)n;
	return 0;
}

int vf_words_target(int root, const char *word, struct pf *ret_pf, unsigned *ret_vf,
		    struct err *err)
{
	const char *slash = strrchr(word, '/');
	struct bdf bdf, pf;
	char name[64];
	unsigned vf;
	int r;

	if (!slash) {
		if (bdf_parse(word, &bdf) < 0 || pf_of_vf(root, bdf, &pf, &vf) < 0) {
			err_usage(err, "%s is not a VF", word);
			return err_hint(err, "PF/vfN, as in eth0/vf3, or the VF's own address");
		}
		r = pf_read(root, pf, ret_pf, err);
	} else {
		if (vf_number(slash + 1, &vf) < 0 || (size_t)(slash - word) >= sizeof(name))
			return err_usage(err, "%s: \"%s\" is not vf and a number", word, slash + 1);
		snprintf(name, sizeof(name), "%.*s", (int)(slash - word), word);
		r = pf_find(root, name, ret_pf, err);
	}
	if (r == 0)
		*ret_vf = vf;
	return r;
}
