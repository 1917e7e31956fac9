# ALTER EXTENSION pg_net UPDATE from the public pg_net, with an application on
# top of it: nothing that exists stops working.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('update');
my $catalog = 'test/data/pg_net-0.20.sql';

sub count { my ($database, $of) = @_; return sql_in($database, "select count(*) from $of") }

# A database with that version, and an application.
sub old_database
{
	my ($version, $database) = @_;
	sql("create database $database");
	my ($rc, $out, $err) = $node->psql($database, slurp_file($catalog), extra_params => [ '-v', "version=$version" ], on_error_stop => 1);
	is($rc, 0, "$version: the catalog") or BAIL_OUT($err);
	sql_in($database, <<"END");
do \$\$ begin create role app; create role clerk; exception when duplicate_object then null; end \$\$;
create table orders (id int primary key, status text);
grant all on orders to app;
create function notify() returns trigger language plpgsql as \$\$
  begin perform net.http_post('$url/echo/orders', to_jsonb(new), '{}', '{"Content-Type": "application/json"}', 1000); return new; end \$\$;
create trigger notify after insert on orders for each row execute function notify();
create view answers as select * from net._http_response;
create function answer(wanted bigint) returns setof net._http_response language sql as 'select * from net._http_response where id = wanted';
create table seen (id bigint);
create function see() returns trigger language plpgsql set search_path = public as \$\$ begin insert into seen values (new.id); return new; end \$\$;
create function see_unsafely() returns trigger language plpgsql as \$\$ begin insert into seen values (-new.id); return new; end \$\$;
create trigger see after insert on net._http_response for each row execute function see();
create trigger see_unsafely after insert on net._http_response for each row execute function see_unsafely();
alter table net._http_response add column note text;
create index _http_response_id_idx on net._http_response (id);
alter function net.http_get(text, jsonb, jsonb, integer) security definer set search_path = net, pg_temp;
alter function net.http_get(text, jsonb, jsonb, integer) set statement_timeout = '5min';
revoke all on function net.http_delete from public;
grant execute on function net.http_delete to app;
grant select, delete on net._http_response to clerk;
insert into net._http_response (id, status_code, headers, content, timed_out, created, note)
  select n, 200, '{"a": "b"}', 'old ' || n, false, now(), 'mine' from generate_series(1, 5) n;
select setval('net.http_request_queue_id_seq', 5);
truncate seen;
END
	return;
}

for my $version (qw(0.20.4 0.19.5 0.14.0))
{
	(my $database = "from_$version") =~ s/\./_/g;
	old_database($version, $database);

	# What waits, from an application and by hand; and an id that is there twice.
	# The worker must not take it before the update, in this test.
	my $lock = $node->background_psql($database);
	$lock->query_safe('begin; lock table net.http_request_queue, net._http_response in share row exclusive mode');
	$lock->query_safe("set role app; insert into public.orders values (1, 'new'); reset role");
	$lock->query_safe("insert into net.http_request_queue (id, method, url, headers, timeout_milliseconds) values (6, 'get', '$url/echo/twice', '{}', 1000)");
	my @waiting = split /\n/, $lock->query_safe('select id from net.http_request_queue order by ctid');
	is("@waiting", '6 6', "$version: two rows wait");
	$lock->query_safe('create table copies () inherits (net.http_request_queue); insert into copies select * from net.http_request_queue');
	$lock->query('alter extension pg_net update');
	my $warnings = $lock->{stderr};
	$lock->{stderr} = '';
	my ($mend) = $warnings =~ /HINT:\s+(ALTER FUNCTION .*)/;
	$lock->query_safe($mend);
	$lock->query_safe('commit');
	$lock->quit;
	like($warnings, qr/1 rows of net.http_request_queue had the id of another row/, '... one of them has a new id');
	like($warnings, qr/trigger "see_unsafely" on net._http_response runs with search_path = pg_catalog, pg_temp.*HINT:\s+ALTER FUNCTION public.see_unsafely\(\) SET search_path = "\$user", public, pg_temp/s, '... and a trigger needs a search_path');
	unlike($warnings, qr/trigger "see" /, '... which another one has');

	is(sql_in($database, "select extversion from pg_extension where extname = 'pg_net'"), '1.0.0', '... it is the new version');
	wait_sql('select count(*) from only net.http_request_queue', 0, $database);
	is(sql_in($database, 'select string_agg(format(\'%s %s\', id, status_code), \',\' order by id) from net._http_response where id > 5'), '6 200,7 200', '... what waited was sent');
	is(sql_in($database, 'select string_agg(id::text, \',\') from copies'), '6,6', '... a table that inherits from the queue has its rows');
	is(sql_in($database, 'select string_agg(id::text, \',\' order by id) from seen'), '-7,-6,6,7', '... triggers of the user fired');
	is(sql_in($database, 'set role app; select count(*) from net._http_response where id <= 5'), 5, '... a role sees what it saw');
	is(sql_in($database, 'set role app; select status, message, (response).body from net._http_collect_response(3)'), 'SUCCESS|ok|old 3', '... also by its id');
	is(sql_in($database, 'select count(*) from answers'), 7, '... a view works');
	is(sql_in($database, 'select content, note from answer(2)'), 'old 2|mine', '... a function with its row type, and a column of the user');
	like(sql_in($database, 'select net.http_post(\'' . "$url/echo/next')"), qr/^8$/, '... ids go on');

	is(sql_in($database, q(select prosecdef, proconfig from pg_proc where oid = 'net.http_get(text, jsonb, jsonb, integer)'::regprocedure)),
		't|{"search_path=net, pg_temp",statement_timeout=5min}', '... SECURITY DEFINER and settings of a function stay');
	is(sql_in($database, q(select string_agg(proname || ' ' || pg_get_function_arguments(oid), E'\n' order by proname) from pg_proc
		where proname in ('http_get', 'http_post', 'http_delete') and pg_get_function_arguments(oid) !~ 'timeout_milliseconds integer DEFAULT 5000')), '', '... and the timeouts of calls');
	is(sql_in($database, "set role app; select net.http_delete('$url/echo/delete') is not null"), 't', '... a grant stays');
	like(failure("set role clerk; select net.http_delete('$url/echo/delete')", $database), qr/42501/, '... a REVOKE, too');
	is(sql_in($database, q(set role clerk; with d as (delete from net._http_response where id = 1 returning 1) select count(*) from d)), '0', '... rows of nobody cannot be deleted by a role with a grant');
	like(failure("set role app; insert into net.http_request_queue (method, url, timeout_milliseconds) values ('get', '$url', 1)", $database), qr/42501/, '... PUBLIC cannot write to the tables any more');
	like(failure("set role app; create trigger t after insert on net._http_response for each row execute function public.see()", $database), qr/42501/, '... or have triggers there');

	# It is what CREATE EXTENSION makes, but for what is said above.
	my $inventory = <<'END';
select format('%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) from pg_attribute a join pg_class c on c.oid = a.attrelid
  where c.relnamespace = 'net'::regnamespace and a.attnum > 0 and c.relname !~ 'before_update'
union all select format('%s %s %s %s', c.relname, t.tgname, t.tgenabled, t.tgtype) from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'net'::regnamespace
union all select format('%s %s %s', tablename, policyname, qual) from pg_policies where schemaname = 'net'
union all select format('%s %s %s', oid::regprocedure, format('%s%s%s%s', provolatile, proparallel, proisstrict, prokind), prosrc) from pg_proc where pronamespace = 'net'::regnamespace
union all select format('%s %s', conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace = 'net'::regnamespace
union all select format('%s %s %s %s %s', relname, relkind, relpersistence, relrowsecurity, relreplident) from pg_class where relnamespace = 'net'::regnamespace and relname !~ 'before_update|toast'
union all select pg_describe_object(classid, objid, objsubid) from pg_depend where refclassid = 'pg_extension'::regclass and refobjid = (select oid from pg_extension where extname = 'pg_net') and deptype = 'e'
union all select format('comment %s', obj_description(oid, 'pg_class')) from pg_class where relnamespace = 'net'::regnamespace
union all select format('%s %s', extconfig::regclass[], extcondition) from pg_extension where extname = 'pg_net'
END
	my %fresh = map { $_ => 1 } split /\n/, sql($inventory);
	my %updated = map { $_ => 1 } split /\n/, sql_in($database, $inventory);
	my @missing = sort grep { !$updated{$_} } keys %fresh;
	my @more = sort grep { !$fresh{$_} } keys %updated;
	is_deeply(\@missing, [], '... nothing of a new installation is missing');
	is_deeply([ grep { !/earlier_|see|note text|_before_update/ } @more ], [], '... and nothing more is there');
}

# What administrators do to it.
subtest 'a changed catalog' => sub {
	old_database('0.20.4', 'changed');
	sql_in('changed', <<"END");
create role admin superuser;
do \$\$ declare o text; begin
  for o in select format('alter %s %s owner to admin', case relkind when 'S' then 'sequence' else 'table' end, oid::regclass) from pg_class
    where relnamespace = 'net'::regnamespace and relkind = 'r' loop execute o; end loop; end \$\$;
alter table net.http_request_queue add constraint mine primary key (id);
create index http_request_queue_due_idx on net.http_request_queue (url);
create view waiting as select id, url from net.http_request_queue;
create policy mine on net._http_response for select to clerk using (true);
alter table net._http_response set logged;
grant insert on net.http_request_queue to clerk;
revoke select on net._http_response from public;
create function grant_net() returns event_trigger language plpgsql as \$\$ begin grant usage on schema net to app; end \$\$;
create event trigger grant_net on ddl_command_end when tag in ('CREATE EXTENSION') execute function grant_net();
END
	sql_in('changed', 'alter extension pg_net update');
	is(sql_in('changed', q(select string_agg(distinct pg_get_userbyid(relowner), ',') from pg_class where relnamespace = 'net'::regnamespace)), 'admin', 'all tables have one owner');
	is(sql_in('changed', q(select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = 'net.http_request_queue'::regclass and contype = 'p')),
		'http_request_queue_pkey|PRIMARY KEY (id)', 'the primary key is used');
	is(sql_in('changed', q(select string_agg(indexdef, E'\n' order by indexdef) from pg_indexes where indexname like 'http_request_queue_due_idx%')),
		"CREATE INDEX http_request_queue_due_idx ON net.http_request_queue USING btree (due, id) WHERE (due IS NOT NULL)\n"
		  . 'CREATE INDEX http_request_queue_due_idx_before_update ON net.http_request_queue USING btree (url)', 'an index of the same name has another one');
	is(sql_in('changed', q(select relpersistence from pg_class where oid = 'net._http_response'::regclass)), 'p', 'a logged table stays logged');
	like(failure('set role app; select from net._http_response', 'changed'), qr/42501/, 'what PUBLIC could not read it still cannot');
	is(sql_in('changed', 'set role clerk; select count(*) from net._http_response'), 5, 'policies and grants of users hold');
	is(sql_in('changed', q(set role clerk; select has_table_privilege('net.http_request_queue', 'insert'))), 't', 'so do others');
	my $id = sql_in('changed', "select net.http_get('$url/echo/changed')");
	wait_queue_empty('changed');
	is(sql_in('changed', "select status_code from net._http_response where id = $id"), 200, 'and requests are sent');
	is(sql_in('changed', 'select count(*) from waiting'), 0, 'a view works');
	is(sql_in('changed', "insert into net.endpoint (name, url) values ('here', '$url'); select net.http_get('net://here/echo/endpoint') is not null"), 't', 'endpoints, too');
	wait_queue_empty('changed');
};

# What stands in the way is said, and nothing is changed.
subtest 'refused' => sub {
	old_database('0.20.4', 'refused');
	sql_in('refused', 'alter table net._http_response add column method text');
	like(failure('alter extension pg_net update', 'refused'), qr/column "method" of relation "_http_response" already exists/, 'a column of that name');
	is(sql_in('refused', q(select extversion, (select count(*) from pg_policies where schemaname = 'net') from pg_extension where extname = 'pg_net')), '0.20.4|0', 'nothing is changed');
	sql_in('refused', 'alter table net._http_response rename method to my_method');
	sql_in('refused', 'alter extension pg_net update');
	pass('until it has another one');

	old_database('0.14.0', 'in_use');
	sql_in('in_use', "create view deletes as select net.http_delete('$url/echo/x') as id");
	like(failure('alter extension pg_net update', 'in_use'), qr/view public\.deletes depends on function net\.http_delete/, 'a view of a function that has another argument');
};

# Between the restart with the new library and the update: calls work, what is
# queued is sent, by the application's triggers, too; and the log says what to do.
for my $version (qw(0.20.4 0.14.0))
{
	(my $database = "with_$version") =~ s/\./_/g;
	old_database($version, $database);
	sql_in($database, "insert into net.http_request_queue (method, url, headers, timeout_milliseconds) select 'GET', '$url/echo/waits', '{}', 1000 from generate_series(1, 3)");
	my $offset = -s $node->logfile;
	$node->restart;
	wait_queue_empty($database);
	is(count($database, 'net._http_response where id > 5 and status_code = 200'), 3, "$version, not updated: what waited is sent");
	wait_for('the log', sub { log_contains($node, qr/WARNING:  pg_net is \Q$version\E in database "$database", and 1.0.0 on the server\n.*\n.*HINT:  Run ALTER EXTENSION pg_net UPDATE in that database/, $offset) });
	is(sql_in($database, "set role app; insert into public.orders values (1, 'new') returning id"), 1, '... the application goes on');
	wait_queue_empty($database);
	is(sql_in($database, 'select status_code, (content::jsonb->>\'body\')::jsonb from net._http_response order by id desc limit 1'), '200|{"id": 1, "status": "new"}', '... and its request is sent');
	is(sql_in($database, 'select string_agg(id::text, \',\' order by id) from seen'), '-9,-8,-7,-6,6,7,8,9', '... triggers on the responses fire as they did');
	is(sql_in($database, "set role app; select status, message from net._http_collect_response(9)"), 'SUCCESS|ok', '... responses are found');
	my $id = sql_in($database, "select net.http_get('$url/wait?file=never', timeout_milliseconds := 100)");
	wait_queue_empty($database);
	like(sql_in($database, "select timed_out, error_msg from net._http_response where id = $id"), qr/^t\|Timeout of 100 ms reached/, '... so is a failure');
	is(sql_in($database, 'select net.check_worker_is_up() is not null'), 't', '... there is a worker');
	is(sql_in($database, 'select net.worker_restart()'), 't', '... which can be restarted');
	is(sql_in($database, "select net._urlencode_string('a b'), net._urlencode_string(null) is null"), 'a%20b|t', '... functions work');
	sql_in($database, "update net._http_response set created = now() - interval '1 day' where id = 1");
	$node->restart;
	wait_sql('select count(*) from net._http_response where id = 1', 0, $database);
	pass('... responses expire');

	my @ids = split /\n/, sql_in($database, "select net.http_get('$url/delay/0.2?$version-flight-' || n, timeout_milliseconds := 10000) from generate_series(1, 50) n");
	sql_in($database, 'alter extension pg_net update');
	wait_queue_empty($database);
	is(count($database, 'net._http_response where status_code = 200 and role is null and id in (' . join(',', @ids) . ')'), 50, '... an update with requests in flight loses none');
	is(scalar $server->arrivals_of(qr/delay.0\.2.$version-flight/), 50, '... and each was sent once');
	is(sql_in($database, "select net.http_request('GET', '$url/echo/new') is not null"), 't', '... what is new works then');
	wait_queue_empty($database);
}

# Another version of that catalog, for which there is no script.
{
	old_database('0.20.4', 'unknown');
	sql_in('unknown', "set allow_system_table_mods = on; update pg_extension set extversion = '0.8.0' where extname = 'pg_net'");
	my $offset = -s $node->logfile;
	$node->restart;
	wait_for('the log', sub { log_contains($node, qr/WARNING:  pg_net is 0\.8\.0 in database "unknown".*\n.*\n.*HINT:  Update it to 0\.20\.4 first/, $offset) });
	my $id = sql_in('unknown', "select net.http_get('$url/echo/unknown')");
	wait_queue_empty('unknown');
	is(sql_in('unknown', "select status_code from net._http_response where id = $id"), 200, 'a version without an update is served');
}

# Whoever is too old is told so.
like(failure(q(alter extension pg_net update to '0.18.0')), qr/no update path/, 'no way back');

done_testing();
