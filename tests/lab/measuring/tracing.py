# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's tracepoints around one run of a VMM: they count what strace would, at a fraction
of its cost."""

import os
import re
import subprocess
import tempfile

from measuring import vmms

TRACING = "/sys/kernel/tracing"
# "     thruway-vmm-228     [000] d..1.  31972300623: kvm_exit: vcpu 0 reason io …"
# "         thruway-224     [000] .....  31972300623: sys_openat(dfd: 3, filename: …"
# "         thruway-224     [000] .....  31972300623: sys_openat -> 0x5"
LINE = re.compile(r" *(.*)-(\d+) +\[\d+\] \S+ +(\d+): (\w+)(:|\(| ->)(.*)")


def write(name, text):
    with open(f"{TRACING}/{name}", "w") as f:
        f.write(text)


def start(events, megabytes):
    if not os.path.exists(f"{TRACING}/trace"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    write("tracing_on", "0")
    write("buffer_size_kb", str(megabytes << 10))
    write("trace_clock", "x86-tsc")
    write("trace", "")
    for event in events:
        write(f"events/{event}/enable", "1")
    write("tracing_on", "1")


def stop(events):
    write("tracing_on", "0")
    for event in events:
        write(f"events/{event}/enable", "0")


def lines():
    """(task, pid, time, event, what separates it from its arguments, arguments) of each event."""
    with open(f"{TRACING}/trace", errors="replace") as f:
        for line in f:
            if line.startswith("CPU:") and "LOST" in line:
                raise vmms.Failed(f"events were lost: {line.strip()}")
            m = LINE.match(line)
            if m:
                task, pid, now, event, separator, rest = m.groups()
                yield task, int(pid), int(now), event, separator, rest


def run(vmm, vf, job, events, reader, megabytes=32):
    """A whole guest under these events; reader(root pid, lines) makes the result."""
    start(events, megabytes)
    try:
        guest = vmms.Run(vmm.command(vf, f"lab.job={job}"))
        guest.wait_end(90)
        text = guest.text()
        guest.reap()
    finally:
        stop(events)
    if job == "ping" and "L2: ping ok" not in text:
        raise vmms.Failed(f"no ping was answered through the VF\n{text[-1500:]}")
    result = reader(guest.child.pid, lines())
    write("buffer_size_kb", "1408")
    return result
