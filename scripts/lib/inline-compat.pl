#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# inline-compat.pl - remove the compat header from a copy of the sources:
#   inline-compat.pl DIRECTORY
# unifdef has already resolved the conditionals of include/dm-rq-compat.h for one kernel. We handle the remaining
# definitions as follows, to avoid wrappers in the kernel tree:
#   - an object-like macro is replaced by its value,
#   - a call of an empty function is deleted, together with a loop around it,
#   - a macro or a function that is nothing but a constant is resolved by dead-code.pl, with all code that depends on it,
#   - a call of a function with a single statement is replaced by that statement,
#   - all other functions and structures move into the .c file of their users.
# We refuse all other cases to avoid wrong code in the patches.
use strict;
use warnings;
use File::Find;
use FindBin;
require "$FindBin::Bin/dead-code.pl";

my $HEADER = 'include/dm-rq-compat.h';
my $NAME = 'dm-rq-compat.h';
my ($dir) = @ARGV;
my %text;	# of each source file, by its name below $dir

sub refuse { die "$HEADER: @_\n" }

sub read_sources {
	find({ no_chdir => 1, wanted => sub {
		return unless /\.[ch]$/;
		open my $file, '<', $_ or die "$_: $!\n";
		local $/;
		$text{substr($_, length($dir) + 1)} = <$file>;
	} }, $dir);
}

sub write_sources {
	find({ no_chdir => 1, wanted => sub {
		unlink $_ if /\.[ch]$/ && !exists $text{substr($_, length($dir) + 1)};
	} }, $dir);
	for my $name (keys %text) {
		open my $file, '>', "$dir/$name" or die "$dir/$name: $!\n";
		print $file $text{$name};
		close $file or die "$dir/$name: $!\n";
	}
}

# Split the header into its definitions, each with the comment in front of it.
sub definitions {
	my $body = delete $text{$HEADER};
	$body =~ s{\A.*?^#define \w+_H\n}{}ms or refuse('expected an include guard');
	$body =~ s{^#endif[^\n]*\s*\z}{}m or refuse('expected the end of the include guard');
	$body =~ s{^#include[^\n]*\n}{}mg;
	my @items;
	while ($body =~ m{\G\s*(?=\S)}gc) {
		my $comment = $body =~ m{\G(/\*.*?\*/\n)}gcs ? $1 : '';
		next if $body =~ m{\G(?=\n)}gc;	# unifdef has dropped what this comment describes
		if ($body =~ m{\G#define (\w+)[ \t]+((?:[^\n]*\\\n)*[^\n]*\S[^\n]*)\n}gc) {
			my ($macro, $value) = ($1, $2);
			$value =~ s/\s*\\\n\s*/ /g;
			$value = constant($value) if $value =~ /^(?:true|false)$/;
			push @items, { kind => 'macro', name => $macro, value => $value };
		} elsif ($body =~ m{\G(struct (\w+) \{\n.*?^\};\n)}gcms) {
			push @items, { kind => 'rest', name => $2, code => $comment . $1 };
		} elsif ($body =~ m!\G(static inline [^;{]*?\b(\w+)\(([^)]*)\)\n\{\n(.*?)^\}\n)!gcms) {
			push @items, function($2, $3, $4, $comment . $1);
		} else {
			refuse('no rule for: ' . substr($body, pos($body) // 0, 200));
		}
	}
	return @items;
}

sub function {
	my ($name, $parameters, $body, $code) = @_;
	my %item = (kind => 'rest', name => $name, code => $code);
	$item{parameters} = [map { /(\w+)\s*$/ ? $1 : () } split /,/, $parameters];
	(my $bare = $body) =~ s{^\t+/\*.*?\*/\n}{}gms;
	if ($bare =~ /\A\s*\z/) {
		$item{kind} = 'empty';
	} elsif ($bare =~ /\A\s*return (true|false|0);\s*\z/) {
		$item{kind} = 'inline';
		$item{value} = constant($1);
	} elsif ($body =~ /\A\s*(?:return )?([^;{}#]*);\s*\z/ && $body !~ m{/\*|^\s*(?:if|for|while)\b}) {
		$item{kind} = 'inline';
		($item{value} = $1) =~ s/\s*\n\s*/ /g;
	}
	return \%item;
}

sub users {
	my ($name, $where) = @_;
	return grep { $where->{$_} =~ /\b\Q$name\E\b/ } sort keys %$where;
}

# Replace the calls in $text by what $replace makes of their arguments.
sub replace_calls {
	my ($text, $name, $replace) = @_;
	my $balanced = qr/(\((?:[^()]++|(?1))*\))/;
	$text =~ s{\b\Q$name\E$balanced}{$replace->(arguments($1))}ge;
	return $text;
}

sub arguments {
	my ($list) = @_;
	my ($depth, @arguments) = (0, '');
	for my $char (split //, substr($list, 1, -1)) {
		$depth += ($char eq '(') - ($char eq ')');
		if ($char eq ',' && !$depth) {
			push @arguments, '';
		} else {
			$arguments[-1] .= $char;
		}
	}
	s/^\s+|\s+$//g, s/\s*\n\s*/ /g for @arguments;
	return @arguments;
}

sub inlined {
	my ($item, @arguments) = @_;
	my $name = $item->{name};
	my %value;
	@value{@{$item->{parameters}}} = @arguments;
	refuse("a call of $name has too few or too many arguments") if @arguments != keys %value;
	my $parameter = join '|', map { quotemeta } keys %value;
	my $simple = qr/^\w+(?:(?:->|\.)\w+|\[\w+\])*$/;
	for my $p (keys %value) {
		my $uses = () = $item->{value} =~ /(?<!->)(?<!\.)\b\Q$p\E\b/g;
		refuse("$name uses its parameter $p more than once") if $uses > 1 && $value{$p} !~ $simple;
	}
	refuse("the value of $name needs parentheses") if $item->{value} =~ /\?|\|\||&&/;
	# split also returns the separators, so a part is a parameter or the text between two of them.
	my @parts = split /(?<!->)(?<!\.)\b($parameter)\b/, $item->{value};
	my $result = '';
	for my $n (0 .. $#parts) {
		my $argument = $value{$parts[$n]};
		# The arguments of a call need no parentheses.
		my $plain = $result =~ /[(,]\s*$/ && ($parts[$n + 1] // '') =~ /^\s*[,)]/;
		if (!defined $argument) {
			$result .= $parts[$n];
		} elsif ($plain || $argument =~ $simple) {
			$result .= $argument;
		} else {
			$result .= "($argument)";
		}
	}
	return $result;
}

# Replace a macro. If a list of parameters no longer fits on its line, then we break it after commas.
sub replace_macro {
	my ($text, $item) = @_;
	# A flag that the kernel does not have
	$text =~ s/\s*\|\s*\b\Q$item->{name}\E\b//g if $item->{value} eq '0';
	# A status that the kernel does not have
	$text =~ s/^\t+case \Q$item->{name}\E:[^\n]*\n//mg if $item->{value} =~ /__force/;
	my @lines = split /^/, $text;
	for my $line (@lines) {
		next unless $line =~ s/\b\Q$item->{name}\E\b/$item->{value}/g;
		my ($before) = $line =~ /\A(\w[^(]*\()/ or next;
		my $column = length $before;
		my $indent = "\t" x ($column / 8) . ' ' x ($column % 8);
		my ($rest, $width) = ($line, 80);
		$line = '';
		while (length($rest) > $width + 1 && $rest =~ /\A(.{1,@{[$width - 1]}},) (.*)\z/s) {
			$line .= "$1\n$indent";
			($rest, $width) = ($2, 80 - $column);
		}
		$line .= $rest;
	}
	return join '', @lines;
}

sub delete_calls {
	my ($text, $name) = @_;
	refuse("the loop around the call of $name is a branch of its own")
		if $text =~ /(?:\)|else|do)\n\t+list_for_each_entry\([^;{]*\)\n\t+\Q$name\E\(/;
	$text =~ s/^(\t+)list_for_each_entry\([^;{]*\)\n\1\t\Q$name\E\([^;]*\);\n//mg;
	# If a call is the only statement of an if, else or loop, then we cannot just delete it.
	(my $code = $text) =~ s{/\*.*?\*/}{}gs;
	refuse("the call of $name is a branch of its own")
		if $code =~ /(?:\)|else|do)\s*\n\s*\Q$name\E\(/;
	refuse("a call of $name has a call as argument")
		if $code =~ /\b\Q$name\E\([^;]*\w\(/;
	$text =~ s/^\t+\Q$name\E\([^;]*\);\n//mg;
	refuse("$name is used other than as a statement") if $text =~ /\b\Q$name\E\b/;
	return $text;
}

# Insert after the includes and the prefix of the file's messages.
sub move_into {
	my ($file, $code) = @_;
	$code =~ s/^static inline /static /mg;
	$text{$file} =~ s{\A(.*^#include [^\n]*\n(?:\s*\#define DM_MSG_PREFIX[^\n]*\n)?)}{$1\n$code}ms
		or refuse("$file has no include to put code after");
}

sub move_rest {
	my @rest = @_;
	my %code;
	$_->{users} = { map { $_ => 1 } users($_->{name}, \%text) } for @rest;
	# If a function of a structure moves, then its new file also uses the structure.
	for my $item (@rest) {
		for my $other (@rest) {
			next if $item == $other || !users($item->{name}, { of => $other->{code} });
			$item->{users}{$_} = 1 for keys %{$other->{users}};
		}
	}
	for my $item (@rest) {
		my @users = sort keys %{$item->{users}} or next;
		refuse("$item->{name} is used by @users, so it needs a header of its own")
			if @users > 1 || $users[0] !~ /\.c$/;
		$code{$users[0]} .= ($code{$users[0]} ? "\n" : '') . $item->{code};
	}
	move_into($_, $code{$_}) for sort keys %code;
}

# apply ITEM to TEXT: resolve what TEXT uses of it
sub apply {
	my ($item, $text) = @_;
	my $name = $item->{name};
	return $text unless $text =~ /\b\Q$name\E\b/;
	return replace_macro($text, $item) if $item->{kind} eq 'macro';
	return delete_calls($text, $name) if $item->{kind} eq 'empty';
	refuse("the value of $name needs parentheses behind `!`")
		if $text =~ /!\Q$name\E\(/ && $item->{value} =~ m{ [-+*/&|<>=]+ };
	return replace_calls($text, $name, sub { inlined($item, @_) });
}

read_sources();
exit unless exists $text{$HEADER};
remember_uses(\%text);
my @items = definitions();
# If a function takes a structure of the header, then we keep both together.
for my $struct (grep { $_->{code} && $_->{code} =~ /^struct /m } @items) {
	$_->{kind} = 'rest' for grep { $_->{code} && $_->{code} =~ /\bstruct \Q$struct->{name}\E\b/ } @items;
}
my @rest = grep { $_->{kind} eq 'rest' } @items;
for my $item (grep { $_->{kind} ne 'rest' } @items) {
	$text{$_} = apply($item, $text{$_}) for keys %text;
	$_->{code} = apply($item, $_->{code}) for @rest;
}
move_rest(@rest);
remove_dead_code(\%text);
$text{$_} =~ s/^#include "\Q$NAME\E"\n//mg for keys %text;
write_sources();
