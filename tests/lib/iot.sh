# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# iot.sh - functions for guest tests of dm-io-timeout. A test sources base.sh and paths.sh first. The I/O goes to
# rqt paths, and dm-iot-test.ko issues it: see the top of tests/modules/dm-iot-test-main.c for its commands.

IOT=/sys/kernel/debug/dm-iot-test

# iot_start [PATHS [RQT-PARAMETER...]]: load the modules. Device N of dm-iot-test is path N.
iot_start() {
	local paths="${1:-2}" path=0 devices=''
	[ $# = 0 ] || shift
	modprobe dm-mod || bail "cannot load dm-mod"
	rqt_start "paths=$paths" "$@"
	# shellcheck disable=SC2034 # used by base.sh
	LOADED_MS=$(now_ms)
	[ -n "${BUILTIN:-}" ] || insmod "$MODDIR/dm-io-timeout.ko" || bail "cannot load dm-io-timeout"
	on_exit 'iot_stop || broken'
	while [ $path -lt "$paths" ]; do
		disable_merges $path
		devices="$devices${devices:+,}/dev/rqt$path"
		path=$((path + 1))
	done
	insmod "$MODDIR/tests/modules/dm-iot-test.ko" devices="$devices" || bail "cannot load dm-iot-test"
}

# disable_merges PATH: let requests reach the path exactly as we sent them
disable_merges() {
	echo none >"/sys/block/rqt$1/queue/scheduler"
	echo 2 >"/sys/block/rqt$1/queue/nomerges"
}

# iot_client DEVICES MIN_IOS MAX_SIZE: create the client
iot_client() {
	iot client "$@" || bail "no client"
	said >/dev/null
}

# iot_stop: unload everything. If we did not release the held requests first, destroying the client would hang.
iot_stop() {
	rqt_all hold 0
	rmmod dm-iot-test || return
	unload_modules
}

# iot COMMAND...: run a command of dm-iot-test. Fails if the module refuses it.
iot() { echo "$*" >"$IOT/do"; }

# said: print the log and clear it
said() {
	cat "$IOT/log"
	echo clear >"$IOT/log"
}

# says SECONDS LINE: wait until the log contains LINE
says() { wait_for "$1" "grep -qxF '$2' $IOT/log"; }

# outcome COMMAND...: run a command and print its log on one line. Use it for calls that end at once or wait.
outcome() {
	said >/dev/null
	iot "$@" || echo "refused"
	said | xargs
}

# held N PATH: wait until PATH holds N requests
held() { wait_for 5 "[ \"\$(grep -c ' held\$' $RQT/$2/record)\" = $1 ]"; }

# stuck PATH: wait until PATH holds as many requests as it has tags. If all tags are in use, its queue is full.
stuck() {
	local before=0 now
	wait_for 5 "grep -q ' held\$' $RQT/$1/record"
	while now=$(grep -c ' held$' "$RQT/$1/record") && [ "$now" != "$before" ]; do
		before=$now
		sleep 0.3
	done
	note "$now requests fill path $1"
}
