// SPDX-License-Identifier: GPL-2.0-or-later
#include "vfio/host_irq.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>

#include "base/fd.h"
#include "base/hostfs.h"

/* "vfio-msix[3](0000:01:10.0)", the last word of its line. */
static bool parse_name(const char *line, struct host_irq *ret)
{
	const char *name = strstr(line, " vfio-"), *open = name ? strchr(name, '(') : NULL;
	const char *close = open ? strchr(open, ')') : NULL;
	char bdf[BDF_STRLEN];

	if (!close || (size_t)(close - open) > sizeof(bdf))
		return false;
	snprintf(bdf, sizeof(bdf), "%.*s", (int)(close - open - 1), open + 1);
	ret->vector = 0;
	if (sscanf(name, " vfio-msix[%u]", &ret->vector) != 1)
		(void)sscanf(name, " vfio-msi[%u]", &ret->vector);
	return bdf_parse(bdf, &ret->bdf) == 0;
}

static bool is_of(struct bdf bdf, const struct bdf *of, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bdf_eq(of[i], bdf))
			return true;
	return false;
}

/* "  36:   12   0   IR-PCI-MSIX-0000:01:10.0   0-edge   vfio-msix[0](0000:01:10.0)". */
static bool parse_line(const char *line, const struct bdf *of, size_t of_count, struct host_irq *ret)
{
	char *end;
	unsigned long irq = strtoul(line, &end, 10);

	*ret = (struct host_irq){ .irq = (unsigned)irq };
	if (end == line || *end != ':' || !parse_name(line, ret) || !is_of(ret->bdf, of, of_count))
		return false;
	for (const char *p = end + 1;; p = end) {
		unsigned long long n = strtoull(p, &end, 10);

		if (end == p || !isspace((unsigned char)*end))
			return true;
		ret->count += n;
	}
}

static void read_cpus(int root, struct host_irq *h)
{
	if (hostfs_read(root, h->cpus, sizeof(h->cpus), "proc/irq/%u/effective_affinity_list",
			h->irq) < 0 &&
	    hostfs_read(root, h->cpus, sizeof(h->cpus), "proc/irq/%u/smp_affinity_list", h->irq) < 0)
		h->cpus[0] = '\0';
}

static int add(struct host_irq **list, size_t *count, const struct host_irq *h)
{
	struct host_irq *bigger = realloc(*list, (*count + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	bigger[(*count)++] = *h;
	return 0;
}

int host_irq_read(int root, const struct bdf *of, size_t of_count, struct host_irq **ret,
		  size_t *ret_count)
{
	int fd = hostfs_open(root, O_RDONLY, "proc/interrupts"), r = 0;
	_cleanup_file_ FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	_cleanup_free_ struct host_irq *list = NULL;
	_cleanup_free_ char *line = NULL;
	size_t count = 0, size = 0;

	if (fd < 0)
		return fd;
	if (!f) {
		close_fdp(&fd);
		return -ENOMEM;
	}
	while (r == 0 && getline(&line, &size, f) > 0) {
		struct host_irq h;

		if (!parse_line(line, of, of_count, &h))
			continue;
		read_cpus(root, &h);
		r = add(&list, &count, &h);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	*ret_count = count;
	return 0;
}

const struct host_irq *host_irq_find(const struct host_irq *irqs, size_t count, struct bdf bdf,
				     unsigned vector)
{
	for (size_t i = 0; i < count; i++)
		if (bdf_eq(irqs[i].bdf, bdf) && irqs[i].vector == vector)
			return &irqs[i];
	return NULL;
}
