# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Parts that are archives of Debian packages, for the emulated host to unpack over its own files:
# only what asks for one pays, in its download and in each boot.
#
# "makers": initramfs-tools and dracut. Both in its root file system they would never meet on a real
# one (Debian's packages exclude each other); dracut-core, which has all but the kernel's hooks, does
# live beside the other. 1 MB.
# "backends": what serves a guest's devices by vhost-user: passt, qemu-storage-daemon, virtiofsd. 4 MB.

MAKERS_PACKAGES=(initramfs-tools dracut-core)
BACKENDS_PACKAGES=(passt qemu-utils virtiofsd)

# Set MAKERS to the archive; made first where it is not there.
need_makers()
{
	need_archive makers "${MAKERS_PACKAGES[@]}"
	MAKERS=$ARCHIVE
}

# The same for BACKENDS.
need_backends()
{
	need_archive backends "${BACKENDS_PACKAGES[@]}"
	BACKENDS=$ARCHIVE
}

need_archive()		# NAME PACKAGE…
{
	part "$1" "$(recipe_hash "$LAB_DIR/lib/makers.sh" "$ROOT")" part_archive "$@"
	ARCHIVE=$PART/$1.tar
}

part_archive()		# DIR NAME PACKAGE…
{
	local dir=$1 name=$2 names=()

	shift 2
	fetch_lists trixie
	mapfile -t names < <(apt-get -qq -y --print-uris -o Dir::Cache::archives="$CACHE/apt-trixie/none" \
		install "$@" 2>"$CACHE/apt.log" | fetch_names |
		grep -vxFf "$ROOT/lab/packages")
	((${#names[@]})) || die "the mirror lacks one of $*" "look at LAB_MIRROR="
	say "downloading $*"
	fetch_run_apt "download $*" apt-get -q -y --download-only install "$@"
	mkdir "$dir/tree"
	fetch_unpack "$dir/tree" "${names[@]/#/$CACHE/debs/}"
	tar -C "$dir/tree" -cf "$dir/$name.tar" .
	rm -r "$dir/tree"
}
