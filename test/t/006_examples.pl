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
sub payloads
{
	my ($show) = @_;
	my $contents = decode_json(sql("select coalesce(json_agg(content order by id), '[]') from net._http_response"));
	return [ map { my $echo = decode_json($_); $show->($echo, eval { decode_json($echo->{body}) }) } @$contents ];
}

# What each script does, seen from outside: what psql prints, and what arrived.
my %checks = (
	'callback.sql' => sub {
		is_deeply(payloads(sub {
			my ($echo) = @_;
			return join ' ', $echo->{headers}{Authorization}, $echo->{body}, ($echo->{headers}{'Idempotency-Key'} // '') =~ /^"?msg_/ ? 'with a key' : 'without';
		}),
			[ map { "Bearer sk_test_1 amount=$_&currency=eur with a key" } 995, 1250 ], 'sends what it says');
		wait_sql("select count(*) from payments where state = 'paid'", 2);
	},
	'webhook_per_row.sql' => sub {
		is_deeply(payloads(sub { my ($echo, $payload) = @_; return join ' ', $echo->{headers}{Authorization}, $payload->{type}, map { "$_=$payload->{record}{$_}" } sort keys %{ $payload->{record} } }),
			[ 'Bearer k3y INSERT customer=Ada id=1 status=new', 'Bearer k3y INSERT customer=Grace id=2 status=new', 'Bearer k3y UPDATE id=1 status=paid' ], 'sends what it says');
	},
	'webhook_per_statement.sql' => sub {
		is_deeply(payloads(sub { my ($echo, $payload) = @_; return join ' ', $payload->{type}, map { $payload->{$_} ? scalar @{ $payload->{$_} } : 'none' } qw(records old_records) }),
			[ 'INSERT 1000 none', 'INSERT 1000 none', 'INSERT 500 none', 'UPDATE 3 3' ], 'sends what it says');
	},
	'webhook_with_retries.sql' => sub {
		my ($printed, $server) = @_;
		is($printed, "1|200|3||503 503\n2|200|1||", 'the second is sent after the retries of the first');
		is($server->arrivals + 0, 4, 'each attempt once');
	},
	'automatic_embeddings.sql' => sub {
		my ($printed, $server) = @_;
		is($printed, "1|a red apple|{0.25,-0.5,1}\n2|a yellow pear|{0.25,-0.5,1}", 'the embeddings are in the rows');
		is($server->arrivals + 0, 3, 'each text was sent');
		wait_sql('select count(*) from net._http_response', 0);
	},
	'outbox.sql' => sub {
		my ($printed, $server) = @_;
		like($printed, qr/^\n1\n2\n3\n([tf]\n)*0\z/, 'everything is sent');
		is($server->arrivals_of('/echo/ledger/transfers') + 0, 2, 'but what was rolled back');
	},
	'alerting.sql' => sub {
		my ($printed) = @_;
		like($printed, qr/^1\|gave up after 2 attempts: 503\n/, 'a request is given up');
		like($printed, qr/^\Qnet:\/\/ops\/failed|{"id": 1, "url": "net:\/\/shop", "context": null, "error_msg": "gave up after 2 attempts: 503"}\E$/m, 'which is an alert');
		like($printed, qr/^\Qnet:\/\/ops\/paused|{"name": "stock", "pause_reason": "no success since \E.*: 503"\}$/m, 'and so is a pause');
		like($printed, qr/^200\z/m, 'what waited is sent when it is over');
	},
	'daily_digest.sql' => sub {
		my ($printed) = @_;
		like($printed, qr/^1\n200\|\{"cents": 2245, "orders": 2\}\z/, 'the digest is sent');
		is(sql('select schedule, command from cron.job'), '0 7 * * *|select send_digest()', 'and will be each morning');
	});

for my $file (sort glob "$dir/*.sql")
{
	my $name = basename($file);
	subtest $name => sub {
		my @cron = $name =~ /digest/ ? (preload => 'pg_net,pg_cron', conf => "cron.database_name = 'postgres'") : ();
		plan(skip_all => 'pg_cron is not installed') if @cron && !has_library('pg_cron');
		my $server = start_http_server();
		my $node = new_node($name =~ s/\W.*//r, no_extension => 1, @cron);
		my ($rc, $stdout, $stderr) = $node->psql('postgres', slurp_file($file) =~ s/\b8080\b/$server->{port}/gr, timeout => $PostgreSQL::Test::Utils::timeout_default);

		is($rc, 0, 'runs') or diag($stderr);
		wait_sql('select not exists (select from net.http_request_queue where gave_up is null)');
		$checks{$name}->($stdout, $server);
		$node->stop;
	};
}
is_deeply([ map { basename($_) } sort glob "$dir/*.sql" ], [ sort keys %checks ], 'all are expected');
my $readme = slurp_file("$dir/README.md");
like($readme, qr/\]\(\Q$_\E\)/, "README.md names $_") for sort keys %checks;

done_testing();
