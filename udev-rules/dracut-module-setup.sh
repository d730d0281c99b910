#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dracut: what "thruway host apply" told udev is known before the root file system is, and the
# drivers it names are there; a driver that the initramfs loads for other devices would have
# them first otherwise.

rules=/etc/udev/rules.d/05-thruway-host.rules

check()
{
	[[ -s ${dracutsysrootdir:-}$rules ]]
}

depends()
{
	echo udev-rules
}

installkernel()
{
	local driver

	while read -r driver; do
		hostonly='' instmods "$driver"
	done < <(sed -n 's/.*ENV{THRUWAY_DRIVER}="\([A-Za-z0-9_.:@-]*\)"$/\1/p' \
		"${dracutsysrootdir:-}$rules" | sort -u)
}

install()
{
	inst_simple "$rules"
}
