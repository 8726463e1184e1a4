# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# series.sh - the patch series on a pristine tree, and trees that it is built in. Sourced after kernel.sh.
#   series_apply VERSION	makes the series of VERSION's source, DIR/patches, and applies it by git am in DIR/tree,
#				where only what it may change is checked out; sets BASE, SERIES (the commits)
#				and WIRING, the one from which on it is built
#   series_files COMMIT COMMIT	what changes between them
#   series_tree VERSION		sets KROOT, KDIR and TREE: a whole tree, in the cache, that is built in KDIR
#   series_bring COMMIT [WIRING]	gives TREE what COMMIT of DIR/tree has, and only that; but the wiring of WIRING
#   series_configure LINE...	KDIR's configuration: user-mode Linux with tests/.kunitconfig, modules, and these lines
#   series_make ARGUMENT...	make there
#   series_options y|m|n	lines for series_configure: all options of ours
#   bad TEXT, quietly WHAT COMMAND...	say what is wrong, in STATUS; the command has to succeed and to say nothing of drivers/md
# VERSION is 6.12 or 6.1. A tree has hard links to the source: nothing is ever written into a file of it.

SERIES_HOME=drivers/md/dm-mpath-rq
SERIES_DOCS=Documentation/admin-guide/device-mapper
PACKAGES_SERIES="git flex bison bc sparse"
export PACKAGES_SERIES

# A series is signed off; a machine that only tests it may have no name.
git -C "$REPO" config user.email >/dev/null ||
	export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=test \
		GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=test@localhost

# What makes the kernel slow to build and has been looked for by `check kunit`.
SERIES_WITHOUT=(KASAN KASAN_OUTLINE KASAN_VMALLOC PROVE_LOCKING DEBUG_OBJECTS DEBUG_OBJECTS_FREE DEBUG_OBJECTS_TIMERS
	DEBUG_OBJECTS_WORK)

series_apply() {
	# shellcheck disable=SC2153 # the caller's
	local tree=$DIR/tree patches
	source_setup "$1"
	"$REPO/scripts/patches" "$KSRC" "$DIR/patches"
	BASE=$(sed -n 's/^base-commit: //p' "$DIR"/patches/0000-*)
	git clone -q --no-checkout --shared "$CACHE/series-$(make -s -C "$KSRC" kernelversion).git" "$tree"
	git -C "$tree" config user.name "$(git -C "$REPO" config user.name)"
	git -C "$tree" config user.email "$(git -C "$REPO" config user.email)"
	git -C "$tree" config advice.detachedHead false
	git -C "$tree" sparse-checkout set --cone --no-sparse-index "$SERIES_HOME" "$SERIES_DOCS" include/linux
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

# Only what differs is touched, so that make's dates mean something.
series_bring() {
	local file commit
	{
		series_files "$BASE" HEAD
		# Of an earlier run, which may have had other files.
		(cd "$TREE" && find "$SERIES_HOME" -type f 2>/dev/null) || true
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

# The last line of an option counts. Those that are asked for here have to be in the result.
series_configure() {
	{
		cat "$REPO/tests/.kunitconfig"
		printf '# CONFIG_%s is not set\n' "${SERIES_WITHOUT[@]}"
		# Suites look for data of the kernel's by name; PROVE_LOCKING would have brought that.
		printf '%s\n' CONFIG_MODULES=y CONFIG_MODULE_UNLOAD=y CONFIG_KALLSYMS_ALL=y "$@"
	} | config_last >"$KROOT/wish"
	if ! cmp -s "$KROOT/wish" "$KROOT/configured"; then
		cp "$KROOT/wish" "$KDIR/.config"
	fi
	series_make olddefconfig >/dev/null
	cp "$KROOT/wish" "$KROOT/configured"
	# What is off may also not be there.
	printf '%s\n' "$@" | { grep -v '^#' || true; } | config_is_whole "the configuration" "$KDIR/.config"
}

# What cannot be a module is linked into one that has to be built in then.
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

# From the wiring on.
series_built() { printf '%s\n' "$WIRING"; git -C "$DIR/tree" rev-list --reverse "$WIRING..HEAD"; }

# A KUnit that the suites are for; in a tree with an older one their options build nothing.
series_has_kunit() { grep -qs KUNIT_ARRAY_PARAM_DESC "$TREE/include/kunit/test.h"; }

series_subject() { git -C "$DIR/tree" log -1 --format=%s "$1"; }

STATUS=0

bad() {
	echo "$*"
	# shellcheck disable=SC2034 # the test ends with it
	STATUS=1
}

quietly() {
	local what=$1 status=0
	shift
	say "$VERSION: $what"
	"$@" >"$DIR/said" 2>&1 || status=$?
	# W=1 is also heard by what the architecture makes first, and that is not ours.
	if [ $status != 0 ] || grep -qE 'drivers/md/|/linux/(dm-|device-mapper)|modpost' "$DIR/said"; then
		bad "$VERSION, $what: exit status $status"
		tail -n 40 "$DIR/said"
	fi
}
