# Settings: when they apply, what they refuse, and what they do.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;

my $node = new_node('settings', conf => 'log_timezone = UTC');
my $pid = current_worker($node);

# Run SQL in the database postgres.
sub sql
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# Run SQL that fails, and return its messages.
sub failure
{
	my ($sql, $database) = @_;
	my ($rc, $stdout, $stderr) = $node->psql($database // 'postgres', "\\set VERBOSITY verbose\n$sql");
	return $rc == 3 ? $stderr : "did not fail: $stdout";
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
	$node->safe_psql('postgres', "create database $_") for qw(other third);
	$node->safe_psql($_, 'create extension pg_net') for qw(other third);
	my $unserved = qr/ERROR:  55000: pg_net does not serve database/;

	like(failure("select net.http_get('$url/echo/other')", 'other'), $unserved, 'another database is not served');
	sql("alter system set pg_net.database_name = 'other'");
	sql('select net.worker_restart()');
	serves('other');
	like(failure("select net.http_get('$url/echo/postgres')"), $unserved, 'the database before is not served any more');
	is(sql('select count(*) from net.http_request_queue'), '0', 'nothing is queued there');
	like(failure('select net.check_worker_is_up()'),
		qr/the pg_net background worker is not up\nDETAIL:.*\nHINT:/, 'check_worker_is_up() there fails');

	sql('alter system reset pg_net.database_name');
	$node->safe_psql('other', 'select net.worker_restart()');
	serves('postgres');
};

# What the hint of "does not serve" says.
subtest 'pg_net.database_name and worker_restart in that database' => sub {
	sql("alter system set pg_net.database_name = 'third'");
	$node->safe_psql('third', 'select net.worker_restart()');
	serves('third');

	sql('alter system reset pg_net.database_name');
	sql('select net.worker_restart()');
	serves('postgres');
};

subtest 'pg_net.database_name of no database' => sub {
	cannot_start('pg_net.database_name', 'nowhere', 'database "nowhere" does not exist');
};

subtest 'pg_net.username of no role' => sub {
	cannot_start('pg_net.username', 'nobody', 'role "nobody" does not exist');
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
	wait_for('six responses', sub { sql('select count(*) = 0 from net.http_request_queue') eq 't' });
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
	wait_for('the queue to empty', sub { sql('select count(*) = 0 from net.http_request_queue') eq 't' });
	return;
}

# A database, and no other, has the worker, and requests there are sent.
sub serves
{
	my ($database) = @_;
	my $current = "select string_agg(datname, ',') from pg_stat_activity where application_name = 'pg_net'";

	ok(eval { wait_for("a worker in $database", sub { sql($current) eq $database }) },
		"the worker is in database $database")
	  or return diag("it is in " . sql($current));
	$node->safe_psql($database, 'select net.wait_until_running()');
	is( request($node, "select net.http_get('$url/echo/$database')", undef, $database)->{status_code},
		200, "requests in database $database are sent");
	$pid = current_worker($node);
	return;
}

# A setting that keeps the worker from starting.
sub cannot_start
{
	my ($name, $value, $reason) = @_;
	my $log_offset = -s $node->logfile;
	my @failures;

	sql("alter system set $name = '$value'");
	sql('select net.worker_restart()');
	wait_for(
		'the third failed start',
		sub {
			@failures = slurp_file($node->logfile, $log_offset) =~
			  /^\d+-\d+-\d+ (\d+:\d+:\d+\.\d+) UTC \[\d+\] FATAL:  \Q$reason\E/mg;
			return @failures >= 3;
		});
	pass("the log says so: $reason");
	# 1 and 2 seconds: far from a loop, whatever the machine does
	my $seconds = (seconds_of_day($failures[2]) - seconds_of_day($failures[0])) % 86400;
	cmp_ok($seconds, '>=', 2, 'retries are slow');
	cmp_ok(scalar @failures, '<=', 4, 'retries are few');

	like(failure('select net.check_worker_is_up()'),
		qr/the pg_net background worker is not up\nDETAIL:.*\nHINT:/, 'check_worker_is_up() fails');
	is(sql('select 1'), '1', 'the server runs on');

	sql("alter system reset $name");
	sql('select pg_reload_conf()');
	sql('select net.wait_until_running()');
	is(request($node, "select net.http_get('$url/healthz')")->{status_code},
		200, 'set right and reloaded, requests are sent');
	$pid = current_worker($node);
	return;
}

# The time of a log line in seconds since midnight.
sub seconds_of_day
{
	my ($hour, $minute, $second) = split /:/, $_[0];
	return $hour * 3600 + $minute * 60 + int $second;
}
