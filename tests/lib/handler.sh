# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# handler.sh - sourced by guest tests after base.sh and paths.sh: paths made by scsi_debug, one disk behind several
# hosts, and the hardware handler of tests/modules/scsi_dh_rqt.c, which a table can name.

HANDLER=/sys/kernel/debug/rqt-handler

# handler_start COUNT [PARAMETER=VALUE...]: make COUNT paths, numbered from 1; their size is in RQT_SECTORS
# shellcheck disable=SC2034 # for the tests
handler_start() {
	local count="$1"
	shift
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	modprobe sd_mod
	insmod "$MODDIR/tests/modules/scsi_dh_rqt.ko" || bail "cannot load scsi_dh_rqt"
	on_exit 'rmmod scsi_dh_rqt || broken'
	modprobe scsi_debug add_host="$count" dev_size_mb=16 delay=0 "$@" || bail "no scsi_debug"
	on_exit 'modprobe -r scsi_debug || broken'
	wait_for 30 "[ \"\$(disks | wc -l)\" -eq $count ]" || bail "no disks"
	DISKS=$(disks)
	RQT_SECTORS=$(cat "/sys/block/$(disk 1)/size")
}

# Print the disks in the order of their hosts.
disks() {
	local at
	for at in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*/size; do
		[ ! -e "$at" ] || basename "$(dirname "$at")"
	done
}

# Of the N-th path, disk N prints sda, devt N 8:0, and sdev N 0:0:0:0.
disk() { echo "$DISKS" | sed -n "$1p"; }
devt() { cat "/sys/block/$(disk "$1")/dev"; }
sdev() { basename "$(readlink -f "/sys/block/$(disk "$1")/device")"; }

# answer N OUTCOME [TIMES]; delay N MS; release N OUTCOME: control the handler; N may be *
answer() { control "$1" answer "$2" "${3:-}"; }
delay() { control "$1" delay "$2"; }
release() { control "$1" release "$2"; }
control() {
	local who='*'
	[ "$1" = '*' ] || who=$(sdev "$1")
	shift
	echo "$who $*" >"$HANDLER/control" || bail "scsi_dh_rqt does not understand: $*"
}

# The handler's log without times, with the numbers of paths instead of their names: "1 activate"
handler_log() { with_numbers | cut -d ' ' -f 2-; }
with_numbers() {
	local n=1 script=''
	while [ -n "$(disk $n)" ]; do
		script="$script; s/ $(sdev $n) / $n /"
		n=$((n + 1))
	done
	sed "${script#; }" "$HANDLER/log"
}
forget_log() { echo >"$HANDLER/log"; }

# activations N|any: print the number of activations
activations() { handler_log | grep -c "^$(echo "$1" | sed 's/any/.*/') activate$"; }

# sd_group SELECTOR N...: print a priority group with these paths
sd_group() {
	local selector="$1" n
	shift
	printf '%s 0 %d 1' "$selector" $#
	for n; do
		printf ' %s 1' "$(devt "$n")"
	done
}

# handler_table FEATURES HANDLER GROUP...: print a table; FEATURES and HANDLER are given without their counts
# shellcheck disable=SC2086 # words
handler_table() {
	local features="$1" handler="$2"
	shift 2
	echo "$TARGET $(set -- $features; echo $#) $features $(set -- $handler; echo $#) $handler $# $(($# > 0)) $*"
}

# handler_map NAME FEATURES HANDLER GROUP...: create a map with such a table
# shellcheck disable=SC2046 # words
handler_map() {
	local name="$1"
	shift
	map_create "$name" $(handler_table "$@") || bail "cannot make map $name"
}

# pg_init_info NAME: print "<queue_io> <pg_init count>"
pg_init_info() { dmsetup status "$1" | cut -d ' ' -f 5-6; }
