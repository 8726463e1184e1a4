# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# uml.sh - build user-mode Linux and run KUnit suites in it. Sourced after kernel.sh.
# The kernel has tests/.kunitconfig. This repository is drivers/md/dm-mpath-rq/ there, and all of our code is built in.
#   uml_setup VERSION		sets UML_VERSION, UML_TREE, UML_BUILD and UML_COVERAGE, the directories of this kernel in the
#				cache, for all other functions; unpacks the source
#   uml_is_built VERSION		true if the next build only takes seconds
#   uml_build PROGRAM MAKE-ARGUMENT...	builds the kernel and copies it to PROGRAM
#   uml_build_coverage PROGRAM	builds a kernel that counts how often each line of drivers/md runs. The counts are written
#				beside the objects, in $UML_COVERAGE
#   uml_run PROGRAM SUITES LIMIT LOG	runs the suites of this name or pattern, and writes the kernel log to LOG;
#				succeeds if the kernel shuts down within LIMIT seconds
#   uml_suites [DIRECTORY]	prints a line `NAME TEXT` for each suite in the head of a tests/kunit/*_kunit.c there
#   uml_suite_passes PROGRAM SUITE LIMIT LOG	runs one suite; succeeds if the kernel shuts down, the log is clean and the
#				suite is `ok`, and otherwise prints the reason
# All builds share one tree and its objects in the cache to avoid compiling unchanged files.

UML_MAKE=(make -s ARCH=um CC=gcc-12 HOSTCC=gcc-12)

uml_setup() {
	source_setup "$1"
	uml_directories "$1"
}

uml_directories() {
	UML_VERSION=$1
	UML_TREE=$CACHE/uml-$1/tree
	UML_BUILD=$CACHE/uml-$1/build
	UML_COVERAGE=$CACHE/uml-$1/coverage
}

uml_is_built() {
	uml_directories "$1"
	[ -x "$UML_BUILD/linux" ] && uml_has_tree
}

uml_build() { with_lock "uml-$UML_VERSION" uml_build_locked "$@"; }

# with_lock runs this in a subshell.
uml_build_locked() {
	local program=$1
	shift
	uml_has_tree || uml_make_tree
	uml_can_count
	uml_copy_sources
	mkdir -p "$UML_BUILD"
	if ! cmp -s "$REPO/tests/.kunitconfig" "$UML_BUILD/.kunitconfig"; then
		cp "$REPO/tests/.kunitconfig" "$UML_BUILD/.config"
	fi
	"${UML_MAKE[@]}" -C "$UML_TREE" O="$UML_BUILD" olddefconfig >/dev/null
	grep -E '^(# )?CONFIG_' "$REPO/tests/.kunitconfig" | config_is_whole tests/.kunitconfig "$UML_BUILD/.config"
	cp "$REPO/tests/.kunitconfig" "$UML_BUILD/.kunitconfig"
	"${UML_MAKE[@]}" -j"$(nproc)" -C "$UML_TREE" O="$UML_BUILD" "$@" linux
	mkdir -p "${program%/*}"
	cp "$UML_BUILD/linux" "$program.new"
	mv "$program.new" "$program"
}

uml_build_coverage() { with_lock "uml-$UML_VERSION" uml_build_coverage_locked "$1"; }

# We start with a copy of the other build to avoid compiling more than drivers/md.
uml_build_coverage_locked() {
	uml_build_locked "$1"
	if ! cmp -s "$UML_BUILD/.config" "$UML_COVERAGE/.config"; then
		need_space "$CACHE" 700
		rm -rf "$UML_COVERAGE"
		cp -a "$UML_BUILD" "$UML_COVERAGE.new"
		mv "$UML_COVERAGE.new" "$UML_COVERAGE"
	fi
	find "$UML_COVERAGE" -name '*.gcda' -delete
	"${UML_MAKE[@]}" -j"$(nproc)" -C "$UML_TREE" O="$UML_COVERAGE" COVERAGE=y linux
	cp "$UML_COVERAGE/linux" "$1.new"
	mv "$1.new" "$1"
}

# CONFIG_GCOV would count in the whole kernel, which then is several times slower, so we link libgcov instead. For that,
# the linker has to allow a second mangle_path(), and the linker script has to keep destructors with a priority, because
# libgcov writes its files from one.
uml_can_count() {
	# shellcheck disable=SC2016 # make's
	grep -q COVERAGE "$UML_TREE/drivers/md/Makefile" ||
		sed -i '1a subdir-ccflags-$(COVERAGE) += --coverage' "$UML_TREE/drivers/md/Makefile"
	# shellcheck disable=SC2016 # make's
	grep -q COVERAGE "$UML_TREE/arch/um/Makefile" ||
		sed -i 's/^LINK_WRAPS = .*/& $(if $(COVERAGE),--coverage -Wl$(comma)-z$(comma)muldefs)/' "$UML_TREE/arch/um/Makefile"
	grep -qF '.fini_array.*' "$UML_TREE/arch/um/include/asm/common.lds.S" ||
		sed -i 's/\*(\.fini_array)/*(.fini_array.*) &/' "$UML_TREE/arch/um/include/asm/common.lds.S"
}

uml_has_tree() { [ "$(cat "$UML_TREE/.stamp-uml" 2>/dev/null)" = "$UML_TREE" ]; }

# The tree consists of hard links to the source. sed -i replaces a file, so that the source does not change.
uml_make_tree() {
	local md=$UML_TREE/drivers/md
	need_space "$CACHE" 700
	rm -rf "$UML_TREE" "$UML_BUILD"
	mkdir -p "${UML_TREE%/*}"
	cp -al "$KSRC" "$UML_TREE"
	# shellcheck disable=SC2016 # make's
	sed -i '$a obj-$(CONFIG_BLK_DEV_DM) += dm-mpath-rq/' "$md/Makefile"
	sed -i 's|^source "drivers/md/dm-vdo/Kconfig"|&\nsource "drivers/md/dm-mpath-rq/Kconfig"|' "$md/Kconfig"
	printf '%s\n' "$UML_TREE" >"$UML_TREE/.stamp-uml"
}

in_tree_files() {
	cd "$REPO" || exit
	find . -maxdepth 1 \( -name '*.[ch]' -o -name Kbuild -o -name Kconfig \) -type f
	find ./include ./mpath ./ps ./iot -name '*.[ch]' -type f
	find ./tests/kunit -name '*_kunit.[ch]' -type f
}

# If a file has not changed, then we keep the copy with its date to prevent make from compiling the file again.
uml_copy_sources() {
	local dir=$UML_TREE/drivers/md/dm-mpath-rq file
	mkdir -p "$dir"
	while IFS= read -r file; do
		rm -f "$dir/$file"
	done < <(comm -13 <(in_tree_files | sort) <(cd "$dir" && find . -type f | sort))
	while IFS= read -r file; do
		cmp -s "$REPO/$file" "$dir/$file" || install -D -m 644 "$REPO/$file" "$dir/$file"
	done < <(in_tree_files)
}

# With time-travel=inf-cpu, the clock stands still while the kernel computes, and jumps to the next timer when it is
# idle. A wait of 30 s thus takes no time, and measured times do not depend on the load of the host.
uml_run() {
	local status=0
	timeout --foreground -k 5 "$3" "$1" mem=256M time-travel=inf-cpu console=tty \
		"kunit.filter_glob=$2" kunit_shutdown=halt ${SEED:+"dm_io_timeout_kunit.seed=$SEED"} \
		</dev/null >"$4" 2>&1 || status=$?
	return $status
}

uml_suites() { sed -nE 's/^ \* suite: ([a-z0-9_]+)[[:space:]]+(.*)$/\1 \2/p' "${1:-$REPO}"/tests/kunit/*_kunit.c; }

uml_suite_passes() {
	local log=$4 dirt
	if ! uml_run "$@"; then
		echo "$2: the kernel crashed, or took more than $3 s; the end of $log:"
		tail -n 20 "$log" | tr -cd '[:print:]\n' | sed 's/^/| /'
		return 1
	fi
	if ! dirt=$(awk -v bad="$(<"$REPO/scripts/lib/log-pattern")" -f "$REPO/scripts/lib/scan-log.awk" "$log"); then
		printf '%s\n' "$2: the kernel log is not clean, see $log" "$dirt" | sed '2,$s/^/kernel: /'
		return 1
	fi
	grep -q "^ok 1 $2\$" "$log"
}
