# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # conditions for wait_for, commands for try; words
#
# fuzz.sh - sourced by guest tests after base.sh and paths.sh: a whole test, of CASES generated tables and
# messages (tests/fuzz/fuzz.c), after those that are kept in tests/tables/fuzzed.
# With SHOW set, those that got an answer which was new are printed, to be kept. From the environment: SEED; COUNT
# for another number of cases.

seed
CASES=${COUNT:-$CASES}
FUZZ=$MODDIR/tests/fuzz/fuzz
KCOV=''
[ ! -e /sys/kernel/debug/kcov ] || KCOV=yes
plan "$([ -z "$KCOV" ] && echo 6 || echo 7)"
note "SEED=$SEED, $CASES cases"
[ -x "$FUZZ" ] || bail "the program is not built"
load_modules
on_exit 'unload_modules || broken'
rqt_start paths=3
on_exit 'dmsetup remove fuzz-rq fuzz-bio 2>/dev/null'
devices="$(rqt_devt 0) $(rqt_devt 1) $(rqt_devt 2)"

# What a refused table says is not for the console, and nothing has to be asked of modprobe: there is no
# module of such names.
console=$(cut -f 1 /proc/sys/kernel/printk)
modprobe=$(cat /proc/sys/kernel/modprobe)
on_exit 'echo "$console" >/proc/sys/kernel/printk; echo "$modprobe" >/proc/sys/kernel/modprobe'
echo 1 >/proc/sys/kernel/printk
echo >/proc/sys/kernel/modprobe

# The program reads the log as it comes: there is more than the kernel keeps. This is for who reads it afterwards.
mark=$(dmesg | sed -n "s/.*\(dmrq-mark: test $NAME .*\)/\1/p" | tail -n 1)

# memory: KiB of slabs that cannot be reclaimed, and of percpu areas
memory() { awk '/^SUnreclaim|^Percpu/ { print $2 }' /proc/meminfo | xargs; }

# places: "MODULE N of M" for each of ours: basic blocks that cases came to. Those of I/O, of timers and of works are
# among the M only.
places() {
	{
		sed -n 's/^\([0-9a-f]*\) [tT] \([^\t]*\)\t\[\(.*\)\]$/\1 \3 \2/p' /proc/kallsyms
		cat "$WORK/places"
	} | LC_ALL=C sort | awk 'NF == 3 { module = $2; next } { n[module]++ } END { for (m in n) print m, n[m] }' |
		sort | while read -r module n; do
			file=$MODDIR/$(echo "$module" | tr _ -).ko
			echo "$module $n of $(objdump -r "$file" | grep -c __sanitizer_cov_trace_pc)"
		done
}

# uses: of the modules that a table takes
uses() { cat /sys/module/dm_mpath_rq/refcnt /sys/module/dm_ps_*/refcnt | xargs; }

before_uses=$(uses)
"$FUZZ" -r "$TESTS/tables/fuzzed" $devices >"$WORK/replay" 2>&1
status=$?
sed 's/^/#   /' "$WORK/replay"
same "the cases that are kept: each has its answer" 0 $status
before=$(memory)
began=$(now_ms)
"$FUZZ" -n "$CASES" -s "$SEED" -o "$WORK/corpus" -p "$WORK/places" $devices >"$WORK/fuzz" 2>&1
status=$?
took=$(($(now_ms) - began))
sed 's/^/#   /' "$WORK/fuzz"
same "generated cases: nothing found" 0 $status
note "$((CASES * 1000 / (took + 1))) cases a second"
[ -z "${SHOW:-}" ] || sed 's/^/# corpus: /' "$WORK/corpus"
if [ -n "$KCOV" ]; then
	note "code: $(places | xargs)"
	try "they came to code of ours" [ "$(wc -l <"$WORK/places")" -gt 1000 ]
fi
try "many different answers" [ "$(wc -l <"$WORK/corpus")" -ge 50 ]
echo "$mark" >/dev/kmsg
same "no memory is left of ours" "" "$(our_allocations)"
same "no module is held" "$before_uses" "$(uses)"
after=$(memory)
note "slabs and percpu in KiB, before and after: $before, $after"
# What dm core and others keep for the next map does not grow with the number of cases.
grown=$(echo "$before $after" | awk '{ print $3 - $1 > 8192 || $4 - $2 > 4096 ? "grown" : "" }')
same "memory as before" "" "$grown"

finish
