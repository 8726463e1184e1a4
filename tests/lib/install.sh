# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# install.sh - functions of the host tests that install the product. Sourced after common.sh.
#   copy_sources DIR		copies this tree to a new directory, without what was built
#   same, refused		check a result
#   machine			lists the files that an installation may touch, with their contents
#   behind, names, tools, in_initramfs	print what is installed
#   check_initramfs RELEASE	an initramfs has our modules and the alias. This needs TMP

copy_sources() {
	mkdir "$1"
	tar -c --exclude=./build --exclude=./.git --exclude='*.ko' --exclude='*.o' . | tar -x -C "$1"
}

# same DESCRIPTION EXPECTED ACTUAL
same() {
	[ "$2" = "$3" ] || die "$1:"$'\n'"$(diff <(echo "$2") <(echo "$3"))"
	echo "ok: $1"
}

# refused REASON COMMAND...
refused() {
	local reason=$1 said
	shift
	! said=$("$@" 2>&1) || die "not refused: $*"
	grep -qF "$reason" <<<"$said" || die "refused, but not for '$reason': $said"
	echo "ok: refused: $reason"
}

# List the files that an installation may touch. To save time, we do not read the kernel's own modules. DKMS
# creates a signing key once per machine.
machine() {
	find /lib/modules/*/kernel -printf '%p %y %m %s %T@\n' | sort
	touchable -printf '%p %y %m %l\n' | sort
	touchable -type f -exec sha256sum {} + | sort
}

touchable() {
	local dirs
	# A package may bring the first file of a directory, and removes the directory with it.
	mapfile -t dirs < <(ls -d /usr/sbin /lib/modules/ /lib/modprobe.d /etc /usr/share/initramfs-tools /usr/src /var/lib/dkms \
		/usr/share/man/man8 /usr/share/bash-completion 2>/dev/null)
	find "${dirs[@]}" \( -path '/lib/modules/*/kernel' -o -path '/usr/src/*/*' -o -name 'mok.*' \) -prune -o "$@"
}

# behind RELEASE: print the file that modprobe loads for dm-multipath with this kernel
behind() { modprobe -S "$1" --ignore-install -D dm-multipath | sed -n '$s|.*/lib/modules/||; $s|\.ko.*||p'; }

# names DIR: print the names of the modules in DIR
names() { find "$1" -name '*.ko*' -printf '%f\n' | sed 's/\.ko.*//' | sort; }

releases() { ls /lib/modules; }

# tools ROOT: print the names of our man pages and completions, except for empty files
tools() {
	find "$1/usr/share/man/man8" "$1/usr/share/bash-completion/completions" -name '*mpath*' ! -name 'mpathpersist*' \
		! -name 'mpathconf*' -size +0 -printf '%f\n' | sort -t . -k 2r | xargs
}

# in_initramfs RELEASE: print our modules in an initramfs, and the alias
in_initramfs() {
	mkinitramfs -o "$TMP/initramfs" "$1"
	lsinitramfs "$TMP/initramfs" | sed -n 's|.*/updates/.*/\(.*\)\.ko.*|\1|p; s|.*/\(modprobe.d/dm-mpath-rq\)|\1|p' | sort
}

check_initramfs() {
	local release=$1
	same "$release: an initramfs has all our modules and the alias" \
		"$(names "/lib/modules/$release/updates"; echo modprobe.d/dm-mpath-rq.conf)" \
		"$(in_initramfs "$release")"
}
