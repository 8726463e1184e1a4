# SPDX-License-Identifier: GPL-2.0
#
# scan-log.awk - find reports of trouble in a kernel log (dmesg on stdin)
#
#   awk -v bad=ERE [-v since=MARK] -f scan-log.awk
#
# Print the bad lines. The exit status is 0 if there are none, 1 if there are some, and 2 if MARK is not in the log.
# Tests control the scan by records that they write to /dev/kmsg:
#   dmrq-mark: NAME	begin a new section and drop all expectations
#   dmrq-expect: ERE	allow lines that match, until the next mark

BEGIN { seen = since == "" }

/dmrq-mark: / {
	split("", allowed)
	allowances = 0
	if (since != "" && index($0, "dmrq-mark: " since) && substr($0, length($0) - length(since) + 1) == since) {
		seen = 1
		dirty = 0
	}
	next
}

/dmrq-expect: / {
	allowed[++allowances] = substr($0, index($0, "dmrq-expect: ") + 13)
	next
}

# A debug kernel prints this at boot.
/RCU lockdep checking is enabled/ { next }

seen && $0 ~ bad {
	for (i = 1; i <= allowances; i++)
		if ($0 ~ allowed[i])
			next
	print
	dirty = 1
}

END { exit seen ? dirty : 2 }
