# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What tests of `vm run --nic vf=…,standby=…` share; sourced after vm.sh.
#
# The network: a switch, brp, which is also the peer (10.9.0.1). One of its ports is the other NIC, whose
# cable is that of the PF: there the VF's frames come out. Another is the uplink of br0, in which the
# standby's tap is. So the guest is at one port or at the other, and only what it or somebody else sends
# tells brp which.
#
#	guest ── VF ══ PF ~ other NIC ── brp (10.9.0.1) ── up1 ~ up0 ── br0 ── tap ── guest

FO_GUEST=10.9.0.2
FO_PEER=10.9.0.1
FO_MAC=52:54:00:01:00:10

# Pull both NICs and plug them in with these cables: n0 and n1 are QEMU's networks of the host, which
# answer for everybody whatever MAC that is sent to.
fo_cables()		# OF-PF OF-OTHER
{
	lab-qmp device_del '{"id":"pf0"}' >/dev/null
	lab-qmp device_del '{"id":"pf1"}' >/dev/null
	wait_for 30 test ! -e "$SYS_PCI/$PF0" && wait_for 30 test ! -e "$SYS_PCI/$PF1"
	sleep 1
	fo_plug 0 "$1" && fo_plug 1 "$2"
}

fo_plug()		# 0|1 CABLE
{
	lab-qmp device_add "{\"driver\":\"igb\",\"id\":\"pf$1\",\"bus\":\"rp$1\",\"netdev\":\"$2\",\"mac\":\"52:54:00:00:00:0$(($1 + 1))\"}" >/dev/null
	[[ $1 == 1 ]] || { wait_for 30 netdev_of "$PF0"; return; }
	wait_for 30 netdev_of "$PF1"
}

# QEMU's igb gives a NIC what it sends to all back, which no card does: brp would take the guest for a
# neighbour of that NIC.
fo_no_echo()
{
	tc qdisc add dev "$FO_OTHER" clsact
	tc filter add dev "$FO_OTHER" egress flower src_mac "$FO_MAC" action drop
}

# The uplink of br0 is the VF's own card, and no longer the other one; and back. What a PF sends to all comes
# back to it here, too: br0 would take the guest for somebody outside.
fo_own_uplink()
{
	ip link set up0 nomaster
	tc qdisc add dev "$FO_DEV" clsact
	tc filter add dev "$FO_DEV" egress flower src_mac "$FO_MAC" \
		dst_mac 01:00:00:00:00:00/01:00:00:00:00:00 action drop
	ip link set "$FO_DEV" master br0
}

fo_other_uplink()
{
	ip link set "$FO_DEV" nomaster
	tc qdisc del dev "$FO_DEV" clsact
	ip link set up0 master br0
}

fo_network()
{
	modprobe -a tun vhost_net bridge veth
	for c in w0 w1; do lab-qmp netdev_add "{\"type\":\"hubport\",\"id\":\"$c\",\"hubid\":7}" >/dev/null; done
	fo_cables w0 w1
	FO_DEV=$(netdev_of "$PF0")
	FO_OTHER=$(netdev_of "$PF1")
	ip link add brp type bridge
	ip link add br0 type bridge
	ip link add up0 type veth peer name up1
	ip link set up0 master br0
	ip link set up1 master brp
	ip link set "$FO_OTHER" master brp
	ip link set brp address "$(<"/sys/class/net/$FO_OTHER/address")"
	fo_no_echo
	for d in brp br0 up0 up1 "$FO_OTHER" "$FO_DEV"; do ip link set "$d" up; done
	ip addr add "$FO_PEER/24" dev brp
}

fo_network_end()
{
	tc qdisc del dev "$FO_OTHER" clsact
	ip link set "$FO_OTHER" nomaster
	for d in brp br0 up0; do ip link del "$d"; done
	fo_cables n0 n1
	for c in w0 w1; do lab-qmp netdev_del "{\"id\":\"$c\"}" >/dev/null; done
}

# For lab.cmd: net_failover's device, which is the one that the others are below.
fo_guest_begin='m=; for n in /sys/class/net/*/master; do [ -e $n ] && m=$(basename $(readlink $n)); done
ip link set $m up; ip addr add '$FO_GUEST'/24 dev $m; say "master $m"'

fo_nic()		# JQ
{
	thruway vm nic -j fo | jq -r ".nic.nics[0].failover | $1"
}

fo_is()			# standby|primary
{
	[[ $(fo_nic .active) == "$1" ]]
}

# The port of the switch behind which the guest is.
fo_port()		# [BRIDGE]
{
	bridge fdb show br "${1:-brp}" | sed -n "s/^$FO_MAC dev \([^ ]*\) .*/\1/p" | head -n 1
}

fo_is_at()		# PORT [BRIDGE]
{
	[[ $(fo_port "${@:2}") == "$1" ]]
}

# What the PF has as its VF's MAC.
vf_mac_is()		# MAC
{
	ip link show "$FO_DEV" | grep -q "vf 0 .*link/ether $1 "
}

# --- what makes the guest go by its standby (out_CAUSE), and what ends that (in_CAUSE): the VF is $vf, of $PF0, and
# has FO_VF_MAC, where that is set.

make_vf()
{
	# shellcheck disable=SC2086 # two words or none
	thruway vf create -q "$PF0" 1 --up ${FO_VF_MAC:+mac $FO_VF_MAC} && vf=$(vf_bdf "$PF0" 0)
}

out_operator() { thruway vm nic fo standby >/dev/null; }
in_operator() { thruway vm nic fo primary >/dev/null; }

out_link-lost() { lab-qmp set_link '{"name":"w0","up":false}' >/dev/null; }
in_link-lost() { lab-qmp set_link '{"name":"w0","up":true}' >/dev/null; }

out_pf-down() { ip link set "$FO_DEV" down; }
in_pf-down() { ip link set "$FO_DEV" up; }

# Writes that wait until the guest has let go.
out_vf-destroyed() { (echo 0 >"$SYS_PCI/$PF0/sriov_numvfs") & writer=$!; }
in_vf-destroyed() { wait_for 20 test ! -e "$SYS_PCI/$vf" && wait "$writer" && make_vf; }

out_unbound() { (echo "$vf" >"$SYS_PCI/$vf/driver/unbind") & }
in_unbound() { wait_for 20 test ! -e "$SYS_PCI/$vf/driver" && echo "$vf" >/sys/bus/pci/drivers_probe; }

out_error() { lab-qmp hmp 'pcie_aer_inject_error rp0 COMP_TIME' >/dev/null; }
in_error() { :; }

# Of which igb is not told, nor anybody else: it has to set its card up again.
out_pf-reset() { echo 1 >"$SYS_PCI/$PF0/reset"; }
in_pf-reset() { ip link set "$FO_DEV" down && ip link set "$FO_DEV" up; }

# QEMU presses the button of the host's slot, whose kernel lets five seconds pass.
out_pf-removed() { lab-qmp device_del '{"id":"pf0"}' >/dev/null; }
in_pf-removed()
{
	wait_for 40 test ! -e "$SYS_PCI/$PF0" || return
	sleep 1
	fo_plug 0 w0 || return
	FO_DEV=$(netdev_of "$PF0")
	ip link set "$FO_DEV" up
	make_vf
}
