# Header fields arrive unchanged: over 200 sets as real servers send them, straight
# from the wire, and by nginx over TLS and HTTP/2.  What is not a field of the
# response is not among them.

use strict;
use warnings;
use utf8;

use Compress::Zlib qw(compress);
use Cwd qw(abs_path);
use Encode ();
use File::Basename qw(dirname);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('headers', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");
my $json = JSON::PP->new->utf8->canonical;

# The sets of the file: name, and lines of bytes.
sub header_sets
{
	my $file = dirname(abs_path(__FILE__)) . '/../data/header_sets';
	my @sets;

	for (split /\n\n+/, slurp_file($file))
	{
		my ($name, @lines) = split /\n/;
		next unless $name =~ s/^# //;
		push @sets, [ $name, map { unescape($_) } @lines ];
	}
	return @sets;
}

# The lines that one line of the file stands for.
sub unescape
{
	my ($line) = @_;
	return map { unescape("$2") } 1 .. $1 if $line =~ /^\\L(\d+)\((.*)\)$/;
	return map { "$2$_: $_" } 1 .. $1 if $line =~ /^\\N(\d+)\((.*)\)$/;
	$line =~ s/\\R(\d+)\(([^)]*)\)/$2 x $1/ge;
	$line =~ s/\\(?:x([0-9a-f]{2})|\\)/defined $1 ? chr hex $1 : '\\'/ge;
	return $line;
}

# What RFC 9110 makes of the lines: an object, names as they came first.
sub object_of
{
	my @lines = @_;
	my (%object, %name_of);

	for (@lines)
	{
		my ($name, $value) = /^([^:]*):[ \t]*(.*?)[ \t]*$/s;
		my $first = $name_of{ lc $name } //= $name;
		push @{ $object{$first} }, characters($value);
	}
	for my $name (keys %object)
	{
		my @values = @{ $object{$name} };
		$object{$name} =
		    @values == 1 ? $values[0]
		  : lc $name eq 'set-cookie' ? \@values
		  : join ', ', @values;
	}
	return \%object;
}

# Bytes as characters: UTF-8 if they are that, else ISO-8859-1.
sub characters
{
	my ($bytes) = @_;
	my $characters = eval { Encode::decode('UTF-8', my $copy = $bytes, Encode::FB_CROAK) };
	return $characters // Encode::decode('iso-8859-1', $bytes);
}

# What goes with all lines; without the first a connection would be used again
# that the server is about to close.
my @common = ('Connection: close', 'Content-Length: 3');

# The path under which the server sends these lines as they are.
sub target_of
{
	my @lines = @_;
	my $bytes = join "\r\n", 'HTTP/1.1 200 OK', @lines, @common, '', "ok\n";
	return '/bytes?packed=1&base64=' . encode_base64url(compress($bytes));
}

# Get all URLs; of each response, in order, headers and content type.
sub get_all
{
	my @urls = @_;
	my $n = @urls;
	my $values = join ',', map { "($_, '$urls[$_]')" } 0 .. $#urls;

	sql(<<"END");
drop table if exists asked;
create table asked as
	select nr, net.http_get(url, timeout_milliseconds := ${\LONG_MS}) as id
	from (values $values) as c(nr, url);
END
	wait_for("$n responses",
		sub { return sql('select count(*) from asked join net._http_response using (id)') eq $n });
	my $rows = sql('select json_build_object($$headers$$, headers, $$type$$, content_type, $$error$$, error_msg)'
		  . ' from asked join net._http_response using (id) order by nr');
	return map { $json->decode($_) } split /\n/, $rows;
}

sub get_raw
{
	my ($row) = get_all($server->url . '/bytes?base64=' . encode_base64url($_[0]));
	return $row;
}

my @sets = header_sets();
cmp_ok(scalar @sets, '>=', 200, scalar(@sets) . ' sets');

subtest 'as they are' => sub {
	my @rows = get_all(map { my (undef, @lines) = @$_; $server->url . target_of(@lines) } @sets);

	for my $i (0 .. $#sets)
	{
		my ($name, @lines) = @{ $sets[$i] };
		is_deeply($rows[$i]{headers}, object_of(@lines, @common), $name)
		  or diag($rows[$i]{error} // '');

		my @types = map { /^content-type:\s*(.*?)\s*$/i } @lines;
		is($rows[$i]{type}, $types[-1], "$name: content_type") if @types;
	}
};

# nginx has fields of its own, and HTTP/2 has names in lower case.
for my $way ([ 'TLS', 'https_port' ], [ 'HTTP/2', 'h2_port' ])
{
	my ($name, $port) = @$way;
	my $theirs = qr/^(?:server|date|connection|keep-alive|content-length|content-type|alt-svc
		|p3p|x-accel-.*|transfer-encoding|upgrade|trailer|te)$/xi;

	subtest "by nginx, $name" => sub {
		my $base = "https://localhost:$nginx{$port}/proxy/" . $server->port;
		# It takes no control characters, and from 1.26 on one ETag only.
		my @passed = grep { "@$_" !~ /[\x00-\x08\x0a-\x1f\x7f]/ && (grep { /^etag:/i } @$_) < 2 } @sets;
		my @rows = get_all(map { my (undef, @lines) = @$_; $base . target_of(@lines) } @passed);
		my $right = 0;

		for my $i (0 .. $#passed)
		{
			my ($set, @lines) = @{ $passed[$i] };
			my $expected = object_of($name eq 'HTTP/2' ? map { s/^([^:]*)/lc $1/er } @lines : @lines);
			my $got = $rows[$i]{headers} // {};
			for my $object ($expected, $got)
			{
				delete $object->{$_} for grep { $_ =~ $theirs } keys %$object;
			}
			if ($json->encode($got) eq $json->encode($expected)) { $right++ }
			else { is_deeply($got, $expected, $set) or diag($rows[$i]{error} // '') }
		}
		is($right, scalar @passed, "all $right sets");
	};
}

subtest 'not of the response' => sub {
	my $end = join "\r\n", @common, '', "ok\n";
	my $final = object_of('X-Final: 1', @common);
	my $row = get_raw("HTTP/1.1 100 Continue\r\nX-Hundred: 1\r\n\r\n"
		  . "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Type: text/early\r\n\r\n"
		  . "HTTP/1.1 200 OK\r\nX-Final: 1\r\n$end");
	is_deeply($row->{headers}, $final, 'interim responses');
	is($row->{type}, undef, 'interim responses: content_type');

	($row) = get_all($server->url . '/trailers');
	is_deeply([ sort keys %{ $row->{headers} } ], [qw(Content-Type Trailer Transfer-Encoding)], 'trailers');

	my $hop = "HTTP/1.1 302 Found\r\nX-Hop: 1\r\nSet-Cookie: hop=1\r\nContent-Type: text/hop\r\nLocation: "
	  . target_of('X-Final: 1') . "\r\n$end";
	$row = get_raw($hop);
	is_deeply($row->{headers}, $final, 'redirects');
	is($row->{type}, undef, 'redirects: content_type');
};

subtest 'folded, and broken' => sub {
	my $row = get_raw("HTTP/1.1 200 OK\r\nX-Folded: one\r\n two\r\n\tthree\r\nContent-Length: 0\r\n\r\n");
	is($row->{headers}{'X-Folded'}, "one two three", 'a folded field is one line, with a space in each place (RFC 9112, section 5.2)');
	$row = get_raw("HTTP/1.1 200 OK\nX-Bare: 1\nContent-Length: 0\n\n");
	is_deeply($row->{headers}, { 'X-Bare' => '1', 'Content-Length' => '0' }, 'lines that end in LF');
	$row = get_raw("HTTP/1.0 200\r\n\r\nbody");
	is_deeply($row->{headers}, {}, 'no fields');
	$row = get_raw("HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n\r\n");
	like($row->{error}, qr/Weird server reply/, 'NUL in a field');
	$row = get_raw("HTTP/2222222221.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	like($row->{error}, qr/^Unsupported protocol/, 'no version of HTTP in the status line');
	$row = get_raw("HTTP/1.1 200 OK\r\nX-Name : v\r\nContent-Length: 0\r\n\r\n");
	ok($row->{error} || exists $row->{headers}{'X-Name'} || exists $row->{headers}{'X-Name '},
		'a blank before the colon');
};

$node->stop;
done_testing();
