#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Strike a thruway at each thing it does, recover, and see whether all is as it was.

usage: matrix.py SHIM [EVERY]     (EVERY n-th case of each operation; 1: all)

For each operation a first run counts what it does: states of its journal, writes to
sysfs, attributes set by netlink, NVMe commands. Then once for each of these and each
way to strike there it is run again: killed before or behind it, or the call fails with
EIO or ENOSPC. After `thruway host recover` the host must be as it was before, or, if
the strike came behind the end of the work, as it was to be, and then `restore` must
bring back what was before.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import time

PF0, PF1, NVME = "0000:01:00.0", "0000:81:00.0", "0000:02:00.0"
EDU, GPU = "0000:04:01.0", "0000:04:02.0"
PCI = "/sys/bus/pci/devices/"
HOWS = {"journal": ["before", "after", "EIO", "ENOSPC"], "sysfs": ["before", "after", "EIO", "ENOSPC"],
        "netlink": ["before", "after", "EIO", "ENOSPC"], "nvme": ["before", "after", "EIO"]}
TMP = "/tmp/crash"


def read(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError as e:
        return "-%d" % e.errno


def sh(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def must(*words):
    r = sh(*words)
    if r.returncode:
        print("not ok - %s" % " ".join(words))
        print("    # " + r.stdout.replace("\n", "\n    # "))
        sys.exit(0)


def netdev(pf):
    return os.listdir(PCI + pf + "/net")[0]


def pci_state():
    for d in sorted(os.listdir(PCI)):
        p = PCI + d
        link = p + "/driver"
        driver = os.path.basename(os.readlink(link)) if os.path.islink(link) else "none"
        yield "%s driver %s override %s" % (d, driver, read(p + "/driver_override"))
        if os.path.exists(p + "/sriov_numvfs"):
            yield "%s numvfs %s autoprobe %s" % (d, read(p + "/sriov_numvfs"),
                                                 read(p + "/sriov_drivers_autoprobe"))


def state():
    """Everything that is compared, as lines."""
    lines = list(pci_state())
    for pf in (PF0, PF1):
        lines.append("%s up %d" % (pf, int(read("/sys/class/net/%s/flags" % netdev(pf)), 16) & 1))
        lines += re.findall(r"^ *vf .*", sh("ip", "link", "show", "dev", netdev(pf)).stdout, re.M)
    for p in sorted(glob.glob("/sys/devices/system/node/node*/hugepages/*/nr_hugepages")):
        lines.append("%s %s" % (p, read(p)))
    if int(read(PCI + NVME + "/sriov_numvfs")):
        lines.append(sh("nvme", "list-secondary", "/dev/nvme0").stdout)
    return lines


class Operation:
    def __init__(self, name, command, setup=(), teardown=()):
        self.name, self.command, self.setup, self.teardown = name, command, setup, teardown


SPEC = """version: 1
devices:
  - match: {vendor: 1234, device: 11e8}
    group: on
pfs:
  - match: {mac: 52:54:00:00:00:01}
    numvfs: 3
    vfs:
      0-2: {mac: stable, vlan: 10}
      1: {trust: on, driver: vfio-pci}
  - match: {mac: 52:54:00:00:00:02}
    numvfs: 1
    link: up
    vfs: {0: {spoofchk: off, driver: vfio-pci}}
  - match: {vendor: 1b36, device: 0010}
    numvfs: 1
    vfs: {0: {driver: vfio-pci}}
hugepages:
  - {node: 0, size: 2M, count: 100}
"""

TWO_VFS = [["thruway", "vf", "create", "-q", "--up", PF0, "2", "mac", "52:54:00:01:00:10", "vlan", "3",
            "trust", "on", "vf1", "spoofchk", "off"]]
GONE = [["thruway", "vf", "destroy", "-q", "--force=vf-in-use", PF0],
        ["ip", "link", "set", "NETDEV0", "down"]]
NATIVE = TWO_VFS + [["modprobe", "igbvf"], ["sh", "-c", "echo 0000:01:10.0 >/sys/bus/pci/drivers_probe"]]

OPERATIONS = [
    Operation("bind", ["bind", "0000:01:10.0"], NATIVE, GONE),
    Operation("bind --group", ["bind", "--group", EDU]),
    Operation("vf create", ["vf", "create", "-q", "--up", "--bind", PF0, "2", "mac",
                            "52:54:00:01:00:10", "vlan", "5", "vf1", "trust", "on"]),
    Operation("vf create (NVMe)", ["vf", "create", "-q", NVME, "2"]),
    Operation("vf set", ["vf", "set", PF0 + "/vf0", "mac", "52:54:00:01:00:77", "vlan", "7", "trust",
                         "off", "spoofchk", "off"], TWO_VFS, GONE),
    Operation("host apply", ["host", "apply", "-q", "-f", TMP + "/host.yaml"],
              TWO_VFS + [["thruway", "bind", "-q", "0000:01:10.2"]], GONE),
]


def thruway(words, at=0, how="", log=False):
    """Run it with the shim. Its exit status; negative: the signal it died of."""
    for name in ("count", "log"):
        if os.path.exists(TMP + "/" + name):
            os.unlink(TMP + "/" + name)
    env = dict(os.environ, LD_PRELOAD=sys.argv[1], FAULT_COUNT=TMP + "/count", FAULT_AT=str(at),
               FAULT_HOW=how)
    if log:
        env["FAULT_LOG"] = TMP + "/log"
    with open(TMP + "/output", "w") as out:
        r = subprocess.run(["thruway"] + words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env)
    return r.returncode


def settle():
    """A child of the killed one may still be in its write, with the lock."""
    must("flock", "-w", "60", "/run/thruway/lock", "true")


def wait_for(wanted):
    """The state, given a moment to become that one: drivers register interfaces late."""
    for _ in range(20):
        now = state()
        if now == wanted:
            break
        time.sleep(0.1)
    return now


def difference(a, b):
    return "\n".join(["-" + x for x in a if x not in b] + ["+" + x for x in b if x not in a])


class Matrix:
    def __init__(self, every):
        self.every, self.rows, self.bad = every, {}, 0

    def count(self, op, kind, how, outcome):
        row = self.rows.setdefault((op.name, kind, how), {})
        row[outcome] = row.get(outcome, 0) + 1

    def fail(self, op, where, why, detail):
        self.bad += 1
        print("not ok - %s, %s: %s" % (op.name, where, why))
        print("    # " + (detail + "\n" + read(TMP + "/output")).replace("\n", "\n    # "))

    def one(self, op, before, after, event, how):
        number, kind, what = event
        status = thruway(op.command, number, how)
        where = "%s at %s %s" % (how, kind, what)
        settle()
        r = sh("thruway", "host", "recover")
        if r.returncode:
            self.fail(op, where, "recover failed", r.stdout)
        now = wait_for(before)
        if status == 0 or now == after != before:
            # Struck behind the end of the work, or at something it could do without.
            outcome = "done"
            if now != after:
                self.fail(op, where, "it said it was done", difference(after, now))
            must("thruway", "restore", "-q", "--all")
            now = wait_for(before)
        else:
            outcome = "as before"
        self.count(op, kind, how, outcome if now == before else "DIFFERS")
        if now != before:
            self.fail(op, where, "the host is not as it was", difference(before, now))
            repair(op)
        elif entries():
            self.fail(op, where, "entries are left in the journal", " ".join(entries()))

    def operation(self, op):
        prepare(op)
        before = state()
        if thruway(op.command, log=True):
            print("not ok - %s without a strike\n    # %s" % (op.name, read(TMP + "/output")))
            self.bad += 1
            return
        after = state()
        events = [tuple(l.split(" ", 2)) for l in read(TMP + "/log").split("\n")]
        must("thruway", "restore", "-q", "--all")
        if wait_for(before) != before:
            print("not ok - %s is not undone by restore\n%s" % (op.name, difference(before, state())))
            self.bad += 1
            return
        cases = [(e, how) for e in events for how in HOWS[e[1]]]
        for event, how in cases[::self.every]:
            self.one(op, before, after, event, how)
        clean(op)

    def table(self):
        total = {}
        print("# %-18s %-8s %-8s %s" % ("operation", "at", "strike", "cases: outcome"))
        for (name, kind, how), row in self.rows.items():
            text = ", ".join("%d %s" % (n, o) for o, n in sorted(row.items()))
            print("# %-18s %-8s %-8s %s" % (name, kind, how, text))
            for o, n in row.items():
                total[o] = total.get(o, 0) + n
        print("# %d cases: %s" % (sum(total.values()), ", ".join("%d %s" % (n, o)
                                                                 for o, n in sorted(total.items()))))
        if not self.bad:
            print("ok - %d strikes, each one undone or done whole" % sum(total.values()))


def words(command):
    return [netdev(PF0) if w == "NETDEV0" else w for w in command]


def prepare(op):
    for c in op.setup:
        must(*words(c))
    if op.setup:  # what was prepared is no change of ours: the journal begins empty
        forget()
    time.sleep(0.3)


def entries():
    """Names with a dot are what a killed writer left, and nobody reads."""
    return glob.glob("/run/thruway/journal/[0-9]*")


def forget():
    for f in entries():
        os.unlink(f)


def clean(op):
    for c in op.teardown:
        must(*words(c))
    forget()


def repair(op):
    sh("thruway", "restore", "-q", "--all")
    clean(op)
    prepare(op)


def main():
    os.makedirs(TMP, exist_ok=True)
    with open(TMP + "/host.yaml", "w") as f:
        f.write(SPEC)
    m = Matrix(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    only = os.environ.get("ONLY_OPERATION", "")
    for op in OPERATIONS:
        if only in op.name:
            m.operation(op)
    m.table()


main()
