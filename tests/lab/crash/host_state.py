# SPDX-License-Identifier: GPL-2.0-or-later
"""What a change may leave behind, as lines. No process is started: one costs the emulated
CPU more than all that is read here."""

import array
import ctypes
import fcntl
import glob
import os
import socket
import struct

PF0, PF1, NVME = "0000:01:00.0", "0000:81:00.0", "0000:02:00.0"
EDU = "0000:04:01.0"
PCI = "/sys/bus/pci/devices/"

# IFLA_VF_… of linux/if_link.h; what is not named is no attribute (8: statistics).
VF_ATTRIBUTES = {1: "mac", 2: "vlan", 3: "tx_rate", 4: "spoofchk", 5: "link_state", 6: "rate",
                 7: "rss_query", 9: "trust", 10: "node_guid", 11: "port_guid", 12: "vlan_list"}


def read(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError as e:
        return "-%d" % e.errno


def driver_of(dev):
    try:
        return os.path.basename(os.readlink(PCI + dev + "/driver"))
    except OSError:
        return "none"


def netdev(pf):
    return os.listdir(PCI + pf + "/net")[0]


def _attributes(buf):
    """(type, payload) of each netlink attribute."""
    while len(buf) >= 4:
        length, kind = struct.unpack_from("HH", buf)
        yield kind & 0x3fff, buf[4:length]
        buf = buf[(length + 3) & ~3:]


def _link(ifindex):
    """The kernel's answer about a link with its VFs: its flags and its attributes."""
    want_vfs = struct.pack("HHI", 8, 29, 1)  # IFLA_EXT_MASK, RTEXT_FILTER_VF
    body = struct.pack("BxHiII", 0, 0, ifindex, 0, 0) + want_vfs
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("IHHII", 16 + len(body), 18, 1, 1, 0) + body)  # RTM_GETLINK
        answer = s.recv(65536)
    return struct.unpack_from("I", answer, 24)[0], answer[32:]


def link_state(pf):
    flags, attributes = _link(int(read("/sys/class/net/%s/ifindex" % netdev(pf))))
    yield "%s up %d" % (pf, flags & 1)
    for kind, vfs in _attributes(attributes):
        if kind != 22:  # IFLA_VFINFO_LIST
            continue
        for i, (_, vf) in enumerate(_attributes(vfs)):
            yield "%s vf %d %s" % (pf, i, " ".join(
                "%s=%s" % (VF_ATTRIBUTES[k], v.hex()) for k, v in _attributes(vf) if k in VF_ATTRIBUTES))


def secondary_controllers():
    """Queues, interrupts and state of each NVMe VF."""
    data = ctypes.create_string_buffer(4096)
    # Identify (06h), CNS 15h: struct nvme_admin_cmd of linux/nvme_ioctl.h.
    cmd = array.array("B", struct.pack("BBHIIIQQIIIIIIIIII", 6, 0, 0, 0, 0, 0, 0,
                                       ctypes.addressof(data), 0, 4096, 0x15, 0, 0, 0, 0, 0, 0, 0))
    with open("/dev/nvme0", "rb", buffering=0) as f:
        fcntl.ioctl(f, 0xC0484E41, cmd)
    for i in range(data.raw[0]):
        at = 32 + 32 * i
        scid, _, online = struct.unpack_from("HHB", data.raw, at)
        vf, vq, vi = struct.unpack_from("HHH", data.raw, at + 8)
        yield "%s secondary %d vf %d online %d queues %d interrupts %d" % (NVME, scid, vf, online & 1, vq, vi)


def pci_state():
    for d in sorted(os.listdir(PCI)):
        yield "%s driver %s override %s" % (d, driver_of(d), read(PCI + d + "/driver_override"))
        numvfs = read(PCI + d + "/sriov_numvfs")
        if numvfs != "-2":
            yield "%s numvfs %s autoprobe %s" % (d, numvfs, read(PCI + d + "/sriov_drivers_autoprobe"))


def state():
    lines = list(pci_state())
    for pf in (PF0, PF1):
        lines += link_state(pf)
    for p in sorted(glob.glob("/sys/devices/system/node/node*/hugepages/*/nr_hugepages")):
        lines.append("%s %s" % (p, read(p)))
    if int(read(PCI + NVME + "/sriov_numvfs")):
        lines += secondary_controllers()
    lines += ["%s holds %s" % (p, read(p)) for p in sorted(glob.glob("/etc/driverctl.d/*"))]
    return lines


def difference(a, b):
    return "\n".join(["-" + x for x in a if x not in b] + ["+" + x for x in b if x not in a])
