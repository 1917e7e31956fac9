# Requests that wait for their time, or for another, while users and faults
# interfere: none is lost, held up for ever, or recorded twice.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $server = start_http_server();
my $node = new_node('retry_faults', conf => 'pg_net.max_in_flight_per_host = 100');
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

done_testing();
