# Requests with a schedule: what becomes of each attempt, when the next one is,
# and what users see of it meanwhile.

use strict;
use warnings;

use JSON::PP ();
use List::Util qw(max min);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('retries', conf => "pg_net.failed_ttl = '7 days'");
my $base = $server->url;
my $calls = 0;

# 088_retries_changed_tables.pl says what is different there.
our $changes;
sql($changes) if defined $changes;

# A call for a path; options are arguments of http_request.
sub statement
{
	my ($path, %args) = @_;
	my $method = delete $args{method} // 'GET';
	my $url = $path =~ /^\w+:/ ? $path : "$base$path";
	return "select net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')';
}

# Make it; the id.
sub call { return sql(statement(@_)) }

sub key { return 'k' . ++$calls }

sub row_of { return sql("select $_[1] from net.http_request_queue where id = $_[0]") }

sub status_of { return sql("select status || ' | ' || message from net._http_collect_response($_[0])") }

subtest 'again until it is done' => sub {
	my $path = '/flaky/' . key() . '?fails=2&body=not+yet';
	my $id = call($path, retry => "'{10ms,20ms,1h}'");
	my $row = wait_response($node, $id);
	is($row->{status_code}, 200, 'the last status');
	is($row->{error_msg}, undef, 'no error');
	is($row->{attempts}, 3, 'attempts');
	is(scalar @{ $row->{failures} }, 2, 'two failures in the log');
	my ($first, $second) = @{ $row->{failures} };
	is($first->{status}, 503, 'status in the log');
	is($first->{error}, undef, 'no error in the log');
	is($first->{body}, 'not yet', 'body in the log');
	is($first->{due}, undef, 'the first was due at once');
	like($first->{at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'when it was sent');
	ok($first->{ms} > 0, 'how long it took');
	ok($second->{due} gt $first->{at}, 'the second was due later');
	ok($row->{queued}, 'when it was queued');
	is(row_of($id, 'count(*)'), 0, 'the row is gone');
	is(scalar $server->arrivals_of($path), 3, 'as many arrived');
};

subtest 'what becomes of an attempt' => sub {
	my @cases = (
		# what, path, without a schedule, with one
		[ '200', '/status/200', 'done 200', 'done 200' ],
		[ '204', '/status/204', 'done 204', 'done 204' ],
		(map { [ $_, "/status/$_", "done $_", "gave up after 2 attempts: $_" ] } 408, 425, 429, 500, 502, 503, 504, 599),
		(map { [ $_, "/status/$_", "done $_", "done $_" ] } 301, 400, 404, 410, 501, 505),
		[ 'no answer', '/disconnect', 'Server returned nothing (no headers, no data)',
			'gave up after 2 attempts: Server returned nothing (no headers, no data)' ],
		[ 'cut body', '/disconnect-mid-body', qr/^Transferred a partial file/, qr/^gave up after 2 attempts: Transferred a partial file/ ],
		[ 'not HTTP', '/not-http', qr/HTTP\/0\.9|^Weird server reply/, qr/^gave up after 2 attempts: / ],
		[ 'too large', '/huge?bytes=1001', 'response body is larger than 1000 bytes',
			'gave up after 1 attempt: response body is larger than 1000 bytes' ],
		[ 'too many redirects', '/redirect/3', qr/^Number of redirects hit maximum/,
			qr/^gave up after 1 attempt: Number of redirects hit maximum/ ],
		[ 'no connection', 'http://127.0.0.1:1/', "Couldn't connect to server",
			"gave up after 2 attempts: Couldn't connect to server" ],
		[ 'no such host', 'http://nowhere.invalid/', qr/^Couldn't resolve host/i,
			qr/^gave up after 2 attempts: Couldn't resolve host/i ]);
	my %options = (max_response_bytes => 1000, max_redirects => 2, timeout_milliseconds => 60_000);
	my @ids;
	for my $case (@cases)
	{
		push @ids, [ call($case->[1], %options), call($case->[1], %options, retry => "'{1ms}'") ];
	}
	for my $i (0 .. $#cases)
	{
		my ($what, undef, @expected) = @{ $cases[$i] };
		for my $with (0, 1)
		{
			my $row = wait_response($node, $ids[$i][$with]);
			my $got = $row->{error_msg} // "done $row->{status_code}";
			my $name = "$what, " . ($with ? 'with a schedule' : 'without');
			ref $expected[$with] ? like($got, $expected[$with], $name) : is($got, $expected[$with], $name);
			is(row_of($ids[$i][$with], 'count(*)'), ($got =~ /gave up/ ? 1 : 0), '... and its row');
		}
	}
	my $row = wait_response($node, $ids[9][1]);
	is($row->{status_code}, 599, 'status of the last response');
	is($row->{content}, "599\n", 'and its body');
	is($row->{attempts}, 2, 'attempts');
	is(scalar @{ $row->{failures} }, 2, 'both in the log');
};

subtest 'timeouts and refusals' => sub {
	my $id = call('/hang', retry => "'{1ms}'", timeout_milliseconds => 50);
	my $row = wait_response($node, $id);
	like($row->{error_msg}, qr/^gave up after 2 attempts: Timeout of 50 ms reached/, 'each attempt has its timeout');
	is($row->{timed_out}, JSON::PP::true, 'timed out');
	sql("insert into net.access_rule (position, allow) values (1, false)");
	sql("insert into net.http_request_queue (method, url, timeout_milliseconds, retry) values ('GET', '$base/', 1000, '{1ms}')");
	sql('select net.wake()');
	$id = wait_for('the refusal', sub { sql('select max(id) from net._http_response where attempts = 0') });
	$row = wait_response($node, $id);
	unlike($row->{error_msg}, qr/gave up/, 'not sent: the reason alone');
	is($row->{attempts}, 0, 'not sent');
	is($row->{failures}[0]{at}, undef, 'nothing was sent, says the log');
	is(row_of($id, 'gave_up is not null'), 't', 'it can be sent again');
	sql('delete from net.access_rule');
};

subtest 'delays' => sub {
	my @ids = map { call('/status/503', retry => "'{100s}'") } 1 .. 40;
	my $in = join ',', @ids;
	wait_sql("select count(*) from net.http_request_queue where due is not null and id in ($in)", 40);
	my ($least, $most) = split /\|/,
	  sql("select min(d) || '|' || max(d) from (select extract(epoch from due - (failures->0->>'at')::timestamptz) d from net.http_request_queue where id in ($in)) s");
	ok($least >= 80 && $most <= 121, "from 80 to 120 s: $least to $most");
	ok($most - $least > 5, 'at random');
	like(status_of($ids[0]), qr/^PENDING \| attempt 2 of 2 at \d{4}-.*: 503$/, 'what is said of it');
	sql("delete from net.http_request_queue where id in ($in)");

	my %asks = (
		'300' => [ 299, 301 ],
		'200000' => [ 86_399, 86_401 ],
		'99999999999999999999' => [ 86_399, 86_401 ],
		'10' => [ 80, 121 ],
		'soon' => [ 80, 121 ],
		'-5' => [ 80, 121 ],
		'Fri, 31 Dec 2199 23:59:59 GMT' => [ 86_399, 86_401 ],
		'Sunday, 06-Nov-94 08:49:37 GMT' => [ 80, 121 ],
		'Sun Nov  6 08:49:37 1994' => [ 80, 121 ],
		sql("select to_char(now() at time zone 'UTC' + interval '1000 s', 'Dy, DD Mon YYYY HH24:MI:SS') || ' GMT'") => [ 995, 1001 ]);
	for my $value (sort keys %asks)
	{
		(my $encoded = $value) =~ s/ /+/g;
		my $id = call('/flaky/' . key() . "?fails=9&retry-after=$encoded", retry => "'{100s}'");
		my $seconds = wait_for("a failure of $id",
			sub { row_of($id, q(extract(epoch from due - (failures->0->>'at')::timestamptz))) });
		ok($seconds >= $asks{$value}[0] && $seconds <= $asks{$value}[1], "Retry-After: $value: $seconds");
	}
};

subtest 'scheduled' => sub {
	my $path = '/echo/' . key();
	my $id = call($path, due => "now() + interval '1 hour'");
	my $soon = call('/echo/' . key(), due => "now() + interval '300 ms'");
	like(status_of($id), qr/^PENDING \| scheduled for \d{4}-\d\d-\d\d /, 'what is said of it');
	my $row = wait_response($node, $soon);
	is($row->{status_code}, 200, 'sent');
	is(sql("select started >= queued + interval '300 ms' from net._http_response where id = $soon"), 't', 'not before it was due');
	is(scalar $server->arrivals_of($path), 0, 'the other was not');
	sql("update net.http_request_queue set due = now() where id = $id");
	is(wait_response($node, $id)->{status_code}, 200, 'brought forward by hand');
	is(wait_response($node, call('/echo/x', due => "'2000-01-01'"))->{status_code}, 200, 'in the past: at once');
	is(wait_response($node, call('/echo/x', due => 'null'))->{status_code}, 200, 'null: at once');
};

subtest 'what comes back' => sub {
	my $id;
	my $row = wait_response($node, call('/echo/c', context => q('{"invoice": 7}')));
	is_deeply($row->{context}, { invoice => 7 }, 'context');
	$id = call('/echo/' . key(), keep => 'false');
	wait_sql("select count(*) from net.http_request_queue where id = $id", 0);
	is(sql("select count(*) from net._http_response where id = $id"), 0, 'keep := false: nothing of a success');
	is(status_of($id), "ERROR | request_id $id not found", 'it is not found');
	$id = call('/status/404', keep => 'false');
	is(wait_response($node, $id)->{status_code}, 404, 'but of anything else');
};

subtest 'arguments' => sub {
	like(failure(statement('/', retry => "'{-1s}'")), qr/a delay of a retry schedule must be between 0 and 365 days/, 'negative');
	like(failure(statement('/', retry => "'{366 days}'")), qr/between 0 and 365 days/, 'too long');
	like(failure(statement('/', retry => "'{1s,null}'")), qr/must not be null/, 'null');
	like(failure(statement('/', retry => "array_fill('1s'::interval, '{51}')")), qr/at most 50 delays, not 51/, 'too many');
	like(failure(statement('/', retry => "'{{1s},{2s}}'")), qr/one-dimensional/, 'two dimensions');
	like(failure(statement('/', due => "'infinity'")), qr/due must not be infinite/, 'infinity');
	is(sql("select net.backoff(5)"), '{00:00:05,00:00:15,00:00:45,00:02:15}', 'backoff');
	is(sql("select net.backoff(1)"), '{}', 'one attempt');
	is(sql("select net.backoff(4, '1h', 100, '2h')"), '{01:00:00,02:00:00,02:00:00}', 'longest');
	is(wait_response($node, call('/status/503', retry => "'{}'"))->{error_msg}, undef, 'an empty schedule is one attempt');
	sql("insert into net.http_request_queue (method, url, timeout_milliseconds, retry) values ('GET', '$base/', 1000, '{-1s}')");
	sql('select net.wake()');
	wait_sql(q(select count(*) from net._http_response where error_msg = 'a delay of a retry schedule must be between 0 and 365 days'), 1);
	pass('by hand: a response that says so');
};

subtest 'resend and cancel' => sub {
	my $path = '/flaky/' . key() . '?fails=2';
	my $id = call($path, retry => "'{1ms}'");
	is(wait_response($node, $id)->{error_msg}, 'gave up after 2 attempts: 503', 'given up');
	is(status_of($id), 'ERROR | gave up after 2 attempts: 503', 'what is said of it');
	is(row_of($id, 'due - gave_up'), '7 days', 'how long it is kept');
	sql("begin; select net.resend($id); rollback");
	is(row_of($id, 'gave_up is not null'), 't', 'rolled back');
	is(sql("select net.resend($id)"), 't', 'sent again');
	my $row = wait_for('success', sub { sql("select row_to_json(r) from net._http_response r where id = $id and error_msg is null") });
	$row = JSON::PP::decode_json($row);
	is($row->{attempts}, 3, 'all attempts');
	is(scalar @{ $row->{failures} }, 3, 'two failures, and the new round');
	is($row->{failures}[2]{role}, 'postgres', 'who sent it again');
	is(sql("select count(*) from net._http_response where id = $id"), 1, 'one response');
	is(sql("select net.resend($id)"), 'f', 'done: not there');
	is(sql('select net.resend(null)') . sql('select net.cancel(null)'), 'ff', 'null: not there');
	like(failure('select net.resend(1, $$infinity$$)'), qr/due must not be infinite/, 'infinity');

	$id = call('/echo/' . key(), due => "now() + interval '1 hour'");
	is(sql("select net.resend($id, now() + interval '2 hours')"), 't', 'later');
	is(row_of($id, "due > now() + interval '100 min' and gave_up is null and failures is null"), 't', 'that is all');
	is(sql("select net.resend($id)"), 't', 'now');
	is(wait_response($node, $id)->{status_code}, 200, 'sent');

	$id = call('/hang', timeout_milliseconds => 600_000);
	$server->wait_arrivals('/hang', 3);
	is(sql("select net.resend($id)") . sql("select net.cancel($id)"), 'ff', 'in flight: neither');
	sql("delete from net.http_request_queue where id = $id");

	$id = call('/echo/' . key(), due => "now() + interval '1 hour'");
	sql('create role other; grant usage on schema net to other');
	is(sql("set role other; select net.cancel($id)::text || net.resend($id)::text"), 'falsefalse', "another's is not there");
	is(sql("reset role; select net.cancel($id)"), 't', 'cancelled');
	is(status_of($id), "ERROR | request_id $id not found", 'and gone');
	$id = sql("reset role; set role other; select net.http_request('GET', '$base/echo/o', due := now() + interval '1 hour')");
	is(sql("revoke all on net.http_request_queue from other; select net.cancel($id)"), 't', 'its own, without rights on the table');
	sql('reset role');

	$id = call('/status/503', retry => "'{1ms}'");
	wait_response($node, $id);
	is(sql("select net.cancel($id)"), 't', 'given up: cancelled');
	is(sql("select error_msg from net._http_response where id = $id"), 'gave up after 2 attempts: 503', 'its response stays');
};

subtest 'what was given up is removed' => sub {
	sql("alter system set pg_net.failed_ttl = '1 s'");
	$node->reload;
	my $id;
	wait_for('the setting to apply', sub {
		$id = call('/status/503', retry => "'{}'::interval[] || interval '1 ms'");
		wait_response($node, $id);
		return (row_of($id, 'due - gave_up') || '00:00:01') eq '00:00:01';
	});
	wait_sql("select count(*) from net.http_request_queue where id = $id", 0);
	is(sql("select error_msg from net._http_response where id = $id"), 'gave up after 2 attempts: 503', 'its response stays');
	sql("alter system set pg_net.failed_ttl = 0");
	$node->reload;
	wait_for('0 to apply', sub {
		$id = call('/status/503', retry => "'{1ms}'");
		wait_response($node, $id);
		return row_of($id, 'count(*)') == 0;
	});
	pass('0: at once');
	sql('alter system reset pg_net.failed_ttl');
	$node->reload;
};

subtest 'a database without a worker' => sub {
	create_databases('later');
	sql("alter system set pg_net.worker_idle_timeout = '200ms'");
	$node->reload;
	my $path = '/echo/' . key();
	my $id = sql_in($node, 'later', "select net.http_request('GET', '$base$path', due := now() + interval '3 s')");
	wait_sql(q(select count(*) from pg_stat_activity where datname = 'later' and backend_type like '%pg_net%'), 0);
	pass('its worker leaves');
	is(wait_response($node, $id, undef, 'later')->{status_code}, 200, 'and comes back in time');
	is(sql_in($node, 'later', "select started >= queued + interval '3 s' from net._http_response where id = $id"), 't', 'not before');
	wait_sql(q(select count(*) from pg_stat_activity where datname = 'later' and backend_type like '%pg_net%'), 0);
	$id = sql_in($node, 'later', "select net.http_request('GET', '$base$path', due := now() + interval '1 hour')");
	wait_sql(q(select count(*) from pg_stat_activity where datname = 'later' and backend_type like '%pg_net%'), 0);
	sql_in($node, 'later', "select net.resend($id)");
	is(wait_response($node, $id, undef, 'later')->{status_code}, 200, 'resend starts one');
	$id = sql_in($node, 'later', "select net.http_request('GET', '$base$path', due := now() + interval '4 s')");
	sql_in($node, 'later', 'select net.set_durable(true)');
	$node->restart;
	is(wait_response($node, $id, undef, 'later')->{status_code}, 200, 'after a restart of the server, too');
};

subtest 'part of a response' => sub {
	my $row = wait_response($node, call('/huge?bytes=5000&stop=3000', timeout_milliseconds => 300));
	is($row->{status_code}, undef, 'no status');
	is($row->{content}, undef, 'no content');
	my ($entry) = @{ $row->{failures} };
	is($entry->{status}, 200, 'the status, in the log');
	is($entry->{body_bytes}, 3000, 'how much came');
	is(length $entry->{body}, 3000, 'and that');
	is($entry->{headers}{'Content-Length'}, 5000, 'the headers');
	like($entry->{error}, qr/^Timeout of 300 ms/, 'why there is no more');

	$row = wait_response($node, call('/huge?bytes=200000', max_response_bytes => 100_000, retry => "'{1ms}'"));
	is($row->{error_msg}, 'gave up after 1 attempt: response body is larger than 100000 bytes', 'too large');
	ok(length $row->{failures}[0]{body} <= 65536, 'at most 64 kB');
	$row = wait_response($node, call('/disconnect-mid-body', retry => "'{1ms,1ms}'"));
	is($row->{failures}[2]{body}, 'half', 'cut');
	is_deeply([ map { exists $_->{headers} ? 1 : 0 } @{ $row->{failures} } ], [ 0, 0, 1 ], 'headers of the newest only');

	# a character that is cut in two: 4 bytes of "caf\xc3\xa9" and no more
	my $cut = 'SFRUUC8xLjEgMjAwIE9LDQpDb250ZW50LVR5cGU6IHRleHQvcGxhaW47IGNoYXJzZXQ9dXRmLTgNCkNvbnRlbnQtTGVuZ3RoOiA5OQ0KDQpjYWbD';
	is(wait_response($node, call("/bytes?base64=$cut"))->{failures}[0]{body}, 'caf', 'a character cut in two is left out');
	is(wait_response($node, call('/hang', timeout_milliseconds => 50))->{failures}, undef, 'nothing came: no log');
};

subtest 'the notice' => sub {
	my (undef, undef, $stderr) = $node->psql('postgres', "select net.http_request('GET', '$base/', retry := '{1s}')");
	like($stderr, qr/NOTICE: +a server crash will remove/, 'unlogged');
	(undef, undef, $stderr) = $node->psql('later', "select net.http_request('GET', '$base/', retry := '{1s}')");
	is($stderr, '', 'durable');
};

done_testing();
