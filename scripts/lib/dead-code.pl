# SPDX-License-Identifier: GPL-2.0
#
# dead-code.pl - remove code that cannot run on the kernel of a series. inline-compat.pl requires it.
#   constant(VALUE)		a marked value, which a compat macro or function has on this kernel
#   remember_uses(TEXTS)	remember which names are in use at the beginning; TEXTS has the text of each file by its name
#   remove_dead_code(TEXTS)	resolve all marked values, and remove what is then no longer used; a file without a function
#				is removed, too, and so is its KUnit suite
# We handle what our sources need: an `if` without an else, a conditional expression, a chain of `&&` or `||`, a sum. Then a
# function may be without statements, or return a constant, or be without callers, and a local variable or a member may be
# unused. A value in any other place stays as it is. The kernel is built with the result, so the compiler checks our work.
use strict;
use warnings;

my $MARK = qr/\x01([^\x02]*)\x02/;
my $TRUE = qr/\x01(?:true|1)\x02/;
my $FALSE = qr/\x01(?:false|0)\x02/;
my $COMMENT = qr{/\*(?:[^*]|\*(?!/))*\*/};
my $BALANCED = qr/(\((?:[^()]++|(?-1))*\))/;
my $FUNCTION = qr{^((?:$COMMENT\n)?)(\w[^;{}()=\n]*(?:\n\w[^;{}()=\n]*)?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}\n((?:EXPORT_SYMBOL_GPL\(\w+\);\n)?))}ms;
my %used;	# names that the product uses at the beginning; those of members with a dot
my %dropped;	# unused functions
my %original;	# the body of each function at the beginning

sub constant { return "\x01$_[0]\x02" }

# All but the tests
sub product {
	my ($texts) = @_;
	return { map { $_ => $texts->{$_} } grep { !m{^tests/} } keys %$texts };
}

# All text without comments and strings
sub code_of {
	my ($texts) = @_;
	my $code = join "\n", map { $texts->{$_} } sort keys %$texts;
	$code =~ s/$COMMENT//g;
	$code =~ s/"(?:[^"\\\n]|\\.)*"/""/g;
	return $code;
}

# Count the uses of each name. A prototype and a definition do not count.
sub uses {
	my ($texts) = @_;
	my $code = code_of($texts);
	my %count;
	$count{$1}++ while $code =~ /\b([A-Za-z_]\w*)\b/g;
	$count{$1}-- while $code =~ /^\w[^;{}()=\n]*(?:\n\w[^;{}()=\n]*)?\b(\w+)\([^;{}]*\)(?:;|\n\{)/mg;
	return \%count;
}

sub remember_uses {
	my ($texts) = @_;
	my $uses = uses(product($texts));
	$used{$_} = 1 for grep { $uses->{$_} > 0 } keys %$uses;
	for my $file (grep { /\.c$/ } keys %$texts) {
		$original{$file}{$3} = $4 while $texts->{$file} =~ /$FUNCTION/g;
	}
	my $code = code_of($texts);
	$used{".$1"} = 1 while $code =~ /(?:->|\.)(\w+)\b(?! = )/g;
}

### Expressions

# A segment is the text between two semicolons or braces.
sub fold_expressions {
	my ($text) = @_;
	$text =~ s/([^;{}]*\x01[^;{}]*)/fold_segment($1)/ge;
	return $text;
}

sub fold_segment {
	my ($text) = @_;
	my $before;
	do {
		$before = $text;
		$text =~ s/!$TRUE/constant('false')/ge;
		$text =~ s/!$FALSE/constant('true')/ge;
		$text =~ s/\s*&& $TRUE//g;
		$text =~ s/$TRUE &&\s*//g;
		$text =~ s/\s*\|\| $FALSE//g;
		$text =~ s/$FALSE \|\|\s*//g;
		$text =~ s/\s*\+ $FALSE//g;
		$text = fold_chain($text, $FALSE, '&&', '||');
		$text = fold_chain($text, $TRUE, '||', '&&');
		$text =~ s/($TRUE|$FALSE) \?\s+/\x03$1/;
		$text = fold_choice($text) if $text =~ /\x03/;
		$text =~ s/(?<!\w)(?<!\bif )(?<!while )\(($MARK)\)/$1/g;
	} while ($text ne $before);
	$text =~ s/\breturn $BALANCED\z/'return ' . substr($1, 1, -1)/se;
	return $text;
}

# fold_chain TEXT VALUE OPERATOR OTHER: an operand with VALUE decides about a chain of OPERATOR, in parentheses or returned
sub fold_chain {
	my ($text, $value, $operator, $other) = @_;
	my @tokens = $text =~ /\x01[^\x02]*\x02|&&|\|\||->|./gs;
	for my $n (grep { $tokens[$_] =~ /^$value$/ } 0 .. $#tokens) {
		my ($first, $last, $depth) = ($n, $n, 0);
		while ($first > 0) {
			my $token = $tokens[$first - 1];
			$depth++ if $token eq ')';
			last if $token eq '(' && !$depth--;
			last if !$depth && join('', @tokens[0 .. $first - 1]) =~ /\breturn \z/;
			$first--;
		}
		next if $first == 0;
		$depth = 0;
		while ($last < $#tokens) {
			my $token = $tokens[$last + 1];
			$depth++ if $token eq '(';
			last if $token eq ')' && !$depth--;
			$last++;
		}
		my $level = 0;
		my @top = grep { $level += ($_ eq '(') - ($_ eq ')'); !$level } @tokens[$first .. $last];
		next if !grep({ $_ eq $operator } @top) || grep { $_ eq $other || /^[?,]$/ } @top;
		return join '', @tokens[0 .. $first - 1], $tokens[$n], @tokens[$last + 1 .. $#tokens];
	}
	return $text;
}

# Resolve `CONSTANT ? A : B` at the mark.
sub fold_choice {
	my ($text) = @_;
	$text =~ s/\x03$MARK(.*)\z//s or return $text;
	my ($value, $rest) = ($1, $2);
	my ($depth, $a, $part) = (0, undef, '');
	while ($rest =~ /\G("(?:[^"\\]|\\.)*"|.)/gcs) {
		my $token = $1;
		if (!$depth && $token eq ':' && !defined $a) {
			($a, $part) = ($part, '');
			next;
		}
		$depth-- if $token =~ /[)}\]]/;
		if ($depth < 0 || (!$depth && $token eq ',')) {
			pos($rest) = pos($rest) - 1;
			last;
		}
		$depth++ if $token =~ /[({\[]/;
		$part .= $token;
	}
	s/^\s+|\s+$//g for $a, $part;
	return $text . ($value =~ /^(?:true|1)$/ ? $a : $part) . substr($rest, pos($rest) // length $rest);
}

### Statements

sub fold_statements {
	my ($text) = @_;
	my $statement = '(?:\g{tabs}\t[^\n]*[^;\n]\n)*\g{tabs}\t[^\n]*;\n';
	die "dead-code.pl: a constant condition is in a branch of its own\n"
		if $text =~ /(?:\)|else|do)\n\t+if \($MARK\)/;
	# With the comment in front of it
	$text =~ s/(?:^(\t+)$COMMENT\n)?^(?<tabs>\t+)if \($FALSE\)(?: \{\n.*?^\g{tabs}\}\n|\n$statement)(?!\g{tabs}(?:\} )?else)//msg;
	$text =~ s/^(?<tabs>\t+)if \($TRUE\)\n(?<body>$statement)(?!\g{tabs}else)/unindent($+{body}, $+{tabs})/mge;
	return $text;
}

# A return at the end of the first level ends its function, unless a label follows.
sub unindent {
	my ($body, $tabs) = @_;
	$body =~ s/^\t//mg;
	$body .= "\x04" if $tabs eq "\t" && $body =~ /^\treturn\b/;
	return $body;
}

sub fold_function {
	my ($body, $original) = @_;
	if ($body =~ /\x04/) {
		my ($kept, $rest) = split /\x04/, $body, 2;
		$body = $rest =~ /^\w+:$/m ? $kept . $rest : $kept;
	}
	# A lone return at the end of a void function
	$body =~ s/^\treturn;\n\z//m;
	$body = drop_locals($body, $original);
	$body =~ s/\A\n+//;
	$body =~ s/\n\n+\z/\n/;
	$body =~ s/\n{3,}/\n\n/g;
	return $body;
}

# Initializers of locals are only accessors in our sources. A macro may use a local that the function does not name.
sub drop_locals {
	my ($body, $original) = @_;
	my $before;
	do {
		$before = $body;
		while ($before =~ /^\t((?:const |unsigned |struct |enum )*\w+ \**(\w+)(?:\[[^\]\n]*\])*(?: = (?:\{\n.*?^\t\}|[^;]*?))?;\n)/msg) {
			my ($declaration, $name) = ($1, $2);
			next if $declaration =~ /^(?:return|goto)\b/;
			my ($uses, $own) = map { words($_, $name) } $body, $declaration;
			next if $uses > $own || words($original, $name) <= $own;
			$body =~ s/^\t\Q$declaration\E//m;
			last;
		}
	} while ($body ne $before);
	return $body;
}

sub words {
	my ($text, $name) = @_;
	my @found = $text =~ /\b\Q$name\E\b/g;
	return scalar @found;
}

### Functions and members

# remove_dead_code TEXTS
sub remove_dead_code {
	my ($texts) = @_;
	my $before;
	do {
		$before = join "\0", map { $texts->{$_} } sort keys %$texts;
		for my $name (keys %$texts) {
			next unless $texts->{$name} =~ /[\x01\x04]/;
			$texts->{$name} = fold_statements(fold_expressions($texts->{$name}));
		}
		simplify_functions($texts);
		drop_unused_functions($texts);
		drop_unused_members($texts);
	} while ($before ne join "\0", map { $texts->{$_} } sort keys %$texts);
	for my $name (keys %dropped) {
		my @tests = grep { m{^tests/} && $texts->{$_} =~ /\b\Q$name\E\(/ } keys %$texts;
		die "dead-code.pl: @tests: tests of $name, which nothing else uses\n" if @tests;
	}
	for my $text (values %$texts) {
		$text =~ s/$MARK/$1/g;
		$text =~ s/\x04//g;
	}
}

# Static functions without statements, or with nothing but a constant, give way to that.
sub simplify_functions {
	my ($texts) = @_;
	for my $file (grep { /\.c$/ } keys %$texts) {
		my (%value, %empty);
		$texts->{$file} =~ s{$FUNCTION}{
			my ($comment, $all, $name, $body, $export) = ($1, $2, $3, $4, $5);
			my $original = $original{$file}{$name} // $body;
			my $new = fold_function($body, $original);
			my $static = $all =~ /^static /;
			if ($static && $new eq '' && $body ne '') {
				$empty{$name} = 1;
				'';
			} elsif ($static && $new ne $original &&
				 $new =~ /\A(?:\t$COMMENT\n)?\treturn \x01?(true|false|0)\x02?;\n\z/) {
				$value{$name} = $1;
				'';
			} else {
				$all =~ s/\{\n\Q$body\E\}/{\n$new}/ if $new ne $body;
				$comment . $all;
			}
		}ge;
		for my $name (keys %value) {
			$texts->{$file} =~ s/\b\Q$name\E$BALANCED/constant($value{$name})/ge;
		}
		for my $name (keys %empty) {
			# With the condition of the call
			$texts->{$file} =~ s/^(\t+)if $BALANCED\n\1\t\Q$name\E$BALANCED;\n(?!\1else)//mg;
			die "dead-code.pl: $file: the call of $name, which is empty, is a branch of its own\n"
				if $texts->{$file} =~ /(?:\)|else|do)\n\t+\Q$name\E\(/;
			$texts->{$file} =~ s/^\t+\Q$name\E$BALANCED;\n//mg;
		}
		tidy($texts, $file);
	}
}

sub tidy {
	my ($texts, $file) = @_;
	$texts->{$file} =~ s/\n{3,}/\n\n/g;
	$texts->{$file} =~ s/\n+\z/\n/;
}

sub drop_unused_functions {
	my ($texts) = @_;
	my $uses = uses(product($texts));
	my %gone;
	for my $file (grep { /\.c$/ } keys %$texts) {
		$texts->{$file} =~ s{$FUNCTION}{
			my ($comment, $all, $name, $export) = ($1, $2, $3, $5);
			my $unused = $used{$name} && !$export && ($uses->{$name} // 0) <= 0;
			$gone{$name} = 1 if $unused;
			$unused ? '' : $comment . $all;
		}ge;
		tidy($texts, $file);
	}
	drop_files($texts);
	@dropped{keys %gone} = ();
	for my $name (keys %gone) {
		for my $file (keys %$texts) {
			$texts->{$file} =~ s/^\w[^;{}()=\n]*\b\Q$name\E\([^;{}]*\);\n//mg;
			# A heading without prototypes
			$texts->{$file} =~ s{^/\* ---- (?:(?!: see)[^\n])* ---- \*/\n\n+(?=/\* ---- )}{}mg;
			tidy($texts, $file);
		}
	}
}

sub drop_files {
	my ($texts) = @_;
	for my $file (grep { $original{$_} && %{$original{$_}} && $texts->{$_} !~ $FUNCTION } keys %$texts) {
		delete $texts->{$file};
		for my $suite (grep { m{^tests/} && $texts->{$_} =~ m{\A.*\bKUnit suite of \Q$file\E}s } keys %$texts) {
			delete $texts->{$suite};
		}
	}
}

# A member that is only written is unused.
sub drop_unused_members {
	my ($texts) = @_;
	my $code = code_of($texts);
	my %read;
	$read{$1} = 1 while $code =~ /(?:->|\.)(\w+)\b(?! = )/g;
	for my $file (keys %$texts) {
		my @unused;
		$texts->{$file} =~ s{^\t+/\*\* @[\w.]+: (?:[^*]|\*(?!/))*\*/\n\t+[^\n;(]*\b(\w+);\n}{
			my ($all, $name) = ($&, $1);
			my $unused = $used{".$name"} && !$read{$name};
			push @unused, $name if $unused;
			$unused ? '' : $all;
		}mge;
		for my $name (@unused) {
			$_ =~ s/^\t+[\w>.-]+(?:->|\.)\Q$name\E = [^;]*;\n//mg for values %$texts;
		}
	}
	# Braces around one line that is left
	$_ =~ s/^(\t+)((?:if|for|while) [^\n]*\)) \{\n(\1\t[^\n]*;\n)\1\}\n(?!\1else)/$1$2\n$3/mg for values %$texts;
}

1;
