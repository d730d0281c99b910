// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver against a device, in both formats of rings: requests of all shapes, which the device ends in
 * whatever order. All that goes comes back, once, and nobody sleeps while there is something for him.
 */
#include "tests/fake/virtio_hand.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "irq/irqfd.h"
#include "tests/fake/ring_driver.h"
#include "vmm/mem.h"
#include "vmm/virtio/virtio.h"

#define F(n)   (1ull << (n))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define EVENTS F(VIRTIO_RING_F_EVENT_IDX)
#define TABLES F(VIRTIO_RING_F_INDIRECT_DESC)

static struct ring_driver driver;

static void begin(uint64_t features, unsigned size)
{
	hand_begin();
	rd_init(&driver, vg_machine.guest.vm.mem, features, size);
	hand_drive(features, size, RD_DESC, RD_AVAIL, RD_USED);
	assert_true(hand.dev.running);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_Q_SIZE, 2), size);
}

static uint64_t seed;

static unsigned below(unsigned n)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return (unsigned)(seed >> 16) % n;
}

/* --- what both sides know --- */

/* A request of the driver's: what it wrote into its buffers, and expects back. */
static struct {
	uint64_t token;
	unsigned nread, nwrite;
} asked[RD_SIZE_MAX];

/* What the device has taken and not ended. */
static struct {
	struct virtq_chain chain;
} held[RD_SIZE_MAX];
static unsigned nheld;
static uint64_t added, popped, got;

static bool ask(void)
{
	unsigned max = driver.size < RD_SEGS_MAX ? driver.size : RD_SEGS_MAX;
	unsigned n = 1 + below(max), nread = below(n + 1);
	int request = rd_add(&driver, nread, n - nread);
	uint64_t token;

	if (request < 0)
		return false;
	token = ++added * 0x9e3779b97f4a7c15ull;
	asked[request].token = token;
	asked[request].nread = nread;
	asked[request].nwrite = n - nread;
	/* The device does not look before it is told of a kick or looks by itself: this is one thread. */
	for (unsigned k = 0; k < n; k++)
		memset(rd_buffer(&driver, (unsigned)request, k), (int)(token >> 56) & 0xff, RD_SEG_LEN);
	return true;
}

/* What the device reads last it writes into all it may write to, turned over. */
static uint32_t answer(const struct virtq_chain *c)
{
	uint8_t first = (uint8_t)c->head.entries, b[RD_SEG_LEN];
	uint64_t room = virtq_writable(c), done = 0;

	assert_int_equal(virtq_readable(c) % RD_SEG_LEN, 0);
	if (c->nread)
		assert_int_equal(virtq_read(&hand.dev, c, virtq_readable(c) - 1, &first, 1), 1);
	memset(b, first ^ 0xff, sizeof(b));
	for (; done < room; done += sizeof(b))
		assert_int_equal(virtq_write(&hand.dev, c, done, b, sizeof(b)), sizeof(b));
	return (uint32_t)done;
}

static void check_answer(unsigned request, uint32_t len)
{
	uint8_t want = (uint8_t)(asked[request].token >> 56) ^ 0xff;

	assert_int_equal(len, asked[request].nwrite * RD_SEG_LEN);
	for (unsigned k = 0; k < asked[request].nread; k++)
		assert_int_equal(rd_buffer(&driver, request, k)[1], want ^ 0xff);
	for (unsigned k = 0; asked[request].nread && k < asked[request].nwrite; k++)
		assert_int_equal(rd_buffer(&driver, request, asked[request].nread + k)[RD_SEG_LEN - 1], want);
	got++;
}

/* --- one thread, by chance --- */

static bool device_awake, driver_awake;

static void take_one(void)
{
	int r = virtq_pop(&hand.dev, 0, &held[nheld].chain);

	assert_true(r >= 0);
	if (r == 0) {
		device_awake = false;
		assert_int_equal(popped, added); /* or it was not kicked */
		return;
	}
	if (below(8) == 0) { /* there is no room for it yet */
		virtq_unpop(&hand.dev, 0, &held[nheld].chain.head);
		return;
	}
	popped++;
	nheld++;
}

/* The i-th that is held leaves the list. */
static struct virtq_chain let_go(unsigned i)
{
	struct virtq_chain c = held[i].chain;

	held[i] = held[--nheld];
	return c;
}

static void give_some(void)
{
	unsigned n = nheld ? 1 + below(nheld) : 0;

	if (below(2)) {
		for (unsigned i = 0; i < n; i++) {
			struct virtq_chain c = let_go(below(nheld));

			assert_int_equal(virtq_put(&hand.dev, 0, &c.head, answer(&c)), 0);
		}
		assert_int_equal(virtq_publish(&hand.dev, 0), 0);
	} else {
		for (unsigned i = 0; i < n; i++) {
			struct virtq_chain c = let_go(below(nheld));

			assert_int_equal(virtq_push(&hand.dev, 0, &c, answer(&c)), 0);
		}
	}
	virtq_flush(&hand.dev, 0);
}

static void get_some(void)
{
	for (unsigned n = 1 + below(4); n; n--) {
		uint32_t len = 0;
		int request = rd_get(&driver, &len);

		assert_true(request >= -1);
		if (request >= 0) {
			check_answer((unsigned)request, len);
			continue;
		}
		driver_awake = !rd_wish(&driver, below(2) ? RD_NEXT : RD_LATER);
		return;
	}
}

static void ask_some(void)
{
	bool any = false;

	for (unsigned n = 1 + below(4); n && ask(); n--)
		any = true;
	if (any && rd_must_kick(&driver))
		device_awake = true;
}

static void one_step(bool more)
{
	switch (below(more ? 5 : 3)) {
	case 0:
		if (device_awake && nheld < RD_SIZE_MAX)
			take_one();
		break;
	case 1: give_some(); break;
	case 2:
		if (driver_awake)
			get_some();
		break;
	default: ask_some(); break;
	}
	if (hand_interrupted()) {
		driver_awake = true;
		if (below(2))
			(void)rd_wish(&driver, RD_NEVER); /* as NAPI does, until it has looked */
	}
	if (!device_awake)
		assert_int_equal(popped, added);
}

static void run_by_chance(uint64_t features, unsigned size, unsigned steps)
{
	begin(features, size);
	seed = 88172645463325252ull + features + size;
	nheld = 0;
	added = popped = got = 0;
	device_awake = driver_awake = true;
	for (unsigned i = 0; i < steps; i++)
		one_step(true);
	/* Nothing new: what there is must end by itself. */
	for (unsigned i = 0; i < 4000 && got < added; i++)
		one_step(false);
	if (got != added)
		fail_msg("features %llx size %u: of %llu requests %llu came back", (unsigned long long)features,
			 size, (unsigned long long)added, (unsigned long long)got);
	assert_in_range(added, steps / 64, steps * 4);
	assert_int_equal(hand.dev.q[0].taken, 0);
	assert_int_equal(driver.room, size);
	assert_false(vg_is_broken());
	hand_end();
}

/* --- what comes at the wrong moment --- */

uint8_t *__real_gmem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len);
uint8_t *__wrap_gmem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len);

static gpa_t moment; /* that it is about to look there */
static bool kicked;

/* The driver, on another CPU, just then. */
uint8_t *__wrap_gmem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	if (moment && gpa == moment) {
		moment = 0;
		assert_true(rd_add(&driver, 1, 0) >= 0);
		kicked = rd_must_kick(&driver);
	}
	return __real_gmem_ptr(mem, gpa, len);
}

static void ask_while_it_goes_to_sleep(uint64_t features, gpa_t where)
{
	struct virtq_chain c;

	begin(features, 8);
	/* So that it has said once from where on it wants to be kicked, which the driver has passed. */
	assert_int_equal(virtq_pop(&hand.dev, 0, &c), 0);
	assert_true(rd_add(&driver, 1, 0) >= 0);
	assert_true(rd_must_kick(&driver));
	assert_int_equal(virtq_pop(&hand.dev, 0, &c), 1);
	kicked = true;
	moment = where;
	assert_int_equal(virtq_pop(&hand.dev, 0, &c), 1);
	assert_int_equal(moment, 0);
	assert_false(kicked); /* so it had to look once more */
	assert_int_equal(virtq_pop(&hand.dev, 0, &c), 0);
	hand_end();
}

static void test_what_comes_while_it_goes_to_sleep(void **state)
{
	ask_while_it_goes_to_sleep(EVENTS, RD_USED + 4 + 8 * 8);
	ask_while_it_goes_to_sleep(PACKED | EVENTS, RD_USED);
}

static const uint64_t shapes[] = { 0, EVENTS, TABLES, EVENTS | TABLES };

static void test_split_rings_by_chance(void **state)
{
	static const unsigned sizes[] = { 1, 2, 8, 64 };

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++)
			run_by_chance(shapes[i], sizes[k], 20000);
}

static void test_packed_rings_by_chance(void **state)
{
	static const unsigned sizes[] = { 1, 2, 3, 7, 8, 33, 63, 64 };

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++)
			run_by_chance(PACKED | shapes[i], sizes[k], 20000);
}

/* --- two threads, which meet in the memory --- */

#define REQUESTS 10000u
#define PATIENCE_MS 10000

static int call_fd;

static bool wait_on(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) != 1)
		return false;
	(void)irqfd_drain(fd);
	return true;
}

/* It gives each back, those of a turn from the last to the first. False: nobody kicked it. */
static void *serve(void *opaque)
{
	static struct virtq_chain chain[RD_SIZE_MAX];
	unsigned served = 0, n;
	bool *ret = opaque;

	while (served < REQUESTS) {
		for (n = 0; n < 8 && virtq_pop(&hand.dev, 0, &chain[n]) == 1; n++)
			;
		if (!n && !wait_on(hand.dev.q[0].kick_fd))
			return NULL;
		served += n;
		while (n) {
			n--;
			if (virtq_push(&hand.dev, 0, &chain[n], (uint32_t)virtq_writable(&chain[n])) < 0)
				return NULL;
		}
		virtq_flush(&hand.dev, 0);
	}
	*ret = true;
	return NULL;
}

/* All that there is. False: one that was not asked for, or of a wrong length. */
static bool collect(unsigned *count)
{
	uint32_t len = 0;
	int request;

	while ((request = rd_get(&driver, &len)) >= 0) {
		if (len != asked[request].nwrite * RD_SEG_LEN)
			return false;
		++*count;
	}
	return request == -1;
}

static bool drive(void)
{
	unsigned sent = 0, back = 0, before;

	while (back < REQUESTS) {
		bool any = false, room = true;

		while (sent < REQUESTS && room) {
			unsigned n = 1 + sent % 3;
			int request = rd_add(&driver, n - 1, 1);

			room = request >= 0;
			if (!room)
				break;
			asked[request].nwrite = 1;
			any = true;
			sent++;
		}
		if (any && rd_must_kick(&driver))
			(void)eventfd_write(hand.dev.q[0].kick_fd, 1);
		before = back;
		if (!collect(&back))
			return false;
		/* What came has made room. */
		if (back == before && rd_wish(&driver, sent % 2 ? RD_NEXT : RD_LATER) && !wait_on(call_fd))
			return false;
	}
	return true;
}

static void run_together(uint64_t features, unsigned size)
{
	pthread_t thread;
	bool served = false, drove;

	begin(features, size);
	call_fd = irqfd_eventfd();
	assert_true(call_fd >= 0);
	hand.dev.vector_fd[1] = call_fd;
	assert_int_equal(pthread_create(&thread, NULL, serve, &served), 0);
	drove = drive();
	pthread_join(thread, NULL);
	if (!drove || !served)
		fail_msg("features %llx size %u: driver %d, device %d", (unsigned long long)features, size, drove,
			 served);
	hand.dev.vector_fd[1] = -1;
	close_fdp(&call_fd);
	hand_end();
}

static void test_both_sides_at_once(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		run_together(shapes[i], 16);
		run_together(PACKED | shapes[i], 16);
		run_together(PACKED | shapes[i], 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_rings_by_chance),
		cmocka_unit_test(test_packed_rings_by_chance),
		cmocka_unit_test(test_what_comes_while_it_goes_to_sleep),
		cmocka_unit_test(test_both_sides_at_once),
	};

	return cmocka_run_group_tests_name("virtio_ring", tests, NULL, NULL);
}
