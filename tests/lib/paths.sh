# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# paths.sh - sourced by guest tests after base.sh: paths made by rqt (tests/rqt.rst), maps over them, I/O
# on those. No test in here, and nothing that a single test needs.

export DM_DISABLE_UDEV=1
RQT=/sys/kernel/debug/rqt

### Paths

# rqt_start [PARAMETER=VALUE...]: /dev/rqt0.., size in RQT_SECTORS
rqt_start() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	insmod "$MODDIR/tests/modules/rqt.ko" "$@" || bail "cannot load rqt"
	RQT_SECTORS=$(cat /sys/block/rqt0/size)
	on_exit rqt_stop
}

# Fails the test if a request was not ended, or ended twice.
rqt_stop() {
	local bad=0
	rqt_settle || bad=1
	[ "$(tail -n 1 "$RQT/check")" = ok ] || bad=1
	[ "$bad" = 0 ] || cat "$RQT/check"
	rmmod rqt || bad=1
	[ "$bad" = 0 ] || broken
}

# All requests are back.
# shellcheck disable=SC2016 # wait_for evaluates it
rqt_settle() { wait_for 10 '[ "$(tail -n 1 "$RQT/check")" = ok ]'; }

# rqt PATH FILE VALUE
rqt() { echo "$3" >"$RQT/$1/$2"; }

# rqt_all FILE VALUE
rqt_all() {
	local dir
	for dir in "$RQT"/[0-9]*; do
		echo "$2" >"$dir/$1"
	done
}

# Forget rules, counters and records; everything works.
rqt_reset() {
	rqt_all rules clear
	rqt_all dead 0
	rqt_all hold 0
	rqt_settle
	rqt_all stats clear
	rqt_all record clear
}

rqt_devt() { cat "/sys/block/rqt$1/dev"; }

# rqt_stat PATH COUNTER
rqt_stat() { awk -v name="$2" '$1 == name { print $2 }' "$RQT/$1/stats"; }

# record: what reached the paths, less what differs from run to run:
# <path> <op> <flags> <sector> <sectors> <bios> <outcome>
record() { awk '{ print $3, $4, $5, $6, $7, $8, $10 }' "$RQT/record"; }

### Maps

# map_create NAME TARGET ARGUMENTS...
map_create() {
	local name="$1"
	shift
	echo "0 $RQT_SECTORS $*" | dmsetup create "$name" || return
	on_exit "map_remove $name"
}

map_remove() { [ ! -e "/dev/mapper/$1" ] || dmsetup remove --retry "$1"; }

# map_reload NAME TARGET ARGUMENTS...: as multipathd does it, with noflush
map_reload() {
	local name="$1"
	shift
	echo "0 $RQT_SECTORS $*" | dmsetup load "$name" &&
		dmsetup suspend --noflush --nolockfs "$name" && dmsetup resume "$name"
}

# group SELECTOR PATH...: a priority group over rqt paths
group() {
	local selector="$1" path
	shift
	printf '%s 0 %d 1' "$selector" $#
	for path; do
		printf ' %s 1' "$(rqt_devt "$path")"
	done
}

# mpath NAME FEATURES GROUP...: a map of ours; FEATURES without their count
mpath() {
	local name="$1" features="$2" count
	shift 2
	# shellcheck disable=SC2086 # words
	count=$(set -- $features && echo $#)
	map_create "$name" "$TARGET" "$count" "$features" 0 $# 1 "$*" || bail "cannot make map $name"
}
TARGET=mpath-rq

# path_states NAME: the letters of groups and paths, "A:AF E:AA"
path_states() {
	dmsetup status "$1" | awk '
		function skip_counted() { at += $(at) + 1 }
		{
			at = 4; skip_counted(); skip_counted()		# features, handler
			groups = $(at); at += 2
			for (g = 0; g < groups; g++) {
				text = text (g ? " " : "") $(at++) ":"
				skip_counted()				# selector
				paths = $(at++); words = $(at++)
				for (p = 0; p < paths; p++) {
					text = text $(at + 1)
					at += 3 + words
				}
			}
			print text
		}'
}

scheduler() { echo "$2" >"/sys/block/$(map_disk "$1")/queue/scheduler"; }

# map_disk NAME: dm-N
map_disk() { echo "dm-$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')"; }

### I/O

# write_block FILE BLOCK [BYTE]: 4 KiB, direct, of an octal byte; dd's exit and message
write_block() {
	tr '\0' "\\${3:-101}" </dev/zero | dd of="$1" bs=4k count=1 seek="$2" oflag=direct iflag=fullblock \
		conv=notrunc status=none
}

# durable_block FILE BLOCK: the same, and a flush
durable_block() {
	tr '\0' C </dev/zero | dd of="$1" bs=4k count=1 seek="$2" oflag=direct iflag=fullblock \
		conv=fsync,notrunc status=none
}

# read_block FILE BLOCK: prints the byte's letter 4,096 times, folded to one of each run
read_block() { dd if="$1" bs=4k count=1 skip="$2" iflag=direct status=none | tr -s '\0-\377'; }

# io_errno COMMAND...: "ok", or the text of the error that dd met
io_errno() {
	if "$@" >/dev/null 2>"$WORK/errno"; then
		echo ok
	else
		sed -n '$s/.*: //p' "$WORK/errno"
	fi
}

# fio_job FILE OPTION...: fio with what all jobs share; bails never, exit status says
fio_job() {
	local file="$1"
	shift
	fio --name=job --filename="$file" --size="${FIO_SIZE:-16m}" --direct=1 --ioengine=libaio \
		--randseed="${SEED:-1}" --output-format=terse "$@" \
		>"$WORK/fio.out" 2>&1 || {
		head -n 20 "$WORK/fio.out" | cut -c 1-200 | sed 's/^/#   /'
		return 1
	}
}

# one_request FILE read|write BIOS [BLOCK]: one request of so many bios of 4 KiB, by one io_submit()
one_request() {
	fio_job "$1" --rw="$2" --bs=4k --iodepth="$3" --iodepth_batch_submit="$3" --iodepth_batch_complete="$3" \
		--offset=$((${4:-0} * 4096)) --io_size=$(($3 * 4096)) --buffer_pattern='"ABCD"'
}

# verify FILE [OPTION...]: write and read back with checksums
verify() {
	local file="$1"
	shift
	fio_job "$file" --rw=randwrite --bsrange=4k-64k --iodepth=32 --verify=crc32c --verify_fatal=1 "$@"
}

# first_error COMMAND...: of a fio_job: the offset of the first I/O that failed, and how
first_error() {
	"$@" >/dev/null
	sed -n 's/.*io_u error on file [^:]*: \(.*\): .* offset=\([0-9]*\),.*/\2 \1/p' "$WORK/fio.out" | head -n 1
}

### Paths that come back

# reinstate MAP PATH...
reinstate() {
	local map="$1" path
	shift
	for path; do
		dmsetup message "$map" 0 reinstate_path "$(rqt_devt "$path")"
	done
}

# reinstate_forever MAP PATH...: in the background, as multipathd does it; its pid is in REINSTATER
reinstate_forever() {
	while :; do
		reinstate "$@" 2>/dev/null
		sleep 0.05
	done &
	REINSTATER=$!
	on_exit "kill $REINSTATER 2>/dev/null"
}
