// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In a guest: drive QEMU's teaching device edu and the 1 GiB BAR of an ivshmem from here, without
 * a driver of theirs, and say what was seen in lines "L2: edu …" and "L2: bar …".
 *
 *	devices EDU IVSHMEM	their directories in sysfs; edu is bound to uio_pci_generic
 *
 * edu (docs/specs/edu.rst of QEMU): computes, copies from and to RAM by itself, interrupts by INTx.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

/* Registers. */
enum {
	LIVENESS = 0x04,
	FACTORIAL = 0x08,
	STATUS = 0x20,
	IRQ_STATUS = 0x24,
	IRQ_RAISE = 0x60,
	IRQ_ACK = 0x64,
	DMA_SOURCE = 0x80,
	DMA_TARGET = 0x88,
	DMA_COUNT = 0x90,
	DMA_COMMAND = 0x98,
};

#define DMA_START    1u
#define DMA_TO_RAM   2u
#define DMA_IRQ	     4u
#define DMA_BUFFER   0x40000u /* edu's own memory, as it addresses it */
#define IRQ_OF_DMA   0x100u
#define INTERRUPTS   50u

static _Noreturn void fail(const char *what)
{
	printf("L2: devices failed: %s\n", what);
	exit(1);
}

static volatile void *map(const char *dir, const char *resource, size_t size)
{
	char path[256];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, resource);
	fd = open(path, O_RDWR | O_SYNC);
	p = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail(path);
	close(fd);
	return p;
}

/* Memory decoding and bus mastering; INTx not switched off. */
static void enable(const char *dir)
{
	uint16_t command;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/config", dir);
	fd = open(path, O_RDWR);
	if (fd < 0 || pread(fd, &command, 2, 4) != 2)
		fail(path);
	command = (uint16_t)((command | 6) & ~0x400);
	if (pwrite(fd, &command, 2, 4) != 2)
		fail("the command register");
	close(fd);
}

/* A page that stays, and where it is in the guest's physical memory. */
static uint8_t *page(uint64_t *ret_phys)
{
	uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (p == MAP_FAILED || fd < 0 ||
	    pread(fd, &entry, 8, (off_t)((uintptr_t)p / PAGE * 8)) != 8 || !(entry >> 63))
		fail("a page for DMA");
	close(fd);
	*ret_phys = (entry & ((1ull << 55) - 1)) * PAGE;
	if (*ret_phys + PAGE > 1u << 28)
		fail("edu reaches 256 MiB, and the page is above");
	return p;
}

static volatile uint32_t *edu;

static uint32_t get(unsigned reg)
{
	return edu[reg / 4];
}

static void put(unsigned reg, uint32_t value)
{
	edu[reg / 4] = value;
}

static void wait_for_zero(unsigned reg, uint32_t bits, const char *what)
{
	for (unsigned i = 0; get(reg) & bits; i++) {
		if (i == 5000)
			fail(what);
		usleep(1000);
	}
}

static void compute(void)
{
	put(LIVENESS, 0x12345678);
	if (get(LIVENESS) != ~0x12345678u)
		fail("edu does not answer");
	put(FACTORIAL, 10);
	wait_for_zero(STATUS, 1, "a factorial");
	printf("L2: edu 10! %u\n", get(FACTORIAL));
}

static void copy(uint64_t from, uint64_t to, uint32_t command)
{
	put(DMA_SOURCE, (uint32_t)from);
	put(DMA_TARGET, (uint32_t)to);
	put(DMA_COUNT, PAGE);
	put(DMA_COMMAND, DMA_START | command);
	wait_for_zero(DMA_COMMAND, DMA_START, "DMA");
}

static void dma(void)
{
	uint64_t from, to;
	uint8_t *a = page(&from), *b = page(&to);

	for (unsigned i = 0; i < PAGE; i++)
		a[i] = (uint8_t)(i * 7 + (i >> 8));
	copy(from, DMA_BUFFER, 0);
	copy(DMA_BUFFER, to, DMA_TO_RAM);
	printf("L2: edu dma %s\n", memcmp(a, b, PAGE) == 0 ? "ok" : "differs");
}

/* uio_pci_generic switches INTx off in the command register at each; enable() has it back. */
static void one_interrupt(int uio, const char *dir, uint32_t bits)
{
	struct pollfd p = { .fd = uio, .events = POLLIN };
	uint32_t count;

	enable(dir);
	put(IRQ_RAISE, bits);
	if (poll(&p, 1, 5000) != 1 || read(uio, &count, 4) != 4)
		fail("an interrupt was lost");
	if (get(IRQ_STATUS) != bits)
		fail("the interrupt's status");
	put(IRQ_ACK, bits);
}

static void interrupts(const char *dir)
{
	int uio = open("/dev/uio0", O_RDWR);
	struct pollfd p = { .fd = uio, .events = POLLIN };

	if (uio < 0)
		fail("/dev/uio0");
	for (unsigned i = 0; i < INTERRUPTS; i++)
		one_interrupt(uio, dir, 1u << i % 8);
	/* A level that is down stays down. */
	enable(dir);
	if (poll(&p, 1, 300) != 0)
		fail("an interrupt nobody raised");
	printf("L2: edu intx %u\n", INTERRUPTS);
	close(uio);
}

/* Each 16 MiB, and the last word. */
static void big_bar(const char *dir)
{
	const size_t size = 1ul << 30, step = 16ul << 20;
	volatile uint8_t *at = map(dir, "resource2", size);
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i += step)
		*(volatile uint64_t *)(at + i) = i ^ 0x5aa5;
	*(volatile uint64_t *)(at + size - 8) = 42;
	for (size_t i = 0; i < size; i += step)
		sum += *(volatile uint64_t *)(at + i) == (i ^ 0x5aa5);
	printf("L2: bar %u of %u words, the last %u\n", (unsigned)sum, (unsigned)(size / step),
	       (unsigned)*(volatile uint64_t *)(at + size - 8));
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	enable(argv[1]);
	edu = map(argv[1], "resource0", 1u << 20);
	compute();
	dma();
	interrupts(argv[1]);
	enable(argv[2]);
	big_bar(argv[2]);
	return 0;
}
