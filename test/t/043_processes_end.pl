# The launcher and the workers of several databases end, in good order and by
# kill -9: nothing durable is lost, and each database knows its own crashes.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('ends', conf => "max_worker_processes = 20\nrestart_after_crash = on");
my @databases = qw(a b c);

# Queue a request that is not answered, and wait until it has arrived.
sub hang
{
	my ($target, $database) = @_;
	sql_in($database, "select net.http_get('$url/hang?$target', timeout_milliseconds := 600000)");
	$server->wait_arrivals("/hang?$target");
	return;
}

# The launcher's pid, other than this one.
sub launcher
{
	my ($old) = @_;
	return wait_for('a launcher', sub {
		sql("select pid from pg_stat_activity where backend_type = 'net launcher' and pid <> " . ($old // 0));
	});
}

# kill -9 a process, and wait until the server has started anew.
sub crash
{
	my ($pid) = @_;
	my $log_offset = -s $node->logfile;

	kill 'KILL', $pid;
	wait_for('the crash', sub { log_contains($node, qr/\(PID $pid\) was terminated by signal 9/, $log_offset) });
	wait_for('the server to be back', sub { log_contains($node, qr/ready to accept connections/, $log_offset) });
	return;
}

for my $database (@databases)
{
	sql("create database $database");
	sql_in($database, 'create extension pg_net');
	sql_in($database, 'select net.set_durable(true)');
}

subtest 'the launcher is terminated' => sub {
	my $old = launcher();
	my $worker = current_worker($node);

	hang('terminated', 'a');
	my $busy = current_worker($node, 'a');
	sql("select pg_terminate_backend($old)");
	isnt(launcher($old), $old, 'it comes back');
	is_served($server, 'and starts workers', 'b');
	is_served($server, 'beside those that were there', 'a');
	is(current_worker($node, 'a'), $busy, 'which are the same');
	is(current_worker($node), $worker, 'as that of pg_net.database_name is');
	is($server->arrivals_of('/hang?terminated') + 0, 1, 'what was in flight is in flight still');
	is(sql("select count(*) - count(distinct datname) from pg_stat_activity where backend_type = 'pg_net worker'"),
		'0', 'no database has two');
	sql_in('a', 'truncate net.http_request_queue');
};

subtest 'the launcher is killed' => sub {
	hang('launcher', 'a');
	my $old = launcher();
	crash($old);
	isnt(launcher($old), $old, 'it comes back');
	$server->wait_arrivals('/hang?launcher', 2);
	pass('what waited is sent, without a call in that database');
	is_served($server, 'others are served', 'c');
	sql_in('a', 'truncate net.http_request_queue');
};

subtest 'a worker is killed' => sub {
	hang($_, $_) for qw(a b);
	crash(current_worker($node, 'a'));
	$server->wait_arrivals("/hang?$_", 2) for qw(a b);
	pass('what waited in two databases is sent again');
	is(sql_in('a', 'select cardinality(in_flight) from net._installation'), '1', 'with care where the worker was killed');
	is(sql_in('b', 'select in_flight from net._installation'), '', 'and not where it lived when the server went down');

	# c had nothing waiting: what is queued there now is sent as always.
	hang('c', 'c');
	is(sql_in('c', 'select in_flight from net._installation'), '', 'nor where nothing waited');
	is(sql_in($_, 'select count(*) from net._no_crash'), '1', "$_ knows of the crash") for @databases;
	is_served($server, "$_ is served", $_) for @databases;
};

subtest 'a worker is terminated' => sub {
	my $old = current_worker($node, 'c');

	sql("select pg_terminate_backend($old)");
	isnt(next_worker($node, $old, 'c'), $old, 'it comes back by itself');
	$server->wait_arrivals('/hang?c', 2);
	pass('and sends what was in flight');
};

$node->stop;
done_testing();
