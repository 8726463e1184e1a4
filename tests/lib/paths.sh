# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# paths.sh - sourced by guest tests after base.sh: paths made by rqt (tests/rqt.rst), maps with these paths, and I/O to
# the maps. Only helpers that several tests need belong here.

export DM_DISABLE_UDEV=1
RQT=/sys/kernel/debug/rqt

### Paths

# rqt_start [PARAMETER=VALUE...]: make /dev/rqt0 and so on; their size is in RQT_SECTORS
rqt_start() {
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	insmod "$MODDIR/tests/modules/rqt.ko" "$@" || bail "cannot load rqt"
	RQT_SECTORS=$(cat /sys/block/rqt0/size)
	on_exit rqt_stop
}

# Fails the test if a request has not ended, or has ended twice.
rqt_stop() {
	local bad=0
	rqt_settle || bad=1
	[ "$(tail -n 1 "$RQT/check")" = ok ] || bad=1
	[ "$bad" = 0 ] || cat "$RQT/check"
	rmmod rqt || bad=1
	[ "$bad" = 0 ] || broken
}

# Wait until all requests have ended.
# shellcheck disable=SC2016 # wait_for evaluates it
rqt_settle() { wait_for 10 '[ "$(tail -n 1 "$RQT/check")" = ok ]'; }

# rqt PATH FILE VALUE: write to a control file of the path
rqt() { echo "$3" >"$RQT/$1/$2"; }

# rqt_all FILE VALUE: write to the file of every path
rqt_all() {
	local dir
	for dir in "$RQT"/[0-9]*; do
		echo "$2" >"$dir/$1"
	done
}

# Remove all rules, counters and records; all paths work again.
rqt_reset() {
	rqt_all rules clear
	rqt_all dead 0
	rqt_all hold 0
	rqt_settle
	rqt_all stats clear
	rqt_all record clear
}

rqt_devt() { cat "/sys/block/rqt$1/dev"; }

# rqt_stat PATH COUNTER: print the counter
rqt_stat() { awk -v name="$2" '$1 == name { print $2 }' "$RQT/$1/stats"; }

# record: print the requests that reached the paths, without values that differ from run to run:
# <path> <op> <flags> <sector> <sectors> <bios> <outcome>
record() { awk '{ print $3, $4, $5, $6, $7, $8, $10 }' "$RQT/record"; }

### Maps

# map_create NAME TARGET ARGUMENTS...: create a map, which is removed at exit
map_create() {
	local name="$1"
	shift
	echo "0 $RQT_SECTORS $*" | dmsetup create "$name" || return
	on_exit "map_remove $name"
}

map_remove() { [ ! -e "/dev/mapper/$1" ] || dmsetup remove --retry "$1"; }

# map_reload NAME TARGET ARGUMENTS...: load a table with a noflush suspend, as multipathd does
map_reload() {
	local name="$1"
	shift
	echo "0 $RQT_SECTORS $*" | dmsetup load "$name" &&
		dmsetup suspend --noflush --nolockfs "$name" && dmsetup resume "$name"
}

# group SELECTOR PATH...: print a priority group with these rqt paths
group() {
	local selector="$1" path
	shift
	printf '%s 0 %d 1' "$selector" $#
	for path; do
		printf ' %s 1' "$(rqt_devt "$path")"
	done
}

# mpath NAME FEATURES GROUP...: create a map of our target; FEATURES is given without its count
mpath() {
	local name="$1" features="$2" count
	shift 2
	# shellcheck disable=SC2086 # words
	count=$(set -- $features && echo $#)
	map_create "$name" "$TARGET" "$count" "$features" 0 $# 1 "$*" || bail "cannot make map $name"
}
TARGET=mpath-rq

# keeps_handlers: does the stock target of this kernel keep an attached hardware handler in any case, so that neither
# target prints retain_attached_hw_handler, and is there no handler on a path that is not SCSI? It does from 7.2 on.
keeps_handlers() {
	case $(uname -r) in
	6.*) return 1 ;;
	esac
}

# path_states NAME: print the letters of groups and paths, "A:AF E:AA"
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

# table_error_sed [ERRNO]: print a sed command which takes our target's error from dm core's line about a table
table_error_sed() { printf '%s\n' "s/.* table: .*: $TARGET: \\(.*\\) (-${1:-E[A-Z]*})\$/\\1/p"; }

# table_errors MARK [ERRNO]: print our target's errors about tables since mark_log MARK
table_errors() { log_since "$1" | sed -n "$(table_error_sed "${2:-}")"; }

# map_disk NAME: print dm-N
map_disk() { echo "dm-$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')"; }

### I/O

# write_block FILE BLOCK [BYTE]: write 4 KiB of an octal byte, direct; dd's exit status and message
write_block() {
	tr '\0' "\\${3:-101}" </dev/zero | dd of="$1" bs=4k count=1 seek="$2" oflag=direct iflag=fullblock \
		conv=notrunc status=none
}

# durable_block FILE BLOCK: the same, followed by a flush
durable_block() {
	tr '\0' C </dev/zero | dd of="$1" bs=4k count=1 seek="$2" oflag=direct iflag=fullblock \
		conv=fsync,notrunc status=none
}

# read_block FILE BLOCK: read 4 KiB; repeated bytes are printed once
read_block() { dd if="$1" bs=4k count=1 skip="$2" iflag=direct status=none | tr -s '\0-\377'; }

# io_errno COMMAND...: print "ok", or the text of dd's error
io_errno() {
	if "$@" >/dev/null 2>"$WORK/errno"; then
		echo ok
	else
		sed -n '$s/.*: //p' "$WORK/errno"
	fi
}

# fio_job FILE OPTION...: run fio with the options of all jobs; it never bails, the exit status tells
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

# one_request FILE read|write BIOS [BLOCK]: send one request with BIOS bios of 4 KiB each, by one io_submit()
one_request() {
	fio_job "$1" --rw="$2" --bs=4k --iodepth="$3" --iodepth_batch_submit="$3" --iodepth_batch_complete="$3" \
		--offset=$((${4:-0} * 4096)) --io_size=$(($3 * 4096)) --buffer_pattern='"ABCD"'
}

# verify FILE [OPTION...]: write, read back and compare checksums
verify() {
	local file="$1"
	shift
	fio_job "$file" --rw=randwrite --bsrange=4k-64k --iodepth=32 --verify=crc32c --verify_fatal=1 "$@"
}

# first_error COMMAND...: run a fio_job; print the offset of the first failed I/O, and its error
first_error() {
	"$@" >/dev/null
	sed -n 's/.*io_u error on file [^:]*: \(.*\): .* offset=\([0-9]*\),.*/\2 \1/p' "$WORK/fio.out" | head -n 1
}

### Reinstated paths

# reinstate MAP PATH...: reinstate these paths
reinstate() {
	local map="$1" path
	shift
	for path; do
		dmsetup message "$map" 0 reinstate_path "$(rqt_devt "$path")"
	done
}

# reinstate_forever MAP PATH...: do so in the background, as multipathd does; its pid is in REINSTATER
reinstate_forever() {
	while :; do
		reinstate "$@" 2>/dev/null
		sleep 0.05
	done &
	REINSTATER=$!
	on_exit "kill $REINSTATER 2>/dev/null"
}
