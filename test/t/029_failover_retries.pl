# Failover with requests in each state of a retry: the primary is killed, and
# its standby goes on with what was replicated.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $base = $server->url;
my $primary = new_node('primary', init => { allows_streaming => 1 }, conf => 'pg_net.failed_ttl = 1d');
my $node = $primary;
my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';

# Where the requests of each state go; and their ids.
my (%path, %id);

# Queue a POST request for a path, with arguments of http_request.
sub call
{
	my ($state, $path, %args) = @_;
	my %all = (retry => "'{1h}'", timeout_milliseconds => 170_000, %args);
	my $url = delete $all{endpoint} // $base;
	my $arguments = join '', map { ", $_ := $all{$_}" } sort keys %all;

	$path{$state} = $path;
	return $id{$state} = sql_in($node, 'postgres', "select net.http_request('POST', '$url$path'$arguments)");
}

# Of a request's row.
sub row_of { return sql_in($node, 'postgres', "select $_[1] from net.http_request_queue where id = $id{$_[0]}") }

# What must not change.
sub state_of { return row_of($_[0], 'row(queued, due, gave_up, retry, failures, ordering_key, callback, context, deaths)') }

# Wait for an expression of a request's row.
sub wait_row
{
	my ($state, $expression) = @_;
	return wait_for("$state: $expression", sub { row_of($state, $expression) eq 't' });
}

sql('select net.set_durable(true)');
sql("insert into net.endpoint (name, url, paused) values ('paused', '$base', true)");
sql('create table called (id bigint)');
sql(q(create function note(r net._http_response) returns void language plpgsql as
	'begin perform pg_advisory_xact_lock(1); insert into called values (r.id); end'));

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $lock = $primary->background_psql('postgres');
$lock->query_safe('select pg_advisory_lock(1)');

call('done', '/flaky/done?fails=1', retry => "'{1ms}'", callback => "'note'");
call('held', '/flaky/held?fails=0', endpoint => 'net://paused');
call('scheduled', '/flaky/scheduled?fails=0', due => "now() + interval '1 hour'", context => q('{"a": 1}'));
call('retrying', '/flaky/retrying?fails=1&body=busy', ordering_key => "'k'");
call('behind', '/flaky/behind?fails=0', ordering_key => "'k'");
call('gave up', '/flaky/gave-up?fails=3', retry => "'{1ms,1ms}'");
call('gave up twice', '/flaky/gave-up-twice?fails=4', retry => "'{1ms}'");
call('gave up long ago', '/flaky/gave-up-long-ago?fails=9', retry => "'{1ms}'");
call('in the first attempt', "/wait?file=$gate&first");
wait_row('retrying', "due > now() and failures->0->>'body' = 'busy'");
wait_row($_, 'gave_up is not null') for 'gave up', 'gave up twice', 'gave up long ago';
sql("select net.resend($id{'gave up twice'})");
wait_row('gave up twice', 'gave_up is not null and jsonb_array_length(failures) = 5');
wait_response($primary, $id{done});
$server->wait_arrivals($path{'in the first attempt'});

# one that fails once, and is cut off in the second attempt
append_to_file("$gate-2", '');
call('in the second attempt', "/flaky/second?fails=1&file=$gate-2");
wait_row('in the second attempt', 'due > now() and failures is not null');
unlink "$gate-2";
sql("select net.resend($id{'in the second attempt'})");
$server->wait_arrivals($path{'in the second attempt'}, 2);

# what comes due while there is no server, or on either of them
call('due meanwhile', '/flaky/due-meanwhile?fails=0', due => "now() + interval '1 s'");
sql("update net.http_request_queue set due = now() + interval '1 s' where id = $id{'gave up long ago'}");

$primary->wait_for_catchup($standby);
my %before = map { $_ => state_of($_) } sort keys %id;

# From here on the standby learns nothing.
my $walsender = sql('select pid from pg_stat_replication');
kill 'STOP', $walsender or die "could not stop the WAL sender: $!\n";
my $unknown = sql("select net.http_request('POST', '$base/flaky/unknown', retry := '{1h}')");
sql("update net.endpoint set paused = false where name = 'paused'");
wait_response($primary, $id{held});
is(scalar $server->arrivals_of($path{held}), 1, 'one has a response that the standby does not know of');

$primary->kill9;
kill 'KILL', $walsender;
$standby->promote;
$node = $standby;

subtest 'what the promoted server has' => sub {
	wait_for('a worker', sub { defined try_sql($node, 'postgres', 'select net.wait_until_running()') });
	is(state_of($_), $before{$_}, "$_: as before") for 'held', 'scheduled', 'retrying', 'behind', 'gave up', 'gave up twice';
	my $message = sub { return sql_in($node, 'postgres', "select status || ' ' || message from net._http_collect_response($id{$_[0]})") };
	like($message->('scheduled'), qr/^PENDING scheduled for /, 'scheduled');
	like($message->('retrying'), qr/^PENDING attempt 2 of 2 at .*: 503$/, 'retrying');
	is($message->('gave up'), 'ERROR gave up after 3 attempts: 503', 'gave up');
	is($message->('gave up twice'), 'ERROR gave up after 2 attempts: 503', 'gave up, in the second round');
	is($message->($_), 'PENDING request is pending processing', $_) for 'held', 'behind';
	is(sql_in($node, 'postgres', "select status_code || ' ' || attempts from net._http_response where id = $id{done}"), '200 2', 'done');
};

subtest 'what becomes of them' => sub {
	wait_for('its function to be called', sub { sql_in($node, 'postgres', 'select string_agg(id::text, $$ $$) from called') eq $id{done} });
	wait_for('it to be removed', sub { row_of('gave up long ago', 'count(*)') == 0 });
	pass('what was given up long ago is removed');
	like(sql_in($node, 'postgres', "select error_msg from net._http_response where id = $id{'gave up long ago'}"), qr/^gave up after 2/, 'its response stays');

	$server->wait_arrivals($path{'in the first attempt'}, 2);
	append_to_file($_, '') for $gate, "$gate-2";
	sql_in($node, 'postgres', "update net.endpoint set paused = false where name = 'paused'");
	is(sql_in($node, 'postgres', "select net.resend($id{$_})"), 't', "resend: $_") for 'scheduled', 'retrying', 'gave up', 'gave up twice';

	my %expected = (
		# status, attempts in the response, arrivals
		'held' => '200 1 2',
		'scheduled' => '200 1 1',
		'due meanwhile' => '200 1 [12]',
		'retrying' => '200 2 2',
		'behind' => '200 1 1',
		'gave up' => '200 4 4',
		'gave up twice' => '200 5 5',
		'in the first attempt' => '200 1 2',
		'in the second attempt' => '200 2 3',
		'done' => '200 2 2');
	for my $state (sort keys %expected)
	{
		wait_for("$state: done", sub { sql_in($node, 'postgres', "select count(*) from net._http_response where id = $id{$state} and error_msg is null") eq '1' });
		my $row = wait_response($node, $id{$state});
		my @arrivals = $server->arrivals_of($path{$state});
		my %message_ids = map { $_->[3] => 1 } @arrivals;
		like("$row->{status_code} $row->{attempts} @{[ scalar @arrivals ]}", qr/^$expected{$state}$/, "$state: sent as often as it should be");
		like(join(' ', keys %message_ids), qr/^msg_[0-9a-f]{12}_$id{$state}$/, 'with one message id');
	}
	my $all = join ',', values %id;
	is(sql_in($node, 'postgres', "select count(*) - count(distinct id) from net._http_response where id in ($all)"), 0, 'no request has two responses');
	is(sql_in($node, 'postgres', 'select count(*) from net.http_request_queue'), 0, 'nothing is left');
	is(sql_in($node, 'postgres', "select r.started <= b.started from net._http_response r, net._http_response b where r.id = $id{retrying} and b.id = $id{behind}"), 't', 'in order');
	is(sql_in($node, 'postgres', "select count(*) from net._http_response where id = $id{scheduled} and context = '{\"a\": 1}'"), 1, 'with its context');
	is(sql_in($node, 'postgres', 'select count(*) from called'), 1, 'the function was called once');
	cmp_ok(sql_in($node, 'postgres', "select net.http_get('$base/echo')"), '>', $unknown, 'ids that the standby did not know of are not given out again');
};

$standby->stop;
done_testing();
