# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the CPU time of a guest goes, by tracepoints; needs a host with one CPU.

The time between two events belongs to the task that ran and to the state it was in: its own
code, a system call (an ioctl by its request), or the guest. With --icount these are
instructions. The tracepoints themselves cost a little: these figures say where, those of the
run without them how much.
"""

import re

from measuring import names, tracing

EVENTS = ["kvm/kvm_entry", "kvm/kvm_exit", "kvm/kvm_userspace_exit", "kvm/kvm_mmio",
          "sched/sched_switch", "sched/sched_process_fork", "syscalls"]
RAM_CALLS = ("madvise", "VFIO_IOMMU_MAP_DMA", "VFIO_IOMMU_UNMAP_DMA")


class Profile:
    """Adds up a trace. time[(process, state)] and count[(process, state)]."""

    def __init__(self, root):
        self.family = {root}     # pids of the run
        self.root = root         # what it did before its exec is not the VMM's
        self.state = {}          # pid -> what it does
        self.names = {}
        self.time, self.count = {}, {}
        self.exits, self.exit_time = {}, {}
        self.user_exits = {}
        self.accesses = {}       # pid -> the port or address its guest touched last
        self.entered = self.exited = None
        self.guest_spans = []
        self.last = self.running = None

    def charge(self, now, pid):
        if self.last is not None and self.running in self.family:
            key = (self.running, self.state.get(self.running, "own code"))
            self.time[key] = self.time.get(key, 0) + now - self.last
        self.last, self.running = now, pid

    def enter(self, pid, state):
        self.state[pid] = state
        self.count[pid, state] = self.count.get((pid, state), 0) + 1

    def feed(self, pid, now, event, rest):
        self.charge(now, pid)
        handler = getattr(self, "on_" + event, None)
        if handler:
            handler(pid, now, rest)
        elif event.startswith("sys_"):
            self.on_syscall(pid, event[4:], rest)

    def on_sched_switch(self, pid, now, rest):
        self.running = int(re.search(r"next_pid=(\d+)", rest).group(1))

    def on_sched_process_fork(self, pid, now, rest):
        if pid in self.family:
            self.family.add(int(re.search(r"child_pid=(\d+)", rest).group(1)))

    def on_syscall(self, pid, name, rest):
        if pid not in self.family:
            return
        if name == "execve" and pid == self.root:
            self.time.clear()
            self.count.clear()
        m = re.search(r"cmd: (?:0x)?([0-9a-f]+)", rest) if name == "ioctl" else None
        self.enter(pid, names.ioctl(int(m.group(1), 16)) if m else name)

    def leave(self, pid):
        self.state[pid] = "own code"

    def on_kvm_entry(self, pid, now, rest):
        if self.exited:
            reason, when = self.exited
            self.exit_time[reason] = self.exit_time.get(reason, 0) + now - when
            self.exited = None
        self.entered = now
        self.enter(pid, "guest")

    def on_kvm_exit(self, pid, now, rest):
        reason = re.search(r"reason (\S+)", rest).group(1)
        if self.entered:
            self.guest_spans.append(now - self.entered)
        self.exits[reason] = self.exits.get(reason, 0) + 1
        if reason == "io":      # SVM's EXITINFO1: the port above bit 16, bit 0 set for IN
            info = int(re.search(r"info1 0x([0-9a-f]+)", rest).group(1), 16)
            self.accesses[pid] = f"{'in' if info & 1 else 'out'} {info >> 16:#x}"
        self.exited = (reason, now)
        self.state[pid] = "KVM_RUN"

    def on_kvm_mmio(self, pid, now, rest):
        # "mmio unsatisfied-read len 4 gpa 0xb0000000 val 0x0", by page
        words = rest.split()
        page = int(words[words.index("gpa") + 1], 16) >> 12
        self.accesses[pid] = f"{words[1].removeprefix('unsatisfied-')} {page:#x}000"

    def on_kvm_userspace_exit(self, pid, now, rest):
        reason = re.search(r"reason (\S+)", rest).group(1)
        reason = f"{reason} {self.accesses.pop(pid, '')}".strip()
        self.user_exits[reason] = self.user_exits.get(reason, 0) + 1
        if self.exited:     # from here on it is the VMM's time
            why, when = self.exited
            self.exit_time[why] = self.exit_time.get(why, 0) + now - when
            self.exited = None

    def name(self, pid):
        return f"{self.names.get(pid, '?')} {pid}"

    def ram_time(self):
        """Filling guest RAM with pages and giving it to the IOMMU and back: the kernel's work,
        whichever of these calls causes it."""
        return sum(t for (_, state), t in self.time.items() if state in RAM_CALLS)

    def guest_time(self):
        """Without what every span holds of the host: the way in and out of the guest.

        The shortest spans seen are of guests that ran a handful of instructions.
        """
        fixed = min(self.guest_spans)
        return sum(self.guest_spans) - fixed * len(self.guest_spans), fixed


def read(root, lines):
    profile = Profile(root)
    for task, pid, now, event, separator, rest in lines:
        profile.names[pid] = task
        if separator == " ->":
            profile.charge(now, pid)
            profile.leave(pid)
        else:
            profile.feed(pid, now, event, rest)
    return profile


def measure(vmm, vf):
    return tracing.run(vmm, vf, "none", EVENTS, read, megabytes=256)
