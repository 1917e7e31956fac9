# net.stat_worker, net.stat_activity and net.stat_reset(): each number against
# what the test server counts, and who sees what.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('statistics', conf => "pg_net.callback_timeout = '2s'\nmax_prepared_transactions = 2");
my $base = $server->url;
my $never = PostgreSQL::Test::Utils::tempdir() . '/never';
my $worker = q(net.stat_worker where datname = current_database());

# Columns of the row of this database, as psql prints them.
sub worker { my ($columns) = @_; return sql("select $columns from $worker") }
sub wait_worker { my ($condition) = @_; return wait_sql("select $condition from $worker") }
sub activity { my ($id, $columns) = @_; return sql("select $columns from net.stat_activity where id = $id") }
sub queue { my ($url, %args) = @_; return sql("select net.http_request('GET', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')') }
sub state { my ($id) = @_; return activity($id, 'state') }

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
	sql('delete from net.http_request_queue');
};

subtest 'who sees what' => sub {
	sql('create role one; create role two; create role monitor in role pg_monitor; create role reader in role pg_read_all_data; grant two to one');
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
	is(worker('last_error_at between now() - interval \'1 minute\' and now()'), 't', 'when that was');
	is(sql_in('other', q(select sent, done, durable from net.stat_worker where datname = current_database())), '1|1|f', 'another database has numbers of its own');
	is(sql(q(select sent, done, durable from net.stat_worker where datname = 'other')), '1|1|f', 'which are seen from here');
	sql('delete from net.http_request_queue');
};

done_testing();
