# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# debug-kernel.sh - kernels of our own for guests: 6.12's source, allnoconfig, tests/debug/base.config and
# tests/debug/NAME.config. Sourced by kernel.sh.
#   6.12-kasan, 6.12-kcsan	look for trouble while tests run
#   6.12-builtin		has the patch series on it, and our modules built in
#   debug_kernel_setup VERSION	sets what kernel_setup sets. The first time it takes half an hour of two CPUs, and
#				2 GB of the cache
#   debug_kernel_is_there VERSION
# They are kept in the cache, with what they were built in.

# shellcheck disable=SC2034 # for who sources this
DEBUG_KERNELS="6.12-kasan 6.12-kcsan 6.12-builtin"

debug_kernel_setup() {
	KVER=$1
	# What is built in follows this repository: make looks at it, once for all that this script starts.
	if ! debug_kernel_is_there "$1" || { [ "$1" = 6.12-builtin ] && [ -z "${DM_RQ_BUILTIN_MADE:-}" ]; }; then
		with_lock "kernel-$1" debug_kernel_build "$1"
		[ "$1" != 6.12-builtin ] || export DM_RQ_BUILTIN_MADE=yes
	fi
	debug_kernel_is_there "$1" || die "setting up kernel $1 failed"
	KDIR=$CACHE/debug/${1#*-}
	VMLINUZ=$KROOT/boot/vmlinuz-$KREL
	export KVER KREL KROOT KDIR VMLINUZ
}

# The stamp is written last, and is about the place and the configuration.
debug_kernel_is_there() {
	KREL=$(cat "$CACHE/kernel-$1.release" 2>/dev/null) || return 1
	KROOT=$CACHE/kernel-$KREL
	[ "$(cat "$KROOT/.stamp" 2>/dev/null)" = "$(debug_stamp "$1")" ]
}

debug_stamp() { echo "$KROOT $(debug_config "$1" | cksum)"; }

# Of an option that is named twice the last line counts.
debug_config() {
	awk -F '[= ]' '
		/^# CONFIG_/ { name = $2 }
		/^CONFIG_/ { name = $1 }
		/^(# )?CONFIG_/ { if (!(name in line)) names[++n] = name; line[name] = $0 }
		END { for (i = 1; i <= n; i++) print line[names[i]] }' \
		"$REPO/tests/debug/base.config" "$REPO/tests/debug/${1#*-}.config"
}

# In a subshell, under the lock.
debug_kernel_build() {
	local build=$CACHE/debug/${1#*-}
	[ "$1" = 6.12-builtin ] || ! debug_kernel_is_there "$1" || return 0
	# shellcheck disable=SC2086 # lists
	need_packages $PACKAGES_BUILD $PACKAGES_KUNIT $PACKAGES_DEBUG kmod
	need_space "$CACHE" 3000
	source_setup 6.12
	mkdir -p "$build"
	[ "$1" != 6.12-builtin ] || debug_series_tree
	DEBUG_MAKE=(make -s -C "$KSRC" "O=$build" ARCH=x86_64 CC=gcc-12 HOSTCC=gcc-12)
	debug_config "$1" >"$build/wish"
	if ! cmp -s "$build/wish" "$build/configured"; then
		KCONFIG_ALLCONFIG=$build/wish "${DEBUG_MAKE[@]}" allnoconfig >/dev/null
		debug_config_is_whole "$1" "$build"
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
	debug_stamp "$1" >"$KROOT/.stamp"
}

# Each line of the wish must be in the configuration: an option that is gone would be dropped silently.
debug_config_is_whole() {
	local missing
	missing=$(grep -vxF -f "$2/.config" "$2/wish" || true)
	[ -z "$missing" ] || die "tests/debug asks for what kernel $1 does not give: $missing"
}

# KSRC becomes a tree with the series, of which make sees what has changed.
debug_series_tree() {
	. "$REPO/scripts/lib/series.sh"
	# shellcheck disable=SC2086 # a list
	need_packages $PACKAGES_SERIES
	make_tempdir DIR
	series_apply 6.12
	series_tree 6.12
	series_bring HEAD
	KSRC=$TREE
}
