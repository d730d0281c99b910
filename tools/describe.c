// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/journal.h"
#include "tools/out.h"
#include "vfio/bind.h"

int describer_init(struct describer *d, int root, struct err *err)
{
	int r;

	*d = (struct describer){ .root = root, .topo = TOPO_INIT };
	r = topo_scan(root, &d->topo, err);
	if (r < 0)
		return r;
	d->names = names_open(root);
	if (!d->names)
		return err_set(err, -ENOMEM, "cannot look at this host");
	return in_use_open(root, &d->host, err);
}

void describer_fini(struct describer *d)
{
	d->names = names_close(d->names);
	d->host = in_use_close(d->host);
	topo_fini(&d->topo);
}

char *describe_name(struct describer *d, const struct pci_function *dev, char *buf, size_t size)
{
	char name[128];

	snprintf(buf, size, "%04x:%04x %s", dev->vendor, dev->device,
		 names_device(d->names, dev->vendor, dev->device, name, sizeof(name)));
	return buf;
}

char *describe_relation(const struct pci_function *dev, char *buf, size_t size)
{
	buf[0] = '\0';
	if (dev->is_vf && dev->vf_index < 0)
		snprintf(buf, size, "VF ? of %s", BDF_STR(dev->pf));
	else if (dev->is_vf)
		snprintf(buf, size, "VF %d of %s", dev->vf_index, BDF_STR(dev->pf));
	else if (dev->total_vfs)
		snprintf(buf, size, "PF, %u of %u VFs", dev->num_vfs, dev->total_vfs);
	return buf;
}

char *describe_netdev(struct describer *d, const struct pci_function *dev, char *buf, size_t size)
{
	char name[32];
	size_t n = 0;

	buf[0] = '\0';
	/* A card with two ports may be one function: mlx4's are. */
	for (unsigned i = 0; i < dev->netdev_count && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? "," : "", dev->netdevs[i]);
	if (!dev->netdev_count &&
	    journal_note(d->root, BDF_STR(dev->bdf), BIND_NOTE_NETDEV, name, sizeof(name)) == 0)
		snprintf(buf, size, "(%s)", name);
	return buf;
}

char *describe_users(struct describer *d, const struct pci_function *dev, char *buf, size_t size)
{
	unsigned said = 0;
	struct in_use used;
	size_t n;

	in_use_find(d->host, dev, &used);
	n = (size_t)snprintf(buf, size, "%s", dev->busy ? "busy" : "");
	for (unsigned i = 0; i < used.count && n < size; i++) {
		enum in_use_reason reason = used.items[i].reason;

		if (said & 1u << reason)
			continue;
		/* The first in full; of the others the word. */
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "",
				      said ? in_use_word(reason) : used.items[i].what);
		said |= 1u << reason;
	}
	return buf;
}

static json_t *number_or_null(int v)
{
	return v >= 0 ? json_integer(v) : json_null();
}

static json_t *users_json(struct describer *d, const struct pci_function *dev)
{
	json_t *list = json_array();
	struct in_use used;

	in_use_find(d->host, dev, &used);
	for (unsigned i = 0; i < used.count; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "reason",
						      in_use_word(used.items[i].reason), "what",
						      out_json_text(used.items[i].what)));
	return list;
}

static json_t *names_json(const char (*names)[PCI_FUNCTION_NODE_MAX], unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, out_json_text(names[i]));
	return list;
}

/* Speeds in megatransfers per second and lane. */
static json_t *link_json(const struct pci_link *l)
{
	if (!l->max_width)
		return json_null();
	return json_pack("{s:i, s:i, s:i, s:i}", "speed", (int)l->mts, "width", (int)l->width,
			 "max_speed", (int)l->max_mts, "max_width", (int)l->max_width);
}

json_t *describe_json(struct describer *d, const struct pci_function *dev)
{
	char name[128], ids[16], class[8], netdev[40];
	json_t *o;

	snprintf(ids, sizeof(ids), "%04x:%04x", dev->vendor, dev->device);
	snprintf(class, sizeof(class), "%06x", dev->class & 0xffffff);
	o = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "device",
		      BDF_STR(dev->bdf), "ids", ids, "name",
		      names_device(d->names, dev->vendor, dev->device, name, sizeof(name)), "class",
		      class, "driver", out_json_text(dev->driver), "override",
		      out_json_text(dev->override), "group", number_or_null(dev->group),
		      "numa_node", number_or_null(dev->numa_node), "netdevs",
		      names_json(dev->netdevs, dev->netdev_count), "users", users_json(d, dev));
	if (!o)
		return NULL;
	json_object_set_new(o, "reset_methods", out_json_text(dev->reset_methods));
	json_object_set_new(o, "power_state", out_json_text(dev->power_state));
	json_object_set_new(o, "link", link_json(&dev->link));
	if (dev->busy)
		json_object_set_new(o, "busy", json_true());
	if (!dev->netdev_count && describe_netdev(d, dev, netdev, sizeof(netdev))[0] == '(') {
		netdev[strlen(netdev) - 1] = '\0';
		json_object_set_new(o, "netdev_when_restored", out_json_text(netdev + 1));
	}
	if (dev->is_vf)
		json_object_set_new(o, "vf",
				    json_pack("{s:s, s:o}", "pf", BDF_STR(dev->pf), "index",
					      number_or_null(dev->vf_index)));
	if (dev->total_vfs)
		json_object_set_new(o, "pf",
				    json_pack("{s:i, s:i}", "total_vfs", (int)dev->total_vfs,
					      "num_vfs", (int)dev->num_vfs));
	return o;
}
