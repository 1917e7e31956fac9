# Databases are made, renamed, copied, moved and dropped while they are served:
# none of that needs FORCE, nor waits for the network.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# PostgreSQL waits 5 s for others to leave, and then gives up.
use constant SOON_SECONDS => 4;
use constant ROUNDS => 8;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('ddl', conf => 'max_worker_processes = 30');

# Does a statement succeed, and soon?
sub ends_soon
{
	my ($sql) = @_;
	my $start = time;
	my ($rc, undef, $stderr) = $node->psql('postgres', $sql);
	my $took = time - $start;

	note(sprintf '%.3f s: %s', $took, $sql);
	ok($rc == 0 && $took < SOON_SECONDS, "ends soon: $sql") or diag("$took s, $stderr");
	return;
}

# Have requests in flight in a database that are not answered.
my $hangs = 0;

sub hang
{
	my ($database) = @_;
	$hangs++;
	sql_in($database, "select net.http_get('$url/hang?$hangs', timeout_milliseconds := 300000) from generate_series(1, 5)");
	$server->wait_arrivals("/hang?$hangs", 5);
	return;
}

sub workers_in
{
	my ($database) = @_;
	return sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker' and datname = '$database'");
}

subtest 'with requests in flight' => sub {
	create_databases('one');
	hang('one');
	ends_soon('alter database one rename to two');
	$server->wait_arrivals("/hang?$hangs", 10);
	pass('they are sent again after it');
	ends_soon('create database copy template two');
	$server->wait_arrivals("/hang?$hangs", 15);
	is_served($server, 'the template is served after it', 'two');
	is_served($server, 'and so is the copy', 'copy');
	is(sql_in('copy', 'select count(*) from net.http_request_queue'), '0', 'which does not have what waits in its template');
	is($server->arrivals_of("/hang?$hangs") + 0, 15, 'and did not send it');
	sql_in('copy', 'create database copy_of_itself template copy');
	is_served($server, 'a database copies itself, too', 'copy_of_itself');
	ends_soon('drop database copy_of_itself');

	my $dir = PostgreSQL::Test::Utils::tempdir('space');
	sql("create tablespace space location '$dir'");
	ends_soon('alter database two set tablespace space');
	$server->wait_arrivals("/hang?$hangs", 20);
	is_served($server, 'two is served', 'two');
	ends_soon('drop database two');
	ends_soon('drop database copy');
	is(sql("select count(*) from pg_database where datname in ('two', 'copy')"), '0', 'both are gone');
	sql('drop tablespace space');
};

subtest 'a rename that takes its time' => sub {
	create_databases('slow');
	is_served($server, 'slow is served', 'slow');
	my $session = $node->background_psql('postgres');
	$session->query_safe('begin; alter database slow rename to slower');
	is(workers_in('slow'), '0', 'the worker leaves');
	# somebody else's start goes on meanwhile
	create_databases('beside');
	is_served($server, 'other databases are served', 'beside');
	is(workers_in('slow'), '0', 'it does not come back before the end');
	$session->query_safe('rollback');
	is_served($server, 'after a rollback it is served', 'slow');

	$session->query_safe('begin; alter database slow rename to slower');
	my ($pid) = $session->query_safe('select pg_backend_pid()') =~ /(\d+)/;
	sql("select pg_terminate_backend($pid)");
	$session->{run}->finish;
	is_served($server, 'and when the session ends without one', 'slow');
	sql("drop database $_") for qw(slow beside);
};

subtest 'who may not do it does not disturb' => sub {
	create_databases('owned');
	sql('create role somebody login');
	hang('owned');
	my $pid = current_worker($node, 'owned');
	for my $statement ('drop database owned', 'alter database owned rename to mine', 'create database mine template owned')
	{
		my (undef, undef, $stderr) = $node->psql('postgres', "set role somebody;\n$statement");
		like($stderr, qr/ERROR:  (?:must be owner of|permission denied)/, $statement);
	}
	is(current_worker($node, 'owned'), $pid, 'the worker is the same');
	is($server->arrivals_of("/hang?$hangs") + 0, 5, 'and nothing was sent twice');
	ends_soon('drop database owned');
	sql('drop role somebody');
};

subtest 'databases that take no connections' => sub {
	create_databases('closed');
	sql("alter database closed set pg_net.worker_idle_timeout = 0");
	sql_in('closed', 'select net.worker_restart()');
	my $session = $node->background_psql('closed');
	wait_for('the worker to leave', sub { workers_in('closed') eq '0' });
	sql('alter database closed allow_connections false');
	my $id = $session->query_safe("select net.http_get('$url/echo/closed', timeout_milliseconds := 60000)");
	is_served($server, 'others are served', 'postgres');
	is($server->arrivals_of('/echo/closed') + 0, 0, 'nothing of it is sent');
	sql('alter database closed allow_connections true');
	$server->wait_arrivals('/echo/closed');
	pass('until it takes connections again');
	$session->quit;

	sql('alter database closed connection limit 0');
	is_served($server, 'postgres is served', 'postgres');
	my ($rc) = $node->psql('closed', 'select 1');
	sql('alter database closed is_template true');
	sql('select 1');
	wait_for('the worker to leave', sub { workers_in('closed') eq '0' });
	ends_soon('create database from_closed template closed');
	is_served($server, 'from_closed is served', 'from_closed');
	ends_soon('drop database from_closed');
	ends_soon('alter database closed is_template false');
	ends_soon('drop database closed');
	ok(!log_contains($node, qr/FATAL:  too many connections for database/), 'a limit is no trouble for workers');
};

subtest 'in a loop, under load' => sub {
	create_databases('steady');
	my $sent = 0;
	for my $round (1 .. ROUNDS)
	{
		my $count = 20;
		sql_in('steady', "select net.http_get('$url/delay/0.01?steady', timeout_milliseconds := 60000) from generate_series(1, $count)");
		$sent += $count;
		create_databases("loop$round");
		sql_in("loop$round", "select net.http_get('$url/delay/0.01?loop$round', timeout_milliseconds := 60000) from generate_series(1, 200)");
		ends_soon("alter database loop$round rename to renamed$round");
		sql_in("renamed$round", "select net.http_get('$url/echo/renamed$round', timeout_milliseconds := 60000)");
		ends_soon($round % 2 ? "drop database renamed$round" : "create database copy$round template renamed$round");
		next if $round % 2;
		wait_queue_empty("renamed$round");
		is(sql_in("renamed$round", 'select count(*) from net._http_response where status_code = 200'), '201', 'every request is answered');
		ends_soon("drop database $_$round") for qw(renamed copy);
	}
	wait_queue_empty('steady');
	is(sql_in('steady', 'select count(*) from net._http_response where status_code = 200'), $sent, 'those of the other database are');
	is($server->arrivals_of('/delay/0.01?steady') + 0, $sent, 'each was sent once');
	wait_for('the workers to be gone', sub {
		sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker' and datname not in ('postgres', 'steady')") eq '0';
	});
	pass('no worker is left behind');
	ok(!log_contains($node, qr/terminated by signal|PANIC/), 'nothing crashed');
};

$node->stop;
done_testing();
