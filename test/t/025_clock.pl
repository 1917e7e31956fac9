# The clock is set forward and back while requests wait and are in flight.
#
# Not this machine's: see test/lib/Clock.pm.

use strict;
use warnings;

use Clock;
use IPC::Run;
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
