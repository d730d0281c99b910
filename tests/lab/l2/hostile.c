// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that means harm: hostile SECONDS SEED WHAT…, on every CPU at once.
 *
 *	config  garbage into the configuration space of all functions, by ECAM and CF8
 *	bars    any width anywhere into the BARs, the MSI-X table among them
 *	ports   bytes, words, dwords and strings into every I/O port
 *
 * What would end the guest (its power-off and reset registers) is left out; what it would
 * need to say that it got to the end is put right before it says so. Run without a driver
 * on the device, which would only bring the guest's own kernel down.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ECAM	  0xc0000000ull
#define PAGE	  4096u
#define FUNCTIONS 6u /* of bus 0, and the first of bus 1 */
#define BAR_MAX	  0x10000u

static uint64_t state;
static volatile uint8_t *ecam[FUNCTIONS + 1], *bar[2];
static uint64_t bar_at[2];
static unsigned bar_size[2];

static uint32_t any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % below;
}

static uint32_t garbage(void)
{
	static const uint32_t special[] = { 0, ~0u, 0x80000000, 0xfee00000, 0xc0000000, 4, 7, 0x407 };

	return any(3) ? any(UINT32_MAX) : special[any(sizeof(special) / sizeof(special[0]))];
}

/* Not memcpy(): each is to be one access. */
static void poke(volatile uint8_t *at, unsigned width, uint32_t v)
{
	switch (width) {
	case 0: *at = (uint8_t)v; return;
	case 1: *(volatile uint16_t *)at = (uint16_t)v; return;
	case 2: *(volatile uint32_t *)at = v; return;
	default: *(volatile uint64_t *)at = (uint64_t)v << 32 | v; return;
	}
}

static void peek(volatile uint8_t *at, unsigned width)
{
	switch (width) {
	case 0: (void)*at; return;
	case 1: (void)*(volatile uint16_t *)at; return;
	case 2: (void)*(volatile uint32_t *)at; return;
	default: (void)*(volatile uint64_t *)at; return;
	}
}

/* The device answers again at its old addresses: garbage that nobody hears is no test. */
static void put_right(void)
{
	volatile uint8_t *c = ecam[FUNCTIONS];

	for (unsigned i = 0; i < 2; i++)
		if (bar_at[i]) {
			poke(c + 0x10 + 12 * i, 2, (uint32_t)bar_at[i]);
			poke(c + 0x14 + 12 * i, 2, (uint32_t)(bar_at[i] >> 32));
		}
	poke(c + 4, 1, 6);
}

static void attack_config(void)
{
	unsigned off = any(8) ? any(256) : any(PAGE - 8);

	if (any(2)) {
		volatile uint8_t *at = ecam[any(2) ? FUNCTIONS : any(FUNCTIONS)] + off;

		any(4) ? poke(at, any(4), garbage()) : peek(at, any(4));
		return;
	}
	outl(any(8) ? 0x80000000 | any(2) << 16 | any(256) << 8 | (off & 0xfc) : garbage(), 0xcf8);
	switch (any(4)) {
	case 0: outb((uint8_t)garbage(), (uint16_t)(0xcfc + any(4))); break;
	case 1: outw((uint16_t)garbage(), (uint16_t)(0xcfc + any(4))); break;
	case 2: outl(garbage(), (uint16_t)(0xcfc + any(4))); break;
	default: inl(0xcfa); break;
	}
}

static void attack_bars(void)
{
	unsigned i = any(2), off = any(4) || !bar[i] ? any(0x400) : any(bar_size[i] - 8);

	if (any(64) == 0) /* message control of whatever capability is there: on, off, masked */
		poke(ecam[FUNCTIONS] + 0x40 + 2 * any(0x60), 1, garbage() & 0xc000);
	if (any(32) == 0)
		put_right();
	if (bar[i])
		any(4) ? poke(bar[i] + off, any(4), garbage()) : peek(bar[i] + off, any(4));
}

static int ends_the_guest(unsigned port, unsigned len)
{
	return (port < 0x606 && port + len > 0x604) || (port < 0x60d && port + len > 0x60c) ||
	       (port < 0xcfa && port + len > 0xcf9);
}

static void attack_ports(void)
{
	static const uint16_t known[] = { 0x20, 0x40, 0x60, 0x70, 0xa0, 0x2e, 0x3f8, 0x600, 0x608, 0xcf8,
					  0xcfc };
	static uint8_t bytes[PAGE];
	unsigned port = any(3) ? known[any(sizeof(known) / sizeof(known[0]))] + any(8) : any(65532);
	unsigned width = any(3), count = any(8) ? 1 : 1 + any(PAGE / 4);
	void *p = bytes;
	unsigned long n = count;

	if (ends_the_guest(port, 1u << width))
		return;
	if (any(3) == 0) {
		switch (width) {
		case 0: asm volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory"); return;
		case 1: asm volatile("rep insw" : "+D"(p), "+c"(n) : "d"(port) : "memory"); return;
		default: asm volatile("rep insl" : "+D"(p), "+c"(n) : "d"(port) : "memory"); return;
		}
	}
	for (unsigned i = 0; i < count * 4 && i + 4 <= PAGE; i += 4)
		*(uint32_t *)(void *)(bytes + i) = garbage();
	switch (width) {
	case 0: asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory"); return;
	case 1: asm volatile("rep outsw" : "+S"(p), "+c"(n) : "d"(port) : "memory"); return;
	default: asm volatile("rep outsl" : "+S"(p), "+c"(n) : "d"(port) : "memory"); return;
	}
}

static void *map(int fd, uint64_t at, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

	return p == MAP_FAILED ? NULL : p;
}

static int map_all(void)
{
	FILE *f = fopen("/sys/bus/pci/devices/0000:01:00.0/resource", "r");
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	unsigned long long first, last, flags;

	for (unsigned i = 0; i <= FUNCTIONS; i++) {
		ecam[i] = map(fd, ECAM + (i < FUNCTIONS ? (uint64_t)i << 15 : 1 << 20), PAGE);
		if (!ecam[i])
			return -1;
	}
	/* BAR 0, and the upper half of it, the odd ones out, then BAR 3: those of igb's VFs. */
	for (unsigned i = 0; f && i < 6 && fscanf(f, "%llx %llx %llx", &first, &last, &flags) == 3; i++) {
		if (i % 3 || !first)
			continue;
		bar_at[i / 3] = first;
		bar_size[i / 3] = last + 1 - first < BAR_MAX ? (unsigned)(last + 1 - first) : BAR_MAX;
		bar[i / 3] = map(fd, first, bar_size[i / 3]);
	}
	return f && bar[0] ? 0 : -1;
}

/* By hand: the kernel's driver may have lost its way. */
static void say(const char *text)
{
	outb(3, 0x3fb);
	outb(0, 0x3f9);
	outb(0x0b, 0x3fc);
	for (; *text; text++)
		outb((uint8_t)*text, 0x3f8);
}

static unsigned long attack(char **what, int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long n = 0;

	while (time(NULL) < end)
		for (char **w = what; *w; w++)
			for (unsigned i = 0; i < 50; i++, n++)
				**w == 'c' ? attack_config() : **w == 'b' ? attack_bars() : attack_ports();
	return n;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char text[100];

	if (argc < 4 || iopl(3) < 0 || map_all() < 0) {
		puts("L2: hostile: no ports, memory or device");
		return 1;
	}
	for (long i = 0; i < cpus; i++) {
		cpu_set_t set;

		if (fork() != 0)
			continue;
		CPU_ZERO(&set);
		CPU_SET((size_t)i, &set);
		sched_setaffinity(0, sizeof(set), &set);
		state = strtoull(argv[2], NULL, 10) * 1000003 + (uint64_t)i + 1;
		snprintf(text, sizeof(text), "\nL2: hostile: CPU %ld did %lu things\n", i,
			 attack(argv + 3, atoi(argv[1])));
		while (i-- > 0) /* not all at once */
			sleep(1);
		say(text);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	say("\nL2: hostile: done\n");
	return 0;
}
