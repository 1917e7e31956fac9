# What servers do, played to pg_net and to libcurl: the outcomes are the same,
# unless test/data/differential says which rule of which RFC pg_net keeps, and
# libcurl does not.  It does not matter in which pieces the bytes come.
#
# libcurl's outcomes are those of version 7.88, which are written down; where it
# is of that version, it is asked, too.  PGNET_RECORD=1 writes them down anew.

use strict;
use warnings;

use Compress::Zlib qw(compress deflateInit memGzip);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant {
	TIMEOUT_MS => 60_000,
	SHORT_TIMEOUT_MS => 1_500,
	MAX_REDIRECTS => 5,
	BODY => 'data'
};

my $dir = dirname(abs_path(__FILE__)) . '/../data/differential';
my $lib = dirname(abs_path(__FILE__)) . '/../lib';
my $temporary = PostgreSQL::Test::Utils::tempdir('differential');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# What the cases' bytes are made of.
my %escapes = (r => "\r", n => "\n", t => "\t", 0 => "\0", '\\' => '\\');
my %codings = (
	gzip => sub { memGzip($_[0]) },
	half => sub { my $all = memGzip($_[0]); substr $all, 0, length($all) / 2 },
	deflate => sub { compress($_[0]) },
	raw => sub { my $zlib = deflateInit(-WindowBits => -15); join '', map { scalar $_ } $zlib->deflate($_[0]), $zlib->flush });

# The cases of the file: hashes of name, method, options, text, and addresses.
sub read_cases
{
	my @cases;

	for (split /\n/, slurp_file("$dir/cases") =~ s/\n +(?=.*[~{])//gr)
	{
		my ($name, $method, $options, $text) = /^([\w.-]+) ([A-Z]+)((?:\+[\w.]+)*) (.*)/ or next;
		my %options = map { $_ => 1 } grep { length } split /\+/, $options;
		my $number = @cases;
		my $place = int($number / 250) . '.' . ($number % 250 + 1);

		push @cases, {
			name => $name, method => $method, options => \%options, text => $text,
			keep => scalar($text =~ /\{keep\}$/), address => "127.20.$place", other => "127.30.$place",
			timeout_ms => $options{hang} ? SHORT_TIMEOUT_MS : TIMEOUT_MS,
			body => $method =~ /^(?:POST|PUT|PATCH)$/ ? BODY : undef
		};
	}
	return @cases;
}

# The bytes that some text of a case stands for.
sub unescape
{
	my ($text) = @_;
	$text =~ s/~/\r\n/g;
	$text =~ s/\\(?:x([0-9a-f]{2})|([rnt0\\]))/defined $1 ? chr hex $1 : $escapes{$2}/ge;
	return $text;
}

# What the server does for a case, as replay-server wants it.
sub actions_of
{
	my ($case, $port) = @_;
	my %place = (host => "$case->{address}:$port", other => "$case->{other}:$port");
	my $text = $case->{text};
	my @actions = ([ 'send', '' ]);
	my $end = 'close';

	1 while $text =~ s/\{(\d+)\*([^{}]*)\}/$2 x $1/e;
	for (split /(\{(?:\d+|(?:gzip|half|deflate|raw) [^{}]*|host|other|close|reset|open|keep)\})/, $text)
	{
		if (/^\{(\d+)\}$/) { push @actions, [ 'pause', $1 + 0 ], [ 'send', '' ] }
		elsif (/^\{(\w+) (.*)\}$/) { $actions[-1][1] .= $codings{$1}->(unescape($2)) }
		elsif (/^\{(host|other)\}$/) { $actions[-1][1] .= $place{$1} }
		elsif (/^\{(close|reset|open|keep)\}$/) { $end = $1 }
		else { $actions[-1][1] .= unescape($_) }
	}
	$_->[1] = encode_base64($_->[1], '') for grep { $_->[0] eq 'send' } @actions;
	return [ @actions, [$end] ];
}

# What pg_net makes of the cases, by name; suffix is put behind the paths.
sub outcomes_of_pg_net
{
	my ($port, $suffix, @cases) = @_;
	my %outcomes;
	my $values = join ",\n", map {
		my $case = $_;
		"('$case->{name}', '$case->{method}', 'http://$case->{address}:$port/$case->{name}$suffix', "
		  . (defined $case->{body} ? "'$case->{body}'" : 'null') . ", $case->{timeout_ms}, "
		  . ($case->{options}{decompress} ? 'true' : 'false') . ', '
		  . ($case->{options}{'http1.0'} ? "'1.0'" : 'null') . ')'
	} @cases;

	sql(<<"END");
drop table if exists asked;
create table asked as
	select name, net.http_request(method, url, body := body::text, timeout_milliseconds := timeout,
		max_redirects := ${\MAX_REDIRECTS}, decompress := decompress, http_version := version) as id
	from (values $values) as c(name, method, url, body, timeout, decompress, version);
END
	wait_for('all responses', sub {
		return sql('select count(*) from asked join net._http_response using (id)') eq @cases;
	}, 120);
	for (split /\n/, sql('select jsonb_build_object($$name$$, name, $$status$$, status_code, $$fields$$, headers, $$body$$, content,'
		  . ' $$error$$, error_msg) from asked join net._http_response using (id)'))
	{
		my $row = $json->decode($_);
		my %fields = map {
			my $value = $row->{fields}{$_};
			lc($_) => shortened(ref $value ? join ', ', @$value : $value)
		} keys %{ $row->{fields} // {} };

		$outcomes{ $row->{name} } = defined $row->{error}
		  ? { error => code_of($row->{error}), words => $row->{error} }
		  : { status => $row->{status}, fields => \%fields, body => shortened($row->{body} // '') };
	}
	return \%outcomes;
}

# What libcurl would call an error of pg_net: its number, or a word if it has none.
sub code_of
{
	my ($words) = @_;
	my @codes = (
		[ 1, qr/^Unsupported protocol/ ],
		[ 1, qr/^redirect to a scheme that is not supported/ ],
		[ 3, qr/^redirect to an invalid URL/ ],
		[ 7, qr/^Couldn't connect to server/ ],
		[ 8, qr/^Weird server reply/ ],
		[ 18, qr/^Transferred a partial file/ ],
		[ 28, qr/^Timeout of / ],
		[ 43, qr/^A libcurl function was given a bad argument/ ],
		[ 47, qr/^Number of redirects hit maximum amount/ ],
		[ 52, qr/^Server returned nothing/ ],
		[ 56, qr/^Failure when receiving data from the peer/ ],
		[ 61, qr/^Unrecognized or bad HTTP Content or Transfer-Encoding/ ],
		[ 61, qr/^could not decompress the body/ ],
		[ 'cut', qr/^Server closed the connection within the response headers/ ],
		[ 'large', qr/^response headers are (?:larger than|too large)/ ],
		[ 'large', qr/^out of memory, or a response header line is larger/ ],
	);
	my ($found) = grep { $words =~ $_->[1] } @codes;
	return $found ? $found->[0] : $words;
}

# Text of a response, or how long it is; the port is another one each time.
sub shortened
{
	my ($text) = @_;
	$text =~ s/(127(?:\.\d+){3}):\d+/$1:PORT/g;
	return length $text > 100 ? length($text) . ' bytes' : $text;
}

# The program that asks libcurl, if that is there, in the version that is recorded.
sub make_replay_libcurl
{
	my $program = "$temporary/replay-libcurl";
	my ($compiler) = run_command([ 'pg_config', '--cc' ]);

	return system("$compiler -O1 -o $program $lib/replay-libcurl.c -lcurl 2>$program.messages") == 0 ? $program : undef;
}

# What libcurl makes of the cases, by name; those that are kept are sent again
# afterwards.
sub outcomes_of_libcurl
{
	my ($program, $port, @cases) = @_;
	my (%outcomes, $out);
	my @lines = map {
		my $case = $_;
		map {
			join "\t", $_, $case->{name}, $case->{method}, "http://$case->{address}:$port/$case->{name}", $case->{body} // '-',
			  $case->{timeout_ms}, MAX_REDIRECTS, $case->{options}{decompress} ? 1 : 0, $case->{options}{'http1.0'} ? 1 : 0
		} 1 .. ($case->{keep} ? 2 : 1)
	} @cases;

	IPC::Run::run([$program], '<', \join("\n", @lines), '>', \$out) or die "replay-libcurl failed\n";
	for (split /\n/, $out)
	{
		my ($name, $error, $status, $head, $body) = split /\t/, $_, -1;

		$outcomes{$name} = $error != 0
		  ? { error => $error + 0 }
		  : { status => $status + 0, body => shortened(pack 'H*', $body), fields => fields_of(pack 'H*', $head) };
	}
	return \%outcomes;
}

# The fields of the last header section, as RFC 9112, section 5, reads them.
sub fields_of
{
	my ($head) = @_;
	my (%fields, $last, $in_section);

	for (split /\n/, $head)
	{
		s/\r+\z//;
		if (!$in_section && /^HTTP\//i) { %fields = (); $in_section = 1 }
		elsif (!$in_section) { next }
		elsif ($_ eq '') { $in_section = 0 }
		elsif (/^[ \t]+(.*?)[ \t]*\z/ && defined $last) { $$last = join ' ', grep { length } $$last, $1 }
		elsif (/^([^:]+):[ \t]*(.*?)[ \t]*\z/)
		{
			push @{ $fields{ lc $1 } }, $2;
			$last = \$fields{ lc $1 }[-1];
		}
	}
	return { map { $_ => shortened(join ', ', @{ $fields{$_} }) } keys %fields };
}

# Add to the outcomes what the server's log has of each case since it was asked
# last: requests, and how many connections those came on that are kept.
{
	my $seen = 0;

	sub with_requests
	{
		my ($outcomes, $log, @cases) = @_;
		my %case_of = map { my $case = $_; map { $_ => $case } @$case{qw(address other)} } @cases;
		my %connections;
		my $new = slurp_file($log, $seen);

		$seen += length $new;
		for (split /\n/, $new)
		{
			my ($address, $connection, $method, $target) = split / /;
			my $case = $case_of{$address};
			my $outcome = $outcomes->{ $case->{name} };

			push @{ $outcome->{requests} }, "$method $target";
			$connections{ $case->{name} }{$connection} = 1;
			$outcome->{connections} = keys %{ $connections{ $case->{name} } } if $case->{keep};
		}
		return $outcomes;
	}
}

# What is recorded of libcurl, by name.
sub recorded
{
	my %outcomes = map { /^([\w.-]+) (\{.*\})$/ ? ($1 => $json->decode($2)) : () } split /\n/, slurp_file("$dir/libcurl");
	return \%outcomes;
}

# Write down what libcurl makes of the cases.
sub record
{
	my ($outcomes, @cases) = @_;
	open my $file, '>', "$dir/libcurl" or die "could not write $dir/libcurl: $!\n";
	print $file "What libcurl 7.88 makes of the cases; written by test/t/078_differential.pl with PGNET_RECORD=1.\n\n";
	print $file "$_->{name} ", $json->encode($outcomes->{ $_->{name} }), "\n" for @cases;
	close $file;
	return;
}

# What pg_net makes of a case, where that differs: by name, the outcome, and why.
sub read_differences
{
	my %differences;
	my $why;

	for (split /\n/, slurp_file("$dir/differences"))
	{
		$why = $1 if /^# (.*)/;
		$differences{$1} = [ $json->decode($2), $why ] if /^([\w.-]+) (\{.*\})$/;
	}
	return %differences;
}

# The outcome that differs from libcurl's in this.
sub changed
{
	my ($outcome, $difference) = @_;
	my %changed = %$outcome;

	delete @changed{qw(error status fields body)} if defined $difference->{error} || defined $difference->{status};
	return { %changed, %$difference };
}

my @cases = read_cases();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $log = "$temporary/log";

append_to_file("$temporary/cases", $json->encode({ map { $_->{name} => actions_of($_, $port) } @cases }));
PgNetTest::spawn("$lib/replay-server", $port, "$temporary/cases", $log);
wait_for('the server to listen', sub { -e $log });
cmp_ok(scalar @cases, '>=', 300, @cases . ' cases');

my $program = make_replay_libcurl();
my $asked = $program ? with_requests(outcomes_of_libcurl($program, $port, @cases), $log, @cases) : {};

if ($ENV{PGNET_RECORD})
{
	record($asked, @cases) if ok($program, 'libcurl 7.88 is there');
	done_testing();
	exit;
}

my $recorded = recorded();
my %difference_of = read_differences();
my $node = new_node('differential', conf => 'pg_net.max_in_flight = 2000');

# connections are not kept while servers close others
my @kept = grep { $_->{keep} } @cases;
my $whole = outcomes_of_pg_net($port, '', grep { !$_->{keep} } @cases);
$whole = { %$whole, %{ outcomes_of_pg_net($port, '', @kept) } };
outcomes_of_pg_net($port, '', @kept);
with_requests($whole, $log, @cases);

# on connections that no case before has used
my $worker = current_worker($node);
sql('select net.worker_restart()');
next_worker($node, $worker);
my $bytes = outcomes_of_pg_net($port, '?bytes', @cases);

for my $case (@cases)
{
	my $name = $case->{name};
	my ($got, $in_bytes) = map { my %copy = %{ $_->{$name} }; \%copy } $whole, $bytes;
	my ($difference, $why) = @{ delete $difference_of{$name} // [] };
	my $libcurls = $json->encode($recorded->{$name});
	my $expected = $difference ? $json->encode(changed($recorded->{$name}, $difference)) : $libcurls;
	my $words = delete $got->{words};

	is($json->encode($asked->{$name}), $libcurls, "$name: libcurl") if $program;
	isnt($expected, $libcurls, "$name: differs") if $difference;
	is($json->encode($got), $expected, $name . ($why ? ": $why" : '')) or diag($words // '');
	delete @$_{qw(words requests connections)} for $got, $in_bytes;
	is($json->encode($in_bytes), $json->encode($got), "$name: byte by byte");
}
is_deeply([ sort keys %difference_of ], [], 'all differences are of cases');

done_testing();
