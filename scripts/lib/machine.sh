# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# machine.sh - a new machine with any release of Debian: its base system in a directory, without a kernel
#
# Source this after kernel.sh. Tests use it to follow the documentation on another release than the host's.
#   machine_setup SUITE		set MACHINE, a root directory in the cache. We never write to it
#   machine_new SUITE		set WORK, an overlay of it that is removed when this shell exits, with a copy of this tree in
#				the home directory
#   machine_run WORK COMMAND...	run a command in this copy as root, with the environment of a new login. All processes of the
#				machine end with the command. There is no /sys, to avoid showing the modules loaded on the
#				host
MACHINE_TREE=/root/dm-mpath-rq

# mmdebstrap removes the package lists, so that a machine is as new as after an installation.
machine_setup() {
	MACHINE=$CACHE/machine-$1
	machine_cached || with_lock "machine-$1" machine_make "$1"
	machine_cached || die "setting up a machine with $1 failed"
}

machine_cached() { [ "$(cat "$MACHINE.stamp" 2>/dev/null)" = "$MACHINE" ]; }

machine_make() {
	! machine_cached || return 0
	# shellcheck disable=SC2086 # a list
	need_packages $PACKAGES_SUITE
	need_space "$CACHE" 1000
	suite_apt "$1" apt-cache pkgnames >/dev/null
	as_root rm -rf "$MACHINE"
	step "making a root with the base system of $1" as_root mmdebstrap --variant=important --mode=root \
		"$1" "$MACHINE" "$CACHE/apt-$1/sources.list" || die "mmdebstrap failed"
	echo "$MACHINE" >"$MACHINE.stamp"
}

machine_new() {
	machine_setup "$1"
	make_tempdir WORK
	trap 'as_root rm -rf "$WORK"; cleanup_tempdirs' EXIT
	machine_copy_tree "$WORK"
}

# machine_copy_tree WORK: copy what git knows, with uncommitted changes, as a clone that has nothing built in it
machine_copy_tree() {
	local dir=$1/data$MACHINE_TREE
	as_root rm -rf "$dir"
	as_root mkdir -p "$dir"
	git -C "$REPO" ls-files -z | tar -C "$REPO" -c --null -T - | as_root tar -x --no-same-owner -C "$dir"
}

machine_run() {
	# shellcheck disable=SC2016 # of the inner shell
	as_root unshare --mount --propagation private --pid --fork --kill-child \
		bash -euc '. "$0"; machine_enter "$@"' "${BASH_SOURCE[0]}" "$MACHINE" "$@"
}

# machine_enter MACHINE WORK COMMAND...: runs in the new mount namespace
machine_enter() {
	local root=$2/root
	mkdir -p "$root" "$2/data" "$2/work"
	chown root:root "$2/data"
	chmod 755 "$2/data"
	mount -t overlay -o "lowerdir=$1,upperdir=$2/data,workdir=$2/work" overlay "$root"
	mount --bind /dev "$root/dev"
	mount -t proc proc "$root/proc"
	cp -L --remove-destination /etc/resolv.conf /etc/hosts "$root/etc/"
	# Packages must not start daemons.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	shift 2
	chroot "$root" env -i -C "$MACHINE_TREE" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
		DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} \
		${https_proxy:+"https_proxy=$https_proxy"} "$@"
}
