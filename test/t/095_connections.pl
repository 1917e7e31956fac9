# Connections when things happen at the wrong time: the other side is this test,
# and the worker is held still where the order counts.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use constant LONG_MS => 120_000;

my %nginx = start_nginx();
my $tls = start_http_server('--tls' => "$nginx{tls_dir}/good");
my $node = new_node('connections', conf => "pg_net.ca_file = '$nginx{ca_file}'");
my $worker = current_worker($node);

sub listener
{
	return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => $_[0] // 128, ReuseAddr => 1) || die "cannot listen: $!\n";
}

# The next connection, or none within some seconds.
sub accept_one
{
	my ($listener, $seconds) = @_;
	return unless IO::Select->new($listener)->can_read($seconds // 20);
	return scalar $listener->accept;
}

# Read a request's head.
sub read_head
{
	my ($connection) = @_;
	my $head = '';
	while ($head !~ /\r\n\r\n/)
	{
		IO::Select->new($connection)->can_read(20) or die "no request came\n";
		$connection->sysread($head, 65536, length $head) or die "the request was cut\n";
	}
	return $head;
}

sub answer
{
	my ($connection, $body, $more) = @_;
	$connection->syswrite("HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\n" . ($more // '') . "\r\n$body");
	return;
}

# Send a request; its id.
sub start
{
	my ($url, %args) = @_;
	my $method = delete $args{method} // 'GET';
	$args{timeout_milliseconds} //= LONG_MS;
	$args{http_version} = "'2'" if $url =~ /^https/;
	return sql("select net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

# Take a request as its server, and leave the connection open.
sub serve_one
{
	my ($listener, $url) = @_;
	my $id = start($url);
	my $connection = accept_one($listener) or die "nobody connected\n";
	read_head($connection);
	answer($connection, 'first');
	wait_response($node, $id);
	return $connection;
}

# What came on an idle connection is nobody's response, even if the worker hears
# of it in the same moment as of the redirect that leads there.
foreach my $method (qw(GET POST))
{
	my ($one, $other) = (listener(), listener());
	my $kept = serve_one($other, 'http://127.0.0.1:' . $other->sockport);
	my $id = start('http://127.0.0.1:' . $one->sockport, method => $method);
	my $redirecting = accept_one($one);

	read_head($redirecting);
	kill 'STOP', $worker;
	$redirecting->syswrite("HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:@{[$other->sockport]}/own\r\nContent-Length: 0\r\n\r\n");
	answer($kept, 'alien');
	kill 'CONT', $worker;
	my $next = accept_one($other, 5);
	if ($next)
	{
		like(read_head($next), qr{^$method /own }, "$method: a redirect leads to a new connection");
		answer($next, 'own');
	}
	is(wait_response($node, $id)->{content}, 'own', '... and not to bytes that were there before');
}

# What is sent once more may take as long to connect as the first time, and no
# longer.
{
	my $listener = listener(1);
	my $url = 'http://127.0.0.1:' . $listener->sockport;
	my $kept = serve_one($listener, $url);
	my $id = start($url, connect_timeout_milliseconds => 1000, timeout_milliseconds => 6000);

	read_head($kept);
	# it is full
	listen $listener, 0;
	my @full = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport, Blocking => 0) } 1 .. 2;
	sleep 1.2;
	close $kept;
	my $row = wait_response($node, $id);
	like($row->{error_msg}, qr/^Connect timeout of 1000 ms reached/, 'no new connection in place of one that was lost');
	is($row->{attempts}, 2, '... for the second attempt');
}

# Of requests that may share a connection with HTTP/2 the first makes one, and
# the others wait; when it gives up, one of them goes on with that.
{
	my $listener = listener();
	my $url = 'https://127.0.0.1:' . $listener->sockport;
	my $first = start($url, timeout_milliseconds => 1000);
	my $silent = accept_one($listener);
	sleep 0.5;
	my $second = start($url, timeout_milliseconds => 1500);

	wait_response($node, $first);
	my $row = wait_response($node, $second);
	like($row->{error_msg}, qr/^Timeout of 1500 ms reached/, 'a connection of another that never comes about');
	unlike($row->{error_msg}, qr/-\d/, '... takes no time before the request itself');
	cmp_ok($row->{connect_ms} // 0, '<', 1600, '... nor more than all of it');
}

# But not for ever: a server that is gone would never be connected to again.
{
	my $listener = listener();
	my $url = 'https://127.0.0.1:' . $listener->sockport;
	my @silent;
	my @ids;

	foreach (1 .. 16)
	{
		push @ids, start($url, timeout_milliseconds => 600);
		my $more = accept_one($listener, 0.2);
		push @silent, $more if $more;
	}
	wait_response($node, $_) foreach @ids;
	cmp_ok(scalar @silent, '>', 1, 'who waits behind a connection that does not come about makes another one');
}

# Fewer requests at a time are allowed than are under way, so what is not needed
# any more is closed at once.
{
	my @listeners = map { listener() } 1 .. 6;
	my @ids = map { start('http://127.0.0.1:' . $_->sockport) } @listeners;
	my @open = map { accept_one($_) } @listeners;

	read_head($_) foreach @open;
	sql('alter system set pg_net.max_in_flight = 1');
	$node->reload;
	sleep 0.5;
	foreach my $connection (@open)
	{
		answer($connection, 'late');
		sleep 0.1;
	}
	is_deeply([ map { wait_response($node, $_)->{content} } @ids ], [ ('late') x 6 ], 'connections that are too many now');
	is(scalar(grep { IO::Select->new($_)->can_read(0.2) } @open), 4, '... are closed when they are not in use');
	sql('alter system reset pg_net.max_in_flight');
	$node->reload;
}

# Where not to connect to is known while a connection is being made: it is not
# used any more.
{
	my $listener = listener();
	my $id = start('https://127.0.0.1:' . $listener->sockport);
	my $relayed = accept_one($listener);
	my $real = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $tls->port) or die "cannot connect: $!\n";

	sql("alter system set pg_net.denied_networks = '127.0.0.0/8'");
	$node->reload;
	sleep 0.5;
	my $both = IO::Select->new($relayed, $real);
	while (my @ready = $both->can_read(2))
	{
		foreach my $from (@ready)
		{
			my $to = $from == $real ? $relayed : $real;
			$from->sysread(my $bytes, 65536) or $both->remove($from);
			$to->syswrite($bytes);
		}
	}
	like(wait_response($node, $id)->{error_msg}, qr/denied_networks/, 'a connection to a network that was denied meanwhile');
	is(scalar $tls->arrivals_of('/'), 0, '... gets no request');
	sql('alter system reset pg_net.denied_networks');
	$node->reload;
}

is(current_worker($node), $worker, 'it was one worker all the time');
$node->stop;
done_testing();
