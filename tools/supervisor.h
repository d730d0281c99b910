/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stays of `thruway vm run` while the guest runs: watches the VMM, owns the
 * terminal and the signals, and decides the exit status.
 */
#ifndef TOOLS_SUPERVISOR_H
#define TOOLS_SUPERVISOR_H

#include <stdbool.h>

#include "base/err.h"
#include "tools/irq_keeper.h"
#include "tools/vm_backend.h"
#include "tools/vm_socket.h"
#include "tools/vmm_process.h"
#include "vmm/handover.h"

/* Exit statuses beside err_exit_status(): a signal ended it before the guest had the console. */
#define SUPERVISOR_INTERRUPTED 130 /* SIGINT */
#define SUPERVISOR_QUIT	       131 /* SIGQUIT */
#define SUPERVISOR_TERMINATED  143 /* SIGTERM, SIGHUP; also a second SIGTERM later on */

/*
 * Block SIGINT, SIGTERM and SIGHUP and make them readable, before anything on
 * the host is changed, so that they are acted on between steps and not amid one.
 * Returns the signalfd or -errno. Children get an empty mask before exec. SIGPIPE
 * is blocked as well: output that nobody reads any more is lost with EPIPE.
 */
int supervisor_signals(void);

/* A signal is waiting: the exit status it asks for, else 0. Does not wait. */
int supervisor_interrupted(int signal_fd);

struct vm_failover;

struct supervisor_result {
	int status;		 /* exit status */
	bool have_event;	 /* the VMM said how it ended: */
	struct vmm_event event;
};

struct supervisor_config {
	int root;
	struct vmm_process *vmm;   /* borrowed; ended when it returns */
	int signal_fd;		   /* of supervisor_signals() */
	bool tty;		   /* stdin is a terminal and becomes the guest's console at READY */
	struct vm_socket *control; /* the VM's, bound when its CPUs run if it is not yet; NULL: none */
	struct vm_failover *failover; /* of its network devices; NULL: none has it */
	struct vm_backends *backends; /* of its devices; none: no count */
	const struct irq_place *irq; /* of its devices, on the host; NULL: anywhere */
	const struct vmm_device *devices; /* that the guest started with */
	unsigned device_count;
};

/*
 * Serve the VMM until it is gone. SIGTERM and SIGHUP press the power button, and
 * 30 s later the guest is ended, if it has not by then (its VMM may still wait for the host); SIGINT, and SIGTERM after any of them, end it now;
 * another one does not wait for the VMM either. err is set when the guest did not end
 * in good order.
 */
void supervisor_run(const struct supervisor_config *config, struct supervisor_result *ret,
		    struct err *err);

#endif
