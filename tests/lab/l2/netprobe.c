// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a change of the way costs: a stream of numbered UDP packets in each direction and a TCP
 * connection that both sides fill, between a guest and its host.
 *
 *	netprobe guest ADDRESS-OF-HOST [HZ]
 *	netprobe host ADDRESS-OF-GUEST [HZ]
 *
 * The host's counts both: each packet of the guest's tells what that has seen. A line on the host's
 * standard input ends a window, which is answered by a line of words:
 *
 *	out-lost N out-gap MS in-lost N in-gap MS tcp-bytes N tcp-stall MS tcp-bad N secs S
 *
 * out is from the guest, in is to it; a gap is the longest time without a packet.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define UDP_PORT  9100
#define TCP_PORT  9101
#define TCP_CHUNK 1000 /* each 5 ms: 200 kB/s, which an emulated machine can spare */
#define TCP_PAUSE 5000000ull

struct packet {
	uint64_t seq;
	uint32_t window;   /* the host's; the guest's says which it speaks of */
	uint32_t lost;	   /* in it, of the other side's packets */
	uint64_t gap;	   /* ns */
	uint64_t tcp_bad;  /* bytes that were not what was sent */
	uint64_t tcp_got;
};

/* What came of one stream in one window. */
struct seen {
	uint64_t next; /* seq that is due */
	bool any;
	uint64_t last; /* when the last one came */
	uint32_t window, lost;
	uint64_t gap;
};

struct tcp {
	int fd, listener;
	uint64_t sent, got, bad;
	uint64_t due, last, stall;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Byte i of either direction. */
static uint8_t pattern(uint64_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void see(struct seen *s, uint64_t seq, uint64_t now)
{
	if (s->any && now - s->last > s->gap)
		s->gap = now - s->last;
	/* One that comes late was counted as lost. */
	if (s->any && seq < s->next) {
		if (s->lost)
			s->lost--;
		return;
	}
	if (s->any)
		s->lost += (uint32_t)(seq - s->next);
	s->next = seq + 1;
	s->last = now;
	s->any = true;
}

static void begin_window(struct seen *s, uint32_t window)
{
	s->window = window;
	s->lost = 0;
	s->gap = 0;
}

/* --- TCP ------------------------------------------------------------------------------------ */

static void tcp_open(struct tcp *t, const char *host)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(TCP_PORT) };
	int one = 1;

	t->fd = t->listener = -1;
	if (!host) {
		t->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(t->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(t->listener, (struct sockaddr *)&to, sizeof(to)) < 0 ||
		    listen(t->listener, 1) < 0)
			perror("netprobe: listen"), exit(1);
		return;
	}
	inet_pton(AF_INET, host, &to.sin_addr);
	t->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(t->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		perror("netprobe: connect"), exit(1);
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
}

static void tcp_turn(struct tcp *t, uint64_t now)
{
	uint8_t b[65536];
	ssize_t n;

	if (t->fd < 0 && t->listener >= 0) {
		t->fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK);
		t->last = now;
	}
	if (t->fd < 0)
		return;
	while ((n = recv(t->fd, b, sizeof(b), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			t->bad += b[i] != pattern(t->got + (uint64_t)i);
		t->got += (uint64_t)n;
		if (now - t->last > t->stall)
			t->stall = now - t->last;
		t->last = now;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		t->bad++; /* it was to live through all of it */
	if (now < t->due)
		return;
	t->due = now + TCP_PAUSE;
	for (unsigned i = 0; i < TCP_CHUNK; i++)
		b[i] = pattern(t->sent + i);
	n = send(t->fd, b, TCP_CHUNK, MSG_NOSIGNAL);
	if (n > 0)
		t->sent += (uint64_t)n;
}

/* --- both sides ----------------------------------------------------------------------------- */

struct side {
	bool is_host;
	int udp;
	struct sockaddr_in peer;
	uint64_t seq, due, step;
	struct seen seen;
	struct tcp tcp;
	struct packet told; /* the guest's last */
	uint64_t window_began, got_before;
};

static void udp_open(struct side *s, const char *peer)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(UDP_PORT) };
	int bytes = 16 << 20;

	s->peer = own;
	inet_pton(AF_INET, peer, &s->peer.sin_addr);
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	/* Who does not get a CPU for a while has not lost anything. */
	setsockopt(s->udp, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (bind(s->udp, (struct sockaddr *)&own, sizeof(own)) < 0)
		perror("netprobe: bind"), exit(1);
}

static void take_packet(struct side *s, const struct packet *p, uint64_t now)
{
	if (!s->is_host && p->window != s->seen.window)
		begin_window(&s->seen, p->window);
	see(&s->seen, p->seq, now);
	if (s->is_host)
		s->told = *p;
}

static void receive(struct side *s, uint64_t now)
{
	struct packet p;

	while (recv(s->udp, &p, sizeof(p), 0) == sizeof(p))
		take_packet(s, &p, now);
}

/* What could not be sent in time is sent at once: the numbers go on as the clock does. */
static void transmit(struct side *s, uint64_t now)
{
	while (now >= s->due) {
		struct packet p = { .seq = s->seq++, .window = s->seen.window, .lost = s->seen.lost,
				    .gap = s->seen.gap, .tcp_bad = s->tcp.bad, .tcp_got = s->tcp.got };

		(void)sendto(s->udp, &p, sizeof(p), MSG_NOSIGNAL, (struct sockaddr *)&s->peer,
			     sizeof(s->peer));
		s->due += s->step;
	}
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void end_window(struct side *s, uint64_t now)
{
	if (s->seen.any && now - s->seen.last > s->seen.gap)
		s->seen.gap = now - s->seen.last; /* it lasts */
	printf("out-lost %u out-gap %.1f in-lost %u in-gap %.1f tcp-bytes %" PRIu64
	       " tcp-stall %.1f tcp-bad %" PRIu64 " secs %.1f\n",
	       s->seen.lost, ms(s->seen.gap), s->told.lost, ms(s->told.gap),
	       s->tcp.got - s->got_before, ms(s->tcp.stall), s->tcp.bad + s->told.tcp_bad,
	       ms(now - s->window_began) / 1000);
	fflush(stdout);
	begin_window(&s->seen, s->seen.window + 1);
	s->tcp.stall = 0;
	s->got_before = s->tcp.got;
	s->window_began = now;
}

static int serve(struct side *s)
{
	struct pollfd p[] = { { .fd = s->udp, .events = POLLIN },
			      { .fd = s->is_host ? STDIN_FILENO : -1, .events = POLLIN } };
	char line[64];

	s->due = s->window_began = now_ns();
	for (;;) {
		struct timespec until;
		uint64_t now = now_ns(), wait = s->due > now ? s->due - now : 0;

		until = (struct timespec){ .tv_nsec = (long)wait };
		(void)ppoll(p, 2, &until, NULL);
		now = now_ns();
		receive(s, now);
		transmit(s, now);
		tcp_turn(&s->tcp, now);
		if (!(p[1].revents & (POLLIN | POLLHUP)))
			continue;
		if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
			return 0;
		end_window(s, now);
	}
}

int main(int argc, char **argv)
{
	struct side s = { 0 };
	unsigned hz = argc > 3 ? (unsigned)atoi(argv[3]) : 1000;

	if (argc < 3 || hz < 1 || hz > 100000) {
		fprintf(stderr, "usage: netprobe host|guest ADDRESS [HZ]\n");
		return 2;
	}
	s.is_host = strcmp(argv[1], "host") == 0;
	s.step = 1000000000ull / hz;
	signal(SIGPIPE, SIG_IGN);
	udp_open(&s, argv[2]);
	tcp_open(&s.tcp, s.is_host ? NULL : argv[2]);
	return serve(&s);
}
