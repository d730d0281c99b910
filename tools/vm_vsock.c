// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <linux/vhost.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "base/log.h"
#include "base/size.h"
#include "vmm/handover.h"

/* 0 to 2 are the hypervisor's, the local machine and the host, the last one is anybody. */
#define CID_FIRST 3u
#define CID_LAST  0xfffffffeu
/* For auto: as many as there may be VMs, and as many of others'. */
#define TRIES	  8192u

int vm_vsock_parse(const char *text, struct vm_opt_vsock *ret, struct err *err)
{
	struct vm_opt_vsock opts = { .wanted = true };
	uint64_t n;

	if (strncmp(text, "cid=", 4) != 0) {
		err_usage(err, "--vsock: '%s' is no address", text);
		return err_hint(err, "write cid=N, such as cid=%u, or cid=auto", CID_FIRST);
	}
	if (strcmp(text + 4, "auto") != 0) {
		if (uint_parse(text + 4, CID_LAST, &n) < 0 || n < CID_FIRST) {
			err_usage(err, "--vsock: '%s' is not a number from %u to %u", text + 4,
				  CID_FIRST, CID_LAST);
			return err_hint(err, "0 to 2 are the hypervisor, a machine itself, and the host; "
					     "cid=auto takes one that is free");
		}
		opts.cid = (uint32_t)n;
	}
	*ret = opts;
	return 0;
}

static int open_node(int root, int *ret_fd, struct err *err)
{
	int fd = hostfs_open(root, O_RDWR, "dev/vhost-vsock");

	if (fd < 0)
		err_set(err, fd, "--vsock: cannot open /dev/vhost-vsock");
	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		return err_hint(err, "modprobe vhost_vsock");
	if (fd == -EACCES || fd == -EPERM)
		return err_hint(err, "run it as root, or add the user to the group kvm");
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int take(int fd, uint32_t cid)
{
	__u64 value = cid;
	int r = SIZED_IOCTL(fd, VHOST_VSOCK_SET_GUEST_CID, &value);

	return r < 0 ? r : 0;
}

static int take_any(int fd, uint32_t *ret_cid)
{
	int r = -EADDRINUSE;

	for (uint32_t cid = CID_FIRST; cid < CID_FIRST + TRIES && r == -EADDRINUSE; cid++) {
		r = take(fd, cid);
		if (r == 0)
			*ret_cid = cid;
	}
	return r;
}

int vm_vsock_open(int root, const struct vm_opt_vsock *opts, struct vmm_config *config,
		  struct err *err)
{
	_cleanup_close_ int fd = -1;
	uint32_t cid = opts->cid;
	int r = opts->wanted ? open_node(root, &fd, err) : 0;

	if (r < 0 || !opts->wanted)
		return r;
	r = cid ? take(fd, cid) : take_any(fd, &cid);
	if (r == -EADDRINUSE && opts->cid) {
		err_set(err, r, "--vsock: another guest has the address %u", opts->cid);
		return err_hint(err, "cid=auto takes one that is free");
	}
	if (r < 0)
		return err_set(err, r, "--vsock: cannot have an address");
	if (!opts->cid)
		log_note("--vsock: its address is %u", cid);
	config->vsock_cid = cid;
	config->vsock_fd = TAKE_FD(fd);
	return 0;
}
