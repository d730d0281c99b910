// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/nvme_virt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

#define OFFLINE "offline queues 0 interrupts 0"

static const char *const resource_words[] = { "queues", "interrupts" };

static int fail(const struct pf *pf, int code, uint16_t status, const char *what, struct err *err)
{
	char text[80];

	if (code != -EREMOTEIO)
		return err_set(err, code, "%s: cannot %s (%s)", BDF_STR(pf->bdf), what, pf->nvme);
	return err_plain(err, -EIO, "%s: the controller %s refuses to %s: %s", BDF_STR(pf->bdf),
			 pf->nvme, what, nvme_status_str(status, text, sizeof(text)));
}

/* --- sharing out ----------------------------------------------------------------------------- */

int nvme_share(const struct nvme_pool *pool, enum nvme_resource what, unsigned taken, unsigned n,
	       unsigned asked, unsigned *ret, struct err *err)
{
	unsigned least = what == NVME_QUEUES ? NVME_MIN_QUEUES : 1;
	unsigned held = pool->of_primary + taken;
	unsigned free_now = pool->total > held ? pool->total - held : 0;
	unsigned each = free_now / n;
	const char *word = resource_words[what];

	if (pool->max && each > pool->max)
		each = pool->max;
	if (each > pool->step)
		each -= each % pool->step;
	if (asked && asked < least) {
		err_plain(err, -ENOSPC, "%u %s for each VF are too few", asked, word);
		return err_hint(err, "a VF is brought online with %u at least", least);
	}
	if (each < (asked ? asked : least)) {
		err_plain(err, -ENOSPC, "of %u flexible %s %u are free: not %u for each of %u VFs",
			  pool->total, word, free_now, asked > least ? asked : least, n);
		if (pool->of_primary)
			return err_hint(err, "the physical function holds %u of them itself",
					pool->of_primary);
		if (each >= least)
			return err_hint(err, "%u to %u for each is possible", least, each);
		return err_hint(err, "at most %u VFs can be brought online", free_now / least);
	}
	*ret = asked ? asked : each;
	return 0;
}

static int read_list(int fd, const struct pf *pf, struct nvme_secondary **ret, unsigned *ret_count,
		     uint16_t *ret_status)
{
	_cleanup_free_ struct nvme_secondary *list = calloc(pf->totalvfs + 1, sizeof(*list));
	int r;

	if (!list)
		return -ENOMEM;
	r = nvme_secondary_list(fd, list, pf->totalvfs, ret_status);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	*ret_count = (unsigned)r;
	return 0;
}

static const struct nvme_secondary *find_vf(const struct nvme_secondary *list, unsigned count,
					    unsigned vf)
{
	for (unsigned i = 0; i < count; i++) {
		if (list[i].vf == vf)
			return &list[i];
	}
	return NULL;
}

static unsigned held_by_others(const struct nvme_secondary *list, unsigned count, unsigned n,
			       enum nvme_resource what)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += list[i].vf < n ? 0 : list[i].count[what];
	return sum;
}

static int open_virt(int root, const struct pf *pf, int *ret_fd, struct nvme_virt *ret_virt,
		     struct err *err)
{
	_cleanup_close_ int fd = nvme_open(root, pf->nvme);
	uint16_t status = 0;
	int r;

	if (fd < 0)
		return err_set(err, fd, "%s: cannot open /%s/%s", BDF_STR(pf->bdf), "dev",
			       pf->nvme);
	r = nvme_virt_read(fd, ret_virt, &status);
	if (r == -EOPNOTSUPP)
		return r;
	if (r < 0)
		return fail(pf, r, status, "say what its VFs can have", err);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int add_step(struct plan *plan, const struct pf *pf, unsigned vf, const char *after)
{
	struct step step = { .op = "nvme" };

	bdf_str(pf->bdf, step.dev);
	snprintf(step.key, sizeof(step.key), "vf%u", vf);
	snprintf(step.after, sizeof(step.after), "%s", after);
	return plan_add(plan, &step);
}

static int plan_shares(const struct pf *pf, const struct nvme_virt *virt,
		       const struct nvme_secondary *list, unsigned count, unsigned n,
		       const unsigned asked[2], struct plan *plan, struct err *err)
{
	unsigned share[2] = { 0, 0 };
	char after[STEP_VALUE_MAX];
	int r = 0;

	for (unsigned what = NVME_QUEUES; what <= NVME_INTERRUPTS && r == 0; what++) {
		if (virt->pools[what].flexible)
			r = nvme_share(&virt->pools[what], what,
				       held_by_others(list, count, n, what), n, asked[what],
				       &share[what], err);
	}
	if (r < 0) {
		err_prefix(err, "%s", BDF_STR(pf->bdf));
		return r;
	}
	snprintf(after, sizeof(after), "online queues %u interrupts %u", share[NVME_QUEUES],
		 share[NVME_INTERRUPTS]);
	for (unsigned vf = 0; vf < n && r == 0; vf++) {
		if (!find_vf(list, count, vf))
			return err_plain(err, -ENODEV, "%s: the controller %s lists no secondary "
					 "controller for vf%u", BDF_STR(pf->bdf), pf->nvme, vf);
		r = add_step(plan, pf, vf, after);
	}
	return r;
}

int nvme_plan_online(int root, const struct pf *pf, unsigned n, unsigned queues,
		     unsigned interrupts, struct plan *plan, struct err *err)
{
	const unsigned asked[] = { queues, interrupts };
	_cleanup_free_ struct nvme_secondary *list = NULL;
	_cleanup_close_ int fd = -1;
	struct nvme_virt virt;
	uint16_t status = 0;
	unsigned count = 0;
	int r = open_virt(root, pf, &fd, &virt, err);

	if (r == -EOPNOTSUPP && !queues && !interrupts)
		return 0;
	if (r == -EOPNOTSUPP)
		return err_plain(err, r, "%s: the controller %s cannot give queues or interrupts "
				 "to VFs", BDF_STR(pf->bdf), pf->nvme);
	if (r < 0)
		return r;
	r = read_list(fd, pf, &list, &count, &status);
	if (r < 0)
		return fail(pf, r, status, "list its secondary controllers", err);
	return plan_shares(pf, &virt, list, count, n, asked, plan, err);
}

int nvme_plan_offline(int root, const struct pf *pf, struct plan *plan, struct err *err)
{
	_cleanup_free_ struct nvme_secondary *list = NULL;
	_cleanup_close_ int fd = -1;
	struct nvme_virt virt;
	uint16_t status = 0;
	unsigned count = 0;
	int r = open_virt(root, pf, &fd, &virt, err);

	if (r == -EOPNOTSUPP)
		return 0;
	if (r == 0)
		r = read_list(fd, pf, &list, &count, &status);
	if (r < 0)
		return fail(pf, r, status, "list its secondary controllers", err);
	for (unsigned i = 0; i < count && r == 0; i++) {
		if (list[i].vf < pf->numvfs)
			r = add_step(plan, pf, list[i].vf, OFFLINE);
	}
	return r;
}

int nvme_vfs_read(int root, const struct pf *pf, struct nvme_secondary *ret, unsigned n)
{
	_cleanup_free_ struct nvme_secondary *list = NULL;
	_cleanup_close_ int fd = -1;
	struct nvme_virt virt;
	uint16_t status = 0;
	unsigned count = 0;
	int r = open_virt(root, pf, &fd, &virt, NULL);

	if (r == 0)
		r = read_list(fd, pf, &list, &count, &status);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < count; i++) {
		if (list[i].vf < n)
			ret[list[i].vf] = list[i];
	}
	return 0;
}

/* --- the journal's row ----------------------------------------------------------------------- */

/* The PF, its controller and the entry of the VF that a step is about. */
struct target {
	struct pf pf;
	int fd;
	struct nvme_secondary secondary;
};

static int open_target(int root, const struct step *step, struct target *ret, uint16_t *ret_status)
{
	_cleanup_free_ struct nvme_secondary *list = NULL;
	const struct nvme_secondary *found;
	_cleanup_close_ int fd = -1;
	unsigned vf, count = 0;
	struct bdf bdf;
	int r, used = 0;

	if (bdf_parse(step->dev, &bdf) < 0 || sscanf(step->key, "vf%u%n", &vf, &used) != 1 ||
	    step->key[used])
		return -EINVAL;
	r = pf_read(root, bdf, &ret->pf, NULL);
	if (r < 0)
		return r;
	if (ret->pf.busy)
		return -EBUSY;
	/* Without its VF a secondary controller is nothing; nor is one without a driver. */
	if (vf >= ret->pf.numvfs || !ret->pf.nvme[0])
		return -ENODEV;
	fd = nvme_open(root, ret->pf.nvme);
	if (fd < 0)
		return fd;
	r = read_list(fd, &ret->pf, &list, &count, ret_status);
	if (r < 0)
		return r;
	found = find_vf(list, count, vf);
	if (!found)
		return -EOPNOTSUPP;
	ret->secondary = *found;
	ret->fd = TAKE_FD(fd);
	return 0;
}

static int nvme_read(int root, const struct step *step, char *buf, size_t size)
{
	struct target t = { .fd = -1 };
	uint16_t status = 0;
	int r = open_target(root, step, &t, &status);

	if (r < 0)
		return r;
	close_fdp(&t.fd);
	snprintf(buf, size, "%s queues %u interrupts %u", t.secondary.online ? "online" : "offline",
		 t.secondary.count[NVME_QUEUES], t.secondary.count[NVME_INTERRUPTS]);
	return 0;
}

/* Only an offline controller takes resources, and going offline gives up those it has. */
static int apply(int fd, const struct nvme_secondary *s, bool online, const unsigned count[2],
		 const char **ret_doing, uint16_t *ret_status)
{
	int r;

	*ret_doing = "bring it offline";
	r = nvme_secondary_set_online(fd, s->cntlid, false, ret_status);
	for (unsigned what = NVME_QUEUES; what <= NVME_INTERRUPTS && r >= 0; what++) {
		if (!count[what])
			continue;
		*ret_doing = what == NVME_QUEUES ? "give it queues" : "give it interrupts";
		r = nvme_secondary_assign(fd, s->cntlid, what, count[what], ret_status);
	}
	if (r >= 0 && online) {
		*ret_doing = "bring it online";
		r = nvme_secondary_set_online(fd, s->cntlid, true, ret_status);
	}
	return r < 0 ? r : 0;
}

static int nvme_write(int root, const struct step *step, const char *value, struct err *err)
{
	struct target t = { .fd = -1 };
	const char *doing = "find it";
	char state[16], what[160];
	uint16_t status = 0;
	unsigned count[2];
	int r;

	if (sscanf(value, "%15s queues %u interrupts %u", state, &count[0], &count[1]) != 3)
		return err_plain(err, -EINVAL, "%s %s: \"%s\" is not a state of a secondary "
				 "controller", step->dev, step->key, value);
	r = open_target(root, step, &t, &status);
	if (r == 0)
		r = apply(t.fd, &t.secondary, strcmp(state, "online") == 0, count, &doing,
			  &status);
	close_fdp(&t.fd);
	if (r == 0)
		return 0;
	snprintf(what, sizeof(what), "%s, %s (secondary controller %u)", doing, step->key,
		 t.secondary.cntlid);
	return fail(&t.pf, r, status, what, err);
}

static void nvme_describe(const struct step *step, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s", step->key, step->after);
}

const struct step_ops nvme_step_ops = {
	.op = "nvme",
	.read = nvme_read,
	.write = nvme_write,
	.describe = nvme_describe,
	.identity = pf_identity,
};
