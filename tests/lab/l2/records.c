// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbered records on a disk of which it is told which are flushed, and what of them is there later.
 *
 *   records write DISK NAME SEED direct|buffered|sync|none
 *   records check DISK SEED FLUSHED
 *
 * Record N has 4096 bytes that follow from SEED and N, at a place that follows from N: neighbours lie far apart.
 * `write` writes one to eight, flushes, and says "L2: NAME flushed N": records 0 to N-1 are to stay whatever
 * happens to the host. `sync` writes with O_DSYNC instead, `none` never flushes and says what was written. `check`
 * ends with 1 if one of the first FLUSHED is not there, and says how many behind them are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD 4096u
#define PAUSE_US 20000u

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static void make(uint64_t seed, uint64_t n, uint64_t buf[RECORD / 8])
{
	for (unsigned i = 0; i < RECORD / 8; i++)
		buf[i] = mix(seed << 48 ^ n << 12 ^ i);
}

/* A power of two of them, so that an odd factor leads to each place once. */
static uint64_t places(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint64_t n = 1;

	while (size > 0 && n * 2 * RECORD <= (uint64_t)size)
		n *= 2;
	return n;
}

static off_t place(uint64_t n, uint64_t of)
{
	return (off_t)((n * 2654435761u & (of - 1)) * RECORD);
}

static int say(const char *name, const char *what, uint64_t n)
{
	char line[96];
	int len = snprintf(line, sizeof(line), "L2: %s %s %llu\n", name, what, (unsigned long long)n);

	return write(STDOUT_FILENO, line, (size_t)len) == len ? 0 : 1;
}

static int failed(const char *name, const char *what)
{
	printf("L2: %s cannot %s: %s\n", name, what, strerror(errno));
	return 1;
}

static int run(int fd, const char *name, uint64_t seed, const char *mode, void *buf)
{
	int flushes = strcmp(mode, "direct") == 0 || strcmp(mode, "buffered") == 0;
	uint64_t of = places(fd), n = 0;

	while (n < of) {
		for (uint64_t end = n + 1 + mix(n ^ seed) % 8; n < end && n < of; n++) {
			make(seed, n, buf);
			if (pwrite(fd, buf, RECORD, place(n, of)) != RECORD)
				return failed(name, "write");
		}
		if (flushes && fdatasync(fd) < 0)
			return failed(name, "flush");
		if (say(name, strcmp(mode, "none") == 0 ? "written" : "flushed", n))
			return 1;
		usleep(PAUSE_US);
	}
	return say(name, "is full of", n);
}

static int check(int fd, uint64_t seed, uint64_t flushed, void *buf, void *want)
{
	uint64_t of = places(fd), right = 0, more = 0;

	for (uint64_t n = 0; n < of; n++) {
		make(seed, n, want);
		if (pread(fd, buf, RECORD, place(n, of)) != RECORD || memcmp(buf, want, RECORD) != 0)
			continue;
		if (n < flushed)
			right++;
		else
			more++;
	}
	printf("%llu of %llu, and %llu more\n", (unsigned long long)right, (unsigned long long)flushed,
	       (unsigned long long)more);
	return right == flushed ? 0 : 1;
}

int main(int argc, char **argv)
{
	int is_check = argc == 5 && strcmp(argv[1], "check") == 0;
	int is_write = argc == 6 && strcmp(argv[1], "write") == 0;
	int flags = O_CLOEXEC;
	void *buf, *want;
	int fd;

	if (!is_check && !is_write) {
		fputs("usage: records write DISK NAME SEED MODE | records check DISK SEED FLUSHED\n", stderr);
		return 2;
	}
	flags |= is_check ? O_RDONLY : O_RDWR;
	if (is_write && strcmp(argv[5], "buffered") != 0)
		flags |= O_DIRECT;
	if (is_write && strcmp(argv[5], "sync") == 0)
		flags |= O_DSYNC;
	fd = open(argv[2], flags);
	if (fd < 0)
		return failed(argv[2], "be opened");
	if (posix_memalign(&buf, RECORD, RECORD) || posix_memalign(&want, RECORD, RECORD))
		return 1;
	if (is_check)
		return check(fd, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), buf, want);
	return run(fd, argv[3], strtoull(argv[4], NULL, 10), argv[5], buf);
}
