# The six promises of pg_net, one subtest each.
#
#   1  a request is sent if, and only if, its transaction commits
#   2  it is sent as soon as that commit is visible
#   3  its row goes and its response comes in one commit
#   4  one bad request, row or trigger hurts only itself
#   5  nothing is held while waiting for the network
#   6  idle costs nothing
#
# The ledger of the test server, the requests that arrived, is what decides.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# What no request here can take, however slow the machine.
use constant LONG_MS => 170_000;

# How long an idle worker is watched.
use constant IDLE_SECONDS => 5;

my $server = start_http_server();
my $base = $server->url;
my $node = new_node('promises', conf => <<'END');
max_prepared_transactions = 10
autovacuum = off
END

# The SQL that queues a GET.
sub get
{
	my ($target) = @_;
	return "select net.http_get('$base$target', timeout_milliseconds := @{[LONG_MS]})";
}

# One request from commit to response: all that was committed before is, too,
# beyond being just about to be sent.
sub pass_sentinel
{
	my ($name) = @_;
	my $response = request($node, get("/echo/sentinel/$name"));
	is($response->{status_code}, 200, "a request after that is answered ($name)");
	return;
}

# Forget requests that hang: empty the queue and take a new worker.
sub clear_queue
{
	my $old = current_worker($node);
	sql('truncate net.http_request_queue', '; select net.worker_restart()');
	next_worker($node, $old);
	sql('select net.wait_until_running()');
	return;
}

# What the worker does, of pg_stat_activity.
sub activity
{
	my ($columns) = @_;
	return sql("select $columns from pg_stat_activity"
		  . " where backend_type ilike '%pg_net%'");
}

subtest '1. sent if, and only if, committed' => sub {
	my @kept;

	sql('create table once (i int unique deferrable initially deferred)');
	sql(get('/echo/1/autocommit'));
	push @kept, 'autocommit';

	sql('begin', ';' . get('/echo/1/rolled-back'), '; rollback');

	sql('begin', ';' . get('/echo/1/before-savepoint'), '; savepoint s',
		';' . get('/echo/1/in-savepoint'), '; rollback to s',
		';' . get('/echo/1/after-savepoint'), '; savepoint t',
		';' . get('/echo/1/released'), '; release t', '; commit');
	push @kept, 'before-savepoint', 'after-savepoint', 'released';

	# all of it rolled back, the lowest id and the highest
	sql('begin', '; savepoint s', ';' . get('/echo/1/lowest'),
		'; rollback to s', ';' . get('/echo/1/middle'), '; savepoint s2',
		';' . get('/echo/1/highest'), '; rollback to s2', '; commit');
	push @kept, 'middle';

	sql(<<"END");
do \$\$
begin
	begin
		perform net.http_get('$base/echo/1/in-block');
		raise exception 'no';
	exception when raise_exception then
		perform net.http_get('$base/echo/1/in-handler');
	end;
end
\$\$
END
	push @kept, 'in-handler';

	sql(<<"END");
do \$\$
begin
	for i in 1..4 loop
		perform net.http_get('$base/echo/1/loop-' || i);
		if i % 2 = 0 then commit; else rollback; end if;
	end loop;
end
\$\$
END
	push @kept, 'loop-2', 'loop-4';

	isnt(
		$node->psql('postgres',
			"select net.http_get('$base/echo/1/aborted-' || i), 1 / (3 - i)"
			  . ' from generate_series(1, 3) as i'),
		0,
		'a statement that fails after it queued');
	isnt(
		$node->psql('postgres',
			'begin; '
			  . get('/echo/1/fails-at-commit')
			  . '; insert into once values (1), (1); commit'),
		0,
		'a commit that fails');
	sql('begin', ';' . get('/echo/1/prepared-1'), "; prepare transaction 'p1'");
	sql("rollback prepared 'p1'");

	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('select pg_backend_pid()');
	$session->query_safe('begin');
	$session->query_safe(get('/echo/1/terminated'));
	is(sql("select pg_terminate_backend($pid, 30000)"),
		't', 'a session that is terminated');
	eval { $session->quit };

	my $open = $node->background_psql('postgres');
	$open->query_safe('begin');
	$open->query_safe(get('/echo/1/open'));

	pass_sentinel('1a');
	wait_queue_empty();
	is_deeply(
		[ $server->targets(qr{^/echo/1/}) ],
		[ sort map { "/echo/1/$_" } @kept ],
		'exactly the committed requests arrived, once each');

	$open->query_safe('commit');
	$open->quit;
	$server->wait_arrivals(qr{^/echo/1/open$}, 1);
	wait_queue_empty();
	pass_sentinel('1b');
	is_deeply(
		[ $server->targets(qr{^/echo/1/}) ],
		[ sort map { "/echo/1/$_" } @kept, 'open' ],
		'and the last one when its transaction committed');
	sql('drop table once');
};

subtest '2. sent as soon as the commit is visible' => sub {
	sql(get('/hang') . ' from generate_series(1, 20)');
	$server->wait_arrivals(qr{^/hang}, 20);
	is(request($node, get('/echo/2/beside'))->{status_code},
		200, 'a request is answered while 20 others hang');
	is( sql("select count(*) from net.http_request_queue where url like '%/hang'"),
		'20',
		'which they still do');

	my @sessions = map { $node->background_psql('postgres') } 0 .. 2;
	my @ids;
	for my $i (0 .. 2)
	{
		$sessions[$i]->query_safe('begin');
		$ids[$i] = $sessions[$i]->query_safe(get("/echo/2/session-$i"));
	}
	my @high = map { sql(get("/echo/2/high-$_")) } 1 .. 5;
	wait_response($node, $_) for @high;
	ok($ids[0] < $ids[1] && $ids[1] < $ids[2] && $ids[2] < $high[0],
		'lower ids, not committed yet');
	is_deeply([ $server->targets(qr{^/echo/2/session}) ], [], 'have not been sent');
	for my $i (2, 0, 1)
	{
		$sessions[$i]->query_safe('commit');
		is(wait_response($node, $ids[$i])->{status_code},
			200, "the id of session $i is sent when it commits");
	}
	$_->quit for @sessions;
	clear_queue();

	my $id = sql('begin', ';' . get('/echo/2/prepared'),
		"; prepare transaction 'p2'");
	pass_sentinel('2a');
	is_deeply([ $server->targets(qr{^/echo/2/prepared$}) ],
		[], 'a prepared transaction has sent nothing');
	sql("commit prepared 'p2'");
	is(wait_response($node, $id, 30)->{status_code},
		200, 'COMMIT PREPARED sends it');

	# Unlogged tables live through a clean restart.
	$id = sql('begin', ';' . get('/echo/2/restart'), "; prepare transaction 'p3'");
	$node->restart;
	sql('select net.wait_until_running()');
	pass_sentinel('2b');
	is_deeply([ $server->targets(qr{^/echo/2/restart$}) ],
		[], 'prepared before a restart: nothing is sent yet');
	sql("commit prepared 'p3'");
	is(wait_response($node, $id, 30)->{status_code},
		200, 'COMMIT PREPARED after the restart sends it');

	# Logged ones live through a crash.
	sql('alter table net.http_request_queue set logged',
		'; alter table net._http_response set logged');
	$id = sql('begin', ';' . get('/echo/2/crash'), "; prepare transaction 'p4'");
	$node->stop('immediate');
	$node->start;
	sql('select net.wait_until_running()');
	pass_sentinel('2c');
	is_deeply([ $server->targets(qr{^/echo/2/crash$}) ],
		[], 'prepared before a crash: nothing is sent yet');
	sql("commit prepared 'p4'");
	is(wait_response($node, $id, 30)->{status_code},
		200, 'COMMIT PREPARED after the crash sends it');
	is_deeply(
		[ $server->targets(qr{^/echo/2/(prepared|restart|crash)$}) ],
		[ map { "/echo/2/$_" } qw(crash prepared restart) ],
		'each arrived once');
	sql('alter table net.http_request_queue set unlogged',
		'; alter table net._http_response set unlogged');
};

subtest '3. removal and response in one commit' => sub {
	my $count = 300;

	sql("create table watched as select net.http_get('$base/delay/' || i * 0.01,"
		  . " timeout_milliseconds := @{[LONG_MS]}) as id"
		  . " from generate_series(1, $count) as i");
	sql('create table observed (wrong bigint, answered bigint)');

	# Each statement in the loop has a snapshot of its own.
	sql(<<"END");
do \$\$
declare
	deadline timestamptz := clock_timestamp() + interval '150 s';
	wrong bigint;
	answered bigint;
begin
	loop
		select count(*) filter (where q.n + r.n <> 1), sum(r.n)
			into wrong, answered
			from watched as w,
			lateral (select count(*) as n from net.http_request_queue as q where q.id = w.id) as q,
			lateral (select count(*) as n from net._http_response as r where r.id = w.id) as r;
		insert into observed values (wrong, answered);
		exit when answered >= $count or clock_timestamp() > deadline;
	end loop;
end
\$\$
END
	is(sql('select max(answered) from observed'), $count, 'all are answered');
	is(sql('select max(wrong) from observed'),
		'0', 'each request was in one table, never in both or none');
	cmp_ok(
		sql("select count(distinct answered) from observed where answered between 1 and $count - 1"),
		'>', 5, 'as was seen while they were being answered');
	is(sql('select count(*) from net._http_response join watched using (id)'
			  . ' where status_code = 200'),
		$count, 'with one response each');

	my $id = sql(get('/hang?3'));
	$server->wait_arrivals(qr{^/hang\?3$}, 1);
	is(sql("select count(*) from net.http_request_queue where id = $id"),
		'1', 'a row is in the queue while its request is in flight');
	is(sql("select status from net._http_collect_response($id)"),
		'PENDING', 'and the request is pending');
	clear_queue();
	sql('drop table watched, observed');
};

subtest '4. one bad thing hurts only itself' => sub {
	my $pid = current_worker($node);

	# Rows that cannot be sent.
	my %bad = (
		headers_array => [ "'GET', '$base/echo/4/bad', '[1,2]', 2000", qr/headers must be a JSON object/ ],
		headers_string => [ qq{'GET', '$base/echo/4/bad', '"x"', 2000}, qr/headers must be a JSON object/ ],
		header_name => [ qq{'GET', '$base/echo/4/bad', '{"a b": "c"}', 2000}, qr/header name/ ],
		header_value => [ qq{'GET', '$base/echo/4/bad', '{"a": "b\\r\\nc: d"}', 2000}, qr/line break/ ],
		scheme => [ "'GET', 'ftp://127.0.0.1/echo/4/bad', null, 2000", qr/Unsupported URL scheme/ ],
		file => [ "'GET', 'file:///etc/passwd', null, 2000", qr/Unsupported URL scheme/ ],
		relative => [ "'GET', '/echo/4/bad', null, 2000", qr{invalid URL "/echo/4/bad"} ],
		empty => [ "'GET', '', null, 2000", qr/invalid URL/ ],
		no_host => [ "'GET', 'http://', null, 2000", qr/./ ],
		space => [ "'GET', 'http://a b/echo/4/bad', null, 2000", qr/./ ],
		timeout => [ "'GET', '$base/echo/4/bad', null, 0", qr/timeout/ ],
		negative => [ "'GET', '$base/echo/4/bad', null, -1", qr/timeout/ ]);
	my (%ids, @good);
	for my $name (sort keys %bad)
	{
		$ids{$name} = sql(
			'insert into net.http_request_queue (method, url, headers, timeout_milliseconds)'
			  . " values ($bad{$name}[0]) returning id");
		push @good,
		  sql('insert into net.http_request_queue (method, url, timeout_milliseconds)'
			  . " values ('GET', '$base/echo/4/good-$name', @{[LONG_MS]}) returning id");
	}
	sql('select net.wake()');
	is(wait_response($node, $_)->{status_code}, 200, "row $_, beside bad ones")
	  for @good;
	for my $name (sort keys %bad)
	{
		my $row = wait_response($node, $ids{$name});
		is($row->{status_code}, undef, "bad row: $name");
		like($row->{error_msg}, $bad{$name}[1], "bad row: $name, its error");
	}
	is_deeply([ $server->targets(qr{4/bad|passwd}) ], [], 'no bad row was sent');
	wait_queue_empty();

	# Triggers that raise: the response is stored without them, or given up
	# with a warning.
	sql(<<'END');
create function refuse() returns trigger language plpgsql as $$
begin
	if to_jsonb(coalesce(new, old))::text like '%' || tg_argv[0] || '%' then
		raise exception 'refused %', tg_argv[0];
	end if;
	return coalesce(new, old);
end
$$;
create trigger refuse_before before insert on net._http_response
	for each row execute function refuse('4/poison-before');
create trigger refuse_after after insert on net._http_response
	for each row execute function refuse('4/poison-after');
create trigger refuse_always before insert on net._http_response
	for each row execute function refuse('4/poison-always');
alter table net._http_response enable always trigger refuse_always;
create trigger refuse_delete before delete on net.http_request_queue
	for each row execute function refuse('4/poison-delete');
create table audit (id bigint);
create function audit() returns trigger language plpgsql as $$
begin
	insert into public.audit values (new.id);
	return null;
end
$$;
create trigger zz_audit after insert on net._http_response
	for each row execute function audit();
alter table net._http_response
	add constraint no_teapot check (status_code is distinct from 418);
END
	my $log_start = -s $node->logfile;
	my @poison = ((map { "/echo/4/poison-$_" } qw(before after always delete)),
		'/status/418');
	my @beside = map { "/echo/4/beside-$_" } 1 .. 20;
	sql('create table poisoned (id bigint, target text)');
	sql("insert into poisoned select net.http_get('$base' || t, timeout_milliseconds := @{[LONG_MS]}), t"
		  . " from unnest(string_to_array('@beside[0..9] @poison @beside[10..19]', ' ')) as t"
	);
	wait_queue_empty();
	is( sql("select count(*) from poisoned join net._http_response using (id)"
			  . " where target like '%beside%' and status_code = 200"),
		'20',
		'responses beside refused ones are stored');
	for my $target (@poison)
	{
		my $id = sql("select id from poisoned where target = '$target'");
		my $stored =
		  sql("select count(*) from net._http_response where id = $id and status_code is not null");
		ok( $stored eq '1'
			  || log_contains($node, qr/WARNING:[^\n]*request $id\b/, $log_start),
			"$target: stored without triggers, or a warning names it");
	}
	is( sql("select count(*), count(distinct id) from poisoned join audit using (id)"
			  . " where target like '%beside%'"),
		'20|20',
		'triggers fired once for each of the responses beside');
	my $later = sql(get('/echo/4/later'));
	wait_response($node, $later);
	is(sql("select count(*) from audit where id = $later"),
		'1', 'and fire for later ones');
	pass_sentinel('4a');
	is_deeply(
		[ $server->targets(qr{^/echo/4/(poison|beside)|^/status/418$}) ],
		[ sort @poison, @beside ],
		'none of them was sent twice');
	sql(<<'END');
drop trigger refuse_before on net._http_response;
drop trigger refuse_after on net._http_response;
drop trigger refuse_always on net._http_response;
drop trigger refuse_delete on net.http_request_queue;
drop trigger zz_audit on net._http_response;
drop function audit();
drop table audit;
alter table net._http_response drop constraint no_teapot;
drop function refuse();
drop table poisoned;
END

	# A row that someone holds: its response waits, others do not.
	my $id = sql(get('/delay/2'));
	my $session = $node->background_psql('postgres');
	$session->query_safe('begin');
	is( $session->query_safe(
			"select id from net.http_request_queue where id = $id for update"),
		$id, 'a row is locked while its request is in flight');
	wait_for('the answer to come', sub { return activity('state') eq 'idle' });
	pass_sentinel('4b');
	pass_sentinel('4c');
	is(sql("select count(*) from net.http_request_queue where id = $id"),
		'1', 'it is still there');
	is(sql("select count(*) from net._http_response where id = $id"),
		'0', 'without a response');
	$session->query_safe('rollback');
	$session->quit;
	is(wait_response($node, $id)->{status_code},
		200, 'which comes when the lock is gone');
	is($server->targets(qr{^/delay/2$}) + 0, 1, 'and it was sent once');

	# Servers that misbehave.
	my @worse = ('/disconnect', '/reset', '/endless', '/endless-headers',
		'/malformed-header', '/not-http', '/disconnect-mid-body', '/hang?4');
	my @worse_ids = map {
		sql("select net.http_get('$base$_', timeout_milliseconds := 5000)")
	} @worse;
	my @fine = map { sql(get("/echo/4/fine-$_")) } 1 .. 20;
	is(scalar(grep { wait_response($node, $_)->{status_code} == 200 } @fine),
		20, 'requests beside servers that misbehave');
	for my $i (0 .. $#worse)
	{
		my $row = wait_response($node, $worse_ids[$i]);
		ok($row->{error_msg} && !defined $row->{status_code},
			"$worse[$i] is an error of its own");
	}
	wait_queue_empty();
	is(current_worker($node), $pid, 'the worker lived through all of it');
};

subtest '5. nothing is held while waiting for the network' => sub {
	sql(get('/hang?5') . ' from generate_series(1, 5)');
	$server->wait_arrivals(qr{^/hang\?5$}, 5);
	wait_for('the worker to wait', sub { return activity('xact_start is null') eq 't' });

	my %seen;
	for (1 .. 20)
	{
		$seen{ activity(
				'state, xact_start, backend_xid, backend_xmin,'
				  . ' (select count(*) from pg_locks as l where l.pid = pg_stat_activity.pid)'
			) }++;
	}
	is_deeply([ keys %seen ], ['active||||0'],
		'active, without transaction, snapshot or lock');

	for my $ddl (
		'vacuum full net.http_request_queue',
		'vacuum full net._http_response',
		'alter table net._http_response add column extra text',
		'alter table net._http_response drop column extra',
		'alter table net.http_request_queue set (fillfactor = 90)',
		'create index extra on net._http_response (status_code)',
		'drop index net.extra',
		'begin; lock table net.http_request_queue, net._http_response in access exclusive mode; commit',
		'reindex table net.http_request_queue')
	{
		is($node->psql('postgres', "set lock_timeout = '2s'; $ddl"),
			0, "at once: $ddl");
	}
	is(request($node, get('/echo/5/after'))->{status_code},
		200, 'requests go on after that');
	is(sql("select count(*) from net.http_request_queue where url like '%/hang?5'"),
		'5', 'while the others hang');
	is( $node->psql('postgres',
			"set lock_timeout = '2s'; truncate net.http_request_queue, net._http_response"),
		0,
		'at once: truncate');
	pass_sentinel('5');
	clear_queue();
};

subtest '6. idle costs nothing' => sub {
	my $pid;

	# Count what happens in the database from outside of it.
	my $transactions = sub {
		return sql_in('template1',
			"select xact_commit + xact_rollback from pg_stat_database where datname = 'postgres'"
		);
	};
	my $worker = sub {
		return sql_in('template1',
			'select pid, state, backend_start, state_change, xact_start'
			  . " from pg_stat_activity where backend_type ilike '%pg_net%'");
	};
	# Every time a process wakes up it gives the processor back once.
	my $switches = sub {
		my $status = "/proc/$pid/status";
		return -r $status
		  ? join ' ', slurp_file($status) =~ /ctxt_switches:\s*(\d+)/g
		  : '';
	};

	pass_sentinel('6');
	wait_queue_empty();
	$pid = current_worker($node);
	wait_for('the worker to be idle', sub { return activity('state') eq 'idle' });

	# Statistics and the like may still be under way in a first period.  What
	# comes again and again is in every one.
	my ($before, $after, @silent);
	for my $period (1 .. 4)
	{
		$before = [ $transactions->(), $worker->(), $switches->() ];
		sleep IDLE_SECONDS;
		$after = [ $switches->(), $worker->(), $transactions->() ];
		last if "@$before" eq join ' ', reverse @$after;
		note "period $period: (@$before) (@{[ reverse @$after ]})";
	}
	is($after->[2], $before->[0], 'no transactions');
	is($after->[1], $before->[1], 'no change of state');
	like($after->[1], qr/^$pid\|idle\|[^|]+\|[^|]+\|$/, 'idle');
  SKIP:
	{
		skip 'no /proc', 1 if $after->[0] eq '';
		is($after->[0], $before->[2], 'not woken once');
	}
	is(request($node, get('/echo/6/awake'))->{status_code},
		200, 'and at work at once');
};

$node->stop;
done_testing();
