# What a role has waiting is known however its transactions end, and for any
# number of roles.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

# More than fit into what the server sets aside at its start.
use constant MANY => 2500;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('quota', conf => "pg_net.max_in_flight = 1\nmax_prepared_transactions = 20\npg_net.max_waiting_per_role = 100");

# As a role; the answer, or the message.
sub as
{
	my ($role, @sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', join ";\n", "set session authorization $role", @sql);
	return $out if $status == 0;
	my ($message) = $err =~ /ERROR:  (.*)/;
	return $message;
}

# So many calls, in one statement.
sub calls
{
	my ($count) = @_;
	return "select count(net.http_get('$url/status/200')) from generate_series(1, $count)";
}

# How many more a role may have waiting: it tries, and takes it back.
sub has_room
{
	my ($role, $count, $name) = @_;
	is(as($role, 'begin', calls($count), 'rollback'), $count, "$name: room for $count");
	return is(as($role, 'begin', calls($count + 1), 'rollback'), "role \"$role\" has reached its limit of queued requests", "$name: and no more");
}

sub gets_room
{
	my ($role, $count, $name) = @_;
	wait_for("$name: room for $count", sub { as($role, 'begin', calls($count), 'rollback') eq $count });
	return has_room($role, $count, $name);
}

sub prepared { return "prepare transaction '$_[0]'" }
sub queued { return sql('select count(*) from net.http_request_queue') }

sql('create role alice; create role bob; create role carol superuser');
sql("create function as_bob(int) returns bigint language sql security definer as \$\$ select count(net.http_get('$url/status/200')) from generate_series(1, \$1) \$\$;",
	'alter function as_bob owner to bob; grant create on schema public to bob');

# Somebody's request that takes its time: all others wait.
my $gate = PostgreSQL::Test::Utils::tempdir('gate');
sql("select net.http_get('$url/wait?file=$gate/open', timeout_milliseconds := 170000)");
$server->wait_arrivals("/wait?file=$gate/open");

subtest 'ROLLBACK PREPARED' => sub {
	as('alice', 'begin', calls(90), prepared('x'));
	has_room('alice', 10, 'prepared');
	has_room('bob', 100, 'others');
	as('alice', "rollback prepared 'x'");
	has_room('alice', 100, 'rolled back');
	as('alice', 'begin', calls(90), prepared('x'));
	sql("rollback prepared 'x'");
	has_room('alice', 100, 'by another session');
};

subtest 'several roles, and savepoints' => sub {
	as('alice', 'begin', calls(20), 'savepoint a', calls(30), 'rollback to a', 'savepoint b', calls(5), 'select as_bob(40)', 'release b',
		'savepoint c', 'savepoint d', calls(7), 'release d', 'rollback to c', 'select as_bob(10)', calls(1), prepared('y'));
	has_room('alice', 74, 'one role');
	has_room('bob', 50, 'the other');
	as('alice', "rollback prepared 'y'");
	has_room('alice', 100, 'one role afterwards');
	has_room('bob', 100, 'the other afterwards');
};

subtest 'a role set in the transaction' => sub {
	as('carol', 'begin', 'set local role alice', calls(10), 'set local role bob', calls(20), 'set local role alice', calls(1), prepared('z'));
	has_room('alice', 89, 'one role');
	has_room('bob', 80, 'the other');
	sql("rollback prepared 'z'");
	has_room('alice', 100, 'afterwards');
	has_room('bob', 100, 'afterwards');
};

subtest 'a name that is used again' => sub {
	as('alice', 'begin', calls(10), prepared('same'));
	is(as('bob', 'begin', calls(30), prepared('same')), 'transaction identifier "same" is already in use', 'not at the same time');
	has_room('bob', 100, 'who failed');
	has_room('alice', 90, 'who did not');
	is(as('bob', "rollback prepared 'same'"), 'permission denied to finish prepared transaction', 'somebody else may not end it');
	has_room('alice', 90, 'nothing of it');
	sql("rollback prepared 'same'");
	as('alice', 'begin', calls(20), prepared('same'));
	has_room('alice', 80, 'the second of the name');
	sql("rollback prepared 'same'");
	has_room('alice', 100, 'afterwards');
};

subtest 'the worker counts anew' => sub {
	as('alice', 'begin', calls(60), prepared('counted'));
	my $old = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $old);
	sql('select net.wait_until_running()');
	sql("insert into net.http_request_queue (method, url, timeout_milliseconds, role) values ('GET', '$url/status/200', 1000, 'bob'::regrole);", 'select net.wake()');
	sql("delete from net.http_request_queue where role = 'bob'::regrole");
	wait_for('the worker to have counted', sub { as('bob', 'begin', calls(100), 'rollback') eq '100' });
	has_room('alice', 40, 'what is prepared is counted');
	as('alice', "rollback prepared 'counted'");
	gets_room('alice', 100, 'and given back');
};

subtest 'COMMIT PREPARED' => sub {
	as('alice', 'begin', calls(30), prepared('c'));
	sql("commit prepared 'c'");
	has_room('alice', 70, 'committed');
	append_to_file("$gate/open", '');
	wait_for('the queue to be empty', sub { queued() == 0 });
	gets_room('alice', 100, 'sent');
	as('alice', 'begin', "select net.http_get('$url/status/200?after')", prepared('d'));
	as('alice', calls(3));
	sql("commit prepared 'd'");
	$server->wait_arrivals('/status/200?after');
	wait_for('the queue to be empty', sub { queued() == 0 });
	gets_room('alice', 100, 'as nothing waits');
};

subtest 'COMMIT PREPARED of nothing' => sub {
	sql("insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', '$url/status/200?unannounced', 2000)");
	sql('begin;', prepared('empty') . ';', "commit prepared 'empty'");
	request($node, "select net.http_get('$url/status/200')");
	is($server->arrivals_of('/status/200?unannounced') + 0, 0, 'the worker does not look at what nobody told it of');
	sql('select net.wake()');
	$server->wait_arrivals('/status/200?unannounced');
	wait_for('the queue to be empty', sub { queued() == 0 });
};

subtest 'a restart in between' => sub {
	as('alice', 'begin', calls(90), prepared('r'));
	as('alice', 'begin', "select net.http_get('$url/status/200?restarted')", prepared('s'));
	$node->restart;
	sql('select net.wait_until_running()');
	gets_room('alice', 9, 'they are counted');
	sql("rollback prepared 'r'");
	gets_room('alice', 99, 'given back');
	sql("commit prepared 's'");
	$server->wait_arrivals('/status/200?restarted');
	pass('and sent');
	gets_room('alice', 100, 'afterwards');
};

subtest 'the extension, made anew' => sub {
	as('alice', calls(0));
	sql("select net.http_get('$url/wait?file=$gate/second', timeout_milliseconds := 170000)");
	$server->wait_arrivals("/wait?file=$gate/second");
	as('alice', calls(100));
	sql('drop extension pg_net; create extension pg_net; select net.wait_until_running()');
	gets_room('alice', 100, 'nothing waits there');
	append_to_file("$gate/second", '');
};

subtest 'more roles than there ever was room for' => sub {
	my $last = MANY - 1;
	sql("do \$\$ begin for i in 0 .. $last loop execute format('create role many%s', i); end loop; end \$\$");
	sql("select net.http_get('$url/wait?file=$gate/third', timeout_milliseconds := 170000)");
	$server->wait_arrivals("/wait?file=$gate/third");
	sql('do $$ begin for i in 0 .. ' . $last . " loop execute format('set local role many%s', i); perform net.http_get('$url/status/200'); end loop; end \$\$");
	has_room("many$_", 99, "the role number $_") for 0, 2047, 2048, $last;
	append_to_file("$gate/third", '');
	wait_for('the queue to be empty', sub { queued() == 0 });
	has_room("many$last", 100, 'afterwards');
	sql("do \$\$ begin for i in 0 .. $last loop execute format('drop role many%s', i); end loop; end \$\$");
};

subtest 'a database that is dropped' => sub {
	for my $round (1 .. 2)
	{
		sql('create database other');
		sql_in('other', 'create extension pg_net');
		sql_in('other', "select count(net.http_get('http://127.0.0.1:9/')) from generate_series(1, 100)");
		sql('drop database other');
	}
	has_room('alice', 100, 'others are as before');
};

$node->stop;
done_testing();
