/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves a device by vhost-user, as a test wants him: he listens in a thread of his own at the other
 * end of a socket, maps what he is given, and answers as told. What is in his rings the test takes
 * out and puts in itself.
 */
#ifndef TESTS_FAKE_BACKEND_H
#define TESTS_FAKE_BACKEND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define FB_RINGS   8
#define FB_REGIONS 16

/* How he answers `fault_at`, and what he does when that comes. */
enum fb_fault {
	FB_FINE,
	FB_VANISHES,	  /* instead of an answer */
	FB_MUTE,	  /* there is none */
	FB_BREAKS_OFF,	  /* half a header, and gone */
	FB_SHORT,	  /* a byte less than there should be, and the header says so */
	FB_LONG,	  /* a byte more */
	FB_HUGE,	  /* and two GiB */
	FB_OTHER_REQUEST, /* an answer to another question */
	FB_NO_REPLY_FLAG,
	FB_OTHER_VERSION,
	FB_REFUSES,	  /* an answer that is not 0, where that means that it failed */
	FB_BRINGS_FD,	  /* which nobody asked for */
	FB_IN_PIECES,	  /* byte by byte: that is allowed */
};

struct fb_ring {
	unsigned size, base;
	uint64_t desc, avail, used; /* the other side's addresses */
	int kick, call;
	bool told, runs, enabled;
	uint16_t next_avail, next_used;
};

struct fake_backend {
	/* Set before fb_start(). */
	uint64_t features, protocol, slots, queues;
	uint8_t config[256];
	unsigned config_len;
	enum fb_fault fault;
	uint32_t fault_at; /* a request; 0: with fault_after, any */
	unsigned fault_after; /* so many messages were good */

	/* What he knows. */
	char order[512]; /* a letter for each message: see backend.c */
	unsigned messages;
	uint64_t got_features, got_protocol;
	uint8_t announced[8]; /* a MAC, and what is behind it */
	unsigned nregions;
	struct {
		uint64_t gpa, size, hva;
		uint8_t *map;
	} region[FB_REGIONS];
	struct fb_ring ring[FB_RINGS];
	bool gone; /* the other side closed it */
	int requests; /* where he may speak unasked; -1 */

	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
};

/* A good one that has nothing but virtio 1.0 and all of the protocol; returns our end of the socket. */
void fb_init(struct fake_backend *b);
int fb_start(struct fake_backend *b);
/* He has heard all that was said. */
void fb_settle(struct fake_backend *b);
/* As by kill -9; what he knows stays to be looked at. */
void fb_kill(struct fake_backend *b);

/* Of ring i, which he serves: the next head that he was given, -1: none; and given back. */
int fb_pop(struct fake_backend *b, unsigned i);
void fb_push(struct fake_backend *b, unsigned i, uint32_t head, uint32_t len);
bool fb_was_kicked(struct fake_backend *b, unsigned i);
/* He speaks unasked: a header, and so many bytes of nothing. */
void fb_say(struct fake_backend *b, uint32_t request, uint32_t flags, uint32_t size);
/* And has an answer to this request: its number; -1: none. */
int fb_is_answered(struct fake_backend *b, uint32_t request);
/* His mapping of an address of the other side, or of the guest. */
uint8_t *fb_at(struct fake_backend *b, uint64_t hva);

#endif
