// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/control_balloon.h"

#include <errno.h>

#include "base/size.h"
#include "vmm/handover.h"
#include "vmm/machine.h"
#include "vmm/mem.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"

const char *const control_balloon_params[] = { "give_back", NULL };

static int refuse_node(const struct mem_node *node, struct err *err)
{
	if (node->kind == MEM_HUGETLB_2M || node->kind == MEM_HUGETLB_1G)
		return err_plain(err, -EOPNOTSUPP, "the guest's RAM is of hugepages, which cannot be "
						   "given back page by page");
	if (node->lock)
		return err_plain(err, -EOPNOTSUPP, "the guest's RAM is locked (lock=on)");
	return 0;
}

int control_balloon_refuse(const struct machine *m, struct err *err)
{
	int r = 0;

	if (vfio_pci_count(m->host_devices)) {
		err_plain(err, -EBUSY, "the guest has %s, which may write to any page of its RAM: none can "
				       "be given back", vfio_pci_name(m->host_devices, 0));
		return err_hint(err, "detach its devices first (thruway vm detach)");
	}
	for (unsigned i = 0; i < m->config->nic_count; i++)
		if (m->config->nics[i].vdpa)
			return err_plain(err, -EBUSY, "the guest has the vDPA device %s, which may write to any "
						      "page of its RAM: none can be given back",
					 m->config->nics[i].host);
	if (vfio_pci_pins_ram(m->host_devices))
		return err_plain(err, -EBUSY, "the host still resets a device that an error took out of "
					      "the guest, whose RAM is pinned until then");
	for (unsigned i = 0; r == 0 && i < m->config->numa.nodes; i++)
		r = refuse_node(&m->config->mem[i], err);
	return r;
}

bool control_balloon_reporting(const struct machine *m)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < m->config->numa.nodes; i++)
		r = refuse_node(&m->config->mem[i], NULL);
	return r == 0;
}

/* --- what is told --------------------------------------------------------------------------------- */

/* By the tags of 5.5.6.4; the last six are Linux's. */
static const char *const stat_names[BALLOON_STATS] = {
	"swapped_in_bytes", "swapped_out_bytes", "major_faults", "minor_faults", "free_bytes",
	"total_bytes", "available_bytes", "disk_caches_bytes", "hugetlb_allocations",
	"hugetlb_failures", "oom_kills", "allocation_stalls", "scanned_async", "scanned_direct",
	"reclaimed_async", "reclaimed_direct",
};

/* The guest may say any number. */
static json_t *number(uint64_t n)
{
	return json_integer(n < INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static json_t *guest_memory(const struct balloon_state *s)
{
	json_t *memory = s->told ? json_pack("{s:o}", "age_ms", number(s->stats.age_ms)) : json_null();

	for (unsigned i = 0; s->told && memory && i < BALLOON_STATS; i++)
		if (s->stats.have & 1u << i)
			json_object_set_new(memory, stat_names[i], number(s->stats.value[i]));
	return memory;
}

json_t *control_balloon_report(const struct machine *m)
{
	struct balloon_state s;

	if (!m->balloon)
		return json_null();
	virtio_balloon_get_state(m->balloon, &s);
	return json_pack("{s:I, s:I, s:I, s:b, s:b, s:o, s:o}", "memory_bytes",
			 (json_int_t)mem_size(m->vm.mem), "asked", (json_int_t)s.asked, "given_back",
			 (json_int_t)s.given, "driven", s.driven, "free_page_reporting", s.reporting,
			 "reported_bytes", number(s.reported), "guest_memory", guest_memory(&s));
}

int control_balloon(void *opaque, const json_t *params, json_t **ret, struct err *err)
{
	struct machine *m = opaque;
	const json_t *value = json_object_get(params, "give_back");
	json_int_t bytes = json_integer_value(value);
	int r;

	if (!m->balloon) {
		err_plain(err, -ENODEV, "the guest has no memory balloon");
		return err_hint(err, "start it with --balloon");
	}
	if (value && (!json_is_integer(value) || bytes < 0 || (uint64_t)bytes > mem_size(m->vm.mem)))
		return err_usage(err, "\"give_back\" is a number of bytes, at most %s",
				 SIZE_STR(mem_size(m->vm.mem)));
	/* Giving all back is always possible. */
	r = value && bytes ? control_balloon_refuse(m, err) : 0;
	if (r < 0)
		return r;
	if (value)
		virtio_balloon_ask(m->balloon, (uint64_t)bytes);
	*ret = control_balloon_report(m);
	return *ret ? 0 : err_set(err, -ENOMEM, "cannot report");
}
