# The clock is set forward and back while requests wait and are in flight.
#
# Not this machine's: see test/lib/Clock.pm.

use strict;
use warnings;

use Clock;
use IPC::Run;
use List::Util qw(min);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use constant LONG_MS => 170_000;
use constant HOUR => 3600;
use constant DAY => 24 * HOUR;

my $clock = Clock->new or plan skip_all => 'no compiler to make the clock with';
my $server = start_http_server();
my $url = $server->url;
my $node = $clock->given_to(sub { new_node('clock', conf => 'autovacuum = off') });

sub get
{
	my ($target, $timeout) = @_;
	$timeout //= LONG_MS;
	return "select net.http_get('$url$target', timeout_milliseconds := $timeout)";
}

# How far the server's clock is from ours, in seconds.
sub server_clock
{
	return sql('select extract(epoch from clock_timestamp())') - time;
}

# The worker is at rest, or waits for the network.
sub wait_state
{
	my ($state) = @_;
	return wait_for("the worker to be $state", sub {
		sql_in('template1', "select state from pg_stat_activity where backend_type = 'pg_net worker'") eq $state;
	});
}

my $worker = current_worker($node);

for my $set ([ 'forward', HOUR ], [ 'back', -HOUR ], [ 'back by a day', -DAY ], [ 'forward by a day', DAY ])
{
	my ($how, $off) = @$set;
	my $name = $how =~ tr/ /-/r;

	subtest "set $how" => sub {
		my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
		my @ids = split /\n/, sql(get("/wait?file=$gate&$name") . ' from generate_series(1, 10)');
		my $hangs = sql(get("/hang?$name", 2000));
		my $awaits = $node->background_psql('postgres');
		my $sync = $node->background_psql('postgres');

		$server->wait_arrivals("/wait?file=$gate&$name", 10);
		$awaits->query_until(qr/begun/, "\\echo begun\nselect 'awaited ' || net._await_response($ids[0]);\n\\echo ended\n");
		$sync->query_until(qr/begun/, "\\echo begun\nselect 'collected ' || status from net._http_collect_response($ids[1], false);\n\\echo ended\n");
		$clock->set($off);
		cmp_ok(abs(server_clock() - $off), '<', 60, 'the server sees the clock that was set');
		append_to_file($gate, '');

		is(scalar(grep { wait_response($node, $_)->{status_code} == 200 } @ids), 10, 'what was in flight is answered');
		like($awaits->query_until(qr/ended/, ''), qr/awaited true/, '_await_response returns');
		like($sync->query_until(qr/ended/, ''), qr/collected SUCCESS/, 'and so does _http_collect_response');
		$_->quit for $awaits, $sync;
		my $row = wait_response($node, $hangs);
		is($row->{timed_out}, JSON::PP::true, 'a timeout ends');
		my ($total) = $row->{error_msg} =~ /Total time: ([\d.]+) ms/;
		cmp_ok($total, '>=', 1999, 'not before its time');
		cmp_ok($total, '<', 60_000, 'nor long after');
		is(request($node, get("/echo/after-$name"))->{status_code}, 200, 'the next request is answered');
		is(scalar $server->arrivals_of("/wait?file=$gate&$name"), 10, 'each was sent once');
	};
	$clock->set(0);
}

subtest 'back, while the worker waits for tables and rows' => sub {
	my $session = $node->background_psql('postgres');
	my $gate = PostgreSQL::Test::Utils::tempdir();
	my $id = sql(get("/wait?file=$gate/rows"));

	$session->query_safe("begin; select from net.http_request_queue where id = $id for update");
	$server->wait_arrivals("/wait?file=$gate/rows");
	append_to_file("$gate/rows", '');
	wait_state('idle');
	$clock->set(-HOUR);
	$session->query_safe('rollback');
	is(wait_response($node, $id)->{status_code}, 200, 'a response whose row was locked is stored');
	$clock->set(0);

	$id = sql(get("/wait?file=$gate/table"));
	$server->wait_arrivals("/wait?file=$gate/table");
	$session->query_safe('begin; lock table net._http_response');
	append_to_file("$gate/table", '');
	wait_state('idle');
	$clock->set(-DAY);
	$session->query_safe('rollback');
	$session->quit;
	is(wait_response($node, $id)->{status_code}, 200, 'one whose table was locked, too');
	$clock->set(0);
};

subtest 'responses and their age' => sub {
	my $old = sql(get('/echo/old'));

	wait_response($node, $old);
	$clock->set(DAY);
	wait_response($node, sql(get('/echo/new')));
	wait_for('the old response to go', sub { sql("select count(*) from net._http_response where id = $old") eq '0' });
	pass('a day later by the clock, responses of 6 hours are gone');
	$clock->set(0);
	is(request($node, get('/echo/back'))->{status_code}, 200, 'back again, one more is answered');
};

is(current_worker($node), $worker, 'one worker did all of this');

# A call of http_request, with arguments; its id.
sub call
{
	my ($target, %args) = @_;
	my $to = $target =~ /^net:/ ? $target : "$url$target";
	return sql_in(delete $args{database}, "select net.http_request('GET', '$to'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

sub row_of { return sql("select $_[1] from net.http_request_queue where id = $_[0]") }

# Has one of these requests arrived at this moment, by the server's clock?
sub arrived { my ($target) = @_; return scalar $server->arrivals_of($target) }

# When the nth (1) with a target arrived.
sub arrival { my ($target, $n) = @_; return ($server->wait_arrivals($target, $n // 1))[ ($n // 1) - 1 ][0] }

subtest 'scheduled requests' => sub {
	my $half = "now() + interval '30 min'";
	create_databases('idle');
	sql("alter system set pg_net.worker_idle_timeout = '100ms'");
	$node->reload;
	my $idle = call('/echo/idle', due => $half, database => 'idle');
	wait_sql("select count(*) from pg_stat_activity where datname = 'idle' and backend_type like '%pg_net%'", 0);
	my $scheduled = call('/echo/scheduled', due => $half);
	my $later = call('/echo/later', due => "now() + interval '90 min'");
	my $retrying = call('/flaky/retrying?fails=1', retry => "'{30min}'");
	my $gave_up = call('/flaky/gave-up?fails=2', retry => "'{1ms}'");
	wait_response($node, $gave_up);
	wait_sql("select due > now() from net.http_request_queue where id = $retrying");

	# let the worker come to rest, as then nothing but the clock wakes it
	sleep 1;
	my $set = time;
	$clock->set(HOUR);
	is(wait_response($node, $_)->{status_code}, 200, 'an hour later by the clock, what is due is sent') for $scheduled, $retrying;
	is(wait_response($node, $idle, undef, 'idle')->{status_code}, 200, 'also in a database that had no worker');
	cmp_ok(time - $set, '<', 20, 'soon');
	is(row_of($later, 'count(*)') . row_of($gave_up, 'count(*)'), '11', 'what is not due stays');

	# what is due in a moment is not, when the clock is set back
	my $soon = call('/echo/soon', due => "now() + interval '2 s'");
	$clock->set(0);
	sleep 3;
	is(arrived('/echo/soon'), 0, 'set back: what was to be sent soon waits');
	like(sql("select message from net._http_collect_response($soon)"), qr/^scheduled for /, 'as is said of it');
	$clock->set(HOUR);
	is(wait_response($node, $soon)->{status_code}, 200, 'until the clock says so');

	$clock->set(2 * HOUR);
	is(wait_response($node, $later)->{status_code}, 200, 'another hour later');
	$clock->set(8 * DAY);
	wait_for('what was given up to go', sub { row_of($gave_up, 'count(*)') eq '0' });
	pass('8 days later, what was given up is removed');
	$clock->set(0);
};

subtest 'limits of endpoints' => sub {
	sql("insert into net.endpoint (name, url, retry) values ('busy', '$url', '{1s}')");
	sql("insert into net.endpoint (name, url, rate) values ('rate', '$url', 5)");
	for my $off (HOUR, -HOUR)
	{
		for my $restart (0, 1)
		{
			my $name = "$off-$restart";
			my $first = call("net://busy/flaky/$name?fails=1&retry-after=2", retry => "'{1h}'");
			my $asked = arrival("/flaky/$name?fails=1&retry-after=2");
			wait_sql("select failures is not null from net.http_request_queue where id = $first");
			my $held = call("net://busy/echo/$name", retry => "'{1s}'");
			$clock->set($off);
			my $before = current_worker($node);
			sql('select net.worker_restart()') if $restart;
			next_worker($node, $before) if $restart;
			my $waited = arrival("/echo/$name") - $asked;
			cmp_ok($waited, '>', 1.9, "by $off s" . ($restart ? ', with another worker' : '') . ': held as long as it asked for');
			cmp_ok($waited, '<', 20, 'and not much longer');
			is(wait_response($node, $held)->{status_code}, 200, 'then it is sent');
			sql("delete from net.http_request_queue");
			$clock->set(0);
		}
	}

	my @ids = map { call('net://rate/echo/rate') } 1 .. 15;
	for my $n (4, 8, 12)
	{
		$server->wait_arrivals('/echo/rate', $n);
		$clock->set($n == 8 ? -HOUR : HOUR);
	}
	is(wait_response($node, $_)->{status_code}, 200, 'by a rate') for @ids;
	my @times = map { $_->[0] } $server->arrivals_of('/echo/rate');
	my $least = min(map { $times[ $_ + 5 ] - $times[$_] } 0 .. 9);
	cmp_ok($least, '>', 0.9, 'which is not exceeded');
	cmp_ok($times[14] - $times[0], '<', 20, 'nor stands still');
	$clock->set(0);
};

subtest 'functions that are called' => sub {
	sql('create table seen (id bigint)');
	sql('create function slow(r net._http_response) returns void language sql as $$ select pg_advisory_xact_lock(1); insert into seen values (r.id) $$');
	for my $off (HOUR, -HOUR)
	{
		my $start = -s $node->logfile;
		my $session = $node->background_psql('postgres');
		$session->query_safe('select pg_advisory_lock(1)');
		my $id = call("/echo/$off", callback => "'slow'");
		wait_sql("select count(*) from pg_stat_activity where backend_type = 'net callback' and wait_event = 'advisory'", 1);
		$clock->set($off);
		sleep 0.5;
		$session->quit;
		wait_sql("select callback_error is null from net._http_response where id = $id and called is not null");
		is(sql("select count(*) from seen where id = $id"), 1, "set by $off s while one runs: it is called once");
		ok(!log_contains($node, qr/WARNING:  .*callback/, $start), 'and nobody gives up on it');
		$clock->set(0);
	}

	# an endpoint is to be paused, and somebody has locked its row
	sql("insert into net.endpoint (name, url, pause_after) values ('gone', '$url/status/410', '1 hour')");
	my $session = $node->background_psql('postgres');
	$session->query_safe("begin; select from net.endpoint where name = 'gone' for update");
	wait_response($node, call('net://gone'));
	wait_sql("select count(*) from pg_stat_activity where backend_type = 'net callback'", 1);
	sleep 0.5;
	$clock->set(-HOUR);
	$session->query_safe('rollback');
	$session->quit;
	wait_sql("select paused from net.endpoint where name = 'gone'");
	pass('set back: an endpoint is paused when its row is free');
	$clock->set(0);
};


subtest 'back, again and again, while the server stops' => sub {
	my ($out, $err) = ('', '');
	my $off = 0;

	sql(get('/hang?stop'));
	$server->wait_arrivals('/hang?stop');
	my $stop = IPC::Run::start([ 'pg_ctl', 'stop', '-D', $node->data_dir, '-m', 'fast', '-t', '60' ],
		'<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	while ($stop->pumpable)
	{
		$clock->set($off -= HOUR);
		$stop->pump_nb;
		sleep 0.02;
	}
	ok($stop->finish, 'it stops all the same') or diag("$out$err");
	$node->_update_pid(0);
};

done_testing();
