# One's trouble stays one's own: a table, a server or a row in trouble does not
# reach the requests beside it, nor the worker.
#
# As in 010_promises.pl, the ledger of the test server decides what was sent.

use strict;
use warnings;

use IPC::Run;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# What no request here can take, however slow the machine.
use constant LONG_MS => 170_000;

# What a neighbour may take: far less than the longest pause of the worker
# after trouble, 10 s.
use constant SOON_SECONDS => 3;

# How long rows stay locked: pauses that double are long by then.
use constant LOCKED_SECONDS => 8;

# How long an idle worker is watched.
use constant IDLE_SECONDS => 3;

my $server = start_http_server();
my $base = $server->url;
my $port = $server->port;
my $node = new_node('neighbours', conf => 'autovacuum = off');

# What the worker does, of pg_stat_activity; asked in another database, so
# that it leaves no trace in this one.
sub activity
{
	my ($columns) = @_;
	return sql_in($node, 'template1',
		"select $columns from pg_stat_activity where backend_type = 'pg_net worker'");
}

sub get_url
{
	my ($url) = @_;
	return "select net.http_get('$url', timeout_milliseconds := @{[LONG_MS]})";
}

# The SQL that queues a GET.
sub get { return get_url($base . $_[0]) }

# Is a request answered with 200 by then?  Else say what happened.
sub answered_within
{
	my ($id, $seconds, $name) = @_;
	my $row = eval { wait_response($node, $id, $seconds) };
	my $ok = is($row ? $row->{status_code} : undef, 200, $name);
	diag($row ? $row->{error_msg} // '' : $@) unless $ok;
	return $ok;
}

sub answered_soon
{
	my ($target, $name) = @_;
	return answered_within(sql(get($target)), SOON_SECONDS, $name);
}

# Set a setting of the whole server, or with undef take it back.
sub configure
{
	my ($setting, $value) = @_;
	sql(defined $value
		? "alter system set $setting = '$value'"
		: "alter system reset $setting");
	sql('select pg_reload_conf()');
	return;
}

subtest 'vacuum and analyze while single requests come' => sub {
	my ($sessions, $each, $rounds) = (3, 800, 0);
	my $all = $sessions * $each;
	my $pid = current_worker($node);
	my $script = $node->basedir . '/get.sql';

	sql('create table vacuumed (id bigint, i bigint); create sequence numbers');
	append_to_file($script, <<"END");
with n as materialized (select nextval('numbers') as i)
insert into vacuumed
select net.http_get('$base/echo/1/' || i, timeout_milliseconds := @{[LONG_MS]}), i from n;
END

	my ($out, $err) = ('', '');
	my $timer = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
	my $pgbench = IPC::Run::start(
		[
			'pgbench', '--no-vacuum',
			'--client' => $sessions,
			'--transactions' => $each,
			'--file' => $script,
			$node->connstr('postgres')
		],
		'<', \undef, '>', \$out, '2>', \$err, $timer);
	my $vacuum = $node->background_psql('postgres');
	while ($pgbench->pumpable && $rounds < 5000 && !$timer->is_expired)
	{
		$vacuum->query_safe('vacuum analyze net.http_request_queue; analyze net._http_response');
		$rounds++;
		$pgbench->pump_nb;
	}
	ok($pgbench->finish, "$sessions sessions queue one request at a time") or diag($err);
	$vacuum->quit;
	cmp_ok($rounds, '>', 5, 'the tables are vacuumed meanwhile');
	is(sql('select count(*) from vacuumed'), $all, "$all are queued");

	my $last = sql(get('/echo/1/last'));
	answered_within($last, 60, 'one more after them');
	eval { wait_queue_empty() };
	is(sql('select count(*) from net.http_request_queue'), '0', 'the queue is empty');
	is( sql('select count(*), count(distinct id), count(*) filter (where status_code = 200)'
			  . ' from net._http_response join vacuumed using (id)'),
		"$all|$all|$all",
		'each has one response, a good one');
	is_deeply(
		[ $server->targets(qr{^/echo/1/\d+$}) ],
		[ sort map { "/echo/1/$_" } 1 .. $all ],
		'each arrived once');
	is(current_worker($node), $pid, 'one worker did it');
};

subtest 'many header fields' => sub {
	my ($many, $beside) = split /\n/, sql("select net.http_get('$base' || t, timeout_milliseconds := ms)"
		  . " from (values ('/many-headers?count=30000', @{[LONG_MS]}), ('/delay/0.3?beside', 3000)) as v (t, ms)");
	$server->wait_arrivals(qr{^/many-headers}, 1);
	my $after = sql("select net.http_get('$base/delay/0.1?after', timeout_milliseconds := 3000)");

	for (['beside it', $beside], ['queued right after it', $after])
	{
		my $row = wait_response($node, $_->[1]);
		is($row->{status_code}, 200, "a request $_->[0] has its answer") or diag($row->{error_msg});
	}
	my $row = wait_response($node, $many);
	is($row->{status_code}, undef, '30,000 fields are no answer');
	like($row->{error_msg}, qr/response headers are larger than \d+ bytes or 1000 lines/,
		'but an error that names the limit');
};

subtest 'trailers' => sub {
	my $row = request($node, get('/trailers'));
	is($row->{status_code}, 200, 'status');
	is($row->{error_msg}, undef, 'no error');
	is($row->{content}, "one\ntwo\n", 'content');
};

subtest 'responses that cannot be removed' => sub {
	my $start = -s $node->logfile;

	# Sequences count what is rolled back, too.
	sql(<<'END');
create sequence removals;
create function refuse_removal() returns trigger language plpgsql as $$
begin
	perform nextval('public.removals');
	raise exception 'kept';
end
$$;
create trigger refuse_removal before delete on net._http_response
	for each row execute function refuse_removal();
END
	answered_soon('/echo/6/old', 'a response to remove');
	configure('pg_net.ttl', '1 s');

	# After the eighth failure the pause is over 6 s.
	wait_for('eight attempts', sub {
		return sql('select last_value >= 8 from removals') eq 't';
	});
	answered_soon("/echo/6/new-$_", "request $_ is answered as usual") for 1 .. 5;
	my @warnings = slurp_file($node->logfile, $start) =~ /WARNING:.*could not remove expired responses: (.*)/g;
	is_deeply(\@warnings, ['kept'], 'one warning');

	sql('drop trigger refuse_removal on net._http_response',
		'; drop function refuse_removal(); drop sequence removals');
	ok(eval {
			wait_for('no response to be left', sub {
				return sql('select count(*) from net._http_response') eq '0';
			}, 60);
		}, 'without the trigger they go')
	  or diag($@);
	configure('pg_net.ttl', undef);
	wait_for('the setting to be back', sub { return sql('show pg_net.ttl') eq '6 hours' });
};

subtest 'rows that are locked' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my @ids = map { sql(get("/wait?file=$gate&locked-$_")) } 1 .. 3;
	my $list = join ',', @ids;
	my $session = $node->background_psql('postgres');

	$session->query_safe('begin');
	is( $session->query_safe("select count(*) from (select from net.http_request_queue where id in ($list) for update) as locked"),
		'3', 'three rows are locked while their requests are in flight');
	append_to_file($gate, '');
	wait_for('their answers to come', sub { return activity('state') eq 'idle' });
	wait_for('the lock to be old', sub {
		return sql_in($node, 'template1', "select clock_timestamp() - xact_start > '@{[LOCKED_SECONDS]} s'"
			  . " from pg_stat_activity where state = 'idle in transaction'") eq 't';
	});
	answered_soon("/echo/6/beside-$_", "request $_ beside them is answered") for 1 .. 10;
	is( sql("select (select count(*) from net.http_request_queue where id in ($list)),"
			  . " (select count(*) from net._http_response where id in ($list))"),
		'3|0',
		'the locked ones wait');

	$session->query_safe('rollback');
	$session->quit;
	answered_within($_, 30, "without the lock, request $_ gets its response") for @ids;
	wait_queue_empty();
	is(sql("select count(*) from net._http_response where id in ($list)"), '3', 'one each');
	is_deeply(
		[ $server->targets(qr{locked-}) ],
		[ map { "/wait?file=$gate&locked-$_" } 1 .. 3 ],
		'each was sent once');
};

# A role needs no rights for that: it cancels its own requests.
subtest 'many rows that are locked' => sub {
	my $session = $node->background_psql('postgres');
	my $count = 3000;

	sql('create role hostile');
	$session->query_safe('set role hostile; set client_min_messages = warning');
	$session->query_safe("select count(net.http_request('GET', '$base/status/200', due := clock_timestamp() + '3 s', timeout_milliseconds := @{[LONG_MS]})) from generate_series(1, $count)");
	$session->query_safe('begin');
	is($session->query_safe("select count(*) from net.http_request_queue where role = 'hostile'::regrole and net.cancel(id)"), $count, 'they are cancelled before they are due');
	wait_for('some to be sent', sub { scalar(() = $server->targets(qr{^/status/200$})) > 100 });
	answered_soon("/echo/6/many-$_", "request $_ beside them is answered") for 1 .. 10;
	$session->query_safe('commit');
	$session->quit;
	wait_queue_empty();
	sql('truncate net._http_response; drop role hostile');
};

subtest 'truncate while somebody waits' => sub {
	my $guard = "set statement_timeout = '20s'";
	my $waiter = $node->background_psql('postgres', on_error_stop => 0);
	$waiter->query_safe($guard);
	my $waiter_pid = $waiter->query_safe('select pg_backend_pid()');
	my $id = sql(get('/delay/2?awaited'));

	$waiter->query_until(qr/waiting/,
		"\\echo waiting\nselect 'await ' || net._await_response($id);\n\\echo ended\n");
	wait_for('the session to wait', sub {
		return sql("select wait_event_type = 'Extension' from pg_stat_activity where pid = $waiter_pid") eq 't';
	});
	is($node->psql('postgres', "$guard; truncate net._http_response"), 0, 'truncate ends');
	like($waiter->query_until(qr/ended/, ''), qr/await true/, 'and so does the wait, with a response');
	$waiter->quit;
	is(wait_response($node, $id)->{status_code}, 200, 'which is there');
	is(scalar($server->targets(qr{awaited})), 1, 'the request was sent once');
};

subtest 'a trigger that keeps a row of the queue' => sub {
	my $start = -s $node->logfile;

	sql(<<'END');
create function keep() returns trigger language plpgsql as $$
begin
	return case when old.url not like '%/echo/9/kept' then old end;
end
$$;
create trigger keep before delete on net.http_request_queue
	for each row execute function keep();
END
	my ($before, $kept, $after) = split /\n/,
	  sql("select net.http_get('$base/echo/9/' || t, timeout_milliseconds := @{[LONG_MS]})"
		  . " from unnest(array['before', 'kept', 'after']) with ordinality as u (t, n) order by n");
	answered_within($_, 30, "request $_") for $before, $kept, $after;
	ok(eval { wait_for('the rows to go', sub {
				return sql('select count(*) from net.http_request_queue') eq '0';
			}, 30) }, 'the rows are gone');
	ok(log_contains($node, qr/WARNING:.*could not record the response of request $kept: a trigger or rule keeps/, $start),
		'a warning names the one that was kept');
	sql('select net.wake()');
	answered_within(sql(get('/echo/9/later')), 30, 'the whole queue is looked at again');
	is_deeply(
		[ $server->targets(qr{^/echo/9/}) ],
		[ map { "/echo/9/$_" } qw(after before kept later) ],
		'each was sent once');
	is(sql("select count(*) from net._http_response where id in ($before, $kept, $after)"),
		'3', 'and has one response');
	sql('drop trigger keep on net.http_request_queue; drop function keep()');
};

subtest 'drop extension with requests in flight' => sub {
	my $pid = current_worker($node);
	my $transactions = sub {
		return sql_in($node, 'template1',
			"select xact_commit + xact_rollback from pg_stat_database where datname = 'postgres'");
	};

	# Those that end first tell the worker; the others find it told.
	sql(get("/delay/1.$_?dropped-$_")) for 5 .. 9;
	$server->wait_arrivals(qr{dropped-}, 5);
	sql('drop extension pg_net');
	wait_for('them to end', sub { return activity('state') eq 'idle' });

	# Statistics may still be under way in a first period.
	my ($before, $after);
	for (1 .. 4)
	{
		$before = $transactions->();
		sleep IDLE_SECONDS;
		$after = $transactions->();
		last if $before == $after;
	}
	is($after, $before, 'then no transactions');
	is(activity('pid, state'), "$pid|idle", 'the worker is idle');

	sql('create extension pg_net');
	answered_soon('/echo/8/again', 'created again, it works at once');
	is_deeply(
		[ $server->targets(qr{dropped-}) ],
		[ map { "/delay/1.$_?dropped-$_" } 5 .. 9 ],
		'each was sent once');
	is(sql('select count(*) from net._http_response'), '1', 'and nothing is left of them');
	is(current_worker($node), $pid, 'one worker did it all');
};

$node->stop;

# One at a time to a host: all others wait.
$node = new_node('one_at_a_time', conf => 'pg_net.max_in_flight_per_host = 1');

subtest 'a waiting request moves to another host' => sub {
	my $pid = current_worker($node);
	my $other = "http://localhost:$port";
	my $rounds = 3;

	for my $round (1 .. $rounds)
	{
		my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
		my $first = sql(get("/wait?file=$gate&3-$round-first"));
		my $second = sql(get("/delay/0.2?3-$round-second"));
		$server->wait_arrivals(qr{3-$round-first}, 1);
		is( sql("update net.http_request_queue set url = replace(url, '$base', '$other') where id = $second returning url"),
			"$other/delay/0.2?3-$round-second",
			"round $round: the second is moved");
		append_to_file($gate, '');
		my $third = sql(get_url("$other/delay/0.2?3-$round-third"));
		my $fourth = sql(get("/delay/0.2?3-$round-fourth"));
		answered_within($_, 20, "round $round: request $_") for $first, $second, $third, $fourth;
	}
	is(scalar($server->targets(qr{[?&]3-})), 4 * $rounds, 'each was sent once');
	is(current_worker($node), $pid, 'one worker did it');
};

$node->stop;

# What goes from and to UTF-8 is converted here.
$node = new_node('latin1', init => { extra => [ '--encoding=LATIN1', '--locale=C' ] });

subtest 'a database in another encoding' => sub {
	my $pid = current_worker($node);
	is(sql('show server_encoding'), 'LATIN1', 'the database is LATIN1');

	my $row = request($node, get('/redirect-to?url=http%3A%2F%2F%5Bx&status=302'));
	is($row->{status_code}, undef, 'a redirect to no URL has no answer');
	like($row->{error_msg}, qr/URL/, 'but an error');
	is(current_worker($node), $pid, 'the worker lives');

	for my $bad (["'ftp://x/' || chr(233)", qr/Unsupported URL scheme/],
		["'/' || chr(233)", qr{invalid URL "/\x{e9}"}],
		["'http://[' || chr(233)", qr/URL/])
	{
		my ($url, $error) = @$bad;
		my $id = sql('insert into net.http_request_queue (method, url, timeout_milliseconds)'
			  . " values ('GET', $url, 2000) returning id");
		sql('select net.wake()');

		# as bytes, since psql speaks LATIN1 here
		wait_for("the response to $url", sub {
			return sql("select 1 from net._http_response where id = $id");
		});
		is(sql("select status_code from net._http_response where id = $id"), '', "$url is not answered");
		like(sql("select error_msg from net._http_response where id = $id"), $error, 'but has an error');
	}
	is(request($node, get('/echo/2/after'))->{status_code}, 200, 'a request after them');
	is(current_worker($node), $pid, 'all by one worker');
};

$node->stop;
done_testing();
