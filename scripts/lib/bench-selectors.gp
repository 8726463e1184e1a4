# SPDX-License-Identifier: GPL-2.0
# bench-selectors.gp - plot throughput and p99 by selector and case: from `throughput` and `p99`, for scripts/bench plots
set terminal svg size 900,760 font 'sans-serif,12' background '#ffffff'
set datafile separator "\t"
set datafile missing '?'
columns = int(system("awk -F '\t' 'NR == 1 { print NF; exit }' throughput"))
set style data histograms
set style histogram clustered gap 1.5
set style fill solid noborder
set boxwidth 0.9
set border 3
set tics nomirror out
set grid ytics lc '#dddddd'
set linetype 1 lc rgb '#d9b48f'
set linetype 2 lc rgb '#c98f55'
set linetype 3 lc rgb '#8a4f1d'
set linetype 4 lc rgb '#6aa84f'
set linetype 5 lc rgb '#b0b0b0'
set linetype 6 lc rgb '#707070'
set linetype 7 lc rgb '#2f6fab'
set linetype 8 lc rgb '#8fb8dc'
rows = int(system("awk 'END { print NR - 1 }' throughput"))
set xrange [-0.7:rows - 0.3]
set bmargin 3
set multiplot layout 2,1 title "Paths of unequal speed, 8 slots each, random read 4 KiB (".kernel.")"
set key outside top center horizontal maxrows 3
set ylabel 'throughput, share of the limit'
set yrange [0:1.05]
plot for [c = 2:columns] 'throughput' using c:xtic(1) title columnheader(c)
set ylabel 'p99, ms (logarithmic)'
set logscale y
set yrange [0.5:100]
unset key
plot for [c = 2:columns] 'p99' skip 1 using c:xtic(1) notitle
unset multiplot
