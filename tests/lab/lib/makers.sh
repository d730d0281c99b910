# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "makers": Debian's initramfs-tools and dracut as one archive, for the emulated host to
# unpack over its own files. Both in its root file system they would never meet on a real one
# (Debian's packages exclude each other), and every boot would carry them; dracut-core, which has
# all but the kernel's hooks, does live beside the other. 1 MB; only what asks for it pays.

MAKERS_PACKAGES=(initramfs-tools dracut-core)

# Set MAKERS to the archive; made first where it is not there.
need_makers()
{
	part makers "$(recipe_hash "$LAB_DIR/lib/makers.sh" "$ROOT")" part_makers
	MAKERS=$PART/makers.tar
}

part_makers()		# DIR
{
	local dir=$1 names=()

	fetch_lists trixie
	mapfile -t names < <(apt-get -qq -y --print-uris -o Dir::Cache::archives="$CACHE/apt-trixie/none" \
		install "${MAKERS_PACKAGES[@]}" 2>"$CACHE/apt.log" | fetch_names |
		grep -vxFf "$ROOT/lab/packages")
	((${#names[@]})) || die "the mirror lacks one of ${MAKERS_PACKAGES[*]}" "look at LAB_MIRROR="
	say "downloading ${MAKERS_PACKAGES[*]}"
	fetch_run_apt "download ${MAKERS_PACKAGES[*]}" \
		apt-get -q -y --download-only install "${MAKERS_PACKAGES[@]}"
	mkdir "$dir/tree"
	fetch_unpack "$dir/tree" "${names[@]/#/$CACHE/debs/}"
	tar -C "$dir/tree" -cf "$dir/makers.tar" .
	rm -r "$dir/tree"
}
