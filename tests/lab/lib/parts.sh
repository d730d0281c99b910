# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The lab's parts in the cache: "root" (L1's files, and the QEMU that runs the
# lab), "kernel-stock" and "kernel-old" (image, modules, L1's initramfs) and
# "l2-…" (what guests inside L1 boot). A part is a directory named by the hash
# of its recipe, so a changed recipe makes a new one and an old checkout still
# finds its own.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/thruway-lab

# Modules L1 needs before its root file system is there.
L1_EARLY_MODULES=(virtio_pci virtio_blk erofs 9pnet_virtio 9p overlay virtio_console)
# Modules a guest may need; loaded in it by modalias. The small guest has what
# a VF and virtio need, the other one also whole devices and lspci.
L2_SMALL_MODULES=(igbvf nvme virtio_pci virtio_mmio virtio_net net_failover virtio_blk
	virtio_console virtio_rng virtio_balloon vmw_vsock_virtio_transport virtiofs
	af_packet button)
L2_MODULES=("${L2_SMALL_MODULES[@]}" igb xhci_pci)
# Modules that a test takes along for its guest, by itself.
L2_MORE_MODULES=(uio_pci_generic bochs)

recipe_hash()		# FILE-OR-WORD…
{
	local x

	for x in "$@"; do
		if [[ -f $x ]]; then cat "$x"; else echo "$x"; fi
	done | sha256sum | cut -c1-12
}

# part NAME HASH BUILDER ARG…: sets PART to the directory, building it first
# where it is not there. One builder at a time, whoever runs it.
part()
{
	local name=$1 hash=$2 builder=$3 tmp

	PART=$CACHE/$name-$hash
	if [[ -e $PART/.complete ]]; then
		touch "$PART/.complete"
		return
	fi
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		say "another lab is making the parts; waiting for it"
		flock 9
	fi
	if [[ ! -e $PART/.complete ]]; then
		tmp=$CACHE/making.$name
		cache_remove "$tmp"
		mkdir -p "$tmp"
		fetch_need_tools
		"$builder" "$tmp" "${@:4}"
		touch "$tmp/.complete"
		cache_remove "$PART"
		mv "$tmp" "$PART"
		part_prune "$name"
	fi
	exec 9>&-
}

# Other recipes' versions of a part go once they were not used for a day, or
# for an hour when there are more than two.
part_prune()		# NAME
{
	local old n=0

	while read -r old; do
		[[ -e $old ]] || continue
		n=$((n + 1))
		[[ -z $(find "$old" -mmin "-$((n > 3 ? 60 : 1440))") ]] || continue
		cache_remove "${old%/.complete}"
	done < <(ls -t "$CACHE/$1"-????????????/.complete 2>/dev/null)
}

# Removes one thing of the cache and never follows a mount out of it.
cache_remove()		# PATH
{
	[[ -e $1 ]] || return 0
	if grep -qF " $(readlink -f "$1")" /proc/self/mounts; then
		die "not removing $1: something is mounted in it" "umount it first (see /proc/mounts)"
	fi
	find "$1" -xdev -type d ! -perm -u+rwx -exec chmod u+rwx {} + 2>/dev/null || true
	rm -rf --one-file-system -- "$1"
}

# Runs a program of the unpacked root here, by the root's own loader.
root_exec()		# PROGRAM-PATH-IN-ROOT ARG…
{
	local program=$1

	shift
	"$ROOT/usr/lib64/ld-linux-x86-64.so.2" --argv0 "${program##*/}" \
		--library-path "$ROOT/usr/lib/x86_64-linux-gnu" "$ROOT$program" "$@"
}

# What is loaded into QEMU to mend its software CPU; without a compiler it runs unmended.
need_mend()
{
	local source=$LAB_DIR/emulator/vmrun.c

	MEND=
	if ! command -v "${CC:-cc}" >/dev/null; then
		say "no C compiler: the emulated CPU is not mended, a guest may hang ($source)"
		return
	fi
	part mend "$(recipe_hash "$source" "$("${CC:-cc}" --version)")" part_mend "$source"
	MEND=$PART/vmrun.so
}

part_mend()		# DIRECTORY SOURCE
{
	"${CC:-cc}" -O2 -fPIC -shared -o "$1/vmrun.so" "$2"
}

need_root()
{
	part root "$(recipe_hash "$LAB_DIR/packages" "$LAB_DIR/lib/fetch.sh")" part_root
	ROOT=$PART
}

need_image()
{
	need_root
	part image "$(recipe_hash "$ROOT")" part_image
	IMAGE=$PART/root.img
}

part_image()		# DIR
{
	say "making the root file system's image"
	make_image "$ROOT" "$1/root.img"
}

# Files as a disk image: from a virtio disk the emulated host starts programs
# in half the time it takes over 9p, and erofs loads in a tenth of ext4's. All
# belongs to root there, whoever unpacked it here.
make_image()		# TREE FILE
{
	root_exec /usr/bin/mkfs.erofs --quiet --all-root -T 0 "$2" "$1" >&2 ||
		die "cannot make the disk image $2" "is the disk full? df -h $CACHE"
}

need_kernel()		# stock|old
{
	need_root
	part "kernel-$1" "$(recipe_hash "$LAB_DIR/lib/parts.sh" "$LAB_DIR/lib/fetch.sh" \
		"$LAB_DIR/l1/initramfs-init" "$ROOT")" part_kernel "$1"
	KERNEL=$PART
}

need_l2()
{
	local kernel=${KERNEL:-}

	need_kernel stock
	part l2 "$(recipe_hash "$LAB_DIR/l2/init" "$KERNEL")" part_l2
	L2=$PART
	KERNEL=${kernel:-$KERNEL}
}

part_kernel()		# DIR stock|old
{
	local dir=$1 kind=$2 package deb version release

	case $kind in
	stock) release=trixie ;;
	old) release=bookworm ;;
	esac
	fetch_lists "$release"
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/^  Depends: \(linux-image-.*\)/\1/p')
	[[ -n $package ]] || die "cannot find the kernel behind linux-image-amd64 in $release"
	say "downloading $package"
	deb=$(apt-get -qq --print-uris download "$package" | fetch_names)
	(cd "$CACHE/debs" && fetch_run_apt "download $package" apt-get -q download "$package")
	say "unpacking $package"
	mkdir -p "$dir/usr/lib"
	ln -s usr/lib "$dir/lib"
	# Graphics, media, sound and radio drivers are most of the package and
	# drive nothing the lab has.
	dpkg-deb --fsys-tarfile "$CACHE/debs/$deb" | tar -x -C "$dir" --no-same-owner \
		--keep-directory-symlink --exclude='./usr/share' --exclude='./boot/System.map*' \
		--exclude='*/kernel/drivers/gpu/drm/[ax-z]*' --exclude='*/kernel/drivers/gpu/drm/[inr]*' --exclude='*/kernel/drivers/media' \
		--exclude='*/kernel/drivers/staging' --exclude='*/kernel/drivers/net/wireless' \
		--exclude='*/kernel/drivers/iio' --exclude='*/kernel/drivers/infiniband' \
		--exclude='*/kernel/sound' --exclude='*/kernel/net/wireless'
	version=$(ls "$dir/usr/lib/modules")
	mv "$dir/boot/vmlinuz-$version" "$dir/vmlinuz"
	echo "$version" >"$dir/version"
	echo "$deb" >"$dir/packages"
	# An emulated CPU takes a second to unpack the modules of one boot.
	find "$dir/usr/lib/modules" -name '*.ko.xz' -print0 | xargs -0 -r -n64 -P"$(nproc)" xz -d
	root_exec /usr/sbin/depmod -b "$dir" "$version"
	make_image "$dir/usr/lib/modules" "$dir/modules.img"
	mkdir "$dir/initrd"
	initramfs_modules "$dir" "$dir/initrd" "${L1_EARLY_MODULES[@]}"
	initramfs_order "$dir" "${L1_EARLY_MODULES[@]}" >"$dir/initrd/lib/modules/order"
	initramfs_busybox "$dir/initrd"
	install -m 755 "$LAB_DIR/l1/initramfs-init" "$dir/initrd/init"
	initramfs_pack "$dir/initrd" "$dir/initrd.img"
	rm -r "${dir:?}/initrd" "${dir:?}/boot"
}

root_modprobe()		# KERNEL-PART ARG…
{
	local dir=$1

	shift
	root_exec /usr/sbin/modprobe -d "$dir" -S "$(cat "$dir/version")" "$@"
}

# The .ko files behind modules, in loading order, as modprobe gives it.
module_paths()		# KERNEL-PART MODULE…
{
	local dir=$1 m

	shift
	for m in "$@"; do
		root_modprobe "$dir" --show-depends "$m" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

initramfs_order()	# KERNEL-PART MODULE…
{
	module_paths "$@" | sed 's,.*/,,'
}

initramfs_modules()	# KERNEL-PART TREE MODULE…
{
	local dir=$1 tree=$2 path

	shift 2
	mkdir -p "$tree/lib/modules"
	while read -r path; do
		cp "$path" "$tree/lib/modules/"
	done < <(module_paths "$dir" "$@")
}

initramfs_busybox()	# TREE
{
	local tree=$1 applet

	mkdir -p "$tree"/{bin,dev,proc,sys,tmp,run,root,etc}
	ln -sfn bin "$tree/sbin"
	cp "$ROOT/usr/bin/busybox" "$tree/bin/busybox"
	for applet in $("$ROOT/usr/bin/busybox" --list); do
		[[ $applet == busybox ]] || ln -s busybox "$tree/bin/$applet"
	done
}

# Not compressed: unpacking a compressed one costs the emulated CPU more than
# reading the larger file.
initramfs_pack()	# TREE FILE
{
	(cd "$1" && find . | LC_ALL=C sort | "$ROOT/usr/bin/busybox" cpio -o -H newc 2>/dev/null) >"$2"
}

# The ELF kernel inside a bzImage: the boot protocol's payload_offset and
# payload_length say where, the payload's magic how it is compressed; its last
# four bytes are the unpacked size.
extract_vmlinux()	# BZIMAGE FILE
{
	local sects offset length magic unpack

	sects=$(od -An -tu1 -j $((0x1f1)) -N1 "$1")
	offset=$(od -An -tu4 -j $((0x248)) -N4 "$1")
	length=$(od -An -tu4 -j $((0x24c)) -N4 "$1")
	offset=$(((sects + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$offset" -N4 "$1" | tr -d ' ')
	case $magic in
	fd377a58) unpack=/usr/bin/xz ;;
	28b52ffd) unpack=/usr/bin/zstd ;;
	*) die "cannot unpack $1: payload magic $magic is neither xz nor zstd" ;;
	esac
	dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip="$offset" count=$((length - 4)) status=none |
		root_exec "$unpack" -dc >"$2"
	[[ $(od -An -tx1 -N4 "$2") == " 7f 45 4c 46" ]] || die "cannot unpack $1: no ELF file inside"
}

part_l2()		# DIR
{
	local dir=$1

	say "making the guest's kernel and initramfs"
	cp "$KERNEL/vmlinuz" "$dir/vmlinuz"
	extract_vmlinux "$KERNEL/vmlinuz" "$dir/vmlinux"
	l2_tree "$dir/tree" "${L2_SMALL_MODULES[@]}"
	initramfs_pack "$dir/tree" "$dir/initrd-small"
	rm -r "$dir/tree"
	l2_tree "$dir/tree" "${L2_MODULES[@]}"
	l2_lspci "$dir/tree"
	initramfs_pack "$dir/tree" "$dir/initrd"
	ln -s initrd "$dir/initrd.gz"
	rm -r "$dir/tree"
	initramfs_modules "$KERNEL" "$dir/tree" "${L2_MORE_MODULES[@]}"
	mv "$dir/tree/lib/modules" "$dir/modules"
	rm -r "$dir/tree"
}

l2_tree()		# TREE MODULE…
{
	local tree=$1 version

	shift
	version=$(cat "$KERNEL/version")
	mkdir -p "$tree/lib/modules/$version"
	initramfs_modules "$KERNEL" "$tree" "$@"
	mv "$tree"/lib/modules/*.ko "$tree/lib/modules/$version/"
	root_exec /usr/sbin/depmod -b "$tree" "$version" 2>/dev/null
	rm -f "$tree/lib/modules/$version"/modules.{*.bin,symbols,softdep,devname,weakdep}
	initramfs_busybox "$tree"
	install -m 755 "$LAB_DIR/l2/init" "$tree/init"
}

l2_lspci()		# TREE
{
	local tree=$1 lib

	mkdir -p "$tree/lib64"
	rm -f "$tree/bin/lspci"
	cp "$ROOT/usr/bin/lspci" "$tree/bin/lspci"
	cp "$ROOT/usr/lib64/ld-linux-x86-64.so.2" "$tree/lib64/"
	while read -r lib; do
		cp "$lib" "$tree/lib/"
	done < <("$ROOT/usr/lib64/ld-linux-x86-64.so.2" --library-path "$ROOT/usr/lib/x86_64-linux-gnu" \
		--list "$ROOT/usr/bin/lspci" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | grep -v ld-linux)
}
