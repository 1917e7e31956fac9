# What a request may carry: nothing makes one request two, or adds a header
# line, whether it is in a call or in a row inserted by hand.
#
# Each attack is first sent as its bytes, by hand: the server falls for it.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $url = $server->url;
my $node = new_node('smuggling');

# The error of a statement, with its SQLSTATE.
sub error_of
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	my ($line) = $err =~ /ERROR:  (.*)/;
	return $line // "no error: $out";
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/([\\'])/$1$1/g;
	$text =~ s/\r/\\r/g;
	$text =~ s/\n/\\n/g;
	$text =~ s/([\x00-\x1f\x7f])/sprintf '\\x%02x', ord $1/ge;
	return "E'$text'";
}

# The response of a row inserted by hand.
sub by_hand
{
	my (%row) = @_;
	my $id = sql('insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds) values ('
		  . join(', ',
			quoted($row{method} // 'GET'), quoted($row{url} // "$url/echo"),
			quoted(JSON::PP->new->ascii->encode($row{headers} // {})), defined $row{body} ? quoted($row{body}) : 'null', 20_000)
		  . ') returning id; select net.wake()');
	$id =~ s/\D.*//s;
	return wait_response($node, $id);
}

# Send bytes to the server, and return what it says to the last of them.
sub raw
{
	my ($bytes) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->port) or die "could not connect: $!\n";
	print $socket $bytes;
	$socket->flush;
	shutdown $socket, 1;
	local $/;
	return <$socket>;
}

# All requests that have arrived.
sub arrived { return scalar $server->arrivals }

subtest 'header lines' => sub {
	my $value = "a\r\nX-Smuggled: yes";
	like(raw("GET /echo HTTP/1.1\r\nHost: x\r\nX-Name: $value\r\n\r\n"), qr/"X-Smuggled": "yes"/, 'a line break adds a header');

	my $before = arrived();
	for my $bad ("a\r\nX-Smuggled: yes", "a\nX-Smuggled: yes", "a\rb", "\r\n\r\nGET /smuggled HTTP/1.1\r\nX: y")
	{
		my $json = JSON::PP->new->ascii->encode({ 'X-Name' => $bad });
		like(error_of("select net.http_get('$url/echo', headers := " . quoted($json) . ')'),
			qr/^22023: value of HTTP header "X-Name" contains a line break/, 'is an error of the call');
		is(by_hand(headers => { 'X-Name' => $bad })->{error_msg}, 'value of HTTP header "X-Name" contains a line break',
			'and of the row');
	}
	for my $bad ("X-One\r\nX-Two", 'X One', 'X-One:', ' X-One', '', "X\x01", 'Nämé')
	{
		my $json = JSON::PP->new->ascii->encode({ $bad => 'value' });
		like(error_of("select net.http_get('$url/echo', headers := " . quoted($json) . ')'),
			qr/^22023: invalid HTTP header name/, 'a name that is no token is an error of the call');
		like(by_hand(headers => { $bad => 'value' })->{error_msg}, qr/^invalid HTTP header name/, 'and of the row');
	}
	is(arrived(), $before, 'nothing of it was sent');
};

subtest 'the end of the message' => sub {
	my $second = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
	raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n$second");
	is(scalar($server->arrivals_of('/smuggled')), 1, 'a wrong length makes another request of the body');
	raw("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$second");
	is(scalar($server->arrivals_of('/smuggled')), 2, 'and so does a chunk');

	my %ours = (
		'Content-Length' => '0',
		'content-length' => '1',
		'Transfer-Encoding' => 'chunked',
		'TRANSFER-ENCODING' => 'identity',
		'Connection' => 'close, X-Hop',
		'Keep-Alive' => 'timeout=1',
		'Proxy-Connection' => 'close',
		'TE' => 'trailers',
		'Trailer' => 'X-Hop',
		'Upgrade' => 'h2c',
		'Expect' => '100-continue');
	my $row = by_hand(method => 'POST', headers => { %ours, 'X-Mine' => 'yes' }, body => "0\r\n\r\n$second");
	my $seen = decode_json($row->{content});
	my %got = map { lc($_) => $seen->{headers}{$_} } keys %{ $seen->{headers} };

	is($got{'content-length'}, length("0\r\n\r\n$second"), 'the length is that of the body');
	is($seen->{body}, "0\r\n\r\n$second", 'which arrives whole');
	is($got{'x-mine'}, 'yes', 'other headers do, too');
	is($got{ lc $_ }, undef, "$_ does not") for grep { lc($_) ne 'content-length' } sort keys %ours;
	is(scalar($server->arrivals_of('/smuggled')), 2, 'and there is no other request');
};

subtest 'Host' => sub {
	my $seen = decode_json(by_hand(headers => { Host => 'other.example:8080' })->{content});
	is($seen->{headers}{Host}, 'other.example:8080', 'may be another');

	my $before = arrived();
	for my $bad ('two words', 'a/b', 'user@host', 'a,b', '', "a\tb")
	{
		my $json = JSON::PP->new->ascii->encode({ Host => $bad });
		like(error_of("select net.http_get('$url/echo', headers := " . quoted($json) . ')'),
			qr/^22023: value of HTTP header "Host" is not a host/, 'but one that is none is an error of the call');
		is(by_hand(headers => { Host => $bad })->{error_msg}, 'value of HTTP header "Host" is not a host', 'and of the row');
	}
	is(by_hand(headers => { Host => 'one', host => 'two' })->{error_msg}, 'duplicate HTTP header "Host"', 'so are two');
	is(arrived(), $before, 'nothing of it was sent');
};

subtest 'a name in two spellings' => sub {
	my $before = arrived();
	for my $names ([ 'Content-Type', 'content-type' ], [ 'X-A', 'x-a' ], [ 'AUTHORIZATION', 'Authorization' ])
	{
		my ($one, $other) = @$names;
		my $headers = { $one => 'one', $other => 'two', 'X-More' => 'a', map { ("X-$_" => $_) } 1 .. 40 };
		my $problem = qq(duplicate HTTP header "$one");
		like(error_of("select net.http_get('$url/echo', headers := " . quoted(JSON::PP->new->ascii->encode($headers)) . ')'),
			qr/^22023: $problem$/, "$one and $other are an error of the call");
		is(by_hand(headers => $headers)->{error_msg}, $problem, 'and of the row');
	}
	is(arrived(), $before, 'nothing of it was sent');
};

subtest 'the request line' => sub {
	like(raw("GET /echo?x HTTP/1.1\r\nX-Smuggled: yes\r\n\r\n HTTP/1.1\r\n\r\n"), qr/"X-Smuggled": "yes"/,
		'a line break in method or URL adds a header');

	my $before = arrived();
	like(error_of("insert into net.http_request_queue (method, url, timeout_milliseconds) values (E'GET /echo HTTP/1.1\\r\\nX: y\\r\\n\\r\\n', '$url', 1)"),
		qr/^23514: /, 'a method that is no token is no row');
	sql('alter domain net.http_method drop constraint http_method_check');
	for my $bad ("GET /echo HTTP/1.1\r\nX: y\r\n\r\nGET", 'GET /echo', '', "GET\t", 'x' x 65)
	{
		like(by_hand(method => $bad)->{error_msg}, qr/^invalid HTTP method/, 'and without the domain an error of the row');
	}
	for my $bad (qw(CONNECT connect))
	{
		is(by_hand(method => $bad)->{error_msg}, "HTTP method \"$bad\" is not allowed", "$bad is none");
	}

	for my $bad (map { "$url/echo${_}X-Smuggled: yes" } "?x HTTP/1.1\r\n", "\n", "\r", "\t", "\x01", "\x7f", ' ')
	{
		# a blank in a call becomes %20
		like(error_of("select net.http_get(" . quoted($bad) . ')'), qr/^22023: invalid URL/, 'a control character is an error of the call')
		  unless $bad =~ /echo /;
		my $row = by_hand(url => $bad);
		like($row->{error_msg}, qr/^invalid URL|^URL using bad/, 'and of the row') or diag(explain($row));
	}

	my $long = "$url/echo?" . 'x' x (65536 - length("$url/echo?"));
	is(error_of("select net.http_get('${long}x')"), '22023: URL is longer than 65536 bytes', 'a URL that is too long is an error of the call');
	is(error_of("select net.http_get('$url/echo', params := jsonb_build_object('x', repeat('y', 65536)))"),
		'22023: URL is longer than 65536 bytes', 'parameters included');
	is(by_hand(url => "${long}x")->{error_msg}, 'URL is longer than 65536 bytes', 'and of the row');
	is(arrived(), $before, 'nothing of it was sent');
	is(request($node, "select net.http_get('$long')")->{status_code}, 200, 'one less is none');
};

$node->stop;
done_testing();
