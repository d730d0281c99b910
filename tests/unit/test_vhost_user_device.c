// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that another process serves: what it is given, what becomes of that when it dies or lies. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <linux/fuse.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/fake/backend.h"
#include "tests/fake/virtio_guest.h"
#include "vmm/mem.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/relay.h"
#include "vmm/virtio/vhost_user.h"
#include "vmm/virtio/vhost_user_blk.h"
#include "vmm/virtio/vhost_user_fs.h"
#include "vmm/virtio/vhost_user_msg.h"

#define SLOT   1
#define NOTIFY 0x1000u
#define CONFIG 0x800u
#define W      VRING_DESC_F_WRITE
#define N      VRING_DESC_F_NEXT
#define F(n)   (1ull << (n))
#define RING   (F(VIRTIO_RING_F_INDIRECT_DESC) | F(VIRTIO_RING_F_EVENT_IDX))

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);

static bool impatient; /* what never comes is not waited for as long */

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	return __real_poll(p, n, impatient ? 50 : ms);
}

static struct fake_backend b, second;
static struct vhost_user_blk *blk;
static struct vhost_user_fs *fs;
static struct virtio_net *net;
static struct vmm_disk disk;
static struct vmm_fs directory;
static struct vmm_nic nic;

static char told[64]; /* of backends: - gone, + there */

static void on_backend(void *opaque, enum vm_backend_device what, unsigned index, bool there)
{
	size_t n = strlen(told);

	assert_int_equal(index, 2);
	if (n + 1 < sizeof(told)) {
		told[n] = there ? '+' : '-';
		told[n + 1] = '\0';
	}
}

static struct vm *machine(void)
{
	vfio_machine_new_shared(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	vg_machine.guest.vm.on_backend = on_backend;
	told[0] = '\0';
	return &vg_machine.guest.vm;
}

static void plug_in(void)
{
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(void)
{
	/* First: nobody is to be waited for. */
	fb_kill(&b);
	fb_kill(&second);
	blk = vhost_user_blk_free(blk);
	fs = vhost_user_fs_free(fs);
	net = virtio_net_free(net);
	vfio_machine_free(&vg_machine);
}

static void turn(void)
{
	vg_turn(3000000);
}

/* Queue q lies behind queue q - 1. */
#define AT(base, q) ((base) + 0x4000u * (q))

static void drive(unsigned queues, uint64_t features)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_accept(features | F(VIRTIO_F_VERSION_1));
	for (unsigned q = 0; q < queues; q++) {
		vg_ram(AT(VG_AVAIL, q), "\0\0\0", 4);
		vg_ram(AT(VG_USED, q), "\0\0\0", 4);
		vg_set_queue(q, AT(VG_DESC, q), AT(VG_AVAIL, q), AT(VG_USED, q));
	}
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void offer(unsigned q, unsigned head)
{
	uint16_t idx = (uint16_t)vg_ram_get(AT(VG_AVAIL, q) + 2, 2);
	uint8_t bytes[2];

	put_le16(bytes, (uint16_t)head);
	vg_ram(AT(VG_AVAIL, q) + 4 + 2 * (idx % VG_SIZE), bytes, 2);
	put_le16(bytes, (uint16_t)(idx + 1));
	vg_ram(AT(VG_AVAIL, q) + 2, bytes, 2);
	vg_put(NOTIFY + 4 * q, 2, 0);
}

static unsigned used_count(unsigned q)
{
	return (unsigned)vg_ram_get(AT(VG_USED, q) + 2, 2);
}

static unsigned used_head(unsigned q, unsigned i)
{
	return (unsigned)vg_ram_get(AT(VG_USED, q) + 4 + 8 * (i % VG_SIZE), 4);
}

static unsigned used_len(unsigned q, unsigned i)
{
	return (unsigned)vg_ram_get(AT(VG_USED, q) + 8 + 8 * (i % VG_SIZE), 4);
}

static uint64_t offered(void)
{
	uint64_t low;

	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	low = vg_get(VIRTIO_PCI_COMMON_DF, 4);
	vg_put(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return vg_get(VIRTIO_PCI_COMMON_DF, 4) << 32 | low;
}

/* --- a disk ------------------------------------------------------------------------------------ */

static void blk_backend(struct fake_backend *of)
{
	fb_init(of);
	of->features |= RING | F(VIRTIO_BLK_F_SEG_MAX) | F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_MQ) |
			F(VIRTIO_BLK_F_CONFIG_WCE) | F(VIRTIO_F_RING_PACKED) | F(26);
	put_le64(of->config, 2048);
	put_le32(of->config + 12, 1000); /* seg_max */
	put_le16(of->config + 34, 8);	 /* num_queues */
}

static int new_blk(void)
{
	struct vm *vm = machine();

	disk = (struct vmm_disk){ .vhost_user = true, .queues = 2, .fd = fb_start(&b) };
	return vhost_user_blk_new(vm, &disk, 2, &blk, &vg_machine.guest.err);
}

static void begin_blk(void)
{
	blk_backend(&b);
	assert_int_equal(new_blk(), 0);
	plug_in();
	drive(2, RING | F(VIRTIO_BLK_F_FLUSH));
	assert_false(vg_is_broken());
}

static void blk_returns(void)
{
	vhost_user_blk_return(blk, fb_start(&second));
}

static void test_a_driver_finds_the_backends_disk(void **state)
{
	begin_blk();
	assert_int_equal(vg_get(CONFIG, 8), 2048);
	assert_int_equal(vg_get(CONFIG + 12, 4), 126);
	assert_int_equal(vg_get(CONFIG + 34, 2), 2);
	assert_int_equal(offered(), F(VIRTIO_F_VERSION_1) | RING | F(VIRTIO_BLK_F_SEG_MAX) |
					    F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_MQ));
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqschFMnbaikEnbaikE");
	/* Event indexes are between the guest and us. */
	assert_int_equal(b.got_features, F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC) |
						 F(VIRTIO_BLK_F_FLUSH) | F(VHOST_USER_F_PROTOCOL));
	end();
	blk_backend(&b); /* indirect tables are the backend's to read */
	b.features &= ~F(VIRTIO_RING_F_INDIRECT_DESC);
	assert_int_equal(new_blk(), 0);
	plug_in();
	assert_int_equal(offered() & RING, F(VIRTIO_RING_F_EVENT_IDX));
	end();
}

static void test_a_disk_that_grows_by_itself(void **state)
{
	const uint32_t change = VHOST_USER_BACKEND_CONFIG_CHANGE;
	uint64_t generation;

	begin_blk();
	generation = vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	put_le64(b.config, 4096);
	assert_int_equal(vg_get(CONFIG, 8), 2048);
	fb_say(&b, change, VHOST_USER_VERSION, 0);
	turn();
	assert_int_equal(vg_get(CONFIG, 8), 4096);
	assert_int_not_equal(vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	/* What has not changed the guest is not told of. */
	generation = vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	fb_say(&b, change, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0);
	turn();
	assert_int_equal(fb_is_answered(&b, change), 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	/* One that will say nothing more goes on serving. */
	close_fdp(&b.requests);
	turn();
	offer(0, 3);
	turn();
	assert_int_equal(fb_pop(&b, 0), 3);
	fb_push(&b, 0, 3, 1);
	turn();
	assert_int_equal(used_count(0), 1);
	assert_string_equal(told, "");
	end();
	/* One that says what it may not is left, and so is one that has no answer to what is asked then. */
	begin_blk();
	fb_say(&b, change, 2, 0);
	turn();
	assert_string_equal(told, "-");
	blk_backend(&second);
	blk_returns();
	assert_string_equal(told, "-+");
	fb_settle(&second);
	put_le64(second.config, 8192);
	fb_say(&second, change, VHOST_USER_VERSION, 0); /* by a socket of its own */
	turn();
	assert_int_equal(vg_get(CONFIG, 8), 8192);
	second.fault = FB_LONG;
	second.fault_at = VHOST_USER_GET_CONFIG;
	fb_say(&second, change, VHOST_USER_VERSION, 0);
	turn();
	assert_string_equal(told, "-+-");
	end();
}

static void test_requests_go_there_and_back(void **state)
{
	begin_blk();
	assert_ptr_equal(b.ring[1].desc, gmem_ptr(vg_machine.guest.vm.mem, AT(VG_DESC, 1), 1));
	offer(1, 5);
	offer(1, 3);
	turn();
	assert_true(fb_was_kicked(&b, 1));
	assert_int_equal(fb_pop(&b, 1), 5);
	assert_int_equal(fb_pop(&b, 1), 3);
	assert_int_equal(fb_pop(&b, 1), -1);
	assert_int_equal(fb_pop(&b, 0), -1);
	assert_int_equal(used_count(1), 0);
	fb_push(&b, 1, 3, 77); /* in whatever order */
	fb_push(&b, 1, 5, 1);
	turn();
	assert_int_equal(used_count(1), 2);
	assert_int_equal(used_head(1, 0), 3);
	assert_int_equal(used_len(1, 0), 77);
	assert_int_equal(used_head(1, 1), 5);
	/* Many times around. */
	for (unsigned i = 0; i < 5 * VG_SIZE; i++) {
		offer(0, i % VG_SIZE);
		turn();
		assert_int_equal(fb_pop(&b, 0), i % VG_SIZE);
		fb_push(&b, 0, i % VG_SIZE, i);
		turn();
		assert_int_equal(used_count(0), i + 1);
		assert_int_equal(used_len(0, i), i);
	}
	assert_string_equal(told, "");
	end();
}

static void test_what_was_under_way_is_given_to_the_next(void **state)
{
	begin_blk();
	/* One that takes long, while its place in the ring is written over many times. */
	offer(0, 9);
	turn();
	assert_int_equal(fb_pop(&b, 0), 9);
	for (unsigned i = 0; i < 3 * VG_SIZE; i++) {
		offer(0, i % 4);
		turn();
		assert_int_equal(fb_pop(&b, 0), i % 4);
		fb_push(&b, 0, i % 4, 1);
		turn();
	}
	for (unsigned head = 1; head < 5; head++)
		offer(0, head);
	turn();
	for (unsigned head = 1; head < 5; head++)
		assert_int_equal(fb_pop(&b, 0), head);
	fb_push(&b, 0, 3, 1); /* is done, and not seen yet when the backend dies */
	fb_kill(&b);
	turn();
	assert_string_equal(told, "-");
	assert_int_equal(used_count(0), 3 * VG_SIZE + 1);
	assert_false(vg_is_broken());
	/* What the guest wants meanwhile waits. */
	offer(0, 7);
	offer(1, 8);
	turn();
	assert_int_equal(used_count(0), 3 * VG_SIZE + 1);
	blk_backend(&second);
	blk_returns();
	turn();
	assert_string_equal(told, "-+");
	fb_settle(&second);
	assert_int_equal(second.ring[0].base, 0);
	assert_true(fb_was_kicked(&second, 0));
	assert_int_equal(fb_pop(&second, 0), 9);
	assert_int_equal(fb_pop(&second, 0), 1);
	assert_int_equal(fb_pop(&second, 0), 2);
	assert_int_equal(fb_pop(&second, 0), 4);
	assert_int_equal(fb_pop(&second, 0), 7);
	assert_int_equal(fb_pop(&second, 0), -1);
	assert_int_equal(fb_pop(&second, 1), 8);
	fb_push(&second, 0, 9, 13);
	turn();
	assert_int_equal(used_count(0), 3 * VG_SIZE + 2);
	assert_int_equal(used_head(0, 3 * VG_SIZE + 1), 9);
	end();
}

/* What it is that a backend makes of its used ring. */
static void lie(unsigned which)
{
	switch (which) {
	case 0: fb_push(&b, 0, 6, 1); break;		/* never given */
	case 1: fb_push(&b, 0, VG_SIZE, 1); break;	/* no head */
	case 2: fb_push(&b, 0, 0xffffffff, 1); break;
	case 3: fb_push(&b, 0, 2, 1), fb_push(&b, 0, 2, 1); break; /* twice */
	default: /* more than it was given */
		b.ring[0].next_used = 0x7fff;
		fb_push(&b, 0, 2, 1);
	}
}

static void test_one_that_lies_is_left(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		begin_blk();
		offer(0, 1);
		offer(0, 2);
		turn();
		lie(i);
		turn();
		assert_string_equal(told, "-");
		assert_false(vg_is_broken());
		assert_int_equal(used_count(0), i == 3); /* what was right before stays so */
		blk_backend(&second);
		blk_returns();
		fb_settle(&second);
		assert_int_equal(fb_pop(&second, 0), 1);
		assert_int_equal(fb_pop(&second, 0), i == 3 ? -1 : 2);
		end();
	}
	/* One that speaks, unasked. */
	begin_blk();
	assert_int_equal(write(b.fd, "psst", 4), 4);
	turn();
	assert_string_equal(told, "-");
	end();
}

static void test_a_guest_that_breaks_the_rules(void **state)
{
	begin_blk();
	offer(0, 4);
	offer(0, 4);
	turn();
	assert_true(vg_is_broken());
	end();
	begin_blk();
	offer(0, VG_SIZE);
	turn();
	assert_true(vg_is_broken());
	/* It resets the device, and that is served anew. */
	drive(2, RING);
	offer(0, 4);
	turn();
	fb_settle(&b);
	assert_int_equal(fb_pop(&b, 0), 4);
	assert_string_equal(told, "");
	end();
}

static void test_a_reset_waits_for_what_is_under_way(void **state)
{
	begin_blk();
	offer(0, 4);
	turn();
	assert_int_equal(fb_pop(&b, 0), 4);
	fb_push(&b, 0, 4, 1); /* not seen yet */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqschFMnbaikEnbaikEgg");
	assert_string_equal(told, "");
	/* One that does not end it is left: it would still write into RAM that is another's by then. */
	drive(2, RING);
	offer(0, 4);
	turn();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_string_equal(told, "-");
	/* A driver that begins without a backend waits. */
	drive(2, RING);
	assert_false(vg_is_broken());
	offer(0, 3);
	turn();
	blk_backend(&second);
	blk_returns();
	fb_settle(&second);
	assert_int_equal(fb_pop(&second, 0), 3);
	assert_int_equal(fb_pop(&second, 0), -1);
	end();
}

static void test_the_next_one_must_have_what_the_guest_took(void **state)
{
	begin_blk();
	fb_kill(&b);
	turn();
	blk_backend(&second);
	second.features &= ~F(VIRTIO_BLK_F_FLUSH);
	blk_returns();
	assert_string_equal(told, "--");
	fb_kill(&second);
	/* Also what this driver did not take: the next one may. */
	blk_backend(&second);
	second.features &= ~F(VIRTIO_BLK_F_SEG_MAX);
	blk_returns();
	assert_string_equal(told, "---");
	fb_kill(&second);
	told[2] = '\0';
	/* It may be larger, which the guest hears of. */
	blk_backend(&second);
	put_le64(second.config, 4096);
	blk_returns();
	assert_string_equal(told, "--+");
	assert_int_equal(vg_get(CONFIG, 8), 4096);
	assert_int_equal(vg_get(0x400, 1) & VIRTIO_PCI_ISR_CONFIG, VIRTIO_PCI_ISR_CONFIG);
	/* And grow later. */
	put_le64(second.config, 8192);
	assert_int_equal(vhost_user_blk_resize(blk), 0);
	assert_int_equal(vg_get(CONFIG, 8), 8192);
	/* A third one is not waited for. */
	vhost_user_blk_return(blk, dup(second.fd));
	assert_string_equal(told, "--+");
	end();
}

/* At any message of its start: the guest waits, and the next one serves it. */
static void test_one_that_vanishes_while_it_starts(void **state)
{
	for (unsigned i = 8; i < 20; i++) {
		blk_backend(&b);
		b.fault = FB_VANISHES;
		b.fault_after = i;
		assert_int_equal(new_blk(), 0);
		plug_in();
		drive(2, RING);
		turn();
		assert_false(vg_is_broken());
		assert_string_equal(told, "-");
		blk_backend(&second);
		offer(0, 6);
		blk_returns();
		turn();
		fb_settle(&second);
		assert_int_equal(fb_pop(&second, 0), 6);
		end();
	}
}

static void test_a_backend_that_is_none(void **state)
{
	blk_backend(&b);
	b.protocol &= ~F(VHOST_USER_PROTOCOL_CONFIG);
	assert_int_equal(new_blk(), -EOPNOTSUPP);
	assert_string_equal(vg_machine.guest.err.text, "--disk: the backend cannot serve this device");
	end();
	blk_backend(&b);
	b.queues = 1;
	assert_int_equal(new_blk(), -EOPNOTSUPP);
	end();
	blk_backend(&b);
	b.fault = FB_MUTE;
	b.fault_at = VHOST_USER_GET_CONFIG;
	impatient = true;
	assert_int_equal(new_blk(), -ETIMEDOUT);
	impatient = false;
	assert_string_equal(vg_machine.guest.err.text, "--disk: the backend does not answer");
	end();
}

/* --- a file system ------------------------------------------------------------------------------ */

static void fs_returns(void)
{
	fb_init(&second);
	vhost_user_fs_return(fs, fb_start(&second));
	fb_settle(&second);
}

static void begin_fs(void)
{
	struct vm *vm = machine();

	fb_init(&b);
	directory = (struct vmm_fs){ .tag = "files", .fd = fb_start(&b) };
	assert_int_equal(vhost_user_fs_new(vm, &directory, 2, &fs, &vg_machine.guest.err), 0);
	plug_in();
	drive(2, 0);
	fb_settle(&b);
}

#define IN  0x30000u
#define OUT 0x31000u

/* A request of two buffers, to read and to write, whose head is 2 * i. */
static void request(unsigned q, unsigned i, uint32_t opcode, bool answered)
{
	uint8_t in[sizeof(struct fuse_in_header)] = { 0 };

	put_le32(in, sizeof(in));
	put_le32(in + 4, opcode);
	put_le64(in + 8, 0x1000 + i);
	vg_ram(IN + i * 64, in, sizeof(in));
	vg_ram(OUT + i * 64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	vg_desc_at(AT(VG_DESC, q), 2 * i, IN + i * 64, sizeof(in), answered ? N : 0, 2 * i + 1);
	vg_desc_at(AT(VG_DESC, q), 2 * i + 1, OUT + i * 64, 64, W, 0);
	offer(q, 2 * i);
	turn();
}

/* What request i was answered; 1: nothing. */
static int answer(unsigned i)
{
	int code = (int)(int32_t)vg_ram_get(OUT + i * 64 + 4, 4);

	if (vg_ram_get(OUT + i * 64, 4) == 0xffffffff)
		return 1;
	assert_int_equal(vg_ram_get(OUT + i * 64, 4), 16);
	assert_int_equal(vg_ram_get(OUT + i * 64 + 8, 8), 0x1000 + i);
	return code;
}

static void test_a_directory_is_served(void **state)
{
	begin_fs();
	assert_int_equal(vg_get(CONFIG, 8), 0x73656c6966ull); /* "files" */
	assert_int_equal(vg_get(CONFIG + 36, 4), 1);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	request(1, 0, FUSE_INIT, true);
	request(1, 1, FUSE_READ, true);
	assert_int_equal(fb_pop(&b, 1), 0);
	assert_int_equal(fb_pop(&b, 1), 2);
	fb_push(&b, 1, 0, 80);
	turn();
	assert_int_equal(used_count(1), 1);
	assert_int_equal(used_len(1, 0), 80);
	end();
}

static void test_a_session_ends_with_its_backend(void **state)
{
	begin_fs();
	request(1, 0, FUSE_INIT, true);
	assert_int_equal(fb_pop(&b, 1), 0);
	fb_push(&b, 1, 0, 80);
	request(1, 1, FUSE_READ, true);
	request(1, 2, FUSE_WRITE, true);
	request(0, 3, FUSE_FORGET, false);
	fb_kill(&b);
	turn();
	/* What was under way, and what comes now. */
	assert_string_equal(told, "-");
	assert_int_equal(answer(1), -ENOTCONN);
	assert_int_equal(answer(2), -ENOTCONN);
	assert_int_equal(used_count(1), 3);
	assert_int_equal(used_len(1, 1), 16);
	assert_int_equal(used_count(0), 1);
	assert_int_equal(used_len(0, 0), 0);
	request(1, 3, FUSE_GETATTR, true);
	assert_int_equal(answer(3), -ENOTCONN);
	request(1, 4, FUSE_INIT, true);
	assert_int_equal(answer(4), -ENOTCONN);
	/* Another one knows nothing of what was mounted. */
	fs_returns();
	assert_string_equal(told, "-+");
	request(1, 1, FUSE_READ, true);
	assert_int_equal(answer(1), -ENOTCONN);
	request(1, 2, FUSE_DESTROY, true);
	assert_int_equal(answer(2), 0);
	assert_int_equal(fb_pop(&second, 1), -1);
	request(1, 5, FUSE_INIT, true);
	assert_int_equal(fb_pop(&second, 1), 10);
	request(1, 6, FUSE_READ, true);
	assert_int_equal(fb_pop(&second, 1), 12);
	assert_int_equal(answer(6), 1);
	assert_false(vg_is_broken());
	end();
}

/* Also when the guest did not notice, and when it is another driver of it. */
static void test_nobody_goes_on_with_a_session_that_ended(void **state)
{
	begin_fs();
	request(1, 0, FUSE_INIT, true);
	fb_kill(&b);
	turn();
	fs_returns();
	request(1, 1, FUSE_READ, true);
	assert_int_equal(answer(1), -ENOTCONN);
	request(1, 2, FUSE_INIT, true);
	assert_int_equal(fb_pop(&second, 1), 4);
	fb_push(&second, 1, 4, 80);
	turn();
	drive(2, 0);
	fb_settle(&second);
	request(1, 3, FUSE_READ, true);
	assert_int_equal(answer(3), -ENOTCONN);
	assert_int_equal(fb_pop(&second, 1), -1);
	end();
}

static void test_requests_that_are_none(void **state)
{
	begin_fs();
	fb_kill(&b);
	turn();
	vg_desc_at(AT(VG_DESC, 1), 0, IN, 12, 0, 0); /* no header */
	offer(1, 0);
	turn();
	assert_true(vg_is_broken());
	drive(2, 0);
	vg_desc_at(AT(VG_DESC, 1), 0, IN, 40, N, 1);
	vg_desc_at(AT(VG_DESC, 1), 1, OUT, 15, W, 0); /* no room */
	offer(1, 0);
	turn();
	assert_true(vg_is_broken());
	drive(2, 0);
	vg_desc_at(AT(VG_DESC, 1), 0, IN, 40, N, 1);
	vg_desc_at(AT(VG_DESC, 1), 1, IN, 40, N, 0); /* a circle */
	offer(1, 0);
	turn();
	assert_true(vg_is_broken());
	drive(2, 0);
	vg_desc_at(AT(VG_DESC, 1), 0, 1ull << 40, 40, 0, 0); /* nowhere */
	offer(1, 0);
	turn();
	assert_true(vg_is_broken());
	end();
	/* What is broken is found while a backend's requests are answered for it. */
	begin_fs();
	request(1, 0, FUSE_INIT, true);
	request(1, 1, FUSE_READ, true);
	vg_desc_at(AT(VG_DESC, 1), 0, IN, 12, 0, 0);
	fb_kill(&b);
	turn();
	assert_true(vg_is_broken());
	end();
}

/* --- a network device --------------------------------------------------------------------------- */

static void net_backend(struct fake_backend *of)
{
	fb_init(of);
	of->features |= F(VIRTIO_NET_F_MRG_RXBUF) | F(VIRTIO_NET_F_GUEST_ANNOUNCE) | F(VIRTIO_NET_F_CTRL_VQ);
}

static char said[16]; /* of a driver that may stand by: A it does, a it does not, S it stopped */

static void on_nic(unsigned index, enum vm_nic_event event)
{
	size_t n = strlen(said);

	assert_int_equal(index, 2);
	assert_true(n + 1 < sizeof(said));
	said[n] = event == VM_NIC_ACKNOWLEDGED ? 'A' : event == VM_NIC_ALONE ? 'a' :
		  event == VM_NIC_STOPPED      ? 'S' : '?';
	said[n + 1] = '\0';
}

static void begin_net(unsigned pairs, uint64_t features)
{
	struct vm *vm = machine();
	bool packed = features & F(VIRTIO_F_RING_PACKED);

	vm->on_nic = on_nic;
	said[0] = '\0';

	net_backend(&b);
	b.features |= features & F(VIRTIO_F_RING_PACKED);
	nic = (struct vmm_nic){ .mac = { 2, 0, 0, 0, 0, 1 }, .pairs = pairs, .vhost_user = true, .mtu = 1400,
				.packed = packed, .standby = features & F(VIRTIO_NET_F_STANDBY) };
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++)
		nic.tap_fd[i] = nic.vhost_fd[i] = -1;
	nic.backend_fd = fb_start(&b);
	assert_int_equal(virtio_net_new(vm, &nic, 2, NULL, &net, &vg_machine.guest.err), 0);
	plug_in();
	drive(2 * pairs + 1, features | F(VIRTIO_NET_F_STATUS) | F(VIRTIO_NET_F_CTRL_VQ));
	fb_settle(&b);
	assert_false(vg_is_broken());
}

static bool link_up(void)
{
	struct virtio_net_state s;

	virtio_net_get_state(net, &s);
	assert_int_equal(vg_get(CONFIG + 6, 2) & VIRTIO_NET_S_LINK_UP, s.link);
	return s.link;
}

static void test_packets_are_the_backends(void **state)
{
	begin_net(1, F(VIRTIO_NET_F_MRG_RXBUF));
	/* This one has neither indirect tables nor event indexes. */
	assert_int_equal(offered(), F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF) |
					    F(VIRTIO_NET_F_MAC) | F(VIRTIO_NET_F_STATUS) |
					    F(VIRTIO_NET_F_CTRL_VQ) | F(VIRTIO_NET_F_CTRL_MAC_ADDR) |
					    F(VIRTIO_NET_F_MTU));
	assert_string_equal(b.order, "OfpPqsFMnbaiknbaikEE");
	assert_int_equal(b.got_features, F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF) |
						 F(VHOST_USER_F_PROTOCOL));
	assert_ptr_equal(b.ring[1].avail, gmem_ptr(vg_machine.guest.vm.mem, AT(VG_AVAIL, 1), 1));
	/* Nobody is interrupted yet, but he has something to write to. */
	assert_true(b.ring[0].call >= 0 && b.ring[1].call >= 0);
	(void)fb_was_kicked(&b, 1);
	offer(1, 3); /* straight to him */
	assert_true(fb_was_kicked(&b, 1));
	assert_int_equal(fb_pop(&b, 1), 3);
	assert_true(link_up());
	/* The cable. */
	virtio_net_set_link(net, false);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFMnbaiknbaikEEee");
	assert_false(link_up());
	virtio_net_set_link(net, true);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFMnbaiknbaikEEeeEE");
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	fb_settle(&b);
	assert_string_equal(b.order, "OfpPqsFMnbaiknbaikEEeeEEgg");
	end();
}

static void test_the_link_is_down_without_a_backend(void **state)
{
	uint8_t done[2] = { 7, 0 };

	begin_net(1, F(VIRTIO_NET_F_MRG_RXBUF));
	vg_ram(AT(VG_USED, 0) + 2, done, 2);
	fb_kill(&b);
	turn();
	assert_string_equal(told, "-");
	assert_false(link_up());
	assert_int_equal(vg_get(0x400, 1) & VIRTIO_PCI_ISR_CONFIG, VIRTIO_PCI_ISR_CONFIG);
	/* The cable is another thing. */
	virtio_net_set_link(net, false);
	net_backend(&second);
	virtio_net_return(net, fb_start(&second));
	fb_settle(&second);
	assert_string_equal(told, "-+");
	assert_false(link_up());
	assert_false(second.ring[0].enabled);
	virtio_net_set_link(net, true);
	fb_settle(&second);
	assert_true(link_up());
	assert_true(second.ring[0].enabled && second.ring[1].enabled);
	/* Where the guest was last told of something. */
	assert_int_equal(second.ring[0].base, 7);
	assert_int_equal(second.ring[1].base, 0);
	assert_true(fb_was_kicked(&second, 1));
	end();
	/* A driver that begins while there is none. */
	begin_net(1, 0);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	fb_kill(&b);
	turn();
	drive(3, F(VIRTIO_NET_F_STATUS));
	assert_false(vg_is_broken() || link_up());
	net_backend(&second);
	virtio_net_return(net, fb_start(&second));
	fb_settle(&second);
	assert_true(link_up() && second.ring[1].enabled);
	end();
}

static void test_a_backend_stands_by_for_a_vf(void **state)
{
	begin_net(1, F(VIRTIO_NET_F_STANDBY));
	assert_true(offered() & F(VIRTIO_NET_F_STANDBY));
	/* The VF's MAC is its PF's to keep. */
	assert_false(offered() & F(VIRTIO_NET_F_CTRL_MAC_ADDR));
	assert_false(b.got_features & F(VIRTIO_NET_F_STANDBY)); /* this is not his affair */
	assert_string_equal(said, "A");
	assert_int_equal(virtio_net_announce(net), 0);
	fb_settle(&b);
	assert_memory_equal(b.announced, nic.mac, 6);
	/* Gone in the middle of it: the guest has a VF, or no link; neither is an error of the host's. */
	fb_kill(&b);
	assert_int_equal(virtio_net_announce(net), 0);
	assert_int_equal(virtio_net_announce(net), 0);
	assert_false(link_up());
	assert_string_equal(told, "-");
	net_backend(&second);
	second.protocol &= ~F(VHOST_USER_PROTOCOL_RARP);
	virtio_net_return(net, fb_start(&second));
	assert_int_equal(virtio_net_announce(net), 0);
	fb_settle(&second);
	assert_true(link_up());
	assert_null(strchr(second.order, 'r'));
	assert_string_equal(told, "-+");
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_string_equal(said, "AS");
	end();
}

static void test_a_packed_ring_begins_anew(void **state)
{
	const uint64_t packed = F(VIRTIO_F_RING_PACKED);

	begin_net(1, packed);
	assert_int_equal(offered() & packed, packed);
	assert_int_equal(b.got_features & packed, packed);
	assert_int_equal(b.ring[0].base, 0x80008000);
	assert_int_equal(b.ring[1].base, 0x80008000);
	assert_ptr_equal(b.ring[1].avail, gmem_ptr(vg_machine.guest.vm.mem, AT(VG_AVAIL, 1), 4));
	assert_true(link_up());
	/* One that is gone: the next does not know where it was. */
	fb_kill(&b);
	turn();
	assert_false(link_up() || vg_is_broken());
	net_backend(&second);
	second.features |= packed;
	virtio_net_return(net, fb_start(&second));
	fb_settle(&second);
	assert_string_equal(told, "-+");
	assert_true(vg_is_broken());
	assert_false(link_up());
	assert_false(second.ring[0].told);
	/* Until the driver begins anew. */
	drive(3, packed | F(VIRTIO_NET_F_STATUS));
	fb_settle(&second);
	assert_true(link_up());
	assert_int_equal(second.ring[0].base, 0x80008000);
	assert_true(second.ring[0].enabled && second.ring[1].enabled);
	end();
	/* A driver without packed rings has the others, and they go on. */
	begin_net(1, packed);
	drive(3, F(VIRTIO_NET_F_STATUS));
	fb_settle(&b);
	assert_int_equal(b.got_features & packed, 0);
	fb_kill(&b);
	turn();
	net_backend(&second);
	second.features |= packed;
	virtio_net_return(net, fb_start(&second));
	fb_settle(&second);
	assert_true(link_up());
	assert_true(second.ring[0].enabled);
	assert_int_equal(second.ring[0].base, 0);
	end();
}

static void test_a_packed_ring_that_the_backend_lacks(void **state)
{
	struct vm *vm = machine();

	net_backend(&b);
	nic = (struct vmm_nic){ .packed = true, .pairs = 1, .vhost_user = true };
	for (unsigned i = 0; i < VMM_NIC_PAIRS_MAX; i++)
		nic.tap_fd[i] = nic.vhost_fd[i] = -1;
	nic.backend_fd = fb_start(&b);
	assert_int_equal(virtio_net_new(vm, &nic, 2, NULL, &net, &vg_machine.guest.err), -EOPNOTSUPP);
	assert_non_null(strstr(vg_machine.guest.err.hint, "packed"));
	net = NULL;
	end();
	/* And the next one, where the first had it. */
	begin_net(1, F(VIRTIO_F_RING_PACKED));
	fb_kill(&b);
	turn();
	net_backend(&second);
	virtio_net_return(net, fb_start(&second));
	assert_string_equal(told, "--");
	assert_false(link_up());
	end();
}

static void test_pairs_as_many_as_the_guest_wants(void **state)
{
	begin_net(2, F(VIRTIO_NET_F_MQ));
	assert_true(b.ring[0].enabled && b.ring[1].enabled);
	assert_false(b.ring[2].told || b.ring[3].told);
	vg_ram(IN, "\x04\x00\x02\x00", 4); /* VIRTIO_NET_CTRL_MQ: two */
	vg_desc_at(AT(VG_DESC, 4), 0, IN, 4, N, 1);
	vg_desc_at(AT(VG_DESC, 4), 1, OUT, 1, W, 0);
	offer(4, 0);
	turn();
	fb_settle(&b);
	assert_int_equal(vg_ram_get(OUT, 1), 0);
	assert_true(b.ring[2].enabled && b.ring[3].enabled);
	end();
}

static void ignore(void *opaque, unsigned q)
{
}

/* Or it would be a way to end the VMM: who reads what is cut off gets SIGBUS. */
static void test_what_is_shared_keeps_its_size(void **state)
{
	struct virtio_dev dev = { .vm = machine() };
	struct vhost_user_region region;
	struct relay r;

	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	assert_int_equal(relay_init(&r, &dev, 2, VG_SIZE, ignore, NULL), 0);
	assert_int_equal(relay_open(&r), 0);
	relay_region(&r, &region);
	assert_true(ftruncate(region.fd, 0) < 0 && errno == EPERM);
	relay_fini(&r);
	vfio_machine_free(&vg_machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_driver_finds_the_backends_disk),
		cmocka_unit_test(test_a_disk_that_grows_by_itself),
		cmocka_unit_test(test_requests_go_there_and_back),
		cmocka_unit_test(test_what_was_under_way_is_given_to_the_next),
		cmocka_unit_test(test_one_that_lies_is_left),
		cmocka_unit_test(test_a_guest_that_breaks_the_rules),
		cmocka_unit_test(test_a_reset_waits_for_what_is_under_way),
		cmocka_unit_test(test_the_next_one_must_have_what_the_guest_took),
		cmocka_unit_test(test_one_that_vanishes_while_it_starts),
		cmocka_unit_test(test_a_backend_that_is_none),
		cmocka_unit_test(test_a_directory_is_served),
		cmocka_unit_test(test_a_session_ends_with_its_backend),
		cmocka_unit_test(test_nobody_goes_on_with_a_session_that_ended),
		cmocka_unit_test(test_requests_that_are_none),
		cmocka_unit_test(test_packets_are_the_backends),
		cmocka_unit_test(test_the_link_is_down_without_a_backend),
		cmocka_unit_test(test_a_backend_stands_by_for_a_vf),
		cmocka_unit_test(test_a_packed_ring_begins_anew),
		cmocka_unit_test(test_a_packed_ring_that_the_backend_lacks),
		cmocka_unit_test(test_pairs_as_many_as_the_guest_wants),
		cmocka_unit_test(test_what_is_shared_keeps_its_size),
	};

	fb_init(&b);
	fb_init(&second);
	return cmocka_run_group_tests_name("vhost_user_device", tests, NULL, NULL);
}
