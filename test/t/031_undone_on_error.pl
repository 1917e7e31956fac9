# What a function began is ended when an error passes: after each of these
# errors the session commits, is idle, and is who it was.
#
# Errors are brought about at each place that opens something: a
# subtransaction, SPI, a snapshot, another user, a setting for one statement,
# locks, a sleep.  By a lock that somebody holds, a statement that takes too
# long or is cancelled, a right that is missing, a trigger, a policy, and on a
# standby.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

# How often an error is repeated to see whether memory grows.
use constant REPEATS => 20;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('undone_on_error', init => { allows_streaming => 1 });

sql(<<"END");
create role r login;
create role other;
grant other, pg_read_all_stats to r;
create table done (what text);
grant insert on done to r;
-- What a session is in: names of contexts that end with a transaction, locks,
-- the user, and the settings that pg_net changes for a statement.
create function session_state() returns text language sql as \$\$
	select concat_ws(' ', current_user, session_user, current_setting('search_path'),
		current_setting('session_replication_role'), txid_current_if_assigned(),
		(select string_agg(name || ' x ' || n, ', ' order by name collate "C")
		 from (select name, count(*) as n from pg_backend_memory_contexts
		       where name ~ '^(SPI (Proc|Exec|Tup)|CurTransaction|TopTransaction|ExecutorState)' group by name) c),
		(select string_agg(distinct locktype || ' ' || mode || ' ' || coalesce(relation::regclass::text, ''), ', ')
		 from pg_locks where pid = pg_backend_pid() and locktype <> 'virtualxid' and relation::regclass::text ~ '^net'))
\$\$;
END
my $pending = sql("select net.http_get('$url/hang', timeout_milliseconds := @{[LONG_MS]})");

# Sessions in which errors happen, by role, and what they are in to begin with.
my (%session, %state);
for my $role ('r', 'postgres')
{
	local $ENV{PGUSER} = $role;
	local $ENV{PGAPPNAME} = "undone $role";
	$session{$role} = $node->background_psql('postgres', on_error_stop => 0);
	$session{$role}->set_query_timer_restart;
	$session{$role}->query("set role other; reset role; select session_state()");
	$state{$role} = $session{$role}->query('select session_state()');
}
# Somebody who holds locks.
my $holder = $node->background_psql('postgres');
$holder->set_query_timer_restart;

# Run SQL in the session of a role; its output, and its errors.
sub run
{
	my ($role, $sql) = @_;

	$session{$role}{stderr} = '';
	my $out = $session{$role}->query($sql);
	return ($out, $session{$role}{stderr});
}

# The session of a role is in order: what it commits is there, it is idle,
# and it has nothing of what the function had.
sub in_order
{
	my ($role, $what) = @_;

	my (undef, $error) = run($role, "insert into done values ('$what');");
	is($error, '', "$what: the session goes on");
	is(sql("select count(*) from done where what = '$what'"), '1', "$what: what it commits is there");
	is(sql("select concat_ws(' ', state, backend_xid, backend_xmin) from pg_stat_activity where application_name = 'undone $role'"),
		'idle', "$what: it is idle");
	# not possible while the user is changed for an operation
	(undef, $error) = run($role, 'set role other; reset role;');
	is($error, '', "$what: it may change its role");
	is((run($role, 'select session_state()'))[0], $state{$role}, "$what: it is what it was");
	return;
}

# Bring an error about in each way that a transaction can meet one.
#
# Fields: role (r), before and after (SQL of the administrator), lock (a table
# that somebody holds), set (SQL of the session), cancel (of a wait of that
# type), call (the SQL that fails), code (its SQLSTATE).
sub breaks
{
	my ($what, %case) = @_;
	my $role = $case{role} // 'r';
	my $call = $case{call};

	my %ways = (
		'alone' => "$call;",
		'a handler' => "do \$\$ begin perform $call; exception when query_canceled or others then"
		  . " raise warning '%: %', sqlstate, sqlerrm; end \$\$;",
		'a transaction' => "begin; $call; rollback;",
		'a savepoint' => "begin; savepoint s; $call; rollback to s; insert into done values ('$what, kept'); commit;",
	);
	$ways{'a handler'} =~ s/perform select /perform /;

	subtest $what => sub {
		sql($case{before}) if $case{before};
		$holder->query("begin; lock table $case{lock};") if $case{lock};
		run($role, "\\set VERBOSITY verbose\n$case{set};") if $case{set};
		for my $way (sort keys %ways)
		{
			my $canceller = $case{cancel} ? start_cancel($role, $case{cancel}) : undef;
			my (undef, $error) = run($role, "\\set VERBOSITY verbose\n$ways{$way}");

			$canceller->finish if $canceller;
			like($error, qr/\b$case{code}\b/, "$what, $way: the error");
			unlike($error, qr/FATAL|PANIC|TRAP|unexpected state/, "$what, $way: and no other");
			in_order($role, "$what, $way");
		}
		is(sql("select count(*) from done where what = '$what, kept'"), '1', "$what: the rest of a transaction is kept");
		unless ($case{cancel})
		{
			my $memory = "select sum(used_bytes) from pg_backend_memory_contexts where name not like '%Cache%'";
			my ($before) = run($role, $memory);
			run($role, "$ways{alone}\n" x REPEATS);
			my ($after) = run($role, $memory);
			cmp_ok($after - $before, '<', 64 * 1024, "$what: no memory stays");
		}
		$holder->query('rollback;') if $case{lock};
		run($role, 'reset all;');
		sql($case{after}) if $case{after};
	};
	return;
}

# Cancel the statement of a role as soon as it waits.
sub start_cancel
{
	my ($role, $wait) = @_;

	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', <<"END" ], '>', \my $out, '2>', \my $err);
do \$\$
begin
	for i in 1 .. 10000 loop
		perform pg_stat_clear_snapshot();
		perform pg_cancel_backend(pid) from pg_stat_activity
		where application_name = 'undone $role' and state = 'active' and wait_event_type = '$wait';
		exit when found;
		perform pg_sleep(0.01);
	end loop;
end
\$\$
END
}

# The functions that look for a response: those that wait do it in a
# subtransaction.
for my $look ("net._await_response($pending)", "net._http_collect_response($pending, false)", "net._http_collect_response($pending)")
{
	breaks("$look without the right to read",
		before => 'revoke select on net._http_response from public',
		after => 'grant select on net._http_response to public',
		call => "select $look",
		code => '42501');
	breaks("$look, a lock not given",
		lock => 'net._http_response',
		set => "set lock_timeout = '20ms'",
		call => "select $look",
		code => '55P03');
}
breaks('waiting, a policy that fails',
	before => 'create policy p on net._http_response as restrictive using (1 / (id - id) = 1);'
	  . " insert into net._http_response (id, role) values ($pending, 'r')",
	after => "drop policy p on net._http_response; delete from net._http_response where id = $pending",
	call => "select net._await_response($pending)",
	code => '22012');
breaks('waiting, the second lock not given',
	lock => 'net.http_request_queue',
	set => "set lock_timeout = '20ms'",
	call => "select net._await_response($pending)",
	code => '55P03');
breaks('waiting, too slow',
	lock => 'net._http_response',
	set => "set statement_timeout = '50ms'",
	call => "select net._await_response($pending)",
	code => '57014');
breaks('waiting, cancelled',
	lock => 'net._http_response',
	cancel => 'Lock',
	call => "select net._await_response($pending)",
	code => '57014');

# What waits, sleeps.
sql("grant select on net.http_request_queue to r; update net.http_request_queue set role = 'r'");
breaks('asleep until a response comes, too slow',
	set => "set statement_timeout = '50ms'",
	call => "select net._await_response($pending)",
	code => '57014');
breaks('asleep until a response comes, cancelled',
	call => "select net._await_response($pending)",
	cancel => 'Extension',
	code => '57014');
breaks('waiting for what was queued just now',
	call => "select net._await_response(net.http_get('$url/'))",
	code => '55000');

# A call inserts by itself, or, as here, by SQL and as the owner of the tables.
my $call = "select net.http_get('$url/')";
breaks('a call, the lock of the queue not given',
	lock => 'net.http_request_queue',
	set => "set lock_timeout = '20ms'",
	call => $call,
	code => '55P03');
sql(<<'END');
create function fails() returns trigger language plpgsql as $$ begin raise 'no' using errcode = 'RP123'; end $$;
create function sleeps() returns trigger language plpgsql as $$ begin perform pg_sleep(1000); return new; end $$;
END
breaks('a call, a trigger that fails',
	before => 'create trigger t before insert on net.http_request_queue for each row execute function fails()',
	after => 'drop trigger t on net.http_request_queue',
	call => $call,
	code => 'RP123');
breaks('a call, a trigger that takes the row away',
	before => 'create rule nothing as on insert to net.http_request_queue do instead select 1::bigint as id where false',
	after => 'drop rule nothing on net.http_request_queue',
	call => $call,
	code => '(?:XX000|55000|0A000)');
for my $slow ([ 'too slow', set => "set statement_timeout = '50ms'" ], [ 'cancelled', cancel => 'Timeout' ])
{
	my ($name, @how) = @$slow;
	breaks("a call, a trigger, $name",
		before => 'create trigger t before insert on net.http_request_queue for each row execute function sleeps()',
		after => 'drop trigger t on net.http_request_queue',
		call => $call,
		code => '57014',
		@how);
}
breaks('a call by SQL, the lock of the queue not given',
	before => 'alter table net.http_request_queue add column more text',
	after => 'alter table net.http_request_queue drop column more',
	lock => 'net.http_request_queue',
	set => "set lock_timeout = '20ms'",
	call => $call,
	code => '55P03');

# Rules and secrets are read as the owner.
sql("insert into net.access_rule (position, allow) values (1, true)");
breaks('a call, rules not read',
	before => 'update net.access_rule set position = 2',
	lock => 'net.access_rule',
	set => "set lock_timeout = '20ms'",
	call => $call,
	code => '55P03');
sql('delete from net.access_rule');
breaks('a call, a secret not read',
	lock => 'net.secret',
	set => "set lock_timeout = '20ms'",
	call => "select net.http_get('$url/', headers := jsonb_build_object('X-Key', net.secret('k')))",
	code => '55P03');
breaks('a call, a secret that is not there',
	call => "select net.http_get('$url/', headers := jsonb_build_object('X-Key', net.secret('k')))",
	code => '42501');

# What the administrator calls.
for my $durable ('true', 'false')
{
	breaks("set_durable($durable), too slow",
		role => 'postgres',
		lock => 'net._http_response',
		set => "set statement_timeout = '50ms'",
		call => "select net.set_durable($durable)",
		code => '57014');
}
sql('create role nobody nologin; alter system set pg_net.username = nobody; select net.worker_restart()');
wait_for('the worker to be away', sub { sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker'") eq '0' });
breaks('waiting for the worker, too slow',
	set => "set statement_timeout = '50ms'",
	call => 'select net.wait_until_running()',
	code => '57014');
breaks('waiting for the worker, cancelled',
	cancel => 'Extension',
	call => 'select net.wait_until_running()',
	code => '57014');
sql('alter system reset pg_net.username; select net.worker_restart(); select net.wait_until_running()');

subtest 'the worker goes on' => sub {
	my $worker = current_worker($node);

	sql(<<"END");
create trigger t after insert on net._http_response for each row execute function fails();
alter table net.http_request_queue alter headers type text;
insert into net.http_request_queue (method, url, headers, timeout_milliseconds) values ('GET', '$url/', 'no json', 1000);
select net.wake();
END
	like(wait_response($node, sql('select max(id) from net.http_request_queue_id_seq, lateral (select last_value as id) l'))->{error_msg},
		qr/^the row of this request could not be read: /, 'a row that cannot be read, and a trigger that fails');
	sql('drop trigger t on net._http_response', ';alter table net.http_request_queue alter headers type jsonb using headers::jsonb');
	is(request($node, "select net.http_get('$url/echo/after')")->{status_code}, 200, 'others are sent and recorded');
	is(current_worker($node), $worker, 'by the same worker');
	is(sql("select concat_ws(' ', usename, backend_xid, backend_xmin, (select count(*) from pg_locks l where l.pid = a.pid))"
		  . " from pg_stat_activity a where pid = $worker"),
		'postgres 0', 'which has no transaction, and no lock');
};

subtest 'a standby with unlogged tables' => sub {
	my $standby = PostgreSQL::Test::Cluster->new('undone_standby');

	$node->backup('backup');
	$standby->init_from_backup($node, 'backup', has_streaming => 1);
	$standby->start;
	$node->wait_for_catchup($standby);
	my $reader = $standby->background_psql('postgres', on_error_stop => 0);
	my $pid = $reader->query('select pg_backend_pid();');
	for my $look ("net._await_response($pending)", "net._http_collect_response($pending, false)", "net._http_collect_response($pending)")
	{
		for my $sql ("select $look;", "begin; select $look; rollback;",
			"do \$\$ begin perform $look; exception when others then raise warning '% %', sqlstate, sqlerrm; end \$\$;")
		{
			$reader->{stderr} = '';
			$reader->query("\\set VERBOSITY verbose\n$sql");
			like($reader->{stderr}, qr/25006:? cannot execute \S+\(\) during recovery/, "$sql: the error");
			unlike($reader->{stderr}, qr/SQL statement "SELECT|FATAL/, "$sql: without what is inside");
			is(sql_in($standby, 'postgres',
					"select concat_ws(' ', state, backend_xmin) from pg_stat_activity where pid = $pid"),
				'idle', "$sql: the session is idle");
		}
	}
	$reader->quit;
	$standby->stop;
};

$_->quit for values %session;
$holder->quit;
unlike(slurp_file($node->logfile), qr/leak|TRAP:|PANIC:|unexpected state|was terminated by signal/, 'the log is silent');

done_testing();
