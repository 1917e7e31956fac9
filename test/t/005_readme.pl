# Every SQL statement of README.md and docs/, run.
#
# The blocks fenced as ```sql run in order, a block a test; those fenced as
# ```sql error must fail.  Each file has a server of its own, without the
# extension when the file creates it itself, and the test server in place of
# http://localhost:8080, wherever that port stands.  A block under the comment
#
#     <!-- not run: reason -->
#
# is left out, and the output says why.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $server = start_http_server();

ok(-e "$root/README.md", 'there is a README.md');
run_file($_) for grep { -e } "$root/README.md", sort glob "$root/docs/*.md";
done_testing();

# Run the blocks of a file.
sub run_file
{
	my ($file) = @_;
	my $name = $file =~ s{^\Q$root\E/}{}r;
	my @blocks = blocks($name, slurp_file($file));

	# A README without SQL is no README; a page in docs/ may do without.
	isnt(scalar @blocks, 0, "$name has SQL") if $name eq 'README.md';
	my @to_run = grep { !defined $_->{not_run} } @blocks;
	note("$name:$_->{line} is not run: $_->{not_run}") for grep { defined $_->{not_run} } @blocks;
	return unless @to_run;

	# Does the file create the extension, before it uses or drops it?
	my ($before) = join('', map { $_->{sql} } @to_run) =~ /\A(.*?)create\s+extension\s[^;]*pg_net/is;
	my $creates = defined $before && $before !~ /\bnet\.|drop\s+extension/i;
	my $node = new_node(basename($name, '.md') =~ s/\W/_/gr, no_extension => $creates);
	run_block($node, $_) for @to_run;
	ok(!log_contains($node, qr/terminated by signal|PANIC/), "$name crashes nothing");
	$node->stop;
	return;
}

# Run a block in a session of its own.
sub run_block
{
	my ($node, $block) = @_;
	my $where = "$block->{file}:$block->{line}";
	my $sql = $block->{sql} =~ s/\b8080\b/$server->{port}/gr;
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $sql, timeout => $PostgreSQL::Test::Utils::timeout_default);

	if ($block->{must_fail})
	{
		isnt($rc, 0, "$where fails") or diag($stdout);
	}
	else
	{
		is($rc, 0, $where) or diag($stderr);
	}
	return;
}

# The SQL blocks of a text, each a hash of file, line, sql, must_fail, not_run.
sub blocks
{
	my ($file, $text) = @_;
	my @lines = split /\n/, $text;
	my @blocks;
	my $block;
	my $fence;

	for my $number (1 .. @lines)
	{
		my $line = $lines[ $number - 1 ];

		if (!$fence && $line =~ /^(\s*)(`{3,}|~{3,})\s*(.*?)\s*$/)
		{
			my ($indent, $info) = ($1, $3);
			$fence = $2;
			$block = undef;
			next unless $info =~ /^sql\b/;
			die "$file:$number: a block is \"sql\" or \"sql error\", not \"$info\"\n"
			  unless $info =~ /^sql( error)?$/;
			$block = {
				file => $file,
				line => $number,
				indent => length $indent,
				sql => '',
				must_fail => defined $1
			};
			($block->{not_run}) = $lines[ $number - 2 ] =~ /^\s*<!-- not run: (.+) -->\s*$/ if $number > 1;
			push @blocks, $block;
		}
		elsif ($fence && $line =~ /^\s*\Q$fence\E\s*$/)
		{
			$fence = $block = undef;
		}
		elsif ($block)
		{
			$block->{sql} .= ($line =~ s/^\s{0,$block->{indent}}//r) . "\n";
		}
	}
	die "$file: a block does not end\n" if $fence;
	return @blocks;
}
