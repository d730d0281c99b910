# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "netdevsim": the kernel's simulated network card, which has what the
# emulated NICs lack (link states, minimal rates and 802.1ad of VFs, devlink,
# switchdev). Debian builds no such module, so it is built here, out of the
# kernel package's own source and headers. Only what asks for it pays: 170 MB
# to download, of which nothing but the module stays.

# Set NETDEVSIM to the directory of the modules; made first where it is not there.
need_netdevsim()
{
	netdevsim_part
	part netdevsim "$NETDEVSIM_HASH" part_netdevsim
	NETDEVSIM=$PART
}

# The same where it is there already; else NETDEVSIM is empty.
find_netdevsim()
{
	NETDEVSIM=
	[[ $HOST_KIND != old ]] && command -v gcc >/dev/null || return 0
	netdevsim_part
	[[ ! -e $CACHE/netdevsim-$NETDEVSIM_HASH/.complete ]] || need_netdevsim
}

netdevsim_part()
{
	[[ $HOST_KIND != old ]] || usage_error "netdevsim is built for Debian 13's kernel alone"
	command -v gcc >/dev/null || die "cannot build netdevsim: no gcc" "apt install gcc"
	NETDEVSIM_HASH=$(recipe_hash "$LAB_DIR/lib/netdevsim.sh" "$KERNEL" "$(gcc --version | head -n 1)")
}

part_netdevsim()	# DIR
{
	local dir=$1 version source debs=()

	command -v make >/dev/null || die "cannot build netdevsim: no make" "apt install make"
	version=$(<"$KERNEL/version")
	netdevsim_download "$version"
	say "unpacking the kernel's headers and netdevsim's source"
	fetch_unpack "$dir" "${debs[@]}"
	netdevsim_source "$dir"
	netdevsim_tools "$dir/usr/lib/linux-kbuild-${version%-amd64}"
	say "building netdevsim for $version with $(gcc --version | head -n 1)"
	netdevsim_make "$dir/usr/src/linux-headers-$version" \
		"$dir/usr/src/linux-headers-${version%-amd64}-common" "$dir/netdevsim" >"$CACHE/netdevsim.log" 2>&1 || {
		grep -E 'error|Error' "$CACHE/netdevsim.log" | head -n 5 >&2
		die "cannot build netdevsim (log in $CACHE/netdevsim.log)" \
			"does this gcc build a kernel of another gcc? see \"netdevsim\" in docs/lab.md"
	}
	strip -g "$dir/netdevsim/netdevsim.ko"
	mv "$dir/netdevsim/netdevsim.ko" "$dir/"
	cache_remove "$dir/usr"
	cache_remove "$dir/netdevsim"
	rm -f "$source"
}

# The packages of the very build that the lab runs; their files in `debs` and `source`.
netdevsim_download()	# KERNEL-VERSION
{
	local abi=${1%-amd64} deb built packages names name

	deb=$(<"$KERNEL/packages")
	built=${deb#*_}
	built=${built%_*}
	packages=("linux-headers-$1=$built" "linux-headers-$abi-common=$built" "linux-kbuild-$abi=$built"
		"linux-source-${abi%%.*}.$(cut -d. -f2 <<<"$abi")=$built")
	fetch_lists trixie
	mapfile -t names < <(apt-get -qq --print-uris download "${packages[@]}" 2>"$CACHE/apt.log" | fetch_names)
	((${#names[@]} == 4)) || die "the mirror has no headers and source of kernel $built any more" \
		"get the newest kernel: tests/lab/lab clean && tests/lab/lab fetch"
	say "downloading the kernel's headers and source for netdevsim (170 MB)"
	(cd "$CACHE/debs" && fetch_run_apt "download the kernel's headers and source" \
		apt-get -q download "${packages[@]}")
	for name in "${names[@]}"; do
		case $name in
		linux-source-*) source=$CACHE/debs/$name ;;
		*) debs+=("$CACHE/debs/$name") ;;
		esac
	done
}

# One directory out of the whole kernel, as a stream: 1.5 GB that no disk sees.
netdevsim_source()	# DIR
{
	mkdir "$1/netdevsim"
	dpkg-deb --fsys-tarfile "$source" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -T0 -dc | tar -x -C "$1/netdevsim" --no-same-owner --strip-components=4 \
			--wildcards '*/drivers/net/netdevsim/*' ||
		die "cannot unpack netdevsim's source" "is the disk full? df -h $CACHE"
}

# The programs of the headers are Debian 13's and want its C library. Some are a choice among
# those for several architectures.
netdevsim_tools()	# KBUILD-DIRECTORY
{
	local program real

	for program in scripts/basic/fixdep scripts/genksyms/genksyms scripts/mod/modpost tools/objtool/objtool; do
		for real in "$1/$program".real-{lsb-64,x86} "$1/$program.debian"; do
			[[ ! -e $real ]] || break
		done
		[[ -e $real ]] || mv "$1/$program" "$real"
		printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' \
			"$ROOT/usr/lib64/ld-linux-x86-64.so.2" "$ROOT/usr/lib/x86_64-linux-gnu" "$real" >"$1/$program"
		chmod 755 "$1/$program"
	done
}

# The kernel is gcc 14's and this machine's gcc may be older: it is told of no option it does not
# know. Types of the kernel are in no BTF of the module, and nobody signs it; the lab needs neither.
netdevsim_make()	# HEADERS COMMON SOURCE
{
	local without=(CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_MODULE_SIG_ALL=)

	gcc -fmin-function-alignment=16 -xc -c -o /dev/null /dev/null 2>/dev/null ||
		without+=(CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)
	make -j"$(nproc)" -C "$1" -f "$2/Makefile" M="$3" CC=gcc CROSS_COMPILE= CONFIG_NETDEVSIM=m \
		"${without[@]}" modules
}
