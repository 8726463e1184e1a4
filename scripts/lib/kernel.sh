# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# kernel.sh - Debian's kernels, their headers and source, and programs for guests
#
# Everything is unpacked into the cache and never installed on the host. Source this after common.sh.
#   ALL_KERNELS			all versions, the first ones first; 6.12+deb13 is Debian 13's, 6.12 Debian 12's
#   LONG_KERNELS		Debian's other flavours of them, VERSION-rt and VERSION-cloud, and the debug kernels, see
#				debug-kernel.sh
#   kernel_setup VERSION	set KVER, KREL, KROOT (unpacked root), KDIR (build directory) and VMLINUZ; for any of
#				these
#   kernel_run COMMAND...	run a command where the header tools of KVER work
#   kernel_cached VERSION	succeed if it is in the cache; set KREL and KROOT
#   config_last, config_is_whole	select and check lines of a kernel configuration
#   source_setup VERSION	set KSRC, the whole source, which must not be written to
#   clients_of KERNEL		set REPLY to the release whose user space guests with this kernel have in the tests of
#				clients, or to nothing if that is the host's
#   clients_setup		set CLIENTS, a root directory with $PACKAGES_CLIENTS and those of their dependencies
#				that the host does not have
# All are quick if the cache is filled. DM_RQ_REFRESH=1 looks for a newer kernel.

# shellcheck source=scripts/lib/debug-kernel.sh
. "$(dirname "${BASH_SOURCE[0]}")/debug-kernel.sh"
# shellcheck source=scripts/lib/debian.sh
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

ALL_KERNELS="7.3 6.12 6.1 7.2 6.12+deb13"
LONG_KERNELS="7.3-rt 6.12-rt 6.12+deb13-rt 7.3-cloud 6.12-cloud 6.12+deb13-cloud $DEBUG_KERNELS"

kernel_suite() {
	case $1 in
	6.1 | 6.12 | 6.12-*) echo bookworm ;;
	*) echo trixie ;;
	esac
}

kernel_setup() {
	KVER=$1
	[[ " $ALL_KERNELS $LONG_KERNELS " == *" $KVER "* ]] || die "unknown kernel '$KVER': one of $ALL_KERNELS $LONG_KERNELS"
	if [ -n "${DM_RQ_REFRESH:-}" ] || ! kernel_cached "$KVER" || builtin_may_be_old "$KVER"; then
		with_lock "kernel-$KVER" kernel_make "$KVER"
	fi
	kernel_cached "$KVER" || die "setting up kernel $KVER failed"
	KDIR=$KROOT/usr/src/linux-headers-$KREL
	! is_debug_kernel "$KVER" || KDIR=$(debug_build_dir "$KVER")
	VMLINUZ=$KROOT/boot/vmlinuz-$KREL
	export KVER KREL KROOT KDIR VMLINUZ
}

# The stamp is written last and holds the path, to avoid using an interrupted or moved setup.
kernel_cached() {
	KREL=$(cat "$CACHE/kernel-$1.release" 2>/dev/null) || return 1
	KROOT=$CACHE/kernel-$KREL
	[ "$(cat "$KROOT/.stamp" 2>/dev/null)" = "$(kernel_stamp "$1")" ]
}

# The stamp of a debug kernel also covers its configuration.
kernel_stamp() { echo "$KROOT$(! is_debug_kernel "$1" || echo " $(debug_config "$1" | cksum)")"; }

kernel_make() {
	if is_debug_kernel "$1"; then
		debug_kernel_build "$1"
	else
		kernel_fetch "$1"
	fi
}

# Print the options. If one is named twice, then its last line counts.
config_last() {
	awk -F '[= ]' '
		/^# CONFIG_/ { name = $2 }
		/^CONFIG_/ { name = $1 }
		/^(# )?CONFIG_/ { if (!(name in line)) names[++n] = name; line[name] = $0 }
		END { for (i = 1; i <= n; i++) print line[names[i]] }' "$@"
}

# config_is_whole WHO CONFIG: ensure that CONFIG has each line of stdin, because the kernel's build silently drops an option
# that no longer exists. An option that has to be off may also be absent.
config_is_whole() {
	local missing
	missing=$(awk -F '[= ]' '
		NR == FNR { have[$0]; if (/^CONFIG_/) set[$1]; next }
		/^# CONFIG_/ ? $2 in set : !($0 in have)' "$2" -)
	[ -z "$missing" ] || die "$1 asks for what this kernel does not give: $missing"
}

# Runs in a subshell, under the lock.
kernel_fetch() {
	[ -n "${DM_RQ_REFRESH:-}" ] || ! kernel_cached "$1" || return 0
	local suite
	suite=$(kernel_suite "$1")
	[ -z "${DM_RQ_REFRESH:-}" ] || suite_refresh "$suite"
	KREL=$(newest_kernel "$1")
	[ -n "$KREL" ] || die "there is no linux-image of $1 in $suite, its updates, backports and security updates"
	KROOT=$CACHE/kernel-$KREL
	if [ "$(cat "$KROOT/.stamp" 2>/dev/null)" != "$KROOT" ]; then
		need_space "$CACHE" 1500
		rm -rf "$KROOT"
		kernel_unpack "$1" "$suite"
		printf '%s\n' "$KROOT" >"$KROOT/.stamp"
	fi
	printf '%s\n' "$KREL" >"$CACHE/kernel-$1.release.new"
	mv "$CACHE/kernel-$1.release.new" "$CACHE/kernel-$1.release"
}

# Print the highest version of exactly this flavour, neither unsigned nor dbg.
newest_kernel() {
	local release version=${1%-*} flavour=''
	[[ $1 != *-* ]] || flavour=-${1#*-}
	case $version in
	6.1) release='6\.1\.0-[0-9]+' ;;
	6.12) release='6\.12\.[0-9]+\+deb12' ;;
	*) release="${version%+*}"'\.[0-9]+\+deb13' ;;
	esac
	suite_knows "$(kernel_suite "$1")" "^linux-image-$release$flavour-amd64\$" | sed 's/^linux-image-//' | sort -V | tail -n 1
}

# Before 7.0, -rt has common headers of its own. Since then, the image and the modules are in packages of their own.
kernel_packages() {
	local base=${KREL%-amd64} common=common
	[[ $1 != 6.*-rt ]] || common="common-rt"
	base=${base%-rt}
	base=${base%-cloud}
	echo "linux-headers-$KREL" "linux-headers-$base-$common"
	case $1 in
	6.1) echo "linux-image-$KREL" linux-kbuild-6.1 linux-compiler-gcc-12-x86 ;;
	6.12*) echo "linux-image-$KREL" "linux-kbuild-$base" ;;
	*) echo "linux-binary-$KREL" "linux-modules-$KREL" "linux-base-$KREL" "linux-kbuild-$base" ;;
	esac
}

kernel_unpack() {
	local deb dir=$CACHE/download-$KREL
	# shellcheck disable=SC2046 # package names
	suite_fetch "$2" "$dir" $(kernel_packages "$1")
	mkdir -p "$KROOT"
	for deb in "$dir"/*.deb; do
		dpkg -x "$deb" "$KROOT" || die "cannot unpack $deb: disk full?"
	done
	rm -rf "$dir"
	sed -i "s|/usr/src/|$KROOT/usr/src/|" "$KROOT/usr/src/linux-headers-$KREL/Makefile"
	[ -e "$KROOT/lib/modules" ] || ln -s usr/lib "$KROOT/lib"
	mkdir -p "$KROOT/boot"
	[ -e "$KROOT/boot/vmlinuz-$KREL" ] || ln -s "../lib/modules/$KREL/vmlinuz" "$KROOT/boot/vmlinuz-$KREL"
	need_packages kmod
	depmod -b "$KROOT" "$KREL"
}

# A newer release's header tools run in a root of that release. Those of an older release run on the host, as do those of
# a debug kernel, which was built there.
kernel_run() {
	local suite
	suite=$(kernel_suite "$KVER")
	if [ "$suite" != trixie ] || is_debug_kernel "$KVER"; then
		"$@"
	elif [ "$HOST_SUITE" = bookworm ]; then
		in_suite "$suite" "$@"
	else
		need_packages "$PACKAGES_TRIXIE"
		"$@"
	fi
}

source_setup() {
	KSRC=$CACHE/source-$1
	source_cached || with_lock "source-$1" source_fetch "$1"
	source_cached || die "setting up the source of $1 failed"
	export KSRC
}

source_cached() { [ "$(cat "$KSRC/.stamp" 2>/dev/null)" = "$KSRC" ]; }

source_fetch() {
	local dir=$CACHE/download-source-$1
	source_cached && return 0
	need_space "$CACHE" 2000
	rm -rf "$KSRC"
	mkdir -p "$KSRC"
	suite_fetch "$(kernel_suite "$1")" "$dir" "linux-source-$1"
	step "unpacking the source of $1" source_unpack "$1" "$dir"
	rm -rf "$dir"
	printf '%s\n' "$KSRC" >"$KSRC/.stamp"
}

source_unpack() {
	dpkg --fsys-tarfile "$2"/*.deb | tar -xO "./usr/src/linux-source-$1.tar.xz" |
		tar -xJ -C "$KSRC" --strip-components=1
}

# A kernel of a newer release than the host's comes with the user space of that release.
clients_of() {
	REPLY=${DM_RQ_CLIENTS:-$HOST_SUITE}
	[ -n "${DM_RQ_CLIENTS:-}" ] || [ "$(kernel_suite "$1")" != trixie ] || REPLY=trixie
	[ "$REPLY" != "$HOST_SUITE" ] || REPLY=''
}

clients_setup() {
	CLIENTS=$CACHE/clients
	clients_cached || with_lock clients clients_fetch
	clients_cached || die "setting up $PACKAGES_CLIENTS failed"
	export CLIENTS
}

clients_cached() { [ "$(cat "$CLIENTS.stamp" 2>/dev/null)" = "$CLIENTS" ]; }

clients_fetch() {
	local dir=$CACHE/download-clients deb package packages=()
	! clients_cached || return 0
	need_space "$CACHE" 200
	for package in $PACKAGES_CLIENTS; do
		apt_knows "$package" || { apt_update; break; }
	done
	# shellcheck disable=SC2086 # a list
	mapfile -t packages < <(apt-get -s -q --no-install-recommends install $PACKAGES_CLIENTS |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p')
	rm -rf "$CLIENTS"
	mkdir -p "$CLIENTS/usr"
	if [ ${#packages[@]} -gt 0 ]; then
		suite_fetch "$HOST_SUITE" "$dir" "${packages[@]}"
		for deb in "$dir"/*.deb; do
			dpkg -x "$deb" "$CLIENTS" || die "cannot unpack $deb: disk full?"
		done
		rm -rf "$dir"
		merge_usr "$CLIENTS"
	fi
	printf '%s\n' "$CLIENTS" >"$CLIENTS.stamp"
}

# merge_usr ROOT: on the host /lib is a link to /usr/lib, so we move files from lib, bin and sbin to usr
merge_usr() {
	local name
	for name in bin sbin lib lib64; do
		[ -d "$1/$name" ] || continue
		mkdir -p "$1/usr/$name"
		cp -a "$1/$name/." "$1/usr/$name/"
		rm -rf "${1:?}/$name"
	done
}
