# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# base.sh - basics of the tests that run in a guest. They source it under `set -u` and without `set -e`; the shell is dash.
#
# Results are KTAP, printed by the kernel's own ktap_helpers.sh. A test is
#	. "$TESTS/lib/base.sh"; plan N; ...N results...; finish
# From the environment: MODDIR (the built modules), KTAP_HELPERS, TESTS, DM_RQ_LOG_PATTERN, DM_RQ_LIB; SLOW, how many
# times slower this kernel is than Debian's (1); BUILTIN, set if the modules under test are built in.
# WORK is the test's own directory. on_exit 'COMMAND' adds a clean-up; the last one added runs first.

set -u
# shellcheck source=/dev/null
. "$KTAP_HELPERS"

NAME=${0##*/}
SLOW=${SLOW:-1}
OUR_MODULES="dm-ps-service-time dm-ps-round-robin dm-ps-queue-length dm-ps-io-affinity dm-ps-historical-service-time
	dm-ps-completion-time dm-mpath-rq dm-path-selector dm-rq dm-io-timeout"
WORK=$(mktemp -d "/run/dmrq/$NAME.XXXXXX")
# shellcheck disable=SC2089,SC2090,SC2016 # evaluated at exit
EXIT_COMMANDS='rm -rf "$WORK"'
BROKEN=''
LOADED_MS=0
# If a test cannot clean up after itself, then it fails, even if all its results are ok.
# shellcheck disable=SC2090
trap 'STATUS=$?; eval "$EXIT_COMMANDS"; [ -z "$BROKEN" ] || exit 1; exit "$STATUS"' EXIT
trap 'exit 143' TERM

broken() { BROKEN=yes; }
on_exit() { EXIT_COMMANDS="$1; $EXIT_COMMANDS"; }

### Results

plan() {
	ktap_print_header
	ktap_set_plan "$1"
}

note() { printf '# %s\n' "$*"; }
pass() { ktap_test_pass "$*"; }
fail() { ktap_test_fail "$*"; }

# skip DESCRIPTION REASON: one result that is skipped
skip() {
	__ktap_test ok "$1" "SKIP $2"
	KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
}

# skip_all REASON: print this instead of a plan, and end the test
skip_all() {
	ktap_print_header
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# try DESCRIPTION COMMAND...: one result, from COMMAND's exit status. If it fails, then its output is shown. A command that
# may call bail must not run in here, because its message would not reach the runner.
try() {
	local description="$1"
	shift
	if "$@" >"$WORK/try.out" 2>&1; then
		pass "$description"
	else
		note "exit $? of: $*"
		sed 's/^/#   /' "$WORK/try.out"
		fail "$description"
	fi
}

# same DESCRIPTION WANTED GOT: one result; ok if both texts are equal
same() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		note "wanted: $(printf %s "$2" | head -n 5)"
		note "got:    $(printf %s "$3" | head -n 5)"
		fail "$1"
	fi
}

# bail MESSAGE: end the test here, as failed
bail() {
	echo "Bail out! $*"
	exit "$KSFT_FAIL"
}

finish() {
	ktap_print_totals
	[ "$KTAP_CNT_FAIL" -eq 0 ] && [ $((KTAP_TESTNO - 1)) -eq "$KSFT_NUM_TESTS" ] || exit "$KSFT_FAIL"
	exit "$KSFT_PASS"
}

### The kernel log

mark_log() { echo "dmrq-mark: $NAME $1" >/dev/kmsg; }

# log_since MARK: print the kernel messages since mark_log MARK
log_since() {
	dmesg | awk -v mark="dmrq-mark: $NAME $1" '
		substr($0, length($0) - length(mark) + 1) == mark { seen = 1; text = ""; next }
		!/dmrq-(mark|expect): / { text = text $0 "\n" }
		END { printf "%s", text; exit !seen }'
}

# expect_log ERE: allow messages that match, although they look bad, until the next mark_log
expect_log() { echo "dmrq-expect: $1" >/dev/kmsg; }

# expect_circle ERE...: allow one lockdep report of a circular dependency between the kernel's own locks; the report must
# have a line for each ERE. Lockdep is off after a report. Call this before expect_log, because it marks the log.
expect_circle() {
	[ -e /proc/lockdep ] || return 0
	mark_log circle
	expect_log 'possible circular locking dependency|Call Trace:|lockdep_hardirqs_on'
	printf '%s\n' "$@" >"$WORK/circle"
	on_exit 'circle_expected || broken'
}

# Succeed if lockdep has reported no circular dependency, or only the expected one.
circle_expected() {
	local line
	log_since circle >"$WORK/log.circle"
	grep -q 'possible circular' "$WORK/log.circle" || return 0
	while read -r line; do
		grep -q -e "$line" "$WORK/log.circle" || return 1
	done <"$WORK/circle"
}

### Waiting

# Set NOW to the milliseconds since boot. The shell reads the file itself, because under emulation starting a program takes
# 20 to 100 ms.
read_now() {
	local up
	read -r up _ </proc/uptime
	# We prepend a 1 and subtract 100 to avoid 08, which the shell rejects as octal.
	NOW=$((${up%.*} * 1000 + (1${up#*.} - 100) * 10))
}
now_ms() { read_now; echo $NOW; }

# wait_for SECONDS 'CONDITION': wait until CONDITION is true. SECONDS is enough on a quiet machine; we allow six times as
# long for a busy one, and SLOW times as long again for a slow kernel.
wait_for() {
	local until
	read_now
	until=$((NOW + $1 * 6000 * SLOW))
	while ! eval "$2"; do
		read_now
		if [ $NOW -gt $until ]; then
			note "not within $(($1 * 6 * SLOW)) s: $2"
			return 1
		fi
		busybox sleep 0.05
	done
}

### Random numbers, repeatable for the same SEED

# seed: start from SEED of the environment, or from a random one
seed() {
	SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
	CHANCE=$SEED
}

# next N: set NEXT to a number below N
next() {
	CHANCE=$(((CHANCE * 1103515245 + 12345) % 2147483648))
	NEXT=$((CHANCE / 65536 % $1))
}

# one_of WORD...: set CHOICE to one of the words
# shellcheck disable=SC2034 # used by the tests
one_of() {
	next $#
	shift "$NEXT"
	CHOICE=$1
}

### The modules under test

# module_loaded NAME: the shell itself replaces each - by _, to avoid starting tr
module_loaded() {
	local IFS=-
	# shellcheck disable=SC2086 # split at -
	set -- $1
	IFS=_
	[ -e "/sys/module/$*" ]
}

# load_modules [--if-built]: load our modules. If one is missing, then bail out, or with --if-built only note it.
# shellcheck disable=SC2120 # the argument is optional
load_modules() {
	local module optional="${1:-}"
	modprobe -a dm-mod scsi_mod || bail "cannot load what our modules need"
	LOADED_MS=$(now_ms)
	watch_percpu
	[ -z "${BUILTIN:-}" ] || return 0
	for module in dm-path-selector dm-rq dm-io-timeout dm-mpath-rq dm-ps-round-robin dm-ps-service-time \
		dm-ps-queue-length dm-ps-io-affinity dm-ps-historical-service-time dm-ps-completion-time; do
		if [ "$optional" = --if-built ] && [ ! -e "$MODDIR/$module.ko" ]; then
			note "$module is not built"
		elif ! module_loaded "$module"; then
			insmod "$MODDIR/$module.ko" || bail "cannot load $module"
		fi
	done
}

# few_modules [FILE...]: let modprobe find FILE..., and from the kernel's own modules only those that device-mapper needs.
# This avoids minutes of depmod, which would read all modules under emulation.
# shellcheck disable=SC2120 # optional
few_modules() {
	local lib file
	lib=/lib/modules/$(uname -r)
	mkdir "$WORK/few"
	cp "$lib/modules.order" "$lib/modules.builtin" "$lib/modules.builtin.modinfo" "$WORK/few"
	for file in $(modprobe -a -D dm-service-time scsi_mod | awk '$1 == "insmod" { print $2 }'); do
		mkdir -p "$WORK/few/$(dirname "${file#"$lib"/}")"
		cp "$file" "$WORK/few/${file#"$lib"/}"
	done
	[ $# -eq 0 ] || { mkdir "$WORK/few/updates" && cp "$@" "$WORK/few/updates/"; }
	mount --bind "$WORK/few" "$lib" || bail "cannot mount over $lib"
	on_exit "umount $lib"
	depmod
}

# Print the memory that our modules hold, one line per call site. There must be none after all maps are removed.
our_allocations() {
	local found=1
	! our_slabs || found=0
	! our_percpu || found=0
	return $found
}

# Our modules as stack traces name them, for awk -v.
OUR_CODE='\\[dm_(rq|mpath_rq|io_timeout|path_selector|ps_[a-z_]+)\\]'

# SLUB records the call site of each allocation, because scripts/check boots with slub_debug=U. An object older than our
# modules was allocated by code of another module that was at the same address then, such as an init section. Ages are
# in jiffies, 250 per second on Debian's kernels. dm-mpath-rq holds one client of dm-io-timeout,
# with a reserve of 64 bios.
our_slabs() {
	local oldest clients=0
	! module_loaded dm-mpath-rq || clients=1
	# Compute this before reading the ages; otherwise a slow guest would also count older objects.
	oldest=$((($(now_ms) - LOADED_MS) / 4))
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	# KASAN delays frees. If the kernel has kmemleak, then run-in-guest scans at the end instead.
	[ ! -e /sys/kernel/debug/kmemleak ] || return 1
	cat /sys/kernel/debug/slab/kmalloc-*/alloc_traces |
		awk -v oldest=$oldest -v clients=$clients -v ours="$OUR_CODE" '
			/ dm_iot_client_create\+.*\[dm_io_timeout\]/ && $1 == clients { next }
			/ alloc_reserve\+.*\[dm_io_timeout\]/ && $1 == 64 * clients { next }
			$0 ~ "^ *[0-9]+ .*" ours {
				age = $0
				sub(/.* age=/, "", age)
				if (age + 0 <= oldest) { print; found = 1 }
			}
			END { exit !found }'
}

# The kernel keeps no list of percpu allocations, so we use its trace events. Print one line per call site of ours whose
# memory was not freed; print nothing if events were lost.
PERCPU=/sys/kernel/tracing/instances/percpu
watch_percpu() {
	mkdir -p $PERCPU || bail "no trace of percpu memory"
	echo >$PERCPU/trace
	echo 1 >$PERCPU/events/percpu/enable || bail "no trace of percpu memory"
}
our_percpu() {
	! grep -q -e '^overrun: [1-9]' -e '^dropped events: [1-9]' $PERCPU/per_cpu/cpu*/stats || return 1
	awk -v ours="$OUR_CODE" '
		{
			ptr = $0
			sub(/.* ptr=/, "", ptr)
			sub(/ .*/, "", ptr)
		}
		$0 ~ " percpu_alloc_percpu: call_site=[^ ]* " ours {
			sub(/.* call_site=/, "")
			sub(/ reserved=.*/, "")
			held[ptr] = $0
		}
		/ percpu_free_percpu: / { delete held[ptr] }
		END {
			for (ptr in held)
				count[held[ptr]]++
			for (place in count) {
				print count[place] " percpu " place
				found = 1
			}
			exit !found
		}' $PERCPU/trace
}

# unload_modules: remove our modules. Fail if one stays, or leaves memory or a slab cache behind.
unload_modules() {
	local module loaded='' left=0
	if our_allocations; then
		note "that memory was not freed"
		left=1
	fi
	[ -z "${BUILTIN:-}" ] || return $left
	for module in $OUR_MODULES; do
		! module_loaded "$module" || loaded="$loaded $module"
	done
	# shellcheck disable=SC2086 # a list
	[ -z "$loaded" ] || rmmod $loaded || left=1
	if grep '^dm_rq' /proc/slabinfo; then
		note "slab caches are left"
		left=1
	fi
	return $left
}
