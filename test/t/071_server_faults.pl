# Servers and networks that break: each request has one response, none is sent
# twice that must not be, and others do not wait.
#
# 070_servers.pl has what servers do that work.

use strict;
use warnings;

use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;

use constant LONG_MS => 170_000;

# Of what is slow, another half a minute or so.
use constant SOON_MS => 5000;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('server_faults');
my $worker = current_worker($node);

sub get
{
	my ($target, $timeout) = @_;
	my $whole = $target =~ m{^/} ? "$url$target" : $target;
	return "select net.http_get('$whole', timeout_milliseconds := @{[ $timeout // LONG_MS ]})";
}

sub post
{
	my ($whole) = @_;
	return "select net.http_post('$whole', timeout_milliseconds := @{[LONG_MS]})";
}

# Requests are answered while others are not.
sub beside
{
	my ($name, $count) = @_;
	my @ids = split /\n/, sql(get("/echo/beside/$name") . " from generate_series(1, $count)");

	is(scalar(grep { wait_response($node, $_)->{status_code} == 200 } @ids), $count, "$name: $count beside are answered");
	is(scalar $server->arrivals_of("/echo/beside/$name"), $count, "$name: each was sent once");
	return;
}

# How many are queued still?
sub queued { return sql("select count(*) from net.http_request_queue where url like '%$_[0]%'") }

subtest 'a reset connection' => sub {
	for my $when ('before', 'headers', 'body')
	{
		for my $method ('get', 'post')
		{
			my $target = "/reset?when=$when&method=$method";
			my $row = request($node, "select net.http_$method('$url$target', timeout_milliseconds := @{[LONG_MS]})");

			ok($row->{error_msg} && !defined $row->{status_code} && !defined $row->{content},
				"$method, $when: an error and nothing else")
			  or diag(explain($row));
			is(scalar $server->arrivals_of($target), 1, "$method, $when: it arrived once");
		}
	}
	# What is left is a connection that was reset: nothing can go out on it.
	for my $round (1 .. 3)
	{
		my $row = request($node, post("$url/reset?when=after&round=$round"));
		is("$row->{status_code} $row->{content}", "200 whole\n", "after, round $round: a whole answer counts");
		is(request($node, post("$url/echo/after-reset-$round"))->{status_code}, 200, "after, round $round: the next one");
		is(scalar $server->arrivals_of("/echo/after-reset-$round"), 1, 'arrived once');
	}
};

subtest 'a half-closed connection' => sub {
	for my $length ('yes', 'no')
	{
		for my $round (1 .. 3)
		{
			my $row = request($node, post("$url/half-close?length=$length&round=$round"));
			is("$row->{status_code} $row->{content}", "200 half\n", "length: $length, round $round");
		}
		is(scalar $server->arrivals_of(qr{^/half-close\?length=$length}), 3, 'each arrived once');
	}
};

subtest 'a byte a second' => sub {
	my ($short, $long) = (sql(get('/drip?bytes=1000', 2000)), sql(get('/drip?bytes=4')));

	$server->wait_arrivals('/drip?bytes=1000');
	beside('drip', 20);
	is(wait_response($node, $short)->{timed_out}, JSON::PP::true, 'a timeout ends it');
	is(wait_response($node, $long)->{content}, 'xxxx', 'with time enough it is answered');
};

subtest 'large answers' => sub {
	my $bytes = 1_181_116_006;
	my $huge = sql(get("/huge?bytes=$bytes"));
	my $bomb = sql(get('/gzip-bomb'));

	$server->wait_arrivals("/huge?bytes=$bytes");
	beside('huge', 20);
	my $row = wait_response($node, $huge);
	is($row->{error_msg}, 'response body is larger than 33554432 bytes', '1.1 GB is an error');
	is($row->{content}, undef, 'without a body');
	wait_for('the answer to the bomb', sub { sql("select 1 from net._http_response where id = $bomb") });
	is( sql("select status_code, length(content_bytes) between 3800000 and 4200000, content is null from net._http_response where id = $bomb"),
		'200|t|t',
		'a gzip bomb is kept as it came');
  SKIP:
	{
		my $peak = process_memory($worker, 'VmHWM');
		skip 'no /proc', 1 unless defined $peak;
		cmp_ok($peak, '<', 1200, 'memory was bounded');
	}
};

subtest 'an idle connection that ends as it is used again' => sub {
	# One connection to each, which is kept, and so it is the one used again.
	my %answer = (
		'close-on-reuse' => { GET => '2|200', POST => '1|Server returned nothing (no headers, no data)' },
		'reset-on-reuse' => { GET => '1|200', POST => '0|' },
		'close-after' => { GET => '1|200', POST => '1|200' });

	for my $how (sort keys %answer)
	{
		for my $method ('GET', 'POST')
		{
			my $one = start_http_server();
			my $base = $one->url;
			my $target = "/echo/$how";
			my ($arrivals, $expected) = split /\|/, $answer{$how}{$method};

			is(request($node, get("$base/$how"))->{status_code}, 200, "$how: a connection");
			my $row = request($node, $method eq 'GET' ? get("$base$target") : post("$base$target"));
			is(scalar $one->arrivals_of($target), $arrivals, "$how, $method: arrivals");
			if ($expected)
			{
				is($row->{status_code} // $row->{error_msg}, $expected, "$how, $method: outcome");
			}
			else
			{
				ok($row->{error_msg} && !defined $row->{status_code}, "$how, $method: an error") or diag(explain($row));
				note($row->{error_msg});
			}
			is(queued($base), 0, "$how, $method: not queued any more");
			$one->stop;
		}
	}
};

subtest 'a full accept queue' => sub {
	my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "could not listen: $!\n";
	my $port = $listener->sockport;
	my @fillers;

	# Until the kernel lets no more in: such a connection is under way for ever.
	for (1 .. 10)
	{
		my $socket = IO::Socket::INET->new(Proto => 'tcp', Blocking => 0) or die "no socket: $!\n";
		connect $socket, pack_sockaddr_in($port, INADDR_LOOPBACK);
		push @fillers, $socket;
	}
	my @short = split /\n/, sql(get("http://127.0.0.1:$port/short", 1500) . ' from generate_series(1, 10)');
	my ($long) = sql(get("http://127.0.0.1:$port/long"));
	beside('accept', 20);
	is(scalar(grep { wait_response($node, $_)->{timed_out} } @short), 10, 'a timeout ends those that wait for it');
	is(queued('/long'), 1, 'another waits on');

	# Nobody waits for what has no connection.
	sql("select pg_terminate_backend($worker)");
	$worker = next_worker($node, $worker);
	beside('accept-next', 5);
	is(queued('/long'), 1, 'and goes on waiting after a restart');

	# Let them in, and answer.
	$_->close for @fillers;
	my $answered = wait_for('the request to arrive', sub {
		my $read = '';
		vec($read, fileno $listener, 1) = 1;
		return 0 unless select $read, undef, undef, 0.1;
		my $client = $listener->accept or return 0;
		my $line = <$client> // '';
		return 0 unless $line =~ m{^GET /long };
		print $client "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
		close $client;
		return 1;
	});
	is(wait_response($node, $long)->{content}, "ok\n", 'when it is let in it is answered');
};

is(current_worker($node), $worker, 'one worker, but for the restart');
$node->stop;
done_testing();
