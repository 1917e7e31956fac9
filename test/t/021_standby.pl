# A physical standby, and its promotion while the primary dies under load.
#
# Replication is synchronous: what is acknowledged or sent is replicated, so
# the ledger must balance on the promoted server.

use strict;
use warnings;

use Ledger;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# How long the load goes on before the primary dies.
use constant LOAD_SECONDS => 2;

my $server = start_http_server();
my $url = $server->url;
my $primary = new_node('primary',
	init => { allows_streaming => 1 },
	conf => "max_prepared_transactions = 20\npg_net.max_in_flight_per_host = 1000");
my $standby = PostgreSQL::Test::Cluster->new('standby');

$primary->backup('backup');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$standby->start;

# Call functions on the standby; each must say that it is one.
sub calls_fail
{
	my ($when) = @_;

	for my $call ("http_get('$url/')", "http_post('$url/', '{}')", "http_delete('$url/')", "http_request('PUT', '$url/')",
		'wake()', 'worker_restart()', 'wait_until_running()', 'check_worker_is_up()', 'set_durable(true)')
	{
		says_recovery($call, $when);
	}
	return;
}

# A call fails on the standby, with its own name in the message and nothing of
# the statements inside.
sub says_recovery
{
	my ($call, $when) = @_;
	my ($name) = $call =~ /^(\w+)/;
	my $error = failure("set statement_timeout = '10s'; select net.$call", 'postgres', $standby);

	like($error, qr/ERROR:  25006: cannot execute net\.$name\(\) during recovery$/m, "$when: $call");
	unlike($error, qr/CONTEXT/, "$when: $call: without context");
	return;
}

sub workers
{
	my ($node) = @_;
	return sql_in($node, 'postgres', "select count(*) from pg_stat_activity where backend_type ilike '%pg_net%'");
}

subtest 'a standby with unlogged tables' => sub {
	calls_fail('unlogged');
	says_recovery($_, 'unlogged')
	  for '_http_collect_response(5)', '_http_collect_response(5, false)', 'http_collect_response(5)', '_await_response(5)';
	is(workers($standby), '0', 'no worker');
	is(sql_in($standby, 'postgres', 'select pids, waiting, oldest_waiting is null, sent from net.stat_worker where datname = current_database()'), '{}|0|t|0', 'nothing is counted there');
	is(sql_in($standby, 'postgres', 'select count(*) from net.stat_endpoint'), 0, 'of no endpoint');
};

my $ledger = Ledger->new($primary, $server);

subtest 'a standby with logged tables' => sub {
	my $id = sql_in($primary, 'postgres', "select net.http_get('$url/hang', timeout_milliseconds := 600000)");

	$primary->wait_for_catchup($standby);
	is(sql_in($standby, 'postgres', "select url from net.http_request_queue where id = $id"),
		"$url/hang", 'the queue is replicated');
	calls_fail('logged');
	is(sql_in($standby, 'postgres', "select state from net.stat_activity where id = $id"), 'waiting', 'and its state');
	is(sql_in($standby, 'postgres', "select status from net._http_collect_response($id)"),
		'PENDING', 'what is queued can be asked');
	is(workers($standby), '0', 'no worker');
	is($server->arrivals_of('/hang') + 0, 1, 'one server sent it');
	sql_in($primary, 'postgres', "delete from net.http_request_queue where id = $id");
};

subtest 'failover under load' => sub {
	sql_in($primary, 'postgres', "alter system set synchronous_standby_names = '*'");
	sql_in($primary, 'postgres', 'select pg_reload_conf()');
	wait_for('replication to be synchronous', sub {
		sql_in($primary, 'postgres', "select sync_state = 'sync' from pg_stat_replication") eq 't';
	});
	sleep LOAD_SECONDS;

	$ledger->fault('failover', sub {
		$primary->stop('immediate');
		$standby->promote;
		sql_in($standby, 'postgres', 'select net.wait_until_running()');
		$ledger->move_to($standby);
	});
	is(workers($standby), '1', 'the promoted server has a worker');
	sleep LOAD_SECONDS;
	$ledger->check;
	note($ledger->report);
};

$standby->stop;
done_testing();
