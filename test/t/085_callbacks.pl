# Functions that are called with responses: as whom, how often, and what becomes
# of it when they fail, hang, or take their process along.

use strict;
use warnings;

use Clock;
use Faults;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('callbacks',
	init => { allows_streaming => 1 },
	conf => "pg_net.callback_timeout = '1s'\nmax_worker_processes = 12\nrestart_after_crash = on\ndeadlock_timeout = '10ms'");
my $url = $server->url . '/status/200';

sql(<<'END');
create role app nologin;
create role other nologin;
create table seen (id bigint, by name default current_user, path text default current_setting('search_path'), note text);
grant select, insert on seen to app, other;
create function note(r net._http_response) returns void language sql as 'insert into seen (id, note) values (r.id, r.context->>''note'')';
END

# Have a role call http_request with a callback, and further arguments; the id.
sub call_as
{
	my ($role, $callback, %args) = @_;
	my $to = delete $args{url} // $url;
	my $more = join '', map { ", $_ := $args{$_}" } sort keys %args;
	return sql("set role $role;", "select net.http_request('GET', '$to', callback := '$callback'$more)");
}

# Make a function that is called with a response: its body in PL/pgSQL.
sub callback
{
	my ($name, $body, $declare) = @_;
	$declare = $declare ? "declare $declare " : '';
	sql("create or replace function $name(r net._http_response) returns void language plpgsql as \$\$ ${declare}begin $body end \$\$");
	return $name;
}

# What is said of the call with the response to a request, once it is there.
sub wait_called
{
	my ($id) = @_;
	return wait_for("the callback of $id", sub { try_sql("select coalesce(callback_error, 'ok') from net._http_response where called is not null and id = $id") });
}

# The same for a new request of the role app.
sub called { return wait_called(call_as('app', @_)) }

sub seen { return sql("select count(*) from seen where id = $_[0]") }

# The process of the callbacks of a database (postgres), once there is one that
# is not this (0).
sub wait_process
{
	my ($not, $database) = (@_, 0);
	$database = $_[1] // 'postgres';
	return wait_for('a process of callbacks',
		sub { try_sql("select pid from pg_stat_activity where backend_type = 'net callback' and datname = '$database' and pid <> $not") });
}

# Wait until a function of a database runs that waits for a lock, or sleeps.
sub wait_inside
{
	my ($name, $database) = @_;
	$database //= 'postgres';
	return wait_for("a call of $name",
		sub { try_sql("select pid from pg_stat_activity where backend_type = 'net callback' and datname = '$database' and state = 'active' and query ~ '$name' and wait_event is not null") });
}

subtest 'called once, as the role' => sub {
	sql("alter role app set search_path = public, pg_catalog;", "alter role app in database postgres set search_path = public, net");
	my $id = call_as('app', 'note', context => q('{"note": "hello"}'));
	is(wait_called($id), 'ok', 'called');
	is(sql("select by, path, note from seen where id = $id"), 'app|public, net|hello', 'as whom, with which search_path and context');
	is(sql("select backend_type from pg_stat_activity where backend_type ~ '^(pg_)?net ' and datname = 'postgres' order by 1"),
		"net callback\npg_net worker", 'by a process of its own');
	my $of_other = call_as('other', 'note');
	is(wait_called($of_other), 'ok', 'another role');
	is(sql("select by, path from seen where id = $of_other"), 'other|"$user", public', '... has its own search_path');
	$id = call_as('app', 'note', url => 'http://127.0.0.1:1/');
	is(wait_called($id), 'ok', 'called without a response, too');
	is(seen($id), 1, 'once');
	callback('chain', "perform net.http_request('GET', r.url, callback := 'note', context := '{\"note\": \"next\"}');");
	is(called('chain'), 'ok', 'a callback that makes a request');
	wait_sql("select by from seen where note = 'next'", 'app');
};

subtest 'a session that is restricted' => sub {
	sql('create table parent (id int primary key); create table child (id int references parent deferrable initially deferred);',
		'grant all on parent, child to app');
	callback('in_order', 'insert into parent values (1); insert into child values (1);');
	is(called('in_order'), 'ok', 'a deferred foreign key that is met');
	callback('out_of_order', 'insert into child values (2); insert into parent values (2);');
	like(called('out_of_order'), qr/violates foreign key constraint/, '... is checked at once');
	my %refused = (
		'set role' => q(execute 'set role postgres';),
		'session authorization' => q(execute 'set session authorization postgres';),
		'temporary tables' => q(execute 'create temp table t (a int)';),
		'listen' => q(execute 'listen x';),
		'prepared statements' => q(execute 'prepare p as select 1';),
		'commit' => 'commit;');
	like(called(callback('refused', $refused{$_})), qr/restricted operation|security-definer function|invalid transaction termination|permission denied/, "no $_") for sort keys %refused;
	sql('create table secrets (a int)');
	like(called(callback('steal', 'perform a from secrets;')), qr/permission denied for table secrets/, 'no rights of the owner');
};

subtest 'nothing is left behind' => sub {
	callback('leave', <<'END');
	perform set_config('work_mem', '77MB', false), set_config('search_path', 'pg_temp', false), set_config('my.own', 'x', false);
	perform pg_advisory_lock(4711);
END
	my $id = call_as('app', 'leave');
	is(wait_called($id), 'ok', 'leaves settings and a lock');
	callback('look', <<'END');
	insert into seen (id, note)
	select r.id, concat_ws(' ', current_setting('work_mem'), nullif(current_setting('my.own', true), ''), (select count(*) from pg_locks where locktype = 'advisory'));
END
	my $pid = wait_process();
	$id = call_as('app', 'public.look');
	is(wait_called($id), 'ok', 'the next call');
	is(wait_process(), $pid, '... in the same process');
	is(sql("select note, path from seen where id = $id"), '4MB 0|public, net', '... finds none of it');
};

subtest 'errors' => sub {
	my $id = call_as('app', callback('fail', q(insert into seen (id) values (r.id); raise 'no %', 'way';)));
	is(wait_called($id), 'no way', 'an error');
	is(called(callback('talk', q(raise exception '%', repeat('é', 1000000);))), 'é' x 1000, 'only the beginning of a long one');
	is(seen($id), 0, 'and nothing is done');
	$id = call_as('app', callback('divide', q(begin perform 1/0; exception when division_by_zero then insert into seen (id) values (r.id); end;)));
	is(wait_called($id), 'ok', 'an error that is caught');
	is(seen($id), 1, '... is none');
	sql('create sequence tries; grant all on sequence tries to app');
	callback('serialize', q(if nextval('tries') % 3 > 0 then raise exception sqlstate '40001'; end if; insert into seen (id) values (r.id);));
	$id = call_as('app', 'serialize');
	is(wait_called($id), 'ok', 'two serialization failures');
	is(seen($id), 1, '... and a success');
	callback('never', q(perform nextval('tries'); raise exception 'never' using errcode = '40001';));
	is(called('never'), 'never', 'always a serialization failure');
	is(sql('select last_value from tries'), 6, '... is tried three times');

	callback('gone', 'null;');
	$id = call_as('app', 'gone', due => "now() + interval '1 s'");
	sql('drop function gone');
	like(wait_called($id), qr/function public.gone\((net\.)?_http_response\) does not exist/, 'a function that is dropped');
	$id = call_as('app', callback('closed', 'null;'), due => "now() + interval '1 s'");
	sql('revoke execute on function closed from public');
	like(wait_called($id), qr/permission denied for function closed/, 'a right that is taken');
	sql('create role brief nologin');
	$id = call_as('brief', 'note', due => "now() + interval '1 s'");
	sql('drop role brief');
	like(wait_called($id), qr/^the role of the request does not exist$/, 'a role that is dropped');
	is(seen($id), 0, '... does nothing');
	sql("insert into net._http_response (id, role, callback) values (-1, null, 'note'), (-2, 'app'::regrole, 'note(r); drop table seen; --'), (-3, 'app'::regrole, '');",
		'select net.wake()');
	like(wait_called(-1), qr/role of the request does not exist/, 'a row of nobody');
	like(wait_called(-2), qr/invalid name syntax/, 'a name that is none');
	like(wait_called(-3), qr/invalid name syntax/, 'an empty name');
};

# What others do at the same time passes; sequences see what is rolled back.
subtest 'conflicts' => sub {
	sql('create sequence begun minvalue 0; create sequence failed; grant all on sequence begun, failed to app, other');
	callback('conflict', <<'END', 'now bigint := extract(epoch from clock_timestamp()) * 1000;');
	if (select not is_called from begun) then perform setval('begun', now); end if;
	if now < (select last_value from begun) + 240 then raise exception sqlstate '40P01'; end if;
	insert into seen (id) values (r.id);
END
	my $id = call_as('app', 'conflict');
	is(wait_called($id), 'ok', 'a conflict of a quarter of a second is over before the last try');

	# in one transaction, so that all of them wait when the first is called
	callback('never', q(perform nextval('failed'); raise exception 'never' using errcode = '40001';));
	callback('last', q(perform nextval('failed'); if currval('failed') < 3 then raise exception sqlstate '40001'; end if; insert into seen (id, note) values (r.id, 'last');));
	sql("insert into net._http_response (id, role, callback) values (-11, 'app'::regrole, 'public.last'), (-12, 'app'::regrole, 'public.note'), (-13, 'other'::regrole, 'public.note');", 'select net.wake()');
	is(wait_called($_), 'ok', "called: $_") for -11, -12, -13;
	is(sql("select string_agg(id::text, ' ' order by xmin::text::bigint) ~ '-11\$' from seen where id between -13 and -11"), 't', 'others go on meanwhile');

	# roles take turns in between
	sql("select setval('failed', 100); insert into net._http_response (id, role, callback) select -100 - n, (array['app', 'other'])[1 + n % 2]::regrole, 'public.never' from generate_series(1, 40) as n; select net.wake()");
	wait_sql('select count(*) from net._http_response where id < -100 and called is null', 0);
	is(sql('select last_value from failed'), 100 + 3 * 40, 'each is tried three times');
	is(sql("select string_agg(distinct callback_error, ', ') from net._http_response where id < -100"), 'never', '... and then has failed');
};

subtest 'time' => sub {
	my $id = call_as('app', callback('sleep', 'perform pg_sleep(60);'));
	is(wait_called($id), 'canceled after 1000 ms (pg_net.callback_timeout)', 'a call that takes long');
	$id = call_as('app', callback('catch', q(begin perform pg_sleep(60); exception when query_canceled then insert into seen (id) values (r.id); end;)));
	is(wait_called($id), 'ok', 'a cancel that is caught');
	is(seen($id), 1, '... is no error');

	# a slow one beside another role's, and beside the network
	my @slow = map { call_as('app', callback('half', 'perform pg_sleep(0.5);')) } 1 .. 8;
	wait_inside('half');
	my $quick = call_as('other', 'note');
	is(request($node, "select net.http_get('$url')")->{status_code}, 200, 'requests go on meanwhile');
	is(wait_called($quick), 'ok', 'another role has its turn');
	ok(sql("select count(*) from net._http_response where id in (@{[join ',', @slow]}) and called is null") > 2, '... before all of the slow ones');
	is(wait_called($_), 'ok', 'and they go on') for @slow;
};

subtest 'keep' => sub {
	my $id = call_as('app', callback('hold', 'perform pg_advisory_xact_lock_shared(1); insert into seen (id) values (r.id);'), keep => 'false');
	wait_sql("select count(*) from seen where id = $id", 1);
	wait_sql("select count(*) from net._http_response where id = $id", 0);
	$id = call_as('app', 'fail', keep => 'false');
	is(wait_called($id), 'no way', 'a failed call leaves the row');
	$id = call_as('app', 'note', keep => 'false', url => 'http://127.0.0.1:1/');
	is(wait_called($id), 'ok', 'so does a failed request');
	# one that changes its own row
	sql('grant all on net._http_response to app');
	$id = call_as('app', callback('change', q(update net._http_response set content = 'changed' where id = r.id;)));
	is(wait_called($id), 'ok', 'a function that updates the row');
	is(sql("select content from net._http_response where id = $id"), 'changed', '... keeps its change');
	$id = call_as('app', callback('remove', 'delete from net._http_response where id = r.id; insert into seen (id) values (r.id);'));
	wait_sql("select count(*) from seen where id = $id", 1);
	wait_sql("select count(*) from net._http_response where id = $id", 0);
	sql('revoke all on net._http_response from app; grant select on net._http_response to public');
};

subtest 'triggers and expiry' => sub {
	sql(<<'END');
create function spy() returns trigger language plpgsql as $$ begin insert into public.seen (id, note) values (new.id, tg_op || ' ' || current_setting('search_path')); return new; end $$;
create trigger spy after insert or update on net._http_response for each row execute function spy();
END
	my $id = call_as('app', 'note');
	is(wait_called($id), 'ok', 'called');
	is(sql("select string_agg(note, ',' order by note) from seen where id = $id"), 'INSERT pg_catalog, pg_temp', "the owner's trigger does not run where a role's functions do");
	sql('drop trigger spy on net._http_response');

	sql("alter system set pg_net.ttl = '1 s'; select pg_reload_conf()" =~ s/; /;\n/r);
	$id = call_as('app', 'note');
	wait_sql("select count(*) from net._http_response where id = $id", 0);
	is(seen($id), 1, 'a row is removed after the call');
	sql("alter system reset pg_net.ttl;\nselect pg_reload_conf()");
};

subtest 'a process that dies' => sub {
	sql('create function end_me() returns void security definer language sql as $$ select pg_terminate_backend(pg_backend_pid()), pg_sleep(60) $$');
	my $id = call_as('app', callback('suicide', 'insert into seen (id) values (r.id); perform end_me();'));
	my $conflict = call_as('app', 'never');
	my $good = call_as('app', 'note');
	is(wait_called($good), 'ok', 'others of the role are called');
	is(wait_called($id), 'the process died in 3 calls', 'one that ends its process');
	is(wait_called($conflict), 'never', 'one that fails for others');
	is(sql("select callback_deaths is null from net._http_response where id = $conflict"), 't', '... was not counted, however often it was tried');
	is(seen($id), 0, '... has done nothing');
	is(sql("select callback_deaths from net._http_response where id = $id"), 3, '... and was counted');
	is(sql("select callback_deaths is null from net._http_response where id = $good"), 't', 'others were not');
};

subtest 'a call that cannot be canceled' => sub {
	my $id = call_as('app', callback('hold_on', 'loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop;'));
	my $pid = wait_inside('hold_on');
	my $quick = call_as('other', 'note');
	is(wait_called($quick), 'ok', 'its process is ended, and others have their turn');
	ok(!is_alive($pid), '... by another one');
	sql("delete from net._http_response where id = $id");
};

# Stopped, it does not even take a signal.
subtest 'a process that cannot be ended' => sub {
	my $id = call_as('app', callback('stuck', 'insert into seen (id) values (r.id); perform pg_sleep(0.5);'));
	my $pid = wait_inside('stuck');
	my $start = -s $node->logfile;
	kill 'STOP', $pid;
	my $behind = call_as('app', 'note');
	my $quick = call_as('other', 'note');
	is(wait_called($quick), 'ok', 'another role has its turn');
	ok(log_contains($node, qr/a callback of pg_net cannot be ended: process $pid of/, $start), 'the log says so');
	is(seen($behind), 0, 'its own role waits');
	kill 'CONT', $pid;
	is(wait_called($behind), 'ok', '... until it is gone');
	is(wait_called($id), 'ok', 'the call is made again');
	is(seen($id), 1, '... and is done once');
};

subtest 'databases that are changed' => sub {
	create_databases('fleeting');
	my $inside = sub {
		sql_in('fleeting', 'create or replace function sleep(r net._http_response) returns void language sql as $$ select pg_sleep(60) $$;',
			"select net.http_request('GET', '$url', callback := 'sleep')");
		return wait_inside('sleep', 'fleeting');
	};
	sql("alter system set pg_net.callback_timeout = '60s';\nselect pg_reload_conf()");
	$inside->();
	sql('create database copied template fleeting');
	wait_for('the copy to be looked at', sub { sql_in('copied', "select callback_error from net._http_response") });
	is(sql_in('copied', 'select distinct callback_error from net._http_response'), 'not called in a copy of the database', 'a copy does not call');
	my $pid = wait_inside('sleep', 'fleeting');
	is(sql_in('fleeting', 'select count(*) from net._http_response where callback_deaths is not null'), 0, 'the call is made again, and nothing is charged');
	sql('alter database fleeting rename to flying');
	wait_inside('sleep', 'flying');
	sql('drop database flying');
	wait_for('the process to be gone', sub { !sql("select count(*) from pg_stat_activity where datname = 'flying'") });
	pass('a database is dropped during a call');
	sql('drop database copied');
	sql("alter system reset pg_net.callback_timeout;\nselect pg_reload_conf()");
};

# Committed and not called is called after a crash; called and committed is not
# called again.
subtest 'crashes' => sub {
	sql('select net.set_durable(true)');
	my $hold = sub {
		my ($how) = @_;
		my $id = call_as('app', callback('in_call', 'insert into seen (id) values (r.id); perform pg_sleep(0.3);'));
		my $pid = wait_inside('in_call');
		$how->($pid);
		is(wait_called($id), 'ok', 'called after the crash');
		is(seen($id), 1, '... once');
		return $id;
	};
	$hold->(sub { kill 'KILL', $_[0] }) for 1, 2;
	$hold->(sub { $node->stop('immediate'); $node->start });
	$hold->(sub { kill_postmaster($node) });
	# before and after a call
	my $before = call_as('app', 'note', due => "now() + interval '0.5 s'");
	my $after = call_as('app', 'note');
	is(wait_called($after), 'ok', 'called before the crash');
	$node->stop('immediate');
	$node->start;
	is(wait_called($before), 'ok', 'what was not called is called');
	is(seen($after), 1, 'what was called is not called again');

	# a call that others cut off again and again
	sql("alter system set pg_net.callback_timeout = '60s';\nselect pg_reload_conf()");
	sql('create table gate ()');
	sql('grant select on gate to app');
	my $cut_off = call_as('app', callback('long', 'while not exists (select from gate) loop perform pg_sleep(0.05); end loop; insert into seen (id) values (r.id);'));
	for my $cut (
		sub { $node->stop('fast'); $node->start },
		sub { $node->stop('immediate'); $node->start },
		sub { kill_postmaster($node) },
		sub { kill_process($node, "backend_type = 'net launcher'") },
		sub { sql_in('template1', 'create database copied template postgres') })
	{
		wait_inside('long');
		$cut->();
	}
	wait_inside('long');
	cmp_ok(sql("select coalesce(callback_deaths, 0) from net._http_response where id = $cut_off"), '<=', 1, 'a call that others cut off: no death is charged');
	sql('insert into gate default values');
	is(wait_called($cut_off), 'ok', '... and it is made');
	is(seen($cut_off), 1, '... once');
	sql('drop database copied');
	sql("alter system reset pg_net.callback_timeout;\nselect pg_reload_conf()");

	# one that takes the server along
	sql('create function crash() returns void security definer language plpgsql as $$ begin '
		. q(copy (select 1) to program 'kill -9 $PPID'; end $$));
	callback('crash_all', 'insert into seen (id) values (r.id); perform crash();');
	my ($id, $good) = split /\n/, sql('set role app;', "select net.http_request('GET', '$url', callback := name) from unnest(array['crash_all', 'note']) as name");
	is(wait_called($good), 'ok', 'others are called');
	is(wait_called($id), 'the process died in 3 calls', 'a function that crashes');
	is(seen($id), 0, '... has done nothing');
	is(sql("select coalesce(sum(callback_deaths), 0) from net._http_response where id <> $id and callback_error is null"), 0, 'nobody else is charged');
};

subtest 'failover' => sub {
	$node->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->start;
	my $done = call_as('app', 'note');
	is(wait_called($done), 'ok', 'called before');
	my $id = call_as('app', callback('in_call', 'insert into seen (id) values (r.id); perform pg_sleep(0.7);'));
	wait_inside('in_call');
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	$node->stop('immediate');
	$standby->promote;
	wait_for('the call', sub { (try_sql($standby, 'postgres', "select called from net._http_response where id = $id") // '') ne '' });
	is(sql_in($standby, 'postgres', "select string_agg(id::text, ' ' order by id) from seen where id in ($id, $done)"), "$done $id", 'what was cut off is called once, and the other not again');
	$standby->stop;
	$node->start;
	is(wait_called($id), 'ok', 'so it is after a crash');
};

# The owner cannot connect; so the process does as workers do.
subtest 'an owner that may not log in' => sub {
	sql('create role keeper nologin;', 'alter table net.http_request_queue owner to keeper;', 'alter table net._http_response owner to keeper');
	wait_for('the last process to be gone', sub { !sql("select count(*) from pg_stat_activity where backend_type = 'net callback'") });
	my $id = call_as('app', 'note');
	is(wait_called($id), 'ok', 'called');
	is(sql("select by from seen where id = $id"), 'app', 'as the role');
};
$node->stop;

# One for the launcher, one for that of logical replication, and one.
subtest 'too few processes' => sub {
	$node = new_node('short', conf => "max_worker_processes = 3\npg_net.database_name = 'nowhere'\npg_net.worker_idle_timeout = '500ms'");
	sql('create function note(r net._http_response) returns void language sql as $$ select 1 $$');
	my $id = sql("select net.http_request('GET', '$url', callback := 'note')");
	is(wait_response($node, $id)->{status_code}, 200, 'a request is answered');
	is(wait_called($id), 'ok', 'the callback has its turn when the worker has left');
	my $pid = wait_process();
	is(request($node, "select net.http_get('$url')", 4)->{status_code}, 200, 'a worker takes its place');
	ok(!is_alive($pid), '... at once');
};

$node->stop;

# Others do without three of them, but no more.  Time passes at once here, and
# the functions return later.
subtest 'many processes that cannot be ended' => sub {
	my $clock = Clock->new or plan skip_all => 'no compiler to make the clock with';
	my @roles = qw(one two three four five);
	$node = $clock->given_to(sub { new_node('stuck', conf => "pg_net.callback_timeout = '60s'\nmax_worker_processes = 12") });
	sql(map { "create role $_ nologin;" } @roles);
	sql('create table seen (id bigint, note text); grant select, insert on seen to public;',
		'create function note(r net._http_response) returns void language sql as $$ insert into seen values (r.id) $$');
	callback("in_$_", 'insert into seen values (r.id); perform pg_advisory_xact_lock(1);') for @roles;
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('select pg_advisory_lock(1)');

	# have a role call a function that does not end in its time; its process
	my $get_stuck = sub {
		my ($role, $expected) = @_;
		my $id = call_as($role, "in_$role");
		my $pid = wait_inside("in_$role");
		my $start = -s $node->logfile;
		$clock->pass(100);
		sql('select pg_reload_conf()');
		wait_for("the log to say it of $role", sub { log_contains($node, qr/WARNING:  $expected: process $pid of /, $start) });
		return ($id, $pid);
	};
	my $behind = call_as('one', 'in_one', due => q(now() + interval '1 hour'));
	my @stuck = map { [ $get_stuck->($_, 'a callback of pg_net cannot be ended') ] } @roles[ 0 .. 2 ];
	is(wait_called(call_as('four', 'note')), 'ok', 'others go on without three');
	sql("select net.resend($behind)");
	push @stuck, [ $get_stuck->('four', 'callbacks of pg_net are waiting') ];
	my $waits = call_as('five', 'note');
	is(sql("select count(*) from pg_stat_activity where backend_type = 'net callback'"), 4, 'not without four');
	is(seen($waits), 0, '... for which they wait');
	sql("select pg_terminate_backend($stuck[1][1])");
	is(wait_called($waits), 'ok', 'until one of them ends');
	ok(is_alive($stuck[3][1]), '... whichever');
	is(seen($behind), 0, 'no process calls for a role whose process is stuck');

	# the others return after all
	$holder->quit;
	is(wait_called($_), 'ok', 'a call that took too long succeeds') for $behind, map { $_->[0] } @stuck;
	is(seen($_), 1, '... once') for $behind, map { $_->[0] } @stuck;
	wait_for('its process to end', sub { !grep { is_alive($_->[1]) } @stuck });
	is(wait_called(call_as($_, 'note')), 'ok', "then all is as before: $_") for @roles;
};

done_testing();
