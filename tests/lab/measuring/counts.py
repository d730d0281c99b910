# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls up to the first KVM_RUN, exits to userspace, DMA maps and routing commits, over
all processes and threads of a VMM whose guest pings through its VF."""

import re

from measuring import names, tracing

EVENTS = ["syscalls", "kvm/kvm_userspace_exit", "sched/sched_process_fork"]


class Counts:
    """Begins at the exec of the program; the VMM's own calls at its own exec."""

    def __init__(self, root):
        self.root = root
        self.family = {root}
        self.calls = {}          # (pid, call) -> times, up to the first KVM_RUN
        self.ioctls = {}         # request -> times, all of them
        self.vmm_calls = self.exits = 0
        self.vmm = None          # a child that became the VMM; its threads are newer pids
        self.running = False

    def fork(self, pid, rest):
        if pid in self.family:
            self.family.add(int(re.search(r"child_pid=(\d+)", rest).group(1)))

    def call(self, pid, name, rest):
        if name == "execve" and pid == self.root:
            self.calls.clear()
        if name == "execveat":
            self.vmm, self.vmm_calls = pid, 0
        m = re.search(r"cmd: (?:0x)?([0-9a-f]+)", rest) if name == "ioctl" else None
        if m:
            name = names.ioctl(int(m.group(1), 16))
            self.ioctls[name] = self.ioctls.get(name, 0) + 1
        self.running = self.running or name == "KVM_RUN"
        if not self.running:
            self.calls[pid, name] = self.calls.get((pid, name), 0) + 1
            self.vmm_calls += self.vmm is None or pid >= self.vmm

    def feed(self, pid, event, separator, rest):
        if event == "sched_process_fork":
            self.fork(pid, rest)
        elif pid in self.family and event == "kvm_userspace_exit":
            self.exits += 1
        elif pid in self.family and separator == "(" and event.startswith("sys_"):
            self.call(pid, event.removeprefix("sys_"), rest)


def read(root, lines):
    counts = Counts(root)
    for _, pid, _, event, separator, rest in lines:
        counts.feed(pid, event, separator, rest)
    total = sum(counts.calls.values())
    return {
        "syscalls": total, "syscalls_vmm": counts.vmm_calls if counts.vmm else total,
        "user_exits_ping": counts.exits,
        "dma_maps": counts.ioctls.get("VFIO_IOMMU_MAP_DMA", 0),
        "gsi_commits": counts.ioctls.get("KVM_SET_GSI_ROUTING", 0),
    }


def measure(vmm, vf):
    return tracing.run(vmm, vf, "ping", EVENTS, read)
