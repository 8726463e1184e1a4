# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# common.sh - functions that all scripts share. Bash sources it under `set -eu`.
#
# It defines say, die, step, as_root, need_packages, need_space, with_lock, make_tempdir, REPO and CACHE. We write only
# below $CACHE and the temporary directory, and install packages only in need_packages.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${DM_RQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dm-mpath-rq}
PROG=${0##*/}
PATH=$PATH:/usr/sbin:/sbin

# Packages that the host needs, by purpose. No other file names packages of tools.
PACKAGES_BUILD="gcc-12 make libc6-dev libdevmapper-dev libelf-dev libssl-dev pahole xz-utils bc sparse"
# To build for Debian 13's kernels on Debian 13. On an older host, they build in a root directory, see debian.sh.
PACKAGES_TRIXIE="gcc-14"
PACKAGES_GUEST="qemu-system-x86 busybox-static kmod cpio xz-utils zstd fio dmsetup e2fsprogs"
PACKAGES_PATCHES="git unifdef"
PACKAGES_CHECK="$PACKAGES_PATCHES perl shellcheck udev python3-docutils build-essential debhelper dh-dkms dkms openssl
	initramfs-tools-core"
PACKAGES_KUNIT="flex bison"
PACKAGES_DEBUG="libelf-dev"
PACKAGES_SERIES="$PACKAGES_PATCHES flex bison bc sparse"
PACKAGES_SUITE="mmdebstrap bubblewrap"
# Unpacked only, for guests: if they were installed, they would claim disks of the host.
PACKAGES_CLIENTS="multipath-tools sg3-utils lvm2"
export REPO PACKAGES_BUILD PACKAGES_GUEST PACKAGES_CHECK PACKAGES_KUNIT PACKAGES_DEBUG PACKAGES_CLIENTS PACKAGES_PATCHES
export PACKAGES_SERIES PACKAGES_SUITE PACKAGES_TRIXIE

say() { printf '%s: %s\n' "$PROG" "$*" >&2; }

die() {
	say "$*"
	exit "${DIE_STATUS:-1}"
}

# step TEXT COMMAND...: run a long command with its output in a log, and say every 15 s that it is still running
step() {
	local text=$1 log start=$SECONDS pid traps
	shift
	mkdir -p "$CACHE/log"
	log=$CACHE/log/step.$$.log
	say "$text ..."
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	traps=$(trap -p INT TERM)
	# shellcheck disable=SC2064 # expand the pid now
	trap "kill $pid 2>/dev/null; exit 130" INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if ((SECONDS - start > 0 && (SECONDS - start) % 15 == 0)); then
			say "$text ... still at it ($((SECONDS - start)) s)"
			sleep 1
		fi
	done
	trap - INT TERM
	eval "$traps"
	if ! wait "$pid"; then
		tail -n 5 "$log" >&2
		return 1
	fi
	rm -f "$log"
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root to run '$1', and there is no sudo: become root or install sudo"
	fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"; }

apt_update() { step "updating the package lists" apt_get update || die "apt-get update failed: no network?"; }

# apt_knows PACKAGE: fails also if apt's lists are empty or old
apt_knows() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# missing_packages PACKAGE...: print those that are not installed, after a single look into dpkg's database
missing_packages() {
	comm -23 <(printf '%s\n' "$@" | sort -u) \
		<(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

# need_packages PACKAGE...: install the missing ones. This is quick if none is missing.
need_packages() {
	local package missing unknown=0
	command -v apt-get >/dev/null || die "no apt-get here: this needs Debian 12 or 13"
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	need_space /var 1500
	for package in "${missing[@]}"; do
		apt_knows "$package" || unknown=1
	done
	[ $unknown -eq 0 ] || apt_update
	install_packages "${missing[@]}" && return 0
	[ $unknown -eq 0 ] || die "could not install: ${missing[*]}"
	apt_update		# old lists may name versions that the mirror no longer has
	install_packages "${missing[@]}" || die "could not install: ${missing[*]}"
}

install_packages() { step "installing $*" apt_get install --no-install-recommends "$@"; }

need_tool() {
	command -v "$1" >/dev/null || die "no '$1' here (package ${2:-$1})"
}

# need_space DIR MEGABYTES
need_space() {
	local free
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "not enough disk space in $1: $free MB free, $2 MB needed"
}

# with_lock NAME COMMAND...: run COMMAND in a subshell, one process at a time for each NAME
with_lock() {
	local name=$1
	shift
	mkdir -p "$CACHE" || die "cannot make the cache directory $CACHE"
	(
		if ! flock -n 9; then
			say "waiting for another run ($name)"
			flock 9
		fi
		"$@" 9>&-
	) 9>"$CACHE/.lock-$name"
}

# make_tempdir VARIABLE: create a directory that this shell removes on exit
make_tempdir() {
	local dir
	dir=$(mktemp -d "${TMPDIR:-/tmp}/dm-rq.XXXXXX") || die "cannot make a temporary directory"
	TEMPDIRS+=("$dir")
	trap cleanup_tempdirs EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf -v "$1" %s "$dir"
}

TEMPDIRS=()
cleanup_tempdirs() { [ ${#TEMPDIRS[@]} -eq 0 ] || rm -rf "${TEMPDIRS[@]}"; }
