// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In the emulated host: where its kernel calls a function that may itself not be probed, so that the
 * calls can be. Prints an address a line.
 *
 *	calls VMLINUX FUNCTION	the kernel that runs, as ELF, and not moved at boot (nokaslr)
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL 0xe8 /* and four bytes: how far from what follows */
#define SIZE 5

static uint64_t address_of(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], symbol[256];
	unsigned long at, found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %*c %255s", &at, symbol) == 2 && strcmp(symbol, name) == 0)
			found = at;
	if (f)
		fclose(f);
	return found;
}

/* Bytes that look like the call and are in the middle of another instruction are too rare to meet. */
static void look(const uint8_t *text, uint64_t size, uint64_t at, uint64_t target)
{
	for (uint64_t i = 0; i + SIZE <= size; i++) {
		int32_t far;

		if (text[i] != CALL)
			continue;
		memcpy(&far, text + i + 1, sizeof(far));
		if (at + i + SIZE + (uint64_t)(int64_t)far == target)
			printf("0x%lx\n", (unsigned long)(at + i));
	}
}

int main(int argc, char **argv)
{
	uint64_t target = argc == 3 ? address_of(argv[2]) : 0;
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	const Elf64_Phdr *segment;
	const Elf64_Ehdr *head;
	const uint8_t *file;
	struct stat st;

	if (!target || fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "usage: calls VMLINUX FUNCTION\n");
		return 2;
	}
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return 1;
	head = (const void *)file;
	segment = (const void *)(file + head->e_phoff);
	for (unsigned i = 0; i < head->e_phnum; i++)
		if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_X)
			look(file + segment[i].p_offset, segment[i].p_filesz, segment[i].p_vaddr, target);
	return 0;
}
