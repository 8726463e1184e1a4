# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # conditions for wait_for, commands for try; words
#
# fuzz.sh - sourced by guest tests after base.sh and paths.sh: a whole test. It first replays the cases stored in
# tests/tables/fuzzed, then sends CASES generated tables and messages (tests/fuzz/fuzz.c) to the target.
# If SHOW is set, we print the cases that got a new answer, so that they can be stored. From the environment: SEED;
# COUNT for another number of cases.

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

# To save time we keep the messages of refused tables off the console, and prevent the kernel from running modprobe: the
# generated names do not belong to any module.
console=$(cut -f 1 /proc/sys/kernel/printk)
modprobe=$(cat /proc/sys/kernel/modprobe)
on_exit 'echo "$console" >/proc/sys/kernel/printk; echo "$modprobe" >/proc/sys/kernel/modprobe'
echo 1 >/proc/sys/kernel/printk
echo >/proc/sys/kernel/modprobe

# There are more messages than the kernel's log keeps, so the program reads the log while it grows. We put the mark
# back at the end, for run-in-guest.
mark=$(dmesg | sed -n "s/.*\(dmrq-mark: test $NAME .*\)/\1/p" | tail -n 1)

# memory: print the KiB of unreclaimable slabs, and of percpu areas
memory() { awk '/^SUnreclaim|^Percpu/ { print $2 }' /proc/meminfo | xargs; }

# places: print "MODULE N of M" for each of our modules: the cases reached N of its M basic blocks. M also counts the
# blocks that only run for I/O, in timers or in works, where coverage is not recorded.
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

# uses: print the reference counts of the modules used by tables
uses() { cat /sys/module/dm_mpath_rq/refcnt /sys/module/dm_ps_*/refcnt | xargs; }

before_uses=$(uses)
"$FUZZ" -r "$TESTS/tables/fuzzed" $devices >"$WORK/replay" 2>&1
status=$?
sed 's/^/#   /' "$WORK/replay"
same "each stored case gets its stored answer" 0 $status
before=$(memory)
began=$(now_ms)
"$FUZZ" -n "$CASES" -s "$SEED" -o "$WORK/corpus" -p "$WORK/places" $devices >"$WORK/fuzz" 2>&1
status=$?
took=$(($(now_ms) - began))
sed 's/^/#   /' "$WORK/fuzz"
same "generated cases: no violation found" 0 $status
note "$((CASES * 1000 / (took + 1))) cases a second"
[ -z "${SHOW:-}" ] || sed 's/^/# corpus: /' "$WORK/corpus"
if [ -n "$KCOV" ]; then
	note "code: $(places | xargs)"
	try "the cases reached our code" [ "$(wc -l <"$WORK/places")" -gt 1000 ]
fi
try "there are many different answers" [ "$(wc -l <"$WORK/corpus")" -ge 50 ]
echo "$mark" >/dev/kmsg
same "our modules hold no memory" "" "$(our_allocations)"
same "no module reference is left" "$before_uses" "$(uses)"
after=$(memory)
note "slabs and percpu in KiB, before and after: $before, $after"
# Caches that dm core and others keep for the next map do not grow with the number of cases.
grown=$(echo "$before $after" | awk '{ print $3 - $1 > 8192 || $4 - $2 > 4096 ? "grown" : "" }')
same "slabs and percpu areas have not grown" "" "$grown"

finish
