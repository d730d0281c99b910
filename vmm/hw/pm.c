// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/hw/pm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/le.h"
#include "base/log.h"
#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/vm.h"

/*
 * PM1 status and enable (ACPI 4.8.3.1). Only the power button ever happens, but
 * ACPICA insists on enabling the others: the global lock is contended by nobody,
 * and the timer's overflow needs no telling to readers who know its 24 bits.
 */
#define PM1_TIMER  (1u << 0)
#define PM1_GLOBAL (1u << 5)
#define PM1_PWRBTN (1u << 8)
#define PM1_RTC	   (1u << 10)
#define PM1_ENABLE (PM1_TIMER | PM1_GLOBAL | PM1_PWRBTN | PM1_RTC)

/* PM1 control (4.8.3.2). */
#define CNT_SCI_EN     (1u << 0)
#define CNT_SLP_TYP(v) ((v) >> 10 & 7)
#define CNT_SLP_EN     (1u << 13)

#define TIMER_HZ   3579545ull
#define TIMER_MASK 0xffffffu
#define NS_PER_S   1000000000ull

#define RESET_NOW (1u << 2) /* bit 1 chooses hard or soft: both are the same here */

enum { EVT_STATUS = 0, EVT_ENABLE = 2, EVT_SIZE = 4, CNT_SIZE = 2, TIMER_SIZE = 4 };

struct pm {
	struct vm *vm; /* borrowed */
	uint16_t status, enable, control;
	bool sci;
	bool pressed; /* the button: the guest is to power off, and has not yet */
	bool owed;    /* to be seen when the guest next enables the event */
};

static void update_sci(struct pm *pm)
{
	bool level = pm->status & pm->enable;

	if (level != pm->sci)
		vm_irq_line(pm->vm, LAYOUT_SCI_GSI, level);
	pm->sci = level;
}

static void evt_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	const struct pm *pm = opaque;
	uint8_t regs[EVT_SIZE];

	put_le16(regs + EVT_STATUS, pm->status);
	put_le16(regs + EVT_ENABLE, pm->enable);
	memcpy(data, regs + off, len);
}

static void evt_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct pm *pm = opaque;
	uint8_t regs[EVT_SIZE] = { 0 };

	/* Bytes not written: status keeps (writing 0 clears nothing), enable as it was. */
	put_le16(regs + EVT_ENABLE, pm->enable);
	memcpy(regs + off, data, len);
	pm->status &= (uint16_t)~get_le16(regs + EVT_STATUS);
	pm->enable = get_le16(regs + EVT_ENABLE) & PM1_ENABLE;
	/* Linux clears the event before it enables it, and would not see an older one. */
	if (pm->owed && pm->enable & PM1_PWRBTN) {
		pm->status |= PM1_PWRBTN;
		pm->owed = false;
	}
	update_sci(pm);
}

static void cnt_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	const struct pm *pm = opaque;
	uint8_t regs[CNT_SIZE];

	/* There is no SMI_CMD to turn ACPI on with: it is on. */
	put_le16(regs, pm->control | CNT_SCI_EN);
	memcpy(data, regs + off, len);
}

static void cnt_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	struct pm *pm = opaque;
	uint8_t regs[CNT_SIZE];
	unsigned value;

	put_le16(regs, pm->control);
	memcpy(regs + off, data, len);
	value = get_le16(regs);
	pm->control = (uint16_t)(value & ~CNT_SLP_EN); /* reads as 0 */
	if (!(value & CNT_SLP_EN))
		return;
	if (CNT_SLP_TYP(value) == PM_SLP_TYP_S5)
		vm_request(pm->vm, VM_POWEROFF);
	else
		log_warn_limited("the guest asks for a sleep state (SLP_TYP %u) it was not offered",
				 CNT_SLP_TYP(value));
}

static void timer_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	struct timespec t;
	uint8_t regs[TIMER_SIZE];
	uint64_t ticks;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	ticks = (uint64_t)t.tv_sec * TIMER_HZ + (uint64_t)t.tv_nsec * TIMER_HZ / NS_PER_S;
	put_le32(regs, (uint32_t)ticks & TIMER_MASK);
	memcpy(data, regs + off, len);
}

static void reset_read(void *opaque, uint64_t off, uint8_t *data, unsigned len)
{
	(void)opaque;
	(void)off;
	memset(data, 0, len);
}

static void reset_write(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	const struct pm *pm = opaque;

	(void)off;
	(void)len;
	if (data[0] & RESET_NOW)
		vm_request(pm->vm, VM_REBOOT);
}

static void write_nothing(void *opaque, uint64_t off, const uint8_t *data, unsigned len)
{
	(void)opaque;
	(void)off;
	(void)data;
	(void)len;
}

static const struct bus_ops evt_ops = { evt_read, evt_write };
static const struct bus_ops cnt_ops = { cnt_read, cnt_write };
static const struct bus_ops timer_ops = { timer_read, write_nothing };
static const struct bus_ops reset_ops = { reset_read, reset_write };

int pm_new(struct vm *vm, struct pm **ret, struct err *err)
{
	struct pm *pm = calloc(1, sizeof(*pm));
	int r;

	if (!pm)
		return err_set(err, -ENOMEM, "cannot make the power management registers");
	pm->vm = vm;
	r = bus_add(vm->pio, LAYOUT_PM1A_EVT, EVT_SIZE, "PM1a events", &evt_ops, pm, err);
	if (r == 0)
		r = bus_add(vm->pio, LAYOUT_PM1A_CNT, CNT_SIZE, "PM1a control", &cnt_ops, pm, err);
	if (r == 0)
		r = bus_add(vm->pio, LAYOUT_PM_TMR, TIMER_SIZE, "PM timer", &timer_ops, pm, err);
	if (r == 0)
		r = bus_add(vm->pio, LAYOUT_RESET, 1, "reset register", &reset_ops, pm, err);
	if (r < 0) {
		pm_free(pm);
		return r;
	}
	*ret = pm;
	return 0;
}

struct pm *pm_free(struct pm *pm)
{
	if (!pm)
		return NULL;
	bus_remove(pm->vm->pio, LAYOUT_PM1A_EVT);
	bus_remove(pm->vm->pio, LAYOUT_PM1A_CNT);
	bus_remove(pm->vm->pio, LAYOUT_PM_TMR);
	bus_remove(pm->vm->pio, LAYOUT_RESET);
	free(pm);
	return NULL;
}

void pm_reset(struct pm *pm)
{
	pm->status = pm->enable = pm->control = 0;
	/* A kernel that was rebooting may have taken the event and done nothing about it. */
	pm->owed = pm->pressed;
	update_sci(pm);
}

void pm_power_button(struct pm *pm)
{
	pm->pressed = true;
	pm->owed = !(pm->enable & PM1_PWRBTN);
	pm->status |= PM1_PWRBTN;
	update_sci(pm);
}
