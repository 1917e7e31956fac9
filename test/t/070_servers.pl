# What becomes of a request, for each way a server can behave or misbehave.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my $other = start_http_server();
my $base = $server->url;
my $node = new_node('servers');
my $db = 'postgres';

# The SQL that queues a GET, of a target of the test server or of a whole URL.
sub get
{
	my ($target, %opts) = @_;
	my $url = $target =~ m{^/} ? "$base$target" : $target;
	my $timeout = $opts{timeout} // LONG_MS;
	my $headers = $opts{headers} // '{}';
	return "select net.http_get('$url', headers := '$headers', timeout_milliseconds := $timeout)";
}

# What the test server saw of a request that it echoes.
sub echo
{
	my ($sql) = @_;
	my $row = request($node, $sql);
	is($row->{status_code}, 200, 'echo') or return { headers => {} };
	my $seen = JSON::PP::decode_json($row->{content});
	$seen->{lower} =
	  { map { lc($_) => $seen->{headers}{$_} } keys %{ $seen->{headers} } };
	return $seen;
}

# Wait for a response that is too large to be read.
sub wait_stored
{
	my ($id) = @_;
	return wait_for("the response to request $id",
		sub { return sql_in($db, "select 1 from net._http_response where id = $id") });
}

sub fails_like
{
	my ($row, $regex, $name) = @_;
	like($row->{error_msg}, $regex, "$name: error");
	is_deeply(
		[ @{$row}{qw(status_code content content_bytes headers content_type)} ],
		[ (undef) x 5 ],
		"$name: nothing else");
	is($row->{timed_out}, JSON::PP::false, "$name: in time");
	return;
}

sub answers
{
	my ($row, $content, $name) = @_;
	is($row->{status_code}, 200, "$name: status");
	is($row->{content}, $content, "$name: content");
	is($row->{content_bytes}, undef, "$name: no bytes besides");
	is($row->{error_msg}, undef, "$name: no error");
	is($row->{timed_out}, JSON::PP::false, "$name: in time");
	return;
}

# A body that is no text of the database: kept exactly.
sub answers_bytes
{
	my ($row, $bytes, $name) = @_;
	is($row->{status_code}, 200, "$name: status");
	is($row->{content}, undef, "$name: no text");
	is($row->{content_bytes}, '\\x' . unpack('H*', $bytes), "$name: bytes");
	is($row->{error_msg}, undef, "$name: no error");
	return;
}

subtest 'no answer' => sub {
	my $refused = 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

	fails_like(request($node, get($refused)),
		qr/^Could(n't| not) connect to server$/, 'refused');
	fails_like(request($node, get('/disconnect')),
		qr/^Server returned nothing \(no headers, no data\)$/, '/disconnect');
	fails_like(request($node, get('/malformed-header')),
		qr/Weird server reply/, '/malformed-header');
	fails_like(request($node, get($_)), qr/./, $_)
	  for ('/not-http', '/reset', '/disconnect-mid-body', '/disconnect-mid-header');

	# No name server is asked for a label of 64 characters.
	fails_like(request($node, get('http://' . 'x' x 64 . '.test/'), 60),
		qr/^Could(n't| not) resolve host( ?name)?/, 'unresolvable');
};

subtest 'size' => sub {
	my $pid = current_worker($node);
	my $id = sql_in($db, get('/huge?bytes=20000000'));
	wait_stored($id);
	is( sql_in($db, "select status_code, length(content), md5(content) = md5(repeat('x', 20000000))"
			  . " from net._http_response where id = $id"),
		'200|20000000|t',
		'/huge: complete');

	fails_like(request($node, get('/endless-headers')), qr/./, '/endless-headers');
	my $row = request($node, get('/endless', timeout => 60_000));
	ok($row->{error_msg} && !defined $row->{status_code} && !defined $row->{content},
		'/endless ends with an error') or diag(explain($row));
  SKIP:
	{
		my $peak = process_memory(current_worker($node), 'VmHWM');
		skip 'no /proc', 2 unless defined $peak;
		cmp_ok($peak, '<', 1200, 'the memory that took was bounded');
		wait_for('it to be given back', sub { return process_memory(current_worker($node), 'VmRSS') < 500 });
		cmp_ok(process_memory(current_worker($node), 'VmRSS'), '<', 500, 'and given back');
	}
	is(current_worker($node), $pid, 'by the same worker');
};

subtest 'time' => sub {
	my $phases = qr/\(DNS time: [\d.]+ ms, TCP\/SSL handshake time: [\d.]+ ms, HTTP Request\/Response time: [\d.]+ ms\)/;

	for my $target ('/drip?bytes=10000&interval=0.05', '/hang', '/delay/1000',
		'/slow-headers?delay=1000')
	{
		my $row = request($node, get($target, timeout => 500));
		is($row->{timed_out}, JSON::PP::true, "$target: timed out");
		is($row->{content}, undef, "$target: no content");
		is($row->{content_bytes}, undef, "$target: no bytes");
		is($row->{status_code}, undef, "$target: no status");
		like(
			$row->{error_msg},
			qr/^Timeout of 500 ms reached\. Total time: [\d.]+ ms $phases$/,
			"$target: message");
		my ($total) = $row->{error_msg} =~ /Total time: ([\d.]+) ms/;
		cmp_ok($total, '>=', 499, "$target: not before its time");
	}
	answers(request($node, get('/slow-headers?delay=0.1')), "slow\n", '/slow-headers');
	answers(request($node, get('/drip?bytes=5&interval=0.05')), 'xxxxx', '/drip');
};

subtest 'bodies' => sub {
	answers(request($node, get('/latin1')), "caf\x{e9}\n", '/latin1');
	answers(request($node, get('/chunked')), "one\ntwo\nthree\n", '/chunked');
	answers(request($node, get('/close')), "bye\n", '/close');
	answers(request($node, get('/status/200')), "200\n", '/status/200');
	answers(request($node, get('/drip?bytes=0')), '', 'an empty body');

	my $row = request($node, get('/no-content-type'));
	answers($row, "untyped\n", '/no-content-type');
	is($row->{content_type}, undef, '/no-content-type: no type');

	$row = request($node, get('/binary'));
	answers_bytes($row, join('', map { chr } 0 .. 255), '/binary');
	is($row->{content_type}, 'application/octet-stream', '/binary: type');
	answers_bytes(request($node, get('/nul')), "before\0after\n", '/nul');
	answers(request($node, get('/utf16')), "caf\xe9\n", '/utf16');
	answers_bytes(request($node, get('/invalid-utf8')),
		"bad \xff\xfe\xc3( bytes\n", '/invalid-utf8');

	$row = request($node, get('/gzip'));
	is($row->{content}, undef, '/gzip: no text');
	is($row->{headers}{'Content-Encoding'}, 'gzip', '/gzip: says so');
	my $gzipped = pack('H*', substr($row->{content_bytes} // '\\x', 2));
	is(length $gzipped, $row->{headers}{'Content-Length'}, '/gzip: length');
	require IO::Uncompress::Gunzip;
	my $text = '';
	IO::Uncompress::Gunzip::gunzip(\$gzipped, \$text);
	is($text, "hello from gzip\n", '/gzip: bytes as they came');
};

subtest 'headers of a response' => sub {
	my $headers = request($node, get('/duplicate-headers'))->{headers};
	is_deeply($headers->{'Set-Cookie'}, [ 'a=1', 'b=2' ], 'Set-Cookie, repeated');
	is($headers->{'X-Dup'}, 'first, second', 'another one, repeated');
	$headers = request($node, get('/odd-headers'))->{headers};
	is($headers->{'X-Empty'}, '', 'an empty value');
	is($headers->{'X-Control'}, "tab\tand\x01control", 'control characters');
	is($headers->{'X-Latin1'}, "caf\x{e9}", 'a byte beyond ASCII');
};

subtest 'any status is a success' => sub {
	for my $status (200, 201, 202, 204, 206, 226, 299, 300, 301, 302, 304, 399,
		400, 401, 403, 404, 407, 408, 417, 418, 421, 425, 429, 451, 499, 500, 502,
		503, 504, 511, 599)
	{
		my $id = sql_in($db, get("/status/$status"));
		my $row = wait_response($node, $id);
		is( join('|', map { $_ // 'null' } @{$row}{qw(status_code error_msg)}),
			"$status|null", "/status/$status");
		is( sql_in($db, "select status, message, (response).status_code from net._http_collect_response($id)"),
			"SUCCESS|ok|$status",
			"/status/$status collected");
	}

	# An interim response is none: what follows it is no HTTP.
	for my $status (100, 102, 199)
	{
		my $row = request($node, get("/status/$status", timeout => 5000));
		ok($row->{error_msg} && !defined $row->{status_code},
			"/status/$status, and no more, is an error") or diag(explain($row));
	}
};

subtest 'connections that end' => sub {
	# one after the other, so that each may meet what the one before left
	my @targets = map { ("/close-after?$_", "/echo/reuse-$_", "/close?$_") } 1 .. 10;
	for my $target (@targets)
	{
		is(request($node, get($target))->{status_code}, 200, $target);
	}
	is_deeply([ map { $_->[2] } $server->arrivals_of(qr{^/(close|close-after)\?|^/echo/reuse}) ],
		\@targets, 'each arrived once, in order');

	my @ids = map { sql_in($db, get("/close-after?many-$_")) . '' } 1 .. 50;
	is(scalar(grep { wait_response($node, $_)->{status_code} == 200 } @ids),
		50, 'many at once');
	is($server->targets(qr{^/close-after\?many}) + 0, 50, 'each arrived once');

	# The server takes a POST and closes without an answer: it may have acted
	# upon it, so it is not for us to send it again.
	is(request($node, get('/close-on-reuse'))->{status_code}, 200, '/close-on-reuse');
	my $row = request($node,
		"select net.http_post('$base/echo/once', timeout_milliseconds := @{[LONG_MS]})");
	is($server->targets(qr{^/echo/once$}) + 0, 1, 'a POST that arrived is not sent again');
	ok($row->{status_code} || $row->{error_msg}, 'it has its outcome');
};

subtest 'redirects' => sub {
	my $where = sub {
		my ($url, $status) = @_;
		return "/redirect-to?url=$url&status=" . ($status // 302);
	};

	my $row = request($node, get('/redirect/5'));
	is($row->{status_code}, 200, 'a chain');
	is(JSON::PP::decode_json($row->{content})->{path}, '/echo', 'to its end');
	is_deeply([ map { $_->[2] } $server->arrivals_of(qr{^/redirect/}) ],
		[ map { "/redirect/$_" } reverse 1 .. 5 ], 'step by step');
	fails_like(request($node, get('/redirect-loop')), qr/redirects/, 'a loop');
	fails_like(request($node, get($where->('file:///etc/passwd'))), qr/./, 'to file:');
	fails_like(request($node, get($where->('ftp://127.0.0.1/'))), qr/./, 'to ftp:');
	fails_like(request($node, get($where->('gopher://127.0.0.1/'))), qr/./, 'to gopher:');

	my $secret = '{"Authorization": "Bearer s3cret", "Cookie": "id=s3cret", "X-Other": "kept"}';
	my $seen = echo(get($where->('/echo/same'), headers => $secret));
	is($seen->{lower}{authorization}, 'Bearer s3cret', 'Authorization goes to the same origin');
	my $elsewhere = $other->url;
	$seen = echo(get($where->("$elsewhere/echo/other"), headers => $secret));
	is($seen->{target}, '/echo/other', 'to another origin');
	is(scalar $other->targets(qr{^/echo/other$}), 1, 'which is another server');
	is($seen->{lower}{authorization}, undef, 'Authorization does not go there');
	is($seen->{lower}{cookie}, undef, 'Cookie neither');

	my %method_after = (301 => 'GET', 302 => 'GET', 303 => 'GET', 307 => 'POST', 308 => 'POST');
	for my $status (sort keys %method_after)
	{
		my $after = $method_after{$status};
		$seen = echo("select net.http_post('$base" . $where->('/echo', $status)
			  . qq{', '{"a": 1}', timeout_milliseconds := @{[LONG_MS]})});
		is($seen->{method}, $after, "POST redirected with $status: method");
		is($seen->{body}, $after eq 'POST' ? '{"a": 1}' : '', "$status: body");
	}
};

subtest 'headers of a request' => sub {
	my $version = sql_in($db, "select extversion from pg_extension where extname = 'pg_net'");
	my $seen = echo(get('/echo'));
	is($seen->{headers}{'User-Agent'}, "pg_net/$version", 'User-Agent, once');
	is($seen->{lower}{'content-type'}, undef, 'GET has no Content-Type');
	is($seen->{length}, 0, 'and no body');

	for my $name ('User-Agent', 'user-agent')
	{
		$seen = echo(get('/echo', headers => qq({"$name": "mine/2"})));
		is($seen->{lower}{'user-agent'}, 'mine/2', "$name of the user");
		is((grep { /^user-agent$/i } keys %{ $seen->{headers} }) + 0, 1, 'replaces ours');
	}
	$seen = echo(get('/echo', headers => '{"X-Empty": "", "X-Blank": "  ", "X-Full": "a"}'));
	is($seen->{headers}{'X-Empty'}, '', 'an empty value is sent empty');
	is($seen->{headers}{'X-Blank'}, '', 'and so are blanks');
	is($seen->{headers}{'X-Full'}, 'a', 'beside others');
	$seen = echo(get('/echo', headers => '{"Host": "name.example"}'));
	is($seen->{lower}{host}, 'name.example', 'Host of the user');

	my $rest = 'timeout_milliseconds := ' . LONG_MS;
	$seen = echo("select net.http_delete('$base/echo', $rest)");
	is("$seen->{method} $seen->{length}", 'DELETE 0', 'DELETE without body');
	is($seen->{lower}{'content-type'}, undef, 'has no Content-Type');
	$seen = echo(qq{select net.http_delete('$base/echo', body := '{"a": [1]}', $rest)});
	is("$seen->{method} $seen->{body}", 'DELETE {"a": [1]}', 'DELETE with a body');
	is($seen->{lower}{'content-type'}, 'application/json', 'has its Content-Type');
	$seen = echo(qq{select net.http_post('$base/echo', '{"a": "b"}', $rest)});
	is("$seen->{method} $seen->{body}", 'POST {"a": "b"}', 'POST');
	is($seen->{lower}{'content-type'}, 'application/json', 'has its Content-Type, once');
	is($seen->{lower}{expect}, undef, 'and does not ask whether it may');
	$seen = echo("select net.http_post('$base/echo', null, $rest)");
	is("$seen->{method} $seen->{length}", 'POST 0', 'POST of an empty body');
	is($seen->{lower}{'content-length'}, '0', 'which says so');

	# If these went out, the server would take what is left for a request.
	for my $framing ('{"Content-Length": "3"}', '{"content-length": "300"}',
		'{"Transfer-Encoding": "chunked"}',
		'{"Content-Length": "0", "Transfer-Encoding": "chunked"}')
	{
		$seen = echo(qq{select net.http_post('$base/echo/framing', '{"a": "GET / HTTP/1.1"}',}
			  . " headers := '$framing', $rest)");
		is($seen->{body}, '{"a": "GET / HTTP/1.1"}', "$framing: whole body");
		echo(get('/echo/framing'));
	}
	is($server->targets(qr{^/echo/framing$}) + 0, 8, 'and nothing but the requests arrived');
};

subtest 'encodings' => sub {
	my %word = (
		UTF8 => [ "caf\\u00e9 \\u65e5\\u672c", '636166c3a920e697a5e69cac' ],
		LATIN1 => [ 'caf\\u00e9', '636166e9' ],
		EUC_JP => [ '\\u65e5\\u672c', 'c6fccbdc' ]);

	for my $encoding ('UTF8', 'LATIN1', 'EUC_JP', 'SQL_ASCII')
	{
		$db = 'in_' . lc $encoding;
		sql_in($node, 'postgres',
			"create database $db encoding '$encoding' locale 'C' template template0");
		sql_in($node, $db, 'create extension pg_net');
		sql_in($db, 'select net.wait_until_running()');

		# Bytes as the database has them: escapes of JSON need an encoding.
		my $json = $word{$encoding}
		  ? qq('{"k": "$word{$encoding}[0]"}'::jsonb)
		  : q{('{"k": "' || E'caf\\303\\251' || '"}')::jsonb};
		my $bytes = pack 'H*', $word{$encoding} ? $word{$encoding}[1] : '636166c3a9';
		my $row = sql_in($db, "select net.http_post('$base/echo/$encoding', $json,"
			  . " params := $json, timeout_milliseconds := @{[LONG_MS]})");
		my $id = $row;
		wait_stored($id);
		my $content = sql_in($db, "select content from net._http_response where id = $id");
		my $seen = JSON::PP::decode_json($content);
		is(unpack('H*', decode_base64($seen->{body_base64})),
			unpack('H*', qq({"k": "$bytes"})), "$encoding: JSON body, exact");

		# URLs are UTF-8, percent-encoded.
		my $utf8 = { UTF8 => 'caf%C3%A9%20%E6%97%A5%E6%9C%AC', EUC_JP => '%E6%97%A5%E6%9C%AC' }->{$encoding} // 'caf%C3%A9';
		is(uc $seen->{query}, uc "k=$utf8", "$encoding: params, in UTF-8");

		$id = sql_in($db, get('/latin1'));
		wait_stored($id);
		my $expected = $encoding eq 'LATIN1' ? '636166e90a' : $encoding eq 'UTF8' ? '636166c3a90a' : undef;
		$row = sql_in($db, "select coalesce(encode(convert_to(content, '$encoding'), 'hex'), 'bytes ' || encode(content_bytes, 'hex'))"
			  . " from net._http_response where id = $id");
		$expected //= '(bytes )?636166e90a' if $encoding eq 'SQL_ASCII';
		$expected //= '(bytes 636166e90a|6361668fabb10a)';
		like($row, qr/^$expected$/, "$encoding: a latin-1 body");
		$id = sql_in($db, get('/binary'));
		wait_stored($id);
		is(sql_in($db, "select encode(content_bytes, 'hex') from net._http_response where id = $id"),
			join('', map { sprintf '%02x', $_ } 0 .. 255), "$encoding: a binary body");
	}
	$db = 'postgres';
	is(request($node, get('/echo'))->{status_code}, 200, 'and in postgres as before');
};

$node->stop;

subtest 'the environment decides nothing' => sub {
	my $dead = 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
	local @ENV{qw(http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY)} =
	  ($dead) x 6;
	local $ENV{no_proxy} = '';
	local $ENV{NO_PROXY} = '';

	$node = new_node('proxied');
	my $postmaster = slurp_file($node->data_dir . '/postmaster.pid');
	my ($pid) = $postmaster =~ /^(\d+)/;
  SKIP:
	{
		skip 'no /proc', 1 unless -r "/proc/$pid/environ";
		like(slurp_file("/proc/$pid/environ"),
			qr/\bhttp_proxy=\Q$dead\E/, 'a proxy in the environment of the server');
	}
	is(request($node, get('/echo/direct'))->{status_code}, 200, 'is not asked');
	is($server->targets(qr{^/echo/direct$}) + 0, 1, 'the request went straight to its host');
	$node->stop;
};

done_testing();
