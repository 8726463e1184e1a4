# SPDX-License-Identifier: GPL-2.0
# bench-timeline.gp - plot the IOPS over time while paths change: from `timeline` (configuration, case, depth, ms, IOPS),
# for scripts/bench plots
set terminal svg size 900,640 font 'sans-serif,12' background '#ffffff'
set datafile separator "\t"
set border 3
set tics nomirror out
set grid ytics lc '#dddddd'
set ylabel 'IOPS'
set format y "%.0f"
names = "stock:service-time ours:historical-service-time ours:completion-time"
set linetype 1 lc rgb '#b0713a' lw 1.5
set linetype 2 lc rgb '#6aa84f' lw 1.5
set linetype 3 lc rgb '#2f6fab' lw 2
only(kase, name) = sprintf("< awk -F '\t' -v OFS='\t' '$1 == \"%s\" && $2 == \"%s\" { print $4 / 1000, $5 }' timeline", name, kase)
set multiplot layout 2,1 title "Two paths of 8 slots, depth 16, while they change (".kernel.")"
set key outside top center horizontal
set title 'service times of 1 ms and 10 ms, swapped every second from 0 on'
set xrange [-0.5:5]
set yrange [0:10000]
plot for [n in names] only('swap', n) using 1:2 with lines title n
unset key
set title '1 ms each; one path does not answer from 0 to 0.5 s'
set xlabel 'seconds'
set xrange [-0.5:1.5]
set yrange [0:18000]
plot for [n in names] only('stall', n) using 1:2 with lines title n
unset multiplot
