# Poison: single requests and rows that are wrong, or far too large, and
# libraries beside ours.  Each has one response of its own; others do not wait.
#
# 010_promises.pl has more rows that cannot be sent, 036_tables_and_settings.pl
# what users do to tables and settings.

use strict;
use warnings;

use JSON::PP ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;
use constant LONGEST_MS => 2_147_483_647;

# As large as a body made by hand should be in a test of everybody's; 500 with
# PGNET_TEST_BODY_MB=500.
my $body_mb = $ENV{PGNET_TEST_BODY_MB} // 90;

my $server = start_http_server();
my $url = $server->url;
my @beside = grep { has_library($_) } 'pg_stat_statements', 'auto_explain';
my $node = new_node('poison_requests',
	preload => join(',', 'pg_net', @beside),
	conf => join "\n", 'autovacuum = off',
	map({ "$_ = on" } grep { $_ =~ /^(pg_stat_statements|auto_explain)/ && $beside[0] }
		  'pg_stat_statements.track_planning', 'auto_explain.log_analyze', 'auto_explain.log_nested_statements'),
	grep({ @beside == 2 } 'auto_explain.log_min_duration = 0', 'pg_stat_statements.track = all'));
my $worker = current_worker($node);

# Insert rows by hand, each of method, URL, headers, body and timeout as SQL;
# their ids.
sub insert
{
	my @ids = map {
		sql("insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds) values ($_) returning id")
	} @_;

	sql('select net.wake()');
	return @ids;
}

# A few small ones are answered, sent once each.
sub beside
{
	my ($name) = @_;
	my $target = "/echo/beside/$name";
	my @ids = split /\n/,
	  sql("select net.http_get('$url$target', timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 5)");

	is(scalar(grep { wait_response($node, $_)->{status_code} == 200 } @ids), 5, "$name: others are answered");
	is(scalar $server->arrivals_of($target), 5, "$name: and were sent once");
	return;
}

# Wait for a response that is too large to be read whole; some columns of it.
sub stored
{
	my ($id, $columns) = @_;

	wait_for("the response to request $id", sub { sql("select 1 from net._http_response where id = $id") });
	return sql("select $columns from net._http_response where id = $id");
}

sub fails_like
{
	my ($id, $regex, $name) = @_;
	my $row = wait_response($node, $id);

	is($row->{status_code}, undef, "$name: not sent");
	like($row->{error_msg}, $regex, "$name: its error");
	return;
}

subtest 'headers' => sub {
	my $rest = "null, @{[LONG_MS]}";
	my ($nested, $deep, $number, $array, $string, $null) = insert(
		qq('GET', '$url/echo/nested', '{"A": {"b": [1, "c"]}, "D": [1, 2], "E": 1.50, "F": true, "G": null}', $rest),
		qq('GET', '$url/echo/deep', ('{"A": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb, $rest),
		qq('GET', '$url/echo/number', '1', $rest),
		qq('GET', '$url/echo/array', '[1, 2]', $rest),
		qq('GET', '$url/echo/string', '"x"', $rest),
		qq('GET', '$url/echo/null', 'null', $rest));
	my $row = wait_response($node, $nested);
	if ($row->{status_code})
	{
		my $seen = JSON::PP::decode_json($row->{content})->{headers};
		is(JSON::PP->new->canonical->encode(JSON::PP::decode_json($seen->{A})), '{"b":[1,"c"]}', 'nested: as its JSON text');
		is($seen->{E}, '1.50', 'a number as it is written');
		is($seen->{F}, 'true', 'a boolean, too');
	}
	else
	{
		like($row->{error_msg}, qr/header/, 'nested: refused');
	}
	ok(wait_response($node, $deep), 'arrays in arrays have a response');
	fails_like($number, qr/headers must be a JSON object/, 'a number');
	fails_like($array, qr/headers must be a JSON object/, 'an array');
	fails_like($string, qr/headers must be a JSON object/, 'a string');
	my $answer = wait_response($node, $null);
	ok($answer->{status_code} || $answer->{error_msg} =~ /headers must be/, 'a JSON null');

	# One of 900 kB, and 10,000 of 100 bytes.  The server takes 1 MB.
	my ($large, $many) = insert(
		qq('GET', '$url/echo/large-header', jsonb_build_object('X-Large', repeat('x', 900000)), $rest),
		qq('GET', '$url/echo/many-headers', (select jsonb_object_agg('X-' || i, repeat('y', 80)) from generate_series(1, 10000) as i), $rest));
	for ([ 'one of 900 kB', $large ], [ '10,000 of 80 bytes', $many ])
	{
		is(stored($_->[1], "coalesce(status_code::text, error_msg)"), '200', $_->[0]);
	}
	my ($too_large) = insert(qq('GET', '$url/echo/too-large-header', jsonb_build_object('X-Large', repeat('x', 5000000)), $rest));
	like(stored($too_large, "coalesce(status_code::text, error_msg)"), qr/./, 'what is too large for the server has its response');
	beside('headers');
};

subtest 'URLs' => sub {
	my ($long, $too_long) = insert(
		"'GET', '$url/echo/' || repeat('x', 60000), null, null, @{[LONG_MS]}",
		"'GET', '$url/echo/' || repeat('x', 9000000), null, null, @{[LONG_MS]}");
	is(stored($long, 'coalesce(status_code::text, error_msg)'), '200', 'one of 60 kB is sent');
	my $error = stored($too_long, 'error_msg');
	like($error, qr/URL/, 'one of 9 MB is an error');
	cmp_ok(length $error, '<', 1000, 'which does not print it');
	my ($rc, undef, $stderr) = $node->psql('postgres', "select net.http_get('$url/' || repeat('x', 9000000))");
	isnt($rc, 0, 'and the call refuses it');
	cmp_ok(length $stderr, '<', 5000, 'without printing it');
	beside('urls');
};

subtest 'methods and timeouts' => sub {
	my ($brew, $long_method, $longest) = insert(
		"'BREW', '$url/echo/brew', null, null, @{[LONG_MS]}",
		"repeat('M', 100000), '$url/echo/long-method', null, null, @{[LONG_MS]}",
		"'GET', '$url/echo/longest', null, null, @{[LONGEST_MS]}");
	my $row = wait_response($node, $brew);
	is($row->{status_code}, 200, 'BREW is a method');
	is(JSON::PP::decode_json($row->{content})->{method}, 'BREW', 'and is sent as it is');
	ok(stored($long_method, 'status_code is not null or error_msg is not null') eq 't', 'one of 100 kB has a response');
	is(wait_response($node, $longest)->{status_code}, 200, 'the longest timeout');
	is(wait_response($node, sql("select net.http_get('$url/echo/call', timeout_milliseconds := @{[LONGEST_MS]})"))->{status_code},
		200, 'at the call, too');
	for my $timeout ('0', '-1', '-2147483648', 'null')
	{
		my ($rc, undef, $stderr) = $node->psql('postgres', "select net.http_get('$url/echo/never', timeout_milliseconds := $timeout)");
		like($stderr, qr/timeout/, "a timeout of $timeout is refused at the call");
	}

	# What the table does not let in unless somebody changed it.
	sql('alter table net.http_request_queue alter method drop not null, alter url drop not null, alter timeout_milliseconds drop not null');
	my ($zero, $negative, $no_timeout, $no_method, $no_url) = insert(
		"'GET', '$url/echo/never', null, null, 0",
		"'GET', '$url/echo/never', null, null, -2147483648",
		"'GET', '$url/echo/never', null, null, null",
		"null, '$url/echo/never', null, null, 1000",
		"'GET', null, null, null, 1000");
	fails_like($zero, qr/timeout must be positive/, '0');
	fails_like($negative, qr/timeout must be positive/, 'negative');
	fails_like($no_timeout, qr/null value in column "timeout_milliseconds"/, 'no timeout');
	fails_like($no_method, qr/method/, 'no method');
	fails_like($no_url, qr/null value in column "url"/, 'no URL');
	is(scalar $server->arrivals_of('/echo/never'), 0, 'none of them was sent');
	beside('methods');
	sql('alter table net.http_request_queue alter method set not null, alter url set not null, alter timeout_milliseconds set not null');
};

subtest "a body of $body_mb MB" => sub {
	my ($large) = insert("'POST', '$url/status/200?large', null, convert_to(repeat('x', $body_mb * 1000000), 'UTF8'), @{[LONG_MS]}");

	beside('large');
	is(stored($large, 'coalesce(status_code::text, error_msg)'), '200', 'is sent');
	is(scalar $server->arrivals_of('/status/200?large'), 1, 'once');
};

subtest 'an index dropped, and the primary key' => sub {
	sql('alter table net.http_request_queue drop constraint http_request_queue_pkey');
	sql('drop index net._http_response_id_idx, net._http_response_created_idx');
	beside('no-index');

	# Ids may be there twice now.
	my $id = sql("select net.http_get('$url/echo/twice', timeout_milliseconds := @{[LONG_MS]})");
	wait_response($node, $id);
	my ($first, $second) = insert("'GET', '$url/echo/twice/1', null, null, @{[LONG_MS]}", "'GET', '$url/echo/twice/2', null, null, @{[LONG_MS]}");
	is(wait_response($node, $_)->{status_code}, 200, 'rows by hand') for $first, $second;
	sql('truncate net.http_request_queue');
	sql('alter table net.http_request_queue add constraint http_request_queue_pkey primary key (id)',
		'; create index _http_response_id_idx on net._http_response (id)',
		'; create index _http_response_created_idx on net._http_response (created)');
	beside('index');
};

subtest 'a response table dropped' => sub {
	my $start = -s $node->logfile;
	my $id = sql("select net.http_get('$url/delay/1?dropped', timeout_milliseconds := @{[LONG_MS]})");

	$server->wait_arrivals('/delay/1?dropped');
	isnt($node->psql('postgres', 'drop table net._http_response'), 0, 'is refused: the extension needs it');
	is(wait_response($node, $id)->{status_code}, 200, 'so what is in flight is stored');

	$id = sql("select net.http_get('$url/delay/1?gone', timeout_milliseconds := @{[LONG_MS]})");
	$server->wait_arrivals('/delay/1?gone');
	sql('begin; alter extension pg_net drop table net._http_response; alter table net._http_response rename to gone; commit');
	my ($rc, undef, $stderr) = $node->psql('postgres', "select net.http_get('$url/echo/refused')");
	like($stderr, qr/the tables of extension "pg_net" are missing/, 'taken out of the extension it is missed at the call');
	wait_for('the worker to miss it', sub {
		log_contains($node, qr/WARNING:  pg_net worker is waiting: a table of extension "pg_net" is missing/, $start);
	});
	sql('begin; alter table net.gone rename to _http_response; alter extension pg_net add table net._http_response; commit');
	is(wait_response($node, $id)->{status_code}, 200, 'put back, it takes the response that waited');
	is(scalar $server->arrivals_of('/delay/1?gone'), 1, 'of a request that was sent once');
	beside('dropped');
};

SKIP: {
	skip 'pg_stat_statements and auto_explain are not installed', 1 if @beside < 2;

	subtest 'pg_stat_statements and auto_explain' => sub {
		my $start = -s $node->logfile;

		sql('create extension pg_stat_statements');
		beside('watched');
		# a rule takes a statement
		sql('create rule noop as on insert to net._http_response do also nothing');
		beside('watched-by-sql');
		sql('drop rule noop on net._http_response');
		ok(log_contains($node, qr/INSERT INTO net\._http_response/, $start), 'auto_explain shows what the worker does');
		cmp_ok(sql(q(select count(*) from pg_stat_statements where query like '%http_get%')), '>', 0, 'and pg_stat_statements what callers do');
	};
}

is(sql('select count(*) from net.http_request_queue'), '0', 'the queue is empty');
is(current_worker($node), $worker, 'one worker did all of this');
$node->stop;
done_testing();
