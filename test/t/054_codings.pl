# decompress: what is decoded, what stays as it came, and what that may take.

use strict;
use warnings;

use Compress::Zlib ();
use IO::Compress::Deflate ();
use IO::Compress::Gzip ();
use IO::Compress::RawDeflate ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('codings', conf => "pg_net.ca_file = '$nginx{ca_file}'");
my $base = $server->url;

# SQL that sends with decompress; options are arguments of http_request.
sub send_sql
{
	my ($url, %args) = @_;
	my $method = delete $args{method} // 'GET';
	%args = (decompress => 'true', timeout_milliseconds => LONG_MS, %args);
	return "net.http_request('$method', '$url'" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')';
}

sub get { return request($node, 'select ' . send_sql(@_)) }

# A URL that is answered with these bytes.
sub raw { return "$base/bytes?packed=1&base64=" . encode_base64url(Compress::Zlib::compress($_[0])) }

# An answer with this body, framed by its length or in chunks of some bytes.
sub answer_bytes
{
	my ($coding, $body, %how) = @_;
	my $head = 'HTTP/1.1 ' . ($how{status} // 200) . " X\r\nContent-Type: text/plain\r\n";
	$head .= "Content-Encoding: $_\r\n" for ref $coding ? @$coding : $coding;
	return "$head\r\n$body" if $how{close};
	return $head . 'Content-Length: ' . length($body) . "\r\n\r\n$body" unless $how{chunk};
	return "${head}Transfer-Encoding: chunked\r\n\r\n"
	  . join('', map { sprintf "%x\r\n%s\r\n", length, $_ } unpack("(a$how{chunk})*", $body), '');
}

sub body_of { return get(raw(answer_bytes(@_))) }

my $text = join ' ', 1 .. 200;
my (%coded, $gzip);
IO::Compress::Gzip::gzip(\$text => \$coded{gzip}, -Minimal => 1);
IO::Compress::Deflate::deflate(\$text => \$coded{deflate});
IO::Compress::RawDeflate::rawdeflate(\$text => \$coded{raw});
$gzip = $coded{gzip};
my %name = (gzip => 'gzip', deflate => 'deflate', raw => 'deflate');
my %framings = (length => [], chunks => [ chunk => 7 ], bytes => [ chunk => 1 ], closing => [ close => 1 ]);

# Its text, or its bytes in hexadecimal.
sub content
{
	my ($row) = @_;
	return $row->{error_msg} if defined $row->{error_msg};
	return $row->{content} // $row->{content_bytes};
}

sub broken
{
	my ($row, $why, $name, $status) = @_;
	$status //= 200;
	is($row->{status_code}, undef, "$name: no status");
	is(content({ %$row, error_msg => undef }), undef, "$name: no body");
	like($row->{error_msg}, qr/^could not decompress the body of the response with status $status: $why$/, "$name: error");
	return;
}

subtest 'gzip, and deflate in both forms' => sub {
	for my $form (sort keys %coded)
	{
		is(content(body_of($name{$form}, $coded{$form}, @{ $framings{$_} })), $text, "$form, by $_") for sort keys %framings;
	}
	is(content(body_of('deflate', "\x03\x00")), '', 'the shortest deflate');
};

subtest 'a part is not the whole' => sub {
	for my $form (sort keys %coded)
	{
		my $all = length $coded{$form};
		for my $length (1, 2, int($all / 2), $all - 1)
		{
			my $part = substr $coded{$form}, 0, $length;
			broken(body_of($name{$form}, $part, @{ $framings{$_} }), 'it is cut short', "$form, $length of $all, by $_")
			  for $length == 2 ? sort keys %framings : 'length';
		}
	}
	broken(body_of('gzip', substr($gzip, 0, -8)), 'it is cut short', 'without the sums');
	broken(body_of('gzip', substr($gzip, 0, -8), status => 503), 'it is cut short', 'of another status', 503);
};

subtest 'damage is found' => sub {
	my %at = (crc => -8, length => -4);
	for (sort keys %at)
	{
		my $damaged = $gzip;
		substr($damaged, $at{$_}, 1) ^= "\1";
		broken(body_of('gzip', $damaged), "incorrect $_ check" =~ s/crc/data/r, $_);
	}
	my $damaged = $coded{deflate};
	substr($damaged, -1, 1) ^= "\1";
	broken(body_of('deflate', $damaged), 'incorrect data check', 'deflate');
	broken(body_of('gzip', 'plain text'), 'incorrect header check', 'no gzip at all');
	broken(body_of('deflate', 'plain text'), '.*', 'no deflate at all');
	broken(body_of('deflate', "\x78\xbb\0\0\0\1\0"), 'it needs a dictionary', 'a dictionary');
	is(content(get("$base/healthz")), "ok\n", 'the next one is none of their business');
};

subtest 'several members, and what is behind the last' => sub {
	my ($one, $other);
	IO::Compress::Gzip::gzip(\'{"a":' => \$one);
	IO::Compress::Gzip::gzip(\' 1}' => \$other);
	for (sort keys %framings)
	{
		is(content(body_of('gzip', $one . $other, @{ $framings{$_} })), '{"a": 1}', "two, by $_");
		broken(body_of('gzip', $one . substr($other, 0, -1), @{ $framings{$_} }), 'it is cut short', "the second is cut, by $_");
	}
	is(content(body_of('gzip', $one x 500)), '{"a":' x 500, 'many');
	broken(body_of('gzip', "$one\x1f\x8b\x07"), '.*', 'a second one of another method');
	my %behind = (zeros => "\0" x 512, text => 'text', 'half a beginning' => "\x1f", 'a beginning that is none' => "\x1f\x8a$other");
	is(content(body_of('gzip', $gzip . $behind{$_})), $text, "$_ behind gzip") for sort keys %behind;
	is(content(body_of('deflate', $coded{$_} . $coded{$_})), $text, "more behind $_") for qw(deflate raw);
};

subtest 'what is not one of these stays as it came' => sub {
	my $hex = '\x' . unpack 'H*', $gzip;
	for my $coding ('br', 'zstd', 'compress', 'gzip, gzip', 'deflate, gzip', 'gzip, br', 'gzip, aws-chunked', 'gzipp', 'gz')
	{
		my $row = body_of($coding, $gzip);
		is($row->{status_code}, 200, "$coding: status");
		is(content($row), $hex, "$coding: bytes");
		is($row->{headers}{'Content-Encoding'}, $coding, "$coding: says so");
	}
	is(content(body_of([ 'gzip', 'gzip' ], $gzip)), $hex, 'two fields');
	for my $coding ('UTF-8', 'aws-chunked', 'identity', 'none', '', ',', '*', '"gzip"')
	{
		is(content(body_of($coding, 'plain text')), 'plain text', "text, coding \"$coding\"");
	}
	is(content(body_of($_, $gzip)), $text, "\"$_\" is gzip") for 'x-gzip', 'GZip', 'gzip, identity', ' , identity ,gzip , ';
	is(content(body_of([ 'identity', 'gzip' ], $gzip)), $text, 'in two fields');
};

subtest 'no body' => sub {
	my $row = get(raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"), method => 'HEAD');
	is($row->{status_code}, 200, 'HEAD') or diag($row->{error_msg});
	is(content($row), '', 'HEAD: no body');
	for my $status (204, 304)
	{
		$row = get(raw("HTTP/1.1 $status X\r\nContent-Encoding: gzip\r\n\r\n"));
		is($row->{status_code}, $status, "status $status") or diag($row->{error_msg});
	}
	is(content(body_of($_, '')), '', "empty, and called $_") for qw(gzip deflate);
	is(content(get(raw(answer_bytes('gzip', '', chunk => 1)))), '', 'empty, in chunks');
};

subtest 'a part of a body' => sub {
	my $row = body_of('gzip', substr($gzip, 10, 20), status => 206);
	is($row->{status_code}, 206, 'status');
	is(content($row), '\x' . unpack('H*', substr $gzip, 10, 20), 'is kept as it came');
	my $asked = sub { JSON::PP::decode_json(get("$base/echo", headers => "'$_[0]'")->{content})->{headers} };
	is($asked->('{}')->{'Accept-Encoding'}, 'gzip, deflate', 'what is asked for');
	is($asked->('{"Range": "bytes=0-99"}')->{'Accept-Encoding'}, undef, 'nothing, with a Range');
	is_deeply($asked->('{"accept-encoding": "gzip;q=0.5"}')->{'accept-encoding'}, 'gzip;q=0.5', 'a request has its own');
	is($asked->('{"accept-encoding": "br"}')->{'Accept-Encoding'}, undef, 'alone');
	is(content(get(raw("HTTP/1.1 302 X\r\nLocation: $base/healthz\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"))),
		"ok\n", 'the body of a redirect is not looked at');
};

subtest 'large ones' => sub {
	for my $url ($base, "https://localhost:$nginx{h2_port}/proxy/" . $server->port)
	{
		my $version = $url =~ /https/ ? '2' : '1.1';
		sql("create table large as select n, " . send_sql("$url/compressed-text?bytes=' || n || '", http_version => "'$version'") . " as id"
			  . " from generate_series(2000000, 2000009) as n");
		wait_for('all', sub { sql('select count(*) from large join net._http_response using (id)') == 10 });
		is(sql("select count(*) from large join net._http_response using (id) where length(content) = n"
			  . " and md5(content) = coalesce(headers->>'X-MD5', headers->>'x-md5') and http_version = '$version'"), 10, "HTTP/$version")
		  or diag(sql('select id, error_msg, length(content) from large join net._http_response using (id)'));
		sql('drop table large');
	}
};

# A request is in flight still.
sub in_flight { return sql("select count(*) from net.http_request_queue where id = $_[0]") == 1 }

subtest 'much work and no output' => sub {
	# As many codings as it has, this took minutes of CPU in one go.
	my $row = get("$base/packed-blocks?megabytes=60000");
	is($row->{status_code}, 200, 'three codings') or diag($row->{error_msg});
	like($row->{content_bytes} // '', qr/^\\x1f8b/, 'stay as they came');

	my @endless = split /\n/, sql('select ' . send_sql("$base/empty-blocks", timeout_milliseconds => 3_600_000)
		  . ' from generate_series(1, 3)');
	$server->wait_arrivals('/empty-blocks', 3);
	is(content(get("$base/healthz?$_")), "ok\n", "another request is answered, $_") for 1 .. 3;
	ok(in_flight($_), 'while they go on') for @endless;

	# They wait for their turns when that comes: some of them with all there is of
	# them, so that they fail as they go on, and nothing happens any more that libcurl
	# would look at.
	my @broken = split /\n/, sql('select ' . send_sql("$base/empty-blocks?then=' || n % 2 || '", timeout_milliseconds => 3_600_000)
		  . ' from generate_series(1, 60) as n');
	like(wait_response($node, $_)->{error_msg} // '', qr/could not decompress/, 'one that cannot be decoded is an error')
	  for @broken;

	my $short = sql('select ' . send_sql("$base/empty-blocks", timeout_milliseconds => 500));
	is(wait_response($node, $short)->{timed_out}, JSON::PP::true, 'one has its own timeout');
	ok(in_flight($_), 'before the others') for @endless;

	my $pid = current_worker($node);
	sql("select pg_terminate_backend($pid)");
	wait_for('the worker to leave', sub { !is_alive($pid) });
	ok(in_flight($_), 'the worker leaves when told to') for @endless;

	$server->wait_arrivals('/empty-blocks', 7);
	$node->stop('fast');
	pass('and so does the server');
};

done_testing();
