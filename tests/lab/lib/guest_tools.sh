# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "guest-tools": what a guest is given beside its initramfs, as an archive to put behind
# it: fio, iperf3, e2fsprogs and blkdiscard of Debian 13 with their libraries, and the modules of
# ext4. Only what asks for it pays: 0.6 MB to download, and 10 MB in each guest that takes it.
#
# Of fio's libraries those of its engines for Ceph, GlusterFS, NFS, NBD, RDMA and persistent memory
# are 20 MB and more, which no test here runs. fio does not start without them; so an empty library
# has their names, whose functions end the program.

GUEST_TOOLS_ROOT=(/usr/bin/iperf3 /usr/sbin/mke2fs /usr/sbin/e2fsck /usr/sbin/blkdiscard)
GUEST_TOOLS_MODULES=(crc32c_generic ext4)
FIO_OTHERS='^(rados|rbd|glfs|nfs|nbd|ibv|rdma|pmem)_'
FIO_OTHER_LIBS='^lib(rados|rbd|gfapi|nfs|nbd|ibverbs|rdmacm|pmem)\.so'

# Set GUEST_TOOLS to the archive; made first where it is not there.
need_guest_tools()
{
	local kernel=${KERNEL:-}

	command -v "${CC:-cc}" >/dev/null || die "cannot make the guest's fio: no C compiler" "apt install gcc"
	need_program fio
	need_kernel stock
	part guest-tools "$(recipe_hash "$LAB_DIR/lib/guest_tools.sh" "$KERNEL" "$PROGRAM")" part_guest_tools
	KERNEL=${kernel:-$KERNEL}
	GUEST_TOOLS=$PART/guest-tools.cpio
}

part_guest_tools()	# DIR
{
	local dir=$1 tree=$1/tree path

	mkdir -p "$tree"/{bin,lib,lib64,tools}
	fio_others "$dir"
	for path in "$PROGRAM" "${GUEST_TOOLS_ROOT[@]/#/$ROOT}"; do
		cp "$path" "$tree/bin/"
		guest_libraries "$path" "$dir/others" "$tree/lib"
	done
	ln -s mke2fs "$tree/bin/mkfs.ext4"
	# A thread that is cancelled wants it, and no program is linked with it.
	cp "$ROOT/usr/lib/x86_64-linux-gnu/libgcc_s.so.1" "$tree/lib/"
	cp "$ROOT/usr/lib64/ld-linux-x86-64.so.2" "$tree/lib64/"
	initramfs_modules "$KERNEL" "$dir/modules" "${GUEST_TOOLS_MODULES[@]}"
	mv "$dir"/modules/lib/modules/*.ko "$tree/tools/"
	initramfs_order "$KERNEL" "${GUEST_TOOLS_MODULES[@]}" >"$tree/tools/order"
	initramfs_pack "$tree" "$dir/guest-tools.cpio"
	rm -r "$tree" "$dir/others" "$dir/modules"
}

# The empty library, with the names and the versions of functions that fio asks its others for.
fio_others()		# DIR
{
	local dir=$1 lib names

	mkdir "$dir/others"
	names=$(objdump -T "$PROGRAM" | awk '/\*UND\*/ { print $NF }' | grep -E "$FIO_OTHERS")
	{
		echo 'extern _Noreturn void abort(void);'
		sed 's/.*/void &(void) { abort(); }/' <<<"$names"
	} >"$dir/others/none.c"
	# Each version with a name of its own: fio looks for the versions, and which functions are of
	# them only a program that was linked anew would ask.
	objdump -p "$PROGRAM" | awk '
		/required from/ { other = $0 ~ /lib(gfapi|nbd|ibverbs|rdmacm|pmem)\.so/ }
		other && $1 ~ /^0x/ { print $NF " { };" }' >"$dir/others/none.map"
	"${CC:-cc}" -shared -fPIC -O2 -Wl,--version-script="$dir/others/none.map" \
		-o "$dir/others/none.so" "$dir/others/none.c" || die "cannot make the empty library of fio's engines"
	for lib in $(objdump -p "$PROGRAM" | awk '/NEEDED/ { print $2 }' | grep -E "$FIO_OTHER_LIBS"); do
		cp "$dir/others/none.so" "$dir/others/$lib"
	done
}

# Copies what a program of the root file system, or fio, is linked with.
guest_libraries()	# PROGRAM OTHERS DIR
{
	local lib

	while read -r lib; do
		cp "$lib" "$3/"
	done < <("$ROOT/usr/lib64/ld-linux-x86-64.so.2" --library-path "$2:$ROOT/usr/lib/x86_64-linux-gnu" \
		--list "$1" | sed -n 's/.*=> \([^ ]*\) .*/\1/p' | grep -v ld-linux)
}
