# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Debian packages without root: an apt of our own (own lists, own empty status,
# own archives, the Debian archive keyring and nothing else trusted) resolves
# and downloads, tar unpacks. No maintainer script runs and nothing is
# installed on this machine; the little those scripts would have done is in
# root_finish(). A part is built in a temporary directory and renamed when
# complete, so a half-made one is never used; what was downloaded stays.

LAB_KEYRING=${LAB_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

fetch_need_tools()
{
	local tool

	for tool in apt-get apt-cache apt-config dpkg-deb gpgv tar xz; do
		command -v "$tool" >/dev/null ||
			die "cannot make the lab's parts: no $tool" "apt install apt dpkg gpgv tar xz-utils"
	done
	[[ -r $LAB_KEYRING ]] ||
		die "cannot check Debian's signatures: no $LAB_KEYRING" "apt install debian-archive-keyring"
}

# The mirror this machine's apt already uses, for the suites we want.
fetch_mirror()		# debian|debian-security
{
	local uri

	case $1 in
	debian) uri=${LAB_MIRROR:-} ;;
	debian-security) uri=${LAB_SECURITY_MIRROR:-} ;;
	esac
	if [[ -z $uri && -z ${LAB_MIRROR:-} ]]; then
		# shellcheck disable=SC2016 # apt's own placeholder
		uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
			sed 's,/*$,,' | grep -m1 "/$1\$" || true)
		uri=${uri:-http://deb.debian.org/$1}
	fi
	printf '%s' "${uri%/}"
}

# Proxy and validity settings of this machine hold for our apt too.
fetch_machine_settings()
{
	apt-config dump 2>/dev/null |
		grep -E '^Acquire::(http|https|Check-|Max-ValidTime|Min-ValidTime|ForceIPv|Retries|Queue-Mode)' |
		grep -v '""' || true
}

# A private apt for the suites given; its configuration's path in $APT_CONFIG.
fetch_apt_setup()		# DIR SUITE…
{
	local dir=$1 suite base security

	shift
	mkdir -p "$dir"/{lists/partial,etc,none/partial} "$CACHE/debs/partial"
	: >"$dir/status"
	base=$(fetch_mirror debian)
	security=$(fetch_mirror debian-security)
	for suite in "$@"; do
		case $suite in
		*-security)
			[[ -n $security ]] || continue
			echo "deb [signed-by=$LAB_KEYRING] $security $suite main" ;;
		*)
			echo "deb [signed-by=$LAB_KEYRING] $base $suite main" ;;
		esac
	done >"$dir/sources.list"
	# AMD-Vi with DMA remapping needs QEMU 11.1.
	cat >"$dir/preferences" <<-EOF
		Package: qemu-* seabios
		Pin: release n=trixie-backports
		Pin-Priority: 990
	EOF
	cat >"$dir/apt.conf" <<-EOF
		Dir::State "$dir";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir";
		Dir::Cache::archives "$CACHE/debs";
		Dir::Etc::main "$dir/etc/none";
		Dir::Etc::parts "$dir/etc";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "$dir/etc";
		Dir::Etc::preferences "$dir/preferences";
		Dir::Etc::preferencesparts "$dir/etc";
		Dir::Etc::trusted "$dir/etc/none";
		Dir::Etc::trustedparts "$dir/etc";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Install-Recommends "false";
		APT::Sandbox::User "$(id -un)";
		APT::Keep-Downloaded-Packages "true";
		Acquire::Languages "none";
		Acquire::GzipIndexes "true";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		$(fetch_machine_settings)
	EOF
	export APT_CONFIG=$dir/apt.conf
}

fetch_run_apt()		# WHAT COMMAND…
{
	local what=$1 log=$CACHE/apt.log

	shift
	"$@" >"$log" 2>&1 && return
	sed -n 's/^[EW]: /  apt: /p' "$log" | tail -5 >&2
	die "cannot $what (log in $log)" \
		"look at the network and at LAB_MIRROR=; what is already downloaded is kept, so run it again"
}

# Unpacks packages over one another. Documentation and translations stay out:
# they are a third of the files and no test reads them.
fetch_unpack()		# DIR DEB…
{
	local dir=$1

	shift
	export UNPACK_DIR=$dir
	# shellcheck disable=SC2016 # expands in the child
	printf '%s\0' "$@" | xargs -0 -n1 -P"$(nproc)" bash -c '
		set -o pipefail
		dpkg-deb --fsys-tarfile "$1" | tar -x -C "$UNPACK_DIR" \
			--no-same-owner --keep-directory-symlink --delay-directory-restore \
			--exclude="./usr/share/doc/*" --exclude="./usr/share/man/*" \
			--exclude="./usr/share/locale/*" --exclude="./usr/share/info/*" \
			--exclude="./usr/share/gcc*" --exclude="./usr/share/bug/*" \
			--exclude="./usr/share/lintian/*"' unpack ||
		die "cannot unpack a package into $dir" "is the disk full? df -h $CACHE"
}

# Package lists of a release, read once per process.
fetch_lists()		# trixie|bookworm
{
	local suites=("$1" "$1-updates" "$1-security")

	[[ $1 != trixie ]] || suites+=(trixie-backports)
	fetch_apt_setup "$CACHE/apt-$1" "${suites[@]}"
	[[ ${FETCHED_LISTS:-} != *"$1"* ]] || return 0
	say "reading the package lists of $1 from $(fetch_mirror debian)"
	fetch_run_apt "read Debian's package lists" apt-get -q update --error-on=any
	FETCHED_LISTS="${FETCHED_LISTS:-} $1"
}

# The file names apt settled on, one per line.
fetch_names()
{
	sed -n "s/^'[^']*' \([^ ]*\) [0-9].*/\1/p"
}

# What the maintainer scripts would have done, as far as the lab needs it.
root_finish()		# ROOT
{
	local root=$1

	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	local g
	for g in input:990 kvm:991 render:992 sgx:993 messagebus:994 systemd-journal:995 systemd-network:996; do
		echo "${g%:*}:x:${g#*:}:" >>"$root/etc/group"
	done
	echo "messagebus:x:994:994::/nonexistent:/usr/sbin/nologin" >>"$root/etc/passwd"
	echo "systemd-network:x:996:996::/:/usr/sbin/nologin" >>"$root/etc/passwd"
	cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
	echo thruway-lab >"$root/etc/hostname"
	printf '127.0.0.1\tlocalhost thruway-lab\n' >"$root/etc/hosts"
	echo 7468727577617920746573746c616221 >"$root/etc/machine-id"
	mkdir -p "$root"/{proc,sys,dev,run,tmp,src,out,lab,root,var/log,var/tmp,var/lib/dbus}
	ln -sfn /run "$root/var/run"
	ln -sfn mawk "$root/usr/bin/awk"
	printf '/usr/local/lib\n/usr/lib/x86_64-linux-gnu\n' >"$root/etc/ld.so.conf.d/lab.conf"
	"$root/usr/lib64/ld-linux-x86-64.so.2" "$root/usr/sbin/ldconfig" -r "$root" 2>/dev/null
	rm -rf "$root"/var/lib/apt "$root"/var/cache/apt "$root"/usr/lib/modules
	# Directories such as /var/cache/private come without access for others,
	# which is us where an ordinary user unpacked them.
	chmod -R u+rwX "$root"
}

part_root()		# BUILD-DIR
{
	local dir=$1 packages=() names=()

	mapfile -t packages < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$LAB_DIR/packages")
	fetch_lists trixie
	# Against an empty archive directory, or what is there already is not named.
	mapfile -t names < <(apt-get -qq -y --print-uris -o Dir::Cache::archives="$CACHE/apt-trixie/none" \
		install "${packages[@]}" 2>"$CACHE/apt.log" | fetch_names)
	((${#names[@]})) || fetch_run_apt "resolve the packages of tests/lab/packages" \
		apt-get -q -y -s install "${packages[@]}"
	say "downloading the root file system's packages"
	fetch_run_apt "download the root file system's packages" \
		apt-get -q -y --download-only install "${packages[@]}"
	mkdir -p "$dir/usr/"{bin,sbin,lib,lib64}
	local d
	for d in bin sbin lib lib64; do
		ln -s "usr/$d" "$dir/$d"
	done
	say "unpacking ${#names[@]} packages"
	fetch_unpack "$dir" "${names[@]/#/$CACHE/debs/}"
	root_finish "$dir"
	printf '%s\n' "${names[@]}" | sort >"$dir/lab/packages"
}
