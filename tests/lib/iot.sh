# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# iot.sh - sourced by guest tests of dm-io-timeout after base.sh and paths.sh: the layer, over rqt paths,
# driven by dm-iot-test.ko (its commands are at the top of tests/modules/dm-iot-test-main.c).

IOT=/sys/kernel/debug/dm-iot-test

# iot_start [PATHS [RQT-PARAMETER...]]: devices 0.. are the paths
iot_start() {
	local paths="${1:-2}" path=0 devices=''
	[ $# = 0 ] || shift
	modprobe dm-mod || bail "cannot load dm-mod"
	rqt_start "paths=$paths" "$@"
	# shellcheck disable=SC2034 # base.sh reads it
	LOADED_MS=$(now_ms)
	[ -n "${BUILTIN:-}" ] || insmod "$MODDIR/dm-io-timeout.ko" || bail "cannot load dm-io-timeout"
	on_exit 'iot_stop || broken'
	while [ $path -lt "$paths" ]; do
		# What was sent is what arrives.
		as_it_comes $path
		devices="$devices${devices:+,}/dev/rqt$path"
		path=$((path + 1))
	done
	insmod "$MODDIR/tests/modules/dm-iot-test.ko" devices="$devices" || bail "cannot load dm-iot-test"
}

as_it_comes() {
	echo none >"/sys/block/rqt$1/queue/scheduler"
	echo 2 >"/sys/block/rqt$1/queue/nomerges"
}

# iot_client DEVICES MIN_IOS MAX_SIZE
iot_client() {
	iot client "$@" || bail "no client"
	said >/dev/null
}

# Nothing is held any more, and nothing is left. (rqt's answers let a destroy go on.)
iot_stop() {
	rqt_all hold 0
	rmmod dm-iot-test || return
	unload_modules
}

# iot COMMAND...: its exit status
iot() { echo "$*" >"$IOT/do"; }

# said: the log, and forgets it
said() {
	cat "$IOT/log"
	echo clear >"$IOT/log"
}

# says SECONDS LINE: the log comes to have it
says() { wait_for "$1" "grep -qxF '$2' $IOT/log"; }

# outcome COMMAND...: what the log has of it, on one line; for calls that end at once or wait
outcome() {
	said >/dev/null
	iot "$@" || echo "refused"
	said | xargs
}

# held N PATH: that path has swallowed so many requests by now
held() { wait_for 5 "[ \"\$(grep -c ' held\$' $RQT/$2/record)\" = $1 ]"; }

# stuck PATH: that path has swallowed all that its tags allow
stuck() {
	local before=0 now
	wait_for 5 "grep -q ' held\$' $RQT/$1/record"
	while now=$(grep -c ' held$' "$RQT/$1/record") && [ "$now" != "$before" ]; do
		before=$now
		sleep 0.3
	done
	note "$now requests fill path $1"
}
