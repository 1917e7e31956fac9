# Tables that inherit from ours have rows of their own, which may have the ids
# and places of our rows.  None of them is sent, changed, removed or called, nor
# do they count.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('inherited');
my $gate = PostgreSQL::Test::Utils::tempdir('gate');

# Each subtest begins with empty tables, so that rows and copies share places.
my %children = (queue => 'net.http_request_queue', log => 'net._http_response');

sub begin
{
	wait_queue_empty();
	sql(map { "drop table if exists $_; truncate $children{$_}; create table $_ () inherits ($children{$_});" } sort keys %children);
	return;
}

# Copy the row with that id into the child of its table, to many places: wherever
# an update puts the row, there is a copy.  Returns what the child has now.
sub copy
{
	my ($child, $id) = @_;
	sql("insert into $child select t.* from only $children{$child} as t, generate_series(1, 20) where id = $id");
	is(sql("select count(*) from $child as c join only $children{$child} as t on t.ctid = c.ctid and t.id = c.id"), 1, "a copy of the row, in its place: $child");
	return state($child);
}

# How many rows a child has, and a hash of them all, with their places, and who
# changed and locked them last.
sub state { return sql("select count(*), md5(string_agg(concat_ws(' ', c.ctid, c.xmin, c.xmax, c), ',' order by c.ctid)) from $_[0] as c") }

# Are the children as they were?
sub untouched
{
	my ($name, %states) = @_;
	is(state($_), $states{$_}, "$name: $_ is as it was") for sort keys %states;
	return;
}

sub closed
{
	my ($name, $more) = @_;
	my $id = sql("select net.http_request('GET', '$url/wait?file=$gate/$name', timeout_milliseconds := 170000" . ($more // '') . ')');
	$server->wait_arrivals("/wait?file=$gate/$name");
	return $id;
}

# With a trigger on the delete, rows are removed by a statement.
for my $how ('without a plan', 'by a statement')
{
	subtest "recorded $how" => sub {
		my $name = $how =~ tr/ /-/r;
		begin();
		sql('create function pass() returns trigger language plpgsql as $$ begin return old; end $$;',
			'create trigger pass before delete on net.http_request_queue for each row execute function pass()') if $how =~ /statement/;
		my $id = closed($name);
		my $before = copy('queue', $id);
		append_to_file("$gate/$name", '');
		is(wait_response($node, $id)->{status_code}, 200, 'the request is answered');
		is(sql('select count(*) from only net.http_request_queue'), 0, '... and removed');
		untouched('recorded', queue => $before);
		sql('drop function pass cascade') if $how =~ /statement/;
		sql("update queue set url = '$url/echo/$name'; select net.wake()");
		my $next = request($node, "select net.http_get('$url/echo/next-$name')");
		is($next->{status_code}, 200, 'the next one is');
		is($server->arrivals_of("/echo/$name"), 0, 'rows of the child are not sent');
		is(sql("select status, message from net._http_collect_response((select min(id) from queue))"), 'SUCCESS|ok', 'nor taken for requests that wait');
		is(sql("set statement_timeout = '20s'; select count(*) from net.await(array[$id])"), 1, 'nor waited for');
		sql('truncate queue');
	};
}

subtest 'sent again, given up, cancelled' => sub {
	begin();
	sql("alter system set pg_net.failed_ttl = '1 hour'; select pg_reload_conf()");
	my $id = sql("select net.http_request('GET', '$url/status/503', due := now() + interval '1 hour', retry := '{1h}')");
	my $queue = copy('queue', $id);
	is(sql("select net.resend($id)"), 't', 'brought forward');
	wait_sql("select jsonb_array_length(failures) from only net.http_request_queue where id = $id", 1);
	untouched('an attempt', queue => $queue);
	is(sql("select net.resend($id)"), 't', 'once more');
	is(wait_response($node, $id)->{error_msg}, 'gave up after 2 attempts: 503', 'given up');
	untouched('given up', queue => $queue);
	my $log = copy('log', $id);
	is(sql("select count(*) from net.await(array[$id])"), 1, 'one response');
	is(sql("select net.resend($id, now() + interval '1 hour')"), 't', 'sent again by hand');
	is(sql("select count(*) from only net._http_response where id = $id"), 0, '... removes its response');
	is(sql("select status from net._http_collect_response($id)"), 'PENDING', '... so that there is none');
	untouched('resent', queue => $queue, log => $log);
	is(sql("select net.cancel($id)"), 't', 'cancelled');
	untouched('cancelled', queue => $queue, log => $log);
	is(sql("select net.cancel($id)"), 'f', 'then it is not there');
	is(sql("select net.resend($id)"), 'f', '... to be sent again either');
	is(sql("select message from net._http_collect_response($id)"), "request_id $id not found", '... nor to be found');
	sql('truncate queue');
};

subtest 'removed by time' => sub {
	begin();
	my $id = sql("select net.http_request('GET', '$url/status/503', retry := '{0s}')");
	wait_response($node, $id);
	my %before = map { $_ => copy($_, $id) } sort keys %children;
	sql('update net.http_request_queue set due = now() where gave_up is not null');
	%before = map { $_ => state($_) } sort keys %children;
	sql('select net.wake()');
	wait_sql('select count(*) from only net.http_request_queue', 0);
	untouched('failed_ttl is over', %before);
	sql("alter system set pg_net.ttl = '1 s'; select pg_reload_conf()");
	wait_sql('select count(*) from only net._http_response', 0);
	untouched('ttl is over', %before);
	sql('alter system reset pg_net.ttl; alter system reset pg_net.failed_ttl; select pg_reload_conf(); truncate queue');
};

subtest 'called' => sub {
	begin();
	sql('create role app nologin; create table seen (id bigint, place tid, error text); grant insert on seen to app');
	sql('create function note(r net._http_response) returns void language sql as $$ insert into seen values (r.id, null, r.context->>0) $$');
	sql("create function fail(r net._http_response) returns void language plpgsql as \$\$ begin raise 'no'; end \$\$");
	sql("insert into log (id, role, callback) values (-1, 'app'::regrole, 'note'), (-2, null, 'note')");
	my $id = sql('set role app;', "select net.http_request('GET', '$url/echo/called', due := now() + interval '1 hour', callback := 'note', context := '[\"ours\"]')");
	sql("insert into log (id, role, callback, context) select $id, 'app'::regrole, 'note', '[\"theirs\"]' from generate_series(1, 20)");
	my $before = state('log');
	sql("select net.resend($id)");
	wait_sql("select callback_error is null from only net._http_response where id = $id and called is not null");
	is(sql('select string_agg(concat_ws(\' \', id, error), \', \') from seen'), "$id ours", 'with the row of the table, once');
	untouched('called', log => $before);
	$id = sql('set role app;', "select net.http_request('GET', '$url/echo/fails', callback := 'fail')");
	wait_sql("select callback_error from only net._http_response where id = $id", 'no');
	untouched('failed', log => $before);
	sql('truncate log');
};

subtest 'counted' => sub {
	begin();
	sql("alter role postgres set pg_net.max_waiting_size_per_role = 1; alter system set pg_net.max_stored_size_per_role = '1MB'");
	sql("insert into queue (method, url, timeout_milliseconds, role, body) select 'GET', '$url/echo/child', 1000, 'app'::regrole, repeat('x', 10000)::bytea from generate_series(1, 50)");
	sql('alter table net._http_response alter content set storage external; alter table log alter content set storage external');
	sql("insert into net._http_response (id, role, content) values (-1, 'postgres'::regrole, repeat('x', 2000000))");
	sql("insert into log (id, role, content) values (-2, 'app'::regrole, repeat('x', 2000000))");
	# without a primary key, rows are counted by a statement
	sql('alter table net.http_request_queue drop constraint http_request_queue_pkey');
	my $as_app = sub { my (undef, $out, $err) = $node->psql('postgres', "set session authorization app; $_[0]"); return $out . $err };
	$as_app->("select net.http_request('GET', '$url/echo/later', due := now() + interval '1 hour')");
	$node->restart;
	wait_for('a worker to count', sub {
		my $error = $as_app->("select net.http_post('$url/echo', jsonb_build_object('x', repeat('y', 1200000)))");
		return $error =~ /DETAIL:  1 request with 0 kB is queued/ || ($error =~ /DETAIL:  ([1-9]\d*.*)/ && die "$1\n");
	});
	pass('rows of the child are not queued');
	wait_for('responses to be counted', sub { request($node, "select net.http_get('$url/echo/full')")->{error_msg} });
	is(wait_response($node, $as_app->("select net.http_get('$url/echo/whole')"))->{error_msg}, undef, '... nor stored');
	is($server->arrivals_of('/echo/child'), 0, '... nor sent');
	sql('alter table net.http_request_queue add primary key (id); alter system reset pg_net.max_stored_size_per_role; select pg_reload_conf(); truncate queue; delete from net.http_request_queue');
};

subtest 'durable' => sub {
	begin();
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('begin; select from only queue; select from only log');
	sql('select net.set_durable(true)');
	pass('who reads the children does not keep us from the tables');
	$reader->quit;
	is(sql("select string_agg(relpersistence, '' order by relname) from pg_class where oid in ('net.http_request_queue'::regclass, 'net._http_response'::regclass)"), 'pp', 'they are durable');
	sql('select net.set_durable(false)');
	is(sql("select string_agg(relpersistence, '' order by relname) from pg_class where relname in ('queue', 'log')"), 'pp', 'the children stay as they are');
};

subtest 'copied' => sub {
	create_databases('source');
	sql_in('source', map { "create table $_ () inherits ($children{$_});" } sort keys %children);
	sql_in('source', 'create function sleep(r net._http_response) returns void language sql as $$ select pg_sleep(60) $$');
	sql_in('source', "select net.http_request('GET', '$url/echo/copied', due := now() + interval '1 hour')");
	sql_in('source', 'insert into queue select * from net.http_request_queue');
	sql_in('source', "insert into log (id, role, callback) values (1, 'app'::regrole, 'public.sleep')");
	sql_in('source', "insert into net._http_response (id, role, callback) values (1, 'app'::regrole, 'public.sleep')");
	sql_in('source', 'select net.wake()');
	wait_sql("select count(*) from pg_stat_activity where datname = 'source' and query ~ 'sleep' and backend_type = 'net callback'", 1);
	sql('create database copied template source');
	wait_sql('select count(*) from only net.http_request_queue', 0, 'copied');
	wait_sql('select callback_error from only net._http_response', 'not called in a copy of the database', 'copied');
	is(sql_in('copied', 'select (select count(*) from queue), (select callback_error is null from log)'), '1|t', 'copied rows of the children are kept as they were');
};

# Changes of a child tell nobody.
subtest 'rules, endpoints, secrets' => sub {
	sql("insert into net.access_rule (position, allow, role) values (1, true, null)");
	sql("create table $_ () inherits (net.$_);") for qw(access_rule endpoint secret);
	sql("insert into access_rule (position, allow, role) values (0, false, null)");
	sql("insert into endpoint (name, url, roles) values ('child', '$url/echo', '{public}')");
	sql("insert into secret (name, value, roles, host, port, allow_http) values ('child', 'hush', '{postgres}', '127.0.0.1', @{[$server->port]}, true)");
	is(request($node, "select net.http_get('$url/echo/allowed')")->{status_code}, 200, 'a rule of a child denies nothing');
	like(failure("select net.http_get('net://child/x')"), qr/endpoint "child" does not exist/, 'its endpoint is none');
	like(failure("select net.http_get('$url/echo/secret', headers := jsonb_build_object('X-Key', net.secret('child')))"), qr/secret "child" does not exist/, 'nor is its secret');
	sql("drop table $_;") for qw(access_rule endpoint secret);
	sql('delete from net.access_rule');
};

done_testing();
