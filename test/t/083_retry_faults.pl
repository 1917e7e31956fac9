# Requests that wait for their time, or for another, while users and faults
# interfere: none is lost, held up for ever, or recorded twice.

use strict;
use warnings;

use Faults;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $server = start_http_server();
my $node = new_node('retry_faults', conf => "restart_after_crash = on\npg_net.max_in_flight_per_host = 100");
my $base = $server->url;
my $calls = 0;

sub key { return 'k' . ++$calls }

# Queue a request for a path, with arguments of http_request; the id.
sub call
{
	my ($path, %args) = @_;
	return sql("select net.http_request('GET', '$base$path'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

sub row_of { return sql("select $_[1] from net.http_request_queue where id = $_[0]") }

# A request that failed once, with an hour to wait for its next attempt.
sub retrying
{
	my (%args) = @_;
	my $id = call('/flaky/' . key() . '?fails=1', retry => "'{1h}'", %args);
	wait_sql("select due > now() from net.http_request_queue where id = $id");
	return $id;
}

# One that was given up.
sub given_up
{
	my ($path) = @_;
	my $id = call($path // '/flaky/' . key() . '?fails=2', retry => "'{1ms}'");
	wait_sql("select gave_up is not null from net.http_request_queue where id = $id");
	return $id;
}

# How many responses there are of ids, and of how many of them.
sub responses { return sql('select count(*), count(distinct id) from net._http_response where id in (' . join(',', @_) . ')') }

subtest 'rows that users change' => sub {
	my $id = call('/echo/' . key(), due => "now() + interval '1 hour'");
	sql("update net.http_request_queue set due = null where id = $id");
	is(wait_response($node, $id)->{status_code}, 200, 'due at once');

	$id = given_up();
	sql("update net.http_request_queue set gave_up = null, due = null where id = $id");
	wait_sql("select status_code = 200 from net._http_response where id = $id and error_msg is null");
	pass('not given up any more');

	my $first = retrying(ordering_key => "'a'");
	my @ids = map { call('/echo/' . key(), ordering_key => "'a'") } 1 .. 3;
	is_served($server, 'the worker has read them');
	sql("update net.http_request_queue set ordering_key = null where id = $ids[0]");
	is(wait_response($node, $ids[0])->{status_code}, 200, 'without its ordering key');
	sql("update net.http_request_queue set ordering_key = 'b' where id = $ids[1]");
	is(wait_response($node, $ids[1])->{status_code}, 200, 'with another one');
	is(row_of($ids[2], 'count(*)'), 1, 'the third waits');

	# its holder gets another key, and lets go of this one
	sql("update net.http_request_queue set ordering_key = 'c', due = null where id = $first");
	is(wait_response($node, $_)->{status_code}, 200, 'the holder of the key, and who waited for it') for $first, $ids[2];
};

subtest 'what is asked comes before what was answered' => sub {
	my $id = given_up('/status/503');
	sql("update net.http_request_queue set gave_up = null, due = now() + interval '1 hour', failures = null where id = $id");
	like(sql("select status || message from net._http_collect_response($id)"), qr/^PENDINGscheduled for/, 'the queue says more than an old response');
	sql("delete from net.http_request_queue where id = $id");
	sql("insert into net._http_response (id, status_code, created) values ($id, 299, now() + interval '1 minute')");
	is(sql("select (response).status_code from net._http_collect_response($id)"), 299, 'the newest of two responses counts');
	sql("delete from net._http_response where id = $id");
};

subtest 'the rows of others' => sub {
	my $waits = call('/echo/' . key(), due => "now() + interval '1 hour'");
	sql('create role stranger');
	my $session = $node->background_psql('postgres');
	is($session->query_safe("begin; set local role stranger; select net.cancel($waits), net.resend($waits)"), 'f|f', 'are not there');
	is(sql("select id from net.http_request_queue where id = $waits for update nowait"), $waits, 'and are not locked');
	$session->query_safe('rollback');

	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $flies = call("/wait?file=$gate", timeout_milliseconds => 100_000);
	$server->wait_arrivals("/wait?file=$gate");
	is($session->query_safe("begin; select net.cancel($flies), net.resend($flies)"), 'f|f', 'in flight: neither');
	append_to_file($gate, '');
	is(wait_response($node, $flies)->{status_code}, 200, 'its outcome is recorded before that transaction ends');
	$session->query_safe('rollback');
	$session->quit;
	sql("select net.cancel($waits)");
};

subtest 'what was given up cannot be removed' => sub {
	sql("alter system set pg_net.failed_ttl = '1 s'");
	$node->reload;
	wait_for('the setting to apply', sub { row_of(given_up(), 'due - gave_up <= $$1 s$$') ne 'f' });
	sql("alter system set pg_net.failed_ttl = '2 s'");
	$node->reload;
	wait_for('the setting to apply', sub { row_of(given_up(), 'due - gave_up = $$2 s$$') eq 't' });
	sql(q(create function keep() returns trigger language plpgsql as $$ begin if old.url like '%/keep%' then raise 'kept'; end if; return old; end $$;
		create trigger keep before delete on net.http_request_queue for each row when (old.gave_up is not null) execute function keep()));
	my $kept = given_up('/flaky/keep' . key() . '?fails=2');
	my $locked = given_up();
	my $session = $node->background_psql('postgres');
	$session->query_safe("begin; select from net.http_request_queue where id = $locked for update");
	my $other = given_up();
	my $offset = -s $node->logfile;
	wait_sql("select count(*) from net.http_request_queue where id = $other", 0);
	pass('others are removed');
	is(wait_response($node, call('/echo/' . key(), due => "now() + interval '100 ms'"))->{status_code}, 200, 'what is scheduled is sent');
	is(row_of($kept, 'count(*)') . row_of($locked, 'count(*)'), '11', 'those two are there');
	ok(log_contains($node, qr/pg_net could not remove request $kept, which was given up: kept/), 'which the log says');
	$session->query_safe('rollback');
	$session->quit;
	sql('drop trigger keep on net.http_request_queue');
	wait_sql("select count(*) from net.http_request_queue where id in ($kept, $locked)", 0);
	pass('later they are removed');
	sql('alter system reset pg_net.failed_ttl');
	$node->reload;
};

subtest 'cancelled while others cannot be recorded' => sub {
	sql(q(create function refuse() returns trigger language plpgsql as $$ begin if new.url like '%/refused/%' then raise 'refused'; end if; return new; end $$;
		create trigger refuse before insert on net._http_response for each row execute function refuse()));
	my @paths = map { '/ledger/' . ($_ % 3 == 2 ? 'refused/' : '') . key() . '?delay=1&fails=9' } 1 .. 30;
	my @ids = split /\n/, sql("select net.http_request('GET', '$base' || p, retry := '{1h}', timeout_milliseconds := 100000) from unnest(string_to_array('" . join(' ', @paths) . "', ' ')) p");
	$server->wait_arrivals(qr{^/ledger/}, 30);
	sql('delete from net.http_request_queue');
	wait_sql('select count(distinct id) from net._http_response where id in (' . join(',', @ids) . ')', 30);
	is(responses(@ids), '30|30', 'each has one response');
	is(sql('select count(*) from net._http_response where error_msg is null and status_code = 503 and failures is null and id in (' . join(',', @ids) . ')'), 30, 'as without a schedule');
	sql('drop trigger refuse on net._http_response');
};

subtest 'a trigger that keeps a row as it was' => sub {
	sql(q(create function unchanged() returns trigger language plpgsql as $$ begin return null; end $$;
		create trigger unchanged before update on net.http_request_queue for each row when (old.url like '%/unchanged%') execute function unchanged();
		alter table net.http_request_queue enable always trigger unchanged));
	my $first = call('/flaky/unchanged' . key() . '?fails=9', retry => "'{1ms}'", ordering_key => "'u'");
	my $second = call('/echo/' . key(), ordering_key => "'u'");
	is(wait_response($node, $second)->{status_code}, 200, 'the next one with its key is sent');
	is(row_of($first, 'count(*)'), 0, 'it is gone');
	ok(log_contains($node, qr/response of request $first: a trigger keeps a request in net.http_request_queue as it was/), 'the log says so');
	sql('drop trigger unchanged on net.http_request_queue');
};

subtest 'due while the queue is read again for their lane' => sub {
	# More than a lane may know, and what a refill has to pass by.
	sql("alter system set pg_net.batch_size = 5");
	sql("alter system set pg_net.max_in_flight_per_host = 2");
	$node->reload;
	my $other = start_http_server();
	my @ids = split /,/, sql(qq(
		with few as (select n, net.http_request('GET', '@{[$other->url]}/echo/few-' || n, due := clock_timestamp() + interval '1 s' + n * interval '5 ms') as id
			from generate_series(1, 1500) n),
		far as (select count(net.http_request('GET', '$base/echo/far', due := now() + interval '1 day')) c from few, generate_series(1, 20) where n <= 1000),
		many as (select count(net.http_request('GET', '@{[$other->url]}/echo/many')) c from far, generate_series(1, 11000 + c * 0))
		select string_agg(id::text, ',') from few, many));
	wait_sql("select count(*) from net.http_request_queue where url not like '%/far'", 0);
	is(scalar @{ [ $other->targets(qr/few-/) ] }, 1500, 'all were sent');
	sql('truncate net.http_request_queue');
	sql("alter system reset pg_net.batch_size");
	sql("alter system reset pg_net.max_in_flight_per_host");
	$node->reload;
};

subtest 'indexes with conditions' => sub {
	sql(q(alter table net.http_request_queue add column twice bigint generated always as (nullif(timeout_milliseconds, 1) * 2) stored, add column note text;
		create index twice on net.http_request_queue (twice) where twice is not null;
		create index noted on net.http_request_queue (note) where note is not null;
		create index none on net.http_request_queue (id) where due is null));
	sql("select count(net.http_request('GET', '$base/echo/i', timeout_milliseconds := case when n % 3 = 0 then 1 else 1000000 end,
		due := case when n % 2 = 0 then now() + interval '1 hour' end, ordering_key := case when n % 5 = 0 then 'i' end)) from generate_series(1, 60) n; begin;
		select net.http_get('$base/echo/i') from generate_series(1, 3);
		select net.http_request('GET', '$base/echo/i', due := now() + interval '1 hour', ordering_key := 'i') from generate_series(1, 3);
		select net.http_get('$base/echo/i') from generate_series(1, 3); commit");
	my @found = map { sql("set enable_bitmapscan = off; set enable_indexscan = $_; set enable_indexonlyscan = $_; set enable_seqscan = " . ($_ eq 'on' ? 'off' : 'on') . ';'
		  . " select count(*) from net.http_request_queue where due is not null; select count(*) from net.http_request_queue where ordering_key = 'i' and due is not null;"
		  . ' select count(*) from net.http_request_queue where twice is not null and due is not null') } qw(on off);
	is($found[0], $found[1], 'find the same rows');
	like($found[1], qr/^33\n9\n/, 'which are as many as were queued');
	sql('delete from net.http_request_queue; alter table net.http_request_queue drop column twice, drop column note; drop index net.none');
};

subtest 'roles and tables that go' => sub {
	sql('create role leaves');
	my $id = sql("set role leaves; select net.http_request('GET', '$base/flaky/" . key() . "?fails=1', retry := '{1h}')");
	sql('reset role');
	wait_sql("select due > now() from net.http_request_queue where id = $id");
	sql('drop role leaves');
	is(sql("select net.resend($id)"), 't', 'the owner sends a request of a dropped role again');
	is(wait_response($node, $id)->{status_code}, 200, 'any role might send it');

	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $flies = call("/wait?file=$gate", retry => "'{1h}'", timeout_milliseconds => 100_000);
	my $timed = call('/hang?truncate', retry => "'{1h}'", timeout_milliseconds => 500);
	my $waits = retrying(ordering_key => "'t'");
	my $behind = call('/echo/' . key(), ordering_key => "'t'");
	$server->wait_arrivals("/wait?file=$gate");
	$server->wait_arrivals('/hang?truncate');
	sql('truncate net.http_request_queue');
	append_to_file($gate, '');
	is(wait_response($node, $flies)->{status_code}, 200, 'TRUNCATE: what was in flight is recorded');
	like(wait_response($node, $timed)->{error_msg}, qr/^Timeout of 500 ms/, 'as failed, for it is not sent again');
	is(wait_response($node, call('/echo/' . key(), ordering_key => "'t'"))->{status_code}, 200, 'an ordering key is free');
	is(sql("select count(*) from net._http_response where id in ($waits, $behind)"), 0, 'and those that waited are gone');

	retrying(ordering_key => "'t'");
	call('/flaky/' . key() . '?fails=9', retry => "array_fill('20ms'::interval, '{50}')") for 1 .. 20;
	sql('drop extension pg_net');
	sql('create extension pg_net');
	is(wait_response($node, call('/echo/' . key(), ordering_key => "'t'"))->{status_code}, 200, 'DROP and CREATE EXTENSION: requests are sent');
	is(sql('select count(*) from net.http_request_queue'), 0, 'nothing is left');
};

# One request in each state of a retry, by what is expected of it.
sub in_each_state
{
	my %ids;
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $slow = '/ledger/' . key() . '?fails=1&delay=2';
	my $first = '/ledger/' . key() . '?fails=0&delay=2';

	$ids{done} = call('/flaky/' . key() . '?fails=1', retry => "'{1ms}'");
	wait_response($node, $ids{done});
	$ids{'given up'} = given_up();
	$ids{scheduled} = call('/echo/' . key(), due => "now() + interval '1 hour'");
	$ids{retrying} = retrying(ordering_key => "'s'");
	$ids{behind} = call('/echo/' . key(), ordering_key => "'s'");
	$ids{'in the second attempt'} = call($slow, retry => "'{1ms}'", timeout_milliseconds => 100_000);
	$server->wait_arrivals($slow, 2);
	$ids{'in the first attempt'} = call($first, retry => "'{1ms}'", timeout_milliseconds => 100_000);
	$server->wait_arrivals($first);
	return %ids;
}

# Do the deed, which ends the server for a while, and see what became of them.
sub survives
{
	my ($name, $deed) = @_;
	my %ids = in_each_state();
	my $all = join ',', values %ids;

	$deed->();
	wait_for('the server', sub { defined try_sql($node, 'postgres', 'select net.wait_until_running()') });
	is_served($server, 'a new worker');
	is(row_of($ids{'given up'}, 'gave_up is not null'), 't', "$name: given up, still");
	like(sql("select message from net._http_collect_response($ids{retrying})"), qr/^attempt 2 of 2 at .*: 503$/, 'retrying, still');
	like(sql("select message from net._http_collect_response($ids{scheduled})"), qr/^scheduled for /, 'scheduled, still');
	is(row_of($ids{behind}, 'count(*)'), 1, 'and held up by its ordering key');
	is(sql("select net.resend($ids{$_})"), 't', "resend: $_") for 'given up', 'scheduled', 'retrying';
	for (sort keys %ids)
	{
		wait_sql("select count(*) from net._http_response where id = $ids{$_} and error_msg is null", 1);
		is(wait_response($node, $ids{$_})->{status_code}, 200, "$_: done");
	}
	is(responses(values %ids), keys(%ids) . '|' . keys(%ids), 'one response each');
	is(sql("select count(*) from net.http_request_queue where id in ($all)"), 0, 'and no row is left');
	is(sql("select r.started <= b.started from net._http_response r, net._http_response b where r.id = $ids{retrying} and b.id = $ids{behind}"), 't', 'in order');
	is(wait_response($node, $ids{'in the second attempt'})->{attempts}, 2, 'an attempt that was cut off does not count');
	return;
}

subtest 'the server in each state of a retry' => sub {
	sql('select net.set_durable(true)');
	survives('kill -9 of the worker', sub {
		my $worker = current_worker($node);
		kill 'KILL', $worker;
		wait_sql("select pid <> $worker from pg_stat_activity where backend_type = 'pg_net worker' and datname = 'postgres'");
	});
	survives('immediate stop', sub { $node->stop('immediate'); $node->start });
	survives('kill -9 of the postmaster', sub { kill_postmaster($node) });
	survives('restart of the worker', sub {
		my $worker = current_worker($node);
		sql('select net.worker_restart()');
		next_worker($node, $worker);
	});
	sql('select net.set_durable(false)');
};

subtest 'many rows' => sub {
	my $other = start_http_server();
	my $count = 30_000;
	my $worker = current_worker($node);
	is_served($server, 'the worker');
	my $memory = process_memory($worker, 'RssAnon');
	sql("insert into net.http_request_queue (method, url, timeout_milliseconds, due)
		select 'GET', '@{[$other->url]}/echo/many-' || n, 60000, now() + interval '1 hour' from generate_series(1, $count) n");
	sql('select net.wake()');
	is_served($server, 'once more');
  SKIP:
	{
		skip 'no /proc', 1 unless defined $memory;
		cmp_ok(process_memory($worker, 'RssAnon') - $memory, '<', 10, 'rows that are scheduled take no memory');
	}
	sql("update net.http_request_queue set due = now()");
	is_served($server, "beside, request $_") for 1 .. 5;
	ok(sql('select count(*) from net.http_request_queue') > 0, 'not after all others');
	wait_queue_empty();
	my %targets = map { $_ => 1 } $other->targets(qr/many-/);
	is(scalar $other->arrivals_of(qr/many-/) . '|' . keys %targets, "$count|$count", 'each is sent once');
};

done_testing();
