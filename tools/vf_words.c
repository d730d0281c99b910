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
	if (!w->count)
		return err_usage(err, "vf%u: one VF is changed at a time", vf);
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

	if (*to)
		return err_usage(err, "%s is given twice", word);
	if (uint_parse(value, 65535, &n) < 0 || !n)
		return err_usage(err, "%s takes a number from 1, not \"%s\"", word, value);
	*to = (unsigned)n;
	return 0;
}

/* Of one VF or, while `now` is that of all, of each. */
static int take_word(struct vf_words *w, struct vf_attrs *now, const char *word, const char *value,
		     struct err *err)
{
	unsigned *count = strcmp(word, "queues") == 0	  ? &w->queues :
			  strcmp(word, "interrupts") == 0 ? &w->interrupts : NULL;

	if (!count)
		return vf_attr_parse(now, word, value, err);
	if (now != &w->all) {
		err_usage(err, "%s is the same for all VFs", word);
		return err_hint(err, "say it before the first vfN");
	}
	return take_number(word, value, count, err);
}

/* What the kernel would refuse by a bare -EINVAL. */
static int check_rates(const struct vf_attrs *a, const struct vf_attrs *all, struct err *err)
{
	const struct vf_attrs *min = VF_HAS(a, VF_MIN_TX_RATE) ? a : all;
	const struct vf_attrs *max = VF_HAS(a, VF_MAX_TX_RATE) ? a : all;

	if (!VF_HAS(min, VF_MIN_TX_RATE) || !VF_HAS(max, VF_MAX_TX_RATE) || !max->max_tx_rate ||
	    min->min_tx_rate <= max->max_tx_rate)
		return 0;
	err_usage(err, "min_tx_rate %u is more than max_tx_rate %u", min->min_tx_rate,
		  max->max_tx_rate);
	return err_hint(err, "a max_tx_rate of 0 is no limit");
}

int vf_words_parse(char *const *words, unsigned n, struct vf_words *ret, struct err *err)
{
	struct vf_attrs *now = &ret->all;
	unsigned vf;
	int r = 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		const char *word = words[i];
		bool chosen = vf_number(word, &vf) == 0;

		if (i + 1 == n)
			return err_usage(err, chosen ? "%s needs an attribute" : "%s needs a value",
					 word);
		r = chosen ? choose_vf(ret, vf, &now, err)
			   : take_word(ret, now, word, words[++i], err);
	}
	if (r == 0)
		r = check_rates(&ret->all, &ret->all, err);
	for (unsigned i = 0; r == 0 && ret->each && i < ret->count; i++)
		r = check_rates(&ret->each[i], &ret->all, err);
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
			err_usage(err, "'%s' is not a VF of this host", word);
			return err_hint(err, "PF/vfN, as in eth0/vf3, or the VF's own address: "
					"thruway vf list shows them");
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
