// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/topo.h"

static json_t *below(const struct topo_view *v, unsigned root, int i);

static json_t *function(const struct topo_view *v, unsigned root, int i)
{
	json_t *o = describe_json(v->d, topo_view_dev(v, i));
	const struct acs_function *f = &v->acs.functions[i];
	char text[64];

	if (!o)
		return NULL;
	if (!pci_function_is_endpoint(topo_view_dev(v, i)))
		json_object_set_new(o, "bridge",
				    json_string(topo_view_bridge(v, i, text, sizeof(text))));
	if (f->has_slot && f->slot)
		json_object_set_new(o, "slot", json_integer(f->slot));
	json_object_set_new(o, "children", below(v, root, i));
	return o;
}

static json_t *below(const struct topo_view *v, unsigned root, int i)
{
	json_t *list = json_array();

	for (int at = topo_view_first(v, root, i); at != PCI_TREE_NONE; at = topo_view_next(v, at))
		json_array_append_new(list, function(v, root, at));
	return list;
}

static json_t *lane_json(const struct topo_view *v, const struct topo_lane *lane)
{
	const struct pci_tree *t = &v->acs.tree;
	json_t *roots = json_array();

	for (unsigned r = 0; r < t->root_count; r++) {
		if (topo_view_in_lane(v, r, lane))
			json_array_append_new(roots,
					      json_pack("{s:s, s:o}", "name", t->roots[r].name,
							"children", below(v, r, PCI_TREE_NONE)));
	}
	return json_pack("{s:o, s:o}", "numa_node",
			 lane->numa_node < 0 ? json_null() : json_integer(lane->numa_node),
			 "host_bridges", roots);
}

json_t *topo_json(const struct topo_view *v)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < v->lane_count; i++)
		json_array_append_new(list, lane_json(v, &v->lanes[i]));
	return list;
}
