# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2153 # scripts/bench's variables
#
# bench-report.sh - sourced by scripts/bench after common.sh: stores results in tests/results, compares two sets, and
# draws plots.

LIB=$(dirname "${BASH_SOURCE[0]}")

### tests/results

# store_results: store each case of this run, and keep the stored results of other cases
store_results() {
	local kept=$REPO/tests/results/bench-$KREL.tsv name
	mkdir -p "$REPO/tests/results"
	for name in "${CASES[@]}"; do
		if [[ " ${SELECTION[*]} " == *" $name "* ]]; then
			cat "$RESULTS/$KREL/$name.tsv"
		elif [ -e "$kept" ]; then
			awk -v head="# $name: " '/^# [a-z]+: / { is_it = index($0, head) == 1 } is_it' "$kept"
		fi
	done >"$kept.new"
	mv "$kept.new" "$kept"
	[[ " ${SELECTION[*]} " != *" changing "* ]] || store_time_line "$RESULTS/$KREL/changing.timeline"
}

# Depths and entrants in the timeline plot. With more of them it would be unreadable and large.
store_time_line() {
	awk -F '\t' '$3 == 16 && $1 ~ /^(stock:service-time|ours:historical-service-time|ours:completion-time)$/' "$1" \
		>"$REPO/tests/results/timeline-$KREL.tsv"
}

### compare

# If a figure changes by less than this part of itself, we consider it unchanged.
TOLERANCE=0.01

report_compare() {
	local work
	export DIE_STATUS=2
	[ $# = 2 ] || die "compare: expected two result sets, got $#"
	make_tempdir work
	whole_set "$1" >"$work/A"
	whole_set "$2" >"$work/B"
	echo "A: $1"
	echo "B: $2"
	(cd "$work" && awk -v TOLERANCE=$TOLERANCE -f "$LIB/bench-compare.awk" A B)
}

# whole_set SET: print it as one file
whole_set() {
	local dir=$1 dirs
	if [ -f "$1" ]; then
		cat "$1"
		return
	fi
	[ -d "$dir" ] || dir=$REPO/build/bench/$1
	[ -d "$dir" ] || die "compare: no result set '$1': expected a file, a directory or what --name was given"
	if ! compgen -G "$dir/*.tsv" >/dev/null; then
		mapfile -t dirs < <(find "$dir" -mindepth 2 -maxdepth 2 -name '*.tsv' -printf '%h\n' | sort -u)
		[ ${#dirs[@]} != 0 ] || die "compare: no results (*.tsv) in $dir"
		[ ${#dirs[@]} = 1 ] || die "compare: several kernels in $dir: name one of ${dirs[*]}"
		dir=${dirs[0]}
	fi
	cat "$dir"/*.tsv
}

### Plots, from what is in tests/results

# The plots show the figures of this kernel.
PLOT_KERNEL=6.12

report_plots() {
	local results=("$REPO/tests/results/bench-$PLOT_KERNEL".*.tsv) timeline work name
	[ $# = 0 ] || die "plots takes no arguments"
	[ -e "${results[0]}" ] || die "no results of $PLOT_KERNEL in tests/results: run scripts/bench first"
	[ ${#results[@]} = 1 ] || die "results of several $PLOT_KERNEL kernels in tests/results: remove the old ones"
	timeline=${results[0]/bench-/timeline-}
	need_packages gnuplot-nox
	make_tempdir work
	plot_cost_data "${results[0]}" >"$work/cost"
	plot_selectors_data "${results[0]}" "$work"
	[ ! -e "$timeline" ] || cp "$timeline" "$work/timeline"
	for name in cost:cost selectors:throughput timeline:timeline; do
		if [ ! -s "$work/${name#*:}" ]; then
			say "no figures for bench-${name%:*} in tests/results: run cost, balance, slower and changing with --store"
			continue
		fi
		name=${name%:*}
		say "drawing Documentation/bench-$name.svg"
		(cd "$work" && gnuplot -e "kernel='$PLOT_KERNEL'" "$LIB/bench-$name.gp") |
			sed '/^<desc>/d' | git stripspace >"$REPO/Documentation/bench-$name.svg"
	done
}

# Rows from the bottom up: the cost of null_blk, the added cost, its kind, its name.
plot_cost_data() {
	awk -F '\t' -v OFS='\t' '
		/^# [a-z]+: / { cost = /^# cost: / }
		!cost || $3 !~ /^(instructions|added)$/ || $2 == "mq-deadline" { next }
		$1 == "null_blk" { base = $4; next }
		$3 == "added" { name[++n] = $1; added[n] = $4 }
		END {
			for (i = n; i; i--) {
				kind = (name[i] ~ /^ours/ ? 1 : 0) + (name[i] ~ /bio-based/ ? 2 : 0)
				print base, added[i], kind, name[i]
			}
		}' "$1" | sort -t "$(printf '\t')" -s -k 3,3nr
}

# How selectors use paths that differ: in DIR/throughput and DIR/p99, a row per load and a column per selector.
plot_selectors_data() {
	awk -F '\t' -v dir="$2" '
		function load(kase, figure) {
			if (kase == "balance" && figure ~ /^(IOPS|p99 ms) [0-9]+$/)
				return "two paths, 1:10\\ndepth " depth(figure)
			if (kase == "slower" && figure ~ /^(IOPS|p99 ms) [0-9]+$/)
				return "four paths, one 1:4\\ndepth " depth(figure)
			return ""
		}
		function depth(figure) { sub(/.* /, "", figure); return figure }
		# With all slots of all paths in use; with one request at a time, on a fast path.
		function limit(kase, figure) {
			return depth(figure) == 1 ? 1000 : kase == "balance" ? 8800 : 26000
		}
		/^# [a-z]+: / { kase = $0; sub(/^# /, "", kase); sub(/:.*/, "", kase); next }
		load(kase, $3) == "" { next }
		{
			row = load(kase, $3)
			if (!(row in rows)) { rows[row] = ++nr; name[nr] = row }
			if (!($1 in columns)) { columns[$1] = ++nc; selector[nc] = $1 }
			value[$3 ~ /^IOPS/ ? "throughput" : "p99", row, $1] = $3 ~ /^IOPS/ ? $4 / limit(kase, $3) : $4
		}
		function write(file,	r, c, line) {
			line = "load"
			for (c = 1; c <= nc; c++)
				line = line "\t" selector[c]
			print line >(dir "/" file)
			for (r = 1; r <= nr; r++) {
				line = "\"" name[r] "\""
				for (c = 1; c <= nc; c++)
					line = line "\t" ((file, name[r], selector[c]) in value ? \
						value[file, name[r], selector[c]] : "?")
				print line >(dir "/" file)
			}
		}
		END {
			if (nr) {
				write("throughput")
				write("p99")
			}
		}' "$1"
}
