/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the host takes the interrupts of a guest's devices (`vm run --irq`). An interrupt that
 * arrives on another CPU than the one the guest's CPU runs on costs a wakeup over there; one that
 * arrives on a CPU that was given to a guest costs that guest its time.
 *
 * A process beside the supervisor asks the VM once a second which of its CPUs each vector targets,
 * and writes proc/irq/N/smp_affinity_list where that is not so. irqbalance is told to leave these
 * interrupts alone, and at the end that it need not; one that cannot be told is written over. Vectors of
 * MSI and MSI-X are VFIO's and go with the VM; lines (INTx) are put back at the end, and when the guest
 * goes over to another kind.
 */
#ifndef TOOLS_IRQ_KEEPER_H
#define TOOLS_IRQ_KEEPER_H

#include <signal.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "tools/irq_lines.h"
#include "tools/irqbalance.h"
#include "tools/vm_pin.h"

enum irq_where {
	IRQ_ANYWHERE, /* the kernel's choice, and irqbalance's */
	IRQ_FOLLOW,   /* on the CPU where the guest's CPU is */
	IRQ_CPUS,     /* on these */
};

struct irq_place {
	enum irq_where where;
	char cpus[64]; /* of the host, as the kernel writes a list */
};

/* How long it waits. Tests have less time. */
struct irq_keeper_times {
	unsigned interval_ms; /* between two looks */
	unsigned rest_ms;     /* for the rest of an answer that has begun to come */
	unsigned end_ms;      /* for its end, before it is killed */
};

#define IRQ_KEEPER_TIMES_INIT { 1000, 100, 3000 }

extern struct irq_keeper_times irq_keeper_times;

/* "follow" or "cpus=LIST". -EINVAL with err set (usage). */
int irq_place_parse(const char *text, struct irq_place *ret, struct err *err);

/*
 * Whether these CPUs are online; those of them that run the guest's are a warning. -ENODEV with err set.
 */
int irq_place_check(int root, const struct irq_place *place, const struct vm_pin *pin,
		    struct err *err);

/*
 * Once: report is the VM's answer to "interrupts", which may be anything: of the devices it names those
 * are looked at whose group the VMM (process vmm) has open, and of the threads those of that process.
 * Returns how many were moved; an interrupt that cannot be (the kernel's -EIO, or gone meanwhile) is left
 * where it is. *ret_placed: those that have a place. lines: what this and earlier looks moved; those not
 * used any more are put back.
 */
unsigned irq_keeper_look(int root, pid_t vmm, const json_t *report, const struct irq_place *place,
			 struct irq_list *ret_placed, struct irq_lines *lines);

/*
 * None that is sent to a whole process group (by a terminal, timeout(1), a service's end): whether the VM
 * ends by it is the supervisor's to judge. And one that waits does not swallow the next.
 */
#define IRQ_KEEPER_END SIGRTMIN

/*
 * Start the process for the VM called `name`, whose VMM is process vmm. Its pid, or -errno. A VM that answers late is waited
 * for: it ends when the VM does (it hangs up), with the caller, and by IRQ_KEEPER_END.
 */
pid_t irq_keeper_start(int root, const char *name, pid_t vmm, const struct irq_place *place);

/* It has ended by itself: say so, unless that was with its VM, and leave no zombie. */
void irq_keeper_reap(pid_t pid);

/* End it; pid 0: there is none. */
void irq_keeper_end(pid_t pid);

#endif
