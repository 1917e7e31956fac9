# No way from an ordinary role to more rights, nor to the rows of others.
#
# Mallory may do all that ordinary roles may, create objects in the databases
# among them.  What she gets others to run notes down who ran it; each trap is
# first shown to work where pg_net is not in the way.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('rights', conf => 'max_prepared_transactions = 2');

# The trap: a schema of functions that say who called them.
my $trap = <<'END';
create schema evil authorization mallory;
set role mallory;
create table evil.loot (who text, what text);
grant usage on schema evil to public;
grant insert on evil.loot to public;
create function evil.take(what text) returns void language plpgsql as $$
begin
	insert into evil.loot values (current_user, what);
	if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
		execute 'alter role mallory superuser';
	end if;
end $$;
create function evil.upper(text) returns text language plpgsql as $$ begin perform evil.take('upper'); return $1; end $$;
create function evil.same(bigint, bigint) returns boolean language plpgsql as $$ begin perform evil.take('same'); return true; end $$;
create operator evil.= (function = evil.same, leftarg = bigint, rightarg = bigint);
create function evil.pg_has_role(oid, text) returns boolean language plpgsql as $$ begin perform evil.take('pg_has_role'); return true; end $$;
create function evil.http_get(text) returns bigint language plpgsql as $$ begin perform evil.take('http_get'); return 1; end $$;
create function evil.fire() returns trigger language plpgsql as $$ begin perform evil.take('trigger'); return new; end $$;
reset role;
END

# What a role's statements print, or their error with its SQLSTATE.
sub as
{
	my ($role, $sql, %opts) = @_;
	my ($status, $out, $err) = $node->psql($opts{database} // 'postgres',
		"\\set VERBOSITY verbose\nset session authorization $role;\n$sql");
	return $status == 0 ? $out : ($err =~ /(?:ERROR|FATAL):  (.*)/)[0];
}

sub denied
{
	my ($what, $sql) = @_;
	return like(as('mallory', $sql), qr/^42501: /, $what);
}

# Who fell into the trap since the last look, in this database.
sub loot
{
	my ($database) = @_;
	my $loot = sql_in($database // 'postgres', "select distinct who, what from evil.loot order by 1, 2; truncate evil.loot");
	sql('alter role mallory nosuperuser');
	return $loot;
}

sql("create role mallory; create role alice; create role reader in role pg_read_all_data;",
	'create role writer in role pg_write_all_data; grant create on database postgres to mallory;', $trap);

subtest 'the tables' => sub {
	my @tables = split /\n/, sql("select oid::regclass from pg_class where relnamespace = 'net'::regnamespace and relkind in ('r', 'S') order by 1");
	cmp_ok(scalar(@tables), '>=', 5, 'there are some');
	for my $table (@tables)
	{
		is(sql("select string_agg(kind, ', ') from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as kind"
				. " where has_table_privilege('mallory', '$table', kind)") =~ s/^SELECT$//r,
			'', "$table can be read at most");
	}
	for my $table (qw(net.http_request_queue net._http_response net._installation net.access_rule))
	{
		denied("delete from $table", "delete from $table");
		denied("truncate $table", "truncate $table");
		denied("lock $table", "begin; lock table $table in share row exclusive mode");
		denied("trigger on $table", "create trigger t before insert on $table for each row execute function evil.fire()");
		denied("rule on $table", "create rule r as on insert to $table do also select evil.take('rule')");
		denied("index on $table", "create index on $table ((evil.upper('x')))");
		denied("policy on $table", "create policy p on $table using (true)");
		denied("foreign key to $table", "create unlogged table evil.child (id bigint references $table (id))")
		  if $table eq 'net.http_request_queue';
		denied("inherit $table", "create table evil.child () inherits ($table)");
		denied("owner of $table", "alter table $table owner to mallory");
	}
	denied('an insert by hand', "insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', '$url', 1)");
	denied('another id', "select setval('net.http_request_queue_id_seq', 1)");
	denied('the id', 'select last_value from net.http_request_queue_id_seq');
};

subtest 'the functions' => sub {
	is(sql("select string_agg(p.oid::regprocedure::text, ' ' order by proname) from pg_proc as p where pronamespace = 'net'::regnamespace"
			. " and not has_function_privilege('mallory', p.oid, 'EXECUTE')"),
		'net._not_replicated() net._policy_changed() net._queue_changed() net._queue_insert() net.set_durable(boolean) net.stat_reset(text) net.worker_restart()',
		'those of administrators, and no others, are not for everybody');
	denied('worker_restart', 'select net.worker_restart()');
	denied('set_durable', 'select net.set_durable(true)');
	denied('a function in net', 'create function net.http_get(text) returns bigint language sql as $$ select 1::bigint $$');
	denied('another function', 'create or replace function net.wake() returns void language sql as $$ select $$');
	denied('a definer', 'alter function net.wake() security definer');
	denied('a trigger with our function',
		'create table evil.mine (id int); create trigger t after delete on evil.mine for each statement execute function net._queue_changed()');
	denied('an event trigger', 'create event trigger t on ddl_command_start execute function evil.fire()');
	denied('the extension', 'drop extension pg_net');
	denied('the settings', "set pg_net.$_") for "denied_networks = ''", "ttl = '1 s'", 'batch_size = 1', 'max_in_flight = 1';
	denied('the settings of a role', "alter role mallory set pg_net.denied_networks = ''");
	denied('the worker', 'select pg_terminate_backend(' . current_worker($node) . ')');
	denied('triggers that are left out', 'set session_replication_role = replica');
};

subtest 'the rows of others' => sub {
	my $id = as('alice', qq(select net.http_get('$url/echo/alice', headers := '{"Authorization": "Bearer secret"}')));
	wait_response($node, $id);
	my $hidden = sql("insert into net.http_request_queue (method, url, timeout_milliseconds, role) values ('GET', '$url/echo/hidden', 1, 'alice') returning id");
	sql('grant insert, update, delete on net.http_request_queue, net._http_response to mallory, reader; grant usage on sequence net.http_request_queue_id_seq to mallory');

	# a function that looks cheap is asked before a condition that is not
	my $peek = 'create function evil.peek(text) returns boolean language plpgsql cost 0.0000001 as'
	  . q( $$ begin raise notice '%', $1; return false; end $$;);
	sql('alter table net._http_response disable row level security');
	as('mallory', $peek);
	my ($status, $out, $err) = $node->psql('postgres', 'set session authorization mallory; select * from net._http_response where evil.peek(content)');
	like($err, qr/secret/, 'without row level security a function sees them');
	sql('alter table net._http_response enable row level security');
	($status, $out, $err) = $node->psql('postgres', 'set session authorization mallory; select * from net._http_response where evil.peek(content)');
	is($err, '', 'with it, none');

	is(as('mallory', "select status, message from net._http_collect_response($id)"), "ERROR|request_id $id not found", 'none is collected');
	is(as('mallory', "select net._await_response($hidden)"), 'f', 'nor awaited');
	is(as('mallory', 'select count(*) from net.http_request_queue'), 0, 'none is read');
	is(as('mallory', 'copy net._http_response to stdout'), '', 'nor copied');
	like(as('mallory', 'set row_security = off; select * from net._http_response'), qr/^42501: /, 'nor with row_security off');
	is(as('mallory', "analyze net._http_response; select count(*) from pg_stats where schemaname = 'net'"), 0, 'nor from the statistics');
	is(as('mallory', "delete from net.http_request_queue; update net._http_response set role = 'mallory'; select 1"), 1,
		'statements that change them');
	is(sql("select count(*) from net.http_request_queue where id = $hidden"), 1, 'find none to delete');
	is(sql("select role from net._http_response where id = $id"), 'alice', 'nor to change');
	like(as('mallory', "insert into net.http_request_queue (method, url, timeout_milliseconds, role) values ('GET', '$url', 1, $_)"),
		qr/^42501: new row violates row-level security/, "a row of $_ is refused")
	  for "'alice'", "'postgres'", 'null';

	is(as('reader', 'select count(*) from net._http_response where id = ' . $id), 1, 'pg_read_all_data reads all');
	is(as('reader', 'delete from net._http_response; delete from net.http_request_queue; select 1'), 1, 'and when it may delete');
	is(sql("select count(*) from net._http_response where id = $id"), 1, 'deletes none of others');
	like(as('reader', "update net._http_response set role = 'reader'; select count(*) from net._http_response where role = 'reader'::regrole"), qr/^0$/,
		'and takes none');
	is(as('writer', "update net._installation set uncharged = 3; delete from net._no_crash; select 1"), 1, 'pg_write_all_data may write');
	is(sql('select count(*) from net._no_crash, net._installation where uncharged = 0'), 1, 'but not what the worker keeps');
	sql("delete from net.http_request_queue where id = $hidden",
		'; revoke insert, update, delete on net.http_request_queue, net._http_response from mallory, reader; revoke all on sequence net.http_request_queue_id_seq from mallory');
};

subtest 'names in other schemas' => sub {
	my $path = 'set search_path = evil, net, pg_catalog, public;';
	my $steps = "select net.http_get('$url/echo/path'); select net._http_collect_response(1); select net._await_response(1);"
	  . "select count(*) from net._http_response; select count(*) from net.http_request_queue; select net._urlencode_string('x')";

	# somebody's function for everybody, which forgot its own search_path
	sql("create function public.careless() returns text language plpgsql security definer as"
		  . q( $$ begin return upper('x') || (1::bigint = 1::bigint); end $$));
	as('mallory', "$path select public.careless()");
	is(loot(), "postgres|same\npostgres|upper", 'such a function falls into the trap');

	sql('create function public.wraps() returns bigint language plpgsql security definer as $$ declare id bigint; begin'
		  . " id := net.http_get('$url/echo/wraps'); perform net._http_collect_response(id - 1); perform net._await_response(id - 1);"
		  . " perform net.http_post('$url/echo', '{}'), net.http_delete('$url/echo'), net.wake(), count(*) from net._http_response; return id; end \$\$");
	my $id = as('mallory', "$path select public.wraps()");
	wait_response($node, $id);
	is(loot(), '', 'one that calls ours does not');
	is(sql("select role from net._http_response where id = $id"), 'postgres', 'and its owner is who asked');
	like(as('mallory', "$path $steps"), qr/^\d+\n/, 'our functions work with any search_path');
	is(loot(), '', 'and do not follow it');
};

subtest 'triggers of an administrator' => sub {
	sql("create table public.audit (who text, path text, role text, url text)",
		'; create function public.audit() returns trigger language plpgsql as $$ begin'
		  . " insert into public.audit values (current_user, current_setting('search_path'), current_setting('role'), upper('x')); return new; end \$\$");
	as('mallory', 'create table evil.bait (id int); create trigger t before insert on evil.bait for each row execute function public.audit()');
	as('postgres', 'set search_path = evil, pg_catalog; insert into evil.bait values (1)');
	is(loot(), 'postgres|upper', 'a trigger function without a search_path falls into the trap');
	sql('truncate public.audit');

	sql("create trigger audit before insert on net.$_ for each row execute function public.audit()") for qw(http_request_queue _http_response);
	my $id = as('mallory', "set search_path = evil, pg_catalog; select net.http_get('$url/echo/trigger')");
	wait_response($node, $id);
	is(sql('select distinct who, path from public.audit'), 'postgres|pg_catalog, pg_temp', 'ours run as the owner, with a search_path of their own');
	is(sql('select count(*) from public.audit'), 2, 'in the session and in the worker');
	is(loot(), '', 'and do not fall into it');

	for my $more ('set role alice', 'set session authorization alice', 'create temp table t (id int)', 'reset role', "perform set_config('role', 'alice', false)")
	{
		my $call = $more =~ /^perform/ ? $more : "execute '$more'";
		sql("create or replace function public.audit() returns trigger language plpgsql as \$\$ begin $call; return new; end \$\$");
		like(as('mallory', "select net.http_get('$url/echo/restricted')"), qr/^42501: .*security-(restricted operation|definer function)/, "no $more");
	}
	sql("drop trigger audit on net.$_") for qw(http_request_queue _http_response);
	is(as('mallory', "select net.http_get('$url/echo'); select current_user") =~ s/^\d+\n//r, 'mallory', 'the caller is who it was');
};

subtest 'before the extension is there' => sub {
	sql("create database $_") for qw(squatted trapped);
	sql_in('squatted', 'grant create on database squatted to mallory');
	is(as('mallory', 'create schema net; create table net.http_request_queue (id int)', database => 'squatted'), '', 'a schema of that name');
	like(as('postgres', 'create extension pg_net', database => 'squatted'), qr/^42P06: schema "net" already exists/, 'is not taken over');

	sql_in('trapped', "grant create on schema public to mallory; $trap");
	as('mallory', 'create function public.pg_has_role(regrole, text) returns boolean language plpgsql as'
		  . q( $$ begin perform evil.take('pg_has_role'); return true; end $$;)
		  . 'create function public.pg_has_role(text, text) returns boolean language plpgsql as'
		  . q( $$ begin perform evil.take('pg_has_role'); return true; end $$;)
		  . 'create function public.quote_ident(name) returns text language plpgsql as'
		  . q( $$ begin perform evil.take('quote_ident'); return $1; end $$;)
		  . 'create function public.nextval(text) returns bigint language plpgsql as'
		  . q( $$ begin perform evil.take('nextval'); return 1; end $$;), database => 'trapped');
	as('postgres', "select pg_has_role('alice'::regrole, 'USAGE'), pg_has_role('pg_read_all_data', 'USAGE'), quote_ident(current_user)",
		database => 'trapped');
	is(loot('trapped'), "postgres|pg_has_role\npostgres|quote_ident", 'functions in the schema of a session are found before those meant');

	is(as('postgres', "set search_path = public, evil; create extension pg_net; show search_path", database => 'trapped') =~ s/^.*\n//sr,
		'public, evil', 'the extension is created, and the session as before');
	as('alice', 'select * from net._http_response, net.http_request_queue', database => 'trapped');
	as('postgres', "insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', '$url', 1)", database => 'trapped');
	as('alice', 'explain analyze select * from net.http_request_queue', database => 'trapped');
	is(loot('trapped'), '', 'and nothing of it means them');
};

subtest 'roles that are dropped' => sub {
	# what they made themselves
	sql_in($_, 'drop owned by mallory cascade') for qw(postgres squatted trapped);
	is(as('postgres', 'drop role mallory, alice, reader, writer'), '', 'leave no trace that is in the way');
};

is(sql('select count(*) from pg_roles where rolsuper'), 1, 'and there is one superuser');
$node->stop;
done_testing();
