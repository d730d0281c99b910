// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading all functions though one of them hangs. The kernel holds a device's
 * lock during probe, remove, reset and sriov_numvfs; whoever reads its override,
 * VF count or configuration space meanwhile sleeps uninterruptibly, in the worst
 * case for ever. So a child reads, into memory it shares with us, and when it no
 * longer gets on, the function it stopped at is marked busy, read without the
 * lock, and another child reads on behind it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hostfs.h"
#include "vfio/topology.h"

/* How long one function may take: a read is a matter of microseconds. */
#define FIRST_WAIT_MS 2000
#define NEXT_WAIT_MS  300 /* what hangs seldom hangs alone */

struct slot {
	int r;
	struct pci_dev dev;
};

/* One child's memory: it writes slots from, from + 1, … and counts them in done. */
struct shared {
	atomic_size_t done;
	struct slot slots[];
};

struct scan {
	int root;
	struct bdf *bdfs;
	size_t count;
	struct topo *topo;
};

static int keep_bdf(const char *name, void *opaque)
{
	struct scan *s = opaque;
	struct bdf *bigger, bdf;

	if (bdf_parse(name, &bdf) < 0)
		return 0;
	bigger = realloc(s->bdfs, (s->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->bdfs = bigger;
	bigger[s->count++] = bdf;
	return 0;
}

static _Noreturn void read_all(const struct scan *s, size_t from, struct shared *mem)
{
	/* Nobody shall wait at a pipe or lock of ours because we hang. */
	if (s->root > 0)
		close_range(0, (unsigned)s->root - 1, 0);
	close_range((unsigned)s->root + 1, ~0u, 0);
	for (size_t i = from; i < s->count; i++) {
		mem->slots[i].r = pci_dev_read(s->root, s->bdfs[i], &mem->slots[i].dev);
		atomic_store(&mem->done, i - from + 1);
	}
	_exit(0);
}

/* Wait until the child has ended or gets no further. Returns how many it has done. */
static size_t watch(pid_t pid, struct shared *mem, int wait_ms)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	size_t seen;

	do {
		seen = atomic_load(&mem->done);
		if (pidfd < 0 || poll(&p, 1, wait_ms) > 0) {
			waitpid(pid, NULL, 0);
			return atomic_load(&mem->done);
		}
	} while (atomic_load(&mem->done) != seen);
	kill(pid, SIGKILL); /* for when the kernel lets it go; not waited for */
	return seen;
}

static int append(struct scan *s, const struct slot *slot)
{
	struct pci_dev *bigger;

	if (slot->r == -ENODEV) /* it left while we were looking */
		return 0;
	if (slot->r < 0)
		return slot->r;
	bigger = realloc(s->topo->devs, (s->topo->count + 1) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->topo->devs = bigger;
	bigger[s->topo->count++] = slot->dev;
	return 0;
}

static int append_busy(struct scan *s, struct bdf bdf)
{
	struct slot slot;

	slot.r = pci_dev_read_unlocked(s->root, bdf, &slot.dev);
	slot.dev.busy = true;
	return append(s, &slot);
}

/* One child from *from on; moves *from behind what was read. */
static int scan_from(struct scan *s, size_t *from, int wait_ms)
{
	size_t size = sizeof(struct shared) + s->count * sizeof(struct slot), done;
	struct shared *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);
	pid_t pid;
	int r = 0;

	if (mem == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == 0)
		read_all(s, *from, mem);
	if (pid < 0)
		r = -errno;
	done = pid < 0 ? 0 : watch(pid, mem, wait_ms);
	for (size_t i = 0; r == 0 && i < done; i++)
		r = append(s, &mem->slots[*from + i]);
	*from += done;
	if (r == 0 && *from < s->count)
		r = append_busy(s, s->bdfs[(*from)++]);
	munmap(mem, size);
	return r;
}

static int by_address(const void *a, const void *b)
{
	const struct pci_dev *x = a, *y = b;

	return bdf_cmp(x->bdf, y->bdf);
}

int topo_scan(int root, struct topo *ret, struct err *err)
{
	struct scan s = { .root = root, .topo = ret };
	int wait_ms = FIRST_WAIT_MS, r;
	size_t from = 0;

	*ret = (struct topo)TOPO_INIT;
	r = hostfs_list(root, keep_bdf, &s, "sys/bus/pci/devices");
	while (r == 0 && from < s.count) {
		r = scan_from(&s, &from, wait_ms);
		wait_ms = NEXT_WAIT_MS;
	}
	free(s.bdfs);
	if (r < 0)
		return err_set(err, r, "cannot read the PCI devices of this host");
	if (ret->count)
		qsort(ret->devs, ret->count, sizeof(*ret->devs), by_address);
	return 0;
}
