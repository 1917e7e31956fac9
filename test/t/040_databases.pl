# Every database of the server: each has a worker while it needs one, and none
# gets another's answers.

use strict;
use warnings;

use IPC::Run ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant DATABASES => 50;
use constant REQUESTS => 20;
use constant LEFT_OVER => 20;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('databases', conf => <<'END');
max_worker_processes = 80
max_connections = 100
END
my @databases = map { "d$_" } 1 .. DATABASES;

# Run SQL in databases, in all at the same time; what each printed.
sub sql_in_all
{
	my ($sql, @in) = @_;
	my (@out, @err);
	my @running = map {
		IPC::Run::start([ 'psql', '-XAtqv', 'ON_ERROR_STOP=1', '-d', $node->connstr($in[$_]), '-c', $sql ],
			'<', \undef, '>', \$out[$_], '2>', \$err[$_])
	} 0 .. $#in;
	$_->finish for @running;
	note("$in[$_]: $err[$_]") for grep { $err[$_] } 0 .. $#in;
	chomp @out;
	return @out;
}

# The databases that have a worker.
sub served
{
	return split /,/, sql("select coalesce(string_agg(datname, ',' order by datname), '') from pg_stat_activity"
		  . " where backend_type = 'pg_net worker' and application_name = 'pg_net'");
}

sub set
{
	my ($name, $value) = @_;
	sql("alter system set $name = '$value'");
	sql('select pg_reload_conf()');
	return;
}

subtest 'a database without the extension costs nothing' => sub {
	sql('create database plain');
	sql_in('plain', 'create table t (); drop table t');
	$node->restart;
	wait_for('every database to be looked at', sub {
		sql("select count(*) from pg_stat_activity where backend_type = 'net look'") eq '0'
		  && sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker'") eq '1';
	});
	is(join(',', served()), 'postgres', 'no process is there');
	is( sql("select count(*), count(datname) from pg_stat_activity where backend_type = 'net launcher'"),
		'1|0', 'the launcher is, without a database');
	is(sql("select count(*) from pg_stat_activity where application_name like '%pg_net%'"), '1', 'and health checks count one');
};

subtest DATABASES . ' databases at once' => sub {
	sql('create database d1');
	sql_in('d1', 'create extension pg_net; create table sent (n int, id bigint)');
	sql(map { "create database d$_ template d1;" } 2 .. DATABASES);

	for my $round (1, 2)
	{
		sql_in_all("insert into sent select n, net.http_get('$url/echo/' || current_database() || '/' || n, timeout_milliseconds := 60000)"
			  . " from generate_series(1, @{[REQUESTS]}) n", @databases);
	}
	wait_for('all answers', sub {
		!grep { $_ ne '0' } sql_in_all('select count(*) from net.http_request_queue', @databases);
	});
	my $right = "select count(*) from sent join net._http_response r using (id)"
	  . " where r.status_code = 200 and r.content::jsonb ->> 'path' = '/echo/' || current_database() || '/' || n";
	is_deeply([ sql_in_all($right, @databases) ], [ (2 * REQUESTS) x DATABASES ],
		'each has the answers to its own requests, though all have the same ids');
	is_deeply([ sql_in_all('select count(*), max(id) from net._http_response', @databases) ],
		[ (2 * REQUESTS . '|' . 2 * REQUESTS) x DATABASES ], 'and no others');
	is($server->arrivals_of(qr{^/echo/d\d+/}) + 0, 2 * REQUESTS * DATABASES, 'each was sent once');
	is(scalar(grep { /^d/ } served()), DATABASES, 'each has a worker now');
};

subtest 'an idle worker leaves, and comes back' => sub {
	set('pg_net.worker_idle_timeout', '100 ms');
	wait_for('the workers to leave', sub { join(',', served()) eq 'postgres' });
	pass('all but that of pg_net.database_name leave');
	is(sql_in('d1', 'select net.check_worker_is_up()'), '', 'which is in order');
	is(request($node, "select net.http_get('$url/echo/again')", undef, 'd1')->{status_code}, 200, 'a request has one started');
	wait_for('the worker to leave', sub { join(',', served()) eq 'postgres' });
	pass('which leaves again');
};

subtest 'responses expire without a worker' => sub {
	my $count = 'select count(*) from net._http_response';

	sql("alter database d2 set pg_net.ttl = '2 seconds'");
	my $id = sql_in('d2', "select net.http_get('$url/echo/expires')");
	wait_response($node, $id, undef, 'd2');
	wait_for('the response to go', sub { sql_in('d2', "$count where id = $id") eq '0' });
	pass('when it is due, by the setting of that database');
	wait_for('the worker to leave', sub { join(',', served()) eq 'postgres' });

	is(sql_in('d3', $count), 2 * REQUESTS, 'others are there still');
	set('pg_net.ttl', '1 second');
	wait_for('the responses to go', sub { sql_in('d3', $count) eq '0' && sql_in('d' . DATABASES, $count) eq '0' });
	pass('and when a reload makes them due');
	wait_for('the workers to leave', sub { join(',', served()) eq 'postgres' });
	set('pg_net.ttl', '6 hours');
};

subtest 'net is a schema of somebody else' => sub {
	sql('create database theirs');
	sql_in('theirs', <<"END");
create schema net;
create table net.http_request_queue (id bigint primary key, method text, url text, headers jsonb,
                                     body bytea, timeout_milliseconds int, role regrole);
create table net._http_response (id bigint, created timestamptz default now());
insert into net.http_request_queue values (1, 'GET', '$url/echo/theirs', '{}', null, 1000);
insert into net._http_response values (2, '2000-01-01');
create function net.http_get(url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 2000)
  returns bigint language c as 'pg_net', 'pgnet_http_get';
create function net.wake() returns void language c as 'pg_net', 'pgnet_wake';
create function net.check_worker_is_up() returns void language c as 'pg_net', 'pgnet_check_worker_is_up';
create function net.wait_until_running() returns void language c as 'pg_net', 'pgnet_wait_until_running';
create function net.worker_restart() returns boolean language c as 'pg_net', 'pgnet_worker_restart';
END
	my ($rc, undef, $stderr) = $node->psql('theirs', "\\set VERBOSITY verbose\nselect net.http_get('$url/echo/theirs')");
	like($stderr, qr/ERROR:  42P01: the tables of extension "pg_net" are missing/, 'a request is an error');
	is(sql_in('theirs', "select net.$_()"), '', "$_() does no harm") for qw(wake wait_until_running check_worker_is_up);
	is(sql_in('theirs', 'select net.worker_restart()'), 't', 'nor does worker_restart()');
	wait_for('the worker to leave', sub { join(',', served()) eq 'postgres' });
	$node->restart;
	is(request($node, "select net.http_get('$url/echo/beside')")->{status_code}, 200, 'others are served');
	is( sql_in('theirs', 'select (select count(*) from net.http_request_queue), (select count(*) from net._http_response)'),
		'1|1', 'their tables are left alone');
	is($server->arrivals_of('/echo/theirs') + 0, 0, 'nothing of it is sent');
};

subtest 'rows wait in ' . LEFT_OVER . ' databases when the server starts' => sub {
	my @some = @databases[ 0 .. LEFT_OVER - 1 ];

	sql_in_all("select net.http_get('$url/hang?' || current_database(), timeout_milliseconds := 600000)", @some);
	$server->wait_arrivals("/hang?$_") for @some;
	$node->stop;
	$node->start;
	$server->wait_arrivals("/hang?$_", 2) for @some;
	pass('they are sent');
	is(join(',', grep { /^d/ } served()), join(',', sort @some), 'and the other databases have no worker');
	sql_in_all('truncate net.http_request_queue', @some);
};

$node->stop;
done_testing();
