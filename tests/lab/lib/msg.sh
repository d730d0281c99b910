# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Words for the user: progress on stderr, errors as one sentence and a hint.

say()
{
	[[ -n ${LAB_QUIET:-} ]] || printf 'lab: %s\n' "$*" >&2
}

# die SENTENCE [HINT]
die()
{
	printf 'lab: %s\n' "$1" >&2
	[[ -z ${2:-} ]] || printf '  hint: %s\n' "$2" >&2
	exit "${LAB_RC:-1}"
}

usage_error()
{
	LAB_RC=2 die "$1" "tests/lab/lab help"
}
