# SPDX-License-Identifier: GPL-2.0-or-later
"""The result as one table: a row for each figure, a column for each VMM, and the ratio."""

G, M = 1e9, 1e6

# What the row says, the key of the result, its divisor, digits, whether less is better.
ROWS = [
    ("CPU from exec through guest init to exit, G instructions", "cpu", G, 3),
    ("  user, guest included", "cpu_user", G, 3),
    ("  system", "cpu_system", G, 3),
    ("  until the guest's init", "cpu_at_init", G, 3),
    ("  VMM's process alone", "cpu_vmm", G, 3),
    ("  in the guest", "guest", G, 3),
    ("  VMM and host: all but the guest", "host", G, 3),
    ("    filling, mapping and unmapping guest RAM", "ram", G, 3),
    ("    all else", "host_own", G, 3),
    ("clock from exec to exit, G", "clock", G, 3),
    ("guest's uptime at init, s", "guest_uptime_at_init", 1, 2),
    ("PSS beside guest RAM, VMM, kB", "pss_vmm_kb", 1, 0),
    ("PSS of its supervisor, kB", "pss_supervisor_kb", 1, 0),
    ("  guest RAM in 2M pages, of %(ram)s kB", "ram_thp_kb", 1, 0),
    ("system calls before the first KVM_RUN", "syscalls", 1, 0),
    ("  VMM's process alone, from its exec", "syscalls_vmm", 1, 0),
    ("exits to userspace, boot to power-off", "user_exits", 1, 0),
    ("exits handled in the kernel", "kernel_exits", 1, 0),
    ("exits to userspace, with 3 pings through the VF", "user_exits_ping", 1, 0),
    ("  DMA maps", "dma_maps", 1, 0),
    ("  commits of the interrupt routing", "gsi_commits", 1, 0),
]
OURS = "thruway"


def cell(value, divisor, digits):
    return "-" if value is None else f"{value / divisor:.{digits}f}"


def ratio(values):
    """Ours beside the best of the others, or an empty text."""
    others = [v for name, v in values.items() if name != OURS and v is not None]
    if values.get(OURS) is None or not others or not min(others):
        return ""
    return f"{values[OURS] / min(others):.2f}"


def render(results, ram_kb):
    vmms = list(results)
    widths = [max(12, len(name) + 2) for name in vmms]
    lines = [" " * 58 + "".join(n.rjust(w) for n, w in zip(vmms, widths)) + "  ours/best peer"]
    for label, key, divisor, digits in ROWS:
        values = {name: results[name].get(key) for name in vmms}
        if all(v is None for v in values.values()):
            continue
        cells = "".join(cell(values[n], divisor, digits).rjust(w) for n, w in zip(vmms, widths))
        lines.append((label % {"ram": ram_kb}).ljust(58) + cells + ratio(values).rjust(10))
    return "\n".join(line.rstrip() for line in lines)
