# SPDX-License-Identifier: GPL-2.0
#
# long-results.awk - what came out of the tests that take long, for tests/results/long.txt.
#   awk -v commit=NAME -v tests="NAME NAME.." -f long-results.awk [OLD] GUEST-OUTPUT...
# Prints for each of the tests a line `<test> <kernel>: <result>, <seconds> s; dm-mpath-rq <commit>` and, behind a tab,
# what it noted; and of OLD (by its name, *.txt) those that were not run now.

FILENAME ~ /\.txt$/ {
	if (/^[^\t]/) {
		key = $1 " " $2
		order[++entries] = key
	}
	text[key] = text[key] $0 "\n"
	next
}

/^GUEST-START / { kernel = $2 }
/^  (K?TAP version|1\.\.)/ { notes = "" }
/^  # (Totals|wanted|got|exit|corpus:)/ { next }
/^  # / { notes = notes "\t" substr($0, 5) "\n" }
/^# [^ ]+: [0-9]+ s$/ { seconds = $3 }

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
