# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What tests share that give their guest fio, iperf3 and ext4 (lab run --guest-tools); sourced after vm.sh.

# tools_initrd SCRIPT [FILE…]: a guest that has all of it, and runs SCRIPT by lab.cmd=$TOOLS_CMD: on the
# kernel's command line there is room for a few hundred bytes. What is given too is in /more.
tools_initrd()
{
	local script=$1

	shift
	mkdir -p "$TMP/more/more"
	echo "$script" >"$TMP/more/more/script"
	((!$#)) || cp "$@" "$TMP/more/more/"
	(cd "$TMP/more" && find . | busybox cpio -o -H newc 2>/dev/null) |
		cat "$L2/initrd-small" /out/.lab/guest-tools.cpio - >"$TMP/initrd"
	L2_INITRD=$TMP/initrd
	TOOLS_CMD=$(base64 -w0 <<<'while read -r m; do insmod "/tools/$m"; done </tools/order; . /more/script')
}

# The same programs on this host.
host_tool()		# NAME ARGUMENT…
{
	local tree=$TMP/tools

	[[ -d $tree ]] || { mkdir "$tree" && (cd "$tree" && busybox cpio -idm </out/.lab/guest-tools.cpio 2>/dev/null); }
	"$tree/lib64/ld-linux-x86-64.so.2" --library-path "$tree/lib" "$tree/bin/$1" "${@:2}"
}
