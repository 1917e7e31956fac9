# The public documentation of pg_net, statement by statement.
#
# Every statement and example stands here as the documentation has it and in
# its order; doc() only puts the local test server in place of the remote
# hosts, and values in place of the placeholders.  Each subtest is named for
# the heading its examples are under.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use Test::More;

my $server = start_http_server();

my $node = new_node('documentation', no_extension => 1);

my %local = (
	'https://news.ycombinator.com' => $server->url,
	'https://httpbin.org/' => $server->url . '/echo/',
	'https://dummy.restapiexample.com/' => $server->url . '/echo/',
	'https://postman-echo.com/' => $server->url . '/echo/',
	'https://project-ref.supabase.co/' => $server->url . '/echo/');

# A statement of the documentation that can be run here.  Placeholders are
# given without their angle brackets.
sub doc
{
	my ($sql, %values) = @_;

	$sql =~ s/\Q$_\E/$local{$_}/g for keys %local;
	$sql =~ s/<\Q$_\E>/$values{$_}/g for keys %values;
	die "not local: $sql" if $sql =~ /https:/;
	die "not filled in: $sql" if $sql =~ /<\w+>/;
	return $sql;
}

# Run statements and return what psql shows, headings included.
sub show
{
	my ($sql) = @_;
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $sql,
		extra_params => [ '--pset', 'tuples_only=off' ]);

	is($rc, 0, 'runs as written') or diag($stderr);
	return $stdout;
}

# Run an example that shows one request_id, and return that.
sub request_id
{
	my ($sql) = @_;
	my ($id) = show($sql) =~ /\Arequest_id\n(\d+)\n\(1 row\)\z/;

	ok(defined $id, 'shows one row, request_id');
	return $id;
}

# What arrived at the server that echoes, from its response.
sub echoed
{
	my ($id) = @_;
	my $response = wait_response($node, $id);

	is($response->{status_code}, 200, 'is answered');
	return decode_json($response->{content});
}

subtest 'Enable the extension' => sub {
	show('create extension pg_net');
	sql('select net.wait_until_running()');
	pass('the worker is running');
};

subtest 'http_get: Usage' => sub {
	my $shown = show(doc(<<'END'));
select
    net.http_get('https://news.ycombinator.com')
    as request_id;
END
	is($shown, "request_id\n1\n(1 row)", 'the first request_id is 1');

	my $response = wait_response($node, 1);
	is($response->{status_code}, 200, 'status_code');
	is($response->{content}, "hello\n", 'content');
	is(($server->arrivals)[0][1], 'GET', 'a GET arrived');
};

subtest 'http_get: Signature' => sub {
	is( arguments('http_get'),
		"url text, params jsonb DEFAULT '{}'::jsonb,"
		  . " headers jsonb DEFAULT '{}'::jsonb,"
		  . " timeout_milliseconds integer DEFAULT 2000",
		'arguments, their names, types and defaults');
	is(result('http_get'), 'bigint|v', 'returns bigint, volatile');
};

subtest 'http_get: HTTP requests are not started until the transaction is committed' => sub {
	$node->safe_psql('postgres', doc(<<'END'));
begin;
select net.http_get('https://postman-echo.com/rolled-back');
rollback;
END
	# By the time a later request is answered, an earlier one had its turn.
	request($node, doc("select net.http_get('https://postman-echo.com/committed')"));
	is($server->arrivals_of('/echo/rolled-back') + 0, 0, 'not after a rollback');
	is($server->arrivals_of('/echo/committed') + 0, 1, 'but after a commit');
};

subtest 'http_post: Usage' => sub {
	my $id = request_id(doc(<<'END'));
select
    net.http_post(
        url:='https://httpbin.org/post',
        body:='{"hello": "world"}'::jsonb
    ) as request_id;
END
	my $request = echoed($id);
	is($request->{method}, 'POST', 'a POST arrived');
	is($request->{path}, '/echo/post', 'at the path');
	is_deeply(decode_json($request->{body}), { hello => 'world' },
		'with the body');
	is($request->{headers}{'Content-Type'},
		'application/json', 'as application/json');
};

subtest 'http_post: Signature' => sub {
	is( arguments('http_post'),
		"url text, body jsonb DEFAULT '{}'::jsonb,"
		  . " params jsonb DEFAULT '{}'::jsonb,"
		  . " headers jsonb DEFAULT '{\"Content-Type\": \"application/json\"}'::jsonb,"
		  . " timeout_milliseconds integer DEFAULT 2000",
		'arguments, their names, types and defaults');
	is(result('http_post'), 'bigint|v', 'returns bigint, volatile');
};

subtest 'http_delete: Usage' => sub {
	my $id = request_id(doc(<<'END'));
select
    net.http_delete(
        'https://dummy.restapiexample.com/api/v1/delete/2'
    ) as request_id;
END
	my $request = echoed($id);
	is($request->{method}, 'DELETE', 'a DELETE arrived');
	is($request->{path}, '/echo/api/v1/delete/2', 'at the path');
	is($request->{length}, 0, 'without a body');
};

subtest 'http_delete: Signature' => sub {

	# the body is new since
	is( arguments('http_delete'),
		"url text, params jsonb DEFAULT '{}'::jsonb,"
		  . " headers jsonb DEFAULT '{}'::jsonb,"
		  . " timeout_milliseconds integer DEFAULT 2000,"
		  . " body jsonb DEFAULT NULL::jsonb",
		'arguments, their names, types and defaults');
	is(result('http_delete'), 'bigint|v', 'returns bigint, volatile');
};

subtest 'Analyzing responses: net.http_request_queue' => sub {
	is(persistence('net.http_request_queue'), 'u', 'is unlogged');
	# the method is a domain over text, and headers may be null
	is(columns('net.http_request_queue', 6), <<'END', 'has the columns');
id bigint NOT NULL DEFAULT nextval('net.http_request_queue_id_seq'::regclass)
method net.http_method NOT NULL
url text NOT NULL
headers jsonb
body bytea
timeout_milliseconds integer NOT NULL
END

	my $hanging = start_http_server();
	my $id = sql("select net.http_get('@{[ $hanging->url ]}/hang', timeout_milliseconds := 600000)");
	$hanging->wait_arrivals('/hang');
	is( sql('select id, method from net.http_request_queue'),
		"$id|GET", 'waiting requests are stored there');

	$hanging->stop;
	wait_response($node, $id);
	is( sql('select count(*) from net.http_request_queue'),
		0, 'upon execution, they are deleted');
};

subtest 'Analyzing responses: net._http_response' => sub {
	is(persistence('net._http_response'), 'u', 'is unlogged');
	is(columns('net._http_response', 8), <<'END', 'has the columns');
id bigint
status_code integer
content_type text
headers jsonb
content text
timed_out boolean
error_msg text
created timestamp with time zone NOT NULL DEFAULT now()
END
};

subtest 'Analyzing responses: observe the responses' => sub {
	my $shown = show('select * from net._http_response;');

	like(
		$shown,
		qr/\Aid\|status_code\|content_type\|headers\|content\|timed_out\|error_msg\|created\b/,
		'shows the columns');
	like($shown, qr/^1\|200\|text\/plain\|\{.*\}\|hello\n\|f\|\|\d{4}-/m,
		'shows the first response');
};

my $echo_id;

subtest 'Inspecting request data: send a post request to the echo API' => sub {
	$echo_id = request_id(doc(<<'END'));
select
    net.http_post(
        url := 'https://postman-echo.com/post',
        body := '{"key1": "value", "key2": 5}'::jsonb
    ) as request_id;
END
	wait_response($node, $echo_id);
};

subtest 'Inspecting request data: inspect the echo API response content' => sub {
	my $shown = show(doc(<<'END', request_id => $echo_id));
select
    "content"
from net._http_response
where id = <request_id>
-- returns information about the request
-- including the body sent: {"key": "value", "key": 5}
END
	my ($content) = $shown =~ /\Acontent\n(\{.*\})\n\n\(1 row\)\z/s;
	ok(defined $content, 'shows one content');
	is_deeply(
		decode_json(decode_json($content)->{body}),
		{ key1 => 'value', key2 => 5 },
		'which has the body sent');
};

subtest 'Inspecting request data: debugging_example' => sub {
	sql(<<'END');
create table example_table (id int primary key, name text);
insert into example_table values (7, 'seven'), (8, 'eight');
END
	my $log_offset = -s $node->logfile;
	my $before = last_id();
	my $shown = show(doc(<<'END', row_id => 7, example_table => 'example_table'));
create or replace function debugging_example (row_id int)
returns jsonb as $$
declare
    -- Store payload data
    row_data_var jsonb;
begin
    -- Retrieve row data and convert to JSON
    select to_jsonb("<example_table>".*) into row_data_var
    from "<example_table>"
    where "<example_table>".id = row_id;
    -- Initiate HTTP POST request to URL
    perform
        net.http_post(
            url := 'https://postman-echo.com/post',
            -- Use row data as payload
            body := row_data_var
        ) as request_id;
    -- Optionally Log row data or other data for inspection in Supabase Dashboard's Postgres Logs
    raise log 'Logging an entire row as JSON (%)', row_data_var;
    -- return row data to inspect
    return row_data_var;
-- Handle exceptions here if needed
exception
    when others then
        raise exception 'An error occurred: %', SQLERRM;
end;
$$ language plpgsql;
-- calling function
select debugging_example(<row_id>);
END
	is($shown, qq(debugging_example\n{"id": 7, "name": "seven"}\n(1 row)),
		'the row data is returned');
	ok( log_contains(
			$node,
			qr/LOG:  Logging an entire row as JSON \(\{"id": 7, "name": "seven"\}\)/,
			$log_offset),
		'the row data is in the log');
	is_deeply(
		decode_json(echoed($before + 1)->{body}),
		{ id => 7, name => 'seven' },
		'the row data is sent');
};

subtest 'Inspecting failed requests' => sub {
	my $url = $server->url;
	my %failed;

	sql("select net.http_get('$url/$_')")
	  for qw(healthz status/204 status/399);
	for my $target (qw(status/400 status/404 status/503 disconnect malformed-header)) {
		$failed{ sql("select net.http_get('$url/$target')") } = 1;
	}
	my $timeout = sql("select net.http_get('$url/hang', timeout_milliseconds := 100)");
	$failed{$timeout} = 1;
	wait_for('the queue to empty',
		sub { !sql('select count(*) from net.http_request_queue') });

	# from before: the server of "net.http_request_queue" that was stopped
	my $earlier = sql('select id from net._http_response'
		  . " where error_msg like 'Server returned nothing%' order by id limit 1");
	$failed{$earlier} = 1;

	# Contents have line ends: let psql end rows with a zero byte.
	my ($rc, $stdout, $stderr) = $node->psql('postgres', <<'END', extra_params => ['-0']);
select
*
from net._http_response
where "status_code" >= 400 or "error_msg" is not null
order by "created" desc;
END
	is($rc, 0, 'runs as written') or diag($stderr);
	my @found = map { /\A(\d+)\|/ ? $1 : "not a row: $_" } split /\0/, $stdout;
	is_deeply(
		[ sort { $a <=> $b } @found ],
		[ sort { $a <=> $b } keys %failed ],
		'finds the failed ones, and no other');
	is($found[-1], $earlier, 'the oldest comes last');
};

subtest 'Configuration: Get current settings' => sub {
	my %settings = map { /\A([^|]+)\|(.*)\z/ } split /\n/, show(<<'END');
select
"name",
"setting"
from pg_settings
where "name" like 'pg_net%';
END
	is($settings{'pg_net.batch_size'}, '200', 'pg_net.batch_size');
	is($settings{'pg_net.database_name'}, 'postgres', 'pg_net.database_name');
	is($settings{'pg_net.ttl'}, '6 hours', 'pg_net.ttl');
	is($settings{'pg_net.username'}, '', 'pg_net.username');
};

subtest 'Configuration: Alter settings' => sub {
	my $pid = current_worker($node);

	is(show(<<'END'), '', 'the variables are changed');
alter role "postgres" set pg_net.ttl to '24 hours';
alter role "postgres" set pg_net.batch_size to 500;
END
	is(show(<<'END'), "worker_restart\nt\n(1 row)", 'the worker is restarted');
select net.worker_restart();
END
	my $new_pid = next_worker($node, $pid);
	isnt($new_pid, $pid, 'a new pid appears');
};

subtest 'Configuration: the worker uses the ttl' => sub {

	# One a little over the default ttl of 6 hours, and one over 24 hours:
	# when the second goes, the worker has looked at the first.
	my ($kept, $expired) = map {
		my $id = $node->safe_psql('postgres', doc("select net.http_get('https://postman-echo.com/ttl')"));
		wait_response($node, $id);
		sql("update net._http_response set created = now() - interval '$_ hours' where id = $id");
		$id;
	} (7, 25);
	sql('select net.wake()');
	wait_for('a response of 25 hours to go', sub {
		!sql("select count(*) from net._http_response where id = $expired");
	});
	is( sql("select count(*) from net._http_response where id = $kept"),
		1, 'a response of 7 hours is kept');
};

subtest 'Configuration: the worker uses the batch_size' => sub {
	sql('alter role "postgres" set log_min_messages to debug1');
	my $pid = current_worker($node);
	sql('select net.worker_restart()');
	$pid = next_worker($node, $pid);

	my $log_offset = -s $node->logfile;
	$node->safe_psql('postgres',
		doc("select net.http_get('https://postman-echo.com/batch') from generate_series(1, 750)"));
	$server->wait_arrivals('/echo/batch', 750);
	ok( log_contains(
			$node, qr/\[$pid\] DEBUG:  read 500 rows of the queue/, $log_offset),
		'500 rows are read at a time');
	sql('alter role "postgres" reset log_min_messages');
};

subtest 'Configuration: the worker uses another ttl' => sub {
	my $pid = current_worker($node);

	sql("alter role postgres set pg_net.ttl to '1 second'");
	sql('select net.worker_restart()');
	next_worker($node, $pid);
	wait_for('all responses to go', sub {
		!sql('select count(*) from net._http_response');
	});
	pass('all responses go');
	$pid = current_worker($node);
	sql('alter role postgres reset all; select net.worker_restart()');
	next_worker($node, $pid);
};

subtest 'Examples: Invoke a Supabase Edge Function' => sub {
	my $id = request_id(doc(<<'END', YOUR_ANON_KEY => 'an.anon-key'));
select
    net.http_post(
        url:='https://project-ref.supabase.co/functions/v1/function-name',
        headers:='{"Content-Type": "application/json", "Authorization": "Bearer <YOUR_ANON_KEY>"}'::jsonb,
        body:='{"name": "pg_net"}'::jsonb
    ) as request_id;
END
	my $request = echoed($id);
	is($request->{path}, '/echo/functions/v1/function-name', 'the function is called');
	is($request->{headers}{Authorization}, 'Bearer an.anon-key', 'with the auth header');
	is($request->{headers}{'Content-Type'}, 'application/json', 'with the content type');
	is_deeply(decode_json($request->{body}), { name => 'pg_net' }, 'with the payload');
};

note('Examples: Call an endpoint every minute with pg_cron: see 002_cron.pl');

subtest 'Examples: Execute pg_net in a trigger' => sub {
	my %names = (
		function_name => 'call_endpoint',
		trigger_name => 'call_endpoint_on_update',
		table_name => 'orders');

	sql(<<'END');
create table orders (id int primary key, state text);
insert into orders values (1, 'new'), (2, 'new');
END
	show(doc(<<'END', %names));
-- function called by trigger
create or replace function <function_name>()
    returns trigger
    language plpgSQL
as $$
begin
    -- calls pg_net function net.http_post
    -- sends request to postman API
    perform "net"."http_post"(
      'https://postman-echo.com/post'::text,
      jsonb_build_object(
        'old_row', to_jsonb(old.*),
        'new_row', to_jsonb(new.*)
      ),
      headers:='{"Content-Type": "application/json"}'::jsonb
    ) as request_id;
    return new;
END $$;
-- trigger for table update
create trigger <trigger_name>
    after update on <table_name>
    for each row
    execute function <function_name>();
END
	my $before = last_id();
	sql("update orders set state = 'paid' where id = 1");
	is_deeply(
		decode_json(echoed($before + 1)->{body}),
		{
			old_row => { id => 1, state => 'new' },
			new_row => { id => 1, state => 'paid' }
		},
		'the old row and the new one arrive');
	is(last_id(), $before + 1, 'one request for one row');
};

subtest 'Examples: Send multiple table rows in one request' => sub {
	my $id = request_id(doc(<<'END', table_name => 'orders'));
with "selected_table_rows" as (
    select
        -- Converts all the rows into a JSONB array
        jsonb_agg(to_jsonb(<table_name>.*)) as JSON_payload
    from <table_name>
    -- good practice to LIMIT the max amount of rows
)
select
    net.http_post(
        url := 'https://postman-echo.com/post'::text,
        body := JSON_payload
    ) AS request_id
FROM "selected_table_rows";
END
	my $rows = decode_json(echoed($id)->{body});
	is_deeply(
		[ sort { $a->{id} <=> $b->{id} } @$rows ],
		[ { id => 1, state => 'paid' }, { id => 2, state => 'new' } ],
		'all rows arrive in one array');
};

done_testing();

# The arguments of a function of the schema net.
sub arguments
{
	my ($name) = @_;
	return sql("select pg_get_function_arguments('net.$name'::regproc)");
}

# The result type of a function, and its volatility.
sub result
{
	my ($name) = @_;
	return sql("select pg_get_function_result(oid), provolatile from pg_proc where oid = 'net.$name'::regproc");
}

# Is a table permanent or unlogged?
sub persistence
{
	my ($table) = @_;
	return sql("select relpersistence from pg_class where oid = '$table'::regclass");
}

# The first columns of a table, as CREATE TABLE would have them.
sub columns
{
	my ($table, $count) = @_;
	return sql(<<"END") . "\n";
select attname || ' ' || format_type(atttypid, atttypmod)
       || case when attnotnull then ' NOT NULL' else '' end
       || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid = '$table'::regclass and attnum between 1 and $count
order by attnum
END
}

# The id of the last request queued.
sub last_id
{
	return sql('select last_value from net.http_request_queue_id_seq');
}
