# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # conditions for wait_for, commands for try; words
#
# stress.sh - sourced by guest tests after base.sh and paths.sh: a whole test of a map with FEATURES. While fio verifies
# the data, we break and repair random paths, and suspend and resume the map.

seed
SECONDS_LONG=${STRESS_SECONDS:-120}
plan 4
note "SEED=$SEED"
load_modules
on_exit 'unload_modules || broken'
rqt_start paths=4 slots=32
rqt_all service_us 100
node=/dev/mapper/m
mpath m "$FEATURES" "$(group service-time 0 1)" "$(group round-robin 2 3)"


fault() {
	next 4
	path=$NEXT
	one_of dead "fail ioerr" "fail timeout" "fail_bio 2 transport" "partial 4096 transport" busy message \
		hold "refuse ioerr" complete
	case $CHOICE in
	dead) rqt $path dead 1 ;;
	busy) rqt $path rules "any * every 3 busy" ;;
	message) dmsetup message m 0 fail_path "$(rqt_devt $path)" ;;
	hold) rqt $path hold 1 ;;
	complete)
		one_of inline softirq timer work
		rqt $path complete $CHOICE
		;;
	*) rqt $path rules "any * every 5 $CHOICE" ;;
	esac
	faults=$((faults + 1))
}

mend() {
	next 4
	rqt $NEXT dead 0
	rqt $NEXT hold 0
	rqt $NEXT rules clear
	reinstate m $NEXT
}

# A suspend waits for all I/O in flight. We release held requests first, otherwise it would never end.
suspend_and_resume() {
	for path in 0 1 2 3; do
		rqt $path hold 0
	done
	dmsetup suspend --noflush --nolockfs m && dmsetup resume m
}

verify $node --verify_backlog=64 --time_based --runtime="$SECONDS_LONG" --numjobs=4 --size=8m \
	--offset_increment=8m --fsync=128 >"$WORK/job" &
job=$!
faults=0
while kill -0 $job 2>/dev/null; do
	fault
	sleep 0.1
	mend
	mend
	# We switch groups at fixed rounds. If we did so at random, a slow machine might never use the second group.
	case $((faults % 6)) in
	2) dmsetup message m 0 switch_group 2 ;;
	5) dmsetup message m 0 switch_group 1 ;;
	esac
	next 10
	[ $NEXT != 2 ] || suspend_and_resume
	# We stop in time, so that all jobs can finish.
	[ "$faults" -lt $((SECONDS_LONG * 20)) ] || break
done
for path in 0 1 2 3; do
	rqt $path dead 0
	rqt $path hold 0
	rqt $path rules clear
	rqt $path service_us 0
done
reinstate m 0 1 2 3
wait $job
status=$?
cat "$WORK/job"
same "fio saw no error, and all checksums match" 0 $status
note "$faults faults; I/Os by path: $(for p in 0 1 2 3; do echo $(($(rqt_stat $p read) + $(rqt_stat $p write))); done | xargs)"
try "there were enough faults" [ "$faults" -gt $((SECONDS_LONG / 5 / SLOW)) ]
try "every path carried I/O" [ "$(for p in 0 1 2 3; do rqt_stat $p write; done | awk '$1 > 0' | wc -l)" = 4 ]
try "each request ended once" rqt_settle

finish
