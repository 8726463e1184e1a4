# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # conditions for wait_for, commands for try; words
#
# no-path.sh - sourced by guest tests after base.sh and paths.sh: a whole test, in MODE rq or bio.

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
# in_time N: what became of write N, and whether 4 s had passed since $since
in_time() {
	wait_for 40 "[ \"\$(result $1)\" != waits ]"
	echo "$(result $1) $([ $(($(now_ms) - since)) -ge 4000 ] && echo "in time" || echo early)"
}
words() { echo $#; }
# reload FEATURES GROUP...
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
else
	own="no_path_timeout 4"
	also=''
	count=2
fi
say="${also:+$also }no_path_timeout 4"
mpath m "queue_if_no_path $own" "$(group round-robin 0)" "$(group round-robin 1)"
same "the table has the limit" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"

mark_log limit
lose_paths
start 1
same "waiting ends with it" "error in time" "$(in_time 1)"
try "which the log says" sh -c 'echo "$1" | grep -q ": no path for too long: failing queued I/O"' - "$(log_since limit)"
same "and the table" "$count $say" "$(table_of $((4 + count)))"
start 2
try "the next request fails" wait_for 10 '[ "$(result 2)" = error ]'

# A suspend and a resume are no reason to wait again; a path is.
dmsetup suspend m
dmsetup resume m
same "it ends for good" "$count $say" "$(table_of $((4 + count)))"
reinstate m 0
same "until a path comes back" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"
try "which carries I/O" write_block $node 3
lose_paths
start 4
same "without it requests wait again" "error in time" "$(in_time 4)"
reinstate m 0
lose_paths
sleep 1
reinstate m 1
lose_paths
start 5
same "the limit counts from the loss of the last path" "error in time" "$(in_time 5)"
message fail_if_no_path
reinstate m 0
same "after fail_if_no_path no path turns waiting on" "$count $say" "$(table_of $((4 + count)))"

lose_paths
since=$(now_ms)
message queue_if_no_path
start 6
same "queue_if_no_path starts the clock" "error in time" "$(in_time 6)"
message queue_if_no_path
dmsetup suspend --noflush --nolockfs m
sleep 5
start 8
since=$(now_ms)
dmsetup resume m
same "it stands still during a suspend, and begins afresh with the resume" "error in time" "$(in_time 8)"

since=$(now_ms)
reload "queue_if_no_path $own"
start 9
same "the same for a map without paths" "error in time" "$(in_time 9)"

# A suspend that flushes waits for this write; meanwhile the path comes back, only to fail again.
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
try "a path that comes back does not hold up a suspend" wait $suspend
try "nor what it waits for" wait_for 10 '[ "$(result 10)" = error ]'
dmsetup resume m
same "requests wait after it" "$((count + 1)) queue_if_no_path $say" "$(table_of $((5 + count)))"
rqt_reset

### The limit of all maps

echo 4 >$limit_of_all
reload "queue_if_no_path ${own%no_path*}" "$(group round-robin 0)" "$(group round-robin 1)"
lose_paths
start 11
same "the limit of all maps" "error in time" "$(in_time 11)"
reinstate m 0
same "no path turns waiting on again" "$((count - 2))${also:+ $also}" "$(table_of $((2 + count)))"
lose_paths
since=$(now_ms)
message queue_if_no_path
start 12
same "queue_if_no_path does, and starts the clock" "error in time" "$(in_time 12)"
reload "queue_if_no_path ${own%?}60" "$(group round-robin 0)"
lose_paths 2>/dev/null
start 13
sleep 6
same "a map's own limit goes before it" waits "$(result 13)"
echo 0 >$limit_of_all
message fail_if_no_path
try "fail_if_no_path does not wait for it" wait_for 10 '[ "$(result 13)" = error ]'
map_remove m

finish
