# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# One boot of the emulated host around one command.

# Removes the run's temporary directory and ends what this run started.
run_cleanup()
{
	local pid

	trap - EXIT
	for pid in ${QEMU_PID:-} ${TEE_PID:-}; do
		kill "$pid" 2>/dev/null || true
	done
	[[ -z ${RUN_DIR:-} ]] || rm -rf -- "$RUN_DIR"
}

# What the host inside reads: the command as a script, and how to start it.
write_job()		# COMMAND…
{
	local var

	rm -f "$OUT"/.lab/{status,shell} "$OUT/console.log" "$OUT/output" "$OUT/dmesg" "$OUT/kept.tar"
	rm -f "$OUT/.lab/"{netdevsim.ko,promtool,irqbalance,makers.tar,backends.tar,guest-tools.cpio,vdpasim.tar}
	[[ ! $NETDEVSIM ]] || cp "$NETDEVSIM/netdevsim.ko" "$OUT/.lab/"
	((!${#PROGRAM_FILES[@]})) || cp "${PROGRAM_FILES[@]}" "$OUT/.lab/"
	echo "$INIT" >"$OUT/.lab/init"
	{
		echo "export LAB=1 LAB_HOST=$HOST_KIND LAB_INIT=$INIT"
		printf 'export LAB_OUT_OUTSIDE=%q\n' "$OUT" # for files that the emulator writes
		for var in "${ENVIRONMENT[@]}"; do
			printf 'export %s=%q\n' "${var%%=*}" "${var#*=}"
		done
		[[ $MODE != shell ]] || printf 'export TERM=%q\nstty rows %d cols %d\n' "${TERM:-dumb}" \
			"$(tput lines 2>/dev/null || echo 24)" "$(tput cols 2>/dev/null || echo 80)"
		printf '%q ' "$@"
		echo
	} >"$OUT/.lab/command"
	[[ $MODE != shell ]] || touch "$OUT/.lab/shell"
}

write_versions()
{
	{
		echo "host kind: $HOST_KIND"
		echo "kernel: $(cat "$KERNEL/version")"
		sed 's/_[a-z0-9]*\.deb$//; s/%3a/:/; s/_/ /' "$KERNEL/packages" "$ROOT/lab/packages"
	} >"$OUT/versions"
}

explain_no_status()	# QEMU-STATUS
{
	local why="the emulated host ended without a status"

	case $1 in
	124 | 137) why="the emulated host did not finish within $TIMEOUT s" ;;
	esac
	echo "--- last lines of $OUT/console.log" >&2
	tail -n 25 "$OUT/console.log" 2>/dev/null | tr -d '\r' >&2 || true
	[[ ! -s $RUN_DIR/qemu.err ]] || { echo "--- QEMU said" >&2; tail -5 "$RUN_DIR/qemu.err" >&2; }
	LAB_RC=$([[ $1 == 124 || $1 == 137 ]] && echo 124 || echo 125)
	die "$why" "the whole console is in $OUT/console.log"
}

lab_boot()		# COMMAND…
{
	local r=0

	RUN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/thruway-lab.XXXXXX")
	trap run_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$OUT/.lab"
	exec 7>"$OUT/.lab/lock"
	flock -n 7 || die "another run writes to $OUT" "give this one a name of its own: --out NAME"
	write_job "$@"
	write_versions
	truncate -s 256M "$RUN_DIR/nvme.img"
	mkfifo "$RUN_DIR/output"
	qemu_command
	printf '%q ' "${QEMU[@]}" >"$OUT/.lab/qemu"
	if [[ $MODE == shell ]]; then
		timeout --foreground -k 5 "$TIMEOUT" "${QEMU[@]}" 2>"$RUN_DIR/qemu.err" || r=$?
	else
		# Held open here, so that the reader ends when QEMU and we are done
		# and not before QEMU opens it.
		exec 8<>"$RUN_DIR/output"
		tee "$OUT/output" <"$RUN_DIR/output" 8<&- &
		TEE_PID=$!
		timeout -k 5 "$TIMEOUT" "${QEMU[@]}" </dev/null >/dev/null 2>"$RUN_DIR/qemu.err" 8<&- &
		QEMU_PID=$!
		wait "$QEMU_PID" || r=$?
		QEMU_PID=
		exec 8<&-
		grep '^lab: ' "$RUN_DIR/qemu.err" >&2 || true
		wait "$TEE_PID" || true
		TEE_PID=
	fi
	[[ -s $OUT/.lab/status ]] || explain_no_status "$r"
	r=$(<"$OUT/.lab/status")
	run_cleanup
	return "$r"
}
