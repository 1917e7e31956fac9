# What is hung on the tables, and what servers send, takes time: it costs those
# it is about, each of them once, and others go on meanwhile.
#
# Triggers count their calls in a sequence, which no rollback takes back.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant MANY => 1000;
use constant LONG_MS => 170_000;

my $server = start_http_server();
my $other = start_http_server();
my $node = new_node('recording');

# Queue that many GETs of a target.
sub queue
{
	my ($target, $count) = @_;

	sql("select count(net.http_get('" . $server->url . "$target', timeout_milliseconds := @{[LONG_MS]})) from generate_series(1, $count)");
	return;
}

sub responses { return sql('select count(*), count(distinct id), count(*) filter (where status_code = 200) from net._http_response') }

# A trigger function that counts its calls, and does something.
sub trigger
{
	my ($when, $body) = @_;

	sql('create sequence calls; create table effects (id bigint);'
		  . ' create function act() returns trigger language plpgsql as $$ begin'
		  . " perform nextval('public.calls'); $body return coalesce(new, old); end \$\$;"
		  . " create $when execute function act()");
	return;
}

sub no_trigger
{
	sql('drop function act cascade; drop sequence calls; drop table effects; truncate net._http_response');
	return;
}

# How often was it called for each of so many?
sub calls_for_each
{
	my ($count) = @_;
	return sql('select last_value from calls') / $count;
}

subtest 'a trigger that takes time' => sub {
	trigger('trigger act after insert on net._http_response for each row', 'perform pg_sleep(0.01);');
	queue('/echo/slow-trigger', MANY);
	wait_for('the first rows', sub { sql('select count(*) > 0 from net._http_response') eq 't' });

	my $id = sql("select net.http_get('" . $other->url . "/echo/beside')");
	is(wait_response($node, $id)->{status_code}, 200, 'another host is sent to meanwhile');
	cmp_ok(sql('select count(*) from net.http_request_queue'), '>', 0, 'and its response is recorded before the last of the others');

	wait_queue_empty();
	my $all = MANY + 1;
	is(responses(), "$all|$all|$all", 'all are recorded once');
	is($server->arrivals_of('/echo/slow-trigger') + 0, MANY, 'and were sent once');
	cmp_ok(calls_for_each($all), '<', 1.3, 'hardly any call was in vain') or diag(calls_for_each($all));
	no_trigger();
};

# PostgreSQL fires none in a security-restricted operation, so all are immediate.
subtest 'a trigger that is deferred' => sub {
	trigger('constraint trigger act after insert on net._http_response deferrable initially deferred for each row', 'insert into public.effects values (new.id);');
	queue('/echo/deferred', 200);
	wait_queue_empty();
	is(responses(), '200|200|200', 'all are recorded once');
	is(sql('select count(distinct id) from effects'), 200, 'the trigger fires for each');
	no_trigger();
};

for my $when ('trigger act after insert on net._http_response', 'trigger act before delete on net.http_request_queue')
{
	subtest "a trigger that raises for some: $when" => sub {
		my $start = -s $node->logfile;

		trigger("$when for each row", 'if coalesce(new.id, old.id) % 10 = 0 then raise exception \'not this one\'; end if;'
			  . ' insert into public.effects values (coalesce(new.id, old.id));');
		queue('/echo/some-fail', 200);
		wait_queue_empty();
		is(responses(), '200|200|200', 'all are recorded once');
		is(sql('select count(*), count(distinct id), count(*) filter (where id % 10 = 0) from effects'), '180|180|0',
			'the trigger did its work for those it let pass, once');
		my $said = () = slurp_file($node->logfile, $start) =~ /WARNING:.*could not record the response of request \d+0: not this one/g;
		is($said, 20, 'the log names the others');
		# one that fails costs those in its piece: how many those are depends on the machine's load
		cmp_ok(calls_for_each(200), '<', 2, 'few calls were in vain') or diag(calls_for_each(200));
		no_trigger();
	};
}

subtest 'a worker that has to leave' => sub {
	my $start = -s $node->logfile;
	my $pid = current_worker($node);

	trigger('trigger act after insert on net._http_response for each row', 'perform pg_sleep(0.1); insert into public.effects values (new.id);');
	queue('/echo/leaves', MANY);
	wait_for('the answers', sub { $server->arrivals_of('/echo/leaves') >= MANY && sql("select wait_event = 'PgSleep' from pg_stat_activity where pid = $pid") eq 't' });
	sql("select pg_terminate_backend($pid)");
	next_worker($node, $pid);
	wait_queue_empty();
	is(responses(), join('|', (MANY) x 3), 'all are recorded once');
	is($server->arrivals_of('/echo/leaves') + 0, MANY, 'and were sent once');
	ok(log_contains($node, qr/WARNING:.*pg_net records \d+ responses without triggers because the worker must exit/, $start), 'the log says what it costs');
	no_trigger();
};

subtest 'removing takes time' => sub {
	queue('/echo/old', MANY);
	wait_queue_empty();
	trigger('trigger act before delete on net._http_response for each row', 'perform pg_sleep(0.01);');
	sql("alter system set pg_net.ttl = '1 s'; select pg_reload_conf()");
	is(request($node, "select net.http_get('" . $other->url . "/echo/while-removing')")->{status_code}, 200, 'requests are answered meanwhile')
	  for 1 .. 2;
	wait_for('the responses to go', sub { sql('select count(*) = 0 from net._http_response') eq 't' });
	cmp_ok(calls_for_each(MANY), '<', 1.3, 'hardly any call was in vain') or diag(calls_for_each(MANY));
	sql('alter system reset pg_net.ttl; select pg_reload_conf()');
	no_trigger();
};

subtest 'some cannot be removed' => sub {
	my $start = -s $node->logfile;

	queue('/echo/old', 200);
	wait_queue_empty();
	my $kept = sql('select min(id) from net._http_response');
	my $slow = sql("select min(id) from net._http_response where id > $kept");
	trigger('trigger act before delete on net._http_response for each row',
		"if old.id = $kept then raise exception 'kept'; elsif old.id = $slow then perform pg_sleep(3600); end if;");
	sql("alter system set pg_net.ttl = '1 s'; select pg_reload_conf()");
	wait_for('the others to go', sub { sql('select count(*) = 2 from net._http_response') eq 't' });
	is(sql('select array_agg(id order by id) from net._http_response'), "{$kept,$slow}", 'the others go');
	is(request($node, "select net.http_get('" . $other->url . "/echo/while-some-stay')")->{status_code}, 200, 'requests are answered meanwhile');
	sql('drop function act cascade');
	wait_for('those to go', sub { sql('select count(*) = 0 from net._http_response') eq 't' });
	my $said = () = slurp_file($node->logfile, $start) =~ /WARNING:.*could not remove expired responses/g;
	is($said, 1, 'one warning');
	sql('alter system reset pg_net.ttl; select pg_reload_conf(); drop sequence calls; drop table effects');
};

# In the square of their number these would take longer than anybody waits.
subtest 'header fields' => sub {
	my $row = request($node, "select net.http_get('" . $server->url . "/many-headers?count=950&length=240')");
	my @names = keys %{ $row->{headers} };
	is(scalar(grep { length == 240 } @names), 950, '950 names that differ in their last letters');

	my $lines = 900;
	$row = request($node, "select net.http_get('" . $server->url . "/folded?lines=$lines&length=240')");
	is($row->{headers}{'X-Folded'}, join(' ', 'begin', ('v' x 240) x $lines), "a value of $lines lines")
	  or diag($row->{error_msg});

	$row = request($node, "select net.http_get('" . $server->url . "/duplicate-headers')");
	is_deeply($row->{headers}{'Set-Cookie'}, [ 'a=1', 'b=2' ], 'repeated fields');
	is($row->{headers}{'X-Dup'}, 'first, second', 'joined');

	queue("/$_", 400) for 'many-headers?count=950&length=240', "folded?lines=$lines&length=240";
	wait_queue_empty();
	is(sql("select count(*) from net._http_response where status_code = 200"), 803, 'many of them');
	sql('truncate net._http_response');
};

# A conversion is one step, so it is bounded.
subtest 'text in another charset' => sub {
	for ([ 4_000_000, 'utf-8', 'content' ], [ 4_000_000, 'shift_jis', 'content' ], [ 4_000_000, 'utf-16le', 'content' ],
		[ 5_000_000, 'utf-8', 'content' ], [ 5_000_000, 'shift_jis', 'content_bytes' ], [ 5_000_000, 'utf-16le', 'content_bytes' ])
	{
		my ($bytes, $charset, $column) = @$_;
		my $id = sql("select net.http_get('" . $server->url . "/huge?bytes=$bytes&type=text/plain;%20charset=$charset', timeout_milliseconds := @{[LONG_MS]})");

		wait_for('the response', sub { sql("select count(*) from net._http_response where id = $id") });
		is(sql("select octet_length($column) > 0 and error_msg is null from net._http_response where id = $id"), 't', "$bytes bytes of $charset are in $column");
	}
	sql('truncate net._http_response');
};

# The worker does nothing else meanwhile, and most of the time would go by for
# memory that it has not had before.
subtest 'a large response is not copied to and fro' => sub {
	plan skip_all => 'no /proc' unless -r '/proc/self/status';

	sql("alter system set pg_net.max_response_size = '256MB'; select pg_reload_conf(); select net.worker_restart(); select net.wait_until_running()");
	my $worker = current_worker($node);
	my $before = process_memory($worker, 'VmHWM');
	for ('text/plain', 'application/octet-stream')
	{
		queue("/huge?bytes=200000000&type=$_", 1);
		wait_queue_empty();
		is(sql('select coalesce(status_code::text, error_msg), octet_length(content) from net._http_response'), '200|200000000', "$_: it is there");
		is(sql("select content = repeat('x', 200000000) from net._http_response"), 't', 'as it was sent');
		sql('truncate net._http_response');
	}
	is(current_worker($node), $worker, 'stored by one worker');
	my $taken = process_memory($worker, 'VmHWM') - $before;
	note("it took $taken MB");
	cmp_ok($taken, '<', 2.5 * 200, 'it was in memory twice');
	sql('alter system reset pg_net.max_response_size; select pg_reload_conf()');
};

subtest 'a large response in a changed table' => sub {
	sql('alter table net._http_response add column first text generated always as (left(content, 3)) stored, add column seen int, add check (octet_length(content) > 0)');
	sql('create function look() returns trigger language plpgsql as $$ begin new.seen := length(new.content); return new; end $$');
	sql('create trigger look before insert on net._http_response for each row execute function look()');
	sql('create function look_again() returns trigger language plpgsql as $$ begin insert into public.seen values (length(new.content)); return null; end $$');
	sql('create table seen (n int); create trigger look_again after insert on net._http_response for each row execute function look_again()');
	queue('/huge?bytes=3000000', 1);
	wait_queue_empty();
	is(sql("select first, seen, n, content = repeat('x', 3000000) from net._http_response, seen"), 'xxx|3000000|3000000|t', 'triggers and expressions see all of it');
	sql('create domain body as text check (length(value) > 1); drop trigger look on net._http_response');
	sql('alter table net._http_response drop column first, alter column content type body');
	sql('truncate net._http_response; truncate seen');
	queue('/huge?bytes=3000000', 1);
	wait_queue_empty();
	is(sql("select n, content = repeat('x', 3000000) from net._http_response, seen"), '3000000|t', 'and a statement does');
	sql('alter table net._http_response alter column content type text, drop column seen; drop function look; drop function look_again cascade; drop table seen; truncate net._http_response');
};

subtest 'headers for the origin alone' => sub {
	my $row = request($node, "select net.http_request('GET', '" . $server->url . "/redirect-to?url=" . $other->url . "/echo/elsewhere',"
		  . ' headers := (select jsonb_object_agg(format(\'X-%s\', i), i) from generate_series(1, 50) as i),'
		  . " same_origin_headers := (select array_agg(format('x-%s', i) order by i % 7) from generate_series(1, 49) as i))");
	my $echo = JSON::PP::decode_json($row->{content});
	is_deeply([ grep { /^x-\d/i } keys %{ $echo->{headers} } ], ['X-50'], 'in any order and case') or diag(explain($echo));
};

done_testing();
