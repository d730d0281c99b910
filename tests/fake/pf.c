// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/fake/pf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hostfs.h"
#include "tests/fake/hostfs.h"
#include "tests/fake/sysfs.h"

static const struct fake_node machine[] = {
	{ FAKE_PF_DIR "/vendor", "0x8086" },
	{ FAKE_PF_DIR "/device", "0x10c9" },
	{ FAKE_PF_DIR "/class", "0x020000" },
	{ FAKE_PF_DIR "/numa_node", "0" },
	{ FAKE_PF_DIR "/driver", .link = "../../../bus/pci/drivers/igb" },
	{ FAKE_PF_DIR "/sriov_totalvfs", "7" },
	{ FAKE_PF_DIR "/sriov_numvfs", "0" },
	{ FAKE_PF_DIR "/sriov_offset", "128" },
	{ FAKE_PF_DIR "/sriov_stride", "2" },
	{ FAKE_PF_DIR "/sriov_vf_device", "10ca" },
	{ FAKE_PF_DIR "/sriov_drivers_autoprobe", "1" },
	{ FAKE_PF_DIR "/net/eth0" },
	{ "sys/class/net/eth0/flags", "0x1002" },
	{ "sys/class/net/eth0/ifindex", "2147483000" },
	{ "sys/class/net/eth0/carrier", "0" },
	{ "sys/class/net/eth0/device", .link = "../../../" FAKE_PF },
	{ "sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086" },
	{ "proc" },
	{ "run" },
	{ 0 },
};

static const char *vf_name(unsigned i, char *buf, size_t size)
{
	unsigned rid = 0x100 + 128 + 2 * i;

	snprintf(buf, size, "0000:%02x:%02x.%x", rid >> 8, rid >> 3 & 0x1f, rid & 7);
	return buf;
}

static void make_vf(struct fake_pf *k, unsigned i)
{
	char vf[24], dir[64];

	vf_name(i, vf, sizeof(vf));
	snprintf(dir, sizeof(dir), "sys/bus/pci/devices/%s", vf);
	fake_sysfs_text(k->root, "0x8086", "%s/vendor", dir);
	fake_sysfs_text(k->root, "0x10ca", "%s/device", dir);
	fake_sysfs_text(k->root, "0x020000", "%s/class", dir);
	fake_sysfs_text(k->root, "(null)", "%s/driver_override", dir);
	if (!k->no_physfn)
		fake_sysfs_link(k->root, "../" FAKE_PF, "%s/physfn", dir);
	snprintf(dir, sizeof(dir), "../%s", vf);
	fake_sysfs_link(k->root, dir, FAKE_PF_DIR "/virtfn%u", i);
}

static void remove_vf(struct fake_pf *k, unsigned i)
{
	char vf[24];

	fake_sysfs_remove(k->root, "sys/bus/pci/devices/%s", vf_name(i, vf, sizeof(vf)));
	fake_sysfs_remove(k->root, FAKE_PF_DIR "/virtfn%u", i);
}

static unsigned count(struct fake_pf *k)
{
	uint64_t n = 0;

	if (hostfs_read_u64(k->root, &n, FAKE_PF_DIR "/sriov_numvfs") < 0)
		abort();
	return (unsigned)n;
}

void fake_pf_set(struct fake_pf *k, unsigned n)
{
	char text[16];

	for (unsigned i = count(k); i > n; i--)
		remove_vf(k, i - 1);
	for (unsigned i = count(k); i < n; i++)
		make_vf(k, i);
	snprintf(text, sizeof(text), "%u", n);
	fake_sysfs_text(k->root, text, FAKE_PF_DIR "/sriov_numvfs");
}

/* A write that never ends: nobody reads the pipe, and opening it waits for a reader. */
static void hang(struct fake_pf *k)
{
	fake_sysfs_remove(k->root, FAKE_PF_DIR "/sriov_numvfs");
	if (mkfifoat(k->root, FAKE_PF_DIR "/sriov_numvfs", 0600) < 0)
		abort();
}

static int write_numvfs(struct fake_pf *k, unsigned n)
{
	unsigned now = count(k);
	int fail = k->fail;
	char text[16];

	if (n == now)
		return 0;
	if (n && now)
		return -EBUSY;
	if (n > k->total)
		return -ERANGE;
	if (k->hangs) {
		hang(k);
		return FAKE_HOSTFS_PASS;
	}
	if (n && fail) {
		k->fail = 0;
		return -fail;
	}
	if (k->late && n) { /* the number is there at once, its VFs are fake_pf_vf()'s */
		snprintf(text, sizeof(text), "%u", n);
		fake_sysfs_text(k->root, text, FAKE_PF_DIR "/sriov_numvfs");
		return 0;
	}
	fake_pf_set(k, k->at_most && n > k->at_most ? k->at_most : n);
	return 0;
}

static int on_write(void *opaque, int root, const char *path, const char *value)
{
	struct fake_pf *k = opaque;
	const char *file = strrchr(path, '/') + 1;

	if (k->die_at && k->nwrites + 1 == k->die_at)
		_exit(77);
	if (k->nwrites < FAKE_WRITES_MAX)
		snprintf(k->writes[k->nwrites++], sizeof(k->writes[0]), "%.30s=%.30s", file, value);
	if (strcmp(file, "sriov_numvfs") == 0)
		return write_numvfs(k, (unsigned)strtoul(value, NULL, 10));
	fake_sysfs_text(root, value, "%s", path);
	return 0;
}

void fake_pf_vf(struct fake_pf *k, unsigned i)
{
	make_vf(k, i);
}

void fake_pf_total(struct fake_pf *k, unsigned total)
{
	char text[16];

	k->total = total;
	snprintf(text, sizeof(text), "%u", total);
	fake_sysfs_text(k->root, text, FAKE_PF_DIR "/sriov_totalvfs");
}

void fake_pf_init(struct fake_pf *k)
{
	*k = (struct fake_pf){ .root = fake_sysfs(machine), .total = 7 };
	fake_hostfs(on_write, k);
}

void fake_pf_fini(struct fake_pf *k)
{
	fake_hostfs(NULL, NULL);
	fake_sysfs_free(&k->root);
}
