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
max_prepared_transactions = 1
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

# What the worker has written down, in case it dies.
sub written_down
{
	return sql("select case when in_flight is null and uncharged = 0 then 'nothing'"
		  . " else format('%s, %s uncharged', in_flight, uncharged) end from net._installation");
}

sub start_anew
{
	sql('truncate net.http_request_queue, net._http_response');
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
	is(written_down(), 'nothing', 'nothing is sent with care');
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
	# one that was committed before its session heard of it came, too
	my $nlater = sql("select count(*) from net._http_response where url like '%/echo/later'");
	is(responses(), '200|' . (405 + $nlater) . "\n$given_up|1", 'it is given up, and all others are answered');
	my $attempts = sql('select attempts from net._http_response where error_msg is not null');
	is($attempts, 3, 'after three deaths');
	is( sql("select count(*) from net._http_response where id = $later and status_code = 200"),
		1, 'so is one that came in between');
	cmp_ok(scalar $server->arrivals_of($deadly), '>=', 4,
		'at the first one nothing was written down, and at some others may have been the cause');
	ok(log_contains($node, qr/the pg_net worker died: requests queued before that are sent with care/),
		'the log says what happens');
	wait_for('nothing to be written down', sub { written_down() eq 'nothing' });
	pass('nothing is written down any more');
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

subtest 'durable: one that kills, with a schedule' => sub {
	my $deadly = deadly('scheduled');

	start_anew();
	sql("select net.http_request('GET', '$base$deadly', retry := '{1h}', timeout_milliseconds := @{[LONG_MS]})");
	wait_sql('select count(*) from net._http_response', 1);
	is(responses(), "$given_up|1", 'it is given up');
	is(sql('select gave_up is not null, deaths from net.http_request_queue'), 't|', 'may be sent again, and is counted anew then');
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
	is(sql('select cardinality(in_flight) from net._installation'),
		20, 'all are in flight, and written down');
	is(sql('select min(deaths), max(deaths) from net.http_request_queue'),
		'1|1', 'none of these is a death');

	append_to_file($gate, '');
	wait_queue_empty();
	is(responses(), '200|20', 'all are answered');
};

subtest 'durable: a death after an end that was none' => sub {
	start_anew();
	sql('select ' . get('/hang?kept') . ' from generate_series(1, 2)');
	$server->wait_arrivals('/hang?kept', 2);
	worker_dies();
	$server->wait_arrivals('/hang?kept', 4);
	is(sql('select cardinality(in_flight) from net._installation'), 2, 'both are written down');
	$node->stop('immediate');
	$node->start;
	$server->wait_arrivals('/hang?kept', 6);
	is(written_down(), 'nothing', 'and are sent as always after the stop');
	worker_dies();
	$server->wait_arrivals('/hang?kept', 8);
	is(sql('select count(deaths) from net.http_request_queue'), 0, 'so the next death is not charged');
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
	wait_for('nothing to be written down', sub { written_down() eq 'nothing' });
};

subtest 'durable: cancelling what is sent with care' => sub {
	start_anew();
	sql('select ' . get('/hang?2') . ' from generate_series(1, 2)');
	$server->wait_arrivals('/hang?2', 2);
	for my $arrivals (4, 6, 7)
	{
		worker_dies();
		$server->wait_arrivals('/hang?2', $arrivals);
	}
	is(sql('select min(deaths), max(deaths) from net.http_request_queue'), '2|2', 'two deaths are counted');
	is(sql('select cardinality(in_flight) from net._installation'), 1, 'one at a time');
	sql('delete from net.http_request_queue where id <> all'
		  . ' (select unnest(in_flight) from net._installation)');
	is(request($node, 'select ' . get('/echo/free'))->{status_code},
		200, 'new requests do not wait for long');
	is(written_down(), ', 1 uncharged', 'and then its death would be charged to nobody');
	sql('update net._installation set uncharged = 2');
	worker_dies();
	$server->wait_arrivals('/hang?2', 8);
	my $later = request($node, 'select ' . get('/echo/later'))->{id};
	cmp_ok(sql("select extract(epoch from started - queued) from net._http_response where id = $later"),
		'>', 1.5, 'after such deaths they wait longer');
	is(sql('select deaths from net.http_request_queue'), 2, 'which were not charged');
	sql('truncate net.http_request_queue');
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $old);
	wait_for('nothing to be written down', sub { written_down() eq 'nothing' });
	pass('a worker that leaves has nothing in flight');
};

subtest 'durable: cancelling what waits for others to end' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';
	my @targets = ("/wait?file=$gate", '/hang?cancelled');

	start_anew();
	my ($first, $second) = map { sql('select ' . get($_)) } @targets;
	sql("begin; select from net.http_request_queue where id = $first for update; prepare transaction 'held'");
	for my $round (1 .. 2)
	{
		$server->wait_arrivals($_, $round) for @targets;
		# so that it would wait for long
		sql('update net._installation set uncharged = 5');
		worker_dies();
	}
	# the first one is not charged, since somebody holds its row
	$server->wait_arrivals($targets[0], 3);
	wait_sql("select net.cancel($second)", 't');
	append_to_file($gate, '');
	sql("rollback prepared 'held'");
	wait_queue_empty();
	is(request($node, 'select ' . get('/echo/after'))->{status_code}, 200, 'others are answered');
	is(scalar $server->arrivals_of($targets[1]), 2, 'it is not sent any more');
};

# The chunks of large values of the queue, and who wrote them.
sub chunks
{
	my $toast = sql("select reltoastrelid::regclass from pg_class where oid = 'net.http_request_queue'::regclass");
	return sql("select string_agg(format('%s by %s', chunk_id, xmin), ', ' order by chunk_id, chunk_seq) from $toast");
}

subtest 'durable: counting in spite of triggers, rules and locks' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';
	my $target = "/wait?file=$gate";

	start_anew();
	sql(<<'END');
create function no_update() returns trigger language plpgsql as $$ begin raise 'not this row'; end $$;
create trigger no_update before update on net.http_request_queue for each row execute function no_update();
create rule no_update as on update to net.http_request_queue do instead nothing;
END
	my ($held) = split /\n/, sql("select net.http_post('$base$target', to_jsonb(repeat('x', 9000)),"
		  . " timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 3)");
	sql("begin; select from net.http_request_queue where id = $held for update; prepare transaction 'held'");
	my $before = chunks();
	isnt($before, '', 'there are large bodies');

	for my $round (1 .. 3)
	{
		$server->wait_arrivals($target, 3 * $round);
		worker_dies() if $round < 3;
	}
	is(sql("select string_agg(coalesce(deaths::text, 'none'), ' ' order by id) from net.http_request_queue"),
		'none 1 1', 'counted, but where somebody holds the row');
	is(chunks(), $before, 'large bodies are not written anew');
	append_to_file($gate, '');
	sql("rollback prepared 'held'");
	wait_queue_empty();
	is(responses(), '200|3', 'all are answered');
	sql('drop rule no_update on net.http_request_queue; drop function no_update cascade');
};

done_testing();
