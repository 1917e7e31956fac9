# The documentation's "Call an endpoint every minute with pg_cron", really
# scheduled: once run by pg_cron in a background worker, once over a
# connection like a client's.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use Test::More;

# A whole minute, and some for slow machines.
use constant NEXT_MINUTE_SECONDS => 75;

plan skip_all => 'pg_cron is not installed'
  unless has_library('pg_cron');

my $server = start_http_server();
my %nodes = (
	'in a background worker' => cron_node('worker', sub { 'cron.use_background_workers = on' }),
	'over a connection' => cron_node('client', sub { "cron.host = '" . $_[0]->host . "'" }));

for my $mode (sort keys %nodes)
{
	my $shown = $nodes{$mode}->safe_psql('postgres', example($mode));
	is($shown, '1', "$mode: the job is scheduled");
}

for my $mode (sort keys %nodes)
{
	my $node = $nodes{$mode};

	$server->wait_arrivals(target($mode), 1, NEXT_MINUTE_SECONDS);
	pass("$mode: the request arrives");

	my $response = wait_response($node, 1);
	is($response->{status_code}, 200, "$mode: it is answered");
	my $request = decode_json($response->{content});
	is($request->{method}, 'POST', "$mode: it is a POST");
	is($request->{headers}{Authorization}, 'Bearer an.anon-key', "$mode: with the header");
	is_deeply(decode_json($request->{body}), { name => 'pg_net' }, "$mode: with the body");

	# pg_cron writes this down in a transaction of its own, a little later
	my $run = wait_for(
		'the run to be written down',
		sub {
			sql_in($node, 'postgres',
				"select status, return_message, database, username from cron.job_run_details"
				  . " where status in ('succeeded', 'failed') limit 1");
		});
	like($run, qr/^succeeded\|.*\|postgres\|postgres$/, "$mode: pg_cron says it succeeded");

	is(sql_in($node, 'postgres', "select cron.unschedule('cron-job-name')"),
		't', "$mode: the job is unscheduled");
	is(sql_in($node, 'postgres', 'select count(*) from cron.job'), '0', "$mode: and gone");
}

done_testing();

# A node with pg_cron and pg_net; the sub tells how jobs are run.
sub cron_node
{
	my ($name, $conf) = @_;
	my $node = new_node("cron_$name", preload => 'pg_net,pg_cron', conf => "cron.database_name = 'postgres'");

	$node->append_conf('postgresql.conf', $conf->($node));
	$node->restart;
	sql_in($node, 'postgres', 'create extension pg_cron');
	return $node;
}

# The path of a mode's requests.
sub target
{
	my ($mode) = @_;
	return '/echo/functions/v1/' . $mode =~ s/ /-/gr;
}

# The example as the documentation has it, but for the URL and the key.
sub example
{
	my ($mode) = @_;
	my $sql = <<'END';
select cron.schedule(
	'cron-job-name',
	'* * * * *', -- Executes every minute (cron syntax)
	$$
	    -- SQL query
	    select "net"."http_post"(
            -- URL of Edge function
            url:='https://project-ref.supabase.co/functions/v1/function-name',
            headers:='{"Authorization": "Bearer <YOUR_ANON_KEY>"}'::jsonb,
            body:='{"name": "pg_net"}'::jsonb
	    ) as "request_id";
	$$
);
END
	my $url = $server->url . target($mode);
	$sql =~ s{https://project-ref\.supabase\.co/functions/v1/function-name}{$url} or die;
	$sql =~ s/<YOUR_ANON_KEY>/an.anon-key/ or die;
	return $sql;
}
