# What people do to databases and tables does not wait for the network: with
# requests of 300 s in flight everything here ends soon.
#
# The times are printed; what is asserted is far from 300 s and far from what
# a busy machine takes.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run ();
use Time::HiRes qw(sleep time);

use constant SOON_SECONDS => 10;
use constant IN_FLIGHT => 20;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('locks', no_extension => 1, conf => "pg_net.database_name = 'served'");

sql_in('template1', 'create database served');
sql_in('served', 'create extension pg_net; select net.wait_until_running()');

# Have requests in flight that are not answered; their targets are new ones.
my $hangs = 0;

sub hang
{
	$hangs++;
	sql_in('served', "select net.http_get('$url/hang?$hangs', timeout_milliseconds := 300000) from generate_series(1, @{[IN_FLIGHT]})");
	$server->wait_arrivals("/hang?$hangs", IN_FLIGHT);
	return;
}

# How many of them are queued still?
sub hanging
{
	return sql_in('served', "select count(*) from net.http_request_queue where url like '%/hang?$hangs'");
}

# Does SQL succeed, and soon?
sub ends_soon
{
	my ($sql, $database) = @_;
	my $start = time;
	my ($rc, $stdout, $stderr) = $node->psql($database // 'served', "set lock_timeout = '5s';\n$sql");
	my $took = time - $start;

	note(sprintf '%.3f s: %s', $took, $sql);
	ok($rc == 0 && $took < SOON_SECONDS, "ends soon: $sql") or diag("$took s, $stderr");
	return $rc == 0;
}

subtest 'set_durable behind a reader' => sub {
	my $reader = $node->background_psql('served');
	my ($out, $error) = ('', '');

	$reader->query_safe('begin');
	$reader->query_safe('select count(*) from net._http_response');
	my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('served'), '-c', '\\set VERBOSITY verbose', '-c', 'select net.set_durable(true)' ],
		'>', \$out, '2>', \$error);
	wait_for('set_durable to be at it', sub { sql_in('served', "select count(*) from pg_stat_activity where query like '%set_durable(true)' and pid <> pg_backend_pid()") == 1 });
	is_served($server, "requests are answered meanwhile, $_", 'served') for 1 .. 3;
	$waiter->finish;
	like($error, qr/ERROR:  55P03: could not lock the tables of pg_net/, 'it gives up');
	$reader->query_safe('rollback');
	$reader->quit;
	sql_in('served', 'select net.set_durable(true); select net.set_durable(false)');
	is_served($server, 'later it succeeds', 'served');
};

subtest 'tables' => sub {
	hang();
	ends_soon($_) for
	  'vacuum full net.http_request_queue',
	  'vacuum full net._http_response',
	  'vacuum (freeze, analyze) net.http_request_queue',
	  'create index concurrently extra on net.http_request_queue (url)',
	  'reindex index concurrently net.extra',
	  'drop index concurrently net.extra',
	  'create index concurrently extra on net._http_response (status_code)',
	  'drop index concurrently net.extra',
	  'cluster net.http_request_queue using http_request_queue_pkey',
	  'alter table net.http_request_queue set logged',
	  'alter table net.http_request_queue set unlogged',
	  'alter table net._http_response add column extra int',
	  'alter table net._http_response drop column extra',
	  'begin; lock table net.http_request_queue, net._http_response in access exclusive mode; commit',
	  'alter extension pg_net update',
	  'create table mine (); alter extension pg_net add table mine; alter extension pg_net drop table mine; drop table mine',
	  'grant select on net.http_request_queue to public',
	  'truncate net._http_response',
	  'select pg_reload_conf()',
	  'checkpoint';
	is(hanging(), IN_FLIGHT, 'the requests are in flight all the while');
	is($server->arrivals_of("/hang?$hangs") + 0, IN_FLIGHT, 'and were sent once');
	is_served($server, 'others are served', 'served');
	ends_soon('truncate net.http_request_queue');
	is_served($server, 'and after a truncate', 'served');
};

subtest 'a lock that is held' => sub {
	my $session = $node->background_psql('served');

	hang();
	$session->query_safe('begin; lock table net.http_request_queue, net._http_response in access exclusive mode');
	ends_soon('select net.worker_restart()');
	ends_soon('checkpoint');
	ends_soon('create database beside', 'template1');
	ends_soon('drop database beside', 'template1');
	sql_in('served', 'select net.wait_until_running()');
	# long enough for the new worker to meet the lock more than once
	$session->query_safe('select pg_sleep(0.5)');
	$session->query_safe('rollback');
	$session->quit;
	sql_in('served', 'select net.wait_until_running()');
	$server->wait_arrivals("/hang?$hangs", 2 * IN_FLIGHT);
	is_served($server, 'served when it is gone', 'served');
};

subtest 'other databases' => sub {
	hang();
	ends_soon($_, 'template1') for
	  'create database other',
	  'alter database other rename to another',
	  'alter database another connection limit 5',
	  'create database copy template another',
	  'drop database copy',
	  'drop database another with (force)';
	is(hanging(), IN_FLIGHT, 'the requests are in flight all the while');
	is($server->arrivals_of("/hang?$hangs") + 0, IN_FLIGHT, 'and were sent once');
};

subtest 'drop extension' => sub {
	hang();
	ends_soon('drop extension pg_net');
	ends_soon('create extension pg_net');
	is_served($server, 'served after it', 'served');
};

subtest 'the database itself' => sub {
	hang();
	ends_soon('drop database served with (force)', 'template1');
	is(sql_in('template1', "select count(*) from pg_database where datname = 'served'"), '0', 'it is gone');

	# Made again, it is served without a restart of the server.
	ends_soon('create database served', 'template1');
	sql_in('served', 'create extension pg_net');
	wait_for('the worker', sub { defined try_sql($node, 'served', 'select net.check_worker_is_up()') });
	is_served($server, 'made again, it is served', 'served');
};

subtest 'the server' => sub {
	for my $mode ('fast', 'smart')
	{
		hang();
		my $start = time;
		$node->stop($mode);
		my $took = time - $start;
		note(sprintf '%.3f s: stop -m %s', $took, $mode);
		cmp_ok($took, '<', SOON_SECONDS, "ends soon: stop -m $mode");
		$node->start;
		$server->wait_arrivals("/hang?$hangs", 2 * IN_FLIGHT);
		pass('the requests are sent again afterwards');
		sql_in('served', 'truncate net.http_request_queue');
	}

	hang();
	my $pid = sql_in('template1', "select pid from pg_stat_activity where backend_type = 'pg_net worker'");
	my $start = time;
	$node->kill9;
	wait_for('the worker to end', sub { !is_alive($pid) }, 60);
	my $took = time - $start;
	note(sprintf '%.3f s: the worker ends with the postmaster', $took);
	cmp_ok($took, '<', SOON_SECONDS, 'the worker ends with the postmaster');
};

done_testing();
