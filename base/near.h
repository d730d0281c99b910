/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Did you mean …?" */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include <stddef.h>

/* Longer words are never like another one. */
#define NEAR_WORD_MAX 48

/*
 * How many letters must be added, left out, replaced, or exchanged with their
 * neighbour to make b of a; NEAR_WORD_MAX when one of them is too long to say.
 */
unsigned near_distance(const char *a, const char *b);

/*
 * Which of n words was probably meant: the one that takes the fewest such changes, at
 * most one for every three letters, and one in any word of two. NULL: none of them.
 */
const char *near_word(const char *word, const char *const *words, size_t n);

#endif
