# The worker: being found, restarted, ended and crashed under, and idling.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# What "quickly" means for a shutdown, far from the 300 s of a request.
use constant QUICK_SECONDS => 10;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('worker');

# Queue a request, and wait until it has arrived at a route that does not
# answer; its id.
sub hang
{
	my ($target, $on) = @_;
	my $count = ($on // $server)->arrivals_of($target);
	my $id = sql("select net.http_get('@{[ ($on // $server)->url ]}$target', timeout_milliseconds := 300000)");

	($on // $server)->wait_arrivals($target, $count + 1);
	return $id;
}

# How many worker processes are there, as health checks see it?
sub health
{
	return sql("select count(*) filter (where application_name like '%pg_net%'),"
		  . " count(*) filter (where backend_type ilike '%pg_net%')"
		  . ' from pg_stat_activity where pid <> pg_backend_pid()');
}

# The worker's state in pg_stat_activity.
sub state
{
	return sql("select state from pg_stat_activity where application_name like '%pg_net%'");
}

subtest 'pg_stat_activity' => sub {
	wait_queue_empty();
	is(health(), '1|1', 'one backend, by application_name and by backend_type');
	is(sql("select datname, usename from pg_stat_activity where backend_type like '%pg_net%'"),
		'postgres|postgres', 'its database and role');
	is(state(), 'idle', 'idle at rest');

	my $other = start_http_server();
	my $id = hang('/hang', $other);
	wait_for('the worker to be active', sub { state() eq 'active' });
	pass('active while a request is in flight');
	is(sql("select xact_start is null and backend_xmin is null and backend_xid is null"
			  . " from pg_stat_activity where backend_type like '%pg_net%'"),
		't', 'without a transaction or a snapshot');
	is(sql("select count(*) from pg_locks where pid = @{[ current_worker($node) ]}"), '0', 'and without a lock');
	$other->stop;
	wait_response($node, $id);
	wait_for('the worker to be idle', sub { state() eq 'idle' });
	pass('idle again');
};

subtest 'check_worker_is_up and wait_until_running' => sub {
	is(sql('select net.check_worker_is_up()'), '', 'check_worker_is_up returns void');
	is(sql('select net.wait_until_running()'), '', 'wait_until_running returns void');
	my $pid = current_worker($node);

	is( sql("select net.worker_restart();\nselect net.wait_until_running();\nselect net.check_worker_is_up();\n"
			  . "select pid <> $pid from pg_stat_activity where application_name like '%pg_net%'"),
		"t\n\n\nt", 'wait_until_running after worker_restart waits for the new one');

	# Another database has a worker while it needs one.
	sql_in($node, 'postgres', 'create database beside');
	sql_in($node, 'beside', 'create extension pg_net');
	is(sql_in($node, 'beside', 'select net.wait_until_running()'), '', 'wait_until_running has one started elsewhere');
	sql_in($node, 'beside', 'select net.check_worker_is_up()');
	is(current_worker($node), next_worker($node, $pid), 'beside the one that is there');
	sql('drop database beside');
	is(sql("select count(*) from pg_stat_activity where application_name = 'pg_net'"), '1', 'and it goes with its database');
};

subtest 'wake' => sub {
	my $insert = "insert into net.http_request_queue (method, url, timeout_milliseconds)"
	  . " values ('GET', '$url/echo/by-hand', 5000) returning id";
	my $id = sql($insert);
	is_served($server, 'a later request is answered');
	is(sql("select count(*) from net.http_request_queue where id = $id"), '1', 'a row inserted by hand waits');
	sql("begin; select net.wake(); rollback");
	is_served($server, 'a later request is answered');
	is(sql("select count(*) from net.http_request_queue where id = $id"), '1', 'also after a rollback');
	sql('select net.wake()');
	is(wait_response($node, $id)->{status_code}, 200, 'and is sent after wake and commit');
	$id = sql("begin; select net.wake() \\g /dev/null\n $insert; commit");
	is(wait_response($node, $id)->{status_code}, 200, 'wake comes at commit');
};

subtest 'worker_restart' => sub {
	my $pid = current_worker($node);
	is(sql('select net.worker_restart()'), 't', 'returns true');
	my $new_pid = next_worker($node, $pid);
	isnt($new_pid, $pid, 'a new pid appears');
	is(health(), '1|1', 'one worker');

	# From answers within the worker's grace to those long after it.
	my @ids = split /\n/, sql(
		"select net.http_get('$url/delay/' || n / 10.0 || '?restart', timeout_milliseconds := 60000) from generate_series(0, 24) n");
	$server->wait_arrivals(qr/\?restart$/, 25);
	sql('select net.worker_restart()');
	next_worker($node, $new_pid);
	wait_queue_empty();
	is( sql("select count(*), count(distinct id), count(*) filter (where status_code = 200)"
			  . " from net._http_response where id between $ids[0] and $ids[-1]"),
		'25|25|25', 'of 25 requests in flight, each is answered and none twice');
};

subtest 'pg_terminate_backend and pg_cancel_backend' => sub {
	my $pid = current_worker($node);

	my $id = sql("select net.http_get('$url/delay/1?cancel', timeout_milliseconds := 60000)");
	$server->wait_arrivals('/delay/1?cancel');
	is(sql("select pg_cancel_backend($pid)"), 't', 'cancelled');
	is(wait_response($node, $id)->{status_code}, 200, 'a request in flight is answered');
	is($server->arrivals_of('/delay/1?cancel') + 0, 1, 'and was sent once');
	is(current_worker($node), $pid, 'the worker is the same');

	is(sql("select pg_terminate_backend($pid)"), 't', 'terminated');
	my $new_pid = next_worker($node, $pid);
	isnt($new_pid, $pid, 'the worker comes back by itself');
	is_served($server, 'and serves');
};

subtest 'pg_stat_user_tables' => sub {
	my $counts = "select sum(n_tup_ins) filter (where relname = '_http_response'),"
	  . " sum(n_tup_del) filter (where relname = 'http_request_queue')"
	  . " from pg_stat_user_tables where schemaname = 'net'";
	my ($inserted, $deleted) = split /\|/, sql($counts);

	sql("select net.http_get('$url/healthz') from generate_series(1, 10)");
	wait_queue_empty();
	my $expected = ($inserted + 10) . '|' . ($deleted + 10);
	wait_for("$expected in pg_stat_user_tables", sub { sql($counts) eq $expected });
	pass("the worker's writes show");
};

subtest 'an idle worker and the launcher make no system calls' => sub {
	plan skip_all => 'strace is not installed' unless has_tool('strace');
	my %pids = (
		'the worker' => current_worker($node),
		'the launcher' => sql("select pid from pg_stat_activity where backend_type = 'net launcher'"));
	my $output = PostgreSQL::Test::Utils::tempdir('strace') . '/out';

	is_served($server, 'after work');
	wait_queue_empty();
	wait_for('the worker to be idle', sub { state() eq 'idle' });

	for my $who (sort keys %pids)
	{
		my $pid = $pids{$who};
		# The statistics of the work are reported within a second.
		my $calls;
		for (1 .. 3)
		{
			run_log([ 'timeout', '-s', 'INT', '3', 'strace', '-f', '-o', $output, '-p', $pid ], '2>', \my $messages);
			plan skip_all => "strace may not trace: $messages" unless $messages =~ /attached/ && -e $output;
			# One line, of the wait that strace finds it in.
			$calls = slurp_file($output);
			last if $calls =~ /\A\d+ +(?:epoll_p?wait\d*|restart_syscall)\([^\n]*\n?\z/;
		}
		like($calls, qr/\A\d+ +(?:epoll_p?wait\d*|restart_syscall)\([^\n]*\n?\z/, "$who: none in 3 s, but the wait it is in");
	}
};

subtest 'shutdown with a request in flight' => sub {
	for my $mode ('fast', 'smart')
	{
		my $id = hang("/hang?$mode");
		my $start = time;

		$node->stop($mode);
		cmp_ok(time - $start, '<', QUICK_SECONDS, "$mode: ends quickly");
		$node->start;
		is(sql("select count(*) from net.http_request_queue where id = $id"), '1', "$mode: the request is there afterwards");
		$server->wait_arrivals("/hang?$mode", 2);
		pass("$mode: and is sent again");
	}
	is_served($server, 'a new request is served beside them');
};

subtest 'immediate shutdown' => sub {
	my $last = sql("select max(i) from (select net.http_get('$url/hang?immediate', timeout_milliseconds := 300000) i from generate_series(1, 5)) q");
	$server->wait_arrivals('/hang?immediate', 5);
	$node->stop('immediate');
	$node->start;
	sql('select net.wait_until_running()');
	my $id = sql("select net.http_get('$url/echo/after-immediate')");
	cmp_ok($id, '>', $last, 'ids do not repeat');
	is(decode_json(wait_response($node, $id)->{content})->{path}, '/echo/after-immediate', 'the answer is its own');
};

subtest 'a crash of a backend' => sub {
	sql('alter system set restart_after_crash = on');
	$node->reload;
	wait_for('restart_after_crash', sub { sql('show restart_after_crash') eq 'on' });
	my $pid = current_worker($node);
	my $last = sql("select max(i) from (select net.http_get('$url/hang?crash', timeout_milliseconds := 300000) i from generate_series(1, 5)) q");
	$server->wait_arrivals('/hang?crash', 5);

	my $log_offset = -s $node->logfile;
	$node->psql('postgres', "select pg_backend_pid() as pid \\gset\n\\setenv BACKEND :pid\n\\! kill -9 \$BACKEND\nselect 1;");
	wait_for('the crash', sub { log_contains($node, qr/terminated by signal 9/, $log_offset) });
	wait_for('the server to be back', sub { try_sql('select 1') });
	isnt(next_worker($node, $pid), $pid, 'the worker comes back');
	sql('select net.wait_until_running()');
	is(health(), '1|1', 'one worker');

	my $id = sql("select net.http_get('$url/echo/after-crash')");
	cmp_ok($id, '>', $last, 'ids do not repeat');
	is(decode_json(wait_response($node, $id)->{content})->{path}, '/echo/after-crash', 'the answer is its own');
};

subtest 'DROP EXTENSION while requests are in flight' => sub {
	sql('drop extension pg_net; create extension pg_net');
	sql("select net.http_get('$url/delay/1.5?old', timeout_milliseconds := 60000) from generate_series(1, 5)");
	$server->wait_arrivals('/delay/1.5?old', 5);
	my $pid = current_worker($node);

	sql('drop extension pg_net');
	is(sql("select count(*) from pg_namespace where nspname = 'net'"), '0', 'no schema net is left');
	sql('create extension pg_net');
	my $id = sql("select net.http_get('$url/echo/new')");
	is($id, '1', 'the first id is 1 again');
	is(decode_json(wait_response($node, $id)->{content})->{path}, '/echo/new', 'its answer is its own');
	is(current_worker($node), $pid, 'the worker is the same');

	# While this one waits, those of the dropped table get their answers.
	$id = sql("select net.http_get('$url/delay/2', timeout_milliseconds := 60000)");
	wait_response($node, $id);
	is(sql('select string_agg(id::text, \',\' order by id) from net._http_response'),
		'1,2', 'answers to the old requests are not recorded');
};

subtest 'the extension is not installed' => sub {
	my $log_offset = -s $node->logfile;
	my $pid = current_worker($node);
	sql('drop extension pg_net');
	$node->reload;
	says_idle_once($log_offset);
	is(current_worker($node), $pid, 'the worker is the same');

	$log_offset = -s $node->logfile;
	sql("select pg_terminate_backend($pid)");
	next_worker($node, $pid);
	says_idle_once($log_offset);
	is(state(), 'idle', 'the worker idles');
	is(health(), '1|1', 'one worker');

	sql('create extension pg_net');
	is_served($server, 'with the extension, requests are served');
	said_idle_once($log_offset, 'all the while');
};

subtest "a schema net that is somebody else's" => sub {
	my $pid = current_worker($node);
	my $log_offset = -s $node->logfile;
	sql('drop extension pg_net');
	$node->reload;
	says_idle_once($log_offset);
	sql(<<'END');
create schema net;
create table net.http_request_queue (id bigint primary key, method text, url text, headers jsonb,
                                     body bytea, timeout_milliseconds int, role regrole);
create table net._http_response (id bigint, created timestamptz);
END
	sql("insert into net.http_request_queue values (1, 'GET', '$url/echo/not-ours', '{}', null, 1000)");
	$log_offset = -s $node->logfile;
	sql("select pg_terminate_backend($pid)");
	$pid = next_worker($node, $pid);
	says_idle_once($log_offset);
	is(current_worker($node), $pid, 'the worker stays');
	is(sql('select count(*) from net.http_request_queue'), '1', 'it leaves their table alone');
	is($server->arrivals_of('/echo/not-ours') + 0, 0, 'and sends nothing');
	like(failure('create extension pg_net'), qr/ERROR:  42P06: schema "net" already exists/, 'create extension refuses');

	sql('drop schema net cascade; create extension pg_net');
	is_served($server, 'with the extension, requests are served');
	said_idle_once($log_offset, 'all the while');
};

subtest 'without shared_preload_libraries' => sub {
	my $bare = new_node('bare', preload => '', no_extension => 1);
	my $message = qr/pg_net must be loaded via shared_preload_libraries/;

	my ($rc, $stdout, $stderr) = $bare->psql('postgres', 'create extension pg_net');
	is($rc, 0, 'create extension succeeds');
	like($stderr, qr/WARNING:  $message/, 'with a warning that names shared_preload_libraries');
	for my $call (
		"http_get('$url/')", "http_post('$url/', '{}')", "http_delete('$url/')", 'wake()',
		'worker_restart()', 'check_worker_is_up()', 'wait_until_running()', '_await_response(1)',
		'_http_collect_response(1, false)', 'stat_reset()')
	{
		like(failure("select net.$call", 'postgres', $bare), qr/ERROR:  55000: $message/, $call);
	}
	like(failure("insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', '$url/', 1000)", 'postgres', $bare),
		qr/ERROR:  55000: $message/, 'a row by hand');
	is(sql_in($bare, 'postgres', 'select count(*) from net.http_request_queue'), '0', 'nothing is queued');
	like(failure("select from net.$_", 'postgres', $bare), qr/ERROR:  55000: $message/, $_) for qw(stat_worker stat_endpoint);
	is(sql_in($bare, 'postgres', 'select count(*) from net.stat_activity'), '0', 'stat_activity can be read');
	$bare->stop;
};

done_testing();

# The log says that the worker is idle, once, however often it is made to
# look.
sub says_idle_once
{
	my ($log_offset) = @_;
	my $idle = qr/LOG:  pg_net worker is idle: /;

	wait_for('the worker to say it is idle', sub { log_contains($node, $idle, $log_offset) });
	for (1 .. 3)
	{
		my $reload_offset = -s $node->logfile;
		$node->reload;
		wait_for('the reload', sub { log_contains($node, qr/received SIGHUP/, $reload_offset) });
	}
	said_idle_once($log_offset, 'however often it is made to look');
	return;
}

# The log has said once since the offset that the worker is idle.
sub said_idle_once
{
	my ($log_offset, $when) = @_;
	my @said = slurp_file($node->logfile, $log_offset) =~ /LOG:  pg_net worker is idle: /g;

	is(scalar @said, 1, "the log says once why the worker is idle, $when");
	return;
}
