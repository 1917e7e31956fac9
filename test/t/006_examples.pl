# The scripts of examples/, run as they are, each on a server of its own.

use strict;
use warnings;

use File::Basename qw(basename dirname);
use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = dirname(__FILE__) . '/../../examples';

# What a script must have sent: for each request in order, what there is to see
# of it.
my %expected = (
	'webhook_per_row.sql' => sub {
		my ($echo, $payload) = @_;
		return join ' ', $echo->{headers}{Authorization}, $payload->{type}, map { "$_=$payload->{record}{$_}" } sort keys %{ $payload->{record} };
	},
	'webhook_per_statement.sql' => sub {
		my ($echo, $payload) = @_;
		return join ' ', $payload->{type}, map { $payload->{$_} ? scalar @{ $payload->{$_} } : 'none' } qw(records old_records);
	});
my %sent = (
	'webhook_per_row.sql' => [
		'Bearer k3y INSERT customer=Ada id=1 status=new',
		'Bearer k3y INSERT customer=Grace id=2 status=new',
		'Bearer k3y UPDATE id=1 status=paid'
	],
	'webhook_per_statement.sql' => [ 'INSERT 1000 none', 'INSERT 1000 none', 'INSERT 500 none', 'UPDATE 3 3' ]);

for my $file (sort glob "$dir/*.sql")
{
	my $name = basename($file);
	subtest $name => sub {
		my $server = start_http_server();
		my $node = new_node($name =~ s/\W.*//r, no_extension => 1);
		my ($rc, $stdout, $stderr) = $node->psql('postgres', slurp_file($file) =~ s/\b8080\b/$server->{port}/gr, timeout => $PostgreSQL::Test::Utils::timeout_default);

		is($rc, 0, 'runs') or diag($stderr);
		wait_queue_empty();
		my $contents = decode_json(sql("select coalesce(json_agg(content order by id), '[]') from net._http_response"));
		my @seen = map { my $echo = decode_json($_); $expected{$name}->($echo, decode_json($echo->{body})) } @$contents;
		is_deeply(\@seen, $sent{$name}, 'sends what it says');
		$node->stop;
	};
}
is_deeply([ map { basename($_) } sort glob "$dir/*.sql" ], [ sort keys %sent ], 'all are expected');
my $readme = slurp_file("$dir/README.md");
like($readme, qr/\]\(\Q$_\E\)/, "README.md names $_") for sort keys %sent;

done_testing();
