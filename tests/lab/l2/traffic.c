// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TCP both ways over several connections at once, each byte checked by who receives it.
 *
 *	traffic serve PORT			until it is ended
 *	traffic run ADDRESS PORT FLOWS BYTES	FLOWS connections each way with so many bytes each
 *
 * run says "traffic: …" in a line: how many connections were right, and how fast they were together.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536u

/* What a connection begins with: who sends how many bytes, of which stream. */
struct order {
	uint32_t stream, to_server;
	uint64_t bytes;
};

/* Of a stream from off on; every stream is another, and none repeats after a packet or a page. */
static void fill(uint8_t *to, size_t len, uint32_t stream, uint64_t off)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t x = (off + i) / 8 * 0x9e3779b97f4a7c15ull + stream * 0xbf58476d1ce4e5b9ull;

		x ^= x >> 29;
		to[i] = (uint8_t)(x >> (off + i) % 8 * 8);
	}
}

static bool put(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool get(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(fd, (char *)data + done, len - done, 0);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool send_stream(int fd, const struct order *o)
{
	static uint8_t bytes[CHUNK];

	for (uint64_t off = 0; off < o->bytes; off += CHUNK) {
		size_t len = o->bytes - off < CHUNK ? o->bytes - off : CHUNK;

		fill(bytes, len, o->stream, off);
		if (!put(fd, bytes, len))
			return false;
	}
	return true;
}

static bool check_stream(int fd, const struct order *o)
{
	static uint8_t bytes[CHUNK], want[CHUNK];

	for (uint64_t off = 0; off < o->bytes; off += CHUNK) {
		size_t len = o->bytes - off < CHUNK ? o->bytes - off : CHUNK;

		fill(want, len, o->stream, off);
		if (!get(fd, bytes, len) || memcmp(bytes, want, len) != 0)
			return false;
	}
	return true;
}

/* --- one connection --- */

static bool serve_one(int fd)
{
	struct order o;
	char right;

	if (!get(fd, &o, sizeof(o)))
		return false;
	if (!o.to_server)
		return send_stream(fd, &o) && get(fd, &right, 1);
	right = check_stream(fd, &o);
	return put(fd, &right, 1) && right;
}

static bool run_one(const struct sockaddr_in *to, const struct order *o)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char right = 0;

	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 || !put(fd, o, sizeof(*o)))
		return false;
	if (o->to_server)
		return send_stream(fd, o) && get(fd, &right, 1) && right;
	right = check_stream(fd, o);
	return put(fd, &right, 1) && right;
}

/* --- all of them --- */

static int serve(unsigned port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 64) < 0) {
		perror("traffic");
		return 1;
	}
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			continue;
		if (fork() == 0)
			_exit(!serve_one(client));
		close(client);
	}
}

static int run(const char *address, unsigned port, unsigned flows, uint64_t bytes)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timespec begin, end;
	unsigned right = 0;
	double seconds;
	int status;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0; i < 2 * flows; i++) {
		struct order o = { .stream = i + 1, .to_server = i % 2, .bytes = bytes };

		if (fork() == 0)
			_exit(!run_one(&to, &o));
	}
	while (wait(&status) > 0)
		right += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("traffic: %u of %u right, %llu bytes each, %.1f MB/s together\n", right, 2 * flows,
	       (unsigned long long)bytes, (double)(2 * flows * bytes) / seconds / 1e6);
	return right != 2 * flows;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve((unsigned)atoi(argv[2]));
	if (argc == 6 && strcmp(argv[1], "run") == 0)
		return run(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]),
			   strtoull(argv[5], NULL, 10));
	fprintf(stderr, "usage: traffic serve PORT | traffic run ADDRESS PORT FLOWS BYTES\n");
	return 2;
}
