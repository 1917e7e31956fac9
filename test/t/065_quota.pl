# A role's requests that wait have a limit, and do not fill the disk or stand
# in the way of others'.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('quota', conf => "pg_net.max_in_flight = 1\nmax_prepared_transactions = 2");

sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nset session authorization $role;\n$sql");
	return $out if $status == 0;
	my ($message) = $err =~ /ERROR:  (.*)/;
	my ($detail) = $err =~ /DETAIL:  (.*)/;
	return join ' ', $message, $detail // '';
}

# How many of so many calls are queued: all, or an error.
sub queues
{
	my ($role, $count) = @_;
	return as($role, "select count(net.http_get('$url/status/200')) from generate_series(1, $count)");
}

sub too_many
{
	my ($role, $count, $name) = @_;
	return like(queues($role, $count), qr/^53400: role "$role" has reached its limit of queued requests \d+ requests are queued, and pg_net\.max_waiting_per_role is \d+\.$/, $name);
}

# The session's setting counts, so it is the role's.
sql('create role alice; create role bob');
sql('alter role postgres set pg_net.max_waiting_per_role = 10');

subtest 'without it' => sub {
	is(sql("set pg_net.max_waiting_per_role = 0; select count(net.http_get('$url/status/200')) from generate_series(1, 500)"), 500,
		'a role queues what it likes');
	wait_queue_empty();
};

# Somebody's request that takes its time: all others wait.
my $gate = PostgreSQL::Test::Utils::tempdir('gate');
sub close_gate
{
	my ($name) = @_;
	sql("select net.http_get('$url/wait?file=$gate/$name', timeout_milliseconds := 170000)");
	return $server->wait_arrivals("/wait?file=$gate/$name");
}

subtest 'the number' => sub {
	close_gate('number');
	too_many('alice', 11, 'more than ten at once are an error');
	is(queues('alice', 10), 10, 'of which nothing counts: ten are not');
	too_many('alice', 1, 'one more is');
	is(queues('bob', 10), 10, 'others have their own');
	sql('delete from net.http_request_queue where role = $$bob$$::regrole');
	append_to_file("$gate/number", '');
	wait_queue_empty();
	is(queues('alice', 10), 10, 'those that were sent do not count');
	wait_queue_empty();
};

subtest 'transactions' => sub {
	close_gate('transactions');
	my $ten = "select count(net.http_get('$url/status/200')) from generate_series(1, 10)";
	is(as('alice', "begin; $ten; rollback; begin; $ten; rollback; begin; savepoint s; $ten; rollback to s; $ten; release s; rollback"), "10\n10\n10\n10",
		'what is rolled back does not count');
	like(as('alice', "begin; savepoint s; $ten; release s; $ten"), qr/^53400: /, 'what is released does');
	like(as('alice', "begin; savepoint s; savepoint t; $ten; release t; rollback to s; $ten; $ten"), qr/^53400: /, 'nested, too');
	is(as('alice', 'do $$ begin for i in 1 .. 3 loop begin'
			. " perform net.http_get('$url/status/200') from generate_series(1, 5); raise 'x'; exception when raise_exception then null; end; end loop; end \$\$; $ten"),
		10, 'a block that ends with an error does not');
	too_many('alice', 1, 'then there are ten');
	is(as('alice', 'select count(*) from net.http_request_queue'), 10, 'as many as rows');
	append_to_file("$gate/transactions", '');
	wait_queue_empty();
};

subtest 'rows that are removed by hand' => sub {
	close_gate('removed');
	is(queues('alice', 10), 10, 'ten wait');
	sql("delete from net.http_request_queue where role = 'alice'::regrole");
	ok( wait_for('the worker to count', sub { queues('alice', 10) eq '10' }),
		'when they are gone, ten more may');
	sql('select net.worker_restart()');
	sql('select net.wait_until_running()');
	too_many('alice', 11, 'another worker counts them');
	append_to_file("$gate/removed", '');
	wait_queue_empty();
};

subtest 'the size' => sub {
	close_gate('size');
	my $large = "select net.http_post('$url/echo', jsonb_build_object('x', repeat('y', 600000)))";
	sql('alter role postgres set pg_net.max_waiting_size_per_role = 1');
	like(as('alice', $large), qr/^\d+$/, 'less than a megabyte waits');
	like(as('alice', $large), qr/^53400: role "alice" has reached its limit of queued requests 1 request with 58\d kB is queued, this one has 58\d kB, and pg_net\.max_waiting_size_per_role is 1 MB\.$/, 'more does not');
	like(as('alice', "set pg_net.max_waiting_size_per_role = 0"), qr/^42501: /, 'nor can a role help itself');
	append_to_file("$gate/size", '');
	wait_queue_empty();
	like(as('alice', $large), qr/^\d+$/, 'later it does');
	wait_queue_empty();
};

# What an error says is queued: requests and kB.  There is no room for a body of more than 1 MB.
sub queued_size
{
	my $error = as('alice', "select net.http_post('$url/echo', jsonb_build_object('x', repeat('y', 1200000)))");
	return $error =~ /(\d+) requests? with (\d+) kB (?:is|are) queued/ ? [ $1, $2 ] : $error;
}

subtest 'what else has a size' => sub {
	my $context = "select net.http_request('GET', '$url/status/200', context := jsonb_build_array(repeat('y', 600000)))";
	is_deeply(queued_size(), [ 0, 0 ], 'nothing waits');
	close_gate('context');
	like(as('alice', $context), qr/^\d+$/, 'less than a megabyte of context waits');
	like(as('alice', $context), qr/^53400: .* 1 request with 58\d kB is queued, this one has 58\d kB, /, 'more does not');
	my $before = queued_size();
	$node->restart;
	wait_for('a worker to count', sub { queued_size()->[0] == 1 });
	is_deeply(queued_size(), $before, 'a worker counts as much after a restart');
	append_to_file("$gate/context", '');
	wait_queue_empty();
	is_deeply(queued_size(), [ 0, 0 ], 'nothing is left of it');

	my $flaky = "net.http_request('GET', '$url/flaky/%s?fails=%d&body=' || repeat('x', 900), retry := array_fill(interval '1 ms', '{20}') || interval '1 hour')";
	my $id = as('alice', 'select ' . sprintf($flaky, 'long', 1000));
	wait_for('attempts to fail', sub { sql("select jsonb_array_length(failures) from net.http_request_queue where id = $id") eq '21' });
	my $size = queued_size();
	is($size->[0], 1, 'a request waits for its next attempt');
	cmp_ok($size->[1], '>=', 20, 'the log of its attempts counts');
	cmp_ok($size->[1], '<=', 30, 'once');
	$node->restart;
	wait_for('a worker to count', sub { queued_size()->[0] == 1 });
	is_deeply(queued_size(), $size, 'a worker counts as much after a restart');
	as('alice', 'select ' . sprintf($flaky, 'short', 10));
	wait_for('the other one to be answered', sub { sql('select count(*) from net.http_request_queue') == 1 });
	is_deeply(queued_size(), $size, 'of one that is done, the log does not');
	sql('alter table net.http_request_queue drop constraint http_request_queue_pkey');
	$node->restart;
	$size = wait_for('a worker to count by a statement', sub { my $now = queued_size(); return $now->[0] == 1 && $now });
	cmp_ok($size->[1], '<=', 30, 'a statement counts as well, what is stored');
	sql('alter table net.http_request_queue add primary key (id)');
	is(sql("delete from net.http_request_queue where id = $id returning 'gone'"), 'gone', 'it is removed');
	wait_for('the worker to count', sub { queued_size()->[0] == 0 });
};

# Bodies are not compressed here, so that few are enough.
subtest 'what is stored of responses' => sub {
	my $whole = sub { my ($row) = @_; return defined $row->{content} && defined $row->{headers} && !defined $row->{error_msg} };
	my $get = sub { my ($role, $bytes) = @_; return wait_response($node, as($role, "select net.http_get('$url/huge?bytes=$bytes')")) };
	my $start = -s $node->logfile;

	sql('truncate net._http_response; alter table net._http_response alter content set storage external');
	sql("alter system set pg_net.max_stored_size_per_role = '2MB'; select pg_reload_conf()");
	ok($whole->($get->('alice', 600_000)), 'there is room') for 1 .. 3;
	my $row = wait_for('there to be no more', sub { my $row = $get->('alice', 50_000); return !$whole->($row) && $row });
	is($row->{status_code}, 200, 'the status is stored');
	is($row->{$_}, undef, "but no $_") for qw(content content_bytes headers content_type);
	is($row->{error_msg}, 'headers and body are not stored: the stored responses of the role exceed pg_net.max_stored_size_per_role (2 MB)', 'which is said');
	is($row->{response_bytes}, 50_000, 'and how much there was');
	is(as('alice', "select status, message from net._http_collect_response($row->{id})"), "ERROR|$row->{error_msg}", 'also to who asks for it');
	$row = wait_response($node, as('alice', "select net.http_request('GET', '$url/status/200', context := '{\"short\": 1}')"));
	is_deeply($row->{context}, { short => 1 }, 'a short context is stored');
	$row = wait_response($node, as('alice', "select net.http_request('GET', '$url/status/200', context := jsonb_build_array(repeat('x', 2000)))"));
	is($row->{context}, undef, 'a long one is not');
	is($row->{url}, "$url/status/200", 'the URL is');
	$row = wait_response($node, as('alice', "select net.http_get('$url/status/200?' || repeat('x', 2000))"));
	is($row->{url}, undef, 'nor a long URL');
	$row = wait_response($node, as('alice', "select net.http_request('POST', '$url/status/503', retry := '{1ms}')"));
	like($row->{error_msg}, qr/^gave up after 2 attempts.*; headers and body are not stored: /, 'one that is given up says both') or diag(explain($row));
	cmp_ok(sql("select sum(octet_length(content)) from net._http_response where role = 'alice'::regrole"), '<', 4_500_000, 'it is not much more than the limit');
	like(as('alice', 'select 1'), qr/^1$/, 'calls go on');
	is(wait_response($node, as('alice', "select net.http_get('http://127.0.0.1:1/')"))->{error_msg}, q(Couldn't connect to server), 'an error is what it was');
	$row = wait_response($node, as('alice', "select net.http_request('GET', 'http://127.0.0.1:1/', context := jsonb_build_array(repeat('x', 2000)))"));
	is($row->{context}, undef, 'but a long context is not stored with it');
	like($row->{error_msg}, qr/^Couldn't connect to server; headers and body are not stored: /, 'which is said, too');
	$row = wait_response($node, as('alice', "select net.http_get('$url/huge?bytes=100000&stop=50000', timeout_milliseconds := 500)"));
	is($row->{failures}, undef, 'nor is a part of a response');
	ok($whole->($get->('bob', 600_000)), 'another role has room') for 1 .. 3;
	my $said = () = slurp_file($node->logfile, $start) =~ /WARNING:.*pg_net stores no more response bodies of role "alice"/g;
	is($said, 1, 'the log names the role, once');

	sql("delete from net._http_response where role = 'alice'::regrole");
	wait_for('room after rows were deleted', sub { $whole->($get->('alice', 50_000)) });
	ok($whole->($get->('alice', 50_000)), 'and it stays');
	ok(log_contains($node, qr/LOG:  pg_net stores response bodies of role "alice" again/, $start), 'the log says so');
	wait_for('there to be no more', sub { !$whole->($get->('alice', 600_000)) });
	sql('truncate net._http_response');
	wait_for('room after all rows were deleted', sub { $whole->($get->('alice', 50_000)) });
	wait_for('there to be no more', sub { !$whole->($get->('alice', 600_000)) });
	sql("alter system set pg_net.max_stored_size_per_role = 0; select pg_reload_conf()");
	wait_for('the limit to be gone', sub { $whole->($get->('alice', 600_000)) });
	sql("alter system set pg_net.max_stored_size_per_role = '2MB'; select pg_reload_conf()");
	wait_for('the limit to be back', sub { !$whole->($get->('alice', 50_000)) });
	sql("alter system set pg_net.ttl = '1 s'; select pg_reload_conf()");
	wait_for('room after rows expired', sub { sql("select count(*) from net._http_response") == 0 });
	sql("alter system reset pg_net.ttl; select pg_reload_conf()");
	wait_for('room after rows expired', sub { $whole->($get->('alice', 50_000)) });

	my $old = current_worker($node);
	wait_for('there to be no more', sub { !$whole->($get->('alice', 600_000)) });
	sql('select net.worker_restart()');
	next_worker($node, $old);
	wait_for('another worker to have counted', sub { !$whole->($get->('alice', 50_000)) });
};

$node->stop;
done_testing();
