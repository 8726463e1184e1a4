# SPDX-License-Identifier: GPL-2.0
#
# long-results.awk - merge the results of long tests into tests/results/long.txt
#
#   awk -v commit=NAME -v tests="NAME NAME.." -f long-results.awk [OLD] GUEST-OUTPUT...
#
# For each of the tests, print a line `<test> <kernel>: <result>, <seconds> s; dm-mpath-rq <commit>`, and then its notes,
# each after a tab. <kernel> includes the release of the guest's user space, if that is not the host's. Entries of OLD, a
# file named *.txt, are kept if their test has not run now.

FILENAME ~ /\.txt$/ {
	if (/^[^\t]/) {
		key = $0
		sub(/: .*/, ":", key)
		order[++entries] = key
	}
	text[key] = text[key] $0 "\n"
	next
}

/^GUEST-START / { kernel = $2 }
/^# user space: / { kernel = kernel " " $4 }
/^  (K?TAP version|1\.\.)/ { notes = "" }
/^  # (Totals|wanted|got|exit|corpus:)/ { next }
/^  # / { notes = notes "\t" substr($0, 5) "\n" }
/^# [^ ]+: [0-9]+ s(, [0-9]+ s of them idle)?$/ { seconds = $3 }

/^(not )?ok [0-9]+ / {
	result = $1 == "ok" ? "ok" : "not ok"
	name = $1 == "ok" ? $3 : $4
	key = name " " kernel ":"
	if (index(" " tests " ", " " name " ")) {
		if (!(key in text))
			order[++entries] = key
		text[key] = key " " result ", " seconds " s; dm-mpath-rq " commit "\n" notes
	}
	notes = ""
}

END {
	for (i = 1; i <= entries; i++)
		printf "%s", text[order[i]]
}
