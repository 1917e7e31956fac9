# net.stat_worker, net.stat_activity and net.stat_reset(): each number against
# what the test server counts, and who sees what.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'openssl is not installed') unless has_tool('openssl');

# A certificate that nobody trusts.
my $tls = PostgreSQL::Test::Utils::tempdir() . '/server';
system_or_bail('openssl', 'req', '-x509', qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1),
	'-keyout', "$tls.key", '-out', "$tls.pem");

my $server = start_http_server();
my $https = start_http_server('--tls', $tls);
my $node = new_node('statistics', conf => "pg_net.callback_timeout = '2s'\nmax_prepared_transactions = 2");
my $base = $server->url;
my $never = PostgreSQL::Test::Utils::tempdir() . '/never';
my $worker = q(net.stat_worker where datname = current_database());

sql('create role one; create role two; create role monitor in role pg_monitor; create role reader in role pg_read_all_data; grant two to one');

# Columns of the row of this database, as psql prints them.
sub worker { my ($columns) = @_; return sql("select $columns from $worker") }
sub wait_worker { my ($condition) = @_; return wait_sql("select $condition from $worker") }
sub activity { my ($id, $columns) = @_; return sql("select $columns from net.stat_activity where id = $id") }
sub queue { my ($url, %args) = @_; return sql("select net.http_request('GET', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')') }
sub state { my ($id) = @_; return activity($id, 'state') }

# Have what is in flight end, and remove the other rows.
sub clear
{
	append_to_file($never, 'now');
	wait_worker('in_flight = 0');
	unlink $never;
	sql('delete from net.http_request_queue');
	wait_worker('waiting = 0 and scheduled = 0 and gave_up = 0');
	return;
}

subtest 'the worker' => sub {
	is(worker('waiting, in_flight, scheduled, gave_up, callbacks_waiting, oldest_waiting is null, sent, short_of is null, durable, stats_reset is null'),
		'0|0|0|0|0|t|0|t|f|t', 'at first');
	is(worker('pids'), '{' . current_worker($node) . '}', 'its process');
	sql(q(create function called(r net._http_response) returns void language sql as 'select'));
	sql(q(create function fails(r net._http_response) returns void language sql as 'select 1 / 0'));
	sql("select net.http_get('$base/status/200') from generate_series(1, 20)");
	sql("select net.http_get('$base/status/500') from generate_series(1, 3)");
	queue('http://127.0.0.1:1/');
	queue("$base/status/200", callback => "'called'") for 1 .. 2;
	queue("$base/status/200", callback => "'fails'");
	my $given_up = queue("$base/status/503", retry => q('{10ms,10ms}'));
	wait_worker('given_up = 1 and called = 2 and call_errors = 1 and waiting = 0 and in_flight = 0');
	is(worker('done, failed, retried, given_up, gave_up, scheduled, callbacks_waiting'), '26|1|2|1|1|0|0', 'what became of requests');
	is(worker('sent'), 1 + (() = $server->arrivals), 'attempts: those that arrived, and one that did not');
	is(worker('record_batches > 0 and record_ms > 0'), 't', 'and recording');

	my @later = map { queue("$base/later", due => q(now() + interval '1 day')) } 1 .. 3;
	wait_worker('scheduled = 3');
	is(worker(q(next_due between now() + interval '23 hours' and now() + interval '25 hours')), 't', 'when the next is due');
	sql("select net.cancel($later[0])");
	wait_worker('scheduled = 2');
	sql("select net.resend($later[1])");
	wait_worker('scheduled = 1');
	sql("select net.resend($given_up, now() + interval '1 day')");
	wait_worker('scheduled = 2 and gave_up = 0');
	sql("delete from net.http_request_queue");
	wait_worker('scheduled = 0 and next_due is null');

	sql('select net.set_durable(true)');
	is(worker('durable'), 't', 'durable');
	sql('select net.set_durable(false)');
};

subtest 'states' => sub {
	sql(qq(insert into net.endpoint (name, url, retry) values ('shop', '$base/status/503', '{1h,1h}'), ('closed', '$base/echo', '{1h}')));
	sql(q(update net.endpoint set paused = true where name = 'closed'));
	my %id = (
		'in flight' => queue("http://user:secret@" . ($base =~ s{http://}{}r) . "/wait?file=$never", context => q('{"a": 1}')),
		scheduled => queue("$base/echo", due => q(now() + interval '1 day')),
		retrying => queue("$base/status/503", retry => q('{1h}')),
		'gave up' => queue("$base/status/503", retry => q('{0}')),
		held => queue('net://closed/x?y=1'));
	wait_sql("select state = '$_' from net.stat_activity where id = $id{$_}") for sort keys %id;
	pass('each state');
	is(activity($id{'in flight'}, q(role = current_user::regrole, method, url, due is null, started between queued and now(), attempt, last_error is null, context)),
		qq(t|GET|http://***\@) . ($base =~ s{http://}{}r) . qq(/wait?file=$never|t|t|1|t|{"a": 1}), 'what is in flight') or diag(sql('select * from net.stat_activity'));
	is(activity($id{scheduled}, 'due > now(), started is null, attempt, last_error is null'), 't|t|1|t', 'scheduled');
	is(activity($id{retrying}, 'due > now(), started is null, attempt, last_error'), 't|t|2|503', 'retrying');
	is(activity($id{'gave up'}, 'due > now(), attempt, last_error'), 't|2|503', 'given up');
	is(activity($id{held}, 'url, attempt'), 'net://closed/x?y=1|1', 'held');

	my @failing = map { queue('net://shop') } 1 .. 5;
	wait_sql("select bool_and(state = 'retrying') from net.stat_activity where id = any ('{@{[join ',', @failing]}}')");
	my $behind = queue('net://shop');
	wait_sql("select state = 'held' from net.stat_activity where id = $behind");
	pass('held by a back-off');
	is(sql('select (select count(*) from net.stat_activity) - (select count(*) from net.http_request_queue)'), 0, 'a row for each');
	like(sql("explain select * from net.stat_activity where id = $behind"), qr/Index.*Scan using http_request_queue_pkey/, 'one is found by the key');
	clear();
};

# Columns of the row of an endpoint, or an origin.
sub lane { my ($endpoint, $columns) = @_; return sql("select $columns from net.stat_endpoint where endpoint = '$endpoint'") }
sub wait_lane { my ($endpoint, $condition) = @_; return wait_sql("select $condition from net.stat_endpoint where endpoint = '$endpoint'") }

subtest 'endpoints' => sub {
	my $counts = 'sent, retried, given_up, status_2xx, status_3xx, status_4xx, status_429, status_5xx, timeouts, connect_failures, tls_failures, other_failures';
	sql(qq(insert into net.endpoint (name, url) values ('counted', '$base'), ('unused', '$base'), ('nowhere', 'http://127.0.0.1:1'), ('no_tls', 'https://127.0.0.1:@{[$https->port]}')));
	is(lane('unused', "$counts, state, waiting, in_flight, latency[1:2], last_success is null"), '0|' x 12 . 'ok|0|0|{0,0}|t', 'one that was not used');
	sql(q(select net.http_request('POST', 'net://counted/status/' || status, body := '12345')
		from unnest(array_fill(200, '{20}') || array_fill(204, '{2}') || array_fill(404, '{5}') || array_fill(429, '{3}') || array_fill(500, '{4}') || array_fill(304, '{1}')) as status));
	queue('net://counted/disconnect') for 1 .. 2;
	queue('net://counted/hang', timeout_milliseconds => 100);
	queue("net://counted/wait?file=$never", timeout_milliseconds => 30000);
	queue("net://$_/") for qw(nowhere no_tls);
	queue('net://counted/status/503', retry => q('{1ms,1ms}'));
	wait_lane('counted', 'given_up = 1 and timeouts = 1 and in_flight = 1 and other_failures = 2');
	is(lane('counted', $counts), '41|2|1|22|1|8|3|7|1|0|0|2', 'attempts by their outcome');
	my %arrived;
	$arrived{$_->[2]}++ for grep { $_->[1] eq 'POST' } $server->arrivals;
	is_deeply([ @arrived{map { "/status/$_" } 200, 204, 304, 404, 429, 500} ], [ 20, 2, 1, 5, 3, 4 ], 'as they arrived');
	is(lane('counted', 'request_bytes, (select sum(x) from unnest(latency) as x), waiting, connections between 1 and sent, total_ms >= 100, first_byte_ms > 0, connect_ms > 0, dns_ms >= 0, tls_ms'),
		'175|38|0|t|t|t|t|t|0', 'bytes, times, responses by their duration');
	is(lane('counted', 'failures_in_row > 0, failing_since <= last_failure, last_success is not null, last_error is not null, state'), 't|t|t|t|ok', 'it fails');
	queue('net://counted/status/204');
	wait_lane('counted', 'failing_since is null and failures_in_row = 0 and status_2xx = 23');
	wait_lane('nowhere', 'connect_failures = 1');
	is(lane('nowhere', 'sent, failures_in_row, last_error'), "1|1|Couldn't connect to server", 'no connection');
	wait_lane('no_tls', 'tls_failures = 1');
	is(lane('shop', 'state, resumes > now(), failures_in_row, last_error, retried'), 'backing off|t|5|503|5', 'one that backs off');
	is(lane('closed', 'state, sent'), 'paused|0', 'one that is paused');
	is(lane($base, 'sent > 20, state'), 't|ok', 'plain URLs');

	# what waits, and since when
	sql("update net.endpoint set max_in_flight = 1 where name = 'counted'");
	queue('net://counted/status/200') for 1 .. 3;
	wait_lane('counted', 'waiting = 3 and in_flight = 1');
	is(lane('counted', 'oldest_waiting = (select min(queued) from net.http_request_queue where url like \'net://counted/status%\' and gave_up is null)'), 't', 'since when it waits');
	is(worker('oldest_waiting = (select oldest_waiting from net.stat_endpoint where endpoint = \'counted\'), waiting'), 't|3', 'the worker says so, too');
	sql("update net.endpoint set max_in_flight = null where name = 'counted'");
	wait_lane('counted', 'waiting = 0 and oldest_waiting is null');
	clear();
};

subtest 'reset' => sub {
	my $sent = worker('sent');
	sql(q(select net.stat_reset('counted')));
	is(lane('counted', 'sent, status_2xx, latency[1], last_success is null, last_error is null, stats_reset > now() - interval \'1 minute\''), '0|0|0|t|t|t', 'one endpoint');
	is(lane('nowhere', 'sent, stats_reset is null'), '1|t', 'no other');
	is(worker('sent'), $sent, 'and not the worker');
	sql("select net.http_get('net://counted/status/200')");
	wait_lane('counted', 'sent = 1 and status_2xx = 1 and stats_reset is not null');
	sql('select net.stat_reset()');
	is(worker('sent, done, called, call_errors, record_batches, stats_reset is not null'), '0|0|0|0|0|t', 'all');
	is(lane('nowhere', 'sent, failures_in_row'), '0|1', 'but not how it is');
	sql("select net.http_get('$base/status/200')");
	wait_worker('sent = 1');
	like(failure('set role one; select net.stat_reset()'), qr/42501/, 'not for everybody');
};

subtest 'a worker that stands still' => sub {
	my $pid = current_worker($node);
	my $ready = q(select coalesce(max(now() - oldest_waiting), '0') < '1 s' from net.stat_worker where datname = current_database());
	wait_sql($ready);
	kill 'STOP', $pid;
	sql("select net.http_get('$base/status/200')");
	is(worker('waiting, oldest_waiting between now() - interval \'1 minute\' and now()'), '1|t', 'what it has not noticed is seen');
	wait_sql("select not ($ready)");
	kill 'CONT', $pid;
	wait_sql($ready);
	pass('it is ready again');
};

subtest 'more lanes than there is room for' => sub {
	sql("select net.http_get('net://counted/status/200')");
	sql("select net.http_get('http://127.' || n / 65536 % 256 || '.' || n / 256 % 256 || '.' || n % 256 || ':1/', timeout_milliseconds := 30000) from generate_series(2, 6001) as n");
	wait_queue_empty();
	my $rows = sql(q(select count(*) from net.stat_endpoint where endpoint like 'http://127.%:1'));
	cmp_ok($rows, '>', 4000, 'most have a row');
	cmp_ok($rows, '<=', 5000, 'not all');
	is(sql(q(select bool_and(sent = 1 and connect_failures = 1 and waiting = 0 and in_flight = 0) from net.stat_endpoint where endpoint like 'http://127.%:1' and endpoint not in ('http://127.0.0.1:1'))), 't', 'each has its own numbers');
	is(lane('unused', 'sent'), 0, 'one without has zeros');
	is(lane('http://127.0.23.113:1', 'sent'), 1, 'the last one has a row') or diag(sql(q(select min(endpoint), max(endpoint) from net.stat_endpoint)));
	is(worker('sent >= 6000, waiting, in_flight, oldest_waiting is null'), 't|0|0|t', 'the worker counts them all');
};

subtest 'a restart' => sub {
	queue('net://counted/status/500');
	wait_lane('counted', 'status_5xx > 0 and in_flight = 0');
	sql(q(select net.stat_reset('unused')));
	my $lane = sub { lane('counted', 'sent, status_2xx, status_5xx, latency, total_ms, failing_since, failures_in_row, last_success, last_failure, last_error, stats_reset, waiting, in_flight') };
	my $of_worker = sub { worker('sent, done, failed, retried, given_up, called, call_errors, record_batches, record_ms, stats_reset') };
	my ($worker, $counted) = ($of_worker->(), $lane->());
	my $rows = sql('select count(*) from net.stat_endpoint');
	$node->restart;
	is($of_worker->(), $worker, 'keeps the counters of the worker');
	is($lane->(), $counted, 'and of endpoints');
	is(sql('select count(*) from net.stat_endpoint'), $rows, 'all of them');
	ok(!-e $node->data_dir . '/pg_stat/pg_net.stat', 'the file is gone');
	sql("select net.http_get('net://counted/status/200')");
	wait_lane('counted', 'failing_since is null');
	is(worker('sent') - (split /\|/, $worker)[0], 1, 'they go on');

	$node->stop('immediate');
	$node->start;
	is(worker('sent, done, stats_reset is null'), '0|0|t', 'a crash sets them to zero');
	is(lane('counted', 'sent, last_success is null'), '0|t', 'those of endpoints, too');

	$node->stop;
	append_to_file($node->data_dir . '/pg_stat/pg_net.stat', 'x' x 100);
	truncate $node->data_dir . '/pg_stat/pg_net.stat', 1000;
	$node->start;
	is(lane('counted', 'sent'), 0, 'a file that is not whole does no harm');
};

subtest 'who sees what' => sub {
	create_databases('other');
	sql_in('other', "select net.http_get('$base/status/200')");
	sql("set role $_;", "select net.http_request('GET', '$base/wait?file=$never', context := '1', timeout_milliseconds := 60000)") for qw(one two);
	wait_sql("select count(*) = 2 from net.stat_activity where state = 'in flight'");
	my $rows = sub {
		my ($role) = @_;
		return sql("set role $role;", q(select role, split_part(url, '/', 4), state, started is not null, context from net.stat_activity order by role::text));
	};
	my ($whole, $part) = ("wait?file=|in flight|t|1", "wait|in flight|t|");
	my $short = sub { $_[0] =~ s/file=\K[^|]*//gr };
	is($short->($rows->('one')), "one|$whole\ntwo|$whole", 'one: its own, and those of a role it is in');
	is($short->($rows->('two')), "two|$whole", 'two: its own');
	is($short->($rows->('monitor')), "one|$part\ntwo|$part", 'monitor: all, without query and context');
	is($short->($rows->('reader')), "one|$whole\ntwo|$whole", 'pg_read_all_data: all');
	is($short->(sql(q(select role, split_part(url, '/', 4), state, started is not null, context from net.stat_activity order by role::text))), "one|$whole\ntwo|$whole", 'the owner: all');
	is(sql("set role $_;", 'select count(*) from net._stat_in_flight() where id in (select id from net.stat_activity)'), { one => 2, two => 1, monitor => 2, reader => 2 }->{$_}, "$_: what is in flight") for qw(one two monitor reader);

	# a trigger that fails is a warning of the worker
	sql(q(create function fail() returns trigger language plpgsql as $$begin raise 'no luck'; end$$;),
		'create trigger fail before insert on net._http_response for each row execute function fail()');
	sql("select net.http_get('$base/status/200')");
	wait_worker('last_error is not null');
	sql('drop trigger fail on net._http_response');
	for ([ one => 'postgres|f' ], [ reader => 'postgres|f' ], [ monitor => "other|f\npostgres|t" ], [ postgres => "other|f\npostgres|t" ])
	{
		my ($role, $expected) = @$_;
		is(sql("set role $role;", q(select datname, coalesce(last_error like '%no luck', false) from net.stat_worker where datname in ('postgres', 'other') order by 1)), $expected, "$role: workers");
	}
	sql("update net.endpoint set roles = '{one}' where name = 'counted'; update net.endpoint set roles = '{public}' where name = 'unused'");
	queue('net://counted/status/500');
	wait_lane('counted', 'last_error is not null');
	my $lanes = q(select string_agg(endpoint, ',' order by endpoint collate "C") filter (where endpoint in ('counted', 'unused', 'shop')), bool_or(endpoint like 'http%'), bool_or(last_error is not null) from net.stat_endpoint);
	for ([ one => 'counted,unused|f|f' ], [ two => 'unused|f|f' ], [ reader => 'unused|f|f' ], [ monitor => 'counted,shop,unused|t|t' ], [ postgres => 'counted,shop,unused|t|t' ])
	{
		my ($role, $expected) = @$_;
		is(sql("set role $role;", $lanes), $expected, "$role: endpoints");
	}
	is(worker('last_error_at between now() - interval \'1 minute\' and now()'), 't', 'when that was');
	is(sql_in('other', q(select sent, done, durable from net.stat_worker where datname = current_database())), '1|1|f', 'another database has numbers of its own');
	is(sql(q(select sent, done, durable from net.stat_worker where datname = 'other')), '1|1|f', 'which are seen from here');
	clear();
};

done_testing();
