#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# ktap.pl - check KTAP with perl's TAP::Parser, and print it again
#
#   ktap.pl guest STATUS NAME... <OUT	print the block of one guest, indented once: exactly one result for each NAME,
#					"not ok" if it is missing, and then one for the guest itself
#   ktap.pl kunit STATUS NAME... <OUT	the same for KUnit suites
#   ktap.pl total <STREAM		print the total line of a whole run; exit with 1 if anything is wrong
#
# STATUS is the exit status of scripts/guest, or 6 if the build failed and no guest was started.
use strict;
use warnings;
use TAP::Parser;

$| = 1;
my $RESULT = qr/^(not )?ok +(\d+)(?: +-)? *(.*)$/;
my %FATE = (0 => '', 1 => '', 3 => 'the kernel log is dirty', 4 => 'the guest was lost',
	    5 => 'the guest could not be started', 6 => 'it was not built');

# Return the first problem in the lines of one level of a TAP stream, or ''.
sub problem {
	my @flat = grep { !/^\s/ } @_;
	return 'nothing came' unless @flat;
	my $parser = TAP::Parser->new({ tap => join("\n", @flat, '') });
	my $bailed = '';
	while (my $result = $parser->next) {
		$bailed = $result->explanation || 'bailed out' if $result->is_bailout;
	}
	return "bailed out: $bailed" if $bailed;
	my ($error) = $parser->parse_errors;
	return $error if $error;
	return 'no plan' unless $parser->is_good_plan;
	return scalar($parser->failed) . ' of ' . $parser->tests_planned . ' are not ok' if $parser->failed;
	return '';
}

# Read the stream of a guest. Return a list of [name, ok, directive, nested lines], the lines of the top level, and nested
# lines that belong to no result.
sub read_guest {
	my (@tests, @top, @nested);
	while (my $line = <STDIN>) {
		$line =~ s/\r?\n$//;
		if ($line =~ /^GUEST-(?:VERDICT|START) /) {
			next;
		} elsif ($line =~ /^(?:  |#|GUEST-LOG)/) {
			$line =~ s/^GUEST-LOG/# GUEST-LOG/;
			push @nested, $line;
		} elsif ($line =~ $RESULT) {
			push @top, $line;
			my ($not, $text) = ($1, $3);
			my ($name, $directive) = $text =~ /^(\S*)\s*(# SKIP.*)?/i;
			push @tests, [$name, !$not, $directive // '', [@nested]];
			@nested = ();
		} else {
			push @top, $line;
		}
	}
	return (\@tests, \@top, \@nested);
}

sub show_guest {
	my ($kind, $status, @names) = @_;
	my ($tests, $top, $rest) = read_guest();
	my $number = 0;
	my $failed = 0;
	my %by_name;
	push @{$by_name{$_->[0]}}, $_ for @$tests;
	print "  KTAP version 1\n  1..", @names + 1, "\n";
	for my $name (@names) {
		my $test = shift @{$by_name{$name} // []};
		my $wrong = $test ? '' : 'no result: ' . ($FATE{$status} || 'the runner left it out');
		my @nested = $test ? @{$test->[3]} : splice(@$rest);
		if ($test && $test->[1] && !$test->[2]) {
			$wrong = problem(map { s/^  //r } grep { /^  / } @nested);
		}
		print "  $_\n" for @nested;
		print "  # $name: $wrong\n" if $wrong;
		my $ok = $test && $test->[1] && !$wrong;
		$failed++ unless $ok;
		printf "  %sok %d %s%s\n", $ok ? '' : 'not ', ++$number, $name,
			$ok && $test->[2] ? " $test->[2]" : '';
	}
	print "  $_\n" for @$rest;
	my $wrong = $FATE{$status} // "exit status $status";
	$wrong ||= "the command failed, though no test did" if $status == 1 && !$failed;
	if (!$wrong && !$failed) {
		$wrong = problem(@$top);
	}
	print "  # $kind: $wrong\n" if $wrong;
	printf "  %sok %d $kind-verdict\n", $wrong ? 'not ' : '', ++$number;
	return $wrong || $failed ? 1 : 0;
}

sub show_total {
	my (@top, @block, @wrong);
	my %count = (passed => 0, failed => 0, skipped => 0);
	while (my $line = <STDIN>) {
		chomp $line;
		if ($line =~ s/^  //) {
			push @block, $line;
			next;
		}
		push @top, $line;
		next unless $line =~ $RESULT;
		my ($not, $name) = ($1, $3);
		my $wrong = problem(@block);
		for (grep { $_ =~ $RESULT } @block) {
			$_ =~ $RESULT;
			$count{$1 ? 'failed' : $3 =~ /# SKIP/i ? 'skipped' : 'passed'}++;
		}
		push @wrong, "$name: $wrong" if $wrong;
		@block = ();
	}
	my $wrong = problem(@top);
	push @wrong, "the run: $wrong" if $wrong;
	push @wrong, 'the run ends in the middle of a group' if @block;
	$count{failed} ||= 1 if @wrong;
	print "# $_\n" for @wrong;
	print "$count{passed} passed, $count{failed} failed, $count{skipped} skipped\n";
	return @wrong ? 1 : 0;
}

my $mode = shift // '';
exit show_guest($mode, @ARGV) if $mode eq 'guest' || $mode eq 'kunit';
exit show_total() if $mode eq 'total';
die "usage: ktap.pl guest|kunit STATUS NAME... | total\n";
