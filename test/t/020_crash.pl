# What a crash takes, and what it does not.
#
# A request during which the worker dies must not kill it for ever.  The test
# server kills the worker, by SIGKILL, as soon as such a request arrives: to
# PostgreSQL and to the next worker that is a fault in a library.

use strict;
use warnings;

use Faults;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What no request here can take, however slow the machine.
use constant LONG_MS => 170_000;

my $given_up =
  'given up after the worker died 3 times while this request was in flight';

my $server = start_http_server();
my $base = $server->url;
my $node = new_node('crash', conf => <<'END');
restart_after_crash = on
pg_net.ttl = '1 day'
END

# The SQL that queues a GET.
sub get
{
	my ($target) = @_;
	return "net.http_get('$base$target', timeout_milliseconds := @{[LONG_MS]})";
}

# The SQL that queues many, to targets that end in a number.
sub get_many
{
	my ($target, $count) = @_;
	return "net.http_get('$base$target/' || i, timeout_milliseconds := @{[LONG_MS]})"
	  . " from generate_series(1, $count) i";
}

# One that kills the worker; targets with different names are different.
sub deadly
{
	my ($name) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	return "/kill-worker?postmaster=$postmaster&name=$name";
}

# Responses by what they are.
sub responses
{
	return sql(<<'END');
select coalesce(status_code::text, error_msg), count(*)
from net._http_response group by 1 order by 1
END
}

sub start_anew
{
	sql('truncate net.http_request_queue, net._http_response, net._suspect');
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $old);
	sql('select net.wait_until_running()');
	return;
}

subtest 'unlogged: a crash takes what was queued, and no more' => sub {
	my $last = sql('select ' . get('/hang'));

	$server->wait_arrivals('/hang');
	my $worker = current_worker($node);
	kill 'KILL', $worker;
	wait_sql("select pid <> $worker from pg_stat_activity"
		  . " where backend_type = 'pg_net worker'", 't');
	is(sql('select count(*) from net.http_request_queue'), 0, 'the queue is empty');

	my $response = request($node, 'select ' . get('/echo/after'));
	is($response->{status_code}, 200, 'the next request is answered');
	cmp_ok($response->{id}, '>', $last, 'its id is new');
	is(sql('select count(*) from net._suspect'), 0, 'nobody is suspect');
	is(scalar $server->arrivals_of('/hang'), 1, 'nothing is sent again');
};

subtest 'durable: a request that kills the worker is given up' => sub {
	my $deadly = deadly('one');

	sql('select net.set_durable(true)');
	start_anew();
	# some are in flight with it, and blamed for a while
	# in one transaction, since the worker dies of what is committed
	sql('begin; select ' . get_many('/echo/before', 200),
		'; select ' . get('/delay/0.5') . ' from generate_series(1, 5)',
		'; select ' . get($deadly),
		'; select ' . get_many('/echo/behind', 200) . '; commit');
	$server->wait_arrivals($deadly);
	my $later = wait_for('the server to take a request',
		sub { try_sql('select ' . get('/echo/later')) });

	wait_queue_empty();
	is(responses(), "200|406\n$given_up|1", 'it is given up, and all others are answered');
	my $attempts = sql('select attempts from net._http_response where error_msg is not null');
	cmp_ok($attempts, '>=', 3, 'after three attempts, and those at which others may have been the cause');
	is( sql("select count(*) from net._http_response where id = $later and status_code = 200"),
		1, 'so is one that came in between');
	is(scalar $server->arrivals_of($deadly), $attempts + 1,
		'it was sent once before anybody was suspect, and as often after');
	ok(log_contains($node, qr/the pg_net worker died: requests queued before that are sent with care/),
		'the log says what happens');
	wait_sql('select count(*) from net._suspect', 0);
	pass('nobody is suspect any more');
	is(request($node, 'select ' . get('/echo/next'))->{status_code},
		200, 'the next request is answered');
};

subtest 'durable: two that kill, and some that take long' => sub {
	my @deadly = map { deadly($_) } qw(left right);

	start_anew();
	sql('begin; select ' . get('/delay/1') . ' from generate_series(1, 60)',
		map({ '; select ' . get($_) } @deadly),
		'; select ' . get('/echo/beside') . ' from generate_series(1, 20)', '; commit');
	$server->wait_arrivals($_) for @deadly;
	wait_queue_empty();
	is(responses(), "200|80\n$given_up|2", 'both are given up, and nothing else');
};

# The worker dies of a fault; wait for the next one.
sub worker_dies
{
	my $worker = current_worker($node);

	kill 'KILL', $worker;
	return wait_sql("select pid <> $worker from pg_stat_activity where backend_type = 'pg_net worker'", 't');
}

subtest 'durable: deaths, and ends that are none' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';
	my $target = "/wait?file=$gate";

	start_anew();
	sql('select ' . get($target) . ' from generate_series(1, 20)');
	for my $round (1 .. 2)
	{
		$server->wait_arrivals($target, 20 * $round);
		worker_dies();
	}
	# they are sent with care now; leaving cleanly, and the end of others,
	# blames nobody
	$server->wait_arrivals($target, 60);
	for my $round (4 .. 6)
	{
		sql('select net.worker_restart()');
		$server->wait_arrivals($target, 20 * $round);
	}
	for my $end ([ 'fast', 7 ], [ 'immediate', 8 ])
	{
		$node->stop($end->[0]);
		$node->start;
		$server->wait_arrivals($target, 20 * $end->[1]);
	}
	kill_postmaster($node);
	$server->wait_arrivals($target, 180);
	is(sql('select count(*) from net._suspect where in_flight'),
		20, 'all are in flight, and written down');
	is(sql('select max(deaths) from net._suspect'), 1, 'none of these is a death');

	append_to_file($gate, '');
	wait_queue_empty();
	is(responses(), '200|20', 'all are answered');
};

subtest 'durable: deaths that others may have caused' => sub {
	start_anew();
	my $innocent = sql('select ' . get('/delay/7?innocent'));

	# each time with a request that came after the worker began
	for my $death (1 .. 4)
	{
		$server->wait_arrivals('/delay/7?innocent', $death);
		wait_sql('select net.wait_until_running() is null', 'f');
		sql('select ' . get("/delay/3?newcomer-$death"));
		$server->wait_arrivals("/delay/3?newcomer-$death", 1);
		kill 'KILL', current_worker($node);
	}
	wait_queue_empty();
	is(responses(), '200|5', 'after four deaths it is answered, and so are the others');
	wait_sql('select count(*) from net._suspect', 0);
};

subtest 'durable: cancelling a suspect' => sub {
	start_anew();
	sql('select ' . get('/hang?2') . ' from generate_series(1, 2)');
	$server->wait_arrivals('/hang?2', 2);
	for (1 .. 3)
	{
		worker_dies();
		wait_sql('select count(*) > 0 from net._suspect where in_flight', 't');
	}
	is(sql('select max(deaths) from net._suspect'), 2, 'two deaths are counted');
	is(sql('select count(*) from net._suspect where in_flight'), 1, 'one at a time');
	sql('delete from net.http_request_queue where id in'
		  . ' (select id from net._suspect where not in_flight)');
	is(request($node, 'select ' . get('/echo/free'))->{status_code},
		200, 'new requests do not wait for suspects');
	sql('truncate net.http_request_queue');
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $old);
	wait_sql('select count(*) from net._suspect', 0);
	pass('a worker that begins forgets those that are gone');
};

done_testing();
