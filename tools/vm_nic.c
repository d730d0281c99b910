// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_nic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/sha256.h"
#include "base/size.h"
#include "tools/vm_macvtap.h"
#include "tools/vm_rings.h"
#include "tools/vm_tap.h"
#include "tools/vm_vdpa.h"

#define MAC_STRLEN 17
#define MTU_MIN 68 /* what IPv4 needs */

/* --- the command line --- */

bool vm_nic_parse_mac(const char *text, uint8_t ret[6])
{
	unsigned b[6];
	int end = 0;

	if (strlen(text) != MAC_STRLEN)
		return false;
	for (unsigned i = 0; i < 6; i++)
		if (strspn(text + 3 * i, "0123456789abcdefABCDEF") != 2)
			return false;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != 6 ||
	    text[end])
		return false;
	for (unsigned i = 0; i < 6; i++)
		ret[i] = (uint8_t)b[i];
	return !(ret[0] & 1) && (b[0] | b[1] | b[2] | b[3] | b[4] | b[5]);
}

static int parse_name(const char *name, const char *what, char ret[IFNAMSIZ], struct err *err)
{
	if (!*name || strlen(name) >= IFNAMSIZ || strchr(name, '/'))
		return err_usage(err, "--nic: '%s' is no name of a %s", name, what);
	strcpy(ret, name);
	return 0;
}

static int parse_host(const char *text, struct vm_opt_nic *nic, struct err *err)
{
	if (strncmp(text, "tap:", 4) == 0)
		return parse_name(text + 4, "bridge", nic->bridge, err);
	if (strncmp(text, "macvtap:", 8) == 0)
		return parse_name(text + 8, "macvtap", nic->macvtap, err);
	if (strncmp(text, "vdpa:", 5) == 0)
		return vm_vdpa_parse(text + 5, nic->vdpa, err);
	if (vm_backend_is(text))
		return vm_backend_parse("--nic", text, nic->socket, err);
	err_usage(err, "--nic: '%s' is no network device", text);
	return err_hint(err, "write tap:BRIDGE, such as tap:br0, macvtap:DEV, vhost-user:SOCK or vdpa:DEV");
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, unsigned *ret)
{
	uint64_t n;

	if (uint_parse(text, max, &n) < 0 || n < min)
		return false;
	*ret = (unsigned)n;
	return true;
}

static int parse_word(const char *word, struct vm_opt_nic *nic, struct err *err)
{
	if (strncmp(word, "mac=", 4) == 0) {
		nic->has_mac = vm_nic_parse_mac(word + 4, nic->mac);
		if (!nic->has_mac)
			return err_usage(err, "--nic: '%s' is no MAC of one device", word + 4);
		return 0;
	}
	if (strncmp(word, "queues=", 7) == 0 &&
	    parse_number(word + 7, 1, VMM_NIC_PAIRS_MAX, &nic->queues))
		return 0;
	if (strncmp(word, "mtu=", 4) == 0 && parse_number(word + 4, MTU_MIN, VM_NIC_MTU_MAX, &nic->mtu))
		return 0;
	if (strcmp(word, "vhost=off") == 0 || strcmp(word, "vhost=on") == 0) {
		nic->no_vhost = word[7] == 'f';
		return 0;
	}
	if (vm_rings_word(word, &nic->packed))
		return 0;
	err_usage(err, "--nic: '%s' is not possible", word);
	return err_hint(err, "behind the interface: mac=MAC, queues=1 to %d, mtu=%d to %d, vhost=on|off, "
			     "packed=on|off",
			VMM_NIC_PAIRS_MAX, MTU_MIN, VM_NIC_MTU_MAX);
}

static int check_backend(const struct vm_opt_nic *nic, bool said_vhost, struct err *err)
{
	if (!nic->socket[0] || !said_vhost)
		return 0;
	err_usage(err, "--nic: vhost= is for a tap or a macvtap; here the backend moves the packets");
	return err_hint(err, "leave it out");
}

static int check_rings(const struct vm_opt_nic *nic, struct err *err)
{
	if (nic->packed != VM_ON || nic->no_vhost || nic->socket[0])
		return 0;
	err_usage(err, "--nic: the kernel's vhost-net has no packed rings");
	return err_hint(err, "packed=on goes with vhost=off, or with vhost-user");
}

/* What a macvtap has of its own is changed where it is. */
static int check_macvtap(const struct vm_opt_nic *nic, struct err *err)
{
	if (!nic->macvtap[0] || !(nic->has_mac || nic->mtu))
		return 0;
	err_usage(err, "--nic: a macvtap has its own %s, which is the guest's", nic->mtu ? "MTU" : "MAC");
	return err_hint(err, "ip link set %s %s gives it another", nic->macvtap,
			nic->mtu ? "mtu MTU" : "address MAC");
}

/* What a vDPA device is, whoever made it has said. */
static int check_vdpa(const struct vm_opt_nic *nic, const char *word, struct err *err)
{
	if (!nic->vdpa[0])
		return 0;
	err_usage(err, "--nic: '%s' is not possible with vdpa: the device has its own", word);
	return err_hint(err, "vdpa dev add name NAME mgmtdev DEV mac MAC mtu N max_vqp N makes it so");
}

int vm_nic_parse(const char *text, struct vm_opt_nic *ret, struct err *err)
{
	struct vm_opt_nic nic = { .queues = 1 };
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	bool said_vhost = false;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "--nic");
	r = parse_host(strsep(&rest, ","), &nic, err);
	while (r == 0 && (word = strsep(&rest, ","))) {
		said_vhost |= strncmp(word, "vhost=", 6) == 0;
		r = check_vdpa(&nic, word, err);
		if (r == 0)
			r = parse_word(word, &nic, err);
	}
	if (r == 0)
		r = check_macvtap(&nic, err);
	if (r == 0)
		r = check_backend(&nic, said_vhost, err);
	if (r == 0)
		r = check_rings(&nic, err);
	if (r == 0)
		*ret = nic;
	return r;
}

/* --- opening --- */

void vm_nic_init(struct vmm_nic *nic)
{
	*nic = (struct vmm_nic){ .pairs = 1, .backend_fd = -1 };
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++)
		nic->tap_fd[i] = nic->vhost_fd[i] = -1;
}

/* Local, of one device, and the same for a VM of this name and place at each start. */
static void choose_mac(const char *vm, unsigned index, uint8_t ret[6])
{
	uint8_t digest[SHA256_SIZE];
	char text[128];

	snprintf(text, sizeof(text), "thruway nic %u of %s", index, vm);
	sha256(text, strlen(text), digest);
	memcpy(ret, digest, 6);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 2);
}

/* One for each pair: each has a thread of the kernel's. */
static int open_vhost(int root, struct vmm_nic *ret, struct err *err)
{
	for (unsigned i = 0; i < ret->pairs; i++) {
		int fd = hostfs_open(root, O_RDWR, "dev/vhost-net");

		if (fd < 0) {
			err_set(err, fd, "--nic: cannot open /dev/vhost-net");
			return fd == -ENOENT || fd == -ENODEV || fd == -ENXIO ?
				       err_hint(err, "modprobe vhost_net, or say vhost=off, which costs CPU") :
				       fd;
		}
		ret->vhost_fd[i] = fd;
	}
	return 0;
}

static int open_backend(const struct vm_opt_nic *nic, struct vmm_nic *ret, struct err *err)
{
	const char *name = strrchr(nic->socket, '/');

	ret->vhost_user = true;
	ret->mtu = (uint16_t)nic->mtu;
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)sizeof(ret->host) - 1,
		 name ? name + 1 : nic->socket);
	return vm_backend_connect("--nic", nic->socket, &ret->backend_fd, err);
}

int vm_nic_open(int root, const struct vm_opt_nic *nic, const char *vm, unsigned index,
		struct vmm_nic *ret, struct err *err)
{
	int r = nic->macvtap[0] || nic->socket[0] || nic->vdpa[0] ? 0 : vm_tap_check(root, nic, err);

	if (r < 0)
		return r;
	ret->pairs = nic->queues;
	if (nic->vdpa[0])
		return vm_vdpa_open(root, nic->vdpa, ret, err);
	ret->macvtap = nic->macvtap[0];
	ret->packed = nic->packed == VM_ON;
	if (nic->has_mac)
		memcpy(ret->mac, nic->mac, sizeof(ret->mac));
	else
		choose_mac(vm, index, ret->mac);
	if (nic->socket[0])
		return open_backend(nic, ret, err);
	r = nic->no_vhost ? 0 : open_vhost(root, ret, err);
	if (r < 0)
		return r;
	return ret->macvtap ? vm_macvtap_open(root, nic, ret, err) : vm_tap_open(root, nic, ret, err);
}
