// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "sriov/vf_link.h"
#include "vfio/busy.h"
#include "vfio/names.h"

static const char *const words[] = {
	[EXPORT_LIBVIRT] = "libvirt",
	[EXPORT_QEMU] = "qemu",
	[EXPORT_CLOUD_HYPERVISOR] = "cloud-hypervisor",
};

int export_format_find(const char *word, enum export_format *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret = (enum export_format)i;
			return 0;
		}
	}
	return -ENOENT;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The first endpoint that keeps the group from being opened. */
static const struct pci_function *obstacle(const struct topo *topo, int group)
{
	const struct pci_function *d = NULL;

	while ((d = topo_group_next(topo, group, d))) {
		if (!pci_function_leaves_group_viable(d))
			return d;
	}
	return NULL;
}

static int refuse(int root, const struct topo *topo, const struct pci_function *dev,
		  struct err *err)
{
	const struct pci_function *other = dev->group < 0 ? NULL : obstacle(topo, dev->group);
	char bdf[BDF_STRLEN];

	bdf_str(dev->bdf, bdf);
	if (dev->busy)
		return busy_refuse(root, dev->bdf, "export", err);
	if (!pci_function_is_endpoint(dev))
		return err_plain(err, -EINVAL, "cannot export %s: it is a bridge", bdf);
	if (dev->vendor_vfio)
		return 0;
	if (!pci_function_driver_is_vfio(dev->driver)) {
		if (dev->driver[0])
			err_plain(err, -EBUSY, "cannot export %s: it is bound to %s", bdf,
				  dev->driver);
		else
			err_plain(err, -ENODEV, "cannot export %s: no driver is bound to it", bdf);
		return err_hint(err, "thruway bind %s", bdf);
	}
	if (other) {
		err_plain(err, -EBUSY, "cannot export %s: its group %d also holds %s (%s)", bdf,
			  dev->group, BDF_STR(other->bdf), other->driver);
		return err_hint(err, "thruway bind --group %s", bdf);
	}
	return 0;
}

static void read_attrs(int root, const struct pf *pf, struct export_device *d)
{
	_cleanup_free_ struct vf_attrs *all = calloc(d->vf + 1, sizeof(*all));

	if (all && vf_link_read(root, pf, all, d->vf + 1) > (int)d->vf)
		d->attrs = all[d->vf];
}

int export_read(int root, const struct topo *topo, struct bdf bdf, struct export_device *ret,
		struct err *err)
{
	const struct pci_function *dev = topo_find(topo, bdf);
	struct export_device d = { .bdf = bdf };
	struct names *names;
	struct pf pf;
	int r;

	if (!dev)
		return err_set(err, -ENODEV, "cannot export %s", BDF_STR(bdf));
	r = refuse(root, topo, dev, err);
	if (r < 0)
		return r;
	names = names_open(root);
	if (names)
		names_device(names, dev->vendor, dev->device, d.name, sizeof(d.name));
	names_close(names);
	d.is_vf = dev->is_vf;
	d.is_nic = dev->class >> 16 == 0x02;
	d.vf = dev->vf_index;
	if (d.is_vf && pf_read(root, dev->pf, &pf, NULL) == 0) {
		snprintf(d.pf, sizeof(d.pf), "%s", pf.netdev[0] ? pf.netdev : BDF_STR(pf.bdf));
		if (d.is_nic)
			read_attrs(root, &pf, &d);
	}
	*ret = d;
	return 0;
}

/* --- libvirt ---------------------------------------------------------------------------------- */

void export_print_xml(FILE *out, const char *text)
{
	char before = '\0';

	for (; *text; before = *text++) {
		switch (*text) {
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '&': fputs("&amp;", out); break;
		case '\'': fputs("&apos;", out); break;
		case '"': fputs("&quot;", out); break;
		case '-':
			if (before != '-')
				fputc('-', out);
			break;
		default: fputc((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text, out);
		}
	}
}

static void print_address(FILE *out, struct bdf bdf, const char *type)
{
	fprintf(out,
		"  <source>\n"
		"    <address%s domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n"
		"  </source>\n",
		type, bdf.domain, bdf.bus, bdf.dev, bdf.fn);
}

/*
 * libvirt writes MAC and VLAN of an <interface> through the PF each time a guest starts,
 * and knows neither priorities nor 802.1ad: those it would take away.
 */
static bool is_interface(const struct export_device *d)
{
	const struct vf_attrs *a = &d->attrs;

	return d->is_vf && d->is_nic && VF_HAS(a, VF_MAC) &&
	       !(VF_HAS(a, VF_QOS) && a->qos) && !(VF_HAS(a, VF_VLAN) && a->vlan &&
						   VF_HAS(a, VF_PROTO) && a->proto != VF_PROTO_8021Q);
}

static bool has_mac(const struct vf_attrs *a)
{
	static const uint8_t none[6];

	return memcmp(a->mac, none, sizeof(none)) != 0;
}

static void print_comment(FILE *out, const struct export_device *d, const char *note)
{
	fprintf(out, "<!-- %s", BDF_STR(d->bdf));
	if (d->is_vf && d->pf[0]) {
		fputs(", ", out);
		export_print_xml(out, d->pf);
		fprintf(out, "/vf%u", d->vf);
	}
	if (d->name[0]) {
		fputs(": ", out);
		export_print_xml(out, d->name);
	}
	fprintf(out, "%s -->\n", note);
}

static void print_interface(FILE *out, const struct export_device *d)
{
	char mac[18];

	print_comment(out, d, has_mac(&d->attrs) ? "" : "; it has no MAC set, libvirt makes one up");
	fprintf(out, "<interface type='hostdev' managed='no'>\n");
	print_address(out, d->bdf, " type='pci'");
	if (has_mac(&d->attrs))
		fprintf(out, "  <mac address='%s'/>\n", vf_mac_str(d->attrs.mac, mac));
	if (VF_HAS(&d->attrs, VF_VLAN) && d->attrs.vlan)
		fprintf(out, "  <vlan>\n    <tag id='%u'/>\n  </vlan>\n", d->attrs.vlan);
	fprintf(out, "</interface>\n");
}

static void print_hostdev(FILE *out, const struct export_device *d)
{
	bool kept = d->is_vf && d->is_nic && VF_HAS(&d->attrs, VF_MAC);

	print_comment(out, d, kept ? "; an interface element would lose its qos or proto" : "");
	fprintf(out, "<hostdev mode='subsystem' type='pci' managed='no'>\n");
	print_address(out, d->bdf, "");
	fprintf(out, "</hostdev>\n");
}

/* --- all -------------------------------------------------------------------------------------- */

/* Chassis numbers of a machine's own ports are small: ours begin where they hardly reach. */
#define QEMU_CHASSIS_FIRST 100

static void print_qemu(FILE *out, const struct export_device *d, size_t i)
{
	fprintf(out,
		"-device pcie-root-port,id=thruway-port%zu,bus=pcie.0,chassis=%zu\n"
		"-device vfio-pci,host=%s,id=thruway%zu,bus=thruway-port%zu\n",
		i, i + QEMU_CHASSIS_FIRST, BDF_STR(d->bdf), i, i);
}

void export_print(FILE *out, enum export_format format, const struct export_device *devs,
		  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct export_device *d = &devs[i];

		if (format == EXPORT_QEMU)
			print_qemu(out, d, i);
		else if (format == EXPORT_CLOUD_HYPERVISOR)
			fprintf(out, "%s path=/sys/bus/pci/devices/%s/%s", i ? "" : "--device",
				BDF_STR(d->bdf), i + 1 < count ? "" : "\n");
		else if (is_interface(d))
			print_interface(out, d);
		else
			print_hostdev(out, d);
	}
}
