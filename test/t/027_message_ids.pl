# Message ids: the same in all attempts, also after pg_upgrade, which no request
# is lost by; others wherever ids of requests are given out a second time.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $base = $server->url;
my $old = new_node('old', conf => 'pg_net.failed_ttl = 1d');
my $calls = 0;

sub key { return 'k' . ++$calls }

# Queue a POST request for a path, in a database (postgres), with arguments of
# http_request; the id.  It has a schedule, and so a message id to be seen.
sub call
{
	my ($path, %args) = @_;
	my $database = delete $args{database} // 'postgres';
	my %all = (retry => "'{1h}'", timeout_milliseconds => 170_000, %args);
	my $url = $path =~ /^\w+:/ ? $path : "$base$path";
	return sql_in($database, "select net.http_request('POST', '$url'" . join('', map { ", $_ := $all{$_}" } sort keys %all) . ')');
}

sub row_of { return sql("select $_[1] from net.http_request_queue where id = $_[0]") }

# The message ids that arrived with a target, each once.
sub message_ids
{
	my ($target) = @_;
	my %ids = map { $_->[3] => 1 } $server->arrivals_of($target);
	return sort keys %ids;
}

# What is the message id of the next request in a database?
sub next_message_id
{
	my ($database) = @_;
	my $path = '/echo/' . key();
	my $id = call($path, database => $database);
	wait_response($old, $id, undef, $database);
	return message_ids($path);
}

sub digits { return (map { /^msg_([0-9a-f]{12})_\d+$/ } @_)[0] // "no digits in @_" }

subtest 'a copy' => sub {
	create_databases('original');
	my ($before) = next_message_id('original');
	sql('create database copy template original');
	my ($original) = next_message_id('original');
	my ($copy) = next_message_id('copy');
	is(digits($original), digits($before), 'the original keeps its digits');
	is($original =~ s/.*_//r, $copy =~ s/.*_//r, 'ids go on in both');
	isnt(digits($copy), digits($original), 'but not with the same message ids');

	sql('alter database copy rename to other');
	is(digits(next_message_id('other')), digits($copy), 'a database that is renamed keeps them');
};

subtest 'DROP and CREATE EXTENSION' => sub {
	my ($before) = next_message_id('original');
	sql_in('original', $_) for 'drop extension pg_net', 'create extension pg_net';
	my ($after) = next_message_id('original');
	like($after, qr/_1$/, 'ids start at 1 again');
	isnt(digits($after), digits($before), 'with other digits');
};

subtest 'dump and restore' => sub {
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
	my ($before) = next_message_id('original');
	$old->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $old->connstr('original') ], 'pg_dump');
	sql('drop database original');
	sql('create database original');
	$old->command_ok([ 'pg_restore', '--exit-on-error', '-d', $old->connstr('original'), $dump ], 'pg_restore');
	my ($after) = next_message_id('original');
	like($after, qr/_1$/, 'ids start at 1 again');
	isnt(digits($after), digits($before), 'with other digits');
};

subtest 'pg_upgrade' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';

	sql('select net.set_durable(true)');
	sql("insert into net.endpoint (name, url, paused) values ('paused', '$base', true)");
	sql('create table called (id bigint)');
	sql(q(create function note(r net._http_response) returns void language plpgsql as
		'begin perform pg_advisory_xact_lock(1); insert into called values (r.id); end'));
	my $session = $old->background_psql('postgres');
	$session->query_safe('select pg_advisory_lock(1)');

	my %path = map { $_ => "/flaky/$_?fails=" . { 'gave-up' => 2, done => 0, waiting => 0, scheduled => 0 }->{$_} // 1 } qw(done waiting scheduled retrying gave-up);
	my %ids = (
		'done' => call($path{done}, callback => "'note'"),
		'waiting' => call("net://paused$path{waiting}"),
		'scheduled' => call($path{scheduled}, due => "now() + interval '1 hour'"),
		'retrying' => call($path{retrying}),
		'gave-up' => call($path{'gave-up'}, retry => "'{1ms}'"));
	$path{'in flight'} = "/wait?file=$gate";
	$ids{'in flight'} = call($path{'in flight'});
	$server->wait_arrivals($path{'in flight'});
	wait_sql("select due > now() and failures is not null from net.http_request_queue where id = $ids{retrying}");
	wait_response($old, $ids{$_}) for 'done', 'gave-up';
	wait_sql("select count(*) from pg_locks where locktype = 'advisory' and not granted", 1);
	my $unlogged = call('/echo/unlogged', database => 'original', due => "now() + interval '1 hour'");
	my $gave_up = row_of($ids{'gave-up'}, 'row(gave_up, due, failures)');
	my $retrying = row_of($ids{retrying}, 'row(due, failures)');

	$session->quit;
	$old->stop;
	my $new = new_node('new', no_extension => 1, conf => 'pg_net.failed_ttl = 1d');
	$new->stop;
	my $dir = PostgreSQL::Test::Utils::tempdir('upgrade');
	my ($bin) = run_command([ 'pg_config', '--bindir' ]);
	chdir $dir or die "$dir: $!\n";
	$new->command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade');
	$new->start;

	is(row_of($ids{'gave-up'}, 'row(gave_up, due, failures)'), $gave_up, 'what was given up still is');
	is(row_of($ids{retrying}, 'row(due, failures)'), $retrying, 'what waits for its retry still does, with its log');
	$server->wait_arrivals($path{'in flight'}, 2);
	append_to_file($gate, '');
	like(sql("select message from net._http_collect_response($ids{scheduled})"), qr/^scheduled for /, 'scheduled, still');
	is(row_of($ids{waiting}, 'count(*)'), 1, 'waiting, still');
	wait_sql('select string_agg(id::text, $$ $$) from called', $ids{done});
	pass('a function that had not been called is called');
	sql("update net.endpoint set paused = false");
	sql("select net.resend($_)") for @ids{qw(scheduled retrying gave-up)};
	for (sort keys %ids)
	{
		wait_sql("select count(*) from net._http_response where id = $ids{$_} and error_msg is null", 1);
		is(wait_response($new, $ids{$_})->{status_code}, 200, "$_: done");
		like(join(' ', message_ids($path{$_})), qr/^msg_[0-9a-f]{12}_$ids{$_}$/, 'with one message id');
	}
	is(scalar $server->arrivals_of($path{$_->[0]}), $_->[1], "$_->[0]: arrived $_->[1] times")
	  for [ 'done', 1 ], [ 'waiting', 1 ], [ 'scheduled', 1 ], [ 'retrying', 2 ], [ 'gave-up', 3 ], [ 'in flight', 2 ];
	my %digits = map { digits(message_ids($path{$_})) => 1 } keys %ids;
	is(scalar keys %digits, 1, 'and the digits are those of before');
	is(wait_response($new, $ids{'in flight'})->{attempts}, 1, 'an attempt that was cut off does not count');
	is(sql_in('original', "select due > now() from net.http_request_queue where id = $unlogged"), 't', 'unlogged tables have their rows');
	cmp_ok(call('/echo/new'), '>', $ids{'in flight'}, 'ids go on');
	$new->stop;
};

done_testing();
