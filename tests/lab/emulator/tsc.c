// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Prints the frequency of this machine's TSC in kHz, which is the emulated host's as well: its
 * kernel is told, for on a busy machine its own measuring has been seen to be 29 times wrong.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <x86intrin.h>

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* A moment in both clocks, of many tries the one that was disturbed least. */
static void moment(int64_t *ret_ns, uint64_t *ret_ticks)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 100; i++) {
		int64_t begin = now_ns();
		uint64_t ticks = __rdtsc();
		int64_t took = now_ns() - begin;

		if (took >= best)
			continue;
		best = took;
		*ret_ns = begin + took / 2;
		*ret_ticks = ticks;
	}
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int64_t ns0, ns1;
	uint64_t t0, t1;

	moment(&ns0, &t0);
	nanosleep(&pause, NULL);
	moment(&ns1, &t1);
	return printf("%llu\n", (unsigned long long)((double)(t1 - t0) * 1e6 / (double)(ns1 - ns0))) < 0;
}
