# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "vdpasim": the kernel's simulated vDPA network card, which sends a guest what the guest sends to
# itself. Debian builds no such module, so it is built as netdevsim is (netdevsim.sh), out of the same packages:
# only what asks for it pays, and nothing but an archive of three modules stays.

# Set VDPASIM to the archive; made first where it is not there.
need_vdpasim()
{
	[[ $HOST_KIND != old ]] || usage_error "vdpasim is built for Debian 13's kernel alone"
	command -v gcc >/dev/null || die "cannot build vdpasim: no gcc" "apt install gcc"
	part vdpasim "$(recipe_hash "$LAB_DIR"/lib/{vdpasim,netdevsim}.sh "$KERNEL" "$(gcc --version | head -n 1)")" \
		part_vdpasim
	VDPASIM=$PART/vdpasim.tar
}

part_vdpasim()		# DIR
{
	local dir=$1 version source debs=()

	command -v make >/dev/null || die "cannot build vdpasim: no make" "apt install make"
	version=$(<"$KERNEL/version")
	netdevsim_download "$version"
	say "unpacking the kernel's headers and vdpasim's source"
	fetch_unpack "$dir" "${debs[@]}"
	vdpasim_source "$dir/vdpasim"
	netdevsim_tools "$dir/usr/lib/linux-kbuild-${version%-amd64}"
	say "building vdpasim for $version with $(gcc --version | head -n 1)"
	vdpasim_make "$dir/usr/src/linux-headers-$version" \
		"$dir/usr/src/linux-headers-${version%-amd64}-common" "$dir/vdpasim" >"$CACHE/vdpasim.log" 2>&1 || {
		grep -E 'error|Error' "$CACHE/vdpasim.log" | head -n 5 >&2
		die "cannot build vdpasim (log in $CACHE/vdpasim.log)" \
			"does this gcc build a kernel of another gcc? see \"netdevsim\" in docs/lab.md"
	}
	strip -g "$dir"/vdpasim/*.ko
	(cd "$dir/vdpasim" && tar -cf "$dir/vdpasim.tar" vringh.ko vdpa_sim.ko vdpa_sim_net.ko)
	cache_remove "$dir/usr"
	cache_remove "$dir/vdpasim"
	rm -f "$source"
}

# The simulator, and the host's side of rings, which Debian does not build either.
vdpasim_source()	# DIR
{
	mkdir "$1"
	dpkg-deb --fsys-tarfile "$source" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -T0 -dc | tar -x -C "$1" --no-same-owner --transform='s,.*/,,' \
			--wildcards '*/drivers/vdpa/vdpa_sim/vdpa_sim.[ch]' '*/drivers/vdpa/vdpa_sim/vdpa_sim_net.c' \
			'*/drivers/vhost/vringh.c' ||
		die "cannot unpack vdpasim's source" "is the disk full? df -h $CACHE"
	echo 'obj-m := vringh.o vdpa_sim.o vdpa_sim_net.o' >"$1/Makefile"
}

# As netdevsim_make().
vdpasim_make()		# HEADERS COMMON SOURCE
{
	local without=(CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_MODULE_SIG_ALL=)

	gcc -fmin-function-alignment=16 -xc -c -o /dev/null /dev/null 2>/dev/null ||
		without+=(CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)
	make -j"$(nproc)" -C "$1" -f "$2/Makefile" M="$3" CC=gcc CROSS_COMPILE= "${without[@]}" modules
}
