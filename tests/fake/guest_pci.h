/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's PCI without the rest of it: functions that write down what they are told. */
#ifndef FAKE_GUEST_PCI_H
#define FAKE_GUEST_PCI_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/pci_regs.h>

#include "base/fd.h"
#include "base/le.h"
#include "base/log.h"
#include "base/size.h"
#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/pci/pci.h"
#include "vmm/vm.h"

struct guest_pci {
	struct vm vm;
	struct err err;
};

struct fake_told {
	unsigned bar;
	bool on;
	uint64_t addr;
};

struct fake_fn {
	struct pci_dev dev;
	struct fake_told told[32];
	unsigned ntold, resets;
};

static inline void guest_pci_new(struct guest_pci *m, const struct pci_config *config)
{
	log_set_level(LOG_QUIET);
	memset(m, 0, sizeof(*m));
	m->vm.fd = m->vm.kvm_fd = m->vm.request_fd = -1;
	m->vm.pio = bus_new();
	m->vm.mmio = bus_new();
	assert_int_equal(pci_new(&m->vm, config, &m->vm.pci, &m->err), 0);
}

static inline void guest_pci_free(struct guest_pci *m)
{
	m->vm.pci = pci_free(m->vm.pci);
	m->vm.pio = bus_free(m->vm.pio);
	m->vm.mmio = bus_free(m->vm.mmio);
}

static inline void fake_bar_set(struct pci_dev *dev, unsigned i, bool on, uint64_t addr)
{
	struct fake_fn *fn = container_of(dev, struct fake_fn, dev);

	assert_true(fn->ntold < ARRAY_SIZE(fn->told));
	fn->told[fn->ntold++] = (struct fake_told){ i, on, addr };
}

static inline void fake_reset(struct pci_dev *dev)
{
	container_of(dev, struct fake_fn, dev)->resets++;
}

static const struct pci_dev_ops fake_fn_ops = { .bar_set = fake_bar_set, .reset = fake_reset };

static inline void fake_fn_init(struct fake_fn *fn, const char *name)
{
	memset(fn, 0, sizeof(*fn));
	fn->dev.ops = &fake_fn_ops;
	snprintf(fn->dev.name, sizeof(fn->dev.name), "%s", name);
	pci_set_ids(&fn->dev, 0x8086, 0x10ca, 0x02000001, 0x8086, 0xa03c);
}

static inline void fake_bar(struct fake_fn *fn, unsigned i, enum pci_bar_type type, bool pref,
			    uint64_t size)
{
	fn->dev.bar[i] = (struct pci_bar){ .type = type, .prefetchable = pref, .size = size };
}

static inline uint64_t fake_ecam(unsigned bus, unsigned slot, unsigned fn, unsigned off)
{
	return LAYOUT_ECAM + (uint64_t)bus * MiB + slot * 32768u + fn * 4096u + off;
}

/* What the guest reads and writes through ECAM. */
static inline uint32_t cfg_get(struct guest_pci *m, unsigned bus, unsigned slot, unsigned off,
			       unsigned len)
{
	uint8_t data[8];

	bus_read(m->vm.mmio, fake_ecam(bus, slot, 0, off), data, len);
	return (uint32_t)get_le(data, len);
}

static inline void cfg_put(struct guest_pci *m, unsigned bus, unsigned slot, unsigned off,
			   unsigned len, uint32_t value)
{
	uint8_t data[4];

	put_le(data, value, len);
	bus_write(m->vm.mmio, fake_ecam(bus, slot, 0, off), data, len);
}

/* A guest's view of a 64-bit BAR. */
static inline uint64_t cfg_get_bar64(struct guest_pci *m, unsigned bus, unsigned slot, unsigned i)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * i;
	uint64_t low = cfg_get(m, bus, slot, reg, 4) & ~0xfu;

	return low | (uint64_t)cfg_get(m, bus, slot, reg + 4, 4) << 32;
}

static inline void cfg_put_bar64(struct guest_pci *m, unsigned bus, unsigned slot, unsigned i,
				 uint64_t addr)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * i;

	cfg_put(m, bus, slot, reg, 4, (uint32_t)addr);
	cfg_put(m, bus, slot, reg + 4, 4, (uint32_t)(addr >> 32));
}

#endif
