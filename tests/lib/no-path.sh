# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # conditions for wait_for, commands for try; words
#
# no-path.sh - sourced by guest tests after base.sh and paths.sh: a whole test, in MODE rq or bio. The map has two paths
# and a limit of 4 seconds. If all paths have failed for this time, waiting I/O must end with an error.

plan 22
load_modules
on_exit 'unload_modules || broken'
rqt_start paths=2
node=/dev/mapper/m
limit_of_all=/sys/module/dm_mpath_rq/parameters/queue_if_no_path_timeout_secs

start() { rm -f "$WORK/$1"; { write_block $node "$1" 105 2>/dev/null && echo ok >"$WORK/$1" || echo error >"$WORK/$1"; } & }
result() { cat "$WORK/$1" 2>/dev/null || echo waits; }
table_of() { dmsetup table m | cut -d ' ' -f 4-"$1"; }
message() { dmsetup message m 0 "$@"; }
lose_paths() {
	since=$(now_ms)
	message fail_path "$(rqt_devt 0)"
	message fail_path "$(rqt_devt 1)"
}
# in_time N: wait for write N; print its result, and whether at least 4 s had passed since $since
in_time() {
	wait_for 40 "[ \"\$(result $1)\" != waits ]"
	echo "$(result $1) $([ $(($(now_ms) - since)) -ge 4000 ] && echo "in time" || echo early)"
}
words() { echo $#; }
# reload FEATURES GROUP...: load this table with noflush
reload() {
	local features="$1"
	shift
	map_reload m $TARGET "$(words $features)" $features 0 $# $(($# > 0)) "$*"
}
expired() { ! dmsetup table m | grep -q queue_if_no_path; }

if [ "$MODE" = bio ]; then
	own="queue_mode bio no_path_timeout 4"
	also="retain_attached_hw_handler queue_mode bio"
	count=5
	if keeps_handlers; then
		also="queue_mode bio"
		count=4
	fi
else
	own="no_path_timeout 4"
	also=''
	count=2
fi
say="${also:+$also }no_path_timeout 4"
mpath m "queue_if_no_path $own" "$(group round-robin 0)" "$(group round-robin 1)"
same "the table shows the limit" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"

mark_log limit
lose_paths
start 1
same "a waiting write fails at the limit" "error in time" "$(in_time 1)"
try "the log says so" sh -c 'echo "$1" | grep -q ": no usable path within the time limit: failing queued I/O"' - "$(log_since limit)"
same "the table no longer shows queue_if_no_path" "$count $say" "$(table_of $((4 + count)))"
start 2
try "the next write fails at once" wait_for 10 '[ "$(result 2)" = error ]'

# After a suspend and a resume, I/O still does not wait. After a path has come back, it does.
dmsetup suspend m
dmsetup resume m
same "queueing stays off after a suspend and a resume" "$count $say" "$(table_of $((4 + count)))"
reinstate m 0
same "a path that comes back turns queueing on" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"
try "it carries I/O" write_block $node 3
lose_paths
start 4
same "if the path fails again, writes wait up to the limit" "error in time" "$(in_time 4)"
reinstate m 0
lose_paths
sleep 1
reinstate m 1
lose_paths
start 5
same "the limit counts from the failure of the last path" "error in time" "$(in_time 5)"
message fail_if_no_path
reinstate m 0
same "after fail_if_no_path a reinstated path does not turn queueing on" "$count $say" "$(table_of $((4 + count)))"

lose_paths
since=$(now_ms)
message queue_if_no_path
start 6
same "queue_if_no_path starts the time limit" "error in time" "$(in_time 6)"
message queue_if_no_path
dmsetup suspend --noflush --nolockfs m
sleep 5
start 8
since=$(now_ms)
dmsetup resume m
same "the limit does not run during a suspend, and starts anew with the resume" "error in time" "$(in_time 8)"

since=$(now_ms)
reload "queue_if_no_path $own"
start 9
same "a map without paths has the same limit" "error in time" "$(in_time 9)"

# A flushing suspend waits for this write. Meanwhile the path is reinstated, and then fails again.
reload "queue_if_no_path $own" "$(group round-robin 0)" "$(group round-robin 1)"
rqt 0 hold 1
start 10
wait_for 10 '[ "$(rqt_stat 0 held)" = 1 ]'
lose_paths
wait_for 20 expired
timeout 60 dmsetup suspend --nolockfs m &
suspend=$!
sleep 0.5
reinstate m 0
rqt 0 hold "0 transport"
try "a reinstated path does not delay a suspend" wait $suspend
try "the suspend ends the waiting write with an error" wait_for 10 '[ "$(result 10)" = error ]'
dmsetup resume m
same "queueing is on after the resume" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"
rqt_reset

### The limit of all maps

echo 4 >$limit_of_all
reload "queue_if_no_path ${own%no_path*}" "$(group round-robin 0)" "$(group round-robin 1)"
lose_paths
start 11
same "the module parameter limits a map without a limit of its own" "error in time" "$(in_time 11)"
reinstate m 0
same "a reinstated path does not turn queueing on again" "$((count - 2))${also:+ $also}" "$(table_of $((2 + count)))"
lose_paths
since=$(now_ms)
message queue_if_no_path
start 12
same "queue_if_no_path turns it on, and starts the time limit" "error in time" "$(in_time 12)"
reload "queue_if_no_path ${own%?}60" "$(group round-robin 0)"
lose_paths 2>/dev/null
start 13
sleep 6
same "a map's own limit overrides the parameter" waits "$(result 13)"
echo 0 >$limit_of_all
message fail_if_no_path
try "fail_if_no_path does not wait for the limit" wait_for 10 '[ "$(result 13)" = error ]'
map_remove m

finish
