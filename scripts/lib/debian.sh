# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# debian.sh - packages of any release of Debian, and a root directory in which their programs run
#
# Source this after common.sh. Kernels of a newer release than the host's come with header tools that need a newer libc and
# compiler. To avoid installing these on the host, we keep apt lists and a root directory of that release in the cache.
#   HOST_SUITE			the code name of the host's release
#   suite_apt SUITE PROGRAM ARGUMENT...	run apt-get or apt-cache on the packages of a release
#   suite_fetch SUITE DIR PACKAGE...	download packages to a new directory
#   suite_knows SUITE PATTERN	print the names of packages that match
#   suite_root SUITE		set ROOT, a root directory with $PACKAGES_ROOT
#   client_root SUITE		set ROOT, one with $PACKAGES_CLIENT_ROOT, for guests
#   in_suite SUITE COMMAND...	run a command there; it sees the repository, the cache and the temporary directory

# shellcheck source=/dev/null
HOST_SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# Of trixie. The names of libraries are those of its header tools' dependencies.
PACKAGES_ROOT="gcc-14 make libc6-dev libelf1t64 libssl3t64 pahole bc kmod sparse perl-base xz-utils"
# The tools of the tests beside $PACKAGES_CLIENTS.
PACKAGES_CLIENT_ROOT="$PACKAGES_CLIENTS udev dmsetup fio e2fsprogs busybox-static kmod procps perl-base"

### apt

suite_apt() {
	local sources=$CACHE/apt-$1/sources.list
	[ -s "$sources" ] || with_lock "apt-$1" suite_lists "$1"
	apt_with "$sources" "${@:2}"
}

# apt_with SOURCES PROGRAM ARGUMENT...: run it with this sources.list, and with its state in the same directory
apt_with() {
	local dir=${1%/*}
	"$2" -q -o "Dir::Etc::sourcelist=$1" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$dir" \
		-o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root \
		-o Acquire::Languages=none "${@:3}"
}

# Runs in a subshell, under the lock. sources.list is written last, because its presence says that the lists are there.
suite_lists() {
	local dir=$CACHE/apt-$1
	[ ! -s "$dir/sources.list" ] || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/status"
	suite_sources "$1" >"$dir/sources.new"
	[ -s "$dir/sources.new" ] || die "apt has no source of Debian's packages here (see apt-get indextargets)"
	step "updating the package lists of $1" apt_with "$dir/sources.new" apt-get update ||
		die "apt-get update for $1 failed: no network, or the mirror does not have it"
	mv "$dir/sources.new" "$dir/sources.list"
}

# Print apt sources for the mirrors that the host uses. sid has no other suites beside it. A mirror that keeps the state of
# a day has a sid whose Release file is no longer valid.
suite_sources() {
	# shellcheck disable=SC2016 # apt's
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u |
		awk -v host="$HOST_SUITE" -v suite="$1" '
			function source(uri, release) {
				print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg" \
					(release == "sid" ? " check-valid-until=no" : "") "] " uri " " release " main"
			}
			suite == "sid" { if ($2 == host) source($1, suite); next }
			$2 == host { source($1, suite); source($1, suite "-updates"); source($1, suite "-backports") }
			$2 == host "-security" { source($1, suite "-security") }'
}

suite_knows() { suite_apt "$1" apt-cache pkgnames | sed -nE "/$2/p"; }

# If a download fails, then the lists may name a version that the mirror no longer has.
suite_fetch() {
	local suite=$1 dir=$2
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir"
	cd "$dir" || die "cannot write to $dir"
	step "downloading $*" suite_apt "$suite" apt-get download "$@" && return 0
	suite_refresh "$suite"
	step "downloading $*" suite_apt "$suite" apt-get download "$@" || die "cannot download $*: no network, or a package is gone"
}

suite_refresh() {
	rm -f "$CACHE/apt-$1/sources.list"
	with_lock "apt-$1" suite_lists "$1"
}

### Root directories

suite_root() {
	root_setup "$CACHE/root-$1" "$1" "$PACKAGES_ROOT"
}

# QEMU calls the ioctl DM_MPATH_PROBE_PATHS since 10.1, but only if it was built with the headers of a kernel that has it.
# trixie and its backports have no such build. In sid, util-linux does not depend on mount.
client_root() {
	local packages=$PACKAGES_CLIENT_ROOT
	[ "$1" != sid ] || packages+=" mount qemu-system-x86"
	root_setup "$CACHE/clients-$1" "$1" "$packages"
}

# root_setup DIR SUITE PACKAGES: set ROOT to DIR, and make it unless it is there
root_setup() {
	ROOT=$1
	root_cached "$3" || with_lock "${ROOT##*/}" root_make "$2" "$3"
	root_cached "$3" || die "setting up a root of $2 failed"
}

root_cached() { [ "$(cat "$ROOT.stamp" 2>/dev/null)" = "$ROOT $1" ]; }

# root_make SUITE PACKAGES: runs in a subshell, under the lock
root_make() {
	! root_cached "$2" || return 0
	# shellcheck disable=SC2086 # a list
	need_packages $PACKAGES_SUITE
	need_space "$CACHE" 1000
	suite_apt "$1" apt-cache pkgnames >/dev/null
	as_root rm -rf "$ROOT"
	# The root belongs to root. We only read it.
	step "making a root of $1" as_root mmdebstrap --variant=apt --mode=root --include="${2// /,}" \
		--aptopt='Acquire::Languages "none"' "$1" "$ROOT" "$CACHE/apt-$1/sources.list" || die "mmdebstrap failed"
	echo "$ROOT $2" >"$ROOT.stamp"
}

in_suite() {
	local temporary=${TMPDIR:-/tmp}
	suite_root "$1"
	bwrap --ro-bind "$ROOT/usr" /usr --ro-bind "$ROOT/etc" /etc --symlink usr/bin /bin --symlink usr/sbin /sbin \
		--symlink usr/lib /lib --symlink usr/lib64 /lib64 --dev /dev --proc /proc \
		--bind "$temporary" "$temporary" --bind "$CACHE" "$CACHE" --bind "$REPO" "$REPO" "${@:2}"
}
