# SPDX-License-Identifier: GPL-2.0
# bench-cost.gp - for scripts/bench plots: instructions per I/O and layer, from `cost` (null_blk, added, kind, name)
set terminal svg size 820,520 font 'sans-serif,13' background '#ffffff'
set datafile separator "\t"
stats 'cost' using 1 nooutput
rows = STATS_records
set title "Instructions per 4 KiB random read, two null_blk paths, depth 32\n(".kernel."; grey: null_blk itself; colour: added by the layer)" noenhanced
set yrange [-0.6:rows - 0.4]
set xrange [0:14000]
set xtics 2000
set format x "%.0f"
set grid xtics lc '#dddddd'
set border 3
set tics nomirror out
set ytics ()
unset key
set rmargin 3
half = 0.38
color(kind) = kind == 0 ? 0xb0713a : kind == 1 ? 0x2f6fab : kind == 2 ? 0xd9b48f : 0x8fb8dc
plot 'cost' using ($1/2):0:(0):1:($0 - half):($0 + half):ytic(4) with boxxyerror fs solid noborder lc '#c8c8c8', \
	'cost' using 1:0:1:($1 + $2):($0 - half):($0 + half):(color($3)) with boxxyerror fs solid noborder lc rgb variable, \
	'cost' using ($1 + $2):0:(sprintf("  +%.0f", $2)) with labels left font ',11'
