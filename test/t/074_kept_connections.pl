# Connections that are kept for the next request: one that has received anything
# meanwhile, data or its end, takes no other.  Whoever sends on it would lose
# the request, or be given what nobody asked for as its response.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my %nginx = start_nginx();
my %servers = (
	http => start_http_server(),
	https => start_http_server('--tls' => "$nginx{tls_dir}/good"));
my %urls = map { $_ => "$_://localhost:" . $servers{$_}->port } keys %servers;

my $node = new_node('kept_connections', conf => "pg_net.ca_file = '$nginx{ca_file}'");
sql('create role a; create role b');

# Send as a role, and return the response row.
sub send_as
{
	my ($role, $method, $url) = @_;
	my $id = sql("set role $role;", "select net.http_request('$method', '$url', timeout_milliseconds := @{[LONG_MS]})");
	return wait_response($node, $id);
}

# How a server may go on after a response.  Nobody's bytes are anybody's
# response, whoever asks next, and no request is lost.
foreach my $scheme (sort keys %servers)
{
	my $server = $servers{$scheme};
	my $url = $urls{$scheme};

	foreach my $what (qw(answer packed byte end close corked reset))
	{
		my $then = "/then/$what?$scheme";
		my $first = send_as('a', 'GET', "$url$then");

		is($first->{content}, $then, "$scheme, $what: the response itself");
		wait_for("the server to go on with $what", sub { grep { $_->[1] eq $what } $server->arrivals_of($then) });
		foreach my $target ("/target/$what/1", "/target/$what/2", "/target/$what/3")
		{
			my $next = send_as('b', 'POST', "$url$target");

			is($next->{content}, $target, "$scheme, $what: $target has its own response")
			  or diag($next->{error_msg});
			is($next->{attempts}, 1, '... at the first attempt');
			is(scalar $server->arrivals_of($target), 1, '... and was sent once');
		}
	}

	# Each response is followed by a close that nothing announces.
	foreach my $n (1 .. 5)
	{
		my $row = send_as('a', 'POST', "$url/close-after?$n");
		$server->wait_arrivals("/closed/close-after?$n");
		is($row->{status_code}, 200, "$scheme: POST $n after a close arrives") or diag($row->{error_msg});
	}

	# Many of those at once: a connection may die at any moment, so a GET may
	# need a second attempt, which meets no other dead connection.
	my @ids = split /\n/, sql("select net.http_get('$url/close-after?many', timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 300)");
	my @failed = grep { ($_->{status_code} // 0) != 200 } map { wait_response($node, $_) } @ids;
	is(scalar @failed, 0, "$scheme: of 300 GETs at once none fails") or diag($failed[0]{error_msg});
}

# A connection is used again where nothing came.  From a worker of its own: once
# servers have closed half of many connections, it closes the others as well.
{
	my $worker = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	my $url = start_http_server()->url;
	my @rows = map { send_as($_, 'POST', "$url/target/kept") } qw(a b a);
	is_deeply([ map { $_->{connect_ms} ? 'new' : 'kept' } @rows[ 1, 2 ] ], [ 'kept', 'kept' ], 'a quiet connection is kept');
}

# So it is if the response was there while libcurl still waited for room to send,
# or to connect: nothing came since.
{
	my $url = start_http_server()->url;

	is(send_as('a', 'GET', "$url/early-on-reuse")->{status_code}, 200, 'a connection to be kept');
	my $row = request($node, "select net.http_request('POST', '$url/target/large', body := repeat('x', 16000000)::net.http_body,"
		  . " timeout_milliseconds := @{[LONG_MS]})");
	is($row->{content}, "early\n", 'a response before the end of the request') or diag($row->{error_msg});
	$row = send_as('a', 'POST', "$url/target/after");
	is($row->{content}, '/target/after', 'the next request');
	is($row->{connect_ms}, undef, '... goes out on the same connection');
}

# What is sent once more has the whole time to connect again.
{
	my $url = start_http_server()->url;
	my $options = "connect_timeout_milliseconds := 1000, timeout_milliseconds := @{[LONG_MS]}";

	is(send_as('a', 'GET', "$url/close-on-reuse?after=1.5")->{status_code}, 200, 'a connection to be kept');
	my $row = wait_response($node, sql("select net.http_request('GET', '$url/target/late', $options)"));
	is($row->{content}, '/target/late', 'closed later than the time to connect: sent once more') or diag($row->{error_msg});
	is($row->{attempts}, 2, '... and that counts');
}

# A response has begun: that is neither "nothing" nor a reason to repeat.
foreach my $method (qw(GET POST))
{
	my $server = start_http_server();
	my $url = $server->url;

	is(send_as('a', 'GET', "$url/cut-status-on-reuse")->{status_code}, 200, 'a connection to be kept');
	my $row = send_as('a', $method, "$url/target/cut");
	like($row->{error_msg}, qr/^Server closed the connection within the response headers/, "$method: half a status line");
	is($row->{attempts}, 1, '... is no reason to repeat');
	is(scalar $server->arrivals_of('/target/cut'), 1, '... and it was sent once');
}

$node->stop;
done_testing();
