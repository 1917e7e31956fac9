# net.await(): waiting for many requests at once.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('await');
my $gate = PostgreSQL::Test::Utils::tempdir('gate');
my $gates = 0;

# A request that is answered once open_gate() is called with the name.
sub closed
{
	my $name = 'g' . ++$gates;
	return ($name, sql("select net.http_get('$url/wait?file=$gate/$name', timeout_milliseconds := 170000)"));
}
sub open_gate { append_to_file("$gate/$_", '') for @_; return }

# The state of a session that runs net.await() with these arguments.
my $sessions = 0;

sub waiter
{
	my ($arguments, $role) = @_;
	my $name = 'waiter ' . ++$sessions;
	my $session = do {
		local $ENV{PGAPPNAME} = $name;
		$node->background_psql('postgres', on_error_stop => 0);
	};
	$session->set_query_timer_restart;
	$session->query("set role $role") if $role;
	$session->query_until(qr/begin/, "\\echo begin\nselect 'ids ' || coalesce(string_agg(id::text, ' '), 'none') from net.await($arguments);\n\\echo end\n");
	# it has looked, and sleeps
	wait_sql("select wait_event_type = 'Extension' and state = 'active' from pg_stat_activity where application_name = '$name'");
	return { session => $session, name => $name };
}

# What it says once it is through.
sub result
{
	my ($waiter) = @_;
	my $session = $waiter->{session};
	$session->{run}->pump until $session->{stdout} =~ /^end$/m || $session->{timeout}->is_expired;
	my ($ids) = $session->{stdout} =~ /^ids (.*)$/m;
	my $said = $ids // $session->{stderr};
	$session->quit;
	return $said;
}

sub sleeps { my ($waiter) = @_; return sql("select count(*) from pg_stat_activity where application_name = '$waiter->{name}' and wait_event_type = 'Extension'") }

subtest 'any, some, all' => sub {
	my @names;
	my @ids;
	for (1 .. 3) { my ($name, $id) = closed(); push @names, $name; push @ids, $id }
	my $ids = join ', ', @ids;
	my %waiters = map { $_ => waiter("array[$ids]" . ($_ eq 'all' ? '' : ", $_")) } 1, 2, 'all', 7;

	open_gate($names[1]);
	is(result($waiters{1}), $ids[1], 'any: the one that is there');
	ok(sleeps($waiters{2}), 'others wait');
	open_gate($names[2]);
	is(result($waiters{2}), "$ids[1] $ids[2]", 'two: by id');
	ok(sleeps($waiters{$_}), "$_ waits") for 'all', 7;
	open_gate($names[0]);
	is(result($waiters{$_}), $ids =~ s/,//gr, "$_: all of them") for 'all', 7;
	is(sql("select string_agg(id::text, ' ') from net.await(array[$ids], 1)"), $ids =~ s/,//gr, 'later all come, whatever is asked for');
};

subtest 'a timeout' => sub {
	my ($name, $id) = closed();
	my $done = request($node, "select net.http_get('$url/status/200')")->{id};
	my $start = time;
	is(sql("select string_agg(id::text, ' ') from net.await(array[$id, $done], timeout := '300 ms')"), $done, 'what is there then comes');
	my $took = time - $start;
	cmp_ok($took, '>=', 0.3, 'not before');
	is(sql("select string_agg(id::text, ' ') from net.await(array[$id, $done], timeout := '0')"), $done, 'with 0 at once');
	my $long = waiter("array[$id, $done], timeout := '1 month'");
	ok(sleeps($long), 'a month is not over');
	open_gate($name);
	is(result($long), "$done $id" =~ s/(\d+) (\d+)/join ' ', sort { $a <=> $b } $1, $2/er, 'the end of the request comes first');
};

subtest 'requests that end in other ways' => sub {
	my ($name, $deleted) = closed();
	my $waiter = waiter("array[$deleted, $deleted + 1000000]");
	sql("delete from net.http_request_queue where id = $deleted");
	is(result($waiter), 'none', 'one that is removed is not there');
	open_gate($name);

	my $failed = sql("select net.http_get('http://127.0.0.1:1/')");
	is(sql("select error_msg is not null from net.await(array[$failed])"), 't', 'one that failed is at its end');
	my $given_up = sql("select net.http_request('GET', '$url/status/503', retry := '{0}')");
	like(sql("select error_msg from net.await(array[$given_up])"), qr/^gave up after 2 attempts: 503/, 'one that was given up is at its end');
	is(sql("select gave_up is not null from net.http_request_queue where id = $given_up"), 't', 'though it is in the queue');
	my $scheduled = sql("select net.http_request('GET', '$url/status/200', due := now() + interval '1 day')");
	is(sql("select count(*) from net.await(array[$scheduled], timeout := '0')"), 0, 'one that is scheduled is not');
	my $early = waiter("array[$scheduled]");
	sql("update net.http_request_queue set due = null where id = $scheduled; select net.wake()");
	is(result($early), $scheduled, 'until its time has come');
	my $retrying = sql("select net.http_request('GET', '$url/status/503', retry := '{1 day}')");
	wait_sql("select failures is not null from net.http_request_queue where id = $retrying");
	is(sql("select count(*) from net.await(array[$retrying], timeout := '0')"), 0, 'one that is tried again is not');
	my $resent = waiter("array[$retrying]");
	is(sql("select net.cancel($retrying)"), 't', 'it can be cancelled');
	is(result($resent), 'none', 'which ends the wait');

	my ($again_gate, $again) = closed();
	sql("update net.http_request_queue set url = (select url from net.http_request_queue where id = $again) where id = $given_up");
	is(sql("select net.resend($given_up)"), 't', 'one that was given up can be sent again');
	my $second = waiter("array[$given_up]");
	open_gate($again_gate);
	is(result($second), $given_up, 'and is waited for again');
	is(sql("select status_code from net.await(array[$given_up])"), 200, 'its response is the new one');
	like(failure("begin; select net.resend(net.http_request('GET', '$url/status/200', due := now() + interval '1 day')); select net.await(array[currval('net.http_request_queue_id_seq')])"),
		qr/55000: request \d+ was queued by this transaction/, 'not before the commit');
};

subtest 'requests of others' => sub {
	sql('create role alice; create role bob');
	my $mine = sql("set role alice; select net.http_get('$url/status/200')");
	my ($name, $theirs) = closed();
	wait_response($node, $mine);
	is(sql("set role alice; select string_agg(id::text, ' ') from net.await(array[$mine, $theirs])"), $mine, 'are not there');
	open_gate($name);
	wait_response($node, $theirs);
	is(sql("set role alice; select string_agg(id::text, ' ') from net.await(array[$mine, $theirs])"), $mine, 'nor are their responses');
	is(sql("select count(*) from net.await(array[$mine, $theirs])"), 2, 'the owner sees both');
	like(failure("revoke select on net._http_response from public; set role alice; select net.await(array[$mine])"), qr/42501: permission denied for table _http_response/, 'it reads with the rights of the caller');
	sql('grant select on net._http_response to public');
};

subtest 'cancelled' => sub {
	my ($name, $id) = closed();
	my $waiter = waiter("array[$id]");
	sql("select pg_cancel_backend(pid) from pg_stat_activity where application_name = '$waiter->{name}'");
	like(result($waiter), qr/canceling statement due to user request/, 'by another session');
	like(failure("set statement_timeout = '200ms'; select net.await(array[$id])"), qr/57014: canceling statement due to statement timeout/, 'by a timeout of the session');

	# who waits holds up nobody
	my $sleeper = waiter("array[$id]");
	sql("set lock_timeout = '10s'; alter table net.http_request_queue add column note text; alter table net.http_request_queue drop column note");
	pass('DDL does not wait for who waits');
	sql('alter table net._http_response add column note text');
	open_gate($name);
	like(result($sleeper), qr/the columns of net\._http_response were changed during the wait/, 'who gets rows of another type is told');
	sql('alter table net._http_response drop column note');
	is(sql("select count(*) from net.await(array[$id])"), 1, 'and can ask again');
};

# Without the primary key, rows may have any ids.
subtest 'many rows with one id' => sub {
	my ($name, $id) = closed();
	my ($other_name, $other_id) = closed();
	sql('alter table net.http_request_queue drop constraint http_request_queue_pkey');
	sql("insert into net.http_request_queue select q.* from net.http_request_queue as q, generate_series(1, 100000) where id = $id");
	my $waiter = waiter("array[$id, $other_id], 1");
	open_gate($other_name);
	is(result($waiter), $other_id, 'they count as one request');
	sql("delete from net.http_request_queue where ctid <> (select min(ctid) from net.http_request_queue where id = $id)");
	sql('alter table net.http_request_queue add primary key (id)');
	open_gate($name);
	is(sql("select count(*) from net.await(array[$id, $other_id])"), 2, 'and when they are gone, it is over');
};

subtest 'ten thousand' => sub {
	sql("create table ids as select net.http_get('$url/status/200', timeout_milliseconds := 60000) as id from generate_series(1, 10000)");
	is(sql('select count(*), count(distinct id), bool_and(status_code = 200) from net.await(array(select id from ids))'), '10000|10000|t', 'all of them come');
	my $start = time;
	is(sql('select count(*) from net.await(array(select id from ids))'), 10000, 'and again');
	note(sprintf '%.0f ms', 1000 * (time - $start));
};

subtest 'the extension is dropped' => sub {
	my ($name, $id) = closed();
	my $waiter = waiter("array[$id]");
	sql('drop extension pg_net cascade');
	like(result($waiter), qr/does not exist|cache lookup|missing/, 'an error');
	open_gate($name);
};

done_testing();
