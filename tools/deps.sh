#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Name the Debian packages that building and testing need and are not installed; install them
# when that was asked for: by a terminal that says yes, or by CI=true or DEPS=auto.
set -eu

# deps.sh demo: what `make` and `make demo` need; deps.sh: the tests and analyzers too.
build='gcc make pkg-config libc6-dev linux-libc-dev libpci-dev libnl-3-dev libnl-route-3-dev
	libnl-genl-3-dev libjansson-dev libkmod-dev libudev-dev libmount-dev libyaml-dev liburing-dev'
lab='apt ca-certificates gpgv debian-archive-keyring tar xz-utils'
check='git libcmocka-dev ccache clang clang-tools acpica-tools zsh'
[ "${1:-}" != demo ] || check=

missing=()
for p in $build $lab $check; do
	dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^ii' || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install -y --no-install-recommends ${missing[*]}"
echo "Thruway needs packages that are not installed:"
echo "  $line"
if [ "$(id -u)" -ne 0 ]; then
	echo "Run that as root (sudo), then repeat the command." >&2
	exit 1
fi
case "${DEPS:-}${CI:-}" in
*auto* | *true*) ;;
*)
	if [ ! -t 0 ]; then
		echo "Run that, or say DEPS=auto to have it done." >&2
		exit 1
	fi
	printf 'Install them now? [y/N] '
	read -r answer
	[[ "$answer" = [yY]* ]] || exit 1
	;;
esac
export DEBIAN_FRONTEND=noninteractive
apt-get update -q || echo "apt-get update failed; trying with the lists there are" >&2
# shellcheck disable=SC2086
exec $line
