# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# tests.sh - the table of all tests, for scripts/check
#
# Source this after uml.sh. The caller sets KERNELS, SELECTION and LONG before choose_tests.
#   read_tests			read the headers of all tests, in one pass to avoid a process per file and field
#   read_times			read the expected times
#   field KIND/NAME FIELD [DEFAULT]	set REPLY to the value of a header
#   expected KERNEL KIND/NAME	set REPLY to the expected seconds on a kernel
#   choose_tests		set HOST_TESTS, KUNIT_SUITES and KUNIT_KERNELS, and GUEST_TESTS and HARNESS_TESTS by kernel
#   refuse_unknown_names	die if a word of SELECTION is neither a test nor a group nor a kind
#   list_tests			print all tests
#   list_long			print the stored results of long tests, and whether they are older than the code
#   show_times FILE		print how long each test of a run took
# KIND is guest, host, harness or kunit. We return values in REPLY to avoid a subshell per test.

TESTS=$REPO/tests
# The suites are built for these kernels.
ALL_KUNIT_KERNELS="7.3 6.12"
# Expected times: kernel, kind, name, seconds, and how many of these the test only waited.
TIMES=$TESTS/results/times.tsv
LONG_RESULTS=$TESTS/results/long.txt
# Without a "# covers:" line, a test covers these files.
PRODUCT="dm-rq.c dm-rq.h dm-mpath-rq.c dm-path-selector.c dm-io-timeout.c Kbuild include mpath ps iot"

declare -A FIELDS=() NAMES=() SECONDS_OF=() GUEST_TESTS=() HARNESS_TESTS=()

read_tests() {
	local kind file files line key
	for kind in guest host harness; do
		NAMES[$kind]=''
		for file in "$TESTS/$kind"/*; do
			if [ -f "$file" ] && [ -x "$file" ]; then
				NAMES[$kind]+=" ${file##*/}"
				files+=" $kind/${file##*/}"
			fi
		done
	done
	# The headers are in the comment at the top of the file. If a field is named twice, then its first line counts.
	# shellcheck disable=SC2086 # a list
	mapfile -t files < <(cd "$TESTS" && awk '
		/^# [a-z]+: / {
			field = substr($2, 1, length($2) - 1)
			sub(/^# [a-z]+: +/, "")
			print FILENAME " " field " " $0
			next
		}
		!/^#/ { nextfile }' $files)
	for line in "${files[@]}"; do
		key=${line%% *} line=${line#* }
		: "${FIELDS[$key ${line%% *}]=${line#* }}"
	done
	NAMES[kunit]=''
	while read -r key line; do
		NAMES[kunit]+=" $key"
		FIELDS[kunit/$key desc]=$line
	done < <(uml_suites)
}

field() { REPLY=${FIELDS[$1 $2]:-${3:-}}; }

read_times() {
	local kernel kind name seconds
	[ -e "$TIMES" ] || return 0
	while read -r kernel kind name seconds _; do
		[[ $kernel == '#'* ]] || SECONDS_OF[$kernel $kind/$name]=$seconds
	done <"$TIMES"
}

# A debug kernel makes everything about five times as slow.
slowness() { [[ $1 == *-k?san ]] && echo 5 || echo 1; }

expected() {
	REPLY=${SECONDS_OF[$1 $2]:-}
	[ -z "$REPLY" ] || return 0
	field "$2" takes "${SECONDS_OF[6.12 $2]:-10}"
	[[ $1 != *-k?san ]] || REPLY=$((REPLY * 5))
}

### Choosing

# wanted KIND NAME [GROUP...]: succeed if SELECTION is empty or contains one of these words
wanted() {
	local word
	[ ${#SELECTION[@]} -gt 0 ] || return 0
	for word in "${SELECTION[@]}"; do
		[[ " $* " != *" $word "* ]] || return 0
	done
	return 1
}

# left_out KIND/NAME KERNEL|KIND: succeed if only --long runs the test there, and SELECTION has neither its name nor its
# group
left_out() {
	local word group
	[ -z "$LONG" ] || return 1
	field "$1" long
	[[ " $REPLY " == *" ${2%-*} "* ]] || return 1
	field "$1" group
	group=$REPLY
	for word in ${SELECTION[@]+"${SELECTION[@]}"}; do
		case $word in
		"${1#*/}" | "${group:-${1#*/}}") return 1 ;;
		esac
	done
}

# runs_on NAME KERNEL: succeed if the guest test is wanted and can run on this kernel. We only build for -cloud, because it
# lacks 9p, by which a guest reads the host's files.
runs_on() {
	local key=guest/$1 group
	[[ $2 != *-cloud ]] || return 1
	field "$key" kernels '7.3 6.12 6.1'
	[[ " $REPLY " == *" ${2%-*} "* ]] || return 1
	field "$key" not
	[[ " $REPLY " != *" ${2#*-} "* ]] || return 1
	field "$key" group
	group=$REPLY
	# We test the series also in a guest with the modules built in.
	[[ "$group $2" != "functional "*-builtin ]] || group+=" series"
	# shellcheck disable=SC2086 # a list
	wanted guest "$1" $group && ! left_out "$key" "$2"
}

choose_tests() {
	local kernel name plain=''
	HOST_TESTS=() KUNIT_SUITES=() KUNIT_KERNELS=''
	for kernel in "${KERNELS[@]}"; do
		[[ " $ALL_KERNELS " != *" $kernel "* ]] || plain=yes
		GUEST_TESTS[$kernel]='' HARNESS_TESTS[$kernel]=''
		for name in ${NAMES[guest]}; do
			! runs_on "$name" "$kernel" || GUEST_TESTS[$kernel]+=" $name"
		done
		for name in ${NAMES[harness]}; do
			field "harness/$name" kernel 6.12
			[ "$REPLY" != "$kernel" ] || ! wanted harness "$name" || HARNESS_TESTS[$kernel]+=" $name"
		done
		[[ " $ALL_KUNIT_KERNELS " == *" $kernel "* ]] || continue
		KUNIT_KERNELS+=" $kernel"
	done
	for name in ${NAMES[kunit]}; do
		! wanted kunit "$name" || KUNIT_SUITES+=("$name")
	done
	[ -n "$plain" ] || return 0
	for name in ${NAMES[host]}; do
		field "host/$name" group
		! wanted host "$name" "$REPLY" || left_out "host/$name" host || HOST_TESTS+=("$name")
	done
}

refuse_unknown_names() {
	local word key
	for word in ${SELECTION[@]+"${SELECTION[@]}"}; do
		case $word in
		build | guest | host | kunit | harness | build-[67].*) continue ;;
		esac
		for key in "${!FIELDS[@]}"; do
			case $key:${FIELDS[$key]} in
			*"/$word desc:"* | *" group:$word") continue 2 ;;
			esac
		done
		die "no test, group or kind '$word' (see scripts/check --list)"
	done
}

### Showing

list_tests() {
	local kernel kind name desc text long
	for kernel in "${KERNELS[@]}"; do
		printf '%-32s build    the modules build for %s without a warning\n' "build-$kernel" "$kernel"
	done
	for kind in guest host harness kunit; do
		for name in ${NAMES[$kind]}; do
			field "$kind/$name" desc
			desc=$REPLY text=''
			field "$kind/$name" long
			long=$REPLY
			case $kind in
			guest)
				field "guest/$name" kernels '7.3 6.12 6.1'
				text=" ($REPLY${long:+; $long with --long})"
				;;
			host) text=${long:+ (with --long)} ;;
			harness)
				field "harness/$name" kernel
				text=${REPLY:+ ($REPLY)}
				;;
			esac
			printf '%-32s %-8s %s%s\n' "$name" "$kind" "$desc" "$text"
		done
	done
}

# Set REPLY to the names of long tests, as in "mpath-stress (6.12 6.1), ...".
names_of_long() {
	local kind name text=''
	for kind in guest host; do
		for name in ${NAMES[$kind]}; do
			field "$kind/$name" long
			[ -z "$REPLY" ] || text+="${text:+, }$name ($REPLY)"
		done
	done
	REPLY=$text
}

# If a covered file has changed since the commit of a stored result, then the result is old.
list_long() {
	local name kernel line commit
	while read -r line; do
		name=${line%% *} line=${line#* }
		kernel=${line%%: *} line=${line#*: }
		commit=${line##* }
		[ -n "${FIELDS[guest/$name desc]:-}" ] || continue
		field "guest/$name" covers "$PRODUCT"
		printf '%-20s %-22s %s, at %s: %s\n' "$name" "$kernel" "${line%%;*}" "$commit" \
			"$(age_of "${commit%-dirty}" "$REPLY")"
	done < <(grep $'^[^\t]' "$LONG_RESULTS")
}

# age_of COMMIT FILES: print whether FILES have changed since COMMIT
age_of() {
	if ! git -C "$REPO" cat-file -e "$1^{commit}" 2>/dev/null; then
		echo "taken at a commit that this clone does not have"
		return
	fi
	# shellcheck disable=SC2086 # a list
	if git -C "$REPO" diff --quiet "$1" HEAD -- $2; then
		echo "up to date"
	else
		echo "older than the code"
	fi
}

show_times() {
	[ -e "$1" ] || die "no times yet: they are from the last run of scripts/check in this clone"
	printf '%8s %8s  %-22s %-8s %s\n' seconds waiting kernel kind test
	sort -t $'\t' -k 4,4nr -k 1,3 "$1" | awk -F '\t' '
		{
			printf "%8d %8s  %-22s %-8s %s\n", $4, $5, $1, $2, $3
			if ($2 == "run") next
			if (!($1 in sum)) order[++n] = $1
			sum[$1] += $4
			waited[$1] += $5
			count[$1]++
		}
		END {
			print ""
			for (i = 1; i <= n; i++)
				printf "%8d %8d  %-22s in all, %d entries\n", sum[order[i]], waited[order[i]], order[i], count[order[i]]
		}'
}
