// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk as a driver sees it: requests that are right, and all sorts that are not, by both engines. */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/size.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/virtio_guest.h"
#include "vmm/virtio/virtio.h"

#define SLOT   1
#define HEAD   0x20000u
#define STATUS 0x20100u
#define DATA   0x21000u
#define NOTIFY 0x1000u
#define CONFIG 0x800u
#define ID     0x28000u

#define W VRING_DESC_F_WRITE
#define N VRING_DESC_F_NEXT
#define F(n) (1ull << (n))

#define ALL (F(VIRTIO_F_VERSION_1) | F(VIRTIO_BLK_F_FLUSH) | F(VIRTIO_BLK_F_DISCARD) | \
	     F(VIRTIO_BLK_F_WRITE_ZEROES))

static struct virtio_blk *blk;
static struct vmm_disk disk;
static unsigned asked;
static bool is_block;

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st)
{
	int r = __real_fstat(fd, st);

	if (is_block && fd == disk.fd)
		st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
	return r;
}

/* A file whose reads take as long as a test wants. */
static bool slow, in_pieces;
static unsigned pieces;
static sem_t go_on;

ssize_t __real_preadv(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int n, off_t at)
{
	if (__atomic_load_n(&slow, __ATOMIC_ACQUIRE))
		sem_wait(&go_on);
	if (in_pieces) {
		pieces++;
		return pread(fd, iov->iov_base, 512, at);
	}
	return __real_preadv(fd, iov, n, at);
}

static bool no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

/* What the kernel is asked to do, and of that at once if it can. */
static unsigned handed, handed_inline, syncs;

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		handed++;
		syncs += ring->sq.sqes[i & *ring->sq.kring_mask].opcode == IORING_OP_FSYNC;
		handed_inline += !(ring->sq.sqes[i & *ring->sq.kring_mask].flags & IOSQE_ASYNC);
	}
	return __real_io_uring_submit(ring);
}

static void begin(const struct vmm_disk *like, uint64_t features)
{
	disk = (struct vmm_disk){ .discard = true, .queues = 1, .block_size = 512, .mem_align = 1,
				  .serial = "disk-of-twenty-chars" };
	if (like)
		disk = *like;
	disk.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(disk.fd, 64 * KiB), 0);
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	assert_int_equal(virtio_blk_new(&vg_machine.guest.vm, &disk, 0, &blk, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	if (!disk.discard)
		features &= ~(F(VIRTIO_BLK_F_DISCARD) | F(VIRTIO_BLK_F_WRITE_ZEROES));
	vg_accept(features);
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	asked = 0;
}

static void end(void)
{
	blk = virtio_blk_free(blk);
	vfio_machine_free(&vg_machine);
	close(disk.fd);
}

/* --- requests --- */

static void quit(void *opaque, int fd)
{
	loop_quit(opaque, 0);
}

/* The event loop, for that long. */
static void turn(unsigned ms)
{
	struct loop *loop = vg_machine.guest.vm.loop;
	int timer;

	assert_int_equal(loop_timer_new(loop, quit, loop, &timer), 0);
	assert_int_equal(loop_timer_arm(timer, ms * 1000000ull + 1), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_del(loop, timer);
	close(timer);
}

/* Head is available, and kicked. */
static void offer(unsigned head)
{
	uint8_t b[2];

	put_le16(b, (uint16_t)head);
	vg_ram(VG_AVAIL + 4 + 2 * (asked % VG_SIZE), b, 2);
	put_le16(b, (uint16_t)++asked);
	vg_ram(VG_AVAIL + 2, b, 2);
	vg_put(NOTIFY, 2, 0);
}

static void header(uint32_t type, uint64_t sector)
{
	uint8_t b[16] = { 0 };

	put_le32(b, type);
	put_le64(b + 8, sector);
	vg_ram(HEAD, b, 16);
	vg_ram(STATUS, "\xff", 1);
	vg_desc_at(VG_DESC, 0, HEAD, 16, N, 1);
}

/* Its status; 0xff: it did not come. */
static unsigned wait_status(void)
{
	for (unsigned i = 0; i < 2000 && vg_ram_get(VG_USED + 2, 2) != asked; i++)
		turn(2);
	return (unsigned)vg_ram_get(STATUS, 1);
}

static uint32_t used_len(void)
{
	return (uint32_t)vg_ram_get(VG_USED + 4 + 8 * ((asked - 1) % VG_SIZE) + 4, 4);
}

/* One buffer of len bytes at addr between header and status; len 0: none. */
static unsigned request(uint32_t type, uint64_t sector, gpa_t addr, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	header(type, sector);
	vg_desc_at(VG_DESC, 1, addr, len, N | (in ? W : 0), 2);
	if (!len)
		vg_desc_at(VG_DESC, 0, HEAD, 16, N, 2);
	vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
	offer(0);
	return wait_status();
}

static void pattern(gpa_t at, unsigned len, unsigned seed)
{
	uint8_t b[16 * KiB];

	for (unsigned i = 0; i < len; i++)
		b[i] = (uint8_t)(i * 7 + i / 256 + seed);
	vg_ram(at, b, len);
}

static void same(gpa_t at, off_t on_disk, unsigned len)
{
	uint8_t a[16 * KiB], b[16 * KiB];

	assert_int_equal(pread(disk.fd, a, len, on_disk), len);
	for (unsigned i = 0; i < len; i++)
		b[i] = (uint8_t)vg_ram_get(at + i, 1);
	assert_memory_equal(a, b, len);
}

/* A driver begins anew, with what it puts in between these two. */
static void empty_ring(void)
{
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_ram(VG_AVAIL, "\0\0\0", 4);
	vg_ram(VG_USED, "\0\0\0", 4);
	asked = 0;
}

static void drive(uint64_t features)
{
	vg_accept(features);
	vg_set_queue(0, VG_DESC, VG_AVAIL, VG_USED);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
}

static void restart(uint64_t features)
{
	empty_ring();
	drive(features);
}

/* --- tests --- */

static void read_and_write(const struct vmm_disk *like)
{
	begin(like, ALL);
	pattern(DATA, 8192, 1);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 3, DATA, 8192), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 1);
	same(DATA, 3 * 512, 8192);
	/* In buffers of odd sizes, the last one with the status in it. */
	header(VIRTIO_BLK_T_IN, 4);
	vg_desc_at(VG_DESC, 1, DATA + 0x4000, 100, N | W, 2);
	vg_desc_at(VG_DESC, 2, DATA + 0x6000, 1024 - 100 + 1, W, 0);
	vg_ram(DATA + 0x6000 + 924, "\xff", 1);
	offer(0);
	(void)wait_status();
	assert_int_equal(vg_ram_get(DATA + 0x6000 + 924, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 1025);
	same(DATA + 0x4000, 4 * 512, 100);
	same(DATA + 0x6000, 4 * 512 + 100, 924);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	end();
}

static void test_what_is_written_is_read(void **state)
{
	static const struct vmm_disk thread = { .thread = true, .queues = 1, .block_size = 512,
						.mem_align = 1 };
	static const struct vmm_disk own = { .iothread = true, .queues = 1, .block_size = 512,
					     .mem_align = 1, .discard = true };

	read_and_write(NULL);
	read_and_write(&thread);
	read_and_write(&own);
}

/* What O_DIRECT would refuse is copied. */
static void test_buffers_that_lie_wrong(void **state)
{
	static const struct vmm_disk direct = { .queues = 1, .block_size = 512, .mem_align = 512 };

	begin(&direct, ALL);
	pattern(DATA + 3, 2048, 5);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 1, DATA + 3, 2048), VIRTIO_BLK_S_OK);
	same(DATA + 3, 512, 2048);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, DATA + 0x1001, 2048), VIRTIO_BLK_S_OK);
	same(DATA + 0x1001, 512, 2048);
	end();
}

/* Patience ends after a while: nothing else would end a device that waits. */
static void *let_go(void *opaque)
{
	bool *patient = opaque;

	for (unsigned i = 0; i < 200 && __atomic_load_n(patient, __ATOMIC_ACQUIRE); i++)
		usleep(10000);
	__atomic_store_n(patient, false, __ATOMIC_RELEASE);
	__atomic_store_n(&slow, false, __ATOMIC_RELEASE);
	sem_post(&go_on);
	return NULL;
}

/* 16 MiB each, which is more together than is copied at a time. */
static void offer_large_reads(unsigned n)
{
	header(VIRTIO_BLK_T_IN, 0);
	for (unsigned i = 1; i <= 8; i++)
		vg_desc_at(VG_DESC, i, MiB + 1, 2 * MiB, N | W, i + 1);
	vg_desc_at(VG_DESC, 9, STATUS, 1, W, 0);
	while (n--)
		offer(0);
}

static void test_what_is_copied_waits_without_the_event_loop(void **state)
{
	static const struct vmm_disk direct = { .queues = 1, .block_size = 512, .mem_align = 512,
						.thread = true, .discard = true };
	bool patient = true;
	pthread_t other;

	begin(&direct, ALL);
	assert_int_equal(ftruncate(disk.fd, 16 * MiB), 0);
	assert_int_equal(virtio_blk_resize(blk, NULL), 0);
	sem_init(&go_on, 0, 0);
	slow = true;
	assert_int_equal(pthread_create(&other, NULL, let_go, &patient), 0);
	offer_large_reads(7);
	turn(5);
	assert_true(__atomic_load_n(&patient, __ATOMIC_ACQUIRE));
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 0);
	__atomic_store_n(&patient, false, __ATOMIC_RELEASE);
	assert_int_equal(wait_status(), VIRTIO_BLK_S_OK);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 7);
	assert_int_equal(pthread_join(other, NULL), 0);
	/* And what waits does not outlive a reset. */
	slow = patient = true;
	assert_int_equal(pthread_create(&other, NULL, let_go, &patient), 0);
	offer_large_reads(7);
	turn(5);
	assert_true(__atomic_load_n(&patient, __ATOMIC_ACQUIRE));
	__atomic_store_n(&patient, false, __ATOMIC_RELEASE);
	restart(ALL);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 1);
	sem_destroy(&go_on);
	end();
}

/* Piece by piece, until nobody is left who waits for it. */
static void *go_on_slowly(void *opaque)
{
	while (__atomic_load_n(&slow, __ATOMIC_ACQUIRE)) {
		sem_post(&go_on);
		usleep(1000);
	}
	return NULL;
}

static void test_a_reset_waits_for_no_rest(void **state)
{
	static const struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 1, .thread = true };
	pthread_t other;

	begin(&like, ALL);
	pieces = 0;
	sem_init(&go_on, 0, 0);
	slow = in_pieces = true;
	header(VIRTIO_BLK_T_IN, 0);
	vg_desc_at(VG_DESC, 1, DATA, 64 * KiB, N | W, 2);
	vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
	offer(0);
	turn(1);
	assert_int_equal(pthread_create(&other, NULL, go_on_slowly, NULL), 0);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	__atomic_store_n(&slow, false, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_in_range(pieces, 1, 64); /* of 128 */
	assert_int_equal(vg_ram_get(STATUS, 1), 0xff);
	in_pieces = false;
	sem_destroy(&go_on);
	end();
}

/* A reset waits for all that is under way. */
static void test_no_more_is_under_way_than_a_reset_can_wait_for(void **state)
{
	static const struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 1, .thread = true,
					      .discard = true };
	const struct virtio_dev *dev;
	bool patient = true;
	pthread_t other;

	begin(&like, ALL);
	dev = (const struct virtio_dev *)blk; /* it begins with it */
	assert_int_equal(ftruncate(disk.fd, 28 * MiB), 0);
	assert_int_equal(virtio_blk_resize(blk, NULL), 0);
	sem_init(&go_on, 0, 0);
	slow = true;
	offer_large_reads(13);
	for (unsigned i = 1; i <= 8; i++)
		vg_desc_at(VG_DESC, i, 512 * KiB + 1, 3 * MiB + 512 * KiB - 4096, N | W, i + 1);
	for (unsigned i = 0; i < 1000 && dev->q[0].taken < 9; i++)
		turn(2);
	turn(10);
	assert_int_equal(dev->q[0].taken, 9); /* of 28 MiB each */
	assert_int_equal(pthread_create(&other, NULL, let_go, &patient), 0);
	__atomic_store_n(&patient, false, __ATOMIC_RELEASE);
	assert_int_equal(wait_status(), VIRTIO_BLK_S_OK);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 13);
	assert_int_equal(pthread_join(other, NULL), 0);
	sem_destroy(&go_on);
	end();
}

/* Else the event loop copies as much as a guest has RAM for, many times over, in one turn. */
static void test_large_requests_leave_time_to_others(void **state)
{
	begin(NULL, ALL);
	assert_int_equal(ftruncate(disk.fd, 16 * MiB), 0);
	assert_int_equal(virtio_blk_resize(blk, NULL), 0);
	empty_ring();
	handed = handed_inline = 0;
	offer_large_reads(7);
	drive(ALL);
	assert_int_equal(handed, 4); /* as it started */
	assert_int_equal(wait_status(), VIRTIO_BLK_S_OK);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 7);
	assert_int_equal(handed, 7);
	assert_int_equal(handed_inline, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, MiB, 2 * MiB), VIRTIO_BLK_S_OK);
	assert_int_equal(handed_inline, 1);
	end();
}

static void test_what_a_disk_refuses(void **state)
{
	static const struct vmm_disk big = { .queues = 1, .block_size = 4096, .mem_align = 1 };
	static const struct vmm_disk fixed = { .queues = 1, .block_size = 512, .mem_align = 1,
					       .readonly = true, .discard = true };

	begin(NULL, ALL);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 128, DATA, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 127, DATA, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, ~0ull, DATA, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 511), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 127, DATA, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 0xfff00000, 512), VIRTIO_BLK_S_IOERR); /* not RAM */
	/* A file would grow. */
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 127, DATA, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 128, DATA, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(lseek(disk.fd, 0, SEEK_END), 64 * KiB);
	assert_int_equal(request(77, 0, DATA, 512), VIRTIO_BLK_S_UNSUPP);
	assert_false(vg_is_broken());
	end();
	begin(&big, ALL);
	assert_int_equal(vg_get(CONFIG + 20, 4), 4096);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, DATA, 4096), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 8, DATA, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 8, DATA, 4096), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, DATA, 16), VIRTIO_BLK_S_UNSUPP);
	end();
	begin(&fixed, F(VIRTIO_F_VERSION_1) | F(VIRTIO_BLK_F_RO));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, DATA, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, DATA, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	end();
}

static void test_its_name(void **state)
{
	begin(NULL, ALL);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, ID, 20), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 21);
	assert_memory_equal(gmem_ptr(vg_machine.guest.vm.mem, ID, 20), "disk-of-twenty-chars", 20);
	end();
}

static unsigned clear(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	uint8_t range[16];

	put_le64(range, sector);
	put_le32(range + 8, n);
	put_le32(range + 12, flags);
	vg_ram(DATA + 0x8000, range, 16);
	return request(type, 0, DATA + 0x8000, 16);
}

static void test_what_is_given_up_reads_as_zeroes(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
	static const char zero[4096];
	char b[4096];

	for (unsigned i = 0; i < 3; i++) {
		uint32_t type = types[i > 0];

		begin(NULL, ALL);
		pattern(DATA, 16384, 9);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, DATA, 16384), VIRTIO_BLK_S_OK);
		assert_int_equal(clear(type, 8, 8, i == 2), VIRTIO_BLK_S_OK);
		assert_int_equal(pread(disk.fd, b, 4096, 4096), 4096);
		assert_memory_equal(b, zero, 4096);
		same(DATA, 0, 4096);
		same(DATA + 8192, 8192, 8192);
		assert_int_equal(clear(type, 127, 2, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(clear(type, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(clear(type, 0, 0xffffffff, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(clear(type, 0, 0, 0), VIRTIO_BLK_S_OK);
		if (type == VIRTIO_BLK_T_DISCARD)
			assert_int_equal(clear(type, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(request(type, 0, DATA, 15), VIRTIO_BLK_S_IOERR);
		end();
	}
}

struct discards {
	int result;
	unsigned count;
	uint64_t range[2];
};

static int on_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
	struct discards *d = opaque;

	assert_int_equal(request, BLKDISCARD);
	memcpy(d->range, arg, sizeof(d->range));
	d->count++;
	return d->result;
}

/* The device is told; where that is not possible, a hole is made. */
static void discard_from_thread(int result, bool hole)
{
	static const struct vmm_disk like = { .discard = true, .thread = true, .queues = 1,
					      .block_size = 512, .mem_align = 1 };
	struct discards d = { .result = result };
	static const char zero[4096];
	char b[4096];

	begin(&like, ALL);
	fake_ioctl_handle(disk.fd, on_ioctl, &d);
	pattern(DATA, 16384, 9);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, DATA, 16384), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(d.count, 0);
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 8, 8, 0),
			 result == -EIO ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
	assert_int_equal(d.count, 1);
	assert_int_equal(d.range[0], 4096);
	assert_int_equal(d.range[1], 4096);
	assert_int_equal(pread(disk.fd, b, 4096, 4096), 4096);
	assert_int_equal(memcmp(b, zero, 4096) == 0, hole);
	fake_ioctl_handle(disk.fd, NULL, NULL);
	end();
}

static void test_zeroes_stay_without_a_flush(void **state)
{
	static const char zero[4096];
	char b[4096];

	for (unsigned knows = 0; knows < 2; knows++) {
		begin(NULL, knows ? ALL : ALL & ~F(VIRTIO_BLK_F_FLUSH));
		pattern(DATA, 16384, 9);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, DATA, 16384), VIRTIO_BLK_S_OK);
		syncs = 0;
		assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
		assert_int_equal(clear(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1), VIRTIO_BLK_S_OK);
		assert_int_equal(syncs, knows ? 0 : 2);
		assert_int_equal(pread(disk.fd, b, 4096, 4096), 4096);
		assert_memory_equal(b, zero, 4096);
		end();
	}
}

static void test_a_block_device_is_told_of_discards(void **state)
{
	static const char zero[4096];
	char b[4096];

	is_block = true;
	discard_from_thread(0, false);
	discard_from_thread(-EOPNOTSUPP, true);
	discard_from_thread(-EINVAL, true);
	discard_from_thread(-EBUSY, true);
	discard_from_thread(-EIO, false);
	/* By io_uring nothing but a block device knows the command. */
	begin(NULL, ALL);
	pattern(DATA, 16384, 9);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, DATA, 16384), VIRTIO_BLK_S_OK);
	assert_int_equal(clear(VIRTIO_BLK_T_DISCARD, 8, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(disk.fd, b, 4096, 4096), 4096);
	assert_memory_equal(b, zero, 4096);
	same(DATA, 0, 4096);
	end();
	is_block = false;
}

/* The second of two: the guest does not kick for it once more. */
static void test_a_request_without_memory_comes_again(void **state)
{
	begin(NULL, ALL);
	header(VIRTIO_BLK_T_FLUSH, 0);
	vg_desc_at(VG_DESC, 0, HEAD, 16, N, 1);
	vg_desc_at(VG_DESC, 1, STATUS, 1, W, 0);
	no_memory = true;
	offer(0);
	offer(0);
	turn(2);
	no_memory = false;
	assert_int_equal(wait_status(), VIRTIO_BLK_S_OK);
	assert_int_equal(vg_ram_get(VG_USED + 2, 2), 2);
	end();
}

static void test_requests_without_their_parts(void **state)
{
	begin(NULL, ALL);
	header(VIRTIO_BLK_T_OUT, 0);
	vg_desc_at(VG_DESC, 0, HEAD, 16, 0, 0); /* no status */
	offer(0);
	turn(20);
	assert_true(vg_is_broken());
	end();
	begin(NULL, ALL);
	header(VIRTIO_BLK_T_IN, 0);
	vg_desc_at(VG_DESC, 0, HEAD, 15, N, 1);
	vg_desc_at(VG_DESC, 1, STATUS, 1, W, 0);
	offer(0);
	turn(20);
	assert_true(vg_is_broken());
	end();
}

/* Somebody cut it: no guest is to be told of bytes that are not there. */
static void test_a_file_that_ends_early(void **state)
{
	begin(NULL, ALL);
	assert_int_equal(ftruncate(disk.fd, 1024), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 1024), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 2048), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 4, DATA, 512), VIRTIO_BLK_S_IOERR);
	end();
}

static void test_a_disk_that_grows(void **state)
{
	uint64_t bytes = 0;

	begin(NULL, ALL);
	assert_int_equal(vg_get(CONFIG, 8), 128);
	assert_int_equal(virtio_blk_resize(blk, &bytes), 0);
	assert_int_equal(bytes, 64 * KiB);
	assert_int_equal(vg_get(0x400, 1), 0); /* nothing new */
	assert_int_equal(ftruncate(disk.fd, 128 * KiB + 100), 0);
	assert_int_equal(virtio_blk_resize(blk, &bytes), 0);
	assert_int_equal(bytes, 128 * KiB);
	assert_int_equal(vg_get(CONFIG, 8), 256);
	assert_int_equal(vg_get(0x400, 1), 2); /* the configuration has changed */
	assert_int_equal(request(VIRTIO_BLK_T_IN, 255, DATA, 512), VIRTIO_BLK_S_OK);
	end();
}

/* What is under way has left RAM alone once the guest was told that the device is reset. */
static void test_a_reset_in_the_middle(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 1, .thread = i & 1,
					 .iothread = i & 2 };

		begin(&like, ALL);
		pattern(DATA, 8192, 3);
		for (unsigned k = 0; k < 5; k++) {
			header(VIRTIO_BLK_T_OUT, 16 * k);
			vg_desc_at(VG_DESC, 1, DATA, 8192, N, 2);
			vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
			offer(0);
		}
		turn(1);
		vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
		assert_int_equal(vg_get(VIRTIO_PCI_COMMON_STATUS, 1), 0);
		/* All of them have the last header; a thread of its own may not have come to it. */
		if (!like.iothread)
			same(DATA, 64 * 512, 8192);
		end();
	}
}

static void test_a_reset_ends_what_writes_to_ram(void **state)
{
	for (unsigned round = 0; round < 40; round++) {
		struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 1,
					 .thread = round & 1, .iothread = round & 2 };

		begin(&like, ALL);
		header(VIRTIO_BLK_T_IN, 0);
		vg_desc_at(VG_DESC, 1, DATA, 32 * KiB, N | W, 2);
		vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
		for (unsigned i = 0; i < 15; i++)
			offer(0);
		turn(0);
		vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
		vg_ram(DATA, "the next kernel", 16);
		vg_ram(DATA + 24 * KiB, "the next kernel", 16);
		turn(2);
		assert_memory_equal(gmem_ptr(vg_machine.guest.vm.mem, DATA, 16), "the next kernel", 16);
		assert_memory_equal(gmem_ptr(vg_machine.guest.vm.mem, DATA + 24 * KiB, 16),
				    "the next kernel", 16);
		end();
	}
}

static uint32_t noise;

/* The same at each run. */
static uint32_t any(uint32_t below)
{
	noise = noise * 1664525u + 1013904223u;
	return (noise >> 8) % below;
}

static void any_request(void)
{
	static const uint64_t places[] = { HEAD, STATUS, DATA, DATA + 1, DATA + 0x7000, 0xfff00000, ~0ull, 0 };
	static const uint32_t lengths[] = { 0, 1, 15, 16, 17, 511, 512, 513, 4096, 65536, 0x7fffffff, ~0u };
	uint8_t b[16];

	put_le32(b, any(8) ? any(16) : any(~0u));
	put_le32(b + 4, 0);
	put_le64(b + 8, any(4) ? any(130) : (uint64_t)any(~0u) << 32 | any(~0u));
	vg_ram(HEAD, b, 16);
	for (unsigned i = 0; i < VG_SIZE; i++)
		vg_desc_at(VG_DESC, i, i || any(8) ? places[any(ARRAY_SIZE(places))] : HEAD,
			   i || any(8) ? lengths[any(ARRAY_SIZE(lengths))] : 16,
			   (any(3) ? N : 0) | (any(2) ? W : 0) | (any(20) ? 0 : VRING_DESC_F_INDIRECT),
			   any(VG_SIZE + 1));
	vg_desc_at(VG_DESC, 0, HEAD, 16, N, 1); /* most come as far as the request */
	offer(any(8) ? 0 : any(VG_SIZE + 2));
}

static void test_noise(void **state)
{
	unsigned broken = 0, answered = 0;

	for (unsigned kind = 0; kind < 3; kind++) {
		struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 512, .discard = true,
					 .thread = kind == 1, .iothread = kind == 2 };

		noise = 7 + kind;
		begin(&like, ALL);
		for (unsigned i = 0; i < 2000; i++) {
			any_request();
			turn(0);
			if (!vg_is_broken())
				continue;
			broken++;
			answered += (unsigned)vg_ram_get(VG_USED + 2, 2);
			restart(ALL);
		}
		assert_int_equal(lseek(disk.fd, 0, SEEK_END), 64 * KiB);
		restart(ALL);
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
		end();
	}
	assert_in_range(broken, 100, 5900);
	assert_in_range(answered, 100, 5900);
}

/* --- a thread of its own --- */

/* What lies in the guest's RAM both may touch at any time. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:gmem_read\nrace:gmem_write\n";
}

static pthread_mutex_t vm_lock_ = PTHREAD_MUTEX_INITIALIZER;
static bool over;

/* Whoever controls the machine meanwhile: the disk's size, what a driver reads, other registers. */
static void *control(void *opaque)
{
	for (unsigned i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
		pthread_mutex_lock(&vm_lock_);
		assert_int_equal(ftruncate(disk.fd, i & 1 ? 64 * KiB : 96 * KiB), 0);
		assert_int_equal(virtio_blk_resize(blk, NULL), 0);
		assert_in_range(vg_get(CONFIG, 8), 128, 192);
		(void)vg_get(0x400, 1);
		(void)cfg_get(&vg_machine.guest, 0, SLOT, 0x40 + 4 * (i % 32), 4);
		pthread_mutex_unlock(&vm_lock_);
		usleep(50);
	}
	return NULL;
}

/* As a CPU would, 15 reads of the whole disk's first half, which a reset ends sooner or later. */
static void read_and_reset(unsigned round)
{
	pthread_mutex_lock(&vm_lock_);
	restart(ALL);
	header(VIRTIO_BLK_T_IN, 0);
	vg_desc_at(VG_DESC, 1, DATA, 32 * KiB, N | W, 2);
	vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
	pthread_mutex_unlock(&vm_lock_);
	for (unsigned i = 0; i < 15; i++) {
		pthread_mutex_lock(&vm_lock_);
		offer(0);
		pthread_mutex_unlock(&vm_lock_);
	}
	usleep(round % 8 * 20);
	pthread_mutex_lock(&vm_lock_);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	vg_ram(DATA + 24 * KiB, "the next kernel", 16);
	pthread_mutex_unlock(&vm_lock_);
	usleep(100);
	pthread_mutex_lock(&vm_lock_);
	assert_memory_equal(gmem_ptr(vg_machine.guest.vm.mem, DATA + 24 * KiB, 16), "the next kernel", 16);
	pthread_mutex_unlock(&vm_lock_);
}

/* To have it looked at: make SANITIZE=thread CFLAGS='-O0 -g -Wno-tsan' build/sanitize/tests/unit/test_virtio_blk */
static void test_a_thread_of_its_own_gives_way(void **state)
{
	for (unsigned io = 0; io < 2; io++) {
		struct vmm_disk like = { .queues = 1, .block_size = 512, .mem_align = 1, .discard = true,
					 .thread = io, .iothread = true };
		pthread_t other;

		over = false;
		begin(&like, ALL);
		assert_int_equal(pthread_create(&other, NULL, control, NULL), 0);
		for (unsigned round = 0; round < 200; round++)
			read_and_reset(round);
		__atomic_store_n(&over, true, __ATOMIC_RELEASE);
		assert_int_equal(pthread_join(other, NULL), 0);
		restart(ALL);
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
		end();
	}
}

/* It ends with requests under way, and none is lost of them; also one that nobody ever drove. */
static void test_a_thread_of_its_own_ends(void **state)
{
	static const struct vmm_disk like = { .queues = 2, .block_size = 512, .mem_align = 1, .iothread = true };

	for (unsigned round = 0; round < 20; round++) {
		begin(&like, ALL);
		pattern(DATA, 8192, round);
		header(VIRTIO_BLK_T_OUT, 16);
		vg_desc_at(VG_DESC, 1, DATA, 8192, N, 2);
		vg_desc_at(VG_DESC, 2, STATUS, 1, W, 0);
		offer(0);
		if (round & 1)
			(void)wait_status();
		blk = virtio_blk_free(blk);
		if (round & 1)
			same(DATA, 16 * 512, 8192);
		end();
	}
}

/* Several queues: each has its own notification. */
static void test_queues(void **state)
{
	static const struct vmm_disk like = { .queues = 3, .block_size = 512, .mem_align = 1 };

	begin(&like, F(VIRTIO_F_VERSION_1) | F(VIRTIO_BLK_F_MQ));
	assert_int_equal(vg_get(CONFIG + 34, 2), 3);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, DATA, 512), VIRTIO_BLK_S_OK);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_buffers_that_lie_wrong),
		cmocka_unit_test(test_large_requests_leave_time_to_others),
		cmocka_unit_test(test_a_reset_waits_for_no_rest),
		cmocka_unit_test(test_no_more_is_under_way_than_a_reset_can_wait_for),
		cmocka_unit_test(test_what_is_copied_waits_without_the_event_loop),
		cmocka_unit_test(test_what_a_disk_refuses),
		cmocka_unit_test(test_its_name),
		cmocka_unit_test(test_what_is_given_up_reads_as_zeroes),
		cmocka_unit_test(test_zeroes_stay_without_a_flush),
		cmocka_unit_test(test_a_block_device_is_told_of_discards),
		cmocka_unit_test(test_a_request_without_memory_comes_again),
		cmocka_unit_test(test_requests_without_their_parts),
		cmocka_unit_test(test_a_file_that_ends_early),
		cmocka_unit_test(test_a_disk_that_grows),
		cmocka_unit_test(test_a_reset_in_the_middle),
		cmocka_unit_test(test_a_reset_ends_what_writes_to_ram),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_a_thread_of_its_own_gives_way),
		cmocka_unit_test(test_a_thread_of_its_own_ends),
		cmocka_unit_test(test_queues),
	};

	return cmocka_run_group_tests_name("virtio-blk", tests, NULL, NULL);
}
