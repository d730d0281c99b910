/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame that tells switches where a MAC is now, for who does not know what addresses its
 * owner has: a RARP request (RFC 903) of the MAC for its own. Switches learn from any frame, and
 * nobody answers this one.
 */
#ifndef BASE_RARP_H
#define BASE_RARP_H

#include <stdint.h>

/* What is shorter is filled up on a wire. */
#define RARP_FRAME_LEN 60

void rarp_frame(uint8_t frame[RARP_FRAME_LEN], const uint8_t mac[6]);

#endif
