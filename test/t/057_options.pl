# What a request may have its own way in, and the server's defaults for it.

use strict;
use warnings;

use JSON::PP ();
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('options', conf => "pg_net.ca_file = '$nginx{ca_file}'");
my $base = $server->url;
my $h2 = "https://127.0.0.1:$nginx{h2_port}";

# The response to a GET; options are arguments of http_request.
sub get
{
	my ($url, %args) = @_;
	$args{timeout_milliseconds} //= LONG_MS;
	return request($node,
		"select net.http_request('GET', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

# Set a setting, or reset it, and wait until a request shows it.
sub set
{
	my ($name, $value, $shows) = @_;
	sql(defined $value ? "alter system set pg_net.$name = '$value'" : "alter system reset pg_net.$name");
	$node->reload;
	wait_for("pg_net.$name to apply", $shows);
	return;
}

# Nobody answers a TLS handshake there.
my $no_tls = 'https://127.0.0.1:' . $server->port . '/';

subtest 'connect timeout' => sub {
	my $row = get($no_tls, connect_timeout_milliseconds => 300);
	is($row->{timed_out}, JSON::PP::true, 'timed out');
	like($row->{error_msg}, qr/^Connect timeout of 300 ms reached/, 'error');
	$row = get($no_tls, timeout_milliseconds => 300, connect_timeout_milliseconds => 100_000);
	like($row->{error_msg}, qr/^Timeout of 300 ms reached/, 'the whole timeout comes first');
	is(get("$base/delay/0.5", connect_timeout_milliseconds => 400)->{status_code}, 200, 'an answer may take longer');

	set('connect_timeout', '250ms', sub { get($no_tls, timeout_milliseconds => 3000)->{error_msg} =~ /^Connect timeout of 250 ms/ });
	pass('of the server');
	like(get($no_tls, connect_timeout_milliseconds => 200)->{error_msg}, qr/^Connect timeout of 200 ms/, 'or of the request');
	set('connect_timeout', undef, sub { get($no_tls, timeout_milliseconds => 400)->{error_msg} =~ /^Timeout of 400 ms/ });
};

subtest 'size of the response' => sub {
	my $row = get("$base/huge?bytes=1000", max_response_bytes => 1000);
	is(length $row->{content}, 1000, 'as much as allowed');
	$row = get("$base/huge?bytes=1001", max_response_bytes => 1000);
	is($row->{status_code}, undef, 'more: no status');
	is($row->{error_msg}, 'response body is larger than 1000 bytes', 'more: error');
	is(get("$base/huge?bytes=1", max_response_bytes => 0)->{error_msg}, 'response body is larger than 0 bytes', 'none');
	is(get("$base/status/204", max_response_bytes => 0)->{status_code}, 204, 'none, and there is none');

	set('max_response_size', '1MB', sub { defined get("$base/huge?bytes=1048577")->{error_msg} });
	is(get("$base/huge?bytes=1048577", max_response_bytes => 2_000_000)->{error_msg},
		'response body is larger than 1048576 bytes', 'a request cannot ask for more');
	is(get("$base/huge?bytes=11", max_response_bytes => 10)->{error_msg},
		'response body is larger than 10 bytes', 'but for less');
	is(get("$base/huge?bytes=1048576")->{status_code}, 200, 'as much as the server allows');
	set('max_response_size', undef, sub { defined get("$base/huge?bytes=1048577")->{status_code} });
};

subtest 'decompression' => sub {
	my $row = get("$base/compressed", decompress => 'true');
	is($row->{content}, 'x' x 1000, 'content');
	is($row->{headers}{'Content-Encoding'}, 'gzip', 'headers are as received');
	is(get("$base/gzip", decompress => 'true')->{content}, "hello from gzip\n", 'whatever the server does');
	my $seen = JSON::PP::decode_json(get("$base/echo", decompress => 'true')->{content});
	like($seen->{headers}{'Accept-Encoding'}, qr/gzip/, 'is asked for');
	is(JSON::PP::decode_json(get("$base/echo")->{content})->{headers}{'Accept-Encoding'}, undef, 'not by default');
	$row = get("$base/gzip");
	is($row->{content}, undef, 'what comes all the same is kept as it is');
	like($row->{content_bytes}, qr/^\\x1f8b/, 'as bytes');

	# 100 kB that become 100 MB
	is(get("$base/compressed?bytes=100000000", decompress => 'true', max_response_bytes => 1_000_000)->{error_msg},
		'response body is larger than 1000000 bytes', 'the limit is on what comes out');

	set('decompress', 'on', sub { (get("$base/gzip")->{content} // '') eq "hello from gzip\n" });
	pass('by default');
	like(get("$base/gzip", decompress => 'false')->{content_bytes}, qr/^\\x1f8b/, 'but not for all');
	set('decompress', undef, sub { !defined get("$base/gzip")->{content} });
};

subtest 'HTTP version' => sub {
	like(get("$h2/protocol")->{content}, qr{^HTTP/1\.1}, '1.1 by default');
	like(get("$h2/protocol", http_version => "'2'")->{content}, qr{^HTTP/2\.0}, 'asked for 2');
	like(get("$h2/protocol", http_version => "'1.1'")->{content}, qr{^HTTP/1\.1}, '1.1');
	like(get("$h2/protocol", http_version => "'1.0'")->{content}, qr{^HTTP/1\.0}, '1.0');
	like(get("http://127.0.0.1:$nginx{http_port}/protocol", http_version => "'2'")->{content}, qr{^HTTP/1\.1}, '2 without TLS is 1.1');
	like(get("http://127.0.0.1:$nginx{http_port}/protocol", http_version => "'1.0'")->{content}, qr{^HTTP/1\.0}, '1.0 without TLS');
	set('http_version', '2', sub { get("$h2/protocol")->{content} =~ m{^HTTP/2\.0} });
	like(get("$h2/protocol", http_version => "'1.1'")->{content}, qr{^HTTP/1\.1}, 'a request has its own');
	set('http_version', undef, sub { get("$h2/protocol")->{content} =~ m{^HTTP/1\.1} });
};

subtest 'a burst over HTTP/2' => sub {
	my $host = "https://localhost:$nginx{h2_port}";
	sql("create table burst as select net.http_request('GET', '$host/protocol?' || i, http_version := '2', timeout_milliseconds := @{[LONG_MS]}) as id"
		  . " from generate_series(1, 1000) as i");
	wait_for('1000 responses', sub { sql('select count(*) from burst join net._http_response using (id)') == 1000 });
	is(sql("select count(*) from burst join net._http_response using (id) where content like 'HTTP/2.0 %'"), 1000, 'all over HTTP/2');
	# nginx counts the requests of each connection
	cmp_ok(sql("select count(*) from burst join net._http_response using (id) where content = E'HTTP/2.0 1\\n'"),
		'<=', 8, 'over few connections');
	sql('drop table burst');
};

subtest 'a row by hand' => sub {
	sql("insert into net.http_request_queue (id, method, url, timeout_milliseconds, max_redirects, max_response_bytes, decompress,"
		  . " http_version, connect_timeout_milliseconds, same_origin_headers) values"
		  . " (1000001, 'GET', '$base/redirect/1', @{[LONG_MS]}, 0, null, null, null, null, null),"
		  . " (1000002, 'GET', '$base/huge?bytes=20', @{[LONG_MS]}, null, 10, null, null, null, null),"
		  . " (1000003, 'GET', '$base/compressed', @{[LONG_MS]}, null, null, true, null, null, null),"
		  . " (1000004, 'GET', '$h2/protocol', @{[LONG_MS]}, null, null, null, '1.1', null, null),"
		  . " (1000005, 'GET', '$no_tls', @{[LONG_MS]}, null, null, null, null, 100, null),"
		  . " (1000006, 'GET', '$base/echo', @{[LONG_MS]}, 5, 10000, true, '1.0', 5000, '{X-Mine}'); select net.wake()");
	is(wait_response($node, 1000001)->{status_code}, 302, 'max_redirects');
	like(wait_response($node, 1000002)->{error_msg}, qr/larger than 10 bytes/, 'max_response_bytes');
	is(wait_response($node, 1000003)->{content}, 'x' x 1000, 'decompress');
	like(wait_response($node, 1000004)->{content}, qr{^HTTP/1\.1}, 'http_version');
	like(wait_response($node, 1000005)->{error_msg}, qr/^Connect timeout of 100 ms/, 'connect_timeout_milliseconds');
	is(wait_response($node, 1000006)->{status_code}, 200, 'all of them');
};

subtest 'bad settings are refused' => sub {
	my %bad = (connect_timeout => '-1', decompress => 'maybe', http_version => '3', max_redirects => '-1', max_response_size => '0');
	for my $name (sort keys %bad)
	{
		my ($rc, undef, $stderr) = $node->psql('postgres', "alter system set pg_net.$name = '$bad{$name}'");
		isnt($rc, 0, $name);
		like($stderr, qr/pg_net\.$name/, "$name: error");
	}
};

$node->stop;
done_testing();
