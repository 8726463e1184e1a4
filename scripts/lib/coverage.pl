#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# coverage.pl - report which lines of the modules have run:
#   gcov --json-format --stdout ... | coverage.pl DIRECTORY LINES PERCENT
# DIRECTORY has the sources. Prints a table of its files without tests/, as KTAP diagnostics, and writes each line without
# a run to the file LINES, as FILE:LINE: TEXT. The exit status is 1 if less than PERCENT of all lines have run.
use strict;
use warnings;
use JSON::PP;

my ($dir, $out, $bar) = @ARGV;
my %runs;	# file name -> line number -> count

# If several objects contain a line, then we add up their counts.
while (my $json = <STDIN>) {
	next unless $json =~ /\S/;
	for my $file (@{decode_json($json)->{files}}) {
		next unless $file->{file} =~ m{\Q$dir\E/((?:include/.*|mpath/|ps/|iot/)?[^/]+\.[ch])$};
		next if $1 =~ /trace\.h$/;
		my $lines = $runs{$1} //= {};
		$lines->{$_->{line_number}} += $_->{count} for @{$file->{lines}};
	}
}

sub percent { return $_[1] ? 100 * $_[0] / $_[1] : 100 }

sub write_missing {
	my ($missing, $file, $lines) = @_;
	open my $source, '<', "$dir/$file" or die "$dir/$file: $!\n";
	while (my $text = <$source>) {
		my $count = $lines->{$.} // next;
		print $missing "$file:$.:$text" unless $count;
	}
}

open my $missing, '>', $out or die "$out: $!\n";
my ($run, $all) = (0, 0);
for my $file (sort keys %runs) {
	my $lines = $runs{$file};
	my $of = keys %$lines;
	my $hit = grep { $_ } values %$lines;
	printf "# %-34s %5d of %5d lines  %5.1f %%\n", $file, $hit, $of, percent($hit, $of);
	write_missing($missing, $file, $lines);
	$run += $hit;
	$all += $of;
}
die "coverage.pl: no line of $dir was counted\n" unless $all;
printf "# %-34s %5d of %5d lines  %5.1f %%, at least %d %% expected\n", 'all', $run, $all, percent($run, $all), $bar;
exit(percent($run, $all) < $bar);
