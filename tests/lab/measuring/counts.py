# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls up to the first KVM_RUN, exits to userspace, DMA maps and routing commits,
counted by strace over all processes and threads."""

import re
import tempfile

from measuring import vmms

CALL = re.compile(r"(\d+) +(\w+)\((.*)")
MAPS = ("VFIO_IOMMU_MAP_DMA", "IOMMU_IOAS_MAP")


def calls(path):
    """(pid, name, arguments) of each call in the order of entry.

    The second half of one that another thread interrupted has no name before its bracket.
    """
    with open(path, errors="replace") as f:
        for line in f:
            m = CALL.match(line)
            if m:
                yield int(m.group(1)), m.group(2), m.group(3)


def count(path):
    result = dict.fromkeys(("syscalls", "syscalls_vmm", "kvm_runs", "dma_maps", "gsi_commits"), 0)
    first = vmm = None
    for pid, name, arguments in calls(path):
        if first is None:
            first = vmm = pid
        if name == "execveat":    # the supervisor's child becomes the VMM
            vmm = pid
            result["syscalls_vmm"] = 0
        if name == "ioctl":
            result["kvm_runs"] += ", KVM_RUN" in arguments
            result["dma_maps"] += any(m in arguments for m in MAPS)
            result["gsi_commits"] += "KVM_SET_GSI_ROUTING" in arguments
        if not result["kvm_runs"]:
            result["syscalls"] += 1
            result["syscalls_vmm"] += vmm == first or pid != first
    return result


def measure(vmm, vf, keep=None):
    """With pings through the VF, so that its interrupts are routed."""
    with tempfile.NamedTemporaryFile(prefix="strace.") as log:
        path = keep or log.name
        run = vmms.Run(vmm.command(vf, "lab.job=ping"),
                       ["strace", "-f", "-qq", "-e", "signal=none", "-o", path])
        run.wait_end(300)
        run.reap()
        if "L2: ping ok" not in run.text():
            raise vmms.Failed(f"no ping was answered through the VF\n{run.said()}")
        return count(path)
