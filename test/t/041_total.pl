# What all databases share: requests in flight in all, and the places of
# background workers.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('total', conf => "pg_net.max_in_flight_total = 4\nmax_worker_processes = 16");
my @databases = qw(a b c);

sub wait_queues_empty
{
	for my $database (@_)
	{
		wait_queue_empty($database);
	}
	return;
}

create_databases(@databases);

subtest 'pg_net.max_in_flight_total' => sub {
	my $delay = 0.3;

	sql_in($_, "select net.http_get('$url/delay/$delay?total', timeout_milliseconds := 60000) from generate_series(1, 8)") for @databases;
	wait_queues_empty(@databases);
	my @times = sort { $a <=> $b } map { $_->[0] } $server->arrivals_of("/delay/$delay?total");
	is(scalar @times, 8 * @databases, 'all are sent once');
	# the clock may be adjusted a little
	my @early = grep { $times[ $_ + 4 ] - $times[$_] < 0.9 * $delay } 0 .. $#times - 4;
	is_deeply(\@early, [], 'never more than 4 are in flight, of all databases together') or diag("@times");
	is(sql_in($_, 'select count(*) from net._http_response where status_code = 200'), '8', "$_ has its answers") for @databases;
};

subtest 'who has nothing in flight comes first' => sub {
	# one that takes all there is, for long
	sql_in('a', "select net.http_get('$url/delay/1?busy', timeout_milliseconds := 600000) from generate_series(1, 200)");
	$server->wait_arrivals('/delay/1?busy', 4);
	is(request($node, "select net.http_get('$url/echo/$_', timeout_milliseconds := 60000)", undef, $_)->{status_code},
		200, "$_ is served beside it")
	  for qw(b c b);
	cmp_ok(sql_in('a', 'select count(*) from net.http_request_queue'), '>', 100, 'long before it is through');
	sql_in('a', 'truncate net.http_request_queue');
	wait_queues_empty('a');

	# one that gives back and takes again all the time
	sql_in('a', "select net.http_get('$url/echo/flood', timeout_milliseconds := 600000) from generate_series(1, 20000)");
	$server->wait_arrivals('/echo/flood', 4);
	is(request($node, "select net.http_get('$url/echo/beside', timeout_milliseconds := 60000)", undef, $_)->{status_code},
		200, "$_ is served beside a flood")
	  for qw(b c);
	cmp_ok(sql_in('a', 'select count(*) from net.http_request_queue'), '>', 100, 'long before that is over');
	sql_in('a', 'truncate net.http_request_queue');
	wait_queues_empty('a');
};

subtest 'what a worker had in flight is free when it ends' => sub {
	sql_in('a', "select net.http_get('$url/hang?held', timeout_milliseconds := 600000) from generate_series(1, 4)");
	$server->wait_arrivals('/hang?held', 4);
	my $id = sql_in('b', "select net.http_get('$url/echo/waits', timeout_milliseconds := 60000)");
	sql_in('a', 'truncate net.http_request_queue');
	sql_in('a', 'select net.worker_restart()');
	is(wait_response($node, $id, undef, 'b')->{status_code}, 200, 'another database has the room');
};

# One place for a worker: the launcher has one, and so has the logical
# replication launcher.
subtest 'max_worker_processes is used up' => sub {
	$node->append_conf('postgresql.conf', "max_worker_processes = 3\npg_net.max_in_flight_total = 1000");
	my $log_offset = -s $node->logfile;
	$node->restart;
	sql('select net.wait_until_running()');
	my @ids = map { sql_in($_, "select net.http_get('$url/echo/short', timeout_milliseconds := 60000)") } @databases;

	is(wait_response($node, $ids[$_], undef, $databases[$_])->{status_code}, 200, "$databases[$_] is served") for 0 .. $#ids;
	my @said = slurp_file($node->logfile, $log_offset) =~
	  /WARNING:  pg_net is waiting for a background worker: "max_worker_processes" \(3\) is used up/g;
	is(scalar @said, 1, 'the log names the limit, once');
	is(sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker'") <= 1, 1, 'one at a time');
};

subtest 'a busy database has its turn, and others theirs' => sub {
	sql_in('a', "select net.http_get('$url/delay/0.2?turn-' || current_database(), timeout_milliseconds := 60000) from generate_series(1, 4000)");
	$server->wait_arrivals('/delay/0.2?turn-a', 100);
	for my $database (qw(b postgres))
	{
		my $id = sql_in($database, "select net.http_get('$url/echo/turn', timeout_milliseconds := 60000)");
		is(wait_response($node, $id, undef, $database)->{status_code}, 200, "$database is served meanwhile");
	}
	cmp_ok(sql_in('a', 'select count(*) from net.http_request_queue'), '>', 0, 'which was before the busy one was through');
	wait_queues_empty('a');
	is($server->arrivals_of('/delay/0.2?turn-a') + 0, 4000, 'of which nothing was sent twice');
	is(sql_in('a', "select count(*) from net._http_response where status_code = 200 and id > 12") >= 4000, 1, 'and all was answered');
};

$node->stop;
done_testing();
