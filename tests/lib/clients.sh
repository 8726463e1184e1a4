# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# clients.sh - sourced by guest tests after base.sh: udev, multipathd and an application, as on a real machine. A test
# runs its scenario first with the stock multipath target and then with ours:
#	. "$TESTS/lib/base.sh"; . "$TESTS/lib/clients.sh"; plan N
#	...paths...; udev_start; both_targets SCENARIO; same_records; show_stalls; finish
# SCENARIO starts multipathd, causes events under I/O (`io_start`, `event`), checks their effects (`expect`, one result
# in each run), records the view of an administrator (`record`), and ends everything it started. RUN is `stock` or
# `ours`.

RUN=''
# shellcheck disable=SC2034 # the test writes it
MULTIPATH_CONF=/etc/multipath.conf
TRACE=/sys/kernel/tracing/instances/clients

### The target

# shellcheck disable=SC2120
target_load() {
	if [ "$RUN" = stock ]; then
		modprobe -a dm-multipath dm-round-robin dm-queue-length dm-service-time ||
			bail "cannot load the stock target"
	else
		load_modules
	fi
	note "$RUN: target multipath $(dmsetup targets | awk '$1 == "multipath" { print $2 }')," \
		"$(multipath -h 2>&1 | sed -n 's/^\(multipath-tools v[^ ]*\).*/\1/p')"
}

# Fails the test if our modules cannot be unloaded or leave memory behind.
target_unload() {
	if [ "$RUN" = stock ]; then
		modprobe -r dm-round-robin dm-queue-length dm-service-time dm-multipath
	else
		unload_modules || broken
	fi
}

# both_targets SCENARIO: run it with the stock target, then with ours
both_targets() {
	for RUN in stock ours; do
		one_target "$1"
	done
}

# one_target SCENARIO: run it with the target named by RUN
one_target() {
	local kept=$EXIT_COMMANDS
	: >"$WORK/record.$RUN"
	: >"$WORK/stalls.$RUN"
	on_exit target_unload
	target_load
	on_exit 'dmsetup remove_all --force >/dev/null 2>&1'
	"$1"
	EXIT_COMMANDS=$kept
	target_unload
}

# expect SECONDS 'CONDITION' DESCRIPTION: one result in each run; the condition must become true in that time
expect() {
	if wait_for "$1" "$2"; then
		pass "$RUN: $3"
	else
		show_state
		fail "$RUN: $3"
	fi
}

# After a failed condition: print the state instead.
show_state() {
	{
		dmsetup status
		timeout 10 multipathd show paths format "%d %t %T %o"
		tail -n 15 "$WORK/multipathd.$RUN.log"
	} 2>&1 | sed 's/^/#   /'
}

### Paths

SCSI_DEBUG=/sys/bus/pseudo/drivers/scsi_debug

# scsi_debug_start [PARAMETER=VALUE...]: one disk, with one memory and one identity, behind four hosts
# shellcheck disable=SC2016 # wait_for evaluates it
scsi_debug_start() {
	modprobe -a sd_mod sg
	! module_loaded scsi_dh_alua || bail "scsi_dh_alua is loaded: to it, disks of scsi_debug are in standby"
	modprobe scsi_debug add_host=4 vpd_use_hostno=0 ndelay=50000 "$@" || bail "no scsi_debug"
	on_exit 'modprobe -r scsi_debug'
	wait_for 20 '[ "$(scsi_debug_disks | wc -l)" = 4 ]' || bail "no disks"
}

# The disks' names in the order of their hosts. The kernel may have named them in another order.
scsi_debug_disks() { find -H $SCSI_DEBUG/adapter* -path '*/block/sd*' -name 'sd*' | sort | sed 's/.*\///'; }

# disk_state STATE DISK...: set the disks to offline or running
disk_state() {
	local state="$1" disk
	shift
	for disk; do
		echo "$state" >"/sys/block/$disk/device/state"
	done
}

### udev

# Unlike other guest tests, a caller of this function has udev, so libdevmapper waits for the udev rules.
# shellcheck disable=SC2016 # wait_for evaluates it
udev_start() {
	unset DM_DISABLE_UDEV
	/lib/systemd/systemd-udevd --children-max=8 >"$WORK/udev.log" 2>&1 &
	UDEV_PID=$!
	on_exit udev_stop
	wait_for 20 '[ -S /run/udev/control ] || [ -e /run/udev/control ]' || bail "no udev"
	udevadm trigger --action=add --subsystem-match=block --subsystem-match=scsi
	udev_settle
}

udev_settle() { udevadm settle --timeout=$((30 * SLOW)); }

# shellcheck disable=SC2016 # wait_for evaluates it
udev_stop() {
	udev_settle
	kill "$UDEV_PID"
	wait "$UDEV_PID"
	rm -rf /run/udev
	export DM_DISABLE_UDEV=1
}

### multipathd

# multipathd_start: start with the configuration in $MULTIPATH_CONF; earlier maps are forgotten
multipathd_start() {
	rm -rf /etc/multipath /run/multipath
	mkdir -p /etc/multipath
	multipathd -d -v3 >"$WORK/multipathd.$RUN.log" 2>&1 &
	MULTIPATHD_PID=$!
	on_exit multipathd_stop
	wait_for 20 'multipathd show daemon 2>/dev/null | grep -q -e idle -e running' || {
		tail -n 5 "$WORK/multipathd.$RUN.log" | sed 's/^/#   /'
		bail "multipathd does not come up"
	}
}

# shellcheck disable=SC2016 # wait_for evaluates it
multipathd_stop() {
	[ -n "$MULTIPATHD_PID" ] || return 0
	multipathd shutdown >/dev/null 2>&1
	wait_for 20 '! kill -0 $MULTIPATHD_PID 2>/dev/null' || {
		kill -KILL "$MULTIPATHD_PID"
		broken
	}
	wait "$MULTIPATHD_PID"
	MULTIPATHD_PID=''
}

# multipathd_log PATTERN: print the number of matching lines in the log of this run
multipathd_log() { grep -c -e "$1" "$WORK/multipathd.$RUN.log"; }

# Wait until multipathd has handled all events sent by udev.
# shellcheck disable=SC2016 # wait_for evaluates it
multipathd_settle() {
	udev_settle
	wait_for 20 'multipathd show daemon | grep -q idle'
}

# map_paths MAP: print a line per path, "sda active ready running", in the order of the groups
map_paths() {
	multipathd show paths raw format '%m %d %t %T %o' | awk -v map="$1" '$1 == map { print $2, $3, $4, $5 }'
}

# path_is NAME STATES: whether multipathd shows these states, "active ready running"
path_is() { [ "$(multipathd show paths raw format '%d %t %T %o' | sed -n "s/^$1 //p")" = "$2" ]; }

# map_is MAP PATHS: whether the map's device exists with this number of paths, all of them usable
map_is() {
	[ -b "/dev/mapper/$1" ] && map_paths "$1" >"$WORK/map_paths" &&
		[ "$(grep -c ' active ready running$' "$WORK/map_paths")" = "$2" ] && [ "$(wc -l <"$WORK/map_paths")" = "$2" ]
}

# dm_states MAP: print the letters of groups and paths from the target's status, "A:AF E:AA"
dm_states() {
	dmsetup status --noflush "$1" | awk '
		{
			at = 4; at += $(at) + 1; at += $(at) + 1	# features, handler
			groups = $(at); at += 2
			for (g = 0; g < groups; g++) {
				text = text (g ? " " : "") $(at++) ":"
				at += $(at) + 1				# selector
				paths = $(at++); words = $(at++)
				for (p = 0; p < paths; p++) {
					text = text $(at + 1)
					at += 3 + words
				}
			}
			print text
		}'
}

# failed_paths MAP: print the number of failed paths in the target's status
failed_paths() { dm_states "$1" | tr -cd F | wc -c; }

# maps_flushed: remove all maps with `multipath -F`. If udev still has a map open after an event, this fails.
maps_flushed() {
	udev_settle
	timeout -k 5 30 multipath -F >/dev/null 2>&1 && [ "$(dmsetup ls)" = "No devices found" ]
}

### The view of the administrator

# record LABEL: record how the tools show all maps, without time-dependent details
record() {
	{
		echo "== $1"
		multipath -ll
		printf '%s\n' 'show paths' 'show maps' 'show topology' | multipathd -k
		dmsetup table --target multipath
	} 2>&1 | sed -e 's/X*\.* [0-9]*\/[0-9]*$/CHECK/' -e 's/[ \t]*$//' >>"$WORK/record.$RUN"
}

# same_records: one result; both runs recorded the same
same_records() {
	note "$(grep -c '^==' "$WORK/record.stock") records of $(wc -l <"$WORK/record.stock") lines"
	if [ -s "$WORK/record.stock" ] && diff -U 3 "$WORK/record.stock" "$WORK/record.ours" >"$WORK/diff"; then
		pass "multipath and multipathd show the same"
	else
		head -n 60 "$WORK/diff" | sed 's/^/#   /'
		fail "multipath and multipathd show the same"
	fi
}

### Loaded tables

# Count the tables loaded by any process from here on.
loads_trace() {
	on_exit loads_untrace
	mkdir -p $TRACE
	echo 'p:clients/load dm_mod:table_load' >>/sys/kernel/tracing/kprobe_events
	echo 1 >$TRACE/events/clients/load/enable || bail "cannot trace the loading of tables"
}

loads_untrace() {
	echo 0 >$TRACE/events/clients/load/enable
	rmdir $TRACE
	echo '-:clients/load' >>/sys/kernel/tracing/kprobe_events
}

loads() { grep -c ' load: ' $TRACE/trace; }

### The application

now_unix_ms() { date +%s%3N; }

# io_start FILE: start fio, which writes, reads back and verifies the first 8 MiB again and again, and reads the 8 MiB
# behind them. It logs the time of each I/O.
# shellcheck disable=SC2016 # wait_for evaluates it
io_start() {
	rm -f "$WORK"/io.*
	: >"$WORK/io.events"
	(
		# nvme-tcp of these kernels sends in the context of the submitter, without MSG_NOSIGNAL. If the
		# connection has just been closed, the submitter gets SIGPIPE (net/core/stream.c).
		trap '' PIPE
		exec fio --filename="$1" --allow_file_create=0 --thread --direct=1 --ioengine=libaio --time_based \
			--runtime=3600 --continue_on_error=all --disk_util=0 --log_unix_epoch=1 --disable_slat=1 --disable_clat=1 \
			--output-format=json --output="$WORK/io.json" \
			--name=verify --size=8m --bs=8k --rw=randwrite --iodepth=4 --rate_iops=100 \
			--verify=crc32c --verify_backlog=64 --write_lat_log="$WORK/io.verify" \
			--name=probe --offset=8m --size=8m --bs=4k --rw=randread --rate_iops=100 \
			--write_lat_log="$WORK/io.probe" >"$WORK/io.out" 2>&1
	) &
	IO_PID=$!
	on_exit 'kill -KILL "$IO_PID" 2>/dev/null'
	IO_DISK=$(io_disk "$1")
	wait_for 30 'io_moves' || bail "fio does not start: $(head -n 1 "$WORK/io.out")"
	event "nothing happens"
	sleep 1
}

# Print the block device that FILE is, or is on.
io_disk() {
	local dev
	dev=$(readlink -f "$1")
	[ -b "$dev" ] || dev=$(readlink -f "$(df --output=source "$1" | tail -n 1)")
	echo "${dev##*/}"
}

io_count() { awk '{ print $1 + $5 }' "/sys/block/$IO_DISK/stat"; }

# io_moves: I/O is completed: some within 5 s
io_moves() {
	local before
	before=$(io_count)
	wait_for 5 "[ \$(io_count) -gt $((before + 20)) ]"
}

# io_waits: no I/O is completed within a second
io_waits() {
	local before
	before=$(io_count)
	sleep 1
	[ "$(io_count)" = "$before" ]
}

# event NAME: this event begins now
event() { printf '%s %s\n' "$(now_unix_ms)" "$1" >>"$WORK/io.events"; }

# io_stop: end the application. Two results: all I/O was completed, and there was no error. We also keep the longest
# I/O of each event.
# shellcheck disable=SC2016 # wait_for evaluates it
io_stop() {
	local status=0 errors
	event end
	kill -TERM "$IO_PID"
	expect 60 '! kill -0 $IO_PID 2>/dev/null' "every I/O was completed"
	kill -KILL "$IO_PID" 2>/dev/null
	wait "$IO_PID" || status=$?
	errors=$(awk '$1 == "\"total_err\"" || $1 == "\"error\"" { gsub(/[^0-9]/, "", $3); n += $3; seen++ }
		END { print seen ? n + 0 : "no report" }' "$WORK/io.json")
	# This is how fio ends after a signal.
	[ "$status" = 128 ] || errors="$errors, exit $status"
	[ "$errors" = 0 ] || head -n 5 "$WORK/io.out" | cut -c 1-150 | sed 's/^/#   /'
	same "$RUN: errors seen by the application" 0 "$errors"
	stalls >"$WORK/stalls.$RUN"
}

# For each event, print of the I/Os in flight during it: number, longest in ms, duration of the event in ms, name
stalls() {
	cat "$WORK"/io.probe_lat.*.log "$WORK"/io.verify_lat.*.log | awk -F', *' -v events="$WORK/io.events" '
		BEGIN {
			while ((getline line <events) > 0) {
				from[++n] = line + 0
				sub(/^[0-9]+ /, "", line)
				name[n] = line
			}
		}
		{
			ms = $2 / 1000000
			for (i = 1; i < n; i++)
				if ($1 >= from[i] && $1 - ms <= from[i + 1]) {
					seen[i]++
					if (ms > longest[i])
						longest[i] = ms
				}
		}
		END {
			for (i = 1; i < n; i++)
				printf "%d %d %d %s\n", seen[i], longest[i] + 0.5, from[i + 1] - from[i], name[i]
		}'
}

show_stalls() { show_stalls_of ours; }

# show_stalls_of RUN: show the longest I/Os beside those of stock; one result: each event was timed in both runs
show_stalls_of() {
	local run="$1"
	note "longest I/O of the application (ms), and how long the event lasted:"
	note "                                      stock               $run"
	paste -d ' ' "$WORK/stalls.stock" "$WORK/stalls.$run" | awk '{
		half = NF / 2
		name = $4
		for (i = 5; i <= half; i++)
			name = name " " $i
		printf "#   %-30s %6d of %6d    %6d of %6d\n", name, $2, $3, $(half + 2), $(half + 3)
	}'
	try "I/O was timed during each event" each_event_timed "$WORK/stalls.stock" "$WORK/stalls.$run"
}

# shellcheck disable=SC2016 # awk's
each_event_timed() { awk '$1 < 1 { print; bad = 1 } END { exit bad || NR < 4 }' "$@"; }
