# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# stats.sh - sourced by guest tests after paths.sh: helpers that read the path_stats of a map.

path_stats() { dmsetup message "$1" 0 path_stats; }

# map_word MAP KEY: print the word after KEY in the first line
map_word() { path_stats "$1" | awk -v key="$2" 'NR == 1 { for (i = 1; i < NF; i++) if ($i == key) print $(i + 1) }'; }

# stat MAP PATH KEY...: print the words after these keys in the path's line
stat() {
	local map="$1" path
	path=$(rqt_devt "$2")
	shift 2
	path_stats "$map" | awk -v path="$path" -v keys="$*" '
		$1 == "path" && $2 == path {
			for (i = 3; i < NF; i++)
				value[$i] = value[$i] == "" ? $(i + 1) : value[$i]
			count = split(keys, key, " ")
			for (k = 1; k <= count; k++)
				printf "%s%s", value[key[k]], k < count ? " " : "\n"
		}'
}

# total MAP KEY: print the sum over all paths
total() {
	path_stats "$1" | awk -v key="$2" '
		$1 == "path" { for (i = 3; i < NF; i++) if ($i == key) { sum += $(i + 1); break } }
		END { print sum + 0 }'
}

# latencies MAP PATH KEY: print the nonzero buckets of the histogram, "<number>:<count> ..", numbered from 0
latencies() {
	path_stats "$1" | awk -v path="$(rqt_devt "$2")" -v key="$3" '
		$1 == "path" && $2 == path {
			for (i = 3; $i != key; i++)
				;
			for (n = 0; n < 24; n++)
				if ($(i + 1 + n))
					text = text (text ? " " : "") n ":" $(i + 1 + n)
			print text
		}'
}

# latency_sum MAP KEY: print the sum of all buckets of all paths
latency_sum() {
	path_stats "$1" | awk -v key="$2" '
		$1 == "path" {
			for (i = 3; $i != key; i++)
				;
			for (n = 1; n <= 24; n++)
				sum += $(i + n)
		}
		END { print sum + 0 }'
}
