# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What tests of thruway doctor share.

# finds RESULT RULE DEVICE|host EVIDENCE-REGEX [DEV…]: doctor, asked about DEV…, says so.
finds()
{
	local result=$1 rule=$2 device=$3 evidence=$4 json got

	shift 4
	json=$(thruway doctor -j "$@" 2>&1)
	got=$(jq -r ".findings[] | select(.rule == \"$rule\" and (.device // \"host\") == \"$device\") |
		.result, .text, (.evidence[] | .file + \": \" + .value), \"fix: \(.fix)\"" <<<"$json" 2>&1)
	if [[ $(head -n 1 <<<"$got") == "$result" ]] && grep -qE -- "$evidence" <<<"$got"; then
		ok "$result $rule of $device${*:+, asked about $*}"
	else
		fail "$result $rule of $device${*:+, asked about $*}" "no /$evidence/ in:"$'\n'"${got:-$json}"
	fi
}

# first RESULT RULE [DEV…]: the first finding for people.
first()
{
	local result=$1 rule=$2

	shift 2
	like "$(thruway doctor "$@" | head -n 1)" "^$result  $rule( |:)" "$rule is told first${*:+, asked about $*}"
}
