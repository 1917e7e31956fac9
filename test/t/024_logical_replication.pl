# Logical replication of everything: requests are sent by the server they were
# made on, and nothing that pg_net does on either side stops.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my %init = (init => { allows_streaming => 'logical' });
my $publisher = new_node('publisher', %init);
my $subscriber = new_node('subscriber', %init);

sub on { my ($node, @sql) = @_; return sql_in($node, 'postgres', join ";\n", @sql) }

# What is replicated of a table that pg_net has nothing to do with arrives.
sub catch_up
{
	$publisher->wait_for_catchup('everything');
	return;
}

sub queue { my ($node) = @_; return on($node, "select coalesce(string_agg(regexp_replace(url, '.*/', ''), ' ' order by id), 'empty') from net.http_request_queue") }

sub is_sent
{
	my ($node, $path, $name) = @_;
	my $row = request($node, "select net.http_get('$url$path')");
	is($row->{status_code}, 200, "$name: is answered");
	return is($server->arrivals_of($path) + 0, 1, "$name: is sent once");
}

for my $node ($publisher, $subscriber)
{
	on($node, 'select net.set_durable(true); create table orders (id int primary key)',
		'create publication everything for all tables');
}
my $hang = "timeout_milliseconds := 600000)";
my $installation = on($subscriber, 'table net._installation');

subtest 'what is there when the subscription is made' => sub {
	on($publisher, "select net.http_get('$url/hang?p' || i, $hang from generate_series(1, 3) i");
	$server->wait_arrivals("/hang?p$_") for 1 .. 3;
	on($subscriber, "select net.http_get('$url/hang?s1', $hang");
	$server->wait_arrivals('/hang?s1');
	my $connection = $publisher->connstr . ' dbname=postgres';
	on($subscriber, "create subscription everything connection '$connection' publication everything");
	$subscriber->wait_for_subscription_sync($publisher, 'everything');
	is(queue($subscriber), 'hang?s1', 'requests are not copied');
	is(on($subscriber, 'table net._installation'), $installation, 'nor is who the publisher is');
};

subtest 'what comes later' => sub {
	on($publisher, "select net.http_get('$url/hang?p' || i, $hang from generate_series(4, 6) i");
	is_sent($publisher, '/status/200?publisher', 'a request of the publisher');
	on($publisher, 'insert into orders values (1)');
	catch_up();
	is(on($subscriber, 'table orders'), '1', 'other tables are replicated');
	on($subscriber, 'select net.wake()');
	is_sent($subscriber, '/status/200?subscriber', 'a request of the subscriber');
	is(queue($subscriber), 'hang?s1', 'it has no other');
	is(queue($publisher), 'hang?p1 hang?p2 hang?p3 hang?p4 hang?p5 hang?p6', 'the publisher has them');
	is($server->arrivals_of(qr/^\/hang\?p/) + 0, 6, 'who sent them once');
	is(on($subscriber, "select string_agg(url, ' ') from net._http_response"), "$url/status/200?subscriber",
		'responses are not replicated either');
};

subtest 'the same ids mean other requests' => sub {
	my $id = on($subscriber, "select min(id) from net.http_request_queue");
	is(on($publisher, "select count(*) from net.http_request_queue where id = $id"), 1, 'there is one on either side');
	on($publisher, "update net.http_request_queue set url = '$url/status/404' where id = $id");
	on($publisher, "delete from net.http_request_queue where id = $id");
	catch_up();
	is(queue($subscriber), 'hang?s1', 'what is done to it on the publisher concerns it alone');
};

subtest 'by hand' => sub {
	my $insert = 'insert into net.http_request_queue (method, url, timeout_milliseconds) values';
	on($subscriber, "$insert ('GET', '$url/status/200?hand', 2000); select net.wake()");
	$server->wait_arrivals('/status/200?hand');
	wait_for('the response', sub { on($subscriber, "select count(*) from net._http_response where url like '%hand'") });
	is($server->arrivals_of('/status/200?hand') + 0, 1, 'a row inserted by hand is sent');
	for my $node ($publisher, $subscriber)
	{
		on($node, "update net._http_response set error_msg = 'seen'");
		is(on($node, "select count(*) from net._http_response where error_msg is null"), 0, $node->name . ': responses can be changed');
		on($node, 'delete from net._http_response');
		is(on($node, 'select count(*) from net._http_response'), 0, $node->name . ': and removed');
	}
	on($subscriber, 'set session_replication_role = replica',
		"$insert ('GET', '$url/status/200?replica', 2000); select net.wake()");
	$server->wait_arrivals('/status/200?replica');
	pass('in a session that has triggers off, too');
};

subtest 'calls that replicated rows make' => sub {
	on($subscriber, 'create function tell() returns trigger language plpgsql as $$ begin'
		  . " perform net.http_get('$url/status/200?order=' || new.id); return null; end \$\$",
		'create trigger tell after insert on orders for each row execute function tell()',
		'alter table orders enable always trigger tell');
	on($publisher, 'insert into orders values (2)');
	$server->wait_arrivals('/status/200?order=2');
	on($subscriber, 'alter table net.http_request_queue add column note text');
	on($publisher, 'insert into orders values (3)');
	$server->wait_arrivals('/status/200?order=3');
	on($publisher, "select net.http_get('$url/hang?p7', $hang");
	catch_up();
	is(queue($subscriber), 'hang?s1', 'a queue that somebody changed takes no others either');
	on($subscriber, 'alter table net.http_request_queue drop column note');
	is($server->arrivals_of(qr/order=/) + 0, 2, 'each was sent once');
};

subtest 'webhooks of replicated rows' => sub {
	on($_, "create trigger hook after insert on orders for each row execute function net.webhook('$url/status/200?hook=@{[ $_->name ]}')") for $publisher, $subscriber;
	on($publisher, 'insert into orders values (10)');
	$server->wait_arrivals('/status/200?hook=publisher');
	catch_up();
	is(queue($subscriber), 'hang?s1', 'a trigger fires where the row was changed');
	on($subscriber, 'alter table orders enable always trigger hook');
	on($publisher, 'insert into orders values (11)');
	$server->wait_arrivals('/status/200?hook=subscriber');
	$server->wait_arrivals('/status/200?hook=publisher', 2);
	catch_up();
	is(join(' ', $server->targets(qr/hook=/)), join(' ', map { "/status/200?hook=$_" } qw(publisher publisher subscriber)), 'and on the subscriber if it says so, each once');
	on($_, 'drop trigger hook on orders') for $publisher, $subscriber;
};

subtest 'responses expire' => sub {
	for my $node ($publisher, $subscriber)
	{
		is(request($node, "select net.http_get('$url/status/200')")->{status_code}, 200, $node->name . ': a response is there');
		on($node, "alter system set pg_net.ttl = '1s'");
		on($node, 'select pg_reload_conf()');
		wait_for($node->name . ': the responses to go', sub { on($node, 'select count(*) from net._http_response') == 0 });
		# from 18 on conflicts are in the log, with the words "replica identity"
		ok(!log_contains($node, qr/could not remove|have a replica identity/), $node->name . ': nothing hinders that');
	}
	on($publisher, 'alter table net.http_request_queue add check (true)', 'alter table net._http_response add check (true)');
	request($publisher, "select net.http_post('$url/echo')");
	wait_for('the response to go', sub { on($publisher, 'select count(*) from net._http_response') == 0 });
	pass('of changed tables, too');
};

subtest 'after a switch-over' => sub {
	on($publisher, 'insert into orders values (4)');
	catch_up();
	$publisher->stop;
	on($subscriber, 'alter subscription everything disable; alter subscription everything set (slot_name = none)',
		'drop subscription everything');
	is(queue($subscriber), 'hang?s1', 'the requests of the publisher stay there');
	is_sent($subscriber, '/status/200?after', 'a request of the new one');
};

$subscriber->stop;
done_testing();
