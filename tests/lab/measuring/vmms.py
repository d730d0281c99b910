# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMMs that are measured, each with the same guest, and how one run of them is made."""

import os
import signal
import subprocess
import tempfile
import time

KERNEL = "/lab/l2/vmlinuz"
INITRD = "/lab/l2/initrd"
MEMORY_MB = 256
CMDLINE = "console=ttyS0 quiet panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
OURS = "/src/build/thruway"
QEMU = "/usr/bin/qemu-system-x86_64"
CGROUP = "/sys/fs/cgroup/measured"


class VMM:
    """One VMM: its label, its program and the arguments that differ from its siblings'."""

    def __init__(self, name, argv, version):
        self.name, self.argv, self.version = name, argv, version

    def command(self, vf, guest_words):
        words = {"VF": vf, "CMDLINE": f"{CMDLINE} {guest_words}".strip()}
        return [words.get(a, a.replace("@VF", vf)) for a in self.argv]


def first_line(argv):
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0]


def qemu(name, machine, version):
    # KVM with its in-kernel irqchip and the host's CPU, nothing that was not asked for, the
    # serial port on stdio: what both machine types' documentation begins with.
    return VMM(name, [
        QEMU, "-accel", "kvm", "-cpu", "host", "-M", machine,
        "-m", f"{MEMORY_MB}M", "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none",
        "-serial", "stdio", "-no-reboot", "-kernel", KERNEL, "-initrd", INITRD,
        "-append", "CMDLINE", "-device", "vfio-pci,host=@VF"], version)


def all_vmms():
    version = first_line([QEMU, "--version"])
    vmms = [
        qemu("QEMU q35", "q35", version),
        # Without its RTC, which it leaves out under KVM, this guest looks for it for 1.2 s.
        qemu("QEMU microvm", "microvm,pcie=on,rtc=on", version),
    ]
    if os.path.exists(OURS):
        vmms.insert(0, VMM("thruway", [
            OURS, "run", "--kernel", KERNEL, "--initrd", INITRD, "--memory", f"{MEMORY_MB}M",
            "--cpus", "1", "--device", "VF", "--cmdline", "CMDLINE"],
            first_line([OURS, "--version"])))
    return vmms


class Failed(Exception):
    """A guest that did not do what it was started for."""


class Run:
    """A VMM started in a control group of its own, its console in a file.

    A file, so that no reader is woken on the VMM's time. Standard input is a pipe that stays
    open and silent, as a terminal nobody types at.
    """

    def __init__(self, argv):
        os.makedirs(CGROUP, exist_ok=True)
        self.console = tempfile.NamedTemporaryFile(prefix="console.")
        self.errors = tempfile.NamedTemporaryFile(prefix="errors.")
        self.silence = os.pipe()
        enter = ["sh", "-c", 'echo $$ >"$0"/cgroup.procs; exec "$@"', CGROUP, *argv]
        self.start = time.monotonic_ns()
        self.child = subprocess.Popen(enter, stdin=self.silence[0], stdout=self.console,
                                      stderr=self.errors)

    def text(self):
        with open(self.console.name, errors="replace") as f:
            return f.read()

    def wait_for(self, words, seconds, poll=0.02):
        """Until the console shows words; the guest must not end before."""
        deadline = time.monotonic() + seconds
        while words not in self.text():
            if self.ended():
                raise Failed(f"it ended before the guest said '{words}'\n{self.said()}")
            if time.monotonic() > deadline:
                self.kill()
                raise Failed(f"the guest did not say '{words}' in {seconds} s\n{self.said()}")
            time.sleep(poll)

    def ended(self):
        info = os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        return info is not None

    def wait_end(self, seconds):
        """Until it ended by itself and well, its zombie still there to be read."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                self.kill()
                raise Failed(f"it did not end in {seconds} s\n{self.said()}")
            time.sleep(0.02)

    def reap(self):
        status = self.child.wait()
        self.close()
        if status != 0:
            raise Failed(f"it ended with status {status}\n{self.said()}")

    def close(self):
        """What the VMM held is free when the last of the group is gone, not its first."""
        for fd in self.silence:
            os.close(fd)
        while self.pids():
            time.sleep(0.02)

    def said(self):
        with open(self.errors.name, errors="replace") as f:
            return (self.text()[-1500:] + f.read()[-1500:]).strip()

    def pids(self):
        with open(f"{CGROUP}/cgroup.procs") as f:
            return [int(line) for line in f]

    def kill(self):
        """Ends what runs in the group, which is this run's alone."""
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()
        self.close()
