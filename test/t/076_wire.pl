# What goes over the wire, byte for byte: servers and firewalls judge clients by
# it, and signatures and logs of users depend on it.  A change here is one that
# people notice.

use strict;
use warnings;
use utf8;

use IO::Select;
use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant TIMEOUT_S => $PostgreSQL::Test::Utils::timeout_default;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 10) or die "could not listen: $!\n";
my $port = $listener->sockport;
my $url = "http://127.0.0.1:$port/";
my $host = "Host: 127.0.0.1:$port";
my $agent = 'User-Agent: wire/1';
my $any = 'Accept: */*';
my $plain = 'Content-Type: text/plain; charset=utf-8';

my $node = new_node('wire', conf => "pg_net.user_agent = 'wire/1'");

# The head of the next request that arrives, its lines, whatever they end with;
# it is answered.
sub next_head
{
	IO::Select->new($listener)->can_read(TIMEOUT_S) or die "no request arrived\n";
	my $socket = $listener->accept;
	my $head = '';

	while ($head !~ /\r\n\r\n/)
	{
		IO::Select->new($socket)->can_read(TIMEOUT_S) or die "no head arrived\n";
		sysread($socket, $head, 4096, length $head) or last;
	}
	syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	shutdown $socket, 1;
	$head =~ s/\r\n\r\n.*//s;
	return [ split /\r\n/, $head ];
}

# A request arrives like this.
sub arrives
{
	my ($call, $expected, $name) = @_;
	my $id = sql("select $call");
	is_deeply(next_head(), $expected, $name);
	wait_response($node, $id);
	return;
}

# The arguments of a call.
sub call
{
	my ($method, $url, %args) = @_;
	$args{timeout_milliseconds} = TIMEOUT_S * 1000;
	return "net.http_request('$method', '$url'" . join('', map { ", $_ => $args{$_}" } sort keys %args) . ')';
}

# A request to whatever URL; the endpoint leads here.
my $endpoints = 0;

sub elsewhere
{
	my ($url, $expected, %args) = @_;
	my $name = 'e' . ++$endpoints;
	sql("insert into net.endpoint (name, url, connect_to) values ('$name', '$url', '127.0.0.1:$port')");
	arrives(call('GET', "net://$name", %args), $expected, $url);
	return;
}

subtest 'hosts and ports' => sub {
	my @rest = ($agent, $any);

	elsewhere('http://example.com', [ 'GET / HTTP/1.1', 'Host: example.com', @rest ]);
	elsewhere('http://EXAMPLE.com:80/', [ 'GET / HTTP/1.1', 'Host: EXAMPLE.com', @rest ]);
	elsewhere('http://example.com.:8080/', [ 'GET / HTTP/1.1', 'Host: example.com.:8080', @rest ]);
	elsewhere('http://example.com:443/', [ 'GET / HTTP/1.1', 'Host: example.com:443', @rest ]);
	elsewhere('http://0x7f.1/', [ 'GET / HTTP/1.1', 'Host: 127.0.0.1', @rest ]);
	elsewhere('http://[::1]:81/', [ 'GET / HTTP/1.1', 'Host: [::1]:81', @rest ]);
	elsewhere('http://[0:0::0:1]/', [ 'GET / HTTP/1.1', 'Host: [::1]', @rest ]);
	elsewhere('http://ex%61mple.com/', [ 'GET / HTTP/1.1', 'Host: example.com', @rest ]);
};

subtest 'paths and queries' => sub {
	my $base = "http://127.0.0.1:$port";
	my @rest = ($host, $agent, $any);
	my %arrives = (
		'' => '/',
		'/a/./b/../c' => '/a/c',
		'/../../a' => '/a',
		'/a/..' => '/',
		'/a/%2e%2e/b' => '/a/%2e%2e/b',
		'//a//b' => '//a//b',
		'?a=b' => '/?a=b',
		'/a?b/../c' => '/a?b/../c',
		'/a?' => '/a',
		'/a??b' => '/a??b',
		'/%2F;|[]{}^`<>\\+&&%zz%' => '/%2F;|[]{}^`<>\\+&&%zz%');

	arrives(call('GET', "$base$_"), [ "GET $arrives{$_} HTTP/1.1", @rest ], $_) for sort keys %arrives;
	arrives(call('GET', "$base/a#b", params => q('{"c": "d e&"}')),
		[ 'GET /a?c=d%20e%26 HTTP/1.1', @rest ], 'parameters, and a fragment, which nobody sees');
};

subtest 'users' => sub {
	my %arrives = (
		'u:p' => 'dTpw',
		'u' => 'dTo=',
		':p' => 'OnA=',
		'u:p:q' => 'dTpwOnE=',
		'u%20v:p%3Aq%40' => 'dSB2OnA6cUA=',
		'u+v:' => 'dSt2Og==');

	arrives(call('GET', "http://$_\@127.0.0.1:$port/"), [ 'GET / HTTP/1.1', $host, "Authorization: Basic $arrives{$_}", $agent, $any ], $_)
	  for sort keys %arrives;
	arrives(call('GET', "http://u:p\@127.0.0.1:$port/", headers => q('{"authorization": "own"}')),
		[ 'GET / HTTP/1.1', $host, $agent, $any, 'authorization: own' ], 'a field of its own instead');
};

subtest 'methods and bodies' => sub {
	my @rest = ($host, $agent, $any);
	my $text = q('abc'::text);
	my $json = q('{"a": 1}'::jsonb);

	arrives(call($_, $url), [ "$_ / HTTP/1.1", @rest ], $_) for qw(GET HEAD DELETE OPTIONS PROPFIND);
	arrives(call($_, $url), [ "$_ / HTTP/1.1", @rest, 'Content-Length: 0' ], "$_ without a body") for qw(POST PUT PATCH);
	arrives(call($_, $url, body => "''::text"), [ "$_ / HTTP/1.1", @rest, $plain, 'Content-Length: 0' ], "$_ with an empty body")
	  for qw(GET DELETE POST);
	arrives(call($_, $url, body => $text), [ "$_ / HTTP/1.1", @rest, $plain, 'Content-Length: 3' ], "$_ with a body")
	  for qw(GET DELETE POST REPORT);
	sql("insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)"
		  . " values ('post', '$url', '{}', 'abc', 10000); select net.wake()");
	is_deeply(next_head(), [ 'POST / HTTP/1.1', @rest, 'Content-Length: 3' ], 'a row by hand, without a type');
	arrives("net.http_post('$url', $json)",
		[ 'POST / HTTP/1.1', @rest, 'Content-Type: application/json', 'Content-Length: 8' ], 'JSON');
	arrives(call('PUT', $url, body => $text, headers => q('{"X": "y", "content-type": "text/plain"}')),
		[ 'PUT / HTTP/1.1', @rest, 'X: y', 'content-type: text/plain', 'Content-Length: 3' ], 'fields of a body');
};

subtest 'fields' => sub {
	my $with = sub {
		my ($headers, $lines, %args) = @_;
		arrives(call('GET', $url, headers => "'$headers'", %args), [ 'GET / HTTP/1.1', @$lines ], $headers);
	};
	my @usual = ($host, $agent, $any);

	$with->('{"X-B": "c", "X-AA": "b"}', [ @usual, 'X-B: c', 'X-AA: b' ]);
	$with->('{"X": "", "Y": "  \t", "Z": " \t z  "}', [ @usual, 'X:', 'Y:', 'Z: z  ' ]);
	$with->('{"X": "a;b:c", "Y": ";"}', [ @usual, 'X: a;b:c', 'Y: ;' ]);
	$with->('{"X": "y", "host": "other.example:81"}', [ 'Host: other.example:81', $agent, $any, 'X: y' ]);
	$with->('{"user-agent": "own"}', [ $host, $any, 'user-agent: own' ]);
	$with->('{"User-Agent": ""}', [ $host, $any, 'User-Agent:' ]);
	$with->('{"accept": "text/html"}', [ $host, $agent, 'accept: text/html' ]);
	$with->('{"Connection": "close", "TE": "trailers", "Content-Length": "7", "Expect": "100-continue", "Upgrade": "h2c"}', \@usual);

	my $codings = 'Accept-Encoding: gzip, deflate';
	$with->('{"X": "y"}', [ @usual, 'X: y', $codings ], decompress => 'true');
	$with->('{"Range": "bytes=0-1"}', [ @usual, 'Range: bytes=0-1' ], decompress => 'true');
	$with->('{"accept-encoding": "br"}', [ @usual, 'accept-encoding: br' ], decompress => 'true');
};

subtest 'HTTP/1.0' => sub {
	arrives(call('POST', $url, http_version => q('1.0'), body => q('abc'::text), headers => q('{"X": "y"}')),
		[ 'POST / HTTP/1.0', $host, $agent, $any, 'X: y', $plain, 'Content-Length: 3' ], 'differs in its number');
};

subtest 'through a proxy' => sub {
	my @proxy = ('Host: example.com', 'Proxy-Authorization: Basic c29tZSBvbmU6czNjcmV0');
	my @rest = ($agent, $any, 'Proxy-Connection: Keep-Alive');

	sql("alter system set pg_net.proxy = 'http://some%20one:s3cret\@127.0.0.1:$port'");
	sql("alter system set pg_net.no_proxy = 'nobody.example'");
	$node->restart;
	arrives(call('GET', 'http://example.com:80/a?b#c'), [ 'GET http://example.com/a?b HTTP/1.1', @proxy, @rest ], 'http');
	arrives(call('GET', 'http://u:p@example.com'), [ 'GET http://example.com/ HTTP/1.1', @proxy, 'Authorization: Basic dTpw', @rest ],
		'with a user');
	arrives(call('POST', 'http://example.com', headers => q('{"X": "y", "Host": "own"}'), body => q('abc'::text)),
		[ 'POST http://example.com/ HTTP/1.1', 'Host: own', $proxy[1], @rest, 'X: y', $plain, 'Content-Length: 3' ], 'with a body');
	my @tunnel = ($proxy[1], $agent, 'Proxy-Connection: Keep-Alive');
	arrives(call('POST', 'https://u:p@example.com/a', headers => q('{"X": "y", "User-Agent": "own"}')),
		[ 'CONNECT example.com:443 HTTP/1.1', 'Host: example.com:443', @tunnel ], 'https');
	arrives(call('GET', 'https://[::1]:8443/a'), [ 'CONNECT [::1]:8443 HTTP/1.1', 'Host: [::1]:8443', @tunnel ], 'an address');
};

$node->stop;
done_testing();
