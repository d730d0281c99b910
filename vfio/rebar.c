// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/rebar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hostfs.h"
#include "base/range.h"
#include "base/size.h"
#include "vfio/pci_function.h"
#include "vfio/pci_path.h"

#define DEVICES "sys/bus/pci/devices"
#define BARS	6

/* Bit n: 2^n MiB. 0 or -errno. */
static int read_sizes(int root, struct bdf bdf, unsigned bar, uint64_t *ret)
{
	char text[64];
	ssize_t n = hostfs_read(root, text, sizeof(text), DEVICES "/%s/resource%u_resize", BDF_STR(bdf),
				bar);

	if (n < 0)
		return (int)n;
	*ret = strtoull(text, NULL, 16);
	return 0;
}

static char *list_sizes(uint64_t sizes, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < 44 && len < size; i++)
		if (sizes & 1ull << i)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? ", " : "",
						SIZE_STR(MiB << i));
	return buf;
}

int rebar_plan(int root, struct bdf bdf, const struct rebar *rebar, struct plan *plan,
	       struct err *err)
{
	struct step s = { .op = "rebar" };
	char list[256];
	uint64_t sizes = 0;
	int r = read_sizes(root, bdf, rebar->bar, &sizes);

	if (r == -ENOENT) {
		err_plain(err, -EOPNOTSUPP, "%s: BAR %u cannot be resized", BDF_STR(bdf), rebar->bar);
		return err_hint(err, "the device must have the Resizable BAR capability for it, and the "
				     "kernel be 6.1 or later");
	}
	if (r < 0)
		return err_set(err, r, "%s: BAR %u cannot be resized", BDF_STR(bdf), rebar->bar);
	if (!is_pow2(rebar->size) || rebar->size < MiB || !(sizes & rebar->size / MiB)) {
		err_plain(err, -EINVAL, "%s: BAR %u cannot be of %s", BDF_STR(bdf), rebar->bar,
			  SIZE_STR(rebar->size));
		return err_hint(err, "it can be of %s", list_sizes(sizes, list, sizeof(list)));
	}
	bdf_str(bdf, s.dev);
	snprintf(s.key, sizeof(s.key), "%u", rebar->bar);
	snprintf(s.after, sizeof(s.after), "%" PRIu64, rebar->size);
	r = plan_add(plan, &s);
	return r < 0 ? err_set(err, r, "cannot plan the resizing") : 0;
}

/* --- the row ------------------------------------------------------------------------------------ */

/* What a file holds may be anything, the journal's too. */
static int parse(const struct step *step, struct bdf *ret_bdf, unsigned *ret_bar)
{
	uint64_t bar;

	if (bdf_parse(step->dev, ret_bdf) < 0 || uint_parse(step->key, BARS - 1, &bar) < 0)
		return -EINVAL;
	*ret_bar = (unsigned)bar;
	return 0;
}

static int rebar_read(int root, const struct step *step, char *buf, size_t size)
{
	struct pci_function dev;
	struct bdf bdf;
	unsigned bar;
	int r = parse(step, &bdf, &bar);

	if (r == 0)
		r = pci_function_read_unlocked(root, bdf, &dev);
	if (r < 0)
		return r;
	snprintf(buf, size, "%" PRIu64, dev.bars[bar].size);
	return 0;
}

static int rebar_write(int root, const struct step *step, const char *value, struct err *err)
{
	struct bdf bdf;
	uint64_t bytes;
	char bit[8];
	unsigned bar;
	int r = parse(step, &bdf, &bar);

	if (r < 0 || uint_parse(value, UINT64_MAX, &bytes) < 0 || !is_pow2(bytes) || bytes < MiB)
		return err_plain(err, -EINVAL, "%s: BAR %s cannot be of %s bytes", step->dev, step->key,
				 value);
	snprintf(bit, sizeof(bit), "%d", __builtin_ctzll(bytes / MiB));
	r = hostfs_write(root, bit, HOSTFS_DEADLINE_MS, NULL, DEVICES "/%s/resource%u_resize",
			 step->dev, bar);
	if (r == 0)
		return 0;
	err_set(err, r, "%s: BAR %u cannot be resized to %s", step->dev, bar, SIZE_STR(bytes));
	if (r == -ENOSPC)
		return err_hint(err, "the bridge above it has no room: turn 'Above 4G decoding' on in the "
				     "firmware, or take away what else is behind that bridge");
	if (r == -EBUSY)
		return err_hint(err, "something on this host uses its memory: thruway doctor %s",
				step->dev);
	return r;
}

static void rebar_describe(const struct step *step, char *buf, size_t size)
{
	uint64_t now = 0, after = 0;

	(void)uint_parse(step->before, UINT64_MAX, &now);
	(void)uint_parse(step->after, UINT64_MAX, &after);
	snprintf(buf, size, "resize BAR %s to %s (now %s)", step->key, SIZE_STR(after), SIZE_STR(now));
}

static int rebar_identity(int root, const struct step *step, char *buf, size_t size)
{
	struct bdf bdf;

	return bdf_parse(step->dev, &bdf) < 0 ? -EINVAL : pci_path_identity(root, bdf, buf, size);
}

const struct step_ops rebar_step_ops = {
	.op = "rebar",
	.read = rebar_read,
	.write = rebar_write,
	.describe = rebar_describe,
	.identity = rebar_identity,
};
