# What an endpoint with keep_bytes keeps of long bodies, and what becomes of
# the connection: in HTTP/2 it is used on.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my %nginx = start_nginx(backend => $server->port);
my $node = new_node('keep_bytes', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");

sql("insert into net.endpoint (name, url, keep_bytes) values ('h2', 'https://127.0.0.1:$nginx{h2_port}', 1000), ('h1', 'https://127.0.0.1:$nginx{https_port}', 1000)");

sub response
{
	my ($url, %args) = @_;
	return request($node, "select net.http_request('GET', '$url', timeout_milliseconds := 60000" . join('', map { ", $_ := $args{$_}" } sort keys %args) . ')');
}

# How many requests have gone over the connection, this one included.
sub on_connection
{
	my ($endpoint) = @_;
	my ($count) = response("net://$endpoint/protocol")->{content} =~ / (\d+)$/;
	return $count;
}

# Many bytes more than are read on, to keep the connection; and few.
use constant MANY => 20_000_000;
use constant FEW => 500_000;

my @cases = (
	[ 'of a known length', '/huge?bytes=' . MANY ],
	[ 'in chunks, without an end', '/endless' ],
	[ 'compressed', '/compressed?bytes=' . MANY, decompress => 'true' ],
	[ 'compressed with little success', '/compressed-text?bytes=' . MANY, decompress => 'true' ],
	[ 'that is not decompressed', '/compressed-text?bytes=' . (MANY + 1), decompress => 'false' ],
	[ 'a little too long', '/huge?bytes=' . FEW ],
	[ 'a little too long, compressed', '/compressed?bytes=' . FEW, decompress => 'true' ]);

for my $endpoint ('h2', 'h1')
{
	subtest $endpoint => sub {
		for my $case (@cases)
		{
			my ($what, $path, %args) = @$case;
			my $arrived = $server->arrivals_of($path);
			my $before = on_connection($endpoint);
			my $row = response("net://$endpoint/backend$path", %args);
			my $after = on_connection($endpoint);
			is(join(' ', $row->{status_code}, $row->{error_msg} // 'no error', $row->{attempts}), '200 no error 1', "a body $what: a success");
			if ($path =~ /^.compressed-text/ && $args{decompress} eq 'false')
			{
				is(length $row->{content_bytes}, length('\x') + 2000, 'its first bytes');
			}
			else
			{
				is($row->{content} =~ s/\w+//r . length $row->{content}, 1000, 'its beginning');
			}
			cmp_ok($row->{response_bytes}, '<', 5_000_000, 'no more is read');
			is($after, $endpoint eq 'h2' || $what =~ /^a little/ ? $before + 2 : 1, 'what becomes of the connection');
			is($server->arrivals_of($path) - $arrived, 1, 'it is sent once');
		}
	};
}

subtest 'others on the connection' => sub {
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my $wait = "/wait?file=$gate";
	my $before = on_connection('h2');
	my @wait = split /\n/, sql("select net.http_request('GET', 'net://h2/backend$wait', timeout_milliseconds := 60000) from generate_series(1, 10)");
	$server->wait_arrivals($wait, 10);
	my @long = split /\n/, sql("select net.http_request('GET', 'net://h2/backend/endless', timeout_milliseconds := 60000) from generate_series(1, 10)");
	is(wait_response($node, $_)->{status_code}, 200, 'cut') for @long;
	append_to_file($gate, '');
	is(wait_response($node, $_)->{content}, "it is there\n", 'one beside it') for @wait;
	is(on_connection('h2'), $before + 21, 'all over one connection');
	is(scalar $server->arrivals_of($wait), 10, 'each once');
};

$node->stop;
done_testing();
