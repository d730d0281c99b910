# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What tests of `thruway vm run` share; sourced after lib.sh.

PATH=/src/build:$PATH
# What a boot costs the emulated CPU beside the work of it, in millions of instructions of 1500:
# unpacking a bzImage 400, a noise source's tests of itself 166, a search of the page tables for
# what is writable and executable 142, the modules and programs few tests need 125.
L2_BASE="console=ttyS0 quiet cryptomgr.notests initcall_blacklist=jent_mod_init init_on_alloc=0 rodata=off"
L2_BASE+=" panic=-1 rcupdate.rcu_cpu_stall_suppress=1 nowatchdog"
L2_KERNEL=$L2/vmlinux
L2_INITRD=$L2/initrd-small
STATS=$TMP/stats.json
VM='' VMM='' TIMEOUT_PID='' AUTOPSY_PID='' WATCHER=''

# vm_run GUEST-WORDS ARGUMENT…: runs a guest to its end. OUT: its console and our
# messages, STATUS: how thruway ended.
vm_run()
{
	local VM='' VMM='' TIMEOUT_PID='' AUTOPSY_PID='' # a guest of vm_start's stays the caller's

	vm_start "$@"
	vm_end
}

vm_ended()
{
	! kill -0 "$TIMEOUT_PID" 2>/dev/null
}

# vm_start GUEST-WORDS ARGUMENT…: the same in the background; VM is the supervisor.
vm_start()
{
	local words=$1

	shift
	rm -f "$STATS"
	: >"$TMP/guest"
	timeout -k 5 "$((${L2_TIMEOUT:-100} + 40))" thruway run --kernel "$L2_KERNEL" \
		--initrd "$L2_INITRD" --cmdline "$L2_BASE $words" --stats "$STATS" "$@" \
		>"$TMP/guest" 2>&1 </dev/null &
	TIMEOUT_PID=$!
	rm -f "$TMP/autopsy"
	AUTOPSY_PID=
	wait_for 40 vm_begun || return
	[[ ! $VMM ]] || vm_autopsy "$VM" "$VMM" >/dev/null 2>&1 </dev/null &
	AUTOPSY_PID=$!
}

# Of a guest that does not end in its time: what its CPUs do, twice, and where the VMM is.
vm_autopsy()		# SUPERVISOR VMM
{
	local nap t

	trap 'kill "$nap" 2>/dev/null; exit' TERM
	sleep "${L2_TIMEOUT:-100}" &
	nap=$!
	wait "$nap"
	for _ in 1 2; do
		for t in "/proc/$2"/task/*; do
			echo "$(<"$t/comm"): $(cut -d' ' -f3,14,15,39 "$t/stat") $(<"$t/wchan")"
		done
		timeout 12 thruway vm stats -j "$1" | jq -c '.stats.cpus[] | [.cpu, .exits.all, .kvm.exits,
			.kvm.halt_exits, .kvm.irq_injections, .kvm.nmi_injections, .kvm.blocking]'
		sleep 2
	done >"$TMP/autopsy" 2>&1
	timeout 30 gdb -p "$2" -batch -ex 'thread apply all bt 8' 2>&1 | grep -E '^#|^Thread' >>"$TMP/autopsy"
}

# Its processes are there, or it was refused.
vm_begun()
{
	vm_pids || vm_ended
}

vm_pids()
{
	VM=$(pgrep -P "$TIMEOUT_PID" -x thruway) && VMM=$(pgrep -P "$VM" -x thruway-vmm)
}

# Wait until the guest's console shows REGEX.
vm_says()		# SECONDS REGEX
{
	wait_for "$1" grep -qE -- "$2" "$TMP/guest"
}

# The end of what vm_start began: sets STATUS and OUT.
vm_end()
{
	wait "$TIMEOUT_PID"
	STATUS=$?
	[[ ! $AUTOPSY_PID ]] || { kill "$AUTOPSY_PID"; wait "$AUTOPSY_PID"; } 2>/dev/null
	OUT=$(tr -d '\r' <"$TMP/guest")
}

stat_of()		# NAME
{
	jq -r ".$1" "$STATS" 2>/dev/null
}

# What went wrong is in the last lines of the guest's console.
ran_well()		# WHAT
{
	if [[ $STATUS == 0 ]]; then
		ok "$1"
	else
		fail "$1" "status $STATUS"$'\n'"$(tail -n 40 <<<"$OUT"; cat "$TMP/autopsy" 2>/dev/null)"
	fi
}

# What a VM says on its control socket is as docs/control.schema.json has it: its answers, …
control_answers()	# VM
{
	is "$(/src/build/tests/lab/control-schema /src/docs/control.schema.json ask "$1")" \
		"status stats interrupts balloon disk nic explode status nic detach attach - " \
		"its answers are as the schema says"
}

# … and its notifications, from here to its end.
control_watch()		# VM
{
	/src/build/tests/lab/control-schema /src/docs/control.schema.json watch "$1" >"$TMP/watched" &
	WATCHER=$!
}

control_watched()
{
	wait "$WATCHER"
	is "$?" 0 "each notification is as the schema says ($(tr '\n' ' ' <"$TMP/watched"))"
}

# MSI-X interrupts of netdevs and NVMe queues that the guest counted.
guest_msix()
{
	awk '/^L2: irq .*MSI/ { for (i = 4; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i } END { print n + 0 }' \
		<<<"$OUT"
}
