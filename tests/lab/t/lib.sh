# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What lab tests share; a test sources this first. Every check prints one line,
#   ok - WHAT      not ok - WHAT      ok - WHAT # SKIP WHY
# and a test ends with status 0: the lines say how it went.

set -uo pipefail

L2=/lab/l2
PF0=0000:01:00.0 PF1=0000:81:00.0 NVME=0000:02:00.0
EDU=0000:04:01.0 GPU=0000:04:02.0 BIGBAR=0000:05:00.0 USB=0000:06:00.0
export L2 PF0 PF1 NVME EDU GPU BIGBAR USB
SYS_PCI=/sys/bus/pci/devices
TMP=$(mktemp -d /tmp/lab-test.XXXXXX)

ok()			# WHAT
{
	echo "ok - $*"
}

# fail WHAT [DETAIL]: details are indented lines after the verdict.
fail()
{
	echo "not ok - $1"
	[[ -z ${2:-} ]] || sed 's/^/    # /' <<<"$2"
}

skip()			# WHAT WHY
{
	echo "ok - $1 # SKIP ${2:-}"
}

skip_all()		# WHY
{
	skip "${0##*/}" "$1"
	exit 0
}

# check WHAT COMMAND…: ok when COMMAND succeeds, else its output is shown.
check()
{
	local what=$1 out

	shift
	if out=$("$@" 2>&1); then
		ok "$what"
	else
		fail "$what" "status $?: $*"$'\n'"$out"
	fi
}

is()			# GOT WANT WHAT
{
	if [[ $1 == "$2" ]]; then
		ok "$3"
	else
		fail "$3" "got:  $1"$'\n'"want: $2"
	fi
}

like()			# TEXT REGEX WHAT
{
	if grep -qE -- "$2" <<<"$1"; then
		ok "$3"
	else
		fail "$3" "no match for: $2"$'\n'"$(tail -n 60 <<<"$1")"
	fi
}

unlike()		# TEXT REGEX WHAT
{
	if grep -qE -- "$2" <<<"$1"; then
		fail "$3" "matches: $2"$'\n'"$(grep -E -- "$2" <<<"$1")"
	else
		ok "$3"
	fi
}

# expect_fail REGEX COMMAND…: COMMAND must end with 1 or 2, not by a signal, and say REGEX.
expect_fail()
{
	local regex=$1 out status

	shift
	out=$("$@" 2>&1)
	status=$?
	if ((status != 1 && status != 2)); then
		fail "refused: $*" "status $status"$'\n'"$out"
	elif grep -qE -- "$regex" <<<"$out"; then
		ok "refused: $*"
	else
		fail "refused: $*" "not for the reason /$regex/:"$'\n'"$out"
	fi
}

wait_for()		# SECONDS COMMAND…
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

# --- the host: what it looks like, and whether it looks like that again

driver_of()		# BDF
{
	local link

	link=$(readlink "$SYS_PCI/$1/driver" 2>/dev/null) && echo "${link##*/}"
}

group_of()		# BDF
{
	local link

	link=$(readlink "$SYS_PCI/$1/iommu_group" 2>/dev/null) && echo "${link##*/}"
}

netdev_of()		# BDF
{
	local n

	for n in "$SYS_PCI/$1"/net/*; do
		[[ ! -e $n ]] || { echo "${n##*/}"; return 0; }
	done
	return 1
}

vf_bdf()		# PF INDEX
{
	local link

	link=$(readlink "$SYS_PCI/$1/virtfn$2" 2>/dev/null) && echo "${link##*/}"
}

# value FILE: its line, in VALUE. Starting a process takes the emulated CPU tens of
# milliseconds, so what runs for each device starts none.
value()
{
	VALUE=''
	[[ ! -e $1 ]] || read -r VALUE <"$1" || true
}

device_state()		# /sys/bus/pci/devices/BDF
{
	local driver='' override autoprobe

	! cd -P "$1/driver" 2>/dev/null || driver=${PWD##*/}
	value "$1/driver_override"
	override=$VALUE
	echo "device ${1##*/} driver=$driver override=$override"
	[[ -e $1/sriov_numvfs ]] || return 0
	value "$1/sriov_drivers_autoprobe"
	autoprobe=$VALUE
	value "$1/sriov_numvfs"
	echo "sriov ${1##*/} numvfs=$VALUE autoprobe=$autoprobe"
}

netdev_state()		# /sys/class/net/NAME
{
	local flags address

	value "$1/flags"
	flags=$VALUE
	value "$1/address"
	address=$VALUE
	value "$1/mtu"
	echo "netdev ${1##*/} address=$address up=$((flags & 1)) promisc=$(((flags >> 8) & 1)) mtu=$VALUE"
}

hugepage_state()	# /sys/devices/system/node/nodeN/hugepages/hugepages-SIZE
{
	local nr

	value "$1/nr_hugepages"
	nr=$VALUE
	value "$1/free_hugepages"
	echo "hugepages ${1#/sys/devices/system/} nr=$nr free=$VALUE"
}

host_state()
(
	for f in "$SYS_PCI"/*; do device_state "$f"; done
	for f in /sys/class/net/*; do netdev_state "$f"; done
	for f in /sys/devices/system/node/node*/hugepages/hugepages-*; do hugepage_state "$f"; done
	ip link show | sed -n 's/^ *vf /vf attributes: /p'
	pgrep -xa 'thruway|thruway-vmm|qemu-system-x86' | sed 's/^[0-9]* /process /'
)

# Kernel messages since the test began that mean a bug: ours or the kernel's.
kernel_warnings()
{
	dmesg | sed -n "/lab-test: begin ${LAB_TEST:-$$}\$/,\$p" |
		grep -E 'WARNING:|BUG:|Oops|UBSAN|KASAN|Call Trace|INFO: task .* blocked|DMAR:.*fault|AMD-Vi: Event|general protection' || true
}

snapshot_host()
{
	host_state >"$TMP/host.before"
}

# Compares with snapshot_host's state and closes the books of a test.
host_unchanged()
{
	local g busy=() warnings

	wait_for 5 host_is_as_before
	check "the host is as it was before" diff -U0 "$TMP/host.before" "$TMP/host.after"
	for g in /dev/vfio/[0-9]*; do
		[[ ! -e $g ]] || (exec 7<>"$g") 2>/dev/null || busy+=("$g")
	done
	is "${busy[*]:-}" "" "no VFIO group is held"
	warnings=$(kernel_warnings)
	is "$warnings" "" "the kernel warned of nothing"
}

host_is_as_before()
{
	host_state >"$TMP/host.after"
	diff -q "$TMP/host.before" "$TMP/host.after"
}

# --- VFs without the product, for tests of one thing at a time

# make_vfs PF N [MAC-PREFIX]: N VFs that no driver has touched; prints them.
make_vfs()
{
	local pf=$1 n=$2 prefix=${3:-52:54:00:01:00} dev i

	dev=$(netdev_of "$pf") && ip link set "$dev" up
	echo 0 >"$SYS_PCI/$pf/sriov_drivers_autoprobe"
	echo "$n" >"$SYS_PCI/$pf/sriov_numvfs"
	for ((i = 0; i < n; i++)); do
		[[ -z $dev ]] || ip link set "$dev" vf "$i" mac "$prefix:$(printf %02x $((i + 16)))"
		vf_bdf "$pf" "$i"
	done
	echo 1 >"$SYS_PCI/$pf/sriov_drivers_autoprobe"
}

# An NVMe VF works once it has queues and interrupts and is online.
nvme_vf_online()	# INDEX
{
	local cntlid=$(($1 + 1))

	nvme virt-mgmt /dev/nvme0 -c "$cntlid" -r 0 -a 8 -n 2 &&
		nvme virt-mgmt /dev/nvme0 -c "$cntlid" -r 1 -a 8 -n 1 &&
		nvme virt-mgmt /dev/nvme0 -c "$cntlid" -a 9
}

bind_vfio()		# BDF…
{
	local bdf

	modprobe vfio-pci
	for bdf in "$@"; do
		echo vfio-pci >"$SYS_PCI/$bdf/driver_override"
		[[ ! -e $SYS_PCI/$bdf/driver ]] || echo "$bdf" >"$SYS_PCI/$bdf/driver/unbind"
		echo "$bdf" >/sys/bus/pci/drivers_probe
	done
}

unbind_vfio()		# BDF…
{
	local bdf

	for bdf in "$@"; do
		echo >"$SYS_PCI/$bdf/driver_override"
		[[ ! -e $SYS_PCI/$bdf/driver ]] || echo "$bdf" >"$SYS_PCI/$bdf/driver/unbind"
		echo "$bdf" >/sys/bus/pci/drivers_probe
	done
}

destroy_vfs()		# PF
{
	echo 0 >"$SYS_PCI/$1/sriov_numvfs"
	[[ -z $(netdev_of "$1") ]] || ip link set "$(netdev_of "$1")" down
}

# A guest by QEMU, the peer every path can be tried with first.
qemu_l2()		# APPEND QEMU-ARGUMENT…
{
	local append=$1

	shift
	timeout -k 5 "${L2_TIMEOUT:-90}" qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256M \
		-nodefaults -display none -serial stdio -no-reboot -kernel "$L2/vmlinuz" -initrd "$L2/initrd" \
		-append "console=ttyS0 quiet panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 $append" "$@" 2>&1
}

udev_start()
{
	[[ ! -S /run/udev/control ]] || return 0
	/usr/lib/systemd/systemd-udevd --daemon
	udevadm trigger --action=add --subsystem-match=pci --subsystem-match=net --subsystem-match=vfio
	udevadm settle -t 60
}
