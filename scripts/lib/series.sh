# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# series.sh - apply the patch series to a pristine tree, and build that tree. Sourced after kernel.sh.
#   series_apply VERSION	makes the series of VERSION's source in DIR/patches and applies them by git am in DIR/tree,
#				with a sparse checkout; sets BASE, SERIES (the commits) and WIRING, the commit with
#				the changes of the tree's own Kconfig and Makefile
#   series_files COMMIT COMMIT	lists the files that differ
#   series_tree VERSION		sets KROOT, KDIR and TREE: a whole tree in the cache, which is built in KDIR
#   series_bring COMMIT [WIRING]	gives TREE the files of COMMIT in DIR/tree; if WIRING is given, Kconfig and Makefiles
#				come from there
#   series_configure LINE...	configures KDIR for user-mode Linux with tests/.kunitconfig, modules, and these lines
#   series_make ARGUMENT...	runs make there
#   series_options y|m|n	prints lines for series_configure with this value for all of our options
#   series_has_kunit		does TREE have the KUnit suites? Its KUnit may be too old for them
#   bad TEXT			reports a failure, in STATUS
#   quietly TEXT COMMAND...	runs COMMAND, which has to succeed without a message about drivers/md
# VERSION is 7.3, 6.12 or 6.1. TREE consists of hard links to the source, so never write into one of its files.

SERIES_HOME=drivers/md/dm-mpath-rq
SERIES_ADMIN=Documentation/admin-guide/device-mapper
SERIES_API=Documentation/driver-api/device-mapper

# git needs a name to sign the series off. If the machine has none, we use a name for tests.
git -C "$REPO" config user.email >/dev/null ||
	export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=test \
		GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=test@localhost

# `check kunit` already runs with these debug options, and they make the kernel slow to build.
SERIES_WITHOUT=(KASAN KASAN_OUTLINE KASAN_VMALLOC PROVE_LOCKING DEBUG_OBJECTS DEBUG_OBJECTS_FREE DEBUG_OBJECTS_TIMERS
	DEBUG_OBJECTS_WORK)

series_apply() {
	# shellcheck disable=SC2153 # the caller's
	local tree=$DIR/tree patches
	# shellcheck disable=SC2086 # a list
	need_packages $PACKAGES_PATCHES
	source_setup "$1"
	"$REPO/scripts/patches" "$KSRC" "$DIR/patches"
	BASE=$(sed -n 's/^base-commit: //p' "$DIR"/patches/0000-*)
	git clone -q --no-checkout --shared "$CACHE/series-$(make -s -C "$KSRC" kernelversion).git" "$tree"
	git -C "$tree" config user.name "$(git -C "$REPO" config user.name)"
	git -C "$tree" config user.email "$(git -C "$REPO" config user.email)"
	git -C "$tree" config advice.detachedHead false
	git -C "$tree" sparse-checkout set --cone --no-sparse-index "$SERIES_HOME" "$SERIES_ADMIN" "$SERIES_API" \
		include/linux
	git -C "$tree" checkout -q "$BASE"
	patches=("$DIR"/patches/*.patch)
	git -C "$tree" am -q --whitespace=error "${patches[@]:1}"
	WIRING=$(git -C "$tree" rev-list "$BASE..HEAD" -- drivers/md/Makefile)
	mapfile -t SERIES < <(git -C "$tree" rev-list --reverse "$BASE..HEAD")
	[ ${#SERIES[@]} = $((${#patches[@]} - 1)) ] || die "git am has made ${#SERIES[@]} commits of $((${#patches[@]} - 1)) patches"
}

series_files() { git -C "$DIR/tree" diff --name-only --no-renames "$1" "$2"; }

series_tree() {
	source_setup "$1"
	KROOT=$CACHE/kernel-series-$1
	KDIR=$KROOT/build
	TREE=$KROOT/tree
	if [ "$(cat "$KROOT/.tree" 2>/dev/null)" != "$TREE" ]; then
		need_space "$CACHE" 1500
		rm -rf "$TREE"
		mkdir -p "$KROOT"
		cp -al "$KSRC" "$TREE"
		rm -f "$TREE/.stamp"
		echo "$TREE" >"$KROOT/.tree"
	fi
	mkdir -p "$KDIR"
}

# If a file has not changed, then we leave the copy alone to prevent make from compiling the file again.
series_bring() {
	local file commit
	{
		series_files "$BASE" HEAD
		# An earlier run may have left other files.
		(cd "$TREE" && find "$SERIES_HOME" "$SERIES_API" -type f 2>/dev/null) || true
	} | sort -u | while read -r file; do
		commit=$1
		case $file in
		"$SERIES_HOME"/K* | drivers/md/Kconfig | drivers/md/Makefile) commit=${2:-$1} ;;
		esac
		if ! git -C "$DIR/tree" cat-file -e "$commit:$file" 2>/dev/null; then
			rm -f "${TREE:?}/$file"
		elif ! git -C "$DIR/tree" show "$commit:$file" | cmp -s - "$TREE/$file"; then
			rm -f "${TREE:?}/$file"
			mkdir -p "$TREE/$(dirname "$file")"
			git -C "$DIR/tree" show "$commit:$file" >"$TREE/$file"
		fi
	done
}

series_make() { make -s -C "$TREE" O="$KDIR" ARCH=um CC=gcc-12 HOSTCC=gcc-12 "-j$(nproc)" "$@"; }

# If an option has several lines, then the last one counts. Each line of the caller has to be in the result.
series_configure() {
	{
		cat "$REPO/tests/.kunitconfig"
		printf '# CONFIG_%s is not set\n' "${SERIES_WITHOUT[@]}"
		# The suites look up kernel data by name. PROVE_LOCKING, which we turn off, would select this option.
		printf '%s\n' CONFIG_MODULES=y CONFIG_MODULE_UNLOAD=y CONFIG_KALLSYMS_ALL=y "$@"
	} | config_last >"$KROOT/wish"
	if ! cmp -s "$KROOT/wish" "$KROOT/configured"; then
		cp "$KROOT/wish" "$KDIR/.config"
	fi
	series_make olddefconfig >/dev/null
	cp "$KROOT/wish" "$KROOT/configured"
	printf '%s\n' "$@" | config_is_whole "the configuration" "$KDIR/.config"
}

# A bool option with m would need its tristate to be built in, so it is off then.
series_options() {
	awk -v value="$1" '
		/^config / { name = "CONFIG_" $2 }
		/^\t(bool|tristate)/ {
			if (value == "n" || (value == "m" && $1 == "bool"))
				print "# " name " is not set"
			else
				print name "=" value
		}' "$TREE/$SERIES_HOME/Kconfig"
}

# series_built: list the commits in which the tree builds our directory
series_built() { printf '%s\n' "$WIRING"; git -C "$DIR/tree" rev-list --reverse "$WIRING..HEAD"; }

series_has_kunit() { [ -d "$DIR/tree/$SERIES_HOME/tests" ]; }

series_subject() { git -C "$DIR/tree" log -1 --format=%s "$1"; }

STATUS=0

bad() {
	echo "$*"
	# shellcheck disable=SC2034 # the exit status of the test
	STATUS=1
}

quietly() {
	local what=$1 status=0
	shift
	say "$VERSION: $what"
	"$@" >"$DIR/said" 2>&1 || status=$?
	# With W=1, make also warns about files of the architecture, which are not ours.
	if [ $status != 0 ] || grep -qE 'drivers/md/|/linux/(dm-|device-mapper)|modpost' "$DIR/said"; then
		bad "$VERSION, $what: exit status $status, or a message"
		tail -n 40 "$DIR/said"
	fi
}
