# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# debug-kernel.sh - build kernels for guests from the source of a kernel: allnoconfig, tests/debug/base.config and
# tests/debug/FLAVOUR.config. Sourced by kernel.sh.
#   VERSION-kasan, VERSION-kcsan	detect errors while tests run
#   VERSION-builtin		has the patch series, with our modules built in. If a test loads these modules or the stock
#				target, then this test cannot run there
#   is_debug_kernel VERSION	true for one of these, false for a kernel of Debian
#   debug_kernel_build VERSION	builds it, for kernel_setup. The first build takes 15 minutes on two CPUs and 2 GB of the
#				cache
#   debug_build_dir VERSION	prints the build directory
#   debug_config VERSION	prints the options that we request
#   builtin_may_be_old VERSION	true if the kernel contains our code and may be older than this repository. It is false
#				for the second call of a script and its children, because one build is enough
# Kernels and build directories stay in the cache.

# shellcheck disable=SC2034 # for kernel.sh
DEBUG_KERNELS="7.3-kasan 7.3-builtin 6.12-kasan 6.12-kcsan 6.12-builtin"

is_debug_kernel() { [[ " $DEBUG_KERNELS " == *" $1 "* ]]; }

debug_build_dir() { echo "$CACHE/debug/$1"; }

debug_config() { config_last "$REPO/tests/debug/base.config" "$REPO/tests/debug/${1#*-}.config"; }

builtin_may_be_old() {
	[[ $1 == *-builtin ]] && [ -z "${DM_RQ_BUILTIN_MADE:-}" ] || return 1
	export DM_RQ_BUILTIN_MADE=yes
}

# with_lock runs this in a subshell.
debug_kernel_build() {
	local build
	build=$(debug_build_dir "$1")
	[[ $1 == *-builtin ]] || ! kernel_cached "$1" || return 0
	# shellcheck disable=SC2086 # lists
	need_packages $PACKAGES_BUILD $PACKAGES_KUNIT $PACKAGES_DEBUG kmod
	need_space "$CACHE" 3000
	source_setup "${1%-*}"
	mkdir -p "$build"
	[[ $1 != *-builtin ]] || debug_series_tree "${1%-*}"
	DEBUG_MAKE=(make -s -C "$KSRC" "O=$build" ARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)
	debug_config "$1" >"$build/wish"
	if ! cmp -s "$build/wish" "$build/configured"; then
		KCONFIG_ALLCONFIG=$build/wish "${DEBUG_MAKE[@]}" allnoconfig >/dev/null
		config_is_whole "tests/debug ($1)" "$build/.config" <"$build/wish"
		cp "$build/wish" "$build/configured"
	fi
	step "building kernel $1" "${DEBUG_MAKE[@]}" -j"$(nproc)" bzImage modules || die "kernel $1 does not build"
	KREL=$("${DEBUG_MAKE[@]}" kernelrelease)
	KROOT=$CACHE/kernel-$KREL
	debug_kernel_install "$1" "$build"
}

debug_kernel_install() {
	rm -rf "$KROOT"
	mkdir -p "$KROOT/boot"
	cp "$2/arch/x86/boot/bzImage" "$KROOT/boot/vmlinuz-$KREL"
	step "installing modules of $1" "${DEBUG_MAKE[@]}" "INSTALL_MOD_PATH=$KROOT" DEPMOD=true modules_install
	depmod -b "$KROOT" "$KREL"
	echo "$KREL" >"$CACHE/kernel-$1.release"
	kernel_stamp "$1" >"$KROOT/.stamp"
}

# debug_series_tree VERSION: set KSRC to a tree with the series in which only changed files have a new date for make.
debug_series_tree() {
	. "$REPO/scripts/lib/series.sh"
	# shellcheck disable=SC2086 # a list
	need_packages $PACKAGES_SERIES
	make_tempdir DIR
	series_apply "$1"
	series_tree "$1"
	series_bring HEAD
	KSRC=$TREE
}
