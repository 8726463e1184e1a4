# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# base.sh - sourced by the tests that run in a guest (dash, `set -u` and not `set -e`).
# Results are KTAP, by the kernel's own ktap_helpers.sh. A test is
#	. "$TESTS/lib/base.sh"; plan N; ...N results...; finish
# From the environment: MODDIR (built modules), KTAP_HELPERS, TESTS, DM_RQ_LOG_PATTERN, DM_RQ_LIB; SLOW, how much longer
# everything takes than on Debian's kernels (1); BUILTIN, set if the modules under test are built in.
# Gives WORK, a directory of its own. on_exit 'COMMAND' adds cleaning up, last added done first.

set -u
# shellcheck source=/dev/null
. "$KTAP_HELPERS"

NAME=${0##*/}
SLOW=${SLOW:-1}
OUR_MODULES="dm-ps-service-time dm-ps-round-robin dm-ps-queue-length dm-ps-io-affinity dm-ps-historical-service-time
	dm-ps-completion-time dm-mpath-rq dm-rq dm-io-timeout"
WORK=$(mktemp -d "/run/dmrq/$NAME.XXXXXX")
# shellcheck disable=SC2089,SC2090,SC2016 # evaluated at exit
EXIT_COMMANDS='rm -rf "$WORK"'
BROKEN=''
LOADED_MS=0
# A test that cannot clean up after itself has failed, whatever it found.
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

# skip DESCRIPTION REASON: one result
skip() {
	__ktap_test ok "$1" "SKIP $2"
	KTAP_CNT_SKIP=$((KTAP_CNT_SKIP + 1))
}

# skip_all REASON: instead of a plan; ends the test
skip_all() {
	ktap_print_header
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# try DESCRIPTION COMMAND...: one result from COMMAND's status; its output is shown when it fails.
# Not for commands that bail.
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

# same DESCRIPTION WANTED GOT
same() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		note "wanted: $(printf %s "$2" | head -n 5)"
		note "got:    $(printf %s "$3" | head -n 5)"
		fail "$1"
	fi
}

# Give up: no further results, the test fails.
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

# log_since MARK: what the kernel said after mark_log MARK
log_since() {
	dmesg | awk -v mark="dmrq-mark: $NAME $1" '
		substr($0, length($0) - length(mark) + 1) == mark { seen = 1; text = ""; next }
		!/dmrq-(mark|expect): / { text = text $0 "\n" }
		END { printf "%s", text; exit !seen }'
}

# expect_log ERE: a bad-looking line that this test means to provoke; until the next mark_log
expect_log() { echo "dmrq-expect: $1" >/dev/kmsg; }

# expect_circle ERE...: lockdep may report a circle of locks, which is the kernel's own: one with a line for each ERE. It
# says no more after that. Before expect_log, as this begins a stretch of the log.
expect_circle() {
	[ -e /proc/lockdep ] || return 0
	mark_log circle
	expect_log 'possible circular locking dependency|Call Trace:|lockdep_hardirqs_on'
	printf '%s\n' "$@" >"$WORK/circle"
	on_exit 'circle_expected || broken'
}

# None, or that one.
circle_expected() {
	local line
	log_since circle >"$WORK/log.circle"
	grep -q 'possible circular' "$WORK/log.circle" || return 0
	while read -r line; do
		grep -q -e "$line" "$WORK/log.circle" || return 1
	done <"$WORK/circle"
}

### Waiting

# Sets NOW, in milliseconds since the boot. The shell reads the file itself: under emulation, starting a program takes
# 20 to 100 ms.
read_now() {
	local up
	read -r up _ </proc/uptime
	# The 1 and the 100 because the shell takes 08 for a bad octal number.
	NOW=$((${up%.*} * 1000 + (1${up#*.} - 100) * 10))
}
now_ms() { read_now; echo $NOW; }

# wait_for SECONDS 'CONDITION': on a quiet machine it takes no longer; a busy one is given six times that, and a kernel
# that is SLOW more
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

### Chance, the same for the same SEED

# seed: from the environment, or any
seed() {
	SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
	CHANCE=$SEED
}

# next N: a number below N, in NEXT
next() {
	CHANCE=$(((CHANCE * 1103515245 + 12345) % 2147483648))
	NEXT=$((CHANCE / 65536 % $1))
}

# one_of WORD...: in CHOICE
# shellcheck disable=SC2034 # used by the tests
one_of() {
	next $#
	shift "$NEXT"
	CHOICE=$1
}

### The modules under test

module_loaded() { [ -e "/sys/module/$(echo "$1" | tr - _)" ]; }

# load_modules [--if-built]: bails out when one is missing; with --if-built only says so
# shellcheck disable=SC2120 # the argument is optional
load_modules() {
	local module optional="${1:-}"
	modprobe -a dm-mod scsi_mod || bail "cannot load what our modules need"
	LOADED_MS=$(now_ms)
	watch_percpu
	[ -z "${BUILTIN:-}" ] || return 0
	for module in dm-rq dm-io-timeout dm-mpath-rq dm-ps-round-robin dm-ps-service-time dm-ps-queue-length \
		dm-ps-io-affinity dm-ps-historical-service-time dm-ps-completion-time; do
		if [ "$optional" = --if-built ] && [ ! -e "$MODDIR/$module.ko" ]; then
			note "$module is not built"
		elif ! module_loaded "$module"; then
			insmod "$MODDIR/$module.ko" || bail "cannot load $module"
		fi
	done
}

# few_modules [FILE...]: modprobe finds FILE..., and of the kernel's own modules only what device-mapper needs:
# depmod reads all there are, and that takes minutes under emulation
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

# Memory that our modules hold, a line per place that allocated it. Nothing once all maps are gone.
our_allocations() {
	local found=1
	! our_slabs || found=0
	! our_percpu || found=0
	return $found
}

# As stack traces name it, for awk -v.
OUR_CODE='\\[dm_(rq|mpath_rq|io_timeout|ps_[a-z_]+)\\]'

# SLUB keeps who allocated what (check boots with slub_debug=U). What is older than our modules was allocated by
# another module's code, which was at the same address then: its init section, for one. Ages are in
# jiffies, of which Debian's kernels have 250 in a second. dm-mpath-rq has one client of dm-io-timeout.
our_slabs() {
	local oldest clients=0
	! module_loaded dm-mpath-rq || clients=1
	# Before the ages are read: a slow guest would else count what was there before.
	oldest=$((($(now_ms) - LOADED_MS) / 4))
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	# KASAN keeps what was freed for a while; with kmemleak run-in-guest looks at the end.
	[ ! -e /sys/kernel/debug/kmemleak ] || return 1
	cat /sys/kernel/debug/slab/kmalloc-*/alloc_traces |
		awk -v oldest=$oldest -v clients=$clients -v ours="$OUR_CODE" '
			/ dm_iot_client_create\+.*\[dm_io_timeout\]/ && $1 == clients { next }
			$0 ~ "^ *[0-9]+ .*" ours {
				age = $0
				sub(/.* age=/, "", age)
				if (age + 0 <= oldest) { print; found = 1 }
			}
			END { exit !found }'
}

# Of percpu memory the kernel keeps no list, but it has trace events: a line per place of ours that allocated some which
# was not freed. Nothing if events were lost.
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

# unload_modules: removes them; fails if one stays, or leaves memory or a slab cache behind
unload_modules() {
	local module left=0
	if our_allocations; then
		note "that memory was not freed"
		left=1
	fi
	[ -z "${BUILTIN:-}" ] || return $left
	for module in $OUR_MODULES; do
		module_loaded "$module" || continue
		rmmod "$module" || left=1
	done
	if grep '^dm_rq' /proc/slabinfo; then
		note "slab caches are left"
		left=1
	fi
	return $left
}
