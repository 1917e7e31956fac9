# Users change the two tables: columns, indexes, constraints, triggers, rules.
# All of it is honoured, with the rights of the tables' owner; nothing but rules
# and the like takes a plan; and what one row meets is that row's trouble.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('changed');

# What a session with statements of the role "caller" prints and says.
sub as_caller
{
	my ($status, $out, $err) = $node->psql('postgres', join "\n", '\set VERBOSITY verbose', '\set ON_ERROR_STOP 0', 'set session authorization caller;', @_);
	return ($out, $err);
}

# Does a call take a plan of an INSERT?
my $explains = has_library('auto_explain');

sub call_is_planned
{
	my ($status, $out, $err) = $node->psql('postgres', <<"END");
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set client_min_messages = log;
select net.http_get('$url/echo/explained');
END
	return $err =~ /Query Text: INSERT INTO net\.http_request_queue/ || 0;
}

# Who ran what, and with which search_path.
sql(<<'END');
create role caller;
create table public.ran (what text, who text default current_user, path text default current_setting('search_path'));
create function public.note(what text) returns void language sql as 'insert into public.ran values (what)';
create function public.fire() returns trigger language plpgsql as $$
begin perform public.note(tg_when || ' ' || tg_level); return new; end $$;
create function public.noted(bigint) returns bigint immutable language plpgsql as $$
begin perform public.note('function'); return $1; end $$;
END
my $owner = sql(q(select tableowner from pg_tables where tablename = 'http_request_queue'));

# A call of an ordinary role, which is answered; its id.
sub call
{
	my ($name) = @_;
	my ($id, $err) = as_caller("set search_path = public, net; select net.http_get('$url/echo/$name');");

	like($id, qr/^\d+$/, "$name: a call") or diag($err);
	is(wait_response($node, $id)->{status_code}, 200, "$name: its response");
	return $id;
}

# A call that is refused.
sub refused
{
	my ($name, $message, @call) = @_;
	my $start = -s $node->logfile;
	my $call = join '', @call ? @call : "select net.http_get('$url/echo/refused', headers := '{\"X-Secret\": \"hush\"}');";
	my ($out, $err) = as_caller($call);

	like($err, $message, "$name: refused");
	unlike($err, qr/Failing row/, "$name: without telling headers");
	isnt($node->psql('postgres', $call), 0, "$name: a superuser is refused, too");
	ok(!log_contains($node, qr/Failing row/, $start), "$name: the log does not tell either");
	return;
}

# Who ran what since the last look.
sub ran { return sql('select distinct what, who, path from public.ran order by what; truncate public.ran') }

sub as_owner { return join "\n", map { qq($_|$owner|pg_catalog, pg_temp) } @_ }

my $queue = 'net.http_request_queue';

# Change the queue, call, look, and change it back.
sub changed
{
	my ($name, $up, $down, %opts) = @_;

	subtest "queue: $name" => sub {
		# the row stays as long as its worker does not see it
		sql($up);
		is(call_is_planned(), $opts{planned} // 0, $opts{planned} ? 'a statement' : 'no statement') if $explains && !$opts{no_call};
		sql('truncate public.ran');
		my $id = call($name =~ s/\W+/-/gr) unless $opts{no_call};
		is(ran(), as_owner(@{ $opts{ran} }), 'who ran what') if $opts{ran};
		$opts{then}->($id) if $opts{then};
		sql($down);
	};
	return;
}

# What a call puts into an expression over its row, in a transaction that ends.
sub row_of_call
{
	my ($expression) = @_;
	my ($out) = sql("begin; select net.http_get('$url/echo/row') as id \\gset\n select $expression from $queue where id = :id; rollback");
	return $out;
}

subtest 'queue: as it was made' => sub {
	is(call_is_planned(), 0, 'no statement') if $explains;
	call('unchanged');
	is(row_of_call('queued = now()'), 't', 'since when it waits');
};

changed('columns', "alter table $queue add a text, add b text default 'x', add c timestamptz default clock_timestamp(), add d int generated always as identity",
	"alter table $queue drop a, drop b, drop c, drop d", then => sub {
	is(row_of_call("a is null, b, c between now() and clock_timestamp(), d > 0"), 't|x|t|t', 'their defaults');
});
changed('a column that was dropped', 'select 1', 'select 1');
changed('a default of a user', "alter table $queue add a bigint default public.noted(1)", "alter table $queue drop a", ran => ['function']);
changed('a generated column', "alter table $queue add a int generated always as (timeout_milliseconds * 2) stored", "alter table $queue drop a",
	then => sub { is(row_of_call('a'), 4000, 'its value') });
changed('a column of a domain', "create domain public.filled as text not null check (value <> ''); alter table $queue add a public.filled default 'x'",
	"alter table $queue drop a; drop domain public.filled", planned => 1, then => sub {
	sql("alter table $queue alter a drop default");
	refused('null', qr/ERROR:  23502/);
});
changed('a column of another type', "alter table $queue alter ordering_key type varchar(60)", "alter table $queue alter ordering_key type text", planned => 1, then => sub {
	refused('too long', qr/ERROR:  22001/, "select net.http_request('GET', '$url/echo/', ordering_key := '" . 'x' x 61 . "');");
});
changed('NOT NULL', "alter table $queue alter headers set not null", "alter table $queue alter headers drop not null", then => sub {
	refused('null', qr/ERROR:  23502: null value in column "headers"/, "select net.http_get('$url', headers := null, params := '{\"secret\": \"hush\"}');");
});

changed('a check', "alter table $queue add constraint no_refused check (url not like '%refused')", "alter table $queue drop constraint no_refused", then => sub {
	refused('violated', qr/ERROR:  23514: .*"no_refused"/);
	my ($out, $err) = as_caller("begin; select net.http_get('$url/echo/before-it'); savepoint s; select net.http_get('$url/echo/refused');"
		. " rollback to s; select net.http_get('$url/echo/after-it'); commit;");
	is(scalar(() = $out =~ /^\d+$/mg), 2, 'a savepoint takes back one call') or diag($err);
	wait_for('those before and after it', sub { $server->arrivals_of(qr{/echo/(before|after)-it}) == 2 });
});
changed('a check of a user', "alter table $queue add constraint noted check (public.noted(id) > 0)", "alter table $queue drop constraint noted", ran => ['function'], then => sub {
	sql("alter table $queue add constraint never check (public.noted(id) < 0) not valid");
	refused('violated', qr/ERROR:  23514: .*"never"/);
	sql("alter table $queue drop constraint never");
});
changed('a foreign key', "create table public.hosts (name text primary key); insert into public.hosts values ('here');"
	  . " alter table $queue add host text default 'here' references public.hosts",
	"alter table $queue drop host; drop table public.hosts", then => sub {
	sql("alter table $queue alter host set default 'elsewhere'");
	refused('violated', qr/ERROR:  23503/);
});

for my $index ('(role)', '(id) include (url)', '(url) where headers is null', 'using hash (url)', 'using gin (headers)', 'using brin (id)')
{
	changed("an index $index", "create index added on $queue $index", 'drop index net.added');
}
changed('an index of a user', "create index added on $queue (public.noted(id))", 'drop index net.added', ran => ['function']);
for my $unique ('(url)', '(url) deferrable')
{
	changed("unique $unique", "alter table $queue add constraint once unique $unique", "alter table $queue drop constraint once", then => sub {
		refused('a second', qr/ERROR:  23505/, "begin; select net.http_get('$url/echo/once'); select net.http_get('$url/echo/once');");
	});
}
changed('an exclusion', "alter table $queue add constraint once exclude (url with =)", "alter table $queue drop constraint once", then => sub {
	refused('a second', qr/ERROR:  23P01/, "begin; select net.http_get('$url/echo/once'); select net.http_get('$url/echo/once');");
});

for my $when ('before', 'after')
{
	for my $level ('row', 'statement')
	{
		changed("a trigger $when each $level", "create trigger added $when insert on $queue for each $level execute function public.fire()",
			"drop trigger added on $queue", ran => [ uc "$when $level" ]);
	}
}
changed('a trigger on a deleted row', "create function public.gone() returns trigger language plpgsql as \$\$ begin perform public.note('gone'); return old; end \$\$;"
	  . " create trigger added before delete on $queue for each row execute function public.gone()",
	'drop function public.gone cascade', ran => ['gone']);
changed('a trigger with all new rows', "create trigger added after insert on $queue referencing new table as fresh for each statement execute function public.fire()",
	"drop trigger added on $queue", planned => 1, ran => ['AFTER STATEMENT']);
changed('a trigger that changes the row', 'create function public.act() returns trigger language plpgsql as $$'
	  . " begin new.url := replace(new.url, 'to-change', 'changed'); return new; end \$\$; create trigger added before insert on $queue for each row execute function public.act()",
	'drop function public.act cascade', then => sub {
	call('to-change');
	is($server->arrivals_of('/echo/changed') + 0, 1, 'what it made of it is sent');
});
changed('a trigger that takes rows away', 'create function public.act() returns trigger language plpgsql as'
	  . " \$\$ begin return null; end \$\$; create trigger added before insert on $queue for each row execute function public.act()",
	'drop function public.act cascade', no_call => 1, then => sub { refused('taken away', qr/ERROR:  55000: .*the request was not queued/) });
for my $when ('before', 'after')
{
	changed("a trigger that calls, $when", 'create function public.act() returns trigger language plpgsql as'
		  . " \$\$ begin if new.url like '%first' then perform net.http_get('$url/echo/second-$when'); end if; return new; end \$\$;"
		  . " create trigger added $when insert on $queue for each row execute function public.act()",
		'drop function public.act cascade', then => sub {
		as_caller("select net.http_get('$url/echo/first') from generate_series(1, 3);");
		wait_for('what it queued', sub { $server->arrivals_of("/echo/second-$when") == 3 });
		is($server->arrivals_of('/echo/first') + 0, $when eq 'before' ? 3 : 6, 'and the calls');
	});
}
changed('a trigger that catches', 'create function public.act() returns trigger language plpgsql as $$ begin'
	  . " begin perform net.http_get('$url'); exception when check_violation then perform public.note('caught'); end; return new; end \$\$;"
	  . " alter table $queue add constraint not_root check (url not like '%/');"
	  . " create trigger added before insert on $queue for each row when (new.url like '%/echo/%') execute function public.act()",
	"drop function public.act cascade; alter table $queue drop constraint not_root", ran => ['caught']);

changed('a rule', "create rule added as on insert to $queue do also select public.note('rule')", "drop rule added on $queue", planned => 1);
changed('a rule instead', "create rule added as on insert to $queue do instead nothing", "drop rule added on $queue", no_call => 1,
	then => sub { refused('taken away', qr/ERROR:  (55000|0A000)/) });

subtest 'queue: a partition' => sub {
	sql("create table public.whole (like $queue including defaults) partition by range (id);"
		  . " alter table public.whole attach partition $queue for values from (1) to (1000000)");
	call('partition');
	sql("select setval('net.http_request_queue_id_seq', 1000000)");
	refused('beyond its bounds', qr/ERROR:  23514: .*partition constraint/, "select net.http_get('$url/echo/refused');");
	sql("alter table public.whole detach partition $queue; drop table public.whole");
	call('detached');
};

subtest 'queue: a child' => sub {
	sql("create table public.child () inherits ($queue)");
	call('parent');
	sql("insert into public.child (method, url, timeout_milliseconds) values ('GET', '$url/echo/child', 2000); select net.wake()");
	call('after');
	is($server->arrivals_of('/echo/child'), 0, 'rows of the child are not sent');
	sql('drop table public.child');
};

subtest 'queue: changes between the calls of a transaction' => sub {
	my ($status, $out, $err) = $node->psql('postgres', <<"END");
\\set ON_ERROR_STOP 0
create function public.limit_of(bigint) returns boolean immutable language sql as 'select true';
begin;
alter table $queue add constraint limited check (public.limit_of(id));
select net.http_get('$url/echo/one');
create or replace function public.limit_of(bigint) returns boolean immutable language sql as 'select false';
savepoint s;
select net.http_get('$url/echo/two');
rollback to s;
alter table $queue drop constraint limited;
alter table $queue add a text default 'a';
select net.http_get('$url/echo/three');
create index added on $queue (a);
create trigger added before insert on $queue for each row execute function public.fire();
select net.http_get('$url/echo/four');
drop trigger added on $queue;
select net.http_get('$url/echo/five') as id \\gset
set enable_seqscan = off;
set jit = off;
select count(*), (select count(*) from public.ran) from $queue where a = 'a' and id <= :id;
drop index net.added;
alter table $queue drop a;
commit;
drop function public.limit_of;
END
	like($err, qr/"limited"/, 'a function that was replaced') or diag($out);
	like($out, qr/^4\|1$/m, 'a column, an index and a trigger that were added');
	wait_for('all of them', sub { $server->arrivals_of(qr{/echo/(one|three|four|five)$}) == 4 });
};

subtest 'queue: memory of calls, good ones and bad ones in turns' => sub {
	# from 18 on contexts have a path, of numbers, in place of the parent's name
	my $within = sql('show server_version_num') >= 180000
	  ? "exists (select from contexts w where w.name = 'pg_net row writer' and c.path \@> w.path)"
	  : "name = 'pg_net row writer' or parent = 'pg_net row writer'";
	my $out = sql(<<"END");
alter table $queue add constraint not_bad check (url not like '%/bad');
create trigger added before insert on $queue for each row execute function public.fire();
begin;
do \$\$ begin
for i in 1 .. 300 loop
	perform net.http_get('$url/echo/good');
	begin perform net.http_get('$url/bad'); exception when check_violation then null; end;
end loop;
end \$\$;
with contexts as materialized (select * from pg_backend_memory_contexts)
select count(*) filter (where url like '%/good'), (select sum(used_bytes) < 100000 from contexts c where $within) from $queue;
rollback;
drop trigger added on $queue;
alter table $queue drop constraint not_bad;
END
	is($out, '300|t', 'what is kept for a transaction does not grow');
};

#
# The responses
#

my $log = 'net._http_response';

# Change the response table, have some recorded, look, and change it back.
sub responses
{
	my ($name, $up, $down, %opts) = @_;
	my $fails = $opts{fails} // 0;

	subtest "responses: $name" => sub {
		wait_for('the queue to be empty', sub { sql("select count(*) = 0 from $queue") eq 't' });
		my $start = -s $node->logfile;

		sql("truncate $log; truncate public.ran; $up");
		sql("select net.http_get('$url/status/' || case when i % 10 = 0 then 404 else 200 end) from generate_series(1, 40) as i");
		wait_for('the responses', sub { sql("select count(*) = 0 from $queue") eq 't' });
		is(sql("select count(*) filter (where status_code = 200), count(*) filter (where status_code = 404) from $log where url like '%/status/%'"), '36|' . (4 - $fails), 'all are recorded');
		my $said = () = slurp_file($node->logfile, $start) =~ /WARNING:.*could not (?:record|store) the response of request \d+/g;
		is($said > 0, $fails > 0, 'the log names those that cannot be');
		is(sql("select $opts{look} from $log"), $opts{is}, 'what they have') if $opts{look};
		is(ran(), as_owner(@{ $opts{ran} }), 'who ran what') if $opts{ran};
		sql($down);
	};
	return;
}

responses('columns', "alter table $log add a text default 'x', add b int generated always as (status_code / 100) stored, add c int generated always as identity",
	"alter table $log drop a, drop b, drop c", look => 'count(*) filter (where a = \'x\' and b * 100 = status_code - status_code % 100 and c > 0)', is => 40);
responses('after a column was dropped', 'select 1', 'select 1');
responses('an index and a partial one', "create index added on $log (url); create index found on $log (id) where status_code = 404", 'drop index net.added; drop index net.found');
responses('a check', "alter table $log add constraint added check (status_code <> 404)", "alter table $log drop constraint added", fails => 4);
responses('a check of a user', "alter table $log add constraint added check (public.noted(id) > 0)", "alter table $log drop constraint added", ran => ['function']);
responses('a unique index', "create unique index added on $log (status_code) where status_code = 404", 'drop index net.added', fails => 3);
for my $when ('before', 'after')
{
	for my $level ('row', 'statement')
	{
		responses("a trigger $when each $level", "create trigger added $when insert on $log for each $level execute function public.fire()",
			"drop trigger added on $log", ran => [ uc "$when $level" ]);
	}
}
responses('a trigger that changes them', 'create function public.act() returns trigger language plpgsql as'
	  . " \$\$ begin new.error_msg := 'changed'; return new; end \$\$; create trigger added before insert on $log for each row execute function public.act()",
	'drop function public.act cascade', look => "count(*) filter (where error_msg = 'changed')", is => 40);
responses('a trigger with all new rows', 'create function public.act() returns trigger language plpgsql as'
	  . " \$\$ begin perform public.note('rows ' || sign(count(*))) from fresh; return null; end \$\$;"
	  . " create trigger added after insert on $log referencing new table as fresh for each statement execute function public.act()",
	'drop function public.act cascade', ran => ['rows 1']);
responses('a trigger that calls', 'create function public.act() returns trigger language plpgsql as'
	  . " \$\$ begin if new.url like '%404' then perform net.http_get('$url/echo/from-response'); end if; return new; end \$\$;"
	  . " create trigger added after insert on $log for each row when (new.status_code = 404) execute function public.act()",
	'drop function public.act cascade', look => "count(*) >= 40", is => 't');
responses('a rule', "create rule added as on insert to $log do also select public.note('rule')", "drop rule added on $log");
responses('a column of another type', "alter table $log alter status_code type bigint", "alter table $log alter status_code type integer");
responses('created is another time', "alter table $log alter created set default now() - interval '1 minute'", "alter table $log alter created set default now()",
	look => "count(*) filter (where created < now() - interval '1 minute')", is => 40);

done_testing();
