# The server's log: one line when an endpoint or the worker changes its state,
# none for each request, unless a setting asks for it.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my %nginx = start_nginx();
my $server = start_http_server();
my $node = new_node('log', conf => 'log_statement = none');
my $base = $server->url;
my $closed = 'http://127.0.0.1:1';
my $offset = 0;

sub endpoint
{
	my ($name, $url) = @_;
	sql("insert into net.endpoint (name, url, retry) values ('$name', '$url', array_fill(interval '10 ms', '{50}'))");
	return;
}

sub queue { my ($url, @before) = @_; return sql(@before, "select net.http_request('GET', '$url')") }

# The end of the log, from now on, and what it has.
sub begin { $offset = -s $node->logfile; return }
sub logged { return slurp_file($node->logfile, $offset) }
sub lines { my ($regex) = @_; return scalar(() = logged() =~ /$regex/g) }
sub wait_log { my ($regex) = @_; wait_for("the log to say $regex", sub { lines($regex) }); return }
sub wait_held { my ($name) = @_; return wait_sql("select state = 'backing off' from net.stat_endpoint where endpoint = '$name'") }

sub set
{
	my ($name, $value) = @_;
	sql($value eq '' ? "alter system reset pg_net.$name" : "alter system set pg_net.$name = '$value'");
	sql('select pg_reload_conf()');
	wait_sql("select reset_val = boot_val from pg_settings where name = 'pg_net.$name'") if $value eq '';
	wait_sql("select setting = '$value' from pg_settings where name = 'pg_net.$name'") if $value ne '';
	# the worker reads its files when it wakes up
	is_served($server, "with $name '$value'");
	return;
}

sub restart_worker
{
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	return next_worker($node, $old);
}

subtest 'an endpoint fails' => sub {
	sql('create role one; create role two');
	sql(qq(insert into net.endpoint (name, url, retry, roles) values ('shop', '$base/flaky/shop?fails=10', array_fill(interval '10 ms', '{50}'), '{one,two}')));
	begin();
	my @ids = map { queue('net://shop?secret', "set role $_;") } qw(one two);
	wait_sql(q(select failures_in_row = 10 from net.stat_endpoint where endpoint = 'shop'));
	wait_log(qr/LOG:  endpoint "shop" is failing: 503\n.*DETAIL:  Requests to it wait. One of them tries it after \d{4}-.*\n.*HINT:  .*UPDATE net.endpoint SET back_off = back_off WHERE name = 'shop'/);
	restart_worker();
	sql(q(update net.endpoint set back_off = back_off where name = 'shop'));
	is(wait_response($node, $_)->{status_code}, 200, 'it is tried at once') for @ids;
	wait_log(qr/LOG:  endpoint "shop" is no longer failing\n.*DETAIL:  Requests to it have been held since \d{4}-.*, and are sent again/);
	is(lines(qr/endpoint "shop"/), 2, 'one line for each change, whoever asks');
	unlike(logged(), qr/secret/, 'no query');
};

subtest 'one role is held still' => sub {
	sql(qq(insert into net.endpoint (name, url, retry, roles) values ('half', '$base', array_fill(interval '10 ms', '{50}'), '{one,two}')));
	begin();
	queue('net://half/status/503', 'set role one;');
	wait_log(qr/endpoint "half" is failing/);
	wait_response($node, queue('net://half/echo', 'set role two;')) for 1 .. 3;
	is(lines(qr/endpoint "half"/), 1, 'it is failing until none is');
};

subtest 'Retry-After' => sub {
	endpoint('busy', "$base/flaky/busy?fails=1&status=429&retry-after=1");
	endpoint('closed', "$base/flaky/closed?fails=1&status=429&retry-after=600");
	begin();
	my $id = queue('net://busy');
	queue('net://closed');
	wait_log(qr/endpoint "closed" is failing: 429/);
	is(wait_response($node, $id)->{status_code}, 200, 'a second later');
	is(lines(qr/endpoint "busy"/), 0, 'a short one is no failure');
};

subtest 'paused' => sub {
	endpoint('paused', "$base/echo");
	sql(q(update net.endpoint set paused = true where name = 'paused'));
	begin();
	my $id = queue('net://paused');
	wait_sql(q(select waiting = 1 from net.stat_endpoint where endpoint = 'paused'));
	sql(q(update net.endpoint set paused = false where name = 'paused'));
	wait_response($node, $id);
	is(lines(qr/LOG:  endpoint "paused" is no longer paused/), 1, 'and resumed');
};

subtest 'many fail at once' => sub {
	endpoint("many-$_", $closed) for 1 .. 15;
	restart_worker();
	begin();
	sql("select net.http_request('GET', 'net://many-' || n) from generate_series(1, 15) as n, generate_series(1, 5)");
	wait_held("many-$_") for 1 .. 15;
	is(lines(qr/endpoint "many-\d+" is failing: Couldn't connect to server/), 10, 'ten lines');
	restart_worker();
	wait_log(qr/LOG:  further endpoints began to fail: 5, are no longer failing: 0, are no longer paused: 0\n/);
	is(lines(qr/further endpoints/), 1, 'one for the others');
	sql('delete from net.http_request_queue');
};

subtest 'attempts' => sub {
	my $timed = qr/duration: \d+\.\d{3} ms/;
	my $phases = qr/(?:, DNS: [\d.]+ ms)?(?:, connect: [\d.]+ ms)?, first byte: [\d.]+ ms/;

	begin();
	wait_response($node, queue("$closed/none"));
	is(lines(qr/attempt/), 0, 'not logged by default');
	set(log_failures => 'on');

	my $port = $nginx{http_port};
	sql("insert into net.secret (name, value, roles, host, port) values ('key', 'hidden-key', '{}', 'localhost', $port)");
	sql("insert into net.endpoint (name, url, retry, headers) values ('dark', 'https://localhost:$port/hidden-path?hidden=' || net.secret('key'), '{10ms}', jsonb_build_object('X', net.secret('key')))");
	begin();
	my $user = $closed =~ s/127/hidden-user:hidden-password\@127/r;
	my $plain = sql(qq(select net.http_get('$user/hidden-path?hidden=1', headers := '{"X": "hidden"}')));
	wait_response($node, $plain);
	wait_log(qr/LOG:  attempt 1 of request $plain: GET http:\/\/127.0.0.1:1: Couldn't connect to server, $timed/);
	my $dark = queue('net://dark/hidden-path?hidden=1');
	wait_log(qr/LOG:  attempt 1 of request $dark: GET net:\/\/dark: SSL connect error: .*, will be sent again, $timed/);
	wait_log(qr/LOG:  attempt 2 of request $dark: GET net:\/\/dark: .*, given up, $timed/);
	wait_response($node, queue("$base/$_")) for qw(echo status/503);
	my $schedule = sql("select net.http_request('GET', '$base/status/503', retry := '{10ms}')");
	wait_log(qr/attempt 2 of request $schedule: GET \Q$base\E: 503, given up, $timed/);
	is(lines(qr/attempt \d/), 5, 'nothing but failures: a status is one with a schedule');
	unlike(logged(), qr/hidden|localhost/, 'nor a secret');
	set(log_failures => '');

	set(log_min_duration => 400);
	begin();
	my $slow = queue("$base/delay/0.5?hidden");
	wait_response($node, $_) for $slow, queue("$base/echo"), queue("$closed/");
	wait_log(qr/LOG:  attempt 1 of request $slow: GET \Q$base\E: 200, $timed$phases\n/);
	is(lines(qr/attempt/), 1, 'nothing faster');
	unlike(logged(), qr/hidden/, 'nor the URL');
	set(log_min_duration => 0);
	begin();
	my $fast = queue("$base/echo");
	wait_response($node, $fast);
	wait_log(qr/attempt 1 of request $fast: GET \Q$base\E: 200, $timed$phases\n/);
	set(log_min_duration => '');
};

subtest 'values' => sub {
	like(failure("alter system set pg_net.log_min_duration = -2"), qr/22023/, 'no less than -1');
	like(failure("set pg_net.log_failures = on"), qr/55P02/, 'for the server');
};

subtest 'responses cannot be recorded' => sub {
	sql(q(create function no_room() returns trigger language plpgsql as $$begin raise 'no room' using errcode = 'disk_full'; end$$;),
		'create trigger no_room before insert on net._http_response for each row execute function no_room()');
	begin();
	my $id = queue("$base/echo");
	wait_log(qr/WARNING:  pg_net could not record responses: no room/);
	sql('drop trigger no_room on net._http_response');
	wait_response($node, $id);
	wait_log(qr/LOG:  pg_net can record responses again/);
	is(lines(qr/could not record responses/), 1, 'one line each');
};

subtest 'a table is missing' => sub {
	begin();
	sql('alter table net._http_response rename to elsewhere');
	sql('select net.wake()');
	wait_log(qr/WARNING:  pg_net worker is waiting: a table of extension "pg_net" is missing/);
	sql('alter table net.elsewhere rename to _http_response');
	is_served($server, 'its name is back');
	is(lines(qr/LOG:  pg_net worker goes on: the tables of extension "pg_net" can be used/), 1, 'the log says so');
};

done_testing();
