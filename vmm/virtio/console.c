// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "base/fd.h"
#include "base/le.h"
#include "vmm/handover.h"
#include "vmm/virtio/stream.h"
#include "vmm/virtio/virtio.h"
#include "vmm/vm.h"

/* 5.3.2: port 0 has the first two queues, the guest's and our control messages the next two. */
#define CONTROL_IN  2u /* to the guest */
#define CONTROL_OUT 3u
#define MESSAGE	    8u	/* struct virtio_console_control */
#define CONFIG	    12u /* struct virtio_console_config */

/* Copied at a time; and in one turn, before others get theirs. */
#define CHUNK 16384u
#define TURN  (16 * CHUNK)

#define BIT(n) (1ull << (n))

/* What the guest is to be told of a port, in this order. */
enum message { ADD, CONSOLE, RESIZE, NAME, CLOSED, OPENED, MESSAGES };

struct vport {
	struct virtio_console *con;
	uint32_t id;
	const char *name;  /* NULL: none, and it is the terminal */
	struct stream *host; /* NULL: the terminal */
	bool ready, open;  /* the guest said so */
	bool spoke;	   /* wrote something since it has it open */
	bool has_client;   /* on the host, as the guest knows or is owed */
	unsigned owed;	   /* bits of enum message. Not a list: a guest cannot make it grow */
	/* Chains that were taken and not given back: a buffer to fill, one that is not all written. */
	bool has_in, has_out;
	uint64_t done; /* bytes of out */
	struct virtq_chain in, out;
};

struct virtio_console {
	struct virtio_dev dev;
	struct virtio_ops ops; /* with the number of queues */
	struct virtio_console_terminal terminal;
	uint16_t cols, rows;
	bool announced; /* the guest asked for the ports */
	unsigned first; /* 0, or 1 where there is no terminal */
	unsigned count; /* of ports, with number 0 */
	struct vport ports[];
};

_Static_assert(4 + 2 * HANDOVER_MAX_PORTS <= VIRTIO_QUEUES_MAX, "two queues for each port");

static struct virtio_console *to_console(struct virtio_dev *dev)
{
	return container_of(dev, struct virtio_console, dev);
}

static bool has_ports(const struct virtio_console *con)
{
	return virtio_has(&con->dev, VIRTIO_CONSOLE_F_MULTIPORT);
}

static unsigned in_queue(const struct vport *p)
{
	return p->id ? 2 + 2 * p->id : 0;
}

static unsigned out_queue(const struct vport *p)
{
	return in_queue(p) + 1;
}

static bool usable(const struct virtio_console *con, unsigned q)
{
	return con->dev.running && con->dev.q[q].ready;
}

static void flush(struct virtio_console *con, unsigned q)
{
	if (usable(con, q))
		virtq_flush(&con->dev, q);
}

/* The next turn begins where this one ends, when others had theirs. */
static void again(struct virtio_console *con, unsigned q)
{
	(void)eventfd_write(con->dev.q[q].kick_fd, 1);
}

/* --- control messages to the guest (5.3.6.2) ---------------------------------------------------- */

/* 5.3.6.2 of the specification; Linux took columns for rows until 6.16. */
static unsigned put_size(const struct virtio_console *con, uint8_t *b)
{
	put_le16(b, con->cols);
	put_le16(b + 2, con->rows);
	return 4;
}

static unsigned put_message(const struct vport *p, enum message what, uint8_t *b)
{
	static const struct {
		uint16_t event, value;
	} rows[MESSAGES] = {
		[ADD] = { VIRTIO_CONSOLE_PORT_ADD, 1 },
		[CONSOLE] = { VIRTIO_CONSOLE_CONSOLE_PORT, 1 },
		[RESIZE] = { VIRTIO_CONSOLE_RESIZE, 1 },
		[NAME] = { VIRTIO_CONSOLE_PORT_NAME, 1 },
		[CLOSED] = { VIRTIO_CONSOLE_PORT_OPEN, 0 },
		[OPENED] = { VIRTIO_CONSOLE_PORT_OPEN, 1 },
	};

	put_le32(b, p->id);
	put_le16(b + 4, rows[what].event);
	put_le16(b + 6, rows[what].value);
	if (what == RESIZE)
		return MESSAGE + put_size(p->con, b + MESSAGE);
	if (what != NAME)
		return MESSAGE;
	memcpy(b + MESSAGE, p->name, strlen(p->name));
	return MESSAGE + (unsigned)strlen(p->name);
}

static struct vport *next_owed(struct virtio_console *con)
{
	for (unsigned i = con->first; i < con->count; i++)
		if (con->ports[i].owed)
			return &con->ports[i];
	return NULL;
}

/* As far as the guest has buffers. One that is too short goes back empty, and the message waits. */
static void tell(struct virtio_console *con)
{
	uint8_t b[MESSAGE + VMM_PORT_NAME_MAX + 1];
	struct virtq_chain chain;
	struct vport *p;

	if (!has_ports(con) || !usable(con, CONTROL_IN))
		return;
	for (unsigned n = con->dev.q[CONTROL_IN].size; n && (p = next_owed(con)); n--) {
		enum message what = (enum message)__builtin_ctz(p->owed);
		unsigned len = put_message(p, what, b);
		bool fits;

		if (virtq_pop(&con->dev, CONTROL_IN, &chain) != 1)
			break;
		fits = virtq_writable(&chain) >= len;
		if (fits) {
			p->owed &= ~(1u << what);
			fits = virtq_write(&con->dev, &chain, 0, b, len) == (int64_t)len;
		}
		if (virtq_push(&con->dev, CONTROL_IN, &chain, fits ? len : 0) < 0)
			return;
	}
	flush(con, CONTROL_IN);
}

static void owe(struct vport *p, unsigned bits)
{
	p->owed |= bits;
	tell(p->con);
}

/* A client that came and went before the guest was told of it has never been there. */
static void note_client(struct vport *p)
{
	bool here = p->host ? stream_is_open(p->host) : true;

	if (here == p->has_client)
		return;
	p->has_client = here;
	if (!p->ready)
		return;
	if (!here && p->owed & 1u << OPENED)
		p->owed &= ~(1u << OPENED);
	else
		owe(p, here ? 1u << OPENED : 1u << CLOSED);
}

static void more_input(struct virtio_console *con)
{
	if (con->terminal.more)
		con->terminal.more(con->terminal.opaque);
}

/* --- from the guest ----------------------------------------------------------------------------- */

static size_t put_out(struct vport *p, const uint8_t *data, size_t len)
{
	struct virtio_console *con = p->con;

	if (p->host)
		return stream_write(p->host, data, len);
	if (!p->spoke) {
		p->spoke = true;
		more_input(con);
	}
	if (con->terminal.output)
		con->terminal.output(con->terminal.opaque, data, len);
	return len;
}

enum progress { ALL, NO_ROOM, TURN_OVER };

/* The rest of the chain that was taken. A buffer that is not RAM says nothing. */
static enum progress write_chain(struct vport *p, unsigned *turn)
{
	uint64_t total = virtq_readable(&p->out);
	uint8_t buf[CHUNK];

	if (p->host && !stream_is_open(p->host))
		return ALL;
	while (p->done < total) {
		int64_t n = virtq_read(&p->con->dev, &p->out, p->done, buf, sizeof(buf));
		size_t taken;

		if (n <= 0)
			return ALL;
		taken = put_out(p, buf, (size_t)n);
		p->done += taken;
		if (taken < (size_t)n)
			return NO_ROOM;
		if (*turn < CHUNK)
			return p->done < total ? TURN_OVER : ALL;
		*turn -= CHUNK;
	}
	return ALL;
}

/* True: room is waited for. Without a client all of it is lost, so that no guest waits for one. */
static bool take_out(struct vport *p)
{
	struct virtio_console *con = p->con;
	unsigned q = out_queue(p), turn = TURN, n;
	enum progress how = ALL;

	for (n = usable(con, q) ? con->dev.q[q].size : 0; n; n--) {
		if (!p->has_out && virtq_pop(&con->dev, q, &p->out) != 1)
			break;
		if (!p->has_out)
			p->done = 0;
		p->has_out = true;
		how = write_chain(p, &turn);
		if (how != ALL || !usable(con, q)) /* its input may have broken the rules meanwhile */
			break;
		p->has_out = false;
		if (virtq_push(&con->dev, q, &p->out, 0) < 0)
			return false;
	}
	flush(con, q);
	if (usable(con, q) && (how == TURN_OVER || !n))
		again(con, q);
	return how == NO_ROOM;
}

/* --- to the guest ------------------------------------------------------------------------------- */

/* True: the guest has a buffer, for what is still to come. */
static bool give_in(struct vport *p)
{
	struct virtio_console *con = p->con;
	unsigned q = in_queue(p);
	uint8_t buf[CHUNK];
	bool waits = false;

	if (!p->open || !stream_is_open(p->host))
		return false;
	for (unsigned n = usable(con, q) ? con->dev.q[q].size : 0; n; n--) {
		uint64_t room;
		size_t len;
		int64_t done;

		waits = p->has_in || virtq_pop(&con->dev, q, &p->in) == 1;
		p->has_in = waits;
		if (!waits)
			break;
		room = virtq_writable(&p->in);
		len = room ? stream_read(p->host, buf, room < CHUNK ? room : CHUNK) : 0;
		if (room && !len)
			break;
		done = len ? virtq_write(&con->dev, &p->in, 0, buf, len) : 0;
		p->has_in = false;
		if (virtq_push(&con->dev, q, &p->in, done > 0 ? (uint32_t)done : 0) < 0)
			return false;
	}
	flush(con, q);
	return waits;
}

/* Both directions of a port that is not the terminal, each as far as it goes. */
static void serve(struct vport *p)
{
	bool out = take_out(p), in = give_in(p);

	stream_wait(p->host, in, out, p->open);
	note_client(p);
	if (!stream_is_open(p->host))
		(void)take_out(p);
}

static void on_turn(void *opaque)
{
	serve(opaque);
}

size_t virtio_console_input(struct virtio_console *con, const uint8_t *data, size_t len)
{
	struct virtq_chain chain;
	size_t taken = 0;
	unsigned n;

	if (con->first || !con->ports[0].open || !usable(con, 0))
		return 0;
	/* Buffers without room, which come again as fast as they go back, would be no end. */
	for (n = con->dev.q[0].size; n && taken < len && virtq_pop(&con->dev, 0, &chain) == 1; n--) {
		uint64_t room = virtq_writable(&chain);
		size_t part = room < len - taken ? (size_t)room : len - taken;
		int64_t done = virtq_write(&con->dev, &chain, 0, data + taken, part);

		if (virtq_push(&con->dev, 0, &chain, done > 0 ? (uint32_t)done : 0) < 0)
			break;
		taken += part;
	}
	flush(con, 0);
	if (!n && taken < len && usable(con, 0))
		again(con, 0);
	return taken;
}

/* --- control messages of the guest's ------------------------------------------------------------ */

/* Asked for once: a second time a driver would find its ports there twice. */
static void announce(struct virtio_console *con, bool works)
{
	if (!works || con->announced)
		return;
	con->announced = true;
	for (unsigned i = con->first; i < con->count; i++)
		con->ports[i].owed |= 1u << ADD;
	tell(con);
}

static void set_ready(struct vport *p, bool ready)
{
	unsigned owed = 0;

	if (p->ready == ready)
		return;
	p->ready = ready;
	if (!ready) {
		p->owed = 0;
		return;
	}
	if (p->name)
		owed |= 1u << NAME;
	else
		owed |= 1u << CONSOLE | (p->con->cols ? 1u << RESIZE : 0);
	if (p->has_client)
		owed |= 1u << OPENED;
	owe(p, owed);
}

static void set_open(struct vport *p, bool open)
{
	if (p->open == open)
		return;
	p->open = open;
	p->spoke = false;
	if (p->host)
		serve(p);
	else
		more_input(p->con);
}

static void obey(struct virtio_console *con, const uint8_t message[MESSAGE])
{
	uint32_t id = get_le32(message);
	bool value = get_le16(message + 6);

	if (get_le16(message + 4) == VIRTIO_CONSOLE_DEVICE_READY) {
		announce(con, value);
		return;
	}
	if (!con->announced || id < con->first || id >= con->count)
		return;
	if (get_le16(message + 4) == VIRTIO_CONSOLE_PORT_READY)
		set_ready(&con->ports[id], value);
	else if (get_le16(message + 4) == VIRTIO_CONSOLE_PORT_OPEN)
		set_open(&con->ports[id], value);
}

static void listen_to(struct virtio_console *con)
{
	uint8_t message[MESSAGE];
	struct virtq_chain chain;
	unsigned n;

	for (n = con->dev.q[CONTROL_OUT].size; n && usable(con, CONTROL_OUT); n--) {
		int64_t len;

		if (virtq_pop(&con->dev, CONTROL_OUT, &chain) != 1)
			break;
		len = virtq_read(&con->dev, &chain, 0, message, sizeof(message));
		if (virtq_push(&con->dev, CONTROL_OUT, &chain, 0) < 0)
			return;
		if (len == (int64_t)sizeof(message))
			obey(con, message);
	}
	flush(con, CONTROL_OUT);
	if (!n && usable(con, CONTROL_OUT))
		again(con, CONTROL_OUT);
}

/* --- the device --------------------------------------------------------------------------------- */

static void kick(struct virtio_dev *dev, unsigned q)
{
	struct virtio_console *con = to_console(dev);
	unsigned id = q < 2 ? 0 : q / 2 - 1;

	if (q == CONTROL_IN)
		tell(con);
	else if (q == CONTROL_OUT && has_ports(con))
		listen_to(con);
	else if (q == CONTROL_OUT || (id && !has_ports(con)))
		return;
	else if (id)
		serve(&con->ports[id]);
	else if (q == out_queue(&con->ports[0]))
		(void)take_out(&con->ports[0]);
	else
		more_input(con);
}

/* A driver that knows of one port only has it. */
static int start(struct virtio_dev *dev)
{
	struct virtio_console *con = to_console(dev);

	if (!has_ports(con) && !con->first)
		set_open(&con->ports[0], true);
	return 0;
}

/* Its clients stay, and hear of the guest again when it has opened its ports anew. */
static void stop(struct virtio_dev *dev)
{
	struct virtio_console *con = to_console(dev);
	bool used = virtio_console_in_use(con);

	con->announced = false;
	for (unsigned i = con->first; i < con->count; i++) {
		struct vport *p = &con->ports[i];

		p->ready = p->open = p->spoke = p->has_in = p->has_out = false;
		p->owed = 0;
		if (p->host) {
			stream_wait(p->host, false, false, false);
			note_client(p);
		}
	}
	if (used)
		more_input(con);
}

static void config_read(struct virtio_dev *dev, unsigned off, uint8_t *data, unsigned len)
{
	const struct virtio_console *con = to_console(dev);
	uint8_t bytes[CONFIG] = { 0 };

	put_size(con, bytes);
	put_le32(bytes + 4, con->count); /* the highest number, and one */
	for (unsigned i = 0; i < len; i++)
		data[i] = off + i < sizeof(bytes) ? bytes[off + i] : 0;
}

static const struct virtio_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.class_rev = 0x07800000, /* communication controller, other */
	.queue_size = 128,
	.kick = kick,
	.start = start,
	.stop = stop,
	.config_read = config_read,
};

static int add_port(struct virtio_console *con, struct loop *loop, const struct vmm_port *port)
{
	struct vport *p = &con->ports[con->count];
	const struct stream_owner owner = { on_turn, p };
	int r;

	*p = (struct vport){ .con = con, .id = con->count, .name = port->name };
	r = stream_new(loop, port->fd, port->terminal, &owner, &p->host);
	if (r < 0)
		return r;
	con->count++;
	p->has_client = stream_is_open(p->host);
	return 0;
}

int virtio_console_new(struct vm *vm, const struct virtio_console_setup *setup,
		       struct virtio_console **ret, struct err *err)
{
	struct virtio_console *con =
		calloc(1, sizeof(*con) + (1 + setup->count) * sizeof(con->ports[0]));
	int r = 0;

	if (!con)
		return err_set(err, -ENOMEM, "cannot make the console device");
	con->ops = console_ops;
	con->ops.nqueues = setup->count ? 4 + 2 * setup->count : 2;
	con->ports[0] = (struct vport){ .con = con, .has_client = true };
	con->dev.features = virtio_rings_offered(vm);
	con->count = 1;
	con->first = setup->terminal ? 0 : 1;
	if (setup->terminal) {
		con->terminal = *setup->terminal;
		con->dev.features |= BIT(VIRTIO_CONSOLE_F_SIZE);
	}
	/*
	 * Without further ports a driver does not get to know of any, and reads a terminal's size where
	 * all Linux kernels read it right.
	 */
	if (setup->count)
		con->dev.features |= BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	for (unsigned i = 0; r == 0 && i < setup->count; i++)
		r = add_port(con, vm->loop, &setup->ports[i]);
	if (r < 0)
		err_set(err, r, "cannot make the console device");
	else
		r = virtio_add(vm, &con->dev, &con->ops, "virtio-console", 0, err);
	if (r < 0) {
		virtio_console_free(con);
		return r;
	}
	*ret = con;
	return 0;
}

struct virtio_console *virtio_console_free(struct virtio_console *con)
{
	if (!con)
		return NULL;
	con->terminal = (struct virtio_console_terminal){ 0 };
	virtio_remove(&con->dev);
	for (unsigned i = 1; i < con->count; i++)
		con->ports[i].host = stream_free(con->ports[i].host);
	free(con);
	return NULL;
}

/* Linux opens it whether anybody there will use it or not. */
bool virtio_console_in_use(const struct virtio_console *con)
{
	return con && !con->first && con->ports[0].open && con->ports[0].spoke;
}

void virtio_console_resize(struct virtio_console *con, uint16_t cols, uint16_t rows)
{
	if (!con || (con->cols == cols && con->rows == rows))
		return;
	con->cols = cols;
	con->rows = rows;
	if (!virtio_has(&con->dev, VIRTIO_CONSOLE_F_SIZE))
		return;
	if (!has_ports(con) && con->dev.running)
		virtio_config_changed(&con->dev);
	else if (con->ports[0].ready)
		owe(&con->ports[0], 1u << RESIZE);
}

void virtio_console_port(const struct virtio_console *con, unsigned i, bool *ret_client,
			 bool *ret_guest)
{
	*ret_client = stream_is_open(con->ports[1 + i].host);
	*ret_guest = con->ports[1 + i].open;
}
