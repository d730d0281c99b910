# SPDX-License-Identifier: GPL-2.0-or-later
"""What is struck: each operation, what is there before it, and how the tool itself recovers."""

from host_state import EDU, NVME, PF0, PF1

VF0, VF1 = "0000:01:10.0", "0000:01:10.2"
SPEC_FILE = "/tmp/crash/host.yaml"
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


def sh(script):
    return ["sh", "-c", script]


class Operation:
    """recover: what the tool does by itself at its next start, or at boot; None: nothing.
    undo: what a user runs to have back what was there at first.
    again: for an operation that is itself an undoing: what it undoes, done anew."""

    recover = ["thruway", "host", "recover"]
    undo = ["thruway", "restore", "-q", "--all"]
    hows = ["before", "after", "EIO", "ENOSPC"]
    judged = True  # a strike that it does not survive is a failure of the test

    def __init__(self, name, command, setup=(), teardown=(), again=None, **more):
        self.name, self.command, self.again = name, command, again
        self.setup, self.teardown = list(setup), list(teardown)
        self.__dict__.update(more)


VFS = ["thruway", "vf", "create", "-q", "--up", PF0, "2", "mac", "52:54:00:01:00:10", "vlan", "3",
       "trust", "on", "vf1", "spoofchk", "off"]
GONE = [["thruway", "vf", "destroy", "-q", "--force=vf-in-use", PF0],
        ["ip", "link", "set", "NETDEV0", "down"]]
BOUND = ["thruway", "bind", "-q", VF1]
# Both have the driver of their own, which had registered before vfio-pci did.
NATIVE = [VFS, sh("for d in %s %s; do echo $d >/sys/bus/pci/drivers_probe; done" % (VF0, VF1))]
# Somebody else's override, to be put back like everything else.
OVERRIDDEN = NATIVE + [sh("echo igbvf >/sys/bus/pci/devices/%s/driver_override" % VF0)]

APPLY = ["thruway", "host", "apply", "-q", "-f", SPEC_FILE]
BIND = ["thruway", "bind", "-q", VF0]
GROUP = ["thruway", "bind", "-q", "--group", EDU]
CREATE = ["thruway", "vf", "create", "-q", "--up", "--bind", PF0, "2", "mac", "52:54:00:01:00:10", "vlan", "5",
          "vf1", "trust", "on"]
NVME_VFS = ["thruway", "vf", "create", "-q", NVME, "2"]
SET_VF = ["thruway", "vf", "set", "-q", PF0 + "/vf0", "mac", "52:54:00:01:00:77", "vlan", "7", "trust", "off",
          "spoofchk", "off"]
SET = ["driverctl", "set-override", VF0, "vfio-pci"]
UNSET = ["driverctl", "unset-override", VF0]
FORGET_ID = sh("echo 8086 10ca >/sys/bus/pci/drivers/vfio-pci/remove_id; true")


def driverctl(name, command, setup, **more):
    """It tells vfio-pci the device's ids and never takes that back: done here."""
    return Operation("driverctl " + name, command, setup, GONE + [FORGET_ID], recover=None, undo=UNSET,
                     judged=False, **more)


OPERATIONS = [
    Operation("bind", BIND, NATIVE, GONE),
    driverctl("set-override", SET, NATIVE),
    Operation("restore", ["thruway", "restore", "-q", VF0], NATIVE, GONE, again=BIND),
    driverctl("unset-override", UNSET, NATIVE, again=SET),
    Operation("bind (had an override)", BIND, OVERRIDDEN, GONE),
    driverctl("set-override (had one)", SET, OVERRIDDEN, hows=[]),
    Operation("bind (had no driver)", BIND, [VFS], GONE),
    driverctl("set-override (no driver)", SET, [VFS], hows=[]),
    Operation("bind --group", GROUP),
    Operation("vf set", SET_VF, [VFS], GONE),
    Operation("vf create", CREATE),
    Operation("vf create (NVMe)", NVME_VFS),
    # Three times as many events as the others have: what "after" one of them leaves is what
    # "before" the next one does.
    Operation("host apply", APPLY, [VFS, BOUND], GONE, hows=["before", "EIO|ENOSPC"]),
]

# The sample: (operation, its strikes as (kind, way, so many of that kind there are at least)).
# They follow each other from one start: two VFs, one bound.
SAMPLE = [
    (Operation("bind --group", GROUP),
     [("journal", how, 6) for how in Operation.hows] + [("sysfs", how, 3) for how in Operation.hows]),
    (Operation("vf set", SET_VF), [("netlink", how, 3) for how in Operation.hows]),
    (Operation("bind", BIND), [("sysfs", "after", 2)]),
    (Operation("vf create (NVMe)", NVME_VFS), [("nvme", how, 4) for how in ("before", "after", "EIO")]),
    (Operation("vf create (second NIC)", [PF1 if w == PF0 else w for w in CREATE]), [("journal", "after", 10)]),
    (Operation("host apply", APPLY), [("sysfs", "before", 8)]),
]
