# SPDX-License-Identifier: GPL-2.0-or-later
"""A profile in words: which process spent its time on what, and what made the guest exit."""

LEAST = 0.0005     # of all: what is less goes into one line


def spent(profile, lines):
    total = sum(profile.time.values())
    rest = 0
    lines.append(f"{'M':>10} {'%':>6} {'times':>8}  process: what it did")
    for (pid, state), time in sorted(profile.time.items(), key=lambda x: -x[1]):
        if time < total * LEAST:
            rest += time
            continue
        who = profile.name(pid)
        times = profile.count.get((pid, state), "")
        lines.append(f"{time / 1e6:10.2f} {100 * time / total:6.2f} {times:>8}  {who}: {state}")
    lines.append(f"{rest / 1e6:10.2f} {100 * rest / total:6.2f} {'':>8}  less than "
                 f"{100 * LEAST} % each")
    lines.append(f"{total / 1e6:10.2f} {100:6.2f} {'':>8}  all")


def exits(profile, lines):
    lines.append(f"{'M':>10} {'exits':>8}  why the guest was left, and the kernel's time for it")
    for why, n in sorted(profile.exits.items(), key=lambda x: -profile.exit_time.get(x[0], 0)):
        lines.append(f"{profile.exit_time.get(why, 0) / 1e6:10.2f} {n:8}  {why}")
    lines.append(f"{'':>10} {'exits':>8}  to userspace")
    for why, n in sorted(profile.user_exits.items(), key=lambda x: -x[1]):
        lines.append(f"{'':>10} {n:8}  {why}")


def render(name, profile):
    guest, fixed = profile.guest_time()
    lines = [f"{name}: where the time went, in millions of instructions under --icount",
             f"in the guest {guest / 1e6:.2f} ({len(profile.guest_spans)} times, less {fixed} "
             "each for the way in and out)", ""]
    spent(profile, lines)
    lines.append("")
    exits(profile, lines)
    return "\n".join(lines) + "\n"
