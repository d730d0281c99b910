# SPDX-License-Identifier: GPL-2.0-or-later
"""One igb VF on vfio-pci, made with sysfs and ip alone so that no VMM's own tool is in play."""

import os
import subprocess
import time

PF = "0000:01:00.0"
SYS = "/sys/bus/pci"


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def make():
    """The VF's BDF. The order matters: a VF takes its MAC from the PF when it is opened."""
    pf = f"{SYS}/devices/{PF}"
    netdev = os.listdir(f"{pf}/net")[0]
    subprocess.run(["ip", "link", "set", netdev, "up"], check=True)
    subprocess.run(["modprobe", "vfio-pci"], check=True)
    write(f"{pf}/sriov_drivers_autoprobe", "0")
    write(f"{pf}/sriov_numvfs", "1")
    subprocess.run(["ip", "link", "set", netdev, "vf", "0", "mac", "52:54:00:01:00:10"],
                   check=True)
    vf = os.path.basename(os.readlink(f"{pf}/virtfn0"))
    write(f"{SYS}/devices/{vf}/driver_override", "vfio-pci")
    write(f"{SYS}/drivers_probe", vf)
    wait_for_link(netdev)
    return vf


def wait_for_link(netdev):
    for _ in range(100):
        with open(f"/sys/class/net/{netdev}/carrier") as f:
            if f.read().strip() == "1":
                return
        time.sleep(0.1)


def remove():
    write(f"{SYS}/devices/{PF}/sriov_numvfs", "0")
    write(f"{SYS}/devices/{PF}/sriov_drivers_autoprobe", "1")
    netdev = os.listdir(f"{SYS}/devices/{PF}/net")[0]
    subprocess.run(["ip", "link", "set", netdev, "down"], check=True)
