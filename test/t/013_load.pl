# Many requests, and people who work with the tables meanwhile.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

my %nginx = start_nginx();
my $tiny = "http://127.0.0.1:$nginx{http_port}/tiny";
my $server = start_http_server();
my $base = $server->url;
my $node = new_node('load');

# Queue requests of a URL, an SQL expression of i, into a table with their ids.
sub queue_many
{
	my ($table, $count, $url) = @_;
	sql("create table $table as select net.http_get($url, timeout_milliseconds := @{[LONG_MS]}) as id, i"
		  . " from generate_series(1, $count) as i");
	return;
}

sub answered
{
	my ($table) = @_;
	return sql("select count(*) from $table where exists"
		  . " (select from net._http_response as r where r.id = $table.id)");
}

# Wait until each request of a table is answered; meanwhile do something.
sub wait_answered
{
	my ($table, $meanwhile) = @_;
	my $count = sql("select count(*) from $table");
	wait_for("all responses of $table", sub {
		$meanwhile->() if $meanwhile;
		return answered($table) == $count;
	});
	return;
}

# Every request of a table has one response, a good one, and no row.
sub all_is_well
{
	my ($table, $name) = @_;
	my $count = sql("select count(*) from $table");
	is( sql("select count(*), count(distinct id), count(*) filter (where status_code = 200)"
			  . " from net._http_response join $table using (id)"),
		"$count|$count|$count",
		"$name: one response each, a good one");
	is(sql("select count(*) from net.http_request_queue join $table using (id)"),
		'0', "$name: the queue is empty");
	return;
}

# How many connections were opened for the requests of a table?
sub connections
{
	my ($table) = @_;
	return sql("select count(connect_ms) from net._http_response join $table using (id)");
}

# What a worker complained about since this place in the log.
sub complaints
{
	my ($start, $pid) = @_;
	return grep { /\[$pid\].*(WARNING|ERROR|FATAL|PANIC):/ }
	  split /\n/, slurp_file($node->logfile, $start);
}

my $pid = current_worker($node);
my $log_start = -s $node->logfile;

subtest '20,000 requests in one transaction' => sub {
	my $peak = 0;

	queue_many('many', 20_000, "'$tiny'");
	wait_answered('many', sub {
		my $memory = process_memory($pid, 'RssAnon') // 0;
		$peak = $memory if $memory > $peak;
	});
	all_is_well('many', 'many');
  SKIP:
	{
		skip 'no /proc', 1 unless defined process_memory($pid, 'RssAnon');
		cmp_ok($peak, '<', 300, "the worker's memory is bounded");
	}
};

subtest 'four sessions that queue one at a time' => sub {
	my $script = $node->basedir . '/get.sql';
	append_to_file($script, "insert into singles select net.http_get('$tiny', timeout_milliseconds := @{[LONG_MS]});\n");
	sql('create table singles (id bigint)');
	$node->command_ok(
		[
			'pgbench', '--no-vacuum',
			'--client' => 4,
			'--transactions' => 500,
			'--file' => $script,
			$node->connstr('postgres')
		],
		'pgbench queues 2,000');
	is(sql('select count(*) from singles'), '2000', '2,000 are queued');
	wait_answered('singles');
	all_is_well('singles', 'singles');
};

subtest 'slow and fast ones interleaved' => sub {
	queue_many('mixed', 4000,
		"case when i % 4 = 0 then '$tiny' else '$base/delay/0.2' end");
	wait_for('the fast ones', sub {
		return sql('select count(*) from mixed join net._http_response using (id) where i % 4 = 0') eq '1000';
	});
	cmp_ok(answered('mixed'), '<', 4000, 'the fast ones did not wait for the slow ones');
	wait_answered('mixed');
	all_is_well('mixed', 'mixed');
	is($server->targets(qr{^/delay/0\.2$}) + 0, 3000, 'each slow one arrived once');
};

subtest 'truncate' => sub {
	my $start = -s $node->logfile;

	for my $round (1 .. 5)
	{
		sql("select count(net.http_get(u, timeout_milliseconds := @{[LONG_MS]})) from generate_series(1, 2000) as i,"
			  . " lateral (select case when i % 10 = 0 then '$base/delay/0.1' else '$tiny' end as u) as urls");
		is($node->psql('postgres',
				"set lock_timeout = '60s'; truncate net.http_request_queue, net._http_response"),
			0, "round $round");
		sql('truncate net.http_request_queue restart identity');
	}
	queue_many('truncated', 100, "'$tiny'");
	wait_answered('truncated');
	all_is_well('truncated', 'after it');
	wait_for('the rest to end', sub {
		return sql("select state from pg_stat_activity where backend_type ilike '%pg_net%'") eq 'idle';
	});
	is_deeply([ complaints($start, $pid) ], [], 'no complaint');
	is(sql('select count(*) from net.http_request_queue'), '0', 'no row is left');
};

subtest 'vacuum and analyze meanwhile' => sub {
	queue_many('vacuumed', 5000, "'$tiny'");
	my $times = 0;
	wait_answered('vacuumed', sub {
		sql('vacuum (analyze) net.http_request_queue', '; vacuum (analyze) net._http_response',
			'; analyze net.http_request_queue');
		$times++;
	});
	cmp_ok($times, '>', 0, 'vacuum ran');
	all_is_well('vacuumed', 'vacuumed');
};

subtest 'a snapshot held elsewhere' => sub {
	my $session = $node->background_psql('postgres');
	$session->query_safe('begin isolation level repeatable read');
	my $before = $session->query_safe('select count(*) from net._http_response');

	# Rows that are dead, and that nobody can remove, must not slow it down.
	queue_many('beside', 5000, "'$tiny'");
	wait_answered('beside');
	all_is_well('beside', 'beside');
	sql('create table after_it (id bigint)');
	for (1 .. 50)
	{
		sql("insert into after_it select net.http_get('$tiny', timeout_milliseconds := @{[LONG_MS]})");
	}
	wait_answered('after_it');
	all_is_well('after_it', 'one by one');
	is($session->query_safe('select count(*) from net._http_response'),
		$before, 'the snapshot was held all the time');
	$session->query_safe('commit');
	$session->quit;
};

subtest 'triggers on the responses' => sub {
	sql(<<"END");
create table public.log (id bigint, status_code int);
create function public.log_response() returns trigger language plpgsql as \$\$
begin
	insert into public.log values (new.id, new.status_code);
	return null;
end
\$\$;
create trigger log_response after insert on net._http_response
	for each row execute function public.log_response();
END
	queue_many('logged', 2000, "'$tiny'");
	wait_answered('logged');
	all_is_well('logged', 'logged');
	is( sql('select count(*), count(distinct log.id) from public.log join logged using (id) where status_code = 200'),
		'2000|2000', 'the trigger ran once for each');
	sql('drop trigger log_response on net._http_response');

	sql(<<"END");
create function public.follow_up() returns trigger language plpgsql as \$\$
declare
	step int := substring(new.content from '"target": "/echo/chain/(\\d+)"');
begin
	if step < 5 then
		perform net.http_get('$base/echo/chain/' || step + 1, timeout_milliseconds := @{[LONG_MS]});
	end if;
	return null;
end
\$\$;
create trigger follow_up after insert on net._http_response
	for each row execute function public.follow_up();
END
	sql("select net.http_get('$base/echo/chain/1', timeout_milliseconds := @{[LONG_MS]})");
	wait_for('the chain to end', sub { return $server->targets(qr{^/echo/chain/5$}) });
	wait_for('its last response', sub {
		return sql(q{select 1 from net._http_response where content like '%"/echo/chain/5"%'});
	});
	is_deeply([ $server->targets(qr{^/echo/chain/}) ],
		[ map { "/echo/chain/$_" } 1 .. 5 ],
		'a trigger queues the next request, and it is sent');
	sql('drop trigger follow_up on net._http_response');
};

is(current_worker($node), $pid, 'one worker did it all');
is_deeply([ complaints($log_start, $pid) ], [], 'without a complaint');

$node->stop;

# All at once, and more than the worker has memory for.
$node = new_node('large', conf => 'pg_net.max_in_flight_per_host = 1000');

subtest '600 answers of 1 MB at a time' => sub {
	my $pid = current_worker($node);
	my $peak = 0;

	queue_many('large', 600, "'http://127.0.0.1:$nginx{http_port}/mb'");
	wait_answered('large', sub {
		my $memory = process_memory($pid, 'RssAnon') // 0;
		$peak = $memory if $memory > $peak;
	});
	all_is_well('large', 'large');
	is( sql("select count(*), count(distinct content) from net._http_response where content ="
			  . " (select string_agg(to_char(i, 'FM0000000') || e'\\n', '') from generate_series(1, 131072) as i)"),
		'600|1',
		'large: all of each body');
  SKIP:
	{
		skip 'no /proc', 1 unless defined process_memory($pid, 'RssAnon');
		note("at most $peak MB");
		cmp_ok($peak, '<', 450, 'large: the memory is bounded');
		wait_for('the memory to be given back', sub { return process_memory($pid, 'RssAnon') < 60 });
	}
};

subtest 'connections are kept for more hosts than may be in flight' => sub {
	my $everywhere = start_http_server('--address' => '0.0.0.0');
	my $url = "'http://127.0.0.' || i || ':@{[$everywhere->port]}/echo/'";

	sql('alter system set pg_net.max_in_flight = 10');
	$node->reload;
	for my $round ('opened', 'kept')
	{
		queue_many($round, 20, $url);
		wait_answered($round);
	}
	is(connections('opened'), 20, 'one for each host is opened');
	is(connections('kept'), 0, 'and used again');
	sql('alter system reset pg_net.max_in_flight');
	$node->reload;
};

subtest 'connections that a server has closed do not stay' => sub {
	my $gone = start_http_server();
	my $worker = current_worker($node);
	my $sockets = sub { scalar grep { (readlink($_) // '') =~ /^socket:/ } glob "/proc/$worker/fd/*" };

	# a new one has no others
	sql('select net.worker_restart()');
	$worker = next_worker($node, $worker);
	queue_many('closed', 40, "'@{[$gone->url]}/delay/1?' || i");
	wait_answered('closed');
	cmp_ok($sockets->(), '>=', 40, 'they are kept');
	$gone->stop;
	wait_for('them to be closed', sub { $sockets->() < 40 });
	cmp_ok($sockets->(), '<', 20, 'until the server closes them');
	is(request($node, "select net.http_get('$base/echo/after')")->{status_code}, 200, 'and the worker goes on');
};

$node->stop;

# One at a time: all others wait.
$node = new_node('one_at_a_time', conf => 'pg_net.max_in_flight_per_host = 1');

subtest 'deleting waiting rows cancels them' => sub {
	queue_many('cancelled', 200, "'$base/delay/2?cancel-' || i");
	wait_for('the first to arrive', sub { return $server->targets(qr{cancel-}) });
	my $deleted = sql('with gone as (delete from net.http_request_queue using cancelled'
		  . ' where http_request_queue.id = cancelled.id and i > 1 returning 1) select count(*) from gone');
	cmp_ok($deleted, '>=', 198, 'all but the first are deleted');

	# A host's requests go in order, so these come after what is left.
	queue_many('later', 3, "'$base/echo/later-' || i");
	wait_answered('later');
	all_is_well('later', 'later');
	my $sent = 200 - $deleted;
	my @arrived = $server->targets(qr{cancel-});
	cmp_ok(scalar @arrived, '<=', $sent + 1,
		'they never arrived, but for one that may have been about to be sent');
	cmp_ok(answered('cancelled'), '<=', $sent + 1, 'and have no responses');
	is( sql('select count(*) from net._http_response join cancelled using (id)'
			  . ' where i = 1 and status_code = 200'),
		'1',
		'the one in flight is answered');
};

$node->stop;
done_testing();
