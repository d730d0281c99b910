// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/failover_vf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/le.h"
#include "host/change.h"
#include "sriov/pf.h"
#include "sriov/vf_link.h"
#include "sriov/vf_plan.h"
#include "sriov/vf_set.h"
#include "vfio/pci_function.h"

int failover_vf_describe(int root, struct bdf bdf, struct failover_vf *ret, struct err *err)
{
	struct failover_vf vf = { .have = true, .bdf = bdf };
	struct pci_function dev;

	if (pci_function_read_binding(root, bdf, &dev) < 0)
		return err_plain(err, -ENODEV, "--nic: there is no device %s", BDF_STR(bdf));
	if (pf_of_vf(root, bdf, &vf.pf, &vf.index) < 0) {
		err_plain(err, -EINVAL, "--nic: %s is no VF: its MAC cannot be given away",
			  BDF_STR(bdf));
		return err_hint(err, "make VFs of its card (thruway vf create), or give it with --device");
	}
	*ret = vf;
	return 0;
}

enum failover_fault failover_vf_look(int root, const struct failover_vf *vf)
{
	struct pci_function dev;
	struct pf pf;

	if (!vf->have)
		return FAILOVER_NO_VF;
	if (pci_function_read_binding(root, vf->pf, &dev) < 0 ||
	    pf_read_interface(root, vf->pf, &pf) < 0 || !pf.netdevs)
		return FAILOVER_PF_GONE;
	if (!pf.up)
		return FAILOVER_PF_DOWN;
	if (!pf.carrier)
		return FAILOVER_NO_LINK;
	if (pci_function_read_binding(root, vf->bdf, &dev) < 0)
		return FAILOVER_VF_GONE;
	return pci_function_driver_is_vfio(dev.driver) ? FAILOVER_WELL : FAILOVER_UNBOUND;
}

bool failover_vf_may_do_dma(int root, const struct failover_vf *vf)
{
	_cleanup_close_ int fd = hostfs_open(root, O_RDONLY, "sys/bus/pci/devices/%s/config",
					     BDF_STR(vf->bdf));
	uint8_t command[2];

	return fd < 0 || pread(fd, command, 2, PCI_COMMAND) != 2 ||
	       get_le16(command) & PCI_COMMAND_MASTER;
}

/* --- its attributes ----------------------------------------------------------------------------- */

static int read_attrs(int root, const struct failover_vf *vf, struct pf *pf, struct vf_attrs *ret,
		      struct err *err)
{
	_cleanup_free_ struct vf_attrs *all = calloc(vf->index + 1ul, sizeof(*all));
	int r = pf_read(root, vf->pf, pf, err);

	if (!all)
		return err_set(err, -ENOMEM, "%s", BDF_STR(vf->bdf));
	if (r == 0)
		r = pf_refuse_busy(root, pf, "read the attributes of a VF of", err);
	if (r == 0)
		r = vf_set_check(pf, err);
	if (r < 0)
		return r;
	r = vf_link_read(root, pf, all, vf->index + 1);
	if (r <= (int)vf->index) {
		err_set(err, r < 0 ? r : -ENODEV, "%s: cannot read the attributes of vf%u",
			BDF_STR(vf->pf), vf->index);
		return vf_set_unreadable(err->code, err);
	}
	*ret = all[vf->index];
	return 0;
}

int failover_vf_mac(int root, const struct failover_vf *vf, uint8_t ret[6], struct err *err)
{
	struct vf_attrs now;
	struct pf pf;
	int r = read_attrs(root, vf, &pf, &now, err);

	if (r == 0)
		memcpy(ret, now.mac, 6);
	return r;
}

/* Frames for the guest would go to two. */
static int refuse_mac(int root, const struct failover_vf *vf, const struct pf *pf,
		      const struct vf_attrs *want, struct err *err)
{
	int r = vf_plan_refuse_mac(root, pf, vf->index, want, err);

	return r < 0 ? err_prefix(err, "--nic: %s cannot be the guest's", BDF_STR(vf->bdf)), r : 0;
}

int failover_vf_claim(int root, struct failover_vf *vf, const uint8_t mac[6],
		      unsigned lock_timeout_s, struct err *err)
{
	const struct journal_owner owner = { .command = "vm run --nic", .until_exit = true };
	_cleanup_(plan_fini) struct plan plan = PLAN_INIT;
	struct vf_attrs want = { .have = 1u << VF_MAC }, now;
	struct pf pf;
	int r = read_attrs(root, vf, &pf, &now, err);

	memcpy(want.mac, mac, sizeof(want.mac));
	if (r == 0)
		r = refuse_mac(root, vf, &pf, &want, err);
	if (r == 0)
		r = vf_plan_attrs(&pf, vf->index, &want, &now, &plan, err);
	vf->has_own_mac = r == 0 && !plan.count;
	/* One that has it already is without it while it rests, and must not stay so if we are killed. */
	if (r == 0 && !plan.count && vf_plan_remember(&pf, vf->index, &want, &plan) < 0)
		r = err_set(err, -ENOMEM, "%s", BDF_STR(vf->bdf));
	if (r == 0)
		r = change_apply(root, &plan, &owner, lock_timeout_s, err);
	if (r < 0)
		return r;
	vf->attrs = now;
	memcpy(vf->attrs.mac, mac, sizeof(vf->attrs.mac));
	return 0;
}

void failover_vf_note(int root, struct failover_vf *vf)
{
	_cleanup_free_ struct vf_attrs *now = calloc(vf->index + 1ul, sizeof(*now));
	struct pf pf;

	if (!now || !vf->attrs.have || pf_read_interface(root, vf->pf, &pf) < 0 ||
	    vf_link_read(root, &pf, now, vf->index + 1) <= (int)vf->index)
		return;
	memcpy(now[vf->index].mac, vf->attrs.mac, sizeof(vf->attrs.mac));
	vf->attrs = now[vf->index];
}

int failover_vf_ready(int root, const struct failover_vf *vf, struct err *err)
{
	struct vf_attrs now;
	struct pf pf;
	int r = read_attrs(root, vf, &pf, &now, err);

	for (enum vf_group g = 0; r == 0 && g < VF_GROUP_COUNT; g++) {
		char was[STEP_VALUE_MAX], is[STEP_VALUE_MAX];

		if (vf_group_format(&vf->attrs, g, was, sizeof(was)) < 0 ||
		    vf_group_format(&now, g, is, sizeof(is)) < 0 || strcmp(was, is) == 0)
			continue;
		r = vf_set(root, &pf, vf->index, g, &vf->attrs, err);
	}
	return r;
}

int failover_vf_rest(int root, const struct failover_vf *vf, struct err *err)
{
	_cleanup_free_ struct vf_attrs *now = calloc(vf->index + 1ul, sizeof(*now));
	const struct vf_attrs none = { .have = 1u << VF_MAC };
	struct pci_function dev;
	struct pf pf;
	int r = pf_read_interface(root, vf->pf, &pf);

	/* With it its MAC is gone. */
	if (r < 0 || !pf.netdevs || pci_function_read_binding(root, vf->bdf, &dev) < 0)
		return 0;
	r = vf_link_set(root, &pf, vf->index, VF_GROUP_MAC, &none);
	/* Some drivers give it another one then, which does as well. */
	if (r == 0 && now && vf->attrs.have && vf_link_read(root, &pf, now, vf->index + 1) > (int)vf->index &&
	    memcmp(now[vf->index].mac, vf->attrs.mac, sizeof(vf->attrs.mac)) == 0)
		r = -EIO;
	if (r == 0)
		return 0;
	return err_set(err, r, "%s: its driver does not take the guest's MAC from vf%u",
		       BDF_STR(vf->pf), vf->index);
}
