# HTTP/2 from a server that does what RFC 9113 allows, and what it does not:
# which streams count as responses, which requests are sent again, and that what
# happens to one stream happens to no other.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant TIMEOUT_MS => 15_000;

my %nginx = start_nginx();
my $server = start_http2_server("$nginx{tls_dir}/good");
my $narrow = start_http2_server("$nginx{tls_dir}/good",
	'--set' => 'initial_window_size=3',
	'--set' => 'max_concurrent_streams=2',
	'--set' => 'max_header_list_size=1000');
my $elsewhere = start_http_server();
my $node = new_node('http2_frames', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");

# The call that sends a request; the options are further arguments of it.
sub call
{
	my ($method, $url, %args) = @_;
	$args{timeout_milliseconds} //= TIMEOUT_MS;
	return "net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')';
}

# Send it, and wait for its response.
sub response
{
	my ($method, $path, %args) = @_;
	return request($node, 'select ' . call($method, $server->url . $path, %args));
}

# A request is answered with 200 and its own target, at the first attempt.
sub is_own
{
	my ($row, $target, $what) = @_;
	is($row->{content}, $target, "$what: its own response") or diag($row->{error_msg});
	is($row->{attempts}, 1, '... at the first attempt');
	return;
}

# A request fails with an error like this, and has no response.
sub failed
{
	my ($row, $error, $what) = @_;
	like($row->{error_msg}, $error, $what);
	is($row->{status_code}, undef, '... and is no response');
	return;
}

# A reset, as it is called.
sub reset_by
{
	my ($code) = @_;
	return qr/HTTP\/2 stream \d+ was not closed cleanly: $code/;
}

# The stream's number, the most that were open at once on its connection, and
# the answers to PING on it.
sub connection
{
	my ($url) = @_;
	my $row = request($node, 'select ' . call('GET', ($url // $server->url) . '/connection'));
	return split / /, $row->{content} // '0 0 0';
}

# Send many at once, and return how many were answered with their own target.
sub all_own
{
	my @urls = @_;
	my $list = join ', ', map { "('$_')" } @urls;
	sql("create table sent as select @{[ call('POST', 'URL') =~ s/'URL'/url/r ]} as id, url from (values $list) as v (url)");
	wait_sql('select count(*) from sent join net._http_response using (id)', scalar @urls);
	my $own = sql("select count(*) from sent join net._http_response using (id) where status_code = 200 and attempts = 1 and right(sent.url, length(content)) = content");
	sql('drop table sent');
	return $own;
}

is_own(response('GET', '/ok'), '/ok', 'a request');

subtest 'a request that was not processed is sent again, whatever it is' => sub {
	for my $path ('/refuse-once', '/goaway-below-once')
	{
		for my $method ('GET', 'POST')
		{
			is_own(response($method, "$path?$method", $method eq 'POST' ? (body => q('{}'::jsonb)) : ()), "$path?$method", "$method $path");
			is(scalar $server->arrivals_of("$path?$method"), 2, '... and arrived twice');
		}
	}
	my $row = response('POST', '/need-http1');
	is($row->{content}, 'HTTP/1.1', 'HTTP_1_1_REQUIRED: over HTTP/1.1') or diag($row->{error_msg});
};

subtest 'GOAWAY, and others on the connection' => sub {
	my @slow = map { $server->url . "/slow?n=$_" } 1 .. 10;
	my @after = map { $server->url . "/ok?after=$_" } 1 .. 10;

	is_own(response('GET', '/ok?before'), '/ok?before', 'before');
	is(all_own(@slow, $server->url . '/goaway-below-once?others', @after), 21, 'all are answered');
	is(scalar $server->arrivals_of(qr{^/slow\?n=}), 10, 'none that was processed is sent again');

	is_own(response('POST', '/goaway-after'), '/goaway-after', 'a graceful end');
	my ($stream) = connection();
	is($stream, 1, 'and what comes next has another connection');
};

subtest 'what may have been processed is not sent again, if that could do harm' => sub {
	for my $path ('/close', '/goaway-and-close')
	{
		failed(response('POST', $path), qr/^Server returned nothing/, $path);
		is(scalar $server->arrivals_of($path), 1, '... and was sent once');
	}
	for ([ '/cancel', reset_by('CANCEL \(err 8\)') ], [ '/goaway-error', qr/HTTP\/?2.*INTERNAL_ERROR \(err 2\)/ ])
	{
		my ($path, $error) = @$_;
		failed(response('POST', $path), $error, $path);
		is(scalar $server->arrivals_of($path), 1, '... and was sent once');
	}
};

subtest 'a response is whole when END_STREAM came' => sub {
	failed(response('GET', '/no-error-mid-body'), reset_by('NO_ERROR \(err 0\)'), 'NO_ERROR in the body');
	failed(response('GET', '/no-error-mid-head'), reset_by('NO_ERROR \(err 0\)'), 'NO_ERROR before it');
	failed(response('GET', '/refused-mid-body'), reset_by('REFUSED_STREAM \(err 7\)'), 'REFUSED_STREAM in the body');
	failed(response('GET', '/no-end-stream'), qr/partial file|HTTP\/?2/, 'the end of the connection');
	failed(response('GET', '/too-short'), qr/HTTP\/?2/, 'less than its length');
	failed(response('GET', '/too-long'), qr/HTTP\/?2/, 'more than its length');

	for my $path ('/refuse-body', '/refuse-body-in-silence')
	{
		my $row = response('POST', $path, body => q(to_jsonb(repeat('x', 1000000))));
		is($row->{status_code}, 413, "$path: the status") or diag($row->{error_msg});
		is($row->{content}, 'too much', '... and the body');
	}
};

subtest 'header sections' => sub {
	my $row = response('GET', '/trailers');
	is_own($row, '/trailers', 'with trailers');
	is($row->{headers}{'x-trailer'}, undef, '... which are no headers');
	is($row->{headers}{'x-field'}, '1', '... as others are');

	$row = response('GET', '/interim');
	is_own($row, '/interim', 'after interim ones');
	is($row->{headers}{link}, undef, '... of which nothing is left');
	failed(response('GET', '/interim?count=1000'), qr/HTTP\/?2.*interim/, 'after too many of them');

	$row = response('GET', '/continuation');
	is_own($row, '/continuation', 'in several frames');
	is(length $row->{headers}{'x-59'}, 990, '... of which all has come');
	failed(response('GET', '/header-bomb'), qr/^response headers are larger than/, 'that grow when they are unpacked');
	is(response('GET', '/blanks')->{headers}{'x-blanks'}, 'a b', 'with blanks around a value');
	failed(response('GET', "/$_"), reset_by('PROTOCOL_ERROR'), $_) for 'line-feed', 'capitals', 'transfer-encoding', 'no-status';
};

subtest 'what ends the connection' => sub {
	failed(response('POST', "/$_"), qr/HTTP\/?2/, $_) for 'push', 'data-first', 'wrong-stream', 'large-frame';
	is_own(response('POST', '/ok?next'), '/ok?next', 'after that');
};

subtest 'PING' => sub {
	is_own(response('GET', '/ping-later'), '/ping-later', 'before an idle time');
	wait_for('an answer to PING on an idle connection', sub { (connection())[2] > 0 });

	my $flood = sql('select ' . call('GET', $server->url . '/ping-flood', timeout_milliseconds => 2000));
	wait_for('the flood to begin', sub { $server->arrivals_of('/ping-flood') });
	is_served($elsewhere, 'a flood stops nobody else');
	isnt(wait_response($node, $flood)->{error_msg}, undef, 'and ends');
};

subtest 'one stream that stalls' => sub {
	my $stalled = sql('select ' . call('GET', $server->url . '/stall', timeout_milliseconds => 3000));
	wait_for('the stream to stall', sub { $server->arrivals_of('/stall') });
	is(all_own(map { $server->url . "/ok?beside=$_" } 1 .. 50), 50, 'the others go on');
	is(sql("select count(*) from net._http_response where id = $stalled"), 0, 'while it waits');
	failed(wait_response($node, $stalled), qr/^Timeout of 3000 ms reached/, 'until its timeout');
};

subtest 'a server that takes little at a time' => sub {
	my $url = $narrow->url;
	my $row = request($node, 'select ' . call('POST', "$url/upload", body => q(to_jsonb(repeat('x', 98)))));
	is($row->{content}, '100', 'a window of 3 bytes');

	is(all_own(map { "$url/slow?seconds=0.05&n=$_" } 1 .. 12), 12, 'two streams at once: all are answered');
	cmp_ok((connection($url))[1], '<=', 2, '... two at once');

	$row = request($node, 'select ' . call('GET', "$url/ok", headers => q(jsonb_build_object('X-Long', repeat('x', 2000)))));
	failed($row, qr/HTTP\/?2.*header.* 1000/, 'header fields that are too long for it');
	is_own(request($node, 'select ' . call('GET', "$url/ok?after")), '/ok?after', 'the next one');
};

done_testing();
