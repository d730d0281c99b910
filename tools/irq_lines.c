// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/irq_lines.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/hostfs.h"

static struct irq_line *find(struct irq_lines *l, unsigned irq)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->lines[i].irq == irq)
			return &l->lines[i];
	return NULL;
}

void irq_lines_used(struct irq_lines *l, unsigned irq)
{
	struct irq_line *line = find(l, irq);

	if (line)
		line->used = true;
}

bool irq_lines_moving(struct irq_lines *l, unsigned irq, const char *now, const char *want)
{
	struct irq_line *line = find(l, irq);

	if (!line) {
		if (l->count == IRQ_LINES_MAX || strlen(now) >= sizeof(line->was) ||
		    strlen(want) >= sizeof(line->ours))
			return false;
		line = &l->lines[l->count++];
		*line = (struct irq_line){ .irq = irq, .used = true };
		snprintf(line->was, sizeof(line->was), "%s", now);
	}
	snprintf(line->ours, sizeof(line->ours), "%s", want);
	return true;
}

static void put_back(int root, const struct irq_line *line)
{
	char now[256];

	if (hostfs_read(root, now, sizeof(now), "proc/irq/%u/smp_affinity_list", line->irq) < 0 ||
	    strcmp(now, line->ours) != 0)
		return;
	(void)hostfs_write(root, line->was, HOSTFS_DEADLINE_MS, NULL,
			   "proc/irq/%u/smp_affinity_list", line->irq);
}

void irq_lines_put_back_unused(int root, struct irq_lines *l)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < l->count; i++) {
		if (!l->lines[i].used) {
			put_back(root, &l->lines[i]);
			continue;
		}
		l->lines[i].used = false;
		if (kept != i)
			l->lines[kept] = l->lines[i];
		kept++;
	}
	l->count = kept;
}

void irq_lines_put_back(int root, struct irq_lines *l)
{
	for (unsigned i = 0; i < l->count; i++)
		put_back(root, &l->lines[i]);
	l->count = 0;
}
