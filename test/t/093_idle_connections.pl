# What a server may do while a connection is idle, and what becomes of the next
# request: it arrives once, and gets its own response at the first attempt.  With
# what only TLS or HTTP/2 have to know of, the connection stays.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant TIMEOUT_MS => 20_000;

# After these the next request is to go out on the same connection.
my %kept = map { $_ => 1 } (
	map({ ("$_/nothing") } qw(http https https12 h2)),
	'http/urgent', 'https12/renegotiate',
	map({ ("https/$_", "h2/$_") } qw(tickets key-update key-updates)),
	map { "h2/$_" } qw(ping pings pong settings settings-one settings-window settings-table window
	  window-closed data-closed answer-closed reset-closed priority unknown altsvc origin));

# These may be taken for the response to a request that goes out meanwhile: what
# is wrong with them can only be seen as long as there is none.
my $is_poison = qr{^http.*/(byte|nul|line-end|answer|interim|continue|408|large|half-line|drip|ticket-byte)|^h2/(answers?|reset|window)-next};

my %nginx = start_nginx();
my $server = start_idle_server("$nginx{tls_dir}/good");
my $node = new_node('idle_connections', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");

my %url;
foreach my $line ($server->ports)
{
	my ($port, $kind) = split / /, $line;
	$url{$kind} = ($kind =~ /^http\// ? 'http' : 'https') . "://localhost:$port";
}
my @kinds = grep { !/silence/ } sort keys %url;
note('without HTTP/2: python3-hpack is not installed') unless $url{'h2/nothing'};

sql('create table kinds (kind text primary key, url text)');
sql("insert into kinds values @{[ join ', ', map { qq(('$_', '$url{$_}')) } @kinds ]}");
sql('create table sent (kind text, method text, target text, id bigint)');

# Send a request of this path to each of these kinds, and return the rows of the
# responses, by kind.
sub send_to
{
	my ($method, $path, @to) = @_;
	my $list = join ', ', map { "'$_'" } @to;

	sql("insert into sent select kind, '$method', '$path', net.http_request('$method', url || '$path/' || kind,",
		($method eq 'POST' ? "body := 'a body'::net.http_body," : ()),
		"timeout_milliseconds := @{[TIMEOUT_MS]}) from kinds where kind in ($list)");
	wait_sql("select count(*) from sent join net._http_response using (id) where target = '$path'", scalar @to);
	return map { $_->[0] => { content => $_->[1], attempts => $_->[2], error => $_->[3] } }
	  map { [ split /\|/, $_, 4 ] }
	  split /\n/, sql("select kind, content, attempts, error_msg from sent join net._http_response using (id) where target = '$path'");
}

# Have connections of these kinds be idle, and wait until the server has done to
# them what it does.
sub make_idle
{
	my ($path, @to) = @_;
	my %rows = send_to('GET', "/then/$path", @to);
	my @others = grep { ($rows{$_}{content} // '') ne "/then/$path/$_" } @to;

	is("@others", '', "$path: responses") or diag($rows{ $others[0] }{error});
	wait_for('the server to do what it does', sub { (grep { $_->[1] eq 'DONE' } $server->arrivals_of(qr{^/then/$path/})) == @to });
	return;
}

# The number of the connection on which a target arrived last.
sub connection_of
{
	my ($target) = @_;
	my @arrivals = grep { $_->[1] ne 'DONE' } $server->arrivals_of($target);
	return @arrivals ? $arrivals[-1][3] : 'none';
}

foreach my $method ('POST', 'GET')
{
	make_idle($method, @kinds);
	my %rows = send_to($method, "/next/$method", @kinds);

	foreach my $kind (@kinds)
	{
		my $target = "/next/$method/$kind";
		my @arrivals = $server->arrivals_of($target);
		my $same = connection_of("/then/$method/$kind") eq connection_of($target);
		my $what = "$kind, $method";

		is($rows{$kind}{content}, $target, "$what: its own response") or diag($rows{$kind}{error});
		is($rows{$kind}{attempts}, 1, "$what: at the first attempt");
		is(scalar @arrivals, 1, "$what: and it arrived once");
		is($same ? 1 : 0, $kept{$kind} // 0, "$what: on " . ($kept{$kind} ? 'the same connection' : 'another connection'));
	}
}

# Requests that go out while it happens.  Of a POST that got no response it is not
# known what became of it, and so it is not sent again.
subtest 'at the same moment' => sub {
	my @to = grep { !/$is_poison/ } @kinds;
	my $list = join ', ', map { "'$_'" } @to;

	my $send = sub {
		my ($path) = @_;
		return <<"END";
    insert into sent
      select kind, method, replace('$path', '*', method) || kind,
          net.http_request(method, url || replace('$path', '*', method) || kind, timeout_milliseconds := @{[TIMEOUT_MS]})
        from kinds, unnest(array['GET', 'POST']) as method where kind in ($list);
    commit;
    perform pg_sleep(0.01);
END
	};

	sql("do \$\$\nbegin\n", $send->('/then/race*/'), 'for i in 1 .. 12 loop', $send->(q(/race/*' || i || '/)), "end loop;\nend\n\$\$");
	my $race = q(sent join net._http_response using (id) where target like '/race/%');
	wait_sql("select count(*) from $race", 24 * @to);
	is(sql("select string_agg(distinct target || ': ' || coalesce(error_msg, ''), e'\\n') from $race and sent.method = 'GET' and content is distinct from target"), '', 'every GET gets its own response');
	is(sql("select count(*) from $race and content <> target"), 0, 'and so does a POST that gets one');

	my %attempts = map { split /\|/, $_ } split /\n/, sql("select target, attempts from $race");
	my %arrivals;
	$arrivals{ $_->[2] }++ for $server->arrivals_of(qr{^/race/});
	is(join(' ', grep { $arrivals{$_} > 1 && m{^/race/POST} } sort keys %arrivals), '', 'no POST arrives twice');
	is(join(' ', grep { $arrivals{$_} > $attempts{$_} } sort keys %arrivals), '', 'nothing arrives more often than is counted');
	note(sql("select count(*) || ' of ' || (select count(*) from $race and sent.method = 'POST') || ' POSTs failed' from $race and sent.method = 'POST' and error_msg is not null"));
	note(sql("select count(*) || ' had two attempts' from $race and attempts > 1"));
};

# A machine that is gone, or a firewall that has forgotten a connection, says
# nothing.  One request may be lost, but not all of those that follow.
subtest 'silence' => sub {
	foreach my $kind (grep { /silence/ } sort keys %url)
	{
		my $post = "net.http_request('POST', '$url{$kind}/%s/$kind', timeout_milliseconds := %d)";

		request($node, 'select ' . sprintf $post, 'then', TIMEOUT_MS);
		my @ids = split /\n/, sql('select ' . sprintf($post, 'lost', 500) . ' from generate_series(1, 3)');
		my @lost = map { wait_response($node, $_) } @ids;
		ok(scalar(grep { $_->{timed_out} } @lost), "$kind: requests are lost");
		my $row = request($node, 'select ' . sprintf $post, 'found', TIMEOUT_MS);
		is($row->{content}, "/found/$kind", '... but not the next one') or diag($row->{error_msg});
		is($row->{attempts}, 1, '... at the first attempt');
	}
};

$node->stop;
done_testing();
