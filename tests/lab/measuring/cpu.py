# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU time of a whole guest: what the scheduler charged to the processes of one control group.

With --icount a nanosecond of the host's clock is one instruction, so these are instructions.
"""

import os
import re
import time

from measuring import vmms


def usage():
    """All, user and system CPU of the group in nanoseconds; the ended included."""
    with open(f"{vmms.CGROUP}/cpu.stat") as f:
        stat = dict(line.split() for line in f)
    return [int(stat[k]) * 1000 for k in ("usage_usec", "user_usec", "system_usec")]


def since(start):
    return [now - then for now, then in zip(usage(), start)]


def own_time(pid):
    """A single-threaded process's own CPU time, without its children's; a zombie's too."""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def uptime_at_init(text):
    m = re.search(r"L2: init at ([0-9.]+)", text)
    if not m:
        raise vmms.Failed("the guest's init did not say when it began")
    return float(m.group(1))


def measure(vmm, vf):
    """One guest from exec to exit: boots, loads the VF's driver, powers off."""
    os.makedirs(vmms.CGROUP, exist_ok=True)
    before = usage()
    run = vmms.Run(vmm.command(vf, "lab.job=none"))
    run.wait_for("L2: init at", 120)
    at_init = since(before)
    run.wait_end(120)
    clock = time.monotonic_ns() - run.start
    supervisor = own_time(run.child.pid) if vmm.name == "thruway" else 0
    run.reap()
    total, user, system = since(before)
    return {
        "cpu": total, "cpu_user": user, "cpu_system": system, "cpu_at_init": at_init[0],
        "cpu_supervisor": supervisor, "cpu_vmm": total - supervisor, "clock": clock,
        "guest_uptime_at_init": uptime_at_init(run.text()),
    }
