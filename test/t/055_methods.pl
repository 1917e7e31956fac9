# What goes over the wire: every method with every kind of body, byte for byte,
# over HTTP/1.1, TLS and HTTP/2.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx(backend => $server->port);
my $node = new_node('requests', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");

# nginx passes on to the same server what arrives there.
my %way = (
	'HTTP/1.1' => $server->url,
	'TLS' => "https://127.0.0.1:$nginx{https_port}/backend",
	'HTTP/2' => "https://127.0.0.1:$nginx{h2_port}/backend");

my @methods = qw(GET POST PUT PATCH DELETE OPTIONS PROPFIND M-SEARCH);

# SQL, the bytes that must arrive, and their content type.
my %body = (
	none => [ 'null', '', undef ],
	empty => [ q(''), '', 'text/plain; charset=utf-8' ],
	json => [ q('{"a": "é"}'::jsonb), '{"a": "Ã©"}', 'application/json' ],
	text => [ q('plain words é'), 'plain words Ã©', 'text/plain; charset=utf-8' ],
	binary => [ q('\x000d0a00ff80'::bytea), "\0\r\n\0\xff\x80", 'application/octet-stream' ],
	form => [ q(net.form('{"name": "A B", "tag": ["x", "ü"]}')), 'tag=x&tag=%C3%BC&name=A+B', 'application/x-www-form-urlencoded' ],
	large => [ q(repeat('0123456789', 20000)), '0123456789' x 20000, 'text/plain; charset=utf-8' ]);

# Names in lower case, as HTTP/2 has them.
sub lower
{
	my ($headers) = @_;
	return { map { lc($_) => $headers->{$_} } keys %$headers };
}

# The whole of several responses, by what their requests were.
sub send_all
{
	my (%requests) = @_;
	my %row;

	sql('create table sent (what text primary key, id bigint)');
	sql("begin;", (map { "insert into sent values ('$_', $requests{$_});" } sort keys %requests), "commit;");
	wait_for('all responses', sub {
		return sql('select count(*) from sent join net._http_response using (id)') == keys %requests;
	});
	for (split /\n/, sql("select jsonb_build_object('what', what, 'status', status_code, 'error', error_msg,"
		  . " 'content', content) from sent join net._http_response using (id)"))
	{
		my $row = JSON::PP::decode_json($_);
		$row->{seen} = eval { JSON::PP::decode_json($row->{content}) };
		$row{ $row->{what} } = $row;
	}
	sql('drop table sent');
	return %row;
}

# What arrived of one request that is echoed.
sub echo
{
	my ($sql) = @_;
	my $row = request($node, "select $sql");
	is($row->{status_code}, 200, 'is answered') or diag($row->{error_msg});
	return JSON::PP::decode_json($row->{content} // '{}');
}

for my $way (sort keys %way)
{
	subtest "methods and bodies over $way" => sub {
		my %row = send_all(map {
			my $method = $_;
			map {
				("$method $_" => "net.http_request('$method', '$way{$way}/echo', body := $body{$_}[0],"
				  . " timeout_milliseconds := @{[LONG_MS]})")
			} keys %body
		} @methods);

		for my $what (sort keys %row)
		{
			my ($method, $kind) = split / /, $what;
			my ($seen, $expected) = ($row{$what}{seen}, $body{$kind});
			my $headers = lower($seen->{headers});
			my $type = $expected->[2];

			is($row{$what}{status}, 200, "$what: status") or diag($row{$what}{error});
			is($seen->{method}, $method, "$what: method");
			is($headers->{'content-type'}, $type, "$what: content type");
			ok(decode_base64($seen->{body_base64}) eq $expected->[1], "$what: body");
			my $length = $headers->{'content-length'};
			$length //= 0 unless $kind eq 'none' && $method =~ /^P(OST|UT|ATCH)$/ && $way eq 'HTTP/1.1';
			is($length, length($expected->[1]), "$what: length");
		}
	};
}

subtest 'HEAD' => sub {
	for my $way (sort keys %way)
	{
		for my $call ("net.http_head('$way{$way}/echo/head', params := '{\"a\": 1}')",
			"net.http_request('HEAD', '$way{$way}/echo/head', '{\"a\": 1}')")
		{
			my $row = request($node, "select $call");
			is($row->{status_code}, 200, "$way: status") or diag($row->{error_msg});
			is($row->{content}, '', "$way: no body");
			cmp_ok(lower($row->{headers})->{'content-length'}, '>', 100, "$way: its length");
		}
	}
	my @arrived = grep { $_->[2] eq '/echo/head?a=1' } $server->arrivals;
	is_deeply([ map { $_->[1] } @arrived ], [ ('HEAD') x 6 ], 'is what arrives');
	sql("insert into net.http_request_queue (id, method, url, body, timeout_milliseconds)"
		  . " values (1000000, 'head', '$way{'HTTP/1.1'}/echo', 'x', @{[LONG_MS]}); select net.wake()");
	like(wait_response($node, 1000000)->{error_msg}, qr/HEAD/, 'a row with a body is not sent');
};

subtest 'http_put and http_patch' => sub {
	for my $method (qw(PUT PATCH))
	{
		my $function = 'net.http_' . lc $method;
		my $seen = echo("$function('$way{'HTTP/1.1'}/echo', '{\"a\": 1}', '{\"q\": \"a b\"}', '{\"X-Name\": \"v\"}')");
		is($seen->{method}, $method, $method);
		is($seen->{target}, '/echo?q=a%20b', "$method: params");
		is($seen->{body}, '{"a": 1}', "$method: body");
		is($seen->{headers}{'Content-Type'}, 'application/json', "$method: content type");
		is($seen->{headers}{'X-Name'}, 'v', "$method: headers");
		is(echo("$function('$way{'HTTP/1.1'}/echo', null)")->{headers}{'Content-Length'},
			0, "$method: an empty body");
	}
};

subtest 'the content type of the caller' => sub {
	my $seen = echo("net.http_request('POST', '$way{'HTTP/1.1'}/echo', headers := '{\"content-type\": \"text/csv\"}', body := 'a,b')");
	is($seen->{headers}{'content-type'}, 'text/csv', 'is sent');
	is($seen->{headers}{'Content-Type'}, undef, 'alone');
};

subtest 'multipart' => sub {
	my $seen = echo(<<"END");
net.http_request('POST', '$way{TLS}/echo',
    body := net.multipart('{"name": "A é", "tag": [1, 2]}',
        net.part('f"1', '\\x000d0aff'::bytea, 'cat é.png', 'image/png'),
        net.part('meta', '{"a": 1}'::jsonb)))
END
	my ($boundary) = ($seen->{headers}{'Content-Type'} // '') =~ m{^multipart/form-data; boundary=(pg_net-[0-9a-f]{32})$};
	ok(defined $boundary, 'content type') or diag($seen->{headers}{'Content-Type'});
	my @parts = (
		"name=\"tag\"\r\n\r\n1",
		"name=\"tag\"\r\n\r\n2",
		"name=\"name\"\r\n\r\nA Ã©",
		"name=\"f%221\"; filename=\"cat Ã©.png\"\r\nContent-Type: image/png\r\n\r\n\0\r\n\xff",
		"name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\": 1}");
	my $expected = join('', map { "--$boundary\r\nContent-Disposition: form-data; $_\r\n" } @parts) . "--$boundary--\r\n";
	ok(decode_base64($seen->{body_base64}) eq $expected, 'body') or diag(decode_base64($seen->{body_base64}));
};

subtest 'params' => sub {
	my $seen = echo("net.http_request('GET', '$way{'HTTP/2'}/echo?x=y', '{\"tag\": [\"a b\", \"&\", null], \"z\": [[1]]}')");
	is($seen->{query}, 'x=y&z=%5B1%5D&tag=a%20b&tag=%26', 'an array repeats its name');
};

$node->stop;
done_testing();
