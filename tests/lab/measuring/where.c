// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * On the host: where the pages of a guest lie that hold one word from end to end
 * (tests/lab/l2/fill.c). Prints a line for each of the host's nodes that has any.
 *
 *	where PID WORD	of the VMM; "node 1: 8192 pages"
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE  4096u
#define CHUNK (1u << 20)
#define SMALL (16ul << 20) /* RAM of a guest is in larger mappings */
#define NODES 64

static long pages[NODES];

static bool filled(const char *page, const char *word)
{
	for (unsigned i = 0; i < PAGE; i += 8)
		if (memcmp(page + i, word, 8) != 0)
			return false;
	return true;
}

static void count(pid_t pid, uint64_t address)
{
	void *p = (void *)(uintptr_t)address;
	int node = -1;

	if (syscall(SYS_move_pages, pid, 1ul, &p, NULL, &node, 0) == 0 && node >= 0 && node < NODES)
		pages[node]++;
}

static void look(pid_t pid, int mem, uint64_t start, uint64_t end, const char *word)
{
	static char chunk[CHUNK];

	for (uint64_t at = start; at < end; at += CHUNK) {
		ssize_t n = pread(mem, chunk, CHUNK, (off_t)at);

		for (ssize_t i = 0; i + PAGE <= n; i += PAGE)
			if (filled(chunk + i, word))
				count(pid, at + (uint64_t)i);
	}
}

int main(int argc, char **argv)
{
	char path[64], line[512];
	uint64_t start, end;
	FILE *maps;
	pid_t pid;
	int mem;

	if (argc != 3 || strlen(argv[2]) != 8) {
		fprintf(stderr, "usage: where PID WORD\n");
		return 2;
	}
	pid = atoi(argv[1]);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (mem < 0 || !maps) {
		perror(path);
		return 1;
	}
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx rw", &start, &end) == 2 && end - start >= SMALL)
			look(pid, mem, start, end, argv[2]);
	for (unsigned i = 0; i < NODES; i++)
		if (pages[i])
			printf("node %u: %ld pages\n", i, pages[i]);
	return 0;
}
