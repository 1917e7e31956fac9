# Settings: when they apply, what they refuse, and what they do.

use strict;
use warnings;

use PgNetTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;

my $node = new_node('settings', conf => 'log_timezone = UTC');
my $pid = current_worker($node);

# What a process has used so far.
sub cpu_seconds
{
	my @stat = split ' ', slurp_file("/proc/$_[0]/stat") =~ s/.*\) //r;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Call net.worker_restart(), and wait for the worker to be another.
sub restart_worker
{
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	return $pid = next_worker($node, $old);
}

# Wait until the settings of the configuration files are seen by new sessions.
sub reload
{
	my ($name, $value) = @_;
	sql('select pg_reload_conf()');
	wait_for("$name to be '$value'", sub { sql("show $name") eq $value });
	return;
}

# A response is there, and goes: nothing is sent in between.
sub goes_without_a_new_request
{
	my ($change) = @_;
	my $id = request($node, "select net.http_get('$url/healthz')")->{id};
	my $last = sql('select last_value from net.http_request_queue_id_seq');

	$change->();
	wait_for('the response to go',
		sub { !sql("select count(*) from net._http_response where id = $id") });
	is(sql('select last_value from net.http_request_queue_id_seq'), $last, 'an old response goes, without a new request');

	# this one came after the setting: the worker sees to it by itself, too
	$id = request($node, "select net.http_get('$url/healthz')")->{id};
	wait_for('the response to go',
		sub { !sql("select count(*) from net._http_response where id = $id") });
	pass('a new response goes');
	return;
}

# Did the worker read the queue so many rows at a time?
sub reads_batches_of
{
	my ($rows, $change) = @_;
	my $target = "/echo/batches-of-$rows";

	$change->();
	my $log_offset = -s $node->logfile;
	sql("select net.http_get('$url$target') from generate_series(1, 3 * $rows)");
	$server->wait_arrivals($target, 3 * $rows);
	ok( log_contains(
			$node, qr/\[$pid\] DEBUG:  read $rows rows of the queue/, $log_offset),
		"the worker reads $rows rows at a time");
	return;
}

subtest 'pg_net.ttl applies on reload' => sub {
	goes_without_a_new_request(sub {
		sql("alter system set pg_net.ttl = '1 second'");
		reload('pg_net.ttl', '1 second');
	});
	is(current_worker($node), $pid, 'the worker is the same');
	sql('alter system reset pg_net.ttl');
	reload('pg_net.ttl', '6 hours');
};

for my $whom ('role postgres', 'database postgres', 'role postgres in database postgres')
{
	subtest "pg_net.ttl applies through alter $whom" => sub {
		goes_without_a_new_request(sub {
			sql("alter $whom set pg_net.ttl = '1 second'");
			restart_worker();
		});
		sql("alter $whom reset pg_net.ttl");
		restart_worker();
	};
}

subtest 'pg_net.batch_size applies' => sub {
	sql('alter role postgres set log_min_messages = debug1');
	restart_worker();

	my $same_pid = $pid;
	reads_batches_of(23, sub {
		sql('alter system set pg_net.batch_size = 23');
		reload('pg_net.batch_size', '23');
	});
	is(current_worker($node), $same_pid, 'on reload: the worker is the same');
	reads_batches_of(31, sub {
		sql('alter role postgres set pg_net.batch_size = 31');
		restart_worker();
	});
	reads_batches_of(37, sub {
		sql('alter role postgres reset pg_net.batch_size');
		sql('alter database postgres set pg_net.batch_size = 37');
		restart_worker();
	});

	sql('alter database postgres reset all');
	sql('alter role postgres reset all');
	sql('alter system reset pg_net.batch_size');
	reload('pg_net.batch_size', '200');
	restart_worker();
};

my %invalid = (
	'pg_net.ttl' => [ 'soon', '', '-1 hour', '6 hourz', '999999999 years' ],
	'pg_net.batch_size' => [ 'many', '0', '-1', '10001', '99999999999999999999' ],
	'pg_net.max_in_flight' => [ 'all', '0', '-1', '100001' ],
	'pg_net.max_in_flight_per_host' => [ 'all', '0', '-1', '100001' ],
	'pg_net.database_name' => [ '' ],
	'pg_net.no_such_setting' => [ '1' ]);
my %is_for_the_server = ('pg_net.database_name' => 1);

subtest 'an invalid value is refused' => sub {
	for my $name (sort keys %invalid)
	{
		for my $value (@{ $invalid{$name} })
		{
			my @how = ("alter system set $name = '$value'");
			push @how, "set $name = '$value'", "alter role postgres set $name = '$value'"
			  unless $is_for_the_server{$name};
			like(failure($_), qr/ERROR:  (?:22023|42602|42704): /, $_) for @how;
		}
	}
	is( sql("select count(*) from pg_db_role_setting s, unnest(setconfig) c where c like 'pg_net%'"),
		'0', 'nothing is set for the role');
	is(current_worker($node), $pid, 'the worker is the same');
};

subtest 'nothing is sent while that is off' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $in_flight = sql("select net.http_get('$url/wait?file=$gate&off', timeout_milliseconds := 60000)");
	$server->wait_arrivals(qr/&off/, 1);
	my $offset = -s $node->logfile;
	sql('alter system set pg_net.enabled = off');
	reload('pg_net.enabled', 'off');
	wait_for('the log', sub { log_contains($node, qr/LOG:  pg_net sends nothing: "pg_net.enabled" is off/, $offset) });
	append_to_file($gate, '');
	is(wait_response($node, $in_flight)->{status_code}, 200, 'what is in flight ends normally');
	my @ids = split /\n/, sql("select net.http_get('$url/echo/while-off') from generate_series(1, 3)");
	my $due = sql("select net.http_request('GET', '$url/echo/while-off', due := now() + interval '100 ms')");
	restart_worker();
	my $used = cpu_seconds(current_worker($node));
	sleep 1;
	cmp_ok(cpu_seconds(current_worker($node)) - $used, '<', 0.1, 'a worker that may not send waits');
	is(scalar $server->arrivals_of(qr/while-off/), 0, 'calls queue their requests');
	is(sql("select status from net._http_collect_response($ids[0])"), 'PENDING', '... which are pending');
	sql('alter system reset pg_net.enabled');
	reload('pg_net.enabled', 'on');
	is(wait_response($node, $_)->{status_code}, 200, '... and sent when it is on again') for @ids, $due;
	wait_for('the log', sub { log_contains($node, qr/LOG:  pg_net sends requests again/, $offset) });
};

subtest 'only a superuser changes settings' => sub {
	sql('create role somebody');
	for my $name (grep { !/no_such/ } sort keys %invalid, 'pg_net.username')
	{
		my $value = sql("select current_setting('$name', true)");
		like(failure("set role somebody; set $name = '$value'"), qr/ERROR:  (?:42501|55P02): /, $name);
	}
	sql('drop role somebody');
};

subtest 'an invalid value in postgresql.conf changes nothing' => sub {
	for my $name (grep { !/no_such/ } sort keys %invalid)
	{
		my $old = sql("show $name");
		my $invalid = $invalid{$name}[0];
		my $log_offset = -s $node->logfile;

		my $before = slurp_file($node->data_dir . '/postgresql.conf');
		$node->append_conf('postgresql.conf', "$name = '$invalid'");
		$node->reload;
		wait_for(
			"the server to refuse $name",
			sub { log_contains($node, qr/LOG:  invalid value for parameter "$name"|LOG:  .*outside the valid range for parameter "$name"/, $log_offset) });
		is(sql("show $name"), $old, "$name: the old value is kept");
		is( request($node, "select net.http_get('$url/healthz')")->{status_code},
			200, "$name: requests are sent");
		is(current_worker($node), $pid, "$name: the worker is the same");

		open my $conf, '>', $node->data_dir . '/postgresql.conf' or die $!;
		print $conf $before;
		close $conf;
		$node->reload;
	}
	ok(!log_contains($node, qr/terminated by signal|PANIC/), 'nothing crashed');
};

subtest 'pg_net.max_in_flight_per_host' => sub {
	sql('alter system set pg_net.max_in_flight_per_host = 2');
	reload('pg_net.max_in_flight_per_host', '2');
	never_more_than(2, 'per-host', $server);

	my $other = start_http_server();
	both_hang($other, 'two to one host are in flight together');
	sql('alter system reset pg_net.max_in_flight_per_host');
	reload('pg_net.max_in_flight_per_host', '100');
};

subtest 'pg_net.max_in_flight' => sub {
	my $other = start_http_server();

	sql('alter system set pg_net.max_in_flight = 2');
	reload('pg_net.max_in_flight', '2');
	never_more_than(2, 'in-all', $server, $other);
	both_hang($other, 'two are in flight together');
	sql('alter system reset pg_net.max_in_flight');
	reload('pg_net.max_in_flight', '2000');
};

subtest 'pg_net.username' => sub {
	sql('create role net_worker login');
	sql("alter role net_worker set pg_net.ttl = '1 second'");
	sql("alter system set pg_net.username = 'net_worker'");
	restart_worker();
	is(sql("select usename from pg_stat_activity where pid = $pid"), 'net_worker', 'pg_stat_activity shows the role');

	my $response = request($node, "select net.http_get('$url/delay/0')");
	is($response->{status_code}, 200, 'requests are sent, though the role has no rights');
	wait_for('the response to go',
		sub { !sql("select count(*) from net._http_response where id = $response->{id}") });
	pass("the role's settings apply");

	sql('alter system reset pg_net.username');
	restart_worker();
	is(sql("select usename from pg_stat_activity where pid = $pid"), 'postgres', 'and back');
	sql('drop role net_worker');
};

subtest 'pg_net.database_name' => sub {
	sql("create database $_") for qw(other third), '"Odd, name"';
	sql_in($_, 'create extension pg_net') for qw(other third);

	sql("alter system set pg_net.worker_idle_timeout = '100 ms'");
	reload('pg_net.worker_idle_timeout', '100ms');
	have_workers('postgres');
	is( request($node, "select net.http_get('$url/echo/other')", undef, 'other')->{status_code},
		200, 'a database that is not named is served as well');
	have_workers('postgres');

	sql("alter system set pg_net.database_name = 'other, third'");
	sql('select pg_reload_conf()');
	have_workers('other', 'third');
	is(request($node, "select net.http_get('$url/echo/postgres')")->{status_code},
		200, 'the database before is served still');
	have_workers('other', 'third');

	sql(q{alter system set pg_net.database_name = '"Odd, name", postgres'});
	sql('select pg_reload_conf()');
	have_workers('Odd, name', 'postgres');

	sql('alter system reset pg_net.database_name');
	sql('alter system reset pg_net.worker_idle_timeout');
	sql_in('other', 'select net.worker_restart()');
	reload('pg_net.database_name', 'postgres');
	$pid = current_worker($node);
};

subtest 'pg_net.worker_idle_timeout' => sub {
	sql("alter database other set pg_net.worker_idle_timeout = -1");
	sql("alter database third set pg_net.worker_idle_timeout = 0");
	sql_in($_, 'select net.worker_restart(); select net.wait_until_running()') for qw(other third);
	have_workers('other', 'postgres');
	pass('-1 means for ever, 0 not at all');
	sql("alter database other reset pg_net.worker_idle_timeout");
	sql_in('other', 'select net.worker_restart()');
};

subtest 'pg_net.database_name of no database' => sub {
	my $log_offset = -s $node->logfile;
	my $missing = qr/WARNING:  "pg_net.database_name" names databases that do not exist: "nowhere"/;

	sql("alter system set pg_net.database_name = 'nowhere, postgres'");
	sql('select net.worker_restart()');
	wait_for('the log to say so', sub { log_contains($node, $missing, $log_offset) });
	sql('select net.wait_until_running()');
	is(request($node, "select net.http_get('$url/healthz')")->{status_code}, 200, 'others are served');
	sql('create database nowhere');
	wait_for('a worker in it', sub {
		sql("select count(*) from pg_stat_activity where application_name = 'pg_net' and datname = 'nowhere'");
	});
	my @said = slurp_file($node->logfile, $log_offset) =~ /$missing/g;
	is(scalar @said, 1, 'said once');

	sql('alter system reset pg_net.database_name');
	sql('select pg_reload_conf()');
	sql('drop database nowhere');
	$pid = current_worker($node);
};

subtest 'pg_net.username of no role' => sub {
	cannot_start('pg_net.username', 'nobody', 'role "nobody" does not exist');
	sql('create role nobody');
	cannot_start('pg_net.username', 'nobody', 'role "nobody" is not permitted to log in');
	sql('drop role nobody');
};

done_testing();

# Send six slow requests, spread over the servers, and see from when they
# arrive that never more than so many were in flight: a request must arrive
# after the end of the one so many before it.
sub never_more_than
{
	my ($max, $name, @servers) = @_;
	my $delay = 0.5;

	sql('select ' . join ', ', map { "net.http_get('" . $servers[ $_ % @servers ]->url . "/delay/$delay?$name', timeout_milliseconds := 60000)" } 0 .. 5);
	wait_queue_empty();
	my @times = sort { $a <=> $b } map { $_->[0] } map { $_->arrivals_of("/delay/$delay?$name") } @servers;
	is(scalar @times, 6, 'all are sent once');
	# the clock may be adjusted a little
	my @early = grep { $times[ $_ + $max ] - $times[$_] < 0.9 * $delay } 0 .. $#times - $max;
	is_deeply(\@early, [], "never more than $max are in flight") or diag("@times");
	return;
}

# Two requests that get no answer are both sent, and a third is not until they
# end.
sub both_hang
{
	my ($other, $what) = @_;

	sql("select net.http_get('@{[ $other->url ]}/hang', timeout_milliseconds := 600000) from generate_series(1, 2)");
	$other->wait_arrivals('/hang', 2);
	is(sql('select count(*) from net.http_request_queue'), '2', $what);
	$other->stop;
	wait_queue_empty();
	return;
}

# These databases, and no others, have workers, soon.
sub have_workers
{
	my $databases = join '|', sort @_;
	my $current = q{select string_agg(datname, '|' order by datname collate "C") from pg_stat_activity where application_name = 'pg_net'};

	ok(eval { wait_for("workers in $databases", sub { sql($current) eq $databases }) }, "workers in $databases")
	  or diag("they are in " . sql($current));
	return;
}

# A setting that keeps the worker from starting.
sub cannot_start
{
	my ($name, $value, $reason) = @_;
	my $log_offset = -s $node->logfile;
	my $said = qr/WARNING:  pg_net cannot start workers: \Q$reason\E/;
	my $old = current_worker($node);

	sql("alter system set $name = '$value'");
	sql('select net.worker_restart()');
	wait_for('the worker to leave', sub { !is_alive($old) });
	wait_for('the reason in the log', sub { log_contains($node, $said, $log_offset) });
	pass("the log says so: $reason");

	like(failure('select net.check_worker_is_up()'),
		qr/the pg_net background worker is not up\nDETAIL:.*\nHINT:/, 'check_worker_is_up() fails');
	my $id = sql("select net.http_get('$url/healthz')");
	is(sql('select 1'), '1', 'the server runs on');

	sql("alter system reset $name");
	sql('select pg_reload_conf()');
	sql('select net.wait_until_running()');
	is(wait_response($node, $id)->{status_code}, 200, 'set right and reloaded, what waits is sent');
	my @said = slurp_file($node->logfile, $log_offset) =~ /$said/g;
	is(scalar @said, 1, 'the reason was said once');
	$pid = current_worker($node);
	return;
}
