# Whatever is finite in a worker is shared: when one role or one host fills it
# with requests that may take an hour, the requests of others are answered.
#
# Each subtest fills one thing as the role "hog", sees that it is full, and asks
# for something as others do.  Nothing of the hog's may have ended by then.

use strict;
use warnings;

use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant HOUR_MS => 3_600_000;

# What others may take: it is some milliseconds when nothing is full.
use constant SOON_SECONDS => 20;

my $server = start_http_server();
my $url = $server->url;
my $elsewhere = 'http://localhost:' . $server->port;
my $node;

# Queue as many requests to a URL as a role asks for.
sub send_as
{
	my ($role, $count, $url, $database) = @_;
	return sql_in($database, "set role $role; select net.http_get('$url', timeout_milliseconds := @{[HOUR_MS]}) from generate_series(1, $count)");
}

# Servers that accept connections and never look at them.
sub hanging_servers
{
	return map {
		IO::Socket::INET->new(Listen => 1000, LocalAddr => '127.0.0.1') // die "could not listen: $!\n"
	} 1 .. $_[0];
}

sub url_of { return 'http://127.0.0.1:' . $_[0]->sockport }

# How many connections the worker has to a server that hangs.
sub connections_to
{
	my $port = sprintf ':%04X', $_[0]->sockport;
	return scalar grep { /^\s*\d+: \S+ \S+$port 01 / } split /\n/, slurp_file('/proc/net/tcp');
}

sub wait_connections
{
	my ($count, @servers) = @_;
	return wait_for("$count connections", sub {
		my $sum = 0;
		$sum += connections_to($_) for @servers;
		return $sum >= $count;
	});
}

# Is a request of a role answered, and nothing of the hog's recorded meanwhile?
sub served
{
	my ($role, $to, $name, $database) = @_;
	return answered(scalar send_as($role, 1, $to, $database), $name, $database);
}

# Is a request answered with 200 soon?  Not with wait_response(), since bodies
# may be large.
sub answered
{
	my ($id, $name, $database) = @_;
	my $since = time;
	my $what = eval {
		wait_for("the response to request $id", sub {
			return sql_in($database, "select coalesce(status_code::text, error_msg) from net._http_response where id = $id");
		}, SOON_SECONDS);
	};

	note(sprintf '%s: %d ms', $name, 1000 * (time - $since));
	return is($what // $@, '200', $name);
}

sub nothing_ended
{
	is(sql("select count(*) from net._http_response where role = 'hog'::regrole and url ~ 'hog'"), '0',
		'and nothing has ended meanwhile');
	return;
}

# A node with these settings, and two roles.
sub start_node
{
	my ($name, $conf) = @_;
	$node->stop if $node;
	$node = new_node($name, conf => $conf // '');
	sql('create role hog; create role other');
	served('other', "$url/echo/warm", 'a request alone is answered');
	return;
}

start_node('in_flight', "pg_net.max_in_flight = 160\npg_net.max_in_flight_per_host = 20");

subtest 'requests in flight' => sub {
	my @dead = hanging_servers(9);

	send_as('hog', 100, url_of($_) . '/hog') for @dead;
	wait_connections(130, @dead);
	served('other', "$url/echo/1", 'another role is served');
	served('hog', "$url/echo/2", 'and so is another host of the same role');
	nothing_ended();
};

start_node('per_host', "pg_net.max_in_flight_per_host = 32");

subtest 'requests in flight to one host' => sub {
	send_as('hog', 100, "$url/hang?hog");
	$server->wait_arrivals('/hang?hog', 30);
	served('other', "$url/echo/3", 'another role is served by the same host');
	cmp_ok(scalar $server->arrivals_of('/hang?hog'), '<=', 32, 'within the limit');
	nothing_ended();

	# one after the other, so that all would be there by then
	my $port = $server->port;
	send_as('hog', 10, "$_/hang?hog") for "http://127.1:$port", "http://0x7f.0.0.1:$port", "http://somebody\@127.0.0.1:$port", "HTTP://127.0.0.1.:$port";
	served('other', "$url/echo/3-$_", "another request is served, $_") for 1 .. 5;
	cmp_ok(scalar $server->arrivals_of('/hang?hog'), '<=', 32, 'however the host is written');
};

start_node('one_per_host', "pg_net.max_in_flight_per_host = 1");

subtest 'one request at a time to one host' => sub {
	sql('create role third');
	send_as('hog', 200, "$url/delay/0.1?hog");
	$server->wait_arrivals('/delay/0.1?hog', 1);
	my $other = send_as('other', 1, "$url/echo/turn");
	my $third = send_as('third', 1, "$url/echo/turn");
	answered($_, 'roles take turns') for $other, $third;
	cmp_ok(sql("select count(*) from net.http_request_queue where role = 'hog'::regrole"), '>', 0,
		'before the one that came first is through');
};

start_node('ids', 'pg_net.batch_size = 1000');

subtest 'rows that are known' => sub {
	my ($dead) = hanging_servers(1);

	# ten times what is known of one lane
	send_as('hog', 100_000, url_of($dead) . '/hog');
	wait_connections(90, $dead);
	served('other', "$url/echo/4", 'another role is served');
	served('hog', "$url/echo/5", 'and so is another host of the same role');
	nothing_ended();
};

subtest 'rows that were not known at first' => sub {
	my $count = 25_000;

	sql('truncate net.http_request_queue');
	send_as('hog', $count, "$url/echo/flood");
	wait_queue_empty();
	is(sql("select count(*), count(*) filter (where status_code = 200) from net._http_response where url ~ 'flood'"),
		"$count|$count", 'each has its answer');
	is(scalar $server->arrivals_of('/echo/flood'), $count, 'each was sent once');
};

subtest 'the extension is dropped while rows are not known' => sub {
	my $worker = current_worker($node);
	my $transactions = sub {
		return sql_in('template1', "select xact_commit + xact_rollback from pg_stat_database where datname = 'postgres'");
	};

	send_as('hog', 40_000, "$url/echo/dropped");
	$server->wait_arrivals('/echo/dropped', 8_000);
	sql('drop extension pg_net');
	# statistics may still be under way at first
	my ($before, $after) = (0, 1);
	for (1 .. 10)
	{
		$before = $transactions->();
		sleep 1;
		$after = $transactions->();
		last if $before == $after;
	}
	is($after, $before, 'the worker rests');
	is(current_worker($node), $worker, 'and lives');
};

start_node('bodies');

subtest 'large requests' => sub {
	my @dead = hanging_servers(5);

	sql("set role hog; select net.http_request('POST', url := format('http://127.0.0.1:%s/hog', port),"
		  . " body := repeat('x', 60000000), timeout_milliseconds := @{[HOUR_MS]}) from unnest(array["
		  . join(',', map { $_->sockport } @dead) . ']) as port');
	wait_connections(3, @dead);
	served('other', "$url/echo/6", 'a small request of another role is sent');
	served('hog', "$url/echo/7", 'and one of the same role');
	my $id = sql("set role other; select net.http_request('POST', url := '$url/status/200', body := repeat('x', 60000000),"
		  . " timeout_milliseconds := @{[HOUR_MS]})");
	answered($id, 'a large request of another role, too');
	nothing_ended();
};

start_node('responses', "pg_net.max_response_size = '256MB'");

subtest 'large responses' => sub {
	my $half = 250_000_000;

	send_as('hog', 2, "$url/huge?bytes=$half&stop=150000000&hog");
	$server->wait_arrivals(qr{/huge\?.*hog}, 1);
	wait_for('the worker to have them in memory', sub {
		return process_memory(current_worker($node), 'RssAnon') > 191;
	});
	served('other', "$url/echo/9", 'a small response for another role');
	served('hog', "$elsewhere/echo/10", 'and one for the same role, from another host');
	served('other', "$url/huge?bytes=20000000", 'a large response for another role');
	nothing_ended();
};

subtest 'more than there is memory for' => sub {
	my @big = map { "$url/huge?bytes=250000000&stop=240000000&hog-$_" } 1 .. 3;

	sql('truncate net.http_request_queue; select net.worker_restart(); select net.wait_until_running()');
	send_as('hog', 1, $big[0]);
	sql('create role hog_2; create role hog_3');
	send_as('hog_2', 1, $big[1]);
	send_as('hog_3', 1, $big[2]);
	my $row = wait_for('one of them to be given up', sub {
		return sql("select error_msg from net._http_response where url ~ 'hog-' limit 1");
	});
	is($row, "the worker's memory for responses is used up", 'which says why');
	served('other', "$url/huge?bytes=3000000", 'others are served');
};

start_node('unrecorded');

subtest 'responses that cannot be recorded' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $count = 8_000;

	sql("alter system set pg_net.max_in_flight_per_host = 1000");
	sql('select pg_reload_conf()');
	my $session = $node->background_psql('postgres');
	sql('create table held (id bigint); grant insert on held to hog');
	sql("set role hog; insert into held select net.http_get('$url/wait?file=$gate&hog', timeout_milliseconds := @{[HOUR_MS]}) as id"
		  . " from generate_series(1, $count)");
	$session->query_safe('begin');
	$session->query_safe('select count(*) from (select from net.http_request_queue for update) as locked');
	append_to_file($gate, '');
	# of 5,000 and those in flight, which will be unrecorded, too; as a role and in its lane
	my $share = 7_000 * 15 / 16 * 15 / 16;
	wait_for('thousands of answers', sub { return $server->arrivals_of(qr{/wait.*hog}) >= $share - 2 });
	served('other', "$url/echo/11", 'another role is served');
	cmp_ok(scalar $server->arrivals_of(qr{/wait.*hog}), '<=', $share + 2, 'no more of the first one has gone');
	$session->query_safe('rollback');
	$session->quit;
	wait_queue_empty();
	is(scalar $server->arrivals_of(qr{/wait.*hog}), $count, 'each was sent once');
};

start_node('total', 'pg_net.max_in_flight_total = 32');

subtest 'requests in flight of all databases' => sub {
	my ($dead) = hanging_servers(1);

	sql('create database b');
	sql_in('b', 'create extension pg_net');
	send_as('hog', 100, url_of($dead) . '/hog');
	wait_connections(26, $dead);
	served('other', "$url/echo/12", 'another database is served', 'b');
	served('other', "$url/echo/13", 'and another role of the same database');
	nothing_ended();
};

$node->stop;
done_testing();
