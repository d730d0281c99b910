# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Numbered packets and a TCP transfer between host and guest (tests/lab/l2/netprobe.c), window by window;
# sourced after failover.sh. HZ=100 packets a second in each direction.

hz=${HZ:-100}
bin=${BIN:-/src/build/tests/lab}
# For lab.cmd, after fo_guest_begin.
PROBE_GUEST='
(until netprobe guest '"$FO_PEER $hz"'; do sleep 1; done) &'

make_initrd()
{
	mkdir -p "$TMP/more/bin"
	cp "$bin/netprobe" "$TMP/more/bin/"
	(cd "$TMP/more" && find . | busybox cpio -o -H newc 2>/dev/null) >"$TMP/more.cpio"
	cat "$L2/initrd-small" "$TMP/more.cpio" >"$TMP/initrd"
	L2_INITRD=$TMP/initrd
}

# The host's end begins, and ten seconds in which nothing happens.
probe_begin()
{
	coproc PROBE { chrt -f 10 "$bin/netprobe" host "$FO_GUEST" "$hz"; }
	wait_for 60 hears || fail "both streams run"
	mark
	sleep 10
	mark
	ok "ten quiet seconds: $WINDOW"
}

# A window ends: its words are in WINDOW.
mark()
{
	echo >&"${PROBE[1]}"
	read -r -t 20 WINDOW <&"${PROBE[0]}"
}

# Both ends of it have begun.
hears()
{
	sleep 2
	mark
	[[ $(word tcp-bytes) -gt 0 && $(word in-gap) != 0.0 ]]
}

word()			# NAME
{
	sed -n "s/.*\b$1 \([0-9.]*\).*/\1/p" <<<"$WINDOW"
}

note()			# CAUSE DIRECTION
{
	echo "$1 $2 $(word out-lost) $(word out-gap) $(word in-lost) $(word in-gap) $(word tcp-stall)" >>"$TMP/rows"
	[[ $(word tcp-bad) == 0 ]] || fail "$1: the TCP transfer is what was sent" "$WINDOW"
}

median_worst()		# COLUMN
{
	sort -n -k "$1,$1" | awk -v c="$1" '{ v[NR] = $c } END { printf "%s / %s", v[int((NR + 1) / 2)], v[NR] }'
}

row()			# CAUSE DIRECTION
{
	local c

	printf '| %s | %s | %s' "$1" "$2" "$(grep -c "^$1 $2 " "$TMP/rows")"
	for c in 3 4 5 6 7; do printf ' | %s' "$(grep "^$1 $2 " "$TMP/rows" | median_worst "$c")"; done
	echo ' |'
}

# The table of all.
rows()			# CAUSE…
{
	local cause to

	echo "# | cause | to | times | lost from the guest | ms of silence | lost to the guest | ms | TCP stalled, ms |"
	echo "# |---|---|---|---|---|---|---|---|"
	for cause in "$@"; do
		for to in standby primary; do echo "# $(row "$cause" "$to")"; done
	done
}
