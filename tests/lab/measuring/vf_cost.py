#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What making VFs and binding them costs, beside a loop over driverctl; for `lab run --icount`.

Both end with N VFs of an igb card on vfio-pci. igbvf is loaded, so it could be probed. For each
N the CPU time of all processes (with --icount: instructions), in a second run their system
calls, in both how often igbvf and vfio-pci were asked to take a device, and what was written
to sysfs.
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
from measuring import tracing  # noqa: E402

PF = "0000:01:00.0"
DEVICE = f"/sys/bus/pci/devices/{PF}"
NETDEV = os.listdir(f"{DEVICE}/net")[0]
SHIM = "/src/build/tests/lab/fault.so"
LOG = "/tmp/vf-cost.log"
PROBES = ("igbvf_probe", "vfio_pci_probe")

THRUWAY = ["thruway", "vf", "create", "-q", "--up", "--bind", PF]
# As it is usually done: the VFs get the driver the host has for them, then vfio-pci's.
LOOP = f"""ip link set {NETDEV} up
echo $1 >{DEVICE}/sriov_numvfs
for vf in {DEVICE}/virtfn*; do
	vf=$(readlink $vf)
	driverctl set-override ${{vf##*/}} vfio-pci
done"""


def command(tool, n):
    return THRUWAY + [str(n)] if tool == "thruway" else ["bash", "-c", LOOP, "loop", str(n)]


def back(tool):
    """Both ways the same, and driverctl's traces too."""
    if tool == "thruway":
        subprocess.run(["thruway", "restore", "-q", "--all"], check=True)
        return
    subprocess.run(["sh", "-c", f"echo 0 >{DEVICE}/sriov_numvfs; ip link set {NETDEV} down; "
                    "echo 8086 10ca >/sys/bus/pci/drivers/vfio-pci/remove_id; rm -rf /etc/driverctl.d"],
                   check=True)


def bound(n):
    drivers = [os.path.basename(os.readlink(f"{DEVICE}/virtfn{i}/driver")) for i in range(n)]
    return drivers == ["vfio-pci"] * n


def probes():
    with open(f"{tracing.TRACING}/kprobe_profile") as f:
        hits = {line.split()[0]: int(line.split()[1]) for line in f}
    return [hits[p] for p in PROBES]


def child(words, env):
    """A process that waits for a byte before it becomes the command."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.read(reader, 1)
        os.execvpe(words[0], words, env)
    os.close(reader)
    return pid, writer


def run(tool, n, env=None, before=None):
    """The CPU it took in ns, and the probes of both drivers."""
    start = probes()
    pid, writer = child(command(tool, n), dict(os.environ, **env or {}))
    if before:
        before(pid)
    os.write(writer, b"x")
    os.close(writer)
    _, status, usage = os.wait4(pid, 0)
    after = probes()
    if status or not bound(n):
        raise SystemExit(f"not ok - {tool} made and bound {n} VFs: status {status}")
    return int((usage.ru_utime + usage.ru_stime) * 1e9), [b - a for a, b in zip(start, after)]


def system_calls(tool, n):
    """Of it and all its children."""
    def trace(pid):
        tracing.write("set_event_pid", str(pid))
        tracing.start(["raw_syscalls/sys_enter"], 64)

    tracing.write("events/vfcost/enable", "0")
    run(tool, n, None, trace)
    tracing.stop(["raw_syscalls/sys_enter"])
    tracing.write("events/vfcost/enable", "1")
    with open(f"{tracing.TRACING}/per_cpu/cpu0/stats") as f:
        stats = dict(line.split(": ") for line in f)
    tracing.write("set_event_pid", "")
    return int(stats["entries"]) + int(stats["overrun"])


def sysfs_writes(tool, n):
    for path in (LOG, LOG + ".count"):
        if os.path.exists(path):
            os.unlink(path)
    run(tool, n, {"LD_PRELOAD": SHIM, "FAULT_COUNT": LOG + ".count", "FAULT_LOG": LOG})
    with open(LOG) as f:
        return sum(line.split()[1] == "sysfs" for line in f)


def measure(tool, n):
    cpu, asked = run(tool, n)
    back(tool)
    calls = system_calls(tool, n)
    back(tool)
    writes = sysfs_writes(tool, n)
    back(tool)
    return {"cpu": cpu, "igbvf": asked[0], "vfio": asked[1], "calls": calls, "writes": writes}


def prepare():
    subprocess.run(["modprobe", "igbvf"], check=True)
    subprocess.run(["modprobe", "vfio-pci"], check=True)
    tracing.start([], 64)
    tracing.write("kprobe_events", "\n".join(f"p:vfcost/{p} {p}" for p in PROBES))
    tracing.write("events/vfcost/enable", "1")
    tracing.write("options/event-fork", "1")


def say(good, what):
    print("%s - %s" % ("ok" if good else "not ok", what), flush=True)


def row(tool, n, r, last):
    each = "%6.1f" % ((r["cpu"] - last[1]["cpu"]) / (n - last[0]) / 1e6) if last else "     –"
    print("# %-10s %4d %8.1f %s %8d %7d %7d %7d" % (tool, n, r["cpu"] / 1e6, each, r["calls"], r["writes"],
                                                  r["igbvf"], r["vfio"]), flush=True)


def judge(ours, loop):
    top = max(ours)
    say(all(r["igbvf"] == 0 for r in ours.values()), "igbvf was asked for no VF")
    say(all(r["vfio"] == n for n, r in ours.items()), "vfio-pci for each once")
    say(loop[top]["igbvf"] == top, "the loop's were probed by igbvf first, so it could have been")
    for key, what in (("cpu", "instructions"), ("calls", "system calls"), ("writes", "sysfs writes")):
        ratio = ours[top][key] / loop[top][key]
        say(ratio < 1, "%s for %d VFs: %.2f of the loop's" % (what, top, ratio))
        # From 1 to the middle and from there to the last: the same for each.
        middle = (1 + top) // 2
        first = (ours[middle][key] - ours[1][key]) / (middle - 1)
        second = (ours[top][key] - ours[middle][key]) / (top - middle)
        say(second <= 1.25 * first, "%s for one VF more: %.4g, and of the last ones %.4g" % (what, first, second))


def main():
    prepare()
    for tool in ("thruway", "loop"):  # the page cache
        run(tool, 1)
        back(tool)
    print("# %-10s %4s %8s %6s %8s %7s %7s %7s" % ("tool", "VFs", "M instr.", "one +", "syscalls", "writes",
                                                 "igbvf", "vfio"))
    results = {"thruway": {}, "loop": {}}
    for tool, mine in results.items():
        last = None
        # The loop's takes minutes of an emulated CPU: its ends and the middle.
        for n in range(1, 8) if tool == "thruway" else (1, 4, 7):
            mine[n] = measure(tool, n)
            row(tool, n, mine[n], last)
            last = n, mine[n]
    judge(results["thruway"], results["loop"])


main()
