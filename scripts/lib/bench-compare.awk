# SPDX-License-Identifier: GPL-2.0
#
# bench-compare.awk - for scripts/bench compare: compare two result sets, each in one file.
#   awk -v TOLERANCE=PART -f bench-compare.awk A B
# Prints a table per case. The exit status is 1 if a figure got worse, 2 if a line is malformed.
#
# A figure is worse, or better, if its median has changed by more than TOLERANCE of itself, and the ranges of the
# samples do not overlap.

BEGIN { FS = "\t"; OFS = FS }

FNR == 1 { set++; kase = "" }

function refuse(text) {
	printf "bench: %s, line %d: %s\n", FILENAME, FNR, text >"/dev/stderr"
	refused = 1
	exit
}

/^# [a-z]+: / { kase = $0; sub(/^# /, "", kase); sub(/:.*/, "", kase); next }
/^# kernel / { kernel[set, kase] = $0; sub(/^# kernel /, "", kernel[set, kase]); next }
/^#/ || $1 == "configuration" { next }

kase == "" { refuse("expected '# CASE: ...' before any result") }

$1 == "bar" {
	if (NF != 5 || $3 !~ /^(met|MISSED)$/)
		refuse("expected 'bar', text, met or MISSED, value, limit")
	key = kase FS $2
	verdict[set, key] = $3
	if (set == 1)
		bars[++nr_bars] = key
	next
}

{
	if (NF != 7)
		refuse("expected 7 columns, got " NF)
	for (i = 4; i <= 7; i++)
		if ($i !~ /^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/)
			refuse("expected a number in column " i ", got '" $i "'")
	key = kase FS $1 FS $2 FS $3
	if ((set, key) in median)
		refuse("a second '" $1 "', '" $2 "', '" $3 "' in case " kase)
	median[set, key] = $4
	low[set, key] = $5
	high[set, key] = $6
	results[set]++
	if (!(key in seen)) {
		seen[key]
		keys[++nr_keys] = key
	}
}

# 1 if a larger figure is better, -1 if a smaller one is, 0 if neither
function sense(figure) {
	if (figure ~ /^(queues|host busy|left behind|of it )/)
		return 0
	if (figure ~ /slow share|p99/)
		return -1
	return figure ~ /iops|IOPS|MB\/s|share|of sum|of oracle|vs stock/ ? 1 : -1
}

# change KEY FIGURE: returns better, worse or nothing, for a key that both sets have
function change(key, figure,	gain) {
	if (low[2, key] + 0 <= high[1, key] + 0 && low[1, key] + 0 <= high[2, key] + 0)
		return ""
	gain = (median[2, key] - median[1, key]) * sense(figure)
	if (gain < 0 && -gain > TOLERANCE * size(median[1, key]))
		return "worse"
	return gain > 0 && gain > TOLERANCE * size(median[1, key]) ? "better" : ""
}

function size(value) { return value < 0 ? -value : value + 0 }
function short(value) { return size(value) >= 1000 ? sprintf("%.0f", value) : value "" }
function ratio(a, b) { return a + 0 ? sprintf("%.3f", b / a) : "-" }

function heading(name) {
	printf "\n%s\n  A: %s\n  B: %s\n", name, kernel[1, name], kernel[2, name]
	printf "  %-32s %-12s %-22s %12s %12s %8s\n", "configuration", "scheduler", "figure", "A", "B", "B / A"
}

function line(key,	part, what) {
	split(key, part, FS)
	if (part[1] != last)
		heading(last = part[1])
	what = change(key, part[4])
	count[what]++
	printf "  %-32s %-12s %-22s %12s %12s %8s%s\n", part[2], part[3], part[4], short(median[1, key]),
		short(median[2, key]), ratio(median[1, key], median[2, key]), what == "" ? "" : "  " what
}

END {
	if (refused)
		exit 2
	for (i = 1; i <= nr_keys; i++) {
		key = keys[i]
		if ((1, key) in median && (2, key) in median)
			compared += 1
		else
			alone[(1, key) in median ? 1 : 2]++
	}
	if (!results[1] || !results[2] || !compared) {
		print "bench: the two sets have no figure in common" >"/dev/stderr"
		exit 2
	}
	for (i = 1; i <= nr_keys; i++)
		if ((1, keys[i]) in median && (2, keys[i]) in median)
			line(keys[i])

	print ""
	for (i = 1; i <= nr_bars; i++) {
		if (!((2, bars[i]) in verdict) || verdict[1, bars[i]] == verdict[2, bars[i]])
			continue
		split(bars[i], part, FS)
		printf "bar of %s: %s: %s, was %s\n", part[1], part[2], verdict[2, bars[i]], verdict[1, bars[i]]
	}
	printf "%d figures compared: %d worse, %d better; only in A: %d, only in B: %d\n", compared, count["worse"],
		count["better"], alone[1], alone[2]
	exit count["worse"] > 0
}
