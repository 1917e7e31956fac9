# A network that loses time and connections: every request ends in time, each
# response is whole and that of its own request, and no POST arrives twice.
#
# PGNET_SEED repeats the choices of a run, as far as time lets it.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant TIMEOUT_MS => 5_000;

# How much later a busy machine may notice.
use constant LATE_MS => 5_000;

# Of each protocol: how many ways to the server, and how many requests, of which
# so many at once.
use constant { PLACES => 10, REQUESTS => 120, AT_ONCE => 20 };
use constant MAX_BYTES => 200_000;

my $seed = $ENV{PGNET_SEED} // int rand 1_000_000;
note("PGNET_SEED=$seed");
srand $seed;

my $server = start_http_server();
my %nginx = start_nginx(backend => $server->port);
my %target = (
	http => [ $server->port, 'http', '' ],
	https => [ $nginx{https_port}, 'https', '/backend' ],
	h2 => [ $nginx{h2_port}, 'https', '/backend' ]);
my @protocols = sort keys %target;
my $network = start_bad_network('--seed' => $seed, map { ('--to' => $target{$_}[0]) x PLACES } @protocols);
my $node = new_node('bad_network', conf => "pg_net.ca_file = '$nginx{ca_file}'\npg_net.http_version = '2'");
my $worker = current_worker($node);

# A size, small or large.
sub size { return rand() < 0.3 ? 0 : int exp rand log MAX_BYTES }

# The requests: all that is known of each before.
sql('create table requests (n integer, at_once integer, method text, protocol text, url text, path text, sent integer, received integer)');
my @ports = $network->ports;
my @rows;
foreach my $protocol (@protocols)
{
	my (undef, $scheme, $prefix) = @{ $target{$protocol} };
	my @places = splice @ports, 0, PLACES;

	foreach my $n (1 .. REQUESTS)
	{
		my ($method, $received) = ((qw(GET POST))[ rand 2 ], size());
		my $path = "/mirror/$protocol/$method/$n?bytes=$received";
		my $url = "$scheme://localhost:$places[ rand PLACES ]$prefix$path";

		push @rows, sprintf "(%d, %d, '%s', '%s', '%s', '%s', %d, %d)", $n, $n / AT_ONCE, $method, $protocol, $url, $path, $method eq 'POST' ? size() : 0, $received;
	}
}
sql("insert into requests values @{[ join ', ', @rows ]}");

# The body that a request has.
sql(q{create function body(requests) returns text language sql as $$ select left(repeat($1.path || ' sent ', $1.sent / 20 + 1), $1.sent) $$});
sql('create table sent (n integer, protocol text, id bigint)');
sql(<<"END");
do \$\$
begin
  for i in 0 .. (select max(at_once) from requests) loop
    insert into sent
      select n, protocol, net.http_request(method, url, body := body(r)::net.http_body, timeout_milliseconds := @{[TIMEOUT_MS]})
        from requests r where at_once = i;
    commit;
    perform pg_sleep(0.3);
  end loop;
end
\$\$
END
my $count = @rows;
wait_for('all to end', sub { sql('select count(*) from sent join net._http_response using (id)') == $count }, TIMEOUT_MS / 1000 + 60);
pass('every request ends');

# Those that meet a condition, as text; 0 of them is ''.
my $all = 'requests join sent using (n, protocol) join net._http_response r using (id)';
sub those
{
	my ($condition) = @_;
	return sql("select string_agg(format('%s: %s, %s attempts, %s ms, %s', requests.path, r.status_code, r.attempts, r.duration_ms, r.error_msg), e'\\n') from $all where $condition");
}

is(those('num_nonnulls(r.status_code, r.error_msg) <> 1'), '', 'with a response or an error');
is(those("r.duration_ms > @{[TIMEOUT_MS + LATE_MS]}"), '', 'in time');
is(those("r.timed_out and r.duration_ms < @{[TIMEOUT_MS]}"), '', 'but not before');
is(those('r.status_code not in (200, 400, 408, 499)'), '', 'a response is the right one');
is(those("r.status_code = 200 and r.content is distinct from left(repeat(path, received / length(path) + 1), received)"), '', 'whole, and that of its request');
is(those("r.status_code = 200 and coalesce(r.headers->>'X-MD5', r.headers->>'x-md5') is distinct from md5(body(requests))"), '', '... which has arrived as it was');
is(those("r.attempts not between 1 and 2"), '', 'at the first attempt, or one more');

my %attempts = map { split /\|/, $_ } split /\n/, sql("select path, attempts from $all");
my %arrivals;
$arrivals{ $_->[2] }++ for $server->arrivals_of(qr{^/mirror/});
is(join(' ', grep { $arrivals{$_} > 1 && /POST/ } sort keys %arrivals), '', 'no POST arrives twice');
is(join(' ', grep { $arrivals{$_} > ($attempts{$_} // 0) } sort keys %arrivals), '', 'and nothing more often than is counted');

# or else this is no test
cmp_ok(sql("select count(*) from $all where status_code = 200"), '>', $count / 5, 'many were answered');
cmp_ok(sql("select count(*) from $all where error_msg is not null"), '>', $count / 50, 'and many were not');
note(sql("select string_agg(what, e'\\n' order by what) from (select format('%s: %s %s', protocol, count(*), coalesce(regexp_replace(left(error_msg, 40), '[0-9]+', 'N', 'g'), status_code::text)) as what from $all"
	  . " group by protocol, coalesce(regexp_replace(left(error_msg, 40), '[0-9]+', 'N', 'g'), status_code::text)) as w"));

is(current_worker($node), $worker, 'the worker is the same');
is_served($server, 'and serves');

diag("PGNET_SEED=$seed") unless Test::More->builder->is_passing;
$node->stop;
done_testing();
