# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# clients.sh - sourced by guest tests after base.sh: udev, multipathd and an application, as on a real
# machine, first on the stock multipath target and then on ours. A test is
#	. "$TESTS/lib/base.sh"; . "$TESTS/lib/clients.sh"; plan N
#	...paths...; udev_start; both_targets SCENARIO; same_records; show_stalls; finish
# and SCENARIO starts multipathd, makes things happen under I/O (`io_start`, `event`), says what is expected
# (`expect`, a result in each run), notes what an administrator sees (`record`), and ends all it began. RUN
# is `stock` or `ours`.

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
	note "$RUN: target multipath $(dmsetup targets | awk '$1 == "multipath" { print $2 }')"
}

# Fails the test if something is left of ours, or holds it.
target_unload() {
	if [ "$RUN" = stock ]; then
		modprobe -r dm-round-robin dm-queue-length dm-service-time dm-multipath
	else
		unload_modules || broken
	fi
}

# both_targets SCENARIO: the same on each
both_targets() {
	for RUN in stock ours; do
		one_target "$1"
	done
}

# one_target SCENARIO: on that of RUN
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

# expect SECONDS 'CONDITION' DESCRIPTION: one result in each run
expect() {
	if wait_for "$1" "$2"; then
		pass "$RUN: $3"
	else
		show_state
		fail "$RUN: $3"
	fi
}

# What there is instead.
show_state() {
	{
		dmsetup status
		timeout 10 multipathd show paths format "%d %t %T %o"
		tail -n 15 "$WORK/multipathd.$RUN.log"
	} 2>&1 | sed 's/^/#   /'
}

### Paths

SCSI_DEBUG=/sys/bus/pseudo/drivers/scsi_debug

# scsi_debug_start [PARAMETER=VALUE...]: a disk with one memory and one identity behind four hosts
# shellcheck disable=SC2016 # wait_for evaluates it
scsi_debug_start() {
	modprobe -a sd_mod sg
	! module_loaded scsi_dh_alua || bail "scsi_dh_alua is loaded: to it, disks of scsi_debug are in standby"
	modprobe scsi_debug add_host=4 vpd_use_hostno=0 ndelay=50000 "$@" || bail "no scsi_debug"
	on_exit 'modprobe -r scsi_debug'
	wait_for 20 '[ "$(scsi_debug_disks | wc -l)" = 4 ]' || bail "no disks"
}

# Their names, in the order of the hosts: disks are named as they are found, which is not always that.
scsi_debug_disks() { find -H $SCSI_DEBUG/adapter* -path '*/block/sd*' -name 'sd*' | sort | sed 's/.*\///'; }

# disk_state STATE DISK...: offline or running
disk_state() {
	local state="$1" disk
	shift
	for disk; do
		echo "$state" >"/sys/block/$disk/device/state"
	done
}

### udev

# Unlike the other guest tests, what follows has udev: libdevmapper waits for its rules.
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

# multipathd_start: with the configuration in $MULTIPATH_CONF and nothing remembered of earlier maps
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

# multipathd_log PATTERN: how many lines of this run's log match
multipathd_log() { grep -c -e "$1" "$WORK/multipathd.$RUN.log"; }

# It has seen what udev has told so far.
# shellcheck disable=SC2016 # wait_for evaluates it
multipathd_settle() {
	udev_settle
	wait_for 20 'multipathd show daemon | grep -q idle'
}

# map_paths MAP: a line per path, "sda active ready running", in the order of the groups
map_paths() {
	multipathd show paths raw format '%m %d %t %T %o' | awk -v map="$1" '$1 == map { print $2, $3, $4, $5 }'
}

# path_is NAME STATES: as multipathd has it, "active ready running"
path_is() { [ "$(multipathd show paths raw format '%d %t %T %o' | sed -n "s/^$1 //p")" = "$2" ]; }

# map_is MAP PATHS: there is its device, and that many paths, all usable
map_is() {
	[ -b "/dev/mapper/$1" ] && map_paths "$1" >"$WORK/map_paths" &&
		[ "$(grep -c ' active ready running$' "$WORK/map_paths")" = "$2" ] && [ "$(wc -l <"$WORK/map_paths")" = "$2" ]
}

# dm_states MAP: the letters of groups and paths in the target's own words, "A:AF E:AA"
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

# failed_paths MAP: how many paths have failed in the target's own words
failed_paths() { dm_states "$1" | tr -cd F | wc -c; }

# maps_flushed: `multipath -F` has left no map. One that udev has open, after an event, is in use for it.
maps_flushed() {
	udev_settle
	timeout -k 5 30 multipath -F >/dev/null 2>&1 && [ "$(dmsetup ls)" = "No devices found" ]
}

### What an administrator sees

# record LABEL: of all maps, without what is a matter of time
record() {
	{
		echo "== $1"
		multipath -ll
		printf '%s\n' 'show paths' 'show maps' 'show topology' | multipathd -k
		dmsetup table --target multipath
	} 2>&1 | sed -e 's/X*\.* [0-9]*\/[0-9]*$/CHECK/' -e 's/[ \t]*$//' >>"$WORK/record.$RUN"
}

# same_records: one result
same_records() {
	note "$(grep -c '^==' "$WORK/record.stock") records of $(wc -l <"$WORK/record.stock") lines"
	if [ -s "$WORK/record.stock" ] && diff -U 3 "$WORK/record.stock" "$WORK/record.ours" >"$WORK/diff"; then
		pass "what multipath and multipathd show is the same"
	else
		head -n 60 "$WORK/diff" | sed 's/^/#   /'
		fail "what multipath and multipathd show is the same"
	fi
}

### Tables that were loaded

# From here on they are counted: every table, by whomever.
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

# io_start FILE: 8 MiB of it are written, read back and verified over and over, 8 MiB behind are read.
# Every I/O is timed.
# shellcheck disable=SC2016 # wait_for evaluates it
io_start() {
	rm -f "$WORK"/io.*
	: >"$WORK/io.events"
	(
		# nvme-tcp of these kernels sends in the context of who submits, and without MSG_NOSIGNAL: what meets
		# a connection that has just been closed gets SIGPIPE (net/core/stream.c).
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

# The block device that FILE is, or is on.
io_disk() {
	local dev
	dev=$(readlink -f "$1")
	[ -b "$dev" ] || dev=$(readlink -f "$(df --output=source "$1" | tail -n 1)")
	echo "${dev##*/}"
}

io_count() { awk '{ print $1 + $5 }' "/sys/block/$IO_DISK/stat"; }

# I/O goes on: within 5 s some of it has come back.
io_moves() {
	local before
	before=$(io_count)
	wait_for 5 "[ \$(io_count) -gt $((before + 20)) ]"
}

# io_waits: for a second none comes back
io_waits() {
	local before
	before=$(io_count)
	sleep 1
	[ "$(io_count)" = "$before" ]
}

# event NAME: what happens from here on
event() { printf '%s %s\n' "$(now_unix_ms)" "$1" >>"$WORK/io.events"; }

# io_stop: two results: it came back, and without an error. Leaves the longest I/O of each event.
# shellcheck disable=SC2016 # wait_for evaluates it
io_stop() {
	local status=0 errors
	event end
	kill -TERM "$IO_PID"
	expect 60 '! kill -0 $IO_PID 2>/dev/null' "every I/O has come back"
	kill -KILL "$IO_PID" 2>/dev/null
	wait "$IO_PID" || status=$?
	errors=$(awk '$1 == "\"total_err\"" || $1 == "\"error\"" { gsub(/[^0-9]/, "", $3); n += $3; seen++ }
		END { print seen ? n + 0 : "no report" }' "$WORK/io.json")
	# fio ends so after a signal.
	[ "$status" = 128 ] || errors="$errors, exit $status"
	[ "$errors" = 0 ] || head -n 5 "$WORK/io.out" | cut -c 1-150 | sed 's/^/#   /'
	same "$RUN: errors seen by the application" 0 "$errors"
	stalls >"$WORK/stalls.$RUN"
}

# For each event, of the I/Os under way in its time: number, longest in ms, time of the event in ms, name
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

# show_stalls_of RUN: beside stock; one result: every event was timed in both
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
	try "in each event I/O was timed" each_event_timed "$WORK/stalls.stock" "$WORK/stalls.$run"
}

# shellcheck disable=SC2016 # awk's
each_event_timed() { awk '$1 < 1 { print; bad = 1 } END { exit bad || NR < 4 }' "$@"; }
