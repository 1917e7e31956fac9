# What users do to the tables, the server's settings and databases of any
# encoding.  None of it stops or repeats another's request.
#
# 010_promises.pl and 014_neighbours.pl have more of it.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

my %nginx = start_nginx();
my $server = start_http_server();
my $url = $server->url;
my $node = new_node('poison');

# Queue GETs of these targets in one transaction, in this order; their ids.
sub queue
{
	my @targets = @_;
	my $list = join ',', map { "'$_'" } @targets;

	return split /\n/, sql("select net.http_get('$url' || t, timeout_milliseconds := @{[LONG_MS]})"
		  . " from unnest(array[$list]) with ordinality as u (t, n) order by n");
}

# Each target arrived once.
sub sent_once
{
	my ($name, @targets) = @_;
	my %count = map { $_ => 0 } @targets;

	exists $count{ $_->[2] } and $count{ $_->[2] }++ for $server->arrivals;
	is_deeply(\%count, { map { $_ => 1 } @targets }, "$name: each was sent once");
	return;
}

sub answered
{
	my ($name, @ids) = @_;

	is(scalar(grep { (wait_response($node, $_)->{status_code} // 0) == 200 } @ids),
		scalar @ids, "$name: answered");
	return;
}

# With poison in place, a request to /echo/NAME/poison does what it does, and
# those beside it have their answers; without it, all is as before.
sub hurts_only_itself
{
	my ($name, $poison, $antidote) = @_;
	my $pid = current_worker($node);
	my @targets = map { "/echo/$name/$_" } 'before', 'poison', 'after', 'later';

	sql($poison);
	my ($before, undef, $after) = queue(@targets[ 0 .. 2 ]);
	answered($name, $before, $after);
	wait_queue_empty();
	answered("$name, later", queue($targets[3]));
	sql($antidote);
	sent_once($name, @targets);
	answered("$name, undone", queue("/echo/$name/undone"));
	is(current_worker($node), $pid, "$name: one worker");
	return;
}

# While poison is in place nothing can be stored; then everything is.
sub comes_later
{
	my ($name, $poison, $antidote) = @_;
	my $pid = current_worker($node);
	my $file = PostgreSQL::Test::Utils::tempdir($name) . '/poisoned';
	my @targets = map { "/wait?file=$file&$_" } 1 .. 3;

	my @ids = queue(@targets);
	$server->wait_arrivals(qr/^\Q$targets[0]\E|^\Q$targets[1]\E|^\Q$targets[2]\E/, 3);
	sql($poison);
	append_to_file($file, '');
	wait_for('the answers to come', sub {
		sql_in($node, 'template1', "select state = 'idle' from pg_stat_activity where pid = $pid") eq 't';
	});
	sql($antidote);
	answered($name, @ids);
	sent_once($name, @targets);
	is(current_worker($node), $pid, "$name: one worker");
	return;
}

# SQL of a trigger on a table for rows of the poisoned URL or response.
sub trigger
{
	my ($table, $when, $body) = @_;
	my $is_poison = $table eq 'http_request_queue' ? 'url' : 'content';

	return <<"END";
create function act() returns trigger language plpgsql as \$\$
begin
	if coalesce(to_jsonb(new), to_jsonb(old)) ->> '$is_poison' like '%/poison%' then
		$body
	end if;
	return coalesce(new, old);
end
\$\$;
create trigger act $when on net.$table for each row execute function act();
END
}

subtest 'triggers' => sub {
	my $drop = 'drop function act cascade';

	hurts_only_itself('sleeps', trigger('_http_response', 'before insert', 'perform pg_sleep(2);'), $drop);

	# What is answered meanwhile does not time out, though nobody looks.
	sql(trigger('_http_response', 'before insert', 'perform pg_sleep(2.5);'));
	my ($meanwhile, $redirect, $sleeps) = split /\n/, sql("select net.http_get('$url/delay/1?meanwhile', timeout_milliseconds := 2000)"
		  . " union all select net.http_get('$url/redirect-to?url=/echo/moved&delay=1', timeout_milliseconds := 2000)"
		  . " union all select net.http_get('$url/echo/poison/sleeps-longer')");
	my $moved = wait_response($node, $redirect);
	is($moved->{error_msg}, undef, 'meanwhile: no error after a redirect');
	is($moved->{status_code}, 200, 'meanwhile: a redirect is followed');
	my $row = wait_response($node, $meanwhile);
	is($row->{error_msg}, undef, 'meanwhile: no error');
	is($row->{status_code}, 200, 'meanwhile: answered');
	cmp_ok($row->{duration_ms}, '>', 2000, 'meanwhile: late');
	wait_response($node, $sleeps);
	is(request($node, "select net.http_get('$url/hang', timeout_milliseconds := 500)")->{timed_out} ? 1 : 0, 1,
		'after that time goes on');

	# Neither does what nginx agrees on TLS with meanwhile.
	my @workers = children_of(0 + slurp_file("$nginx{tls_dir}/../nginx.pid"));
	sql("alter system set pg_net.ca_file = '$nginx{ca_file}'");
	$node->reload;
	is(kill(STOP => @workers), scalar @workers, 'nginx holds still');
	my ($connecting) = split /\n/, sql("select net.http_request('GET', 'https://127.0.0.1:$nginx{https_port}/',"
		  . ' connect_timeout_milliseconds := 2000, timeout_milliseconds := 20000)'
		  . " union all select net.http_get('$url/echo/poison/sleeps-again')");
	wait_for('the worker to sleep', sub { sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") });
	kill CONT => @workers;
	$row = wait_response($node, $connecting);
	is($row->{error_msg}, undef, 'meanwhile: no error of one that is connected');
	is($row->{status_code}, 200, 'meanwhile: it is answered');
	cmp_ok($row->{duration_ms}, '>', 2000, 'meanwhile: late');
	sql($drop);

	# Those beside it do not wait until that is given up.
	my @targets = map { "/echo/too-long/$_" } 'before', 'poison', 'after';
	sql(trigger('_http_response', 'before insert', 'perform pg_sleep(3600);'));
	my ($before, $poison, $after) = queue(@targets);
	answered('too-long', $before, $after);
	is(sql("select count(*) from net.http_request_queue where id = $poison"), '1', 'too-long: before it is');
	answered('too-long, at last', $poison);
	sent_once('too-long', @targets);
	sql($drop);

	hurts_only_itself('deletes-response',
		trigger('_http_response', 'after insert', 'delete from net._http_response where id = new.id;'), $drop);
	hurts_only_itself('deletes-row',
		trigger('http_request_queue', 'before delete', 'delete from net.http_request_queue where id = old.id;'), $drop);
	hurts_only_itself('no-response', trigger('_http_response', 'before insert', 'return null;'), $drop);
	hurts_only_itself('changes-row',
		trigger('http_request_queue', 'before delete', "update net.http_request_queue set url = '' where id = old.id;"), $drop);
};

subtest 'a trigger that queues another request' => sub {
	sql(trigger('_http_response', 'after insert', <<"END"));
if new.content::jsonb ->> 'query' < '9' then
	perform net.http_get('$url/echo/poison?' || (new.content::jsonb ->> 'query')::int + 1);
end if;
END
	queue('/echo/poison?1');
	$server->wait_arrivals('/echo/poison?9');
	wait_queue_empty();
	sent_once('recursion', map { "/echo/poison?$_" } 1 .. 9);
	sql('drop function act cascade');

	sql(trigger('http_request_queue', 'after insert', "perform net.http_get('$url/echo/queued-by-trigger');"));
	queue('/echo/poison-insert');
	$server->wait_arrivals('/echo/queued-by-trigger');
	wait_queue_empty();
	sent_once('both', '/echo/poison-insert', '/echo/queued-by-trigger');
	sql('drop function act cascade');

	sql(trigger('http_request_queue', 'after insert', 'delete from net.http_request_queue where id = new.id;'));
	my ($id, $beside) = queue('/echo/poison-cancelled', '/echo/beside-cancelled');
	answered('a row that a trigger removed', $beside);
	is($server->arrivals_of('/echo/poison-cancelled') + 0, 0, 'is not sent');
	sql('drop function act cascade');
};

subtest 'columns, constraints, indexes and rights' => sub {
	my $response = 'alter table net._http_response';
	my $queue = 'alter table net.http_request_queue';

	hurts_only_itself('constraint', "$response add constraint refuse check (content not like '%/poison%') not valid",
		"$response drop constraint refuse");
	hurts_only_itself('foreign-key', <<"END", 'drop function know cascade; drop table known cascade');
create table known (id bigint primary key);
create function know() returns trigger language plpgsql as \$\$
begin
	if new.url not like '%/poison%' then insert into public.known values (new.id); end if;
	return new;
end
\$\$;
create trigger know before insert on net.http_request_queue for each row execute function know();
$response add constraint known foreign key (id) references known not valid;
END
	hurts_only_itself('indexes', 'drop index net._http_response_id_idx, net._http_response_created_idx',
		'create index _http_response_id_idx on net._http_response (id);'
		  . 'create index _http_response_created_idx on net._http_response (created)');
	hurts_only_itself('rls', "$queue force row level security; $response force row level security",
		"$queue no force row level security; $response no force row level security");
	hurts_only_itself('rights',
		'revoke all on net.http_request_queue, net._http_response from postgres, public',
		'grant all on net.http_request_queue, net._http_response to postgres;'
		  . 'grant select on net.http_request_queue, net._http_response to public');
	comes_later('response-renamed', "$response rename to moved", 'alter table net.moved rename to _http_response');
	comes_later('queue-renamed', "$queue rename to moved", 'alter table net.moved rename to http_request_queue');

	# Without its columns no response can be stored, and nothing is read.
	my $start = -s $node->logfile;
	comes_later('response-column-renamed', "$response rename content to body", "$response rename body to content");
	comes_later('response-column-dropped', "$response drop column content_type", "$response add column content_type text");
	comes_later('response-column-of-another-type', "$response alter error_msg type int using null",
		"$response alter error_msg type text using null");
	comes_later('queue-column-renamed', "$queue rename body to content", "$queue rename content to body");
	is_deeply([ slurp_file($node->logfile, $start) =~ /WARNING:  pg_net worker is waiting: (.*)/g ],
		[ map { "column $_ is missing or has the wrong type" } '"content" of net._http_response',
			'"content_type" of net._http_response', '"error_msg" of net._http_response',
			'"body" of net.http_request_queue' ],
		'the log says so, once each');

	# Of another type, but one that can be cast.
	hurts_only_itself('column-types', "$queue alter headers type json, alter http_version type varchar, alter timeout_milliseconds type bigint;"
		. "$response alter headers type json, alter content type varchar, alter status_code type bigint",
		"$queue alter headers type jsonb, alter http_version type text, alter timeout_milliseconds type int;"
		. "$response alter headers type jsonb, alter content type text, alter status_code type int");
};

subtest 'settings of the whole server' => sub {
	my %settings = (
		default_transaction_read_only => 'on',
		default_transaction_isolation => 'serializable',
		default_transaction_deferrable => 'on',
		statement_timeout => '1ms',
		lock_timeout => '1ms',
		idle_in_transaction_session_timeout => '1ms',
		idle_session_timeout => '1s',
		row_security => 'off',
		check_function_bodies => 'off',
		bytea_output => 'escape',
		standard_conforming_strings => 'off',
		client_encoding => 'LATIN1',
		search_path => 'nowhere');

	# The sessions of the test go without those that would stop them.
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } 'default_transaction_read_only=off',
	  'statement_timeout=0', 'lock_timeout=0', 'idle_in_transaction_session_timeout=0',
	  $node->pg_version >= 17 ? 'transaction_timeout=0' : ();

	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	# in that file it would end sessions that are still connecting
	sql("alter database postgres set transaction_timeout = '1ms'") if $node->pg_version >= 17;
	for my $how ('reload', 'worker_restart')
	{
		my $pid = current_worker($node);
		$how eq 'reload' ? $node->reload : sql('select net.worker_restart()');
		wait_for('the settings', sub { sql('show bytea_output') eq 'escape' });
		next_worker($node, $pid) if $how eq 'worker_restart';

		answered($how, queue("/echo/settings-$how"));
		sent_once($how, "/echo/settings-$how");
	}
	$node->adjust_conf('postgresql.conf', $_, undef) for sort keys %settings;
	sql('alter database postgres reset transaction_timeout') if $node->pg_version >= 17;
	$node->reload;
	wait_for('the settings', sub { sql('show bytea_output') eq 'hex' });
};

$node->stop;

subtest 'max_worker_processes is used up' => sub {
	$node = new_node('used_up', no_extension => 1, conf => 'max_worker_processes = 0');
	sql('create extension pg_net');
	my ($rc, undef, $stderr) = $node->psql('postgres', 'select net.check_worker_is_up()');
	like($stderr, qr/the pg_net background worker is not up/, 'check_worker_is_up says so');
	ok(log_contains($node, qr/too many background workers/), 'and the log says why');
	my ($id) = queue('/echo/used-up');

	$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
	$node->restart;
	answered('with room for workers, what waited', $id);
	$node->stop;
};

for my $encoding ('SQL_ASCII', 'LATIN1', 'EUC_JP')
{
	subtest "a database in $encoding" => sub {
		$node = new_node(lc $encoding, init => { extra => [ "--encoding=$encoding", '--locale=C' ] });
		my $pid = current_worker($node);
		my @odd = qw(binary latin1 utf16 invalid-utf8 nul gzip odd-headers duplicate-headers no-content-type);
		my @targets = map { ("/$_", "/echo/$encoding/beside-$_") } @odd;

		is(sql('show server_encoding'), $encoding, 'its encoding');
		my @ids = queue(@targets);
		wait_queue_empty();
		is( sql('select count(*), count(distinct id) from net._http_response where status_code = 200'
				  . " and id between $ids[0] and $ids[-1]"),
			@ids . '|' . @ids,
			'every answer is stored');
		is( sql("select count(*) from net._http_response where content is null and content_bytes is null"
				  . " and id between $ids[0] and $ids[-1]"),
			'0', 'with a body each');

		# A row of bytes that are no text anywhere else.
		my $id = sql('insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)'
			  . " values ('POST', '$url/echo/$encoding/bytes', null, '\\x00ff80a4a2', 5000) returning id");
		sql('select net.wake()');
		answered('a body of bytes', $id);
		is( sql("select content::jsonb ->> 'body_base64' from net._http_response where id = $id"),
			'AP+ApKI=', 'which arrived as they are');
		answered('one more', queue("/echo/$encoding/after"));
		sent_once($encoding, grep { /echo/ } @targets);
		is(current_worker($node), $pid, 'one worker');
		$node->stop;
	};
}

done_testing();
