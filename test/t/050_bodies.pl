# Bodies arrive exactly: as text when they are text, else as bytes.  Every
# kind of body by every way there is to a server, into databases of several
# encodings, and through pg_dump.

use strict;
use warnings;
use utf8;

use Encode ();
use MIME::Base64 qw(encode_base64url);
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 120_000;

my $server = start_http_server();
my %nginx = start_nginx();
my $node = new_node('bodies', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");

# How the server says where a body ends.
my @framings = ('length', 'chunked', 'close');

# Ways to the server.
my $proxied = '/proxy/' . $server->port;
my %ways = (
	'directly' => $server->url,
	'by nginx' => "http://127.0.0.1:$nginx{http_port}$proxied",
	'by nginx, TLS' => "https://localhost:$nginx{https_port}$proxied",
	'by nginx, HTTP/2' => "https://localhost:$nginx{h2_port}$proxied");

my $text = "K\x{e4}se na\x{ef}f\n";
my $bytes = undef;

# Text in an encoding; Perl's "utf8" takes all characters that PostgreSQL takes.
sub in { return Encode::encode($_[0], $_[1], Encode::FB_CROAK | Encode::LEAVE_SRC) }

# What, Content-Type, the body, and the text it is.  $bytes: none.
my $png = pack 'H*', '89504e470d0a1a0a0000000d49484452';
my $all_bytes = join '', map { chr } 0 .. 255;
my $latin1_bytes = substr $all_bytes, 1;
my @cases = (
	[ 'nothing', 'text/plain', '', '' ],
	[ 'ASCII', 'text/plain', "plain\r\n", "plain\r\n" ],
	[ 'no type', undef, "untyped", 'untyped' ],
	[ 'no type, binary', undef, "\xff\xfe\xfd", $bytes ],
	[ 'long', 'text/plain', in('utf8', $text x 1500), $text x 1500 ],

	[ 'UTF-8', 'text/plain', in('utf8', $text), $text ],
	(
		map { [ "UTF-8 as $_", "text/plain; $_", in('utf8', $text), $text ] }
		  'charset=utf-8', 'charset=UTF8', 'CHARSET="utf-8"', "charset='utf-8'",
		'charset=utf8mb4', 'charset=', 'charset=x-unheard-of', 'charset=us-ascii',
		'format=flowed; charset=utf-8', 'x="a; charset=latin2"; charset=utf-8',
		'charset=' . 'x' x 100
	),
	[ 'JSON', 'application/json', in('utf8', qq({"a": "$text \\u0000"})), qq({"a": "$text \\u0000"}) ],
	[ 'not a character', 'text/plain', "\xef\xbf\xbf", "\x{ffff}" ],
	[ 'UTF-8, declared as ISO-8859-1', 'text/plain; charset=iso-8859-1', in('utf8', "\x{e9}"), "\x{c3}\x{a9}" ],

	[ 'ISO-8859-1, not declared', 'text/plain', in('iso-8859-1', $text), $bytes ],
	[ 'ISO-8859-1, declared as UTF-8', 'text/plain; charset=utf-8', in('iso-8859-1', $text), $bytes ],
	[ 'NUL', 'text/plain', "before\0after", $bytes ],
	[ 'NUL in ISO-8859-1', 'text/plain; charset=latin1', "before\0after", $bytes ],
	[ 'overlong', 'text/plain', "\xc0\x80", $bytes ],
	[ 'a surrogate', 'text/plain', "\xed\xa0\x80", $bytes ],
	[ 'beyond Unicode', 'text/plain', "\xf4\x90\x80\x80", $bytes ],
	[ 'cut off', 'text/plain', substr(in('utf8', "\x{20ac}"), 0, 2), $bytes ],
	[ 'PNG', 'image/png', $png, $bytes ],
	[ 'all bytes', 'application/octet-stream', $all_bytes, $bytes ],

	[ 'ISO-8859-1, all of it', 'text/plain; charset=ISO-8859-1', $latin1_bytes, $latin1_bytes ],
	(
		map {
			my ($name, $encoding, $words) = @$_;
			[ "$name", "text/plain; charset=$name", in($encoding, $words), $words ]
		} (
			[ 'latin1', 'iso-8859-1', $text ],
			[ 'cp819', 'iso-8859-1', $text ],
			[ 'windows-1252', 'cp1252', "\x{201c}10 \x{20ac}\x{201d}" ],
			[ 'cp1252', 'cp1252', "\x{201c}10 \x{20ac}\x{201d}" ],
			[ 'ISO-8859-15', 'iso-8859-15', "10 \x{20ac}" ],
			[ 'iso-8859-2', 'iso-8859-2', "\x{141}\x{f3}d\x{17a}" ],
			[ 'windows-1250', 'cp1250', "\x{141}\x{f3}d\x{17a}" ],
			[ 'koi8-r', 'koi8-r', "\x{43c}\x{438}\x{440}" ],
			[ 'windows-1251', 'cp1251', "\x{43c}\x{438}\x{440}" ],
			[ 'cp1251', 'cp1251', "\x{43c}\x{438}\x{440}" ],
			[ 'iso-8859-7', 'iso-8859-7', "\x{3b1}\x{3b2}" ],
			[ 'shift_jis', 'cp932', "\x{65e5}\x{672c}" ],
			[ 'windows-31j', 'cp932', "\x{65e5}\x{672c}" ],
			[ 'euc-jp', 'euc-jp', "\x{65e5}\x{672c}" ],
			[ 'gb2312', 'gb2312', "\x{4e2d}\x{6587}" ],
			[ 'gbk', 'gbk', "\x{4e2d}\x{6587}" ],
			[ 'big5', 'big5', "\x{4e2d}\x{6587}" ],
			[ 'euc-kr', 'euc-kr', "\x{d55c}\x{ae00}" ],
			[ 'tis-620', 'iso-8859-11', "\x{e44}\x{e17}" ]
		)
	),
	[ 'no character of windows-1252', 'text/plain; charset=windows-1252', "\x81", $bytes ],

	[ 'mark of UTF-8', 'text/plain', "\xef\xbb\xbf" . in('utf8', $text), "\x{feff}$text" ],
	[ 'mark of UTF-8, and latin1', 'text/plain; charset=latin1', "\xef\xbb\xbf" . in('utf8', $text), "\x{feff}$text" ],
	[ 'UTF-16', 'text/plain; charset=utf-16', "\xff\xfe" . in('UTF-16LE', $text), $text ],
	[ 'UTF-16, big', 'text/plain; charset=utf-16', "\xfe\xff" . in('UTF-16BE', $text), $text ],
	[ 'UTF-16, no mark', 'text/plain; charset=utf-16', in('UTF-16LE', $text), $text ],
	[ 'UTF-16LE', 'text/plain; charset=utf-16le', in('UTF-16LE', $text), $text ],
	[ 'UTF-16BE', 'text/plain; charset=UTF-16BE', in('UTF-16BE', $text), $text ],
	[ 'UTF-16, not declared', 'application/json', "\xff\xfe" . in('UTF-16LE', qq("$text")), qq("$text") ],
	[ 'UTF-16, declared as UTF-8', 'text/plain; charset=utf-8', "\xff\xfe" . in('UTF-16LE', $text), $text ],
	[ 'a pair of surrogates', 'text/plain; charset=utf-16', "\xff\xfe" . in('UTF-16LE', "\x{1f600}"), "\x{1f600}" ],
	[ 'nothing but a mark', 'text/plain; charset=utf-16', "\xff\xfe", '' ],
	[ 'half a pair', 'text/plain; charset=utf-16', "\xff\xfe\x3d\xd8a\0", $bytes ],
	[ 'half a pair, at the end', 'text/plain; charset=utf-16', "\xff\xfea\0\x3d\xd8", $bytes ],
	[ 'the other half', 'text/plain; charset=utf-16', "\xff\xfe\x00\xdea\0", $bytes ],
	[ 'half a unit', 'text/plain; charset=utf-16', "\xff\xfea\0b", $bytes ],
	[ 'NUL in UTF-16', 'text/plain; charset=utf-16', "\xff\xfea\0\0\0b\0", $bytes ],
	[ 'UTF-32', 'text/plain', "\xff\xfe\0\0a\0\0\0", $bytes ],
	[ 'an image that looks like UTF-16', 'image/x-raw', "\xff\xfea\0b\0", $bytes ],

	[ 'XML in ISO-8859-1', 'text/xml', in('iso-8859-1', qq(<?xml version="1.0" encoding="ISO-8859-1"?><a>$text</a>)), qq(<?xml version="1.0" encoding="ISO-8859-1"?><a>$text</a>) ],
	[ 'XML, declared as UTF-8', 'text/xml; charset=utf-8', in('utf8', qq(<?xml version='1.0' encoding='ISO-8859-1'?><a>$text</a>)), qq(<?xml version='1.0' encoding='ISO-8859-1'?><a>$text</a>) ],
	[ 'XML that names none', 'text/xml', in('utf8', qq(<?xml version="1.0"?><a encoding="latin1">$text</a>)), qq(<?xml version="1.0"?><a encoding="latin1">$text</a>) ],
	[ 'a cut off XML declaration', 'text/xml', qq(<?xml encoding="latin1), qq(<?xml encoding="latin1) ],
);

# What PostgreSQL calls an encoding, and what Perl calls it.
my @databases = (
	[ 'LATIN1', 'iso-8859-1' ],
	[ 'WIN1252', 'cp1252' ],
	[ 'KOI8R', 'koi8-r' ],
	[ 'EUC_JP', 'euc-jp' ],
	[ 'SQL_ASCII', undef ]);

sub escape_url
{
	my ($value) = @_;
	$value =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
	return $value;
}

# The URL path under which the server answers with a case's body.
sub target_of
{
	my ($case, $framing) = @_;
	my (undef, $type, $body) = @$case;
	my $target = "/body?framing=$framing&base64=" . encode_base64url($body);
	$target .= '&type=' . escape_url($type) if defined $type;
	return $target;
}

# Send all cases from a database by one way, in one framing, and return for each its row: what
# is in content and in content_bytes, both as hex, and the content type.
sub answers_of
{
	my ($database, $way, $framing) = @_;
	my @urls = map { $ways{$way} . target_of($_, $framing) } @cases;
	my $n = @urls;
	my $values = join ',', map { "($_, '$urls[$_]')" } 0 .. $#urls;

	sql_in($database, <<"END");
drop table if exists asked;
create table asked as
	select nr, net.http_get(url, timeout_milliseconds := ${\LONG_MS}) as id
	from (values $values) as c(nr, url);
END
	wait_for("$n answers",
		sub { return sql_in($database, 'select count(*) from asked join net._http_response using (id)') eq $n });
	my $rows = sql_in($database, <<'END');
select coalesce(encode(convert_to(content, getdatabaseencoding()::name), 'hex'), '-'),
	coalesce(encode(content_bytes, 'hex'), '-'), coalesce(content_type, '-'), status_code
from asked join net._http_response using (id) order by nr
END
	return map { [ split /\|/ ] } split /\n/, $rows;
}

# The hex of a case's content and content_bytes, in a database of an encoding
# of Perl's, or of SQL_ASCII.
sub expected
{
	my ($case, $encoding) = @_;
	my (undef, undef, $body, $words) = @$case;
	my @as_bytes = ('-', unpack 'H*', $body);

	return $body =~ /\0/ ? @as_bytes : (unpack('H*', $body), '-')
	  unless defined $encoding;
	return @as_bytes unless defined $words;

	# Only Unicode has a mark.
	$words =~ s/^\x{feff}// unless $encoding eq 'utf8';
	my $converted = eval { in($encoding, $words) };
	return defined $converted ? (unpack('H*', $converted), '-') : @as_bytes;
}

sub check
{
	my ($database, $way, $framing, $encoding) = @_;
	my @rows = answers_of($database, $way, $framing);
	my $right = 0;

	for my $i (0 .. $#cases)
	{
		my ($name, $type) = @{ $cases[$i] };
		my @expected = (expected($cases[$i], $encoding), $type // '-', 200);

		# nginx gives it its own
		$rows[$i][2] = '-' if !defined $type && $way =~ /nginx/;
		if ("@{$rows[$i]}" eq "@expected") { $right++ }
		else { is("@{$rows[$i]}", "@expected", "$name, $way, $framing, $database") }
	}
	is($right, scalar @cases, "all $right bodies $way, $framing, into $database");
	return;
}

# A digest of all rows of a relation.
sub digest
{
	my ($database, $relation) = @_;
	return sql_in($database,
		"select count(*), md5(string_agg(md5(r::text), ' ' order by id)) from $relation as r");
}

# Copies of the answers survive COPY, and pg_dump with pg_restore.
sub check_copies
{
	my ($database, $encoding) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database";
	my $before = digest($database, 'net._http_response');

	sql_in($database, <<"END");
create table kept as table net._http_response;
copy net._http_response to '$file.copy';
truncate net._http_response;
copy net._http_response from '$file.copy';
END
	is(digest($database, 'net._http_response'), $before, "$database: COPY there and back");

	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$file.dump", $node->connstr($database) ],
		"$database: pg_dump");
	sql("create database restored_$database template template0 encoding '$encoding' locale 'C'");
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr("restored_$database"), "$file.dump" ],
		"$database: pg_restore");
	is(digest("restored_$database", 'kept'), $before, "$database: restored");
	return;
}

# Make a database with the extension.
sub make_database
{
	my ($database, $encoding) = @_;

	sql("create database $database template template0 encoding '$encoding' locale 'C'");
	sql_in($database, 'create extension pg_net');
	return;
}

subtest 'UTF8' => sub {
	for my $way (sort keys %ways)
	{
		check('postgres', $way, $_, 'utf8') for @framings;
	}
	check_copies('postgres', 'UTF8');
};

for (@databases)
{
	my ($name, $encoding) = @$_;
	my $database = lc $name;

	subtest $name => sub {
		make_database($database, $name);
		check($database, 'directly', 'length', $encoding);
		check_copies($database, $name);
	};
}

$node->stop;
done_testing();
