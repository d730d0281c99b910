# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Parts of one program each, out of its Debian package, of which nothing else stays: Prometheus' judge
# of metrics, irqbalance. Its libraries are those of the emulated host. Only what asks for it pays
# the download.

# Set PROGRAM to its file; downloaded first where it is not there.
need_program()		# NAME
{
	PROGRAM_NAME=$1
	part "$1" "$(recipe_hash "$LAB_DIR/lib/program.sh")" part_program
	PROGRAM=$PART/$1
}

part_program()		# DIR
{
	local dir=$1 name

	fetch_lists trixie
	name=$(apt-get -qq --print-uris download "$PROGRAM_NAME" 2>"$CACHE/apt.log" | fetch_names)
	[[ $name ]] || die "the mirror has no package $PROGRAM_NAME" "look at LAB_MIRROR="
	say "downloading $PROGRAM_NAME"
	(cd "$CACHE/debs" && fetch_run_apt "download $PROGRAM_NAME" apt-get -q download "$PROGRAM_NAME")
	fetch_unpack "$dir" "$CACHE/debs/$name"
	mv "$dir"/usr/*bin/"$PROGRAM_NAME" "$dir/"
	find "$dir" -mindepth 1 -maxdepth 1 ! -name "$PROGRAM_NAME" -exec rm -rf {} +
}
