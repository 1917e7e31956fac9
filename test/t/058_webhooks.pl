# net.webhook(): triggers that send the rows that changed.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $server = start_http_server();
my $url = $server->url;
my $node = new_node('webhooks', conf => "max_prepared_transactions = 2\ntimezone = 'Asia/Kolkata'");

# What the statements queue, without sending it: the bodies as text, one a line.
sub queued
{
	my (@statements) = @_;
	return sql(
		'begin', map({ "; $_" } @statements),
		"; select convert_from(body, 'utf8') from net.http_request_queue order by id; rollback");
}

# A column of what the statements queue.
sub queued_as
{
	my ($column, @statements) = @_;
	return sql('begin', map({ "; $_" } @statements), "; select $column from net.http_request_queue order by id; rollback");
}

# What arrived at a path of the server that echoes, in order of id: hashes of
# id, headers and body.
sub arrived
{
	my ($path) = @_;
	my $rows = decode_json(sql("select coalesce(json_agg(r order by id), '[]') from net._http_response as r where url like '%$path'"));
	return map {
		my $echo = decode_json($_->{content});
		{ id => $_->{id}, headers => $echo->{headers}, body => decode_json($echo->{body}) };
	} @$rows;
}

# A trigger of a table on an event, with arguments of net.webhook().
sub trigger
{
	my ($table, $when, $each, @arguments) = @_;
	my $arguments = join ', ', map { "'" . s/'/''/gr . "'" } @arguments;
	return "create trigger hook_@{[ $table =~ s/\W/_/gr ]} after $when on $table $each execute function net.webhook($arguments)";
}

sub row_trigger { my ($table, $when, @arguments) = @_; return trigger($table, $when, 'for each row', $url, @arguments) }

my %tables = (
	insert => 'referencing new table as n',
	update => 'referencing old table as o new table as n',
	delete => 'referencing old table as o',
	truncate => '');

sub statement_trigger
{
	my ($table, $event, @arguments) = @_;
	return trigger($table, $event, "$tables{$event} for each statement", $url, @arguments) =~ s/hook_/hook_${event}_/r;
}

# The function of Database Webhooks, as far as the payload goes.
sql(<<'END');
create function reference() returns trigger language plpgsql as $$
begin
  perform net.http_post(tg_argv[0], jsonb_build_object('old_record', old, 'record', new, 'type', tg_op,
                        'table', tg_table_name, 'schema', tg_table_schema), '{}', '{"Content-Type": "application/json"}', 5000);
  return new;
end $$;
END

# Run statements with a row trigger of each kind on a table, and compare what
# they queue, all but the id.
sub same_as_reference
{
	my ($name, $table, @statements) = @_;
	my $row = "concat_ws('|', method, url, headers, body, timeout_milliseconds, role)";
	my $ours = queued_as($row, trigger($table, 'insert or update or delete', 'for each row', $url), @statements);
	my $theirs = queued_as($row,
		trigger($table, 'insert or update or delete', 'for each row', $url) =~ s/net\.webhook/reference/r, @statements);

	isnt($ours, '', "$name: sends");
	return is($ours, $theirs, "$name: byte for byte what Database Webhooks send");
}

subtest 'the payload of a row' => sub {
	sql('create table plain (id int primary key, name text)');
	is( queued(row_trigger('plain', 'insert or update or delete'),
			"insert into plain values (1, 'a\"ü'), (2, null)",
			'update plain set id = 3 where id = 1',
			'delete from plain where id = 2'),
		<<'END' =~ s/\n\z//r, 'is what it is documented to be');
{"type": "INSERT", "table": "plain", "record": {"id": 1, "name": "a\"ü"}, "schema": "public", "old_record": null}
{"type": "INSERT", "table": "plain", "record": {"id": 2, "name": null}, "schema": "public", "old_record": null}
{"type": "UPDATE", "table": "plain", "record": {"id": 3, "name": "a\"ü"}, "schema": "public", "old_record": {"id": 1, "name": "a\"ü"}}
{"type": "DELETE", "table": "plain", "record": null, "schema": "public", "old_record": {"id": 2, "name": null}}
END
	same_as_reference('the same', 'plain', "insert into plain values (1, 'a'), (2, null)", 'update plain set id = 3 where id = 1',
		'delete from plain where id = 2');
};

subtest 'all types' => sub {

	# A column for each type of the catalog that may be one, and values that are
	# written in several ways; a type that has no value here has null alone.
	my %values = (
		bool => [ 'true', 'false' ],
		int2 => [ -32768, 7 ],
		int4 => [ -2147483648, 2147483647 ],
		int8 => [ -9223372036854775808, 9223372036854775807 ],
		numeric => [qw(1.50 1e30 -0.000 NaN Infinity -Infinity)],
		float4 => [qw(0.1 1e20 NaN -Infinity -0)],
		float8 => [qw(0.1 1e300 1e-7 Infinity -0)],
		money => ['12.34'],
		text => [ '', "a\"b\\c/\t\n\x{1}é€😀" ],
		varchar => ['x  '],
		bpchar => ['x  '],
		name => ['pg_net'],
		char => ['c'],
		bytea => ['\xdeadbeef'],
		date => [qw(2026-02-28 infinity -infinity), '0044-03-15 BC'],
		time => ['10:11:12.5'],
		timetz => ['10:11:12+02'],
		timestamp => [ '2026-11-27 10:11:12.123456', 'infinity' ],
		timestamptz => [ '2026-11-27 10:11:12.5+00', '-infinity' ],
		interval => ['1 year 2 days 03:04:05'],
		uuid => ['2f1a7e0c-95a4-4b5e-8f7a-0c3f5a1b2c3d'],
		json => [ '{"b": 1,  "a": [1,2], "b": 2}', '7', '"x"' ],
		jsonb => [ '{"b": 1,  "a": [1.50, null, "é"], "bb": {}}', '[]', '7', '"x"', 'null', 'true' ],
		jsonpath => ['$.a'],
		xml => ['<a/>'],
		inet => ['10.0.0.1/8'],
		cidr => ['10.0.0.0/8'],
		macaddr => ['08:00:2b:01:02:03'],
		macaddr8 => ['08:00:2b:01:02:03:04:05'],
		bit => ['1'],
		varbit => ['101'],
		point => ['(1,2)'],
		box => ['(1,2),(3,4)'],
		circle => ['<(1,2),3>'],
		int4range => ['[1,5)'],
		tstzrange => ['[2026-01-01,)'],
		int4multirange => ['{[1,2),[5,8)}'],
		tsvector => ["'a':1 'b':2"],
		tsquery => ["'a' & 'b'"],
		int2vector => ['1 2'],
		oidvector => ['1 2'],
		regclass => ['pg_class'],
		regtype => ['integer'],
		regrole => ['postgres'],
		oid => ['42'],
		xid => ['42'],
		tid => ['(1,2)'],
		pg_lsn => ['0/16B3748'],
		'int4[]' => [ '{1,2,NULL}', '{{1},{2}}', '{}' ],
		'text[]' => ['{a,"b c"}'],
		'jsonb[]' => ['{"{\"a\": 1}"}'],
		'timestamptz[]' => ['{2026-11-27 10:00:00+00}'],
		mood => ['happy'],
		pair => ['(1,"x y")'],
		positive => [5],
		labels => ['{a,b}']);

	sql(<<'END');
create type mood as enum ('happy', 'sad');
create type pair as (a int, b text);
create domain positive as int check (value > 0);
create domain labels as text[];
END
	my @types = split /\n/, sql(<<'END');
select format_type(oid, null) from pg_type
where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm') and typisdefined
  and typname !~ '^(_|any)' and typname not in ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list',
  'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'gtsvector', 'aclitem')
order by typname
END
	cmp_ok(scalar @types, '>', 50, 'there are many');
	my @columns = ((map { [ $_ => [] ] } @types), map { [ $_ => $values{$_} ] } sort keys %values);
	my $columns = join ', ', map { ("c$_" . 'x' x ($_ % 5)) . " $columns[$_][0]" } 0 .. $#columns;
	$columns =~ s/ char(,|$)/ "char"$1/g;
	sql("create table every ($columns)");
	for my $number (0 .. 5)
	{
		my @row = map { $_->[1][$number] } @columns;
		my $row = join ', ', map { defined ? "'" . s/'/''/gr . "'" : 'null' } @row;
		sql("insert into every values ($row)");
	}
	same_as_reference('written by another session', 'every', 'update every set c0 = null', 'delete from every');
	same_as_reference('with other settings',
		'every',
		"set local datestyle = 'german'; set local timezone = 'America/New_York'; set local intervalstyle = 'iso_8601'; "
		  . "set local bytea_output = 'escape'; set local extra_float_digits = -3",
		'update every set c0 = null');

	# a statement trigger writes them in the same way
	my $rows = queued(row_trigger('every', 'delete'), 'delete from every');
	my ($statement) = queued(statement_trigger('every', 'delete'), 'delete from every');
	is($statement,
		'{"type": "DELETE", "table": "every", "schema": "public", "records": null, "old_records": ['
		  . join(', ', map { /"old_record": (.*)\}$/ ? $1 : $_ } split /\n/, $rows) . ']}',
		'a statement trigger has the same rows');
};

subtest 'a type with a cast to json' => sub {
	sql(<<'END');
create type level as enum ('low', 'high');
create function level_to_json(level) returns json language sql immutable as $$ select json_build_object('level', $1::text) $$;
create cast (level as json) with function level_to_json(level);
create table measured (id int, l level, ls level[]);
END
	same_as_reference('the cast is used', 'measured', "insert into measured values (1, 'low', '{low,high}')");
};

subtest 'tables that changed, and large values' => sub {
	sql(<<'END');
create table changed (a int, b text, c text);
alter table changed drop column a;
insert into changed values ('x', repeat('y', 200000));
alter table changed alter c set storage external;
alter table changed add d int default 5, add "Ä ""quoted""" text default 'ü';
alter table changed add total int generated always as (d * 2) stored;
END
	same_as_reference('all of it', 'changed', "insert into changed values ('n', 'm')", "update changed set b = 'z'", 'delete from changed');
};

subtest 'ways to change rows' => sub {
	sql(<<'END');
create schema "Other";
create table parted (id int primary key, v text) partition by range (id);
create table parted_low partition of parted for values from (0) to (100);
create table "Other"."High one" partition of parted for values from (100) to (200);
create table target (id int primary key, v text);
insert into target values (1, 'old');
END
	same_as_reference('partitions', 'parted', "insert into parted values (1, 'a'), (101, 'b')", "update parted set v = 'c'", 'update parted set id = 102 where id = 1',
		'delete from parted');
	same_as_reference('ON CONFLICT', 'target', "insert into target values (1, 'new'), (2, 'two') on conflict (id) do update set v = excluded.v");
	same_as_reference('MERGE', 'target', <<'END');
merge into target using (values (1, 'm'), (3, 'n')) as s (id, v) on target.id = s.id
when matched then update set v = s.v when not matched then insert values (s.id, s.v)
END
	is(queued(row_trigger('parted', 'insert'), "insert into parted values (150, 'x')"),
		'{"type": "INSERT", "table": "High one", "record": {"v": "x", "id": 150}, "schema": "Other", "old_record": null}',
		'a row trigger names the partition');
};

subtest 'what a statement trigger sends' => sub {
	sql('create table stock (id int primary key, pieces int)');
	my $all = join '; ', map { statement_trigger('stock', $_) } qw(insert update delete truncate);
	is(queued($all, 'insert into stock values (1, 10), (2, 20)', 'update stock set pieces = pieces + 1', 'delete from stock where id = 1',
			'update stock set pieces = 0 where id = 99', 'truncate stock'),
		<<'END' =~ s/\n\z//r, 'its rows, in pairs; nothing without rows');
{"type": "INSERT", "table": "stock", "schema": "public", "records": [{"id": 1, "pieces": 10}, {"id": 2, "pieces": 20}], "old_records": null}
{"type": "UPDATE", "table": "stock", "schema": "public", "records": [{"id": 1, "pieces": 11}, {"id": 2, "pieces": 21}], "old_records": [{"id": 1, "pieces": 10}, {"id": 2, "pieces": 20}]}
{"type": "DELETE", "table": "stock", "schema": "public", "records": null, "old_records": [{"id": 1, "pieces": 11}]}
{"type": "TRUNCATE", "table": "stock", "schema": "public", "records": null, "old_records": null}
END
	is(queued($all =~ s/stock/target/gr, "insert into target values (1, 'c'), (5, 'five') on conflict (id) do update set v = excluded.v"),
		<<'END' =~ s/\n\z//r, 'ON CONFLICT is an insert and an update');
{"type": "UPDATE", "table": "target", "schema": "public", "records": [{"v": "c", "id": 1}], "old_records": [{"v": "old", "id": 1}]}
{"type": "INSERT", "table": "target", "schema": "public", "records": [{"v": "five", "id": 5}], "old_records": null}
END
	is(queued($all =~ s/stock/target/gr, <<'SQL'), <<'END' =~ s/\n\z//r, 'MERGE is each of what it does');
merge into target using (values (1, 'm'), (3, 'n')) as s (id, v) on target.id = s.id
when matched then update set v = s.v when not matched then insert values (s.id, s.v)
SQL
{"type": "UPDATE", "table": "target", "schema": "public", "records": [{"v": "m", "id": 1}], "old_records": [{"v": "old", "id": 1}]}
{"type": "INSERT", "table": "target", "schema": "public", "records": [{"v": "n", "id": 3}], "old_records": null}
END
	is(queued($all =~ s/stock/parted/gr, "insert into parted values (1, 'a'), (101, 'b')", 'update parted set id = id + 60 where id < 200'),
		<<'END' =~ s/\n\z//r, 'of a partitioned table the rows of all partitions, also those that move');
{"type": "INSERT", "table": "parted", "schema": "public", "records": [{"v": "a", "id": 1}, {"v": "b", "id": 101}], "old_records": null}
{"type": "UPDATE", "table": "parted", "schema": "public", "records": [{"v": "a", "id": 61}, {"v": "b", "id": 161}], "old_records": [{"v": "a", "id": 1}, {"v": "b", "id": 101}]}
END
	my $get = queued_as("concat_ws(' ', method, url, coalesce(body::text, 'no body'))",
		statement_trigger('stock', 'insert', 'GET', 'null', '{"a": "b c"}'),
		'insert into stock select i, i from generate_series(1, 5) i', 'insert into stock select 1 where false');
	is($get, "GET $url/?a=b%20c no body", 'a GET says that there are some');
};

subtest 'rows that cannot be paired' => sub {
	sql(<<'END');
create function skip() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger skip before insert on "Other"."High one" for each row execute function skip();
END
	# the trigger skips the row that moves: removed, and not inserted
	is(queued(statement_trigger('parted', 'update', '', '', '', '', 'batch=1'),
			"insert into parted values (1, 'a'), (50, 'b')", 'update parted set id = id + 60'),
		'{"type": "UPDATE", "table": "parted", "paired": false, "schema": "public", "records": [{"v": "a", "id": 61}],'
		  . ' "old_records": [{"v": "a", "id": 1}, {"v": "b", "id": 50}]}',
		'come in one request that says so');
	is(queued(statement_trigger('parted', 'update', '', 'batch=1'), "insert into parted values (50, 'b')", 'update parted set id = id + 60'),
		'{"type": "UPDATE", "table": "parted", "paired": false, "schema": "public", "records": [], "old_records": [{"v": "b", "id": 50}]}',
		'a side without any is empty');
	sql('drop trigger skip on "Other"."High one"');
};

subtest 'batches' => sub {
	my @lines = split /\n/, queued('insert into stock select i, i from generate_series(1, 10000) i', statement_trigger('stock', 'update', 'batch=7'),
		'update stock set pieces = -pieces');
	is(scalar @lines, 1429, '10,000 rows, 7 in each');
	my @requests = map { decode_json($_) } @lines;
	is(scalar(grep { @{ $_->{records} } != 7 } @requests), 1, 'but in the last');
	my @new = map { @{ $_->{records} } } @requests;
	my @old = map { @{ $_->{old_records} } } @requests;
	is(scalar(grep { $new[$_]{id} != $old[$_]{id} || $new[$_]{pieces} != -$old[$_]{pieces} } 0 .. 9999), 0, 'all are paired');
	my %ids = map { $_->{id} => 1 } @new;
	is(scalar(keys %ids), 10000, 'and each is there once');

	@lines = split /\n/, queued(statement_trigger('stock', 'insert'), 'insert into stock select i, i from generate_series(1, 1100) i');
	is(join(' ', map { scalar @{ decode_json($_)->{records} } } @lines), '500 500 100', '500 is the default');

	sql('create table wide (id int, data text)');
	@lines = split /\n/, queued(statement_trigger('wide', 'insert', 'batch=10000'), 'insert into wide select i, repeat(chr(233), 5000) from generate_series(1, 400) i',
		'insert into wide values (1, \'a\'), (2, repeat(\'x\', 2000000)), (3, \'c\')');
	my @bytes = map { length } @lines;
	my @counts = map { scalar @{ decode_json($_)->{records} } } @lines;
	is(join(' ', @counts), '104 104 104 88 1 1 1', 'a megabyte is enough, too');
	cmp_ok($_, '<=', 1024 * 1024, "$_ bytes") for grep { $_ < 2000000 } @bytes;
	cmp_ok($bytes[0], '>', 1000000, 'but no less');
};

subtest 'columns' => sub {
	sql('create table many (id int, "Status" text, secret text)');
	my $row = "insert into many values (1, 'new', 'x')";
	is(queued(row_trigger('many', 'insert', 'columns="Status", ID'), $row),
		'{"type": "INSERT", "table": "many", "record": {"id": 1, "Status": "new"}, "schema": "public", "old_record": null}',
		'only those');
	is(queued(statement_trigger('many', 'insert', 'columns=id'), $row),
		'{"type": "INSERT", "table": "many", "schema": "public", "records": [{"id": 1}], "old_records": null}',
		'of a statement, too');
};

subtest 'order' => sub {
	sql('create table ordered (id int primary key, "Group" text)');
	my @changes = ("insert into ordered values (1, 'a'), (2, null), (3, '')", 'update ordered set id = 10 where id = 1', q(update ordered set "Group" = 'b' where id = 2), 'delete from ordered');
	my $keys = "coalesce('<' || ordering_key || '>', 'none')";
	my $all = 'insert or update or delete';
	is(queued_as($keys, row_trigger('ordered', $all, 'ordering_key=ID'), @changes) =~ tr/\n/ /r, '<1> <2> <3> <10> <2> <3> <10> <2>', 'by a column; by its new value, but for DELETE');
	is(queued_as($keys, row_trigger('ordered', $all, 'ordering_key="Group"', 'columns=id'), @changes) =~ tr/\n/ /r, '<a> none <> <a> <b> <> <a> <b>', 'null is no key');
	is(queued_as($keys, row_trigger('ordered', 'delete', 'GET', 'ordering_key=id'), @changes) =~ tr/\n/ /r, '<3> <10> <2>', 'without a payload, too');
	is(queued_as($keys, row_trigger('ordered', 'insert'), @changes) =~ tr/\n/ /r, 'none none none', 'without the option there is none');
	like(failure('begin; ' . row_trigger('ordered', 'insert', 'ordering_key="Group"') . "; insert into ordered values (1, repeat('x', 1001))"),
		qr/22023: ordering key is longer than 1000 bytes/, 'it may not be long');

	sql(row_trigger('ordered', $all, 'ordering_key=id') =~ s/\Q$url\E/$url\/echo\/ordered/r);
	sql("insert into ordered values (7, '0')");
	sql("do \$\$ begin for i in 1 .. 50 loop update ordered set \"Group\" = i; end loop; end \$\$");
	wait_queue_empty();
	is(join(' ', map { $_->{body}{record}{Group} } arrived('/echo/ordered')), join(' ', 0 .. 50), 'changes of a row');
	is(sql(<<'END'), 0, 'are sent one after the other');
select count(*)
from (select started, lag(started + duration_ms * interval '1 ms') over (order by id) as ended
      from net._http_response where url like '%/echo/ordered') as r
where started < ended
END
};

subtest 'arguments' => sub {
	my $request = "concat_ws(' ', method, url, headers, timeout_milliseconds)";
	my $json = '{"Content-Type": "application/json"}';
	my $insert = 'insert into plain values (10)';
	my $is = sub {
		my ($expected, $name, @arguments) = @_;
		return is(queued_as($request, row_trigger('plain', 'insert', @arguments), $insert), $expected, $name);
	};
	$is->("POST $url/ $json 5000", 'none but the URL');
	$is->("POST $url/ $json 5000", 'empty ones', '', '', '', '');
	$is->("POST $url/ $json 5000", 'null', 'null', 'null', 'null', 'null');
	$is->("PUT $url/?a=1 {\"X\": \"y\", \"Content-Type\": \"application/json\"} 77", 'all of them', 'put', '{"X": "y"}', '{"a": 1}', '77');
	$is->("GET $url/ $json 1000", 'those of Database Webhooks', 'GET', $json, '{}', '1000');
	$is->("$_ $url/ $json 5000", $_, $_) for qw(GET HEAD POST PUT PATCH DELETE);
	is(queued_as("method || ' ' || (body is null)", row_trigger('plain', 'insert', $_), $insert), "$_ " . ($_ =~ /GET|HEAD/ ? 'true' : 'false'), "$_ has a body or none")
	  for qw(GET HEAD POST PUT PATCH DELETE);
};

subtest 'from Database Webhooks' => sub {
	sql(<<'END');
create schema supabase_functions;
create function supabase_functions.http_request() returns trigger language plpgsql as $$
begin
  perform net.http_post(tg_argv[0], jsonb_build_object('old_record', old, 'record', new, 'type', tg_op,
                        'table', tg_table_name, 'schema', tg_table_schema), tg_argv[3]::jsonb, tg_argv[2]::jsonb, tg_argv[4]::int);
  return new;
end $$;
create table moved (id int primary key, name text) partition by list (id);
create table moved_all partition of moved default;
END
	sql(qq(create trigger "Their hook" after insert or update of name on moved for each row when (new.id > 0)
	  execute function supabase_functions.http_request('$url/x', 'POST', '{"Content-Type":"application/json","X-Key":"it''s"}', '{"a":"b"}', '1000')));
	my @run = ("concat_ws('|', method, url, headers, body, timeout_milliseconds, role)", "insert into moved values (-1, 'no'), (1, 'one')",
		"update moved set name = 'other'", 'update moved set id = 3 where id = 1');
	my $theirs = queued_as(@run);
	my ($block) = slurp_file("$root/docs/delivery.md") =~ /^```sql\n(do [^`]*supabase_functions[^`]*)^```$/m;
	sql("set search_path = public, supabase_functions; $block");
	is(sql("select tgrelid::regclass, tgfoid::regproc, tgname from pg_trigger where tgname = 'Their hook' order by 1"),
		"moved|net.webhook|Their hook\nmoved_all|net.webhook|Their hook", 'the documented statement changes their triggers');
	is(queued_as(@run), $theirs, 'which send the same');
	is(() = $theirs =~ /^POST/mg, 2, 'two requests');
};

subtest 'CloudEvents' => sub {
	my ($installation) = sql('select id from net._installation');
	my $digits = sub { return substr sha256_hex($_[0] . '/' . sql('select oid from pg_database where datname = current_database()')), 0, 12 };
	my $event = sub {
		my ($statement, @triggers) = @_;
		my ($id, $headers, $time, $body) = split /\|/,
		  sql('begin', map({ "; $_" } @triggers),
			"; $statement; select id, headers, to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), convert_from(body, 'utf8')"
			  . ' from net.http_request_queue order by id; rollback'), 4;
		return ($id, $headers, $time, $body);
	};
	my ($id, $headers, $time, $body) = $event->(
		"insert into \"Other\".\"High one\" values (101, 'x')",
		row_trigger('"Other"."High one"', 'insert', 'format=cloudevents'));
	is($headers, '{"Content-Type": "application/cloudevents+json"}', 'the content type');
	my $message = 'msg_' . $digits->($installation) . "_$id";
	is($body,
		qq({"id": "$message", "data": {"record": {"v": "x", "id": 101}, "old_record": null}, "time": "$time", "type": "Other.High one.insert",)
		  . qq( "source": "/postgres/Other/High%20one", "specversion": "1.0"}), 'of a row');

	($id, $headers, $time, $body) = $event->(
		'insert into stock values (1, 1), (2, 2)',
		statement_trigger('stock', 'insert', 'POST', '{"content-type": "application/json", "X-A": "b"}', 'format=cloudevents', 'columns=id'));
	is($headers, '{"X-A": "b", "Content-Type": "application/cloudevents+json"}', 'in place of another content type');
	$message = 'msg_' . $digits->($installation) . "_$id";
	is($body,
		qq({"id": "$message", "data": {"records": [{"id": 1}, {"id": 2}], "old_records": null}, "time": "$time", "type": "public.stock.insert",)
		  . qq( "source": "/postgres/public/stock", "specversion": "1.0"}), 'of a statement');

	# one that is sent has the id it says
	sql('create table sent (id int)');
	sql(row_trigger('sent', 'insert', 'format=cloudevents') =~ s/\Q$url\E/$url\/echo\/cloud/r);
	sql('insert into sent values (1), (2)');
	wait_queue_empty();
	my @arrived = arrived('/echo/cloud');
	is(scalar @arrived, 2, 'two are sent');
	for (@arrived)
	{
		is($_->{body}{id}, 'msg_' . $digits->($installation) . "_$_->{id}", 'the id is that of the request');
		is($_->{headers}{'Content-Type'}, 'application/cloudevents+json', 'the content type arrives');
	}

	my $other = '11111111-2222-3333-4444-555555555555';
	is(queued_as("convert_from(body, 'utf8')::json->>'id'", row_trigger('plain', 'insert', 'format=cloudevents'),
			'insert into plain values (20)', "update net._installation set id = '$other'", 'insert into plain values (21)') =~ s/_\d+$//gmr,
		'msg_' . $digits->($installation) . "\nmsg_" . $digits->($other), 'another installation has another one at once');
	like(failure('begin; ' . row_trigger('plain', 'insert', 'format=cloudevents') . '; delete from net._installation; insert into plain values (20)'),
		qr/ERROR:  55000: net\._installation does not identify this installation/, 'none has none');

	# where rows take a statement, the id is the one that was taken
	sql('create rule twice as on insert to net.http_request_queue do also select 1');
	my ($row) = queued_as("id || ' ' || (convert_from(body, 'utf8')::json->>'id')", row_trigger('plain', 'insert', 'format=cloudevents'), 'insert into plain values (20)') =~ /^(\d+ msg_.*)$/m;
	like($row, qr/^(\d+) msg_[0-9a-f]{12}_\1$/, 'also where a rule is on the queue');
	sql('drop rule twice on net.http_request_queue');
};

subtest 'on behalf of the owner' => sub {
	sql(<<"END");
create role shop; create role clerk; create role admin;
create table owned (id int);
alter table owned owner to shop;
grant insert, trigger on owned to clerk;
@{[ row_trigger('owned', 'insert', 'on_error=fail') ]};
END
	my $as_clerk = 'set local role clerk; insert into owned values (1); reset role';
	is(queued_as('role', $as_clerk), 'shop', 'the request is the owner\'s');
	sql("insert into net.access_rule (position, allow, role) values (1, true, 'shop'), (2, false, null)");
	is(queued_as('role', $as_clerk), 'shop', 'whose rights count');
	sql("update net.access_rule set role = 'clerk' where position = 1");
	like(failure("begin; $as_clerk"), qr/ERROR:  42501: .*\n(.*\n)*CONTEXT:  webhook trigger "hook_owned" of table "owned"/, 'not those of who writes');

	my $warn = row_trigger('owned', 'insert', 'on_error=warn') =~ s/hook_/warn_/r;
	sql('drop trigger hook_owned on owned', "; $warn");
	my ($rc, $out, $err) = $node->psql('postgres', "set role clerk; insert into owned values (1), (2)");
	is($rc, 0, 'unless it is to be a warning');
	like($err, qr/WARNING:  trigger "warn_owned" sends no request: POST requests to \S+ are not allowed for this role\nDETAIL: /, 'which is one');
	is(sql('select count(*) from owned'), 2, 'and the rows are there');
	is(sql('select count(*) from net.http_request_queue'), 0, 'without a request');
	sql('delete from net.access_rule');
	is(queued_as('role', $as_clerk), 'shop', 'without the rule there is one');
	like(failure("$warn" =~ s/warn_/wrong_/r =~ s/\Q$url\E/ftp:\/\/x/r . "; insert into owned values (1)"), qr/ERROR:  22023: .*scheme/i,
		'a wrong URL is no such warning');
	sql('drop trigger wrong_owned on owned');

	# no xid is used up by warnings that could have been
	is(sql('begin; insert into owned select i from generate_series(1, 100) i; select count(*), count(distinct xmin::text) from net.http_request_queue; rollback'), '100|1',
		'rows are queued by one transaction');
};

subtest 'the quota' => sub {
	my $full = 'set pg_net.max_waiting_per_role = 3; begin; insert into owned values (1), (2), (3); ';
	my ($rc, $out, $err) = $node->psql('postgres', "$full insert into owned values (4); select count(*) from owned; select count(*) from net.http_request_queue; rollback");
	is($out, "6\n3", 'a full one is a warning') or diag($err);
	like($err, qr/WARNING:  trigger "warn_owned" sends no request: role "shop" has reached its limit of queued requests\nDETAIL:  3 requests are queued/m, 'which says whose');
	sql('drop trigger warn_owned on owned; ' . row_trigger('owned', 'insert'));
	like(failure("$full insert into owned values (4)"), qr/ERROR:  53400: role "shop" has reached its limit/, 'or an error of the statement');
	is(sql('select count(*) from owned'), 2, 'which is undone');
};

subtest 'transactions' => sub {
	sql('create table done (id int)');
	sql(row_trigger('done', 'insert') =~ s/\Q$url\E/$url\/echo\/done/r);
	sql(statement_trigger('done', 'insert') =~ s/\Q$url\E/$url\/echo\/done/r);
	sql('begin; insert into done values (1); rollback');
	sql('begin; insert into done values (2); savepoint a; insert into done values (3); rollback to a; insert into done values (4); commit');
	sql("begin; insert into done values (5); prepare transaction 'committed'");
	sql("begin; insert into done values (6); prepare transaction 'rolled back'");
	sql("rollback prepared 'rolled back'; commit prepared 'committed'");
	wait_queue_empty();
	my @ids = map {
		my $body = $_->{body};
		$body->{record} ? "row $body->{record}{id}" : map { "statement $_->{id}" } @{ $body->{records} };
	} arrived('/echo/done');
	is(join(', ', sort @ids), 'row 2, row 4, row 5, statement 2, statement 4, statement 5', 'what is rolled back is not sent');
	is($server->arrivals_of('/echo/done') + 0, 6, 'and all else is, once');

	sql('create table later (id int)');
	sql("create constraint trigger later after insert on later deferrable initially deferred for each row execute function net.webhook('$url/echo/later')");
	sql('begin; insert into later values (1), (2); commit');
	wait_queue_empty();
	is($server->arrivals_of('/echo/later') + 0, 2, 'deferred triggers fire at commit');
};

subtest 'in a database of another encoding' => sub {
	sql("create database latin encoding 'LATIN1' locale 'C' template template0");
	sql_in('latin', 'create extension pg_net');
	my $hook = row_trigger('texts', 'insert');
	my $one = sql_in('latin', "create table texts (id int, t text); begin; $hook; insert into texts values (1, chr(228)); select encode(body, 'escape') from net.http_request_queue; rollback");
	like($one, qr/"t": "\\303\\244"/, 'a payload is UTF-8');
	my $lengths = sql_in('latin', 'begin; ' . statement_trigger('texts', 'insert', 'batch=10000')
		  . '; insert into texts select i, repeat(chr(228), 5000) from generate_series(1, 400) i; select max(length(body)) from net.http_request_queue; rollback');
	cmp_ok($lengths, '<=', 1024 * 1024, 'whose bytes count');
	$one = sql_in('latin', <<"END");
begin;
do \$\$
declare
  name text := quote_ident('pri' || chr(233));
begin
  execute replace('create table # (# int)', '#', name);
  execute replace('create trigger hook after insert on # for each row execute function net.webhook(''$url'', ''columns=#'')', '#', name);
  execute replace('insert into # values (1)', '#', name);
end \$\$;
select encode(body, 'escape') from net.http_request_queue;
rollback
END
	my $e = '\\\\303\\\\251';
	like($one, qr/"table": "pri$e", "record": \{"pri$e": 1\}/, 'names, too');
};

subtest 'to an endpoint' => sub {
	sql("drop trigger if exists hook_owned on owned; insert into net.endpoint (name, url, roles) values ('shop', '$url/echo/base', '{shop}'), ('ops', '$url/echo/ops', '{}')");
	sql(row_trigger('owned', 'insert') =~ s/\Q$url\E/net:\/\/shop\/orders/r);
	sql('set role clerk; insert into owned values (100)');
	wait_queue_empty();
	is(sql("select role, url, status_code from net._http_response order by id desc limit 1"), 'shop|net://shop/orders|200', 'the owner of the table may use it, whoever writes');
	is($server->arrivals_of('/echo/base/orders') + 0, 1, 'it arrives');
	like(failure("set role clerk; select net.http_post('net://shop/orders')"), qr/42501/, 'who writes may not');

	like(failure("begin; update net.endpoint set roles = '{clerk}' where name = 'shop'; set role clerk; insert into owned values (101)"),
		qr/42501: endpoint "shop" does not exist or is not granted to this role/, 'if the owner may not, the statement fails');
	my $gone = "delete from net.endpoint where name = 'shop'";
	like(failure("begin; $gone; set role clerk; insert into owned values (101)"), qr/42501: endpoint "shop" does not exist/, 'if it is dropped, too');
	my $warn = 'drop trigger hook_owned on owned; ' . row_trigger('owned', 'insert', 'on_error=warn') =~ s/\Q$url\E/net:\/\/shop\/orders/r;
	my ($rc, $out, $err) = $node->psql('postgres', "begin; $warn; $gone; set role clerk; insert into owned values (102); reset role; select count(*) from owned where id = 102; rollback");
	is($out, 1, 'or succeeds with a warning');
	like($err, qr/WARNING:  trigger "hook_owned" sends no request: endpoint "shop" does not exist/, 'which says so');

	sql(q(create trigger tell after update of url on net.endpoint for each row execute function net.webhook('net://ops', 'columns=name')));
	sql("update net.endpoint set url = url || '/moved' where name = 'shop'");
	wait_queue_empty();
	is_deeply((arrived('net://ops'))[0]{body}{record}, { name => 'shop' }, 'an endpoint itself can have a webhook');
	sql('drop trigger tell on net.endpoint; delete from net.endpoint');
};

subtest 'rows of another role' => sub {
	# who writes need not be able to read, nor to call anything of ours
	sql('revoke usage on schema net from public');
	sql('drop trigger hook_owned on owned; ' . row_trigger('owned', 'insert'));
	is(queued_as('role', 'set local role clerk; insert into owned values (1); reset role'), 'shop', 'a role without rights on the schema net');
	sql('grant usage on schema net to public');
};

done_testing();
