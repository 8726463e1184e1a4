# SPDX-License-Identifier: GPL-2.0
#
# scan-log.awk - find reports of trouble in a kernel log (dmesg on stdin).
#   awk -v bad=ERE [-v since=MARK] -f scan-log.awk
# Prints the bad lines; exit 0: none, 1: some, 2: MARK is not in the log.
# Records written to /dev/kmsg steer it:
#   dmrq-mark: NAME	a new stretch begins; expectations end
#   dmrq-expect: ERE	lines that match are fine until the next mark

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

# A debug kernel says what it is.
/RCU lockdep checking is enabled/ { next }

seen && $0 ~ bad {
	for (i = 1; i <= allowances; i++)
		if ($0 ~ allowed[i])
			next
	print
	dirty = 1
}

END { exit seen ? dirty : 2 }
