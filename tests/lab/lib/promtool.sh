# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The part "promtool": Prometheus' own judge of metrics, out of its Debian package, of which
# nothing else stays. Only what asks for it pays the download.

# Set PROMTOOL to the directory of the program; downloaded first where it is not there.
need_promtool()
{
	part promtool "$(recipe_hash "$LAB_DIR/lib/promtool.sh")" part_promtool
	PROMTOOL=$PART
}

part_promtool()		# DIR
{
	local dir=$1 name

	fetch_lists trixie
	name=$(apt-get -qq --print-uris download promtool 2>"$CACHE/apt.log" | fetch_names)
	[[ $name ]] || die "the mirror has no package promtool" "look at LAB_MIRROR="
	say "downloading promtool"
	(cd "$CACHE/debs" && fetch_run_apt "download promtool" apt-get -q download promtool)
	fetch_unpack "$dir" "$CACHE/debs/$name"
	mv "$dir/usr/bin/promtool" "$dir/"
	find "$dir" -mindepth 1 -maxdepth 1 ! -name promtool -exec rm -rf {} +
}
