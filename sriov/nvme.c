// SPDX-License-Identifier: GPL-2.0-or-later
#include "sriov/nvme.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <linux/nvme_ioctl.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "base/ioctl.h"
#include "base/le.h"

#define OP_IDENTIFY  0x06
#define OP_VIRT_MGMT 0x1c

#define CNS_CONTROLLER	0x01
#define CNS_PRIMARY	0x14
#define CNS_SECONDARIES 0x15

#define OACS_OFFSET    256
#define OACS_VIRT_MGMT (1u << 7)

/* Virtualization Management: the ACT field. */
#define ACT_OFFLINE 7
#define ACT_ASSIGN  8
#define ACT_ONLINE  9

#define IDENTIFY_SIZE 4096
#define ENTRY_SIZE    32
#define LIST_MAX      127 /* entries in one answer */
#define TIMEOUT_MS    30000

int nvme_open(int root, const char *controller)
{
	return hostfs_open(root, O_RDONLY, "dev/%s", controller);
}

static int admin(int fd, struct nvme_passthru_cmd *cmd, uint16_t *ret_status)
{
	int r = sys_ioctl(fd, NVME_IOCTL_ADMIN_CMD, cmd);

	if (r <= 0)
		return r;
	*ret_status = (uint16_t)(r & 0x7ff); /* type and code, without More and Do Not Retry */
	return -EREMOTEIO;
}

static int identify(int fd, unsigned cns, uint16_t cntlid, uint8_t *data, uint16_t *ret_status)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = OP_IDENTIFY,
		.addr = (uintptr_t)data,
		.data_len = IDENTIFY_SIZE,
		.cdw10 = cns | (uint32_t)cntlid << 16,
		.timeout_ms = TIMEOUT_MS,
	};

	memset(data, 0, IDENTIFY_SIZE);
	return admin(fd, &cmd, ret_status);
}

/* The 12 bytes that queues (at 32) and interrupts (at 64) have alike, and the granularity. */
static struct nvme_pool parse_pool(const uint8_t *p, bool flexible)
{
	struct nvme_pool pool = {
		.flexible = flexible,
		.total = get_le32(p),
		.of_primary = get_le16(p + 8),
		.max = get_le16(p + 12),
		.step = get_le16(p + 14),
	};

	if (!pool.step)
		pool.step = 1;
	return pool;
}

int nvme_virt_read(int fd, struct nvme_virt *ret, uint16_t *ret_status)
{
	uint8_t data[IDENTIFY_SIZE];
	int r = identify(fd, CNS_CONTROLLER, 0, data, ret_status);

	if (r < 0)
		return r;
	if (!(get_le16(data + OACS_OFFSET) & OACS_VIRT_MGMT))
		return -EOPNOTSUPP;
	r = identify(fd, CNS_PRIMARY, 0, data, ret_status);
	if (r < 0)
		return r;
	*ret = (struct nvme_virt){
		.cntlid = get_le16(data),
		.pools = {
			[NVME_QUEUES] = parse_pool(data + 32, data[4] & 1),
			[NVME_INTERRUPTS] = parse_pool(data + 64, data[4] & 2),
		},
	};
	return 0;
}

static bool parse_entry(const uint8_t *p, struct nvme_secondary *ret)
{
	unsigned vfn = get_le16(p + 8); /* 1 is the first VF; 0 a controller that is none */

	if (!vfn)
		return false;
	*ret = (struct nvme_secondary){
		.cntlid = get_le16(p),
		.vf = vfn - 1,
		.online = p[4] & 1,
		.count = {
			[NVME_QUEUES] = get_le16(p + 10),
			[NVME_INTERRUPTS] = get_le16(p + 12),
		},
	};
	return true;
}

int nvme_secondary_list(int fd, struct nvme_secondary *ret, unsigned max, uint16_t *ret_status)
{
	uint8_t data[IDENTIFY_SIZE];
	unsigned found = 0, n, first = 0;

	/* Each answer begins at the controller id asked for and holds up to 127 entries. */
	do {
		int r = identify(fd, CNS_SECONDARIES, (uint16_t)first, data, ret_status);

		if (r < 0)
			return r;
		n = data[0] <= LIST_MAX ? data[0] : LIST_MAX;
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *entry = data + ENTRY_SIZE * (i + 1);

			if (get_le16(entry) < first) /* a list that does not rise would never end */
				return -EBADMSG;
			first = get_le16(entry) + 1u;
			if (found < max && parse_entry(entry, &ret[found]))
				found++;
		}
	} while (n == LIST_MAX && first <= UINT16_MAX);
	return (int)found;
}

static int virt_mgmt(int fd, unsigned act, uint16_t cntlid, enum nvme_resource what, unsigned n,
		     uint16_t *ret_status)
{
	struct nvme_passthru_cmd cmd = {
		.opcode = OP_VIRT_MGMT,
		.cdw10 = act | (uint32_t)what << 8 | (uint32_t)cntlid << 16,
		.cdw11 = n,
		.timeout_ms = TIMEOUT_MS,
	};

	return admin(fd, &cmd, ret_status);
}

int nvme_secondary_assign(int fd, uint16_t cntlid, enum nvme_resource what, unsigned n,
			  uint16_t *ret_status)
{
	return virt_mgmt(fd, ACT_ASSIGN, cntlid, what, n, ret_status);
}

int nvme_secondary_set_online(int fd, uint16_t cntlid, bool online, uint16_t *ret_status)
{
	return virt_mgmt(fd, online ? ACT_ONLINE : ACT_OFFLINE, cntlid, 0, 0, ret_status);
}

const char *nvme_status_str(uint16_t status, char *buf, unsigned size)
{
	static const struct {
		uint16_t status;
		const char *text;
	} known[] = {
		{ 0x001, "invalid command opcode" },
		{ 0x002, "invalid field in the command" },
		{ 0x006, "internal error" },
		{ 0x11f, "invalid controller identifier" },
		{ 0x120, "invalid secondary controller state" },
		{ 0x121, "invalid number of controller resources" },
		{ 0x122, "invalid resource identifier: not that many are free" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i].status == status) {
			snprintf(buf, size, "0x%x: %s", status, known[i].text);
			return buf;
		}
	}
	snprintf(buf, size, "NVMe status 0x%x", status);
	return buf;
}
