# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory beside guest RAM, while the guest idles: PSS of a process less the guest's RAM.

A VFIO device pins all of guest RAM, so each page of it is there and counts once; that this is
so is checked.
"""

import re
import time

from measuring import vmms

RAM_KB = vmms.MEMORY_MB * 1024
LEAST_BANK_KB = 16 * 1024


def mappings(pid):
    """Each mapping of smaps as its head line and a dict of kB."""
    found = []
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                found.append((line.split(), {}))
            elif line.endswith(" kB\n"):
                key, value = line.split(":")
                found[-1][1][key] = int(value.split()[0])
    return found


def name_of(pid):
    with open(f"/proc/{pid}/comm") as f:
        return f.read().strip()


def sample(pid):
    maps = mappings(pid)
    # Banks of guest RAM: large and all there. Firmware and such are smaller.
    ram = [m for _, m in maps if m["Size"] >= LEAST_BANK_KB and m["Rss"] == m["Size"]]
    pss = sum(m["Pss"] for _, m in maps)
    return {
        "name": name_of(pid), "pss_kb": pss,
        "private_kb": sum(m["Private_Clean"] + m["Private_Dirty"] for _, m in maps),
        "ram_kb": sum(m["Rss"] for m in ram), "ram_thp_kb": sum(m["AnonHugePages"] for m in ram),
    }


def measure(vmm, vf):
    run = vmms.Run(vmm.command(vf, "lab.job=wait lab.secs=600"))
    try:
        run.wait_for("L2: init at", 120)
        time.sleep(5)    # drivers are loaded, the guest sleeps
        samples = [sample(pid) for pid in run.pids()]
    finally:
        run.kill()
    result = {"pss_supervisor_kb": 0}
    for s in samples:
        if s["ram_kb"]:
            if s["ram_kb"] != RAM_KB:
                raise vmms.Failed(f"{s['name']} has {s['ram_kb']} kB of guest RAM, not {RAM_KB}")
            result["pss_vmm_kb"] = s["pss_kb"] - RAM_KB
            result["private_vmm_kb"] = s["private_kb"] - RAM_KB
            result["ram_thp_kb"] = s["ram_thp_kb"]
        else:
            result["pss_supervisor_kb"] += s["pss_kb"]
    if "pss_vmm_kb" not in result:
        raise vmms.Failed(f"none of its processes holds the guest's RAM: {samples}")
    return result
