// SPDX-License-Identifier: GPL-2.0-or-later
/* References are to Intel's 6300ESB I/O Controller Hub datasheet, chapter 16. */
#include "vmm/hw/watchdog.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/loop.h"
#include "vmm/bus.h"
#include "vmm/pci/pci.h"
#include "vmm/vm.h"

#define VENDOR 0x8086
#define DEVICE 0x25ab
#define CLASS  0x088000 /* a system peripheral of no other kind */

/* Configuration space (16.4). */
#define CONFIG	       0x60u /* two bytes */
#define CONFIG_NOTHING (1u << 5) /* the end of the second stage has no consequence */
#define CONFIG_FAST    (1u << 2) /* a tick is 2^5 of the PCI clock's, not 2^15 */
#define CONFIG_KEPT    (CONFIG_NOTHING | CONFIG_FAST | 3u /* kinds of interrupt */)
#define LOCK	       0x68u /* one byte */
#define LOCK_FREE_RUN  (1u << 2) /* a timer, not a watchdog */
#define LOCK_ENABLE    (1u << 1)
#define LOCK_LOCKED    (1u << 0) /* until a reset LOCK does not change */
#define LOCK_KEPT      (LOCK_FREE_RUN | LOCK_ENABLE | LOCK_LOCKED)

/* Memory space (16.5): all writes but those to RELOAD want UNLOCK_1 and UNLOCK_2 there before. */
#define TIMER_1	       0x00u
#define TIMER_2	       0x04u
#define RELOAD	       0x0cu
#define RELOAD_NOW     (1u << 8)
#define RELOAD_EXPIRED (1u << 9) /* the last reset was its; a written 1 clears it */
#define RELOAD_EVER    (1u << 12) /* QEMU says this, too */
#define UNLOCK_1       0x80u
#define UNLOCK_2       0x86u
#define BAR_SIZE       16u
#define TIMER_MAX      0xfffffu

#define PCI_HZ 33000000ull
#define NS_PER_S 1000000000ull

struct watchdog {
	struct pci_dev pci;
	struct watchdog_owner owner;
	struct vm *vm; /* borrowed */
	int timer_fd;
	uint16_t config;
	uint8_t lock;
	uint32_t preload[2]; /* ticks of each stage */
	unsigned unlocked;   /* how much of the two words has come */
	bool expired;	     /* outlives a reset, for who asks why that was */
	bool armed, paused;
	uint64_t end, left; /* CLOCK_MONOTONIC, and what of it is left while it is paused; ns */
	uint64_t bar_addr;  /* 0: off */
};

static struct watchdog *to_watchdog(struct pci_dev *pci)
{
	return container_of(pci, struct watchdog, pci);
}

/* --- time ------------------------------------------------------------------------------------------ */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Both stages; at least a second, or a guest could make us tell of it a thousand times in one. */
static uint64_t period_ns(const struct watchdog *w)
{
	uint64_t ticks = (uint64_t)w->preload[0] + w->preload[1];
	uint64_t ns = (ticks << (w->config & CONFIG_FAST ? 5 : 15)) * (NS_PER_S / 1000) / (PCI_HZ / 1000);

	return ns > NS_PER_S ? ns : NS_PER_S;
}

static void disarm(struct watchdog *w)
{
	w->armed = false;
	(void)loop_timer_arm(w->timer_fd, 0);
}

/* As often as the guest feeds it, whose CPU waits meanwhile: one system call, and none while paused. */
static void arm(struct watchdog *w, uint64_t ns)
{
	w->armed = true;
	w->left = ns;
	w->end = now_ns() + ns;
	if (!w->paused)
		(void)loop_timer_arm(w->timer_fd, ns);
}

static void begin(struct watchdog *w)
{
	if (w->lock & LOCK_ENABLE && !(w->lock & LOCK_FREE_RUN))
		arm(w, period_ns(w));
}

static void on_timer(void *opaque, int fd)
{
	struct watchdog *w = opaque;
	uint64_t n;

	/* It may have been fed between its end and here. */
	if (read(fd, &n, sizeof(n)) != sizeof(n) || !w->armed || w->paused || now_ns() < w->end)
		return;
	w->armed = false;
	if (w->config & CONFIG_NOTHING)
		return;
	w->expired = true;
	w->owner.expired(w->owner.opaque);
}

void watchdog_pause(struct watchdog *w, bool paused)
{
	uint64_t now = now_ns();

	if (!w || w->paused == paused)
		return;
	w->paused = paused;
	if (!w->armed)
		return;
	if (paused) {
		w->left = w->end > now ? w->end - now : 1;
		(void)loop_timer_arm(w->timer_fd, 0);
	} else {
		arm(w, w->left);
	}
}

bool watchdog_runs(const struct watchdog *w)
{
	return w && w->armed;
}

/* --- registers -------------------------------------------------------------------------------------- */

static void put_config(struct watchdog *w, unsigned byte, uint8_t value)
{
	uint8_t b[2];

	put_le16(b, w->config);
	b[byte] = value;
	w->config = get_le16(b) & CONFIG_KEPT;
}

static void put_lock(struct watchdog *w, uint8_t value)
{
	uint8_t was = w->lock;

	if (was & LOCK_LOCKED)
		return;
	w->lock = value & LOCK_KEPT;
	if (!(w->lock & LOCK_ENABLE))
		disarm(w);
	else if (!(was & LOCK_ENABLE))
		begin(w);
}

static void cfg_read(struct pci_dev *pci, unsigned off, uint8_t *data, unsigned len)
{
	struct watchdog *w = to_watchdog(pci);

	put_le16(pci->config + CONFIG, w->config);
	pci->config[LOCK] = w->lock;
	pci_cfg_store_read(pci, off, data, len);
}

static void cfg_write(struct pci_dev *pci, unsigned off, const uint8_t *data, unsigned len)
{
	struct watchdog *w = to_watchdog(pci);

	pci_cfg_store_write(pci, off, data, len);
	for (unsigned i = 0; i < len; i++) {
		if (off + i == CONFIG || off + i == CONFIG + 1)
			put_config(w, off + i - CONFIG, data[i]);
		else if (off + i == LOCK)
			put_lock(w, data[i]);
	}
}

static void reload(struct watchdog *w, unsigned value)
{
	if (value & RELOAD_EXPIRED)
		w->expired = false;
	if (value & RELOAD_NOW)
		begin(w);
}

static void bar_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	const struct watchdog *w = opaque;
	uint8_t regs[BAR_SIZE] = { 0 };

	put_le16(regs + RELOAD, w->expired ? RELOAD_EXPIRED | RELOAD_EVER : 0);
	memcpy(data, regs + off, len);
}

/* The words come by any width; a register takes what is written at its start. */
static void bar_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct watchdog *w = opaque;
	uint64_t value = get_le(data, len);

	if (off == RELOAD && w->unlocked == 0 && value == UNLOCK_1) {
		w->unlocked = 1;
		return;
	}
	if (off == RELOAD && w->unlocked == 1 && value == UNLOCK_2) {
		w->unlocked = 2;
		return;
	}
	if (w->unlocked == 2 && len == 4 && (off == TIMER_1 || off == TIMER_2))
		w->preload[off == TIMER_2] = (uint32_t)value & TIMER_MAX;
	else if (w->unlocked == 2 && off == RELOAD && len >= 2)
		reload(w, (unsigned)value & 0xffff);
	w->unlocked = 0;
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

static void bar_set(struct pci_dev *pci, unsigned i, bool on, uint64_t addr)
{
	struct watchdog *w = to_watchdog(pci);

	(void)i;
	if (on)
		on = bus_add(w->vm->mmio, addr, BAR_SIZE, pci->name, &bar_ops, w, NULL) == 0;
	else if (w->bar_addr)
		bus_remove(w->vm->mmio, w->bar_addr);
	w->bar_addr = on ? addr : 0;
}

static void power_on(struct pci_dev *pci)
{
	struct watchdog *w = to_watchdog(pci);

	w->config = 0;
	w->lock = 0;
	w->unlocked = 0;
	w->preload[0] = w->preload[1] = TIMER_MAX;
	disarm(w);
}

static const struct pci_dev_ops pci_ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.bar_set = bar_set,
	.reset = power_on,
};

/* --- setting up -------------------------------------------------------------------------------------- */

int watchdog_new(struct vm *vm, const struct watchdog_owner *owner, struct watchdog **ret, struct err *err)
{
	struct watchdog *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_set(err, -ENOMEM, "cannot make the watchdog");
	w->vm = vm;
	w->owner = *owner;
	w->timer_fd = -1;
	strcpy(w->pci.name, "watchdog");
	w->pci.ops = &pci_ops;
	pci_set_ids(&w->pci, VENDOR, DEVICE, CLASS << 8, 0, 0);
	w->pci.bar[0] = (struct pci_bar){ .type = PCI_BAR_MEM32, .size = BAR_SIZE };
	r = loop_timer_new(vm->loop, on_timer, w, &w->timer_fd);
	if (r < 0) {
		free(w);
		return err_set(err, r, "cannot make the watchdog's timer");
	}
	power_on(&w->pci);
	r = pci_add(vm->pci, &w->pci, 0, false, err);
	if (r < 0) {
		watchdog_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct watchdog *watchdog_free(struct watchdog *w)
{
	if (!w)
		return NULL;
	pci_remove(&w->pci);
	loop_del(w->vm->loop, w->timer_fd);
	close_fdp(&w->timer_fd);
	free(w);
	return NULL;
}
