# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# scsi.sh - sourced by guest tests after base.sh and paths.sh: paths made by scsi_debug, one disk behind several hosts,
# and rules for the answers of each host. To avoid processes, which are slow under emulation, helpers that a test calls
# often use only the shell, and return their results in variables.
#
# scsi_debug of 6.12 takes rules per disk. We and the tests write them in its own language (see
# drivers/scsi/scsi_debug.c):
#	0 TIMES CDB					the disk swallows the command
#	1 TIMES CDB RETURN				queuecommand() returns this value
#	2 TIMES CDB HOST DRIVER STATUS KEY ASC ASCQ	the command ends with this status
# TIMES is decimal, -N for N times and 1 for always. The other numbers are hexadecimal. CDB is the first byte of the
# command.

# scsi_paths COUNT [PARAMETER=VALUE...]: make COUNT disks. Their names are in DISKS, the size is in RQT_SECTORS, and
# $WORK/disk.NAME contains "MAJOR:MINOR FILE-FOR-RULES".
# shellcheck disable=SC2016,SC2034 # wait_for evaluates it; used by the tests
scsi_paths() {
	local count="$1" name
	shift
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	modprobe sd_mod
	modprobe scsi_debug add_host="$count" vpd_use_hostno=0 "$@" || bail "no scsi_debug"
	on_exit 'scsi_stop'
	wait_for 20 "[ \"\$(scsi_disks | wc -l)\" -eq $count ]" || bail "no disks"
	DISKS=$(scsi_disks | xargs)
	RQT_SECTORS=$(cat "/sys/block/${DISKS%% *}/size")
	for name in $DISKS; do
		echo "$(cat "/sys/block/$name/dev")" \
			"/sys/kernel/debug/scsi_debug/$(basename "$(readlink -f "/sys/block/$name/device")")/error" \
			>"$WORK/disk.$name"
	done
}

# Print the disks in the order of their hosts.
scsi_disks() {
	local at
	for at in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*/size; do
		[ ! -e "$at" ] || basename "${at%/size}"
	done
}

scsi_stop() {
	scsi_reset
	modprobe -r scsi_debug || broken
}

# Remove all rules, and set all disks to running and the default timeout.
scsi_reset() {
	local name
	for name in $DISKS; do
		forget_rules "$name"
		set_if_not running "/sys/block/$name/device/state"
	done
	scsi_timeout 30
}

set_if_not() {
	local now
	read -r now <"$2"
	[ "$now" = "$1" ] || echo "$1" >"$2"
}

scsi_timeout() {
	local name
	for name in $DISKS; do
		set_if_not "$1" "/sys/block/$name/device/timeout"
	done
}

# disk N: print the name of the N-th, from 1
disk() { echo "$DISKS" | cut -d ' ' -f "$1"; }

# inject DISK RULE: add the rule
inject() {
	local file
	read -r _ file <"$WORK/disk.$1"
	echo "$2" >"$file" || bail "scsi_debug refuses the rule '$2'"
}

forget_rules() {
	local file type cdb
	read -r _ file <"$WORK/disk.$1"
	[ -e "$file" ] || return 0
	while read -r type _ cdb _; do
		case $type in
		[0-9]) echo "- $type $cdb" >"$file" ;;
		esac
	done <"$file"
}

# commands: in COMMANDS, the number of commands sent to each disk so far: "12 0 3 4"
commands() {
	local name count
	COMMANDS=''
	for name in $DISKS; do
		read -r count <"/sys/block/$name/device/iorequest_cnt"
		COMMANDS="$COMMANDS$((count)) "
	done
}

# commands_since "BEFORE": in COMMANDS, the difference: "1,0,0,0"
commands_since() {
	local each since='' before="$1"
	commands
	for each in $COMMANDS; do
		since="$since${since:+,}$((each - ${before%% *}))"
		before=${before#* }
	done
	COMMANDS=$since
}

# io write|read|flush NODE: do one such I/O
io() {
	case $1 in
	write) dd if=/dev/zero of="$2" bs=4k count=1 oflag=direct conv=notrunc status=none ;;
	read) dd if="$2" of=/dev/null bs=4k count=1 iflag=direct status=none ;;
	flush) dd if=/dev/null of="$2" conv=fsync,notrunc status=none ;;
	esac
}

# one_io MAP write|read|flush: in SEEN, the application's errno, the paths' states, and the commands sent to each disk
one_io() {
	local before
	commands
	before=$COMMANDS
	errno_of io "$2" "/dev/mapper/$1"
	sd_states "$1"
	commands_since "$before"
	SEEN="$ERRNO $STATES $COMMANDS"
}

# rule_for IO RULE: in RULE, the rule with the I/O's command in place of @
rule_for() {
	case $1 in
	write) RULE="${2%@*}2a${2#*@}" ;;
	read) RULE="${2%@*}28${2#*@}" ;;
	flush) RULE="${2%@*}35${2#*@}" ;;
	esac
}

# ruled_io MAP IO first|all SECONDS RULE: do one_io with a SCSI timeout of SECONDS and a rule for the command (@) on the
# first disk or on all, then reset the disks and the map
ruled_io() {
	local name with=$DISKS
	[ "$3" = all ] || with=${DISKS%% *}
	scsi_timeout "$4"
	rule_for "$2" "$5"
	for name in $with; do
		[ -z "$5" ] || inject "$name" "$RULE"
	done
	one_io "$1" "$2"
	scsi_reset
	revive "$1"
}

# as_wanted DESCRIPTION WANTED: one result; SEEN may have one word more
as_wanted() {
	trimmed "$2"
	case $SEEN in
	"$TRIMMED" | "$TRIMMED "*) pass "$1: $SEEN" ;;
	*) same "$1" "$TRIMMED" "$SEEN" ;;
	esac
}

# sd_maps GROUP...: create the map `ours` with our target, and the map `stock` with the kernel's own
sd_maps() {
	map_create ours mpath-rq 0 0 $# 1 "$*" || bail "no map"
	map_create stock multipath 0 0 $# 1 "$*" || bail "no stock map"
}

# both_load: load the kernel's own target first, so that it takes the name multipath, then ours
both_load() {
	modprobe -a dm-multipath dm-round-robin || bail "no stock target"
	on_exit 'modprobe -r dm-round-robin dm-multipath'
	load_modules
	on_exit 'unload_modules || broken'
}

# trimmed STRING: in TRIMMED, without blanks at both ends
trimmed() {
	# shellcheck disable=SC2086 # words
	set -- $1
	TRIMMED=$*
}

# sd_group SELECTOR DISK...: print a priority group with these disks
sd_group() {
	local selector="$1" name devt
	shift
	printf '%s 0 %d 1' "$selector" $#
	for name; do
		read -r devt _ <"$WORK/disk.$name"
		printf ' %s 1' "$devt"
	done
}

# sd_states MAP: in STATES, a letter per path: "FAAA"
sd_states() {
	local word before=''
	STATES=''
	for word in $(dmsetup status "$1"); do
		case $before in
		*:*) STATES=$STATES$word ;;
		esac
		before=$word
	done
}

# revive MAP: reinstate failed paths, and switch to the first group
revive() {
	local name devt
	sd_states "$1"
	case $STATES in
	*F*) ;;
	*) return ;;
	esac
	for name in $DISKS; do
		read -r devt _ <"$WORK/disk.$name"
		case $STATES in
		F*) dmsetup message "$1" 0 reinstate_path "$devt" ;;
		esac
		STATES=${STATES#?}
	done
	dmsetup message "$1" 0 switch_group 1
}

# errno_of COMMAND...: in ERRNO, ok or the name of dd's error
errno_of() {
	if "$@" >/dev/null 2>"$WORK/errno"; then
		ERRNO=ok
		return
	fi
	read -r ERRNO <"$WORK/errno"
	case $ERRNO in
	*': Input/output error') ERRNO=EIO ;;
	*': Remote I/O error') ERRNO=EREMOTEIO ;;
	*': No data available') ERRNO=ENODATA ;;
	*': No space left on device') ERRNO=ENOSPC ;;
	*': Invalid exchange') ERRNO=EBADE ;;
	*': Invalid or incomplete multibyte or wide character') ERRNO=EILSEQ ;;
	esac
}
