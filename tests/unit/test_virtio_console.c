// SPDX-License-Identifier: GPL-2.0-or-later
/* The console device: ports and their clients, an honest driver, and one that is not. */
#include "vmm/virtio/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/size.h"
#include "tests/fake/virtio_guest.h"

#define SLOT	 1
#define NOTIFY	 0x1000u
#define CONFIG	 0x800u
#define RINGS	 0x100000u
#define BUFFERS	 0x200000u /* of 4 KiB, VG_SIZE for each queue */
#define F(n)	 (1ull << (n))
#define CTRL_IN	 2
#define CTRL_OUT 3

static struct virtio_console *con;
static struct vmm_port ports[HANDOVER_MAX_PORTS];
static char address[108];

/* --- the terminal --- */

static struct {
	char text[4096];
	size_t len;
	unsigned mores;
} screen;

static void output(void *opaque, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len && screen.len < sizeof(screen.text) - 1; i++)
		screen.text[screen.len++] = (char)data[i];
	screen.text[screen.len] = '\0';
}

static void more(void *opaque)
{
	screen.mores++;
}

static const struct virtio_console_terminal terminal = { output, more, NULL };

/* --- a driver --- */

static struct {
	uint16_t idx, seen;
} ring[20];

static gpa_t part(unsigned q, unsigned n)
{
	return RINGS + 0x4000 * q + 0x1000 * n;
}

static gpa_t buffer(unsigned q, unsigned i)
{
	return BUFFERS + 4096 * (VG_SIZE * q + i % VG_SIZE);
}

/* The event loop, until nothing more happens. */
static void turn(void)
{
	vg_turn(2000000);
}

static void rings(unsigned n)
{
	memset(ring, 0, sizeof(ring));
	for (unsigned q = 0; q < n; q++) {
		uint8_t zero[4] = { 0 };

		vg_ram(part(q, 1), zero, 4);
		vg_ram(part(q, 2), zero, 4);
		vg_set_queue(q, part(q, 0), part(q, 1), part(q, 2));
	}
}

static void drive(uint64_t features, unsigned queues)
{
	vg_accept(F(VIRTIO_F_VERSION_1) | features);
	rings(queues);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_false(vg_is_broken());
}

static int listening(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address, sizeof(address), "/tmp/thruway-port-%d", (int)getpid());
	unlink(address);
	strcpy(a.sun_path, address);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* -1: too many wait already. */
static int try_client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path, address);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		close_fdp(&fd);
	turn();
	return fd;
}

static int client(void)
{
	int fd = try_client();

	assert_true(fd >= 0);
	return fd;
}

static void begin_with(bool has_terminal, unsigned count)
{
	const struct virtio_console_setup setup = { has_terminal ? &terminal : NULL, ports, count };

	memset(&screen, 0, sizeof(screen));
	vfio_machine_new(&vg_machine);
	vg_machine.config.device_count = vg_machine.config.group_count = 0;
	assert_int_equal(virtio_console_new(&vg_machine.guest.vm, &setup, &con, &vg_machine.guest.err), 0);
	assert_int_equal(vfio_machine_start(&vg_machine), 0);
	vg_bar = (uint32_t)cfg_get(&vg_machine.guest, 0, SLOT, PCI_BASE_ADDRESS_0, 4);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* A terminal and one port, that listens. */
static void begin(void)
{
	memset(ports, 0, sizeof(ports));
	strcpy(ports[0].name, "agent.0");
	ports[0].fd = listening();
	begin_with(true, 1);
	drive(F(VIRTIO_CONSOLE_F_SIZE) | F(VIRTIO_CONSOLE_F_MULTIPORT), 6);
}

static void end(void)
{
	con = virtio_console_free(con);
	vfio_machine_free(&vg_machine);
	for (unsigned i = 0; i < HANDOVER_MAX_PORTS; i++)
		if (ports[i].fd > 0)
			close(ports[i].fd);
	memset(ports, 0, sizeof(ports));
	unlink(address);
}

static void put_idx(unsigned q, unsigned head)
{
	uint8_t b[2];

	put_le16(b, (uint16_t)head);
	vg_ram(part(q, 1) + 4 + 2 * (ring[q].idx % VG_SIZE), b, 2);
	put_le16(b, ++ring[q].idx);
	vg_ram(part(q, 1) + 2, b, 2);
}

static void kick(unsigned q)
{
	vg_put(NOTIFY + 4 * q, 2, 0);
}

/* A buffer of len bytes to fill, or with these. */
static void give(unsigned q, const void *data, unsigned len)
{
	unsigned i = ring[q].idx % VG_SIZE;

	if (data)
		vg_ram(buffer(q, i), data, len);
	vg_desc_at(part(q, 0), i, buffer(q, i), len, data ? 0 : VRING_DESC_F_WRITE, 0);
	put_idx(q, i);
}

static void say(unsigned q, const void *data, unsigned len)
{
	give(q, data, len);
	kick(q);
	turn();
}

static uint16_t used(unsigned q)
{
	return (uint16_t)vg_ram_get(part(q, 2) + 2, 2);
}

/* Is there one more that was used? Its bytes in ret, their number, or -1. */
static int next_used(unsigned q, void *ret, unsigned size)
{
	gpa_t elem = part(q, 2) + 4 + 8 * (ring[q].seen % VG_SIZE);
	uint32_t id, len;

	if (ring[q].seen == used(q))
		return -1;
	ring[q].seen++;
	id = (uint32_t)vg_ram_get(elem, 4);
	len = (uint32_t)vg_ram_get(elem + 4, 4);
	assert_true(len <= size);
	assert_int_equal(gmem_read(vg_machine.guest.vm.mem, buffer(q, id), ret, len), 0);
	return (int)len;
}

static void control(uint32_t id, unsigned event, unsigned value)
{
	uint8_t b[8];

	put_le32(b, id);
	put_le16(b + 4, (uint16_t)event);
	put_le16(b + 6, (uint16_t)value);
	say(CTRL_OUT, b, sizeof(b));
}

/* The messages that came, as "id:event=value ", names and sizes behind them. */
static const char *told(void)
{
	static char text[512];
	uint8_t b[128];
	size_t n = 0;
	int len;

	text[0] = '\0';
	while ((len = next_used(CTRL_IN, b, sizeof(b) - 1)) >= 0) {
		unsigned event = get_le16(b + 4);

		b[len] = '\0';
		if (!len) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "- ");
			continue;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u:%u=%u", get_le32(b), event,
				      get_le16(b + 6));
		if (event == VIRTIO_CONSOLE_RESIZE)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "(%ux%u)", get_le16(b + 8),
					      get_le16(b + 10));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ",
				      event == VIRTIO_CONSOLE_PORT_NAME ? (char *)b + 8 : "");
	}
	return text;
}

static void control_buffers(unsigned n, unsigned len)
{
	for (unsigned i = 0; i < n; i++)
		give(CTRL_IN, NULL, len);
	kick(CTRL_IN);
	turn();
}

#define READY	 VIRTIO_CONSOLE_DEVICE_READY
#define PREADY	 VIRTIO_CONSOLE_PORT_READY
#define OPEN	 VIRTIO_CONSOLE_PORT_OPEN

/* As far as data can flow at the port. */
static void open_port(void)
{
	control_buffers(8, 128);
	control(0, READY, 1);
	control(1, PREADY, 1);
	control(1, OPEN, 1);
	told();
	control_buffers(8, 128);
}

/* --- a console alone --- */

static void test_a_driver_that_knows_one_port_has_the_terminal(void **state)
{
	uint8_t got[64];

	begin_with(true, 0);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_DF, 4) & 7, F(VIRTIO_CONSOLE_F_SIZE));
	virtio_console_resize(con, 132, 43);
	drive(F(VIRTIO_CONSOLE_F_SIZE), 2);
	assert_false(virtio_console_in_use(con));
	assert_int_equal(vg_get(CONFIG, 4), 132 | 43 << 16);
	assert_int_equal(vg_get(CONFIG + 4, 4), 1);
	screen.mores = 0;
	say(1, "hello ", 6);
	say(1, "world", 5);
	assert_string_equal(screen.text, "hello world");
	assert_true(virtio_console_in_use(con));
	assert_int_equal(screen.mores, 1); /* what is typed is its own from now on */
	assert_int_equal(used(1), 2);
	/* Only so much as it has buffers for. */
	assert_int_equal(virtio_console_input(con, (const uint8_t *)"abcdef", 6), 0);
	give(0, NULL, 4);
	kick(0);
	turn();
	assert_true(screen.mores > 1);
	assert_int_equal(virtio_console_input(con, (const uint8_t *)"abcdef", 6), 4);
	assert_int_equal(next_used(0, got, sizeof(got)), 4);
	assert_memory_equal(got, "abcd", 4);
	virtio_console_resize(con, 80, 25);
	assert_int_equal(vg_get(CONFIG, 4), 80 | 25 << 16);
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_false(virtio_console_in_use(con));
	assert_int_equal(virtio_console_input(con, (const uint8_t *)"a", 1), 0);
	end();
}

/* A kernel before kexec: for its last word there it waits for ever. */
static void test_a_console_goes_on_without_bus_mastering(void **state)
{
	begin_with(true, 0);
	drive(0, 2);
	cfg_put(&vg_machine.guest, 0, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	say(1, "Starting new kernel", 19);
	assert_string_equal(screen.text, "Starting new kernel");
	assert_int_equal(used(1), 1);
	end();
}

/* --- ports --- */

static void test_a_driver_is_told_of_its_ports(void **state)
{
	begin();
	assert_int_equal(vg_get(VIRTIO_PCI_COMMON_NUMQ, 2), 6);
	assert_int_equal(vg_get(CONFIG + 4, 4), 2);
	virtio_console_resize(con, 80, 25);
	control_buffers(12, 128);
	assert_string_equal(told(), "");
	control(0, READY, 1);
	assert_string_equal(told(), "0:1=1 1:1=1 ");
	control(0, READY, 1); /* a second time nothing is there twice */
	assert_string_equal(told(), "");
	control(0, PREADY, 1);
	assert_string_equal(told(), "0:4=1 0:5=1(80x25) 0:6=1 ");
	control(0, OPEN, 1);
	assert_false(virtio_console_in_use(con));
	say(1, "login: ", 7);
	assert_true(virtio_console_in_use(con));
	control(1, PREADY, 1);
	assert_string_equal(told(), "1:7=1agent.0 ");
	virtio_console_resize(con, 100, 30);
	assert_string_equal(told(), "0:5=1(100x30) ");
	control(0, OPEN, 0);
	assert_false(virtio_console_in_use(con));
	end();
}

static void test_clients_come_and_go_one_at_a_time(void **state)
{
	int a, b;

	begin();
	open_port();
	a = client();
	assert_string_equal(told(), "1:6=1 ");
	b = client();
	assert_string_equal(told(), "");
	close(a);
	turn();
	assert_string_equal(told(), "1:6=0 1:6=1 ");
	close(b);
	turn();
	assert_string_equal(told(), "1:6=0 ");
	end();
}

/* Without buffers for messages it is told in the end what is so then. */
static void test_what_a_driver_did_not_hear_does_not_pile_up(void **state)
{
	begin();
	open_port();
	while (ring[CTRL_IN].seen != ring[CTRL_IN].idx) /* use the buffers up */
		close(client()), turn(), told();
	for (unsigned i = 0; i < 100; i++)
		close(client()), turn();
	assert_int_equal(used(CTRL_IN), ring[CTRL_IN].idx);
	control_buffers(4, 128);
	assert_string_equal(told(), "1:6=0 "); /* of the one that it heard of */
	close(client());
	turn();
	assert_string_equal(told(), "1:6=1 1:6=0 ");
	end();
}

static void test_bytes_go_both_ways(void **state)
{
	uint8_t got[64];
	int fd;

	begin();
	open_port();
	fd = client();
	say(5, "to the host", 11);
	assert_int_equal(read(fd, got, sizeof(got)), 11);
	assert_memory_equal(got, "to the host", 11);
	assert_int_equal(write(fd, "to the guest", 12), 12);
	turn();
	give(4, NULL, 5);
	give(4, NULL, 64);
	kick(4);
	turn();
	assert_int_equal(next_used(4, got, sizeof(got)), 5);
	assert_memory_equal(got, "to th", 5);
	assert_int_equal(next_used(4, got, sizeof(got)), 7);
	assert_memory_equal(got, "e guest", 7);
	assert_int_equal(next_used(4, got, sizeof(got)), -1);
	assert_int_equal(write(fd, "!", 1), 1);
	turn();
	give(4, NULL, 64);
	kick(4);
	turn();
	assert_int_equal(next_used(4, got, sizeof(got)), 1);
	close(fd);
	end();
}

/* Until the guest has opened its port, and a reader has read, nothing is taken. */
static void test_who_is_slow_is_waited_for(void **state)
{
	static uint8_t block[4096], got[4096];
	size_t total = 0, sent = 0;
	int fd, small = 4096;
	ssize_t n;

	begin();
	control_buffers(12, 128);
	control(0, READY, 1);
	control(1, PREADY, 1);
	fd = client();
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while ((n = write(fd, block, sizeof(block))) > 0)
		sent += (size_t)n;
	give(4, NULL, 4096);
	kick(4);
	turn();
	assert_int_equal(used(4), 0);
	control(1, OPEN, 1);
	assert_int_equal(used(4), 1);
	assert_true(sent > 4096);
	/* And the other way: what does not fit stays in the guest's ring. */
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 0; k < sizeof(block); k++)
			block[k] = (uint8_t)(i + k);
		for (unsigned tries = 0; (uint16_t)(ring[5].idx - used(5)) == VG_SIZE; tries++) {
			assert_true(tries < 100);
			for (n = read(fd, got, sizeof(got)); n > 0; n = 0) {
				for (ssize_t k = 0; k < n; k++, total++)
					assert_int_equal(got[k], (uint8_t)(total / 4096 + total % 4096));
			}
			turn();
		}
		say(5, block, sizeof(block));
	}
	while (total < 200 * sizeof(block)) {
		n = read(fd, got, sizeof(got));
		for (ssize_t k = 0; k < n; k++, total++)
			assert_int_equal(got[k], (uint8_t)(total / 4096 + total % 4096));
		turn();
	}
	assert_int_equal(used(5), 200);
	close(fd);
	end();
}

/* What it said is the guest's, when that comes to it; and that it has gone comes behind. */
static void test_a_client_that_has_gone_is_heard_to_its_end(void **state)
{
	uint8_t got[64];
	int fd;

	begin();
	open_port();
	fd = client();
	told();
	assert_int_equal(write(fd, "last words", 10), 10);
	close(fd);
	turn();
	assert_string_equal(told(), "");
	give(4, NULL, 64);
	kick(4);
	turn();
	assert_int_equal(next_used(4, got, sizeof(got)), 10);
	give(4, NULL, 64);
	kick(4);
	turn();
	assert_string_equal(told(), "1:6=0 ");
	/* One that has only nothing more to say still hears. */
	fd = client();
	assert_string_equal(told(), "1:6=1 ");
	shutdown(fd, SHUT_WR);
	turn();
	assert_string_equal(told(), "");
	say(5, "answer", 6);
	assert_int_equal(read(fd, got, sizeof(got)), 6);
	close(fd);
	turn();
	assert_string_equal(told(), "1:6=0 ");
	/* To a port that nobody in the guest has open. */
	control(1, OPEN, 0);
	fd = client();
	assert_int_equal(write(fd, "nobody", 6), 6);
	assert_string_equal(told(), "1:6=1 ");
	close(fd);
	turn();
	assert_string_equal(told(), "1:6=0 ");
	end();
}

/* Half of a buffer was written when it went: the rest is for nobody, and so is what comes without one. */
static void test_what_is_said_to_nobody_is_lost(void **state)
{
	static uint8_t block[4096];
	uint8_t got[64];
	int fd;

	begin();
	open_port();
	fd = client();
	while ((uint16_t)(ring[5].idx - used(5)) < VG_SIZE) {
		say(5, block, sizeof(block));
		assert_true(ring[5].idx < 1000);
	}
	told();
	close(fd);
	turn();
	assert_string_equal(told(), "1:6=0 ");
	assert_int_equal(used(5), ring[5].idx);
	say(5, "nobody", 6);
	assert_int_equal(used(5), ring[5].idx);
	fd = client();
	say(5, "again", 5);
	assert_int_equal(read(fd, got, sizeof(got)), 5);
	assert_memory_equal(got, "again", 5);
	close(fd);
	end();
}

static void test_a_client_stays_when_the_guest_begins_anew(void **state)
{
	uint8_t got[64];
	int fd;

	begin();
	open_port();
	fd = client();
	give(4, NULL, 64);
	kick(4);
	turn();
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(write(fd, "kept", 4), 4);
	turn();
	drive(F(VIRTIO_CONSOLE_F_MULTIPORT), 6);
	control_buffers(8, 128);
	control(0, READY, 1);
	control(1, PREADY, 1);
	assert_string_equal(told(), "0:1=1 1:1=1 1:7=1agent.0 1:6=1 ");
	give(4, NULL, 64);
	kick(4);
	control(1, OPEN, 1);
	assert_int_equal(next_used(4, got, sizeof(got)), 4);
	assert_memory_equal(got, "kept", 4);
	/* And one that leaves in between. */
	vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	close(fd);
	turn();
	drive(F(VIRTIO_CONSOLE_F_MULTIPORT), 6);
	control_buffers(8, 128);
	control(0, READY, 1);
	control(1, PREADY, 1);
	assert_string_equal(told(), "0:1=1 1:1=1 1:7=1agent.0 ");
	end();
}

static void test_a_port_may_be_a_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), slave;
	struct termios raw;
	uint8_t got[64];

	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	memset(ports, 0, sizeof(ports));
	ports[0] = (struct vmm_port){ .name = "tty", .fd = master, .terminal = true };
	begin_with(false, 1);
	drive(F(VIRTIO_CONSOLE_F_MULTIPORT), 6);
	control_buffers(8, 128);
	control(0, READY, 1);
	control(0, PREADY, 1); /* there is none */
	control(1, PREADY, 1);
	assert_string_equal(told(), "1:1=1 1:7=1tty 1:6=1 ");
	control(1, OPEN, 1);
	give(4, NULL, 64);
	kick(4);
	assert_int_equal(write(slave, "typed", 5), 5);
	turn();
	assert_int_equal(next_used(4, got, sizeof(got)), 5);
	say(5, "shown", 5);
	assert_int_equal(read(slave, got, sizeof(got)), 5);
	say(1, "nowhere", 7); /* port 0 */
	assert_int_equal(used(1), 1);
	end();
	close(slave);
}

/* --- what no driver should do --- */

static void test_control_messages_that_mean_nothing(void **state)
{
	static const uint8_t ready[4] = { 0 };
	uint8_t b[8];

	begin();
	control_buffers(12, 128);
	control(1, OPEN, 1); /* before all */
	control(1, PREADY, 1);
	assert_string_equal(told(), "");
	control(0, READY, 0); /* it cannot */
	assert_string_equal(told(), "");
	say(CTRL_OUT, ready, 4);
	say(CTRL_OUT, ready, 0);
	control(0, READY, 1);
	told();
	control(2, PREADY, 1);
	control(2, OPEN, 1);
	control(0xffffffff, OPEN, 1);
	control(0x80000001, PREADY, 1);
	control(1, 99, 1);
	control(1, VIRTIO_CONSOLE_PORT_ADD, 1);
	control(1, VIRTIO_CONSOLE_PORT_NAME, 1);
	assert_string_equal(told(), "");
	/* Not in RAM. */
	vg_desc_at(part(CTRL_OUT, 0), 0, 0xfffffffffffffff0, 8, 0, 0);
	put_idx(CTRL_OUT, 0);
	kick(CTRL_OUT);
	turn();
	assert_int_equal(used(CTRL_OUT), ring[CTRL_OUT].idx);
	/* Ready and not, over and over: what is owed is of the last time. */
	for (unsigned i = 0; i < 50; i++) {
		control(1, PREADY, 1);
		control(1, PREADY, 0);
	}
	told();
	put_le32(b, 1);
	assert_false(vg_is_broken());
	end();
}

static void test_buffers_that_no_message_fits_in(void **state)
{
	begin();
	control_buffers(1, 7);
	control_buffers(1, 0);
	control_buffers(6, 8);
	control(0, READY, 1);
	assert_string_equal(told(), "- - 0:1=1 1:1=1 ");
	control(1, PREADY, 1); /* its name is longer than 8 bytes: buffers go back, and it waits */
	assert_string_equal(told(), "- - - - ");
	control_buffers(1, 15);
	assert_string_equal(told(), "1:7=1agent.0 ");
	end();
}

/* More than is ever sent at once: control messages and output in full rings, kicked once. */
static void test_a_flood_is_served_in_turns(void **state)
{
	uint8_t b[8] = { 1, 0, 0, 0, OPEN, 0, 1, 0 };

	begin();
	open_port();
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < VG_SIZE; i++) {
			give(CTRL_OUT, b, sizeof(b));
			give(5, "x", 1);
			give(1, "y", 1);
		}
		kick(CTRL_OUT);
		kick(5);
		kick(1);
		turn();
		assert_int_equal(used(CTRL_OUT), ring[CTRL_OUT].idx);
		assert_int_equal(used(5), ring[5].idx);
		assert_int_equal(used(1), ring[1].idx);
	}
	assert_int_equal(screen.len, 20 * VG_SIZE);
	end();
}

/* One buffer as large as RAM, sixteen times over: others get their turn before it is through. */
static void test_a_buffer_without_end_is_written_in_turns(void **state)
{
	begin();
	for (unsigned i = 0; i < VG_SIZE; i++)
		vg_desc_at(part(1, 0), i, 0, 4 * MiB, i + 1 < VG_SIZE ? VRING_DESC_F_NEXT : 0, i + 1);
	put_idx(1, 0);
	kick(1);
	vg_turn(1);
	assert_int_equal(used(1), 0);
	for (unsigned i = 0; i < 1000 && !used(1); i++)
		turn();
	assert_int_equal(used(1), 1);
	end();
}

static void test_noise(void **state)
{
	uint64_t x = 88172645463325252ull;
	int fd = -1;

	log_set_level(LOG_QUIET);
	begin();
	open_port();
	for (unsigned i = 0; i < 4000; i++) {
		unsigned q = (unsigned)(x >> 12) % 6;
		uint8_t b[8];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		put_le64(b, x >> 8);
		switch (x % 10) {
		case 0: vg_ram(part(q, 1) + (x >> 20) % 64, b, 2); break;
		case 1:
			vg_desc_at(part(q, 0), (x >> 20) % VG_SIZE, buffer(q, (unsigned)(x >> 30)),
				   (uint32_t)(x >> 44) % 80, (x >> 24) % 4, (x >> 33) % (VG_SIZE + 1));
			break;
		case 2: put_idx(q, (unsigned)(x >> 25) % VG_SIZE); break;
		case 3:
			put_le32(b, (uint32_t)(x >> 20) % 3);
			put_le16(b + 4, (x >> 30) % 9);
			put_le16(b + 6, (x >> 35) % 2);
			give(CTRL_OUT, b, 8);
			kick(CTRL_OUT);
			break;
		case 4: give(q & ~1u, NULL, (unsigned)(x >> 40) % 64); break;
		case 5:
			if (fd < 0)
				fd = try_client();
			else if (write(fd, b, 8) < 0 || x & 0x100000)
				close_fdp(&fd);
			break;
		case 6: virtio_console_resize(con, (uint16_t)(x >> 20), (uint16_t)(x >> 36)); break;
		case 7:
			if (!vg_is_broken() && x & 0xf00000)
				break;
			vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 0);
			vg_accept(F(VIRTIO_F_VERSION_1) | (x & 0x1000000 ? F(VIRTIO_CONSOLE_F_MULTIPORT) : 0));
			rings(6);
			vg_put(VIRTIO_PCI_COMMON_STATUS, 1, 7 | VIRTIO_CONFIG_S_FEATURES_OK);
			break;
		default: kick(q);
		}
		if (i % 8 == 0)
			turn();
	}
	close_fdp(&fd);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_driver_that_knows_one_port_has_the_terminal),
		cmocka_unit_test(test_a_console_goes_on_without_bus_mastering),
		cmocka_unit_test(test_a_driver_is_told_of_its_ports),
		cmocka_unit_test(test_clients_come_and_go_one_at_a_time),
		cmocka_unit_test(test_what_a_driver_did_not_hear_does_not_pile_up),
		cmocka_unit_test(test_bytes_go_both_ways),
		cmocka_unit_test(test_who_is_slow_is_waited_for),
		cmocka_unit_test(test_a_client_that_has_gone_is_heard_to_its_end),
		cmocka_unit_test(test_what_is_said_to_nobody_is_lost),
		cmocka_unit_test(test_a_client_stays_when_the_guest_begins_anew),
		cmocka_unit_test(test_a_port_may_be_a_terminal),
		cmocka_unit_test(test_control_messages_that_mean_nothing),
		cmocka_unit_test(test_buffers_that_no_message_fits_in),
		cmocka_unit_test(test_a_flood_is_served_in_turns),
		cmocka_unit_test(test_a_buffer_without_end_is_written_in_turns),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("virtio_console", tests, NULL, NULL);
}
