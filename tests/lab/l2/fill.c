// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a guest: memory that can be told from all other, for the host to look where it lies
 * (tests/lab/measuring/where.c). Each page holds one word of eight letters from end to end.
 *
 *	fill WORD MIB	says "L2: filled WORD", then waits for its end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t size;
	char *p;

	if (argc != 3 || strlen(argv[1]) != 8) {
		fprintf(stderr, "usage: fill WORD MIB\n");
		return 2;
	}
	size = strtoul(argv[2], NULL, 10) << 20;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("L2: fill failed");
		return 1;
	}
	for (size_t i = 0; i < size; i += 8)
		memcpy(p + i, argv[1], 8);
	printf("L2: filled %s\n", argv[1]);
	fflush(stdout);
	pause();
	return 0;
}
