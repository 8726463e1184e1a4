# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# lio.sh - sourced by guest tests after base.sh: one SCSI disk in memory, exported through several ports by the kernel's
# own target, LIO. Each port is a disk of this machine.
# shellcheck disable=SC2016,SC2034,SC2086,SC2317 # commands at exit; used by the tests; words

LIO=/sys/kernel/config/target
LIO_DISK=$LIO/core/rd_mcp_0/disk

# lio_start PAGES: make the disk
lio_start() {
	# LIO stores reservations there, in the first of them that exists when it is loaded.
	mkdir -p /var/target/pr /etc/target/pr
	modprobe -a sd_mod sg tcm_loop || bail "no LIO"
	on_exit 'rmdir $LIO/loopback
		modprobe -r tcm_loop target_core_user target_core_pscsi target_core_iblock target_core_file target_core_mod'
	mkdir -p $LIO_DISK || bail "no disk"
	on_exit 'rmdir $LIO_DISK $LIO/core/rd_mcp_0'
	echo "rd_pages=$1" >$LIO_DISK/control
	echo 8a3f6d1c-5a0e-4c57-9d2b-0c4be1a7d001 >$LIO_DISK/wwn/vpd_unit_serial
	echo 1 >$LIO_DISK/enable
}

# lio_port PORT: export the disk through this port, a digit
lio_port() {
	local dir
	dir=$(lio_port_dir $1)
	mkdir -p $dir/lun/lun_0
	on_exit "rmdir $dir/lun/lun_0 $dir ${dir%/*}"
	echo "naa.600140500000000$1" >$dir/nexus
	ln -s $LIO_DISK $dir/lun/lun_0/disk || bail "no port"
	on_exit "rm $dir/lun/lun_0/disk"
}

lio_port_dir() { echo "$LIO/loopback/naa.500140500000000$1/tpgt_0"; }

# If the link of a port is off, its commands end with a transport error.
lio_link_off() { echo offline >"$(lio_port_dir $1)/transport_status"; }
lio_link_on() { echo online >"$(lio_port_dir $1)/transport_status"; }

# lio_name PORT: print the name of its disk; fail if there is none yet
lio_name() {
	set -- /sys/class/scsi_device/"$(cat "$(lio_port_dir $1)/address")":0/device/block/*
	[ -b "/dev/${1##*/}" ] && echo "${1##*/}"
}

lio_devt() { cat "/sys/block/$(lio_name $1)/dev"; }

### Persistent reservations: ports 1 and 2 are the paths of this host, port 3 is another host

# lio_hosts: make the disk and these ports; set `other`, the other host's node, and `released`, the result of a release
lio_hosts() {
	lio_start 4096
	for port in 1 2 3; do
		lio_port $port
	done
	wait_for 20 'lio_name 1 && lio_name 2 && lio_name 3' >/dev/null || bail "no disks"
	RQT_SECTORS=$(cat "/sys/block/$(lio_name 1)/size")
	other=/dev/$(lio_name 3)
	# On 6.1, sd fails a command with a unit attention. The second path gets one when the first releases.
	case $(uname -r) in
	6.1.*) released=0x2 ;;
	*) released=ok ;;
	esac
}

# pr FILE REQUEST TEMPLATE VALUE...: call an ioctl of linux/pr.h; perl packs the values by the template. Print ok, the SCSI
# status or the error.
pr() {
	perl -e 'my ($file, $request, $template, @values) = @ARGV; open(my $f, "+<:unix", $file) or die "$!\n";
		my $arg = pack($template, @values);
		my $r = ioctl($f, hex $request, $arg);
		print !$r ? $! : $r == 0 ? "ok" : sprintf("0x%x", $r), "\n"' "$@"
}
pr_register() { pr $1 401870c8 QQLL $2 $3 0 0; }	# FILE OLD NEW
pr_reserve() { pr $1 401070c9 QLL $2 $3 0; }		# FILE KEY TYPE
pr_release() { pr $1 401070ca QLL $2 $3 0; }		# FILE KEY TYPE
pr_preempt() { pr $1 401870cb QQLL $2 $3 $4 0; }	# FILE KEY PREEMPTED-KEY TYPE
pr_abort() { pr $1 401870cc QQLL $2 $3 $4 0; }		# the same; also aborts the commands of the preempted key
pr_clear() { pr $1 401070cd QLL $2 0 0; }		# FILE KEY

# Print all registered keys, sorted. The other host may have a unit attention, which fails a command of sg_persist.
keys() {
	sg_turs "/dev/$(lio_name 3)" >/dev/null 2>&1
	sg_persist -n --in --read-keys "/dev/$(lio_name 3)" | grep -o '^ *0x[0-9a-f]*' | sort | xargs
}

# attentions: collect the unit attentions of the last step, because on some kernels sd fails a command with one
attentions() {
	for port in 1 2 3; do
		sg_turs -n 2 "/dev/$(lio_name $port)" >/dev/null 2>&1
	done
}
