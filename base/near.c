// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/near.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned near_distance(const char *a, const char *b)
{
	/* Three rows of the matrix: this one, the one above, and the one above that. */
	unsigned rows[3][NEAR_WORD_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= NEAR_WORD_MAX || lb >= NEAR_WORD_MAX)
		return NEAR_WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = least(least(up[j], row[j - 1]) + 1,
				       up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], up2[j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

const char *near_word(const char *word, const char *const *words, size_t n)
{
	unsigned best = (unsigned)(strlen(word) + 2) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = near_distance(word, words[i]);

		/* Nothing of the word may be left when all its letters are replaced. */
		if (d < best && d < strlen(word)) {
			best = d;
			found = words[i];
		}
	}
	return found;
}
